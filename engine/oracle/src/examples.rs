//! The worked examples of DOMAIN §7, and scripts for the rules of EVENTS that have no numbered example. Each runs against
//! a fresh [`Exchange`] and asserts. Not here: E13, E14, E17–E19, E25, E27, E28, E30, E33.

mod admin;
mod auction;
mod budget;
mod edges;
mod fees;
mod icebergs;
mod liquidation;
mod matching;
mod perpetual;
mod rules;
mod stops;
mod stp;

pub use admin::{adjustments, configuration, keys, quarantine};
pub use auction::{close_symbol, e12, gtd_expiry, pre_open};
pub use budget::{budget_ends, budget_stp, e04};
pub use edges::{
    amend_nothing_outside_the_band, amend_orig_to_its_bound, amend_to_the_fee_of_a_lot, auction_surplus_turns,
    budget_where_lots_are_free, quarantine_of_the_last_adjustment, stop_under_changed_terms,
};
pub use fees::{e01, e02, e03, e05};
pub use icebergs::{e11, fok_hidden, iceberg_amend, iceberg_stp};
pub use liquidation::{e20, e21, e22, e23, e24, fee_of_all, residual};
pub use matching::{e08, e09, e34, e35, e36};
pub use perpetual::{e15, e16, e26, e29, e31, e32, removable};
pub use rules::{amend_as_taker, cancel_all, client_ids, market_without_book, session_down, status_and_suspension};
pub use stops::{amend_trigger, e10, stop_fails, stop_in_pre_open, stop_limits};
pub use stp::{e06, e07};

use crate::Exchange;

/// An example.
pub type Example = fn(&mut dyn Exchange);

/// Those of perpetuals by name.
pub const PERPETUAL: &[(&str, Example)] = &[
    ("e15", e15),
    ("e16", e16),
    ("e20", e20),
    ("e21", e21),
    ("e22", e22),
    ("e23", e23),
    ("e24", e24),
    ("e26", e26),
    ("e29", e29),
    ("e31", e31),
    ("e32", e32),
    ("fee_of_all", fee_of_all),
    ("removable", removable),
    ("residual", residual),
];

/// Those of spot by name.
pub const ALL: &[(&str, Example)] = &[
    ("e01", e01),
    ("e02", e02),
    ("e03", e03),
    ("e04", e04),
    ("e05", e05),
    ("e06", e06),
    ("e07", e07),
    ("e08", e08),
    ("e09", e09),
    ("e10", e10),
    ("e11", e11),
    ("e12", e12),
    ("e34", e34),
    ("e35", e35),
    ("e36", e36),
    ("adjustments", adjustments),
    ("amend_as_taker", amend_as_taker),
    ("amend_trigger", amend_trigger),
    ("budget_ends", budget_ends),
    ("budget_stp", budget_stp),
    ("cancel_all", cancel_all),
    ("client_ids", client_ids),
    ("close_symbol", close_symbol),
    ("configuration", configuration),
    ("fok_hidden", fok_hidden),
    ("gtd_expiry", gtd_expiry),
    ("iceberg_amend", iceberg_amend),
    ("iceberg_stp", iceberg_stp),
    ("keys", keys),
    ("market_without_book", market_without_book),
    ("pre_open", pre_open),
    ("quarantine", quarantine),
    ("session_down", session_down),
    ("status_and_suspension", status_and_suspension),
    ("stop_fails", stop_fails),
    ("stop_in_pre_open", stop_in_pre_open),
    ("stop_limits", stop_limits),
    ("amend_nothing_outside_the_band", amend_nothing_outside_the_band),
    ("amend_orig_to_its_bound", amend_orig_to_its_bound),
    ("amend_to_the_fee_of_a_lot", amend_to_the_fee_of_a_lot),
    ("auction_surplus_turns", auction_surplus_turns),
    ("budget_where_lots_are_free", budget_where_lots_are_free),
    ("quarantine_of_the_last_adjustment", quarantine_of_the_last_adjustment),
    ("stop_under_changed_terms", stop_under_changed_terms),
];
