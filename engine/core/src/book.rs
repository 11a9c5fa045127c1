//! The order book of one symbol: two ladders of price levels, each level a queue of orders, oldest first. Stop orders wait
//! in a second one, by trigger price: FALLS_TO on the side of the buys (highest first), RISES_TO on that of the sells.
//!
//! ```text
//!  ladder (rank → level slot) ──► Level { price, total, head, tail, count } ──► orders, linked by slot
//!  best[side]: rank and slot of the best level, kept beside the ladder
//! ```
//!
//! Invariants (DOMAIN §8.3): a level's `total` is the sum of what its orders show, `hidden` of what they do not; a level
//! is in its ladder exactly if its queue is not empty; `best` is the ladder's first; queues of the book rise by queue
//! sequence, those of stop orders by order id.

use crate::ladder::Ladder;
use crate::orders::{List, NIL, Order, Orders, Place};
use ringbook_wire::{Price, Qty, Side, TriggerDirection};

/// One price.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    pub price: Price,
    /// Sum of what its orders show; checked when it changes.
    pub total: i128,
    /// Sum of what they do not show.
    pub hidden: i128,
    pub queue: List,
    pub count: u32,
}

/// The book of limit orders.
pub type LimitBook = Book<false>;
/// Orders that wait for their trigger.
pub type StopBook = Book<true>;

/// See the module.
#[derive(Clone)]
pub struct Book<const STOPS: bool> {
    span: u64,
    ladders: [Ladder; 2],
    best: [Option<(u64, u32)>; 2],
    levels: Vec<Level>,
    free: Vec<u32>,
}

impl<const STOPS: bool> Book<STOPS> {
    /// An empty book for prices from 1 to `max_price`.
    pub fn new(max_price: Price) -> Self {
        let span = max_price.0 as u64;
        Self {
            span,
            ladders: [Ladder::new(span), Ladder::new(span)],
            best: [None; 2],
            levels: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Side and price under which an order stands here, and what it shows and hides.
    #[inline]
    fn key(order: &Order) -> (Side, Price, Qty, Qty) {
        if STOPS {
            let side = match order.direction {
                Some(TriggerDirection::RisesTo) => Side::Sell,
                _ => Side::Buy,
            };
            (side, order.trigger, Qty::ZERO, Qty::ZERO)
        } else {
            (order.side, order.price, order.shown, Qty(order.remaining.0 - order.shown.0))
        }
    }

    /// The lower rank is the better one, on both sides.
    #[inline]
    fn rank(&self, side: Side, price: Price) -> u64 {
        match side {
            Side::Buy => self.span - price.0 as u64,
            Side::Sell => price.0 as u64,
        }
    }

    /// Best level of a side: its slot.
    #[inline]
    pub fn best(&self, side: Side) -> Option<u32> {
        self.best[side.index()].map(|(_, level)| level)
    }

    /// Best price of a side.
    #[inline]
    pub fn best_price(&self, side: Side) -> Option<Price> {
        self.best(side).map(|level| self.levels[level as usize].price)
    }

    /// The level in a slot.
    #[inline]
    pub fn level(&self, slot: u32) -> &Level {
        &self.levels[slot as usize]
    }

    /// Open quantity at a price of a side.
    pub fn total_at(&self, side: Side, price: Price) -> i128 {
        if price.0 < 1 || price.0 as u64 > self.span {
            return 0;
        }
        let level = self.ladders[side.index()].peek(self.rank(side, price));
        level.map_or(0, |level| self.levels[level as usize].total)
    }

    /// Next worse level of a side.
    #[inline]
    pub fn next(&self, side: Side, level: u32) -> Option<u32> {
        let rank = self.rank(side, self.levels[level as usize].price);
        self.ladders[side.index()].next(rank).map(|(_, level)| level)
    }

    /// Puts an order, whose `shown` is set, at the end of the queue of its price; a stop order to its place by id.
    #[inline]
    pub fn join(&mut self, orders: &mut Orders, slot: u32) {
        let (side, price, shown, hidden) = Self::key(orders.get(slot));
        let rank = self.rank(side, price);
        let level = match self.best[side.index()] {
            Some((best, level)) if best == rank => level,
            best => match self.ladders[side.index()].get(rank) {
                Some(level) => level,
                None => {
                    let level = self.new_level(price);
                    self.ladders[side.index()].insert(rank, level);
                    if best.is_none_or(|(best, _)| rank < best) {
                        self.best[side.index()] = Some((rank, level));
                    }
                    level
                }
            },
        };
        let entry = &mut self.levels[level as usize];
        entry.total += i128::from(shown.0);
        entry.hidden += i128::from(hidden.0);
        entry.count += 1;
        let mut queue = entry.queue;
        if STOPS {
            queue.insert(orders, slot, |order| &mut order.queue);
        } else {
            queue.push(orders, slot, |order| &mut order.queue);
        }
        self.levels[level as usize].queue = queue;
        let order = orders.get_mut(slot);
        order.level = level;
        order.place = if STOPS { Place::Waiting } else { Place::Book };
    }

    fn new_level(&mut self, price: Price) -> u32 {
        let level = Level { price, total: 0, hidden: 0, queue: List::EMPTY, count: 0 };
        match self.free.pop() {
            Some(slot) => {
                self.levels[slot as usize] = level;
                slot
            }
            None => {
                self.levels.push(level);
                self.free.reserve(self.levels.len());
                (self.levels.len() - 1) as u32
            }
        }
    }

    /// Takes an order out of its queue. Its quantities must be what the level counts.
    #[inline]
    pub fn leave(&mut self, orders: &mut Orders, slot: u32) {
        let order = orders.get(slot);
        let level = order.level;
        let (side, _, shown, hidden) = Self::key(order);
        let entry = &mut self.levels[level as usize];
        entry.total -= i128::from(shown.0);
        entry.hidden -= i128::from(hidden.0);
        entry.count -= 1;
        assert!(entry.total >= 0 && entry.hidden >= 0, "level {} below zero", entry.price);
        let mut queue = entry.queue;
        queue.unlink(orders, slot, |order| &mut order.queue);
        self.levels[level as usize].queue = queue;
        let order = orders.get_mut(slot);
        order.level = NIL;
        order.place = Place::Working;
        if queue.head == NIL {
            self.drop_level(side, level);
        }
    }

    fn drop_level(&mut self, side: Side, level: u32) {
        let entry = &self.levels[level as usize];
        assert!(entry.total == 0 && entry.hidden == 0, "an empty level counts nothing");
        let rank = self.rank(side, self.levels[level as usize].price);
        let ladder = &mut self.ladders[side.index()];
        ladder.remove(rank);
        if self.best[side.index()].is_some_and(|(best, _)| best == rank) {
            self.best[side.index()] = ladder.first();
        }
        self.free.push(level);
    }

    /// Takes lots off what a resting order shows; it keeps its place.
    #[inline]
    pub fn reduce(&mut self, orders: &mut Orders, slot: u32, by: Qty) {
        let order = orders.get_mut(slot);
        assert!(by.0 > 0 && by < order.shown, "a reduction leaves something");
        order.remaining = Qty(order.remaining.0 - by.0);
        order.shown = Qty(order.shown.0 - by.0);
        self.levels[order.level as usize].total -= i128::from(by.0);
    }

    /// Gives a resting order a smaller remainder; it keeps its place, and hidden lots go first.
    pub fn shrink(&mut self, orders: &mut Orders, slot: u32, remaining: Qty) {
        let order = orders.get_mut(slot);
        assert!(remaining.0 > 0 && remaining <= order.remaining, "a reduction leaves something");
        let shown = order.shown.min(remaining);
        let level = &mut self.levels[order.level as usize];
        level.total -= i128::from(order.shown.0 - shown.0);
        level.hidden -= i128::from(order.remaining.0 - order.shown.0) - i128::from(remaining.0 - shown.0);
        (order.remaining, order.shown) = (remaining, shown);
    }

    /// Makes room for higher prices; orders above a lowered maximum stay where they are.
    pub fn widen(&mut self, orders: &mut Orders, max_price: Price) {
        if max_price.0 as u64 <= self.span {
            return;
        }
        let mut wider = Self::new(max_price);
        for side in [Side::Buy, Side::Sell] {
            for level in self.levels(side) {
                let mut slot = level.queue.head;
                while slot != NIL {
                    let next = orders.get(slot).queue.next;
                    wider.join(orders, slot);
                    slot = next;
                }
            }
        }
        *self = wider;
    }

    /// Levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = &Level> {
        let mut at = self.best(side);
        core::iter::from_fn(move || {
            let level = at?;
            at = self.next(side, level);
            Some(self.level(level))
        })
    }
}
