//! How commands speak: JSON or text on standard output, everything else on standard error, one exit code.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::process::ExitCode;

/// Did it, and something is wrong.
pub const WRONG: u8 = 1;
/// Could not do it.
pub const COULD_NOT: u8 = 2;

/// One line on standard error, and exit code 2.
pub fn could_not(error: impl std::fmt::Display) -> ExitCode {
    eprintln!("ringbook: {error}");
    ExitCode::from(COULD_NOT)
}

/// Prints a line on standard output. A reader that has seen enough (`| head`) ends the command quietly.
pub fn line(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        let quiet = error.kind() == std::io::ErrorKind::BrokenPipe;
        if !quiet {
            eprintln!("ringbook: standard output: {error}");
        }
        std::process::exit(if quiet { 0 } else { i32::from(COULD_NOT) });
    }
}

/// Prints a JSON object, or the text, on standard output.
pub fn print(json: bool, value: &serde_json::Value, text: impl FnOnce() -> String) {
    if json {
        line(value);
    } else {
        line(text());
    }
}

/// 0 if all is well, else 1.
pub fn verdict(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::from(WRONG) }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A progress bar on standard error; invisible where that is no terminal.
pub fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = "{msg:20} [{bar:40}] {human_pos}/{human_len} {per_sec} eta {eta}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what);
    bar
}
