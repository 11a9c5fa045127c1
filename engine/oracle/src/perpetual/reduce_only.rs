//! Reduce-only orders follow the position: trimming, the lots of a stop order that runs; and the margin test after an
//! isolated position became smaller (DOMAIN §4.1, §6.2; PERPETUAL "per match").
//!
//! Invariant: after a trim the reduce-only orders in the book of a side can all be filled without turning the position.

use crate::Oracle;
use crate::checks::Admitted;
use crate::state::Order;
use ringbook_wire::{EndReason, Side};

impl Oracle {
    /// Keeps the account's reduce-only orders in the book as far as the position allows: best price first, then place.
    pub(crate) fn trim(&mut self, account: u32, symbol: u32) {
        if self.symbols[&symbol].perpetual.is_none() {
            return;
        }
        for side in [Side::Buy, Side::Sell] {
            let quantity = self.position(account, symbol).quantity;
            let mut room = match side {
                Side::Buy => (-quantity).max(0),
                Side::Sell => quantity.max(0),
            };
            let is_own = |order: &&Order| order.account == account && order.reduce_only;
            let line = self.line(symbol, side);
            let orders: Vec<(u64, i128)> =
                line.into_iter().filter(is_own).map(|order| (order.id, order.remaining)).collect();
            for (id, remaining) in orders {
                if remaining <= room {
                    room -= remaining;
                } else if room > 0 {
                    self.cut_to(id, room);
                    room = 0;
                } else {
                    self.expire(id, EndReason::ReduceOnly);
                }
            }
        }
    }

    /// AMENDED(TRIM) of an order that keeps its place with fewer lots.
    fn cut_to(&mut self, id: u64, lots: i128) {
        let order = self.orders.get_mut(&id).expect("it is in the book");
        order.cut += order.remaining - lots;
        order.remaining = lots;
        order.shown = order.shown.min(lots);
        self.push_trimmed(id);
    }

    fn push_trimmed(&mut self, id: u64) {
        let by_trim = 2;
        let keeps_place = true;
        self.push_amended(id, by_trim, keeps_place);
    }

    /// A perpetual's stop order that runs: its terms are frozen, and it gets the lots that its position allows.
    pub(crate) fn take_lots(&mut self, id: u64, admitted: &Admitted) {
        let order = self.orders.get_mut(&id).expect("it is open");
        (order.margin_price, order.loss_per_lot) = (admitted.margin_price, admitted.loss_per_lot);
        let changes = order.remaining != admitted.quantity;
        if order.close_position {
            order.close_position = false;
            order.reduce_only = true;
            order.orig = admitted.quantity;
        } else {
            order.cut += order.remaining - admitted.quantity;
        }
        order.remaining = admitted.quantity;
        if changes {
            self.push_trimmed(id);
        }
    }

    /// The margin test: while the futures wallet does not carry what is in use, the newest order of the symbol that does
    /// not only reduce ends.
    pub(crate) fn test_margin(&mut self, account: u32, symbol: u32) {
        if !self.position(account, symbol).is_isolated() {
            return;
        }
        let asset = self.symbols[&symbol].quote;
        loop {
            let weights = self.weights(account, asset, None);
            let free = self.futures_wallet(account, asset).min(self.cross_equity(account, asset));
            if free >= self.in_use(account, asset, &weights) {
                return;
            }
            let is_own = |order: &&Order| order.account == account && order.symbol == symbol && !order.reduce_only;
            let newest = self.orders.values().rev().filter(is_own).find(|order| self.is_working(order));
            let Some(newest) = newest.map(|order| order.id) else {
                return;
            };
            self.expire(newest, EndReason::Margin);
        }
    }
}
