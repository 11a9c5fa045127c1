//! Follower slots of the watermark page: readers that must not lose the journal (`docs/FORMATS.md` §5).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Sequence;
use crate::page::{Follower, HEARTBEAT, NAMESPACE, OWNER, PASSED, SLOTS, WatermarkPage};

/// Bit of `flags` that says "taken"; the others are a nonce, so that two takers of one process differ.
const TAKEN: u64 = 1 << 63;

/// A reader that must not lose the journal: retention keeps what a live slot has not passed.
///
/// ```text
/// slot:  name [24] | pid u32, flags u32 (one atomic word, taken by compare-and-swap) | passed | heartbeat ns | pid namespace | 8 zeros
/// ```
#[derive(Debug)]
pub struct FollowerSlot {
    page: WatermarkPage,
    index: usize,
    owner: u64,
}

impl FollowerSlot {
    /// Takes a free slot (or one whose owner is dead) under `name` (at most 24 bytes are kept), for a follower that
    /// has passed everything up to `passed`.
    ///
    /// `None`: all 32 slots are taken by live followers.
    pub fn take(page: &WatermarkPage, name: &str, passed: u64, now_ns: u64) -> Option<FollowerSlot> {
        static NONCE: AtomicU64 = AtomicU64::new(1);
        let nonce = NONCE.fetch_add(1, Ordering::Relaxed) & 0x7FFF_FFFF;
        let owner = TAKEN | nonce << 32 | u64::from(std::process::id());
        for index in 0..SLOTS {
            let old = page.slot(index, OWNER).load(Ordering::Acquire);
            if old != 0 && !page.is_stale(index, now_ns) {
                continue;
            }
            // Heartbeat and place first: whoever sees the owner sees a live follower at the right place.
            if page.slot(index, OWNER).compare_exchange(old, owner, Ordering::AcqRel, Ordering::Acquire).is_err() {
                continue;
            }
            page.slot(index, PASSED).store(passed, Ordering::Release);
            page.slot(index, HEARTBEAT).store(now_ns, Ordering::Release);
            page.slot(index, NAMESPACE).store(pid_namespace(), Ordering::Release);
            let mut bytes = [0; 24];
            let length = name.len().min(24);
            bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
            for (word, chunk) in bytes.as_chunks::<8>().0.iter().enumerate() {
                page.slot(index, word * 8).store(u64::from_le_bytes(*chunk), Ordering::Release);
            }
            return Some(FollowerSlot { page: page.clone(), index, owner });
        }
        None
    }

    /// Says that everything up to `sequence` may be removed for this follower's sake; also the heartbeat, so call it
    /// at least every 20 s. `false`: the slot was taken away after a silence of more than 60 s.
    pub fn passed(&self, sequence: Sequence, now_ns: u64) -> bool {
        if self.page.slot(self.index, OWNER).load(Ordering::Acquire) != self.owner {
            return false;
        }
        self.page.slot(self.index, PASSED).store(sequence.0, Ordering::Release);
        self.page.slot(self.index, HEARTBEAT).store(now_ns, Ordering::Release);
        true
    }
}

/// The namespace in which this process' id counts; 0 where the system does not say. A container sees other ids than its
/// neighbour, so that an id alone does not tell whether a process lives.
pub(crate) fn pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// Leaves out the followers whose process has ended, as far as that can be seen from the namespace `here`.
pub(crate) fn living(mut followers: Vec<Follower>, here: u64, lives: impl Fn(u32) -> bool) -> Vec<Follower> {
    followers.retain(|f| f.namespace == 0 || f.namespace != here || lives(f.pid));
    followers
}

impl Drop for FollowerSlot {
    fn drop(&mut self) {
        let owner = self.page.slot(self.index, OWNER);
        let _ = owner.compare_exchange(self.owner, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::HEARTBEAT_NS_MAX;
    use crate::page::tests::page;

    #[test]
    fn slots_are_taken_passed_and_released() {
        let page = page();
        let slot = FollowerSlot::take(&page, "projector", 10, 1_000).unwrap();
        let other = FollowerSlot::take(&page, "replicator-with-a-name-too-long", 7, 1_000).unwrap();
        assert_eq!(page.oldest_passed(1_000), Some(7));
        assert!(other.passed(Sequence(20), 2_000));
        assert_eq!(page.oldest_passed(2_000), Some(10));
        let follower = page.followers(2_000)[1].clone();
        assert_eq!((follower.name.as_str(), follower.passed), ("replicator-with-a-name-t", 20));
        assert_eq!((follower.pid, follower.namespace), (std::process::id(), pid_namespace()));
        drop(slot);
        assert_eq!(page.oldest_passed(2_000), Some(20));
        // A follower that is silent for more than a minute loses its slot to the next one that comes.
        let late = 2_001 + HEARTBEAT_NS_MAX;
        assert_eq!(page.oldest_passed(late), None);
        let all: Vec<_> = (0..SLOTS).map(|_| FollowerSlot::take(&page, "x", 1, late).unwrap()).collect();
        assert!(FollowerSlot::take(&page, "y", 1, late).is_none());
        assert!(!other.passed(Sequence(21), late));
        drop(all);
    }
    /// A projector that was killed stood in status and metrics for a minute, beside the one that came after it.
    #[test]
    fn a_dead_process_is_left_out_where_it_can_be_seen() {
        for (namespace, pid, shown) in [(7, 1, true), (7, 2, false), (8, 2, true), (0, 2, true)] {
            let follower = Follower { name: "projector".into(), passed: 5, pid, namespace };
            let left = living(vec![follower], 7, |pid| pid == 1);
            assert_eq!(left.len(), usize::from(shown), "pid {pid} of namespace {namespace}");
        }
    }
}
