//! The views: decimals for people and reports, and what readers ask for most.
//!
//! Invariant: a view's columns are named one by one, so that a later column of its table does not change it.

use super::{BALANCES, Dialect, POSITIONS, TRADES, Table};
use crate::scope::Scope;

/// Names of the views, in the order in which they are made.
pub const VIEWS: [&str; 9] = [
    "users",
    "trades_standing",
    "v_balances",
    "v_orders",
    "v_trades",
    "realized_all",
    "v_margin_wallets",
    "v_positions",
    "v_realized",
];

/// The table without which a view cannot be.
fn needs(view: &str) -> Option<&'static Table> {
    match view {
        "v_balances" => Some(&BALANCES),
        "realized_all" | "v_margin_wallets" | "v_positions" | "v_realized" => Some(&POSITIONS),
        _ => None,
    }
}

/// `CREATE VIEW` for the views of a database that shows this. Decimal columns are DECIMAL on MySQL and text on SQLite, exact in both.
pub fn create_views(dialect: Dialect, scope: Scope) -> Vec<String> {
    let amount = |value: &str, asset: &str| match dialect {
        Dialect::MySql => format!("{value} * {asset}.unit"),
        Dialect::Sqlite => sqlite_decimal(value, &format!("{asset}.factor"), &format!("{asset}.scale")),
    };
    let price = |value: &str| match dialect {
        Dialect::MySql => format!("{value} * s.tick_size"),
        Dialect::Sqlite => sqlite_decimal(
            &format!("({value} * s.tick_mantissa)"),
            "CAST('1' || substr('000000000000000000', 1, s.tick_places) AS INTEGER)",
            "s.tick_places",
        ),
    };
    let quantity = |value: &str| match dialect {
        Dialect::MySql => format!("{value} * s.lot_size"),
        Dialect::Sqlite => sqlite_decimal(&format!("({value} * s.base_lot)"), "b.factor", "b.scale"),
    };
    let all = [
        "CREATE VIEW users AS SELECT account AS id, account, stp_group, suspended, created_at, updated_at, sequence FROM accounts WHERE kind = 'CUSTOMER'".into(),
        format!(
            "CREATE VIEW trades_standing AS SELECT {}, t.created_at FROM trades t WHERE NOT EXISTS (SELECT 1 FROM busts x WHERE x.trade_id = t.trade_id)",
            TRADES.columns.iter().map(|c| format!("t.{}", c.name)).collect::<Vec<_>>().join(", ")
        ),
        format!(
            "CREATE VIEW v_balances AS SELECT w.account, w.asset, a.name AS asset_name, {} AS available, {} AS held, {} AS total, w.sequence, w.updated_at FROM balances w JOIN assets a ON a.asset = w.asset",
            amount("w.available", "a"), amount("w.held", "a"), amount("(w.available + w.held)", "a")
        ),
        format!(
            "CREATE VIEW v_orders AS SELECT o.order_id AS id, o.order_id, o.account, o.account AS user_id, o.symbol, s.name AS symbol_name, o.client_id, o.side, o.type, o.time_in_force, o.status, o.reason, o.code, o.code_name, {} AS price, {} AS trigger_price, o.trigger_direction, {} AS quantity, {} AS executed_quantity, {} AS filled_quantity, {} AS remaining, {} AS display, {} AS budget, {} AS cost, {} AS fee, o.expires_at, o.reduce_only, o.close_position, o.trigger_source, o.liquidation, o.sequence, o.created_at, o.updated_at FROM orders o JOIN symbols s ON s.symbol = o.symbol JOIN assets b ON b.asset = s.base JOIN assets q ON q.asset = s.quote",
            price("o.price"), price("o.trigger_price"), quantity("o.quantity"), quantity("o.executed_quantity"),
            quantity("o.executed_quantity"), quantity("o.remaining"), quantity("o.display"), amount("o.budget", "q"),
            amount("o.cost", "q"), amount("o.fee", "q")
        ),
        format!(
            "CREATE VIEW v_trades AS SELECT t.trade_id AS id, t.trade_id, t.symbol, s.name AS symbol_name, {} AS price, {} AS quantity, {} AS value, t.taker_side, t.role, t.taker_order, t.maker_order, t.taker_account, t.maker_account, CASE t.taker_side WHEN 'BUY' THEN t.taker_account ELSE t.maker_account END AS buy_account, CASE t.taker_side WHEN 'BUY' THEN t.maker_account ELSE t.taker_account END AS sell_account, CASE t.taker_side WHEN 'BUY' THEN t.taker_order ELSE t.maker_order END AS buy_order, CASE t.taker_side WHEN 'BUY' THEN t.maker_order ELSE t.taker_order END AS sell_order, {} AS taker_fee, {} AS maker_fee, CASE WHEN x.trade_id IS NULL THEN 0 ELSE 1 END AS busted, x.created_at AS busted_at, t.sequence, t.created_at FROM trades t LEFT JOIN busts x ON x.trade_id = t.trade_id JOIN symbols s ON s.symbol = t.symbol JOIN assets b ON b.asset = s.base JOIN assets q ON q.asset = s.quote",
            price("t.price"), quantity("t.quantity"), amount("t.value", "q"), amount("t.taker_fee", "q"), amount("t.maker_fee", "q")
        ),
        "CREATE VIEW realized_all AS SELECT sequence, item, account, symbol, role AS source, trade_id, order_id, quantity, pnl, created_at FROM realized UNION ALL SELECT sequence, item, account, symbol, 'ADL', NULL, NULL, quantity, pnl, created_at FROM adl UNION ALL SELECT sequence, item, account, symbol, 'TAKEOVER', NULL, NULL, abs(quantity), pnl, created_at FROM takeovers".into(),
        format!(
            "CREATE VIEW v_margin_wallets AS SELECT w.account, w.asset, a.name AS asset_name, {} AS balance, w.sequence, w.updated_at FROM margin_wallets w JOIN assets a ON a.asset = w.asset",
            amount("w.balance", "a")
        ),
        format!(
            "CREATE VIEW v_positions AS SELECT p.account, p.symbol, s.name AS symbol_name, p.mode, p.leverage, {} AS quantity, {} AS cost, {} AS margin, {} AS mark, {} AS unrealized, p.sequence, p.updated_at FROM positions p JOIN symbols s ON s.symbol = p.symbol JOIN perpetuals x ON x.symbol = p.symbol JOIN assets b ON b.asset = s.base JOIN assets q ON q.asset = s.quote",
            quantity("p.quantity"), amount("p.cost", "q"), amount("p.margin", "q"), price("x.mark"),
            amount("(p.quantity * x.mark * s.quote_per_tick_lot - p.cost)", "q")
        ),
        format!(
            "CREATE VIEW v_realized AS SELECT r.sequence, r.item, r.account, r.symbol, s.name AS symbol_name, r.source, r.trade_id, r.order_id, {} AS quantity, {} AS pnl, r.created_at FROM realized_all r JOIN symbols s ON s.symbol = r.symbol JOIN assets b ON b.asset = s.base JOIN assets q ON q.asset = s.quote",
            quantity("r.quantity"), amount("r.pnl", "q")
        ),
    ];
    let shown = |view: &str| needs(view).is_none_or(|table| scope.has(table));
    VIEWS.into_iter().zip(all).filter(|(view, _)| shown(view)).map(|(_, sql)| sql).collect()
}

/// Text of `value / factor` with `places` places, in whole numbers only.
fn sqlite_decimal(value: &str, factor: &str, places: &str) -> String {
    format!(
        "CASE WHEN {value} IS NULL THEN NULL WHEN {places} = 0 THEN CAST({value} AS TEXT) ELSE printf('%s%d.%0*d', CASE WHEN {value} < 0 THEN '-' ELSE '' END, abs({value}) / {factor}, {places}, abs({value}) % {factor}) END"
    )
}
