//! The SQLite sink: the embedded default.
//!
//! WAL with `synchronous=NORMAL`: a power cut may take back the last transactions, whole ones, and their progress goes
//! with their rows; the journal still has the frames and the projector writes them again. Nothing is lost, because
//! nothing here is a source.

use crate::schema::{Column, Dialect, Kind};
use crate::sink::{Sink, SinkError};
use crate::value::Value;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One connection to a SQLite file.
#[derive(Debug)]
pub struct SqliteSink {
    path: PathBuf,
    label: String,
    connection: Option<Connection>,
    busy: Duration,
}

impl SqliteSink {
    /// A sink for the file at `path`, which is created if it is missing; connects on first use.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_path_buf();
        Self {
            label: format!("SQLite file {}", path.display()),
            path,
            connection: None,
            busy: Duration::from_millis(500),
        }
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.busy)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -64_000)?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    }

    fn get(&mut self) -> Result<&mut Connection, SinkError> {
        let label = &self.label;
        self.connection.as_mut().ok_or_else(|| SinkError::Away(format!("{label} is not open")))
    }
}

fn sink_error(label: &str, error: &rusqlite::Error) -> SinkError {
    let text = format!("{label}: {error}");
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => SinkError::Refused(text),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SinkError::Conflict(text),
        Some(ErrorCode::DiskFull) => {
            SinkError::Away(format!("{text}; free disk space, the projector goes on by itself"))
        }
        Some(ErrorCode::CannotOpen) => {
            SinkError::Away(format!("{text}; check that the folder exists and that this user may write to it"))
        }
        Some(ErrorCode::ReadOnly) => SinkError::Away(format!("{text}; check the file's owner and permissions")),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => SinkError::Away(format!(
            "{text}; it is only a projection: move the file away, the projector builds a new one from the journal"
        )),
        _ => SinkError::Away(text),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(v) => ToSqlOutput::Borrowed(ValueRef::Integer(*v)),
            Self::Big(v) => ToSqlOutput::Owned(rusqlite::types::Value::Text(v.to_string())),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn value(column: &Column, raw: ValueRef<'_>) -> Value {
    match raw {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Int(v),
        ValueRef::Real(v) => Value::from(format!("{v:?}")),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            match column.kind {
                Kind::Unsigned => text.parse::<u64>().map_or_else(|_| text.to_string().into(), Value::from),
                _ => text.into_owned().into(),
            }
        }
    }
}

impl Sink for SqliteSink {
    fn label(&self) -> &str {
        &self.label
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn connect(&mut self) -> Result<(), SinkError> {
        self.rollback();
        if self.connection.is_none() {
            self.connection = Some(self.open().map_err(|e| sink_error(&self.label, &e))?);
        }
        Ok(())
    }

    fn begin(&mut self, read_only: bool) -> Result<(), SinkError> {
        self.define(if read_only { "BEGIN" } else { "BEGIN IMMEDIATE" })
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        self.define("COMMIT")
    }

    fn rollback(&mut self) {
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
            && connection.execute_batch("ROLLBACK").is_err()
        {
            self.connection = None;
        }
    }

    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, SinkError> {
        let label = self.label.clone();
        let connection = self.get()?;
        let in_transaction = !connection.is_autocommit();
        let result = connection.prepare_cached(sql).and_then(|mut statement| {
            for (index, param) in params.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, param)?;
            }
            statement.raw_execute()
        });
        result.map(|n| n as u64).map_err(|error| match sink_error(&label, &error) {
            // An error that undid the whole transaction is not about one row.
            SinkError::Refused(text) if in_transaction && connection.is_autocommit() => SinkError::Away(text),
            other => other,
        })
    }

    fn define(&mut self, sql: &str) -> Result<(), SinkError> {
        let label = self.label.clone();
        self.get()?.execute_batch(sql).map_err(|e| sink_error(&label, &e))
    }

    fn select(
        &mut self,
        sql: &str,
        params: &[Value],
        columns: &[Column],
        each: &mut dyn FnMut(&[Value]),
    ) -> Result<(), SinkError> {
        let label = self.label.clone();
        let connection = self.get()?;
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = connection.prepare_cached(sql)?;
            for (index, param) in params.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, param)?;
            }
            let mut rows = statement.raw_query();
            let mut out = Vec::with_capacity(columns.len());
            while let Some(row) = rows.next()? {
                out.clear();
                for (index, column) in columns.iter().enumerate() {
                    out.push(value(column, row.get_ref(index)?));
                }
                each(&out);
            }
            Ok(())
        };
        read().map_err(|e| sink_error(&label, &e))
    }
}
