//! Looking after a projection: how it stands, and dead letters tried again.

use crate::flush::{row_from_json, upsert};
use crate::frame::{Owner, Position};
use crate::schema::{Column, Kind, Table};
use crate::sink::{SetupError, Sink, SinkError, exists, read_position, select_number};
use crate::value::Value;

/// How a projection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which database, without a password.
    pub label: String,
    /// How far it is; `None` if it was never set up.
    pub position: Option<Position>,
    /// Rows in `dead_letters`.
    pub dead_letters: u64,
    /// Rows by table.
    pub rows: Vec<(&'static str, u64)>,
}

/// How the projection in `sink` stands. Changes nothing.
///
/// # Errors
/// The database does not answer.
pub fn status(sink: &mut dyn Sink) -> Result<Status, SinkError> {
    sink.connect()?;
    let label = sink.label().to_owned();
    if !exists(sink, "projection")? {
        return Ok(Status { label, position: None, dead_letters: 0, rows: Vec::new() });
    }
    let position = read_position(sink, "")?;
    let scope = sink.scope();
    let mut count = |name: &str| -> Result<u64, SinkError> {
        let found = select_number(sink, &format!("SELECT count(*) FROM {name}"), &[])?;
        Ok(found.unwrap_or(0).max(0).unsigned_abs())
    };
    let dead_letters = count("dead_letters")?;
    let rows = crate::schema::DATA_TABLES
        .iter()
        .filter(|t| scope.has(t))
        .map(|t| Ok((t.name, count(t.name)?)))
        .collect::<Result<_, SinkError>>()?;
    Ok(Status { label, position, dead_letters, rows })
}

/// What [`requeue`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requeued {
    /// Rows that are in their table now.
    pub written: u64,
    /// Letters whose row was written in a newer state meanwhile; dropped.
    pub superseded: u64,
    /// Letters that were refused again; kept.
    pub refused: u64,
}

const LETTER: [Column; 4] = [
    Column { name: "table_name", kind: Kind::Text(16), null: false, keep: false },
    Column { name: "row_key", kind: Kind::Text(64), null: false, keep: false },
    Column { name: "sequence", kind: Kind::Int, null: false, keep: false },
    Column { name: "row_json", kind: Kind::Long, null: false, keep: false },
];

/// Tries every dead letter again, one transaction each, safely beside a running projector: both wait for the
/// progress row. A letter never overwrites a row that is newer than itself.
///
/// # Errors
/// The database does not answer, or the tables are not this build's.
pub fn requeue(sink: &mut dyn Sink, owner: &Owner) -> Result<Requeued, SetupError> {
    crate::sink::set_up(sink, owner)?;
    let mut letters = Vec::new();
    let sql = "SELECT table_name, row_key, sequence, row_json FROM dead_letters ORDER BY sequence";
    sink.select(sql, &[], &LETTER, &mut |row| letters.push(row.to_vec()))?;
    let mut done = Requeued::default();
    for letter in letters {
        let mut attempts = 0;
        loop {
            match one(sink, &letter) {
                Ok(outcome) => {
                    match outcome {
                        Outcome::Written => done.written += 1,
                        Outcome::Superseded => done.superseded += 1,
                        Outcome::Refused => done.refused += 1,
                    }
                    break;
                }
                Err(SinkError::Conflict(_)) if attempts < 50 => {
                    attempts += 1;
                    sink.rollback();
                    std::thread::sleep(std::time::Duration::from_millis(10 * attempts));
                }
                Err(error) => {
                    sink.rollback();
                    return Err(error.into());
                }
            }
        }
    }
    Ok(done)
}

enum Outcome {
    Written,
    Superseded,
    Refused,
}

fn one(sink: &mut dyn Sink, letter: &[Value]) -> Result<Outcome, SinkError> {
    let [table_name, key, sequence, json] = letter else { return Ok(Outcome::Refused) };
    let id = [table_name.clone(), key.clone(), sequence.clone()];
    sink.begin(false)?;
    // Takes the progress row's lock, so that no projector writes between the look and the write.
    sink.execute("UPDATE projection SET shard = shard", &[])?;
    let table = table_name.as_str().and_then(Table::named);
    let row = table.and_then(|t| row_from_json(t, json.as_str().unwrap_or("")));
    let refusal = match (table, row) {
        (Some(table), Some(row)) if !table.append && is_newer(sink, table, &row, sequence)? => {
            sink.execute("DELETE FROM dead_letters WHERE table_name = ? AND row_key = ? AND sequence = ?", &id)?;
            sink.commit()?;
            return Ok(Outcome::Superseded);
        }
        (Some(table), Some(row)) => match sink.execute(&upsert(sink.dialect(), table, "", 1), &row) {
            Ok(_) => {
                sink.execute("DELETE FROM dead_letters WHERE table_name = ? AND row_key = ? AND sequence = ?", &id)?;
                sink.commit()?;
                return Ok(Outcome::Written);
            }
            Err(SinkError::Refused(reason)) => reason,
            Err(error) => return Err(error),
        },
        _ => "the letter holds no whole row: run `ringbook projection rebuild`".into(),
    };
    let [table_name, key, sequence] = id;
    sink.execute(
        "UPDATE dead_letters SET attempts = attempts + 1, reason = ? WHERE table_name = ? AND row_key = ? AND sequence = ?",
        &[refusal.into(), table_name, key, sequence],
    )?;
    sink.commit()?;
    Ok(Outcome::Refused)
}

/// Whether the table holds this row in the same or a newer state.
fn is_newer(sink: &mut dyn Sink, table: &Table, row: &[Value], sequence: &Value) -> Result<bool, SinkError> {
    let keys: Vec<String> = table.columns[..table.key].iter().map(|c| format!("{} = ?", c.name)).collect();
    let sql = format!("SELECT sequence FROM {} WHERE {}", table.name, keys.join(" AND "));
    let found = select_number(sink, &sql, &row[..table.key])?;
    Ok(found.zip(sequence.as_i64()).is_some_and(|(found, letter)| found >= letter))
}
