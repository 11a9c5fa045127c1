//! After recovery: the active segment with its tail, the agents' common state, the report.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use crossbeam_utils::CachePadded;

use crate::error::{OpenError, io_at};
use crate::format::segment::FRAMES_AT;
use crate::format::{segment_name, tail_name};
use crate::memory::{SharedMemory, TailWriter};
use crate::page::WatermarkPage;
use crate::preparer::Preparer;
use crate::recovery::Opening;
use crate::scan::{Kept, Scan, Start};
use crate::shared::{LiveSegment, Poll, SealedSegment, Shared, Turnstile, Wake, lock, write};
use crate::storage::LockGuard;
use crate::{Journal, RecoveryReport, Sequence};

impl Opening {
    /// Builds the journal. Everything that `scan` kept is durable, the page's generation has begun.
    pub fn resume(
        mut self,
        locks: Vec<Box<dyn LockGuard>>,
        page: WatermarkPage,
        sealed: Vec<SealedSegment>,
        scan: &Scan,
    ) -> Result<(Journal, RecoveryReport), OpenError> {
        self.report.first_sequence = Sequence(page.oldest());
        self.report.last_sequence = Sequence(scan.chain.next - 1);
        self.report.last_time_ns = scan.chain.time_ns;
        self.report.last_term = scan.chain.term;
        self.report.rules = scan.rules;
        self.report.segments = sealed.len() + scan.kept.len();
        self.report.bytes = sealed.iter().map(|segment| segment.sidecar.header.used).sum::<u64>()
            + scan.kept.iter().map(|kept| kept.end as u64).sum::<u64>();

        let shared = Arc::new(Shared {
            storage: Arc::clone(&self.storage),
            dir: self.dir.clone(),
            tails: self.tails.clone(),
            options: self.options.clone(),
            identity: self.identity,
            page,
            live: RwLock::new(Vec::new()),
            sealed: RwLock::new(sealed),
            indexes: RwLock::new(BTreeMap::new()),
            spares: Mutex::new(VecDeque::new()),
            next_ordinal: AtomicU64::new(0),
            last_chain: CachePadded::new(AtomicU32::new(0)),
            failure: OnceLock::new(),
            space_low: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sync_wake: Wake::default(),
            prepare_wake: Wake::default(),
            durable_turnstile: Turnstile::default(),
            _locks: locks,
        });
        let mut writer = None;
        for kept in &scan.kept {
            if kept.closed.is_none() && kept.end == FRAMES_AT {
                // A header and no frame: begin it anew, under the settings of today.
                let path = self.dir.join(segment_name(kept.header.base));
                self.storage.remove(&path).map_err(io_at(&path, "remove"))?;
                self.storage.sync_dir(&self.dir).map_err(io_at(&self.dir, "sync"))?;
                self.report.segments -= 1;
                continue;
            }
            let (segment, tail) = self.live_segment(&shared, kept)?;
            write(&shared.live).push(segment);
            writer = writer.or(tail);
        }
        let (segment, writer) = match writer {
            Some(found) => found,
            None => self.fresh_segment(&shared, scan.chain.next)?,
        };
        let start = Start { chain: scan.chain, rules: scan.rules, durable: scan.chain.next - 1 };
        Ok((Journal { shared, segment, writer, start }, self.report))
    }

    /// A kept segment: closed ones wait for the sealer, the open one gets a new tail.
    #[allow(clippy::type_complexity)]
    fn live_segment(
        &self,
        shared: &Shared,
        kept: &Kept,
    ) -> Result<(Arc<LiveSegment>, Option<(Arc<LiveSegment>, TailWriter)>), OpenError> {
        let base = kept.header.base;
        let path = self.dir.join(segment_name(base));
        let mapped = self.storage.map(&path).map_err(io_at(&path, "map"))?;
        let ordinal = shared.next_ordinal.fetch_add(1, Ordering::AcqRel);
        let segment = |memory, file, end: usize| {
            Arc::new(LiveSegment {
                ordinal,
                memory,
                file,
                base: AtomicU64::new(base),
                end: AtomicU64::new(end as u64),
                named: AtomicBool::new(true),
                max_frame: kept.header.max_frame,
            })
        };
        if let Some(end) = kept.closed {
            return Ok((segment(mapped, None, end), None));
        }
        let memory = self.tail(base, kept.header.size)?;
        let mut writer = TailWriter::new(&memory);
        writer.slot(0, kept.end).copy_from_slice(&mapped.bytes()[..kept.end]);
        writer.publish(kept.end);
        drop(mapped);
        let file = self.storage.open(&path).map_err(io_at(&path, "open"))?;
        let active = segment(memory, Some(file), 0);
        Ok((Arc::clone(&active), Some((active, writer))))
    }

    fn tail(&self, base: u64, size: u64) -> Result<Arc<SharedMemory>, OpenError> {
        let path = self.tails.join(tail_name(base));
        self.check_tail_space(size)?;
        self.storage.tail_create(&path, size).map_err(io_at(&path, "create the tail (setting `tail_dir`)"))
    }

    fn check_tail_space(&self, active: u64) -> Result<(), OpenError> {
        let dir = &self.options.tail_dir;
        let free = self.storage.tail_free_space(dir).map_err(io_at(dir, "look at (setting `tail_dir`)"))?;
        let needed = active + self.options.segment_bytes * self.options.spares as u64;
        if free < needed { Err(OpenError::TailSpace { dir: dir.clone(), free, needed }) } else { Ok(()) }
    }

    /// A journal that is empty, or ends with END: prepare a segment now.
    fn fresh_segment(&self, shared: &Arc<Shared>, next: u64) -> Result<(Arc<LiveSegment>, TailWriter), OpenError> {
        self.check_tail_space(self.options.segment_bytes)?;
        let mut preparer = Preparer::in_a_hurry(Arc::clone(shared));
        loop {
            if let Some(segment) = lock(&shared.spares).pop_front() {
                segment.base.store(next, Ordering::Release);
                let writer = TailWriter::new(&segment.memory);
                return Ok((segment, writer));
            }
            let poll = preparer.poll();
            if let Some(reason) = shared.failure.get() {
                return Err(io_at(&self.dir, "prepare the first segment")(io::Error::other(reason.clone())));
            }
            if shared.space_low.load(Ordering::Acquire) {
                let free = self.storage.free_space(&self.dir).map_err(io_at(&self.dir, "look at"))?;
                let needed = self.options.free_space_floor + self.options.segment_bytes;
                return Err(OpenError::DiskSpace { dir: self.dir.clone(), free, needed });
            }
            debug_assert!(poll != Poll::Idle);
        }
    }
}
