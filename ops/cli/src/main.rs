//! The `ringbook` binary: configuration, wiring, every sub-command.
//!
//! Exit codes: 0 did it and all was well; 1 did it and something is wrong; 2 could not do it (one line says what to do).

#![forbid(unsafe_code)]

mod commands;
mod config;
mod demo;
mod flow;
mod http;
mod init;
mod ledger;
mod load;
mod mark;
mod output;
mod report;
mod serve;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// Ringbook: an exchange core for crypto spot and perpetual futures. One total order, one journal, everything else follows it.
#[derive(Parser)]
#[command(name = "ringbook", version, about, long_about = None, arg_required_else_help = true, after_help = "Start with:\n  ringbook serve\nand in another terminal:\n  ringbook load --connect 127.0.0.1:7401 --rate 100 --duration 10\n  sqlite3 ringbook-data/projection.sqlite 'select * from v_balances'")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Init(init::InitArgs),
    Flow(flow::FlowArgs),
    Load(load::LoadArgs),
    Mark(mark::MarkArgs),
    /// Reports from measurements
    #[command(subcommand)]
    Report(ReportCommand),
    Recover(commands::replay::RecoverArgs),
    Verify(commands::replay::VerifyArgs),
    /// Looks after the journal, also while the exchange runs
    #[command(subcommand)]
    Journal(commands::journal::JournalCommand),
    /// Looks after snapshots
    #[command(subcommand)]
    Snapshot(commands::snapshot::SnapshotCommand),
    /// Looks after the read models
    #[command(subcommand)]
    Projection(commands::projection::ProjectionCommand),
    Project(commands::projection::ProjectArgs),
    State(commands::state::StateArgs),
    /// Changes assets, symbols, perpetuals, accounts, keys, status and money; each change is a journaled command
    Admin(commands::admin::AdminArgs),
}

#[derive(Subcommand)]
enum ReportCommand {
    Latency(report::LatencyArgs),
}

/// Reads a command line. `-1` is always a value, so that the error names the option that does not take it.
fn parse<P: CommandFactory + FromArgMatches>(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<P, clap::Error> {
    fn numbers_are_values(command: clap::Command) -> clap::Command {
        command
            .mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg })
            .mut_subcommands(numbers_are_values)
    }
    let mut command = numbers_are_values(P::command());
    let matches = command.try_get_matches_from_mut(words)?;
    P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn main() -> ExitCode {
    let cli: Cli = parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Init(args) => init::run(args),
        Command::Flow(args) => flow::run(args),
        Command::Load(args) => load::run(args),
        Command::Mark(args) => mark::run(args),
        Command::Report(ReportCommand::Latency(args)) => report::run(args),
        Command::Recover(args) => commands::replay::recover(args),
        Command::Verify(args) => commands::replay::verify(args),
        Command::Journal(command) => commands::journal::run(command),
        Command::Snapshot(command) => commands::snapshot::run(command),
        Command::Projection(command) => commands::projection::run(command),
        Command::Project(args) => commands::projection::project(args),
        Command::State(args) => commands::state::run(args),
        Command::Admin(args) => commands::admin::run(args),
    }
}
