//! The loop of DOMAIN §5.2: one taker against a book; trades, self-trade prevention, and how an order ends.
//!
//! Invariants: the trade price is the maker's; quote out of the buyer = quote to the seller + both fees; after every
//! change of an open order's remainder its hold is `need` (DOMAIN §3.4); what has ended holds nothing.

use crate::Oracle;
use crate::money::{fee_and_carry, narrow, need_of, value, within};
use crate::state::{Order, Symbol};
use ringbook_event::{Done, Expired, Prevented, Record, Trade};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, EndReason, OrderId, OrderState, Price, Qty, Side, StpMode, SymbolId, TradeId,
};

impl Oracle {
    /// Same account, or same group that is not 0 (DOMAIN §4.1).
    pub(crate) fn same_owner(&self, a: &Order, b: &Order) -> bool {
        let (group_a, group_b) = (self.accounts[&a.account].group, self.accounts[&b.account].group);
        a.account == b.account || (group_a != 0 && group_a == group_b)
    }

    /// Matches a taker until it is filled, ended by STP, or meets nothing within its limit.
    pub(crate) fn match_taker(&mut self, taker_id: u64) {
        while let Some(taker) = self.orders.get(&taker_id) {
            let Some(maker) = self.first_in_line(taker.symbol, taker.side.opposite()) else {
                break;
            };
            if taker.remaining == 0 || !within(taker.side, maker.price, taker.price) {
                break;
            }
            let maker_id = maker.id;
            if taker.stp != StpMode::None && self.same_owner(taker, maker) {
                self.prevent(taker_id, maker_id);
            } else {
                self.trade(taker_id, maker_id);
            }
        }
    }

    /// One match: settles maker, then taker; TRADE; DONE of the maker if nothing of it is left.
    fn trade(&mut self, taker_id: u64, maker_id: u64) {
        let symbol_id = self.orders[&taker_id].symbol;
        let price = self.orders[&maker_id].price;
        let quantity = self.orders[&taker_id].remaining.min(self.orders[&maker_id].remaining);
        assert!(quantity > 0, "a match is of at least one lot");
        let maker_rate = self.orders[&maker_id].maker;
        let taker_rate = self.orders[&taker_id].taker;
        let maker_fee = self.settle(maker_id, price, quantity, maker_rate);
        let taker_fee = self.settle(taker_id, price, quantity, taker_rate);
        let symbol = self.symbols.get_mut(&symbol_id).expect("an order's symbol exists");
        symbol.last = Some(price);
        let quote = symbol.quote;
        self.wallet(AccountId::FEES.0, quote).available += maker_fee + taker_fee;

        self.last_trade += 1;
        let (taker, maker) = (&self.orders[&taker_id], &self.orders[&maker_id]);
        self.events.push(
            Trade {
                header: Trade::header(taker.side.code(), 1, symbol_id),
                trade: TradeId(self.last_trade),
                price: Price(narrow(price)),
                quantity: Qty(narrow(quantity)),
                taker_order: OrderId(taker_id),
                maker_order: OrderId(maker_id),
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
        if self.orders[&maker_id].remaining == 0 {
            self.end_order(maker_id, OrderState::Filled, None);
        }
    }

    /// One side of a fill (DOMAIN §3.3, §3.4). Returns its fee.
    fn settle(&mut self, id: u64, price: i128, quantity: i128, rate: i128) -> i128 {
        let order = self.orders[&id].clone();
        let symbol = self.symbols[&order.symbol].clone();
        assert!(within(order.side, price, order.price), "a fill is within the order's limit");
        let value = value(&symbol, price, quantity);
        let (fee, carry) = fee_and_carry(&symbol, rate, value, quantity, order.carry);
        let remaining = order.remaining - quantity;
        let after = Order {
            filled: order.filled + quantity,
            remaining,
            cost: order.cost + value,
            fee: order.fee + fee,
            carry,
            ..order.clone()
        };
        let hold = need_of(&symbol, &after, order.price, remaining);
        match order.side {
            Side::Buy => {
                let spent = value + fee;
                let release = order.hold - spent - hold;
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
        self.orders.insert(id, Order { hold, ..after });
        fee
    }

    /// Self-trade prevention by the taker's mode (DOMAIN §4.1, EVENTS "NEW_ORDER").
    fn prevent(&mut self, taker_id: u64, maker_id: u64) {
        let (taker, maker) = (&self.orders[&taker_id], &self.orders[&maker_id]);
        let mode = taker.stp;
        let smaller = taker.remaining.min(maker.remaining);
        let (taker_loses, maker_loses) = match mode {
            StpMode::CancelTaker => (taker.remaining, 0),
            StpMode::CancelMaker => (0, maker.remaining),
            StpMode::CancelBoth => (taker.remaining, maker.remaining),
            StpMode::Decrement => (smaller, smaller),
            StpMode::None | StpMode::Default => unreachable!("no prevention in this mode"),
        };
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
        self.lose(maker_id, maker_loses);
        self.lose(taker_id, taker_loses);
    }

    /// Takes lots off an order without a trade. If nothing remains it ends, and all that it held goes back then.
    fn lose(&mut self, id: u64, lots: i128) {
        let order = self.orders.get_mut(&id).expect("the order is open");
        order.prevented += lots;
        order.remaining -= lots;
        if order.remaining == 0 {
            self.end_order(id, OrderState::ExpiredStp, Some(EndReason::Stp));
        } else {
            self.hold_what_is_needed(id);
        }
    }

    /// Brings the hold to `need` of the order's price and remainder, from or to available (DOMAIN §3.4, §4.1).
    pub(crate) fn hold_what_is_needed(&mut self, id: u64) {
        let order = self.orders[&id].clone();
        let symbol: Symbol = self.symbols[&order.symbol].clone();
        let hold = need_of(&symbol, &order, order.price, order.remaining);
        let more = hold - order.hold;
        let wallet = self.wallet(order.account, order.hold_asset(&symbol));
        wallet.available -= more;
        wallet.held += more;
        self.orders.insert(id, Order { hold, ..order });
    }

    /// Puts an order at the end of the queue of its price.
    pub(crate) fn join_queue(&mut self, id: u64) {
        self.last_queue += 1;
        self.orders.get_mut(&id).expect("the order is open").queue = Some(self.last_queue);
    }

    /// EXPIRED and DONE.
    pub(crate) fn expire(&mut self, id: u64, reason: EndReason) {
        let order = &self.orders[&id];
        self.events.push(
            Expired {
                header: Expired::header(reason.code(), 0, order.account),
                order: OrderId(id),
                symbol: SymbolId(order.symbol),
                code: 0,
                reserved: 0,
                remaining: Qty(narrow(order.remaining)),
            }
            .into(),
        );
        self.end_order(id, OrderState::Expired, Some(reason));
    }

    /// The end of every order: its hold goes back, DONE, and an entry in the ring.
    pub(crate) fn end_order(&mut self, id: u64, state: OrderState, reason: Option<EndReason>) {
        let order = self.orders.remove(&id).expect("the order is open");
        let hold_asset = order.hold_asset(&self.symbols[&order.symbol]);
        let wallet = self.wallet(order.account, hold_asset);
        wallet.held -= order.hold;
        wallet.available += order.hold;
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
        self.remember_end(&order, state, reason);
    }
}
