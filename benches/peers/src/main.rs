//! Ringbook beside exchange-core: the same commands, compared fill by fill and unit by unit (DOMAIN §5.8).
//!
//! ```text
//!  seed ──► generate ──► commands.txt ──► exchange-core (Java, exchange-core/) ──► exchange-core.txt ──┐
//!               │                                                                                      ├─► compare
//!               └──────── Ringbook's engine ─────────────────────────────────────► ringbook.txt ───────┘
//! ```
//!
//! `scripts/peers` runs all of it. The files are drawn in README.md beside this package.

#![forbid(unsafe_code)]

mod answer;
mod command;
mod compare;
mod desk;
mod difference;
mod generate;
mod ringbook;

use clap::{Parser, Subcommand};
use command::Command;
use compare::Summary;
use desk::Desk;
use difference::Difference;
use generate::Generator;
use std::fs::{File, read_to_string};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// So often on the way balances and open orders of everyone are compared.
const STATES: u64 = 4;

#[derive(Parser)]
#[command(about = "Ringbook's rules side by side with exchange-core's")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes commands from a seed, and Ringbook's results.
    Generate {
        /// Commands on orders.
        #[arg(long, default_value_t = 1_000_000)]
        commands: u64,
        /// Of the commands.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The command file to write.
        file: PathBuf,
        /// Ringbook's result file to write.
        results: PathBuf,
    },
    /// Runs a command file, perhaps one that was cut down by hand, through Ringbook.
    Run {
        /// The command file.
        file: PathBuf,
        /// Ringbook's result file to write.
        results: PathBuf,
    },
    /// Compares two result files; fails if a difference has no name.
    Compare {
        /// The command file.
        file: PathBuf,
        /// Ringbook's result file.
        ringbook: PathBuf,
        /// exchange-core's result file.
        exchange_core: PathBuf,
    },
    /// Prints the known differences.
    Differences,
}

/// Executes commands on Ringbook and writes its lines.
struct Run<C: Write, R: Write> {
    desk: Desk,
    commands: C,
    results: R,
    line: usize,
    fills: u64,
}

impl<C: Write, R: Write> Run<C, R> {
    fn new(commands: C, results: R) -> Self {
        Self { desk: Desk::default(), commands, results, line: 0, fills: 0 }
    }

    fn comment(&mut self, text: &str) -> Result<(), String> {
        self.line += 1;
        writeln!(self.commands, "# {text}").map_err(|error| error.to_string())
    }

    fn execute(&mut self, command: &Command) -> Result<(), String> {
        self.line += 1;
        let line = self.line;
        let failed = |what: String| format!("line {line}, {command}: {what}");
        writeln!(self.commands, "{command}").map_err(|error| failed(error.to_string()))?;
        let answer = self.desk.execute(command).map_err(failed)?;
        if let Some(answer) = answer {
            self.fills += answer.fills() as u64;
            writeln!(self.results, "{line} {answer}").map_err(|error| failed(error.to_string()))?;
        }
        if *command == Command::State {
            for text in self.desk.state().map_err(failed)? {
                writeln!(self.results, "{line} {text}").map_err(|error| failed(error.to_string()))?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), String> {
        self.commands.flush().and_then(|()| self.results.flush()).map_err(|error| error.to_string())?;
        println!("ringbook: {} lines, {} fills", self.line, self.fills);
        Ok(())
    }
}

/// Writes the commands of a seed and Ringbook's answers.
fn generate(seed: u64, commands: u64, file: impl Write, results: impl Write) -> Result<(), String> {
    let mut run = Run::new(file, results);
    let mut generator = Generator::new(seed);
    run.comment(&format!("seed {seed}, {commands} commands on orders"))?;
    for command in generator.opening() {
        run.execute(&command)?;
    }
    for at in 0..commands {
        for command in generator.next_commands(&run.desk) {
            if run.desk.needs_settlement(&command) {
                run.execute(&Command::Settle)?;
            }
            run.execute(&command)?;
        }
        if (at + 1).is_multiple_of(commands.div_ceil(STATES)) {
            run.execute(&Command::State)?;
        }
    }
    run.execute(&Command::State)?;
    for command in generator.closing(&run.desk) {
        run.execute(&command)?;
    }
    run.execute(&Command::State)?;
    run.finish()
}

fn run_file(text: &str, results: impl Write) -> Result<(), String> {
    let mut run = Run::new(std::io::sink(), results);
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            run.line += 1;
            continue;
        }
        let command = line.parse().map_err(|what| format!("line {}, {line}: {what}", run.line + 1))?;
        run.execute(&command)?;
    }
    run.finish()
}

/// How many commands of each kind a file has.
fn mix(lines: &[&str]) -> String {
    let count = |is: &dyn Fn(&str) -> bool| lines.iter().filter(|line| is(line)).count();
    let placed = |tif: &str| count(&|line| line.starts_with('P') && line.contains(tif));
    let kind = |letter: char| count(&|line| line.starts_with(letter));
    format!(
        "{} GTC, {} IOC, {} cancels, {} moves, {} reductions, {} deposits and withdrawals",
        placed(" GTC "),
        placed(" IOC "),
        kind('C'),
        kind('M'),
        kind('R'),
        kind('D')
    )
}

fn compare(commands: &str, ringbook: &str, exchange_core: &str) -> bool {
    let summary = Summary::of(ringbook, exchange_core);
    let lines: Vec<&str> = commands.lines().collect();
    for (number, theirs, ours) in &summary.unexplained {
        let command = number.checked_sub(1).and_then(|at| lines.get(at)).unwrap_or(&"no such line");
        println!("unexplained: line {number}: {command}");
        println!("  exchange-core  {}", if theirs.is_empty() { "nothing" } else { theirs });
        println!("  ringbook       {}", if ours.is_empty() { "nothing" } else { ours });
    }
    println!("{}", mix(&lines));
    print!("{}", summary.text());
    summary.unexplained_count == 0 && summary.commands > 0
}

fn execute(action: Action) -> Result<bool, String> {
    let create = |path: &PathBuf| {
        File::create(path).map(BufWriter::new).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    let read =
        |path: &PathBuf| read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
    match action {
        Action::Generate { commands, seed, file, results } => {
            generate(seed, commands, create(&file)?, create(&results)?)?;
        }
        Action::Run { file, results } => run_file(&read(&file)?, create(&results)?)?,
        Action::Compare { file, ringbook, exchange_core } => {
            return Ok(compare(&read(&file)?, &read(&ringbook)?, &read(&exchange_core)?));
        }
        Action::Differences => {
            for difference in Difference::ALL {
                println!("{:<26}{} ({})", difference.name(), difference.explanation(), difference.paragraph());
            }
        }
    }
    Ok(true)
}

fn main() -> ExitCode {
    match execute(Arguments::parse().action) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("ringbook-peers: {what}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ringbook's side without the other one: deterministic, every difference occurs, nothing that Ringbook should not
    /// answer, and a run of the file gives the same results as the generation.
    #[test]
    fn a_generated_file_runs_again_with_every_difference() {
        let mut files = Vec::new();
        for _ in 0..2 {
            let (mut commands, mut results) = (Vec::new(), Vec::new());
            generate(7, 30_000, &mut commands, &mut results).unwrap();
            files.push((String::from_utf8(commands).unwrap(), String::from_utf8(results).unwrap()));
        }
        assert!(files[0] == files[1], "the same seed gives the same files");
        let (commands, results) = &files[0];
        let mut again = Vec::new();
        run_file(commands, &mut again).unwrap();
        assert!(again == results.as_bytes(), "a run of the file gives the results of the generation");
        assert!(!results.contains("OTHER:"), "Ringbook answers by its rules");
        for difference in Difference::ALL {
            assert!(results.contains(&format!("~{difference}")), "{difference} does not occur");
        }
    }
}
