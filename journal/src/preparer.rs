//! Prepares segments ahead: a file full of zeros and a tail, so that a roll-over costs the engine nothing.
//!
//! Invariants:
//! * A spare is handed over only when every byte of its file was written as zero and synced, its (temporary) name is
//!   durable, and its tail is wholly present in memory.
//! * It is filled in pieces of [`GENTLE_PIECE`] at a limited rate, so that syncs of the active segment hardly notice;
//!   in pieces of [`PIECE`] without a pause when the active segment is more than half full, or at opening.
//! * Below the floor of free space no segment is begun; `space_low` says so, and is taken back by itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::memory::SharedMemory;
use crate::shared::{LiveSegment, Poll, Shared, lock, read, write};
use crate::storage::{StorageFile, passes};

/// Zeros are written in pieces of this many bytes while syncs of frames run beside.
pub const GENTLE_PIECE: u64 = 64 * 1_024;
/// Zeros are written in pieces of this many bytes when there is no time, or nobody to disturb.
pub const PIECE: u64 = 256 * 1_024;
/// How long the preparer waits before it looks at a full disk again.
const RETRY: Duration = Duration::from_millis(500);

/// The agent that prepares segments.
#[derive(Debug)]
pub struct Preparer {
    shared: Arc<Shared>,
    work: Option<Work>,
    /// Nobody is disturbed, somebody waits: at opening.
    hurry: bool,
}

#[derive(Debug)]
struct Work {
    ordinal: u64,
    path: PathBuf,
    file: Box<dyn StorageFile>,
    done: u64,
}

impl Preparer {
    pub(crate) fn new(shared: Arc<Shared>) -> Preparer {
        Preparer { shared, work: None, hurry: false }
    }

    /// For the first segment, at opening.
    pub(crate) fn in_a_hurry(shared: Arc<Shared>) -> Preparer {
        Preparer { hurry: true, ..Preparer::new(shared) }
    }

    /// Whether a spare is missing.
    pub fn has_work(&self) -> bool {
        self.work.is_some() || lock(&self.shared.spares).len() < self.shared.options.spares
    }

    /// One piece.
    pub fn poll(&mut self) -> Poll {
        if self.shared.has_failed() {
            return Poll::Idle;
        }
        match self.step() {
            Ok(poll) => poll,
            Err((path, error)) if passes(&error) => {
                tracing::warn!(file = %path.display(), %error, "the next segment cannot be prepared now");
                self.shared.space_low.store(true, Ordering::Release);
                self.give_up();
                Poll::Later(RETRY)
            }
            Err((path, error)) => {
                self.shared.fail(&path, "prepare a segment at", &error);
                Poll::Idle
            }
        }
    }

    fn give_up(&mut self) {
        if let Some(work) = self.work.take() {
            drop(work.file);
            let _ = self.shared.storage.remove(&work.path);
        }
    }

    fn step(&mut self) -> Result<Poll, (PathBuf, std::io::Error)> {
        let size = self.shared.options.segment_bytes;
        let storage = Arc::clone(&self.shared.storage);
        let hurry = self.hurry || self.is_urgent();
        let Some(work) = &mut self.work else {
            return self.begin();
        };
        if work.done < size {
            let piece = if hurry { PIECE } else { GENTLE_PIECE }.min(size - work.done);
            work.file.write_zeros(work.done, piece).map_err(|error| (work.path.clone(), error))?;
            work.done += piece;
            let pace =
                Duration::from_nanos((piece as u128 * 1_000_000_000 / self.shared.options.zero_rate as u128) as u64);
            return Ok(if pace.is_zero() || hurry { Poll::Worked } else { Poll::Later(pace) });
        }
        let (ordinal, temporary) = (work.ordinal, work.path.clone());
        let path = self.shared.spare_path(ordinal);
        work.file.sync().map_err(|error| (temporary.clone(), error))?;
        let tail_path = self.shared.spare_tail_path(ordinal);
        let memory = storage.tail_create(&tail_path, size).map_err(|error| (tail_path, error))?;
        storage.rename(&temporary, &path).map_err(|error| (temporary, error))?;
        storage.sync_dir(&self.shared.dir).map_err(|error| (self.shared.dir.clone(), error))?;
        if let Some(work) = self.work.take() {
            self.hand_over(ordinal, memory, work.file);
        }
        Ok(Poll::Worked)
    }

    fn hand_over(&self, ordinal: u64, memory: Arc<SharedMemory>, file: Box<dyn StorageFile>) {
        let segment = Arc::new(LiveSegment {
            ordinal,
            memory,
            file: Some(file),
            base: AtomicU64::new(0),
            end: AtomicU64::new(0),
            named: AtomicBool::new(false),
            max_frame: self.shared.options.max_frame_bytes,
        });
        // Only now: ordinals have no gaps, whatever was given up before.
        self.shared.next_ordinal.store(ordinal + 1, Ordering::Release);
        write(&self.shared.live).push(Arc::clone(&segment));
        lock(&self.shared.spares).push_back(segment);
    }

    fn begin(&mut self) -> Result<Poll, (PathBuf, std::io::Error)> {
        let shared = &self.shared;
        let size = shared.options.segment_bytes;
        let free = shared.storage.free_space(&shared.dir).map_err(|error| (shared.dir.clone(), error))?;
        let wanted = lock(&shared.spares).len() < shared.options.spares;
        let floor = shared.options.free_space_floor;
        let low = free < floor || (wanted && free - floor < size);
        if shared.space_low.swap(low, Ordering::AcqRel) != low {
            tracing::warn!(free, floor, low, "free space of the journal's disk has crossed its floor");
        }
        if low {
            return Ok(Poll::Later(RETRY));
        }
        if !wanted {
            return Ok(Poll::Idle);
        }
        let ordinal = shared.next_ordinal.load(Ordering::Acquire);
        let path = shared.spare_path(ordinal).with_extension("seg.tmp");
        let file = shared.storage.create(&path).map_err(|error| (path.clone(), error))?;
        self.work = Some(Work { ordinal, path, file, done: 0 });
        Ok(Poll::Worked)
    }

    /// The active segment is more than half full: no time for manners.
    fn is_urgent(&self) -> bool {
        read(&self.shared.live).iter().any(|segment| {
            let open = segment.base() != 0 && segment.end().is_none();
            open && segment.memory.published() > segment.memory.len() / 2
        })
    }
}
