//! `ringbook snapshot`: lists, verifies, takes.

use super::DataArgs;
use crate::output::{could_not, hex, print, verdict};
use clap::Subcommand;
use ringbook_replay::{binding_of, state_at};
use std::process::ExitCode;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Snapshots and what they hold
    #[command(after_help = "Example:\n  ringbook snapshot list --json")]
    List(DataArgs),
    /// Loads each one and checks every hash
    #[command(after_help = "Example:\n  ringbook snapshot verify")]
    Verify(DataArgs),
    /// Takes one of the newest committed state, by replay, of a stopped exchange (a running one takes its own)
    #[command(after_help = "Example:\n  ringbook snapshot take --data ringbook-data")]
    Take(DataArgs),
}

/// Runs the command.
pub fn run(command: SnapshotCommand) -> ExitCode {
    let result = match command {
        SnapshotCommand::List(args) | SnapshotCommand::Verify(args) => list(&args),
        SnapshotCommand::Take(args) => take(&args),
    };
    result.unwrap_or_else(could_not)
}

fn list(args: &DataArgs) -> Result<ExitCode, String> {
    let store = args.folder()?.store();
    let mut rows = Vec::new();
    for listed in store.list().map_err(|error| error.to_string())? {
        let loaded = store.load(listed.sequence);
        let (ok, what) = match &loaded {
            Ok(_) => (true, String::new()),
            Err(error) => (false, error.to_string()),
        };
        let hash = loaded.map_or_else(|_| String::new(), |loaded| hex(&loaded.header.state_hash));
        rows.push(serde_json::json!({
            "sequence": listed.sequence, "bytes": listed.bytes, "state_hash": hash, "ok": ok, "error": what,
        }));
    }
    let well = rows.iter().all(|row| row["ok"] == true);
    let value = serde_json::json!({ "snapshots": rows });
    print(args.json, &value, || {
        let line = |row: &serde_json::Value| {
            let state = if row["ok"] == true { "ok".to_owned() } else { format!("BAD: {}", row["error"]) };
            format!("{:>12}  {:>12} bytes  {}  {state}", row["sequence"], row["bytes"], row["state_hash"])
        };
        if rows.is_empty() { "no snapshots yet".into() } else { rows.iter().map(line).collect::<Vec<_>>().join("\n") }
    });
    Ok(verdict(well))
}

fn take(args: &DataArgs) -> Result<ExitCode, String> {
    let folder = args.folder()?;
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let stat = ringbook_journal::stat(&folder.journal(), folder.tails()).map_err(|error| words(&error))?;
    if stat.has_writer {
        return Err("the exchange runs and writes the snapshots of this folder itself; SIGTERM takes one, or lower snapshot_every_seconds".into());
    }
    let history = folder.history().map_err(|error| words(&error))?;
    let state = state_at(&folder, None, &mut |_, _| {}).map_err(|error| words(&error))?;
    let sequence = state.engine.sequence().0;
    if sequence == 0 {
        return Err("the journal is empty: there is nothing to take a snapshot of".into());
    }
    let mut reader = folder.reader(sequence).map_err(|error| words(&error))?;
    let frame = reader.next(ringbook_journal::Sequence(sequence)).map_err(|error| words(&error))?;
    let frame = frame.ok_or("the frame of the snapshot's sequence cannot be read")?;
    let binding = binding_of(&frame, &history);
    let written = folder.store().write(&state.engine.image(), &binding).map_err(|error| words(&error))?;
    let value = serde_json::json!({
        "sequence": sequence, "bytes": written.bytes, "state_hash": hex(&state.engine.state_hash()),
    });
    print(args.json, &value, || format!("snapshot at {sequence}, {} bytes, proven by loading", written.bytes));
    Ok(ExitCode::SUCCESS)
}
