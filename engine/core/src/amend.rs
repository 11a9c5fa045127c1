//! AMEND: quantity down at the same price keeps the place, everything else is an atomic cancel/replace (DOMAIN §4.1).

use crate::dedupe::Known;
use crate::engine::Engine;
use crate::money::{need, sub};
use crate::new_order::{check_budget, check_notional, check_price, crosses, hold_asset, holds, too_many_parts};
use crate::orders::{Order, Place};
use ringbook_event::{Amended, EventWriter, Origin, Record};
use ringbook_wire::message::{Amend, MessageType};
use ringbook_wire::{
    Amount, ClientOrderId, FeeModel, MAX_AMOUNT, Price, Qty, RejectCode, Role, Side, SymbolStatus, order_flags,
};

/// An amendment that passed every check.
struct Change {
    price: Price,
    trigger: Price,
    /// New total less the old one; may be negative.
    by: i64,
    remaining: Qty,
    /// Lots that a reduce-only order cannot have.
    trimmed: i64,
    hold: Amount,
    /// Terms of a perpetual's order that queues anew.
    margin_price: Price,
    open_loss: i64,
    queues_anew: bool,
}

impl Engine {
    pub(crate) fn amend(&mut self, origin: Origin, m: &Amend, out: &mut EventWriter<'_>) {
        let refuse = |engine: &Self, code, out: &mut EventWriter<'_>| {
            engine.reject(MessageType::Amend, m.account, m.client_id, code, out);
        };
        let named = m.order.0 != 0 || m.client_id != ClientOrderId::NONE;
        if m.reserved != 0 || !named || m.price.0 < 0 || m.quantity.0 < 0 || m.trigger.0 < 0 {
            return refuse(self, RejectCode::BadRequest, out);
        }
        let account = match self.authorise_order(origin.key, m.account, &[Role::Trade]) {
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
        let waits = order.place == Place::Waiting;
        // What the order does not have cannot be changed.
        let perpetual = symbol.contract.is_some();
        let reduces = order.flags & order_flags::REDUCE_ONLY != 0;
        let closes = waits && order.flags & order_flags::CLOSE_POSITION != 0;
        let lacks = closes && !m.quantity.is_zero()
            || !waits && !m.trigger.is_zero()
            || order.is_market() && !m.price.is_zero()
            || order.by_budget && !m.quantity.is_zero();
        if lacks {
            return Err(RejectCode::BadRequest);
        }
        let total = order.quantity.0 - order.cut.0;
        let new_total = if m.quantity.is_zero() { total } else { m.quantity.0 };
        let price = if m.price.is_zero() { order.price } else { m.price };
        let trigger = if m.trigger.is_zero() { order.trigger } else { m.trigger };
        let queues_anew = !waits && (price != order.price || new_total > total);
        let post_only = order.flags & order_flags::POST_ONLY != 0;
        if !matches!(symbol.status, SymbolStatus::Trading | SymbolStatus::PreOpen) {
            return Err(RejectCode::SymbolStatus);
        }
        if self.maintenance {
            return Err(RejectCode::Maintenance);
        }
        let terms = &symbol.terms;
        if waits && (trigger < terms.min_price || trigger > terms.max_price) {
            return Err(RejectCode::PriceRange);
        }
        if !order.is_market() {
            check_price(symbol, order.side, price, queues_anew)?;
        }
        let max_quantity = if order.is_market() { terms.max_market_quantity } else { terms.max_quantity };
        if !order.by_budget && !closes && (new_total < terms.min_quantity.0 || new_total > max_quantity.0) {
            return Err(RejectCode::QtyRange);
        }
        // Fees per lot were copied at acceptance: they must stay below the value of a lot, and fit.
        if order.terms.model == FeeModel::PerLot && !order.is_market() {
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
        if order.by_budget {
            check_budget(symbol, order.hold)?;
        } else if !reduces && !closes {
            check_notional(symbol, if order.is_market() { trigger } else { price }, Qty(new_total))?;
        }
        if order.display.0 > 0 && too_many_parts(Qty(new_total), order.display) {
            return Err(RejectCode::BadDisplay);
        }
        if waits
            && trigger != order.trigger
            && order.direction.is_some_and(|d| holds(d, trigger, symbol.trigger_reference(order.by_mark)))
        {
            return Err(RejectCode::TriggerImmediate);
        }
        let left = new_total - order.filled.0 - order.prevented.0;
        let mut remaining = Qty(left.max(0));
        let (mut margin_price, mut open_loss) = (order.margin_price, order.open_loss);
        if perpetual && waits && self.contract(order.symbol).mark.0 == 0 {
            return Err(RejectCode::NoMark);
        }
        if perpetual && queues_anew {
            (margin_price, open_loss) = self.order_terms(order.symbol, order.side, price);
            let amended = Order { price, remaining, margin_price, open_loss, ..order.clone() };
            remaining = Qty(self.check_exposure(&amended, slot)?);
        }
        let trimmed = left.max(0) - remaining.0;
        let hold = match order.side {
            _ if perpetual => order.hold,
            Side::Buy if order.by_budget => order.hold,
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
            && post_only
            && symbol.status == SymbolStatus::Trading
            && opposite.is_some_and(|best| crosses(order.side, price, best))
        {
            return Err(RejectCode::PostOnlyCross);
        }
        if left <= 0 && !order.by_budget && !closes {
            return Err(RejectCode::AmendQty);
        }
        if price == order.price && new_total == total && trigger == order.trigger {
            return Err(RejectCode::AmendNothing);
        }
        let by = new_total - total;
        Ok(Change { price, trigger, by, remaining, trimmed, hold, margin_price, open_loss, queues_anew })
    }

    fn change(&mut self, slot: u32, change: &Change, out: &mut EventWriter<'_>) {
        let symbol_id = self.orders.get(slot).symbol;
        let perpetual = self.is_perpetual(symbol_id);
        let counts = self.orders.get(slot).counted;
        self.count_out(slot);
        let symbol = self.symbols.at_mut(symbol_id);
        let waits = self.orders.get(slot).place == Place::Waiting;
        let by_mark = self.orders.get(slot).by_mark;
        // A stop order with the same trigger keeps its place: nothing else of it is known there.
        let moves = waits && change.trigger != self.orders.get(slot).trigger;
        if moves {
            symbol.waiting(by_mark).leave(&mut self.orders, slot);
        } else if change.queues_anew {
            symbol.book.leave(&mut self.orders, slot);
        } else if !waits {
            symbol.book.shrink(&mut self.orders, slot, change.remaining);
        }
        let order = self.orders.get_mut(slot);
        order.price = change.price;
        order.trigger = change.trigger;
        order.remaining = change.remaining;
        (order.margin_price, order.open_loss) = (change.margin_price, change.open_loss);
        if change.by >= 0 {
            order.quantity = order.quantity.checked_add(Qty(change.by)).expect("bounded by max_quantity and cuts");
        } else {
            order.cut = Qty(order.cut.0 - change.by);
        }
        order.cut = Qty(order.cut.0 + change.trimmed);
        order.assert_identity();
        let mut more = 0;
        if !perpetual {
            more = sub(change.hold, order.hold).0;
            order.hold = change.hold;
        }
        if moves {
            symbol.waiting(by_mark).join(&mut self.orders, slot);
        }
        if counts {
            self.count_in(slot);
        }
        let order = self.orders.get(slot);
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
            trigger: if waits { order.trigger } else { Price::ZERO },
        };
        if more != 0 {
            let asset = hold_asset(self.symbols.at(symbol_id), side);
            self.accounts.change(account, asset, -more, more);
        }
        out.push(&event);
        if !change.queues_anew {
            return;
        }
        if self.symbols.at(symbol_id).status == SymbolStatus::Trading {
            self.run(slot, out);
        } else {
            let account = self.accounts.get(account).id;
            self.rest_new(slot);
            self.work_loop(out);
            self.handle_rest(MessageType::Amend, account, out);
        }
    }
}
