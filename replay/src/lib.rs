//! Recovery, verification, the shadow engine and time travel: everything that executes the journal again.
//!
//! ```text
//!  snapshot ──► engine ──┐
//!  journal  ──► frame ───┴─► Executor: apply, compare events byte for byte ──► recover, verify, state_at, Shadow
//! ```
//!
//! Invariants:
//! 1. Every frame that is executed here is compared with what the journal says it caused; a difference stops at the
//!    first sequence and is never repaired.
//! 2. A snapshot is used only if the frame at its sequence is the one that it is bound to (docs/FORMATS.md §8).
//! 3. Nothing here modifies the journal. Snapshots are written by the shadow alone.

#![forbid(unsafe_code)]

mod error;
mod execute;
mod ledger;
mod recover;
pub mod shadow;
mod source;
mod time_travel;
mod verify;

pub use error::{Divergence, ReplayError};
pub use execute::Executor;
pub use ledger::{AckLedger, AckedRequest, LedgerOutcome};
pub use recover::{BeyondEnd, Progress, RecoverOptions, Recovered, Stage, recover};
pub use source::{Folder, History, binding_of, chain_of, parts_of};
pub use time_travel::{StateAt, state_at};
pub use verify::{Verified, VerifyOptions, verify};
