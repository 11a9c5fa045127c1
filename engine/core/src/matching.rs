//! The matching loop, settlement of fills, and the end of orders (DOMAIN §3.4, §5.2).
//!
//! Invariants:
//! 1. A trade is at the maker's price, within the taker's limit, oldest order of the best level first.
//! 2. Quote out of the buyer = quote to the seller + both fees: one value and two fees are booked, nothing is rounded.
//! 3. A taker settles once per part; its hold afterwards is exactly `need` of what remains.
//! 4. Before every step there is room for the step, the taker's end and all BALANCEs; else the rest is pending work.

use crate::dedupe::Entry;
use crate::engine::{Engine, Pending};
use crate::money::{add, affordable, fee, need, sub};
use crate::new_order::{crosses, hold_asset};
use crate::orders::{NIL, Place};
use crate::pending::{Task, Work};
use ringbook_event::{Done, EventWriter, Expired, Prevented, Record, Refreshed, Trade};
use ringbook_wire::{
    AccountId, Amount, EndReason, OrderState, Price, Qty, Side, StpMode, SymbolId, TimeInForce, TradeId,
};

/// Bytes of one step: TRADE or PREVENTED with the ends of both orders.
const STEP_BYTES: usize = size_of::<Trade>() + 2 * size_of::<Done>();
/// Bytes of a taker's end and of HANDLED.
const END_BYTES: usize = size_of::<Expired>() + size_of::<Done>() + size_of::<ringbook_event::Handled>();
/// Wallets that a step and an end can touch for the first time.
const NEW_WALLETS: usize = 6;

/// Whether one more step, the end of the taker and every BALANCE fit.
#[inline]
pub(crate) fn has_room(out: &EventWriter<'_>, touched: usize) -> bool {
    out.room() >= STEP_BYTES + END_BYTES + (touched + NEW_WALLETS) * size_of::<ringbook_event::Balance>()
}

/// What a taker's fills of one part add up to.
#[derive(Default)]
struct Flow {
    quantity: i64,
    value: Amount,
    fee: Amount,
    /// Fees of both sides, for the fee account.
    fees: Amount,
}

/// What is left of a resting order after a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Part of what it showed.
    Shown,
    /// Only what it did not show.
    Hidden,
    /// Nothing.
    Nothing,
}

/// How a part of matching ended.
enum Outcome {
    /// Nothing remains of the taker, or nothing is left to trade with.
    Finished,
    /// Self-trade prevention ended the taker by taking these lots.
    Prevented(Qty),
    /// What is left of the budget buys nothing.
    Spent,
    /// The events are full.
    Full,
}

impl Engine {
    /// Runs an order of a client in TRADING: matches it, then what it triggers. What does not fit is pending work, and
    /// HANDLED says so.
    pub(crate) fn run(&mut self, slot: u32, out: &mut EventWriter<'_>) {
        let symbol = self.orders.get(slot).symbol;
        let account = self.accounts.get(self.orders.get(slot).account).id;
        if self.execute(slot, true, out) {
            self.run_stops(symbol, out);
        }
        if self.pending() == Pending::Exclusive {
            self.handled(self.cause.kind, account, 0, 0, true, out);
        }
    }

    /// Matches an order that is not in the book, then rests or ends it. `first`: not the continuation of a part. False:
    /// the events are full, and the rest is pending.
    pub(crate) fn execute(&mut self, slot: u32, first: bool, out: &mut EventWriter<'_>) -> bool {
        let symbol = self.orders.get(slot).symbol;
        if first && self.orders.get(slot).time_in_force == TimeInForce::Fok && !self.can_fill(slot) {
            self.expire(slot, EndReason::Fok, 0, out);
            return true;
        }
        let mut flow = Flow::default();
        let outcome = self.trade_loop(slot, symbol, &mut flow, out);
        self.settle_taker(slot, symbol, &flow, if let Outcome::Prevented(loss) = outcome { loss } else { Qty::ZERO });
        match outcome {
            Outcome::Full => {
                // In front of everything: nothing may come between its parts.
                self.work.push_front(Work { cause: self.cause, task: Task::Taker { slot } });
                return false;
            }
            Outcome::Prevented(_) => self.finish(slot, OrderState::ExpiredStp, Some(EndReason::Stp), out),
            Outcome::Spent if self.orders.get(slot).filled.0 > 0 => self.finish(slot, OrderState::Filled, None, out),
            Outcome::Spent => self.expire(slot, EndReason::Budget, 0, out),
            Outcome::Finished => self.end_or_rest(slot, symbol, out),
        }
        let book = &self.symbols.at(symbol).book;
        if let (Some(bid), Some(ask)) = (book.best_price(Side::Buy), book.best_price(Side::Sell)) {
            assert!(bid < ask, "symbol {symbol}: book crossed at {bid} / {ask}");
        }
        true
    }

    fn trade_loop(&mut self, slot: u32, symbol: SymbolId, flow: &mut Flow, out: &mut EventWriter<'_>) -> Outcome {
        let taker = self.orders.get(slot);
        let (side, limit, stp, account) = (taker.side, taker.price, taker.stp, taker.account);
        let by_budget = taker.by_budget;
        let group = self.accounts.get(account).group;
        loop {
            let taker = self.orders.get(slot);
            if by_budget {
                if taker.hold == add(flow.value, flow.fee) && flow.quantity > 0 {
                    return Outcome::Spent;
                }
            } else if taker.remaining.is_zero() {
                return Outcome::Finished;
            }
            let book = &self.symbols.at(symbol).book;
            let Some(level) = book.best(side.opposite()).map(|level| book.level(level)) else {
                return Outcome::Finished;
            };
            if !crosses(side, limit, level.price) {
                return Outcome::Finished;
            }
            if !has_room(out, self.accounts.touched_count()) {
                return Outcome::Full;
            }
            let maker = level.queue.head;
            if stp != StpMode::None && self.same_owner(account, group, self.orders.get(maker).account) {
                if let Some(loss) = self.prevent(slot, maker, symbol, stp, out) {
                    return Outcome::Prevented(loss);
                }
                continue;
            }
            let mut lots = self.orders.get(slot).remaining;
            if by_budget {
                let taker = self.orders.get(slot);
                let left = sub(taker.hold, add(flow.value, flow.fee));
                lots = affordable(&taker.terms, left, taker.carry, level.price, self.symbols.at(symbol).terms.k);
                if lots.is_zero() {
                    return Outcome::Spent;
                }
            }
            self.trade(slot, maker, symbol, lots, flow, out);
        }
    }

    #[inline]
    fn same_owner(&self, account: u32, group: u32, maker: u32) -> bool {
        account == maker || group != 0 && self.accounts.get(maker).group == group
    }

    /// One match of at most `lots`. The maker settles at once, the taker when the part ends.
    fn trade(
        &mut self,
        taker_slot: u32,
        maker_slot: u32,
        symbol_id: SymbolId,
        lots: Qty,
        flow: &mut Flow,
        out: &mut EventWriter<'_>,
    ) {
        let maker = self.orders.get(maker_slot);
        let (price, rate) = (maker.price, maker.terms.maker);
        let quantity = lots.min(maker.shown);
        let symbol = self.symbols.at_mut(symbol_id);
        let value = symbol.value(price, quantity);
        symbol.last = price;
        let (maker_fee, left) = self.fill_resting(maker_slot, symbol_id, quantity, value, rate);

        let taker = self.orders.get_mut(taker_slot);
        let (taker_fee, carry) = fee(taker.terms.model, value, quantity, taker.terms.taker, taker.carry);
        taker.carry = carry;
        taker.filled = Qty(taker.filled.0 + quantity.0);
        if taker.by_budget {
            taker.quantity = taker.filled;
        } else {
            taker.remaining = Qty(taker.remaining.0 - quantity.0);
        }
        taker.cost = add(taker.cost, value);
        taker.fee = add(taker.fee, taker_fee);
        flow.quantity += quantity.0;
        flow.value = add(flow.value, value);
        flow.fee = add(flow.fee, taker_fee);
        flow.fees = add(flow.fees, add(taker_fee, maker_fee));
        self.push_trade(taker_slot, maker_slot, symbol_id, 1, price, quantity, (taker_fee, maker_fee), out);
        self.after_fill(maker_slot, left, out);
    }

    /// Fills lots of a resting order at `value` and settles it: its hold, its money, its goods. What is left of it in the
    /// book; its end or its new slice is the caller's, behind the TRADE.
    #[inline]
    pub(crate) fn fill_resting(
        &mut self,
        slot: u32,
        symbol_id: SymbolId,
        quantity: Qty,
        value: Amount,
        rate: i64,
    ) -> (Amount, Left) {
        let symbol = self.symbols.at_mut(symbol_id);
        let order = self.orders.get(slot);
        let left = if quantity == order.remaining {
            Left::Nothing
        } else if quantity == order.shown {
            Left::Hidden
        } else {
            Left::Shown
        };
        if left == Left::Shown {
            symbol.book.reduce(&mut self.orders, slot, quantity);
        } else {
            symbol.book.leave(&mut self.orders, slot);
            let order = self.orders.get_mut(slot);
            order.remaining = Qty(order.remaining.0 - quantity.0);
        }
        let base = symbol.base_units(quantity);
        let order = self.orders.get_mut(slot);
        let (charged, carry) = fee(order.terms.model, value, quantity, rate, order.carry);
        order.carry = carry;
        order.filled = Qty(order.filled.0 + quantity.0);
        order.cost = add(order.cost, value);
        order.fee = add(order.fee, charged);
        let spent = match order.side {
            Side::Buy => add(value, charged),
            Side::Sell => base,
        };
        let before = order.hold;
        let hold = match order.side {
            Side::Buy => need(&order.terms, symbol.value(order.price, order.remaining), order.remaining, carry)
                .expect("less than the hold that it had"),
            Side::Sell => sub(before, base),
        };
        let released = sub(sub(before, spent), hold);
        assert!(released.0 >= 0, "order {}: a fill overran its hold", order.id);
        order.hold = hold;
        let (side, account) = (order.side, order.account);
        let (base_asset, quote_asset) = (symbol.terms.base, symbol.terms.quote);
        match side {
            Side::Buy => {
                self.accounts.change(account, quote_asset, released.0, hold.0 - before.0);
                self.accounts.change(account, base_asset, base.0, 0);
            }
            Side::Sell => {
                self.accounts.change(account, base_asset, 0, -base.0);
                self.accounts.change(account, quote_asset, sub(value, charged).0, 0);
            }
        }
        (charged, left)
    }

    /// DONE of a resting order of which nothing is left, REFRESHED of one that shows a new slice.
    #[inline]
    pub(crate) fn after_fill(&mut self, slot: u32, left: Left, out: &mut EventWriter<'_>) {
        match left {
            Left::Shown => {}
            Left::Nothing => self.finish(slot, OrderState::Filled, None, out),
            Left::Hidden => self.refresh(slot, out),
        }
    }

    /// A new slice at the end of the queue: REFRESHED.
    fn refresh(&mut self, slot: u32, out: &mut EventWriter<'_>) {
        self.rest(slot);
        let order = self.orders.get(slot);
        out.push(&Refreshed {
            header: Refreshed::header(order.side.code(), 0, self.accounts.get(order.account).id.0),
            order: order.id,
            symbol: order.symbol,
            reserved: 0,
            shown: order.shown,
            remaining: order.remaining,
        });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one record")]
    #[inline]
    pub(crate) fn push_trade(
        &mut self,
        taker_slot: u32,
        maker_slot: u32,
        symbol: SymbolId,
        role: u8,
        price: Price,
        quantity: Qty,
        (taker_fee, maker_fee): (Amount, Amount),
        out: &mut EventWriter<'_>,
    ) {
        let (taker, maker) = (self.orders.get(taker_slot), self.orders.get(maker_slot));
        out.push(&Trade {
            header: Trade::header(taker.side.code(), role, symbol.0),
            trade: TradeId(self.next_trade),
            price,
            quantity,
            taker_order: taker.id,
            maker_order: maker.id,
            taker_account: self.accounts.get(taker.account).id,
            maker_account: self.accounts.get(maker.account).id,
            taker_fee,
            maker_fee,
            taker_remaining: taker.remaining,
            maker_remaining: maker.remaining,
            taker_filled: taker.filled,
            maker_filled: maker.filled,
            taker_cost: taker.cost,
            maker_cost: maker.cost,
        });
        self.next_trade += 1;
    }

    /// Books a part's fills of the taker: money, goods, fees, and the hold that is no longer needed. What the end by
    /// prevention took (`lost`) stays held until DONE gives it back.
    fn settle_taker(&mut self, slot: u32, symbol_id: SymbolId, flow: &Flow, lost: Qty) {
        let symbol = self.symbols.at(symbol_id);
        let taker = self.orders.get(slot);
        let base = symbol.base_units(Qty(flow.quantity));
        let open = Qty(taker.remaining.0 + lost.0);
        let (spent, hold) = match taker.side {
            Side::Buy if taker.by_budget => {
                let spent = add(flow.value, flow.fee);
                (spent, sub(taker.hold, spent))
            }
            Side::Buy => (add(flow.value, flow.fee), need_of(symbol, taker, open)),
            Side::Sell => (base, if taker.hold.0 == 0 { Amount::ZERO } else { symbol.base_units(open) }),
        };
        let before = taker.hold;
        let released = sub(sub(before, spent), hold);
        assert!(released.0 >= 0, "order {}: fills overran its hold", taker.id);
        let (side, account) = (taker.side, taker.account);
        let (base_asset, quote_asset) = (symbol.terms.base, symbol.terms.quote);
        let asset = hold_asset(symbol, side);
        if hold != before || released.0 != 0 {
            self.accounts.change(account, asset, released.0, hold.0 - before.0);
            self.orders.get_mut(slot).hold = hold;
        }
        if flow.quantity == 0 {
            return;
        }
        match side {
            Side::Buy => self.accounts.change(account, base_asset, base.0, 0),
            Side::Sell => self.accounts.change(account, quote_asset, sub(flow.value, flow.fee).0, 0),
        }
        if flow.fees.0 != 0 {
            let fees = self.accounts.find(AccountId::FEES).expect("system accounts exist from the beginning");
            self.accounts.change(fees, quote_asset, flow.fees.0, 0);
        }
    }

    /// Self-trade prevention between a taker and the oldest maker; what the taker lost if that ended it (the caller
    /// settles and writes its DONE).
    fn prevent(
        &mut self,
        taker_slot: u32,
        maker_slot: u32,
        symbol: SymbolId,
        stp: StpMode,
        out: &mut EventWriter<'_>,
    ) -> Option<Qty> {
        let (taker_rest, maker) = (self.orders.get(taker_slot).remaining, self.orders.get(maker_slot));
        let (maker_rest, shown) = (maker.remaining, maker.shown);
        let (taker_loss, maker_loss) = match stp {
            StpMode::CancelTaker => (taker_rest, Qty::ZERO),
            StpMode::CancelMaker => (Qty::ZERO, maker_rest),
            StpMode::CancelBoth => (taker_rest, maker_rest),
            StpMode::Decrement => (taker_rest.min(shown), taker_rest.min(shown)),
            StpMode::Default | StpMode::None => unreachable!("the mode was resolved at acceptance"),
        };
        let maker_ends = maker_loss == maker_rest;
        let refreshes = !maker_ends && maker_loss == shown;
        if maker_ends || refreshes {
            self.symbols.at_mut(symbol).book.leave(&mut self.orders, maker_slot);
            self.orders.get_mut(maker_slot).remaining = Qty(maker_rest.0 - maker_loss.0);
        } else if maker_loss.0 > 0 {
            self.symbols.at_mut(symbol).book.reduce(&mut self.orders, maker_slot, maker_loss);
        }
        let maker = self.orders.get_mut(maker_slot);
        maker.prevented = Qty(maker.prevented.0 + maker_loss.0);
        let (maker_order, maker_remaining, maker_account) = (maker.id, maker.remaining, maker.account);
        let taker = self.orders.get_mut(taker_slot);
        taker.prevented = Qty(taker.prevented.0 + taker_loss.0);
        taker.remaining = Qty(taker.remaining.0 - taker_loss.0);
        out.push(&Prevented {
            header: Prevented::header(stp.code(), 0, symbol.0),
            taker_order: taker.id,
            maker_order,
            taker_quantity: taker_loss,
            maker_quantity: maker_loss,
            taker_remaining: taker.remaining,
            maker_remaining,
            taker_account: self.accounts.get(taker.account).id,
            maker_account: self.accounts.get(maker_account).id,
        });
        let taker_ends = match stp {
            StpMode::CancelTaker | StpMode::CancelBoth => true,
            StpMode::Decrement => self.orders.get(taker_slot).remaining.is_zero(),
            _ => false,
        };
        if maker_ends {
            self.finish(maker_slot, OrderState::ExpiredStp, Some(EndReason::Stp), out);
        } else if maker_loss.0 > 0 {
            self.refit_hold(maker_slot);
            if refreshes {
                self.refresh(maker_slot, out);
            }
        }
        taker_ends.then_some(taker_loss)
    }

    /// Brings an order's hold to what its price and remainder need; the difference goes back to available.
    pub(crate) fn refit_hold(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let symbol = self.symbols.at(order.symbol);
        let hold = match order.side {
            Side::Buy => need_of(symbol, order, order.remaining),
            Side::Sell => symbol.base_units(order.remaining),
        };
        let released = sub(order.hold, hold).0;
        let (account, asset) = (order.account, hold_asset(symbol, order.side));
        self.orders.get_mut(slot).hold = hold;
        if released != 0 {
            self.accounts.change(account, asset, released, -released);
        }
    }

    fn end_or_rest(&mut self, slot: u32, symbol: SymbolId, out: &mut EventWriter<'_>) {
        let order = self.orders.get(slot);
        if order.remaining.is_zero() && !order.by_budget {
            return self.finish(slot, OrderState::Filled, None, out);
        }
        if order.is_market() {
            let levels_remain = self.symbols.at(symbol).book.best(order.side.opposite()).is_some();
            let reason = if levels_remain { EndReason::Protection } else { EndReason::NoLiquidity };
            return self.expire(slot, reason, 0, out);
        }
        match order.time_in_force {
            TimeInForce::Ioc | TimeInForce::Fok => self.expire(slot, EndReason::Ioc, 0, out),
            TimeInForce::Gtc | TimeInForce::Gtd => self.rest(slot),
        }
    }

    /// Puts an order at the end of its queue with a fresh slice, and into the lists that it is not in yet.
    pub(crate) fn rest(&mut self, slot: u32) {
        let order = self.orders.get_mut(slot);
        order.queue_sequence = self.next_queue;
        order.shown = order.slice();
        self.next_queue += 1;
        let (symbol, listed) = (order.symbol, order.listed);
        self.symbols.at_mut(symbol).book.join(&mut self.orders, slot);
        if !listed {
            self.list(slot);
        }
    }

    /// Takes an order out of whatever it stands in, but for its lists.
    pub(crate) fn take_out(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (symbol, place) = (self.symbols.at_mut(order.symbol), order.place);
        match place {
            Place::Book => symbol.book.leave(&mut self.orders, slot),
            Place::Waiting => {
                symbol.stops.leave(&mut self.orders, slot);
                self.no_longer_waits(slot);
            }
            Place::Working | Place::Fired => {}
        }
    }

    /// Adds an order to its account's list and, if flagged, to its session's; with an expiry, to the heap.
    pub(crate) fn list(&mut self, slot: u32) {
        let order = self.orders.get_mut(slot);
        order.listed = true;
        let (account, symbol, session, side) = (order.account, order.symbol, order.session, order.side.index());
        let (flagged, waits) = (order.is_flagged(), order.place == Place::Waiting);
        if order.expire_at.0 != 0 {
            self.expiry.add(&mut self.orders, slot);
        }
        let open = self.accounts.open_orders_mut(account, symbol);
        if waits {
            open.waiting += 1;
        } else {
            open.count += 1;
        }
        open.orders[side].push(&mut self.orders, slot, |order| &mut order.of_account);
        if flagged {
            let list = self.sessions.entry(session).or_insert(crate::orders::List::EMPTY);
            list.push(&mut self.orders, slot, |order| &mut order.of_session);
        }
    }

    fn unlist(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (account, symbol, session, side) = (order.account, order.symbol, order.session, order.side.index());
        let flagged = order.is_flagged();
        if order.heap != NIL {
            self.expiry.remove(&mut self.orders, slot);
        }
        let open = self.accounts.open_orders_mut(account, symbol);
        open.count -= 1;
        open.orders[side].unlink(&mut self.orders, slot, |order| &mut order.of_account);
        if flagged {
            let list = self.sessions.get_mut(&session).expect("a flagged order is in its session's list");
            list.unlink(&mut self.orders, slot, |order| &mut order.of_session);
            if list.head == NIL {
                self.sessions.remove(&session);
            }
        }
    }

    /// EXPIRED and DONE of an order that is not in the book.
    pub(crate) fn expire(&mut self, slot: u32, reason: EndReason, code: u16, out: &mut EventWriter<'_>) {
        let order = self.orders.get(slot);
        let header = Expired::header(reason.code(), 0, self.accounts.get(order.account).id.0);
        out.push(&Expired {
            header,
            order: order.id,
            symbol: order.symbol,
            code,
            reserved: 0,
            remaining: order.remaining,
        });
        self.finish(slot, OrderState::Expired, Some(reason), out);
    }

    /// Ends an order that is not in the book: what is held goes back, DONE, an entry in the ring, the slot is free.
    pub(crate) fn finish(
        &mut self,
        slot: u32,
        state: OrderState,
        reason: Option<EndReason>,
        out: &mut EventWriter<'_>,
    ) {
        let order = self.orders.get(slot);
        debug_assert!(matches!(order.place, Place::Working | Place::Fired) && order.level == NIL);
        order.assert_identity();
        let returned = order.hold;
        let (account, listed) = (order.account, order.listed);
        out.push(&Done {
            header: Done::header(
                state.code(),
                reason.map_or(0, |reason| reason.code()),
                self.accounts.get(account).id.0,
            ),
            order: order.id,
            symbol: order.symbol,
            reserved: 0,
            filled: order.filled,
            cost: order.cost,
            fee: order.fee,
            returned,
            remaining: order.remaining,
            prevented: order.prevented,
            cut: order.cut,
            client_id: order.client_id,
        });
        let entry = Entry {
            client_id: order.client_id,
            payload: order.payload,
            order: order.id,
            sequence: self.sequence,
            filled: order.filled,
            remaining: order.remaining,
            cost: order.cost,
            fee: order.fee,
            send_time: order.send_time,
            account,
            code: 0,
            state,
            reason,
        };
        if returned.0 != 0 {
            let asset = hold_asset(self.symbols.at(order.symbol), order.side);
            self.accounts.change(account, asset, returned.0, -returned.0);
        }
        if listed {
            self.unlist(slot);
        }
        self.dedupe.end(&mut self.accounts, slot, entry);
        self.orders.remove(slot);
    }

    /// Whether a fill-or-kill order can be filled, counted as matching would take it (DOMAIN §5.3). Levels are counted
    /// whole; one is walked only if an own order stands in it that stops the count, or if a group makes owners many.
    fn can_fill(&self, slot: u32) -> bool {
        let taker = self.orders.get(slot);
        let book = &self.symbols.at(taker.symbol).book;
        let group = self.accounts.get(taker.account).group;
        let prevents = taker.stp != StpMode::None;
        let (own, first) = if prevents && group == 0 { self.own_in_the_way(slot) } else { (0, None) };
        let mut missing = i128::from(taker.remaining.0);
        if taker.stp == StpMode::CancelMaker {
            missing += own;
        }
        for level in book.levels(taker.side.opposite()) {
            if missing <= 0 || !crosses(taker.side, taker.price, level.price) {
                break;
            }
            let walks = prevents
                && match group {
                    0 => taker.stp != StpMode::CancelMaker && first == Some(level.price),
                    _ => true,
                };
            if !walks {
                missing -= level.total + level.hidden;
                continue;
            }
            // Slices in front of an own order come before it; what is hidden comes behind.
            let (mut shown, mut all, mut at) = (0, 0, level.queue.head);
            while at != NIL && missing > shown {
                let maker = self.orders.get(at);
                if !self.same_owner(taker.account, group, maker.account) {
                    shown += i128::from(maker.shown.0);
                    all += i128::from(maker.remaining.0);
                } else if taker.stp != StpMode::CancelMaker {
                    return false;
                }
                at = maker.queue.next;
            }
            missing -= all;
        }
        missing <= 0
    }

    /// What of an account's own orders a taker would meet: their lots, and the price of the first.
    fn own_in_the_way(&self, slot: u32) -> (i128, Option<Price>) {
        let taker = self.orders.get(slot);
        let (mut lots, mut first) = (0, None);
        let mut at = self.accounts.first_open(taker.account, taker.symbol, taker.side.opposite());
        while at != NIL {
            let order = self.orders.get(at);
            if order.place == Place::Book && crosses(taker.side, taker.price, order.price) {
                lots += i128::from(order.remaining.0);
                if first.is_none_or(|known| crosses(taker.side, known, order.price)) {
                    first = Some(order.price);
                }
            }
            at = order.of_account.next;
        }
        (lots, first)
    }
}

/// `need` of a buy with so many lots open.
#[inline]
fn need_of(symbol: &crate::symbols::Symbol, order: &crate::orders::Order, open: Qty) -> Amount {
    if order.hold.0 == 0 {
        return Amount::ZERO; // a market order that found nothing held nothing
    }
    need(&order.terms, symbol.value(order.price, open), open, order.carry).expect("less than the hold that it had")
}
