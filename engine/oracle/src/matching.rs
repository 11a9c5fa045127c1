//! The loop of DOMAIN §5.2: one taker against a book; trades, new slices, self-trade prevention, and how an order ends.
//!
//! Invariants: the trade price is the maker's; quote out of the buyer = quote to the seller + both fees; after every
//! change of an open order's remainder its hold is `need` (DOMAIN §3.4); what has ended holds nothing.

use crate::Oracle;
use crate::money::{affordable, fee_and_carry, narrow, need_of, value, within};
use crate::perpetual::Party;
use crate::state::{Order, Symbol};
use ringbook_event::{Done, Expired, Prevented, Record, Refreshed, Trade};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, EndReason, OrderId, OrderState, Price, Qty, Side, StpMode, SymbolId, TradeId,
};

/// Two orders that meet.
#[derive(Clone, Copy)]
pub struct Match {
    pub taker: u64,
    pub maker: u64,
    pub price: i128,
    pub quantity: i128,
    /// 1: taker and maker; 2: uncross.
    pub role: u8,
}

impl Oracle {
    /// Same account, or same group that is not 0 (DOMAIN §4.1).
    pub(crate) fn same_owner(&self, a: &Order, b: &Order) -> bool {
        let (group_a, group_b) = (self.accounts[&a.account].group, self.accounts[&b.account].group);
        a.account == b.account || (group_a != 0 && group_a == group_b)
    }

    /// Matches a taker until it is filled, ended by STP, cannot pay a lot, or meets nothing within its limit.
    pub(crate) fn match_taker(&mut self, taker_id: u64) {
        while let Some(taker) = self.orders.get(&taker_id) {
            let Some(maker) = self.first_in_line(taker.symbol, taker.side.opposite()) else {
                break;
            };
            let is_used_up = if taker.by_budget { taker.hold == 0 } else { taker.remaining == 0 };
            if is_used_up || !within(taker.side, maker.price, taker.price) {
                break;
            }
            if taker.stp != StpMode::None && self.same_owner(taker, maker) {
                self.prevent(taker_id, maker.id);
                continue;
            }
            let wanted = if taker.by_budget {
                affordable(&self.symbols[&taker.symbol], taker.taker, maker.price, taker.hold, taker.carry)
            } else {
                taker.remaining
            };
            let (maker, price, quantity) = (maker.id, maker.price, wanted.min(maker.shown));
            if quantity == 0 {
                break;
            }
            let rates = (taker.taker, self.orders[&maker].maker);
            let symbol = taker.symbol;
            let parties = self.trade(Match { taker: taker_id, maker, price, quantity, role: 1 }, rates);
            self.end_or_refresh(maker);
            self.test_parties(symbol, &parties);
        }
    }

    /// One match: settles maker, then taker, at the rates of (taker, maker); TRADE, and of a perpetual what the
    /// positions realise. Yields the parties of a perpetual's match.
    pub(crate) fn trade(&mut self, m: Match, rates: (i128, i128)) -> Vec<Party> {
        assert!(m.quantity > 0, "a match is of at least one lot");
        let symbol_id = self.orders[&m.taker].symbol;
        let maker_fee = self.settle(m.maker, m.price, m.quantity, rates.1);
        let taker_fee = self.settle(m.taker, m.price, m.quantity, rates.0);
        let symbol = self.symbols.get_mut(&symbol_id).expect("an order's symbol exists");
        symbol.last = Some(m.price);
        let (quote, is_perpetual) = (symbol.quote, symbol.perpetual.is_some());
        let fills = if is_perpetual {
            self.fill_parties(&m, maker_fee, taker_fee)
        } else {
            self.wallet(AccountId::FEES.0, quote).available += maker_fee + taker_fee;
            Vec::new()
        };

        self.last_trade += 1;
        let (taker, maker) = (&self.orders[&m.taker], &self.orders[&m.maker]);
        self.events.push(
            Trade {
                header: Trade::header(taker.side.code(), m.role, symbol_id),
                trade: TradeId(self.last_trade),
                price: Price(narrow(m.price)),
                quantity: Qty(narrow(m.quantity)),
                taker_order: OrderId(taker.id),
                maker_order: OrderId(maker.id),
                taker_account: AccountId(taker.account),
                maker_account: AccountId(maker.account),
                taker_fee: Amount(narrow(taker_fee)),
                maker_fee: Amount(narrow(maker_fee)),
                taker_remaining: Qty(narrow(taker.remaining)),
                maker_remaining: Qty(narrow(maker.remaining)),
                taker_filled: Qty(narrow(taker.filled)),
                maker_filled: Qty(narrow(maker.filled)),
                taker_cost: Amount(narrow(taker.cost)),
                maker_cost: Amount(narrow(maker.cost)),
            }
            .into(),
        );
        self.push_fills(symbol_id, &fills);
        fills
    }

    /// After a fill of a resting order: DONE if nothing of it is left, a new slice if only hidden lots are.
    pub(crate) fn end_or_refresh(&mut self, id: u64) {
        if self.orders[&id].remaining == 0 {
            self.end_order(id, OrderState::Filled, None);
        } else {
            self.refresh_if_used_up(id);
        }
    }

    /// REFRESHED and a place at the end of the queue, if nothing of the order is shown any more.
    fn refresh_if_used_up(&mut self, id: u64) {
        if self.orders[&id].shown > 0 {
            return;
        }
        self.join_queue(id);
        let order = &self.orders[&id];
        self.events.push(
            Refreshed {
                header: Refreshed::header(order.side.code(), 0, order.account),
                order: OrderId(id),
                symbol: SymbolId(order.symbol),
                reserved: 0,
                shown: Qty(narrow(order.shown)),
                remaining: Qty(narrow(order.remaining)),
            }
            .into(),
        );
    }

    /// One side of a fill: the order and, on spot, its money (DOMAIN §3.3, §3.4). Returns its fee.
    fn settle(&mut self, id: u64, price: i128, quantity: i128, rate: i128) -> i128 {
        let order = self.orders[&id].clone();
        let symbol = self.symbols[&order.symbol].clone();
        assert!(within(order.side, price, order.price), "a fill is within the order's limit");
        let value = value(&symbol, price, quantity);
        let (fee, carry) = fee_and_carry(&symbol, rate, value, quantity, order.carry);
        let mut after = Order {
            filled: order.filled + quantity,
            cost: order.cost + value,
            fee: order.fee + fee,
            carry,
            ..order.clone()
        };
        if order.queue.is_some() {
            after.shown -= quantity;
        }
        if symbol.perpetual.is_some() {
            after.remaining -= quantity;
            self.orders.insert(id, after);
            return fee;
        }
        if order.by_budget {
            after.orig += quantity;
            after.hold = order.hold - value - fee;
        } else {
            after.remaining -= quantity;
            after.hold = need_of(&symbol, &after, order.price, after.remaining);
        }
        match order.side {
            Side::Buy => {
                let spent = value + fee;
                let release = order.hold - spent - after.hold;
                assert!(release >= 0, "a buy's hold covers what it spends (DOMAIN §3.4)");
                let quote = self.wallet(order.account, symbol.quote);
                quote.held -= spent + release;
                quote.available += release;
                self.wallet(order.account, symbol.base).available += quantity * symbol.base_lot;
            }
            Side::Sell => {
                self.wallet(order.account, symbol.base).held -= quantity * symbol.base_lot;
                self.wallet(order.account, symbol.quote).available += value - fee;
            }
        }
        self.orders.insert(id, after);
        fee
    }

    /// Self-trade prevention by the taker's mode (DOMAIN §4.1, EVENTS "NEW_ORDER").
    fn prevent(&mut self, taker_id: u64, maker_id: u64) {
        let (taker, maker) = (&self.orders[&taker_id], &self.orders[&maker_id]);
        let mode = taker.stp;
        let smaller = taker.remaining.min(maker.shown);
        // None: that order loses nothing. A budget order loses 0 lots and ends all the same.
        let (taker_part, maker_part) = match mode {
            StpMode::CancelTaker => (Some(taker.remaining), None),
            StpMode::CancelMaker => (None, Some(maker.remaining)),
            StpMode::CancelBoth => (Some(taker.remaining), Some(maker.remaining)),
            StpMode::Decrement => (Some(smaller), Some(smaller)),
            StpMode::None | StpMode::Default => unreachable!("no prevention in this mode"),
        };
        let (taker_loses, maker_loses) = (taker_part.unwrap_or(0), maker_part.unwrap_or(0));
        self.events.push(
            Prevented {
                header: Prevented::header(mode.code(), 0, taker.symbol),
                taker_order: OrderId(taker_id),
                maker_order: OrderId(maker_id),
                taker_quantity: Qty(narrow(taker_loses)),
                maker_quantity: Qty(narrow(maker_loses)),
                taker_remaining: Qty(narrow(taker.remaining - taker_loses)),
                maker_remaining: Qty(narrow(maker.remaining - maker_loses)),
                taker_account: AccountId(taker.account),
                maker_account: AccountId(maker.account),
            }
            .into(),
        );
        if let Some(lots) = maker_part {
            self.lose(maker_id, lots);
        }
        if let Some(lots) = taker_part {
            self.lose(taker_id, lots);
        }
    }

    /// Takes lots off an order without a trade. If nothing remains it ends, and all that it held goes back then.
    fn lose(&mut self, id: u64, lots: i128) {
        let order = self.orders.get_mut(&id).expect("the order is open");
        order.prevented += lots;
        order.remaining -= lots;
        if order.remaining == 0 {
            self.end_order(id, OrderState::ExpiredStp, Some(EndReason::Stp));
            return;
        }
        let rests = order.queue.is_some();
        if rests {
            order.shown -= lots;
        }
        self.hold_what_is_needed(id);
        if rests {
            self.refresh_if_used_up(id);
        }
    }

    /// Brings the hold to `need` of the order's price and remainder, from or to available (DOMAIN §3.4, §4.1). Nothing on
    /// a perpetual.
    pub(crate) fn hold_what_is_needed(&mut self, id: u64) {
        let order = self.orders[&id].clone();
        let symbol: Symbol = self.symbols[&order.symbol].clone();
        if symbol.perpetual.is_some() {
            return;
        }
        let hold = need_of(&symbol, &order, order.price, order.remaining);
        let more = hold - order.hold;
        let wallet = self.wallet(order.account, order.hold_asset(&symbol));
        wallet.available -= more;
        wallet.held += more;
        self.orders.insert(id, Order { hold, ..order });
    }

    /// Puts an order, or the next slice of an iceberg, at the end of the queue of its price.
    pub(crate) fn join_queue(&mut self, id: u64) {
        self.last_queue += 1;
        let order = self.orders.get_mut(&id).expect("the order is open");
        order.queue = Some(self.last_queue);
        order.shown = if order.display == 0 { order.remaining } else { order.display.min(order.remaining) };
    }

    /// EXPIRED and DONE.
    pub(crate) fn expire(&mut self, id: u64, reason: EndReason) {
        self.expire_with(id, reason, 0);
    }

    /// EXPIRED with a reject code, and DONE.
    pub(crate) fn expire_with(&mut self, id: u64, reason: EndReason, code: u16) {
        let order = &self.orders[&id];
        self.events.push(
            Expired {
                header: Expired::header(reason.code(), 0, order.account),
                order: OrderId(id),
                symbol: SymbolId(order.symbol),
                code,
                reserved: 0,
                remaining: Qty(narrow(order.remaining)),
            }
            .into(),
        );
        self.end_order_with(id, OrderState::Expired, Some(reason), code);
    }

    /// The end of every order: its hold goes back, DONE, and an entry in the ring.
    pub(crate) fn end_order(&mut self, id: u64, state: OrderState, reason: Option<EndReason>) {
        self.end_order_with(id, state, reason, 0);
    }

    /// The same; with the code of a stop order that failed.
    fn end_order_with(&mut self, id: u64, state: OrderState, reason: Option<EndReason>, code: u16) {
        let order = self.orders.remove(&id).expect("the order is open");
        let symbol = &self.symbols[&order.symbol];
        if symbol.perpetual.is_none() {
            let hold_asset = order.hold_asset(symbol);
            let wallet = self.wallet(order.account, hold_asset);
            wallet.held -= order.hold;
            wallet.available += order.hold;
        }
        self.events.push(
            Done {
                header: Done::header(state.code(), reason.map_or(0, EndReason::code), order.account),
                order: OrderId(id),
                symbol: SymbolId(order.symbol),
                reserved: 0,
                filled: Qty(narrow(order.filled)),
                cost: Amount(narrow(order.cost)),
                fee: Amount(narrow(order.fee)),
                returned: Amount(narrow(order.hold)),
                remaining: Qty(narrow(order.remaining)),
                prevented: Qty(narrow(order.prevented)),
                cut: Qty(narrow(order.cut)),
                client_id: ClientOrderId::from(order.client_id),
            }
            .into(),
        );
        // The order of a liquidation has no client id.
        if order.client_id != 0 {
            self.remember_end(&order, state, reason, code);
        }
    }
}
