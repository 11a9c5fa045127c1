//! Latencies by stage: percentiles for the summary, and an HdrHistogram log with an interval for each second.
//!
//! Invariants: values are nanoseconds, in the log too; a value above the range counts as the highest (an hour).

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

const HIGHEST_NS: u64 = 3_600_000_000_000;
const INTERVAL: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Intended send time to the first report.
    Ack,
    /// Intended send time to the first trade of an order that traded at once.
    Match,
    /// Intended send time to the moment when this tool wrote it: the tool's own share.
    SendLag,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ack, Self::Match, Self::SendLag];

    /// Its tag in logs.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Match => "match",
            Self::SendLag => "send_lag",
        }
    }
}

/// See the module.
pub struct Latencies {
    total: [Histogram<u64>; 3],
    interval: [Histogram<u64>; 3],
    log: Option<BufWriter<File>>,
    serializer: V2DeflateSerializer,
    interval_began: Duration,
}

/// A histogram for latencies in nanoseconds.
///
/// # Errors
/// Never for these bounds; in words.
pub fn histogram() -> Result<Histogram<u64>, String> {
    Histogram::new_with_bounds(1, HIGHEST_NS, 3).map_err(|error| error.to_string())
}

impl Latencies {
    /// With a log file if wanted.
    ///
    /// # Errors
    /// The file cannot be written; in words.
    pub fn new(log: Option<&Path>) -> Result<Self, String> {
        let new = || -> Result<[Histogram<u64>; 3], String> { Ok([histogram()?, histogram()?, histogram()?]) };
        let mut latencies = Self {
            total: new()?,
            interval: new()?,
            log: None,
            serializer: V2DeflateSerializer::new(),
            interval_began: Duration::ZERO,
        };
        if let Some(path) = log {
            let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
            let mut file = BufWriter::new(File::create(path).map_err(failed)?);
            let now = SystemTime::now();
            IntervalLogWriterBuilder::new()
                .add_comment("[Histogram log format version 1.3]")
                .add_comment("[ringbook load; values in nanoseconds]")
                .with_start_time(now)
                .with_base_time(now)
                .begin_log_with(&mut file, &mut latencies.serializer)
                .map_err(failed)?;
            file.write_all(
                b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
            )
            .map_err(failed)?;
            latencies.log = Some(file);
        }
        Ok(latencies)
    }

    /// Counts a value.
    #[inline]
    pub fn record(&mut self, stage: Stage, ns: u64) {
        let ns = ns.max(1);
        self.total[stage as usize].saturating_record(ns);
        if self.log.is_some() {
            self.interval[stage as usize].saturating_record(ns);
        }
    }

    /// Writes an interval when a second is over. `at`: time since the start.
    ///
    /// # Errors
    /// The log cannot be written; in words.
    pub fn tick(&mut self, at: Duration) -> Result<(), String> {
        if at.saturating_sub(self.interval_began) >= INTERVAL { self.end_interval(at) } else { Ok(()) }
    }

    /// Writes what is left of the last interval.
    ///
    /// # Errors
    /// The log cannot be written; in words.
    pub fn finish(&mut self, at: Duration) -> Result<(), String> {
        self.end_interval(at)?;
        self.log.as_mut().map_or(Ok(()), Write::flush).map_err(|error| format!("cannot write the HDR log: {error}"))
    }

    fn end_interval(&mut self, at: Duration) -> Result<(), String> {
        let began = std::mem::replace(&mut self.interval_began, at);
        let Some(file) = &mut self.log else { return Ok(()) };
        // A builder without settings writes no header, so this continues the log.
        let mut writer = IntervalLogWriterBuilder::new()
            .begin_log_with(file, &mut self.serializer)
            .map_err(|error| format!("cannot write the HDR log: {error}"))?;
        for stage in Stage::ALL {
            let histogram = &mut self.interval[stage as usize];
            if !histogram.is_empty() {
                writer
                    .write_histogram(histogram, began, at.saturating_sub(began), Tag::new(stage.tag()))
                    .map_err(|error| format!("cannot write the HDR log: {error}"))?;
                histogram.reset();
            }
        }
        Ok(())
    }

    /// Percentiles of a stage in microseconds.
    pub fn json(&self, stage: Stage) -> serde_json::Value {
        percentiles(&self.total[stage as usize])
    }

    /// A line of text for a stage.
    pub fn line(&self, stage: Stage) -> String {
        let histogram = &self.total[stage as usize];
        let mut text = format!("{:<9}", stage.tag());
        for (name, quantile) in QUANTILES {
            text += &format!("  {name} {:.1}", microseconds(histogram.value_at_quantile(quantile)));
        }
        text + &format!("  max {:.1} µs ({} values)", microseconds(histogram.max()), histogram.len())
    }
}

/// The percentiles that every report states.
pub const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999), ("p99_99", 0.9999)];

/// Nanoseconds as microseconds.
pub fn microseconds(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}

/// `{"p50":…,"p90":…,"p99":…,"p99_9":…,"p99_99":…,"max":…}` in microseconds.
pub fn percentiles(histogram: &Histogram<u64>) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for (name, quantile) in QUANTILES {
        object.insert(name.into(), microseconds(histogram.value_at_quantile(quantile)).into());
    }
    object.insert("max".into(), microseconds(histogram.max()).into());
    object.into()
}
