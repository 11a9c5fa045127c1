//! Terms: raised where frames may have been lost, kept where they cannot. Each test is one way in which a writer ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringbook_journal::format::segment::SegmentHeader;
use ringbook_journal::format::term::TermRecord;
use ringbook_journal::sim::SimStorage;
use ringbook_journal::{
    Agents, AppendError, Appender, FrameKind, FrameMeta, Journal, NoStreams, OpenError, Options, ReadError,
    RecoveryReport, Sequence, Storage, Watermarks,
};

const DIR: &str = "/data/journal";
const TERM: &str = "/data/journal/term";

struct Process {
    appender: Appender,
    watermarks: Watermarks,
    agents: Agents,
    recovery: RecoveryReport,
}

impl Process {
    fn append(&mut self) -> (u32, u64) {
        while self.appender.begin() == Err(AppendError::NotReady) {
            self.agents.preparer.poll();
        }
        self.appender.begin().unwrap()[..400].fill(7);
        let kind = FrameKind::Command;
        let meta = FrameMeta { time_ns: 5, command_len: 400, rules: 1, kind, payload_len: 400 };
        let sequence = self.appender.finish(meta).0;
        (self.appender.term(), sequence)
    }
}

fn start(sim: &SimStorage) -> Process {
    let options = Options { tail_dir: PathBuf::from("/tails"), ..Options::small() };
    let opened = Journal::open(Path::new(DIR), sim.process(), options).unwrap();
    let (appender, watermarks, agents) = opened.journal.start_stepped(Arc::new(NoStreams), None);
    Process { appender, watermarks, agents, recovery: opened.recovery }
}

fn check(process: &Process, term: u32, continued: bool) {
    assert_eq!((process.recovery.term, process.recovery.continued), (term, continued), "{:?}", process.recovery);
    assert_eq!(process.appender.term(), term);
    assert_eq!(process.watermarks.page().term(), term);
}

fn record(sim: &SimStorage) -> TermRecord {
    TermRecord::decode(&sim.bytes(Path::new(TERM)).unwrap()).unwrap()
}

fn terms(watermarks: &Watermarks) -> Vec<u32> {
    let mut reader = watermarks.reader(Sequence(1));
    let mut out = Vec::new();
    while let Some(frame) = reader.next(Sequence::MAX).unwrap() {
        out.push(frame.term);
    }
    out
}

#[test]
fn a_kill_keeps_the_term() {
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    check(&process, 1, true);
    for _ in 0..3 {
        process.append();
    }
    drop(process);
    sim.kill();
    let process = start(&sim);
    check(&process, 1, true);
    assert_eq!(process.recovery.last_sequence, Sequence(3));
}

#[test]
fn a_clean_stop_keeps_the_term_through_a_power_cut() {
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    process.append();
    process.agents.finish();
    assert!(process.appender.begin().is_err(), "nothing is appended behind a clean stop");
    drop(process);
    let stopped = record(&sim);
    assert!(stopped.stopped);
    assert_eq!((stopped.term, stopped.sequence), (1, 1));
    sim.power_cut(1);
    let process = start(&sim);
    check(&process, 1, true);
    assert!(!record(&sim).stopped, "the record is taken back before anybody can append");
    // This writer was not stopped.
    drop(process);
    sim.power_cut(2);
    check(&start(&sim), 2, false);
}

#[test]
fn a_last_frame_that_is_damaged_after_a_clean_stop_is_missed() {
    // Nothing behind the last frame says that it was durable; the record does, also when the machine was started anew.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    for _ in 0..3 {
        process.append();
    }
    process.agents.finish();
    drop(process);
    sim.power_cut(1);
    let segment = Path::new(DIR).join(ringbook_journal::format::segment_name(1));
    let whole = sim.bytes(&segment).unwrap();
    let last = whole.iter().rposition(|&byte| byte != 0).unwrap();
    sim.damage(&segment, last - 8, &[0xFF; 4]);
    let options = || Options { tail_dir: PathBuf::from("/tails"), ..Options::small() };
    match Journal::open(Path::new(DIR), sim.process(), options()) {
        Err(OpenError::Damage { sequence: 3, known_durable: 3, row: 6, .. }) => {}
        other => panic!("{other:?}"),
    }
    let seen = ringbook_journal::verify_with(sim.process(), Path::new(DIR), Path::new("/tails"), |_, _| {});
    assert!(matches!(seen, Err(ReadError::Damaged { sequence: 3, .. })), "{seen:?}");
    sim.damage(&segment, last - 8, &whole[last - 8..last - 4]);
    check(&start(&sim), 1, true);
}

#[test]
fn a_clean_stop_of_an_empty_journal() {
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    process.agents.finish();
    drop(process);
    sim.power_cut(1);
    check(&start(&sim), 1, true);
}

#[test]
fn tokens_of_lost_frames_are_told_apart_even_when_their_term_left_no_frame() {
    // Frames of term 2 are handed out (ack `written`), and all of them are lost: nothing in the segments tells that
    // term 2 ever was. The next writer must not give the same tokens again.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    process.append();
    process.agents.poll_all();
    drop(process);
    let mut tokens = std::collections::HashSet::new();
    for cut in 0..5u32 {
        sim.power_cut(u64::from(cut));
        let mut process = start(&sim);
        check(&process, cut + 2, false);
        assert_eq!(process.recovery.last_sequence, Sequence(1));
        assert_eq!(process.recovery.last_term, 1);
        for _ in 0..3 {
            assert!(tokens.insert(process.append()));
        }
        drop(process);
    }
}

#[test]
fn a_lost_tail_raises_the_term() {
    // Somebody cleans /dev/shm while the writer is down: of the same boot, but not everything is there.
    for page_too in [false, true] {
        let sim = SimStorage::new(1);
        let mut process = start(&sim);
        process.append();
        process.agents.poll_all();
        process.append();
        drop(process);
        sim.kill();
        let storage = sim.process();
        let tails = storage.tail_list(Path::new("/tails")).unwrap();
        assert!(tails.is_empty(), "they lie in a folder of their own");
        let identity = sim.bytes(Path::new("/data/journal/journal.id")).unwrap();
        let folder = format!("/tails/ringbook-{}", ringbook_journal::format::hex(&identity[16..32]));
        for name in storage.tail_list(Path::new(&folder)).unwrap() {
            if page_too || name.ends_with(".tail") {
                storage.tail_remove(&Path::new(&folder).join(name)).unwrap();
            }
        }
        let process = start(&sim);
        check(&process, 2, false);
        assert_eq!(process.recovery.last_sequence, Sequence(1));
    }
}

#[test]
fn a_damaged_record_raises_the_term_above_all_that_are_known() {
    let sim = SimStorage::new(1);
    for cut in 0..3 {
        let mut process = start(&sim);
        process.append();
        process.agents.finish();
        drop(process);
        sim.power_cut(cut);
        check(&start(&sim), 1 + cut as u32, true);
        sim.power_cut(cut);
        sim.damage(Path::new(TERM), 16, &[9]);
        check(&start(&sim), 2 + cut as u32, false);
        sim.kill();
    }
}

#[test]
fn segments_carry_the_term_of_their_writer() {
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    for _ in 0..100 {
        process.append();
    }
    process.agents.poll_all();
    drop(process);
    sim.power_cut(1);
    let mut process = start(&sim);
    check(&process, 2, false);
    for _ in 0..100 {
        process.append();
        process.agents.poll_all();
    }
    let expected: Vec<u32> = [1; 100].into_iter().chain([2; 100]).collect();
    assert_eq!(terms(&process.watermarks), expected);
    let bases: Vec<u64> = process.watermarks.stat().segments.iter().map(|segment| segment.base).collect();
    let headers = bases.iter().map(|base| {
        let path = Path::new(DIR).join(ringbook_journal::format::segment_name(*base));
        SegmentHeader::decode(&sim.bytes(&path).unwrap()).unwrap().term
    });
    assert_eq!(headers.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_term_that_was_raised_by_hand_is_remembered() {
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    process.appender.set_term(5);
    process.agents.finish();
    drop(process);
    sim.kill();
    let process = start(&sim);
    check(&process, 5, true);
    drop(process);
    sim.power_cut(1);
    check(&start(&sim), 6, false);
}
