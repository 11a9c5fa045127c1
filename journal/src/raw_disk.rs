//! What the raw disk does, so that figures of the journal can be read beside it.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::storage::real::RealStorage;
use crate::storage::{Block, Storage};

/// Size of the scratch file in bytes.
const FILE_BYTES: u64 = 16 << 20;

/// Latencies of making 4 KiB durable, one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct RawDisk {
    /// Every sample in nanoseconds, sorted.
    pub samples_ns: Vec<u64>,
    /// How long it was measured, in seconds.
    pub seconds: f64,
}

impl RawDisk {
    /// The latency that a share `quantile` (0..=1) of the writes did not exceed, in nanoseconds.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        let last = self.samples_ns.len().saturating_sub(1);
        self.samples_ns.get((last as f64 * quantile).ceil() as usize).copied().unwrap_or(0)
    }

    /// Writes per second.
    pub fn rate(&self) -> f64 {
        self.samples_ns.len() as f64 / self.seconds
    }
}

/// Writes 4 KiB blocks of a zero-written scratch file in `dir` durably, for `duration`, exactly as the sync thread
/// does. The file is removed afterwards.
///
/// # Errors
/// Of the file system.
pub fn measure_raw_disk(dir: &Path, duration: Duration) -> io::Result<RawDisk> {
    let storage = RealStorage::new();
    let path = dir.join(format!("ringbook-raw-disk-{}.seg", std::process::id()));
    let file = storage.create(&path)?;
    let result: io::Result<RawDisk> = (|| {
        file.write_zeros(0, FILE_BYTES)?;
        file.sync()?;
        let mut block = Block::zeroed();
        let mut samples_ns = Vec::new();
        let started = Instant::now();
        while started.elapsed() < duration {
            block.0.fill(samples_ns.len() as u8);
            let offset = samples_ns.len() as u64 * 4_096 % FILE_BYTES;
            let before = Instant::now();
            file.write_durable(offset, &[], Some(&block))?;
            samples_ns.push(before.elapsed().as_nanos() as u64);
        }
        samples_ns.sort_unstable();
        Ok(RawDisk { samples_ns, seconds: started.elapsed().as_secs_f64() })
    })();
    let removed = storage.remove(&path);
    let measured = result?;
    removed?;
    Ok(measured)
}
