//! The Rust client of Ringbook's order entry: retry, resume, idempotency (docs/PROTOCOL.md).
//!
//! Three layers, each usable without the one above it:
//!
//! ```text
//! Client       typed calls, reconnect with back-off, resume, retry of what is safe to retry, BUSY
//!   Connection   one TCP connection: logon, buffers, heartbeats; blocking or not; no allocation per message
//!     Session      no I/O: decodes what arrives, keeps the resume token, proves that no report is missing or doubled
//! ```
//!
//! ```no_run
//! use ringbook_client::{Client, Key, Options, order};
//! # fn main() -> Result<(), ringbook_client::ClientError> {
//! let key = Key::load("ringbook-data/keys/trade.key".as_ref())?;
//! let mut client = Client::connect(Options::new("127.0.0.1:7401"), key)?;
//! let buy = order::limit(16, 1, ringbook_wire::Side::Buy, 6_000_000, 5);
//! let answer = client.new_order(buy)?;
//! println!("{:?}", answer.result());
//! # Ok(()) }
//! ```
//!
//! Invariants:
//! 1. A request that the server may have executed is repeated only if repeating it cannot do it twice.
//! 2. Every report reaches the caller once, in the order of the total order, also across reconnects.
//! 3. Nothing here panics on what a server sends.

#![deny(unsafe_code)]

mod answer;
mod client;
mod commands;
mod connection;
mod error;
mod key;
pub mod order;
mod perpetual;
mod report;
mod session;
mod state;

pub use answer::{Answer, Rejection};
pub use client::Client;
pub use connection::{Connection, Options};
pub use error::ClientError;
pub use key::Key;
pub use perpetual::{Tier, set_tiers};
pub use report::Report;
pub use session::{Continuity, Incoming, ResumeToken, Session};
pub use state::AccountState;
