//! Orders of perpetuals: their checks, what they count for, and their matches (docs/PERPETUAL.md, "NEW_ORDER").
//!
//! Invariants: an order counts in its account's record from the moment it begins to work until it ends, with the terms that
//! were frozen then; a match settles the maker first, then the taker.

use super::fill::{Closed, Kind};
use crate::engine::Engine;
use crate::matching::Left;
use crate::new_order::{Admission, Request, check_price, check_size, crosses, holds, protection_price, too_many_parts};
use crate::orders::{NIL, Order};
use ringbook_event::{EventWriter, Realized, Record};
use ringbook_wire::message::NewOrder;
use ringbook_wire::{
    Amount, OrderId, OrderType, Price, Qty, RejectCode, SymbolId, SymbolStatus, TimeInForce, TradeId, order_flags,
};

/// Roles in REALIZED.
const TAKER: u8 = 1;
const MAKER: u8 = 2;
const UNCROSS: u8 = 3;

impl Engine {
    /// The status that counts: in maintenance nothing trades.
    #[inline]
    pub(crate) fn effective_status(&self, symbol: SymbolId) -> SymbolStatus {
        match self.symbols.at(symbol).status {
            SymbolStatus::Trading if self.maintenance => SymbolStatus::CancelOnly,
            status => status,
        }
    }

    /// 212, 301, 302, 303, 304, 305 of an order that is to begin to work with `order.remaining` lots (of a reduce-only one: at
    /// most), in place of the order in slot `instead`. Returns the lots that it may have.
    pub(crate) fn check_exposure(&self, order: &Order, instead: u32) -> Result<i64, RejectCode> {
        let (account, symbol, side) = (order.account, order.symbol, order.side);
        let reduce_only = order.flags & order_flags::REDUCE_ONLY != 0;
        let insurance = self.accounts.get(account).id.is_system();
        let contract = self.contract(symbol);
        let mut before = self.present(account, symbol, instead);
        let lots = match reduce_only {
            true => before.position.closable(side).min(order.remaining.0),
            false => order.remaining.0,
        };
        let present = (instead != NIL).then(|| self.orders.get(instead)).filter(|order| order.counted);
        let present = present.map(|order| self.weight(order, order.remaining.0).expect("it is counted"));
        let mut without = before;
        if let Some(present) = &present {
            Self::with_weight(&mut without, present, -1);
            before.highest[side.index()] = before.highest[side.index()].max(present.margin_price);
        }
        if !reduce_only {
            let position = &without.position;
            let limit = match position.limit {
                0 => contract.terms.max_position.0,
                limit => limit.min(contract.terms.max_position.0),
            };
            let own = position.open[side.index()].lots.saturating_add(lots);
            let present_lots = present.filter(|present| !present.reduce_only).map_or(0, |present| present.lots);
            let others = match self.symbols.at(symbol).status {
                SymbolStatus::PreOpen => contract.open_lots[side.index()] - present_lots,
                _ => 0,
            };
            let interest = contract.open_interest.saturating_add(others).saturating_add(lots);
            if position.state.quantity.abs().saturating_add(own) > limit || interest > contract.terms.max_position.0 {
                return Err(RejectCode::PositionLimit);
            }
        }
        let nothing_to_close = reduce_only && before.position.closable(side) == 0;
        if contract.mark.0 == 0 {
            return Err(match (nothing_to_close, contract.reduce_only && !reduce_only) {
                (true, _) => RejectCode::ReduceOnly,
                (false, true) => RejectCode::ReduceOnlyMode,
                (false, false) => RejectCode::NoMark,
            });
        }
        if order.margin_price.0 != 0 && !insurance {
            let weight = self.weight(order, lots).ok_or(RejectCode::InsufficientMargin)?;
            let mut after = without;
            Self::with_weight(&mut after, &weight, 1);
            self.check_margin(account, &before, &after, side, reduce_only)?;
        }
        if nothing_to_close {
            return Err(RejectCode::ReduceOnly);
        }
        Ok(lots)
    }

    /// The checks of a new order behind idempotency (docs/PERPETUAL.md, "NEW_ORDER").
    pub(crate) fn validate_position(
        &self,
        account: u32,
        m: &NewOrder,
        request: &Request,
    ) -> Result<Admission, RejectCode> {
        let Request { side, direction, .. } = *request;
        let (stop, market) = (direction.is_some(), request.is_market());
        let reduces = m.flags & order_flags::REDUCE_ONLY != 0;
        let closes = m.flags & order_flags::CLOSE_POSITION != 0;
        let rests = matches!(request.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd);
        let symbol = self.symbols.at(m.symbol);
        if self.accounts.get(account).suspended && (stop || !reduces) {
            return Err(RejectCode::AccountSuspended);
        }
        let open = match symbol.status {
            SymbolStatus::Trading => true,
            SymbolStatus::PreOpen => request.order_type == OrderType::Limit && rests,
            _ => false,
        };
        if !open {
            return Err(RejectCode::SymbolStatus);
        }
        if self.maintenance {
            return Err(RejectCode::Maintenance);
        }
        let terms = &symbol.terms;
        if stop && (m.trigger < terms.min_price || m.trigger > terms.max_price) {
            return Err(RejectCode::PriceRange);
        }
        if !market {
            check_price(symbol, side, m.price, !stop)?;
        }
        let contract = self.contract(m.symbol);
        if !closes {
            let reference = match (market, stop) {
                _ if reduces => Price::ZERO,
                (false, _) => m.price,
                (true, false) => contract.mark,
                (true, true) => m.trigger,
            };
            check_size(symbol, market, reference, m.quantity, Amount::ZERO)?;
        }
        if m.display.0 > 0 && (m.display < terms.min_quantity || too_many_parts(m.quantity, m.display)) {
            return Err(RejectCode::BadDisplay);
        }
        if m.expire_at.0 != 0 && m.expire_at <= self.time {
            return Err(RejectCode::BadExpiry);
        }
        let reference = symbol.trigger_reference(request.by_mark);
        if direction.is_some_and(|direction| holds(direction, m.trigger, reference)) {
            return Err(RejectCode::TriggerImmediate);
        }
        let (count, waiting) = self.accounts.open_counts(account, m.symbol);
        let full = if stop { waiting >= terms.max_trigger_orders } else { rests && count >= terms.max_open_orders };
        if !self.orders.has_room() || full {
            return Err(RejectCode::TooManyOrders);
        }
        if stop {
            if contract.mark.0 == 0 {
                return Err(RejectCode::NoMark);
            }
            let price = if market { Price::ZERO } else { m.price };
            let (hold, margin_price) = (Amount::ZERO, Price::ZERO);
            return Ok(Admission { price, quantity: m.quantity, hold, margin_price, open_loss: 0 });
        }
        let opposite = symbol.book.best_price(side.opposite());
        let price = if market { protection_price(symbol, side, opposite) } else { m.price };
        let (margin_price, open_loss) = self.order_terms(m.symbol, side, price);
        let order = Order {
            price,
            remaining: m.quantity,
            account,
            symbol: m.symbol,
            side,
            flags: m.flags,
            terms: self.accounts.fee_terms(account, terms.fee_group, terms.fees),
            margin_price,
            open_loss,
            ..Order::of_engine(OrderId(0), self.sequence)
        };
        let lots = self.check_exposure(&order, NIL)?;
        let trades = symbol.status == SymbolStatus::Trading;
        if request.post_only && trades && opposite.is_some_and(|best| crosses(side, price, best)) {
            return Err(RejectCode::PostOnlyCross);
        }
        let reserve = self.weight(&order, lots).map_or(0, |weight| weight.reserve);
        let hold = Amount(super::contract::fits(reserve));
        Ok(Admission { price, quantity: Qty(lots), hold, margin_price, open_loss })
    }

    /// The checks that a triggered order must pass again, at its price of this moment; 0: it can trade with nothing.
    pub(crate) fn check_triggered_position(&mut self, slot: u32, price: Price) -> Result<(), RejectCode> {
        let order = self.orders.get(slot);
        let (id, side, account) = (order.symbol, order.side, order.account);
        let symbol = self.symbols.at(id);
        let market = order.is_market();
        let reduces = order.flags & order_flags::REDUCE_ONLY != 0;
        let closes = order.flags & order_flags::CLOSE_POSITION != 0;
        if self.accounts.get(account).suspended {
            return Err(RejectCode::AccountSuspended);
        }
        if self.effective_status(id) != SymbolStatus::Trading {
            return Err(RejectCode::SymbolStatus);
        }
        if !market {
            check_price(symbol, side, price, true)?;
        }
        if !closes {
            let reference = match market {
                _ if reduces => Price::ZERO,
                true => self.contract(id).mark,
                false => price,
            };
            check_size(symbol, market, reference, order.remaining, Amount::ZERO)?;
        }
        if order.display.0 > 0 && order.display < symbol.terms.min_quantity {
            return Err(RejectCode::BadDisplay);
        }
        let rests = !market && matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd);
        if rests && self.accounts.open_counts(account, id).0 > symbol.terms.max_open_orders {
            return Err(RejectCode::TooManyOrders);
        }
        let (margin_price, open_loss) = self.order_terms(id, side, price);
        let mut working = self.orders.get(slot).clone();
        (working.price, working.margin_price, working.open_loss) = (price, margin_price, open_loss);
        if closes {
            working.flags |= order_flags::REDUCE_ONLY;
            working.remaining = Qty(i64::MAX);
        }
        let lots = self.check_exposure(&working, NIL)?;
        let opposite = symbol.book.best_price(side.opposite());
        if working.flags & order_flags::POST_ONLY != 0 && opposite.is_some_and(|best| crosses(side, price, best)) {
            return Err(RejectCode::PostOnlyCross);
        }
        let order = self.orders.get_mut(slot);
        (order.flags, order.margin_price, order.open_loss) = (working.flags, margin_price, open_loss);
        if closes {
            order.quantity = Qty(lots);
        } else {
            order.cut = Qty(order.cut.0 + order.remaining.0 - lots);
        }
        order.remaining = Qty(lots);
        Ok(())
    }

    /// A triggered order of a perpetual counts from now on; AMENDED(TRIM) if its lots were changed (`before`).
    pub(crate) fn begin_work(&mut self, slot: u32, before: Qty, out: &mut EventWriter<'_>) {
        let order = self.orders.get(slot);
        if !self.is_perpetual(order.symbol) {
            return;
        }
        let changed = order.remaining != before;
        self.count_in(slot);
        if changed {
            self.push_trimmed(slot, out);
        }
    }

    /// One match of at most `lots` on a perpetual.
    pub(crate) fn trade_position(
        &mut self,
        taker_slot: u32,
        maker_slot: u32,
        symbol_id: SymbolId,
        lots: Qty,
        out: &mut EventWriter<'_>,
    ) {
        let maker = self.orders.get(maker_slot);
        let (price, rate) = (maker.price, maker.terms.maker);
        let quantity = lots.min(maker.shown);
        let symbol = self.symbols.at_mut(symbol_id);
        symbol.last = price;
        let value = symbol.value(price, quantity);
        let counted = self.count_out(maker_slot);
        let left = self.take_lots(maker_slot, symbol_id, quantity);
        let maker_fee = self.charge_order(maker_slot, value, quantity, rate);
        self.count_again(maker_slot, counted);
        let counted = self.count_out(taker_slot);
        let taker = self.orders.get_mut(taker_slot);
        taker.remaining = Qty(taker.remaining.0 - quantity.0);
        let taker_rate = taker.terms.taker;
        let taker_fee = self.charge_order(taker_slot, value, quantity, taker_rate);
        self.count_again(taker_slot, counted);
        let made = self.fill_side(maker_slot, symbol_id, price, quantity, maker_fee);
        let took = self.fill_side(taker_slot, symbol_id, price, quantity, taker_fee);
        let trade = TradeId(self.next_trade);
        self.push_trade(taker_slot, maker_slot, symbol_id, 1, price, quantity, (taker_fee, maker_fee), out);
        self.realize(maker_slot, trade, MAKER, made, out);
        self.realize(taker_slot, trade, TAKER, took, out);
        let (maker_account, taker_account) = (self.orders.get(maker_slot).account, self.orders.get(taker_slot).account);
        self.after_fill(maker_slot, left, out);
        self.note_both(symbol_id, (maker_account, made), (taker_account, took));
    }

    /// One pair of an uncross on a perpetual; returns the fees.
    pub(crate) fn cross_positions(
        &mut self,
        buy: u32,
        sell: u32,
        symbol_id: SymbolId,
        price: Price,
        quantity: Qty,
        out: &mut EventWriter<'_>,
    ) {
        let value = self.symbols.at(symbol_id).value(price, quantity);
        let mut sides = [(buy, Left::Nothing, Amount::ZERO); 2];
        for (at, slot) in [buy, sell].into_iter().enumerate() {
            let rate = self.orders.get(slot).terms.taker;
            let counted = self.count_out(slot);
            let left = self.take_lots(slot, symbol_id, quantity);
            let fee = self.charge_order(slot, value, quantity, rate);
            self.count_again(slot, counted);
            sides[at] = (slot, left, fee);
        }
        let closed = sides.map(|(slot, _, fee)| self.fill_side(slot, symbol_id, price, quantity, fee));
        let accounts = sides.map(|(slot, ..)| self.orders.get(slot).account);
        let trade = TradeId(self.next_trade);
        self.push_trade(buy, sell, symbol_id, 2, price, quantity, (sides[0].2, sides[1].2), out);
        for ((slot, ..), closed) in sides.into_iter().zip(closed) {
            self.realize(slot, trade, UNCROSS, closed, out);
        }
        for (slot, left, _) in sides {
            self.after_fill(slot, left, out);
        }
        self.note_both(symbol_id, (accounts[0], closed[0]), (accounts[1], closed[1]));
    }

    /// Counts an order again that was counted, if something is left of it.
    pub(crate) fn count_again(&mut self, slot: u32, counted: bool) {
        if counted && self.orders.get(slot).remaining.0 > 0 {
            self.count_in(slot);
        } else {
            self.orders.get_mut(slot).hold = Amount::ZERO;
        }
    }

    fn fill_side(&mut self, slot: u32, symbol: SymbolId, price: Price, quantity: Qty, fee: Amount) -> Closed {
        let order = self.orders.get(slot);
        let kind = if order.known == NIL { Kind::InBucket } else { Kind::Ordinary };
        let (account, side) = (order.account, order.side);
        self.fill_position(account, symbol, side, price, quantity.0, fee, kind)
    }

    /// REALIZED if the position became smaller, and FUND(DEFICIT) if it applies.
    fn realize(&mut self, slot: u32, trade: TradeId, role: u8, closed: Closed, out: &mut EventWriter<'_>) {
        let order = self.orders.get(slot);
        let (account, symbol) = (order.account, order.symbol);
        if closed.lots > 0 {
            out.push(&Realized {
                header: Realized::header(role, 0, self.accounts.get(account).id.0),
                symbol,
                reserved: 0,
                trade,
                order: order.id,
                quantity: Qty(closed.lots),
                pnl: Amount(closed.pnl),
            });
        }
        self.cover_deficit(account, symbol, out);
    }

    fn note_both(&mut self, symbol: SymbolId, first: (u32, Closed), second: (u32, Closed)) {
        if first.0 == second.0 {
            self.note_chores(first.0, symbol, first.1.isolated || second.1.isolated);
            return;
        }
        for (account, closed) in [first, second] {
            self.note_chores(account, symbol, closed.isolated && !self.is_liquidated(account));
        }
    }

    fn is_liquidated(&self, account: u32) -> bool {
        self.liquidation.as_ref().is_some_and(|liquidation| liquidation.account == account)
    }
}
