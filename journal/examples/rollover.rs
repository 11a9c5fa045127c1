//! What a roll-over and the filling of the next segment cost those who wait for `durable`.
//!
//! Appends frames of 768 B at a steady rate and measures each from its append until the sync thread has published it
//! as durable; prints the quantiles of all, of the frames appended while a spare was being filled, and the worst frame
//! behind each roll-over.
//!
//! ```text
//! cargo run --release -p ringbook-journal --example rollover -- DIR SEGMENT_MIB [ZERO_MIB_PER_S [SECONDS [RATE]]]
//! ```

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ringbook_journal::{
    AppendError, Appender, FrameKind, FrameMeta, Journal, NoStreams, Options, RealStorage, Sequence, Watermarks,
};

/// Bytes of command and events; with the header 768.
const PAYLOAD: usize = 720;
/// Frames of a segment in front of which a roll-over lies.
const BEHIND: u64 = 100;

/// When each frame was appended and made durable, in nanoseconds since the beginning; index: sequence.
struct Times {
    started: Instant,
    appended: Vec<AtomicU64>,
    durable: Vec<AtomicU64>,
    next: AtomicU64,
}

impl Times {
    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let segment_mib = number(16)?;
    let zero_mib = number(Options::default().zero_rate >> 20)?;
    let (seconds, rate) = (number(60)?, number(5_000)?);
    let home = dir.join(format!("ringbook-rollover-{}", std::process::id()));
    let options = Options {
        segment_bytes: segment_mib << 20,
        zero_rate: zero_mib << 20,
        free_space_floor: 0,
        ..Options::default()
    };
    println!("segments of {segment_mib} MiB, zeros at {zero_mib} MiB/s, {rate} frames/s of 768 B for {seconds} s");
    let result = measure(&home, options, seconds * rate, rate);
    std::fs::remove_dir_all(&home)?;
    result
}

fn measure(home: &Path, options: Options, frames: u64, rate: u64) -> Result<(), Box<dyn std::error::Error>> {
    let segment_bytes = options.segment_bytes;
    // A frame may begin where a longest one still fits.
    let room = segment_bytes - u64::from(options.max_frame_bytes) - 48 - 4_096;
    let per_segment = room / 768 + 1;
    let journal = Journal::open(home, RealStorage::new(), options)?.journal;
    let tails = journal.tails().to_path_buf();
    let column = || (0..=frames).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
    let (appended, durable) = (column(), column());
    let times = Arc::new(Times { started: Instant::now(), appended, durable, next: AtomicU64::new(1) });
    let watermarks: Arc<OnceLock<Watermarks>> = Arc::default();
    let hook = {
        let (times, watermarks) = (Arc::clone(&times), Arc::clone(&watermarks));
        move || {
            let Some(watermarks) = watermarks.get() else { return };
            let (now, last) = (times.now(), watermarks.durable().0);
            for sequence in times.next.swap(last + 1, Ordering::Relaxed)..=last {
                times.durable[sequence as usize].store(now, Ordering::Relaxed);
            }
        }
    };
    let (mut appender, marks, background) = journal.start(Arc::new(NoStreams), Some(Arc::new(hook)));
    let _ = watermarks.set(marks.clone());

    let filling = std::thread::spawn({
        let (home, times) = (home.to_path_buf(), Arc::clone(&times));
        move || watch_filling(&home, &times, frames)
    });
    let mut not_ready = 0u64;
    for sequence in 1..=frames {
        let due = Duration::from_nanos((sequence - 1) * 1_000_000_000 / rate);
        while times.started.elapsed() < due {
            std::thread::sleep((due - times.started.elapsed().min(due)).min(Duration::from_micros(100)));
        }
        not_ready += append(&mut appender, &times)?;
    }
    marks.wait_committed_beyond(Sequence(frames - 1), Duration::from_secs(20));
    let (bytes, syncs, _) = marks.sync_metrics();
    background.stop();
    let filling = filling.join().map_err(|_| "the watcher panicked")?;
    std::fs::remove_dir_all(tails)?;

    let latency = |sequence: u64| {
        let sequence = sequence as usize;
        let (from, to) = (&times.appended[sequence], &times.durable[sequence]);
        to.load(Ordering::Relaxed).saturating_sub(from.load(Ordering::Relaxed))
    };
    let is_filling = |sequence: &u64| {
        let at = times.appended[*sequence as usize].load(Ordering::Relaxed);
        filling.iter().any(|&(from, to)| (from..to).contains(&at))
    };
    say("all", (1..=frames).map(latency).collect());
    say("while a spare is filled", (1..=frames).filter(is_filling).map(latency).collect());
    say("while none is", (1..=frames).filter(|s| !is_filling(s)).map(latency).collect());
    let firsts = (1..).map(|n| n * per_segment + 1).take_while(|first| first + BEHIND <= frames);
    let worst = |first: u64| (first - 20..first + BEHIND).map(latency).max().unwrap_or(0);
    let stalls: Vec<String> = firsts.map(|first| format!("{:.1}", worst(first) as f64 / 1e6)).collect();
    println!("  worst frame around each of {} roll-overs, ms: {}", stalls.len(), stalls.join(" "));
    println!("  {syncs} syncs of {} bytes on average, not ready {not_ready} times", bytes / syncs.max(1));
    Ok(())
}

/// (from, to) in which the file of a spare was being filled.
fn watch_filling(home: &Path, times: &Times, frames: u64) -> Vec<(u64, u64)> {
    let mut out: Vec<(u64, u64)> = Vec::new();
    let mut was_filling = false;
    while times.appended[frames as usize].load(Ordering::Relaxed) == 0 {
        let names = std::fs::read_dir(home).into_iter().flatten().flatten();
        let filling = names.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".seg.tmp"));
        let now = times.now();
        match (was_filling, filling) {
            (false, true) => out.push((now, u64::MAX)),
            (true, false) => out.last_mut().into_iter().for_each(|last| last.1 = now),
            _ => {}
        }
        was_filling = filling;
        std::thread::sleep(Duration::from_millis(2));
    }
    out
}

fn append(appender: &mut Appender, times: &Times) -> Result<u64, AppendError> {
    let mut not_ready = 0;
    loop {
        match appender.begin() {
            Ok(area) => area[..PAYLOAD].fill(7),
            Err(AppendError::NotReady) => {
                not_ready += 1;
                std::thread::sleep(Duration::from_micros(100));
                continue;
            }
            Err(error) => return Err(error),
        }
        let sequence = appender.next_sequence().0 as usize;
        times.appended[sequence].store(times.now(), Ordering::Relaxed);
        let kind = FrameKind::Command;
        appender.finish(FrameMeta { time_ns: 1, command_len: 48, rules: 1, kind, payload_len: PAYLOAD });
        return Ok(not_ready);
    }
}

fn say(what: &str, mut samples: Vec<u64>) {
    samples.sort_unstable();
    let Some(last) = samples.len().checked_sub(1) else { return };
    let ms = |quantile: f64| samples[(last as f64 * quantile).ceil() as usize] as f64 / 1e6;
    println!(
        "  {what}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms ({} frames)",
        ms(0.5),
        ms(0.99),
        ms(0.999),
        ms(1.0),
        samples.len()
    );
}
