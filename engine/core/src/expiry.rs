//! Orders with an expiry, by (expire_at, order id): moments in a heap, and at each moment a list of orders.
//!
//! ```text
//!  expire_at ──Table──► moment ──► list of slots, by order id ──► links, by slot
//!                         ▲
//!  heap of (expire_at, moment), four children side by side
//! ```
//!
//! Many orders end at few moments: the end of a day, of a minute. Then an order costs its links, and the heap is small.
//!
//! Invariants: a listed order with an expiry is in the list of its moment, and lists rise by order id; a moment is in the
//! table and in the heap, at its noted place, exactly if its list is not empty; no child is due before its parent.
//! Moments differ, so the heap's layout never shows: only its first is ever taken.

use crate::dedupe::fold;
use crate::orders::{Links, List, NIL, Orders};
use crate::table::Table;
use ringbook_wire::TimestampNs;

/// Orders that may expire with a command that is not a TICK (docs/EVENTS.md).
pub const EXPIRE_WITH: usize = 8;
/// Children of a node: four entries fill a cache line, and the heap is half as deep as with two.
const WAYS: usize = 4;

#[derive(Clone, Copy)]
struct Entry {
    expire_at: TimestampNs,
    moment: u32,
}

#[derive(Clone, Copy)]
struct Moment {
    expire_at: TimestampNs,
    list: List,
    /// Its place in the heap.
    place: u32,
}

/// An order's neighbours in the list of its moment: apart from the orders, so that what comes next is found without touching
/// them.
#[derive(Clone, Copy)]
struct Waiting {
    links: Links,
    moment: u32,
}

const NOWHERE: Waiting = Waiting { links: Links::NONE, moment: NIL };

/// See the module.
#[derive(Clone)]
pub struct Expiry {
    seed: u64,
    by_time: Table,
    heap: Vec<Entry>,
    moments: Vec<Moment>,
    free: Vec<u32>,
    waiting: Vec<Waiting>,
}

impl Expiry {
    /// No expiries, for slots below `max_orders`.
    pub fn new(seed: u64, max_orders: usize) -> Self {
        Self {
            seed,
            by_time: Table::new(max_orders),
            // Every order may expire at a moment of its own. Memory that is never touched costs nothing.
            heap: Vec::with_capacity(max_orders),
            moments: Vec::with_capacity(max_orders),
            free: Vec::with_capacity(max_orders),
            waiting: Vec::with_capacity(max_orders),
        }
    }

    /// The order that is due first.
    #[inline]
    pub fn first(&self) -> Option<u32> {
        self.heap.first().map(|entry| self.moments[entry.moment as usize].list.head)
    }

    /// When it is due.
    #[inline]
    pub fn first_due(&self) -> Option<TimestampNs> {
        self.heap.first().map(|entry| entry.expire_at)
    }

    /// The order that is due after this one at the same moment.
    #[inline]
    pub fn next(&self, slot: u32) -> Option<u32> {
        Some(self.waiting[slot as usize].links.next).filter(|&next| next != NIL)
    }

    /// Whether more than [`EXPIRE_WITH`] are due at `time`: only due places, their children and their lists are looked at.
    pub fn crowded(&self, time: TimestampNs) -> bool {
        let mut due = [0usize; EXPIRE_WITH + 1];
        let is_due = |at: usize| self.heap.get(at).is_some_and(|entry| entry.expire_at <= time);
        let (mut moments, mut looked, mut orders) = (usize::from(is_due(0)), 0, 0);
        while looked < moments && orders <= EXPIRE_WITH {
            let mut next = Some(self.moments[self.heap[due[looked]].moment as usize].list.head);
            while let Some(slot) = next.filter(|_| orders <= EXPIRE_WITH) {
                orders += 1;
                next = self.next(slot);
            }
            for child in WAYS * due[looked] + 1..=WAYS * due[looked] + WAYS {
                if moments <= EXPIRE_WITH && is_due(child) {
                    due[moments] = child;
                    moments += 1;
                }
            }
            looked += 1;
        }
        orders > EXPIRE_WITH
    }

    #[inline]
    fn tag(&self, expire_at: TimestampNs) -> u32 {
        self.by_time.tag_of_hash(fold(expire_at.0 ^ self.seed, 0xA076_1D64_78BD_642F))
    }

    /// Adds an order, whose id is higher than those that are there.
    pub fn add(&mut self, orders: &Orders, slot: u32) {
        let (expire_at, id) = (orders.get(slot).expire_at, orders.get(slot).id);
        if self.waiting.len() <= slot as usize {
            self.waiting.resize(slot as usize + 1, NOWHERE);
        }
        let is_it = |at| self.moments[at as usize].expire_at == expire_at;
        let moment = match self.by_time.find(self.tag(expire_at), is_it) {
            Some(moment) => moment,
            None => self.new_moment(expire_at),
        };
        let list = &mut self.moments[moment as usize].list;
        let last = list.tail;
        assert!(last == NIL || orders.get(last).id < id, "orders with an expiry are listed as they were accepted");
        self.waiting[slot as usize] = Waiting { links: Links { prev: last, next: NIL }, moment };
        list.tail = slot;
        match last {
            NIL => list.head = slot,
            last => self.waiting[last as usize].links.next = slot,
        }
    }

    /// Takes an order out, wherever it stands.
    pub fn remove(&mut self, slot: u32) {
        let Waiting { links: Links { prev, next }, moment } = self.waiting[slot as usize];
        self.waiting[slot as usize] = NOWHERE;
        let list = &mut self.moments[moment as usize].list;
        match prev {
            NIL => list.head = next,
            prev => self.waiting[prev as usize].links.next = next,
        }
        match next {
            NIL => list.tail = prev,
            next => self.waiting[next as usize].links.prev = prev,
        }
        if list.head == NIL {
            self.drop_moment(moment);
        }
    }

    fn new_moment(&mut self, expire_at: TimestampNs) -> u32 {
        let new = Moment { expire_at, list: List::EMPTY, place: NIL };
        let moment = match self.free.pop() {
            Some(moment) => {
                self.moments[moment as usize] = new;
                moment
            }
            None => {
                self.moments.push(new);
                // Room to free every moment without growing: an end never allocates.
                self.free.reserve(self.moments.len());
                (self.moments.len() - 1) as u32
            }
        };
        self.by_time.insert(self.tag(expire_at), moment);
        let entry = Entry { expire_at, moment };
        self.heap.push(entry);
        self.rise(self.heap.len() - 1, entry);
        moment
    }

    fn drop_moment(&mut self, moment: u32) {
        let Moment { expire_at, place, .. } = self.moments[moment as usize];
        self.by_time.remove(self.tag(expire_at), moment);
        self.free.push(moment);
        let last = self.heap.pop().expect("the moment is in it");
        if (place as usize) < self.heap.len() {
            self.sink(place as usize, last);
        }
    }

    /// Slots in no order that means anything, for full checks.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        let head = |entry: &Entry| Some(self.moments[entry.moment as usize].list.head);
        self.heap.iter().flat_map(move |entry| std::iter::successors(head(entry), |&slot| self.next(slot)))
    }

    /// Whether lists, table and heap are what the module says.
    pub fn is_consistent(&self, orders: &Orders) -> bool {
        self.heap.iter().enumerate().all(|(at, entry)| {
            let moment = &self.moments[entry.moment as usize];
            let mut last = None;
            let mut rises = moment.list.head != NIL;
            let mut slot = moment.list.head;
            while slot != NIL {
                let (order, waiting) = (orders.get(slot), self.waiting[slot as usize]);
                rises &= waiting.moment == entry.moment && last < Some(order.id) && order.expire_at == entry.expire_at;
                (last, slot) = (Some(order.id), waiting.links.next);
            }
            let found = self.by_time.find(self.tag(entry.expire_at), |found| found == entry.moment).is_some();
            let placed = moment.place as usize == at && moment.expire_at == entry.expire_at;
            let parent = self.heap[at.saturating_sub(1) / WAYS].expire_at;
            rises && found && placed && (at == 0 || parent < entry.expire_at)
        }) && self.by_time.len() == self.heap.len()
    }

    #[inline]
    fn put(&mut self, at: usize, entry: Entry) {
        self.heap[at] = entry;
        self.moments[entry.moment as usize].place = at as u32;
    }

    fn rise(&mut self, mut at: usize, entry: Entry) {
        while at > 0 {
            let parent = self.heap[(at - 1) / WAYS];
            if parent.expire_at <= entry.expire_at {
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
            let Some(least) = children.min_by_key(|&child| self.heap[child].expire_at) else { break };
            let child = self.heap[least];
            if entry.expire_at <= child.expire_at {
                break;
            }
            self.put(at, child);
            at = least;
        }
        self.rise(at, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_wire::OrderId;
    use std::collections::BTreeSet;

    /// Against a sorted set, under random use with many equal times.
    #[test]
    fn behaves_like_a_sorted_set_under_random_use() {
        let mut orders = Orders::new(512);
        let (mut expiry, mut model) = (Expiry::new(7, 512), BTreeSet::new());
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
            assert!(expiry.is_consistent(&orders));
        }
    }
}
