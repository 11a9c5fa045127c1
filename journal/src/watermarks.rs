//! The watermarks inside the writer's process: reading, waiting, the replicator's and the engine's part.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Sequence;
use crate::follower::{FollowerSlot, living, pid_namespace};
use crate::history::StreamHistory;
use crate::maintenance::{JournalStat, RetainError, retain, stat_inside};
use crate::page::{AckPolicy, Follower, WatermarkPage, WriterState};
use crate::reader::Reader;
use crate::shared::Shared;

/// A handle on the writer's watermarks; clone it freely.
#[derive(Clone, Debug)]
pub struct Watermarks {
    shared: Arc<Shared>,
}

impl Watermarks {
    pub(crate) fn new(shared: Arc<Shared>) -> Watermarks {
        Watermarks { shared }
    }

    /// Highest sequence that survives the process.
    #[inline]
    pub fn written(&self) -> Sequence {
        Sequence(self.shared.page.written())
    }

    /// Highest sequence that survives the power.
    #[inline]
    pub fn durable(&self) -> Sequence {
        Sequence(self.shared.page.durable())
    }

    /// Highest sequence that the replicated log confirmed.
    #[inline]
    pub fn replicated(&self) -> Sequence {
        Sequence(self.shared.page.replicated())
    }

    /// Highest sequence that may leave the process, by the policy.
    #[inline]
    pub fn committed(&self) -> Sequence {
        Sequence(match self.shared.options.ack {
            AckPolicy::Written => self.shared.page.written(),
            AckPolicy::Durable => self.shared.page.durable(),
            AckPolicy::Replicated => self.shared.page.committed(),
        })
    }

    /// First sequence that can be read.
    pub fn oldest(&self) -> Sequence {
        Sequence(self.shared.page.oldest())
    }

    /// For the replicator, its only caller.
    ///
    /// # Panics
    /// If it falls.
    pub fn set_replicated(&self, sequence: Sequence) {
        assert!(sequence.0 >= self.shared.page.replicated(), "the replicated watermark never falls");
        self.shared.page.set_replicated(sequence.0);
        self.shared.durable_turnstile.notify();
    }

    /// What the writer is doing.
    pub fn state(&self) -> WriterState {
        self.shared.page.state()
    }

    /// `Failed` is final: the appender refuses from then on.
    pub fn set_state(&self, state: WriterState) {
        self.shared.page.set_state(state);
    }

    /// The first I/O error, if there was one.
    pub fn failure(&self) -> Option<&str> {
        self.shared.failure.get().map(String::as_str)
    }

    /// The disk is full down to the floor: go cancel-only until this is `false` again.
    pub fn space_low(&self) -> bool {
        self.shared.space_low.load(Ordering::Acquire)
    }

    /// (bytes made durable, sync calls, duration of the last sync in ns), for metrics.
    pub fn sync_metrics(&self) -> (u64, u64, u64) {
        self.shared.page.sync_metrics()
    }

    /// Waits until `committed` is above `sequence`, the writer has failed, or `timeout` has passed; answers
    /// `committed`. Costs the engine nothing: the sync thread wakes those who wait.
    pub fn wait_committed_beyond(&self, sequence: Sequence, timeout: Duration) -> Sequence {
        let deadline = Instant::now() + timeout;
        loop {
            let committed = self.committed();
            let left = deadline.saturating_duration_since(Instant::now());
            if committed > sequence || left.is_zero() || self.state() == WriterState::Failed {
                return committed;
            }
            match self.shared.options.ack {
                // The engine wakes nobody: poll, at most a millisecond late.
                AckPolicy::Written => std::thread::sleep(left.min(Duration::from_micros(200))),
                AckPolicy::Durable | AckPolicy::Replicated => {
                    let ready = || self.committed() > sequence || self.state() == WriterState::Failed;
                    self.shared.durable_turnstile.wait_unless(ready, left.min(Duration::from_millis(20)));
                }
            }
        }
    }

    /// The page itself: for followers and metrics.
    pub fn page(&self) -> &WatermarkPage {
        &self.shared.page
    }

    /// A reader that begins with `from`.
    pub fn reader(&self, from: Sequence) -> Reader {
        Reader::inside(Arc::clone(&self.shared), from)
    }

    /// The frames of clients' streams.
    pub fn history(&self) -> StreamHistory {
        StreamHistory::new(Arc::clone(&self.shared))
    }

    /// Registers a reader that must not lose the journal; see [`FollowerSlot`].
    pub fn follow(&self, name: &str, passed: Sequence) -> Option<FollowerSlot> {
        FollowerSlot::take(&self.shared.page, name, passed.0, self.clock_ns())
    }

    /// The followers that live: their heartbeat is young, and their process has not ended as far as this one can see.
    /// Retention still waits for the heartbeat of a process that was killed: it may be on its way back.
    pub fn followers(&self) -> Vec<Follower> {
        let followers = self.shared.page.followers(self.clock_ns());
        living(followers, pid_namespace(), |pid| self.shared.storage.process_lives(pid))
    }

    /// Nanoseconds since 1970-01-01 UTC as the journal's storage sees them: for heartbeats.
    pub fn clock_ns(&self) -> u64 {
        self.shared.storage.clock_ns()
    }

    /// Removes sealed segments that lie wholly below `keep_from` and that every live follower has passed.
    ///
    /// # Errors
    /// If a file cannot be removed; what was removed until then is gone.
    pub fn retain(&self, keep_from: Sequence) -> Result<Vec<u64>, RetainError> {
        retain(&self.shared, keep_from.0)
    }

    /// Segments, sequences, bytes.
    pub fn stat(&self) -> JournalStat {
        stat_inside(&self.shared)
    }
}
