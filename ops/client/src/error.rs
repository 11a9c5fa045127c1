//! What can go wrong, and what to do about it. Every text names the thing and the remedy.

use crate::session::Continuity;
use ringbook_wire::BusyReason;
use ringbook_wire::SessionError;
use std::io;
use std::path::PathBuf;

/// Why a call of this library did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A key file that cannot be read.
    #[error(
        "key file {path}: {cause}; `ringbook serve` writes keys when it makes a data folder, and so does `ringbook init`: \
             is it ready, and is this the right folder (--keys DIR or RINGBOOK_KEYS)?", path = path.display()
    )]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A key file that cannot be written.
    #[error("key file {path}: {cause}; {}", key_remedy(cause), path = path.display())]
    KeyWrite {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A key file that is not one.
    #[error("key file {path}: {problem}; it is text with the lines key, role, secret, public (docs/PROTOCOL.md §3)", path = path.display())]
    KeyFormat {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No connection.
    #[error(
        "cannot connect to {address}: {cause}; is the exchange running there? (`ringbook serve` prints its order-entry address)"
    )]
    Connect {
        /// Where to.
        address: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The connection broke.
    #[error("the connection to {address} broke: {cause}; connect again with the resume token")]
    Broken {
        /// With whom.
        address: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The server sent ERROR and closes the connection.
    #[error("the server refused: {name}: {text}", name = code.map_or("UNKNOWN", SessionError::name))]
    Refused {
        /// Its code; `None` if this build does not know it.
        code: Option<SessionError>,
        /// Its words.
        text: String,
    },
    /// Bytes that are not the protocol.
    #[error(
        "the peer does not speak order entry, version 1: {0}; check the address (order entry and HTTP are different ports)"
    )]
    Protocol(String),
    /// A report is missing or came twice.
    #[error("the stream of reports is not continuous: {0}; connect again with the resume token, and report this")]
    Continuity(Continuity),
    /// No answer in time.
    #[error(
        "no answer within {seconds} s; what was sent may still be executed: resume and look before sending it again"
    )]
    Timeout {
        /// How long was waited.
        seconds: u64,
    },
    /// The server kept answering BUSY.
    #[error("the server stayed busy ({reason}) for {seconds} s; the request was not executed: send it later")]
    Busy {
        /// Its last reason.
        reason: String,
        /// How long it was tried.
        seconds: u64,
    },
    /// The server did not take the request, and will not.
    #[error("the request was not taken ({reason}): {}", not_taken(*reason))]
    NotTaken {
        /// Why.
        reason: BusyReason,
    },
    /// The connection broke between the request and its answer, and repeating the request could do it twice.
    #[error(
        "the connection broke before {request} was answered and its answer is not in the history; ask for the state of the account before repeating it"
    )]
    Unknown {
        /// Name of the message.
        request: &'static str,
    },
    /// The request cannot be formed.
    #[error("{0}")]
    Request(String),
    /// No randomness from the system.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

fn not_taken(reason: BusyReason) -> &'static str {
    match reason {
        BusyReason::NoSuchTrade => {
            "the journal has no such trade at that sequence; the table trades and the TRADE reports name both"
        }
        _ => "the key's role or range of accounts does not allow it; use another key",
    }
}

fn key_remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AlreadyExists => "name a file that does not exist yet: keys are never written over",
        io::ErrorKind::NotFound => "make its folder first (mkdir -m 700), or name a file in a folder that exists",
        _ => "name a file in a folder that you may write to",
    }
}

impl ClientError {
    /// Whether a new connection can help (as against a wrong key or a wrong address).
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } => true,
            Self::Refused { code, .. } => {
                matches!(
                    code,
                    Some(
                        SessionError::ShuttingDown
                            | SessionError::SlowReader
                            | SessionError::Timeout
                            | SessionError::TooManyConnections
                    )
                )
            }
            _ => false,
        }
    }
}
