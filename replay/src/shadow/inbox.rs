//! Questions from other threads. A question is a closure over the shadow; its reply is a closure too, so that tokio
//! tasks, plain threads and the gateway's agents all ask in their own way.
//!
//! Invariants: a question runs on the shadow's thread, so it must be short; a reply is called at most once, and dropped
//! uncalled only when the shadow is gone.

use super::metrics::ShadowMetrics;
use super::{AccountState, Book, QueryError, Shadow};
use ringbook_wire::AccountId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

/// From when on a question may be answered, and how long it waits for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Answer not before this sequence; 0: at once.
    pub at_least: u64,
    /// Give up after this time.
    pub timeout: Duration,
}

impl Wait {
    /// Answer at once.
    pub const NONE: Self = Self { at_least: 0, timeout: Duration::from_secs(5) };

    /// Answer when this sequence was reached.
    pub const fn until(at_least: u64, timeout: Duration) -> Self {
        Self { at_least, timeout }
    }
}

pub(super) type Run = Box<dyn FnOnce(Result<&Shadow, QueryError>) + Send>;
pub(super) type SnapshotReply = Box<dyn FnOnce(Result<u64, QueryError>) + Send>;

pub(super) enum Request {
    Wake,
    Question { at_least: u64, deadline: Instant, run: Run },
    Snapshot { reply: SnapshotReply },
}

/// The shadow's side of the channel.
pub struct Inbox {
    pub(super) requests: Receiver<Request>,
    pub(super) sleeping: Arc<AtomicBool>,
    pub(super) metrics: Arc<ShadowMetrics>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbox")
    }
}

/// Asks the shadow; clone it freely.
#[derive(Clone)]
pub struct ShadowHandle {
    requests: Sender<Request>,
    sleeping: Arc<AtomicBool>,
    metrics: Arc<ShadowMetrics>,
}

impl std::fmt::Debug for ShadowHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShadowHandle").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

impl ShadowHandle {
    /// A handle, and the inbox that [`super::run`] takes.
    pub fn channel() -> (Self, Inbox) {
        let (sender, requests) = mpsc::channel();
        let sleeping = Arc::new(AtomicBool::new(false));
        let metrics = Arc::new(ShadowMetrics::default());
        let inbox = Inbox { requests, sleeping: Arc::clone(&sleeping), metrics: Arc::clone(&metrics) };
        (Self { requests: sender, sleeping, metrics }, inbox)
    }

    /// Asks. `reply` is called on the shadow's thread, or on this one if the shadow is gone.
    pub fn ask<T: 'static>(
        &self,
        wait: Wait,
        question: impl FnOnce(&Shadow) -> Result<T, QueryError> + Send + 'static,
        reply: impl FnOnce(Result<T, QueryError>) + Send + 'static,
    ) {
        let run: Run = Box::new(move |shadow| reply(shadow.and_then(question)));
        let deadline = Instant::now() + wait.timeout;
        self.send(Request::Question { at_least: wait.at_least, deadline, run });
    }

    /// Asks and waits for the answer; not for threads of an async runtime.
    ///
    /// # Errors
    /// Of the question, or the shadow cannot answer.
    pub fn ask_blocking<T: Send + 'static>(
        &self,
        wait: Wait,
        question: impl FnOnce(&Shadow) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let (sender, answer) = mpsc::channel();
        // A receiver that is gone needs no answer.
        self.ask(wait, question, move |result| drop(sender.send(result)));
        answer.recv().unwrap_or(Err(QueryError::Stopped))
    }

    /// The best levels of a book after exactly `sequence` (`None`: now), waiting for it if it is not there yet.
    pub fn book(
        &self,
        symbol: String,
        depth: usize,
        sequence: Option<u64>,
        timeout: Duration,
        reply: impl FnOnce(Result<Book, QueryError>) + Send + 'static,
    ) {
        let wait = Wait::until(sequence.unwrap_or(0), timeout);
        self.ask(wait, move |shadow| shadow.book_at(&symbol, depth, sequence), reply);
    }

    /// An account's state at or after `min_sequence`.
    pub fn account_state(
        &self,
        account: AccountId,
        min_sequence: u64,
        timeout: Duration,
        reply: impl FnOnce(Result<AccountState, QueryError>) + Send + 'static,
    ) {
        self.ask(Wait::until(min_sequence, timeout), move |shadow| Ok(shadow.account_state(account)), reply);
    }

    /// Takes a snapshot now; the reply says its sequence once it is written and proven.
    pub fn snapshot(&self, reply: impl FnOnce(Result<u64, QueryError>) + Send + 'static) {
        self.send(Request::Snapshot { reply: Box::new(reply) });
    }

    /// [`Self::snapshot`], waiting; not for threads of an async runtime.
    ///
    /// # Errors
    /// It was not taken.
    pub fn snapshot_blocking(&self) -> Result<u64, QueryError> {
        let (sender, answer) = mpsc::channel();
        self.snapshot(move |result| drop(sender.send(result)));
        answer.recv().unwrap_or(Err(QueryError::Stopped))
    }

    /// Says that `committed` has advanced: for the journal's durable hook. Costs one load unless the shadow sleeps.
    pub fn wake(&self) {
        if self.sleeping.load(Ordering::SeqCst) && self.sleeping.swap(false, Ordering::SeqCst) {
            self.send(Request::Wake);
        }
    }

    /// What the shadow tells about itself.
    pub fn metrics(&self) -> &Arc<ShadowMetrics> {
        &self.metrics
    }

    fn send(&self, request: Request) {
        if let Err(mpsc::SendError(request)) = self.requests.send(request) {
            request.refuse(&QueryError::Stopped);
        }
    }
}

impl Request {
    /// Answers with an error.
    pub fn refuse(self, error: &QueryError) {
        match self {
            Self::Wake => {}
            Self::Question { run, .. } => run(Err(error.clone())),
            Self::Snapshot { reply } => reply(Err(error.clone())),
        }
    }
}
