//! Stop orders: waiting, firing, running (DOMAIN §5.4).
//!
//! ```text
//!  Waiting ──condition met, after a taker has finished──► Fired (one FIFO) ──its turn──► validated again ──► executed
//! ```
//!
//! Invariants: nothing fires inside matching; each order fires once, so a cascade ends; while orders are fired nothing
//! comes between, so one FIFO serves all symbols.

use crate::engine::Engine;
use crate::new_order::{check_price, check_size, crosses, holds, protection_price};
use crate::orders::{NIL, Place};
use ringbook_event::{EventWriter, Record, Triggered};
use ringbook_wire::{
    EndReason, FeeModel, OrderType, Price, RejectCode, Side, SymbolId, SymbolStatus, TimeInForce, TriggerDirection,
    order_flags,
};

impl Engine {
    /// Lets an accepted stop order wait.
    pub(crate) fn wait(&mut self, slot: u32) {
        let (symbol, by_mark) = (self.orders.get(slot).symbol, self.orders.get(slot).by_mark);
        self.symbols.at_mut(symbol).waiting(by_mark).join(&mut self.orders, slot);
        self.list(slot);
    }

    /// A stop order that was taken out counts as open again.
    pub(crate) fn no_longer_waits(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let open = self.accounts.open_orders_mut(order.account, order.symbol);
        open.waiting -= 1;
        open.count += 1;
    }

    /// Appends every order that waits for the last price, or for the mark, and whose condition holds to the FIFO: FALLS_TO by descending trigger, then RISES_TO
    /// ascending, equal triggers by order id.
    pub(crate) fn fire(&mut self, symbol_id: SymbolId, by_mark: bool) {
        let symbol = self.symbols.at(symbol_id);
        if symbol.status != SymbolStatus::Trading || self.maintenance {
            return;
        }
        if by_mark && !symbol.contract.as_ref().is_some_and(|contract| contract.is_fresh(self.time)) {
            return;
        }
        let reference = symbol.trigger_reference(by_mark);
        for (side, direction) in [(Side::Buy, TriggerDirection::FallsTo), (Side::Sell, TriggerDirection::RisesTo)] {
            loop {
                let stops = self.symbols.at_mut(symbol_id).waiting(by_mark);
                let Some(level) = stops.best(side).map(|level| stops.level(level)) else { break };
                if !holds(direction, level.price, reference) {
                    break;
                }
                let slot = level.queue.head;
                debug_assert!(slot != NIL);
                self.take_out(slot);
                self.orders.get_mut(slot).place = Place::Fired;
                self.fired.push_back(slot);
            }
        }
    }

    /// One fired order runs: TRIGGERED, then as a new order. False: it is pending.
    pub(crate) fn run_stop(&mut self, slot: u32, out: &mut EventWriter<'_>) -> bool {
        let symbol = self.symbols.at(self.orders.get(slot).symbol);
        let order = self.orders.get(slot);
        let market = order.is_market();
        let price = match market {
            true => protection_price(symbol, order.side, symbol.book.best_price(order.side.opposite())),
            false => order.price,
        };
        let runs_as = if market { OrderType::Market } else { OrderType::Limit };
        out.push(&Triggered {
            header: Triggered::header(order.side.code(), runs_as.code(), self.accounts.get(order.account).id.0),
            order: order.id,
            symbol: order.symbol,
            reserved: 0,
            price,
        });
        let (symbol_id, before) = (self.orders.get(slot).symbol, self.orders.get(slot).remaining);
        let checked = match self.is_perpetual(symbol_id) {
            true => self.check_triggered_position(slot, price),
            false => self.check_triggered(slot, price),
        };
        let order = self.orders.get_mut(slot);
        order.place = Place::Working;
        order.price = price;
        match checked {
            Ok(()) => {
                self.begin_work(slot, before, out);
                let finished = self.execute(slot, true, out);
                if finished {
                    self.fire(symbol_id, false);
                }
                finished
            }
            Err(code) => {
                self.expire(slot, EndReason::TriggerFailed, code.code(), out);
                true
            }
        }
    }

    /// The checks of a new order that a triggered one must pass again (docs/EVENTS.md).
    fn check_triggered(&self, slot: u32, price: Price) -> Result<(), RejectCode> {
        let order = self.orders.get(slot);
        let symbol = self.symbols.at(order.symbol);
        let market = order.is_market();
        if self.accounts.get(order.account).suspended {
            return Err(RejectCode::AccountSuspended);
        }
        if symbol.status != SymbolStatus::Trading {
            return Err(RejectCode::SymbolStatus);
        }
        if !market {
            check_price(symbol, order.side, price, true)?;
        }
        // A fee per lot was copied at acceptance: the lowest price must still pay for it.
        let lowest = i128::from(symbol.terms.min_price.0) * i128::from(symbol.terms.k.0);
        if market && order.terms.model == FeeModel::PerLot && i128::from(order.terms.taker).abs() >= lowest {
            return Err(RejectCode::PriceRange);
        }
        let budget = if order.by_budget { order.hold } else { ringbook_wire::Amount::ZERO };
        let reference = if market { symbol.last } else { price };
        check_size(symbol, market, reference, order.remaining, budget)?;
        if order.display.0 > 0 && order.display < symbol.terms.min_quantity {
            return Err(RejectCode::BadDisplay);
        }
        let rests = !market && matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd);
        // It counts itself.
        if rests && self.accounts.open_counts(order.account, order.symbol).0 > symbol.terms.max_open_orders {
            return Err(RejectCode::TooManyOrders);
        }
        let opposite = symbol.book.best_price(order.side.opposite());
        if order.flags & order_flags::POST_ONLY != 0 && opposite.is_some_and(|best| crosses(order.side, price, best)) {
            return Err(RejectCode::PostOnlyCross);
        }
        Ok(())
    }
}
