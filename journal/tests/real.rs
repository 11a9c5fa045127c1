//! The real file system, threads, other mappings. Folders are temporary; nothing is awaited by sleeping a fixed time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringbook_journal::{
    AppendError, Appender, FollowerSlot, FrameKind, FrameMeta, Indexer, Journal, LiveJournal, OpenError, Opened,
    Options, ReadError, Reader, RealStorage, Sequence, Watermarks, WriterState, measure_raw_disk, stat, verify,
};
use tempfile::TempDir;

struct Home {
    data: TempDir,
    tails: TempDir,
}

impl Home {
    fn new() -> Home {
        // Tails in real shared memory where there is some; the files wherever tests may write.
        let tails = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Home { data: tempfile::tempdir().unwrap(), tails }
    }

    fn dir(&self) -> &Path {
        self.data.path()
    }

    fn options(&self) -> Options {
        Options { tail_dir: self.tails.path().to_path_buf(), binary_version: "test 1".to_string(), ..Options::small() }
    }

    fn open(&self) -> Result<Opened, OpenError> {
        Journal::open(self.dir(), RealStorage::new(), self.options())
    }

    fn reader(&self, from: u64) -> Reader {
        Reader::open(self.dir(), self.tails.path(), Sequence(from)).unwrap()
    }
}

struct ByCommand;
impl Indexer for ByCommand {
    fn streams(&self, command: &[u8], _events: &[u8], out: &mut Vec<u64>) {
        out.push(u64::from(command[0] % 8));
    }
}

fn payload(sequence: u64) -> [u8; 400] {
    std::array::from_fn(|index| (sequence as usize * 7 + index) as u8)
}

fn append(appender: &mut Appender) -> Sequence {
    let deadline = Instant::now() + Duration::from_secs(20);
    let sequence = appender.next_sequence().0;
    loop {
        match appender.begin() {
            Ok(area) => {
                area[..400].copy_from_slice(&payload(sequence));
                break;
            }
            Err(AppendError::NotReady) if Instant::now() < deadline => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    let meta = FrameMeta { time_ns: sequence, command_len: 16, rules: 1, kind: FrameKind::Command, payload_len: 400 };
    assert_eq!(appender.finish(meta).0, sequence);
    Sequence(sequence)
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn wait(watermarks: &Watermarks, sequence: Sequence) {
    let before = Sequence(sequence.0 - 1);
    assert!(watermarks.wait_committed_beyond(before, Duration::from_secs(20)) >= sequence);
}

fn check_all(reader: &mut Reader, last: u64) {
    let mut count = 0;
    while let Some(frame) = reader.next(Sequence::MAX).unwrap() {
        count += 1;
        assert_eq!(frame.sequence.0, count);
        assert_eq!([frame.command, frame.events].concat(), payload(count));
        assert!(frame.durable_at_append < frame.sequence);
    }
    assert_eq!(count, last);
}

#[test]
fn append_roll_seal_reopen() {
    let home = Home::new();
    let opened = home.open().unwrap();
    assert_eq!(opened.recovery.last_sequence, Sequence(0));
    let (mut appender, watermarks, background) = opened.journal.start(Arc::new(ByCommand), None);
    for _ in 0..1_000 {
        append(&mut appender);
    }
    wait(&watermarks, Sequence(1_000));
    until("the full segments are sealed", || watermarks.stat().segments.iter().filter(|s| s.sealed).count() >= 6);
    check_all(&mut watermarks.reader(Sequence(1)), 1_000);

    // Streams across sealed and active segments.
    let history = watermarks.history();
    until("everything is indexed", || history.indexed() == Sequence(1_000));
    let mut frames = history.frames_of(&[3, 5], Sequence(10), Sequence(990));
    let mut expected = (11..=990u64).filter(|s| matches!(payload(*s)[0] % 8, 3 | 5));
    while let Some(frame) = frames.next().unwrap() {
        assert_eq!(Some(frame.sequence.0), expected.next());
    }
    assert_eq!(expected.next(), None);
    background.stop();
    assert_eq!(watermarks.state(), WriterState::Stopped);
    drop((appender, watermarks, history, frames));

    let verified = verify(home.dir(), home.tails.path(), |_, _| {}).unwrap();
    assert_eq!((verified.frames, verified.last_sequence), (1_000, Sequence(1_000)));
    let stat = stat(home.dir(), home.tails.path()).unwrap();
    assert!(stat.chain_ok && !stat.has_writer);
    assert_eq!(stat.segments[0].binary_version.as_deref(), Some("test 1"));

    let opened = home.open().unwrap();
    assert_eq!(opened.recovery.last_sequence, Sequence(1_000));
    assert_eq!(opened.recovery.first_sequence, Sequence(1));
    check_all(&mut opened.journal.reader(Sequence(1)), 1_000);
    let mut reader = opened.journal.reader(Sequence(555));
    assert_eq!(reader.next(Sequence::MAX).unwrap().unwrap().sequence, Sequence(555));
    reader.seek(Sequence(7));
    assert_eq!(reader.next(Sequence::MAX).unwrap().unwrap().sequence, Sequence(7));
    assert_eq!(reader.next(Sequence(7)).unwrap(), None);
    let (mut appender, watermarks, _background) = opened.journal.start(Arc::new(ByCommand), None);
    assert_eq!(append(&mut appender), Sequence(1_001));
    wait(&watermarks, Sequence(1_001));
}

#[test]
fn a_reader_in_another_mapping_follows_live() {
    let home = Home::new();
    let (mut appender, watermarks, background) = home.open().unwrap().journal.start(Arc::new(ByCommand), None);
    append(&mut appender);
    let live = LiveJournal::attach(home.dir(), home.tails.path()).unwrap();
    let follower = live.reader(Sequence(1));
    let thread = std::thread::spawn(move || {
        let mut follower = follower;
        let mut count = 0u64;
        let deadline = Instant::now() + Duration::from_secs(30);
        while count < 2_000 {
            let limit = follower.visible().unwrap();
            let progressed = count;
            while let Some(frame) = follower.next(limit).unwrap() {
                count += 1;
                assert_eq!(frame.sequence.0, count);
                assert_eq!([frame.command, frame.events].concat(), payload(count));
            }
            if progressed == count {
                assert!(Instant::now() < deadline, "the follower has stopped at {count}");
                std::thread::yield_now();
            }
        }
    });
    for _ in 1..2_000 {
        append(&mut appender);
    }
    thread.join().unwrap();
    wait(&watermarks, Sequence(2_000));
    live.check().unwrap();
    background.stop();
    drop((appender, watermarks));
    // A new writer of the same boot: whoever followed the old one is told.
    let opened = home.open().unwrap();
    assert!(matches!(live.check(), Err(ReadError::WriterRestarted)));
    assert!(matches!(live.reader(Sequence(1)).next(Sequence::MAX), Err(ReadError::WriterRestarted)));
    drop(opened);
}

#[test]
fn a_second_writer_is_refused_and_told_by_whom() {
    let home = Home::new();
    let _opened = home.open().unwrap();
    let error = home.open().unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
}

#[test]
fn a_copy_of_a_living_journal_is_refused() {
    let home = Home::new();
    let _opened = home.open().unwrap();
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(home.dir().join("journal.id"), copy.path().join("journal.id")).unwrap();
    let error = Journal::open(copy.path(), RealStorage::new(), home.options()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
}

#[test]
fn retention_keeps_what_a_follower_has_not_passed_and_readers_keep_their_mapping() {
    let home = Home::new();
    let (mut appender, watermarks, _background) = home.open().unwrap().journal.start(Arc::new(ByCommand), None);
    for _ in 0..1_000 {
        append(&mut appender);
    }
    wait(&watermarks, Sequence(1_000));
    until("the full segments are sealed", || watermarks.stat().segments.iter().filter(|s| s.sealed).count() >= 6);
    let slot: FollowerSlot = watermarks.follow("projector", Sequence(300)).unwrap();
    let mut reader = watermarks.reader(Sequence(1));
    assert!(reader.next(Sequence::MAX).unwrap().is_some());
    let removed = watermarks.retain(Sequence(900)).unwrap();
    assert!(!removed.is_empty());
    assert!(watermarks.oldest() <= Sequence(301) && watermarks.oldest() > Sequence(1));
    assert_eq!(reader.next(Sequence::MAX).unwrap().unwrap().sequence, Sequence(2), "the mapping stays");
    let mut late = watermarks.reader(Sequence(1));
    assert!(matches!(late.next(Sequence::MAX), Err(ReadError::Gone { .. })));
    assert!(slot.passed(Sequence(1_000), watermarks.clock_ns()));
    assert!(watermarks.retain(Sequence(900)).unwrap().len() > 1);
    watermarks.retain(Sequence::MAX).unwrap();
    let sealed = watermarks.stat().segments.iter().filter(|s| s.sealed).count();
    assert_eq!(sealed, 1, "the hash chain needs its last link");
    let oldest = watermarks.oldest().0;
    drop((appender, watermarks, _background, reader, late, slot));
    let opened = home.open().unwrap();
    assert_eq!(opened.recovery.first_sequence, Sequence(oldest));
    assert_eq!(opened.recovery.last_sequence, Sequence(1_000));
}

#[test]
fn a_damaged_frame_is_refused_with_its_place() {
    let home = Home::new();
    let (mut appender, watermarks, background) = home.open().unwrap().journal.start(Arc::new(ByCommand), None);
    for _ in 0..100 {
        let sequence = append(&mut appender);
        wait(&watermarks, sequence);
    }
    background.stop();
    drop((appender, watermarks));
    // The machine starts anew: no tails.
    std::fs::remove_dir_all(home.tails.path()).unwrap();
    std::fs::create_dir_all(home.tails.path()).unwrap();
    let path = home.dir().join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4_096 + 448 * 10 + 100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = home.open().unwrap_err();
    let OpenError::Damage { offset, sequence, row, .. } = &error else { panic!("{error}") };
    assert_eq!((*offset, *sequence, *row), (4_096 + 448 * 10, 11, 6));
    let text = error.to_string();
    for part in ["00000000000000000001.seg", "8576", "sequence 11", "backup", "checksum"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing was modified");
    assert!(Reader::open(home.dir(), home.tails.path(), Sequence(1)).is_err());
}

#[test]
fn a_damaged_sidecar_is_built_again_and_a_changed_sealed_segment_is_damage() {
    let home = Home::new();
    let (mut appender, watermarks, background) = home.open().unwrap().journal.start(Arc::new(ByCommand), None);
    for _ in 0..400 {
        append(&mut appender);
    }
    wait(&watermarks, Sequence(400));
    until("two segments are sealed", || watermarks.stat().segments.iter().filter(|s| s.sealed).count() >= 2);
    background.stop();
    drop((appender, watermarks));
    let sidecar = home.dir().join("00000000000000000001.idx");
    let good = std::fs::read(&sidecar).unwrap();
    let mut bad = good.clone();
    bad[130] ^= 1;
    std::fs::write(&sidecar, &bad).unwrap();
    assert!(verify(home.dir(), home.tails.path(), |_, _| {}).is_err());
    let (appender, watermarks, background) = home.open().unwrap().journal.start(Arc::new(ByCommand), None);
    until("the sidecar is built again", || watermarks.stat().segments.iter().filter(|s| s.sealed).count() >= 2);
    background.stop();
    drop((appender, watermarks));
    assert_eq!(std::fs::read(&sidecar).unwrap(), good, "the same bytes as before");
    verify(home.dir(), home.tails.path(), |_, _| {}).unwrap();

    let segment = home.dir().join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let all = Options { verify_sealed: ringbook_journal::VerifySealed::All, ..home.options() };
    let error = Journal::open(home.dir(), RealStorage::new(), all).unwrap_err();
    assert!(matches!(error, OpenError::Damage { row: 9, .. }), "{error}");
    assert!(verify(home.dir(), home.tails.path(), |_, _| {}).is_err());
}

#[test]
fn a_reader_without_a_writer_sees_what_the_tail_still_holds() {
    let home = Home::new();
    let (mut appender, watermarks, agents) = home.open().unwrap().journal.start_stepped(Arc::new(ByCommand), None);
    for _ in 0..50 {
        append(&mut appender);
    }
    // The process dies before anything was synced.
    watermarks.set_state(WriterState::Stopped);
    drop((appender, watermarks, agents));
    check_all(&mut home.reader(1), 50);
    let opened = home.open().unwrap();
    assert_eq!(opened.recovery.last_sequence, Sequence(50));
    assert!(opened.recovery.from_tail_memory_bytes > 0);
}

#[test]
fn too_little_shared_memory_is_said_with_the_remedy() {
    let home = Home::new();
    let options = Options { segment_bytes: 1 << 34, ..home.options() };
    if let Err(error) = Journal::open(home.dir(), RealStorage::new(), options) {
        assert!(error.to_string().contains("tail_dir"), "{error}");
    }
}

#[test]
fn the_raw_disk_can_be_measured() {
    let dir = tempfile::tempdir().unwrap();
    let raw = measure_raw_disk(dir.path(), Duration::from_millis(50)).unwrap();
    assert!(raw.quantile_ns(0.5) > 0 && raw.quantile_ns(0.5) <= raw.quantile_ns(0.99));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_clean_stop_is_remembered_without_the_tails() {
    let home = Home::new();
    let forget_tails = || {
        std::fs::remove_dir_all(home.tails.path()).unwrap();
        std::fs::create_dir_all(home.tails.path()).unwrap();
    };
    let (mut appender, watermarks, background) = home.open().unwrap().journal.start(Arc::new(ByCommand), None);
    for _ in 0..10 {
        append(&mut appender);
    }
    background.stop();
    assert!(appender.begin().is_err(), "nothing is appended behind a clean stop");
    drop((appender, watermarks));
    forget_tails();
    let opened = home.open().unwrap();
    assert_eq!((opened.recovery.term, opened.recovery.continued), (1, true));
    assert_eq!(opened.recovery.last_sequence, Sequence(10));
    // This one ends without a stop.
    drop(opened);
    forget_tails();
    let opened = home.open().unwrap();
    assert_eq!((opened.recovery.term, opened.recovery.continued), (2, false));
}
