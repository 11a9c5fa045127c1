//! SET_STATUS and what it sets going (DOMAIN §2, EVENTS "Configuration").
//!
//! Invariants: CLOSED is final and leaves no order of the symbol; a symbol that trades has no crossed book and no stop
//! order whose condition holds.

use crate::Oracle;
use crate::configure::{require, require_zero};
use ringbook_event::{Origin, Record, Status};
use ringbook_wire::message::{self, MessageType};
use ringbook_wire::{EndReason, RejectCode, Role, Side, SymbolStatus, TriggerSource};

impl Oracle {
    pub(crate) fn set_status(&mut self, origin: Origin, m: &message::SetStatus) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 3])?;
        self.authorise(origin, None, &[Role::Admin])?;
        let symbol = m.symbol.0;
        if symbol == 0 {
            return self.set_exchange_status(m);
        }
        let before = self.symbols.get(&symbol).ok_or(RejectCode::UnknownSymbol)?.status;
        if m.status == SymbolStatus::Trading.code() {
            self.check_maintenance()?;
        }
        let status = SymbolStatus::from_code(m.status).ok_or(RejectCode::BadConfig)?;
        require(before != SymbolStatus::Closed)?;
        let is_perpetual = self.symbols[&symbol].perpetual.is_some();
        require(!is_perpetual || status != SymbolStatus::Closed)?;
        self.change_status(symbol, status);
        match status {
            SymbolStatus::Trading => {
                self.uncross(symbol);
                self.append_triggered(symbol, TriggerSource::Last);
            }
            SymbolStatus::Closed => {
                let count = self.end_all_orders(symbol);
                self.push_handled(MessageType::SetStatus, 0, count, 0);
            }
            SymbolStatus::PreOpen | SymbolStatus::Halted | SymbolStatus::CancelOnly => {}
        }
        if is_perpetual {
            self.enter_effective_status(symbol);
        }
        Ok(())
    }

    /// The exchange's own status: CANCEL_ONLY is maintenance.
    fn set_exchange_status(&mut self, m: &message::SetStatus) -> Result<(), RejectCode> {
        let status = SymbolStatus::from_code(m.status).ok_or(RejectCode::BadConfig)?;
        require(matches!(status, SymbolStatus::Trading | SymbolStatus::CancelOnly))?;
        let before = if self.maintenance { SymbolStatus::CancelOnly } else { SymbolStatus::Trading };
        self.maintenance = status == SymbolStatus::CancelOnly;
        self.events.push(Status { header: Status::header(status.code(), before.code(), 0), reserved: 0 }.into());
        for symbol in self.perpetuals() {
            self.enter_effective_status(symbol);
        }
        Ok(())
    }

    /// STATUS, also if it is the same.
    pub(crate) fn change_status(&mut self, id: u32, status: SymbolStatus) {
        let symbol = self.symbols.get_mut(&id).expect("the caller looked it up");
        let before = std::mem::replace(&mut symbol.status, status);
        self.events.push(Status { header: Status::header(status.code(), before.code(), id), reserved: 0 }.into());
    }

    /// Buys and sells in the order of their lines, then untriggered orders. Returns how many ended.
    pub(crate) fn end_all_orders(&mut self, symbol: u32) -> u32 {
        let mut ids: Vec<u64> = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            ids.extend(self.line(symbol, side).iter().map(|order| order.id));
        }
        ids.extend(self.untriggered(symbol).iter().map(|order| order.id));
        for &id in &ids {
            self.expire(id, EndReason::Status);
        }
        ids.len() as u32
    }
}
