//! A worker: the sockets of one thread, their sessions, and the reports for them.
//!
//! ```text
//!  poll_in   accept, read, parse, check limits, publish commands
//!  poll_out  follow the committed journal, derive reports, write to the sockets
//! ```
//!
//! Invariants:
//! 1. Reports of a session start behind `sent_up_to` and follow the journal without a gap; history hands over to live at
//!    exactly the sequence where it ends.
//! 2. A connection whose peer does not read is closed once its bound is reached; nobody waits for it.
//! 3. Slots of connections are reused; a generation tells answers for the old one from the new one.

use crate::connection::{Connection, Read};
use crate::grace::Grace;
use crate::keys::{KeyTable, is_entitled};
use crate::limits::{Bucket, Limits};
use crate::office::{Answer, Asked, Job, Office, StateSource, Ticket, WHOLE, append_reports, parts};
use crate::session::{Action, Refusal, Session, State, busy};
use crate::stages::StageHistograms;
use crate::stats::GatewayStats;
use ringbook_event::{ORIGIN_BYTES, Origin};
use ringbook_journal::{Reader, Watermarks, WriterState};
use ringbook_pipeline::{EngineStats, Input, Stamps, Wake, mono_ns};
use ringbook_report::{View, reports};
use ringbook_wire::codec::{FrameError, header, next_message, write};
use ringbook_wire::message::{BustTrade, Logon, Message, MessageType, NewOrder, SessionDown, logon_flags};
use ringbook_wire::report::{Busy, Challenge, LoggedOut, LogonAccepted, Resumed, ServerHeartbeat};
use ringbook_wire::{BusyReason, KeyId, Sequence, SessionError, SessionId, Term, TimestampNs, order_flags};
use rustc_hash::FxHashMap;
use rustix::event::epoll;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zerocopy::{FromBytes, IntoBytes};

/// Sockets that one poll serves.
const READY_AT_ONCE: usize = 256;
mod inbound;
mod logon;
mod outbound;
mod timers;

const LISTENER: u64 = u64::MAX;
const WAKER: u64 = u64::MAX - 1;
/// Frames whose reports are derived in one poll.
const OUT_BATCH: usize = 256;
/// A gap between history and live that the worker closes by itself.
const CLOSE_GAP: u64 = 2_048;
/// How often timers are looked at.
const TIMER_NS: u64 = 20_000_000;
/// Milliseconds after which a client should try again.
const RETRY_MS: u32 = 2;

/// The gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address.
    #[error("cannot listen on {address}: {source}; choose another --listen address, or port 0 for a free one")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The system.
    #[error("order entry cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// What a worker works with.
pub struct WorkerParts {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Bounds.
    pub limits: Limits,
    /// The ring.
    pub input: Input,
    /// The journal's watermarks.
    pub watermarks: Watermarks,
    /// Last sequence whose reports need not be sent to anybody here.
    pub delivered: Sequence,
    /// Keys at `delivered`.
    pub keys: KeyTable,
    /// Sessions that own flagged orders at `delivered`.
    pub flagged: Vec<SessionId>,
    /// Stamps of the engine's thread.
    pub stamps: Stamps,
    /// The engine's counters.
    pub engine: Arc<EngineStats>,
    /// Where states come from.
    pub states: Box<dyn StateSource>,
    /// The journal's identity.
    pub journal: [u8; 16],
    /// Shard.
    pub shard: u32,
    /// Term.
    pub term: Term,
}

struct Slot {
    connection: Connection,
    session: Session,
    generation: u64,
    /// Resume: a piece of history was asked for.
    asked: bool,
}

/// See the module.
pub struct Worker {
    listener: TcpListener,
    address: SocketAddr,
    epoll: Arc<OwnedFd>,
    events: Vec<(u64, epoll::EventFlags)>,
    eventfd: Arc<OwnedFd>,
    wake: Wake,
    limits: Limits,
    input: Input,
    watermarks: Watermarks,
    reader: Reader,
    delivered: u64,
    keys: KeyTable,
    buckets: FxHashMap<KeyId, Bucket>,
    grace: Grace,
    stamps: Stamps,
    engine: Arc<EngineStats>,
    published: Option<Wake>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    sessions: FxHashMap<SessionId, usize>,
    dirty: Vec<usize>,
    generation: u64,
    jobs: Sender<Asked>,
    inbox: Receiver<(Ticket, Answer)>,
    inbox_sender: Sender<(Ticket, Answer)>,
    stats: Arc<GatewayStats>,
    stages: Arc<Mutex<StageHistograms>>,
    journal: [u8; 16],
    shard: u32,
    term: Term,
    next_timer: u64,
    /// When the listener comes back; `None` while it listens.
    listen_again: Option<u64>,
    timed: Vec<u64>,
    /// When the batch that is being delivered was seen to be committed.
    batch_seen: u64,
    draining: Arc<AtomicBool>,
    failed: bool,
    /// The journal could not be read at the last try.
    unreadable: bool,
}

/// Blocks a thread until a worker has something to do.
#[derive(Clone)]
pub struct Waiter {
    epoll: Arc<OwnedFd>,
}

impl Waiter {
    /// Sleeps until a socket or a wake-up is ready, or the time is over.
    pub fn wait(&self, timeout: Duration) {
        let mut events = Vec::with_capacity(1);
        let timeout =
            rustix::event::Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        // An interrupted wait is a wake-up like any other.
        let _ = epoll::wait(&*self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout));
    }
}

fn wall_ns() -> TimestampNs {
    TimestampNs(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64))
}

impl Worker {
    /// Listens; the office must be run on a thread of its own.
    ///
    /// # Errors
    /// The address is taken, or the system gives no epoll.
    pub fn new(parts: WorkerParts) -> Result<(Self, Office), GatewayError> {
        let bind = || -> std::io::Result<TcpListener> {
            let listener = TcpListener::bind(parts.listen)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = bind().map_err(|source| GatewayError::Listen { address: parts.listen, source })?;
        let address = listener.local_addr()?;
        let epoll_fd = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        let eventfd = Arc::new(rustix::event::eventfd(0, flags).map_err(std::io::Error::from)?);
        let add = |fd: &dyn std::os::fd::AsFd, token| {
            let data = epoll::EventData::new_u64(token);
            epoll::add(&epoll_fd, fd.as_fd(), data, epoll::EventFlags::IN).map_err(std::io::Error::from)
        };
        add(&listener, LISTENER)?;
        add(&*eventfd, WAKER)?;
        let write_end = eventfd.clone();
        let wake = Wake::new(move || {
            // A full counter means that a wake-up is pending already.
            let _ = rustix::io::write(&*write_end, &1u64.to_ne_bytes());
        });
        let (jobs, office_jobs) = channel();
        let (inbox_sender, inbox) = channel();
        let office = Office::new(office_jobs, parts.watermarks.clone(), parts.states, parts.limits.history_bytes_per_s);
        let grace = Grace::new(&parts.flagged, mono_ns() + parts.limits.restart_grace_ms * 1_000_000);
        let reader = parts.watermarks.reader(ringbook_journal::Sequence(parts.delivered.0 + 1));
        let worker = Self {
            listener,
            address,
            epoll: Arc::new(epoll_fd),
            events: Vec::with_capacity(READY_AT_ONCE),
            eventfd,
            wake,
            limits: parts.limits,
            input: parts.input,
            watermarks: parts.watermarks,
            reader,
            delivered: parts.delivered.0,
            keys: parts.keys,
            buckets: FxHashMap::default(),
            grace,
            stamps: parts.stamps,
            engine: parts.engine,
            published: None,
            slots: Vec::new(),
            free: Vec::new(),
            sessions: FxHashMap::default(),
            dirty: Vec::new(),
            generation: 0,
            jobs,
            inbox,
            inbox_sender,
            stats: Arc::default(),
            stages: Arc::default(),
            journal: parts.journal,
            shard: parts.shard,
            term: parts.term,
            next_timer: 0,
            listen_again: None,
            timed: Vec::with_capacity(OUT_BATCH),
            batch_seen: 0,
            draining: Arc::default(),
            failed: false,
            unreadable: false,
        };
        Ok((worker, office))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends this worker's sleep.
    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Blocks a thread until there is something to do.
    pub fn waiter(&self) -> Waiter {
        Waiter { epoll: self.epoll.clone() }
    }

    /// Whom to notify when commands were published, if the engine has a thread of its own.
    pub fn set_published(&mut self, wake: Wake) {
        self.published = Some(wake);
    }

    /// Counters.
    pub fn stats(&self) -> Arc<GatewayStats> {
        self.stats.clone()
    }

    /// Latency by stage.
    pub fn stages(&self) -> Arc<Mutex<StageHistograms>> {
        self.stages.clone()
    }

    /// Once set, commands are answered with BUSY.
    pub fn draining(&self) -> Arc<AtomicBool> {
        self.draining.clone()
    }

    /// Ends a session with an ERROR.
    pub(super) fn refuse(&mut self, at: usize, refusal: Refusal) {
        let Some(slot) = self.slots[at].as_mut() else {
            return;
        };
        if slot.session.state == State::Closing {
            return;
        }
        self.stats.count_error(refusal.code);
        let now = mono_ns();
        slot.session.close(now);
        write(slot.connection.output(), &refusal.message());
        self.dirty.push(at);
        self.part(at, now);
    }

    /// The connection no longer speaks for its session: from here on the grace period runs, unless the session logged out
    /// or speaks through another connection by now.
    fn part(&mut self, at: usize, now: u64) {
        let Some(slot) = &self.slots[at] else { return };
        let Some(view) = slot.session.view else { return };
        if self.sessions.get(&view.session) == Some(&at) {
            self.sessions.remove(&view.session);
            if !slot.session.left {
                self.grace.gone(view.session, now + slot.session.grace_ns);
            }
        }
    }

    pub(super) fn drop_connection(&mut self, at: usize) {
        self.part(at, mono_ns());
        let Some(slot) = self.slots[at].take() else {
            return;
        };
        self.free.push(at);
        self.stats.connections.fetch_sub(1, Ordering::Relaxed);
        let _ = epoll::delete(&*self.epoll, &slot.connection.stream);
        self.ask(Job::Gone { ticket: Ticket { slot: at, generation: slot.generation } });
    }
}
