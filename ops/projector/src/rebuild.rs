//! Rebuilding: the tables anew from the journal beside the live ones, then swapped.
//!
//! Invariants:
//! 1. Readers see the old tables, whole, until they see the new ones, whole: one `RENAME TABLE` on MySQL, one
//!    transaction on SQLite.
//! 2. The new progress row carries a higher generation; a projector that runs meanwhile notices and goes on from it.
//! 3. A rebuild that is cut off leaves tables named `…_new` or `…_old` behind, which the next one removes.

use crate::flush::{FlushError, Writer};
use crate::fold::{FoldError, Projector};
use crate::frame::{FrameSource, Position, SourceError};
use crate::progress::Progress;
use crate::run::Options;
use crate::schema::{Dialect, SWAPPED_TABLES, Table, create_projection};
use crate::sink::{SetupError, Sink, SinkError, insert_position, make_views, set_up};
use crate::value::Value;
use std::time::Duration;

/// Rows to begin with when the journal's beginning is no longer kept: the state of a snapshot.
#[derive(Debug, Default)]
pub struct Seed {
    /// The state is the one after exactly this frame.
    pub position: Position,
    /// Rows by table, in the order of the table's columns.
    pub rows: Vec<(&'static Table, Vec<Value>)>,
}

/// Why a rebuild failed. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The database or its tables.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The database.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A batch.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// A frame.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The journal.
    #[error("cannot read the journal: {0}; the tables are as they were")]
    Source(#[from] SourceError),
}

/// What a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Where the new tables stand.
    pub position: Position,
    /// First frame that they show row by row; what is older is there as state only.
    pub first_sequence: u64,
    /// Rows written.
    pub rows: u64,
    /// Rows refused.
    pub dead_letters: u64,
}

const NEW: &str = "_new";
const OLD: &str = "_old";

/// Builds all tables anew from `source` up to its present end, then swaps them in.
///
/// # Errors
/// The live tables are as they were.
pub fn rebuild(
    source: &mut dyn FrameSource,
    sink: &mut dyn Sink,
    options: &Options,
    seed: Option<&Seed>,
    progress: &Progress,
) -> Result<Rebuilt, RebuildError> {
    let live = set_up(sink, &options.owner)?;
    remove(sink, NEW)?;
    remove(sink, OLD)?;
    let start = seed.map_or_else(Position::default, |s| s.position);
    let start = Position { shard: options.owner.shard, generation: live.generation + 1, ..start };
    let dialect = sink.dialect();
    let tag = format!("_g{}", start.generation);
    let scope = sink.scope();
    for table in SWAPPED_TABLES.into_iter().filter(|table| scope.has(table)) {
        table.create(dialect, NEW, &tag).iter().try_for_each(|sql| sink.define(sql))?;
    }
    sink.define(&create_projection(dialect, NEW))?;
    insert_position(sink, NEW, &start, &options.owner)?;

    let mut fold = Projector::new(start, options.order_cache).of(scope);
    if let Some(seed) = seed {
        sink.begin(false)?;
        for (table, row) in seed.rows.iter().filter(|(table, _)| scope.has(table)) {
            sink.execute(&crate::flush::upsert(dialect, table, NEW, 1), row)?;
            if table.name != "orders" {
                fold.know(table, row);
            }
        }
        sink.commit()?;
    }
    let mut writer = Writer::new(NEW, options.dead_letter_file.clone());
    let mut done = Rebuilt { position: start, first_sequence: start.sequence + 1, rows: 0, dead_letters: 0 };
    source.seek(start.sequence + 1)?;
    loop {
        let more = match source.next(Duration::ZERO)? {
            Some(frame) => {
                fold.push(&frame)?;
                true
            }
            None => false,
        };
        if !fold.is_empty() && (!more || fold.rows() >= options.batch_rows_max) {
            let frames = fold.frames();
            let flushed = flush_patiently(&mut writer, &mut fold, sink)?;
            done.rows += flushed.rows;
            done.dead_letters += flushed.dead;
            progress.wrote(frames, flushed.rows, flushed.dead);
            progress.head(source.head().unwrap_or(0));
            progress.at(fold.base());
        }
        if !more {
            break;
        }
    }
    done.position = *fold.base();
    swap(sink)?;
    Ok(done)
}

/// A flush that tries again for a while; a person waits for this one, so it does not wait for ever.
fn flush_patiently(
    writer: &mut Writer,
    fold: &mut Projector,
    sink: &mut dyn Sink,
) -> Result<crate::flush::Flushed, FlushError> {
    let mut attempt = 0u32;
    loop {
        match writer.flush(fold, sink) {
            Err(FlushError::Sink(error)) if attempt < 8 => {
                attempt += 1;
                tracing::warn!("rebuild: attempt {attempt}: {error}");
                std::thread::sleep(Duration::from_millis(50 << attempt));
                // A failed connect shows in the next attempt.
                drop(sink.connect());
            }
            other => return other,
        }
    }
}

fn names(sink: &dyn Sink) -> impl Iterator<Item = &'static str> + use<> {
    let scope = sink.scope();
    SWAPPED_TABLES.into_iter().filter(move |table| scope.has(table)).map(|t| t.name).chain(["projection"])
}

fn remove(sink: &mut dyn Sink, suffix: &str) -> Result<(), SinkError> {
    names(sink).try_for_each(|name| sink.define(&format!("DROP TABLE IF EXISTS {name}{suffix}")))
}

fn swap(sink: &mut dyn Sink) -> Result<(), SinkError> {
    match sink.dialect() {
        Dialect::MySql => {
            let moves: Vec<String> = names(sink).map(|n| format!("{n} TO {n}{OLD}, {n}{NEW} TO {n}")).collect();
            sink.define(&format!("RENAME TABLE {}", moves.join(", ")))?;
            remove(sink, OLD)
        }
        Dialect::Sqlite => {
            let mut attempt = 0;
            while let Err(error) = swap_sqlite(sink) {
                sink.rollback();
                attempt += 1;
                if attempt > 20 || !matches!(error, SinkError::Conflict(_)) {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
    }
}

fn swap_sqlite(sink: &mut dyn Sink) -> Result<(), SinkError> {
    sink.begin(false)?;
    // Views first: renaming a table would otherwise rename it inside of them.
    crate::schema::VIEWS.iter().try_for_each(|view| sink.define(&format!("DROP VIEW IF EXISTS {view}")))?;
    for name in names(sink) {
        sink.define(&format!("DROP TABLE {name}"))?;
        sink.define(&format!("ALTER TABLE {name}{NEW} RENAME TO {name}"))?;
    }
    make_views(sink)?;
    sink.commit()
}
