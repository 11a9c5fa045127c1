//! The shadow's thread: follow, answer, take snapshots.
//!
//! Invariants: between two looks at the questions at most [`BATCH_FRAMES`] frames are executed; at most one snapshot is
//! being written at a time, on a thread of its own; the last snapshot is taken after the last committed frame.

use super::inbox::{Inbox, Request, Run, SnapshotReply};
use super::metrics::{add, set};
use super::{QueryError, Shadow};
use crate::error::ReplayError;
use ringbook_journal::{Reader, Sequence, Watermarks};
use ringbook_snapshot::Store;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Frames between two looks at the questions.
const BATCH_FRAMES: usize = 512;
/// Questions between two looks at the journal.
const BATCH_QUESTIONS: usize = 256;
/// Questions that may wait for a sequence.
const WAITING_MAX: usize = 65_536;
/// After a snapshot that failed the next one is tried no sooner.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(60);

/// How far the shadow may go.
pub trait Committed: Send {
    /// Highest sequence that may leave the process.
    fn committed(&self) -> u64;
}

impl Committed for Watermarks {
    fn committed(&self) -> u64 {
        Watermarks::committed(self).0
    }
}

/// When to snapshot, and how long to sleep.
#[derive(Clone, Copy, Debug)]
pub struct ShadowOptions {
    /// After this many frames.
    pub snapshot_every_frames: u64,
    /// After this time, if anything has changed.
    pub snapshot_every: Duration,
    /// One more when it stops, if anything has changed.
    pub snapshot_at_stop: bool,
    /// The snapshot that recovery used, proven by that; 0: none.
    pub recovered_from: u64,
    /// Shortest sleep while there is nothing to do.
    pub idle_min: Duration,
    /// Longest sleep; [`super::ShadowHandle::wake`] and questions end it early.
    pub idle_max: Duration,
}

impl Default for ShadowOptions {
    fn default() -> Self {
        Self {
            snapshot_every_frames: 1_000_000,
            snapshot_every: Duration::from_secs(600),
            snapshot_at_stop: true,
            recovered_from: 0,
            idle_min: Duration::from_micros(500),
            idle_max: Duration::from_millis(20),
        }
    }
}

/// Runs until `stop` is set and everything committed was executed. `store`: without one no snapshots are taken.
///
/// # Errors
/// A difference, or the journal cannot be read. It was told to the operator when it happened; questions were answered
/// with it until `stop`.
pub fn run(
    mut shadow: Shadow,
    mut reader: Reader,
    committed: &dyn Committed,
    store: Option<Store>,
    inbox: Inbox,
    options: &ShadowOptions,
    stop: &AtomicBool,
) -> Result<(), ReplayError> {
    reader.seek(Sequence(shadow.sequence() + 1));
    let mut agent = Agent::new(inbox, store, *options, &shadow);
    let mut failure: Option<ReplayError> = None;
    let mut idle = options.idle_min;
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let limit = committed.committed();
        set(&agent.inbox.metrics.committed, limit);
        let mut worked = 0;
        if failure.is_none() {
            match follow(&mut shadow, &mut reader, limit) {
                Ok(frames) => worked = frames,
                Err(error) => failure = Some(agent.fail(error)),
            }
            agent.count(&shadow, worked);
        }
        worked += agent.answer_new(&shadow);
        agent.answer_waiting(&shadow);
        agent.snapshot_if_due(&shadow);
        if worked > 0 {
            idle = options.idle_min;
        } else if stopping && (failure.is_some() || shadow.sequence() >= limit) {
            break;
        } else {
            agent.sleep(&shadow, committed, idle);
            let longest = if agent.waiting.is_empty() { options.idle_max } else { options.idle_min };
            idle = (idle * 2).min(longest);
        }
    }
    agent.finish(&shadow);
    failure.map_or(Ok(()), Err)
}

/// Executes a batch of committed frames; how many.
fn follow(shadow: &mut Shadow, reader: &mut Reader, limit: u64) -> Result<usize, ReplayError> {
    for done in 0..BATCH_FRAMES {
        match reader.next(Sequence(limit))? {
            Some(frame) => shadow.step(&frame)?,
            None => return Ok(done),
        }
    }
    Ok(BATCH_FRAMES)
}

type SnapshotOutcome = Result<(u64, u64), String>;

/// A snapshot that is being written.
struct Writing {
    thread: JoinHandle<()>,
    outcome: Receiver<SnapshotOutcome>,
    replies: Vec<SnapshotReply>,
    began: Instant,
}

struct Agent {
    inbox: Inbox,
    store: Option<Store>,
    options: ShadowOptions,
    /// By the sequence that they wait for; the number tells questions apart.
    waiting: BTreeMap<(u64, u64), (Instant, Run)>,
    numbered: u64,
    writing: Option<Writing>,
    /// Asked for while another one was being written.
    wanted: Vec<SnapshotReply>,
    snapshot_sequence: u64,
    snapshot_time: Instant,
    not_before: Option<Instant>,
    failure: Option<QueryError>,
}

impl Agent {
    fn new(inbox: Inbox, store: Option<Store>, options: ShadowOptions, shadow: &Shadow) -> Self {
        // Only what is proven counts, because retention relies on it: the snapshot that recovery used, then those that
        // this process writes. A name in the folder proves nothing.
        let newest = options.recovered_from;
        set(&inbox.metrics.snapshot_sequence, newest);
        set(&inbox.metrics.sequence, shadow.sequence());
        Self {
            inbox,
            store,
            options,
            waiting: BTreeMap::new(),
            numbered: 0,
            writing: None,
            wanted: Vec::new(),
            snapshot_sequence: newest,
            snapshot_time: Instant::now(),
            not_before: None,
            failure: None,
        }
    }

    fn count(&self, shadow: &Shadow, frames: usize) {
        set(&self.inbox.metrics.sequence, shadow.sequence());
        add(&self.inbox.metrics.frames, frames as u64);
    }

    /// A difference is as loud as it can be: log, metric, no snapshots, no answers.
    fn fail(&mut self, error: ReplayError) -> ReplayError {
        let text = error.to_string();
        tracing::error!(
            "the shadow has stopped: {text}\nSnapshots and queries have stopped with it. Orders are still taken; do not \
             rely on the next recovery before this is explained"
        );
        let first = text.lines().next().unwrap_or_default().to_owned();
        self.failure = Some(QueryError::Failed(first.clone()));
        // Set once: only the first failure gets here.
        let _ = self.inbox.metrics.failure.set(first);
        error
    }

    fn answer_new(&mut self, shadow: &Shadow) -> usize {
        for count in 0..BATCH_QUESTIONS {
            let Ok(request) = self.inbox.requests.try_recv() else { return count };
            self.take(request, shadow);
        }
        BATCH_QUESTIONS
    }

    fn take(&mut self, request: Request, shadow: &Shadow) {
        if let Some(failure) = &self.failure {
            return request.refuse(failure);
        }
        match request {
            Request::Wake => {}
            Request::Question { at_least, run, .. } if at_least <= shadow.sequence() => {
                add(&self.inbox.metrics.questions, 1);
                run(Ok(shadow));
            }
            Request::Question { run, .. } if self.waiting.len() >= WAITING_MAX => run(Err(QueryError::Busy)),
            Request::Question { at_least, deadline, run } => {
                self.numbered += 1;
                self.waiting.insert((at_least, self.numbered), (deadline, run));
            }
            Request::Snapshot { reply } => self.wanted.push(reply),
        }
    }

    /// Answers those whose sequence is there, and those whose time is over.
    fn answer_waiting(&mut self, shadow: &Shadow) {
        if self.waiting.is_empty() {
            return;
        }
        let reached = shadow.sequence();
        if let Some(failure) = &self.failure {
            for (_, (_, run)) in std::mem::take(&mut self.waiting) {
                run(Err(failure.clone()));
            }
        }
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= reached) {
            let (_, run) = first.remove();
            add(&self.inbox.metrics.questions, 1);
            run(Ok(shadow));
        }
        let now = Instant::now();
        let late = self.waiting.iter().filter(|(_, (deadline, _))| *deadline <= now);
        for key in late.map(|(key, _)| *key).collect::<Vec<_>>() {
            if let Some((_, run)) = self.waiting.remove(&key) {
                run(Err(QueryError::NotYet { asked: key.0, reached }));
            }
        }
        set(&self.inbox.metrics.waiting, self.waiting.len() as u64);
    }

    fn sleep(&mut self, shadow: &Shadow, committed: &dyn Committed, idle: Duration) {
        self.inbox.sleeping.store(true, Ordering::SeqCst);
        // Looked at again after the flag: whoever advances it from here on wakes us.
        if self.failure.is_none() && committed.committed() > shadow.sequence() {
            self.inbox.sleeping.store(false, Ordering::SeqCst);
            return;
        }
        let request = self.inbox.requests.recv_timeout(idle);
        self.inbox.sleeping.store(false, Ordering::SeqCst);
        match request {
            Ok(request) => self.take(request, shadow),
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody can ask any more; the journal is still followed.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(idle),
        }
    }

    fn snapshot_if_due(&mut self, shadow: &Shadow) {
        self.collect(false);
        let failed = self.failure.clone();
        if let Some(failure) = failed {
            return self.refuse_wanted(&failure);
        }
        let changed = shadow.sequence().saturating_sub(self.snapshot_sequence);
        let due = changed >= self.options.snapshot_every_frames
            || changed > 0 && self.snapshot_time.elapsed() >= self.options.snapshot_every;
        let due = due && self.not_before.is_none_or(|time| time <= Instant::now());
        if self.writing.is_none() && (due || !self.wanted.is_empty()) {
            self.begin_snapshot(shadow);
        }
    }

    fn refuse_wanted(&mut self, error: &QueryError) {
        for reply in self.wanted.drain(..) {
            reply(Err(error.clone()));
        }
    }

    fn begin_snapshot(&mut self, shadow: &Shadow) {
        let refusal = match (&self.store, shadow.binding()) {
            (None, _) => "this process keeps no snapshots",
            (_, None) => "the journal is empty",
            (Some(store), Some(binding)) => {
                let began = Instant::now();
                let image = shadow.engine().image();
                set(&self.inbox.metrics.snapshot_pause_ns, began.elapsed().as_nanos() as u64);
                let (store, (sender, outcome)) = (store.clone(), mpsc::channel());
                let write = move || {
                    let written = store.write(&image, &binding).map(|written| (image.sequence, written.bytes));
                    drop(sender.send(written.map_err(|error| error.to_string())));
                };
                match std::thread::Builder::new().name("snapshot".into()).spawn(write) {
                    Ok(thread) => {
                        let replies = std::mem::take(&mut self.wanted);
                        self.writing = Some(Writing { thread, outcome, replies, began });
                        return;
                    }
                    Err(_) => "the system gives no thread for it",
                }
            }
        };
        self.not_before = Some(Instant::now() + SNAPSHOT_RETRY);
        self.refuse_wanted(&QueryError::Snapshot(refusal.to_owned()));
    }

    /// Takes note of a snapshot that is finished; `wait`: until it is.
    fn collect(&mut self, wait: bool) {
        let Some(writing) = &self.writing else { return };
        let outcome = match (wait, writing.outcome.try_recv()) {
            (_, Ok(outcome)) => outcome,
            (true, Err(_)) => writing.outcome.recv().unwrap_or_else(|_| Err("its thread has died".to_owned())),
            (false, Err(mpsc::TryRecvError::Empty)) => return,
            (false, Err(mpsc::TryRecvError::Disconnected)) => Err("its thread has died".to_owned()),
        };
        let Some(writing) = self.writing.take() else { return };
        let died = writing.thread.join().is_err();
        let metrics = &self.inbox.metrics;
        self.snapshot_time = Instant::now();
        let answer = match outcome {
            Ok((sequence, bytes)) if !died => {
                if sequence != self.snapshot_sequence {
                    set(&metrics.snapshot_before, self.snapshot_sequence);
                }
                self.snapshot_sequence = sequence;
                set(&metrics.snapshot_sequence, sequence);
                set(&metrics.snapshot_bytes, bytes);
                set(&metrics.snapshot_ns, writing.began.elapsed().as_nanos() as u64);
                add(&metrics.snapshots, 1);
                self.not_before = None;
                Ok(sequence)
            }
            outcome => {
                let why = outcome.err().unwrap_or_default();
                tracing::error!(
                    "a snapshot was not taken: {why}. Older snapshots are still there; the next try is in a minute"
                );
                add(&metrics.snapshot_failures, 1);
                self.not_before = Some(Instant::now() + SNAPSHOT_RETRY);
                Err(QueryError::Snapshot(why))
            }
        };
        for reply in writing.replies {
            reply(answer.clone());
        }
    }

    /// The last snapshot and the last answers.
    fn finish(mut self, shadow: &Shadow) {
        self.collect(true);
        let changed = shadow.sequence() != self.snapshot_sequence;
        let last = self.options.snapshot_at_stop && changed && self.store.is_some();
        if self.failure.is_none() && (last || !self.wanted.is_empty()) {
            self.begin_snapshot(shadow);
            self.collect(true);
        }
        let error = self.failure.clone().unwrap_or(QueryError::Stopped);
        self.refuse_wanted(&error);
        for (_, (_, run)) in std::mem::take(&mut self.waiting) {
            run(Err(error.clone()));
        }
        self.inbox.metrics.ended.store(true, Ordering::Relaxed);
        while let Ok(request) = self.inbox.requests.try_recv() {
            request.refuse(&error);
        }
    }
}
