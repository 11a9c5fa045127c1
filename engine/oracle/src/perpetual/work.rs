//! The work loop (DOMAIN §5.5, PERPETUAL "the work loop"): stop orders first, then unhealthy buckets, then the fund's own
//! auto-deleveraging.
//!
//! Invariant: when it ends, no stop order is due, and no touched bucket that may be liquidated is unhealthy.

use crate::Oracle;
use ringbook_wire::{AccountId, SymbolStatus, TriggerSource};

/// Money that backs positions: an isolated position, or all cross positions of a settlement asset. Ordered as they are
/// liquidated: by account, within it isolated symbols, then assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    pub account: u32,
    /// Settlement asset of a cross bucket; none of an isolated one.
    pub asset: Option<u32>,
    /// Symbol of an isolated bucket, else 0.
    pub symbol: u32,
}

impl Bucket {
    /// An isolated bucket.
    pub fn isolated(account: u32, symbol: u32) -> Self {
        Self { account, asset: None, symbol }
    }

    /// A cross bucket.
    pub fn cross(account: u32, asset: u32) -> Self {
        Self { account, asset: Some(asset), symbol: 0 }
    }
}

impl Oracle {
    /// All that a command sets going.
    pub(crate) fn work(&mut self) {
        loop {
            if self.run_first_stop() {
                continue;
            }
            if let Some(bucket) = self.first_to_liquidate() {
                self.liquidate(bucket);
                continue;
            }
            if !self.deleverage_fund() {
                break;
            }
        }
        self.fund_round = None;
    }

    /// A bucket that was touched and may be liquidated now.
    fn first_to_liquidate(&self) -> Option<Bucket> {
        self.touched.iter().copied().find(|&bucket| self.is_liquidatable(bucket))
    }

    /// Unhealthy, with all its positions in symbols that go on and have a fresh mark; never the fund.
    pub(crate) fn is_liquidatable(&self, bucket: Bucket) -> bool {
        let may_be = |symbol: u32| self.is_live(symbol) && self.is_fresh(symbol);
        bucket.account != AccountId::INSURANCE.0
            && self.is_unhealthy(bucket)
            && self.bucket_positions(bucket).iter().all(|(symbol, _)| may_be(*symbol))
    }

    /// Touches the buckets of all holders of a symbol.
    pub(crate) fn touch_holders(&mut self, symbol: u32) {
        for account in self.holders(symbol) {
            self.touched.insert(self.bucket_of(account, symbol));
        }
    }

    /// What an effective status sets going that a perpetual enters: in TRADING mark triggers, in TRADING and CANCEL_ONLY
    /// a look at all holders.
    pub(crate) fn enter_effective_status(&mut self, symbol: u32) {
        if self.effective_status(symbol) == SymbolStatus::Trading && self.is_fresh(symbol) {
            self.append_triggered(symbol, TriggerSource::Mark);
        }
        if self.is_live(symbol) {
            self.touch_holders(symbol);
        }
    }
}
