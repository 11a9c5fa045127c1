//! Random command streams: small prices so that a lot crosses, small balances so that 300 happens, few client ids so
//! that they repeat, and every kind of nonsense. Deterministic from a seed and from the events it is shown.
//!
//! ```text
//! genesis ─► setup commands ─► next() … next()      observe(events) after each: names live and ended orders
//! ```
//!
//! Invariants: every message is whole (right length for its type), so the gateway would have let it through; internal
//! commands come from key 0 only; the same seed and the same events yield the same stream. Commands whose outcome the
//! documents leave open come only with [`Generator::with_unsettled`]; what a [`Feature`] names can be switched off. At most
//! [`DUE_WITH_A_COMMAND`] GTD orders are due at a command that is not a TICK.

mod advanced;
mod commands;
mod operator;
mod orders;
mod perpetual;
mod random;
mod world;

pub use random::Random;

use crate::scenario::bytes;
use ringbook_event::{Event, Origin};
use ringbook_wire::message::{BustTrade, Genesis, Message, NewOrder, SetKey, SetSymbol, Tick};
use ringbook_wire::{KeyId, OrderType, SessionId, Side, SymbolStatus};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

/// A part of the rules that a stream can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Market orders with a quote budget (STOP_MARKET buys belong to [`Feature::Stops`]).
    Budget,
    /// Orders that expire, and jumps of time.
    Gtd,
    /// Orders that show a part.
    Icebergs,
    /// STOP_LIMIT and STOP_MARKET.
    Stops,
    /// PRE_OPEN.
    Auction,
    /// CLOSED, of spare symbols.
    Close,
    /// Own fees of accounts, maintenance, trades taken back.
    Operator,
    /// Perpetual futures; only where they are asked for: see [`Generator::with`].
    Perpetual,
}

impl Feature {
    /// All of spot: what a stream has from the beginning.
    pub const ALL: &[Self] =
        &[Self::Budget, Self::Gtd, Self::Icebergs, Self::Stops, Self::Auction, Self::Close, Self::Operator];
}

/// How many GTD orders may be due at a command that is not a TICK (EVENTS "time and expiry").
pub const DUE_WITH_A_COMMAND: usize = 8;

/// An order that the generator saw accepted.
#[derive(Clone, Copy, Debug)]
struct Seen {
    order: u64,
    account: u32,
    symbol: u32,
    /// Of a GTD order, else 0.
    expire_at: u64,
    /// Untriggered.
    waits: bool,
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
    features: BTreeSet<Feature>,
    planned: bool,
    now: u64,
    /// The highest time of any command so far.
    engine_time: u64,
    client_ids: u64,
    setup: VecDeque<Command>,
    symbols: Vec<SetSymbol>,
    keys: Vec<SetKey>,
    /// Status of each symbol as last seen.
    status: BTreeMap<u32, SymbolStatus>,
    /// Price of the last trade of each symbol.
    last: BTreeMap<u32, i64>,
    /// Limit of the latest sell of each symbol.
    asks: BTreeMap<u32, i64>,
    /// The spare symbol that may be closed.
    spare: u32,
    /// The latest triggers and expiry times, so that several orders share one.
    triggers: VecDeque<i64>,
    expiries: VecDeque<u64>,
    /// The NEW_ORDER that was made last, if the last command was one.
    sent: Option<NewOrder>,
    suspended: BTreeMap<u32, bool>,
    live: Vec<Seen>,
    /// Latest last.
    ended: VecDeque<Seen>,
    /// What takes the latest trades back, latest last.
    trades: VecDeque<BustTrade>,
    /// Latest NEW_ORDERs, latest last.
    recent: VecDeque<NewOrder>,
    /// Latest money commands, latest last.
    money: VecDeque<Vec<u8>>,
    adjustments: BTreeMap<u32, u64>,
    perpetuals: perpetual::Perpetuals,
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
        Self {
            random,
            temper,
            unsettled: false,
            features: Feature::ALL.iter().copied().collect(),
            planned: false,
            now: 1_700_000_000_000_000_000,
            engine_time: 0,
            client_ids: 0,
            setup: VecDeque::new(),
            symbols: Vec::new(),
            keys: Vec::new(),
            status: BTreeMap::new(),
            last: BTreeMap::new(),
            asks: BTreeMap::new(),
            spare: world::FIRST_SPARE,
            triggers: VecDeque::new(),
            expiries: VecDeque::new(),
            sent: None,
            suspended: BTreeMap::new(),
            live: Vec::new(),
            ended: VecDeque::new(),
            trades: VecDeque::new(),
            recent: VecDeque::new(),
            money: VecDeque::new(),
            adjustments: BTreeMap::new(),
            perpetuals: perpetual::Perpetuals::new(seed),
        }
    }

    /// A stream with these features only. To be called before the first command.
    #[must_use]
    pub fn with_features(mut self, features: &[Feature]) -> Self {
        self.features = features.iter().copied().collect();
        self
    }

    /// A stream with one more feature. To be called before the first command.
    #[must_use]
    pub fn with(mut self, feature: Feature) -> Self {
        self.features.insert(feature);
        self
    }

    /// A stream without a feature. To be called before the first command.
    #[must_use]
    pub fn without(mut self, feature: Feature) -> Self {
        self.features.remove(&feature);
        self
    }

    /// Whether the stream has a feature.
    fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
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
        if !self.planned {
            self.plan_setup();
            self.planned = true;
        }
        let command = self.setup.pop_front().unwrap_or_else(|| self.random_command());
        self.engine_time = self.engine_time.max(command.time_ns);
        self.sent = NewOrder::read(&command.message);
        command
    }

    fn random_command(&mut self) -> Command {
        // Mostly forward; sometimes the clock stands or falls back, and the engine's time must not.
        let step = self.random.pick(&[0, 1, 1_000, 1_000_000, 50_000_000, 2_000_000_000]);
        self.now += step;
        if self.has(Feature::Gtd) && self.random.chance(1, 150) {
            self.now += self.random.pick(&[5_000_000_000, 30_000_000_000, 200_000_000_000]);
            return self.tick(self.now);
        }
        let time_ns =
            if self.random.chance(20, 1_000) { self.now - self.random.below(5_000_000_000) } else { self.now };
        let then = time_ns.max(self.engine_time);
        let due = self.live.iter().filter(|seen| seen.expire_at != 0 && seen.expire_at <= then).count();
        if due > DUE_WITH_A_COMMAND {
            return self.tick(time_ns);
        }
        let (origin, message) = self.any_command();
        Command { time_ns, origin, message }
    }

    fn tick(&self, time_ns: u64) -> Command {
        Command { time_ns, origin: Origin::INTERNAL, message: bytes(&Tick::new(0)) }
    }

    /// Learns from the events of the last command.
    pub fn observe(&mut self, events: &[Event]) {
        for event in events {
            self.perpetuals.observe(event);
            match event {
                Event::Accepted(e) => {
                    if e.header.a == Side::Sell.code() && e.header.b == OrderType::Limit.code() {
                        self.asks.insert(e.symbol.0, e.price.0);
                    }
                    let sent = self.sent.unwrap_or_else(|| NewOrder::new(0));
                    self.live.push(Seen {
                        order: e.order.0,
                        account: e.header.subject,
                        symbol: e.symbol.0,
                        expire_at: sent.expire_at.0,
                        waits: sent.trigger.0 != 0,
                    });
                }
                Event::Triggered(e) => {
                    if let Some(seen) = self.live.iter_mut().find(|seen| seen.order == e.order.0) {
                        seen.waits = false;
                    }
                }
                Event::Done(e) => {
                    if let Some(place) = self.live.iter().position(|seen| seen.order == e.order.0) {
                        let seen = self.live.remove(place);
                        remember(&mut self.ended, seen, 200);
                    }
                }
                Event::Trade(e) => {
                    self.last.insert(e.header.subject, e.price.0);
                    self.observe_trade(e);
                }
                Event::Status(e) => {
                    if let Some(status) = SymbolStatus::from_code(e.header.a) {
                        self.status.insert(e.header.subject, status);
                    }
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
