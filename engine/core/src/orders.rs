//! Open orders in one slab: 256 bytes each, four cache lines by use.
//!
//! Invariants:
//! 1. `quantity = filled + prevented + cut + remaining` for every order (DOMAIN §4.2), asserted at every end and amendment.
//!    A budget order's quantity is what it has bought so far; nothing of it ever remains.
//! 2. An order that rests or waits is in exactly one level queue (of the book, or of the stop orders), one account list
//!    and, if flagged, one session list; one with an expiry is in the list of its moment.
//! 3. Slots never show outside: events and images name orders by id.

use crate::money::FeeTerms;
use ringbook_wire::{
    Amount, FeeModel, OrderId, OrderState, OrderType, Price, Qty, Sequence, SessionId, Side, StpMode, SymbolId,
    TimeInForce, TimestampNs, TriggerDirection, order_flags,
};

/// "No slot".
pub const NIL: u32 = u32::MAX;

/// Neighbours in a doubly linked list of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    pub prev: u32,
    pub next: u32,
}

impl Links {
    pub const NONE: Self = Self { prev: NIL, next: NIL };
}

/// Where an open order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// A taker at work, or between queues.
    Working = 0,
    /// In the book.
    Book = 1,
    /// Waits for its trigger.
    Waiting = 2,
    /// Its trigger has come; in the FIFO of orders that run next.
    Fired = 3,
}

impl Place {
    /// The place with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Working),
            1 => Some(Self::Book),
            2 => Some(Self::Waiting),
            3 => Some(Self::Fired),
            _ => None,
        }
    }
}

/// An open order.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Order {
    // Line 0: matching.
    pub id: OrderId,
    pub price: Price,
    pub remaining: Qty,
    /// What the book shows of it; `remaining` but for icebergs. Means nothing outside the book.
    pub shown: Qty,
    /// Slot of the account.
    pub account: u32,
    pub symbol: SymbolId,
    /// Slot of the level while it rests or waits.
    pub level: u32,
    pub queue: Links,
    pub side: Side,
    pub stp: StpMode,
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    pub flags: u16,
    pub place: Place,
    /// In its account's list, and in its session's if it carries the flag.
    pub listed: bool,
    /// Bought by budget: `hold` is what is left of it.
    pub by_budget: bool,
    /// Which way the reference must go to trigger it, if it waits for that.
    pub direction: Option<TriggerDirection>,
    // Line 1: money.
    pub hold: Amount,
    pub carry: i64,
    pub terms: FeeTerms,
    pub filled: Qty,
    pub cost: Amount,
    pub fee: Amount,
    // Line 2: its end.
    pub quantity: Qty,
    pub prevented: Qty,
    pub cut: Qty,
    pub of_account: Links,
    pub of_session: Links,
    pub session: SessionId,
    /// When it expires; 0 never.
    pub expire_at: TimestampNs,
    /// Its node in the dedupe ring: client id, payload, send time.
    pub known: u32,
    // The rest.
    /// Sequence of its acceptance.
    pub accepted: Sequence,
    /// Rises with every joining of a queue.
    pub queue_sequence: u64,
    /// Trigger price; 0 for none.
    pub trigger: Price,
    /// Lots shown at most; 0 shows all.
    pub display: Qty,
    /// Margin price of a perpetual's order, frozen when it begins to work (DOMAIN §6.2); 0: it can trade with nothing.
    pub margin_price: Price,
    /// Ticks that a fill loses against the mark of that moment, at least 0.
    pub open_loss: i64,
    /// Counted in its account's position record.
    pub counted: bool,
    /// Waits for the mark, not for the last price.
    pub by_mark: bool,
}

const _: () = assert!(size_of::<Order>() == 256);
const _: () = assert!(std::mem::offset_of!(Order, hold) == 64 && std::mem::offset_of!(Order, quantity) == 128);
const _: () = assert!(std::mem::offset_of!(Order, accepted) == 192);

impl Order {
    /// An order of the engine's own, of nothing yet: LIMIT IOC without fees, that no client knows.
    pub fn of_engine(id: OrderId, accepted: Sequence) -> Self {
        Self {
            id,
            price: Price::ZERO,
            remaining: Qty::ZERO,
            shown: Qty::ZERO,
            account: NIL,
            symbol: SymbolId(0),
            level: NIL,
            queue: Links::NONE,
            side: Side::Buy,
            stp: StpMode::None,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
            flags: 0,
            place: Place::Working,
            listed: false,
            by_budget: false,
            direction: None,
            hold: Amount::ZERO,
            carry: 0,
            terms: FeeTerms { model: FeeModel::Rate, taker: 0, maker: 0 },
            filled: Qty::ZERO,
            cost: Amount::ZERO,
            fee: Amount::ZERO,
            quantity: Qty::ZERO,
            prevented: Qty::ZERO,
            cut: Qty::ZERO,
            of_account: Links::NONE,
            of_session: Links::NONE,
            session: SessionId(0),
            expire_at: TimestampNs(0),
            known: NIL,
            accepted,
            queue_sequence: 0,
            trigger: Price::ZERO,
            display: Qty::ZERO,
            margin_price: Price::ZERO,
            open_loss: 0,
            counted: false,
            by_mark: false,
        }
    }

    /// Whether its session's end cancels it.
    #[inline]
    pub fn is_flagged(&self) -> bool {
        self.flags & order_flags::CANCEL_ON_DISCONNECT != 0 && self.session.0 != 0
    }

    /// Reads the cache lines that its end needs; the sum means nothing.
    #[inline]
    pub fn read_lines(&self) -> u64 {
        self.id.0 ^ self.hold.0 as u64 ^ self.quantity.0 as u64
    }

    /// Its state while it is open (DOMAIN §4.2).
    pub fn open_state(&self) -> OrderState {
        match self.place {
            // Until it runs, which TRIGGERED tells.
            Place::Waiting | Place::Fired => OrderState::Untriggered,
            _ if self.filled.0 > 0 => OrderState::PartiallyFilled,
            _ => OrderState::New,
        }
    }

    /// Whether it trades at any price within its protection and never rests.
    #[inline]
    pub fn is_market(&self) -> bool {
        matches!(self.order_type, OrderType::Market | OrderType::StopMarket)
    }

    /// The next slice that the book shows.
    #[inline]
    pub fn slice(&self) -> Qty {
        if self.display.0 == 0 { self.remaining } else { self.display.min(self.remaining) }
    }

    /// Asserts the identity of DOMAIN §4.2.
    #[inline]
    pub fn assert_identity(&self) {
        let parts = i128::from(self.filled.0)
            + i128::from(self.prevented.0)
            + i128::from(self.cut.0)
            + i128::from(self.remaining.0);
        assert!(
            parts == i128::from(self.quantity.0) && self.remaining.0 >= 0,
            "order {}: filled + prevented + cut + remaining is not its quantity",
            self.id
        );
    }
}

/// All open orders; see the module.
#[derive(Clone)]
pub struct Orders {
    slots: Vec<Order>,
    free: Vec<u32>,
    capacity: usize,
}

impl Orders {
    /// A slab that never holds more than `capacity` orders.
    pub fn new(capacity: usize) -> Self {
        Self { slots: Vec::with_capacity(capacity + 1), free: Vec::with_capacity(capacity + 1), capacity }
    }

    /// Whether another order has room.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.len() < self.capacity
    }

    /// Open orders.
    #[inline]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Adds an order; the caller has asked [`Self::has_room`].
    #[inline]
    pub fn add(&mut self, order: Order) -> u32 {
        assert!(self.has_room(), "open orders are bounded at acceptance");
        self.put(order)
    }

    #[inline]
    fn put(&mut self, order: Order) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = order;
                slot
            }
            None => {
                self.slots.push(order);
                if self.free.capacity() < self.slots.capacity() {
                    self.free.reserve_exact(self.slots.capacity());
                }
                (self.slots.len() - 1) as u32
            }
        }
    }

    /// Adds an order of the engine's own: one slot is kept for it.
    pub fn add_reserved(&mut self, order: Order) -> u32 {
        self.put(order)
    }

    /// Frees a slot.
    #[inline]
    pub fn remove(&mut self, slot: u32) {
        self.slots[slot as usize].id = OrderId(0);
        self.free.push(slot);
    }

    /// The order in a slot.
    #[inline]
    pub fn get(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }

    /// The order in a slot, to be changed.
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.slots[slot as usize]
    }

    /// Slots of all open orders, for images and full checks only: the order of slots means nothing.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        (0..self.slots.len() as u32).filter(|&slot| self.slots[slot as usize].id != OrderId(0))
    }
}

/// Head and tail of a doubly linked list of orders, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    pub head: u32,
    pub tail: u32,
}

impl List {
    pub const EMPTY: Self = Self { head: NIL, tail: NIL };

    /// Adds a slot at the end; `links` says which links of an order this list uses.
    #[inline]
    pub fn push(&mut self, orders: &mut Orders, slot: u32, links: fn(&mut Order) -> &mut Links) {
        *links(orders.get_mut(slot)) = Links { prev: self.tail, next: NIL };
        match self.tail {
            NIL => self.head = slot,
            last => links(orders.get_mut(last)).next = slot,
        }
        self.tail = slot;
    }

    /// Adds a slot behind the last one with a lower order id, for lists that go by acceptance.
    pub fn insert(&mut self, orders: &mut Orders, slot: u32, links: fn(&mut Order) -> &mut Links) {
        let id = orders.get(slot).id;
        let distance = |orders: &Orders, end: u32| match end {
            NIL => 0,
            end => orders.get(end).id.0.abs_diff(id.0),
        };
        let (mut before, mut after) = (self.tail, NIL);
        if distance(orders, self.head) < distance(orders, self.tail) {
            (before, after) = (NIL, self.head);
            while after != NIL && orders.get(after).id < id {
                (before, after) = (after, links(orders.get_mut(after)).next);
            }
        } else {
            while before != NIL && orders.get(before).id > id {
                (after, before) = (before, links(orders.get_mut(before)).prev);
            }
        }
        *links(orders.get_mut(slot)) = Links { prev: before, next: after };
        match before {
            NIL => self.head = slot,
            before => links(orders.get_mut(before)).next = slot,
        }
        match after {
            NIL => self.tail = slot,
            after => links(orders.get_mut(after)).prev = slot,
        }
    }

    /// Takes a slot out, wherever it is.
    #[inline]
    pub fn unlink(&mut self, orders: &mut Orders, slot: u32, links: fn(&mut Order) -> &mut Links) {
        let Links { prev, next } = *links(orders.get_mut(slot));
        match prev {
            NIL => self.head = next,
            prev => links(orders.get_mut(prev)).next = next,
        }
        match next {
            NIL => self.tail = prev,
            next => links(orders.get_mut(next)).prev = prev,
        }
        *links(orders.get_mut(slot)) = Links::NONE;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An order with this id and expiry, and nothing else of its own.
    pub(crate) fn order(id: OrderId, expire_at: TimestampNs) -> Order {
        let (one, price) = (Qty(1), Price(1));
        Order {
            expire_at,
            price,
            remaining: one,
            shown: one,
            quantity: one,
            account: 0,
            ..Order::of_engine(id, Sequence(1))
        }
    }
}
