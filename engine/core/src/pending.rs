//! Long work, kept in the state and done in bounded parts (DOMAIN §5.1a).
//!
//! Invariants: work is done in the order in which it was begun; work that nothing may come between (a match, a cascade of
//! stops, an uncross, expiries) is first, and there is one piece of it at most; each part fits the bound of one command's
//! events.

use crate::book::StopBook;
use crate::engine::Engine;
use crate::orders::{NIL, Place};
use ringbook_event::{EventWriter, Origin};
use ringbook_wire::message::MessageType;
use ringbook_wire::{AccountId, EndReason, OrderId, Price, Rate, Sequence, SessionId, Side, SymbolId, TimestampNs};

/// Orders of long work whose memory is read together.
const AHEAD: usize = 32;

/// The command behind a piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    pub origin: Origin,
    pub request: u32,
    pub kind: MessageType,
    pub sequence: Sequence,
}

impl Cause {
    pub const NONE: Self =
        Self { origin: Origin::INTERNAL, request: 0, kind: MessageType::Continue, sequence: Sequence(0) };
}

/// What is left to do.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// An accepted order that has not finished matching.
    Taker { slot: u32 },
    /// Orders of an account that were accepted before `before`; symbols below `symbol` are done.
    CancelAll { account: u32, only: Option<SymbolId>, side: Option<Side>, symbol: SymbolId, before: OrderId },
    /// Flagged orders of a session that were accepted before `before`.
    Session { session: SessionId, before: OrderId },
    /// Orders that were due at a time.
    Expire { until: TimestampNs },
    /// The work loop: stop orders that have fired, buckets; `between` two buckets other commands may come.
    Loop { between: bool },
    /// Volume that is left of an uncross, and its price.
    Uncross { symbol: SymbolId, price: Price, left: i128 },
    /// Every order of a closed symbol; then, of a perpetual, its settlement at a price.
    Close { symbol: SymbolId, settle: Option<Price> },
    /// Payments of a funding to the accounts from `from` on.
    Fund { symbol: SymbolId, rate: Rate, from: AccountId },
    /// Positions of a settled perpetual, of the accounts from `from` on.
    Settle { symbol: SymbolId, price: Price, from: AccountId },
}

/// A task and the command behind it.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub cause: Cause,
    pub task: Task,
}

impl Work {
    /// Whether other commands may come between its parts.
    pub fn is_interruptible(&self) -> bool {
        matches!(
            self.task,
            Task::CancelAll { .. } | Task::Session { .. } | Task::Close { .. } | Task::Loop { between: true }
        )
    }
}

/// What a CONTINUE must carry: origin, request number and first sequence of the command that it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// Origin of that command.
    pub origin: Origin,
    /// Its request number.
    pub request: u32,
    /// Its sequence.
    pub of: Sequence,
}

impl Engine {
    /// What the next CONTINUE must carry, if one is due.
    pub fn continuation(&self) -> Option<Continuation> {
        let Cause { origin, request, sequence, .. } = self.work.front()?.cause;
        Some(Continuation { origin, request, of: sequence })
    }

    /// Does the next part of the oldest work.
    pub(crate) fn continue_work(&mut self, out: &mut EventWriter<'_>) {
        let Some(work) = self.work.pop_front() else {
            return self.handled(MessageType::Continue, AccountId(0), 0, 0, false, out);
        };
        self.cause = work.cause;
        let subject = match work.task {
            Task::Taker { slot } => self.accounts.get(self.orders.get(slot).account).id,
            Task::CancelAll { account, .. } => self.accounts.get(account).id,
            _ => AccountId(0),
        };
        let pending = self.work.len();
        let mut count = 0;
        match work.task {
            Task::Taker { slot } => {
                let symbol = self.orders.get(slot).symbol;
                if self.execute(slot, false, out) {
                    self.fire(symbol, false);
                    self.work_loop(out);
                }
            }
            Task::Loop { .. } => self.work_loop(out),
            Task::Fund { symbol, rate, from } => self.pay(symbol, rate, from, out),
            Task::Settle { symbol, price, from } => self.settle(symbol, price, from, out),
            Task::Uncross { symbol, price, left } => self.uncross_at(symbol, price, left, out),
            Task::CancelAll { .. } | Task::Session { .. } | Task::Expire { .. } | Task::Close { .. } => {
                let left;
                (count, left) = self.end_part(work.task, out);
                match (left, work.task) {
                    (Some(task), _) => self.work.push_front(Work { cause: work.cause, task }),
                    (None, Task::Close { symbol, settle: Some(price) }) => {
                        self.settle(symbol, price, AccountId(0), out);
                    }
                    _ => {}
                }
            }
        }
        let more = self.work.len() > pending;
        self.handled(work.cause.kind, subject, count, work.cause.sequence.0, more, out);
    }

    /// Begins a task that ends orders and may go on in CONTINUE; returns how many its first part ended and whether more
    /// is left.
    pub(crate) fn begin_ending(&mut self, task: Task, out: &mut EventWriter<'_>) -> (u32, bool) {
        let (count, left) = self.end_part(task, out);
        if let Some(task) = left {
            let work = Work { cause: self.cause, task };
            if work.is_interruptible() {
                self.work.push_back(work);
            } else {
                self.work.push_front(work);
            }
        }
        (count, left.is_some())
    }

    /// Ends orders of a task until it is done or the events are full; how many, and what is left.
    fn end_part(&mut self, task: Task, out: &mut EventWriter<'_>) -> (u32, Option<Task>) {
        let mut task = task;
        let mut count = 0;
        while let Some(slot) = self.next_to_end(&mut task) {
            if !self.has_room(out) {
                return (count, Some(task));
            }
            if (count as usize).is_multiple_of(AHEAD) {
                self.look_ahead(&task, slot);
            }
            match task {
                Task::Session { .. } => self.cancel_order(slot, EndReason::Session, out),
                Task::CancelAll { .. } => self.cancel_order(slot, EndReason::Mass, out),
                Task::Expire { .. } => self.expire_order(slot, EndReason::Time, out),
                _ => self.expire_order(slot, EndReason::Status, out),
            }
            count += 1;
        }
        (count, None)
    }

    /// Reads what ending the next orders will need, so that the processor fetches it for all of them at once: their lines lie
    /// anywhere in memory, and one after another each order waits for several of them. Changes nothing, so a guess that
    /// is wrong costs time only.
    fn look_ahead(&self, task: &Task, first: u32) {
        let mut slots = [NIL; AHEAD];
        let mut next = first;
        for slot in &mut slots {
            *slot = next;
            next = match (next, task) {
                (NIL, _) => NIL,
                (next, Task::Expire { .. }) => self.expiry.next(next).unwrap_or(NIL),
                (next, Task::CancelAll { .. }) => self.orders.get(next).of_account.next,
                (next, Task::Session { .. }) => self.orders.get(next).of_session.next,
                (next, _) => self.orders.get(next).queue.next,
            };
        }
        let count = slots.iter().position(|&slot| slot == NIL).unwrap_or(AHEAD);
        let slots = &slots[..count];
        let mut sum = slots.iter().fold(0, |sum, &slot| sum ^ self.orders.get(slot).read_lines());
        for &slot in slots {
            let order = self.orders.get(slot);
            sum ^= self.dedupe.read_lines(order.known);
            if order.queue.next != NIL {
                sum ^= self.orders.get(order.queue.next).id.0;
            }
            if order.of_account.next != NIL {
                sum ^= self.orders.get(order.of_account.next).quantity.0 as u64;
            }
            if order.place == Place::Book {
                sum ^= u64::from(self.symbols.at(order.symbol).book.level(order.level).count);
            }
        }
        std::hint::black_box(sum);
    }

    /// The next order that a task concerns; moves the task's mark past what it skips.
    fn next_to_end(&self, task: &mut Task) -> Option<u32> {
        match task {
            Task::Taker { .. } | Task::Loop { .. } | Task::Uncross { .. } | Task::Fund { .. } | Task::Settle { .. } => {
                None
            }
            Task::Expire { until } => self.expiry.first().filter(|_| self.expiry.first_due() <= Some(*until)),
            Task::Close { symbol, .. } => {
                let symbol = self.symbols.at(*symbol);
                let in_book = |side| symbol.book.best(side).map(|level| symbol.book.level(level).queue.head);
                let first = |stops: &StopBook, side| stops.best(side).map(|level| stops.level(level).queue.head);
                let waiting = |stops: &StopBook| first(stops, Side::Buy).or_else(|| first(stops, Side::Sell));
                in_book(Side::Buy)
                    .or_else(|| in_book(Side::Sell))
                    .or_else(|| waiting(&symbol.stops))
                    .or_else(|| symbol.contract.as_ref().and_then(|contract| waiting(&contract.stops)))
            }
            Task::Session { session, before } => {
                let slot = self.sessions.get(*session)?.head;
                (slot != NIL && self.orders.get(slot).id < *before).then_some(slot)
            }
            Task::CancelAll { account, only, side, symbol, before } => {
                // Whoever was cancelled has left the lists: the next one is always a head.
                let symbols = &self.accounts.get(*account).symbols;
                let from = symbols.partition_point(|open| open.symbol < *symbol);
                for open in symbols[from..].iter().filter(|open| only.is_none_or(|only| only == open.symbol)) {
                    *symbol = open.symbol;
                    let heads = open.orders.iter().zip([Side::Buy, Side::Sell]);
                    let wanted = heads.filter(|(_, of)| side.is_none_or(|side| side == *of)).map(|(list, _)| list.head);
                    let first = wanted.filter(|&head| head != NIL).min_by_key(|&head| self.orders.get(head).id);
                    if let Some(slot) = first.filter(|&slot| self.orders.get(slot).id < *before) {
                        return Some(slot);
                    }
                }
                None
            }
        }
    }
}
