//! The invariants of DOMAIN §8 that concern perpetuals, recomputed from scratch.
//!
//! Invariant: nothing here changes anything; a broken one panics with its number.

use crate::Oracle;
use ringbook_wire::{AccountId, MarginMode, Side};
use std::collections::BTreeMap;

impl Oracle {
    /// Asserts invariants 5, 6, 7, 8 and 11 (9 is asserted while funding is paid), and the identities of DOMAIN §6.9.
    pub(crate) fn check_perpetuals(&self) {
        self.check_positions();
        self.check_money();
        self.check_reduce_only();
        self.check_health();
        assert!(self.fifo.is_empty() && self.liquidating.is_none() && self.fund_round.is_none(), "work is left");
    }

    /// 5: lots sum to 0; a flat position has nothing; cost and lots have one sign.
    fn check_positions(&self) {
        let mut sums: BTreeMap<u32, i128> = BTreeMap::new();
        for (key, position) in &self.positions {
            *sums.entry(key.1).or_default() += position.quantity;
            assert_eq!(position.cost.signum(), position.quantity.signum(), "5: cost of {key:?}: {position:?}");
            assert!(position.quantity != 0 || position.margin == 0, "5: margin of flat {key:?}: {position:?}");
            let is_cross = position.mode == MarginMode::Cross;
            assert!(!is_cross || position.margin == 0, "5: margin of cross {key:?}: {position:?}");
            assert!(position.leverage >= 1, "5: leverage of {key:?}");
        }
        assert!(sums.values().all(|&sum| sum == 0), "5: lots do not sum to 0: {sums:?}");
    }

    /// 6 and 11: Σ spot + Σ W + Σ M − Σ C = 0 for each asset.
    fn check_money(&self) {
        let mut sums: BTreeMap<u32, i128> = BTreeMap::new();
        for (&(_, asset), wallet) in &self.wallets {
            *sums.entry(asset).or_default() += wallet.available + wallet.held;
        }
        for (&(_, asset), amount) in &self.futures {
            *sums.entry(asset).or_default() += amount;
        }
        for (&(_, symbol), position) in &self.positions {
            *sums.entry(self.symbols[&symbol].quote).or_default() += position.margin - position.cost;
        }
        for (asset, sum) in sums {
            assert_eq!(sum, 0, "11: sum of asset {asset}");
        }
    }

    /// 7: reduce-only orders in the book of a side together close at most the position.
    fn check_reduce_only(&self) {
        let mut sums: BTreeMap<(u32, u32, bool), i128> = BTreeMap::new();
        for order in self.orders.values().filter(|order| order.reduce_only && order.queue.is_some()) {
            *sums.entry((order.account, order.symbol, order.side == Side::Buy)).or_default() += order.remaining;
        }
        for ((account, symbol, buys), sum) in sums {
            let quantity = self.position(account, symbol).quantity;
            let closable = if buys { -quantity } else { quantity };
            assert!(sum <= closable, "7: account {account} symbol {symbol}: {sum} of {closable}");
        }
    }

    /// 8: no touched bucket should still be liquidated; who has no cross position does not owe.
    fn check_health(&self) {
        for &bucket in &self.touched {
            assert!(!self.is_liquidatable(bucket), "8: {bucket:?} is unhealthy");
        }
        for (&(account, asset), &wallet) in &self.futures {
            let exempt = AccountId(account).is_system() || !self.cross_positions(account, asset).is_empty();
            assert!(exempt || wallet >= 0, "8: account {account} owes {wallet} of asset {asset}");
        }
    }
}
