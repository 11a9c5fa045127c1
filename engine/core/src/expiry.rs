//! Orders with an expiry, by (expire_at, order id): a binary heap whose places the orders know.
//!
//! Invariants: an order is in the heap exactly if its `heap` is not `NIL`, and then it stands there; no child is due
//! before its parent. The order of keys is total, so the heap's layout never shows: only its first is ever taken.

use crate::orders::{NIL, Orders};
use ringbook_wire::{OrderId, TimestampNs};

/// Orders that may expire with a command that is not a TICK (docs/EVENTS.md).
pub const EXPIRE_WITH: usize = 8;

/// See the module.
#[derive(Clone, Default)]
pub struct Expiry {
    heap: Vec<u32>,
}

impl Expiry {
    #[inline]
    fn key(orders: &Orders, slot: u32) -> (TimestampNs, OrderId) {
        let order = orders.get(slot);
        (order.expire_at, order.id)
    }

    /// The order that is due first.
    #[inline]
    pub fn first(&self) -> Option<u32> {
        self.heap.first().copied()
    }

    /// Whether more than [`EXPIRE_WITH`] are due at `time`: only due places and their children are looked at.
    pub fn crowded(&self, orders: &Orders, time: TimestampNs) -> bool {
        let mut due = [0usize; EXPIRE_WITH + 1];
        let is_due = |at: usize| self.heap.get(at).is_some_and(|&slot| orders.get(slot).expire_at <= time);
        let mut count = usize::from(is_due(0));
        let mut looked = 0;
        while looked < count && count <= EXPIRE_WITH {
            for child in [2 * due[looked] + 1, 2 * due[looked] + 2] {
                if is_due(child) && count <= EXPIRE_WITH {
                    due[count] = child;
                    count += 1;
                }
            }
            looked += 1;
        }
        count > EXPIRE_WITH
    }

    /// Adds an order.
    pub fn add(&mut self, orders: &mut Orders, slot: u32) {
        self.heap.push(slot);
        let at = self.heap.len() - 1;
        orders.get_mut(slot).heap = at as u32;
        self.rise(orders, at);
    }

    /// Takes an order out, wherever it stands.
    pub fn remove(&mut self, orders: &mut Orders, slot: u32) {
        let at = orders.get(slot).heap as usize;
        assert!(self.heap[at] == slot, "an order knows its place in the heap");
        let last = self.heap.len() - 1;
        self.swap(orders, at, last);
        self.heap.pop();
        orders.get_mut(slot).heap = NIL;
        if at < last {
            self.rise(orders, at);
            self.sink(orders, at);
        }
    }

    /// Slots in no order that means anything, for full checks.
    pub fn slots(&self) -> &[u32] {
        &self.heap
    }

    fn swap(&mut self, orders: &mut Orders, a: usize, b: usize) {
        self.heap.swap(a, b);
        orders.get_mut(self.heap[a]).heap = a as u32;
        orders.get_mut(self.heap[b]).heap = b as u32;
    }

    fn rise(&mut self, orders: &mut Orders, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if Self::key(orders, self.heap[parent]) <= Self::key(orders, self.heap[at]) {
                return;
            }
            self.swap(orders, at, parent);
            at = parent;
        }
    }

    fn sink(&mut self, orders: &mut Orders, mut at: usize) {
        loop {
            let children = [2 * at + 1, 2 * at + 2].into_iter().filter(|&child| child < self.heap.len());
            let Some(least) = children.min_by_key(|&child| Self::key(orders, self.heap[child])) else { return };
            if Self::key(orders, self.heap[at]) <= Self::key(orders, self.heap[least]) {
                return;
            }
            self.swap(orders, at, least);
            at = least;
        }
    }
}
