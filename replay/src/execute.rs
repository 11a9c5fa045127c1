//! One frame again: apply its command, compare its events byte for byte.
//!
//! Invariant: after a difference or a fault the executor refuses every further frame; its engine is evidence, not state.

use crate::error::{Divergence, ReplayError};
use ringbook_core::{Engine, RULES_VERSION};
use ringbook_journal::{Frame, FrameKind};
use ringbook_wire::{Sequence, TimestampNs};

/// Largest bound of one command's events that GENESIS may set. Pages that are never written cost nothing.
const EVENT_BYTES_MAX: usize = 1 << 24;

/// An engine that follows frames and proves each.
pub struct Executor {
    engine: Engine,
    buffer: Vec<u8>,
    frames: u64,
    event_bytes: u64,
    broken: bool,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sequence = self.engine.sequence();
        f.debug_struct("Executor").field("sequence", &sequence).field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl Executor {
    /// Goes on from this state.
    pub fn new(engine: Engine) -> Self {
        Self { engine, buffer: vec![0; EVENT_BYTES_MAX], frames: 0, event_bytes: 0, broken: false }
    }

    /// The state.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The state, and nothing else.
    pub fn into_engine(self) -> Engine {
        self.engine
    }

    /// Frames that were executed and compared.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of events that were compared.
    pub fn event_bytes(&self) -> u64 {
        self.event_bytes
    }

    /// Executes the next frame and compares.
    ///
    /// # Errors
    /// [`ReplayError::Diverged`] if the events differ; else the frame cannot be executed here.
    #[inline]
    pub fn step(&mut self, frame: &Frame<'_>) -> Result<(), ReplayError> {
        let sequence = frame.sequence.0;
        if self.broken {
            return Err(ReplayError::Short { reached: self.engine.sequence().0, last: sequence });
        }
        if frame.kind != FrameKind::Command {
            return Err(ReplayError::Fence(sequence));
        }
        if frame.rules != RULES_VERSION {
            return Err(ReplayError::Rules { sequence, rules: frame.rules });
        }
        let written =
            self.engine.apply(Sequence(sequence), TimestampNs(frame.time_ns), frame.command, &mut self.buffer)?;
        let replayed = &self.buffer[..written];
        if replayed != frame.events {
            self.broken = true;
            return Err(ReplayError::Diverged(Box::new(Divergence::new(frame, replayed))));
        }
        self.frames += 1;
        self.event_bytes += written as u64;
        Ok(())
    }
}
