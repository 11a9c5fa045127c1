//! The ranks of auto-deleveraging, kept between takeovers (DOMAIN §6.7).
//!
//! A crash takes over thousands of positions at one mark. Ranking all opposite positions each time would cost their number each
//! time; here they are ranked once for a mark, and only what has changed since is ranked again.
//!
//! Invariants: what is taken out is what a ranking of that moment would have first: every change of a position's bucket is
//! noted ([`Rankings::note`]), and every accepted mark forgets all. A cache, not state: an image does not have it.

use super::contract::Contract;
use super::margin::{unrealized, value_of};
use super::positions::Position;
use crate::engine::Engine;
use ringbook_wire::{AccountId, MAX_AMOUNT, Price, RATE_ONE, Side, SymbolId, div_floor};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Rank, account, record, and the record's version at that time.
type Entry = (i128, Reverse<AccountId>, u32, u32);

/// Positions of one symbol that close on one side.
#[derive(Clone, Default)]
struct Ranking {
    heap: BinaryHeap<Entry>,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Rankings {
    rankings: Vec<((SymbolId, Side), Ranking)>,
    /// Records whose buckets have changed since they were ranked.
    changed: Vec<u32>,
}

impl Rankings {
    /// Marks have changed: nothing is known any more.
    #[inline]
    pub fn forget(&mut self) {
        if !self.rankings.is_empty() {
            self.rankings.clear();
            self.changed.clear();
        }
    }

    /// Whether nothing is ranked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rankings.is_empty()
    }

    /// A record's bucket has changed.
    #[inline]
    pub fn note(&mut self, record: u32) {
        if !self.rankings.is_empty() {
            self.changed.push(record);
        }
    }
}

impl Engine {
    /// The records that take `lots` at a price, of those that close on a side, in the order of their ranks, reversed: the next
    /// one is last. Those that can take nothing are left out.
    pub(crate) fn takers_of(&mut self, symbol: SymbolId, closing: Side, price: Price, lots: i64) -> Vec<u32> {
        self.rank_changed();
        let at = match self.rankings.rankings.iter().position(|(key, _)| *key == (symbol, closing)) {
            Some(at) => at,
            None => self.rank_all(symbol, closing),
        };
        let mut ranking = core::mem::take(&mut self.rankings.rankings[at].1);
        let (mut found, mut kept, mut rest) = (Vec::new(), Vec::new(), lots);
        while rest > 0
            && let Some(entry) = ranking.heap.pop()
        {
            let (_, _, record, version) = entry;
            let position = self.positions.get(record);
            if position.rank != version || position.closing_side() != Some(closing) {
                continue;
            }
            // It is ranked again when it changes; one that cannot pay may be able to at another price.
            kept.push(entry);
            let can = self.lots_of(position, price, rest);
            if can > 0 {
                found.push(record);
                rest -= can;
            }
        }
        ranking.heap.extend(kept);
        self.rankings.rankings[at].1 = ranking;
        found.reverse();
        found
    }

    /// Lots that a candidate closes at a price: at most those asked for, its own, and what its equity pays.
    pub(crate) fn lots_of(&self, candidate: &Position, price: Price, most: i64) -> i64 {
        let (contract, k) = (self.contract(candidate.symbol), self.symbols.at(candidate.symbol).terms.k);
        let sign: i128 = if candidate.state.quantity > 0 { 1 } else { -1 };
        let distance = sign * (i128::from(contract.mark.0) - i128::from(price.0));
        let loss = distance.max(0) * i128::from(k.0);
        let lots = most.min(candidate.state.quantity.abs());
        match loss {
            0 => lots,
            loss => {
                let paid = div_floor(self.bucket_equity(candidate), loss).max(0);
                lots.min(i64::try_from(paid).unwrap_or(i64::MAX))
            }
        }
    }

    fn rank_all(&mut self, symbol: SymbolId, closing: Side) -> usize {
        let holders: Vec<u32> = self.contract(symbol).holders.values().copied().collect();
        let mut entries = Vec::new();
        for record in holders {
            if self.positions.get(record).closing_side() == Some(closing) {
                entries.extend(self.rank(record));
            }
        }
        self.rankings.rankings.push(((symbol, closing), Ranking { heap: BinaryHeap::from(entries) }));
        self.rankings.rankings.len() - 1
    }

    /// Ranks again what has changed.
    fn rank_changed(&mut self) {
        while let Some(record) = self.rankings.changed.pop() {
            let position = self.positions.get_mut(record);
            position.rank = position.rank.wrapping_add(1);
            let Some(closing) = position.closing_side() else { continue };
            let key = (position.symbol, closing);
            if let Some(at) = self.rankings.rankings.iter().position(|(of, _)| *of == key)
                && let Some(entry) = self.rank(record)
            {
                self.rankings.rankings[at].1.heap.push(entry);
            }
        }
    }

    /// A position's entry, if it is a candidate at all.
    fn rank(&self, record: u32) -> Option<Entry> {
        let position = self.positions.get(record);
        if position.owner.is_system() {
            return None;
        }
        let equity = self.bucket_equity(position);
        if equity <= 0 {
            return None;
        }
        let (contract, k) = (self.contract(position.symbol), self.symbols.at(position.symbol).terms.k);
        let score = score(contract, position, equity, k.0);
        Some((score, Reverse(position.owner), record, position.rank))
    }
}

/// Profit times or through effective leverage (DOMAIN §6.7).
fn score(contract: &Contract, position: &Position, equity: i128, k: i64) -> i128 {
    let (one, bound) = (i128::from(RATE_ONE), i128::from(MAX_AMOUNT));
    let k = ringbook_wire::Amount(k);
    let gain = unrealized(position, contract.mark, k);
    let a = div_floor(gain * one, i128::from(position.state.cost.0).abs()).clamp(-bound, bound);
    let l = div_floor(value_of(position, contract.mark, k) * one, equity).max(1).min(bound);
    if a > 0 { a * l } else { div_floor(a * one, l) }
}
