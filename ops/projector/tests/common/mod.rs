//! What the tests share: databases to write to, dumps to compare, and a wrapper that breaks connections on purpose.
#![allow(dead_code, missing_docs)]

pub mod futures;
pub mod journal;
pub mod naive;
pub mod world;

use ringbook_projector::schema::{Column, DATA_TABLES, DEAD_LETTERS, Dialect};
use ringbook_projector::{Options, Position, Projector, Scope, Sink, SinkError, Value, Writer, open, open_fold};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A database of its own for one test, gone afterwards.
pub enum Db {
    Sqlite(tempfile::TempDir),
    MySql { server: String, name: String },
}

impl Db {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn mysql() -> Self {
        let url = std::env::var("RINGBOOK_TEST_MYSQL").unwrap_or_else(|_| {
            panic!(
                "RINGBOOK_TEST_MYSQL is not set: run scripts/test, which starts a MariaDB server of its own and sets it"
            )
        });
        Self::on(&url)
    }

    /// On the server of a URL.
    pub fn on(url: &str) -> Self {
        let (server, _) = url.rsplit_once('/').expect("a URL with a database");
        let name = format!("ringbook_t{}_{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        Self::MySql { server: server.into(), name }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(dir) => format!("sqlite:{}", dir.path().join("read.db").display()),
            Self::MySql { server, name } => format!("{server}/{name}"),
        }
    }

    pub fn sink(&self) -> Box<dyn Sink> {
        let mut sink = open(&self.url()).expect("a URL of this test");
        sink.connect().expect("the test's database answers");
        sink
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let url = self.url();
        if let Self::MySql { name, .. } = &*self
            && let Ok(mut sink) = open(&url)
            && sink.connect().is_ok()
        {
            drop(sink.define(&format!("DROP DATABASE {name}")));
        }
    }
}

/// Another database of the same kind.
pub fn fresh(db: &Db) -> Db {
    match db {
        Db::Sqlite(_) => Db::sqlite(),
        Db::MySql { .. } => Db::mysql(),
    }
}

/// Defines the same test for both kinds of database.
#[macro_export]
macro_rules! both {
    ($name:ident) => {
        mod $name {
            #[test]
            fn sqlite() {
                super::$name(&super::common::Db::sqlite());
            }

            #[test]
            fn mysql() {
                super::$name(&super::common::Db::mysql());
            }
        }
    };
}

/// Every row of every table, by key.
pub type Dump = BTreeMap<&'static str, Vec<Vec<Value>>>;

pub fn dump(sink: &mut dyn Sink) -> Dump {
    let mut out = Dump::new();
    let scope = sink.scope();
    for table in DATA_TABLES.into_iter().chain([&DEAD_LETTERS]).filter(|table| scope.has(table)) {
        out.insert(table.name, rows(sink, table.name, table.columns));
    }
    out
}

pub fn rows(sink: &mut dyn Sink, table: &str, columns: &[Column]) -> Vec<Vec<Value>> {
    let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
    let mut rows = Vec::new();
    let sql = format!("SELECT {} FROM {table}", names.join(", "));
    sink.select(&sql, &[], columns, &mut |row| rows.push(row.to_vec())).expect("the table can be read");
    rows.sort();
    rows
}

pub fn assert_same(found: &Dump, expected: &Dump, what: &str) {
    for (table, rows) in expected {
        let there = &found[table];
        if let Some(row) = rows.iter().find(|r| !there.contains(r)) {
            panic!(
                "{what}: {table}: missing {row:?}\nthere are {} rows, expected {}; similar: {:?}",
                there.len(),
                rows.len(),
                there.iter().find(|r| r[0] == row[0])
            );
        }
        if let Some(row) = there.iter().find(|r| !rows.contains(r)) {
            panic!("{what}: {table}: extra {row:?}");
        }
        assert_eq!(there.len(), rows.len(), "{what}: {table}: rows twice");
    }
}

pub fn options() -> Options {
    Options {
        backoff_min: std::time::Duration::from_millis(5),
        backoff_max: std::time::Duration::from_millis(100),
        ..Options::default()
    }
}

/// Folds frames that the database lacks, a batch after every `batch` frames; no retries.
pub fn project(
    sink: &mut dyn Sink,
    frames: &[ringbook_projector::OwnedFrame],
    batch: usize,
    options: &Options,
) -> Result<Position, String> {
    let mut fold = open_fold(sink, options).map_err(|e| e.to_string())?;
    let mut writer = Writer::new("", options.dead_letter_file.clone());
    let from = fold.base().sequence as usize;
    for chunk in frames[from..].chunks(batch) {
        for frame in chunk {
            fold.push(&frame.frame()).expect("the frames are good");
        }
        writer.flush(&mut fold, sink).map_err(|e| e.to_string())?;
    }
    Ok(*fold.base())
}

/// What the tables hold after these frames, by way of one batch into a fresh SQLite file.
pub fn expected(frames: &[ringbook_projector::OwnedFrame]) -> Dump {
    let db = Db::sqlite();
    let mut sink = db.sink();
    project(sink.as_mut(), frames, usize::MAX, &options()).expect("nothing is in the way");
    dump(sink.as_mut())
}

/// A connection that breaks at one chosen exchange with the database, before or after the database has done it.
pub struct Faulty {
    pub inner: Box<dyn Sink>,
    pub calls: u64,
    pub break_at: u64,
    pub after: bool,
    broken: bool,
}

impl Faulty {
    pub fn new(inner: Box<dyn Sink>, break_at: u64, after: bool) -> Self {
        Self { inner, calls: 0, break_at, after, broken: false }
    }

    fn gate<T>(&mut self, mut work: impl FnMut(&mut dyn Sink) -> Result<T, SinkError>) -> Result<T, SinkError> {
        if self.broken {
            return Err(SinkError::Away("the connection is broken".into()));
        }
        self.calls += 1;
        if self.calls != self.break_at {
            return work(self.inner.as_mut());
        }
        if self.after {
            work(self.inner.as_mut())?;
        }
        self.broken = true;
        match self.inner.dialect() {
            Dialect::Sqlite => self.inner.rollback(),
            // The server really cuts this connection.
            Dialect::MySql => drop(self.inner.define("KILL CONNECTION_ID()")),
        }
        Err(SinkError::Away("the test broke the connection".into()))
    }
}

impl Sink for Faulty {
    fn label(&self) -> &str {
        self.inner.label()
    }
    fn scope(&self) -> Scope {
        self.inner.scope()
    }
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }
    fn connect(&mut self) -> Result<(), SinkError> {
        self.broken = false;
        self.inner.connect()
    }
    fn begin(&mut self, read_only: bool) -> Result<(), SinkError> {
        self.gate(|s| s.begin(read_only))
    }
    fn commit(&mut self) -> Result<(), SinkError> {
        self.gate(|s| s.commit())
    }
    fn rollback(&mut self) {
        self.inner.rollback();
    }
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, SinkError> {
        self.gate(|s| s.execute(sql, params))
    }
    fn define(&mut self, sql: &str) -> Result<(), SinkError> {
        self.gate(|s| s.define(sql))
    }
    fn select(
        &mut self,
        sql: &str,
        params: &[Value],
        columns: &[Column],
        each: &mut dyn FnMut(&[Value]),
    ) -> Result<(), SinkError> {
        self.gate(|s| s.select(sql, params, columns, &mut *each))
    }
    fn prepare_day(
        &mut self,
        table: &ringbook_projector::schema::Table,
        suffix: &str,
        day: i64,
    ) -> Result<(), SinkError> {
        self.inner.prepare_day(table, suffix, day)
    }
}

/// A fold at the database's position.
pub fn fold(sink: &mut dyn Sink) -> Projector {
    open_fold(sink, &options()).expect("the tables are fine")
}

pub fn number(sink: &mut dyn Sink, sql: &str) -> i64 {
    let column = ringbook_projector::schema::ORDERS.columns[0];
    let mut found = None;
    sink.select(sql, &[], &[column], &mut |row| found = row[0].as_i64().or_else(|| row[0].as_str()?.parse().ok()))
        .expect(sql);
    found.expect(sql)
}

pub fn text(sink: &mut dyn Sink, sql: &str) -> String {
    let column = ringbook_projector::schema::ORDERS.columns[3];
    let mut found = None;
    sink.select(sql, &[], &[column], &mut |row| found = row[0].as_str().map(str::to_owned)).expect(sql);
    found.expect(sql)
}
