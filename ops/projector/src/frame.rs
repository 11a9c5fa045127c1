//! What comes in: journal frames from a source that can go back, and the place that a database has reached.
//!
//! Invariants:
//! 1. A source yields committed frames only, each exactly once and in order, from the sequence it was sought to.
//! 2. The projector never asks a source for a sequence that it reported as passed, except after a rebuild.

use std::time::Duration;

/// One command and all events that it caused (docs/FORMATS.md §3), borrowed from whoever read it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its place in the one total order, from 1.
    pub sequence: u64,
    /// The writer's term.
    pub term: u32,
    /// Engine time in nanoseconds since 1970-01-01 UTC.
    pub time_ns: u64,
    /// Origin and message; empty for a frame that is no command (a fence).
    pub command: &'a [u8],
    /// Event records.
    pub events: &'a [u8],
}

/// A source that cannot deliver. The text says what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Where frames come from: the journal's reader, or a list in a test.
pub trait FrameSource {
    /// The next frame delivered will be the one with this sequence.
    ///
    /// # Errors
    /// It is not kept any more, or the journal cannot be read.
    fn seek(&mut self, sequence: u64) -> Result<(), SourceError>;

    /// The next committed frame; `None` if none came within `wait`.
    ///
    /// # Errors
    /// The journal cannot be read on.
    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError>;

    /// The term of a committed frame; `None` if the journal ends before it. Asked once, for the frame that the rows stand
    /// at: another term is another history.
    ///
    /// # Errors
    /// The journal cannot be read there.
    fn term_at(&mut self, sequence: u64) -> Result<Option<u32>, SourceError>;

    /// The newest committed sequence, for the lag; `None` if the source does not know it.
    fn head(&self) -> Option<u64> {
        None
    }

    /// Told while no frame can be taken, at least every few seconds: what is not passed must be kept although nothing is
    /// read.
    fn hold(&mut self) {}

    /// Told after each commit: everything up to `sequence` is in the database and retention may have it.
    fn passed(&mut self, sequence: u64) {
        let _ = sequence;
    }
}

/// A frame that owns its bytes.
#[derive(Clone, Debug, Default)]
pub struct OwnedFrame {
    /// See [`Frame::sequence`].
    pub sequence: u64,
    /// See [`Frame::term`].
    pub term: u32,
    /// See [`Frame::time_ns`].
    pub time_ns: u64,
    /// See [`Frame::command`].
    pub command: Vec<u8>,
    /// See [`Frame::events`].
    pub events: Vec<u8>,
}

impl OwnedFrame {
    /// Lends it.
    pub fn frame(&self) -> Frame<'_> {
        Frame {
            sequence: self.sequence,
            term: self.term,
            time_ns: self.time_ns,
            command: &self.command,
            events: &self.events,
        }
    }
}

/// Frames in memory, from sequence 1 on without a gap, as a source.
#[derive(Clone, Debug, Default)]
pub struct FrameList {
    frames: std::sync::Arc<Vec<OwnedFrame>>,
    next: usize,
}

impl FrameList {
    /// A source over `frames`, standing at the first.
    pub fn new(frames: impl Into<std::sync::Arc<Vec<OwnedFrame>>>) -> Self {
        Self { frames: frames.into(), next: 0 }
    }
}

impl FrameSource for FrameList {
    fn term_at(&mut self, sequence: u64) -> Result<Option<u32>, SourceError> {
        Ok(self.frames.iter().find(|frame| frame.sequence == sequence).map(|frame| frame.term))
    }

    fn seek(&mut self, sequence: u64) -> Result<(), SourceError> {
        let first = self.frames.first().map_or(1, |f| f.sequence);
        self.next = sequence
            .checked_sub(first)
            .and_then(|n| usize::try_from(n).ok())
            .filter(|&n| n <= self.frames.len())
            .ok_or_else(|| SourceError(format!("sequence {sequence} is not in this list of frames")))?;
        Ok(())
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let Some(frame) = self.frames.get(self.next) else {
            std::thread::sleep(wait.min(Duration::from_millis(20)));
            return Ok(None);
        };
        self.next += 1;
        Ok(Some(frame.frame()))
    }

    fn head(&self) -> Option<u64> {
        self.frames.last().map(|f| f.sequence)
    }
}

/// Whose rows a database shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The shard: numbers of orders and trades are per shard.
    pub shard: u32,
    /// The journal's identity.
    pub journal: [u8; 16],
}

impl Owner {
    /// The journal's identity in the hexadecimal of `projection.journal`.
    pub fn journal_text(&self) -> String {
        self.journal.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// How far a database is: the one row of `projection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Position {
    /// Which shard's journal the database shows.
    pub shard: u32,
    /// Term of the last frame shown; 0 before the first.
    pub term: u32,
    /// Sequence of the last frame shown; 0 before the first.
    pub sequence: u64,
    /// Engine time of the last frame shown.
    pub time_ns: u64,
    /// Rises with each rebuild, so that a running projector notices that the tables under it were swapped.
    pub generation: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shard {} term {} sequence {}", self.shard, self.term, self.sequence)
    }
}
