//! What the shadow tells about itself: written by its thread, read by anyone.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters and gauges; all loads and stores are relaxed, for they steer nothing.
#[derive(Debug, Default)]
pub struct ShadowMetrics {
    pub(super) sequence: AtomicU64,
    pub(super) committed: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) questions: AtomicU64,
    pub(super) waiting: AtomicU64,
    pub(super) snapshots: AtomicU64,
    pub(super) snapshot_failures: AtomicU64,
    pub(super) snapshot_sequence: AtomicU64,
    pub(super) snapshot_before: AtomicU64,
    pub(super) snapshot_bytes: AtomicU64,
    pub(super) snapshot_ns: AtomicU64,
    pub(super) snapshot_pause_ns: AtomicU64,
    pub(super) ended: AtomicBool,
    pub(super) failure: OnceLock<String>,
}

macro_rules! readers {
    ($($(#[$doc:meta])* $name:ident)+) => {
        impl ShadowMetrics {
            $($(#[$doc])* pub fn $name(&self) -> u64 {
                self.$name.load(Ordering::Relaxed)
            })+
        }
    };
}

readers! {
    /// Last sequence that was executed and compared.
    sequence
    /// `committed` as the shadow last saw it.
    committed
    /// Frames compared since the start.
    frames
    /// Questions answered.
    questions
    /// Questions that wait for a sequence.
    waiting
    /// Snapshots written and proven since the start.
    snapshots
    /// Snapshots that failed.
    snapshot_failures
    /// Sequence of the newest proven snapshot; 0 if none is known.
    snapshot_sequence
    /// Size of the last snapshot.
    snapshot_bytes
    /// How long the last snapshot took to write and prove.
    snapshot_ns
    /// How long the last snapshot kept the shadow from following.
    snapshot_pause_ns
}

impl ShadowMetrics {
    /// Committed frames that the shadow has not executed yet.
    pub fn lag(&self) -> u64 {
        self.committed().saturating_sub(self.sequence())
    }

    /// Journal segments below this sequence are not needed by the two newest proven snapshots; 0 if there are not two.
    pub fn retain_from(&self) -> u64 {
        self.snapshot_before.load(Ordering::Relaxed)
    }

    /// Why it has stopped, if it has.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Whether its thread has ended.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

pub(super) fn set(value: &AtomicU64, to: u64) {
    value.store(to, Ordering::Relaxed);
}

pub(super) fn add(value: &AtomicU64, by: u64) {
    value.fetch_add(by, Ordering::Relaxed);
}
