//! Which positions of a perpetual a mark may make unhealthy: for each a price up to which its bucket is surely healthy.
//!
//! ```text
//!  longs:  heap, highest price first ─► a mark at or below it: the bucket must be looked at
//!  shorts: heap, lowest price first  ─► a mark at or above it
//! ```
//!
//! A bucket that has slack `E − MM` stays healthy as long as no position of its n costs it more than the n-th part (see
//! [`safe_distance`]). When a mark reaches a position's price, the bucket is tested exactly and, if it is healthy, gets new
//! prices from what slack is left: so each bucket is tested a few times on its way down, and no other one is touched.
//!
//! Invariants: a position is in at most one of the heaps, at its noted place; heaps are ordered by (price, slot), so their
//! first does not depend on history; prices are a cache, not state: an image does not have them.

use super::positions::Positions;
use ringbook_wire::{Amount, Price, RATE_ONE, div_ceil};

/// Not in a heap.
pub const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Such that the lower key is looked at first.
    key: i64,
    position: u32,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Watch {
    heaps: [Vec<Entry>; 2],
}

/// Heap of longs and of shorts.
const LONGS: usize = 0;
const SHORTS: usize = 1;

impl Watch {
    /// Watches a position of `quantity` lots at a price; `None`: at every mark. Without lots it is not watched.
    pub fn set(&mut self, positions: &mut Positions, slot: u32, quantity: i64, price: Option<Price>) {
        let heap = if quantity > 0 { LONGS } else { SHORTS };
        for other in [LONGS, SHORTS] {
            if (quantity == 0 || other != heap) && positions.get(slot).watched[other] != NOWHERE {
                self.remove(positions, other, slot);
            }
        }
        if quantity == 0 {
            return;
        }
        let key = match (price, heap) {
            (None, _) => i64::MIN,
            (Some(price), LONGS) => -price.0,
            (Some(price), _) => price.0,
        };
        let at = positions.get(slot).watched[heap];
        let entry = Entry { key, position: slot };
        if at == NOWHERE {
            self.heaps[heap].push(entry);
            self.up(positions, heap, self.heaps[heap].len() - 1);
        } else {
            self.heaps[heap][at as usize] = entry;
            let at = self.up(positions, heap, at as usize);
            self.down(positions, heap, at);
        }
    }

    fn remove(&mut self, positions: &mut Positions, heap: usize, slot: u32) {
        let at = positions.get(slot).watched[heap] as usize;
        positions.get_mut(slot).watched[heap] = NOWHERE;
        let last = self.heaps[heap].pop().expect("a watched position is in its heap");
        if at < self.heaps[heap].len() {
            self.heaps[heap][at] = last;
            let at = self.up(positions, heap, at);
            self.down(positions, heap, at);
        }
    }

    fn up(&mut self, positions: &mut Positions, heap: usize, mut at: usize) -> usize {
        let entries = &mut self.heaps[heap];
        let entry = entries[at];
        while at > 0 {
            let parent = (at - 1) / 2;
            if (entries[parent].key, entries[parent].position) <= (entry.key, entry.position) {
                break;
            }
            entries[at] = entries[parent];
            positions.get_mut(entries[at].position).watched[heap] = at as u32;
            at = parent;
        }
        entries[at] = entry;
        positions.get_mut(entry.position).watched[heap] = at as u32;
        at
    }

    fn down(&mut self, positions: &mut Positions, heap: usize, mut at: usize) {
        let entries = &mut self.heaps[heap];
        let entry = entries[at];
        loop {
            let mut child = 2 * at + 1;
            if child >= entries.len() {
                break;
            }
            let key = |at: usize| (entries[at].key, entries[at].position);
            if child + 1 < entries.len() && key(child + 1) < key(child) {
                child += 1;
            }
            if (entry.key, entry.position) <= key(child) {
                break;
            }
            entries[at] = entries[child];
            positions.get_mut(entries[at].position).watched[heap] = at as u32;
            at = child;
        }
        entries[at] = entry;
        positions.get_mut(entry.position).watched[heap] = at as u32;
    }

    /// The positions that a mark reaches, in no order; nothing else is looked at.
    pub fn reached(&self, mark: Price, found: &mut Vec<u32>) {
        for (heap, bound) in [(LONGS, -mark.0), (SHORTS, mark.0)] {
            let entries = &self.heaps[heap];
            let mut from = found.len();
            if entries.first().is_some_and(|first| first.key <= bound) {
                found.push(0);
            }
            // The places of those found serve as the list of those whose children are still to be looked at.
            while from < found.len() {
                let at = found[from] as usize;
                found[from] = entries[at].position;
                for child in [2 * at + 1, 2 * at + 2] {
                    if entries.get(child).is_some_and(|entry| entry.key <= bound) {
                        found.push(child as u32);
                    }
                }
                from += 1;
            }
        }
    }

    /// Looks at every position again with the next mark: what their prices were computed from has changed.
    pub fn forget(&mut self) {
        for heap in &mut self.heaps {
            for entry in heap.iter_mut() {
                entry.key = i64::MIN;
            }
            // Equal keys: the order by slot must hold.
            heap.sort_unstable_by_key(|entry| entry.position);
        }
    }

    /// Positions of a heap in its order of places, to note the places after [`Self::forget`].
    pub fn note_places(&self, positions: &mut Positions) {
        for (heap, entries) in self.heaps.iter().enumerate() {
            for (at, entry) in entries.iter().enumerate() {
                positions.get_mut(entry.position).watched[heap] = at as u32;
            }
        }
    }
}

/// How many ticks the mark may move against a position before it costs its bucket `slack`, rounded down; the position is
/// then still healthy. A tick costs a long K a lot; a short K and the growth of its maintenance margin, at most at the last
/// tier's `rate`. Two units are kept for the two roundings of maintenance margin.
#[inline]
pub fn safe_distance(slack: i128, quantity: i64, k: Amount, rate: i64) -> i64 {
    let tick = i128::from(quantity).abs() * i128::from(k.0);
    let cost = if quantity > 0 { tick } else { tick + div_ceil(tick * i128::from(rate), i128::from(RATE_ONE)) };
    i64::try_from((slack - 2).max(0) / cost).unwrap_or(i64::MAX)
}
