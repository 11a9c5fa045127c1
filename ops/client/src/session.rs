//! The client's side of a session, without I/O: decodes messages and keeps the resume token.
//!
//! ```text
//!              report (s, i)                     what the token says afterwards
//!   s = token.sequence, i = token.index, open ── index + 1           (open: no LAST came for the sequence yet)
//!   s > token.sequence, i = 0, not open      ── (s, 1)
//!   s ≤ floor                                ── unchanged, ignored   (before the logon; never asked for)
//!   anything else                            ── unchanged, an error: a report is missing, doubled or misplaced
//! ```
//!
//! Invariant: the token always names exactly the reports that were handed out, so that resuming with it repeats
//! nothing and skips nothing.

use crate::{ClientError, Report};
use ringbook_wire::message::{Header, Message};
use ringbook_wire::report::{
    Busy, Challenge, Error, FIRST_REPORT, LAST, LoggedOut, LogonAccepted, Place, ReportType, Resumed, ServerHeartbeat,
    StateBalance, StateBegin, StateEnd, StateOrder, StatePosition,
};
use ringbook_wire::{SessionError, codec};
use std::fmt;

/// What the client has: the last sequence of which it got a report, its term, and how many reports of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ResumeToken {
    /// Term of the last report.
    pub term: u32,
    /// Its sequence; 0 is "nothing yet".
    pub sequence: u64,
    /// How many reports of that sequence were received.
    pub index: u16,
}

/// How a report does not follow the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuity {
    /// What the client had.
    pub had: ResumeToken,
    /// Whether the last sequence was still without its LAST report.
    pub open: bool,
    /// What came.
    pub came: ResumeToken,
}

impl fmt::Display for Continuity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if (self.came.sequence, self.came.index) < (self.had.sequence, self.had.index) {
            "came twice"
        } else {
            "came where others are missing"
        };
        write!(
            f,
            "report {} of sequence {} (term {}) {kind}: had {} of sequence {} (term {}){}",
            self.came.index,
            self.came.sequence,
            self.came.term,
            self.had.index,
            self.had.sequence,
            self.had.term,
            if self.open { ", of which more were to come" } else { "" }
        )
    }
}

/// A message from the server, decoded. Reports stay bytes until somebody wants them typed.
#[derive(Clone, Copy, Debug)]
pub enum Incoming<'a> {
    /// First message of a connection.
    Challenge(Challenge),
    /// The session is open.
    LogonAccepted(LogonAccepted),
    /// The history is complete.
    Resumed(Resumed),
    /// Still there.
    Heartbeat(ServerHeartbeat),
    /// Not executed.
    Busy(Busy),
    /// What was wrong; the connection ends.
    Error(Error),
    /// Answer to LOGOUT.
    LoggedOut(LoggedOut),
    /// Begins a state.
    StateBegin(StateBegin),
    /// A balance of a state.
    StateBalance(StateBalance),
    /// An order of a state.
    StateOrder(StateOrder),
    /// A position in a state.
    StatePosition(StatePosition),
    /// Ends a state.
    StateEnd(StateEnd),
    /// A report, in its place.
    Report {
        /// Its header.
        header: Header,
        /// Its place.
        place: Place,
        /// All its bytes.
        bytes: &'a [u8],
    },
    /// A report that is left out: it belongs to what was before the logon.
    Old,
}

/// Decoder and resume token of one session; lives as long as the session, over any number of connections.
#[derive(Clone, Debug, Default)]
pub struct Session {
    token: ResumeToken,
    open: bool,
    floor: u64,
    started: bool,
}

impl Session {
    /// A session that has nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A session that goes on where another one stopped.
    pub fn resuming(token: ResumeToken) -> Self {
        Self { token, open: false, floor: 0, started: true }
    }

    /// What to send with RESUME; `None` before the first logon.
    pub fn token(&self) -> Option<ResumeToken> {
        self.started.then_some(self.token)
    }

    /// Whether the last sequence is still without its LAST report.
    pub fn is_partial(&self) -> bool {
        self.open
    }

    /// Forgets the token: the next logon starts with what happens after it.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Decodes one whole message and moves the token.
    ///
    /// # Errors
    /// It is no message of a server, or a report that does not follow the one before.
    #[inline]
    pub fn on_message<'a>(&mut self, bytes: &'a [u8]) -> Result<Incoming<'a>, ClientError> {
        let header = codec::header(bytes);
        if header.kind > FIRST_REPORT {
            return self.on_report(header, bytes);
        }
        decode(header.kind, bytes)
            .inspect(|incoming| {
                if let Incoming::LogonAccepted(accepted) = incoming {
                    self.on_logon(accepted);
                }
            })
            .ok_or_else(|| {
                ClientError::Protocol(format!("message type {} with {} bytes is unknown", header.kind, header.length))
            })
    }

    fn on_logon(&mut self, accepted: &LogonAccepted) {
        if accepted.resume == 0 || !self.started {
            self.token = ResumeToken { term: accepted.term.0, sequence: accepted.sequence.0, index: 0 };
            self.floor = if accepted.resume == 0 { accepted.sequence.0 } else { 0 };
            self.open = false;
            self.started = true;
        }
    }

    fn on_report<'a>(&mut self, header: Header, bytes: &'a [u8]) -> Result<Incoming<'a>, ClientError> {
        let known = ReportType::from_code(header.kind).is_some_and(|kind| kind.bytes() == bytes.len());
        let place = read_place(bytes).filter(|_| known).ok_or_else(|| {
            ClientError::Protocol(format!("report type {} with {} bytes", header.kind, header.length))
        })?;
        if place.sequence.0 <= self.floor {
            return Ok(Incoming::Old);
        }
        let continues = place.sequence.0 == self.token.sequence && place.index == self.token.index;
        // After a resume it is not known whether the last sequence had more reports: both may come.
        let begins = place.sequence.0 > self.token.sequence && place.index == 0 && !self.open;
        if !(continues || begins) || place.term.0 < self.token.term {
            return Err(ClientError::Continuity(Continuity {
                had: self.token,
                open: self.open,
                came: ResumeToken { term: place.term.0, sequence: place.sequence.0, index: place.index },
            }));
        }
        self.open = place.flags & LAST == 0;
        self.token =
            ResumeToken { term: place.term.0, sequence: place.sequence.0, index: place.index.saturating_add(1) };
        Ok(Incoming::Report { header, place, bytes })
    }
}

/// The place of a report, from offset 8.
#[inline]
fn read_place(bytes: &[u8]) -> Option<Place> {
    let field = |from: usize, to: usize| bytes.get(from..to);
    Some(Place {
        sequence: ringbook_wire::Sequence(u64::from_le_bytes(field(8, 16)?.try_into().ok()?)),
        time: ringbook_wire::TimestampNs(u64::from_le_bytes(field(16, 24)?.try_into().ok()?)),
        term: ringbook_wire::Term(u32::from_le_bytes(field(24, 28)?.try_into().ok()?)),
        index: u16::from_le_bytes(field(28, 30)?.try_into().ok()?),
        flags: u16::from_le_bytes(field(30, 32)?.try_into().ok()?),
    })
}

fn decode(kind: u8, bytes: &[u8]) -> Option<Incoming<'static>> {
    Some(match ReportType::from_code(kind)? {
        ReportType::Challenge => Incoming::Challenge(Challenge::read(bytes)?),
        ReportType::LogonAccepted => Incoming::LogonAccepted(LogonAccepted::read(bytes)?),
        ReportType::Resumed => Incoming::Resumed(Resumed::read(bytes)?),
        ReportType::ServerHeartbeat => Incoming::Heartbeat(ServerHeartbeat::read(bytes)?),
        ReportType::Busy => Incoming::Busy(Busy::read(bytes)?),
        ReportType::Error => Incoming::Error(Error::read(bytes)?),
        ReportType::LoggedOut => Incoming::LoggedOut(LoggedOut::read(bytes)?),
        ReportType::StateBegin => Incoming::StateBegin(StateBegin::read(bytes)?),
        ReportType::StateBalance => Incoming::StateBalance(StateBalance::read(bytes)?),
        ReportType::StateOrder => Incoming::StateOrder(StateOrder::read(bytes)?),
        ReportType::StatePosition => Incoming::StatePosition(StatePosition::read(bytes)?),
        ReportType::StateEnd => Incoming::StateEnd(StateEnd::read(bytes)?),
        _ => return None,
    })
}

/// The server's ERROR as an error of this library.
impl From<&Error> for ClientError {
    fn from(error: &Error) -> Self {
        let length = usize::from(error.text_length).min(error.text.len());
        let text = String::from_utf8_lossy(&error.text[..length]).trim_end_matches('\0').to_owned();
        Self::Refused { code: SessionError::from_code(error.code), text }
    }
}

impl Incoming<'_> {
    /// The report, typed; `None` if this is not one.
    pub fn report(&self) -> Option<Report> {
        match self {
            Self::Report { bytes, .. } => Report::read(bytes),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_wire::report::Balance;
    use ringbook_wire::{Sequence, Term};

    fn report(sequence: u64, index: u16, last: bool) -> Vec<u8> {
        let mut message = Balance::new(0);
        message.place =
            Place { sequence: Sequence(sequence), term: Term(1), index, flags: u16::from(last), ..Place::default() };
        let mut bytes = Vec::new();
        codec::write(&mut bytes, &message);
        bytes
    }

    fn logon(sequence: u64, resume: u8) -> Vec<u8> {
        let mut message = LogonAccepted::new(0);
        message.term = Term(1);
        message.sequence = Sequence(sequence);
        message.resume = resume;
        let mut bytes = Vec::new();
        codec::write(&mut bytes, &message);
        bytes
    }

    /// Feeds (sequence, index, last) and says for each: taken `t`, old `o`, error `e`.
    fn check(session: &mut Session, reports: &[(u64, u16, bool)], expected: &str) {
        let got: String = reports
            .iter()
            .map(|&(sequence, index, last)| match session.on_message(&report(sequence, index, last)) {
                Ok(Incoming::Report { .. }) => 't',
                Ok(Incoming::Old) => 'o',
                Err(ClientError::Continuity(_)) => 'e',
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(got, expected, "{reports:?}");
    }

    fn fresh(at: u64) -> Session {
        let mut session = Session::new();
        session.on_message(&logon(at, 0)).unwrap();
        session
    }

    #[test]
    fn reports_follow_each_other_or_are_an_error() {
        check(&mut fresh(10), &[(11, 0, true), (12, 0, false), (12, 1, true), (20, 0, true)], "tttt");
        check(&mut fresh(10), &[(9, 0, true), (10, 0, true), (11, 0, true)], "oot");
        check(&mut fresh(10), &[(11, 0, true), (11, 0, true)], "te");
        check(&mut fresh(10), &[(11, 0, false), (12, 0, true)], "te");
        check(&mut fresh(10), &[(11, 1, true)], "e");
        check(&mut fresh(10), &[(12, 0, true), (11, 0, true)], "te");
    }

    #[test]
    fn the_token_survives_in_the_middle_of_a_sequence() {
        let mut session = fresh(10);
        check(&mut session, &[(11, 0, true), (12, 0, false), (12, 1, false)], "ttt");
        assert_eq!(session.token(), Some(ResumeToken { term: 1, sequence: 12, index: 2 }));
        assert!(session.is_partial());
        session.on_message(&logon(40, 1)).unwrap();
        assert_eq!(session.token(), Some(ResumeToken { term: 1, sequence: 12, index: 2 }));
        check(&mut session, &[(12, 1, false), (12, 2, true), (13, 0, true)], "ett");
    }

    #[test]
    fn a_session_from_a_stored_token_goes_on_in_or_behind_its_last_sequence() {
        let token = ResumeToken { term: 1, sequence: 12, index: 2 };
        check(&mut Session::resuming(token), &[(12, 2, true), (13, 0, true)], "tt");
        check(&mut Session::resuming(token), &[(13, 0, true)], "t");
        check(&mut Session::resuming(token), &[(12, 1, true)], "e");
        check(&mut Session::resuming(ResumeToken::default()), &[(1, 0, true), (2, 0, true)], "tt");
    }

    #[test]
    fn unknown_or_cut_messages_are_protocol_errors() {
        for bytes in [vec![8, 0, 150, 1, 0, 0, 0, 0], vec![16, 0, 190, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(matches!(Session::new().on_message(&bytes), Err(ClientError::Protocol(_))));
        }
    }
}
