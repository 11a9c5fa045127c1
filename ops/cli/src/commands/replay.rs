//! `ringbook recover` (a dry run) and `ringbook verify`.

use super::DataArgs;
use crate::ledger::Ledger;
use crate::output::{bar, could_not, hex, print, verdict};
use ringbook_replay::{AckLedger, AckedRequest, RecoverOptions, Stage, VerifyOptions};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ringbook recover`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Dry run of recovery: newest valid snapshot and the tail; changes nothing",
    after_help = "Example:\n  ringbook recover --data ringbook-data --json"
)]
pub struct RecoverArgs {
    #[command(flatten)]
    data: DataArgs,
}

/// Runs `ringbook recover`.
pub fn recover(args: RecoverArgs) -> ExitCode {
    match try_recover(&args) {
        Ok(value) => {
            print(args.data.json, &value, || text(&value));
            ExitCode::SUCCESS
        }
        Err(error) => could_not(error),
    }
}

fn text(value: &serde_json::Value) -> String {
    let object = value.as_object().into_iter().flatten();
    object
        .map(|(key, value)| format!("{key:20} {}", value.to_string().trim_matches('"')))
        .collect::<Vec<_>>()
        .join("\n")
}

fn try_recover(args: &RecoverArgs) -> Result<serde_json::Value, String> {
    let folder = args.data.folder()?;
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let history = folder.history().map_err(|error| words(&error))?;
    let first = folder.first_sequence().map_err(|error| words(&error))?.max(1);
    let mut reader = folder.reader(first).map_err(|error| words(&error))?;
    let last = reader.visible().map_err(|error| words(&error))?.0;
    let stat = ringbook_journal::stat(&folder.journal(), folder.tails()).map_err(|error| words(&error))?;
    let progress_bar = bar("recovering");
    let recovered =
        ringbook_replay::recover(&mut reader, last, &history, &folder.store(), &RecoverOptions::default(), &mut |p| {
            if p.stage == Stage::Replay {
                progress_bar.set_length(p.total);
                progress_bar.set_position(p.done);
            }
        })
        .map_err(|error| words(&error))?;
    progress_bar.finish_and_clear();
    for rejected in &recovered.rejected {
        eprintln!("snapshot not used: {rejected:?}");
    }
    Ok(serde_json::json!({
        "snapshot_sequence": recovered.snapshot_sequence,
        "last_sequence": recovered.last_sequence,
        "frames_replayed": recovered.frames_replayed,
        "seconds": recovered.seconds,
        "state_hash": hex(&recovered.state_hash),
        "tail_bytes_cut": stat.tail_bytes_to_cut,
    }))
}

/// Arguments of `ringbook verify`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Executes the journal again and compares every event and every snapshot",
    after_help = "Example:\n  ringbook verify --data ringbook-data --from-genesis --ledger load.ledger --json"
)]
pub struct VerifyArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Insist on the first frame
    #[arg(long)]
    from_genesis: bool,
    /// A client's ledger (`ringbook load --ledger`): every acknowledged request must be in the journal once, as reported
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// A ledger file's acknowledged requests.
struct Acked(std::vec::IntoIter<AckedRequest>);

impl AckLedger for Acked {
    fn next_request(&mut self) -> Option<Result<AckedRequest, String>> {
        self.0.next().map(Ok)
    }
}

fn acked(path: &std::path::Path) -> Result<Acked, String> {
    let ledger = Ledger::read(path).map_err(|error| error.to_string())?;
    let acked: Vec<AckedRequest> = ledger
        .entries
        .into_iter()
        .filter(|entry| !entry.reports.is_empty())
        .map(|entry| AckedRequest { session: entry.session, message: entry.message, reports: entry.reports })
        .collect();
    Ok(Acked(acked.into_iter()))
}

/// Runs `ringbook verify`.
pub fn verify(args: VerifyArgs) -> ExitCode {
    match try_verify(&args) {
        Ok((value, well, findings)) => {
            for finding in findings {
                eprintln!("{finding}");
            }
            print(args.data.json, &value, || text(&value));
            verdict(well)
        }
        Err(error) => could_not(error),
    }
}

fn try_verify(args: &VerifyArgs) -> Result<(serde_json::Value, bool, Vec<String>), String> {
    let folder = args.data.folder()?;
    let mut ledger = args.ledger.as_deref().map(acked).transpose()?;
    let progress_bar = bar("verifying");
    let verified = ringbook_replay::verify(
        &folder,
        &VerifyOptions { from_genesis: args.from_genesis },
        ledger.as_mut().map(|ledger| ledger as &mut dyn AckLedger),
        &mut |done, total| {
            progress_bar.set_length(total);
            progress_bar.set_position(done);
        },
    )
    .map_err(|error| error.to_string())?;
    progress_bar.finish_and_clear();
    let checked = verified.ledger.is_some();
    let ledger = verified.ledger.unwrap_or_default();
    let mut value = serde_json::json!({
        "acked": ledger.acked,
        "missing": ledger.missing,
        "doubled": ledger.doubled,
        "different": ledger.different,
        "frames": verified.frames,
        "events": verified.events,
        "seconds": verified.seconds,
        "frames_per_s": verified.frames_per_s,
        "state_hash": hex(&verified.state_hash),
        "mismatches": verified.mismatches,
        "snapshots_checked": verified.snapshots_checked,
        "last_sequence": verified.last_sequence,
    });
    // Without a ledger nothing was asked of clients' requests: zeros would look like an answer.
    if !checked && !args.data.json {
        for name in ["acked", "missing", "doubled", "different"] {
            value.as_object_mut().map(|fields| fields.remove(name));
        }
    }
    let well = verified.ok();
    Ok((value, well, verified.findings))
}
