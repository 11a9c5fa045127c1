//! The projector at work: frames from a source, batches into a sink, for ever.
//!
//! Invariants:
//! 1. Whatever the database does, nothing waits but this thread; at most one batch is in memory.
//! 2. It ends by the stop flag, or with an error that trying again would not mend.

use crate::breaker::{Breaker, BreakerState};
use crate::flush::{FlushError, JSON, Writer, row_from_json};
use crate::fold::{FoldError, Projector};
use crate::frame::{FrameSource, Owner, Position, SourceError};
use crate::progress::Progress;
use crate::schema::{ASSETS, FEE_SCHEDULES, LIQUIDATIONS, MARGIN_WALLETS, PERPETUALS, SYMBOLS};
use crate::sink::{SetupError, Sink, SinkError, set_up};
use crate::value::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Settings of a projector.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose journal it is.
    pub owner: Owner,
    /// Rows of a batch while it keeps up.
    pub batch_rows_min: usize,
    /// Rows of a batch when it is far behind.
    pub batch_rows_max: usize,
    /// Longest time that a frame waits for its batch to fill.
    pub linger: Duration,
    /// Time without a frame after which a batch is written early.
    pub quiet: Duration,
    /// Open orders kept in memory.
    pub order_cache: usize,
    /// Where refused rows are also written, one JSON object a line.
    pub dead_letter_file: Option<PathBuf>,
    /// Failures in a row that open the breaker.
    pub breaker_threshold: u32,
    /// First wait after a failure; doubles.
    pub backoff_min: Duration,
    /// Longest wait between attempts.
    pub backoff_max: Duration,
    /// Failures in a row after which it gives up; `None`: never.
    pub give_up_after: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            owner: Owner::default(),
            batch_rows_min: 500,
            batch_rows_max: 20_000,
            linger: Duration::from_millis(100),
            quiet: Duration::from_millis(5),
            order_cache: 1_000_000,
            dead_letter_file: None,
            breaker_threshold: 3,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            give_up_after: None,
        }
    }
}

/// Why a projector ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The tables are not for this build or shard.
    #[error(transparent)]
    Setup(SetupError),
    /// A frame does not fit.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The journal cannot be read.
    #[error("the projector cannot read the journal: {0}")]
    Source(#[from] SourceError),
    /// Another writer.
    #[error(transparent)]
    Flush(FlushError),
    /// The database stayed away, and the options say not to wait for ever.
    #[error("gave up after {attempts} attempts: {error}")]
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// The last error.
        error: SinkError,
    },
    /// The rows show frames that the journal does not have.
    #[error(
        "the rows stand at sequence {sequence} of term {term}, which this journal does not have: they show a history that was lost or another journal; run `ringbook projection rebuild`"
    )]
    OtherHistory {
        /// Where the rows stand.
        sequence: u64,
        /// Term of that frame.
        term: u32,
    },
}

/// A thread that runs a projector.
///
/// # Errors
/// The system gives no thread.
pub fn spawn<S: FrameSource + Send + 'static>(
    mut source: S,
    mut sink: Box<dyn Sink>,
    options: Options,
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
) -> std::io::Result<std::thread::JoinHandle<Result<(), RunError>>> {
    std::thread::Builder::new()
        .name("projector".into())
        .spawn(move || run(&mut source, sink.as_mut(), &options, &stop, &progress))
}

/// How long a journal that seems to end before the rows may take to show more: its writer may just be starting.
const LATE: Duration = Duration::from_secs(10);

/// The frame that the rows stand at must be in the journal, of the same term (docs/FORMATS.md §3).
fn check_history(source: &mut dyn FrameSource, base: &Position, stop: &AtomicBool) -> Result<(), RunError> {
    let began = Instant::now();
    while base.sequence > 0 && !stop.load(Relaxed) {
        match source.term_at(base.sequence) {
            Ok(Some(term)) if term == base.term => return Ok(()),
            Ok(None) if began.elapsed() < LATE => std::thread::sleep(Duration::from_millis(50)),
            Ok(_) => return Err(RunError::OtherHistory { sequence: base.sequence, term: base.term }),
            // Archived, or unreadable: then seeking behind it says so.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Projects until `stop`; what is folded by then is written if the database answers.
///
/// # Errors
/// See [`RunError`]; a database that is away is none.
pub fn run(
    source: &mut dyn FrameSource,
    sink: &mut dyn Sink,
    options: &Options,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<(), RunError> {
    let result = project(source, sink, options, stop, progress);
    if let Err(error) = &result {
        progress.ended(error);
    }
    result
}

fn project(
    source: &mut dyn FrameSource,
    sink: &mut dyn Sink,
    options: &Options,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<(), RunError> {
    let mut runner = Runner {
        breaker: Breaker::new(options.breaker_threshold, options.backoff_min, options.backoff_max),
        writer: Writer::new("", options.dead_letter_file.clone()),
        sink,
        options,
        stop,
        progress,
    };
    let Some(mut fold) = runner.start(source)? else { return Ok(()) };
    check_history(source, fold.base(), stop)?;
    source.seek(fold.base().sequence + 1)?;
    let mut limit = options.batch_rows_min.max(1);
    let mut began = Instant::now();
    let mut lag_checked = Instant::now();
    loop {
        let wait = if fold.is_empty() {
            Duration::from_millis(50)
        } else {
            options.quiet.min(options.linger.saturating_sub(began.elapsed()))
        };
        let due = match source.next(wait)? {
            Some(frame) => {
                if fold.is_empty() {
                    began = Instant::now();
                    progress.took(frame.time_ns);
                }
                if let Err(error) = fold.push(&frame) {
                    runner.write(&mut fold, source)?;
                    return Err(error.into());
                }
                fold.rows() >= limit || began.elapsed() >= options.linger
            }
            None => {
                if fold.is_empty() {
                    progress.caught_up();
                }
                !fold.is_empty()
            }
        };
        let stopping = stop.load(Relaxed);
        if lag_checked.elapsed() >= options.quiet {
            lag_checked = Instant::now();
            progress.head(source.head().unwrap_or(fold.position().sequence));
        }
        if (due || stopping) && !fold.is_empty() {
            let full = fold.rows() >= limit;
            match runner.write(&mut fold, source)? {
                Wrote::Done => source.passed(fold.base().sequence),
                Wrote::Stopped => return Ok(()),
                Wrote::Rebuilt => {
                    let Some(fresh) = runner.start(source)? else { return Ok(()) };
                    fold = fresh;
                    source.seek(fold.base().sequence + 1)?;
                }
            }
            limit =
                if full { (limit * 2).min(options.batch_rows_max) } else { (limit / 2).max(options.batch_rows_min) }
                    .max(1);
        }
        if stopping {
            return Ok(());
        }
    }
}

struct Runner<'a> {
    breaker: Breaker,
    writer: Writer,
    sink: &'a mut dyn Sink,
    options: &'a Options,
    stop: &'a AtomicBool,
    progress: &'a Progress,
}

enum Wrote {
    Done,
    Stopped,
    /// The tables were swapped by a rebuild; start again from where they are.
    Rebuilt,
}

impl Runner<'_> {
    /// Connects, sets up and loads what the fold must know; `None` if told to stop first.
    fn start(&mut self, source: &mut dyn FrameSource) -> Result<Option<Projector>, RunError> {
        loop {
            match open_fold(self.sink, self.options) {
                Ok(fold) => {
                    self.recovered();
                    self.progress.at(fold.base());
                    return Ok(Some(fold));
                }
                Err(SetupError::Sink(error)) => {
                    if !self.wait_after(&error, source)? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(RunError::Setup(error)),
            }
        }
    }

    /// Writes the batch, however long the database is away.
    fn write(&mut self, fold: &mut Projector, source: &mut dyn FrameSource) -> Result<Wrote, RunError> {
        if fold.is_empty() {
            return Ok(Wrote::Done);
        }
        let mut connected = true;
        loop {
            let frames = fold.frames();
            let attempt = if connected { Ok(()) } else { self.sink.connect() };
            let result = attempt.map_err(FlushError::from).and_then(|()| self.writer.flush(fold, self.sink));
            match result {
                Ok(flushed) => {
                    self.recovered();
                    self.progress.wrote(frames, flushed.rows, flushed.dead);
                    self.progress.at(fold.base());
                    return Ok(Wrote::Done);
                }
                Err(FlushError::Lost { found: Some(found), expected, .. })
                    if found.generation != expected.generation =>
                {
                    tracing::info!(
                        generation = found.generation,
                        sequence = found.sequence,
                        "the projection was rebuilt; going on from there"
                    );
                    return Ok(Wrote::Rebuilt);
                }
                Err(error @ FlushError::Lost { .. }) => return Err(RunError::Flush(error)),
                Err(error) => {
                    connected = false;
                    let error = match error {
                        FlushError::Sink(error) => error,
                        other => SinkError::Away(other.to_string()),
                    };
                    if !self.wait_after(&error, source)? {
                        return Ok(Wrote::Stopped);
                    }
                }
            }
        }
    }

    fn recovered(&mut self) {
        self.breaker.success();
        self.progress.breaker(BreakerState::Closed, 0, None);
    }

    /// Waits as long as the breaker says; false if told to stop meanwhile.
    fn wait_after(&mut self, error: &SinkError, source: &mut dyn FrameSource) -> Result<bool, RunError> {
        source.hold();
        let now = Instant::now();
        let before = self.breaker.state(now);
        let mut next = self.breaker.failure(now);
        if matches!(error, SinkError::Conflict(_)) {
            // The other transaction is short; a tenth of the wait does.
            next = now + (next - now) / 10;
        }
        let state = self.breaker.state(now);
        let attempts = self.breaker.failures();
        if self.options.give_up_after.is_some_and(|most| attempts >= most) {
            return Err(RunError::GaveUp { attempts, error: error.clone() });
        }
        // The first failure and the opening of the breaker; a row of failures is told once.
        let opens = state == BreakerState::Open && before != BreakerState::Open;
        if opens || (attempts == 1 && matches!(error, SinkError::Away(_))) {
            tracing::warn!("projection away, attempt {} in {} ms: {error}", attempts + 1, (next - now).as_millis());
        }
        self.progress.failed(error);
        self.progress.breaker(state, self.breaker.failures(), Some(next - now));
        while Instant::now() < next {
            if self.stop.load(Relaxed) {
                return Ok(false);
            }
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(Duration::from_millis(10)));
        }
        if state == BreakerState::Open {
            self.progress.breaker(BreakerState::HalfOpen, self.breaker.failures(), None);
        }
        Ok(true)
    }
}

/// Connects, sets up, and a fold that goes on where the database is.
///
/// # Errors
/// The database is away, or its tables are not for this build or shard.
pub fn open_fold(sink: &mut dyn Sink, options: &Options) -> Result<Projector, SetupError> {
    let position: Position = set_up(sink, &options.owner)?;
    let scope = sink.scope();
    let mut fold = Projector::new(position, options.order_cache).of(scope);
    let looked_back_at = [
        (&ASSETS, ""),
        (&SYMBOLS, ""),
        (&FEE_SCHEDULES, ""),
        (&PERPETUALS, ""),
        // INSURANCE's, for the running totals of its account.
        (&MARGIN_WALLETS, " WHERE account = 2"),
        (&LIQUIDATIONS, " ORDER BY begun_sequence DESC, day DESC, item DESC LIMIT 1"),
    ];
    for (table, which) in looked_back_at.into_iter().filter(|(table, _)| scope.has(table)) {
        let mut rows = Vec::new();
        let sql = format!("SELECT {} FROM {}{which}", table.column_list(), table.name);
        sink.select(&sql, &[], table.columns, &mut |row| rows.push(row.to_vec()))?;
        // A row that was refused is known by its letter.
        let sql = "SELECT row_json FROM dead_letters WHERE table_name = ?";
        sink.select(sql, &[Value::name(table.name)], &[JSON], &mut |row| {
            rows.extend(row[0].as_str().and_then(|json| row_from_json(table, json)));
        })?;
        // The newest one of a key comes last.
        let sequence = table.column("sequence").unwrap_or(0);
        rows.sort_by(|a, b| a[sequence].cmp(&b[sequence]));
        rows.iter().for_each(|row| fold.know(table, row));
    }
    Ok(fold)
}
