//! What the generator makes of a plain order: GTD, icebergs, stop orders, budgets; and amendments of untriggered orders.

use super::world::MIDDLE;
use super::{Feature, Generator, remember};
use ringbook_wire::message::{Amend, NewOrder, SetSymbol};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, OrderId, OrderType, Price, Qty, RATE_ONE, Side, StpMode, TimeInForce,
    TimestampNs, TriggerDirection, TriggerSource, order_flags,
};

impl Generator {
    /// Gives some orders what the features of the stream allow.
    pub(super) fn dress(&mut self, order: &mut NewOrder, side: Side) {
        let is_market = order.order_type == OrderType::Market.code();
        if self.has(Feature::Stops) && self.random.chance(1, 5) {
            self.make_stop(order, side);
        } else if is_market && side == Side::Buy && self.has(Feature::Budget) && self.random.chance(2, 3) {
            self.make_budget(order);
        }
        let lasts = order.time_in_force == TimeInForce::Gtc.code();
        if lasts && self.has(Feature::Icebergs) && self.random.chance(1, 4) {
            order.display = Qty(self.display(order.quantity.0));
        }
        if lasts && self.has(Feature::Gtd) && self.random.chance(1, 3) {
            order.time_in_force = TimeInForce::Gtd.code();
            order.expire_at = TimestampNs(self.expiry());
        }
        // A shown part or an expiry where there is none, and post-only where it is not: 100.
        if self.absurdly() {
            match self.random.below(3) {
                0 if self.has(Feature::Icebergs) => order.display = Qty(1),
                1 if self.has(Feature::Gtd) => order.expire_at = TimestampNs(self.now + 1_000_000_000),
                _ => order.flags ^= order_flags::POST_ONLY,
            }
        }
    }

    pub(super) fn display(&mut self, quantity: i64) -> i64 {
        match self.random.below(8) {
            0..3 => 1,
            3 => quantity,
            4 => quantity + 1 + self.random.below(5) as i64,
            5 => (quantity - 1).max(1),
            _ => self.random.between(1, quantity.max(1)),
        }
    }

    /// Soon, often at one time with others; now and then it is over already.
    pub(super) fn expiry(&mut self) -> u64 {
        if let Some(&latest) = self.expiries.back()
            && latest > self.now
            && self.random.chance(1, 2)
        {
            return latest;
        }
        const SECOND: u64 = 1_000_000_000;
        let expiry = match self.random.below(20) {
            0 => self.now,
            1 => self.now - 1,
            2 => u64::MAX,
            3..11 => (self.now / (100 * SECOND) + 1) * 100 * SECOND,
            11..13 => self.now + 1 + self.random.below(50_000_000),
            _ => self.now + self.random.below(30) * SECOND,
        };
        remember(&mut self.expiries, expiry, 4);
        expiry
    }

    /// Makes it STOP_LIMIT or STOP_MARKET, with the trigger near the last price.
    fn make_stop(&mut self, order: &mut NewOrder, side: Side) {
        let last = self.last.get(&order.symbol.0).copied().unwrap_or(MIDDLE);
        let rises = self.random.chance(1, 2);
        let direction = if rises { TriggerDirection::RisesTo } else { TriggerDirection::FallsTo };
        order.trigger = Price(self.trigger(last, rises));
        order.trigger_direction = direction.code();
        order.trigger_source = TriggerSource::Last.code();
        if self.random.chance(1, 3) {
            order.order_type = OrderType::StopMarket.code();
            order.time_in_force = TimeInForce::Ioc.code();
            order.price = Price(0);
            order.flags &= !order_flags::POST_ONLY;
            if side == Side::Buy {
                self.make_budget(order);
            }
        } else {
            order.order_type = OrderType::StopLimit.code();
            // Around the trigger, so that some of them cross when they run and some rest; or far above, where the bounds
            // of the symbol may change until then.
            let distance =
                if self.random.chance(1, 6) { self.random.between(5, 40) } else { self.random.between(-2, 2) };
            order.price = Price((order.trigger.0 + distance).max(1));
        }
        if self.absurdly() {
            match self.random.below(4) {
                0 => order.trigger_direction = self.random.pick(&[0, 3]),
                1 => order.trigger_source = self.random.pick(&[0, TriggerSource::Mark.code()]),
                2 => order.trigger = Price(self.random.pick(&[0, -1, 2_000])),
                _ => order.budget = Amount(order.budget.0 ^ 1),
            }
        }
    }

    /// A trigger on the right side of the last price, often one that others have; now and then on the wrong side.
    fn trigger(&mut self, last: i64, rises: bool) -> i64 {
        let is_right = |trigger: i64| if rises { trigger > last } else { trigger < last };
        if let Some(&trigger) = self.triggers.iter().find(|&&trigger| is_right(trigger))
            && self.random.chance(1, 3)
        {
            return trigger;
        }
        let distance = match self.random.below(12) {
            0 => 0,
            1 => -1,
            2..9 => self.random.between(1, 3),
            _ => self.random.between(1, self.temper.spread + 1),
        };
        let trigger = (if rises { last + distance } else { last - distance }).max(1);
        remember(&mut self.triggers, trigger, 8);
        trigger
    }

    /// A quote budget: tiny, ordinary, huge, or exactly the price of some lots with their fee.
    fn make_budget(&mut self, order: &mut NewOrder) {
        let (lot_value, taker) = self.terms(order.symbol.0);
        // The fewer lots and the nearer to the best sell, the more often a budget is used up exactly.
        let most = if self.random.chance(1, 2) { 3 } else { self.temper.lots * 2 };
        let lots = self.random.between(1, most);
        let known = if self.random.chance(2, 3) { &self.asks } else { &self.last };
        let price = known.get(&order.symbol.0).copied().unwrap_or(MIDDLE);
        let value = lots * price.max(1) * lot_value;
        let fee = i128::from(value) * i128::from(taker);
        let fee = ringbook_wire::div_ceil(fee, i128::from(RATE_ONE)) as i64;
        let budget = match self.random.below(20) {
            0 | 11 | 12 => self.random.between(1, 110 * lot_value),
            1 => self.random.pick(&[1, 1 << 40, 1 << 62, i64::MAX]),
            2..9 => value + fee,
            9 => value + fee - 1,
            10 => value + fee + 1,
            _ => value + self.random.between(0, 100 * lot_value),
        };
        order.quantity = Qty(0);
        order.budget = Amount(budget.max(1));
        if order.stp == StpMode::Decrement.code() && self.random.chance(3, 4) {
            order.stp = StpMode::CancelMaker.code();
        }
    }

    /// Value of one tick and lot, and the taker rate, of a symbol as the generator last set it.
    fn terms(&self, symbol: u32) -> (i64, i64) {
        let known = self.symbols.iter().find(|known| known.symbol.0 == symbol);
        known.map_or((10, 0), |known: &SetSymbol| {
            let taker = if known.fee_model == 1 { known.taker.0 } else { 0 };
            (known.quote_per_tick_lot.0, taker)
        })
    }

    /// Turns an AMEND to an untriggered order, mostly with a new trigger.
    pub(super) fn amend_untriggered(&mut self, amend: &mut Amend) {
        let waiting: Vec<_> = self.live.iter().filter(|seen| seen.waits).copied().collect();
        let any = if waiting.is_empty() || self.random.chance(1, 10) { &self.live } else { &waiting };
        if any.is_empty() {
            return;
        }
        let target = any[self.random.below(any.len() as u64) as usize];
        (amend.account, amend.order) = (AccountId(target.account), OrderId(target.order));
        amend.client_id = ClientOrderId::NONE;
        let last = self.last.get(&target.symbol).copied().unwrap_or(MIDDLE);
        let rises = self.random.chance(1, 2);
        match self.random.below(4) {
            0 => {}
            1 => amend.trigger = Price(self.trigger(last, rises)),
            _ => {
                amend.trigger = Price(self.trigger(last, rises));
                amend.price = Price(0);
                amend.quantity = Qty(0);
            }
        }
    }
}
