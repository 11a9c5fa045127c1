//! Random command streams: small prices so that a lot crosses, small balances so that 300 happens, few client ids so
//! that they repeat, and every kind of nonsense. Deterministic from a seed and from the events it is shown.
//!
//! ```text
//! genesis ─► setup commands ─► next() … next()      observe(events) after each: names live and ended orders
//! ```
//!
//! Invariants: every message is whole (right length for its type), so the gateway would have let it through; internal
//! commands come from key 0 only; the same seed and the same events yield the same stream. Commands whose outcome the
//! documents leave open come only with [`Generator::with_unsettled`].

mod commands;
mod orders;
mod random;
mod world;

pub use random::Random;

use crate::scenario::bytes;
use ringbook_event::{Event, Origin};
use ringbook_wire::message::{Genesis, Message, NewOrder, SetKey, SetSymbol};
use ringbook_wire::{KeyId, SessionId};
use std::collections::{BTreeMap, VecDeque};

/// A command of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Clock of the sequencer.
    pub time_ns: u64,
    /// Sender.
    pub origin: Origin,
    /// Message, to the letter.
    pub message: Vec<u8>,
}

/// An order that the generator saw accepted.
#[derive(Clone, Copy, Debug)]
struct Seen {
    order: u64,
    account: u32,
}

/// What the stream is like; drawn from the seed, so that different seeds press different places.
#[derive(Clone, Copy, Debug)]
struct Temper {
    /// Entries of the dedupe ring.
    dedupe_capacity: u32,
    /// Bound of open orders of the shard.
    max_orders: u32,
    /// Prices lie within this distance of the middle.
    spread: i64,
    /// Largest ordinary quantity.
    lots: i64,
    /// First deposits in lots at the middle price.
    wealth: i64,
    /// Of 1,000 commands, about so many are absurd.
    absurd: u64,
}

/// Makes commands; see the module's documentation.
#[derive(Clone, Debug)]
pub struct Generator {
    random: Random,
    temper: Temper,
    unsettled: bool,
    now: u64,
    client_ids: u64,
    setup: VecDeque<Command>,
    symbols: Vec<SetSymbol>,
    keys: Vec<SetKey>,
    /// Whether a symbol was last seen to trade.
    trading: BTreeMap<u32, bool>,
    suspended: BTreeMap<u32, bool>,
    live: Vec<Seen>,
    /// Latest last.
    ended: VecDeque<Seen>,
    /// Latest NEW_ORDERs, latest last.
    recent: VecDeque<NewOrder>,
    /// Latest money commands, latest last.
    money: VecDeque<Vec<u8>>,
    adjustments: BTreeMap<u32, u64>,
}

impl Generator {
    /// A stream for a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let temper = Temper {
            dedupe_capacity: random.pick(&[1, 16, 64, 400, 5_000, 50_000]),
            max_orders: random.pick(&[25, 200, 1_000, 1_000]),
            spread: random.pick(&[2, 5, 12]),
            lots: random.pick(&[3, 10, 40]),
            wealth: random.pick(&[40, 400, 5_000, 50_000]),
            absurd: random.pick(&[5, 30, 120]),
        };
        let mut generator = Self {
            random,
            temper,
            unsettled: false,
            now: 1_700_000_000_000_000_000,
            client_ids: 0,
            setup: VecDeque::new(),
            symbols: Vec::new(),
            keys: Vec::new(),
            trading: BTreeMap::new(),
            suspended: BTreeMap::new(),
            live: Vec::new(),
            ended: VecDeque::new(),
            recent: VecDeque::new(),
            money: VecDeque::new(),
            adjustments: BTreeMap::new(),
        };
        generator.plan_setup();
        generator
    }

    /// Also makes commands whose outcome DOMAIN and EVENTS leave open, where two right exchanges may differ.
    #[must_use]
    pub fn with_unsettled(mut self) -> Self {
        self.unsettled = true;
        self
    }

    /// The GENESIS that belongs to the stream; it is not part of it.
    pub fn genesis(&self) -> Genesis {
        Genesis {
            seed: [7, 11],
            rules: 1,
            shard: 0,
            dedupe_capacity: self.temper.dedupe_capacity,
            max_event_bytes: 262_144,
            max_orders: self.temper.max_orders,
            ..Genesis::new(0)
        }
    }

    /// The next command: first the world's setup, then anything.
    pub fn next_command(&mut self) -> Command {
        if let Some(command) = self.setup.pop_front() {
            return command;
        }
        // Mostly forward; sometimes the clock stands or falls back, and the engine's time must not.
        let step = self.random.pick(&[0, 1, 1_000, 1_000_000, 50_000_000, 2_000_000_000]);
        self.now += step;
        let time_ns =
            if self.random.chance(20, 1_000) { self.now - self.random.below(5_000_000_000) } else { self.now };
        let (origin, message) = self.any_command();
        Command { time_ns, origin, message }
    }

    /// Learns from the events of the last command.
    pub fn observe(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Accepted(e) => {
                    let seen = Seen { order: e.order.0, account: e.header.subject };
                    self.live.push(seen);
                }
                Event::Done(e) => {
                    if let Some(place) = self.live.iter().position(|seen| seen.order == e.order.0) {
                        let seen = self.live.remove(place);
                        remember(&mut self.ended, seen, 200);
                    }
                }
                Event::Status(e) => {
                    let trading = e.header.a == ringbook_wire::SymbolStatus::Trading.code();
                    self.trading.insert(e.header.subject, trading);
                }
                _ => {}
            }
        }
    }

    /// A message of Ringbook itself.
    fn internal<M: Message>(message: &M) -> (Origin, Vec<u8>) {
        (Origin::INTERNAL, bytes(message))
    }

    /// A message of one of a key's sessions.
    fn by_key<M: Message>(&mut self, key: u32, message: &M) -> (Origin, Vec<u8>) {
        let session = SessionId::new(KeyId(key), 1 + self.random.below(2) as u32);
        (Origin::session(session), bytes(message))
    }

    /// A key for a message: mostly the right one, sometimes Ringbook itself, sometimes any.
    fn sender(&mut self, right: u32) -> u32 {
        match self.random.below(100) {
            0..90 => right,
            90..96 => 0,
            _ => self.random.below(9) as u32,
        }
    }

    /// The message from a sender.
    fn sent<M: Message>(&mut self, right: u32, message: &M) -> (Origin, Vec<u8>) {
        match self.sender(right) {
            0 => Self::internal(message),
            key => self.by_key(key, message),
        }
    }

    /// Whether the next value should be absurd.
    fn absurdly(&mut self) -> bool {
        self.random.chance(self.temper.absurd, 1_000)
    }
}

/// Adds to a bounded memory.
fn remember<T>(memory: &mut VecDeque<T>, value: T, bound: usize) {
    memory.push_back(value);
    while memory.len() > bound {
        memory.pop_front();
    }
}
