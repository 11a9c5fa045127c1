//! Errors. Each names the file, says what is wrong and what happens next.

use std::io;
use std::path::PathBuf;

/// Why a snapshot could not be written, listed or loaded.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The operating system refused.
    #[error("{}: could not {action}: {source}. Snapshots that were there before are untouched; check the disk and the permissions", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The error.
        source: io::Error,
    },
    /// The file is not a whole snapshot.
    #[error("{}: {why}: the file is damaged and is not used. Recovery takes the next older snapshot and replays more; \
             remove the file when the disk was checked", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A newer binary wrote it.
    #[error("{}: it has schema {schema}, this binary reads schemas up to {known}: a newer binary wrote it. Recovery takes \
             the next older snapshot; start the newer binary to use this one", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        schema: u32,
        /// The newest schema that this binary reads.
        known: u32,
    },
    /// The image and the frame that it is to be bound to do not belong together.
    #[error("a snapshot at sequence {sequence} was not written: {why}. Nothing was changed on the disk")]
    Binding {
        /// Sequence of the image.
        sequence: u64,
        /// What does not fit.
        why: String,
    },
    /// What was written does not give the same state when it is loaded.
    #[error("{}: it was written, but does not load again: {why}. It was removed; older snapshots are untouched. Check \
             the disk and the memory of this machine", path.display())]
    NotProven {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// There is no such snapshot.
    #[error("{}: there is no snapshot of this sequence; `ringbook snapshot list` names those that there are", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
}

impl SnapshotError {
    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }
}
