//! What the oracle knows of perpetuals: terms, tiers, marks, positions and futures wallets (DOMAIN §2, §6.1, §6.4).
//!
//! Invariants: a position that was never set follows the symbol's maximum leverage; a mark, once there, stays.

use crate::Oracle;
use ringbook_wire::{MarginMode, SymbolStatus};
use std::collections::BTreeMap;

/// Leverage of a position that nobody set, at most (DOMAIN §6.3).
const DEFAULT_LEVERAGE: i128 = 20;

/// A tier of maintenance margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    pub cap: i128,
    pub rate: i128,
    pub amount: i128,
    pub leverage: i128,
}

/// An accepted mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkPrice {
    pub price: i128,
    pub feed_time: u64,
}

/// A run of refused offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The latest of them.
    pub last: i128,
    /// How many came after the first.
    pub count: u32,
}

/// What a perpetual has beyond a spot symbol.
#[derive(Clone, Debug)]
pub struct Perpetual {
    pub max_position: i128,
    pub mark_max_age: u64,
    pub mark_jump: i128,
    pub funding_interval: u64,
    pub funding_cap: i128,
    pub liquidation_fee: i128,
    pub fund_multiple: i128,
    pub max_leverage: i128,
    pub mark_confirmations: u32,
    pub reduce_only: bool,
    pub tiers: Vec<Tier>,
    pub mark: Option<MarkPrice>,
    /// Newest feed time of an offer that was accepted or refused with 601.
    pub newest_feed_time: u64,
    pub run: Option<Run>,
    /// Index of the last funding.
    pub funding_index: u64,
    pub funding_due: u128,
}

impl Perpetual {
    /// The mark, fresh or not.
    pub fn mark_price(&self) -> Option<i128> {
        self.mark.map(|mark| mark.price)
    }

    /// The tier of a notional, and its number from 0 on: caps are inclusive, above the last cap the last tier holds.
    pub fn tier(&self, notional: i128) -> (usize, Tier) {
        let last = self.tiers.len() - 1;
        let place = self.tiers.iter().position(|tier| notional <= tier.cap).unwrap_or(last);
        (place, self.tiers[place])
    }
}

/// A position, or where there is none, how the next one will be backed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// `Q`.
    pub quantity: i128,
    /// `C`.
    pub cost: i128,
    /// `M`; 0 in cross mode.
    pub margin: i128,
    pub mode: MarginMode,
    /// `L`.
    pub leverage: i128,
}

impl Position {
    /// Whether it has a margin of its own.
    pub fn is_isolated(&self) -> bool {
        self.mode == MarginMode::Isolated
    }
}

impl Oracle {
    /// Ids of all perpetuals.
    pub(crate) fn perpetuals(&self) -> Vec<u32> {
        self.symbols.iter().filter(|(_, symbol)| symbol.perpetual.is_some()).map(|(&id, _)| id).collect()
    }

    /// Ids of the perpetuals that settle in an asset.
    pub(crate) fn perpetuals_in(&self, asset: u32) -> Vec<u32> {
        self.perpetuals().into_iter().filter(|id| self.symbols[id].quote == asset).collect()
    }

    /// The part of a symbol that is known to be a perpetual.
    pub(crate) fn terms_of(&self, symbol: u32) -> &Perpetual {
        self.symbols[&symbol].perpetual.as_ref().expect("it is a perpetual")
    }

    /// The same, to be changed.
    pub(crate) fn terms_mut(&mut self, symbol: u32) -> &mut Perpetual {
        let symbol = self.symbols.get_mut(&symbol).expect("it is a perpetual");
        symbol.perpetual.as_mut().expect("it is a perpetual")
    }

    /// The mark where there must be one: positions and orders are there only after the first mark.
    pub(crate) fn mark_of(&self, symbol: u32) -> i128 {
        self.terms_of(symbol).mark_price().expect("what has a position or an order has a mark")
    }

    /// Whether the mark is there and not too old (PERPETUAL: "fresh").
    pub(crate) fn is_fresh(&self, symbol: u32) -> bool {
        let terms = self.terms_of(symbol);
        terms.mark.is_some_and(|mark| self.now.saturating_sub(mark.feed_time) <= terms.mark_max_age)
    }

    /// The symbol's status, but TRADING counts as CANCEL_ONLY in maintenance.
    pub(crate) fn effective_status(&self, symbol: u32) -> SymbolStatus {
        match self.symbols[&symbol].status {
            SymbolStatus::Trading if self.maintenance => SymbolStatus::CancelOnly,
            status => status,
        }
    }

    /// Effective status TRADING or CANCEL_ONLY: liquidation and funding go on.
    pub(crate) fn is_live(&self, symbol: u32) -> bool {
        matches!(self.effective_status(symbol), SymbolStatus::Trading | SymbolStatus::CancelOnly)
    }

    /// What holds for an account that never came near the symbol.
    pub(crate) fn default_record(&self, symbol: u32) -> Position {
        let leverage = self.terms_of(symbol).max_leverage.min(DEFAULT_LEVERAGE);
        Position { quantity: 0, cost: 0, margin: 0, mode: MarginMode::Cross, leverage }
    }

    /// An account's position.
    pub(crate) fn position(&self, account: u32, symbol: u32) -> Position {
        self.positions.get(&(account, symbol)).copied().unwrap_or_else(|| self.default_record(symbol))
    }

    /// From now on mode and leverage are the account's own (PERPETUAL "SET_LEVERAGE").
    pub(crate) fn keep_record(&mut self, account: u32, symbol: u32) {
        let position = self.position(account, symbol);
        self.positions.insert((account, symbol), position);
    }

    /// Accounts with a position in a symbol, ascending.
    pub(crate) fn holders(&self, symbol: u32) -> Vec<u32> {
        let held =
            |(key, position): (&(u32, u32), &Position)| (key.1 == symbol && position.quantity != 0).then_some(key.0);
        self.positions.iter().filter_map(held).collect()
    }

    /// Σ of all long positions.
    pub(crate) fn open_interest(&self, symbol: u32) -> i128 {
        self.holders(symbol).iter().map(|&account| self.position(account, symbol).quantity.max(0)).sum()
    }

    /// `W`.
    pub(crate) fn futures_wallet(&self, account: u32, asset: u32) -> i128 {
        self.futures.get(&(account, asset)).copied().unwrap_or(0)
    }

    /// Changes `W`.
    pub(crate) fn pay_futures(&mut self, account: u32, asset: u32, amount: i128) {
        *self.futures.entry((account, asset)).or_default() += amount;
    }

    /// The symbols of an asset in which the account has a cross position, with the positions.
    pub(crate) fn cross_positions(&self, account: u32, asset: u32) -> BTreeMap<u32, Position> {
        let positions = self.perpetuals_in(asset).into_iter().map(|symbol| (symbol, self.position(account, symbol)));
        positions.filter(|(_, position)| position.quantity != 0 && !position.is_isolated()).collect()
    }
}
