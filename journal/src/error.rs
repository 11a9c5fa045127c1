//! Errors. Each says what happened, where, and what the operator does next.

use std::io;
use std::path::PathBuf;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes this journal, or a copy of it.
    #[error("{} is held by another writer ({holder}): stop it first; two writers would destroy the journal. A copy of \
             the folder is the same journal: use it for reading only (`ringbook recover`, `verify`, `state`)", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote into it.
        holder: String,
    },
    /// Something that was durable is not there any more.
    #[error("{}: at offset {offset} sequence {sequence} is missing although everything up to {known_durable} was \
             durable ({why}; tail rule, row {row}): the disk lost or changed data. Nothing was modified. Restore the \
             folder from a backup or a replica, or start from a snapshot with the journal set aside. If it was restored just \
             now: {} remembers the original that is gone, so move it away (docs/OPERATIONS.md, Restoring)",
            file.display(), tails.display())]
    Damage {
        /// The segment.
        file: PathBuf,
        /// Offset in bytes.
        offset: u64,
        /// The expected sequence.
        sequence: u64,
        /// The highest sequence known to be durable.
        known_durable: u64,
        /// What is wrong at this place.
        why: String,
        /// Row of the tail rule.
        row: u8,
        /// The journal's folder in shared memory.
        tails: PathBuf,
    },
    /// A file that is not what it should be.
    #[error("{}: {why}. Nothing was modified. Restore it from a backup, or look whether this is the right data folder", file.display())]
    BadFile {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Not enough shared memory for the tails.
    #[error("{} has {free} bytes free, {needed} are needed for the tails of the journal: enlarge it (for a container: \
             --shm-size), set `tail_dir` to a folder of another memory file system, or make the segments smaller (setting `segment_mib`)",
            dir.display())]
    TailSpace {
        /// The folder of the tails.
        dir: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// Not enough room for a segment.
    #[error("{} has {free} bytes free, {needed} are needed for a segment and the floor below which the journal does \
             not go: free some space", dir.display())]
    DiskSpace {
        /// The folder.
        dir: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A setting that cannot be.
    #[error("the setting {setting} {why}")]
    Options {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system refused.
    #[error("{}: could not {action}: {source}. Check the disk and the permissions; nothing was cut", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The error.
        source: io::Error,
    },
}

/// Attaches the place and the action to an I/O error.
pub(crate) fn io_at(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.into();
    move |source| OpenError::Io { path, action, source }
}

/// Why no frame can be appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The next segment is not prepared yet: try again soon. Nothing is lost.
    #[error("the next segment of the journal is not prepared yet: try again in a moment")]
    NotReady,
    /// The disk is full down to the floor and no prepared segment is left: accept again when there is room.
    #[error("the disk of the journal is full down to its floor: free some space; the journal goes on by itself")]
    Full,
    /// A write or sync failed, or the writer was stopped. Final until the journal is opened again.
    #[error(
        "the journal has stopped: {reason}. Nothing after the durable watermark was confirmed to anybody. Check \
             the disk, then start again: recovery decides what is kept"
    )]
    Failed {
        /// The first error.
        reason: String,
    },
}

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A frame that should be there is not valid.
    #[error("{}: at offset {offset} the frame of sequence {sequence} is damaged: {why}. Restore this segment from a \
             backup or a replica; `ringbook journal verify` checks them all", file.display())]
    Damaged {
        /// The segment or tail.
        file: PathBuf,
        /// Offset in bytes.
        offset: u64,
        /// The expected sequence.
        sequence: u64,
        /// What is wrong.
        why: String,
    },
    /// The sequence was removed by retention.
    #[error(
        "sequence {sequence} is no longer in this journal, the oldest is {oldest}: start from a snapshot at or \
             behind {oldest}, or from the archive"
    )]
    Gone {
        /// The sequence asked for.
        sequence: u64,
        /// The oldest that can be read.
        oldest: u64,
    },
    /// The writer is another one than at the beginning.
    #[error(
        "the writer of the journal has ended or was started again: open the journal anew and go on behind the last \
             committed sequence"
    )]
    WriterRestarted,
    /// There is no journal.
    #[error("{}: {why}", path.display())]
    NoJournal {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The operating system refused. Never taken for the end of the journal.
    #[error("{}: could not read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl ReadError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ReadError {
        let path = path.into();
        move |source| ReadError::Io { path, source }
    }
}
