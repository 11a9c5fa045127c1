//! Orders with an expiry, by (expire_at, order id): a heap of four children, and the place of each order in it.
//!
//! Invariants: a listed order with an expiry is in the heap, at the place that is noted for its slot; no child is due
//! before its parent. The order of keys is total, so the heap's layout never shows: only its first is ever taken.

use crate::orders::{NIL, Orders};
use ringbook_wire::{OrderId, TimestampNs};

/// Orders that may expire with a command that is not a TICK (docs/EVENTS.md).
pub const EXPIRE_WITH: usize = 8;
/// Children of a node: four keys are little more than a cache line, and the heap is half as deep as with two.
const WAYS: usize = 4;

/// Key and slot, side by side: comparing does not touch orders.
#[derive(Clone, Copy)]
struct Entry {
    expire_at: TimestampNs,
    id: OrderId,
    slot: u32,
}

impl Entry {
    #[inline]
    fn key(&self) -> (TimestampNs, OrderId) {
        (self.expire_at, self.id)
    }
}

/// See the module.
#[derive(Clone, Default)]
pub struct Expiry {
    heap: Vec<Entry>,
    /// Place in the heap by slot of the order: dense, because each order that sinks changes a few of them.
    places: Vec<u32>,
}

impl Expiry {
    /// An empty heap, for slots below `max_orders`.
    pub fn new(max_orders: usize) -> Self {
        Self { heap: Vec::with_capacity(max_orders), places: Vec::with_capacity(max_orders) }
    }

    /// The order that is due first.
    #[inline]
    pub fn first(&self) -> Option<u32> {
        self.heap.first().map(|entry| entry.slot)
    }

    /// When it is due.
    #[inline]
    pub fn first_due(&self) -> Option<TimestampNs> {
        self.heap.first().map(|entry| entry.expire_at)
    }

    /// Whether more than [`EXPIRE_WITH`] are due at `time`: only due places and their children are looked at.
    pub fn crowded(&self, time: TimestampNs) -> bool {
        let mut due = [0usize; EXPIRE_WITH + 1];
        let is_due = |at: usize| self.heap.get(at).is_some_and(|entry| entry.expire_at <= time);
        let (mut count, mut looked) = (usize::from(is_due(0)), 0);
        while looked < count && count <= EXPIRE_WITH {
            for child in WAYS * due[looked] + 1..=WAYS * due[looked] + WAYS {
                if count <= EXPIRE_WITH && is_due(child) {
                    due[count] = child;
                    count += 1;
                }
            }
            looked += 1;
        }
        count > EXPIRE_WITH
    }

    /// Adds an order.
    pub fn add(&mut self, orders: &Orders, slot: u32) {
        let order = orders.get(slot);
        let entry = Entry { expire_at: order.expire_at, id: order.id, slot };
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, NIL);
        }
        self.heap.push(entry);
        self.rise(self.heap.len() - 1, entry);
    }

    /// Takes an order out, wherever it stands.
    pub fn remove(&mut self, slot: u32) {
        let at = self.places[slot as usize] as usize;
        assert!(self.heap[at].slot == slot, "the place of an order in the heap is known");
        self.places[slot as usize] = NIL;
        let last = self.heap.pop().expect("the order is in it");
        if at < self.heap.len() {
            self.sink(at, last);
        }
    }

    /// Slots in no order that means anything, for full checks.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.heap.iter().map(|entry| entry.slot)
    }

    /// Whether every place is known and no child is due before its parent.
    pub fn is_heap(&self, orders: &Orders) -> bool {
        self.heap.iter().enumerate().all(|(at, entry)| {
            let order = orders.get(entry.slot);
            let own = self.places[entry.slot as usize] as usize == at && (order.expire_at, order.id) == entry.key();
            own && self.heap[at.saturating_sub(1) / WAYS].key() <= entry.key()
        })
    }

    #[inline]
    fn put(&mut self, at: usize, entry: Entry) {
        self.heap[at] = entry;
        self.places[entry.slot as usize] = at as u32;
    }

    fn rise(&mut self, mut at: usize, entry: Entry) {
        while at > 0 {
            let parent = self.heap[(at - 1) / WAYS];
            if parent.key() <= entry.key() {
                break;
            }
            self.put(at, parent);
            at = (at - 1) / WAYS;
        }
        self.put(at, entry);
    }

    /// Puts an entry into the free place `at`, or below, or above.
    fn sink(&mut self, mut at: usize, entry: Entry) {
        loop {
            let first = WAYS * at + 1;
            let children = first..(first + WAYS).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child].key()) else { break };
            if entry.key() <= self.heap[least].key() {
                break;
            }
            let child = self.heap[least];
            self.put(at, child);
            at = least;
        }
        self.rise(at, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Against a sorted set, under random use with many equal times.
    #[test]
    fn behaves_like_a_sorted_set_under_random_use() {
        let mut orders = Orders::new(512);
        let (mut expiry, mut model) = (Expiry::new(512), BTreeSet::new());
        let mut state = 1u64;
        let mut random = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for id in 1..20_000u64 {
            if random(5) < 3 && orders.has_room() {
                let time = 1 + random(40);
                let slot = orders.add(crate::orders::tests::order(OrderId(id), TimestampNs(time)));
                expiry.add(&orders, slot);
                model.insert((time, id, slot));
            } else if let Some(&taken) = model.iter().nth(random(model.len().max(1) as u64) as usize) {
                let taken = if random(2) == 0 { *model.first().expect("not empty") } else { taken };
                expiry.remove(taken.2);
                orders.remove(taken.2);
                model.remove(&taken);
            }
            assert_eq!(expiry.first(), model.first().map(|first| first.2));
            assert_eq!(expiry.first_due().map(|time| time.0), model.first().map(|first| first.0));
            let time = random(45);
            let due = model.iter().take_while(|entry| entry.0 <= time).count();
            assert_eq!(expiry.crowded(TimestampNs(time)), due > EXPIRE_WITH);
            assert!(expiry.is_heap(&orders));
        }
    }
}
