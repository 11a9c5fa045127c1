//! What the writer's agents share inside the process.
//!
//! ```text
//!   Preparer ──spares──► Appender ──written──► Syncer ──durable──► Sealer ──► sealed segments
//!                 (all of them see `live`: segments in ordinal order, spares last)
//! ```
//!
//! Invariants:
//! * A [`LiveSegment`] goes through: spare (`base` 0) → active → closed (`end` set) → durable → sealed (gone from `live`).
//! * Each of its fields is set once, by one agent, with release ordering.
//! * The appender takes no lock that it could wait for: it only ever *tries* the spares' lock, at a roll-over.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::format::identity::Identity;
use crate::format::segment::{FRAMES_AT, SegmentHeader};
use crate::format::sidecar::Sidecar;
use crate::format::term::TermRecord;
use crate::format::{segment_name, sidecar_name, tail_name};
use crate::index::SegmentIndex;
use crate::memory::SharedMemory;
use crate::options::Options;
use crate::page::{WatermarkPage, WriterState};
use crate::storage::{LockGuard, Storage, StorageFile};
use crate::term::write_record;

/// What an agent did in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Something: poll again at once.
    Worked,
    /// Nothing to do.
    Idle,
    /// Nothing before this much time has passed.
    Later(Duration),
}

/// A segment that is not sealed yet.
#[derive(Debug)]
pub(crate) struct LiveSegment {
    /// Rises by 1 from segment to segment within a process.
    pub ordinal: u64,
    /// The tail; or, for a segment of an earlier process that still needs its sidecar, the mapped file.
    pub memory: Arc<SharedMemory>,
    /// For the syncer; `None` if everything is durable already.
    pub file: Option<Box<dyn StorageFile>>,
    /// Sequence of the first frame; 0: a spare.
    pub base: AtomicU64,
    /// Offset of END; 0: open.
    pub end: AtomicU64,
    /// The file has its final name, durably.
    pub named: AtomicBool,
    pub max_frame: u32,
}

impl LiveSegment {
    pub fn base(&self) -> u64 {
        self.base.load(Ordering::Acquire)
    }

    pub fn end(&self) -> Option<usize> {
        Some(self.end.load(Ordering::Acquire) as usize).filter(|&end| end != 0)
    }
}

/// A sealed segment.
#[derive(Clone, Debug)]
pub(crate) struct SealedSegment {
    pub sidecar: Arc<Sidecar>,
    pub file_bytes: u64,
}

/// Wakes a thread that has announced that it sleeps; costs the waker one fence and one load otherwise.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    asleep: AtomicBool,
    thread: Mutex<Option<std::thread::Thread>>,
}

impl Wake {
    /// Called by the waker after it published work.
    #[inline]
    pub fn notify(&self) {
        // Store of the work, fence, load of `asleep`; the sleeper stores `asleep`, fences, and looks for work. One of
        // the two sees the other.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.asleep.swap(false, Ordering::AcqRel)
            && let Some(thread) = lock(&self.thread).as_ref()
        {
            thread.unpark();
        }
    }

    /// Sleeps unless `has_work`; at most `longest`.
    pub fn sleep_unless(&self, has_work: impl Fn() -> bool, longest: Duration) {
        {
            let mut thread = lock(&self.thread);
            let current = std::thread::current();
            if thread.as_ref().is_none_or(|old| old.id() != current.id()) {
                *thread = Some(current);
            }
        }
        self.asleep.store(true, Ordering::Relaxed);
        std::sync::atomic::fence(Ordering::SeqCst);
        if !has_work() {
            std::thread::park_timeout(longest);
        }
        self.asleep.store(false, Ordering::Release);
    }
}

/// Wakes those who wait for `durable` inside the process.
#[derive(Debug, Default)]
pub(crate) struct Turnstile {
    waiting: AtomicU64,
    mutex: Mutex<()>,
    condvar: Condvar,
}

impl Turnstile {
    pub fn notify(&self) {
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            drop(lock(&self.mutex));
            self.condvar.notify_all();
        }
    }

    pub fn wait_unless(&self, ready: impl Fn() -> bool, longest: Duration) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let guard = lock(&self.mutex);
        std::sync::atomic::fence(Ordering::SeqCst);
        if !ready() {
            drop(self.condvar.wait_timeout(guard, longest));
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Everything that the agents share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub storage: Arc<dyn Storage>,
    /// `DIR/journal`.
    pub dir: PathBuf,
    /// `TAILS/ringbook-UUID`.
    pub tails: PathBuf,
    pub options: Options,
    pub identity: Identity,
    pub page: WatermarkPage,
    pub live: RwLock<Vec<Arc<LiveSegment>>>,
    pub sealed: RwLock<Vec<SealedSegment>>,
    pub indexes: RwLock<BTreeMap<u64, Arc<Mutex<SegmentIndex>>>>,
    pub spares: Mutex<VecDeque<Arc<LiveSegment>>>,
    pub next_ordinal: AtomicU64,
    /// `chain` of the last frame; stored by the appender before `written`.
    pub last_chain: CachePadded<AtomicU32>,
    pub failure: OnceLock<String>,
    pub space_low: AtomicBool,
    pub stop: AtomicBool,
    pub sync_wake: Wake,
    pub prepare_wake: Wake,
    pub durable_turnstile: Turnstile,
    pub _locks: Vec<Box<dyn LockGuard>>,
}

impl Shared {
    pub fn segment_path(&self, base: u64) -> PathBuf {
        self.dir.join(segment_name(base))
    }

    pub fn sidecar_path(&self, base: u64) -> PathBuf {
        self.dir.join(sidecar_name(base))
    }

    pub fn tail_path(&self, base: u64) -> PathBuf {
        self.tails.join(tail_name(base))
    }

    pub fn spare_path(&self, ordinal: u64) -> PathBuf {
        self.dir.join(format!("spare-{ordinal:020}.seg"))
    }

    pub fn spare_tail_path(&self, ordinal: u64) -> PathBuf {
        self.tails.join(format!("spare-{ordinal:020}.tail"))
    }

    /// Latches the first failure: from here on nothing is appended and nothing becomes durable.
    pub fn fail(&self, path: &Path, action: &str, error: &io::Error) {
        let reason = format!("could not {action} {}: {error}", path.display());
        tracing::error!(%reason, durable = self.page.durable(), "the journal stops accepting");
        let _ = self.failure.set(reason);
        self.page.set_state(WriterState::Failed);
    }

    /// Everything written is durable and nobody appends any more: says so, so that the next opening keeps the term.
    pub fn stopped(&self) {
        let sequence = self.page.written();
        let record = TermRecord {
            shard: self.identity.shard,
            term: self.page.term(),
            stopped: true,
            uuid: self.identity.uuid,
            sequence,
            chain: self.last_chain.load(Ordering::Relaxed),
        };
        if let Err(error) = write_record(&*self.storage, &self.dir, &record) {
            tracing::warn!(%error, sequence, "could not record the clean stop: the next start raises the term");
        }
    }

    pub fn has_failed(&self) -> bool {
        self.page.state() == WriterState::Failed
    }

    pub fn live_by_ordinal(&self, ordinal: u64) -> Option<Arc<LiveSegment>> {
        read(&self.live).iter().find(|segment| segment.ordinal == ordinal).cloned()
    }

    /// First sequence of the segment that holds (or will hold) `sequence`; `None` if it was removed.
    pub fn base_of(&self, sequence: u64) -> Option<u64> {
        let live = read(&self.live);
        let bases = live.iter().map(|segment| segment.base()).filter(|&base| base != 0 && base <= sequence);
        if let Some(base) = bases.max() {
            return Some(base);
        }
        drop(live);
        let sealed = read(&self.sealed);
        let found = sealed.iter().rev().find(|segment| segment.sidecar.header.base <= sequence)?;
        Some(found.sidecar.header.base)
    }

    pub fn sealed_by_base(&self, base: u64) -> Option<SealedSegment> {
        let sealed = read(&self.sealed);
        let index = sealed.binary_search_by_key(&base, |segment| segment.sidecar.header.base).ok()?;
        Some(sealed[index].clone())
    }

    /// (sequence, offset) of a frame of the segment `base` at or before `sequence`.
    pub fn floor(&self, base: u64, sequence: u64) -> (u64, u64) {
        if let Some(sealed) = self.sealed_by_base(base) {
            return sealed.sidecar.floor(sequence);
        }
        let index = read(&self.indexes).get(&base).cloned();
        index.map_or((base, FRAMES_AT as u64), |index| lock(&index).floor(sequence))
    }

    /// The bytes of the segment that begins with `base`, with the name to call them in errors.
    pub fn view(&self, base: u64) -> io::Result<Option<(Arc<SharedMemory>, PathBuf)>> {
        if let Some(segment) = read(&self.live).iter().find(|segment| segment.base() == base) {
            return Ok(Some((Arc::clone(&segment.memory), self.segment_path(base))));
        }
        let path = self.segment_path(base);
        match self.storage.map(&path) {
            Ok(memory) if SegmentHeader::decode(memory.bytes()).is_ok() => Ok(Some((memory, path))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A lock whose holder cannot leave it half-changed: a panic aborts the process in release, and in tests the data is
/// still whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}
