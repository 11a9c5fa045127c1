//! Binary TCP order entry (docs/PROTOCOL.md).
//!
//! ```text
//!  socket ──read──► Connection ──messages──► Session (sans-I/O) ──commands──► ring
//!                       ▲                        │ LOGON, STATE, resume
//!                       │ reports                ▼
//!  journal ──committed──┴── Worker           Office: signatures, history, states; a thread of its own
//! ```
//!
//! A [`Worker`] owns its sockets for reading and for writing, and follows the journal for its own sessions: one thread
//! writes to a socket, and reports leave only for what is committed.
//!
//! Invariants:
//! 1. Whatever a client sends is answered in order, with BUSY, a report, or an ERROR and the end of the connection.
//! 2. Nothing a client sends or does not read can stop, stall or crash the engine or another client.
//! 3. A session hears each report of its view once, in order, also across history and live.

#![forbid(unsafe_code)]

mod connection;
mod grace;
mod keys;
mod limits;
mod office;
mod session;
mod stages;
mod stats;
mod trades;
mod worker;

pub use keys::KeyTable;
pub use limits::Limits;
pub use office::{AccountView, Office, StateReply, StateSource};
pub use stages::{Stage, StageHistograms};
pub use stats::GatewayStats;
pub use worker::{GatewayError, Waiter, Worker, WorkerParts};
