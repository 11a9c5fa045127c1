//! The tables, column by column, for both databases (docs/PROJECTION.md says what a reader can rely on).
//!
//! Invariants:
//! 1. One description serves both dialects; they differ in type names, indexes' names and partitions only.
//! 2. Readable times and aliases are virtual generated columns: they cost no writing and cannot disagree with the
//!    number they come from.
//! 3. A change of a table raises [`SCHEMA_VERSION`] and gets an entry in [`MIGRATIONS`].

use crate::value::Value;

/// Version of the tables that this build writes.
pub const SCHEMA_VERSION: i64 = 1;

/// The two kinds of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The embedded default.
    Sqlite,
    /// MySQL and MariaDB.
    MySql,
}

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `i64`.
    Int,
    /// `u32`.
    Id,
    /// 0 or 1.
    Flag,
    /// `u64` in full; SQLite keeps what does not fit its INTEGER as text of digits.
    Unsigned,
    /// ASCII of at most this many characters.
    Text(u32),
    /// Text of any characters and length.
    Long,
    /// Decimal with this many digits and places; SQLite keeps it as text with exactly these places.
    Decimal(u32, u32),
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it may be NULL.
    pub null: bool,
    /// Written when the row is made and never changed by a later upsert.
    pub keep: bool,
}

/// One table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns in the order of rows' values, the key first.
    pub columns: &'static [Column],
    /// How many of them are the primary key.
    pub key: usize,
    /// Rows are only added (and never for an existing key).
    pub append: bool,
    /// Partitioned by its column `day` where the server can.
    pub partitioned: bool,
    /// Secondary indexes: name, columns.
    pub indexes: &'static [(&'static str, &'static str)],
    /// Readable times: (name, the column in nanoseconds that it shows).
    pub times: &'static [(&'static str, &'static str)],
    /// Further names: (name, the column that it repeats).
    pub aliases: &'static [(&'static str, &'static str)],
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, null: false, keep: false }
}
const fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}
const fn id(name: &'static str) -> Column {
    column(name, Kind::Id)
}
const fn text(name: &'static str, length: u32) -> Column {
    column(name, Kind::Text(length))
}
const fn opt(mut column: Column) -> Column {
    column.null = true;
    column
}
const fn keep(mut column: Column) -> Column {
    column.keep = true;
    column
}

const UPDATED: &[(&str, &str)] = &[("updated_at", "updated_ns")];
const CREATED_UPDATED: &[(&str, &str)] = &[("created_at", "created_ns"), ("updated_at", "updated_ns")];
const TIME: &[(&str, &str)] = &[("created_at", "time_ns")];

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
        opt(int("price")),
        opt(int("protection")),
        opt(int("budget")),
        opt(int("trigger_price")),
        opt(text("trigger_direction", 8)),
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

/// Deposits and withdrawals.
pub static TRANSFERS: Table = Table {
    name: "transfers",
    columns: &[
        int("sequence"),
        int("day"),
        id("account"),
        id("asset"),
        text("kind", 8),
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
        text("message", 16),
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

/// The tables that follow from the journal, in the order in which they are written.
pub static DATA_TABLES: [&Table; 8] =
    [&ASSETS, &SYMBOLS, &ACCOUNTS, &BALANCES, &ORDERS, &TRADES, &TRANSFERS, &REJECTIONS];

/// Every table that a rebuild swaps, but for `projection`.
pub static SWAPPED_TABLES: [&Table; 9] =
    [&ASSETS, &SYMBOLS, &ACCOUNTS, &BALANCES, &ORDERS, &TRADES, &TRANSFERS, &REJECTIONS, &DEAD_LETTERS];

/// A step from one version of the tables to the next.
#[derive(Debug)]
pub struct Migration {
    /// Version before.
    pub from: i64,
    /// Statements for SQLite.
    pub sqlite: &'static [&'static str],
    /// Statements for MySQL.
    pub mysql: &'static [&'static str],
}

/// The steps, by rising `from`; none yet, version 1 is the first.
pub static MIGRATIONS: &[Migration] = &[];

impl Table {
    /// The data table or dead-letter table with this name.
    pub fn named(name: &str) -> Option<&'static Table> {
        SWAPPED_TABLES.iter().copied().find(|t| t.name == name)
    }

    /// Place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The key of a row as one text: `17` or `17/2`.
    pub fn key_text(&self, row: &[Value]) -> String {
        let keys = row.iter().take(self.key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        keys.collect::<Vec<_>>().join("/")
    }

    /// Names of all columns, separated by commas.
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|c| c.name).collect::<Vec<_>>().join(", ")
    }

    /// `CREATE TABLE` and its indexes, under a name with a suffix; `tag` keeps names of indexes apart in SQLite.
    pub fn create(&self, dialect: Dialect, suffix: &str, tag: &str) -> Vec<String> {
        let mut lines: Vec<String> = self.columns.iter().map(|c| c.definition(dialect)).collect();
        for (name, source) in self.times {
            lines.push(match dialect {
                Dialect::Sqlite => format!(
                    "{name} TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%d %H:%M:%S', {source} / 1000000000, 'unixepoch') || printf('.%06d', {source} / 1000 % 1000000)) VIRTUAL"
                ),
                Dialect::MySql => format!(
                    "{name} DATETIME(6) GENERATED ALWAYS AS (TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ({source} DIV 1000) MICROSECOND) VIRTUAL"
                ),
            });
        }
        for (name, source) in self.aliases {
            lines.push(match dialect {
                Dialect::Sqlite => format!("{name} INTEGER GENERATED ALWAYS AS ({source}) VIRTUAL"),
                Dialect::MySql => format!("{name} BIGINT GENERATED ALWAYS AS ({source}) VIRTUAL"),
            });
        }
        let keys: Vec<&str> = self.columns[..self.key].iter().map(|c| c.name).collect();
        lines.push(format!("PRIMARY KEY ({})", keys.join(", ")));
        if dialect == Dialect::MySql {
            lines.extend(self.indexes.iter().map(|(name, columns)| format!("KEY {name} ({columns})")));
        }
        let body = lines.join(",\n  ");
        let name = self.name;
        match dialect {
            Dialect::Sqlite => {
                // A single integer key is the rowid itself; a compound key makes the table a tree of its own.
                let tail = if self.key == 1 { "" } else { " WITHOUT ROWID" };
                let mut out = vec![format!("CREATE TABLE {name}{suffix} (\n  {body}\n){tail}")];
                out.extend(
                    self.indexes
                        .iter()
                        .map(|(index, columns)| format!("CREATE INDEX {index}{tag} ON {name}{suffix} ({columns})")),
                );
                out
            }
            Dialect::MySql => {
                let partitions = if self.partitioned {
                    "\nPARTITION BY RANGE (day) (PARTITION pmax VALUES LESS THAN MAXVALUE)"
                } else {
                    ""
                };
                vec![format!(
                    "CREATE TABLE {name}{suffix} (\n  {body}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4{partitions}"
                )]
            }
        }
    }
}

impl Column {
    fn definition(&self, dialect: Dialect) -> String {
        let kind = match (dialect, self.kind) {
            (Dialect::Sqlite, Kind::Int | Kind::Id | Kind::Flag) => "INTEGER".into(),
            // No type: SQLite would turn digits beyond its INTEGER into a rounded real.
            (Dialect::Sqlite, Kind::Unsigned) => String::new(),
            (Dialect::Sqlite, Kind::Text(_) | Kind::Long | Kind::Decimal(..)) => "TEXT".into(),
            (Dialect::MySql, Kind::Int) => "BIGINT".into(),
            (Dialect::MySql, Kind::Id) => "INT UNSIGNED".into(),
            (Dialect::MySql, Kind::Flag) => "TINYINT".into(),
            (Dialect::MySql, Kind::Unsigned) => "BIGINT UNSIGNED".into(),
            (Dialect::MySql, Kind::Text(n)) => format!("VARCHAR({n}) CHARACTER SET ascii COLLATE ascii_bin"),
            (Dialect::MySql, Kind::Long) => "LONGTEXT".into(),
            (Dialect::MySql, Kind::Decimal(digits, places)) => format!("DECIMAL({digits},{places})"),
        };
        format!("{} {kind}{}", self.name, if self.null { "" } else { " NOT NULL" })
    }
}

/// `CREATE TABLE projection`, under a name with a suffix.
pub fn create_projection(dialect: Dialect, suffix: &str) -> String {
    let number = if dialect == Dialect::Sqlite { "INTEGER" } else { "BIGINT" };
    let journal = if dialect == Dialect::Sqlite { "TEXT" } else { "VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin" };
    let time = match dialect {
        Dialect::Sqlite => {
            "time TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%d %H:%M:%S', time_ns / 1000000000, 'unixepoch') || printf('.%06d', time_ns / 1000 % 1000000)) VIRTUAL"
        }
        Dialect::MySql => {
            "time DATETIME(6) GENERATED ALWAYS AS (TIMESTAMP'1970-01-01 00:00:00' + INTERVAL (time_ns DIV 1000) MICROSECOND) VIRTUAL"
        }
    };
    format!(
        "CREATE TABLE projection{suffix} (\n  shard {number} NOT NULL PRIMARY KEY,\n  journal {journal} NOT NULL,\n  term {number} NOT NULL,\n  sequence {number} NOT NULL,\n  time_ns {number} NOT NULL,\n  generation {number} NOT NULL,\n  {time}\n){}",
        engine(dialect)
    )
}

/// `CREATE TABLE schema_version`.
pub fn create_version(dialect: Dialect) -> String {
    let number = if dialect == Dialect::Sqlite { "INTEGER" } else { "BIGINT" };
    format!(
        "CREATE TABLE IF NOT EXISTS schema_version (\n  version {number} NOT NULL PRIMARY KEY\n){}",
        engine(dialect)
    )
}

fn engine(dialect: Dialect) -> &'static str {
    if dialect == Dialect::MySql { " ENGINE=InnoDB" } else { "" }
}

/// Names of the views, in the order in which they are made.
pub const VIEWS: [&str; 4] = ["users", "v_balances", "v_orders", "v_trades"];

/// `CREATE VIEW` for all views. Decimal columns are DECIMAL on MySQL and text on SQLite, exact in both.
pub fn create_views(dialect: Dialect) -> Vec<String> {
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
    vec![
        "CREATE VIEW users AS SELECT account AS id, account, stp_group, suspended, created_at, updated_at, sequence FROM accounts WHERE kind = 'CUSTOMER'".into(),
        format!(
            "CREATE VIEW v_balances AS SELECT w.account, w.asset, a.name AS asset_name, {} AS available, {} AS held, {} AS total, w.sequence, w.updated_at FROM balances w JOIN assets a ON a.asset = w.asset",
            amount("w.available", "a"), amount("w.held", "a"), amount("(w.available + w.held)", "a")
        ),
        format!(
            "CREATE VIEW v_orders AS SELECT o.order_id AS id, o.order_id, o.account, o.account AS user_id, o.symbol, s.name AS symbol_name, o.client_id, o.side, o.type, o.time_in_force, o.status, o.reason, {} AS price, {} AS trigger_price, o.trigger_direction, {} AS quantity, {} AS executed_quantity, {} AS filled_quantity, {} AS remaining, {} AS display, {} AS budget, {} AS cost, {} AS fee, o.expires_at, o.sequence, o.created_at, o.updated_at FROM orders o JOIN symbols s ON s.symbol = o.symbol JOIN assets b ON b.asset = s.base JOIN assets q ON q.asset = s.quote",
            price("o.price"), price("o.trigger_price"), quantity("o.quantity"), quantity("o.executed_quantity"),
            quantity("o.executed_quantity"), quantity("o.remaining"), quantity("o.display"), amount("o.budget", "q"),
            amount("o.cost", "q"), amount("o.fee", "q")
        ),
        format!(
            "CREATE VIEW v_trades AS SELECT t.trade_id AS id, t.trade_id, t.symbol, s.name AS symbol_name, {} AS price, {} AS quantity, {} AS value, t.taker_side, t.role, t.taker_order, t.maker_order, t.taker_account, t.maker_account, CASE t.taker_side WHEN 'BUY' THEN t.taker_account ELSE t.maker_account END AS buy_account, CASE t.taker_side WHEN 'BUY' THEN t.maker_account ELSE t.taker_account END AS sell_account, CASE t.taker_side WHEN 'BUY' THEN t.taker_order ELSE t.maker_order END AS buy_order, CASE t.taker_side WHEN 'BUY' THEN t.maker_order ELSE t.taker_order END AS sell_order, {} AS taker_fee, {} AS maker_fee, t.sequence, t.created_at FROM trades t JOIN symbols s ON s.symbol = t.symbol JOIN assets b ON b.asset = s.base JOIN assets q ON q.asset = s.quote",
            price("t.price"), quantity("t.quantity"), amount("t.value", "q"), amount("t.taker_fee", "q"), amount("t.maker_fee", "q")
        ),
    ]
}

/// Text of `value / factor` with `places` places, in whole numbers only.
fn sqlite_decimal(value: &str, factor: &str, places: &str) -> String {
    format!(
        "CASE WHEN {value} IS NULL THEN NULL WHEN {places} = 0 THEN CAST({value} AS TEXT) ELSE printf('%s%d.%0*d', CASE WHEN {value} < 0 THEN '-' ELSE '' END, abs({value}) / {factor}, {places}, abs({value}) % {factor}) END"
    )
}
