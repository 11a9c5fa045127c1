//! Power cuts and kills, thousands of seeds: what was published as durable is there after every crash, byte for byte,
//! nothing twice, the chain whole, and a second opening finds the same. No two frames ever get the same (term, sequence),
//! lost ones included; the term stays after a kill and after a clean stop.
//!
//! `JOURNAL_SEEDS=n` sets the number of seeds, `JOURNAL_SEED=s` runs one alone. A failure prints its seed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ringbook_journal::sim::{SimRandom, SimStorage};
use ringbook_journal::{
    Agents, AppendError, Appender, FrameKind, FrameMeta, Indexer, Journal, OpenError, Options, ReadError,
    RecoveryReport, Sequence, Watermarks, WriterState, verify_with,
};

const DIR: &str = "/data/journal";
const TAILS: &str = "/tails";

/// The stream of a frame is the first byte of its command, modulo 4.
struct ByFirstByte;
impl Indexer for ByFirstByte {
    fn streams(&self, command: &[u8], _events: &[u8], out: &mut Vec<u64>) {
        out.extend(command.first().map(|byte| u64::from(byte % 4)));
    }
}

fn options() -> Options {
    Options { tail_dir: PathBuf::from(TAILS), ..Options::small() }
}

struct Process {
    appender: Appender,
    watermarks: Watermarks,
    agents: Agents,
}

/// What the outside world remembers of the journal.
#[derive(Default)]
struct Model {
    /// Term and payload of each frame ever written in the current history; index 0 is sequence 1.
    frames: Vec<(u32, Vec<u8>)>,
    /// (term, sequence) of every frame ever written in any history: what clients may hold as tokens.
    tokens: HashSet<(u32, u64)>,
    /// Term of the last writer; 0 without one.
    term: u32,
    stop: Stop,
    /// Highest `durable` that was ever published.
    durable: u64,
    /// Highest `written` of the process that died last.
    written: u64,
    time_ns: u64,
}

/// How the last writer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Stop {
    #[default]
    No,
    /// The power failed while the clean stop was recorded: it may be remembered or not.
    Torn,
    Clean,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Crash {
    Kill,
    Power,
}

fn open(sim: &SimStorage) -> Result<(Journal, RecoveryReport), OpenError> {
    let opened = Journal::open(Path::new(DIR), sim.process(), options())?;
    Ok((opened.journal, opened.recovery))
}

/// Opens, and opens again if the machine died in the middle of it (with a crash in between).
fn open_surely(
    sim: &SimStorage,
    random: &mut SimRandom,
    crash: &mut Crash,
    model: &mut Model,
) -> (Journal, RecoveryReport) {
    for attempt in 0.. {
        if attempt < 3 && random.below(3) == 0 {
            sim.cut_power_after(random.below(40));
        }
        match open(sim) {
            Ok((journal, report)) if !sim.is_dead() => {
                check_term(&report, model, *crash, attempt == 0);
                return (journal, seen(report));
            }
            Ok(_) | Err(OpenError::Io { .. }) if sim.is_dead() => {
                CRASHED_OPENINGS.fetch_add(1, Relaxed);
                if random.below(2) == 0 {
                    sim.power_cut(random.bits());
                    *crash = Crash::Power;
                } else {
                    sim.kill();
                }
            }
            Ok(_) => unreachable!(),
            Err(error) => panic!("recovery refuses: {error}"),
        }
    }
    unreachable!()
}

/// What the seeds have met, so that a run that meets nothing does not pass for a proof.
static CUTS: AtomicU64 = AtomicU64::new(0);
static FROM_TAILS: AtomicU64 = AtomicU64::new(0);
static CRASHED_OPENINGS: AtomicU64 = AtomicU64::new(0);
static CLEAN: AtomicU64 = AtomicU64::new(0);
static RAISED: AtomicU64 = AtomicU64::new(0);
static FRAMES: AtomicU64 = AtomicU64::new(0);

fn seen(report: RecoveryReport) -> RecoveryReport {
    CUTS.fetch_add(u64::from(report.tail_bytes_cut > 0), Relaxed);
    FROM_TAILS.fetch_add(u64::from(report.from_tail_memory_bytes > 0), Relaxed);
    FRAMES.fetch_add(report.last_sequence.0, Relaxed);
    report
}

/// The term stays exactly where nothing can have been lost. `at_once`: no opening died in between.
fn check_term(report: &RecoveryReport, model: &mut Model, crash: Crash, at_once: bool) {
    let (term, before) = (report.term, model.term);
    assert!(term >= report.last_term.max(1));
    if before != 0 {
        match (crash, model.stop) {
            (Crash::Kill, _) => assert!(report.continued && term == before, "a kill loses nothing: {report:?}"),
            (Crash::Power, Stop::Clean) if at_once => {
                assert!(report.continued && term == before, "a clean stop is remembered: {report:?}");
                CLEAN.fetch_add(1, Relaxed);
            }
            // The opening that died had already begun.
            (Crash::Power, Stop::Clean | Stop::Torn) => assert!(term >= before),
            (Crash::Power, Stop::No) => {
                assert!(term > before, "term {before} may have lost frames: {report:?}");
                assert!(!at_once || (!report.continued && term == before + 1), "{report:?}");
                RAISED.fetch_add(1, Relaxed);
            }
        }
    }
    (model.term, model.stop) = (term, Stop::No);
}

/// Everything that the journal holds equals the model; the model forgets what was (rightly) lost.
fn check(journal: &Journal, last: u64, model: &mut Model, crash: Crash) {
    let must = if crash == Crash::Kill { model.written } else { model.durable };
    assert!(last >= must, "sequence {must} must be there after a {crash:?}, the journal ends at {last}");
    assert!(last as usize <= model.frames.len(), "the journal holds frames that were never written");
    model.frames.truncate(last as usize);
    let mut reader = journal.reader(Sequence(1));
    let mut count = 0;
    while let Some(frame) = reader.next(Sequence::MAX).unwrap() {
        count += 1;
        assert_eq!(frame.sequence.0, count);
        let payload = [frame.command, frame.events].concat();
        let expected = &model.frames[count as usize - 1];
        assert_eq!((frame.term, payload), *expected, "sequence {count}");
    }
    assert_eq!(count, last);
    assert_eq!(journal.watermarks().durable().0, last, "everything that is kept is durable");
    model.durable = last;
    model.written = last;
}

fn append(process: &mut Process, model: &mut Model, random: &mut SimRandom) -> Result<(), AppendError> {
    let area = process.appender.begin()?;
    let words = if random.below(20) == 0 { random.below(area.len() as u64 / 8) } else { random.below(30) } as usize + 1;
    let words = words.min(area.len() / 8);
    let command_words = random.below(words as u64) as usize + 1;
    for byte in &mut area[..words * 8] {
        *byte = random.bits() as u8;
    }
    let payload = area[..words * 8].to_vec();
    if random.below(20) == 0 {
        process.appender.abandon();
        return Ok(());
    }
    model.time_ns += random.below(3);
    let sequence = process.appender.finish(FrameMeta {
        time_ns: model.time_ns,
        command_len: (command_words * 8) as u16,
        rules: 1,
        kind: FrameKind::Command,
        payload_len: words * 8,
    });
    let term = process.appender.term();
    assert_eq!(term, model.term);
    assert!(model.tokens.insert((term, sequence.0)), "({term}, {sequence}) was given twice");
    model.frames.push((term, payload));
    assert_eq!(sequence.0 as usize, model.frames.len());
    Ok(())
}

fn live(sim: &SimStorage, journal: Journal, model: &mut Model, random: &mut SimRandom) {
    let (appender, watermarks, agents) = journal.start_stepped(Arc::new(ByFirstByte), None);
    let mut process = Process { appender, watermarks, agents };
    let steps = random.below(600);
    // Some machines sync eagerly, some hardly ever.
    let sync_one_in = 1 + random.below(8);
    if random.below(4) != 0 {
        sim.cut_power_after(random.below(600));
    }
    for _ in 0..steps {
        match random.below(16) {
            0..=9 => match append(&mut process, model, random) {
                Ok(()) | Err(AppendError::NotReady | AppendError::Full) => {}
                Err(AppendError::Failed { .. }) => {
                    assert!(sim.is_dead(), "a failure without a cause")
                }
            },
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
        model.durable = model.durable.max(process.watermarks.durable().0);
        model.written = process.watermarks.written().0;
        assert!(model.durable <= model.written);
        if sim.is_dead() {
            break;
        }
    }
    if !sim.is_dead() && random.below(4) == 0 {
        check_history(&mut process, model);
    }
    if !sim.is_dead() && random.below(3) == 0 {
        process.agents.finish();
        let (durable, written) = (process.watermarks.durable().0, process.watermarks.written().0);
        model.durable = model.durable.max(durable);
        let stopped = process.watermarks.state() == WriterState::Stopped;
        model.stop = match (stopped, sim.is_dead()) {
            (true, false) => Stop::Clean,
            (true, true) => Stop::Torn,
            (false, _) => Stop::No,
        };
        assert!(!stopped || durable == written);
        assert!(stopped || sim.is_dead(), "a living machine stops cleanly");
        assert!(sim.is_dead() || process.appender.begin().is_err(), "nothing is appended behind a clean stop");
    }
}

/// The streams' frames, merged, are those that a look through everything finds.
fn check_history(process: &mut Process, model: &Model) {
    process.agents.poll_all();
    if process.watermarks.failure().is_some() {
        return; // the power failed while the agents were polled
    }
    let durable = process.watermarks.durable().0;
    let after = durable / 3;
    let mut frames = process.watermarks.history().frames_of(&[1, 3, 9], Sequence(after), Sequence(durable));
    let mut expected = (after + 1..=durable).filter(|s| model.frames[*s as usize - 1].1[0] % 4 % 2 == 1);
    while let Some(frame) = frames.next().unwrap() {
        assert_eq!(Some(frame.sequence.0), expected.next());
    }
    assert_eq!(expected.next(), None, "a frame of the streams is missing");
}

fn run(seed: u64) {
    let mut random = SimRandom::new(seed);
    let sim = SimStorage::new(random.bits());
    let mut model = Model::default();
    let mut crash = Crash::Kill;
    for _ in 0..1 + random.below(5) {
        let (journal, report) = open_surely(&sim, &mut random, &mut crash, &mut model);
        let last = report.last_sequence.0;
        check(&journal, last, &mut model, crash);
        if random.below(3) == 0 {
            // Two openings in a row give the same.
            drop(journal);
            sim.kill();
            let mut between = Crash::Kill;
            let (journal, report) = open_surely(&sim, &mut random, &mut between, &mut model);
            let again = report.last_sequence.0;
            assert_eq!(report.tail_bytes_cut, 0, "what was cut is cut for good");
            assert_eq!(last, again, "the second opening differs");
            check(&journal, again, &mut model, between);
            live(&sim, journal, &mut model, &mut random);
        } else {
            live(&sim, journal, &mut model, &mut random);
        }
        if random.below(2) == 0 {
            crash = Crash::Kill;
            sim.kill();
        } else {
            crash = Crash::Power;
            sim.power_cut(random.bits());
        }
    }
    let (journal, report) = open_surely(&sim, &mut random, &mut crash, &mut model);
    let last = report.last_sequence.0;
    check(&journal, last, &mut model, crash);
    drop(journal);
    sim.kill();
    let verified = verify_with(sim.process(), Path::new(DIR), Path::new(TAILS), |_, _| {});
    match verified {
        Ok(verified) => assert_eq!((verified.frames, verified.last_sequence.0), (last, last)),
        Err(error @ ReadError::Damaged { .. }) => panic!("verify: {error}"),
        Err(error) => panic!("verify: {error}"),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn crashes_at_random_points() {
    if let Some(seed) = number("JOURNAL_SEED") {
        return run(seed);
    }
    let seeds = number("JOURNAL_SEEDS").unwrap_or(5_000);
    let next = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    if std::panic::catch_unwind(|| run(seed)).is_err() {
                        panic!(
                            "seed {seed} failed: JOURNAL_SEED={seed} cargo test -p ringbook-journal --test simulation"
                        );
                    }
                }
            });
        }
    });
    let counts = [&CUTS, &FROM_TAILS, &CRASHED_OPENINGS, &CLEAN, &RAISED, &FRAMES].map(|count| count.load(Relaxed));
    println!(
        "{seeds} seeds: [cuts, recoveries from tails, crashes while opening, power cuts after a clean stop, raised terms, frames compared] = {counts:?}"
    );
    assert!(seeds < 1_000 || counts.iter().all(|&count| count > seeds / 100), "{counts:?}");
}
