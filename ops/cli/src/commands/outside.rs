//! The committed journal as a projector's source, read from outside the server.
//!
//! Invariant: a follower slot is held while the rows are followed, so that retention waits for them.

use crate::serve;
use ringbook_journal::{FollowerSlot, LiveJournal, Reader, Sequence};
use ringbook_projector::{Frame, FrameSource, SourceError};
use ringbook_replay::Folder;
use std::time::{Duration, Instant};

/// The committed journal, read from outside.
pub struct Outside {
    folder: Folder,
    reader: Reader,
    live: Option<LiveJournal>,
    slot: Option<FollowerSlot>,
    follows: bool,
    /// Everything up to here is in the rows, as far as we know.
    passed: u64,
    renewed: Instant,
}

/// A follower's slot is renewed at least so often.
const RENEW_EVERY: Duration = Duration::from_secs(10);

impl Outside {
    /// `follows`: take a follower slot, so that retention waits for us.
    pub fn new(folder: &Folder, follows: bool) -> Result<Self, String> {
        let first = folder.first_sequence().map_err(|error| error.to_string())?.max(1);
        let reader = folder.reader(first).map_err(|error| error.to_string())?;
        let live = LiveJournal::attach(&folder.journal(), folder.tails()).ok();
        let mut outside =
            Self { folder: folder.clone(), reader, live, slot: None, follows, passed: 0, renewed: Instant::now() };
        outside.take_slot(0);
        Ok(outside)
    }

    /// The writer went away or came anew: open again where we were.
    fn reopen(&mut self) -> Result<(), SourceError> {
        let next = self.reader.next_sequence().0;
        self.slot = None;
        self.live = LiveJournal::attach(&self.folder.journal(), self.folder.tails()).ok();
        self.reader = self.folder.reader(next).map_err(|error| SourceError(error.to_string()))?;
        self.take_slot(next.saturating_sub(1));
        Ok(())
    }

    fn take_slot(&mut self, passed: u64) {
        if self.follows && self.slot.is_none() {
            self.slot = self.live.as_ref().and_then(|live| live.follow("projector", Sequence(passed)));
        }
    }

    /// Last sequence that is committed, as far as can be seen.
    pub fn committed(&self) -> Option<u64> {
        self.reader.committed().ok().map(|sequence| sequence.0)
    }
}

impl FrameSource for Outside {
    fn seek(&mut self, sequence: u64) -> Result<(), SourceError> {
        let first = self.folder.first_sequence().map_err(|error| SourceError(error.to_string()))?;
        if sequence < first {
            return Err(SourceError(format!(
                "the journal begins at {first}, and sequence {sequence} is needed: restore the archived segments into the journal's folder, then start again"
            )));
        }
        self.reader.seek(Sequence(sequence));
        self.passed(sequence.saturating_sub(1));
        Ok(())
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let deadline = Instant::now() + wait;
        if self.renewed.elapsed() >= RENEW_EVERY {
            self.hold();
        }
        loop {
            let next = self.reader.next_sequence().0;
            match self.reader.committed() {
                Ok(committed) if committed.0 >= next => {
                    let frame = self.reader.next(committed).map_err(|error| SourceError(error.to_string()))?;
                    return Ok(frame.map(|frame| serve::projector_frame(&frame)));
                }
                Ok(_) => {}
                Err(_) => {
                    // A writer that restarts needs a moment; the journal itself is checked again when it is back.
                    std::thread::sleep(Duration::from_millis(50));
                    if let Err(error) = self.reopen() {
                        tracing::debug!(%error, "the journal is not there yet");
                    }
                }
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn head(&self) -> Option<u64> {
        self.committed()
    }

    fn hold(&mut self) {
        self.passed(self.passed);
    }

    fn term_at(&mut self, sequence: u64) -> Result<Option<u32>, SourceError> {
        let words = |error: &dyn std::fmt::Display| SourceError(error.to_string());
        let committed = self.reader.committed().map_err(|error| words(&error))?;
        let mut reader = self.folder.reader(sequence).map_err(|error| words(&error))?;
        Ok(reader.next(committed).map_err(|error| words(&error))?.map(|frame| frame.term))
    }

    fn passed(&mut self, sequence: u64) {
        (self.passed, self.renewed) = (sequence, Instant::now());
        self.take_slot(sequence);
        if let (Some(slot), Some(live)) = (&self.slot, &self.live)
            && !slot.passed(Sequence(sequence), live.clock_ns())
        {
            self.slot = None;
            self.take_slot(sequence);
        }
    }
}
