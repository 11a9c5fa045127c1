//! A naive, obviously right matching engine to compare the fast one with (docs/DOMAIN.md, docs/EVENTS.md).
//!
//! [`Oracle`] is the rule book read aloud: plain maps, full scans, `i128`. Beside it lie what a comparison needs: an
//! [`Exchange`] trait, the worked [`examples`], a [`generate`]d stream of nasty commands and one-line [`text`].
//!
//! Scope: spot and linear perpetuals; limit, market, budget, stop and iceberg orders, GTD, cancel, amend, cancel-all, session-down, auctions,
//! money commands, configuration, quarantine; positions, margin, marks, liquidation, the fund, auto-deleveraging, funding,
//! settlement.
//!
//! Invariants:
//! 1. Nothing here is shared with the engine but the messages and the event records.
//! 2. Every command is one part: no bound on events, no pending work.
//! 3. Checks come before the first change, so a refusal needs no rollback.

#![forbid(unsafe_code)]

mod amend;
mod auction;
mod bust;
mod cancel;
mod check;
mod checks;
mod configure;
mod dedupe;
pub mod examples;
mod execute;
mod expiry;
mod funds;
pub mod generate;
mod matching;
mod money;
mod new_order;
mod oracle;
mod perpetual;
pub mod scenario;
mod state;
mod status;
mod stops;
pub mod text;

pub use generate::Feature;
pub use oracle::{Levels, Oracle};
pub use scenario::Exchange;
