//! One session of the load: its unanswered requests, its resume, and the proof that nothing is missing or doubled.
//!
//! ```text
//!   up ──(connection breaks)──► down ──(logon with the token)──► catching up ──(RESUMED)──► up
//!                                ▲ back-off                           │
//!                                └───────────(breaks again)───────────┘
//! ```
//!
//! At RESUMED every request that is still unanswered was not executed before the break, as far as the history tells:
//! orders are sent again (the same bytes), cancels and amendments are counted as resolved. An order that is then
//! answered with REPLAYED *was* executed, so its first answer is missing from the history: a resume error.
//!
//! Invariants: requests are answered in the order of their numbers, with gaps only for BUSY; every report passes the
//! continuity check of the session; the ledger has every message as it came.

use super::counts::{Counts, count_outcome};
use super::latency::{Latencies, Stage};
use super::source::Source;
use crate::ledger;
use ringbook_client::{ClientError, Connection, Incoming, Key, Options, Report, Session};
use ringbook_wire::message::MessageType;
use ringbook_wire::{Liquidity, SessionError, SessionId, codec};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Reads of one connection before the others have their turn.
const READS: usize = 16;
const FIRST_BACK_OFF: Duration = Duration::from_millis(10);
const LONGEST_BACK_OFF: Duration = Duration::from_millis(500);

/// What all connections write to.
pub struct Books {
    /// Counters.
    pub counts: Counts,
    /// Latencies.
    pub latencies: Latencies,
    /// Ledger, if wanted.
    pub ledger: Option<ledger::Writer>,
    /// Zero of all times.
    pub start: Instant,
}

impl Books {
    /// Nanoseconds since the start.
    pub fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// A request that is not finished.
#[derive(Clone, Debug)]
struct Slot {
    intended: u64,
    bytes: Vec<u8>,
    answered: bool,
    finished: bool,
    traded: bool,
    resent: bool,
}

/// See the module.
pub struct Link {
    options: Options,
    key: Key,
    session: Session,
    connection: Option<Connection>,
    source: Source,
    slots: VecDeque<Slot>,
    /// Number of the first slot's request.
    first: u32,
    unanswered: usize,
    max_outstanding: usize,
    catching_up: bool,
    ever_up: bool,
    retry_at: Instant,
    back_off: Duration,
    /// Request of the sequence whose reports are coming.
    current: u32,
    /// Buffers of finished slots, used again.
    spare: Vec<Vec<u8>>,
}

impl Link {
    /// Not connected yet.
    pub fn new(options: Options, key: Key, source: Source) -> Self {
        Self {
            options,
            key,
            session: Session::new(),
            connection: None,
            source,
            slots: VecDeque::new(),
            first: 1,
            unanswered: 0,
            max_outstanding: 1,
            catching_up: false,
            ever_up: false,
            retry_at: Instant::now(),
            back_off: FIRST_BACK_OFF,
            current: 0,
            spare: Vec::new(),
        }
    }

    /// The open connection.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// Requests that are not answered.
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Whether another request may be sent now.
    pub fn is_ready(&self) -> bool {
        self.connection.is_some() && !self.catching_up && self.unanswered < self.max_outstanding
    }

    fn session_id(&self) -> u64 {
        SessionId::new(self.key.id(), self.options.session).0
    }

    /// Connects if it is time to.
    ///
    /// # Errors
    /// The first connection fails, or the server refuses for good; in words.
    pub fn connect(&mut self, books: &mut Books) -> Result<(), String> {
        if self.connection.is_some() || Instant::now() < self.retry_at {
            return Ok(());
        }
        match Connection::open(&self.options, &self.key, &mut self.session) {
            Ok(mut connection) => {
                connection.set_nonblocking(true).map_err(|error| error.to_string())?;
                let accepted = connection.accepted();
                self.max_outstanding = (accepted.max_outstanding as usize * 3 / 4).max(1);
                self.catching_up = accepted.resume == 1;
                books.counts.reconnects += u64::from(self.ever_up);
                self.back_off = FIRST_BACK_OFF;
                self.connection = Some(connection);
                if self.ever_up && !self.catching_up {
                    self.settle(books);
                }
                self.ever_up = true;
                Ok(())
            }
            Err(error) if self.ever_up && forgets(&error) => {
                books.counts.resume_errors += 1;
                books.counts.note(format!("resume: {error}"));
                self.session.restart();
                Ok(())
            }
            Err(error) if self.ever_up && (error.is_transient() || matches!(error, ClientError::Timeout { .. })) => {
                self.retry_at = Instant::now() + self.back_off;
                self.back_off = (self.back_off * 2).min(LONGEST_BACK_OFF);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Chooses the next request and puts it into the output buffer.
    pub fn send(&mut self, intended: u64, books: &mut Books) {
        let session = self.session_id();
        let Some(connection) = self.connection.as_mut() else { return };
        let request = self.first.wrapping_add(self.slots.len() as u32);
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        self.source.next(request, ringbook_client::order::now(), &mut bytes);
        if bytes.is_empty() {
            self.spare.push(bytes);
            return;
        }
        let now = books.now_ns();
        if let Some(ledger) = &mut books.ledger {
            ledger.sent(now, session, &bytes);
        }
        connection.queue_raw(&bytes);
        self.slots.push_back(Slot { intended, bytes, answered: false, finished: false, traded: false, resent: false });
        self.unanswered += 1;
        if !self.source.is_market() {
            books.counts.sent += 1;
            books.latencies.record(Stage::SendLag, now.saturating_sub(intended));
        }
    }

    /// Writes and reads; `true` if anything came.
    ///
    /// # Errors
    /// The connection broke and must not be opened again (`reconnect` is off); in words.
    pub fn pump(&mut self, books: &mut Books, reconnect: bool) -> Result<bool, String> {
        match self.try_pump(books) {
            Ok(moved) => Ok(moved),
            Err(error) => {
                books.counts.disconnects += 1;
                self.connection = None;
                self.retry_at = Instant::now() + self.back_off;
                match &error {
                    ClientError::Continuity(_) => {
                        books.counts.resume_errors += 1;
                        books.counts.note(error.to_string());
                        self.session.restart();
                    }
                    error if !error.is_transient() => books.counts.error(error.to_string()),
                    _ => {}
                }
                if reconnect { Ok(true) } else { Err(format!("{error}; --reconnect goes on after a break")) }
            }
        }
    }

    fn try_pump(&mut self, books: &mut Books) -> Result<bool, ClientError> {
        // While it is out of `self`, an error drops the connection.
        let Some(mut connection) = self.connection.take() else { return Ok(false) };
        connection.flush()?;
        let (mut moved, mut resumed) = (false, false);
        for _ in 0..READS {
            // First what the logon may have read already.
            let now = books.now_ns();
            while let Some(message) = connection.next_message()? {
                (moved, resumed) = (true, resumed | self.message(message, now, books)?);
            }
            if connection.receive()? == 0 {
                break;
            }
        }
        connection.keep_alive(Instant::now())?;
        self.connection = Some(connection);
        if resumed {
            self.catching_up = false;
            self.settle(books);
        }
        Ok(moved)
    }

    /// Takes one message; `true` if it is RESUMED.
    fn message(&mut self, bytes: &[u8], now: u64, books: &mut Books) -> Result<bool, ClientError> {
        let request = codec::header(bytes).request;
        let incoming = self.session.on_message(bytes)?;
        if let (Some(ledger), Incoming::Report { .. } | Incoming::Busy(_)) = (&mut books.ledger, &incoming) {
            ledger.received(now, SessionId::new(self.key.id(), self.options.session).0, bytes);
        }
        match incoming {
            Incoming::Report { .. } => {
                let report = incoming
                    .report()
                    .ok_or_else(|| ClientError::Protocol(format!("report type {}", codec::header(bytes).kind)))?;
                self.report(&report, now, books);
            }
            Incoming::Busy(_) => {
                if let Some(slot) = slot(&mut self.slots, self.first, request)
                    && !slot.answered
                {
                    (slot.answered, slot.finished) = (true, true);
                    self.unanswered -= 1;
                    books.counts.busy += 1;
                    self.source.not_executed(&slot.bytes);
                    self.trim();
                }
            }
            Incoming::Error(error) => return Err(ClientError::from(&error)),
            Incoming::Resumed(_) => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    fn report(&mut self, report: &Report, now: u64, books: &mut Books) {
        self.source.heard(report, &mut books.counts.perpetual);
        let market = self.source.is_market();
        let counts = &mut books.counts;
        if report.request() != 0 {
            self.current = report.request();
            if let Some(slot) = slot(&mut self.slots, self.first, report.request()) {
                let latency = now.saturating_sub(slot.intended);
                if !slot.answered {
                    slot.answered = true;
                    self.unanswered -= 1;
                    counts.answered_by_resume += u64::from(self.catching_up);
                    if market {
                        counts.perpetual.answered(report, &slot.bytes);
                    } else {
                        counts.acked += 1;
                        books.latencies.record(Stage::Ack, latency);
                        count_outcome(report, &slot.bytes, slot.resent, self.source.in_perpetual(), counts);
                    }
                }
                if let Report::Trade(trade) = report
                    && trade.liquidity == Liquidity::Taker.code()
                    && !slot.traded
                {
                    slot.traded = true;
                    counts.matched += 1;
                    books.latencies.record(Stage::Match, latency);
                }
            }
        }
        if report.is_last() {
            let current = std::mem::take(&mut self.current);
            if let Some(slot) = slot(&mut self.slots, self.first, current) {
                slot.finished = true;
                self.trim();
            }
        }
    }

    /// Forgets finished requests from the front.
    fn trim(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.finished) {
            if let Some(slot) = self.slots.pop_front() {
                self.spare.push(slot.bytes);
                self.first = self.first.wrapping_add(1);
            }
        }
    }

    /// The history is complete: sends orders without answer again, gives the rest up.
    fn settle(&mut self, books: &mut Books) {
        let session = self.session_id();
        let now = books.now_ns();
        let Some(connection) = self.connection.as_mut() else { return };
        for slot in self.slots.iter_mut().filter(|slot| !slot.answered) {
            if codec::header(&slot.bytes).kind == MessageType::NewOrder as u8 {
                if let Some(ledger) = &mut books.ledger {
                    ledger.sent(now, session, &slot.bytes);
                }
                connection.queue_raw(&slot.bytes);
                slot.resent = true;
                books.counts.resent += 1;
            } else {
                (slot.answered, slot.finished) = (true, true);
                self.unanswered -= 1;
                books.counts.resolved_by_resume += 1;
                self.source.not_executed(&slot.bytes);
            }
        }
        self.trim();
    }

    /// Ends the session cleanly.
    pub fn log_out(&mut self) {
        if let Some(connection) = &mut self.connection {
            // The run is over; a connection that breaks now has nothing to lose.
            let _ = connection.log_out();
        }
    }
}

/// The request with a number, if it is not finished.
fn slot(slots: &mut VecDeque<Slot>, first: u32, request: u32) -> Option<&mut Slot> {
    if request == 0 { None } else { slots.get_mut(request.wrapping_sub(first) as usize) }
}

/// Whether the server no longer has what the token asks for.
fn forgets(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { code: Some(SessionError::BadToken | SessionError::HistoryGone), .. })
}
