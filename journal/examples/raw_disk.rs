//! Raw figures of this machine: one durable 4 KiB write, one append, one append made durable.
//!
//! ```text
//! cargo run --release -p ringbook-journal --example raw_disk -- [DIR] [SECONDS]
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringbook_journal::{
    AppendError, Appender, FrameKind, FrameMeta, Journal, NoStreams, Options, RawDisk, RealStorage, Sequence,
    measure_raw_disk,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let duration = Duration::from_secs_f64(arguments.next().map_or(Ok(3.0), |text| text.parse())?);
    let raw = measure_raw_disk(&dir, duration)?;
    say("raw 4 KiB O_DIRECT|O_DSYNC", &raw);

    let home = dir.join(format!("ringbook-example-{}", std::process::id()));
    let result = measure_journal(&home, duration, &raw);
    std::fs::remove_dir_all(&home)?;
    result
}

fn measure_journal(
    home: &std::path::Path,
    duration: Duration,
    raw: &RawDisk,
) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options { free_space_floor: 0, ..Options::default() };
    let journal = Journal::open(home, RealStorage::new(), options.clone())?.journal;
    let tails = journal.tails().to_path_buf();
    let (mut appender, watermarks, background) = journal.start(Arc::new(NoStreams), None);

    let mut samples_ns = Vec::new();
    let started = Instant::now();
    while started.elapsed() < duration {
        let before = Instant::now();
        let sequence = append(&mut appender, 720)?;
        while watermarks.durable() < sequence {
            std::hint::spin_loop();
        }
        samples_ns.push(before.elapsed().as_nanos() as u64);
    }
    samples_ns.sort_unstable();
    let closed = RawDisk { samples_ns, seconds: started.elapsed().as_secs_f64() };
    say("768 B frame, append until durable (spinning)", &closed);
    println!(
        "    ratio to raw: p50 {:.2}, p99 {:.2}",
        closed.quantile_ns(0.5) as f64 / raw.quantile_ns(0.5) as f64,
        closed.quantile_ns(0.99) as f64 / raw.quantile_ns(0.99) as f64
    );

    for payload in [48, 144, 720] {
        // Bursts that fit the segment, each made durable before the next begins.
        let mut best = f64::MAX;
        let mut sum = 0.0;
        for _ in 0..20 {
            let started = Instant::now();
            for _ in 0..20_000 {
                append(&mut appender, payload)?;
            }
            let each = started.elapsed().as_nanos() as f64 / 20_000.0;
            best = best.min(each);
            sum += each;
            let last = Sequence(appender.next_sequence().0 - 1);
            watermarks.wait_committed_beyond(Sequence(last.0 - 1), Duration::from_secs(20));
        }
        println!(
            "append of {} B: {:.1} ns at best, {:.1} ns on average, sync thread running",
            payload + 48,
            best,
            sum / 20.0
        );
    }
    let (bytes, calls, _) = watermarks.sync_metrics();
    println!("{calls} syncs, {} bytes each on average", bytes / calls.max(1));
    background.stop();
    std::fs::remove_dir_all(tails)?;
    Ok(())
}

fn append(appender: &mut Appender, payload_len: usize) -> Result<Sequence, AppendError> {
    loop {
        match appender.begin() {
            Ok(area) => area[..payload_len].fill(7),
            Err(AppendError::NotReady) => continue,
            Err(error) => return Err(error),
        }
        let meta = FrameMeta { time_ns: 1, command_len: 48, rules: 1, kind: FrameKind::Command, payload_len };
        return Ok(appender.finish(meta));
    }
}

fn say(what: &str, raw: &RawDisk) {
    let us = |quantile| raw.quantile_ns(quantile) as f64 / 1_000.0;
    println!("{what}: p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs, {:.0}/s", us(0.5), us(0.99), us(0.999), raw.rate());
}
