//! The tables, column by column, for both databases (docs/PROJECTION.md says what a reader can rely on).
//!
//! Invariants:
//! 1. One description serves both dialects; they differ in type names, indexes' names and partitions only.
//! 2. Readable times and aliases are virtual generated columns: they cost no writing and cannot disagree with the
//!    number they come from.
//! 3. A change of a table raises [`SCHEMA_VERSION`] and gets an entry in [`MIGRATIONS`].

mod futures;
mod lists;
mod tables;
mod views;

pub use futures::{
    ADL, FUNDING_PAYMENTS, FUNDING_ROUNDS, INSURANCE_FUND, LIQUIDATIONS, MARGIN_WALLETS, MARK_PRICES, PERPETUALS,
    POSITION_LIMITS, POSITIONS, REALIZED, TAKEOVERS,
};
pub use lists::{DATA_TABLES, MIGRATIONS, Migration, SCHEMA_VERSION, SWAPPED_TABLES};
pub use tables::{
    ACCOUNTS, ASSETS, BALANCES, BUSTS, DEAD_LETTERS, EXCHANGE, FEE_SCHEDULES, ORDERS, REJECTIONS, SYMBOLS, TICK_PLACES,
    TRADES, TRANSFERS, UNIT_PLACES,
};
pub use views::{VIEWS, create_views};

use crate::value::Value;

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
    /// Name, type and whether it may be NULL, as `CREATE TABLE` has it.
    pub(crate) fn definition(&self, dialect: Dialect) -> String {
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
