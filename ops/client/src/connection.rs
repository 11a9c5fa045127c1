//! One TCP connection with a logged-on session: buffers, logon, heartbeats. Blocking by default, or not.
//!
//! The loop of a caller that wants to do everything itself (nothing in it allocates per message):
//!
//! ```text
//! queue/queue_raw … flush ── while next_message: session.on_message ── receive ── keep_alive ── wait for the socket
//! ```
//!
//! Invariants: bytes leave in the order in which they were queued; a message is handed out whole and once; the input
//! buffer never grows (a message is at most 512 bytes). The first reports of a resume may have come with the logon's
//! answer, so look for messages before the first `receive`.

use crate::session::{Incoming, Session};
use crate::{ClientError, Key};
use ringbook_wire::message::{Heartbeat, Logon, Logout, Message, logon_flags};
use ringbook_wire::report::LogonAccepted;
use ringbook_wire::{Sequence, Term, codec};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

const INPUT_BYTES: usize = 256 * 1024;

/// Where and how to log on.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port` of order entry.
    pub address: String,
    /// Number of the session among those of the key; one for each independent client process.
    pub session: u32,
    /// Heartbeat interval asked for, 100–60,000 ms.
    pub heartbeat_ms: u32,
    /// Grace period before cancel-on-disconnect acts.
    pub grace_ms: u32,
    /// Hear only of commands that this key sent.
    pub own_only: bool,
    /// For connecting and logging on.
    pub connect_timeout: Duration,
    /// For the answer to one request.
    pub request_timeout: Duration,
    /// How long to go on reconnecting, and how long to go on when the server is busy; 0: not at all.
    pub patience: Duration,
}

impl Options {
    /// Session 1, a heartbeat each 10 s, 5 s to connect, 30 s for an answer, 60 s of patience.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            session: 1,
            heartbeat_ms: 10_000,
            grace_ms: 30_000,
            own_only: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
        }
    }

    /// The same with another session number.
    pub fn session(self, session: u32) -> Self {
        Self { session, ..self }
    }
}

/// A connection whose session is open.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: String,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    output: Vec<u8>,
    sent: usize,
    heartbeat: Duration,
    last_sent: Instant,
    last_received: Instant,
    read_timeout: Option<Duration>,
    accepted: LogonAccepted,
}

impl Connection {
    /// Connects and logs on. With a session that has a token, resumes: its missed reports follow, then RESUMED.
    ///
    /// # Errors
    /// No connection, no answer in time, or the server refuses the logon.
    pub fn open(options: &Options, key: &Key, session: &mut Session) -> Result<Self, ClientError> {
        let stream = connect(options)?;
        let now = Instant::now();
        let mut connection = Self {
            stream,
            address: options.address.clone(),
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            output: Vec::with_capacity(INPUT_BYTES),
            sent: 0,
            heartbeat: Duration::from_millis(u64::from(options.heartbeat_ms)),
            last_sent: now,
            last_received: now,
            read_timeout: None,
            accepted: LogonAccepted::new(0),
        };
        connection.log_on(options, key, session)?;
        Ok(connection)
    }

    fn log_on(&mut self, options: &Options, key: &Key, session: &mut Session) -> Result<(), ClientError> {
        let deadline = Instant::now() + options.connect_timeout;
        let challenge = match self.wait_message(session, deadline, options)? {
            Reply::Challenge(nonce) => nonce,
            Reply::Accepted(_) => return Err(ClientError::Protocol("accepted before logon".into())),
        };
        let mut logon = Logon::new(0);
        logon.key = key.id();
        logon.session = options.session;
        logon.heartbeat_ms = options.heartbeat_ms;
        logon.grace_ms = options.grace_ms;
        logon.flags = if options.own_only { logon_flags::OWN_ONLY } else { 0 };
        if let Some(token) = session.token() {
            logon.flags |= logon_flags::RESUME;
            logon.sequence = Sequence(token.sequence);
            logon.term = Term(token.term);
            logon.index = token.index;
        }
        key.sign(&mut logon, &challenge);
        self.queue(&logon);
        self.flush()?;
        match self.wait_message(session, deadline, options)? {
            Reply::Accepted(accepted) => {
                self.heartbeat = Duration::from_millis(u64::from(accepted.heartbeat_ms.max(100)));
                self.accepted = *accepted;
                Ok(())
            }
            Reply::Challenge(_) => Err(ClientError::Protocol("two challenges".into())),
        }
    }

    fn wait_message(
        &mut self,
        session: &mut Session,
        deadline: Instant,
        options: &Options,
    ) -> Result<Reply, ClientError> {
        loop {
            if let Some(message) = self.next_message()? {
                return match session.on_message(message)? {
                    Incoming::Challenge(challenge) => Ok(Reply::Challenge(challenge.nonce)),
                    Incoming::LogonAccepted(accepted) => Ok(Reply::Accepted(Box::new(accepted))),
                    Incoming::Error(error) => Err(ClientError::from(&error)),
                    other => Err(ClientError::Protocol(format!("unexpected at logon: {other:?}"))),
                };
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClientError::Timeout { seconds: options.connect_timeout.as_secs() });
            }
            self.set_read_timeout(left)?;
            self.receive()?;
        }
    }

    /// What the server said at logon: term, account range, limits.
    pub fn accepted(&self) -> &LogonAccepted {
        &self.accepted
    }

    /// Makes reads and writes return at once. Wait for the socket with poll(2) instead.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_nonblocking(&mut self, on: bool) -> Result<(), ClientError> {
        let done = self.stream.set_nonblocking(on);
        done.map_err(|cause| self.broken(cause))
    }

    /// How long a blocking `receive` waits.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_read_timeout(&mut self, timeout: Duration) -> Result<(), ClientError> {
        let timeout = Some(timeout.max(Duration::from_micros(100)));
        if self.read_timeout != timeout {
            self.stream.set_read_timeout(timeout).map_err(|cause| self.broken(cause))?;
            self.read_timeout = timeout;
        }
        Ok(())
    }

    /// Puts a message into the output buffer.
    #[inline]
    pub fn queue<M: Message>(&mut self, message: &M) {
        codec::write(&mut self.output, message);
    }

    /// Puts the bytes of whole messages into the output buffer.
    #[inline]
    pub fn queue_raw(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Bytes that are queued and not written yet.
    pub fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Writes what is queued; `true` if nothing is left (a socket that does not block may leave some).
    ///
    /// # Errors
    /// The connection broke.
    pub fn flush(&mut self) -> Result<bool, ClientError> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(0) => return Err(self.broken(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    self.sent += count;
                    self.last_sent = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.broken(error)),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Reads once into the input buffer; 0 if nothing came (in time). Call it when `next_message` has no more.
    ///
    /// # Errors
    /// The connection broke or was closed.
    pub fn receive(&mut self) -> Result<usize, ClientError> {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        match self.stream.read(&mut self.input[self.end..]) {
            Ok(0) => Err(self.broken(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server"))),
            Ok(count) => {
                self.end += count;
                self.last_received = Instant::now();
                Ok(count)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(0)
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    /// The next whole message that was received.
    ///
    /// # Errors
    /// The bytes are not messages.
    #[inline]
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, ClientError> {
        let length = match codec::next_message(&self.input[self.start..self.end]) {
            Ok(Some(message)) => message.len(),
            Ok(None) => return Ok(None),
            Err(error) => return Err(ClientError::Protocol(error.to_string())),
        };
        let from = self.start;
        self.start += length;
        Ok(Some(&self.input[from..self.start]))
    }

    /// Sends a heartbeat if nothing was sent for half an interval.
    ///
    /// # Errors
    /// Nothing was heard for three intervals, or the connection broke.
    pub fn keep_alive(&mut self, now: Instant) -> Result<(), ClientError> {
        if now.saturating_duration_since(self.last_received) > self.heartbeat * 3 {
            return Err(self.broken(io::Error::new(io::ErrorKind::TimedOut, "three heartbeats are missing")));
        }
        if now.saturating_duration_since(self.last_sent) >= self.heartbeat / 2 && self.unsent() == 0 {
            self.queue(&Heartbeat::new(0));
            self.flush()?;
        }
        Ok(())
    }

    /// How long the caller may wait before `keep_alive` has something to do.
    pub fn next_keep_alive(&self, now: Instant) -> Duration {
        (self.last_sent + self.heartbeat / 2).saturating_duration_since(now)
    }

    /// Says LOGOUT, so that cancel-on-disconnect does not act.
    ///
    /// # Errors
    /// The connection broke.
    pub fn log_out(&mut self) -> Result<(), ClientError> {
        self.queue(&Logout::new(0));
        self.flush().map(|_| ())
    }

    fn broken(&self, cause: io::Error) -> ClientError {
        ClientError::Broken { address: self.address.clone(), cause }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

enum Reply {
    Challenge([u8; 32]),
    Accepted(Box<LogonAccepted>),
}

fn connect(options: &Options) -> Result<TcpStream, ClientError> {
    let failed = |cause| ClientError::Connect { address: options.address.clone(), cause };
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "not a host:port");
    for address in options.address.to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&address, options.connect_timeout) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}
