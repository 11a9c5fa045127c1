//! `ringbook report latency`: HdrHistogram logs as a table, as JSON, and as a page with percentile curves.
//!
//! ```text
//! FILE… ─► intervals by tag ─► one histogram per stage ─► text | JSON | HTML + SVG
//! ```
//!
//! Values in the logs are nanoseconds, as `ringbook load --hdr` writes them. An interval without a tag belongs to the
//! stage `all`. With several files, a stage is named `file: tag`.
//!
//! Invariant: nothing is left out silently; an interval that cannot be read is an error with file and place.

mod page;

use crate::load::latency::{QUANTILES, histogram, microseconds, percentiles};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `ringbook report latency`.
#[derive(Debug, clap::Args)]
#[command(
    about = "HdrHistogram logs to text, JSON and HTML",
    after_help = "Examples:\n  \
        ringbook report latency load.hlog\n  \
        ringbook report latency before.hlog after.hlog --html latency.html\n  \
        ringbook report latency load.hlog --json"
)]
pub struct LatencyArgs {
    /// HdrHistogram interval logs, as `ringbook load --hdr` writes them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write a page with percentile curves
    #[arg(long, value_name = "OUT")]
    pub html: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// One stage of all intervals.
#[derive(Debug)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Its values, in nanoseconds.
    pub values: Histogram<u64>,
}

/// Makes the report.
pub fn run(args: LatencyArgs) -> ExitCode {
    match execute(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("ringbook report latency: {problem}");
            ExitCode::from(2)
        }
    }
}

fn execute(args: &LatencyArgs) -> Result<(), String> {
    let mut stages: Vec<Stage> = Vec::new();
    for file in &args.files {
        let bytes = std::fs::read(file).map_err(|error| {
            format!("cannot read {}: {error}; `ringbook load --hdr FILE` writes such a log", file.display())
        })?;
        let prefix = if args.files.len() > 1 { format!("{}: ", short(file)) } else { String::new() };
        read(&bytes, &prefix, &mut stages).map_err(|problem| format!("{}: {problem}", file.display()))?;
    }
    if stages.is_empty() {
        return Err("the logs hold no interval with values".into());
    }
    if let Some(out) = &args.html {
        std::fs::write(out, page::render(&stages))
            .map_err(|error| format!("cannot write {}: {error}", out.display()))?;
        eprintln!("wrote {}", out.display());
    }
    if args.json {
        let of = |value: fn(&Stage) -> serde_json::Value| -> serde_json::Map<String, serde_json::Value> {
            stages.iter().map(|stage| (stage.name.clone(), value(stage))).collect()
        };
        let counts = of(|stage| stage.values.len().into());
        crate::output::line(format_args!(
            "{}",
            serde_json::json!({ "latency_us": of(|stage| percentiles(&stage.values)), "count": counts })
        ));
    } else {
        crate::output::line(table(&stages).trim_end());
    }
    Ok(())
}

fn short(file: &Path) -> String {
    file.file_stem().map_or_else(|| file.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

/// Adds the intervals of a log to the stages.
fn read(bytes: &[u8], prefix: &str, stages: &mut Vec<Stage>) -> Result<(), String> {
    let mut deserializer = Deserializer::new();
    // A log that is still being written may end in the middle of a line.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(bytes, |end| &bytes[..=end]);
    for (number, entry) in IntervalLogIterator::new(whole).enumerate() {
        let entry = entry.map_err(|error| format!("entry {}: not an HdrHistogram log ({error:?})", number + 1))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let encoded = unbase64(interval.encoded_histogram())
            .ok_or_else(|| format!("entry {}: the histogram is not base64", number + 1))?;
        let values: Histogram<u64> = deserializer
            .deserialize(&mut encoded.as_slice())
            .map_err(|error| format!("entry {}: the histogram cannot be read: {error}", number + 1))?;
        let name = format!("{prefix}{}", interval.tag().map_or("all", |tag| tag.as_str()));
        let stage = match stages.iter_mut().position(|stage| stage.name == name) {
            Some(place) => &mut stages[place],
            None => {
                stages.push(Stage { name, values: histogram()? });
                stages.last_mut().ok_or("no stage")?
            }
        };
        stage.values.add(&values).map_err(|error| format!("entry {}: {error}", number + 1))?;
    }
    Ok(())
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

/// The table for a terminal, in microseconds.
fn table(stages: &[Stage]) -> String {
    let width = stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!("{:<width$} {:>12}", "stage", "count");
    for name in ["p50", "p90", "p99", "p99.9", "p99.99", "max"] {
        text += &format!(" {name:>11}");
    }
    text += "   (µs)\n";
    for stage in stages {
        text += &format!("{:<width$} {:>12}", stage.name, stage.values.len());
        for (_, quantile) in QUANTILES {
            text += &format!(" {:>11.1}", microseconds(stage.values.value_at_quantile(quantile)));
        }
        text += &format!(" {:>11.1}\n", microseconds(stage.values.max()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::latency::{Latencies, Stage as Measured};
    use std::time::Duration;

    fn sample() -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("ringbook-report-{}.hlog", std::process::id()));
        let mut latencies = Latencies::new(Some(&path)).unwrap();
        for second in 1..=3 {
            for value in 1..=1_000 {
                latencies.record(Measured::Ack, value * 1_000 * second);
            }
            latencies.record(Measured::Match, 5_000);
            latencies.tick(Duration::from_secs(second)).unwrap();
        }
        latencies.finish(Duration::from_secs(4)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        bytes
    }

    #[test]
    fn a_log_that_load_wrote_is_read_back_by_stage() {
        let mut stages = Vec::new();
        read(&sample(), "", &mut stages).unwrap();
        let summary: Vec<_> = stages.iter().map(|stage| (stage.name.as_str(), stage.values.len())).collect();
        assert_eq!(summary, [("ack", 3_000), ("match", 3)]);
        assert!((2_990..=3_010).contains(&(stages[0].values.max() / 1_000)));
        let text = table(&stages);
        assert!(text.lines().count() == 3 && text.contains("p99.99"), "{text}");
        let page = page::render(&stages);
        assert!(page.contains("<svg") && !page.contains("http://") && !page.contains("src="), "self-contained");
    }

    #[test]
    fn what_is_no_log_is_an_error_with_its_place() {
        let mut stages = Vec::new();
        assert!(read(b"hello\n", "", &mut stages).is_err());
        let broken = b"Tag=ack,0.1,1.0,2.7,AAAA\n";
        assert!(read(broken, "", &mut stages).unwrap_err().contains("entry 1"));
        assert_eq!(unbase64("aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(unbase64("a*"), None);
    }
}
