//! What a running projector shows to others: metrics, and "wait until the rows have passed N".
//!
//! Invariants: written by the projector's thread alone, but for `head`, which whoever knows the journal's end raises;
//! reading never blocks it. The lag is known also while the projector waits for its database or has ended.

use crate::breaker::BreakerState;
use crate::frame::Position;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Shared by the projector and whoever asks about it.
#[derive(Debug)]
pub struct Progress {
    sequence: watch::Sender<u64>,
    term: AtomicU32,
    time_ns: AtomicU64,
    head: AtomicU64,
    /// Engine time of the oldest frame that was taken and is not written; 0: none.
    oldest_ns: AtomicU64,
    /// Wall clock when there was nothing to take, or at the start.
    caught_up_ns: AtomicU64,
    ended: AtomicBool,
    breaker: AtomicU8,
    next_attempt_ms: AtomicU64,
    failures: AtomicU32,
    frames: AtomicU64,
    batches: AtomicU64,
    rows: AtomicU64,
    retries: AtomicU64,
    dead_letters: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// One reading of [`Progress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressReport {
    /// Everything up to here is in the database.
    pub sequence: u64,
    /// Its term.
    pub term: u32,
    /// Its engine time.
    pub time_ns: u64,
    /// Newest committed sequence of the journal that the projector has heard of.
    pub head: u64,
    /// `head − sequence`.
    pub lag_frames: u64,
    /// Age of the oldest committed frame that is not in the rows, against the wall clock; 0 without a lag.
    pub lag_ns: u64,
    /// The projector has ended by an error.
    pub ended: bool,
    /// State of the circuit breaker.
    pub breaker: BreakerState,
    /// When the next attempt is due, in milliseconds since 1970; 0 if none is.
    pub next_attempt_ms: u64,
    /// Failed attempts in a row.
    pub failures: u32,
    /// Frames written since the start.
    pub frames: u64,
    /// Transactions since the start.
    pub batches: u64,
    /// Rows written since the start.
    pub rows: u64,
    /// Attempts that had to be repeated since the start.
    pub retries: u64,
    /// Rows refused since the start.
    pub dead_letters: u64,
    /// The last error, if any.
    pub last_error: Option<String>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            sequence: watch::channel(0).0,
            term: AtomicU32::new(0),
            time_ns: AtomicU64::new(0),
            head: AtomicU64::new(0),
            oldest_ns: AtomicU64::new(0),
            caught_up_ns: AtomicU64::new(wall_ns()),
            ended: AtomicBool::new(false),
            breaker: AtomicU8::new(0),
            next_attempt_ms: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            frames: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            last_error: Mutex::new(None),
        }
    }
}

fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

impl Progress {
    /// Everything up to this sequence is in the database.
    pub fn sequence(&self) -> u64 {
        *self.sequence.borrow()
    }

    /// A receiver that changes with [`Self::sequence`], for asynchronous waiting:
    /// `receiver.wait_for(|&sequence| sequence >= min_sequence).await`.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.sequence.subscribe()
    }

    /// Waits, on an ordinary thread, until the rows have passed `sequence`; false if the time ran out.
    pub fn wait_for(&self, sequence: u64, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.sequence() < sequence {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// All numbers at once.
    pub fn report(&self) -> ProgressReport {
        let sequence = self.sequence();
        let head = self.head.load(Relaxed).max(sequence);
        let time_ns = self.time_ns.load(Relaxed);
        let (failures, ended) = (self.failures.load(Relaxed), self.ended.load(Relaxed));
        let oldest_ns = match self.oldest_ns.load(Relaxed) {
            // Nothing was taken: what is there is behind the newest row, and came after the last time that there was nothing.
            0 => time_ns.max(self.caught_up_ns.load(Relaxed)),
            taken => taken,
        };
        ProgressReport {
            sequence,
            term: self.term.load(Relaxed),
            time_ns,
            head,
            lag_frames: head - sequence,
            lag_ns: if head == sequence { 0 } else { wall_ns().saturating_sub(oldest_ns) },
            ended,
            breaker: BreakerState::from_code(self.breaker.load(Relaxed)),
            next_attempt_ms: self.next_attempt_ms.load(Relaxed),
            failures,
            frames: self.frames.load(Relaxed),
            batches: self.batches.load(Relaxed),
            rows: self.rows.load(Relaxed),
            retries: self.retries.load(Relaxed),
            dead_letters: self.dead_letters.load(Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(|e| e.into_inner()).clone(),
        }
    }

    pub(crate) fn at(&self, position: &Position) {
        self.term.store(position.term, Relaxed);
        self.time_ns.store(position.time_ns, Relaxed);
        self.oldest_ns.store(0, Relaxed);
        self.sequence.send_replace(position.sequence);
    }

    /// The journal's newest committed sequence, as whoever asks for a report knows it: the projector itself looks only
    /// when it takes frames.
    pub fn head(&self, head: u64) {
        self.head.fetch_max(head, Relaxed);
    }

    /// The first frame of a batch was taken.
    pub(crate) fn took(&self, time_ns: u64) {
        self.oldest_ns.store(time_ns, Relaxed);
    }

    /// There was nothing to take.
    pub(crate) fn caught_up(&self) {
        self.caught_up_ns.store(wall_ns(), Relaxed);
    }

    /// The projector ends by an error.
    pub(crate) fn ended(&self, error: &dyn std::fmt::Display) {
        *self.last_error.lock().unwrap_or_else(|e| e.into_inner()) = Some(error.to_string());
        self.ended.store(true, Relaxed);
    }

    pub(crate) fn wrote(&self, frames: u64, rows: u64, dead: u64) {
        self.frames.fetch_add(frames, Relaxed);
        self.batches.fetch_add(1, Relaxed);
        self.rows.fetch_add(rows, Relaxed);
        self.dead_letters.fetch_add(dead, Relaxed);
    }

    pub(crate) fn breaker(&self, state: BreakerState, failures: u32, next_in: Option<Duration>) {
        let next = next_in.map_or(0, |d| wall_ns() / 1_000_000 + u64::try_from(d.as_millis()).unwrap_or(0));
        self.next_attempt_ms.store(next, Relaxed);
        self.failures.store(failures, Relaxed);
        self.breaker.store(state as u8, Relaxed);
    }

    pub(crate) fn failed(&self, error: &dyn std::fmt::Display) {
        self.retries.fetch_add(1, Relaxed);
        *self.last_error.lock().unwrap_or_else(|e| e.into_inner()) = Some(error.to_string());
    }
}
