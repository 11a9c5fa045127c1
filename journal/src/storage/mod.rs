//! Everything that the journal asks of the outside world, so that a simulation can take its place.
//!
//! Two worlds are kept apart:
//! * **files** survive the machine's power once they were synced ([`StorageFile`]);
//! * **tails** are memory shared between processes: they survive the process, not the machine ([`SharedMemory`]).
//!
//! Contract that both backends keep and recovery rests on: after [`StorageFile::write_durable`] or
//! [`StorageFile::sync`] answered `Ok`, the bytes survive; a name survives after [`Storage::sync_dir`] answered `Ok`;
//! until then, any subset of 512-byte sectors and of names may survive, in any order.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::memory::SharedMemory;

pub mod real;
pub mod sim;
mod sim_disk;
mod sim_files;

/// Errors of a machine that is full at the moment, of bytes or of files: nothing was harmed, and trying again later may
/// succeed. Everything else latches (docs/FORMATS.md §8).
pub(crate) fn passes(error: &io::Error) -> bool {
    const FILES: [i32; 2] = [23, 24]; // ENFILE, EMFILE
    error.kind() == io::ErrorKind::StorageFull || error.raw_os_error().is_some_and(|code| FILES.contains(&code))
}

/// An exclusive lock; released on drop.
pub trait LockGuard: Send + Sync + Debug {}

/// A file.
#[allow(clippy::len_without_is_empty)] // its length is I/O, not a property
pub trait StorageFile: Send + Sync + Debug {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`. An early end of the file is `UnexpectedEof`, any other failure keeps its kind:
    /// an I/O error must never look like the end of the journal.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes without any promise.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Writes `length` zeros past the page cache where possible; no promise before [`Self::sync`].
    fn write_zeros(&self, offset: u64, length: u64) -> io::Result<()>;
    /// Writes `whole` and then `last`, which is one block, at `offset`; both survive the power when this returns.
    /// `offset` and the length of `whole` are multiples of 4,096.
    fn write_durable(&self, offset: u64, whole: &[u8], last: Option<&Block>) -> io::Result<()>;
    /// Everything written so far survives the power when this returns.
    fn sync(&self) -> io::Result<()>;
}

/// One aligned block.
#[derive(Clone)]
#[repr(C, align(4096))]
pub struct Block(pub [u8; crate::format::BLOCK]);

impl Block {
    /// A block of zeros.
    pub fn zeroed() -> Box<Block> {
        Box::new(Block([0; crate::format::BLOCK]))
    }
}

/// The outside world.
pub trait Storage: Send + Sync + Debug + 'static {
    /// Creates a folder and its parents, durably.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names in a folder, sorted; empty if the folder does not exist.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates an empty file, or empties it.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Maps a file for reading. The simulation answers a copy.
    fn map(&self, path: &Path) -> io::Result<Arc<SharedMemory>>;
    /// Renames a file over another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder survive the power.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that can still be written below `dir`.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// Takes an exclusive lock on a file; `WouldBlock` with the holder's own words if it is held.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>>;

    /// Creates a folder of tails.
    fn tail_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names in a folder of tails, sorted; empty if it does not exist.
    fn tail_list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates zeroed shared memory, replacing what had the name. All of it is really there: a store never fails.
    fn tail_create(&self, path: &Path, length: u64) -> io::Result<Arc<SharedMemory>>;
    /// Opens shared memory that exists; `published` is 0.
    fn tail_open(&self, path: &Path) -> io::Result<Arc<SharedMemory>>;
    /// Maps shared memory for reading; everything counts as published. The simulation answers a copy.
    fn map_tail(&self, path: &Path) -> io::Result<Arc<SharedMemory>>;
    /// Renames shared memory.
    fn tail_rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name; mappings stay valid.
    fn tail_remove(&self, path: &Path) -> io::Result<()>;
    /// Bytes of shared memory that can still be had.
    fn tail_free_space(&self, dir: &Path) -> io::Result<u64>;

    /// Changes with every start of the machine.
    fn boot_id(&self) -> [u8; 16];
    /// Nanoseconds since 1970-01-01 UTC, for names of files and heartbeats; never for frames.
    fn clock_ns(&self) -> u64;
    /// 16 random bytes.
    fn random(&self) -> io::Result<[u8; 16]>;
    /// Whether a process lives.
    fn process_lives(&self, pid: u32) -> bool;
}

/// Reads a whole file.
pub(crate) fn read_all(storage: &dyn Storage, path: &Path) -> io::Result<Vec<u8>> {
    let file = storage.open(path)?;
    let mut bytes = vec![0; file.len()? as usize];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Writes a small file so that it is there whole or not at all: temporary name, sync, rename, sync of the folder.
pub(crate) fn write_atomically(storage: &dyn Storage, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.tmp"));
    let file = storage.create(&temporary)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    drop(file);
    storage.rename(&temporary, &dir.join(name))?;
    storage.sync_dir(dir)
}
