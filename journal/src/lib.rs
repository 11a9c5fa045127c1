//! An append-only, memory-mapped, checksummed journal with group commit.
//!
//! The engine writes frames into a *tail*: a file in shared memory that survives the process. A sync thread writes the
//! same bytes into a segment file with `O_DIRECT|O_DSYNC`, many frames at a time, and publishes how far it came. All
//! others follow: in this process or another one they map the same bytes and stay below a watermark.
//!
//! ```text
//!   Appender ──frames──► tail (shared memory) ──Syncer──► BASE.seg ──Sealer──► BASE.idx
//!       │ written            ▲                      │ durable
//!       ▼                    │ spares               ▼
//!   watermark page       Preparer              watermark page ──► Reader, StreamHistory, LiveJournal
//! ```
//!
//! The writer's side:
//! ```no_run
//! # use std::{path::Path, sync::Arc, time::Duration};
//! use ringbook_journal::{FrameKind, FrameMeta, Journal, NoStreams, Options, RealStorage, Sequence};
//! let opened = Journal::open(Path::new("data/journal"), RealStorage::new(), Options::default())?;
//! let mut replay = opened.journal.reader(Sequence(1));
//! while let Some(_frame) = replay.next(opened.recovery.last_sequence)? {}
//! let (mut appender, watermarks, background) = opened.journal.start(Arc::new(NoStreams), None);
//! let area = appender.begin()?;
//! area[..16].copy_from_slice(b"command.events..");
//! let meta = FrameMeta { time_ns: 1, command_len: 8, rules: 1, kind: FrameKind::Command, payload_len: 16 };
//! let sequence = appender.finish(meta);
//! watermarks.wait_committed_beyond(Sequence(sequence.0 - 1), Duration::from_secs(1));
//! background.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For a simulation, [`Journal::start_stepped`] gives the same agents without threads, and [`sim::SimStorage`] a world
//! whose power fails on demand.
//!
//! The formats are those of `docs/FORMATS.md` §1–3, 5–7. Payloads are opaque here. `unsafe` lives in `memory.rs` and
//! `crc.rs` alone.

mod appender;
mod background;
pub mod crc;
mod error;
mod follower;
pub mod format;
mod history;
mod index;
mod live;
mod maintenance;
mod memory;
mod options;
mod page;
mod preparer;
mod raw_disk;
mod reader;
mod recovery;
mod resume;
mod scan;
mod sealer;
mod settle;
mod shared;
mod storage;
mod survey;
mod syncer;
pub mod tail_rule;
mod term;
mod watermarks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use appender::{Appender, FrameMeta};
pub use background::{Agents, Background, step_back};
pub use error::{AppendError, OpenError, ReadError};
pub use follower::FollowerSlot;
pub use format::frame::FrameKind;
pub use history::{StreamFrames, StreamHistory};
pub use index::{Indexer, NoStreams};
pub use live::LiveJournal;
pub use maintenance::{JournalStat, RetainError, SegmentStat, Verified, stat, stat_with, verify, verify_with};
pub use memory::{SharedMemory, TailWriter};
pub use options::{Options, VerifySealed};
pub use page::{AckPolicy, Follower, HEARTBEAT_NS_MAX, SLOTS, WatermarkPage, WriterState};
pub use preparer::Preparer;
pub use raw_disk::{RawDisk, measure_raw_disk};
pub use reader::{Frame, Reader};
pub use recovery::Opened;
pub use sealer::Sealer;
pub use shared::Poll;
pub use storage::real::RealStorage;
pub use storage::sim;
pub use storage::{Block, LockGuard, Storage, StorageFile};
pub use syncer::{DurableHook, GROUP_BYTES_MAX, Syncer};
pub use watermarks::Watermarks;

/// Number of a frame in the journal: from 1, without gaps, for ever. 0 stands for "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Above every sequence.
    pub const MAX: Sequence = Sequence(u64::MAX);

    /// The one behind.
    #[must_use]
    pub fn next(self) -> Sequence {
        Sequence(self.0 + 1)
    }
}

impl std::fmt::Display for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a term: rises when another writer takes over.
pub type TermNumber = u32;

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveryReport {
    /// First sequence that can be read; one above the last in an empty journal.
    pub first_sequence: Sequence,
    /// Last sequence; 0 in a new journal.
    pub last_sequence: Sequence,
    /// Time of the last frame in nanoseconds; 0 without one.
    pub last_time_ns: u64,
    /// Term of the last frame; 0 without one.
    pub last_term: TermNumber,
    /// Term of the frames from here on: the last one's if nothing can have been lost, else above all terms before.
    pub term: TermNumber,
    /// Everything that the last writer had written is here, proven: it was killed or stopped cleanly. After a power
    /// cut it may still be so, but nobody can know.
    pub continued: bool,
    /// Rule book version of the last frame; 0 without one.
    pub rules: u32,
    /// Segments that hold frames.
    pub segments: usize,
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes that were cut: an unfinished tail, never durable.
    pub tail_bytes_cut: u64,
    /// Where they were kept (the first file, if several segments were cut).
    pub cut_file: Option<PathBuf>,
    /// Bytes that only the tails in shared memory still held.
    pub from_tail_memory_bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// An open journal whose agents do not run yet: replay it, then [`Journal::start`].
#[derive(Debug)]
pub struct Journal {
    shared: Arc<shared::Shared>,
    segment: Arc<shared::LiveSegment>,
    writer: TailWriter,
    start: scan::Start,
}

impl Journal {
    /// Opens (or creates) the journal in `dir`, the folder that holds `journal.id`, for writing; recovers it by the
    /// tail rule. Everything that it keeps is durable when this returns.
    ///
    /// # Errors
    /// [`OpenError`]; each says what to do.
    pub fn open(dir: &Path, storage: Arc<dyn Storage>, options: Options) -> Result<Opened, OpenError> {
        recovery::open(dir, storage, options)
    }

    /// The journal's random identity.
    pub fn uuid(&self) -> [u8; 16] {
        self.shared.identity.uuid
    }

    /// The shard.
    pub fn shard(&self) -> u32 {
        self.shared.identity.shard
    }

    /// The folder of this journal in shared memory: also for the in-flight slot.
    pub fn tails(&self) -> &Path {
        &self.shared.tails
    }

    /// A reader that begins with `from`; usable now, for replay, and for as long as it is wanted.
    pub fn reader(&self, from: Sequence) -> Reader {
        Reader::inside(Arc::clone(&self.shared), from)
    }

    /// The watermarks.
    pub fn watermarks(&self) -> Watermarks {
        Watermarks::new(Arc::clone(&self.shared))
    }

    /// Starts: the appender for the engine, the watermarks for everybody, and the threads. `hook` is called by the sync
    /// thread after each advance of `durable`.
    pub fn start(self, indexer: Arc<dyn Indexer>, hook: Option<DurableHook>) -> (Appender, Watermarks, Background) {
        let (appender, watermarks, agents) = self.start_stepped(indexer, hook);
        (appender, watermarks, agents.spawn())
    }

    /// As [`Self::start`], but the caller polls the agents: for simulations.
    pub fn start_stepped(self, indexer: Arc<dyn Indexer>, hook: Option<DurableHook>) -> (Appender, Watermarks, Agents) {
        let Journal { shared, segment, writer, start } = self;
        let syncer = Syncer::new(Arc::clone(&shared), Arc::clone(&segment), hook);
        let appender = Appender::new(Arc::clone(&shared), segment, writer, start);
        shared.page.set_state(WriterState::Running);
        let watermarks = Watermarks::new(Arc::clone(&shared));
        (appender, watermarks, Agents::new(shared, syncer, indexer))
    }
}
