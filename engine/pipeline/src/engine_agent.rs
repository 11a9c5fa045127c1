//! The engine's agent: takes commands from the ring, stamps sequence and time, executes, writes the frame.
//!
//! ```text
//!  begin a frame ──► take one command ──► in-flight slot ──► apply: events straight into the frame ──► finish
//! ```
//!
//! Invariants:
//! 1. A command leaves the ring only when a frame is open for it, so a journal that is not ready loses nothing.
//! 2. A fault or a broken invariant ends the process before anything of the command is published.
//! 3. While work is pending CONTINUE comes: at once if nothing may come between, else after each other command.
//! 4. Once the journal has failed nothing is taken any more; clients hear BUSY.
//! 5. Orders expire on time: with the next command, or by a TICK if none comes, or if more are due than a command may
//!    take with it.

use crate::agent::{Agent, Wake};
use crate::clock::{Clock, mono_ns};
use crate::inflight::InFlight;
use crate::ring::{RingOutput, Slot};
use crate::stamps::{Stamp, Stamps};
use ringbook_core::{Engine, Fault, Pending, RULES_VERSION};
use ringbook_event::{Event, Expired, ORIGIN_BYTES, Origin, Record, Rejected, events};
use ringbook_journal::{AppendError, Appender, FrameKind, FrameMeta};
use ringbook_wire::message::{Continue, Message, MessageType, Tick};
use ringbook_wire::{Sequence, TimestampNs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zerocopy::IntoBytes;

/// Commands in one poll, so that the other agents of the thread get their turn.
const BATCH: usize = 64;

/// Counters for metrics; written by the engine's thread.
#[derive(Debug, Default)]
pub struct EngineStats {
    /// Commands executed.
    pub commands: AtomicU64,
    /// CONTINUE commands among them.
    pub continues: AtomicU64,
    /// Event bytes written.
    pub event_bytes: AtomicU64,
    /// Times that the journal was not ready for a frame.
    pub not_ready: AtomicU64,
    /// 1 after the journal has failed.
    pub failed: AtomicU64,
    /// Open orders.
    pub open_orders: AtomicU64,
}

/// A command of Ringbook's own could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum EngineAgentError {
    /// The journal.
    #[error("the journal does not take commands: {0}")]
    Journal(#[from] AppendError),
    /// The engine.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The engine refused it: it is journaled as refused.
    #[error("a command of Ringbook's own was refused with code {0}: the configuration does not fit the rules")]
    Refused(u16),
}

/// See the module.
pub struct EngineAgent<C: Clock> {
    engine: Engine,
    appender: Appender,
    ring: RingOutput,
    clock: C,
    inflight: Option<InFlight>,
    stamps: Stamps,
    stats: Arc<EngineStats>,
    /// Notified when frames were written, in layouts where others wait for them.
    written: Option<Wake>,
    /// Another command came since the last CONTINUE.
    let_others: bool,
    failed: bool,
}

/// When a command begins: by the process's clock, and in engine time.
#[derive(Clone, Copy)]
struct Now {
    begun_ns: u64,
    time_ns: u64,
}

/// Executes one command into an open frame and finishes it; the code if it was refused.
#[expect(clippy::too_many_arguments, reason = "the parts of one agent, borrowed apart")]
#[inline]
fn execute(
    engine: &mut Engine,
    appender: &mut Appender,
    now: Now,
    inflight: Option<&InFlight>,
    stamps: &Stamps,
    stats: &EngineStats,
    origin: Origin,
    message: &[u8],
    arrived_ns: u64,
    published_ns: u64,
) -> Result<Option<u16>, EngineAgentError> {
    let Now { begun_ns, time_ns } = now;
    let sequence = appender.next_sequence().0;
    let command_len = ORIGIN_BYTES + message.len();
    let area = appender.begin()?;
    if let Some(inflight) = inflight {
        inflight.begin(sequence, &origin, message);
    }
    let (command, events) = area.split_at_mut(command_len);
    command[..ORIGIN_BYTES].copy_from_slice(origin.as_bytes());
    command[ORIGIN_BYTES..].copy_from_slice(message);
    let length = match engine.apply(Sequence(sequence), TimestampNs(time_ns), command, events) {
        Ok(length) => length,
        Err(fault) => {
            appender.abandon();
            if let Some(inflight) = inflight {
                inflight.end();
            }
            return Err(fault.into());
        }
    };
    let refused = refusal(&events[..length]);
    appender.finish(FrameMeta {
        time_ns,
        command_len: command_len as u16,
        rules: RULES_VERSION,
        kind: FrameKind::Command,
        payload_len: command_len + length,
    });
    if let Some(inflight) = inflight {
        inflight.end();
    }
    stamps.put(sequence, Stamp { arrived_ns, published_ns, begun_ns, written_ns: mono_ns() });
    stats.commands.fetch_add(1, Ordering::Relaxed);
    stats.event_bytes.fetch_add(length as u64, Ordering::Relaxed);
    Ok(refused)
}

/// The code of a refused command, which comes first but for orders that expired with it.
#[inline]
fn refusal(bytes: &[u8]) -> Option<u16> {
    if ![Rejected::KIND, Expired::KIND].contains(&bytes[0]) {
        return None;
    }
    events(bytes).map_while(Result::ok).find_map(|event| match event {
        Event::Rejected(e) => Some(e.code),
        _ => None,
    })
}

impl<C: Clock> EngineAgent<C> {
    /// An agent that goes on from a recovered engine.
    pub fn new(engine: Engine, appender: Appender, ring: RingOutput, clock: C, stamps: Stamps) -> Self {
        assert_eq!(engine.sequence().0 + 1, appender.next_sequence().0, "engine and journal are at the same place");
        Self {
            engine,
            appender,
            ring,
            clock,
            inflight: None,
            stamps,
            stats: Arc::default(),
            written: None,
            let_others: false,
            failed: false,
        }
    }

    /// Uses an in-flight slot around every command.
    #[must_use]
    pub fn with_inflight(mut self, inflight: InFlight) -> Self {
        self.inflight = Some(inflight);
        self
    }

    /// Notifies somebody whenever frames were written.
    #[must_use]
    pub fn with_written(mut self, wake: Wake) -> Self {
        self.written = Some(wake);
        self
    }

    /// Counters.
    pub fn stats(&self) -> Arc<EngineStats> {
        self.stats.clone()
    }

    /// The engine, for start-up and tests.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether commands wait that [`Agent::poll`] could execute.
    pub fn has_work(&self) -> bool {
        !self.failed && (self.ring.has_available() || self.engine.pending() != Pending::Nothing)
    }

    /// Executes a command of Ringbook's own, outside the ring: at start-up, before clients are let in.
    ///
    /// # Errors
    /// The journal has failed or is full, or the engine refuses the command.
    pub fn execute_now(&mut self, message: &[u8]) -> Result<(), EngineAgentError> {
        // QUARANTINE takes no expiries with it and may come between parts of work: it removes what cannot go on.
        let waits = message[2] != MessageType::Quarantine as u8;
        let mut ticking = false;
        loop {
            let now = self.now();
            ticking |= waits && self.engine.needs_tick(TimestampNs(now.time_ns));
            let result = if ticking {
                self.tick(now).map(|_| None)
            } else {
                self.run(Origin::INTERNAL, message, now, now.begun_ns).map(Some)
            };
            match result {
                Err(EngineAgentError::Journal(AppendError::NotReady)) => std::thread::yield_now(),
                Ok(None) => ticking = self.engine.pending() == Pending::Exclusive,
                Ok(Some(None)) => return Ok(()),
                Ok(Some(Some(code))) => return Err(EngineAgentError::Refused(code)),
                Err(error) => return Err(error),
            }
        }
    }

    #[inline]
    fn now(&mut self) -> Now {
        let begun_ns = mono_ns();
        let time_ns = self.clock.time_ns(begun_ns).max(self.engine.time().0).max(self.appender.last_time_ns());
        Now { begun_ns, time_ns }
    }

    /// A TICK, or the next part of the work that nothing may come between.
    fn tick(&mut self, now: Now) -> Result<Option<u16>, EngineAgentError> {
        if self.engine.pending() == Pending::Exclusive {
            return self.go_on(now);
        }
        self.run(Origin::INTERNAL, Tick::new(0).as_bytes(), now, now.begun_ns)
    }

    /// The next part of pending work.
    fn go_on(&mut self, now: Now) -> Result<Option<u16>, EngineAgentError> {
        let next = self.engine.continuation().expect("work is pending");
        let mut message = Continue::new(next.request);
        message.of = next.of;
        let done = self.run(next.origin, message.as_bytes(), now, now.begun_ns);
        self.stats.continues.fetch_add(1, Ordering::Relaxed);
        done
    }

    /// Runs a message of Ringbook's own making.
    fn run(&mut self, origin: Origin, message: &[u8], now: Now, arrived: u64) -> Result<Option<u16>, EngineAgentError> {
        execute(
            &mut self.engine,
            &mut self.appender,
            now,
            self.inflight.as_ref(),
            &self.stamps,
            &self.stats,
            origin,
            message,
            arrived,
            arrived,
        )
    }

    /// Whether a frame can be opened now.
    fn journal_ready(&mut self) -> bool {
        match self.appender.begin().map(|_| ()) {
            Ok(()) => {
                self.appender.abandon();
                true
            }
            // A full disk is waited for: the ring fills, clients hear BUSY, and it goes on when there is room.
            Err(AppendError::NotReady | AppendError::Full) => {
                self.stats.not_ready.fetch_add(1, Ordering::Relaxed);
                false
            }
            Err(error) => {
                if !self.failed {
                    tracing::error!(%error, "the journal takes no more commands; clients hear BUSY until a restart");
                }
                self.failed = true;
                self.stats.failed.store(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Executes the next command; false if there is nothing to do.
    fn step(&mut self) -> bool {
        let pending = self.engine.pending();
        let waiting = self.ring.has_available();
        let expiry = self.engine.next_expiry();
        if pending == Pending::Nothing && !waiting && expiry.is_none() || self.failed {
            return false;
        }
        let now = self.now();
        let due = expiry.is_some_and(|due| due.0 <= now.time_ns);
        if pending == Pending::Nothing && !waiting && !due || !self.journal_ready() {
            return false;
        }
        if pending == Pending::Exclusive || pending == Pending::Interruptible && (self.let_others || !waiting) {
            self.go_on(now).unwrap_or_else(|error| fault(&error));
            self.let_others = false;
            return true;
        }
        if due && (!waiting || self.engine.needs_tick(TimestampNs(now.time_ns))) {
            self.tick(now).unwrap_or_else(|error| fault(&error));
            self.let_others = true;
            return true;
        }
        let Self { engine, appender, ring, inflight, stamps, stats, .. } = self;
        let taken = ring.take_one(|slot: &Slot| {
            let message = &slot.message[..usize::from(slot.length)];
            execute(
                engine,
                appender,
                now,
                inflight.as_ref(),
                stamps,
                stats,
                slot.origin,
                message,
                slot.arrived_ns,
                slot.published_ns,
            )
            .unwrap_or_else(|error| fault(&error));
        });
        self.let_others = true;
        taken.is_some()
    }
}

/// A command could not be executed. A fault means that the engine is not what it should be: nothing was published, and
/// the process ends. A journal that failed in this very moment leaves the command unanswered; its sender comes again.
#[cold]
fn fault(error: &EngineAgentError) -> Option<u16> {
    match error {
        EngineAgentError::Journal(error) => tracing::error!(%error, "a command found the journal failed"),
        error => panic!("the engine stops before it publishes anything: {error}"),
    }
    None
}

impl<C: Clock> Agent for EngineAgent<C> {
    fn poll(&mut self) -> usize {
        let mut done = 0;
        while done < BATCH && self.step() {
            done += 1;
        }
        if done > 0 {
            self.stats.open_orders.store(self.engine.open_order_count() as u64, Ordering::Relaxed);
            if let Some(written) = &self.written {
                written.notify();
            }
        }
        done
    }
}
