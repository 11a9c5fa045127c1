//! The generator's orders on perpetuals: to open, to close, reduce-only, close-position, stops on marks; the fund's own.

use super::super::world::{ADMIN, trader_of};
use super::super::{Feature, Generator, remember};
use super::{Held, world::IDS};
use ringbook_event::Origin;
use ringbook_wire::message::{Amend, Message, NewOrder};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, OrderId, OrderType, Price, Qty, Side, StpMode, SymbolId, TimeInForce,
    TimestampNs, TriggerDirection, TriggerSource, order_flags,
};

impl Generator {
    /// An order on a perpetual, or one of the latest again.
    pub(super) fn perpetual_order(&mut self) -> (Origin, Vec<u8>) {
        if self.random.chance(1, 40) {
            return self.new_order();
        }
        let collects = self.collecting_perpetual().filter(|_| self.random.chance(1, 2));
        let mut open = self.perpetuals.open();
        open.retain(|(key, _)| collects.is_none_or(|symbol| key.1 == symbol));
        let mut order = if !open.is_empty() && self.random.chance(2, 5) {
            let ((account, symbol), held) = open[self.random.below(open.len() as u64) as usize];
            self.closing_order(account, symbol, held)
        } else {
            let symbol = collects.unwrap_or_else(|| self.perpetual());
            self.opening_order(symbol)
        };
        if collects.is_some() && order.order_type == OrderType::Limit.code() && self.random.chance(9, 10) {
            order.time_in_force = TimeInForce::Gtc.code();
            order.expire_at = TimestampNs(0);
        }
        let order = self.finish(order);
        self.sent(trader_of(order.account.0), &order)
    }

    /// An order that opens, in a perpetual that is given.
    pub(super) fn perpetual_order_in(&mut self, symbol: u32) -> (Origin, Vec<u8>) {
        let order = self.opening_order(symbol);
        let order = self.finish(order);
        self.sent(trader_of(order.account.0), &order)
    }

    /// Client id, time, nonsense.
    pub(super) fn finish(&mut self, mut order: NewOrder) -> NewOrder {
        order.client_id = self.fresh_client_id();
        order.send_time = self.send_time();
        if self.absurdly() {
            match self.random.below(4) {
                0 => order.flags ^= order_flags::REDUCE_ONLY,
                1 => order.flags ^= order_flags::CLOSE_POSITION,
                2 => order.budget = Amount(100),
                _ => self.spoil(&mut order),
            }
        }
        remember(&mut self.recent, order, 300);
        order
    }

    fn perpetual_price(&mut self, symbol: u32, side: Side) -> i64 {
        let mark = self.perpetuals.mark(symbol);
        let step = (mark / 50).max(1);
        let spread = self.temper.spread;
        let better = match self.random.below(20) {
            // Far away: what a liquidation or a gap finds.
            0..3 => self.random.between(3, 40) * mark / 100,
            3..8 => self.random.between(0, spread) * step / 2,
            8..17 => -self.random.between(0, spread) * step / 2,
            17 => -self.random.between(3, 40) * mark / 100,
            _ => 0,
        };
        (if side == Side::Buy { mark - better } else { mark + better }).max(1)
    }

    pub(super) fn perpetual_lots(&mut self, account: u32, symbol: u32) -> i64 {
        let terms = self.perpetuals.terms(symbol);
        let wallet = self.perpetuals.wallets.get(&(account, terms.quote.0)).copied().unwrap_or(0);
        let leverage = self
            .perpetuals
            .held
            .get(&(account, symbol))
            .map_or(i64::from(terms.max_leverage.min(20)), |held| i64::from(held.leverage));
        let lot = self.perpetuals.mark(symbol) * terms.quote_per_tick_lot.0;
        let most = (wallet.saturating_mul(leverage) / lot.max(1)).clamp(1, 400);
        match self.random.below(20) {
            0 => self.random.between(1, 500),
            1 => most,
            2..5 => (most * 3 / 4).max(1),
            5..8 => (most / 2).max(1),
            8..11 => self.random.between(1, most),
            _ => self.random.between(1, self.temper.lots.min(most + 2)),
        }
    }

    fn perpetual_limit(&mut self, account: u32, symbol: u32, side: Side, lots: i64) -> NewOrder {
        let (order_type, time_in_force) = self.random.pick(&[
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Gtc),
            (OrderType::Limit, TimeInForce::Ioc),
            (OrderType::Limit, TimeInForce::Ioc),
            (OrderType::Limit, TimeInForce::Fok),
            (OrderType::Market, TimeInForce::Ioc),
        ]);
        let is_market = order_type == OrderType::Market;
        let price = if is_market { 0 } else { self.perpetual_price(symbol, side) };
        let stp = if self.random.chance(1, 2) { StpMode::None } else { self.random.pick(StpMode::ALL) };
        let mut order = NewOrder {
            account: AccountId(account),
            symbol: SymbolId(symbol),
            price: Price(price),
            quantity: Qty(lots),
            side: side.code(),
            order_type: order_type.code(),
            time_in_force: time_in_force.code(),
            stp: stp.code(),
            ..NewOrder::new(self.random.next_u64() as u32)
        };
        let lasts = time_in_force == TimeInForce::Gtc;
        if lasts && self.random.chance(1, 10) {
            order.flags |= order_flags::POST_ONLY;
        }
        if self.random.chance(1, 4) {
            order.flags |= order_flags::CANCEL_ON_DISCONNECT;
        }
        if lasts && self.has(Feature::Icebergs) && self.random.chance(1, 6) {
            order.display = Qty(self.display(lots));
        }
        if lasts && self.has(Feature::Gtd) && self.random.chance(1, 6) {
            order.time_in_force = TimeInForce::Gtd.code();
            order.expire_at = TimestampNs(self.expiry());
        }
        order
    }

    fn opening_order(&mut self, symbol: u32) -> NewOrder {
        let asset = self.perpetuals.terms(symbol).quote.0;
        let mut account = self.account();
        for _ in 0..2 {
            if self.perpetuals.wallets.get(&(account, asset)).is_none_or(|&wallet| wallet < 100) {
                account = self.account();
            }
        }
        let side = self.random.pick(&[Side::Buy, Side::Sell]);
        let lots = self.perpetual_lots(account, symbol);
        let mut order = self.perpetual_limit(account, symbol, side, lots);
        if self.has(Feature::Stops) && self.random.chance(1, 8) {
            self.make_perpetual_stop(&mut order);
        }
        if self.random.chance(1, 25) {
            order.flags |= order_flags::REDUCE_ONLY;
        }
        order
    }

    /// Against a position: a part, all or more of it; mostly reduce-only.
    fn closing_order(&mut self, account: u32, symbol: u32, held: Held) -> NewOrder {
        let side = if held.quantity > 0 { Side::Sell } else { Side::Buy };
        let lots = held.quantity.abs();
        let wanted = match self.random.below(6) {
            0 => lots,
            1 => lots * 2,
            2 => lots + self.random.between(1, 5),
            _ => self.random.between(1, lots),
        };
        let account = if account < 16 { self.account() } else { account };
        if held.isolated && self.random.chance(1, 5) {
            // As much as the position, far away: it needs margin only when the position becomes smaller.
            let mark = self.perpetuals.mark(symbol);
            let away = self.random.between(2, 15) * mark / 100;
            let price = Price((if side == Side::Buy { mark - away } else { mark + away }).max(1));
            let mut order = self.perpetual_limit(account, symbol, side, lots.clamp(1, 500));
            (order.order_type, order.time_in_force) = (OrderType::Limit.code(), TimeInForce::Gtc.code());
            (order.price, order.expire_at) = (price, TimestampNs(0));
            return order;
        }
        let mut order = self.perpetual_limit(account, symbol, side, wanted.clamp(1, 500));
        if self.random.chance(11, 20) {
            order.flags |= order_flags::REDUCE_ONLY;
        }
        if self.has(Feature::Stops) && self.random.chance(1, 4) {
            self.make_perpetual_stop(&mut order);
            let is_market = order.order_type == OrderType::StopMarket.code();
            if is_market && self.random.chance(1, 2) {
                order.quantity = Qty(0);
                order.flags = order.flags & !order_flags::REDUCE_ONLY | order_flags::CLOSE_POSITION;
            }
        }
        order
    }

    /// STOP_LIMIT or STOP_MARKET on the last trade or on the mark, near it.
    fn make_perpetual_stop(&mut self, order: &mut NewOrder) {
        let symbol = order.symbol.0;
        let by_mark = self.random.chance(3, 5);
        let mark = self.perpetuals.mark(symbol);
        let last = self.last.get(&symbol).copied().unwrap_or(mark);
        let reference = if by_mark { mark } else { last };
        let rises = self.random.chance(1, 2);
        let distance = match self.random.below(12) {
            0 => 0,
            1..8 => self.random.between(1, 4),
            _ => (reference * self.random.between(2, 30) / 100).max(1),
        };
        let direction = if rises { TriggerDirection::RisesTo } else { TriggerDirection::FallsTo };
        let source = if by_mark { TriggerSource::Mark } else { TriggerSource::Last };
        order.trigger = Price((if rises { reference + distance } else { reference - distance }).max(1));
        order.trigger_direction = direction.code();
        order.trigger_source = source.code();
        if order.order_type == OrderType::Market.code() || self.random.chance(1, 3) {
            order.order_type = OrderType::StopMarket.code();
            order.time_in_force = TimeInForce::Ioc.code();
            (order.price, order.display, order.expire_at) = (Price(0), Qty(0), TimestampNs(0));
            order.flags &= !order_flags::POST_ONLY;
        } else {
            order.order_type = OrderType::StopLimit.code();
            order.price = Price((order.trigger.0 + self.random.between(-2, 2)).max(1));
        }
    }

    /// An AMEND of a perpetual's order near the mark.
    pub(super) fn amend_perpetual(&mut self) -> (Origin, Vec<u8>) {
        let perpetual = |symbol: u32| symbol > 1_000;
        let orders: Vec<_> = self.live.iter().filter(|seen| perpetual(seen.symbol)).copied().collect();
        if orders.is_empty() {
            return self.amend();
        }
        let seen = orders[self.random.below(orders.len() as u64) as usize];
        let side = self.random.pick(&[Side::Buy, Side::Sell]);
        let price = if self.random.chance(1, 2) { 0 } else { self.perpetual_price(seen.symbol, side) };
        let quantity = if self.random.chance(1, 2) { 0 } else { self.perpetual_lots(seen.account, seen.symbol) };
        let mut amend = Amend {
            account: AccountId(seen.account),
            order: OrderId(seen.order),
            client_id: ClientOrderId::NONE,
            price: Price(price),
            quantity: Qty(quantity),
            ..Amend::new(0)
        };
        if seen.waits && self.random.chance(2, 3) {
            amend.trigger = Price(self.perpetual_price(seen.symbol, side));
            if self.random.chance(1, 2) {
                (amend.price, amend.quantity) = (Price(0), Qty(0));
            }
        }
        let right = if seen.account < 16 { ADMIN } else { trader_of(seen.account) };
        self.sent(right, &amend)
    }

    /// The operator sells what the fund has, or asks for what it may not do.
    pub(super) fn fund_order(&mut self) -> (Origin, Vec<u8>) {
        let fund = AccountId::INSURANCE.0;
        let open: Vec<_> = self.perpetuals.open().into_iter().filter(|(key, _)| key.0 == fund).collect();
        let (symbol, held) = match open.first() {
            Some(&((_, symbol), held)) => (symbol, held.quantity),
            None if self.random.chance(9, 10) => return self.perpetual_order(),
            None => (IDS[0], 0),
        };
        let mut side = if held < 0 { Side::Buy } else { Side::Sell };
        if self.random.chance(1, 12) {
            side = side.opposite();
        }
        let lots = self.random.between(1, held.abs().clamp(1, 400) + 2);
        let mut order = self.perpetual_limit(fund, symbol, side, lots);
        order.flags |= order_flags::REDUCE_ONLY;
        if self.has(Feature::Stops) && self.random.chance(1, 8) {
            self.make_perpetual_stop(&mut order);
        }
        if self.random.chance(1, 20) {
            order.flags &= !order_flags::REDUCE_ONLY;
        }
        let order = self.finish(order);
        self.sent(ADMIN, &order)
    }
}
