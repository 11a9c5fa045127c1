//! The worked examples of DOMAIN §7 that concern spot, and scripts for the rules of EVENTS that have no numbered example.
//! Each runs against a fresh [`Exchange`] and asserts. Those of perpetuals (§6, PERPETUAL.md) are a list of
//! their own.

mod admin;
mod auction;
mod budget;
mod edges;
mod fees;
mod icebergs;
mod matching;
mod perpetual_adl;
mod perpetual_liquidation;
mod perpetual_margin;
mod perpetual_marks;
mod perpetual_money;
mod perpetual_orders;
mod perpetual_positions;
mod perpetual_rules;
mod perpetual_settle;
mod perpetual_stages;
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
pub use matching::{e08, e09, e34, e35, e36};
pub use perpetual_adl::{adl_candidates, e24, e25, fund_adl, fund_capacity, fund_netting, uncovered};
pub use perpetual_liquidation::{e19, e19_short, e20, e21, e22, e23, e33};
pub use perpetual_margin::{
    cross_reduction, e16, e17, e18, e30, e31, e36_perpetual, isolated_reserves, margin_price, removable,
};
pub use perpetual_marks::{
    e26, funding_details, funding_interval, funding_refused, mark_refused, mark_run, market_that_cannot_trade, no_mark,
    stale_mark,
};
pub use perpetual_money::{adjust_margin, stale_transfers, transfer_numbers, transfers};
pub use perpetual_orders::{
    amend_perpetual, close_position_orders, e29, insurance_orders, mark_stop_fails, mark_stops, perpetual_requests,
    reduce_only_entry, suspended_account,
};
pub use perpetual_positions::{
    deficit, e13, e14, e15, e32, isolated_flip, isolated_floor, isolated_floor_below_zero, isolated_opening,
    margin_test, margin_test_of_the_taker, stage_fields,
};
pub use perpetual_rules::{
    band_of_the_mark, liquidation_triggers_stops, liquidation_trims_makers, order_of_buckets, perpetual_notional,
    perpetual_order_kinds, perpetual_rebate, perpetual_self_trade, unrealized_profit_carries_orders,
};
pub use perpetual_settle::{
    leverage, new_tiers, perpetual_configuration, perpetual_uncross, position_limits, settlement, settlement_margins,
};
pub use perpetual_stages::{
    cancel_only, liquidation_ends_orders, liquidation_fee_bound, liquidation_in_the_band, residual_below_zero,
    stages_by_tier, stops_before_liquidation, waiting_bucket,
};
pub use rules::{amend_as_taker, cancel_all, client_ids, market_without_book, session_down, status_and_suspension};
pub use stops::{amend_trigger, e10, stop_fails, stop_in_pre_open, stop_limits};
pub use stp::{e06, e07};

use crate::Exchange;

/// An example.
pub type Example = fn(&mut dyn Exchange);

/// All of them by name.
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

/// The examples of perpetuals by name: those of DOMAIN §7 first.
pub const PERPETUAL: &[(&str, Example)] = &[
    ("e13", e13),
    ("e14", e14),
    ("e15", e15),
    ("e16", e16),
    ("e17", e17),
    ("e18", e18),
    ("e19", e19),
    ("e19_short", e19_short),
    ("e20", e20),
    ("e21", e21),
    ("e22", e22),
    ("e23", e23),
    ("e24", e24),
    ("e25", e25),
    ("e26", e26),
    ("e29", e29),
    ("e30", e30),
    ("e31", e31),
    ("e32", e32),
    ("e33", e33),
    ("e36_perpetual", e36_perpetual),
    ("adjust_margin", adjust_margin),
    ("adl_candidates", adl_candidates),
    ("amend_perpetual", amend_perpetual),
    ("band_of_the_mark", band_of_the_mark),
    ("cancel_only", cancel_only),
    ("close_position_orders", close_position_orders),
    ("cross_reduction", cross_reduction),
    ("deficit", deficit),
    ("fund_adl", fund_adl),
    ("fund_capacity", fund_capacity),
    ("fund_netting", fund_netting),
    ("funding_details", funding_details),
    ("funding_interval", funding_interval),
    ("funding_refused", funding_refused),
    ("insurance_orders", insurance_orders),
    ("isolated_flip", isolated_flip),
    ("isolated_floor", isolated_floor),
    ("isolated_floor_below_zero", isolated_floor_below_zero),
    ("isolated_opening", isolated_opening),
    ("isolated_reserves", isolated_reserves),
    ("leverage", leverage),
    ("liquidation_ends_orders", liquidation_ends_orders),
    ("liquidation_fee_bound", liquidation_fee_bound),
    ("liquidation_in_the_band", liquidation_in_the_band),
    ("liquidation_triggers_stops", liquidation_triggers_stops),
    ("liquidation_trims_makers", liquidation_trims_makers),
    ("margin_price", margin_price),
    ("margin_test", margin_test),
    ("margin_test_of_the_taker", margin_test_of_the_taker),
    ("mark_refused", mark_refused),
    ("mark_run", mark_run),
    ("mark_stop_fails", mark_stop_fails),
    ("mark_stops", mark_stops),
    ("market_that_cannot_trade", market_that_cannot_trade),
    ("new_tiers", new_tiers),
    ("no_mark", no_mark),
    ("order_of_buckets", order_of_buckets),
    ("perpetual_configuration", perpetual_configuration),
    ("perpetual_notional", perpetual_notional),
    ("perpetual_order_kinds", perpetual_order_kinds),
    ("perpetual_rebate", perpetual_rebate),
    ("perpetual_requests", perpetual_requests),
    ("perpetual_self_trade", perpetual_self_trade),
    ("perpetual_uncross", perpetual_uncross),
    ("position_limits", position_limits),
    ("reduce_only_entry", reduce_only_entry),
    ("removable", removable),
    ("residual_below_zero", residual_below_zero),
    ("settlement", settlement),
    ("settlement_margins", settlement_margins),
    ("stage_fields", stage_fields),
    ("stages_by_tier", stages_by_tier),
    ("stale_mark", stale_mark),
    ("stale_transfers", stale_transfers),
    ("stops_before_liquidation", stops_before_liquidation),
    ("suspended_account", suspended_account),
    ("transfer_numbers", transfer_numbers),
    ("transfers", transfers),
    ("uncovered", uncovered),
    ("unrealized_profit_carries_orders", unrealized_profit_carries_orders),
    ("waiting_bucket", waiting_bucket),
];
