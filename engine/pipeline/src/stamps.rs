//! When the latest commands passed each stage, for the latency report by stage: written by the engine's thread, read by
//! whoever sends the reports.
//!
//! Invariant: a reader takes a stamp only if the sequence in it is the one it asks for, before and after reading; a
//! stamp that was overtaken is simply not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Stages of one command, by [`crate::mono_ns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its bytes were read from the socket.
    pub arrived_ns: u64,
    /// It was published into the ring.
    pub published_ns: u64,
    /// The engine began it.
    pub begun_ns: u64,
    /// Its frame was written.
    pub written_ns: u64,
}

#[derive(Default)]
#[repr(align(64))]
struct Cell {
    sequence: AtomicU64,
    arrived: AtomicU64,
    published: AtomicU64,
    begun: AtomicU64,
    written: AtomicU64,
}

/// A ring of stamps by journal sequence.
#[derive(Clone)]
pub struct Stamps(Arc<[Cell]>);

impl Stamps {
    /// Room for the latest `capacity` commands (a power of two).
    pub fn new(capacity: usize) -> Self {
        assert!(capacity.is_power_of_two());
        Self((0..capacity).map(|_| Cell::default()).collect())
    }

    #[inline]
    fn cell(&self, sequence: u64) -> &Cell {
        &self.0[sequence as usize & (self.0.len() - 1)]
    }

    /// Notes a command. Called by the engine's thread alone.
    #[inline]
    pub fn put(&self, sequence: u64, stamp: Stamp) {
        let cell = self.cell(sequence);
        cell.sequence.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        cell.arrived.store(stamp.arrived_ns, Ordering::Relaxed);
        cell.published.store(stamp.published_ns, Ordering::Relaxed);
        cell.begun.store(stamp.begun_ns, Ordering::Relaxed);
        cell.written.store(stamp.written_ns, Ordering::Relaxed);
        cell.sequence.store(sequence, Ordering::Release);
    }

    /// The stamp of a command, if it is still there.
    #[inline]
    pub fn get(&self, sequence: u64) -> Option<Stamp> {
        let cell = self.cell(sequence);
        if cell.sequence.load(Ordering::Acquire) != sequence {
            return None;
        }
        let stamp = Stamp {
            arrived_ns: cell.arrived.load(Ordering::Relaxed),
            published_ns: cell.published.load(Ordering::Relaxed),
            begun_ns: cell.begun.load(Ordering::Relaxed),
            written_ns: cell.written.load(Ordering::Relaxed),
        };
        fence(Ordering::Acquire);
        (cell.sequence.load(Ordering::Relaxed) == sequence).then_some(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overtaken_stamp_is_not_there() {
        let stamps = Stamps::new(4);
        let stamp = Stamp { arrived_ns: 1, published_ns: 2, begun_ns: 3, written_ns: 4 };
        stamps.put(1, stamp);
        assert_eq!(stamps.get(1), Some(stamp));
        stamps.put(5, stamp);
        assert_eq!((stamps.get(1), stamps.get(5)), (None, Some(stamp)));
    }
}
