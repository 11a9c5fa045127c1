//! Turns `written` into `durable`: group commit into the segment file.
//!
//! Invariants:
//! * `durable` is published only after the bytes of every frame up to it, the header of its segment and the segment's
//!   name were made durable.
//! * Only published bytes go to disk; what is behind them in the last block is written as zeros. The last block is
//!   written again with a longer prefix: its durable bytes are the same in each write, so a torn write leaves them.
//! * While one write runs the next group gathers; one write is at most [`GROUP_BYTES_MAX`] long.
//! * The first error latches. Nothing is tried again, nothing is called durable any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::format::BLOCK;
use crate::format::frame::FRAME_HEADER;
use crate::format::segment::FRAMES_AT;
use crate::format::{u32_at, u64_at};
use crate::shared::{LiveSegment, Poll, Shared};
use crate::storage::Block;

/// One write is at most this many bytes long.
pub const GROUP_BYTES_MAX: usize = 1 << 20;

/// Called after each advance of `durable`, on the sync thread: must be short.
pub type DurableHook = Arc<dyn Fn() + Send + Sync>;

/// The sync agent.
pub struct Syncer {
    shared: Arc<Shared>,
    segment: Arc<LiveSegment>,
    /// Bytes of `segment` that are durable.
    synced: usize,
    durable: u64,
    /// A frame boundary at or below `synced`, and the sequence that begins there: where a walk starts.
    walk: (usize, u64),
    last: Box<Block>,
    hook: Option<DurableHook>,
}

impl std::fmt::Debug for Syncer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Syncer").field("synced", &self.synced).field("durable", &self.durable).finish()
    }
}

impl Syncer {
    pub(crate) fn new(shared: Arc<Shared>, segment: Arc<LiveSegment>, hook: Option<DurableHook>) -> Syncer {
        let synced = segment.memory.published();
        let durable = shared.page.durable();
        let walk = (synced.max(FRAMES_AT), durable + 1);
        Syncer { shared, segment, synced, durable, walk, last: Block::zeroed(), hook }
    }

    /// Whether there is something to make durable.
    pub fn has_work(&self) -> bool {
        self.shared.page.written() > self.durable && !self.shared.has_failed()
    }

    /// Makes one group durable.
    pub fn poll(&mut self) -> Poll {
        // `written` first: the bytes published by then hold at least its frame.
        let written = self.shared.page.written();
        if written <= self.durable || self.shared.has_failed() {
            return Poll::Idle;
        }
        let end = self.segment.end();
        let published = match end {
            Some(end) => end + FRAME_HEADER,
            None => self.segment.memory.published(),
        };
        if self.synced == published {
            // The last write may have carried a frame whose number was not told yet: its bytes are on disk, claim it now.
            return match self.advance(self.bounded(written, end)) {
                true => Poll::Worked,
                false if end.is_some() => self.next_segment(),
                false => Poll::Idle,
            };
        }
        let from = self.synced / BLOCK * BLOCK;
        let to = published.min(from + GROUP_BYTES_MAX);
        let claim = if to < published { self.walk_to(to).min(written) } else { self.bounded(written, end) };
        if let Err(error) = self.write(from, to) {
            let path = self.shared.segment_path(self.segment.base());
            self.shared.fail(&path, "write and sync", &error);
            self.shared.durable_turnstile.notify();
            return Poll::Idle;
        }
        self.synced = to;
        self.advance(claim);
        Poll::Worked
    }

    /// `written`, but nothing behind the END of this segment.
    fn bounded(&self, written: u64, end: Option<usize>) -> u64 {
        end.map_or(written, |end| written.min(u64_at(self.segment.memory.bytes(), end + 8) - 1))
    }

    /// Publishes `claim` as durable if it is news.
    fn advance(&mut self, claim: u64) -> bool {
        if claim <= self.durable {
            return false;
        }
        self.durable = claim;
        self.shared.page.set_durable(claim);
        if let Some(hook) = &self.hook {
            hook();
        }
        self.shared.durable_turnstile.notify();
        true
    }

    fn write(&mut self, from: usize, to: usize) -> std::io::Result<()> {
        if !self.segment.named.load(Ordering::Acquire) {
            self.name()?;
        }
        let started = Instant::now();
        let file = self.segment.file.as_ref().ok_or(std::io::ErrorKind::NotFound)?;
        let bytes = self.segment.memory.bytes();
        let blocks_end = to / BLOCK * BLOCK;
        let rest = &bytes[blocks_end..to];
        let last = if rest.is_empty() {
            None
        } else {
            self.last.0[..rest.len()].copy_from_slice(rest);
            self.last.0[rest.len()..].fill(0);
            Some(&*self.last)
        };
        file.write_durable(from as u64, &bytes[from..blocks_end], last)?;
        self.shared.page.count_sync((to - self.synced) as u64, started.elapsed().as_nanos() as u64);
        Ok(())
    }

    /// Gives the spare its name. In this order: nothing is written into a file that recovery would take for a spare.
    fn name(&self) -> std::io::Result<()> {
        let (ordinal, base) = (self.segment.ordinal, self.segment.base());
        let storage = &self.shared.storage;
        storage.rename(&self.shared.spare_path(ordinal), &self.shared.segment_path(base))?;
        storage.sync_dir(&self.shared.dir)?;
        storage.tail_rename(&self.shared.spare_tail_path(ordinal), &self.shared.tail_path(base))?;
        self.segment.named.store(true, Ordering::Release);
        Ok(())
    }

    fn next_segment(&mut self) -> Poll {
        // The appender publishes a sequence of the next segment only after it took it from the spares.
        let Some(next) = self.shared.live_by_ordinal(self.segment.ordinal + 1) else {
            return Poll::Idle;
        };
        assert_eq!(next.base(), self.durable + 1, "segments follow each other without a gap");
        self.segment = next;
        self.synced = 0;
        self.walk = (FRAMES_AT, self.durable + 1);
        Poll::Worked
    }

    /// The last sequence whose frame ends at or below `to`.
    fn walk_to(&mut self, to: usize) -> u64 {
        let bytes = self.segment.memory.bytes();
        let (mut offset, mut sequence) = self.walk;
        while offset + FRAME_HEADER <= to {
            let length = u32_at(bytes, offset + 4) as usize;
            assert!(length >= FRAME_HEADER, "a published frame has a length");
            if offset + length > to || u64_at(bytes, offset + 8) != sequence {
                break;
            }
            offset += length;
            sequence += 1;
        }
        self.walk = (offset, sequence);
        sequence - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimStorage;
    use crate::{AppendError, FrameKind, FrameMeta, Journal, NoStreams, Options};
    use std::path::{Path, PathBuf};

    /// The appender publishes a frame's bytes, then its number; a poll between the two writes the bytes without
    /// claiming them. The next poll must claim them, although there is nothing left to write.
    #[test]
    fn a_frame_whose_number_came_after_its_bytes_is_claimed() {
        let options = Options { tail_dir: PathBuf::from("/tails"), ..Options::small() };
        let opened = Journal::open(Path::new("/data/journal"), SimStorage::new(1).process(), options).unwrap();
        let (mut appender, watermarks, mut agents) = opened.journal.start_stepped(Arc::new(NoStreams), None);
        let shared = Arc::clone(&agents.syncer.shared);
        let mut segments = std::collections::BTreeSet::new();
        for sequence in 1..=200 {
            while appender.begin() == Err(AppendError::NotReady) {
                agents.preparer.poll();
            }
            let meta = FrameMeta { time_ns: 5, command_len: 400, rules: 1, kind: FrameKind::Command, payload_len: 400 };
            assert_eq!(appender.finish(meta).0, sequence);
            shared.page.set_written(sequence - 1);
            while agents.syncer.poll() == Poll::Worked {}
            assert_eq!(watermarks.durable().0, sequence - 1, "a number that was not told is not claimed");
            shared.page.set_written(sequence);
            assert_eq!(agents.syncer.poll(), Poll::Worked);
            while agents.syncer.poll() == Poll::Worked {}
            assert_eq!(watermarks.durable().0, sequence);
            segments.insert(agents.syncer.segment.base());
        }
        assert!(segments.len() > 1, "roll-overs are among them");
    }
}
