//! Ringbook's rule book as a pure function: `apply(command at sequence and time) → events`.
//!
//! ```text
//!  command ──► authorise ──► idempotency ──► validate ──► ═ point of no return ═ ──► reserve ──► match ──► rest or end
//!   engine      keys          dedupe          orders/…                               accounts    matching   book, dedupe
//! ```
//!
//! What is not here, on purpose: clocks, files, sockets, threads, random numbers, floating point, iteration over hash
//! tables (DOMAIN §5.7; `scripts/check-core` holds the crate to it). Time and sequence arrive with the command.
//!
//! Invariants:
//! 1. Nothing changes before a command's last check has passed; a broken invariant panics before anything is published.
//! 2. All arithmetic on money and sizes is checked; products are formed in 128 bits (DOMAIN §1).
//! 3. Slots, table positions and free lists never show in an event, so a restored engine behaves like the original.
//! 4. The work and the events of one command are bounded; longer work is pending in the state (DOMAIN §5.1a).

#![deny(unsafe_code)]

mod accounts;
mod amend;
mod auction;
mod book;
mod bust;
mod cancel;
mod config;
mod dedupe;
mod engine;
mod expiry;
mod fill_or_kill;
mod funds;
pub mod image;
mod invariants;
mod keys;
mod ladder;
mod lifecycle;
mod matching;
mod money;
mod new_order;
mod orders;
mod pending;
mod perpetual;
mod query;
mod restore;
mod sessions;
mod stops;
mod symbols;
mod table;

pub use engine::{Engine, Fault, MIN_EVENT_BYTES, Pending, RULES_VERSION};
pub use pending::Continuation;
pub use perpetual::calculators;
pub use perpetual::{ContractView, MarginView, PositionView};
pub use query::{BalanceView, FeesView, KeyView, OrderView, SymbolView};
pub use restore::RestoreError;
