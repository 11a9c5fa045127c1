//! AMEND: quantity down at the same price keeps the place, everything else is an atomic cancel/replace (DOMAIN §4.1).

use crate::dedupe::Known;
use crate::engine::Engine;
use crate::money::{need, sub};
use crate::new_order::{check_notional, check_price, crosses, hold_asset};
use ringbook_event::{Amended, EventWriter, Origin, Record};
use ringbook_wire::message::{Amend, MessageType};
use ringbook_wire::{
    Amount, ClientOrderId, FeeModel, MAX_AMOUNT, Price, Qty, RejectCode, Role, Side, SymbolStatus, order_flags,
};

/// An amendment that passed every check.
struct Change {
    price: Price,
    /// New total less the old one; may be negative.
    by: i64,
    remaining: Qty,
    hold: Amount,
    queues_anew: bool,
}

impl Engine {
    pub(crate) fn amend(&mut self, origin: Origin, m: &Amend, out: &mut EventWriter<'_>) {
        let refuse = |engine: &Self, code, out: &mut EventWriter<'_>| {
            engine.reject(MessageType::Amend, m.account, m.client_id, code, out);
        };
        let named = m.order.0 != 0 || m.client_id != ClientOrderId::NONE;
        if m.reserved != 0 || !named || m.price.0 < 0 || m.quantity.0 < 0 || !m.trigger.is_zero() {
            return refuse(self, RejectCode::BadRequest, out);
        }
        let account = match self.authorise(origin.key, m.account, &[Role::Trade]) {
            Ok(account) => account,
            Err(code) => return refuse(self, code, out),
        };
        let known = self.find_named(account, m.order, m.client_id);
        if let Some(ended @ Known::Ended(_)) = known {
            return self.replay(MessageType::Amend, ended, out);
        }
        if self.accounts.get(account).suspended {
            return refuse(self, RejectCode::AccountSuspended, out);
        }
        let Some(Known::Open(slot)) = known else {
            return refuse(self, RejectCode::UnknownOrder, out);
        };
        match self.check_amendment(slot, m) {
            Err(code) => refuse(self, code, out),
            // ═══ point of no return ═══
            Ok(change) => self.change(slot, &change, out),
        }
    }

    fn check_amendment(&self, slot: u32, m: &Amend) -> Result<Change, RejectCode> {
        let order = self.orders.get(slot);
        let symbol = self.symbols.at(order.symbol);
        if symbol.status != SymbolStatus::Trading {
            return Err(RejectCode::SymbolStatus);
        }
        let total = order.quantity.0 - order.cut.0;
        let new_total = if m.quantity.is_zero() { total } else { m.quantity.0 };
        let price = if m.price.is_zero() { order.price } else { m.price };
        let queues_anew = price != order.price || new_total > total;
        check_price(symbol, order.side, price, queues_anew)?;
        if new_total < symbol.terms.min_quantity.0 || new_total > symbol.terms.max_quantity.0 {
            return Err(RejectCode::QtyRange);
        }
        // Fees per lot were copied at acceptance: they must stay below the value of a lot, and fit.
        if order.terms.model == FeeModel::PerLot {
            for rate in [order.terms.taker, order.terms.maker] {
                let size = i128::from(rate).abs();
                if size >= i128::from(price.0) * i128::from(symbol.terms.k.0) {
                    return Err(RejectCode::PriceRange);
                }
                if size * i128::from(new_total) > i128::from(MAX_AMOUNT) {
                    return Err(RejectCode::QtyRange);
                }
            }
        }
        // What was ordered in all, cuts included, stays a quantity.
        if order.quantity.0.saturating_add((new_total - total).max(0)) > MAX_AMOUNT {
            return Err(RejectCode::QtyRange);
        }
        check_notional(symbol, price, Qty(new_total))?;
        let left = new_total - order.filled.0 - order.prevented.0;
        let remaining = Qty(left.max(0));
        let hold = match order.side {
            Side::Buy => need(&order.terms, symbol.value(price, remaining), remaining, order.carry)
                .ok_or(RejectCode::InsufficientBalance)?,
            Side::Sell => symbol.base_units(remaining),
        };
        let more = hold.0 - order.hold.0;
        if more > 0 && self.accounts.available(order.account, hold_asset(symbol, order.side)).0 < more {
            return Err(RejectCode::InsufficientBalance);
        }
        let opposite = symbol.book.best_price(order.side.opposite());
        if queues_anew
            && order.flags & order_flags::POST_ONLY != 0
            && opposite.is_some_and(|best| crosses(order.side, price, best))
        {
            return Err(RejectCode::PostOnlyCross);
        }
        if left <= 0 {
            return Err(RejectCode::AmendQty);
        }
        if price == order.price && new_total == total {
            return Err(RejectCode::AmendNothing);
        }
        Ok(Change { price, by: new_total - total, remaining, hold, queues_anew })
    }

    fn change(&mut self, slot: u32, change: &Change, out: &mut EventWriter<'_>) {
        let symbol_id = self.orders.get(slot).symbol;
        let book = &mut self.symbols.at_mut(symbol_id).book;
        if change.queues_anew {
            book.leave(&mut self.orders, slot);
        } else {
            book.reduce(&mut self.orders, slot, Qty(-change.by));
        }
        let order = self.orders.get_mut(slot);
        order.price = change.price;
        order.remaining = change.remaining;
        if change.by >= 0 {
            order.quantity = order.quantity.checked_add(Qty(change.by)).expect("bounded by max_quantity and cuts");
        } else {
            order.cut = Qty(order.cut.0 - change.by);
        }
        order.assert_identity();
        let more = sub(change.hold, order.hold).0;
        order.hold = change.hold;
        let (account, side) = (order.account, order.side);
        let event = Amended {
            header: Amended::header(1, u8::from(!change.queues_anew), self.accounts.get(account).id.0),
            order: order.id,
            price: order.price,
            quantity: order.quantity,
            remaining: order.remaining,
            hold: order.hold,
            symbol: symbol_id,
            reserved: 0,
            cut: order.cut,
            trigger: Price::ZERO,
        };
        if more != 0 {
            let asset = hold_asset(self.symbols.at(symbol_id), side);
            self.accounts.change(account, asset, -more, more);
        }
        out.push(&event);
        if change.queues_anew {
            self.match_taker(slot, true, out);
        }
    }
}
