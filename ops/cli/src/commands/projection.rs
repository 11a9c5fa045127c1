//! `ringbook projection …` and `ringbook project`: the read models, beside a running or stopped exchange.

use super::DataArgs;
use super::outside::Outside;
use crate::config::{Config, projection_url};
use crate::output::{could_not, print, verdict};
use crate::serve;
use clap::Subcommand;
use ringbook_projector::{Options, Progress, Sink};
use ringbook_replay::{Folder, state_at};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Which data folder and which database.
#[derive(Debug, Clone, clap::Args)]
pub struct TargetArgs {
    /// The server's configuration: data folder, shared memory and database as it says; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder [default: ringbook-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder in shared memory [default: /dev/shm]
    #[arg(long, value_name = "DIR")]
    tail_dir: Option<PathBuf>,
    /// `sqlite` (in the data folder), a path, or mysql://user:password@host/database [default: sqlite]. A password belongs
    /// into the configuration or the environment: every user of the machine sees command lines
    #[arg(long, value_name = "URL", env = "RINGBOOK_PROJECTION", hide_env_values = true)]
    projection: Option<String>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// What configuration, environment and flags say together.
struct Target {
    data: DataArgs,
    url: String,
}

impl TargetArgs {
    fn target(&self) -> Result<Target, String> {
        let config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
        let data = DataArgs {
            data: self.data.clone().unwrap_or(config.data),
            tail_dir: self.tail_dir.clone().unwrap_or(config.tail_dir),
            json: self.json,
        };
        let database = self.projection.as_ref().unwrap_or(&config.projection);
        let url = projection_url(database, &data.data)
            .ok_or("projection \"none\": name a database with --projection: sqlite, a path, or mysql://…")?;
        Ok(Target { data, url })
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum ProjectionCommand {
    /// How far the rows are
    #[command(after_help = "Example:\n  ringbook projection status --json")]
    Status(TargetArgs),
    /// Builds all tables anew from the journal, then swaps them in
    #[command(after_help = "Example:\n  ringbook projection rebuild --config /var/lib/ringbook/ringbook.toml")]
    Rebuild(TargetArgs),
    /// Compares every row with the journal and with the replayed state, and the control sums of each asset
    #[command(after_help = "Needs the journal from sequence 1.\n\nExample:\n  ringbook projection verify --json")]
    Verify(TargetArgs),
    /// Tries dead letters again
    #[command(after_help = "Example:\n  ringbook projection requeue")]
    Requeue(TargetArgs),
}

/// Arguments of `ringbook project`.
#[derive(Debug, clap::Args)]
#[command(
    about = "The projector as a process of its own, beside a running or stopped exchange",
    after_help = "Examples:\n  ringbook serve --config ringbook.toml --projection none & ringbook project --config ringbook.toml\n  RINGBOOK_PROJECTION=mysql://user:password@host/ringbook ringbook project"
)]
pub struct ProjectArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// End when everything committed so far is in the rows
    #[arg(long)]
    once: bool,
}

/// Runs `ringbook projection`.
pub fn run(command: ProjectionCommand) -> ExitCode {
    type Run = fn(&Target) -> Result<ExitCode, String>;
    let (args, run): (TargetArgs, Run) = match command {
        ProjectionCommand::Status(args) => (args, status),
        ProjectionCommand::Rebuild(args) => (args, rebuild),
        ProjectionCommand::Verify(args) => (args, verify),
        ProjectionCommand::Requeue(args) => (args, requeue),
    };
    args.target().and_then(|target| run(&target)).unwrap_or_else(could_not)
}

fn open(args: &Target) -> Result<(Folder, Box<dyn Sink>, Options), String> {
    let folder = args.data.folder()?;
    let history = folder.history().map_err(|error| error.to_string())?;
    let sink = ringbook_projector::open(&args.url).map_err(|error| error.to_string())?;
    Ok((folder, sink, serve::projector_options(&args.data.data, &history)))
}

/// Frames that the rows have not passed, and the age of the newest row; 0 without a lag.
fn lag(head: u64, sequence: u64, time_ns: u64) -> (u64, f64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let frames = head.saturating_sub(sequence);
    (frames, if frames == 0 { 0.0 } else { now.saturating_sub(time_ns) as f64 / 1e9 })
}

/// Looking at rows must not make a database: SQLite would create the file of a mistyped name.
fn is_there(args: &Target) -> Result<(), String> {
    let url = &args.url;
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    if url.starts_with("mysql://") || std::path::Path::new(path).exists() {
        return Ok(());
    }
    Err(format!("{path} does not exist: start the projector, run `ringbook projection rebuild`, or check --projection"))
}

fn status(args: &Target) -> Result<ExitCode, String> {
    let (folder, mut sink, options) = open(args)?;
    is_there(args)?;
    sink.connect().map_err(|error| error.to_string())?;
    ringbook_projector::check_owner(sink.as_mut(), &options.owner).map_err(|error| error.to_string())?;
    let status = ringbook_projector::status(sink.as_mut()).map_err(|error| error.to_string())?;
    let head = Outside::new(&folder, false)?.committed().unwrap_or(0);
    let Some(position) = status.position else {
        return Err(format!(
            "{} holds no projection yet: start the projector, or run `ringbook projection rebuild`",
            status.label
        ));
    };
    let (sequence, time_ns) = (position.sequence, position.time_ns);
    let (lag_frames, lag_seconds) = lag(head, sequence, time_ns);
    let rows: serde_json::Map<_, _> =
        status.rows.iter().map(|(name, rows)| ((*name).to_owned(), json!(rows))).collect();
    let value = json!({
        "sequence": sequence,
        "lag_frames": lag_frames,
        "lag_seconds": lag_seconds,
        "dead_letters": status.dead_letters,
        "differences": null,
        "rows": rows,
        "database": status.label,
    });
    print(args.data.json, &value, || {
        format!(
            "{}: at sequence {sequence} of {head}, {lag_frames} frames ({lag_seconds:.1} s) behind, {} dead letters",
            status.label, status.dead_letters
        )
    });
    Ok(verdict(status.dead_letters == 0))
}

fn rebuild(args: &Target) -> Result<ExitCode, String> {
    let (folder, mut sink, options) = open(args)?;
    let first = folder.first_sequence().map_err(|error| error.to_string())?;
    if first > 1 {
        return Err(format!(
            "the journal begins at {first}: bring its archive back before rebuilding, or keep the present tables"
        ));
    }
    let mut source = Outside::new(&folder, true)?;
    let progress = Progress::default();
    let rebuilt = ringbook_projector::rebuild(&mut source, sink.as_mut(), &options, None, &progress)
        .map_err(|error| error.to_string())?;
    let head = source.committed().unwrap_or(0);
    let (lag_frames, lag_seconds) = lag(head, rebuilt.position.sequence, rebuilt.position.time_ns);
    let value = json!({
        "sequence": rebuilt.position.sequence,
        "first_sequence": rebuilt.first_sequence,
        "rows": rebuilt.rows,
        "dead_letters": rebuilt.dead_letters,
        "lag_frames": lag_frames,
        "lag_seconds": lag_seconds,
        "differences": null,
    });
    print(args.data.json, &value, || {
        format!(
            "rebuilt to sequence {}: {} rows, {} dead letters",
            rebuilt.position.sequence, rebuilt.rows, rebuilt.dead_letters
        )
    });
    Ok(verdict(rebuilt.dead_letters == 0))
}

/// What the rows are held against: the replayed state.
fn state_rows(folder: &Folder, sequence: u64) -> Option<ringbook_projector::StateRows> {
    let state = state_at(folder, Some(sequence), &mut |_, _| {})
        .map_err(|error| eprintln!("ringbook: the state at {sequence} cannot be replayed: {error}"))
        .ok()?;
    Some(super::projection_rows::of_engine(&state.engine))
}

fn verify(args: &Target) -> Result<ExitCode, String> {
    let (folder, mut sink, options) = open(args)?;
    is_there(args)?;
    let mut source = Outside::new(&folder, false)?;
    sink.connect().map_err(|error| error.to_string())?;
    ringbook_projector::check_owner(sink.as_mut(), &options.owner).map_err(|error| error.to_string())?;
    let verified =
        ringbook_projector::verify(&mut source, sink.as_mut(), None, |sequence| state_rows(&folder, sequence))
            .map_err(|error| error.to_string())?;
    let dead_letters = ringbook_projector::status(sink.as_mut()).map_err(|error| error.to_string())?.dead_letters;
    let head = source.committed().unwrap_or(0);
    let (lag_frames, lag_seconds) = lag(head, verified.position.sequence, verified.position.time_ns);
    for difference in &verified.first {
        eprintln!("{} {:?} {}: {}", difference.table, difference.kind, difference.key, difference.text);
    }
    let sums: Vec<_> = verified
        .sums
        .iter()
        .map(|sum| json!({ "name": sum.name, "expected": sum.expected.to_string(), "found": sum.found.to_string(), "equal": sum.expected == sum.found }))
        .collect();
    let value = json!({
        "sequence": verified.position.sequence,
        "lag_frames": lag_frames,
        "lag_seconds": lag_seconds,
        "dead_letters": dead_letters,
        "differences": verified.differences,
        "rows": verified.rows,
        "control_sums": sums,
    });
    print(args.data.json, &value, || {
        let mut lines = vec![format!(
            "at sequence {}: {} rows compared, {} differences, {dead_letters} dead letters",
            verified.position.sequence, verified.rows, verified.differences
        )];
        for sum in &verified.sums {
            let mark = if sum.expected == sum.found { "equal" } else { "DIFFERENT" };
            lines.push(format!("  {:32} {:>28} {:>28}  {mark}", sum.name, sum.expected, sum.found));
        }
        lines.join("\n")
    });
    Ok(verdict(verified.differences == 0 && dead_letters == 0))
}

fn requeue(args: &Target) -> Result<ExitCode, String> {
    let (_, mut sink, options) = open(args)?;
    let requeued = ringbook_projector::requeue(sink.as_mut(), &options.owner).map_err(|error| error.to_string())?;
    let value = json!({
        "written": requeued.written, "superseded": requeued.superseded, "dead_letters": requeued.refused,
    });
    print(args.data.json, &value, || {
        format!(
            "{} written, {} were superseded, {} refused again",
            requeued.written, requeued.superseded, requeued.refused
        )
    });
    Ok(verdict(requeued.refused == 0))
}

/// Runs `ringbook project`.
pub fn project(args: ProjectArgs) -> ExitCode {
    serve::log_to_stderr();
    match try_project(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => could_not(error),
    }
}

/// How often `--once` tries a database that is away: about 6 s.
const ATTEMPTS_ONCE: u32 = 7;

fn try_project(args: &ProjectArgs) -> Result<(), String> {
    let target = args.target.target()?;
    let (folder, sink, mut options) = open(&target)?;
    let data = &target.data.data;
    let stop = Arc::new(AtomicBool::new(false));
    serve::stop_on_signals(&stop)?;
    let source = Outside::new(&folder, true)?;
    let end = args.once.then(|| source.committed().unwrap_or(0));
    std::fs::create_dir_all(data.join("dead-letters"))
        .map_err(|error| format!("dead-letters in {}: {error}", data.display()))?;
    // Whoever waits for the end must hear that there will be none.
    options.give_up_after = args.once.then_some(ATTEMPTS_ONCE);
    let progress: Arc<Progress> = Arc::default();
    let thread = ringbook_projector::spawn(source, sink, options, stop.clone(), progress.clone())
        .map_err(|error| format!("no thread for the projector: {error}"))?;
    while !stop.load(Ordering::Acquire) && !thread.is_finished() {
        if end.is_some_and(|end| progress.sequence() >= end) {
            stop.store(true, Ordering::Release);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    match thread.join() {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the projector has panicked; its rows and progress are consistent: start it again".into()),
    }
}
