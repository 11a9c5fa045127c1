//! The store over a real folder, and over a disk that fails where a test says so.

use ringbook_core::Engine;
use ringbook_core::image::{Image, SCHEMA};
use ringbook_event::Origin;
use ringbook_oracle::generate::{Feature, Generator};
use ringbook_snapshot::{Binding, Disk, HEADER_BYTES, Header, RealDisk, SnapshotError, Store, decode, encode};
use ringbook_wire::message::{Continue, Message};
use ringbook_wire::{Sequence, TimestampNs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use zerocopy::IntoBytes;

/// The state after some random commands.
fn engine(commands: usize) -> Engine {
    let mut generator = Generator::new(11).with(Feature::Perpetual);
    let mut engine = Engine::new();
    let mut buffer = vec![0; 1 << 20];
    let mut apply = |engine: &mut Engine, clock: u64, origin: Origin, message: &[u8]| {
        let command = [origin.as_bytes(), message].concat();
        let (sequence, time) = (Sequence(engine.sequence().0 + 1), TimestampNs(clock.max(engine.time().0)));
        let written = engine.apply(sequence, time, &command, &mut buffer).unwrap();
        ringbook_event::events(&buffer[..written]).map(Result::unwrap).collect::<Vec<_>>()
    };
    apply(&mut engine, 1, Origin::INTERNAL, generator.genesis().as_bytes());
    for _ in 0..commands {
        let command = generator.next_command();
        let seen = apply(&mut engine, command.time_ns, command.origin, &command.message);
        while let Some(due) = engine.continuation() {
            let message = Continue { of: due.of, ..Continue::new(due.request) };
            apply(&mut engine, 0, due.origin, message.as_bytes());
        }
        generator.observe(&seen);
    }
    engine
}

fn image(commands: usize) -> (Image, Binding) {
    let image = engine(commands).image();
    let binding = Binding { uuid: [7; 16], term: 1, time: image.time, chain: 0x1234_5678, shard: image.shard };
    (image, binding)
}

#[test]
fn what_is_written_is_what_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("snapshots"));
    assert!(store.list().unwrap().is_empty(), "no folder yet");
    let (image, binding) = image(300);
    let written = store.write(&image, &binding).unwrap();
    assert_eq!(written.path.file_name().unwrap().to_str().unwrap(), format!("{:020}.snap", image.sequence));
    let loaded = store.load(image.sequence).unwrap();
    assert_eq!((loaded.image.clone(), loaded.header.binding, loaded.bytes), (image.clone(), binding, written.bytes));
    assert_eq!(loaded.header.state_hash, engine(300).state_hash());
    assert_eq!(Engine::restore(&loaded.image).unwrap().image(), image);
    let listed = store.list().unwrap();
    assert_eq!((listed.len(), listed[0].sequence), (1, image.sequence));
    assert!(matches!(store.load(1), Err(SnapshotError::Missing { .. })));
}

/// Every single bit, at every place of a small snapshot and at many of a larger one.
#[test]
fn a_damaged_byte_anywhere_is_refused() {
    for (commands, stride) in [(10, 1), (400, 97)] {
        let (image, binding) = image(commands);
        let good = encode(&image, &binding).unwrap();
        assert!(decode(Path::new("x"), &good).is_ok());
        for at in (0..good.len()).step_by(stride) {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1 << (at % 8);
            let error = decode(Path::new("the-file"), &bytes).expect_err("damage");
            assert!(error.to_string().contains("the-file"), "{error}");
        }
        for length in (0..good.len()).step_by(stride * 7) {
            assert!(decode(Path::new("x"), &good[..length]).is_err(), "cut at {length}");
        }
    }
}

/// With a new hash at the end rkyv's check is all that is left; where that notices nothing, the state hash must.
#[test]
fn a_changed_number_with_a_right_checksum_is_refused() {
    let (image, binding) = image(60);
    let good = encode(&image, &binding).unwrap();
    let mut by_state_hash = 0;
    for at in HEADER_BYTES..good.len() - 32 {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1;
        let end = bytes.len() - 32;
        let hash = blake3_of(&bytes[..end]);
        bytes[end..].copy_from_slice(&hash);
        match decode(Path::new("x"), &bytes) {
            // Padding of the archive belongs to nothing.
            Ok(loaded) => assert_eq!(loaded.image, image, "offset {at}"),
            Err(error) => by_state_hash += usize::from(error.to_string().contains("state hash")),
        }
    }
    assert!(by_state_hash > 1_000, "{by_state_hash}");
}

fn blake3_of(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

#[test]
fn a_newer_schema_is_refused_with_what_to_do() {
    let (image, binding) = image(10);
    let mut bytes = encode(&image, &binding).unwrap().to_vec();
    bytes[8..12].copy_from_slice(&(SCHEMA + 1).to_le_bytes());
    let end = bytes.len() - 32;
    let hash = blake3_of(&bytes[..end]);
    bytes[end..].copy_from_slice(&hash);
    let error = decode(Path::new("x"), &bytes).unwrap_err();
    assert!(matches!(error, SnapshotError::NewerSchema { .. }), "{error}");
    assert!(error.to_string().contains("start the newer binary"), "{error}");
}

#[test]
fn an_image_of_another_time_or_shard_is_not_bound() {
    let (image, binding) = image(10);
    let store = Store::new(tempfile::tempdir().unwrap().path().join("never"));
    for wrong in [Binding { time: binding.time + 1, ..binding }, Binding { shard: binding.shard + 1, ..binding }] {
        assert!(matches!(store.write(&image, &wrong), Err(SnapshotError::Binding { .. })));
    }
    assert!(!store.folder().exists());
}

#[test]
fn old_ones_go_and_those_beyond_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path()).keep(2);
    let (mut image, binding) = image(10);
    let mut write = |sequence| {
        image.sequence = sequence;
        store.write(&image, &binding).unwrap().removed
    };
    assert!(write(900).is_empty(), "of a history that was lost");
    assert!(write(10).is_empty() && write(20).is_empty());
    assert_eq!(write(30), [10]);
    assert_eq!(store.sequences().unwrap(), [20, 30, 900]);
    std::fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
    std::fs::write(folder.path().join("1.snap"), "not ours").unwrap();
    assert_eq!(store.sequences().unwrap(), [20, 30, 900]);
}

#[test]
fn the_newest_that_loads_and_belongs_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let (mut image, binding) = image(10);
    for sequence in [10, 20, 30] {
        image.sequence = sequence;
        store.write(&image, &binding).unwrap();
    }
    std::fs::rename(store.path_of(30), store.path_of(40)).unwrap();
    let newest = |limit, belongs: fn(&Header) -> Result<(), String>| {
        let found = store.newest_valid(limit, belongs).unwrap();
        (found.snapshot.map(|loaded| loaded.header.sequence), found.rejected)
    };
    assert_eq!(newest(35, |_| Ok(())), (Some(20), vec![]));
    let (chosen, rejected) = newest(100, |_| Ok(()));
    assert_eq!((chosen, rejected.len(), rejected[0].sequence), (Some(20), 1, 40));
    assert!(rejected[0].why.contains("its name says sequence 40"), "{}", rejected[0].why);
    let (chosen, rejected) =
        newest(20, |header| if header.sequence < 20 { Ok(()) } else { Err("another history".into()) });
    assert_eq!((chosen, rejected.len()), (Some(10), 1));
    assert!(rejected[0].why.contains("another history"));
    assert_eq!(newest(9, |_| Ok(())), (None, vec![]));
}

/// Fails the operation with this number, half-way if it is a write, and every one after it: the process is dead.
#[derive(Debug)]
struct DyingDisk {
    operations: AtomicUsize,
    fails_at: usize,
}

impl DyingDisk {
    fn step(&self) -> io::Result<()> {
        match self.operations.fetch_add(1, Ordering::Relaxed) < self.fails_at {
            true => Ok(()),
            false => Err(io::Error::other("dead")),
        }
    }
}

impl Disk for DyingDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.create_folder(folder)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self.step() {
            Ok(()) => RealDisk.write(path, bytes),
            Err(error) if self.operations.load(Ordering::Relaxed) == self.fails_at + 1 => {
                RealDisk.write(path, &bytes[..bytes.len() / 2])?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.rename(from, to)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.sync_folder(folder)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.remove(path)
    }
    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.step()?;
        RealDisk.names(folder)
    }
    fn read(&self, path: &Path) -> io::Result<rkyv::util::AlignedVec<16>> {
        self.step()?;
        RealDisk.read(path)
    }
}

#[test]
fn a_crash_between_any_two_steps_leaves_a_valid_one() {
    let (mut image, binding) = image(30);
    let mut died_at = Vec::new();
    for fails_at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("snapshots");
        let store = Store::new(&path).keep(1);
        image.sequence = 10;
        store.write(&image, &binding).unwrap();
        image.sequence = 20;
        let disk = Arc::new(DyingDisk { operations: AtomicUsize::new(0), fails_at });
        let outcome = Store::with_disk(&path, disk).keep(1).write(&image, &binding);
        // The process starts again, on a disk that works.
        let chosen = store.newest_valid(u64::MAX, |_| Ok(())).unwrap().snapshot.unwrap().header.sequence;
        assert!([10, 20].contains(&chosen));
        if outcome.is_ok() {
            assert_eq!((chosen, store.sequences().unwrap()), (20, vec![20]));
            break;
        }
        died_at.push(chosen);
        // And the next one is written, over whatever was left.
        image.sequence = 30;
        store.write(&image, &binding).unwrap();
        let names = RealDisk.names(&path).unwrap();
        assert_eq!(names, ["00000000000000000030.snap"], "died at operation {fails_at}");
    }
    assert!(died_at.len() >= 8 && died_at.is_sorted(), "{died_at:?}");
    assert!(died_at.contains(&10) && died_at.contains(&20), "{died_at:?}");
}
