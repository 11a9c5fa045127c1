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
use ringbook_wire::message::{Logon, Message, MessageType, NewOrder, SessionDown, logon_flags};
use ringbook_wire::report::{Challenge, LoggedOut, LogonAccepted, Resumed, ServerHeartbeat};
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
    timed: Vec<u64>,
    /// When the batch that is being delivered was seen to be committed.
    batch_seen: u64,
    draining: Arc<AtomicBool>,
    failed: bool,
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
        let timeout = rustix::event::Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
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
        let office =
            Office::new(office_jobs, parts.watermarks.clone(), parts.states, parts.limits.history_bytes_per_s);
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
            timed: Vec::with_capacity(OUT_BATCH),
            batch_seen: 0,
            draining: Arc::default(),
            failed: false,
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

    /// Reads and publishes; how many messages.
    pub fn poll_in(&mut self) -> usize {
        self.events.clear();
        let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut ready = [const { MaybeUninit::<epoll::Event>::uninit() }; READY_AT_ONCE];
        let Ok((ready, _)) = epoll::wait(&*self.epoll, &mut ready, Some(&zero)) else {
            return 0;
        };
        self.events.extend(ready.iter().map(|event| (event.data.u64(), event.flags)));
        let mut work = 0;
        let arrived = if self.events.is_empty() { 0 } else { mono_ns() };
        for at in 0..self.events.len() {
            let (token, flags) = self.events[at];
            match token {
                LISTENER => work += self.accept(arrived),
                WAKER => {
                    let mut count = [0u8; 8];
                    let _ = rustix::io::read(&*self.eventfd, &mut count);
                }
                slot => work += self.ready(slot as usize, flags, arrived),
            }
        }
        work += self.answers();
        let now = mono_ns();
        if now >= self.next_timer {
            self.next_timer = now + TIMER_NS;
            self.timers(now);
        }
        if work > 0
            && let Some(published) = &self.published
        {
            published.notify();
        }
        work
    }

    fn accept(&mut self, now: u64) -> usize {
        let mut accepted = 0;
        while let Ok((stream, _)) = self.listener.accept() {
            accepted += 1;
            self.stats.accepted.fetch_add(1, Ordering::Relaxed);
            let _ = stream.set_nodelay(true);
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let mut nonce = [0; 32];
            if getrandom::fill(&mut nonce).is_err() {
                tracing::error!("the system gives no random numbers; connection refused");
                continue;
            }
            let slot = self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() - 1
            });
            let data = epoll::EventData::new_u64(slot as u64);
            if epoll::add(&*self.epoll, &stream, data, epoll::EventFlags::IN).is_err() {
                self.free.push(slot);
                continue;
            }
            self.generation += 1;
            let session = Session::new(nonce, now);
            let mut connection = Connection::new(stream);
            let mut challenge = Challenge::new(0);
            challenge.nonce = nonce;
            challenge.server_time = wall_ns();
            challenge.shard = self.shard;
            challenge.protocol = 1;
            write(connection.output(), &challenge);
            self.slots[slot] = Some(Slot { connection, session, generation: self.generation, asked: false });
            self.dirty.push(slot);
            let open = self.stats.connections.fetch_add(1, Ordering::Relaxed) + 1;
            if open > self.limits.connections as u64 {
                let text = format!("the limit of {} connections is reached; try again later", self.limits.connections);
                self.refuse(slot, Refusal::new(SessionError::TooManyConnections, 0, text));
            } else if self.draining.load(Ordering::Relaxed) {
                self.refuse(slot, Refusal::new(SessionError::ShuttingDown, 0, "the exchange is shutting down"));
            }
        }
        accepted
    }

    fn ready(&mut self, at: usize, flags: epoll::EventFlags, arrived: u64) -> usize {
        let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else {
            return 0;
        };
        if flags.contains(epoll::EventFlags::OUT) {
            self.dirty.push(at);
        }
        if !flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            return 1;
        }
        match slot.connection.read() {
            Read::Nothing => return 0,
            Read::Closed => {
                self.drop_connection(at);
                return 1;
            }
            Read::Bytes(count) => {
                slot.session.received_ns = arrived;
                self.stats.bytes_in.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
        let mut messages = 0;
        // One time for all messages of this read: they were published together.
        let now = mono_ns();
        loop {
            let Some(slot) = self.slots[at].as_mut() else {
                return messages;
            };
            if slot.session.state == State::Closing {
                return messages;
            }
            let message = match next_message(slot.connection.input()) {
                Ok(Some(message)) => message,
                Ok(None) => return messages + 1,
                Err(error) => {
                    let code = match error {
                        FrameError::BadLength(_) => SessionError::BadLength,
                        FrameError::BadVersion(_) => SessionError::BadVersion,
                    };
                    self.refuse(at, Refusal::new(code, 0, format!("{error}; see PROTOCOL §1")));
                    return messages + 1;
                }
            };
            let length = message.len();
            let mut copy = [0u8; ringbook_wire::message::MAX_MESSAGE_BYTES];
            copy[..length].copy_from_slice(message);
            slot.connection.consume(length);
            self.message(at, &copy[..length], arrived, now);
            messages += 1;
        }
    }

    fn message(&mut self, at: usize, message: &[u8], arrived: u64, now: u64) {
        let slot = self.slots[at].as_mut().expect("the connection is there");
        match slot.session.on_message(message) {
            Err(refusal) => self.refuse(at, refusal),
            Ok(Action::Nothing) => {}
            Ok(Action::Submit(kind)) => self.submit(at, kind, message, arrived, now),
            Ok(Action::Verify(logon)) => self.verify(at, logon),
            Ok(Action::Leave { request }) => {
                let session = slot.session.view.map(|view| view.session);
                slot.session.left = true;
                slot.session.state = State::Closing;
                let mut message = LoggedOut::new(request);
                message.sequence = Sequence(slot.session.sent_up_to);
                message.term = self.term;
                write(slot.connection.output(), &message);
                self.dirty.push(at);
                if let Some(session) = session {
                    self.grace.left(session);
                }
            }
            Ok(Action::State { request, account }) => {
                let view = slot.session.view.expect("an open session has a view");
                let ticket = Ticket { slot: at, generation: slot.generation };
                let min_sequence = self.delivered;
                self.ask(Job::State { ticket, request, account, min_sequence, allowed: view.holds(account) });
            }
        }
    }

    fn submit(&mut self, at: usize, kind: MessageType, message: &[u8], arrived: u64, now: u64) {
        let slot = self.slots[at].as_mut().expect("the connection is there");
        let view = slot.session.view.expect("an open session has a view");
        let urgent = matches!(kind, MessageType::Cancel | MessageType::CancelAll);
        let entitled = self.keys.get(view.key).is_some_and(|key| is_entitled(key, kind, message));
        let refused = if self.draining.load(Ordering::Relaxed) {
            Some(BusyReason::ShuttingDown)
        } else if self.failed || !urgent && self.watermarks.space_low() {
            Some(BusyReason::ReadOnly)
        } else if !entitled {
            Some(BusyReason::NotEntitled)
        } else if slot.session.outstanding >= self.limits.outstanding {
            Some(BusyReason::Outstanding)
        } else {
            let rate = self.limits.rate_per_s;
            let bucket = self.buckets.entry(view.key).or_insert_with(|| Bucket::new(rate, now));
            if !bucket.take(rate, now) {
                Some(BusyReason::RateLimit)
            } else {
                let origin = Origin::session(view.session);
                self.input.submit(origin, message, urgent, arrived, now).err().map(|_| BusyReason::RingFull)
            }
        };
        if let Some(reason) = refused {
            self.stats.count_busy(reason);
            write(slot.connection.output(), &busy(message, reason, RETRY_MS));
            self.dirty.push(at);
            return;
        }
        slot.session.outstanding += 1;
        self.stats.commands.fetch_add(1, Ordering::Relaxed);
        if kind == MessageType::NewOrder
            && NewOrder::read(message).is_some_and(|m| m.flags & order_flags::CANCEL_ON_DISCONNECT != 0)
        {
            self.grace.flag(view.session);
        }
    }

    fn verify(&mut self, at: usize, logon: Logon) {
        let Some(key) = self.keys.get(logon.key) else {
            return self.refuse(at, bad_credentials(logon.key));
        };
        let public_key = key.public_key;
        let slot = self.slots[at].as_mut().expect("the connection is there");
        slot.session.state = State::Verifying;
        let ticket = Ticket { slot: at, generation: slot.generation };
        let nonce = slot.session.nonce;
        self.ask(Job::Verify { ticket, logon, nonce, public_key });
    }

    fn ask(&self, job: Job) {
        // The office lives as long as the server; without it the client times out and comes again.
        let _ = self.jobs.send(Asked { job, inbox: self.inbox_sender.clone(), wake: self.wake.clone() });
    }

    /// Acts on the office's answers.
    fn answers(&mut self) -> usize {
        let mut count = 0;
        while let Ok((ticket, answer)) = self.inbox.try_recv() {
            count += 1;
            let Some(slot) = self.slots.get_mut(ticket.slot).and_then(Option::as_mut) else {
                continue;
            };
            if slot.generation != ticket.generation || slot.session.state == State::Closing {
                continue;
            }
            let at = ticket.slot;
            match answer {
                Answer::Verified { logon, valid: false } => self.refuse(at, bad_credentials(logon.key)),
                Answer::Verified { logon, valid: true } => self.log_on(at, &logon),
                Answer::Refused { code, text } => self.refuse(at, Refusal::new(code, Logon::KIND, text)),
                Answer::State { bytes } => {
                    slot.connection.output().extend_from_slice(&bytes);
                    self.dirty.push(at);
                }
                Answer::StateFailed { text } => tracing::warn!(text, "a state request was not answered"),
                Answer::Piece { bytes, next } => self.history(at, &bytes, next),
            }
        }
        count
    }

    fn log_on(&mut self, at: usize, logon: &Logon) {
        let Some(key) = self.keys.get(logon.key).copied() else {
            return self.refuse(at, bad_credentials(logon.key));
        };
        let resume = logon.flags & logon_flags::RESUME != 0;
        if resume && logon.journal != [0; 16] && logon.journal != self.journal {
            let text = "the token is of another journal; log on without RESUME and ask for the state";
            return self.refuse(at, Refusal::new(SessionError::BadToken, Logon::KIND, text));
        }
        let session = SessionId::new(logon.key, logon.session);
        if let Some(&older) = self.sessions.get(&session) {
            let text = "the same session logged on again on another connection";
            self.refuse(older, Refusal::new(SessionError::Replaced, 0, text));
        }
        self.sessions.insert(session, at);
        self.grace.back(session);
        self.stats.logons.fetch_add(1, Ordering::Relaxed);
        let delivered = self.delivered;
        let slot = self.slots[at].as_mut().expect("the connection is there");
        let view = View {
            first_account: key.first_account,
            last_account: key.last_account,
            own_only: logon.flags & logon_flags::OWN_ONLY != 0,
            key: logon.key,
            session,
        };
        slot.session.view = Some(view);
        slot.session.heartbeat_ns = u64::from(logon.heartbeat_ms) * 1_000_000;
        slot.session.grace_ns = u64::from(logon.grace_ms) * 1_000_000;
        let accepted = LogonAccepted {
            term: self.term,
            first_account: key.first_account,
            last_account: key.last_account,
            role: key.role.code(),
            resume: u8::from(resume),
            sequence: Sequence(delivered),
            heartbeat_ms: logon.heartbeat_ms,
            max_outstanding: self.limits.outstanding,
            rate_limit: self.limits.rate_per_s,
            journal: self.journal,
            ..LogonAccepted::new(header(logon.as_bytes()).request)
        };
        write(slot.connection.output(), &accepted);
        self.dirty.push(at);
        if !resume {
            slot.session.state = State::Open;
            slot.session.sent_up_to = delivered;
            return;
        }
        self.stats.resumes.fetch_add(1, Ordering::Relaxed);
        slot.session.state = State::CatchingUp;
        let (from, skip) = match (logon.sequence.0, logon.index) {
            (0, _) => (1, 0),
            (sequence, WHOLE) => (sequence.saturating_add(1), 0),
            (sequence, index) => (sequence, index),
        };
        slot.session.sent_up_to = from - 1;
        slot.asked = true;
        let ticket = Ticket { slot: at, generation: slot.generation };
        let token = Some((logon.term.0, logon.sequence.0));
        self.ask(Job::History { ticket, view, from, skip, token });
    }

    /// Sends a piece of history; hands over to live, closes the last gap, or asks for more.
    fn history(&mut self, at: usize, bytes: &[u8], next: u64) {
        let slot = self.slots[at].as_mut().expect("the connection is there");
        let view = slot.session.view.expect("a resuming session has a view");
        slot.asked = false;
        slot.connection.output().extend_from_slice(bytes);
        slot.session.sent_up_to = next - 1;
        self.dirty.push(at);
        let gap = self.delivered.saturating_sub(next - 1);
        if gap > CLOSE_GAP {
            return; // more is asked for when the socket has taken this piece
        }
        if gap > 0 {
            let mut reader = self.watermarks.reader(ringbook_journal::Sequence(next));
            loop {
                match reader.next(ringbook_journal::Sequence(self.delivered)) {
                    Ok(Some(frame)) => {
                        append_reports(slot.connection.output(), &frame, &view, &mut (0, 0));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "history cannot be read");
                        let text = "the server cannot read its history; ask for the state";
                        return self.refuse(at, Refusal::new(SessionError::HistoryGone, 0, text));
                    }
                }
            }
        }
        slot.session.sent_up_to = slot.session.sent_up_to.max(self.delivered);
        slot.session.state = State::Open;
        let mut resumed = Resumed::new(0);
        resumed.sequence = Sequence(slot.session.sent_up_to);
        resumed.term = self.term;
        write(slot.connection.output(), &resumed);
        let ticket = Ticket { slot: at, generation: slot.generation };
        self.ask(Job::Gone { ticket });
    }

    /// Ends a session with an ERROR.
    fn refuse(&mut self, at: usize, refusal: Refusal) {
        let Some(slot) = self.slots[at].as_mut() else {
            return;
        };
        if slot.session.state == State::Closing {
            return;
        }
        self.stats.count_error(refusal.code);
        slot.session.state = State::Closing;
        write(slot.connection.output(), &refusal.message());
        self.dirty.push(at);
    }

    fn drop_connection(&mut self, at: usize) {
        let Some(slot) = self.slots[at].take() else {
            return;
        };
        self.free.push(at);
        self.stats.connections.fetch_sub(1, Ordering::Relaxed);
        let _ = epoll::delete(&*self.epoll, &slot.connection.stream);
        self.ask(Job::Gone { ticket: Ticket { slot: at, generation: slot.generation } });
        let Some(view) = slot.session.view else {
            return;
        };
        if self.sessions.get(&view.session) == Some(&at) {
            self.sessions.remove(&view.session);
            if !slot.session.left {
                self.grace.gone(view.session, mono_ns() + slot.session.grace_ns);
            }
        }
    }

    fn timers(&mut self, now: u64) {
        while let Some(session) = self.grace.due(now) {
            let mut message = SessionDown::new(0);
            message.session = session;
            if self.input.submit(Origin::INTERNAL, message.as_bytes(), true, now, now).is_err() {
                break;
            }
            self.stats.sessions_down.fetch_add(1, Ordering::Relaxed);
            self.grace.down(session);
            if let Some(published) = &self.published {
                published.notify();
            }
        }
        let failed = self.engine.failed.load(Ordering::Relaxed) == 1 || self.watermarks.state() == WriterState::Failed;
        self.failed |= failed;
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots[at].as_mut() else {
                continue;
            };
            let session = &mut slot.session;
            let silent = now.saturating_sub(session.received_ns);
            match session.state {
                State::Connected | State::Verifying => {
                    if now.saturating_sub(session.connected_ns) > self.limits.logon_ms * 1_000_000 {
                        let text = format!("no LOGON within {} ms", self.limits.logon_ms);
                        self.refuse(at, Refusal::new(SessionError::Timeout, 0, text));
                    }
                }
                State::Open | State::CatchingUp => {
                    if silent > 3 * session.heartbeat_ns {
                        let text = "nothing was heard for three heartbeat intervals";
                        self.refuse(at, Refusal::new(SessionError::Timeout, 0, text));
                    } else if now.saturating_sub(session.sent_ns) >= session.heartbeat_ns {
                        session.sent_ns = now;
                        let mut beat = ServerHeartbeat::new(0);
                        beat.sequence = Sequence(session.sent_up_to);
                        beat.term = self.term;
                        beat.server_time = wall_ns();
                        write(slot.connection.output(), &beat);
                        self.dirty.push(at);
                    }
                }
                // A peer that takes nothing of its farewell is not waited for.
                State::Closing if silent > 5_000_000_000 => self.drop_connection(at),
                State::Closing => {}
            }
        }
    }

    /// Sends reports for what was committed since; how many frames.
    pub fn poll_out(&mut self) -> usize {
        let committed = self.watermarks.committed();
        let mut frames = 0;
        if committed.0 > self.delivered {
            self.batch_seen = mono_ns();
            frames = self.deliver(committed);
        }
        self.flush();
        if !self.timed.is_empty() {
            self.record_stages();
        }
        frames
    }

    fn deliver(&mut self, committed: ringbook_journal::Sequence) -> usize {
        let mut frames = 0;
        let mut revoked = Vec::new();
        while frames < OUT_BATCH {
            let frame = match self.reader.next(committed) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    // Reports cannot be told any more; the operator is, and clients stop waiting.
                    if !self.failed {
                        tracing::error!(%error, "the journal cannot be followed; order entry stops");
                    }
                    self.failed = true;
                    return frames;
                }
            };
            frames += 1;
            let sequence = frame.sequence.0;
            self.delivered = sequence;
            if let Some(key) = self.keys.follow(frame.command, frame.events) {
                revoked.push(key);
            }
            let origin = Origin::read_from_prefix(frame.command).map_or(Origin::INTERNAL, |(origin, _)| origin);
            let kind = frame.command.get(ORIGIN_BYTES + 2).copied().unwrap_or(0);
            if let Some(&at) = self.sessions.get(&origin.session)
                && kind != MessageType::Continue as u8
                && let Some(slot) = self.slots[at].as_mut()
            {
                slot.session.outstanding = slot.session.outstanding.saturating_sub(1);
                self.timed.push(sequence);
            }
            let frame_parts = parts(&frame);
            for &at in self.sessions.values() {
                let Some(slot) = self.slots[at].as_mut() else {
                    continue;
                };
                if slot.session.state != State::Open || slot.session.sent_up_to >= sequence {
                    continue;
                }
                slot.session.sent_up_to = sequence;
                let view = slot.session.view.expect("an open session has a view");
                let output = slot.connection.output();
                let before = output.len();
                match reports(&frame_parts, &view, &mut |report: &[u8]| output.extend_from_slice(report)) {
                    Ok(0) => {}
                    Ok(count) => {
                        self.stats.reports.fetch_add(u64::from(count), Ordering::Relaxed);
                        if before == 0 || self.dirty.last() != Some(&at) {
                            self.dirty.push(at);
                        }
                    }
                    Err(error) => tracing::error!(%error, "a committed frame yields no reports"),
                }
            }
        }
        self.stats.delivered.store(self.delivered, Ordering::Relaxed);
        for key in revoked {
            self.key_changed(key);
        }
        frames
    }

    /// Ends the sessions of a key that was revoked or whose rights changed.
    fn key_changed(&mut self, key: KeyId) {
        let of_key: Vec<usize> =
            self.sessions.iter().filter(|(session, _)| session.key() == key).map(|(_, &at)| at).collect();
        let revoked = self.keys.get(key).is_none();
        for at in of_key {
            let text = if revoked { "the key was revoked" } else { "the key was changed; log on again" };
            self.refuse(at, Refusal::new(SessionError::BadCredentials, 0, text));
        }
    }

    fn flush(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let now = mono_ns();
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for at in dirty.drain(..) {
            let Some(slot) = self.slots[at].as_mut() else {
                continue;
            };
            let was_blocked = slot.connection.blocked;
            let Some(written) = slot.connection.flush() else {
                self.drop_connection(at);
                continue;
            };
            self.stats.bytes_out.fetch_add(written as u64, Ordering::Relaxed);
            slot.session.sent_ns = now;
            if slot.connection.blocked != was_blocked {
                let mut flags = epoll::EventFlags::IN;
                flags.set(epoll::EventFlags::OUT, slot.connection.blocked);
                let data = epoll::EventData::new_u64(at as u64);
                let _ = epoll::modify(&*self.epoll, &slot.connection.stream, data, flags);
            }
            let waiting = slot.connection.waiting();
            if slot.session.state == State::Closing && waiting == 0 {
                // The peer reads our farewell before it sees the end.
                let _ = slot.connection.stream.shutdown(std::net::Shutdown::Write);
                self.drop_connection(at);
            } else if waiting > self.limits.output_bytes {
                self.stats.count_error(SessionError::SlowReader);
                self.drop_connection(at);
            } else if slot.session.state == State::CatchingUp && !slot.asked && waiting == 0 {
                slot.asked = true;
                let view = slot.session.view.expect("a resuming session has a view");
                let ticket = Ticket { slot: at, generation: slot.generation };
                let from = slot.session.sent_up_to + 1;
                self.ask(Job::History { ticket, view, from, skip: 0, token: None });
            }
        }
        // Pushed while flushing (none today) must not be lost.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn record_stages(&mut self) {
        let sent = mono_ns();
        if let Ok(mut stages) = self.stages.lock() {
            for &sequence in &self.timed {
                if let Some(stamp) = self.stamps.get(sequence) {
                    stages.record(&stamp, self.batch_seen.clamp(stamp.written_ns, sent), sent);
                }
            }
        }
        self.timed.clear();
    }

    /// Whether everything that was published has been answered and sent.
    pub fn is_drained(&self) -> bool {
        self.input.waiting() <= 0
            && self.watermarks.written().0 == self.delivered
            && self.slots.iter().flatten().all(|slot| slot.connection.waiting() == 0)
    }

    /// Says goodbye to everybody.
    pub fn close_all(&mut self) {
        for at in 0..self.slots.len() {
            self.refuse(at, Refusal::new(SessionError::ShuttingDown, 0, "the exchange is shutting down; come again"));
        }
        self.flush();
    }
}

fn bad_credentials(key: KeyId) -> Refusal {
    let text = format!("key {key}: unknown, revoked, or the signature is not its own; check the key file");
    Refusal::new(SessionError::BadCredentials, Logon::KIND, text)
}
