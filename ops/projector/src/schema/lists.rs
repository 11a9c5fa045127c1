//! Which tables there are, in which version, and how an older one becomes this one.
//!
//! Invariants:
//! 1. A step can be cut off anywhere and run again: columns are added if they are missing, tables made if they are missing,
//!    and the statements do the same when they come twice.
//! 2. A step ends with every row as this build's fold makes it, so `verify` holds after it.

use super::{
    ACCOUNTS, ADL, ASSETS, BALANCES, BUSTS, DEAD_LETTERS, EXCHANGE, FEE_SCHEDULES, FUNDING_PAYMENTS, FUNDING_ROUNDS,
    INSURANCE_FUND, LIQUIDATIONS, MARGIN_WALLETS, MARK_PRICES, ORDERS, PERPETUALS, POSITION_LIMITS, POSITIONS,
    REALIZED, REJECTIONS, SYMBOLS, TAKEOVERS, TRADES, TRANSFERS, Table,
};

/// Version of the tables that this build writes.
pub const SCHEMA_VERSION: i64 = 2;

const TABLES: usize = 23;

/// The tables that follow from the journal, in the order in which they are written.
pub static DATA_TABLES: [&Table; TABLES] = [
    &EXCHANGE,
    &ASSETS,
    &SYMBOLS,
    &PERPETUALS,
    &ACCOUNTS,
    &FEE_SCHEDULES,
    &POSITION_LIMITS,
    &BALANCES,
    &MARGIN_WALLETS,
    &POSITIONS,
    &ORDERS,
    &LIQUIDATIONS,
    &TRADES,
    &BUSTS,
    &TRANSFERS,
    &REJECTIONS,
    &MARK_PRICES,
    &FUNDING_ROUNDS,
    &FUNDING_PAYMENTS,
    &TAKEOVERS,
    &ADL,
    &INSURANCE_FUND,
    &REALIZED,
];

/// Every table that a rebuild swaps, but for `projection`.
pub static SWAPPED_TABLES: [&Table; TABLES + 1] = {
    let mut all = [&DEAD_LETTERS; TABLES + 1];
    let mut at = 0;
    while at < TABLES {
        all[at] = DATA_TABLES[at];
        at += 1;
    }
    all
};

/// A step from one version of the tables to the next. Tables that are missing are made by every step.
#[derive(Debug)]
pub struct Migration {
    /// Version before.
    pub from: i64,
    /// Columns that are new: table, name, and what rows that are there get.
    pub added: &'static [(&'static Table, &'static str, &'static str)],
    /// Statements for SQLite, after the columns.
    pub sqlite: &'static [&'static str],
    /// Statements for MySQL, after the columns.
    pub mysql: &'static [&'static str],
}

/// The steps, by rising `from`.
pub static MIGRATIONS: &[Migration] = &[
    // Perpetual futures. Rows of version 1 are all of spot.
    Migration {
        from: 1,
        added: &[
            (&ORDERS, "reduce_only", "0"),
            (&ORDERS, "close_position", "0"),
            (&ORDERS, "liquidation", "0"),
            (&ORDERS, "trigger_source", "NULL"),
            (&TRANSFERS, "symbol", "NULL"),
        ],
        sqlite: &["UPDATE orders SET trigger_source = 'LAST' WHERE trigger_price IS NOT NULL"],
        mysql: &[
            "UPDATE orders SET trigger_source = 'LAST' WHERE trigger_price IS NOT NULL",
            "ALTER TABLE transfers MODIFY kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
            "ALTER TABLE rejections MODIFY message VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
        ],
    },
];
