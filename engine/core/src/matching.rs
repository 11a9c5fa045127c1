//! The matching loop and the settlement of fills (DOMAIN §3.4, §5.2).
//!
//! Invariants:
//! 1. A trade is at the maker's price, within the taker's limit, oldest order of the best level first.
//! 2. Quote out of the buyer = quote to the seller + both fees: one value and two fees are booked, nothing is rounded.
//! 3. A taker settles once per part; its hold afterwards is exactly `need` of what remains.
//! 4. Before every step there is room for the step, the taker's end and all BALANCEs; else the rest is pending work.

use crate::engine::Engine;
use crate::money::{add, affordable, fee, need, sub};
use crate::new_order::{crosses, hold_asset};
use crate::orders::NIL;
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

/// What a step of perpetuals has beyond one of spot: what both sides realise, the fund's payments, a liquidation's record,
/// further wallets, and positions.
const PERPETUAL_BYTES: usize = 2 * size_of::<ringbook_event::Realized>()
    + 3 * size_of::<ringbook_event::Fund>()
    + size_of::<ringbook_event::Liquidation>()
    + size_of::<ringbook_event::Config>()
    + 4 * size_of::<ringbook_event::Balance>()
    + 3 * size_of::<ringbook_event::Position>();

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
    /// Margin ended the taker (docs/PERPETUAL.md, "Margin test").
    Ended,
}

impl Engine {
    /// Whether one more step, the end of the taker and every BALANCE and POSITION fit.
    #[inline]
    pub(crate) fn has_room(&self, out: &EventWriter<'_>) -> bool {
        let wallets = (self.accounts.touched_count() + NEW_WALLETS) * size_of::<ringbook_event::Balance>();
        let mut bytes = STEP_BYTES + END_BYTES + wallets;
        if self.symbols.has_perpetuals() {
            let positions = self.positions.touched_count() * size_of::<ringbook_event::Position>();
            bytes += PERPETUAL_BYTES + positions;
        }
        out.room() >= bytes
    }

    /// Runs an order of a client in TRADING: matches it, then what it triggers. What does not fit is pending work, and
    /// HANDLED says so.
    pub(crate) fn run(&mut self, slot: u32, out: &mut EventWriter<'_>) {
        let symbol = self.orders.get(slot).symbol;
        let account = self.accounts.get(self.orders.get(slot).account).id;
        if self.execute(slot, true, out) {
            self.fire(symbol, false);
            self.work_loop(out);
        }
        self.handle_rest(self.cause.kind, account, out);
    }

    /// Matches an order that is not in the book, then rests or ends it. `first`: not the continuation of a part. False:
    /// the events are full, and the rest is pending.
    pub(crate) fn execute(&mut self, slot: u32, first: bool, out: &mut EventWriter<'_>) -> bool {
        let symbol = self.orders.get(slot).symbol;
        if first && self.orders.get(slot).time_in_force == TimeInForce::Fok && !self.can_fill(slot) {
            self.expire(slot, EndReason::Fok, 0, out);
            return true;
        }
        let perpetual = self.symbols.at(symbol).contract.is_some();
        if perpetual {
            self.matching = slot;
        }
        let mut flow = Flow::default();
        let outcome = self.trade_loop(slot, symbol, &mut flow, out);
        if let Outcome::Ended = outcome {
            return true;
        }
        if perpetual && !matches!(outcome, Outcome::Full) {
            self.matching = NIL;
        }
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
            Outcome::Ended => unreachable!("looked at above"),
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
        let perpetual = self.symbols.at(symbol).contract.is_some();
        loop {
            if perpetual && !self.chores.is_empty() {
                if !self.do_chores(out) {
                    return Outcome::Full;
                }
                if self.matching != slot {
                    return Outcome::Ended;
                }
            }
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
            if !self.has_room(out) {
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
            if perpetual {
                self.trade_position(slot, maker, symbol, lots, out);
            } else {
                self.trade(slot, maker, symbol, lots, flow, out);
            }
        }
    }

    #[inline]
    pub(crate) fn same_owner(&self, account: u32, group: u32, maker: u32) -> bool {
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
        let left = self.take_lots(slot, symbol_id, quantity);
        let charged = self.charge_order(slot, value, quantity, rate);
        let symbol = self.symbols.at(symbol_id);
        let base = symbol.base_units(quantity);
        let order = self.orders.get_mut(slot);
        let carry = order.carry;
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

    /// Takes lots off a resting order; one that shows nothing more has left its queue.
    #[inline]
    pub(crate) fn take_lots(&mut self, slot: u32, symbol_id: SymbolId, quantity: Qty) -> Left {
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
        left
    }

    /// Books a fill in an order's own sums; its fee.
    #[inline]
    pub(crate) fn charge_order(&mut self, slot: u32, value: Amount, quantity: Qty, rate: i64) -> Amount {
        let order = self.orders.get_mut(slot);
        let (charged, carry) = fee(order.terms.model, value, quantity, rate, order.carry);
        order.carry = carry;
        order.filled = Qty(order.filled.0 + quantity.0);
        order.cost = add(order.cost, value);
        order.fee = add(order.fee, charged);
        charged
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
        if symbol.contract.is_some() {
            return; // each match has settled both sides
        }
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
        let perpetual = self.symbols.at(symbol).contract.is_some();
        let counted = perpetual && self.count_out(taker_slot);
        if perpetual {
            self.count_out(maker_slot);
        }
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
        if perpetual {
            self.count_again(taker_slot, counted);
            self.count_again(maker_slot, true);
        }
        let taker_ends = match stp {
            StpMode::CancelTaker | StpMode::CancelBoth => true,
            StpMode::Decrement => self.orders.get(taker_slot).remaining.is_zero(),
            _ => false,
        };
        if maker_ends {
            self.finish(maker_slot, OrderState::ExpiredStp, Some(EndReason::Stp), out);
        } else if maker_loss.0 > 0 {
            if !perpetual {
                self.refit_hold(maker_slot);
            }
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
            TimeInForce::Ioc | TimeInForce::Fok => {
                // The order of a liquidation's stage has no client.
                let reason = if order.known == NIL { EndReason::Liquidation } else { EndReason::Ioc };
                self.expire(slot, reason, 0, out);
            }
            TimeInForce::Gtc | TimeInForce::Gtd => self.rest_new(slot),
        }
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
