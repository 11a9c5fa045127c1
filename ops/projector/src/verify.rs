//! Verifying: the journal folded again in memory, and every row of every table held against it.
//!
//! The rows of the database are read in one snapshot, so a projector may run meanwhile. Expected rows are kept packed,
//! about 150 bytes for an order; a difference unpacks its row again.
//!
//! Invariants:
//! 1. Every row is compared in every column; what follows from other columns is computed by the database itself.
//! 2. Sums are formed in `i128` from the rows as read, so they cannot wrap.

mod futures;
mod pack;
mod state;
mod sums;

pub use futures::{FuturesState, PerpetualTerms};
pub use state::StateRows;

use crate::fold::{FoldError, Projector, keep_columns};
use crate::frame::{FrameSource, Position, SourceError};
use crate::rebuild::Seed;
use crate::schema::{DATA_TABLES, Table};
use crate::sink::{Sink, SinkError, exists, read_position};
use crate::value::Value;
use pack::{pack, unpack};
use rustc_hash::FxHashMap;
use state::StateView;
use std::collections::BTreeMap;
use std::time::Duration;
use sums::Sums;

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The journal.
    #[error("cannot read the journal: {0}")]
    Source(#[from] SourceError),
    /// A frame.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// Nothing was projected yet.
    #[error("{0} holds no projection: start the projector, or run `ringbook projection rebuild`")]
    Empty(String),
    /// The database is ahead.
    #[error(
        "{label} is at sequence {database}, the journal ends at {journal}: this database belongs to another journal, or the journal was cut back; run `ringbook projection rebuild`"
    )]
    Ahead {
        /// Which database.
        label: String,
        /// Its sequence.
        database: u64,
        /// The journal's last.
        journal: u64,
    },
}

/// A kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// A row is not in the database.
    Missing,
    /// The row is not in the database because it was refused and waits in `dead_letters`.
    DeadLetter,
    /// A row of the database follows from no frame.
    Extra,
    /// A row has other values.
    Changed,
    /// The balances of an asset do not add up to 0, or a table's sums are off.
    ControlSum,
    /// The database and the engine's state do not agree.
    State,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which table.
    pub table: &'static str,
    /// What kind.
    pub kind: DifferenceKind,
    /// Which row.
    pub key: String,
    /// In words.
    pub text: String,
}

/// A control sum: what was expected and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSum {
    /// Of what: `balances asset 2`, `trades quantity`, …
    pub name: String,
    /// From the journal.
    pub expected: i128,
    /// From the database.
    pub found: i128,
}

/// What verifying found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Where the database stood.
    pub position: Position,
    /// Rows compared.
    pub rows: u64,
    /// All differences, counted.
    pub differences: u64,
    /// The first few of each table and kind.
    pub first: Vec<Difference>,
    /// Control sums.
    pub sums: Vec<ControlSum>,
}

/// Differences of one table and kind that are shown.
const SHOWN: u64 = 5;

/// Verifies the projection in `sink` against `source` (frames 1..=N, or from a seed on; N is where the database stands)
/// and, if given, against the state of a replayed engine at N, which `state` is asked for.
///
/// # Errors
/// Something cannot be read. Differences are no error.
pub fn verify(
    source: &mut dyn FrameSource,
    sink: &mut dyn Sink,
    seed: Option<&Seed>,
    state: impl FnOnce(u64) -> Option<StateRows>,
) -> Result<Verified, VerifyError> {
    sink.connect()?;
    if !exists(sink, "projection")? {
        return Err(VerifyError::Empty(sink.label().into()));
    }
    sink.begin(true)?;
    let result = in_snapshot(source, sink, seed, state);
    sink.rollback();
    result
}

fn in_snapshot(
    source: &mut dyn FrameSource,
    sink: &mut dyn Sink,
    seed: Option<&Seed>,
    state: impl FnOnce(u64) -> Option<StateRows>,
) -> Result<Verified, VerifyError> {
    let Some(position) = read_position(sink, "")? else { return Err(VerifyError::Empty(sink.label().into())) };
    let mut expected = Expected::fold(source, sink, seed, &position)?;
    let mut out = Report { verified: Verified { position, ..Verified::default() }, counts: BTreeMap::new() };
    let mut dead = Vec::new();
    let letter = [crate::schema::DEAD_LETTERS.columns[0], crate::schema::DEAD_LETTERS.columns[1]];
    sink.select("SELECT table_name, row_key FROM dead_letters", &[], &letter, &mut |row| {
        dead.push((row[0].to_string(), row[1].to_string()));
    })?;
    dead.sort_unstable();

    let mut found_sums = Sums::default();
    let mut state_view = StateView::default();
    let scope = sink.scope();
    for table in DATA_TABLES.into_iter().filter(|table| scope.has(table)) {
        let rows = expected.rows.entry(table.name).or_default();
        let sql = format!("SELECT {} FROM {}", table.column_list(), table.name);
        let mut packed = Vec::new();
        sink.select(&sql, &[], table.columns, &mut |row| {
            out.verified.rows += 1;
            found_sums.add(table, row);
            state_view.add(table, row);
            packed.clear();
            pack(&row[..table.key], &mut packed);
            match rows.remove(packed.as_slice()) {
                None => out.add(table.name, DifferenceKind::Extra, table.key_text(row), || {
                    "the row follows from no frame".into()
                }),
                Some(expected) => {
                    packed.clear();
                    pack(&row[table.key..], &mut packed);
                    if *expected != *packed {
                        out.add(table.name, DifferenceKind::Changed, table.key_text(row), || {
                            changes(table, &expected, &row[table.key..])
                        });
                    }
                }
            }
        })?;
        let mut missing: Vec<_> = rows.keys().map(|key| unpack(key)).collect();
        missing.sort_unstable();
        for key in missing {
            let text = table.key_text(&key);
            let refused = dead.binary_search(&(format!("'{}'", table.name), format!("'{text}'"))).is_ok();
            let (kind, why) = if refused {
                (
                    DifferenceKind::DeadLetter,
                    "the database refused the row; see dead_letters, then `ringbook projection requeue`",
                )
            } else {
                (DifferenceKind::Missing, "the row is not in the database")
            };
            out.add(table.name, kind, text, || why.into());
        }
    }
    for sum in found_sums.against(&expected.sums, scope) {
        if sum.found != sum.expected {
            out.add("control sums", DifferenceKind::ControlSum, sum.name.clone(), || {
                format!("expected {}, found {}", sum.expected, sum.found)
            });
        }
        out.verified.sums.push(sum);
    }
    if let Some(state) = state(position.sequence) {
        state_view.compare(&state, scope, &mut out);
    }
    Ok(out.verified)
}

struct Report {
    verified: Verified,
    counts: BTreeMap<(&'static str, DifferenceKind), u64>,
}

impl Report {
    fn add(&mut self, table: &'static str, kind: DifferenceKind, key: String, text: impl FnOnce() -> String) {
        self.verified.differences += 1;
        let count = self.counts.entry((table, kind)).or_default();
        *count += 1;
        if *count <= SHOWN {
            self.verified.first.push(Difference { table, kind, key, text: text() });
        }
    }
}

fn changes(table: &Table, expected: &[u8], found: &[Value]) -> String {
    let columns = &table.columns[table.key..];
    let parts = columns.iter().zip(unpack(expected)).zip(found).filter(|((_, e), f)| e != *f);
    parts.map(|((c, e), f)| format!("{}: expected {e}, found {f}", c.name)).collect::<Vec<_>>().join("; ")
}

/// Rows of one table: packed key to the rest of the row, packed.
type Packed = FxHashMap<Box<[u8]>, Box<[u8]>>;

/// What the tables must hold.
#[derive(Default)]
struct Expected {
    rows: FxHashMap<&'static str, Packed>,
    sums: Sums,
}

impl Expected {
    fn fold(
        source: &mut dyn FrameSource,
        sink: &dyn Sink,
        seed: Option<&Seed>,
        position: &Position,
    ) -> Result<Self, VerifyError> {
        let mut out = Self::default();
        let start = seed.map_or_else(Position::default, |s| s.position);
        let mut fold = Projector::new(start, usize::MAX).of(sink.scope());
        let shown = |(table, _): &&(&'static Table, Vec<Value>)| sink.scope().has(table);
        for (table, row) in seed.iter().flat_map(|s| &s.rows).filter(shown) {
            fold.know(table, row);
            out.put(table, row);
        }
        source.seek(start.sequence + 1)?;
        while fold.position().sequence < position.sequence {
            match source.next(Duration::ZERO)? {
                Some(frame) => fold.push(&frame)?,
                None => {
                    let (database, journal) = (position.sequence, fold.position().sequence);
                    return Err(VerifyError::Ahead { label: sink.label().into(), database, journal });
                }
            }
            if fold.rows() >= 10_000 || fold.position().sequence == position.sequence {
                for set in fold.row_sets() {
                    set.values.chunks_exact(set.table.columns.len()).for_each(|row| out.put(set.table, row));
                }
                fold.committed();
            }
        }
        // In the order of the tables: positions need the assets of their symbols.
        for table in DATA_TABLES {
            for (key, rest) in out.rows.get(table.name).into_iter().flatten() {
                let mut row = unpack(key);
                row.extend(unpack(rest));
                out.sums.add(table, &row);
            }
        }
        Ok(out)
    }

    fn put(&mut self, table: &'static Table, row: &[Value]) {
        let rows = self.rows.entry(table.name).or_default();
        let (mut key, mut rest) = (Vec::new(), Vec::new());
        pack(&row[..table.key], &mut key);
        let keeps = !table.append && table.columns.iter().any(|c| c.keep);
        if keeps && let Some(before) = rows.get(key.as_slice()) {
            let mut old = row[..table.key].to_vec();
            old.extend(unpack(before));
            let mut new = row.to_vec();
            keep_columns(table, &old, &mut new);
            pack(&new[table.key..], &mut rest);
        } else {
            pack(&row[table.key..], &mut rest);
        }
        rows.insert(key.into(), rest.into());
    }
}
