//! `DATA/latency.hlog`: latency by stage as an HdrHistogram interval log, a line for each stage every ten seconds.
//! `ringbook report latency` and the standard HdrHistogram tools read it.

use super::thread;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use ringbook_gateway::{Stage, StageHistograms};
use std::fs::File;
use std::io::{LineWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

const INTERVAL: Duration = Duration::from_secs(10);

/// Starts the thread that writes the log.
pub fn start(
    path: &Path,
    stages: Arc<Mutex<StageHistograms>>,
    stop: Arc<AtomicBool>,
) -> Result<JoinHandle<()>, String> {
    let file = File::create(path).map_err(|error| format!("latency log {}: {error}", path.display()))?;
    let path = path.to_path_buf();
    thread("latency-log", move || {
        ringbook_journal::step_back();
        if let Err(error) = run(file, &stages, &stop) {
            tracing::warn!(path = %path.display(), error, "the latency log cannot be written on");
        }
    })
}

fn run(file: File, stages: &Mutex<StageHistograms>, stop: &AtomicBool) -> Result<(), String> {
    // A line is in the file once it is whole: the log can be read while it is written.
    let mut out = LineWriter::new(file);
    let mut serializer = V2DeflateSerializer::new();
    let began = Instant::now();
    let fail = |error: &dyn std::fmt::Display| error.to_string();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("Ringbook: nanoseconds by stage; MaxValue in milliseconds")
        .with_start_time(SystemTime::now())
        .with_base_time(SystemTime::now())
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut out, &mut serializer)
        .map_err(|error| fail(&error))?;
    let mut last = Duration::ZERO;
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let now = began.elapsed();
        if stopping || now - last >= INTERVAL {
            let taken = stages.lock().map_err(|error| fail(&error))?.take();
            for stage in Stage::ALL {
                let histogram = taken.get(stage);
                if !histogram.is_empty() {
                    let tag = Tag::new(stage.name()).ok_or("a stage's name is no tag")?;
                    log.write_histogram(histogram, last, now - last, Some(tag))
                        .map_err(|error| format!("{error:?}"))?;
                }
            }
            last = now;
        }
        if stopping {
            drop(log);
            return out.flush().map_err(|error| fail(&error));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
