//! CANCEL, CANCEL_ALL, SESSION_DOWN and QUARANTINE (DOMAIN §4.1, EVENTS).
//!
//! Invariant: mass commands end orders in the order that EVENTS names: cancel-all by (symbol, acceptance), session-down
//! by acceptance.

use crate::Oracle;
use crate::amend::Named;
use crate::dedupe::Entry;
use crate::money::narrow;
use crate::state::Adjustment;
use ringbook_event::{Canceled, Origin, Record};
use ringbook_wire::message::{self, MessageType};
use ringbook_wire::{
    AccountId, ClientOrderId, EndReason, OrderId, OrderState, Qty, RejectCode, Role, Side, SymbolId, SymbolStatus,
};

impl Oracle {
    pub(crate) fn cancel(&mut self, origin: Origin, m: &message::Cancel) -> Result<(), RejectCode> {
        let unnamed = m.order.0 == 0 && m.client_id == ClientOrderId::NONE;
        if unnamed || m.reserved != 0 {
            return Err(RejectCode::BadRequest);
        }
        self.authorise_orders(origin, m.account, &[Role::Trade, Role::Admin])?;
        match self.find_order(m.account, m.order, m.client_id, MessageType::Cancel) {
            Named::Over(replayed) => self.events.push(replayed.into()),
            Named::Unknown => return Err(RejectCode::UnknownOrder),
            // A CLOSED symbol has no open order here: its ending is one part.
            Named::Open(id) => self.cancel_order(id, EndReason::User),
        }
        Ok(())
    }

    pub(crate) fn cancel_all(&mut self, origin: Origin, m: &message::CancelAll) -> Result<(), RejectCode> {
        let side = match (m.side, Side::from_code(m.side)) {
            (0, _) => None,
            (_, Some(side)) => Some(side),
            (_, None) => return Err(RejectCode::BadRequest),
        };
        if m.reserved != [0; 7] {
            return Err(RejectCode::BadRequest);
        }
        self.authorise_orders(origin, m.account, &[Role::Trade, Role::Admin])?;
        if m.symbol.0 != 0 && !self.symbols.contains_key(&m.symbol.0) {
            return Err(RejectCode::UnknownSymbol);
        }
        let mut ids: Vec<(u32, u64)> = self
            .orders
            .values()
            .filter(|order| order.account == m.account.0)
            .filter(|order| m.symbol.0 == 0 || order.symbol == m.symbol.0)
            .filter(|order| side.is_none_or(|side| order.side == side))
            .map(|order| (order.symbol, order.id))
            .collect();
        ids.sort_unstable();
        for &(_, id) in &ids {
            self.cancel_order(id, EndReason::Mass);
        }
        self.push_handled(MessageType::CancelAll, m.account.0, ids.len() as u32, 0);
        Ok(())
    }

    pub(crate) fn session_down(&mut self, m: &message::SessionDown) {
        let ids: Vec<u64> = self
            .orders
            .values()
            .filter(|order| order.session == m.session.0 && order.session != 0 && order.cancel_on_disconnect)
            .map(|order| order.id)
            .collect();
        for &id in &ids {
            self.cancel_order(id, EndReason::Session);
        }
        self.push_handled(MessageType::SessionDown, 0, ids.len() as u32, m.session.0);
    }

    /// CANCELED and DONE.
    fn cancel_order(&mut self, id: u64, reason: EndReason) {
        let order = &self.orders[&id];
        self.events.push(
            Canceled {
                header: Canceled::header(reason.code(), 0, order.account),
                order: OrderId(id),
                symbol: SymbolId(order.symbol),
                reserved: 0,
                remaining: Qty(narrow(order.remaining)),
            }
            .into(),
        );
        self.end_order(id, OrderState::Canceled, Some(reason));
    }

    /// A command that crashed an engine once is not run but remembered as refused with 900.
    pub(crate) fn quarantine(&mut self, m: &message::Quarantine) {
        match MessageType::from_code(m.kind) {
            Some(MessageType::NewOrder) => self.quarantine_order(m),
            Some(MessageType::Deposit | MessageType::Withdraw | MessageType::Transfer | MessageType::AdjustMargin) => {
                self.quarantine_money(m)
            }
            _ => {}
        }
        if m.halt == 1 && self.symbols.get(&m.symbol.0).is_some_and(|symbol| symbol.status != SymbolStatus::Closed) {
            self.change_status(m.symbol.0, SymbolStatus::Halted);
        }
        self.push_handled(MessageType::Quarantine, m.account.0, 0, 0);
    }

    /// The client id enters the ring; one that is known stays what it is.
    fn quarantine_order(&mut self, m: &message::Quarantine) {
        let (account, client_id) = (m.account.0, u128::from(m.client_id));
        let is_open = self.orders.values().any(|order| order.account == account && order.client_id == client_id);
        let is_known = is_open || self.ring.by_client_id(account, client_id).is_some();
        let has_orders = m.account == AccountId::INSURANCE || self.require_customer(m.account).is_ok();
        if client_id == 0 || is_known || !has_orders {
            return;
        }
        self.ring.add(Entry {
            account,
            client_id,
            payload: None,
            order: 0,
            sequence: self.sequence,
            state: OrderState::Rejected,
            reason: 0,
            code: RejectCode::EngineFault.code(),
            filled: 0,
            remaining: 0,
            cost: 0,
            fee: 0,
            send_time: m.send_time.0,
        });
    }

    /// The adjustment number is consumed; one that is not above the last changes nothing.
    fn quarantine_money(&mut self, m: &message::Quarantine) {
        let Some(account) = self.accounts.get_mut(&m.account.0) else {
            return;
        };
        if m.adjustment > account.last_adjustment() {
            let code = RejectCode::EngineFault.code();
            account.adjustment = Some(Adjustment { number: m.adjustment, payload: None, code });
        }
    }
}
