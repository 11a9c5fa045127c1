//! Recovery, verification and time travel over journals that the real engine wrote.

mod common;

use common::{TIGHT, WIDE, World, Writer};
use ringbook_core::Engine;
use ringbook_journal::Sequence;
use ringbook_replay::{
    BeyondEnd, Executor, Folder, History, RecoverOptions, Recovered, ReplayError, VerifyOptions, binding_of, recover,
    state_at, verify,
};
use ringbook_snapshot::{Binding, Store};
use std::time::{Duration, Instant};

fn dry_run(folder: &Folder, options: RecoverOptions) -> Result<Recovered, ReplayError> {
    let mut reader = folder.reader(1)?;
    let last = reader.committed()?.0;
    recover(&mut reader, last, &folder.history()?, &folder.store(), &options, &mut |_| {})
}

/// Writes snapshots at these sequences by replaying the folder; the binding of the last one.
fn snapshots_at(folder: &Folder, store: &Store, sequences: &[u64]) -> Binding {
    let history = folder.history().unwrap();
    let mut reader = folder.reader(1).unwrap();
    let mut executor = Executor::new(Engine::new());
    let mut binding = Binding::default();
    while let Some(frame) = reader.next(Sequence(*sequences.last().unwrap())).unwrap() {
        executor.step(&frame).unwrap();
        if sequences.contains(&frame.sequence.0) {
            binding = binding_of(&frame, &history);
            store.write(&executor.engine().image(), &binding).unwrap();
        }
    }
    binding
}

#[test]
fn recovery_gives_the_state_that_the_engine_had() {
    for (seed, event_bytes) in [(1, TIGHT), (2, WIDE), (3, TIGHT)] {
        let world = World::new();
        let mut writer = Writer::new(&world, seed, event_bytes);
        let last = writer.run(600);
        let engine = writer.close();
        let folder = world.folder();
        let recovered = dry_run(&folder, RecoverOptions::default()).unwrap();
        assert_eq!((recovered.snapshot_sequence, recovered.last_sequence), (0, last), "seed {seed}");
        assert_eq!(recovered.frames_replayed, last);
        assert_eq!(recovered.state_hash, engine.state_hash(), "seed {seed}");

        // From a snapshot, also inside the writer's process, before its threads start.
        snapshots_at(&folder, &folder.store(), &[last / 2, last - 10]);
        let opened = world.open();
        let history = History::from(&opened.journal);
        let mut reader = opened.journal.reader(Sequence(1));
        let mut calls = 0;
        let recovered =
            recover(&mut reader, last, &history, &folder.store(), &RecoverOptions::default(), &mut |_| calls += 1)
                .unwrap();
        assert_eq!((recovered.snapshot_sequence, recovered.frames_replayed), (last - 10, 10));
        assert_eq!(recovered.state_hash, engine.state_hash());
        assert!(recovered.binding.is_some() && calls >= 3);
    }
}

#[test]
fn an_empty_journal_recovers_to_nothing() {
    let world = World::new();
    drop(world.open());
    let recovered = dry_run(&world.folder(), RecoverOptions::default()).unwrap();
    assert_eq!((recovered.last_sequence, recovered.frames_replayed), (0, 0));
    assert_eq!(recovered.binding, None);
}

#[test]
fn a_snapshot_that_fails_gives_way_to_an_older_one() {
    let world = World::with_commands(4, WIDE, 400);
    let folder = world.folder();
    let store = folder.store();
    snapshots_at(&folder, &store, &[100, 200, 300]);
    let path = store.path_of(300);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[777] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let recovered = dry_run(&folder, RecoverOptions::default()).unwrap();
    assert_eq!(recovered.snapshot_sequence, 200);
    assert_eq!(recovered.rejected.len(), 1);
    assert!(recovered.rejected[0].why.contains("300.snap"), "{}", recovered.rejected[0].why);
}

#[test]
fn a_snapshot_of_another_history_is_not_used() {
    let world = World::with_commands(5, WIDE, 300);
    let folder = world.folder();
    let store = folder.store();
    let binding = snapshots_at(&folder, &store, &[200]);
    let image = store.load(200).unwrap().image;
    type Change = fn(&mut Binding);
    let changes: [(&str, Change); 3] =
        [("chain", |b| b.chain ^= 1), ("uuid", |b| b.uuid[3] ^= 1), ("term", |b| b.term += 1)];
    for (what, change) in changes {
        let mut other = binding;
        change(&mut other);
        store.write(&image, &other).unwrap();
        let recovered = dry_run(&folder, RecoverOptions::default()).unwrap();
        assert_eq!((recovered.snapshot_sequence, recovered.rejected.len()), (0, 1), "{what}");
        let verified = verify(&folder, &VerifyOptions::default(), None, &mut |_, _| {}).unwrap();
        assert_eq!(verified.mismatches, 1, "{what}");
    }
}

#[test]
fn a_snapshot_beyond_the_end_is_refused_under_durable() {
    let world = World::with_commands(6, WIDE, 300);
    let folder = world.folder();
    let store = folder.store();
    let binding = snapshots_at(&folder, &store, &[200]);
    let mut image = store.load(200).unwrap().image;
    image.sequence = 1_000_000;
    store.write(&image, &binding).unwrap();
    let error = dry_run(&folder, RecoverOptions::default()).unwrap_err();
    assert!(matches!(error, ReplayError::SnapshotBeyondEnd { snapshot: 1_000_000, .. }), "{error}");
    let skip = RecoverOptions { beyond_end: BeyondEnd::Skip };
    let recovered = dry_run(&folder, skip).unwrap();
    assert_eq!((recovered.snapshot_sequence, recovered.rejected.len()), (200, 1));
}

#[test]
fn a_difference_names_the_first_sequence_and_both_lists() {
    let world = World::new();
    let mut writer = Writer::new(&world, 7, WIDE);
    writer.wrong_from = 150;
    writer.run(300);
    writer.close();
    let folder = world.folder();
    let error = dry_run(&folder, RecoverOptions::default()).unwrap_err();
    let ReplayError::Diverged(divergence) = &error else { panic!("{error}") };
    assert_eq!(divergence.sequence, 150);
    assert_eq!(divergence.recorded.len(), divergence.replayed.len());
    assert!(divergence.first_difference() < divergence.recorded.len());
    let text = error.to_string();
    for part in ["sequence 150", "in the journal", "replayed", "rules: 1 in the journal, 1 here", "Start the binary"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let verified = verify(&folder, &VerifyOptions::default(), None, &mut |_, _| {}).unwrap();
    assert_eq!((verified.mismatches, verified.frames), (1, 149));
    assert!(!verified.ok() && verified.findings[0].contains("sequence 150"));
}

#[test]
fn verify_compares_every_event_and_every_snapshot() {
    let world = World::with_commands(8, TIGHT, 500);
    let folder = world.folder();
    let store = folder.store();
    snapshots_at(&folder, &store, &[100, 200, 300]);
    let verified = verify(&folder, &VerifyOptions { from_genesis: true }, None, &mut |_, _| {}).unwrap();
    assert!(verified.ok(), "{:?}", verified.findings);
    assert_eq!((verified.snapshots_checked, verified.started_after), (3, 0));
    assert_eq!(verified.frames, verified.last_sequence);
    assert!(verified.events > verified.frames && verified.frames_per_s > 0.0);
    // A snapshot that is whole, bound to the right frame, and holds another state.
    let loaded = store.load(300).unwrap();
    let mut image = loaded.image;
    image.accounts.last_mut().unwrap().evicted += 1;
    store.write(&image, &loaded.header.binding).unwrap();
    let verified = verify(&folder, &VerifyOptions::default(), None, &mut |_, _| {}).unwrap();
    assert_eq!((verified.mismatches, verified.snapshots_checked), (1, 3));
}

#[test]
fn time_travel_reaches_every_sequence() {
    let world = World::with_commands(9, TIGHT, 200);
    let folder = world.folder();
    snapshots_at(&folder, &folder.store(), &[60, 120]);
    let mut reader = folder.reader(1).unwrap();
    let last = reader.committed().unwrap().0;
    let mut executor = Executor::new(Engine::new());
    while let Some(frame) = reader.next(Sequence(last)).unwrap() {
        executor.step(&frame).unwrap();
        let sequence = frame.sequence.0;
        if sequence.is_multiple_of(13) || sequence == last {
            let state = state_at(&folder, Some(sequence), &mut |_, _| {}).unwrap();
            assert_eq!(state.engine.state_hash(), executor.engine().state_hash(), "sequence {sequence}");
            let nearest = [0, 60, 120].into_iter().rfind(|&at| at <= sequence).unwrap();
            assert_eq!(state.snapshot_sequence, nearest);
        }
    }
    assert_eq!(state_at(&folder, None, &mut |_, _| {}).unwrap().engine.sequence().0, last);
    let error = state_at(&folder, Some(last + 1), &mut |_, _| {}).err().unwrap();
    assert!(matches!(error, ReplayError::OutOfRange { .. }));
}

/// The oldest segments were moved to an archive: every refusal says what can still be had, and what would help.
#[test]
fn an_archived_beginning_is_told_with_what_helps() {
    let world = World::new();
    let mut writer = Writer::new(&world, 10, WIDE);
    writer.run(4_000);
    writer.settle();
    let folder = world.folder();
    // Only a sealed segment may go to an archive.
    let sealed = folder.journal().join(format!("{:020}.idx", 1));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !sealed.exists() {
        assert!(Instant::now() < deadline, "the first segment is not sealed");
        std::thread::yield_now();
    }
    writer.close();
    let segments = ringbook_journal::stat(&folder.journal(), folder.tails()).unwrap().segments;
    assert!(segments.len() >= 3, "{} segments", segments.len());
    let (first, last) = (segments[1].base, segments[2].base);
    let (below, above) = (first - 10, first + 10);
    snapshots_at(&folder, &folder.store(), &[below, above, last]);
    for ending in ["seg", "idx"] {
        std::fs::remove_file(folder.journal().join(format!("{:020}.{ending}", segments[0].base))).unwrap();
    }
    assert_eq!(folder.first_sequence().unwrap(), first);
    // The frame of a snapshot at or above the first sequence is there, so it can be proven.
    assert_eq!(state_at(&folder, Some(above + 1), &mut |_, _| {}).unwrap().snapshot_sequence, above);
    for asked in [1, below, first, above - 1] {
        let error = state_at(&folder, Some(asked), &mut |_, _| {}).err().unwrap();
        assert!(
            matches!(error, ReplayError::Archived { first: begins, earliest: Some(at), .. } if (begins, at) == (first, above)),
            "{asked}: {error}"
        );
    }
    let verified = verify(&folder, &VerifyOptions::default(), None, &mut |_, _| {}).unwrap();
    assert_eq!(verified.started_after, above);
    let error = verify(&folder, &VerifyOptions { from_genesis: true }, None, &mut |_, _| {}).err().unwrap();
    assert!(matches!(error, ReplayError::NotFromGenesis { first: begins } if begins == first), "{error}");
}
