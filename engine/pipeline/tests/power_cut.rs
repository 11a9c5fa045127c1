//! The whole exchange without its network, and its power fails: ring → engine's agent → journal on a simulated disk,
//! everything polled from one thread in random order, several crashes and full disks per seed. A client outside remembers what it was
//! told ([`client`]) and checks after each crash that the exchange still knows it.
//!
//! ```text
//!  client ─submit─► ring ─► EngineAgent ─► tail ─► syncer ─► segment        kill, power cut, I/O error, clean stop
//!    ▲                                               │ committed                     │
//!    └───────────── command and events ◄─────────────┘      open ─► replay, compare ◄┘
//! ```
//!
//! Invariants checked, after every crash:
//! 1. Every acknowledged frame is there, byte for byte; after a kill or a clean stop every written one.
//! 2. A fresh engine that replays the journal makes the same event bytes, and its state hash is that of the client's
//!    shadow engine, which saw acknowledged frames only; also if it begins with an image taken in between.
//! 3. Commands stand in the journal once for each time they were submitted, in the order of the ring; no order and no
//!    transfer happens twice, although unanswered ones are sent again.
//!
//! `RINGBOOK_SEEDS=n` sets the number of seeds (default 300), `RINGBOOK_SEED=s` the first one. A failure prints the
//! command that repeats it.

#[path = "power_cut/client.rs"]
mod client;

use client::Client;
use ringbook_core::Engine;
use ringbook_journal::sim::{SimRandom, SimStorage};
use ringbook_journal::{Agents, Indexer, Journal, OpenError, Options, Poll, RecoveryReport, Sequence, Watermarks};
use ringbook_pipeline::{Agent, Clock, EngineAgent, Input, Stamps, input_ring};
use ringbook_wire::TimestampNs;
use ringbook_wire::message::Genesis;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use zerocopy::IntoBytes;

const DIR: &str = "/data/journal";
const TAILS: &str = "/tails";
/// Slots of the ring; the fewest that there can be, so that it is full now and then.
const RING: usize = 64;

/// What is left of a full disk: below the floor, but enough for what has to be written all the same.
const FULL_DISK_BYTES: u64 = 1 << 20;

/// What the seeds have met, so that a run that meets nothing does not pass for a proof.
struct Met(AtomicU64);

impl Met {
    fn count(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }
}

macro_rules! met {
    ($($name:ident $text:literal,)+) => {
        $(static $name: Met = Met(AtomicU64::new(0));)+
        const MET: &[(&str, &Met)] = &[$(($text, &$name),)+];
    };
}

met! {
    KILLS "kills",
    POWER_CUTS "power cuts",
    CRASHED_OPENINGS "crashes while opening",
    IO_ERRORS "journals failed by an I/O error",
    FULL_DISKS "full disks that were waited for",
    CLEAN_STOPS "clean stops",
    TAIL_CUTS "recoveries that cut a tail",
    FROM_IMAGE "recoveries from an image",
    RECOVERED_PENDING "recoveries with work pending",
    REPLAYED_FRAMES "frames replayed and compared",
    ACKNOWLEDGED "frames acknowledged before a crash",
    SURVIVORS "frames that survived unacknowledged",
    LOST "submitted commands that a crash lost",
    BUSY "submissions refused by a full ring",
    CONTINUES "CONTINUEs of the agent's own",
    RESENT_LOST "lost orders accepted when sent again",
    RESENT_KNOWN "surviving orders answered REPLAYED when sent again",
    TRANSFERS "transfers applied",
}

/// Engine time is what the test says.
struct TestClock(Arc<AtomicU64>);

impl Clock for TestClock {
    fn time_ns(&mut self, _: u64) -> u64 {
        self.0.load(Relaxed)
    }
}

struct Streams;

impl Indexer for Streams {
    fn streams(&self, command: &[u8], events: &[u8], out: &mut Vec<u64>) {
        ringbook_report::streams(command, events, out);
    }
}

/// How the exchange ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Crash {
    Kill,
    Power,
}

/// What a life of the exchange leaves to be checked.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    /// Highest sequence written.
    written: u64,
    /// It stopped cleanly: everything written is durable.
    clean: bool,
}

fn options() -> Options {
    // The least bound of events that GENESIS allows, and the longest command, fit a frame.
    Options {
        tail_dir: PathBuf::from(TAILS),
        max_frame_bytes: 5_120,
        free_space_floor: 2 * FULL_DISK_BYTES,
        ..Options::small()
    }
}

/// Opens, and again if the machine died in the middle of it.
fn open(sim: &SimStorage, random: &mut SimRandom, crash: &mut Crash) -> (Journal, RecoveryReport) {
    for attempt in 0.. {
        if attempt < 3 && random.below(4) == 0 {
            sim.cut_power_after(random.below(40));
        }
        match Journal::open(Path::new(DIR), sim.process(), options()) {
            Ok(opened) if !sim.is_dead() => return (opened.journal, opened.recovery),
            Ok(_) | Err(OpenError::Io { .. }) if sim.is_dead() => {
                CRASHED_OPENINGS.count(1);
                if random.below(2) == 0 {
                    sim.power_cut(random.bits());
                    *crash = Crash::Power;
                } else {
                    sim.kill();
                }
            }
            Ok(_) => unreachable!("the guard above took it"),
            Err(error) => panic!("recovery refuses: {error}"),
        }
    }
    unreachable!("the loop ends by returning")
}

/// Executes the journal's frames behind `engine` and compares their events.
fn replay(journal: &Journal, mut engine: Engine) -> Engine {
    let mut buffer = vec![0; 1 << 16];
    let mut reader = journal.reader(Sequence(engine.sequence().0 + 1));
    while let Some(frame) = reader.next(Sequence::MAX).expect("every kept frame can be read") {
        let (sequence, time) = (ringbook_wire::Sequence(frame.sequence.0), TimestampNs(frame.time_ns));
        let length = engine.apply(sequence, time, frame.command, &mut buffer).expect("what was executed once");
        assert_eq!(&buffer[..length], frame.events, "sequence {}: other events at replay", frame.sequence);
        REPLAYED_FRAMES.count(1);
    }
    engine
}

/// Opens the journal, checks it against the client's memory, and makes the engine that goes on.
fn recover(
    sim: &SimStorage,
    random: &mut SimRandom,
    client: &mut Client,
    left: Left,
    mut crash: Crash,
) -> (Journal, Engine) {
    let (journal, report) = open(sim, random, &mut crash);
    let last = report.last_sequence.0;
    TAIL_CUTS.count(u64::from(report.tail_bytes_cut > 0));
    let must = if crash == Crash::Kill || left.clean { left.written } else { client.acknowledged() };
    assert!(last >= must, "{crash:?}: sequence {must} was promised, the journal ends at {last} ({left:?})");
    assert!(last <= left.written, "the journal holds {last} frames, only {} were written", left.written);

    let engine = replay(&journal, Engine::new());
    engine.check_invariants().expect("a sound state");
    // Sometimes before the client has looked, so that it also sends again what has survived.
    if random.below(2) == 0 {
        client.plan_retries();
    }
    client.compare(&mut journal.reader(Sequence(1)));
    let before = client.acknowledged();
    client.acknowledge(&mut journal.reader(Sequence(before + 1)), last).expect("every kept frame can be read");
    SURVIVORS.count(client.acknowledged() - before);
    assert_eq!(client.acknowledged(), last);
    LOST.count(client.plan_retries());
    client.forget_waiting();

    let hash = engine.state_hash();
    assert_eq!(hash, client.shadow().state_hash(), "replay gives another state than the frames that were told");
    if let Some(image) = client.image().filter(|_| random.below(2) == 0) {
        let restored = Engine::restore(image).expect("an image of a sound state");
        let restored = replay(&journal, restored);
        assert_eq!(hash, restored.state_hash(), "an image and the rest of the journal give another state");
        FROM_IMAGE.count(1);
        return (journal, restored);
    }
    (journal, engine)
}

/// The exchange as one process.
struct Process {
    agent: EngineAgent<TestClock>,
    agents: Agents,
    watermarks: Watermarks,
    input: Input,
}

fn start(sim: &SimStorage, journal: Journal, engine: Engine, client: &Client) -> Process {
    let (appender, watermarks, mut agents) = journal.start_stepped(Arc::new(Streams), None);
    let (input, output) = input_ring(RING, 4);
    let fresh = engine.sequence().0 == 0;
    let clock = TestClock(client.clock());
    let mut agent = EngineAgent::new(engine, appender, output, clock, Stamps::new(64));
    if fresh {
        agents.poll_all();
        let genesis = Genesis { max_event_bytes: ringbook_core::MIN_EVENT_BYTES, ..client.genesis() };
        let done = agent.execute_now(genesis.as_bytes());
        assert!(done.is_ok() || sim.is_dead(), "a fresh journal takes GENESIS: {done:?}");
    }
    Process { agent, agents, watermarks, input }
}

/// There is room again: whatever waited because of the full disk is executed now, without a restart.
fn go_on(sim: &SimStorage, process: &mut Process) {
    if !process.watermarks.space_low() {
        return;
    }
    while process.agents.preparer.poll() == Poll::Worked {}
    if process.agent.has_work() && process.agent.stats().not_ready.load(Relaxed) > 0 {
        let done = process.agent.poll();
        assert!(done > 0 || sim.is_dead() || process.watermarks.failure().is_some(), "there is room, nothing happens");
        FULL_DISKS.count(1);
    }
}

/// Runs the exchange for a while, until it is to crash or has died already.
fn live(sim: &SimStorage, mut process: Process, client: &mut Client, random: &mut SimRandom) -> Left {
    let mut reader = process.watermarks.reader(Sequence(client.acknowledged() + 1));
    let most = [60, 600, 3_000][random.below(3) as usize];
    let steps = random.below(most);
    // Some machines sync eagerly, some hardly ever; some clients hurry.
    let (sync_one_in, eager) = (1 + random.below(8), 1 + random.below(6));
    match random.below(4) {
        0 => sim.cut_power_after(random.below(most / 2)),
        1 if random.below(3) == 0 => sim.fail_after(random.below(most / 4)),
        _ => {}
    }
    let full_until = if random.below(5) == 0 { random.below(steps + 1) } else { 0 };
    sim.set_free_space(if full_until > 0 { FULL_DISK_BYTES } else { u64::MAX });
    let mut left = Left::default();
    for step in 0..steps {
        if step == full_until {
            sim.set_free_space(u64::MAX);
            go_on(sim, &mut process);
        }
        match random.below(16) {
            0..=5 => (0..eager).for_each(|_| client.submit(&mut process.input)),
            6..=9 => {
                process.agent.poll();
            }
            10..=12 if random.below(sync_one_in) == 0 => {
                process.agents.syncer.poll();
            }
            13 | 14 => {
                process.agents.preparer.poll();
            }
            15 => {
                process.agents.sealer.poll();
            }
            _ => {}
        }
        left.written = process.watermarks.written().0;
        let committed = process.watermarks.committed().0;
        assert!(committed <= left.written);
        let before = client.acknowledged();
        // A machine that is dead answers nobody; what it had published but not yet told is nobody's promise.
        let told = client.acknowledge(&mut reader, committed);
        assert!(told.is_ok() || sim.is_dead(), "{told:?}");
        ACKNOWLEDGED.count(client.acknowledged() - before);
        if sim.is_dead() {
            return left;
        }
    }
    left.written = process.watermarks.written().0;
    if process.watermarks.failure().is_some() {
        IO_ERRORS.count(1);
    } else if random.below(4) == 0 {
        process.agents.finish();
        left.clean = process.watermarks.durable().0 == left.written && !sim.is_dead();
        let failed = process.watermarks.failure().is_some();
        assert!(left.clean || sim.is_dead() || failed, "a living machine stops cleanly");
        CLEAN_STOPS.count(u64::from(left.clean));
    }
    left
}

fn run(seed: u64) {
    let mut random = SimRandom::new(seed);
    let sim = SimStorage::new(random.bits());
    let mut client = Client::new(random.bits());
    let (mut left, mut crash) = (Left::default(), Crash::Kill);
    for _ in 0..2 + random.below(5) {
        let (journal, engine) = recover(&sim, &mut random, &mut client, left, crash);
        RECOVERED_PENDING.count(u64::from(engine.pending() != ringbook_core::Pending::Nothing));
        let process = start(&sim, journal, engine, &client);
        left = live(&sim, process, &mut client, &mut random);
        sim.set_free_space(u64::MAX);
        if random.below(3) == 0 {
            crash = Crash::Kill;
            sim.kill();
            KILLS.count(1);
        } else {
            crash = Crash::Power;
            sim.power_cut(random.bits());
            POWER_CUTS.count(1);
        }
    }
    recover(&sim, &mut random, &mut client, left, crash);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[test]
fn an_exchange_whose_power_fails_keeps_every_promise() {
    let (first, seeds) = (number("RINGBOOK_SEED", 1), number("RINGBOOK_SEEDS", 300));
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| seed - first < seeds) {
                    if std::panic::catch_unwind(|| run(seed)).is_err() {
                        next.store(first + seeds, Relaxed);
                        panic!(
                            "seed {seed} failed: RINGBOOK_SEED={seed} RINGBOOK_SEEDS=1 cargo test -p ringbook-pipeline \
                             --test power_cut"
                        );
                    }
                }
            });
        }
    });
    println!("{seeds} seeds from {first}:");
    for (name, met) in MET {
        let count = met.0.load(Relaxed);
        println!("{count:>10} {name}");
    }
    let missed: Vec<_> = MET.iter().filter(|(_, met)| met.0.load(Relaxed) == 0).map(|(name, _)| name).collect();
    assert!(seeds < 300 || missed.is_empty(), "the simulation has lost its teeth: no {missed:?}");
}
