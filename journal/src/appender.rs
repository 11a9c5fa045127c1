//! The writer's hot path: frames into the mapped tail.
//!
//! Invariants:
//! * One owner. No allocation, no lock that could be waited for, no system call (but the wake-up of a sync thread that
//!   sleeps).
//! * A frame is published whole: first the bytes (`published` of the tail), then the sequence (`written` of the page).
//! * There are always 48 bytes left for END; [`Appender::begin`] rolls over before they are needed.
//! * After a failure, and after a stop, nothing is appended any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::AppendError;
use crate::format::frame::{Checksums, FRAME_HEADER, FrameHeader, FrameKind};
use crate::format::segment::{FRAMES_AT, SEGMENT_HEADER, SegmentHeader};
use crate::memory::TailWriter;
use crate::page::WriterState;
use crate::scan::Start;
use crate::shared::{LiveSegment, Shared};
use crate::{Sequence, TermNumber};

/// What the engine knows of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMeta {
    /// Engine time, nanoseconds since 1970-01-01 UTC; never falls.
    pub time_ns: u64,
    /// Bytes of the command at the beginning of the payload; a multiple of 8.
    pub command_len: u16,
    /// Rule book version.
    pub rules: u32,
    /// [`FrameKind::Command`] or [`FrameKind::Fence`].
    pub kind: FrameKind,
    /// Bytes of command and events; a multiple of 8.
    pub payload_len: usize,
}

/// The single writer of frames.
#[derive(Debug)]
pub struct Appender {
    shared: Arc<Shared>,
    segment: Arc<LiveSegment>,
    writer: TailWriter,
    sums: Checksums,
    /// Where the next frame begins.
    offset: usize,
    /// A frame may begin at or below this offset.
    last_start: usize,
    max_frame: usize,
    next: u64,
    previous_chain: u32,
    term: u32,
    rules: u32,
    time_ns: u64,
    begun: bool,
}

impl Appender {
    pub(crate) fn new(shared: Arc<Shared>, segment: Arc<LiveSegment>, writer: TailWriter, start: Start) -> Appender {
        let offset = writer.memory().published().max(FRAMES_AT);
        let max_frame = shared.options.max_frame_bytes as usize;
        shared.last_chain.store(start.chain.previous.unwrap_or(0), Ordering::Relaxed);
        let mut appender = Appender {
            sums: shared.identity.checksums(),
            segment,
            writer,
            offset,
            last_start: 0,
            max_frame,
            next: start.chain.next,
            previous_chain: start.chain.previous.unwrap_or(0),
            term: shared.page.term(),
            shared,
            rules: start.rules,
            time_ns: start.chain.time_ns,
            begun: false,
        };
        appender.set_bounds();
        appender
    }

    /// A segment that an earlier setting gave a smaller bound is closed at once: `last_start` stays 0.
    fn set_bounds(&mut self) {
        let room = self.writer.memory().len().saturating_sub(self.max_frame + FRAME_HEADER);
        self.last_start = if (self.segment.max_frame as usize) < self.max_frame { 0 } else { room };
    }

    /// The area for command and events of the next frame, directly in the tail: `max_frame_bytes` − 48 bytes, whose
    /// content is undefined. Rolls over to the next segment first when the room does not suffice.
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed, and a later call may succeed for all but `Failed`.
    #[inline]
    pub fn begin(&mut self) -> Result<&mut [u8], AppendError> {
        if self.shared.page.state() != WriterState::Running {
            return Err(self.failed());
        }
        if self.offset > self.last_start {
            self.roll()?;
        }
        self.begun = true;
        Ok(self.writer.slot(self.offset + FRAME_HEADER, self.max_frame - FRAME_HEADER))
    }

    /// Completes the frame that [`Self::begin`] opened and publishes it as `written`.
    ///
    /// # Panics
    /// If no frame was begun, the lengths are not multiples of 8 or out of bounds, or the time falls: the engine is
    /// broken then and must stop before anything is published.
    #[inline]
    pub fn finish(&mut self, meta: FrameMeta) -> Sequence {
        assert!(self.begun, "finish without begin");
        let length = FRAME_HEADER + meta.payload_len;
        assert!(length <= self.max_frame && length.is_multiple_of(8), "a frame of {length} bytes");
        assert!(meta.command_len as usize <= meta.payload_len && meta.command_len.is_multiple_of(8));
        assert!(meta.time_ns >= self.time_ns, "time falls from {} to {}", self.time_ns, meta.time_ns);
        assert!(meta.kind == FrameKind::Command || (meta.kind == FrameKind::Fence && meta.payload_len == 0));
        if self.writer.memory().published() == 0 {
            self.write_segment_header(&meta);
        }
        let durable = self.shared.page.durable();
        assert!(durable < self.next);
        let header = FrameHeader {
            length: length as u32,
            sequence: self.next,
            time_ns: meta.time_ns,
            lag: FrameHeader::lag(self.next, durable),
            chain: 0,
            term: self.term,
            previous_chain: self.previous_chain,
            command_len: meta.command_len,
            kind: meta.kind,
            rules: meta.rules,
        };
        let end = self.offset + length;
        // What an abandoned or longer attempt left at the next header's place goes before anybody may look there.
        let frame = self.writer.slot(self.offset, length + 8);
        frame[length..].fill(0);
        self.previous_chain = header.seal(&mut frame[..length], self.sums);
        self.shared.last_chain.store(self.previous_chain, Ordering::Relaxed);
        self.writer.publish(end);
        self.shared.page.set_written(self.next);
        self.shared.sync_wake.notify();
        self.offset = end;
        self.time_ns = meta.time_ns;
        self.rules = meta.rules;
        self.begun = false;
        let sequence = Sequence(self.next);
        self.next += 1;
        sequence
    }

    /// Gives up the frame that was begun: as if it had never been.
    pub fn abandon(&mut self) {
        self.begun = false;
    }

    /// The sequence that the next frame gets.
    pub fn next_sequence(&self) -> Sequence {
        Sequence(self.next)
    }

    /// The term that frames are written under.
    pub fn term(&self) -> TermNumber {
        self.term
    }

    /// Raises the term. Unlike the term that opening gives, it survives the power only with the first durable frame
    /// (or segment) that carries it.
    ///
    /// # Panics
    /// If it falls.
    pub fn set_term(&mut self, term: TermNumber) {
        assert!(term >= self.term, "a term never falls");
        self.term = term;
        self.shared.page.set_term(term);
    }

    /// Time of the last frame, in nanoseconds; the next one's must not be lower.
    pub fn last_time_ns(&self) -> u64 {
        self.time_ns
    }

    #[cold]
    fn failed(&self) -> AppendError {
        let reason = self.shared.failure.get().cloned();
        AppendError::Failed { reason: reason.unwrap_or_else(|| "the writer's state was set to failed".to_string()) }
    }

    /// Closes the segment with END and takes a prepared one.
    #[cold]
    fn roll(&mut self) -> Result<(), AppendError> {
        let spare = match self.shared.spares.try_lock() {
            Ok(mut spares) => spares.pop_front(),
            Err(_) => None,
        };
        let Some(spare) = spare else {
            self.shared.prepare_wake.notify();
            let full = self.shared.space_low.load(Ordering::Acquire);
            return Err(if full { AppendError::Full } else { AppendError::NotReady });
        };
        let end = FrameHeader {
            length: FRAME_HEADER as u32,
            sequence: self.next,
            time_ns: self.time_ns,
            lag: FrameHeader::lag(self.next, self.shared.page.durable()),
            chain: 0,
            term: self.term,
            previous_chain: self.previous_chain,
            command_len: 0,
            kind: FrameKind::End,
            rules: self.rules,
        };
        end.seal(self.writer.slot(self.offset, FRAME_HEADER), self.sums);
        self.writer.publish(self.offset + FRAME_HEADER);
        self.segment.end.store(self.offset as u64, Ordering::Release);
        // From here on the spare is the active segment; its header follows with its first frame.
        self.writer = TailWriter::new(&spare.memory);
        spare.base.store(self.next, Ordering::Release);
        self.segment = spare;
        self.offset = FRAMES_AT;
        self.set_bounds();
        self.shared.prepare_wake.notify();
        Ok(())
    }

    #[cold]
    fn write_segment_header(&mut self, meta: &FrameMeta) {
        let header = SegmentHeader {
            shard: self.shared.identity.shard,
            rules: meta.rules,
            term: self.term,
            uuid: self.shared.identity.uuid,
            base: self.next,
            size: self.writer.memory().len() as u64,
            previous_chain: self.previous_chain,
            max_frame: self.segment.max_frame,
            created_ns: meta.time_ns,
        };
        assert_eq!(self.offset, FRAMES_AT);
        self.writer.slot(0, SEGMENT_HEADER).copy_from_slice(&header.encode());
    }
}
