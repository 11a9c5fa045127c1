//! How an order runs in TRADING and how it ends or rests then (DOMAIN §5.2, §5.3; EVENTS "NEW_ORDER").
//!
//! Invariant: an order that was executed rests in its queue or is gone.

use crate::Oracle;
use crate::money::within;
use crate::state::Order;
use ringbook_wire::{EndReason, OrderState, OrderType, StpMode, TimeInForce};

/// What a fill-or-kill order looks at (EVENTS "NEW_ORDER"): levels, own orders, orders in front of an own one.
const MAX_LOOKS: usize = 8_192;

impl Oracle {
    /// Runs an order as a taker and ends or rests it.
    pub(crate) fn execute(&mut self, id: u64) {
        let order = &self.orders[&id];
        if order.time_in_force == TimeInForce::Fok && self.fillable(order) < order.remaining {
            self.expire(id, EndReason::Fok);
            return;
        }
        self.match_taker(id);
        let Some(order) = self.orders.get(&id) else {
            return;
        };
        if order.by_budget {
            self.end_budget_order(id);
        } else if order.remaining == 0 {
            self.end_order(id, OrderState::Filled, None);
        } else if order.order_type == OrderType::Market {
            let levels_remain = self.first_in_line(order.symbol, order.side.opposite()).is_some();
            self.expire(id, if levels_remain { EndReason::Protection } else { EndReason::NoLiquidity });
        } else if matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd) {
            self.come_to_rest(id);
        } else {
            self.expire(id, EndReason::Ioc);
        }
    }

    /// Puts an order into its queue; if it only reduces, the account's orders of that kind are trimmed (DOMAIN §4.1).
    pub(crate) fn come_to_rest(&mut self, id: u64) {
        self.join_queue(id);
        let order = &self.orders[&id];
        if order.reduce_only {
            self.trim(order.account, order.symbol);
        }
    }

    /// Why a budget order bought no more (EVENTS "budget orders").
    fn end_budget_order(&mut self, id: u64) {
        let order = &self.orders[&id];
        let bought = order.filled > 0;
        let is_used_up = bought && order.hold == 0;
        match self.first_in_line(order.symbol, order.side.opposite()) {
            _ if is_used_up => self.end_order(id, OrderState::Filled, None),
            None => self.expire(id, EndReason::NoLiquidity),
            Some(best) if !within(order.side, best.price, order.price) => self.expire(id, EndReason::Protection),
            // The next lot is within the protection, and what is left does not buy it.
            Some(_) if bought => self.end_order(id, OrderState::Filled, None),
            Some(_) => self.expire(id, EndReason::Budget),
        }
    }

    /// The lots that a FOK order would get, counted in the order in which matching would take them (DOMAIN §5.3).
    fn fillable(&self, taker: &Order) -> i128 {
        let line = self.line(taker.symbol, taker.side.opposite());
        let mut prices: Vec<i128> = line.iter().map(|maker| maker.price).collect();
        prices.dedup();
        let last_seen = prices.into_iter().take(MAX_LOOKS).next_back();
        let within_limit: Vec<&Order> = line
            .into_iter()
            .filter(|maker| within(taker.side, maker.price, taker.price))
            .filter(|maker| last_seen.is_none_or(|last| within(taker.side, maker.price, last)))
            .collect();
        let own_orders = self
            .orders
            .values()
            .filter(|order| order.symbol == taker.symbol && order.side != taker.side && self.same_owner(taker, order));
        if taker.stp != StpMode::None && own_orders.count() > MAX_LOOKS {
            return 0;
        }
        let is_own = |maker: &Order| taker.stp != StpMode::None && self.same_owner(taker, maker);
        if taker.stp == StpMode::CancelMaker {
            return within_limit.iter().filter(|maker| !is_own(maker)).map(|maker| maker.remaining).sum();
        }
        match within_limit.iter().find(|maker| is_own(maker)) {
            None => within_limit.iter().map(|maker| maker.remaining).sum(),
            // Better levels are used up with what they hide; at its own level, new slices queue behind the own order.
            Some(own) => within_limit
                .iter()
                .take_while(|maker| maker.id != own.id)
                .scan(0, |in_front, maker| {
                    let at_its_level = maker.price == own.price;
                    *in_front += usize::from(at_its_level);
                    let counts = *in_front <= MAX_LOOKS;
                    Some(if !counts {
                        0
                    } else if at_its_level {
                        maker.shown
                    } else {
                        maker.remaining
                    })
                })
                .sum(),
        }
    }
}
