//! Holds, matching, self-trade prevention, the end of orders.

use super::{K, LOT, Order, USDT, World};
use ringbook_event::*;
use ringbook_wire::*;

impl World {
    pub(super) fn hold_of(order: &Order) -> i64 {
        if order.buy { order.price * order.remaining * K * 1_001 / 1_000 + 10 } else { order.remaining * LOT }
    }

    /// Sets an order's hold to what it needs now (0 once nothing remains).
    pub(super) fn set_hold(&mut self, id: u64) {
        let order = self.orders.get_mut(&id).unwrap();
        let need = if order.remaining == 0 { 0 } else { Self::hold_of(order) };
        let change = need - order.hold;
        order.hold = need;
        let (account, asset) = (order.account, if order.buy { USDT } else { order.symbol + 1 });
        self.add(account, asset, -change, change);
    }

    pub(super) fn done(&mut self, id: u64, state: OrderState, reason: u8, open: i64) {
        self.orders.get_mut(&id).unwrap().remaining = 0;
        self.set_hold(id);
        let order = self.orders.remove(&id).unwrap();
        self.event(Done {
            header: Done::header(state.code(), reason, order.account),
            order: OrderId(id),
            symbol: SymbolId(order.symbol),
            reserved: 0,
            filled: Qty(order.filled),
            cost: Amount(order.cost),
            fee: Amount(order.fee),
            returned: Amount(order.hold),
            remaining: Qty(open),
            prevented: Qty(order.prevented),
            cut: Qty(order.cut),
            client_id: order.client.into(),
        });
    }

    /// The best order on the other side that the taker may trade with.
    pub(super) fn best(&self, taker: u64) -> Option<u64> {
        let t = &self.orders[&taker];
        let crossing = self.orders.iter().filter(|(id, o)| {
            **id != taker
                && !o.waits
                && o.symbol == t.symbol
                && o.buy != t.buy
                && if t.buy { o.price <= t.price } else { o.price >= t.price }
        });
        crossing.min_by_key(|(id, o)| (if t.buy { o.price } else { -o.price }, **id)).map(|(id, _)| *id)
    }

    pub(super) fn fill(order: &mut Order, quantity: i64, value: i64, fee: i64) {
        order.remaining -= quantity;
        order.filled += quantity;
        order.cost += value;
        order.fee += fee;
    }

    pub(super) fn match_order(&mut self, taker: u64) {
        while self.orders[&taker].remaining > 0 {
            let Some(maker) = self.best(taker) else { return };
            let (t, m) = (self.orders[&taker].clone(), self.orders[&maker].clone());
            let quantity = t.remaining.min(m.remaining);
            if t.account == m.account {
                self.prevent(taker, maker, quantity, t.client % 3 == 0);
                if !self.orders.contains_key(&taker) {
                    return;
                }
                continue;
            }
            let value = m.price * quantity * K;
            let (taker_fee, maker_fee) = (value / 1_000 + 1, -value / 10_000);
            Self::fill(self.orders.get_mut(&taker).unwrap(), quantity, value, taker_fee);
            Self::fill(self.orders.get_mut(&maker).unwrap(), quantity, value, maker_fee);
            self.last_trade += 1;
            let (t, m) = (self.orders[&taker].clone(), self.orders[&maker].clone());
            self.event(Trade {
                header: Trade::header(if t.buy { 1 } else { 2 }, 1, t.symbol),
                trade: TradeId(self.last_trade),
                price: Price(m.price),
                quantity: Qty(quantity),
                taker_order: OrderId(taker),
                maker_order: OrderId(maker),
                taker_account: AccountId(t.account),
                maker_account: AccountId(m.account),
                taker_fee: Amount(taker_fee),
                maker_fee: Amount(maker_fee),
                taker_remaining: Qty(t.remaining),
                maker_remaining: Qty(m.remaining),
                taker_filled: Qty(t.filled),
                maker_filled: Qty(m.filled),
                taker_cost: Amount(t.cost),
                maker_cost: Amount(m.cost),
            });
            let (base, lots) = (t.symbol + 1, quantity * LOT);
            let (buyer, seller, buy_fee, sell_fee) = if t.buy {
                (t.account, m.account, taker_fee, maker_fee)
            } else {
                (m.account, t.account, maker_fee, taker_fee)
            };
            let (buy_order, sell_order) = if t.buy { (taker, maker) } else { (maker, taker) };
            let busted = Busted {
                header: Busted::header(0, 0, t.symbol),
                trade: TradeId(self.last_trade),
                price: Price(m.price),
                quantity: Qty(quantity),
                buy_order: OrderId(buy_order),
                sell_order: OrderId(sell_order),
                buyer: AccountId(buyer),
                seller: AccountId(seller),
                buyer_fee: Amount(buy_fee),
                seller_fee: Amount(sell_fee),
            };
            self.trades.push((busted, self.frames.len() as u64 + 1));
            self.add(buyer, USDT, -value - buy_fee, 0);
            self.add(buyer, base, lots, 0);
            self.add(seller, USDT, value - sell_fee, 0);
            self.add(seller, base, -lots, 0);
            self.add(1, USDT, buy_fee + sell_fee, 0);
            self.set_hold(taker);
            self.set_hold(maker);
            if m.remaining == 0 {
                self.done(maker, OrderState::Filled, 0, 0);
            }
        }
        self.done(taker, OrderState::Filled, 0, 0);
    }

    /// CANCEL_MAKER, or DECREMENT.
    pub(super) fn prevent(&mut self, taker: u64, maker: u64, quantity: i64, decrement: bool) {
        let lost =
            (if decrement { quantity } else { 0 }, if decrement { quantity } else { self.orders[&maker].remaining });
        for (id, lost) in [(taker, lost.0), (maker, lost.1)] {
            let order = self.orders.get_mut(&id).unwrap();
            order.remaining -= lost;
            order.prevented += lost;
            self.set_hold(id);
        }
        let (t, m) = (self.orders[&taker].clone(), self.orders[&maker].clone());
        self.event(Prevented {
            header: Prevented::header(if decrement { 5 } else { 3 }, 0, t.symbol),
            taker_order: OrderId(taker),
            maker_order: OrderId(maker),
            taker_quantity: Qty(lost.0),
            maker_quantity: Qty(lost.1),
            taker_remaining: Qty(t.remaining),
            maker_remaining: Qty(m.remaining),
            taker_account: AccountId(t.account),
            maker_account: AccountId(m.account),
        });
        for (id, order) in [(maker, m), (taker, t)] {
            if order.remaining == 0 {
                self.done(id, OrderState::ExpiredStp, EndReason::Stp.code(), 0);
            }
        }
    }
}
