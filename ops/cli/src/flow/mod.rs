//! `ringbook flow`: a recorded order flow through order entry, every fill and every book compared.
//!
//! ```text
//! FILE ─► ops ─► market (assets, symbol, accounts, money) ─► runner ─► check
//!                                                              └─► books (HTTP)
//! ```
//!
//! Nothing of a flow is skipped silently: what cannot be compared is counted and said.

mod books;
mod check;
pub(crate) mod generate;
pub(crate) mod market;
mod ops;
mod runner;

use check::Checker;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ops::Flow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `ringbook flow`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Send a recorded order flow and compare every fill and every book",
    after_help = "Examples:\n  \
        ringbook flow ops.csv.gz --connect 127.0.0.1:7401 --http 127.0.0.1:7480 --json\n  \
        ringbook flow --generate 20000 --seed 7 --connect 127.0.0.1:7401 --http 127.0.0.1:7480\n\n\
        Each run makes a symbol, assets and accounts of its own, so it can be repeated on the same exchange.\n\
        Exit code: 0 everything equal, 1 something differs, 2 the flow could not be run."
)]
pub struct FlowArgs {
    /// Order flow, .csv or .csv.gz (seq,row,ts,op,id,side,price,qty,maker)
    #[arg(required_unless_present = "generate", conflicts_with = "generate")]
    pub file: Option<PathBuf>,
    /// Order entry address of the exchange
    #[arg(long, value_name = "ADDR")]
    pub connect: String,
    /// HTTP address of the exchange
    #[arg(long, value_name = "ADDR")]
    pub http: String,
    /// Folder with admin.key, funds.key and trade.key
    #[arg(long, value_name = "DIR", env = "RINGBOOK_KEYS", default_value = "ringbook-data/keys")]
    pub keys: PathBuf,
    /// Order book file that the flow's ROW lines refer to, .csv or .csv.gz
    #[arg(long, value_name = "FILE")]
    pub orderbook: Option<PathBuf>,
    /// Number for the new symbol (default: a free one)
    #[arg(long, value_name = "N")]
    pub symbol_id: Option<u32>,
    /// Requests that may be unanswered
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub window: usize,
    /// Instead of a file: a synthetic flow of N commands
    #[arg(long, value_name = "N")]
    pub generate: Option<usize>,
    /// Seed of the synthetic flow
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the flow.
pub fn run(args: FlowArgs) -> ExitCode {
    match execute(&args) {
        Ok(summary) => {
            summary.print(args.json);
            ExitCode::from(u8::from(summary.checker.mismatches > 0))
        }
        Err(problem) => {
            eprintln!("ringbook flow: {problem}");
            ExitCode::from(2)
        }
    }
}

struct Summary {
    symbol: String,
    commands: usize,
    requests: u64,
    fills: u64,
    books_skipped: u64,
    checker: Checker,
    seconds: f64,
}

fn execute(args: &FlowArgs) -> Result<Summary, String> {
    let flow = match (&args.file, args.generate) {
        (Some(file), _) => Flow::load(file, args.orderbook.as_deref())?,
        (None, Some(0)) => return Err("--generate needs a number of commands from 1".into()),
        (None, Some(length)) => generate::generate(length, args.seed),
        (None, None) => return Err("give a flow file, or --generate N".into()),
    };
    if flow.books_skipped > 0 {
        eprintln!("{} ROW lines are not compared: give their file with --orderbook", flow.books_skipped);
    }
    let label = args.file.as_deref().map_or_else(|| format!("SYNTH{}", args.seed), label);
    let market = market::make(&args.connect, &args.keys, &label, &flow, args.symbol_id)?;
    eprintln!(
        "symbol {} ({}), {} accounts, {} lines",
        market.name,
        market.symbol,
        market.accounts.len(),
        flow.ops.len()
    );

    let bar = progress_bar(flow.ops.len());
    let begin = Instant::now();
    let runner = runner::Runner::open(&flow, &market, &args.connect, &args.http, &args.keys, args.window)?;
    let (checker, requests) = runner.run(|done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    Ok(Summary {
        symbol: market.name,
        commands: flow.ops.len(),
        requests,
        fills: flow.fills,
        books_skipped: flow.books_skipped,
        checker,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

fn progress_bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr_with_hz(4));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} lines, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// A name for the symbol: the file's stem, or its folder's name if the stem says nothing.
fn label(path: &Path) -> String {
    let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('.').next());
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    match (stem, folder) {
        (Some("ops") | None, Some(folder)) => folder.to_owned(),
        (stem, _) => stem.unwrap_or("FLOW").to_owned(),
    }
}

impl Summary {
    fn print(&self, json: bool) {
        let checker = &self.checker;
        if json {
            let summary = serde_json::json!({
                "symbol": self.symbol,
                "commands": self.commands,
                "requests": self.requests,
                "fills_expected": self.fills,
                "fills_equal": checker.fills_equal,
                "trades": checker.trades,
                "fees": checker.fees.to_string(),
                "books_compared": checker.books_compared,
                "books_equal": checker.books_equal,
                "books_skipped": self.books_skipped,
                "mismatches": checker.mismatches,
                "seconds": self.seconds,
            });
            crate::output::line(format_args!("{summary}"));
            return;
        }
        crate::output::line(format_args!("symbol     {}", self.symbol));
        crate::output::line(format_args!(
            "commands   {} lines, {} requests, {:.1} s",
            self.commands, self.requests, self.seconds
        ));
        crate::output::line(format_args!(
            "fills      {} of {} equal ({} trades)",
            checker.fills_equal, self.fills, checker.trades
        ));
        crate::output::line(format_args!(
            "books      {} of {} equal, {} not compared",
            checker.books_equal, checker.books_compared, self.books_skipped
        ));
        crate::output::line(format_args!("mismatches {}", checker.mismatches));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_named_after_its_file_or_folder() {
        for (path, expected) in
            [("set-a/ops.csv.gz", "set-a"), ("x/cme.csv", "cme"), ("cme.csv", "cme"), ("ops.csv", "ops")]
        {
            assert_eq!(label(Path::new(path)), expected, "{path}");
        }
    }
}
