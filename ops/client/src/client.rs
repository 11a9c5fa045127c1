//! Blocking calls over one session, with reconnect, resume and retry. The typed commands are in `commands.rs`.
//!
//! What happens to a request whose connection breaks:
//!
//! ```text
//! resume ──► the answer is in the history ──────────────────────────────► the answer
//!        └─► RESUMED without it: NEW_ORDER, DEPOSIT, WITHDRAW (same body), CANCEL, SET_…, STATE_REQUEST: sent again
//!                                AMEND, CANCEL_ALL: ClientError::Unknown (repeating could do it twice)
//! ```
//!
//! There is no thread behind this: heartbeats are sent while a call waits. A program that makes no call for three
//! heartbeat intervals loses the connection; the next call resumes it.
//!
//! Invariants: at most one request is unanswered; reports that do not belong to an answer are kept, in order, for
//! [`Client::next_report`].

use crate::connection::{Connection, Options};
use crate::session::{Incoming, ResumeToken, Session};
use crate::{AccountState, Answer, ClientError, Key, Report};
use ringbook_wire::message::{Message, MessageType, StateRequest};
use ringbook_wire::report::{LogonAccepted, StateEnd};
use ringbook_wire::{AccountId, BusyReason, codec};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const FIRST_BACK_OFF: Duration = Duration::from_millis(20);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// A session with the exchange.
#[derive(Debug)]
pub struct Client {
    options: Options,
    key: Key,
    session: Session,
    connection: Option<Connection>,
    accepted: LogonAccepted,
    next_request: u32,
    group: Vec<Report>,
    unsolicited: VecDeque<Report>,
    pub(crate) last_adjustment: u64,
}

/// What pumping brought for the request that is waited for.
enum Step {
    Nothing,
    Answered(Answer),
    State(AccountState),
    Busy(BusyReason, Duration),
    Resumed,
}

impl Client {
    /// Connects and logs on; reports begin with what happens from now on.
    ///
    /// # Errors
    /// No connection, or the server refuses the key.
    pub fn connect(options: Options, key: Key) -> Result<Self, ClientError> {
        Self::start(options, key, Session::new())
    }

    /// Connects and resumes an earlier session: everything since the token comes first.
    ///
    /// # Errors
    /// No connection, or the server refuses the key or the token.
    pub fn resume(options: Options, key: Key, token: ResumeToken) -> Result<Self, ClientError> {
        Self::start(options, key, Session::resuming(token))
    }

    fn start(options: Options, key: Key, mut session: Session) -> Result<Self, ClientError> {
        let connection = Connection::open(&options, &key, &mut session)?;
        Ok(Self {
            accepted: *connection.accepted(),
            options,
            key,
            session,
            connection: Some(connection),
            next_request: 1,
            group: Vec::new(),
            unsolicited: VecDeque::new(),
            last_adjustment: 0,
        })
    }

    /// What the server said at the last logon.
    pub fn accepted(&self) -> &LogonAccepted {
        &self.accepted
    }

    /// What to give to [`Client::resume`] later, in another process.
    pub fn token(&self) -> Option<ResumeToken> {
        self.session.token()
    }

    /// An account's balances and open orders after exactly one sequence.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn state(&mut self, account: u32) -> Result<AccountState, ClientError> {
        let mut message = StateRequest::new(0);
        message.account = AccountId(account);
        match self.call(message)? {
            Step::State(state) => Ok(state),
            _ => Err(ClientError::Protocol("STATE_REQUEST was answered with reports".into())),
        }
    }

    /// Sends any command and waits for its answer.
    ///
    /// # Errors
    /// Everything but a refusal of the engine, which is in the answer.
    pub fn command<M: Message>(&mut self, message: M) -> Result<Answer, ClientError> {
        match self.call(message)? {
            Step::Answered(answer) => Ok(answer),
            _ => Err(ClientError::Protocol("a command was answered with a state".into())),
        }
    }

    /// The next report that belonged to no answer, waiting for it if there is none; `None` when the time is over.
    ///
    /// # Errors
    /// The connection broke and could not be resumed.
    pub fn next_report(&mut self, timeout: Duration) -> Result<Option<Report>, ClientError> {
        let deadline = Instant::now() + timeout;
        while self.unsolicited.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let connection = self.ensure_connected()?;
            let step = match connection.keep_alive(Instant::now()) {
                Ok(()) => self.pump(0, left),
                Err(error) => Err(error),
            };
            match step {
                Err(error) if error.is_transient() => self.connection = None,
                Err(error) => return Err(error),
                Ok(_) if left.is_zero() => break,
                Ok(_) => {}
            }
        }
        Ok(self.unsolicited.pop_front())
    }

    /// Ends the session cleanly: cancel-on-disconnect does not act.
    ///
    /// # Errors
    /// The connection broke before.
    pub fn log_out(mut self) -> Result<(), ClientError> {
        self.connection.as_mut().map_or(Ok(()), Connection::log_out)
    }

    /// The low-level connection, for callers that pipeline; `None` while it is down.
    pub fn into_parts(self) -> (Option<Connection>, Session) {
        (self.connection, self.session)
    }

    /// Ends the connection without LOGOUT, as a crash would; the next call resumes.
    pub fn drop_connection(&mut self) {
        self.connection = None;
    }

    fn call<M: Message>(&mut self, mut message: M) -> Result<Step, ClientError> {
        let request = self.next_request;
        self.next_request = self.next_request.checked_add(1).unwrap_or(1);
        *message.header_mut() = M::header_for(request);
        let kind = MessageType::from_code(M::KIND);
        let mut bytes = Vec::with_capacity(size_of::<M>());
        codec::write(&mut bytes, &message);
        let begin = Instant::now();
        let (mut sent_before, mut resuming, mut send) = (false, false, true);
        loop {
            if begin.elapsed() > self.options.request_timeout.max(self.options.patience) {
                return Err(ClientError::Timeout { seconds: begin.elapsed().as_secs() });
            }
            if self.connection.is_none() {
                self.ensure_connected()?;
                resuming = sent_before;
                send = !sent_before;
            }
            let step = self.exchange(request, &bytes, send);
            sent_before |= send;
            send = false;
            match step {
                Ok(step @ (Step::Answered(_) | Step::State(_))) => return Ok(step),
                Ok(Step::Nothing) => {
                    if !resuming && begin.elapsed() > self.options.request_timeout {
                        return Err(ClientError::Timeout { seconds: begin.elapsed().as_secs() });
                    }
                }
                Ok(Step::Resumed) if resuming => {
                    if !kind.is_some_and(repeatable) {
                        return Err(ClientError::Unknown { request: kind.map_or("request", MessageType::name) });
                    }
                    (resuming, send) = (false, true);
                }
                Ok(Step::Resumed) => {}
                Ok(Step::Busy(reason @ (BusyReason::NotEntitled | BusyReason::NoSuchTrade), _)) => {
                    return Err(ClientError::NotTaken { reason });
                }
                Ok(Step::Busy(reason, wait)) => {
                    if begin.elapsed() > self.options.patience {
                        return Err(ClientError::Busy {
                            reason: reason.name().into(),
                            seconds: begin.elapsed().as_secs(),
                        });
                    }
                    std::thread::sleep(wait);
                    send = true;
                }
                Err(error) if error.is_transient() && !self.options.patience.is_zero() => self.connection = None,
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends if asked to, and reads once.
    fn exchange(&mut self, request: u32, bytes: &[u8], send: bool) -> Result<Step, ClientError> {
        let connection = self.ensure_connected()?;
        if send {
            connection.queue_raw(bytes);
            connection.flush()?;
        }
        connection.keep_alive(Instant::now())?;
        self.pump(request, Duration::from_millis(250))
    }

    fn ensure_connected(&mut self) -> Result<&mut Connection, ClientError> {
        if self.connection.is_none() {
            let begin = Instant::now();
            let mut back_off = FIRST_BACK_OFF;
            loop {
                match Connection::open(&self.options, &self.key, &mut self.session) {
                    Ok(connection) => {
                        self.accepted = *connection.accepted();
                        self.connection = Some(connection);
                        break;
                    }
                    Err(error) if error.is_transient() && begin.elapsed() + back_off < self.options.patience => {
                        std::thread::sleep(back_off);
                        back_off = (back_off * 2).min(LONGEST_BACK_OFF);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.connection.as_mut().ok_or_else(|| ClientError::Protocol("no connection".into()))
    }

    /// Handles what has arrived, reading at most once, until something concerns `request`.
    fn pump(&mut self, request: u32, wait: Duration) -> Result<Step, ClientError> {
        let Some(connection) = self.connection.as_mut() else { return Ok(Step::Nothing) };
        let mut state: Option<AccountState> = None;
        let mut has_read = false;
        loop {
            let Some(message) = connection.next_message()? else {
                // A state comes in several messages: go on reading until it is whole.
                if has_read && state.is_none() {
                    return Ok(Step::Nothing);
                }
                let wait = if state.is_some() { self.options.request_timeout } else { wait };
                connection.set_read_timeout(wait.min(connection.next_keep_alive(Instant::now())))?;
                has_read = true;
                if connection.receive()? == 0 {
                    connection.keep_alive(Instant::now())?;
                }
                continue;
            };
            let header = codec::header(message);
            match self.session.on_message(message)? {
                Incoming::Report { bytes, .. } => {
                    let Some(report) = Report::read(bytes) else {
                        return Err(ClientError::Protocol(format!("report type {}", header.kind)));
                    };
                    self.group.push(report);
                    if report.is_last() {
                        let group = std::mem::take(&mut self.group);
                        if request != 0 && group.iter().any(|report| report.request() == request) {
                            return Ok(Step::Answered(Answer { request, reports: group }));
                        }
                        self.unsolicited.extend(group);
                        if request == 0 {
                            return Ok(Step::Nothing);
                        }
                    }
                }
                Incoming::Busy(busy) if header.request == request => {
                    let reason = BusyReason::from_code(busy.reason).unwrap_or(BusyReason::RingFull);
                    return Ok(Step::Busy(reason, Duration::from_millis(u64::from(busy.retry_ms.clamp(1, 5_000)))));
                }
                Incoming::Error(error) => {
                    self.connection = None;
                    return Err(ClientError::from(&error));
                }
                Incoming::Resumed(_) => return Ok(Step::Resumed),
                Incoming::StateBegin(begin) if header.request == request => {
                    let (balances, positions, orders) = (Vec::new(), Vec::new(), Vec::new());
                    state = Some(AccountState { begin, balances, positions, orders });
                }
                Incoming::StateBalance(balance) => {
                    if let Some(state) = &mut state {
                        state.balances.push(balance);
                    }
                }
                Incoming::StatePosition(position) => {
                    if let Some(state) = &mut state {
                        state.positions.push(position);
                    }
                }
                Incoming::StateOrder(order) => {
                    if let Some(state) = &mut state {
                        state.orders.push(order);
                    }
                }
                Incoming::StateEnd(end) => {
                    if let Some(state) = state.take() {
                        return finished(state, &end);
                    }
                }
                _ => {}
            }
        }
    }
}

fn finished(state: AccountState, end: &StateEnd) -> Result<Step, ClientError> {
    if state.is_complete(end) {
        Ok(Step::State(state))
    } else {
        Err(ClientError::Protocol("STATE_END counts other balances or orders than came".into()))
    }
}

/// Whether sending it again can never do a thing twice.
fn repeatable(kind: MessageType) -> bool {
    !matches!(kind, MessageType::Amend | MessageType::CancelAll)
}
