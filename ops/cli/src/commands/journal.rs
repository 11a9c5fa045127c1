//! `ringbook journal`: looks after the journal, also while the exchange runs.

use super::DataArgs;
use crate::output::{bar, could_not, print, verdict};
use clap::Subcommand;
use ringbook_event::{events, split_command};
use ringbook_journal::Sequence;
use ringbook_wire::message::MessageType;
use std::process::ExitCode;
use std::time::Duration;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Segments, sequences, bytes
    #[command(after_help = "Example:\n  ringbook journal stat --data ringbook-data --json")]
    Stat(DataArgs),
    /// Prints frames: who asked what, and what it caused
    #[command(after_help = "Example:\n  ringbook journal dump --from 100 --count 5")]
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
    reader.seek(Sequence(from));
    let mut left = args.count;
    while left > 0 {
        match reader.next(limit).map_err(|error| words(&error))? {
            Some(frame) => {
                left -= 1;
                if args.data.json {
                    crate::output::line(format_args!("{}", json_frame(&frame)));
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

fn json_frame(frame: &ringbook_journal::Frame<'_>) -> serde_json::Value {
    let events: Vec<String> =
        events(frame.events).map(|event| event.map_or_else(|e| e.to_string(), |e| format!("{e:?}"))).collect();
    serde_json::json!({
        "sequence": frame.sequence.0,
        "time_ns": frame.time_ns,
        "term": frame.term,
        "command": describe(frame.command),
        "events": events,
    })
}

fn describe(command: &[u8]) -> String {
    match split_command(command) {
        Ok((origin, header, message)) => {
            let kind = MessageType::from_code(header.kind).map_or("?", MessageType::name);
            let body = crate::output::hex(&message[8..]);
            format!("{kind} from key {} session {:#x} request {}: {body}", origin.key, origin.session.0, header.request)
        }
        Err(error) => error.to_string(),
    }
}

fn print_frame(frame: &ringbook_journal::Frame<'_>) {
    crate::output::line(format_args!(
        "{:>12}  term {}  time {}  {}",
        frame.sequence.0,
        frame.term,
        frame.time_ns,
        describe(frame.command)
    ));
    for event in events(frame.events) {
        match event {
            Ok(event) => crate::output::line(format_args!("{:>14}{event:?}", "")),
            Err(error) => crate::output::line(format_args!("{:>14}{error}", "")),
        }
    }
}
