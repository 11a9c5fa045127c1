//! What the parts of the exchange ask of each other: streams for the journal's index, states for the gateway, status for
//! HTTP, frames for the projector.

use ringbook_feed::{FollowerStatus, Readiness, Status, StatusSource};
use ringbook_gateway::{AccountView, StateReply, StateSource};
use ringbook_journal::{FollowerSlot, Indexer, Reader, Watermarks, WriterState};
use ringbook_pipeline::EngineStats;
use ringbook_projector::{Frame, FrameSource, SourceError};
use ringbook_replay::History;
use ringbook_replay::shadow::ShadowHandle;
use ringbook_wire::{AccountId, Sequence, Term, TimestampNs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Streams of a frame (docs/FORMATS.md §7).
pub struct Streams;

impl Indexer for Streams {
    fn streams(&self, command: &[u8], events: &[u8], out: &mut Vec<u64>) {
        ringbook_report::streams(command, events, out);
    }
}

/// States from the shadow.
pub struct States(pub ShadowHandle);

impl StateSource for States {
    fn account(&self, account: AccountId, min_sequence: Sequence, reply: StateReply) {
        self.0.account_state(account, min_sequence.0, Duration::from_secs(5), move |state| {
            let view = state.map(|state| AccountView {
                sequence: Sequence(state.sequence),
                time: TimestampNs(state.time),
                term: Term(state.term),
                exists: state.exists,
                adjustment: state.adjustment,
                balances: state.balances,
                orders: state.orders,
            });
            reply(view.map_err(|error| error.to_string()));
        });
    }
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

/// Where the exchange stands.
pub struct ExchangeStatus {
    watermarks: Watermarks,
    engine: Arc<EngineStats>,
    journal: [u8; 16],
    shard: u32,
    term: u32,
    began: Instant,
    phase: AtomicU8,
}

impl ExchangeStatus {
    pub fn new(
        watermarks: &Watermarks,
        engine: Arc<EngineStats>,
        history: &History,
        term: u32,
        began: Instant,
    ) -> Self {
        let (journal, shard) = (history.uuid, history.shard);
        Self { watermarks: watermarks.clone(), engine, journal, shard, term, began, phase: AtomicU8::new(STARTING) }
    }

    pub fn set_ready(&self) {
        self.phase.store(READY, Ordering::Release);
    }

    pub fn set_stopping(&self) {
        self.phase.store(STOPPING, Ordering::Release);
    }
}

impl StatusSource for ExchangeStatus {
    fn status(&self) -> Status {
        let committed = self.watermarks.committed().0;
        let state = match self.readiness() {
            Readiness::Ready => "running",
            Readiness::NotReady(_) if self.engine.failed.load(Ordering::Relaxed) == 1 => "failed",
            Readiness::NotReady(_) if self.phase.load(Ordering::Acquire) == STARTING => "starting",
            Readiness::NotReady(_) if self.phase.load(Ordering::Acquire) == STOPPING => "stopped",
            Readiness::NotReady(_) => "read-only",
        };
        let indexed = self.watermarks.history().indexed().0;
        let follower = |name: String, pid: u32, sequence: u64| FollowerStatus {
            name,
            pid,
            sequence,
            lag: committed.saturating_sub(sequence),
        };
        let index = follower("index".to_owned(), std::process::id(), indexed);
        let named = self.watermarks.followers().into_iter().map(|f| follower(f.name, f.pid, f.passed));
        Status {
            shard: self.shard,
            journal: crate::output::hex(&self.journal),
            term: self.term,
            state: state.into(),
            written: self.watermarks.written().0,
            durable: self.watermarks.durable().0,
            replicated: self.watermarks.replicated().0,
            committed,
            oldest: self.watermarks.oldest().0,
            followers: [index].into_iter().chain(named).collect(),
            uptime_seconds: self.began.elapsed().as_secs_f64(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    fn readiness(&self) -> Readiness {
        let not = |why: &str| Readiness::NotReady(why.into());
        if self.engine.failed.load(Ordering::Relaxed) == 1 || self.watermarks.state() == WriterState::Failed {
            return Readiness::NotReady(format!(
                "the journal has failed: {}; restart after the disk is well",
                self.watermarks.failure().unwrap_or("see the log")
            ));
        }
        match self.phase.load(Ordering::Acquire) {
            STARTING => not("starting"),
            STOPPING => not("shutting down"),
            _ if self.watermarks.space_low() => {
                not("free disk space is below the floor: cancels only until there is room")
            }
            _ => Readiness::Ready,
        }
    }
}

/// The committed journal as the projector's source, inside the server.
pub struct Frames {
    watermarks: Watermarks,
    reader: Reader,
    slot: Option<FollowerSlot>,
    passed: u64,
    renewed: Instant,
}

/// A follower's slot is renewed at least so often, also while there is nothing to project.
const RENEW_EVERY: Duration = Duration::from_secs(10);

impl Frames {
    pub fn new(watermarks: &Watermarks) -> Self {
        let reader = watermarks.reader(ringbook_journal::Sequence(1));
        let watermarks = watermarks.clone();
        // Before the database has said how far it is, everything is kept.
        let slot = watermarks.follow("projector", ringbook_journal::Sequence(0));
        Self { watermarks, reader, slot, passed: 0, renewed: Instant::now() }
    }
}

/// A frame as the projector sees it.
pub fn projector_frame<'a>(frame: &ringbook_journal::Frame<'a>) -> Frame<'a> {
    Frame {
        sequence: frame.sequence.0,
        term: frame.term,
        time_ns: frame.time_ns,
        command: frame.command,
        events: frame.events,
    }
}

impl FrameSource for Frames {
    fn seek(&mut self, sequence: u64) -> Result<(), SourceError> {
        let oldest = self.watermarks.oldest().0;
        if sequence < oldest {
            return Err(SourceError(format!(
                "the journal begins at {oldest}, and sequence {sequence} is needed: restore the archived segments into the journal's folder, then start again"
            )));
        }
        self.reader = self.watermarks.reader(ringbook_journal::Sequence(sequence));
        self.passed(sequence.saturating_sub(1));
        Ok(())
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        if self.renewed.elapsed() >= RENEW_EVERY {
            self.passed(self.passed);
        }
        let next = self.reader.next_sequence();
        let mut committed = self.watermarks.committed();
        if committed < next && !wait.is_zero() {
            committed = self.watermarks.wait_committed_beyond(ringbook_journal::Sequence(next.0 - 1), wait);
        }
        match self.reader.next(committed) {
            Ok(frame) => Ok(frame.map(|frame| projector_frame(&frame))),
            Err(error) => Err(SourceError(error.to_string())),
        }
    }

    fn head(&self) -> Option<u64> {
        Some(self.watermarks.committed().0)
    }

    fn hold(&mut self) {
        self.passed(self.passed);
    }

    fn passed(&mut self, sequence: u64) {
        (self.passed, self.renewed) = (sequence, Instant::now());
        let passed = ringbook_journal::Sequence(sequence);
        let kept = self.slot.as_ref().is_some_and(|slot| slot.passed(passed, self.watermarks.clock_ns()));
        if !kept {
            self.slot = None;
            self.slot = self.watermarks.follow("projector", passed);
        }
    }

    fn term_at(&mut self, sequence: u64) -> Result<Option<u32>, SourceError> {
        let at = ringbook_journal::Sequence(sequence);
        let frame = self.watermarks.reader(at).next(self.watermarks.committed()).map(|frame| frame.map(|f| f.term));
        frame.map_err(|error| SourceError(error.to_string()))
    }
}
