//! What the projector needs from a database: a handful of primitives that SQLite and MySQL both fill.
//!
//! Invariants:
//! 1. A sink is one connection. After an error that is not [`SinkError::Refused`] the transaction is over, one way or
//!    the other; [`Sink::connect`] gives a connection without one.
//! 2. A refused statement did nothing and leaves its transaction open (both databases undo a failed statement alone).

use crate::frame::{Owner, Position};
use crate::schema::{
    Column, Dialect, Kind, MIGRATIONS, SCHEMA_VERSION, SWAPPED_TABLES, Table, VIEWS, create_projection, create_version,
    create_views,
};
use crate::scope::Scope;
use crate::value::Value;

/// Why a statement failed. It decides what the projector does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The database will never take one of these rows: bisect, dead letter, go on.
    #[error("the row is refused: {0}")]
    Refused(String),
    /// Someone else was in the way (deadlock, lock wait, busy): the same again, soon.
    #[error("in the way of another transaction: {0}")]
    Conflict(String),
    /// The database is away, full, read-only or changed: the same again, later and later.
    #[error("{0}")]
    Away(String),
}

/// One connection to a database.
pub trait Sink: Send {
    /// Which database, for people: no password in it.
    fn label(&self) -> &str;

    /// What it shows: everything, unless it is opened as a part.
    fn scope(&self) -> Scope {
        Scope::All
    }

    /// Which kind.
    fn dialect(&self) -> Dialect;

    /// Makes sure of a connection without a transaction; opens a new one if needed.
    ///
    /// # Errors
    /// There is no connection; the text names database and remedy.
    fn connect(&mut self) -> Result<(), SinkError>;

    /// Begins a transaction; one that only reads sees one state of the database until it ends.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn begin(&mut self, read_only: bool) -> Result<(), SinkError>;

    /// Commits. After an error it is not known whether it was committed.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn commit(&mut self) -> Result<(), SinkError>;

    /// Ends the transaction without a trace, or drops the connection, which does the same.
    fn rollback(&mut self);

    /// Executes one statement, prepared and kept by its text; rows affected.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, SinkError>;

    /// Executes a statement that cannot be prepared or is run once (definitions).
    ///
    /// # Errors
    /// See [`SinkError`].
    fn define(&mut self, sql: &str) -> Result<(), SinkError>;

    /// Gives the rows of a query, one by one; `columns` are the types of its columns.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn select(
        &mut self,
        sql: &str,
        params: &[Value],
        columns: &[Column],
        each: &mut dyn FnMut(&[Value]),
    ) -> Result<(), SinkError>;

    /// Outside of a transaction: makes room for a day's rows in a partitioned table. A server that refuses keeps its
    /// rows in the last partition, so that is no error.
    ///
    /// # Errors
    /// The connection is gone.
    fn prepare_day(&mut self, table: &Table, suffix: &str, day: i64) -> Result<(), SinkError> {
        let _ = (table, suffix, day);
        Ok(())
    }
}

/// Tables that do not fit this build or this shard.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The database.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A newer build made them.
    #[error(
        "{label} has tables of version {found}, this build writes version {SCHEMA_VERSION}: use the newer `ringbook`, or rebuild into an empty database"
    )]
    Newer {
        /// Which database.
        label: String,
        /// Its version.
        found: i64,
    },
    /// Somebody else's tables.
    #[error(
        "{label} already has a table or view `{table}` that Ringbook did not make: give the projection a database of its own (it creates it if the user may)"
    )]
    Foreign {
        /// Which database.
        label: String,
        /// Which table.
        table: String,
    },
    /// Another shard's tables.
    #[error(
        "{label} shows shard {found}, not shard {wanted}: each shard has its own database (numbers of orders and trades are per shard)"
    )]
    OtherShard {
        /// Which database.
        label: String,
        /// Whose it is.
        found: u32,
        /// Whose was asked for.
        wanted: u32,
    },
    /// Another part's tables.
    #[error(
        "{label} shows {found}, not {wanted}: give each part of the projection a database of its own, and name it by the part that it was made for"
    )]
    OtherScope {
        /// Which database.
        label: String,
        /// What it shows.
        found: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// Another journal's tables.
    #[error(
        "{label} shows the journal {found}, not {wanted}: give this exchange a projection of its own, or check the data folder; only if the other journal is gone for good, drop the database (or move the file away) and start again"
    )]
    OtherJournal {
        /// Which database.
        label: String,
        /// Whose it is.
        found: String,
        /// Whose was asked for.
        wanted: String,
    },
}

const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Int, null: false, keep: false }
}

const POSITION: [Column; 5] =
    [number("shard"), number("term"), number("sequence"), number("time_ns"), number("generation")];

/// Reads one number; `None` if there is no row.
///
/// # Errors
/// See [`SinkError`].
pub fn select_number(sink: &mut dyn Sink, sql: &str, params: &[Value]) -> Result<Option<i64>, SinkError> {
    let mut found = None;
    sink.select(sql, params, &[number("n")], &mut |row| found = row[0].as_i64())?;
    Ok(found)
}

/// How far the database is; `None` if nothing was ever set up under this suffix.
///
/// # Errors
/// See [`SinkError`].
pub fn read_position(sink: &mut dyn Sink, suffix: &str) -> Result<Option<Position>, SinkError> {
    let mut found = None;
    let sql = format!("SELECT shard, term, sequence, time_ns, generation FROM projection{suffix}");
    sink.select(&sql, &[], &POSITION, &mut |row| {
        let get = |i: usize| row[i].as_i64().unwrap_or(0);
        found = Some(Position {
            shard: u32::try_from(get(0)).unwrap_or(u32::MAX),
            term: u32::try_from(get(1)).unwrap_or(u32::MAX),
            sequence: get(2).max(0).unsigned_abs(),
            time_ns: get(3).max(0).unsigned_abs(),
            generation: get(4).max(0).unsigned_abs(),
        });
    })?;
    Ok(found)
}

/// Whether a table or view exists in this database.
pub(crate) fn exists(sink: &mut dyn Sink, name: &str) -> Result<bool, SinkError> {
    let sql = match sink.dialect() {
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?",
        Dialect::MySql => {
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
        }
    };
    Ok(select_number(sink, sql, &[name.to_owned().into()])?.unwrap_or(0) > 0)
}

/// Creates or migrates the tables and gives the database's position. Idempotent: a set-up that was cut off goes on.
///
/// # Errors
/// The tables are not this build's or this shard's, or the database fails.
pub fn set_up(sink: &mut dyn Sink, owner: &Owner) -> Result<Position, SetupError> {
    sink.connect()?;
    let dialect = sink.dialect();
    let label = sink.label().to_owned();
    if !exists(sink, "schema_version")? {
        for name in SWAPPED_TABLES.iter().map(|t| t.name).chain(["projection"]).chain(VIEWS) {
            if exists(sink, name)? {
                return Err(SetupError::Foreign { label, table: name.into() });
            }
        }
        sink.define(&create_version(dialect))?;
    }
    let version = select_number(sink, "SELECT version FROM schema_version", &[])?;
    match version {
        None => create_all(sink, owner)?,
        Some(found) if found > SCHEMA_VERSION => return Err(SetupError::Newer { label, found }),
        Some(found) => {
            check_owner(sink, owner)?;
            migrate(sink, found)?;
        }
    }
    check_owner(sink, owner)?;
    let fresh = Position { shard: owner.shard, generation: 1, ..Position::default() };
    Ok(read_position(sink, "")?.unwrap_or(fresh))
}

/// Refuses rows of another shard or another journal; changes nothing. A database without rows is nobody's.
///
/// # Errors
/// They are another one's, or the database fails.
pub fn check_owner(sink: &mut dyn Sink, owner: &Owner) -> Result<(), SetupError> {
    if !exists(sink, "projection")? {
        return Ok(());
    }
    let label = sink.label().to_owned();
    let wanted = owner.journal_text();
    let mut found = None;
    let columns = [number("shard"), Column { name: "journal", kind: Kind::Text(32), null: false, keep: false }];
    sink.select("SELECT shard, journal FROM projection", &[], &columns, &mut |row| {
        found = Some((row[0].as_i64(), row[1].as_str().unwrap_or("").to_owned()));
    })?;
    match found {
        Some((shard, _)) if shard != Some(i64::from(owner.shard)) => {
            let found = shard.and_then(|shard| u32::try_from(shard).ok()).unwrap_or(u32::MAX);
            Err(SetupError::OtherShard { label, found, wanted: owner.shard })
        }
        Some((_, found)) if found != wanted => Err(SetupError::OtherJournal { label, found, wanted }),
        Some(_) => check_scope(sink, label),
        None => Ok(()),
    }
}

/// A definition that does nothing if the table or index is there.
fn once(sql: &str) -> String {
    sql.replacen("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1).replacen(
        "CREATE INDEX ",
        "CREATE INDEX IF NOT EXISTS ",
        1,
    )
}

/// Makes the tables that are missing.
fn create_tables(sink: &mut dyn Sink) -> Result<(), SinkError> {
    let dialect = sink.dialect();
    let scope = sink.scope();
    for table in SWAPPED_TABLES.into_iter().filter(|table| scope.has(table)) {
        table.create(dialect, "", "").iter().try_for_each(|sql| sink.define(&once(sql)))?;
    }
    Ok(())
}

/// Refuses the tables of another part. Those of version 1, which knew no parts, show everything.
fn check_scope(sink: &mut dyn Sink, label: String) -> Result<(), SetupError> {
    let version = select_number(sink, "SELECT version FROM schema_version", &[])?;
    let found = match (exists(sink, "balances")?, exists(sink, "positions")?) {
        _ if version == Some(1) => Scope::All,
        (true, false) => Scope::Spot,
        (false, true) => Scope::Futures,
        _ => Scope::All,
    };
    if found == sink.scope() {
        return Ok(());
    }
    let name = |scope: Scope| if scope == Scope::All { "everything" } else { scope.name() };
    Err(SetupError::OtherScope { label, found: name(found), wanted: name(sink.scope()) })
}

fn create_all(sink: &mut dyn Sink, owner: &Owner) -> Result<(), SinkError> {
    let dialect = sink.dialect();
    create_tables(sink)?;
    sink.define(&once(&create_projection(dialect, "")))?;
    make_views(sink)?;
    let fresh = Position { shard: owner.shard, generation: 1, ..Position::default() };
    insert_position(sink, "", &fresh, owner)?;
    let ignore = if dialect == Dialect::Sqlite { "OR IGNORE" } else { "IGNORE" };
    sink.define(&format!("INSERT {ignore} INTO schema_version (version) VALUES ({SCHEMA_VERSION})"))
}

/// Makes all views anew.
pub(crate) fn make_views(sink: &mut dyn Sink) -> Result<(), SinkError> {
    for name in VIEWS {
        sink.define(&format!("DROP VIEW IF EXISTS {name}"))?;
    }
    create_views(sink.dialect(), sink.scope()).iter().try_for_each(|sql| sink.define(sql))
}

/// The one row of `projection`, if there is none yet.
pub(crate) fn insert_position(sink: &mut dyn Sink, suffix: &str, p: &Position, owner: &Owner) -> Result<(), SinkError> {
    let ignore = if sink.dialect() == Dialect::Sqlite { "OR IGNORE" } else { "IGNORE" };
    sink.define(&format!(
        "INSERT {ignore} INTO projection{suffix} (shard, journal, term, sequence, time_ns, generation) VALUES ({}, '{}', {}, {}, {}, {})",
        owner.shard,
        owner.journal_text(),
        p.term,
        p.sequence,
        p.time_ns,
        p.generation
    ))
}

fn migrate(sink: &mut dyn Sink, mut version: i64) -> Result<(), SinkError> {
    let dialect = sink.dialect();
    for step in MIGRATIONS {
        if step.from == version {
            for (table, name, value) in step.added {
                if let Some(column) = table.columns.iter().find(|column| column.name == *name)
                    && !has_column(sink, table.name, name)?
                {
                    let definition = column.definition(dialect);
                    sink.define(&format!("ALTER TABLE {} ADD COLUMN {definition} DEFAULT {value}", table.name))?;
                }
            }
            create_tables(sink)?;
            let statements = if dialect == Dialect::Sqlite { step.sqlite } else { step.mysql };
            statements.iter().try_for_each(|sql| sink.define(sql))?;
            make_views(sink)?;
            version += 1;
            sink.define(&format!("UPDATE schema_version SET version = {version}"))?;
        }
    }
    Ok(())
}

/// Whether a table has a column.
fn has_column(sink: &mut dyn Sink, table: &'static str, column: &'static str) -> Result<bool, SinkError> {
    let sql = match sink.dialect() {
        Dialect::Sqlite => "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?",
        Dialect::MySql => {
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?"
        }
    };
    Ok(select_number(sink, sql, &[Value::name(table), Value::name(column)])?.unwrap_or(0) > 0)
}
