//! The sums of DOMAIN §6.1 and §6.2: value, unrealized profit, maintenance and initial margin, equity, what is in use,
//! what can be moved.
//!
//! Invariant: everything here is a function of orders, positions, wallets and marks; nothing is kept.

use super::state::Position;
use super::work::Bucket;
use crate::Oracle;
use crate::money::{R, value};
use crate::state::Order;
use ringbook_wire::{Side, div_ceil};

/// A working order as margin sees it.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    pub symbol: u32,
    pub side: Side,
    pub reduce_only: bool,
    pub lots: i128,
    pub margin_price: i128,
    pub reserve: i128,
}

/// +1 buy, −1 sell.
pub fn sign(side: Side) -> i128 {
    match side {
        Side::Buy => 1,
        Side::Sell => -1,
    }
}

impl Oracle {
    /// `V = |Q|·mark·K`.
    pub(crate) fn notional(&self, symbol: u32, position: &Position) -> i128 {
        if position.quantity == 0 {
            return 0;
        }
        value(&self.symbols[&symbol], self.mark_of(symbol), position.quantity.abs())
    }

    /// `UPNL = Q·mark·K − C`.
    pub(crate) fn unrealized(&self, symbol: u32, position: &Position) -> i128 {
        if position.quantity == 0 {
            return 0;
        }
        value(&self.symbols[&symbol], self.mark_of(symbol), position.quantity) - position.cost
    }

    /// `MM`.
    pub(crate) fn maintenance_margin(&self, symbol: u32, position: &Position) -> i128 {
        let notional = self.notional(symbol, position);
        let (_, tier) = self.terms_of(symbol).tier(notional);
        div_ceil(notional * tier.rate, R) - tier.amount
    }

    /// `E` of a cross bucket.
    pub(crate) fn cross_equity(&self, account: u32, asset: u32) -> i128 {
        let positions = self.cross_positions(account, asset);
        let unrealized: i128 = positions.iter().map(|(&symbol, position)| self.unrealized(symbol, position)).sum();
        self.futures_wallet(account, asset) + unrealized
    }

    /// Equity of a bucket: E, or M + UPNL.
    pub(crate) fn bucket_equity(&self, bucket: Bucket) -> i128 {
        match bucket {
            Bucket { account, asset: Some(asset), .. } => self.cross_equity(account, asset),
            Bucket { account, symbol, .. } => {
                let position = self.position(account, symbol);
                position.margin + self.unrealized(symbol, &position)
            }
        }
    }

    /// The bucket of a position.
    pub(crate) fn bucket_of(&self, account: u32, symbol: u32) -> Bucket {
        if self.position(account, symbol).is_isolated() {
            Bucket::isolated(account, symbol)
        } else {
            Bucket::cross(account, self.symbols[&symbol].quote)
        }
    }

    /// The positions of a bucket.
    pub(crate) fn bucket_positions(&self, bucket: Bucket) -> Vec<(u32, Position)> {
        match bucket {
            Bucket { account, asset: Some(asset), .. } => self.cross_positions(account, asset).into_iter().collect(),
            Bucket { account, symbol, .. } => {
                let position = self.position(account, symbol);
                if position.quantity == 0 { Vec::new() } else { vec![(symbol, position)] }
            }
        }
    }

    /// Unhealthy: it has a position and E ≤ MM (DOMAIN §6.5).
    pub(crate) fn is_unhealthy(&self, bucket: Bucket) -> bool {
        let positions = self.bucket_positions(bucket);
        let needed: i128 = positions.iter().map(|(symbol, position)| self.maintenance_margin(*symbol, position)).sum();
        !positions.is_empty() && self.bucket_equity(bucket) <= needed
    }

    /// Whether an order is in the book, or the taker that is being matched (PERPETUAL: "working orders").
    pub(crate) fn is_working(&self, order: &Order) -> bool {
        order.trigger.is_none() && !self.fifo.contains(&order.id) && order.remaining > 0
    }

    /// What an order on a perpetual reserves (DOMAIN §6.2): the fee on its remainder and its open loss.
    pub(crate) fn reserve(&self, order: &Order) -> i128 {
        let symbol = &self.symbols[&order.symbol];
        let highest_rate = order.taker.max(order.maker).max(0);
        let notional = value(symbol, order.margin_price, order.remaining);
        div_ceil(notional * highest_rate - order.carry, R) + order.loss_per_lot * order.remaining
    }

    /// What ACCEPTED and AMENDED show as hold.
    pub(crate) fn shown_hold(&self, order: &Order) -> i128 {
        if self.symbols[&order.symbol].perpetual.is_some() { self.reserve(order) } else { order.hold }
    }

    /// An order as margin sees it.
    pub(crate) fn weight(&self, order: &Order) -> Weight {
        Weight {
            symbol: order.symbol,
            side: order.side,
            reduce_only: order.reduce_only,
            lots: order.remaining,
            margin_price: order.margin_price,
            reserve: self.reserve(order),
        }
    }

    /// The account's working orders in the perpetuals of an asset, but the one with the id `without`.
    pub(crate) fn weights(&self, account: u32, asset: u32, without: Option<u64>) -> Vec<Weight> {
        let symbols = self.perpetuals_in(asset);
        self.orders
            .values()
            .filter(|order| order.account == account && symbols.contains(&order.symbol))
            .filter(|order| self.is_working(order) && Some(order.id) != without)
            .map(|order| self.weight(order))
            .collect()
    }

    /// `max(|P+B|, |P−A|)`: what the larger side comes to.
    pub(crate) fn larger_side(&self, account: u32, symbol: u32, weights: &[Weight]) -> i128 {
        let position = self.position(account, symbol);
        let sum = |side: Side| -> i128 {
            weights
                .iter()
                .filter(|weight| weight.symbol == symbol && weight.side == side && !weight.reduce_only)
                .map(|weight| value(&self.symbols[&symbol], weight.margin_price, weight.lots))
                .sum()
        };
        let (buys, sells) = (sum(Side::Buy), sum(Side::Sell));
        let held = match self.terms_of(symbol).mark_price() {
            Some(mark) => value(&self.symbols[&symbol], mark, position.quantity),
            None => 0,
        };
        (held + buys).abs().max((held - sells).abs())
    }

    /// `IM` of a cross symbol at a leverage.
    pub(crate) fn initial_margin(&self, account: u32, symbol: u32, leverage: i128, weights: &[Weight]) -> i128 {
        div_ceil(self.larger_side(account, symbol, weights), leverage)
    }

    /// `inc` of a side of a symbol: the lots by which its orders would enlarge or turn the position.
    pub(crate) fn increase(&self, account: u32, symbol: u32, side: Side, weights: &[Weight]) -> i128 {
        let position = self.position(account, symbol);
        let closable = (-sign(side) * position.quantity).max(0);
        let is_of = |weight: &&Weight| weight.symbol == symbol && weight.side == side && !weight.reduce_only;
        let open: i128 = weights.iter().filter(is_of).map(|weight| weight.lots).sum();
        (open - closable).max(0)
    }

    /// `hold` of an isolated symbol.
    fn isolated_hold(&self, account: u32, symbol: u32, weights: &[Weight]) -> i128 {
        let side_value = |side: Side| {
            let is_of = |weight: &&Weight| weight.symbol == symbol && weight.side == side && !weight.reduce_only;
            let highest = weights.iter().filter(is_of).map(|weight| weight.margin_price).max().unwrap_or(0);
            value(&self.symbols[&symbol], highest, self.increase(account, symbol, side, weights))
        };
        let larger = side_value(Side::Buy).max(side_value(Side::Sell));
        div_ceil(larger, self.position(account, symbol).leverage)
    }

    /// Whether a weight's reserve counts in U (DOMAIN §6.2).
    pub(crate) fn counts(&self, account: u32, weight: &Weight, weights: &[Weight]) -> bool {
        let position = self.position(account, weight.symbol);
        !position.is_isolated()
            || !weight.reduce_only && self.increase(account, weight.symbol, weight.side, weights) > 0
    }

    /// `U`: initial margins, reserves and isolated holds of the account in an asset, with these working orders.
    pub(crate) fn in_use(&self, account: u32, asset: u32, weights: &[Weight]) -> i128 {
        let mut sum: i128 = 0;
        for symbol in self.perpetuals_in(asset) {
            let position = self.position(account, symbol);
            sum += if position.is_isolated() {
                self.isolated_hold(account, symbol, weights)
            } else {
                self.initial_margin(account, symbol, position.leverage, weights)
            };
        }
        let counted = weights.iter().filter(|weight| self.counts(account, weight, weights));
        sum + counted.map(|weight| weight.reserve).sum::<i128>()
    }

    /// What can leave the futures wallet, with these working orders.
    pub(crate) fn transferable(&self, account: u32, asset: u32, weights: &[Weight]) -> i128 {
        let free = self.futures_wallet(account, asset).min(self.cross_equity(account, asset));
        (free - self.in_use(account, asset, weights)).max(0)
    }

    /// What can be taken out of an isolated position (DOMAIN §6.3).
    pub(crate) fn removable(&self, account: u32, symbol: u32) -> i128 {
        let position = self.position(account, symbol);
        if !position.is_isolated() || position.quantity == 0 {
            return 0;
        }
        let maintenance = self.maintenance_margin(symbol, &position);
        let equity = position.margin + self.unrealized(symbol, &position);
        let initial = div_ceil(self.notional(symbol, &position), position.leverage);
        (position.margin - maintenance).min(equity - maintenance - 1).min(equity - initial).max(0)
    }

    /// Whether all marks of the account's cross positions of an asset are fresh.
    pub(crate) fn cross_marks_are_fresh(&self, account: u32, asset: u32) -> bool {
        self.cross_positions(account, asset).keys().all(|&symbol| self.is_fresh(symbol))
    }
}
