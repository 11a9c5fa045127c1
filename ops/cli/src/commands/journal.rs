//! `ringbook journal`: looks after the journal, also while the exchange runs.

use super::DataArgs;
use super::fields::Record;
use crate::output::{bar, could_not, print, verdict};
use clap::Subcommand;
use ringbook_event::{events, split_command};
use ringbook_journal::Sequence;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Segments, sequences, bytes
    #[command(after_help = "Example:\n  ringbook journal stat --data ringbook-data --json")]
    Stat(DataArgs),
    /// Prints frames: who asked what, and what it caused
    #[command(
        after_help = "As text, fields that are zero are left out; with --json each frame is one object on a line of its own, with \
                            all fields.\n\nExamples:\n  ringbook journal dump --from 100 --count 5\n  ringbook journal dump --json | \
                            jq 'select(.command.type == \"NEW_ORDER\" and .command.account == 100)'"
    )]
    Dump(DumpArgs),
    /// Follows the committed journal
    #[command(after_help = "Example:\n  ringbook journal tail --count 100")]
    Tail(DumpArgs),
    /// Every checksum, the chain, every sidecar
    #[command(after_help = "Example:\n  ringbook journal verify --data ringbook-data")]
    Verify(DataArgs),
}

/// Which frames.
#[derive(Debug, clap::Args)]
pub struct DumpArgs {
    #[command(flatten)]
    data: DataArgs,
    /// First sequence [default: the first that is kept; for tail: the newest]
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// How many frames
    #[arg(long, value_name = "N", default_value_t = u64::MAX)]
    count: u64,
}

/// Runs the command.
pub fn run(command: JournalCommand) -> ExitCode {
    let result = match command {
        JournalCommand::Stat(args) => stat(&args),
        JournalCommand::Verify(args) => verify(&args),
        JournalCommand::Dump(args) => dump(&args, false),
        JournalCommand::Tail(args) => dump(&args, true),
    };
    result.unwrap_or_else(could_not)
}

fn stat(args: &DataArgs) -> Result<ExitCode, String> {
    let folder = args.folder()?;
    let stat = ringbook_journal::stat(&folder.journal(), folder.tails()).map_err(|error| error.to_string())?;
    let value = serde_json::json!({
        "segments": stat.segments.len(),
        "first_sequence": stat.first_sequence.0,
        "last_sequence": stat.last_sequence.0,
        "bytes": stat.file_bytes,
        "has_writer": stat.has_writer,
        "chain_ok": stat.chain_ok,
    });
    print(args.json, &value, || {
        format!(
            "{} segments, sequences {} to {}, {} bytes, chain {}",
            stat.segments.len(),
            stat.first_sequence.0,
            stat.last_sequence.0,
            stat.file_bytes,
            if stat.chain_ok { "whole" } else { "BROKEN: run `ringbook journal verify`" }
        )
    });
    Ok(verdict(stat.chain_ok))
}

fn verify(args: &DataArgs) -> Result<ExitCode, String> {
    let folder = args.folder()?;
    let progress = bar("verifying");
    let stat = match ringbook_journal::stat(&folder.journal(), folder.tails()) {
        // Damage is what was asked about: an answer, not a failure to answer.
        Err(error @ ringbook_journal::ReadError::Damaged { .. }) => {
            progress.finish_and_clear();
            let value = serde_json::json!({ "chain_ok": false, "problem": error.to_string() });
            print(args.json, &value, || error.to_string());
            return Ok(verdict(false));
        }
        stat => stat.map_err(|error| error.to_string())?,
    };
    let verified = ringbook_journal::verify(&folder.journal(), folder.tails(), |done, all| {
        progress.set_length(all);
        progress.set_position(done);
    });
    progress.finish_and_clear();
    let (frames, sealed, problem) = match &verified {
        Ok(verified) => (verified.frames, verified.sealed_segments, None),
        Err(error) => (0, 0, Some(error.to_string())),
    };
    let value = serde_json::json!({
        "segments": stat.segments.len(),
        "first_sequence": stat.first_sequence.0,
        "last_sequence": stat.last_sequence.0,
        "frames": frames,
        "sealed_segments": sealed,
        "bytes": stat.file_bytes,
        "chain_ok": problem.is_none(),
        "problem": problem,
    });
    print(args.json, &value, || match &problem {
        None => format!("{frames} frames, {sealed} sealed segments, all whole"),
        Some(problem) => problem.clone(),
    });
    Ok(verdict(problem.is_none()))
}

fn dump(args: &DumpArgs, follow: bool) -> Result<ExitCode, String> {
    let folder = args.data.folder()?;
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let first = folder.first_sequence().map_err(|error| words(&error))?.max(1);
    let mut reader = folder.reader(first).map_err(|error| words(&error))?;
    let mut limit = reader.committed().map_err(|error| words(&error))?;
    let from = args.from.unwrap_or(if follow { limit.0 + 1 } else { first });
    if from < first || from > limit.0 && !follow {
        let last = limit.0;
        return Err(match last {
            0 => "the journal holds no frame yet".to_owned(),
            _ => format!("sequence {from} is not in the journal, which holds {first} to {last}: give another --from"),
        });
    }
    reader.seek(Sequence(from));
    let mut left = args.count;
    while left > 0 {
        match reader.next(limit).map_err(|error| words(&error))? {
            Some(frame) => {
                left -= 1;
                if args.data.json {
                    crate::output::line(json_frame(&frame));
                } else {
                    print_frame(&frame);
                }
            }
            None if !follow => break,
            None => {
                std::thread::sleep(Duration::from_millis(20));
                limit = reader.committed().map_err(|error| words(&error))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Events of a frame; what cannot be read is an error in words.
fn records(frame: &ringbook_journal::Frame<'_>) -> impl Iterator<Item = Result<Record, String>> {
    events(frame.events).map(|event| event.map(|event| Record::event(&event)).map_err(|error| error.to_string()))
}

fn json_frame(frame: &ringbook_journal::Frame<'_>) -> serde_json::Value {
    let events: Vec<serde_json::Value> =
        records(frame).map(|record| record.map_or_else(|error| json!({ "error": error }), |r| r.json())).collect();
    let command = match split_command(frame.command) {
        Ok((origin, header, message)) => {
            let mut command = Record::command(message).json();
            command["from"] = json!({ "key": origin.key.0, "session": origin.session.0, "request": header.request });
            command
        }
        Err(error) => json!({ "error": error.to_string() }),
    };
    json!({
        "sequence": frame.sequence.0,
        "time_ns": frame.time_ns,
        "term": frame.term,
        "command": command,
        "events": events,
    })
}

fn print_frame(frame: &ringbook_journal::Frame<'_>) {
    let command = match split_command(frame.command) {
        Ok((origin, header, message)) => {
            let from = match origin.key.0 {
                0 => "Ringbook itself".to_owned(),
                key => format!("key {key}, session {:#x}, request {}", origin.session.0, header.request),
            };
            format!("{} ({from})", Record::command(message))
        }
        Err(error) => error.to_string(),
    };
    crate::output::line(format_args!(
        "{:>12}  term {}  time {}  {command}",
        frame.sequence.0, frame.term, frame.time_ns
    ));
    for record in records(frame) {
        let text = record.map_or_else(|error| error, |record| record.to_string());
        crate::output::line(format_args!("{:>14}{text}", ""));
    }
}
