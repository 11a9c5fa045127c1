//! The folder of snapshots: writing, listing, loading, choosing, retention.
//!
//! ```text
//!  write: 1 sync SEQUENCE.snap.tmp   2 rename   3 sync folder   4 load and compare   5 remove what is too old
//!  crash after:  0–1 leftover .tmp, older ones valid     2–5 the new one is valid or its name was lost; older ones valid
//! ```
//!
//! Invariants: one writer; names are 20 digits and sort as numbers; a leftover `.tmp` is never looked at and goes at the
//! next write.

use crate::codec::{decode, encode};
use crate::disk::{Disk, RealDisk};
use crate::error::SnapshotError;
use crate::header::{Binding, Header};
use ringbook_core::image::Image;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many snapshots are kept by default.
pub const DEFAULT_KEEP: usize = 3;

const ENDING: &str = ".snap";
const TEMPORARY_ENDING: &str = ".snap.tmp";
const NAME_DIGITS: usize = 20;

/// A folder of snapshots.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    keep: usize,
}

/// A snapshot that was read and proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says of itself.
    pub header: Header,
    /// The state.
    pub image: Image,
    /// Size of the file.
    pub bytes: u64,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Its header.
    pub header: Header,
    /// Its size.
    pub bytes: u64,
    /// Older snapshots that retention removed.
    pub removed: Vec<u64>,
}

/// A snapshot in a list; `outcome` says whether it can be used.
#[derive(Debug)]
pub struct Listed {
    /// Sequence that its name says.
    pub sequence: u64,
    /// The file.
    pub path: PathBuf,
    /// Its size; 0 if it cannot be read.
    pub bytes: u64,
    /// Its header, or why it is refused.
    pub outcome: Result<Header, SnapshotError>,
}

/// A snapshot that was not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Sequence that its name says.
    pub sequence: u64,
    /// Why, with the file's name and what happens next.
    pub why: String,
}

/// What [`Store::newest_valid`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The newest one that can be used.
    pub snapshot: Option<Loaded>,
    /// Newer ones that cannot.
    pub rejected: Vec<Rejected>,
}

impl Store {
    /// The snapshots in this folder (`DIR/snapshots`). Nothing is read or created yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::with_disk(folder, Arc::new(RealDisk))
    }

    /// The same on another file system.
    pub fn with_disk(folder: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Self {
        Self { folder: folder.into(), disk, keep: DEFAULT_KEEP }
    }

    /// Keeps this many snapshots, at least 1.
    #[must_use]
    pub fn keep(mut self, keep: usize) -> Self {
        self.keep = keep.max(1);
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a sequence.
    pub fn path_of(&self, sequence: u64) -> PathBuf {
        self.folder.join(format!("{sequence:020}{ENDING}"))
    }

    /// Writes a snapshot, proves it by loading it, then removes what is too old.
    ///
    /// # Errors
    /// See [`SnapshotError`]; older snapshots are untouched.
    pub fn write(&self, image: &Image, binding: &Binding) -> Result<Written, SnapshotError> {
        let bytes = encode(image, binding)?;
        let path = self.path_of(image.sequence);
        let temporary = self.folder.join(format!("{:020}{TEMPORARY_ENDING}", image.sequence));
        self.disk.create_folder(&self.folder).map_err(SnapshotError::io(&self.folder, "create the folder"))?;
        self.remove_leftovers()?;
        self.disk.write(&temporary, &bytes).map_err(SnapshotError::io(&temporary, "write and sync it"))?;
        // Proven before it can take the place of an older file of the same sequence, and again under its own name.
        self.prove(&temporary, image)?;
        self.disk.rename(&temporary, &path).map_err(SnapshotError::io(&temporary, "rename it"))?;
        self.disk.sync_folder(&self.folder).map_err(SnapshotError::io(&self.folder, "sync the folder"))?;
        let header = self.prove(&path, image)?;
        let removed = self.remove_old(image.sequence)?;
        tracing::info!(sequence = image.sequence, bytes = bytes.len(), "snapshot written and proven");
        Ok(Written { path, header, bytes: bytes.len() as u64, removed })
    }

    /// Reads a file back and compares; a file that fails is removed, for nothing may rely on it.
    fn prove(&self, path: &Path, image: &Image) -> Result<Header, SnapshotError> {
        let why = match self.load_path(path) {
            Ok(loaded) if loaded.image == *image => return Ok(loaded.header),
            Ok(_) => "the state in it is another one".to_owned(),
            Err(error) => error.to_string(),
        };
        if let Err(error) = self.disk.remove(path) {
            tracing::warn!(path = %path.display(), %error, "could not remove a snapshot that does not load");
        }
        Err(SnapshotError::NotProven { path: path.to_path_buf(), why })
    }

    /// Gives a snapshot that cannot be used another name, so that it is neither tried again nor counted among those that
    /// are kept.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn set_aside(&self, sequence: u64) -> Result<PathBuf, SnapshotError> {
        let path = self.path_of(sequence);
        let aside = self.folder.join(format!("{sequence:020}{ENDING}.rejected"));
        self.disk.rename(&path, &aside).map_err(SnapshotError::io(&path, "rename it"))?;
        self.disk.sync_folder(&self.folder).map_err(SnapshotError::io(&self.folder, "sync the folder"))?;
        Ok(aside)
    }

    /// Sequences of all snapshots by name, ascending, without reading them.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn sequences(&self) -> Result<Vec<u64>, SnapshotError> {
        let names = self.disk.names(&self.folder).map_err(SnapshotError::io(&self.folder, "list the folder"))?;
        let mut sequences: Vec<u64> = names.iter().filter_map(|name| sequence_of(name, ENDING)).collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// All snapshots, ascending, each read and checked in full.
    ///
    /// # Errors
    /// The folder cannot be read; a damaged snapshot is not an error of the list.
    pub fn list(&self) -> Result<Vec<Listed>, SnapshotError> {
        let listed = |sequence| {
            let path = self.path_of(sequence);
            match self.load(sequence) {
                Ok(loaded) => Listed { sequence, path, bytes: loaded.bytes, outcome: Ok(loaded.header) },
                Err(error) => {
                    let bytes = self.disk.read(&path).map_or(0, |bytes| bytes.len() as u64);
                    Listed { sequence, path, bytes, outcome: Err(error) }
                }
            }
        };
        Ok(self.sequences()?.into_iter().map(listed).collect())
    }

    /// Reads and checks the snapshot of a sequence.
    ///
    /// # Errors
    /// It is not there, or not valid.
    pub fn load(&self, sequence: u64) -> Result<Loaded, SnapshotError> {
        let path = self.path_of(sequence);
        let loaded = self.load_path(&path)?;
        if loaded.header.sequence != sequence {
            let why = format!("its name says sequence {sequence}, its header says {}", loaded.header.sequence);
            return Err(SnapshotError::Damaged { path, why });
        }
        Ok(loaded)
    }

    fn load_path(&self, path: &Path) -> Result<Loaded, SnapshotError> {
        let bytes = self.disk.read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SnapshotError::Missing { path: path.to_path_buf() },
            _ => SnapshotError::io(path, "read it")(source),
        })?;
        decode(path, &bytes)
    }

    /// The newest snapshot at or below `limit` that loads and that `belongs` accepts. Those that fail are skipped, and
    /// the answer says why.
    ///
    /// # Errors
    /// The folder cannot be read. A snapshot that cannot be read is skipped.
    pub fn newest_valid(
        &self,
        limit: u64,
        mut belongs: impl FnMut(&Header) -> Result<(), String>,
    ) -> Result<Found, SnapshotError> {
        let mut found = Found::default();
        for sequence in self.sequences()?.into_iter().rev().filter(|&sequence| sequence <= limit) {
            let checked = self.load(sequence).map_err(|error| error.to_string()).and_then(|loaded| {
                let reject = |why| format!("{}: {why}", self.path_of(sequence).display());
                belongs(&loaded.header).map_err(reject).map(|()| loaded)
            });
            match checked {
                Ok(loaded) => {
                    found.snapshot = Some(loaded);
                    break;
                }
                Err(why) => {
                    tracing::warn!(sequence, %why, "snapshot not used");
                    found.rejected.push(Rejected { sequence, why });
                }
            }
        }
        Ok(found)
    }

    /// Removes all but the newest ones up to `newest`, which was just proven. A file beyond it belongs to a history
    /// that was lost: it must not push out what this history needs.
    fn remove_old(&self, newest: u64) -> Result<Vec<u64>, SnapshotError> {
        let sequences: Vec<u64> = self.sequences()?.into_iter().filter(|&sequence| sequence <= newest).collect();
        let old = &sequences[..sequences.len().saturating_sub(self.keep)];
        for &sequence in old {
            let path = self.path_of(sequence);
            self.disk.remove(&path).map_err(SnapshotError::io(path, "remove it"))?;
        }
        if !old.is_empty() {
            self.disk.sync_folder(&self.folder).map_err(SnapshotError::io(&self.folder, "sync the folder"))?;
        }
        Ok(old.to_vec())
    }

    fn remove_leftovers(&self) -> Result<(), SnapshotError> {
        let names = self.disk.names(&self.folder).map_err(SnapshotError::io(&self.folder, "list the folder"))?;
        for name in names.iter().filter(|name| sequence_of(name, TEMPORARY_ENDING).is_some()) {
            let path = self.folder.join(name);
            self.disk.remove(&path).map_err(SnapshotError::io(path, "remove it"))?;
        }
        Ok(())
    }
}

/// The sequence in a name of 20 digits and this ending.
fn sequence_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    (digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}
