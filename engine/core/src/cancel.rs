//! CANCEL, CANCEL_ALL, SESSION_DOWN and QUARANTINE (docs/EVENTS.md).

use crate::dedupe::{Known, Outcome, Request};
use crate::engine::{Engine, Pending};
use crate::orders::NIL;
use crate::pending::{Task, Work};
use crate::perpetual::{Chore, Step};
use ringbook_event::{Canceled, EventWriter, Origin, Record, Status};
use ringbook_wire::message::{Cancel, CancelAll, MessageType, Quarantine, SessionDown};
use ringbook_wire::{
    AccountId, ClientOrderId, EndReason, OrderId, OrderState, RejectCode, Role, Side, SymbolId, SymbolStatus,
};

impl Engine {
    /// What a CANCEL or AMEND names: by order id or, if that is 0, by client id; of this account only.
    pub(crate) fn find_named(&self, account: u32, order: OrderId, client_id: ClientOrderId) -> Option<Known> {
        if order.0 == 0 {
            return self.dedupe.find_client(account, client_id);
        }
        self.dedupe.find_order(order).filter(|known| match *known {
            Known::Open(slot) => self.orders.get(slot).account == account,
            Known::Ended(at) => self.dedupe.request(at).account == account,
        })
    }

    pub(crate) fn cancel(&mut self, origin: Origin, m: &Cancel, out: &mut EventWriter<'_>) {
        let kind = MessageType::Cancel;
        if m.reserved != 0 || m.order.0 == 0 && m.client_id == ClientOrderId::NONE {
            return self.reject(kind, m.account, m.client_id, RejectCode::BadRequest, out);
        }
        let account = match self.authorise_order(origin.key, m.account, &[Role::Trade, Role::Admin]) {
            Ok(account) => account,
            Err(code) => return self.reject(kind, m.account, m.client_id, code, out),
        };
        match self.find_named(account, m.order, m.client_id) {
            None => self.reject(kind, m.account, m.client_id, RejectCode::UnknownOrder, out),
            Some(ended @ Known::Ended(_)) => self.replay(kind, ended, out),
            // ═══ point of no return ═══
            Some(Known::Open(slot)) => self.cancel_order(slot, EndReason::User, out),
        }
    }

    /// Takes an order that rests or waits out: EXPIRED, DONE.
    pub(crate) fn expire_order(&mut self, slot: u32, reason: EndReason, out: &mut EventWriter<'_>) {
        self.take_out(slot);
        self.expire(slot, reason, 0, out);
    }

    /// Takes an order that rests or waits out: CANCELED, DONE.
    pub(crate) fn cancel_order(&mut self, slot: u32, reason: EndReason, out: &mut EventWriter<'_>) {
        let symbol = self.orders.get(slot).symbol;
        self.take_out(slot);
        let order = self.orders.get(slot);
        let header = Canceled::header(reason.code(), 0, self.accounts.get(order.account).id.0);
        out.push(&Canceled { header, order: order.id, symbol, reserved: 0, remaining: order.remaining });
        self.finish(slot, OrderState::Canceled, Some(reason), out);
    }

    pub(crate) fn cancel_all(&mut self, origin: Origin, m: &CancelAll, out: &mut EventWriter<'_>) {
        let kind = MessageType::CancelAll;
        let side = Side::from_code(m.side);
        let refuse = |engine: &Self, code, out: &mut EventWriter<'_>| {
            engine.reject(kind, m.account, ClientOrderId::NONE, code, out);
        };
        if m.reserved != [0; 7] || m.side != 0 && side.is_none() {
            return refuse(self, RejectCode::BadRequest, out);
        }
        let account = match self.authorise_order(origin.key, m.account, &[Role::Trade, Role::Admin]) {
            Ok(account) => account,
            Err(code) => return refuse(self, code, out),
        };
        if m.symbol.0 != 0 && !self.knows_symbol(m.symbol) {
            return refuse(self, RejectCode::UnknownSymbol, out);
        }
        let only = (m.symbol.0 != 0).then_some(m.symbol);
        let before = OrderId(self.next_order);
        let task = Task::CancelAll { account, only, side, symbol: SymbolId(0), before };
        let (count, more) = self.begin_ending(task, out);
        self.handled(kind, m.account, count, 0, more, out);
    }

    pub(crate) fn session_down(&mut self, m: &SessionDown, out: &mut EventWriter<'_>) {
        let task = Task::Session { session: m.session, before: OrderId(self.next_order) };
        let (count, more) = self.begin_ending(task, out);
        self.handled(MessageType::SessionDown, AccountId(0), count, m.session.0, more, out);
    }

    /// The oldest work crashed the engine: what is left of a taker ends, or the stop order whose turn it was; what is left of
    /// other work is not done. Returns the symbol that was in the middle of a match or an uncross and must halt: its book may
    /// be crossed, and stop orders may be due.
    fn drop_work(&mut self, out: &mut EventWriter<'_>) -> Option<SymbolId> {
        let work = self.work.pop_front()?;
        let symbol = match work.task {
            Task::Taker { slot } => {
                let symbol = self.orders.get(slot).symbol;
                self.matching = NIL;
                self.expire(slot, EndReason::Fault, 0, out);
                // A stage of a liquidation: its symbol halts, so the bucket waits.
                self.liquidation = None;
                symbol
            }
            Task::Loop { .. } => self.drop_from_loop(out)?,
            Task::Uncross { symbol, .. } | Task::Fund { symbol, .. } | Task::Settle { symbol, .. } => symbol,
            _ => return None,
        };
        if !self.fired.is_empty() || !self.chores.is_empty() {
            self.work.push_front(Work { cause: work.cause, task: Task::Loop { between: false } });
        }
        Some(symbol)
    }

    /// What the work loop was at: a chore, a bucket (dropped; lots that nobody took go to the fund), or a stop order.
    fn drop_from_loop(&mut self, out: &mut EventWriter<'_>) -> Option<SymbolId> {
        if let Some(chore) = self.chores.pop_front() {
            let (Chore::Trim(slot) | Chore::Margin(slot)) = chore;
            return Some(self.positions.get(slot).symbol);
        }
        if let Some(liquidation) = self.liquidation.take() {
            if let Step::Cover { symbol, side, price, rest, .. } = liquidation.step
                && self.accounts.get(liquidation.account).id != AccountId::INSURANCE
            {
                self.give_to_fund(symbol, side.opposite(), price, rest);
            }
            return Some(liquidation.symbol).filter(|symbol| symbol.0 != 0);
        }
        let slot = self.fired.pop_front()?;
        let symbol = self.orders.get(slot).symbol;
        self.expire(slot, EndReason::Fault, 0, out);
        Some(symbol)
    }

    pub(crate) fn quarantine(&mut self, m: &Quarantine, out: &mut EventWriter<'_>) {
        let kind = MessageType::from_code(m.kind);
        let in_match = if kind == Some(MessageType::Continue) { self.drop_work(out) } else { None };
        if let Some(account) = self.accounts.find(m.account) {
            let customer = !m.account.is_system() || m.account == AccountId::INSURANCE;
            let fault = RejectCode::EngineFault.code();
            if kind == Some(MessageType::NewOrder)
                && customer
                && m.client_id != ClientOrderId::NONE
                && self.dedupe.find_client(account, m.client_id).is_none()
            {
                let request =
                    Request { client_id: m.client_id, payload: 0, order: OrderId(0), send_time: m.send_time, account };
                self.dedupe.add(&mut self.accounts, request, Outcome::refused(self.sequence, fault));
            }
            let money = matches!(
                kind,
                Some(MessageType::Deposit | MessageType::Withdraw | MessageType::Transfer | MessageType::AdjustMargin)
            );
            let adjustment = &mut self.accounts.get_mut(account).adjustment;
            if money && m.adjustment > adjustment.number {
                *adjustment = crate::accounts::LastAdjustment { number: m.adjustment, payload: 0, code: fault };
            }
        }
        let asked = (m.halt == 1 && self.knows_symbol(m.symbol)).then_some(m.symbol);
        for symbol in [in_match, asked.filter(|_| asked != in_match)].into_iter().flatten() {
            self.halt(symbol, out);
        }
        let more = self.pending() == Pending::Exclusive;
        self.handled(MessageType::Quarantine, m.account, 0, 0, more, out);
    }

    /// HALTED, unless the symbol is CLOSED.
    fn halt(&mut self, id: SymbolId, out: &mut EventWriter<'_>) {
        let symbol = self.symbols.at_mut(id);
        if symbol.status != SymbolStatus::Closed {
            let before = core::mem::replace(&mut symbol.status, SymbolStatus::Halted);
            let header = Status::header(SymbolStatus::Halted.code(), before.code(), id.0);
            out.push(&Status { header, reserved: 0 });
        }
    }
}
