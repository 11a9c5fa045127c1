//! Ringbook's internal events: what one command caused, as records in its journal frame (docs/FORMATS.md §4).
//!
//! Events know both sides of a trade, so they never leave the process as they are; reports are derived from them.
//! The engine writes them through [`EventWriter`], followers read them through [`events`].
//!
//! Invariants:
//! 1. Each record is a multiple of 8 bytes and starts with an [`EventHeader`]; sizes are pinned at compile time.
//! 2. A record's meaning never changes; a new one gets a new number. A reader skips numbers that it does not know.

#![deny(unsafe_code)]

mod command;
mod records;
mod stream;

pub use command::{ORIGIN_BYTES, Origin, SplitError, split_command};
pub use records::*;
pub use stream::{EventError, EventWriter, Events, events};
