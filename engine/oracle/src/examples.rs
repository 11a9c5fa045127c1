//! The worked examples of DOMAIN §7 that concern spot limit and market orders, and scripts for the rules of EVENTS that
//! have no numbered example. Each runs against a fresh [`Exchange`] and asserts.
//!
//! Not here, for want of their order types: E04 (budget), E10 (stops), E11 (iceberg), E12 (auction), all perpetual ones.

mod admin;
mod fees;
mod matching;
mod rules;
mod stp;

pub use admin::{adjustments, configuration, keys, quarantine};
pub use fees::{e01, e02, e03, e05};
pub use matching::{e08, e09, e34, e35, e36};
pub use rules::{amend_as_taker, cancel_all, client_ids, market_without_book, session_down, status_and_suspension};
pub use stp::{e06, e07};

use crate::Exchange;

/// An example.
pub type Example = fn(&mut dyn Exchange);

/// All of them by name.
pub const ALL: &[(&str, Example)] = &[
    ("e01", e01),
    ("e02", e02),
    ("e03", e03),
    ("e05", e05),
    ("e06", e06),
    ("e07", e07),
    ("e08", e08),
    ("e09", e09),
    ("e34", e34),
    ("e35", e35),
    ("e36", e36),
    ("adjustments", adjustments),
    ("amend_as_taker", amend_as_taker),
    ("cancel_all", cancel_all),
    ("client_ids", client_ids),
    ("configuration", configuration),
    ("keys", keys),
    ("market_without_book", market_without_book),
    ("quarantine", quarantine),
    ("session_down", session_down),
    ("status_and_suspension", status_and_suspension),
];
