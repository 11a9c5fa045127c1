//! The tables of perpetual futures: columns, keys and indexes, for both databases.
//!
//! Invariants:
//! 1. As in [`super::tables`]: the key first, `day` second in a partitioned table, columns in the order of rows' values.
//! 2. `item` is the place of the event in its frame, so `(sequence, item)` names an event for ever.

use super::tables::{CREATED_UPDATED, TIME, UPDATED, column, id, int, keep, opt, text};
use super::{Kind, Table};

/// What perpetuals have beyond `symbols`.
pub static PERPETUALS: Table = Table {
    name: "perpetuals",
    columns: &[
        id("symbol"),
        int("max_position"),
        id("max_leverage"),
        int("mark_max_age"),
        int("mark_jump"),
        id("mark_confirmations"),
        int("funding_interval"),
        int("funding_cap"),
        int("liquidation_fee"),
        int("fund_multiple"),
        column("tiers", Kind::Long),
        column("reduce_only", Kind::Flag),
        opt(int("mark")),
        opt(int("mark_feed_ns")),
        opt(int("mark_ns")),
        column("funding_index", Kind::Unsigned),
        opt(int("funding_rate")),
        int("funding_due_ns"),
        opt(int("settlement_price")),
        keep(int("created_sequence")),
        keep(int("created_ns")),
        int("sequence"),
        int("updated_ns"),
    ],
    key: 1,
    append: false,
    partitioned: false,
    indexes: &[],
    times: &[
        ("created_at", "created_ns"),
        ("updated_at", "updated_ns"),
        ("marked_at", "mark_ns"),
        ("funding_due_at", "funding_due_ns"),
    ],
    aliases: &[],
};

/// Futures wallets.
pub static MARGIN_WALLETS: Table = Table {
    name: "margin_wallets",
    columns: &[id("account"), id("asset"), int("balance"), int("sequence"), int("updated_ns")],
    key: 2,
    append: false,
    partitioned: false,
    indexes: &[],
    times: UPDATED,
    aliases: &[],
};

/// Positions, with mode and leverage.
pub static POSITIONS: Table = Table {
    name: "positions",
    columns: &[
        id("account"),
        id("symbol"),
        text("mode", 8),
        id("leverage"),
        int("quantity"),
        int("cost"),
        int("margin"),
        int("sequence"),
        int("updated_ns"),
    ],
    key: 2,
    append: false,
    partitioned: false,
    indexes: &[("positions_symbol", "symbol, account")],
    times: UPDATED,
    aliases: &[],
};

/// Position limits of accounts.
pub static POSITION_LIMITS: Table = Table {
    name: "position_limits",
    columns: &[
        id("account"),
        id("symbol"),
        int("max_position"),
        keep(int("created_sequence")),
        keep(int("created_ns")),
        int("sequence"),
        int("updated_ns"),
    ],
    key: 2,
    append: false,
    partitioned: false,
    indexes: &[],
    times: CREATED_UPDATED,
    aliases: &[],
};

/// Accepted mark prices.
pub static MARK_PRICES: Table = Table {
    name: "mark_prices",
    columns: &[
        int("sequence"),
        int("day"),
        id("symbol"),
        int("price"),
        text("accepted", 12),
        int("feed_ns"),
        int("time_ns"),
    ],
    key: 2,
    append: true,
    partitioned: true,
    indexes: &[("mark_prices_symbol", "symbol, sequence")],
    times: &[("created_at", "time_ns"), ("feed_at", "feed_ns")],
    aliases: &[],
};

/// Fundings.
pub static FUNDING_ROUNDS: Table = Table {
    name: "funding_rounds",
    columns: &[
        int("sequence"),
        int("day"),
        id("symbol"),
        column("funding_index", Kind::Unsigned),
        int("rate"),
        opt(int("asked")),
        int("mark"),
        int("time_ns"),
    ],
    key: 2,
    append: true,
    partitioned: true,
    indexes: &[("funding_rounds_symbol", "symbol, sequence")],
    times: TIME,
    aliases: &[],
};

/// Funding payments.
pub static FUNDING_PAYMENTS: Table = Table {
    name: "funding_payments",
    columns: &[
        int("sequence"),
        int("day"),
        int("item"),
        id("account"),
        id("symbol"),
        column("funding_index", Kind::Unsigned),
        text("mode", 8),
        int("quantity"),
        int("payment"),
        int("time_ns"),
    ],
    key: 3,
    append: true,
    partitioned: true,
    indexes: &[("funding_payments_account", "account, sequence"), ("funding_payments_symbol", "symbol, funding_index")],
    times: TIME,
    aliases: &[],
};

/// Stages of liquidations; a stage's fee comes after its order, so this one is not append-only.
pub static LIQUIDATIONS: Table = Table {
    name: "liquidations",
    columns: &[
        int("begun_sequence"),
        int("day"),
        int("item"),
        id("account"),
        id("symbol"),
        text("mode", 8),
        id("tier"),
        opt(int("order_id")),
        int("quantity"),
        int("position"),
        opt(int("price")),
        int("bankruptcy_price"),
        int("mark"),
        int("equity"),
        int("fee"),
        int("begun_ns"),
        int("sequence"),
        int("updated_ns"),
    ],
    key: 3,
    append: false,
    partitioned: true,
    indexes: &[("liquidations_account", "account, begun_sequence"), ("liquidations_symbol", "symbol, begun_sequence")],
    times: &[("begun_at", "begun_ns"), ("updated_at", "updated_ns")],
    aliases: &[],
};

/// Positions that the insurance fund and auto-deleveraging took over.
pub static TAKEOVERS: Table = Table {
    name: "takeovers",
    columns: &[
        int("sequence"),
        int("day"),
        int("item"),
        id("account"),
        id("symbol"),
        text("mode", 8),
        int("quantity"),
        int("price"),
        int("pnl"),
        int("fund_quantity"),
        int("time_ns"),
    ],
    key: 3,
    append: true,
    partitioned: true,
    indexes: &[("takeovers_account", "account, sequence"), ("takeovers_symbol", "symbol, sequence")],
    times: TIME,
    aliases: &[],
};

/// Auto-deleveragings.
pub static ADL: Table = Table {
    name: "adl",
    columns: &[
        int("sequence"),
        int("day"),
        int("item"),
        id("account"),
        id("symbol"),
        id("of_account"),
        text("mode", 8),
        int("quantity"),
        int("price"),
        int("pnl"),
        int("time_ns"),
    ],
    key: 3,
    append: true,
    partitioned: true,
    indexes: &[("adl_account", "account, sequence"), ("adl_symbol", "symbol, sequence")],
    times: TIME,
    aliases: &[],
};

/// The insurance fund's futures wallets, movement by movement.
pub static INSURANCE_FUND: Table = Table {
    name: "insurance_fund",
    columns: &[
        int("sequence"),
        int("day"),
        int("item"),
        id("asset"),
        text("reason", 12),
        opt(id("account")),
        opt(id("symbol")),
        int("amount"),
        int("quantity"),
        int("total"),
        int("time_ns"),
    ],
    key: 3,
    append: true,
    partitioned: true,
    indexes: &[("insurance_fund_asset", "asset, sequence")],
    times: TIME,
    aliases: &[],
};

/// What positions realised by trades and settlements.
pub static REALIZED: Table = Table {
    name: "realized",
    columns: &[
        int("sequence"),
        int("day"),
        int("item"),
        id("account"),
        id("symbol"),
        text("role", 12),
        opt(int("trade_id")),
        opt(int("order_id")),
        int("quantity"),
        int("pnl"),
        int("time_ns"),
    ],
    key: 3,
    append: true,
    partitioned: true,
    indexes: &[("realized_account", "account, sequence"), ("realized_symbol", "symbol, sequence")],
    times: TIME,
    aliases: &[],
};
