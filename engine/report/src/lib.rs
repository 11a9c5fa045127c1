//! What a client hears of a journal frame (docs/PROTOCOL.md §2 and §7), and who hears of it (docs/FORMATS.md §7).
//!
//! ```text
//!  frame: command + events ──► reports(frame, view) ──► 161…174 messages of one session, in the order of the events
//!                          └─► streams(command, events) ──► accounts and key that a resume must look for
//! ```
//!
//! Live reports, resumed history and the check of a client's ledger all come from here, so they are the same bytes.
//!
//! Invariants:
//! 1. A report is a function of frame and view alone: no clock, no state, no memory of earlier frames.
//! 2. Nothing is allocated; each report is built on the stack and lent to the sink.
//! 3. Reports come in the order of the events; `index` counts those of the view from 0, the last one carries LAST.
//! 4. A view hears of accounts in its range; what belongs to no account goes to the sender's key alone.
//! 5. A frame that yields a report for a view is found under one of the view's streams.

#![forbid(unsafe_code)]

mod derive;
mod perpetual;
mod streams;
mod writer;

pub use derive::{FrameParts, ReportError, View, reports};
pub use streams::{KEY_STREAMS, account_stream, key_stream, streams};
