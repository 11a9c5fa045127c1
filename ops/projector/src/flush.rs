//! Writes a batch: rows and progress in one transaction, so that no row is missing and none is applied twice.
//!
//! ```text
//! BEGIN ─► UPDATE projection … WHERE term, sequence = base (exactly one row, else somebody else writes here)
//!       ─► rows of unknown orders are read ─► multi-row upserts in fixed chunk sizes
//!       ─► a refused chunk is halved until single rows are left; those become dead letters ─► COMMIT
//! ```
//!
//! Invariants:
//! 1. The progress row is changed first: a second writer waits there, finds it moved, and has written nothing.
//! 2. Nothing in the fold changes before the commit is known to have happened; a failed flush can be repeated.
//! 3. A dead letter is in the file before the transaction commits and in the table with it.

use crate::fold::Projector;
use crate::frame::Position;
use crate::order_row::OrderRow;
use crate::schema::{Column, DEAD_LETTERS, Dialect, Kind, ORDERS, Table};
use crate::sink::{Sink, SinkError, read_position};
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::io::Write as _;
use std::path::PathBuf;

/// Rows per statement: few sizes, so that each statement is prepared once and used for ever.
pub const CHUNKS: [usize; 4] = [512, 64, 8, 1];
const LOOKUP: usize = 64;

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The database; the batch can be tried again.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The progress row is not where this projector left it.
    #[error("{label} was moved by another writer: this projector left it at {expected}, it is now at {}. Two projectors write to one database; this one stops and has written nothing. Stop one of them for good; if none of them is yours, run `ringbook projection rebuild`", found.map_or("nowhere (no progress row)".to_owned(), |p| p.to_string()))]
    Lost {
        /// Which database.
        label: String,
        /// Where it was left.
        expected: Position,
        /// Where it is.
        found: Option<Position>,
    },
    /// The dead-letter file.
    #[error(
        "cannot write the dead-letter file {path}: {error}; free space or fix its permissions, the projector goes on by itself"
    )]
    DeadFile {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Rows written.
    pub rows: u64,
    /// Rows refused.
    pub dead: u64,
}

/// A row that the database refused.
#[derive(Clone, Debug)]
struct Dead {
    table: &'static Table,
    key: String,
    sequence: i64,
    reason: String,
    row: serde_json::Value,
}

/// Writes batches; keeps the texts of its statements.
#[derive(Debug, Default)]
pub struct Writer {
    suffix: &'static str,
    dead_file: Option<PathBuf>,
    statements: FxHashMap<(&'static str, usize), String>,
    commit_unknown: bool,
}

impl Writer {
    /// A writer to the tables with this suffix (empty: the live ones).
    pub fn new(suffix: &'static str, dead_file: Option<PathBuf>) -> Self {
        Self { suffix, dead_file, ..Self::default() }
    }

    /// Writes the batch of `fold` and tells it so. The sink must be connected.
    ///
    /// # Errors
    /// Nothing was written, or (after an error in the commit) it is not known; call again after
    /// [`Sink::connect`], which finds out.
    pub fn flush(&mut self, fold: &mut Projector, sink: &mut dyn Sink) -> Result<Flushed, FlushError> {
        for set in fold.row_sets().iter().filter(|set| set.table.partitioned) {
            let mut days: Vec<i64> =
                set.values.chunks_exact(set.table.columns.len()).filter_map(|row| row[1].as_i64()).collect();
            days.sort_unstable();
            days.dedup();
            days.into_iter().try_for_each(|day| sink.prepare_day(set.table, self.suffix, day))?;
        }
        match self.transaction(fold, sink) {
            Ok(flushed) => {
                self.commit_unknown = false;
                fold.committed();
                Ok(flushed)
            }
            Err(FlushError::Lost { found: Some(found), .. }) if self.commit_unknown && found == *fold.position() => {
                // The commit whose answer was lost did happen.
                self.commit_unknown = false;
                let rows = fold.rows() as u64;
                fold.committed();
                Ok(Flushed { rows, dead: 0 })
            }
            Err(error) => {
                sink.rollback();
                Err(error)
            }
        }
    }

    fn transaction(&mut self, fold: &mut Projector, sink: &mut dyn Sink) -> Result<Flushed, FlushError> {
        sink.begin(false)?;
        let (from, to) = (*fold.base(), *fold.position());
        let sql = format!(
            "UPDATE projection{} SET term = ?, sequence = ?, time_ns = ? WHERE shard = ? AND term = ? AND sequence = ? AND generation = ?",
            self.suffix
        );
        let params = [
            to.term.into(),
            to.sequence.into(),
            to.time_ns.into(),
            from.shard.into(),
            from.term.into(),
            from.sequence.into(),
            from.generation.into(),
        ];
        if sink.execute(&sql, &params)? != 1 {
            sink.rollback();
            let found = read_position(sink, self.suffix)?;
            return Err(FlushError::Lost { label: sink.label().into(), expected: from, found });
        }
        self.read_unknown_orders(fold, sink)?;
        let mut dead: Vec<Dead> = fold
            .lost_orders()
            .into_iter()
            .map(|(id, sequence)| Dead {
                table: &ORDERS,
                key: id.to_string(),
                sequence,
                reason: "the order's row is missing, so its change cannot be shown: run `ringbook projection rebuild`"
                    .into(),
                row: serde_json::json!({ "order_id": id }),
            })
            .collect();
        let mut rows = 0;
        for set in fold.row_sets() {
            self.write(sink, set.table, &set.values, &mut dead)?;
            rows += set.len() as u64;
        }
        let refused = dead.len() as u64;
        self.bury(sink, &dead)?;
        self.commit_unknown = true;
        sink.commit()?;
        Ok(Flushed { rows: rows.saturating_sub(refused), dead: refused })
    }

    /// Rows of orders that the fold does not know: the newer of the table's row and the dead letter's.
    fn read_unknown_orders(&mut self, fold: &mut Projector, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let unknown = fold.unknown_orders();
        let marks = vec!["?"; LOOKUP].join(", ");
        for ids in unknown.chunks(LOOKUP) {
            // The last id again fills the fixed number of places.
            let padded = || (0..LOOKUP).map(|i| ids.get(i).or(ids.last()).copied().unwrap_or(0));
            let params: Vec<Value> = padded().map(Value::Int).collect();
            let mut found: FxHashMap<i64, OrderRow> = FxHashMap::default();
            let mut take = |row: &[Value]| {
                if let Some(order) = OrderRow::read(row) {
                    let newer = found.get(&order.order).is_none_or(|o| o.updated.sequence < order.updated.sequence);
                    if newer {
                        found.insert(order.order, order);
                    }
                }
            };
            let sql = format!("SELECT {} FROM orders{} WHERE order_id IN ({marks})", ORDERS.column_list(), self.suffix);
            sink.select(&sql, &params, ORDERS.columns, &mut take)?;
            let params: Vec<Value> = padded().map(|id| Value::from(id.to_string())).collect();
            let sql = format!(
                "SELECT row_json FROM dead_letters{} WHERE table_name = 'orders' AND row_key IN ({marks})",
                self.suffix
            );
            sink.select(&sql, &params, &[JSON], &mut |row| {
                if let Some(row) = row[0].as_str().and_then(|json| row_from_json(&ORDERS, json)) {
                    take(&row);
                }
            })?;
            found.into_values().for_each(|order| fold.found_order(order));
        }
        Ok(())
    }

    /// Writes rows in chunks of fixed sizes; halves a refused chunk.
    fn write(
        &mut self,
        sink: &mut dyn Sink,
        table: &'static Table,
        values: &[Value],
        dead: &mut Vec<Dead>,
    ) -> Result<(), SinkError> {
        let width = table.columns.len();
        let mut rest = values;
        while !rest.is_empty() {
            let left = rest.len() / width;
            let chunk = CHUNKS.into_iter().find(|&size| size <= left).unwrap_or(1);
            let (part, tail) = rest.split_at(chunk * width);
            rest = tail;
            let (suffix, dialect) = (self.suffix, sink.dialect());
            let sql =
                self.statements.entry((table.name, chunk)).or_insert_with(|| upsert(dialect, table, suffix, chunk));
            match sink.execute(sql, part) {
                Ok(_) => {}
                Err(SinkError::Refused(reason)) if chunk == 1 => dead.push(Dead::new(table, part, reason)),
                Err(SinkError::Refused(_)) => {
                    let (left, right) = part.split_at(chunk / 2 * width);
                    self.write(sink, table, left, dead)?;
                    self.write(sink, table, right, dead)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Dead letters: file first, then table.
    fn bury(&mut self, sink: &mut dyn Sink, dead: &[Dead]) -> Result<(), FlushError> {
        if dead.is_empty() {
            return Ok(());
        }
        if let Some(path) = &self.dead_file {
            append_lines(path, dead).map_err(|error| FlushError::DeadFile { path: path.clone(), error })?;
        }
        for letter in dead {
            tracing::warn!(
                table = letter.table.name,
                key = letter.key,
                sequence = letter.sequence,
                "dead letter: {}",
                letter.reason
            );
            let sql = upsert(sink.dialect(), &DEAD_LETTERS, self.suffix, 1);
            match sink.execute(&sql, &letter.values()) {
                Err(SinkError::Refused(reason)) => {
                    tracing::error!(
                        table = letter.table.name,
                        key = letter.key,
                        "the dead-letter table refuses the row too, it is in the file alone: {reason}"
                    );
                }
                other => drop(other?),
            }
        }
        Ok(())
    }
}

/// `dead_letters.row_json`.
pub(crate) const JSON: Column = Column { name: "row_json", kind: Kind::Long, null: false, keep: false };

impl Dead {
    fn new(table: &'static Table, row: &[Value], reason: String) -> Self {
        let sequence = table.column("sequence").and_then(|i| row[i].as_i64()).unwrap_or(0);
        Self { table, key: table.key_text(row), sequence, reason, row: row_to_json(table, row) }
    }

    fn values(&self) -> [Value; 6] {
        [
            Value::name(self.table.name),
            self.key.clone().into(),
            self.sequence.into(),
            self.reason.clone().into(),
            self.row.to_string().into(),
            1i64.into(),
        ]
    }
}

fn append_lines(path: &std::path::Path, dead: &[Dead]) -> std::io::Result<()> {
    let mut text = String::new();
    for letter in dead {
        let line = serde_json::json!({
            "sequence": letter.sequence, "table": letter.table.name, "key": letter.key, "reason": letter.reason, "row": letter.row,
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// A row as a JSON object by column name.
pub(crate) fn row_to_json(table: &Table, row: &[Value]) -> serde_json::Value {
    table.columns.iter().zip(row).map(|(c, v)| (c.name.to_owned(), v.json())).collect::<serde_json::Map<_, _>>().into()
}

/// The reverse; `None` if a column is missing or odd. A letter of an older version lacks columns that came later: they are
/// as its rows had them.
pub(crate) fn row_from_json(table: &Table, json: &str) -> Option<Vec<Value>> {
    let json: serde_json::Value = serde_json::from_str(json).ok()?;
    let later = |c: &Column| match c.kind {
        _ if c.null => Some(Value::Null),
        Kind::Flag => Some(Value::Int(0)),
        _ => None,
    };
    table.columns.iter().map(|c| json.get(c.name).map_or_else(|| later(c), Value::from_json)).collect()
}

/// `INSERT` of `rows` rows; for tables that are not append-only the newest values win, but for columns that stay.
pub(crate) fn upsert(dialect: Dialect, table: &Table, suffix: &str, rows: usize) -> String {
    let one = format!("({})", vec!["?"; table.columns.len()].join(", "));
    let mut sql = format!(
        "INSERT INTO {}{suffix} ({}) VALUES {}",
        table.name,
        table.column_list(),
        vec![one.as_str(); rows].join(", ")
    );
    if !table.append {
        let changed = table.columns[table.key..].iter().filter(|c| !c.keep);
        let (head, set): (String, Vec<String>) = match dialect {
            Dialect::Sqlite => {
                let keys: Vec<&str> = table.columns[..table.key].iter().map(|c| c.name).collect();
                (
                    format!(" ON CONFLICT ({}) DO UPDATE SET ", keys.join(", ")),
                    changed.map(|c| format!("{0} = excluded.{0}", c.name)).collect(),
                )
            }
            Dialect::MySql => {
                (" ON DUPLICATE KEY UPDATE ".into(), changed.map(|c| format!("{0} = VALUES({0})", c.name)).collect())
            }
        };
        sql.push_str(&head);
        sql.push_str(&set.join(", "));
    }
    sql
}
