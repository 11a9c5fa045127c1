//! What a store asks of a file system, so that tests can fail each step.
//!
//! Invariant: `write` returns only when the bytes are durable; `rename` and `remove` are durable after `sync_folder`.

use crate::codec::ALIGNMENT;
use rkyv::util::AlignedVec;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// File operations of a store.
pub trait Disk: Send + Sync + Debug {
    /// Creates the folder and its parents.
    ///
    /// # Errors
    /// The operating system's.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Writes a whole file and syncs it.
    ///
    /// # Errors
    /// The operating system's.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Renames a file over another one.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes names durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder; none if there is no such folder.
    ///
    /// # Errors
    /// The operating system's.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// A whole file.
    ///
    /// # Errors
    /// The operating system's.
    fn read(&self, path: &Path) -> io::Result<AlignedVec<ALIGNMENT>>;
}

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // A name that is not UTF-8 is none of ours.
        entries.map(|entry| Ok(entry?.file_name().into_string().ok())).filter_map(Result::transpose).collect()
    }

    fn read(&self, path: &Path) -> io::Result<AlignedVec<ALIGNMENT>> {
        let mut file = File::open(path)?;
        let expected = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut bytes = AlignedVec::new();
        bytes.resize(expected, 0);
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
