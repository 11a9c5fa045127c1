//! Latency by stage, from the socket to the socket (docs/OPERATIONS.md): decode, queue, apply, durable, reply, total.

use hdrhistogram::Histogram;
use ringbook_pipeline::Stamp;

/// A stage of a command's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Bytes read → published into the ring.
    Decode,
    /// Published → the engine begins.
    Queue,
    /// The engine begins → its frame is written.
    Apply,
    /// Written → seen committed by the worker.
    Durable,
    /// Seen committed → reports handed to the socket.
    Reply,
    /// Bytes read → reports handed to the socket.
    Total,
}

impl Stage {
    /// All, in the order of the way.
    pub const ALL: [Self; 6] = [Self::Decode, Self::Queue, Self::Apply, Self::Durable, Self::Reply, Self::Total];

    /// Its name: the tag in HDR logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Queue => "queue",
            Self::Apply => "apply",
            Self::Durable => "durable",
            Self::Reply => "reply",
            Self::Total => "total",
        }
    }
}

/// A histogram in nanoseconds for each stage.
#[derive(Clone, Debug)]
pub struct StageHistograms(Vec<Histogram<u64>>);

impl Default for StageHistograms {
    fn default() -> Self {
        // 1 ns to 100 s, three digits: about 50 KiB each, all allocated here.
        let histogram = || Histogram::new_with_bounds(1, 100_000_000_000, 3).expect("valid bounds");
        Self(Stage::ALL.iter().map(|_| histogram()).collect())
    }
}

impl StageHistograms {
    /// The histogram of a stage.
    pub fn get(&self, stage: Stage) -> &Histogram<u64> {
        &self.0[stage as usize]
    }

    /// Records one command.
    #[inline]
    pub(crate) fn record(&mut self, stamp: &Stamp, seen_ns: u64, sent_ns: u64) {
        let spans = [
            stamp.published_ns.saturating_sub(stamp.arrived_ns),
            stamp.begun_ns.saturating_sub(stamp.published_ns),
            stamp.written_ns.saturating_sub(stamp.begun_ns),
            seen_ns.saturating_sub(stamp.written_ns),
            sent_ns.saturating_sub(seen_ns),
            sent_ns.saturating_sub(stamp.arrived_ns),
        ];
        for (histogram, span) in self.0.iter_mut().zip(spans) {
            histogram.saturating_record(span.max(1));
        }
    }

    /// Takes what was recorded since the last call.
    pub fn take(&mut self) -> Self {
        let taken = self.clone();
        for histogram in &mut self.0 {
            histogram.reset();
        }
        taken
    }

    /// Adds what another has recorded.
    pub fn add(&mut self, other: &Self) {
        for (histogram, other) in self.0.iter_mut().zip(&other.0) {
            histogram.add(other).expect("same bounds");
        }
    }
}
