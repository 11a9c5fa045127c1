//! The tables' columns, keys and indexes: one description for both databases.
//!
//! Invariants:
//! 1. The key comes first; in a partitioned table `day` is its second column.
//! 2. The order of columns is the order of values in every row (`crate::rows`, `crate::fold`).

use super::{Column, Kind, Table};

pub(super) const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, null: false, keep: false }
}
pub(super) const fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}
pub(super) const fn id(name: &'static str) -> Column {
    column(name, Kind::Id)
}
pub(super) const fn text(name: &'static str, length: u32) -> Column {
    column(name, Kind::Text(length))
}
pub(super) const fn opt(mut column: Column) -> Column {
    column.null = true;
    column
}
pub(super) const fn keep(mut column: Column) -> Column {
    column.keep = true;
    column
}

pub(super) const UPDATED: &[(&str, &str)] = &[("updated_at", "updated_ns")];
pub(super) const CREATED_UPDATED: &[(&str, &str)] = &[("created_at", "created_ns"), ("updated_at", "updated_ns")];
pub(super) const TIME: &[(&str, &str)] = &[("created_at", "time_ns")];

/// Places of `symbols.tick_size`.
pub const TICK_PLACES: u32 = 18;
/// Places of `assets.unit` and `symbols.lot_size`.
pub const UNIT_PLACES: u32 = 12;

/// Assets.
pub static ASSETS: Table = Table {
    name: "assets",
    columns: &[
        id("asset"),
        text("name", 16),
        int("scale"),
        int("factor"),
        column("unit", Kind::Decimal(13, UNIT_PLACES)),
        keep(int("created_sequence")),
        keep(int("created_ns")),
        int("sequence"),
        int("updated_ns"),
    ],
    key: 1,
    append: false,
    partitioned: false,
    indexes: &[],
    times: CREATED_UPDATED,
    aliases: &[],
};

/// Symbols.
pub static SYMBOLS: Table = Table {
    name: "symbols",
    columns: &[
        id("symbol"),
        text("name", 24),
        id("base"),
        id("quote"),
        text("kind", 16),
        text("status", 16),
        text("fee_model", 16),
        id("fee_group"),
        int("base_lot"),
        int("quote_per_tick_lot"),
        opt(column("tick_size", Kind::Decimal(50, TICK_PLACES))),
        opt(int("tick_mantissa")),
        opt(int("tick_places")),
        opt(column("lot_size", Kind::Decimal(32, UNIT_PLACES))),
        int("min_price"),
        int("max_price"),
        int("min_quantity"),
        int("max_quantity"),
        int("max_market_quantity"),
        int("min_notional"),
        int("max_notional"),
        int("band"),
        int("slip"),
        int("taker"),
        int("maker"),
        id("max_open_orders"),
        id("max_trigger_orders"),
        text("stp", 16),
        keep(int("created_sequence")),
        keep(int("created_ns")),
        int("sequence"),
        int("updated_ns"),
    ],
    key: 1,
    append: false,
    partitioned: false,
    indexes: &[],
    times: CREATED_UPDATED,
    aliases: &[],
};

/// Accounts.
pub static ACCOUNTS: Table = Table {
    name: "accounts",
    columns: &[
        id("account"),
        text("kind", 8),
        opt(text("name", 16)),
        id("stp_group"),
        column("suspended", Kind::Flag),
        keep(int("created_sequence")),
        keep(int("created_ns")),
        int("sequence"),
        int("updated_ns"),
    ],
    key: 1,
    append: false,
    partitioned: false,
    indexes: &[],
    times: CREATED_UPDATED,
    aliases: &[],
};

/// The exchange as a whole: one row.
pub static EXCHANGE: Table = Table {
    name: "exchange",
    columns: &[int("id"), text("status", 16), int("sequence"), int("updated_ns")],
    key: 1,
    append: false,
    partitioned: false,
    indexes: &[],
    times: UPDATED,
    aliases: &[],
};

/// Own fee rates of accounts.
pub static FEE_SCHEDULES: Table = Table {
    name: "fee_schedules",
    columns: &[
        id("account"),
        id("fee_group"),
        int("taker"),
        int("maker"),
        column("active", Kind::Flag),
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

/// Balances.
pub static BALANCES: Table = Table {
    name: "balances",
    columns: &[id("account"), id("asset"), int("available"), int("held"), int("sequence"), int("updated_ns")],
    key: 2,
    append: false,
    partitioned: false,
    indexes: &[],
    times: UPDATED,
    aliases: &[],
};

/// Orders.
pub static ORDERS: Table = Table {
    name: "orders",
    columns: &[
        int("order_id"),
        id("account"),
        id("symbol"),
        text("client_id", 39),
        text("side", 4),
        text("type", 16),
        text("time_in_force", 3),
        text("stp", 16),
        column("post_only", Kind::Flag),
        column("cancel_on_disconnect", Kind::Flag),
        column("reduce_only", Kind::Flag),
        column("close_position", Kind::Flag),
        column("liquidation", Kind::Flag),
        opt(int("price")),
        opt(int("protection")),
        opt(int("budget")),
        opt(int("trigger_price")),
        opt(text("trigger_direction", 8)),
        opt(text("trigger_source", 4)),
        opt(int("display")),
        opt(int("expire_ns")),
        int("quantity"),
        int("executed_quantity"),
        int("remaining"),
        int("prevented"),
        int("cut"),
        int("unfilled"),
        int("cost"),
        int("fee"),
        text("status", 16),
        opt(text("reason", 16)),
        opt(id("code")),
        opt(text("code_name", 24)),
        int("sent_ns"),
        keep(int("created_sequence")),
        keep(int("created_ns")),
        int("sequence"),
        int("updated_ns"),
    ],
    key: 1,
    append: false,
    partitioned: false,
    indexes: &[
        ("orders_account", "account, order_id"),
        ("orders_status", "account, status"),
        ("orders_client", "account, client_id"),
    ],
    times: &[("created_at", "created_ns"), ("updated_at", "updated_ns"), ("expires_at", "expire_ns")],
    aliases: &[("filled_quantity", "executed_quantity")],
};

/// Trades.
pub static TRADES: Table = Table {
    name: "trades",
    columns: &[
        int("trade_id"),
        int("day"),
        id("symbol"),
        int("price"),
        int("quantity"),
        opt(int("value")),
        text("taker_side", 4),
        text("role", 8),
        int("taker_order"),
        int("maker_order"),
        id("taker_account"),
        id("maker_account"),
        int("taker_fee"),
        int("maker_fee"),
        int("sequence"),
        int("time_ns"),
    ],
    key: 2,
    append: true,
    partitioned: true,
    indexes: &[
        ("trades_symbol", "symbol, trade_id"),
        ("trades_taker", "taker_account, trade_id"),
        ("trades_maker", "maker_account, trade_id"),
    ],
    times: TIME,
    aliases: &[],
};

/// Trades that were taken back.
pub static BUSTS: Table = Table {
    name: "busts",
    columns: &[
        int("trade_id"),
        int("day"),
        id("symbol"),
        int("price"),
        int("quantity"),
        opt(int("value")),
        id("buyer"),
        id("seller"),
        int("buy_order"),
        int("sell_order"),
        int("buyer_fee"),
        int("seller_fee"),
        int("sequence"),
        int("time_ns"),
    ],
    key: 2,
    append: true,
    partitioned: true,
    indexes: &[
        ("busts_symbol", "symbol, trade_id"),
        ("busts_buyer", "buyer, trade_id"),
        ("busts_seller", "seller, trade_id"),
    ],
    times: TIME,
    aliases: &[],
};

/// Deposits, withdrawals, movements between wallets.
pub static TRANSFERS: Table = Table {
    name: "transfers",
    columns: &[
        int("sequence"),
        int("day"),
        id("account"),
        id("asset"),
        opt(id("symbol")),
        text("kind", 16),
        text("status", 8),
        column("adjustment", Kind::Unsigned),
        int("amount"),
        int("booked"),
        column("reference", Kind::Unsigned),
        opt(id("code")),
        opt(text("code_name", 24)),
        int("time_ns"),
    ],
    key: 2,
    append: true,
    partitioned: true,
    indexes: &[("transfers_account", "account, sequence")],
    times: TIME,
    aliases: &[],
};

/// Refused commands.
pub static REJECTIONS: Table = Table {
    name: "rejections",
    columns: &[
        int("sequence"),
        int("day"),
        id("account"),
        text("message", 24),
        id("code"),
        opt(text("code_name", 24)),
        text("client_id", 39),
        opt(column("order_id", Kind::Unsigned)),
        opt(id("symbol")),
        opt(text("side", 4)),
        opt(text("type", 16)),
        opt(int("price")),
        opt(int("quantity")),
        int("time_ns"),
    ],
    key: 2,
    append: true,
    partitioned: true,
    indexes: &[("rejections_account", "account, sequence")],
    times: TIME,
    aliases: &[],
};

/// Rows that the database refused.
pub static DEAD_LETTERS: Table = Table {
    name: "dead_letters",
    columns: &[
        text("table_name", 16),
        text("row_key", 64),
        int("sequence"),
        column("reason", Kind::Long),
        column("row_json", Kind::Long),
        int("attempts"),
    ],
    key: 2,
    append: false,
    partitioned: false,
    indexes: &[],
    times: &[],
    aliases: &[],
};
