//! FUNDING and SETTLE_SYMBOL: money between all positions of a perpetual (DOMAIN §2, §6.8).
//!
//! Invariants (DOMAIN §8.9): each payment is rounded up for the payer and booked against ROUNDING, which keeps at least 0 and
//! less than one unit a position of each funding; between the payments of one funding, and between the positions of one
//! settlement, nothing comes.

use super::contract::share_ceil;
use super::fill::Kind;
use super::positions::{Position, notional};
use crate::engine::Engine;
use crate::pending::{Task, Work};
use ringbook_event::{EventWriter, Funded, Funding as FundingEvent, Origin, Realized, Record, Settled, Status};
use ringbook_wire::message::{Funding, MessageType, SettleSymbol};
use ringbook_wire::{
    AccountId, Amount, FundReason, OrderId, Price, Qty, RATE_ONE, Rate, RejectCode, SymbolId, SymbolStatus, TradeId,
};

/// Role of a settlement in REALIZED.
const SETTLEMENT: u8 = 4;

impl Engine {
    pub(crate) fn funding(&mut self, origin: Origin, m: &Funding, out: &mut EventWriter<'_>) {
        let kind = MessageType::Funding;
        if let Err(code) = self.check_funding(origin, m) {
            return self.refuse_config(kind, AccountId(0), code, out);
        }
        // ═══ point of no return ═══
        let contract = self.contract_mut(m.symbol);
        contract.funding_index = m.index;
        contract.funding_due.0 = contract.funding_due.0.saturating_add(contract.terms.funding_interval);
        let cap = contract.terms.funding_cap.0;
        let rate = Rate(m.rate.0.clamp(-cap, cap));
        let mark = contract.mark;
        out.push(&Funded { header: Funded::header(0, 0, m.symbol.0), index: m.index, rate, mark });
        self.pay(m.symbol, rate, AccountId(0), out);
        self.handle_rest(kind, AccountId(0), out);
    }

    fn check_funding(&self, origin: Origin, m: &Funding) -> Result<(), RejectCode> {
        if m.reserved != 0 || !(1 - RATE_ONE..RATE_ONE).contains(&m.rate.0) {
            return Err(RejectCode::BadRequest);
        }
        self.may_feed(origin)?;
        if !self.is_perpetual(m.symbol) {
            return Err(RejectCode::UnknownSymbol);
        }
        if !matches!(self.effective_status(m.symbol), SymbolStatus::Trading | SymbolStatus::CancelOnly) {
            return Err(RejectCode::SymbolStatus);
        }
        let contract = self.contract(m.symbol);
        if !contract.is_fresh(self.time) {
            return Err(RejectCode::NoMark);
        }
        if Some(m.index) != contract.funding_index.checked_add(1) || self.time < contract.funding_due {
            return Err(RejectCode::FundingTime);
        }
        Ok(())
    }

    /// Payments of the positions from an account on, ascending; then the work loop.
    pub(crate) fn pay(&mut self, symbol: SymbolId, rate: Rate, from: AccountId, out: &mut EventWriter<'_>) {
        let (mark, k) = (self.contract(symbol).mark, self.symbols.at(symbol).terms.k);
        let rounding = self.system(AccountId::ROUNDING);
        let mut next = self.next_holder(symbol, from);
        while let Some((owner, slot)) = next {
            if !self.has_room(out) {
                let task = Task::Fund { symbol, rate, from: owner };
                self.work.push_front(Work { cause: self.cause, task });
                return;
            }
            let Position { account, asset, state, .. } = *self.positions.get(slot);
            let payment = super::contract::fits(share_ceil(notional(mark, state.quantity, k), rate.0));
            if payment != 0 {
                if self.positions.get(slot).is_isolated() {
                    let margin = &mut self.positions.change(slot).margin;
                    *margin = crate::money::sub(*margin, Amount(payment));
                } else {
                    self.accounts.change_futures(account, asset, -payment);
                }
                self.accounts.change_futures(rounding, asset, payment);
                out.push(&FundingEvent {
                    header: FundingEvent::header(state.mode.code(), 0, owner.0),
                    symbol,
                    reserved: 0,
                    quantity: Qty(state.quantity),
                    payment: Amount(payment),
                });
            }
            self.touch_position(slot);
            next = self.next_holder(symbol, AccountId(owner.0 + 1));
        }
        self.work_loop(out);
    }

    /// The first position with lots from an account on.
    fn next_holder(&self, symbol: SymbolId, from: AccountId) -> Option<(AccountId, u32)> {
        let holders = self.contract(symbol).holders.range(from..);
        holders.map(|(&owner, &slot)| (owner, slot)).find(|&(_, slot)| self.positions.get(slot).state.quantity != 0)
    }

    pub(crate) fn settle_symbol(&mut self, origin: Origin, m: &SettleSymbol, out: &mut EventWriter<'_>) {
        let kind = MessageType::SettleSymbol;
        if let Err(code) = self.check_settlement(origin, m) {
            return self.refuse_config(kind, AccountId(0), code, out);
        }
        // ═══ point of no return ═══
        let symbol = self.symbols.at_mut(m.symbol);
        let before = core::mem::replace(&mut symbol.status, SymbolStatus::Closed);
        let header = Status::header(SymbolStatus::Closed.code(), before.code(), m.symbol.0);
        out.push(&Status { header, reserved: 0 });
        out.push(&Settled { header: Settled::header(0, 0, m.symbol.0), price: m.price });
        let pending = self.work.len();
        let task = Task::Close { symbol: m.symbol, settle: Some(m.price) };
        let (count, more) = self.begin_ending(task, out);
        if !more {
            self.settle(m.symbol, m.price, AccountId(0), out);
        }
        self.handled(kind, AccountId(0), count, 0, self.work.len() > pending, out);
    }

    fn check_settlement(&self, origin: Origin, m: &SettleSymbol) -> Result<(), RejectCode> {
        self.may_configure(origin, m.reserved == 0)?;
        let symbol = self.symbols.get(m.symbol).filter(|symbol| symbol.contract.is_some());
        let symbol = symbol.ok_or(RejectCode::UnknownSymbol)?;
        if symbol.status == SymbolStatus::Closed {
            return Err(RejectCode::SymbolStatus);
        }
        if m.price < symbol.terms.min_price || m.price > symbol.terms.max_price {
            return Err(RejectCode::PriceRange);
        }
        Ok(())
    }

    /// Closes the positions from an account on at one price, ascending; then the work loop.
    pub(crate) fn settle(&mut self, symbol: SymbolId, price: Price, from: AccountId, out: &mut EventWriter<'_>) {
        let mut next = self.next_holder(symbol, from);
        while let Some((owner, slot)) = next {
            if !self.has_room(out) {
                let task = Task::Settle { symbol, price, from: owner };
                self.work.push_front(Work { cause: self.cause, task });
                return;
            }
            let position = *self.positions.get(slot);
            let (account, lots) = (position.account, position.state.quantity.abs());
            let side = position.closing_side().expect("it has lots");
            let closed = self.fill_position(account, symbol, side, price, lots, Amount::ZERO, Kind::Settlement);
            out.push(&Realized {
                header: Realized::header(SETTLEMENT, 0, owner.0),
                symbol,
                reserved: 0,
                trade: TradeId(0),
                order: OrderId(0),
                quantity: Qty(lots),
                pnl: Amount(closed.pnl),
            });
            if closed.short < 0 {
                self.pay_fund(account, symbol, FundReason::Deficit, i128::from(closed.short), 0, out);
            }
            self.cover_deficit(account, symbol, out);
            next = self.next_holder(symbol, AccountId(owner.0 + 1));
        }
        self.work_loop(out);
    }
}
