//! One session's protocol, without I/O: what a message means in the state it meets (docs/PROTOCOL.md §3).
//!
//! ```text
//!  Connected ──LOGON──► Verifying ──signature──► Open ◄──RESUMED── CatchingUp
//!      │                    │                      │                   │
//!      └────── error, time-out, LOGOUT, peer gone ─┴───────────────────┴──► Closing
//! ```
//!
//! Invariants: a command is taken only in Open and CatchingUp; every message has exactly one outcome.

use ringbook_report::View;
use ringbook_wire::codec::{self, MessageError};
use ringbook_wire::message::{Logon, Message, MessageType, StateRequest, logon_flags};
use ringbook_wire::report::{Busy, Error, MassDone};
use ringbook_wire::{AccountId, BusyReason, SessionError};

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for LOGON.
    Connected,
    /// The signature is being checked.
    Verifying,
    /// History is on its way; live reports wait.
    CatchingUp,
    /// Live.
    Open,
    /// What is queued is sent, then the peer has a moment to read it: what it still sends is dropped unread, because
    /// closing a socket with unread bytes would take our last words away from it.
    Closing,
}

/// What a session is about.
#[derive(Clone, Debug)]
pub struct Session {
    pub state: State,
    pub nonce: [u8; 32],
    pub view: Option<View>,
    pub heartbeat_ns: u64,
    pub grace_ns: u64,
    pub connected_ns: u64,
    pub received_ns: u64,
    pub sent_ns: u64,
    /// When the peer last took bytes, or had nothing to take.
    pub took_ns: u64,
    /// It resumes in the middle of a sequence, and the first piece of its history is not sent yet: no token can be told.
    pub partial: bool,
    pub outstanding: u32,
    /// States among them.
    pub states: u32,
    /// Everything up to this sequence has been sent; reports begin behind it.
    pub sent_up_to: u64,
    /// LOGOUT was received.
    pub left: bool,
    /// When it began to close; 0 before.
    pub closing_ns: u64,
}

/// What is to be done about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Check the signature.
    Verify(Logon),
    /// Give the command to the engine.
    Submit(MessageType),
    /// Answer with an account's state.
    State { request: u32, account: AccountId },
    /// Say goodbye.
    Leave { request: u32 },
}

/// Why a session ends, with the words for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: SessionError,
    pub kind: u8,
    pub text: String,
}

impl Refusal {
    pub fn new(code: SessionError, kind: u8, text: impl Into<String>) -> Self {
        Self { code, kind, text: text.into() }
    }

    /// The ERROR message.
    pub fn message(&self) -> Error {
        let mut message = Error::new(0);
        message.code = self.code.code();
        message.kind = self.kind;
        let mut end = self.text.len().min(message.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        message.text[..end].copy_from_slice(&self.text.as_bytes()[..end]);
        message.text_length = end as u16;
        message
    }
}

impl Session {
    /// A session that has just connected.
    pub fn new(nonce: [u8; 32], now_ns: u64) -> Self {
        Self {
            state: State::Connected,
            nonce,
            view: None,
            heartbeat_ns: 5_000_000_000,
            grace_ns: 0,
            connected_ns: now_ns,
            received_ns: now_ns,
            sent_ns: now_ns,
            took_ns: now_ns,
            partial: false,
            outstanding: 0,
            states: 0,
            sent_up_to: 0,
            left: false,
            closing_ns: 0,
        }
    }

    /// The end begins.
    pub fn close(&mut self, now_ns: u64) {
        self.state = State::Closing;
        self.closing_ns = now_ns.max(1);
    }

    /// What a whole message means now.
    ///
    /// # Errors
    /// The session ends with this refusal.
    #[inline]
    pub fn on_message(&self, message: &[u8]) -> Result<Action, Refusal> {
        let header = codec::header(message);
        let kind = codec::check(message).map_err(|error| {
            let code = match error {
                MessageError::BadType(_) => SessionError::BadType,
                MessageError::WrongLength { .. } => SessionError::BadLength,
            };
            Refusal::new(code, header.kind, format!("{error}; see PROTOCOL §1"))
        })?;
        let logged_on = matches!(self.state, State::Open | State::CatchingUp);
        match kind {
            MessageType::Logon if self.state == State::Connected => {
                let logon = Logon::read(message).expect("type and length were checked");
                check_logon(&logon)?;
                Ok(Action::Verify(logon))
            }
            MessageType::Heartbeat if self.state != State::Connected => Ok(Action::Nothing),
            _ if !logged_on || kind == MessageType::Logon => Err(Refusal::new(
                SessionError::NotLoggedOn,
                header.kind,
                format!(
                    "message type {} is not expected here: log on first, once, and wait for LOGON_ACCEPTED",
                    kind as u8
                ),
            )),
            MessageType::Logout => Ok(Action::Leave { request: header.request }),
            MessageType::StateRequest => {
                let m = StateRequest::read(message).expect("type and length were checked");
                if m.reserved != 0 {
                    return Err(Refusal::new(SessionError::BadField, header.kind, "bytes 12–15 must be zero"));
                }
                Ok(Action::State { request: header.request, account: m.account })
            }
            _ => Ok(Action::Submit(kind)),
        }
    }
}

fn check_logon(logon: &Logon) -> Result<(), Refusal> {
    let refuse = |text: &str| Err(Refusal::new(SessionError::BadField, Logon::KIND, text));
    if logon.reserved != 0 {
        return refuse("LOGON: bytes 56–63 must be zero");
    }
    if logon.flags & !logon_flags::ALL != 0 {
        return refuse("LOGON: unknown flags; 1 is RESUME, 2 is OWN_ONLY");
    }
    if !(100..=60_000).contains(&logon.heartbeat_ms) {
        return refuse("LOGON: heartbeat_ms must lie between 100 and 60000");
    }
    if logon.grace_ms > 3_600_000 {
        return refuse("LOGON: grace_ms must be at most 3600000");
    }
    Ok(())
}

/// BUSY for a command.
pub fn busy(message: &[u8], reason: BusyReason, retry_ms: u32) -> Busy {
    let header = codec::header(message);
    let mut busy = Busy::new(header.request);
    busy.reason = reason.code();
    busy.kind = header.kind;
    busy.retry_ms = retry_ms;
    busy
}

const _: () = assert!(size_of::<MassDone>() <= ringbook_wire::message::MAX_MESSAGE_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_wire::message::{Heartbeat, Logout, NewOrder, SetKey, Tick};
    use zerocopy::IntoBytes;

    fn check(state: State, message: &[u8], expected: Result<(), SessionError>) {
        let session = Session { state, ..Session::new([0; 32], 0) };
        let got = session.on_message(message).map(|_| ()).map_err(|refusal| refusal.code);
        assert_eq!(got, expected, "{state:?} {:?}", codec::header(message));
    }

    #[test]
    fn every_message_has_one_outcome_in_every_state() {
        let logon = Logon { heartbeat_ms: 1_000, ..Logon::new(1) };
        for state in [State::Connected, State::Verifying, State::CatchingUp, State::Open] {
            let open = matches!(state, State::Open | State::CatchingUp);
            let when = |ok| if ok { Ok(()) } else { Err(SessionError::NotLoggedOn) };
            check(state, logon.as_bytes(), when(state == State::Connected));
            check(state, NewOrder::new(1).as_bytes(), when(open));
            check(state, SetKey::new(1).as_bytes(), when(open));
            check(state, Logout::new(1).as_bytes(), when(open));
            check(state, Heartbeat::new(1).as_bytes(), when(state != State::Connected));
            check(state, Tick::new(1).as_bytes(), Err(SessionError::BadType));
            check(state, &[16, 0, 64, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Err(SessionError::BadLength));
            check(state, &[8, 0, 200, 1, 0, 0, 0, 0], Err(SessionError::BadType));
        }
    }

    #[test]
    fn logon_fields_are_bounded() {
        let good = Logon { heartbeat_ms: 1_000, ..Logon::new(1) };
        for bad in [
            Logon { heartbeat_ms: 99, ..good },
            Logon { heartbeat_ms: 60_001, ..good },
            Logon { grace_ms: 3_600_001, ..good },
            Logon { flags: 4, ..good },
            Logon { reserved: 1, ..good },
        ] {
            check(State::Connected, bad.as_bytes(), Err(SessionError::BadField));
        }
    }
}
