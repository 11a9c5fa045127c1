//! Read models in SQLite or MySQL: the projector follows the journal and keeps tables for everyone who reads SQL.
//!
//! ```text
//! FrameSource ──► Projector (fold, pure) ──► Writer (one transaction per batch) ──► Sink: SQLite | MySQL
//!      ▲                                            │ refused rows ──► dead letters (table and file)
//!      └── seek: the database's own position        └──► Progress: metrics, read-your-writes
//! ```
//!
//! Invariants:
//! 1. Rows and progress are committed together: a row is never missing and never applied twice.
//! 2. The journal is the source. Everything here can be rebuilt from it and is verified against it.
//! 3. Nothing here is waited for by anyone but readers of the tables.
//!
//! What a reader of the tables can rely on is in docs/PROJECTION.md.

#![forbid(unsafe_code)]

mod breaker;
mod care;
mod command;
mod flush;
mod fold;
mod frame;
mod mysql;
mod order_row;
mod perpetual_row;
mod progress;
mod rebuild;
mod rows;
mod run;
pub mod schema;
mod scope;
mod sink;
mod sqlite;
mod value;
mod verify;

pub use breaker::{Breaker, BreakerState};
pub use care::{Requeued, Status, requeue, status};
pub use flush::{CHUNKS, FlushError, Flushed, Writer};
pub use fold::{FoldError, Projector, RowSet};
pub use frame::{Frame, FrameList, FrameSource, OwnedFrame, Owner, Position, SourceError};
pub use mysql::MySqlSink;
pub use progress::{Progress, ProgressReport};
pub use rebuild::{RebuildError, Rebuilt, Seed, rebuild};
pub use run::{Options, RunError, open_fold, run, spawn};
pub use scope::{Scope, parts};
pub use sink::{SetupError, Sink, SinkError, check_owner, read_position, set_up};
pub use sqlite::SqliteSink;
pub use value::Value;
pub use verify::{
    ControlSum, Difference, DifferenceKind, FuturesState, PerpetualTerms, StateRows, Verified, VerifyError, verify,
};

/// A sink for the operator's setting, or for one of its [`parts`]: a `mysql://…` URL, or `sqlite:PATH`, or the path of a
/// SQLite file; with `spot=` or `futures=` before it, it shows that part alone. Connects on first use; [`set_up`] or
/// [`status`] tell at once whether it can.
///
/// # Errors
/// The URL is not one.
pub fn open(url: &str) -> Result<Box<dyn Sink>, SinkError> {
    if parts(url)?.len() > 1 {
        let text = "this setting names two databases, and each has a projector of its own".into();
        return Err(SinkError::Away(text));
    }
    let (scope, url) = Scope::of(url);
    if scope != Scope::All {
        return Ok(Box::new(scope::ScopedSink::new(open(url)?, scope)));
    }
    if url.starts_with("mysql://") {
        return Ok(Box::new(MySqlSink::new(url)?));
    }
    if let Some((scheme, _)) = url.split_once("://")
        && scheme != "sqlite"
    {
        return Err(SinkError::Away(format!(
            "no such database kind `{scheme}`: use mysql://… (MariaDB too) or sqlite:PATH"
        )));
    }
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    if path.is_empty() {
        return Err(SinkError::Away("the SQLite URL names no file: sqlite:PATH".into()));
    }
    Ok(Box::new(SqliteSink::new(path)))
}
