//! Errors of the disk, a full disk, and the bugs that other journals have had. Each test begins with its story.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringbook_journal::sim::SimStorage;
use ringbook_journal::{
    Agents, AppendError, Appender, FrameKind, FrameMeta, Journal, NoStreams, OpenError, Options, RecoveryReport,
    Sequence, Storage, Watermarks, WriterState,
};

const DIR: &str = "/data/journal";
const FIRST: &str = "/data/journal/00000000000000000001.seg";
/// Bytes of every frame in these tests.
const FRAME: usize = 48 + 400;

fn options() -> Options {
    Options { tail_dir: PathBuf::from("/tails"), ..Options::small() }
}

struct Process {
    appender: Appender,
    watermarks: Watermarks,
    agents: Agents,
    recovery: RecoveryReport,
}

fn try_start(sim: &SimStorage, options: Options) -> Result<Process, OpenError> {
    let opened = Journal::open(Path::new(DIR), sim.process(), options)?;
    let (appender, watermarks, agents) = opened.journal.start_stepped(Arc::new(NoStreams), None);
    Ok(Process { appender, watermarks, agents, recovery: opened.recovery })
}

fn start(sim: &SimStorage) -> Process {
    try_start(sim, options()).unwrap()
}

fn append_filled(appender: &mut Appender, fill: u8) -> Result<Sequence, AppendError> {
    appender.begin()?[..400].fill(fill);
    let meta = FrameMeta { time_ns: 5, command_len: 400, rules: 1, kind: FrameKind::Command, payload_len: 400 };
    Ok(appender.finish(meta))
}

fn fills(watermarks: &Watermarks) -> Vec<u8> {
    let mut reader = watermarks.reader(Sequence(1));
    let mut out = Vec::new();
    while let Some(frame) = reader.next(Sequence::MAX).unwrap() {
        out.push(frame.command[0]);
    }
    out
}

#[test]
fn a_failed_sync_latches() {
    // fsyncgate: after a failed fsync the next one may succeed although the data is gone. So the first error is final.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    append_filled(&mut process.appender, 1).unwrap();
    process.agents.poll_all();
    assert_eq!(process.watermarks.durable(), Sequence(1));
    append_filled(&mut process.appender, 2).unwrap();
    sim.fail_after(0);
    process.agents.poll_all();
    assert_eq!(process.watermarks.state(), WriterState::Failed);
    // The disk works again; the journal does not believe it.
    for _ in 0..10 {
        process.agents.poll_all();
    }
    assert_eq!(process.watermarks.durable(), Sequence(1), "nothing is called durable after the error");
    let error = process.appender.begin().unwrap_err();
    assert!(matches!(&error, AppendError::Failed { reason } if reason.contains("write and sync")), "{error}");
    process.watermarks.set_state(WriterState::Running);
    assert!(process.appender.begin().is_err(), "failed is final");
    drop(process);
    sim.kill();
    let process = start(&sim);
    assert_eq!(process.recovery.last_sequence, Sequence(2), "the process died, the tail did not");
}

#[test]
fn an_error_at_every_single_operation_never_gives_a_false_durable() {
    // Each write, sync, rename in turn fails; then the power fails too. What was called durable is there.
    for operation in 0..120 {
        let sim = SimStorage::new(operation);
        let mut process = start(&sim);
        sim.fail_after(operation);
        for fill in 0..200u8 {
            let _ = append_filled(&mut process.appender, fill);
            process.agents.poll_all();
        }
        let durable = process.watermarks.durable();
        drop(process);
        sim.power_cut(operation);
        let process = start(&sim);
        assert!(process.recovery.last_sequence >= durable, "operation {operation}");
    }
}

#[test]
fn a_full_disk_stops_and_goes_on_by_itself() {
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    process.agents.poll_all();
    sim.set_free_space(30_000);
    let mut count = 0;
    let error = loop {
        match append_filled(&mut process.appender, 1) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        process.agents.poll_all();
    };
    assert_eq!(error, AppendError::Full);
    assert!(process.watermarks.space_low());
    assert!(count > 200, "the prepared segment is used up first: {count}");
    assert_eq!(process.watermarks.state(), WriterState::Running);
    process.agents.poll_all();
    assert_eq!(process.watermarks.durable(), Sequence(count), "what was accepted is made durable");
    sim.set_free_space(10_000_000);
    process.agents.poll_all();
    assert!(!process.watermarks.space_low());
    append_filled(&mut process.appender, 1).unwrap();
}

#[test]
fn a_segment_that_cannot_be_sealed_on_a_full_disk_is_sealed_later() {
    // A sidecar needs room too. Sealing is nobody's hurry: cancels must go on while there is a spare.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    process.agents.poll_all();
    sim.set_free_space(0);
    let sealed = |process: &Process| process.watermarks.stat().segments.iter().filter(|segment| segment.sealed).count();
    while process.watermarks.stat().segments.len() < 2 {
        append_filled(&mut process.appender, 1).unwrap();
        process.agents.poll_all();
    }
    append_filled(&mut process.appender, 1).unwrap();
    process.agents.poll_all();
    assert_eq!((process.watermarks.state(), sealed(&process)), (WriterState::Running, 0));
    sim.set_free_space(10_000_000);
    process.agents.poll_all();
    assert_eq!((process.watermarks.state(), sealed(&process)), (WriterState::Running, 1));
}

#[test]
fn a_reader_in_front_of_a_removed_segment_is_told() {
    // It stood at the end of a segment when the next one was removed: "nothing yet" would have been for ever.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    let fill = |process: &mut Process, segments: usize| {
        while process.watermarks.stat().segments.len() < segments {
            let _ = append_filled(&mut process.appender, 1);
            process.agents.poll_all();
        }
    };
    fill(&mut process, 2);
    let first = process.watermarks.stat().segments[0].last.unwrap();
    let mut reader = process.watermarks.reader(Sequence(1));
    while reader.next_sequence().0 <= first {
        reader.next(Sequence(first)).unwrap();
    }
    fill(&mut process, 5);
    process.watermarks.retain(Sequence(u64::MAX)).unwrap();
    let error = reader.next(Sequence::MAX).unwrap_err();
    assert!(matches!(error, ringbook_journal::ReadError::Gone { sequence, .. } if sequence == first + 1), "{error}");
}

#[test]
fn too_little_memory_for_the_tails() {
    let sim = SimStorage::new(1);
    sim.set_tail_free_space(100_000);
    let error = try_start(&sim, options()).err().unwrap();
    assert!(matches!(error, OpenError::TailSpace { needed: 131_072, .. }), "{error}");
    assert!(error.to_string().contains("`tail_dir`"), "{error}");
}

#[test]
fn an_io_error_is_not_the_end_of_the_journal() {
    // A peer took every read error for the end of the file, and cut a journal that a bad cable had hidden.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    append_filled(&mut process.appender, 1).unwrap();
    process.agents.poll_all();
    drop(process);
    let dead = sim.process();
    sim.kill();
    // The old handle answers errors to everything, as a disk that has gone would.
    let error = Journal::open(Path::new(DIR), dead, options()).err().unwrap();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert_eq!(start(&sim).recovery.last_sequence, Sequence(1));
}

#[test]
fn a_bad_checksum_below_durable_is_damage_and_above_it_a_cut() {
    // A peer cut the last file at any checksum error, although later frames proved that the sequence was durable.
    let check = |synced_each: bool, expect_damage: bool| {
        let sim = SimStorage::new(1);
        let mut process = start(&sim);
        for fill in 0..10 {
            append_filled(&mut process.appender, fill).unwrap();
            if synced_each {
                process.agents.poll_all();
            }
        }
        process.agents.poll_all();
        drop(process);
        sim.power_cut(1);
        sim.damage(Path::new(FIRST), 4_096 + 5 * FRAME + 60, &[0xFF]);
        let before = sim.bytes(Path::new(FIRST)).unwrap();
        match try_start(&sim, options()) {
            Err(error) => {
                assert!(expect_damage, "{error}");
                let OpenError::Damage { sequence, offset, known_durable, row, .. } = error else { panic!("{error}") };
                assert_eq!((sequence, offset, known_durable, row), (6, 4_096 + 5 * FRAME as u64, 9, 6));
                assert_eq!(sim.bytes(Path::new(FIRST)).unwrap(), before, "nothing was modified");
            }
            Ok(process) => {
                assert!(!expect_damage);
                assert_eq!(process.recovery.last_sequence, Sequence(5));
                assert_eq!(fills(&process.watermarks), [0, 1, 2, 3, 4]);
                let cut = sim.bytes(&process.recovery.cut_file.unwrap()).unwrap();
                assert_eq!(cut, before[4_096 + 5 * FRAME..][..cut.len()], "what was cut is kept aside");
                assert!(before[4_096 + 5 * FRAME + cut.len()..].iter().all(|&byte| byte == 0));
            }
        }
    };
    check(true, true);
    check(false, false);
}

#[test]
fn frames_of_an_old_history_do_not_come_back() {
    // The fork: frames 6 (torn) to 10 are cut, a new frame 6 of the same length is written, and the old 7 to 10
    // still lie behind it in the file. A journal that checks sequence and checksum alone takes them for its own.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    for fill in 0..10 {
        append_filled(&mut process.appender, fill).unwrap();
    }
    process.agents.poll_all();
    drop(process);
    sim.power_cut(1);
    let old = sim.bytes(Path::new(FIRST)).unwrap();
    sim.damage(Path::new(FIRST), 4_096 + 5 * FRAME + 60, &[0xFF]);
    let mut process = start(&sim);
    append_filled(&mut process.appender, 66).unwrap();
    process.agents.poll_all();
    assert_eq!(fills(&process.watermarks), [0, 1, 2, 3, 4, 66]);
    drop(process);
    sim.power_cut(2);
    // First defence: the cut was zeroed.
    let process = start(&sim);
    assert_eq!(fills(&process.watermarks), [0, 1, 2, 3, 4, 66]);
    assert!(process.recovery.cut_file.is_none());
    drop(process);
    sim.power_cut(3);
    // Second defence, if the zeros had been lost: the old frames do not continue the new frame 6.
    let behind = 4_096 + 6 * FRAME;
    sim.damage(Path::new(FIRST), behind, &old[behind..behind + 4 * FRAME]);
    let process = start(&sim);
    assert_eq!(fills(&process.watermarks), [0, 1, 2, 3, 4, 66]);
    assert!(process.recovery.cut_file.is_some());
}

#[test]
fn leftovers_of_every_name_do_not_stop_a_restart() {
    // "File already exists" at the restart after a crash in the middle of a roll-over.
    let sim = SimStorage::new(1);
    drop(start(&sim));
    sim.kill();
    let process = sim.process();
    let names = [
        "spare-00000000000000000000.seg",
        "spare-00000000000000000000.seg.tmp",
        "spare-00000000000000000001.seg",
        "journal.id.tmp",
        "00000000000000000001.seg.tmp",
        "00000000000000000001.idx.tmp",
    ];
    for name in names {
        process.create(&Path::new(DIR).join(name)).unwrap().write_at(&[0; 100], 0).unwrap();
    }
    // And a segment that has its name but no header yet.
    process.create(Path::new(FIRST)).unwrap().write_zeros(0, 65_536).unwrap();
    drop(process);
    let mut process = start(&sim);
    for fill in 0..200 {
        while append_filled(&mut process.appender, fill) == Err(AppendError::NotReady) {
            process.agents.poll_all();
        }
        process.agents.poll_all();
    }
    assert_eq!(process.watermarks.durable(), Sequence(200));
    drop(process);
    sim.power_cut(1);
    assert_eq!(start(&sim).recovery.last_sequence, Sequence(200));
}

#[test]
fn a_kill_between_roll_over_and_the_first_sync_of_the_new_segment_loses_nothing() {
    // The new segment's file still has a spare's name; only its tail knows which segment it is.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    while process.agents.preparer.poll() == ringbook_journal::Poll::Worked {}
    for fill in 0..180 {
        append_filled(&mut process.appender, fill).unwrap();
    }
    assert_eq!(process.watermarks.durable(), Sequence(0));
    drop(process);
    sim.kill();
    let process = start(&sim);
    assert_eq!(process.recovery.last_sequence, Sequence(180));
    assert_eq!(process.recovery.segments, 2);
    assert_eq!(fills(&process.watermarks), (0..180).collect::<Vec<u8>>());
    // And what recovery took from the tails is durable.
    drop(process);
    sim.power_cut(9);
    assert_eq!(start(&sim).recovery.last_sequence, Sequence(180));
}

#[test]
fn larger_frames_after_a_change_of_settings() {
    // The active segment was made for shorter frames: it is closed, whether it holds frames or is empty.
    for frames in [0u8, 3] {
        let sim = SimStorage::new(1);
        let mut process = start(&sim);
        for fill in 0..frames {
            append_filled(&mut process.appender, fill).unwrap();
        }
        process.agents.poll_all();
        drop(process);
        sim.kill();
        let larger = Options { max_frame_bytes: 8_192, segment_bytes: 128 * 1_024, ..options() };
        let mut process = try_start(&sim, larger).unwrap();
        process.agents.poll_all();
        assert_eq!(process.appender.begin().unwrap().len(), 8_192 - 48);
        append_filled(&mut process.appender, 9).unwrap();
        process.agents.poll_all();
        assert_eq!(process.watermarks.state(), WriterState::Running, "{:?}", process.watermarks.failure());
        assert_eq!(process.watermarks.durable(), Sequence(u64::from(frames) + 1));
        drop(process);
        sim.power_cut(4);
        assert_eq!(start(&sim).recovery.last_sequence, Sequence(u64::from(frames) + 1));
    }
}

#[test]
fn sequences_and_settings_that_cannot_be() {
    let check = |options: Options, setting: &str| {
        let error = try_start(&SimStorage::new(1), options).err().unwrap();
        assert!(error.to_string().contains(setting), "{error}");
    };
    check(Options { segment_bytes: 4_096, ..options() }, "segment_bytes");
    check(Options { segment_bytes: 65_536 + 512, ..options() }, "segment_bytes");
    check(Options { max_frame_bytes: 61_400, ..options() }, "65544");
    check(Options { max_frame_bytes: 4_097, ..options() }, "max_frame_bytes");
    check(Options { spares: 0, ..options() }, "spares");
    let sim = SimStorage::new(1);
    drop(start(&sim));
    sim.kill();
    let error = try_start(&sim, Options { shard: 7, ..options() }).err().unwrap();
    assert!(error.to_string().contains("shard"), "{error}");
}

#[test]
fn a_segment_whose_only_frame_was_torn_is_begun_anew() {
    // Header durable, first frame cut: were the segment kept, a change of `max_frame_bytes` would close it empty, and
    // the next one would have the same base and the same name.
    let sim = SimStorage::new(1);
    let mut process = start(&sim);
    append_filled(&mut process.appender, 1).unwrap();
    process.agents.syncer.poll();
    drop(process);
    sim.power_cut(1);
    sim.damage(Path::new(FIRST), 4_096 + 60, &[0xFF]);
    let larger = Options { max_frame_bytes: 8_192, segment_bytes: 128 * 1_024, ..options() };
    let mut process = try_start(&sim, larger).unwrap();
    assert_eq!(process.recovery.last_sequence, Sequence(0));
    assert_eq!(process.recovery.segments, 0);
    process.agents.poll_all();
    append_filled(&mut process.appender, 2).unwrap();
    process.agents.poll_all();
    drop(process);
    sim.power_cut(2);
    assert_eq!(fills(&start(&sim).watermarks), [2]);
}
