//! What the load consists of: shares of order kinds.
//!
//! ```toml
//! passive = 60     # limit GTC that waits
//! crossing = 15    # limit through the spread, half of them IOC
//! cancel = 20      # of a random open order
//! amend = 5        # of a random open order: fewer lots, or another price
//! # and, if wanted:
//! iceberg = 0      # passive, a third of it shown
//! gtd = 0          # passive, for 1 to 10 seconds
//! stop = 0         # by market when the last price falls (sells) or rises (buys, on spot by budget) to its trigger
//! budget = 0       # spot only: buys by market for a quote budget
//! # perpetuals only:
//! market = 0       # by market, by quantity
//! reduce_only = 0  # half of them at market, half limit IOC; the side at random, so many find no position
//! stop_mark = 0    # as stop, but waits for the mark; a third of them reduce-only when they fire
//! close_position = 0 # stop on the mark that closes the whole position
//! ```
//!
//! Invariant: shares add up to 100.

use std::path::Path;

/// Shares in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Limit GTC that waits.
    pub passive: u64,
    /// Limit through the spread, half of them IOC.
    pub crossing: u64,
    /// Cancel of a random open order.
    pub cancel: u64,
    /// Amendment of a random open order.
    pub amend: u64,
    /// Passive, a third of it shown.
    #[serde(default)]
    pub iceberg: u64,
    /// Passive, good for 1 to 10 seconds.
    #[serde(default)]
    pub gtd: u64,
    /// Stop orders near the price.
    #[serde(default)]
    pub stop: u64,
    /// Market buys by budget.
    #[serde(default)]
    pub budget: u64,
    /// Market orders by quantity in a perpetual.
    #[serde(default)]
    pub market: u64,
    /// Orders that only make a position smaller.
    #[serde(default)]
    pub reduce_only: u64,
    /// Stop orders that wait for the mark.
    #[serde(default)]
    pub stop_mark: u64,
    /// Stop orders that close a position.
    #[serde(default)]
    pub close_position: u64,
}

/// What to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Passive,
    Crossing,
    Iceberg,
    Gtd,
    Stop,
    Budget,
    Market,
    ReduceOnly,
    StopMark,
    ClosePosition,
}

impl Mix {
    /// If no file says anything else, on spot.
    pub const SPOT: Self = Self { passive: 60, crossing: 15, cancel: 20, amend: 5, ..Self::NOTHING };
    /// If no file says anything else, in a perpetual.
    pub const PERPETUAL: Self = Self {
        passive: 45,
        crossing: 18,
        cancel: 12,
        amend: 5,
        market: 8,
        reduce_only: 5,
        stop_mark: 5,
        close_position: 2,
        ..Self::NOTHING
    };
    const NOTHING: Self = Self {
        passive: 0,
        crossing: 0,
        cancel: 0,
        amend: 0,
        iceberg: 0,
        gtd: 0,
        stop: 0,
        budget: 0,
        market: 0,
        reduce_only: 0,
        stop_mark: 0,
        close_position: 0,
    };

    /// Reads a mix from a TOML file, for a perpetual or for a spot symbol.
    ///
    /// # Errors
    /// It cannot be read, the shares do not add up, or one is of the other kind of symbol; in words.
    pub fn load(path: &Path, perpetual: bool) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&text, perpetual).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    fn parse(text: &str, perpetual: bool) -> Result<Self, String> {
        let mix: Self = toml::from_str(text).map_err(|error| {
            let names = "passive, crossing, cancel and amend, and may have iceberg, gtd, stop, budget, and for perpetuals \
                         market, reduce_only, stop_mark and close_position";
            format!("{}; a mix has the numbers {names}", error.message())
        })?;
        if perpetual && mix.budget > 0 {
            return Err("perpetuals have no orders by budget: give its share to market".into());
        }
        if !perpetual && mix.market.max(mix.reduce_only).max(mix.stop_mark).max(mix.close_position) > 0 {
            return Err("market, reduce_only, stop_mark and close_position are for perpetuals: give --perpetual".into());
        }
        let mut sum = mix.entered().into_iter().map(|(share, _)| share).chain([mix.cancel, mix.amend]);
        match sum.try_fold(0_u64, u64::checked_add) {
            Some(100) => Ok(mix),
            _ => Err("the shares of a mix must add up to 100".into()),
        }
    }

    /// The shares of what enters an order.
    pub fn entered(&self) -> [(u64, Kind); 10] {
        [
            (self.passive, Kind::Passive),
            (self.crossing, Kind::Crossing),
            (self.iceberg, Kind::Iceberg),
            (self.gtd, Kind::Gtd),
            (self.stop, Kind::Stop),
            (self.budget, Kind::Budget),
            (self.market, Kind::Market),
            (self.reduce_only, Kind::ReduceOnly),
            (self.stop_mark, Kind::StopMark),
            (self.close_position, Kind::ClosePosition),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_must_add_up() {
        assert_eq!(Mix::parse("passive=60\ncrossing=15\ncancel=20\namend=5", false), Ok(Mix::SPOT));
        for bad in ["passive=60", "passive=60\ncrossing=15\ncancel=20\namend=6", "passiv=100", "passive=-1", "["] {
            assert!(Mix::parse(bad, false).is_err(), "{bad}");
        }
        let some = |more: &str| format!("passive=50\ncrossing=15\ncancel=20\namend=5\n{more}=10");
        assert!(Mix::parse(&some("market"), true).is_ok() && Mix::parse(&some("budget"), false).is_ok());
        assert!(Mix::parse(&some("market"), false).unwrap_err().contains("--perpetual"));
        assert!(Mix::parse(&some("budget"), true).unwrap_err().contains("market"));
        for mix in [Mix::SPOT, Mix::PERPETUAL] {
            assert_eq!(mix.entered().iter().map(|(share, _)| share).sum::<u64>() + mix.cancel + mix.amend, 100);
        }
    }
}
