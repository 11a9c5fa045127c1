//! The watermark page: the only way in which the writer publishes (`docs/FORMATS.md` §5).
//!
//! Invariants:
//! * Every number has one writing thread; stores release, loads acquire.
//! * `written`, `durable`, `replicated` and `oldest` only rise within one generation.
//! * A new generation is stored before any other number of that generation, so a reader that saw a new watermark
//!   also sees the new generation when it looks at it afterwards.
//! * Groups that different threads write are 128 bytes apart: they share no pair of cache lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::memory::SharedMemory;

/// Name of the page in the folder of tails.
pub const PAGE_NAME: &str = "watermarks";
/// Length of the page in bytes.
pub const PAGE_BYTES: usize = 4_096;
/// Number of follower slots.
pub const SLOTS: usize = 32;
/// A slot whose heartbeat is older is dead, in nanoseconds.
pub const HEARTBEAT_NS_MAX: u64 = 60_000_000_000;

const MAGIC: u64 = u64::from_le_bytes(*b"RBWMRK01");
const UUID_AT: usize = 16;
const BOOT_AT: usize = 32;
const PID_AT: usize = 48;
const ACK_AT: usize = 52;
const GENERATION_AT: usize = 56;
const STATE_AT: usize = 64;
const TERM_AT: usize = 68;
const WRITTEN_AT: usize = 128;
const DURABLE_AT: usize = 256;
const REPLICATED_AT: usize = 384;
const OLDEST_AT: usize = 512;
const METRICS_AT: usize = 640;
const SLOTS_AT: usize = 1_024;
const SLOT_BYTES: usize = 64;
/// Fields of a slot: pid and flags in one atomic word, the sequence that was passed, the heartbeat, the namespace of
/// process ids (0: not known).
pub(crate) const OWNER: usize = 24;
pub(crate) const PASSED: usize = 32;
pub(crate) const HEARTBEAT: usize = 40;
pub(crate) const NAMESPACE: usize = 48;
const _: () = assert!(SLOTS_AT + SLOTS * SLOT_BYTES <= PAGE_BYTES);

/// Which watermark is `committed`: what may leave the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum AckPolicy {
    /// Survives the process.
    Written = 1,
    /// Survives the machine's power.
    #[default]
    Durable = 2,
    /// Survives the machine.
    Replicated = 3,
}

/// What the writer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum WriterState {
    /// Recovering.
    Starting = 0,
    /// Accepting.
    Running = 1,
    /// Stopped; everything written is durable.
    Stopped = 2,
    /// Stopped accepting after an error.
    Failed = 3,
}

/// What a taken slot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// Its name; several processes may have the same.
    pub name: String,
    /// Last sequence that it has passed.
    pub passed: u64,
    /// Its process.
    pub pid: u32,
    /// The namespace in which `pid` counts; 0 if it is not known.
    pub(crate) namespace: u64,
}

/// The page in shared memory.
#[derive(Clone, Debug)]
pub struct WatermarkPage {
    memory: Arc<SharedMemory>,
}

impl WatermarkPage {
    /// Looks at a page.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn attach(memory: Arc<SharedMemory>) -> Result<WatermarkPage, &'static str> {
        if memory.len() != PAGE_BYTES || memory.published() != 0 {
            return Err("it is not a page of 4,096 bytes");
        }
        let page = WatermarkPage { memory };
        if page.load(0) != MAGIC || page.memory.atomic_u32(8).load(Ordering::Acquire) != 1 {
            return Err("it is not a watermark page of version 1");
        }
        Ok(page)
    }

    /// Begins a new generation on `memory`, which may hold a page of an older one: its follower slots stay.
    pub(crate) fn begin(
        memory: Arc<SharedMemory>,
        identity: &crate::format::identity::Identity,
        boot: [u8; 16],
        ack: AckPolicy,
        term: u32,
    ) -> WatermarkPage {
        assert_eq!(memory.len(), PAGE_BYTES);
        let page = WatermarkPage { memory };
        let generation = page.generation() + 1;
        page.store(GENERATION_AT, generation);
        page.memory.atomic_u32(STATE_AT).store(WriterState::Starting as u32, Ordering::Release);
        // Before `written`: what a crash leaves in between is taken for this writer's.
        page.set_term(term);
        let (low, high) = halves(identity.uuid);
        page.store(UUID_AT, low);
        page.store(UUID_AT + 8, high);
        let (low, high) = halves(boot);
        page.store(BOOT_AT, low);
        page.store(BOOT_AT + 8, high);
        page.memory.atomic_u32(8).store(1, Ordering::Release);
        page.memory.atomic_u32(12).store(identity.shard, Ordering::Release);
        page.memory.atomic_u32(PID_AT).store(std::process::id(), Ordering::Release);
        page.memory.atomic_u32(ACK_AT).store(ack as u32, Ordering::Release);
        page.store(0, MAGIC);
        page
    }

    #[inline]
    fn load(&self, offset: usize) -> u64 {
        self.memory.atomic_u64(offset).load(Ordering::Acquire)
    }

    #[inline]
    fn store(&self, offset: usize, value: u64) {
        self.memory.atomic_u64(offset).store(value, Ordering::Release);
    }

    /// New at every opening.
    pub fn generation(&self) -> u64 {
        self.load(GENERATION_AT)
    }

    /// The journal's identity.
    pub fn uuid(&self) -> [u8; 16] {
        whole(self.load(UUID_AT), self.load(UUID_AT + 8))
    }

    /// The machine's boot in which the page was begun.
    pub fn boot_id(&self) -> [u8; 16] {
        whole(self.load(BOOT_AT), self.load(BOOT_AT + 8))
    }

    /// The writer's process.
    pub fn pid(&self) -> u32 {
        self.memory.atomic_u32(PID_AT).load(Ordering::Acquire)
    }

    /// The operator's policy.
    pub fn ack(&self) -> AckPolicy {
        match self.memory.atomic_u32(ACK_AT).load(Ordering::Relaxed) {
            1 => AckPolicy::Written,
            3 => AckPolicy::Replicated,
            _ => AckPolicy::Durable,
        }
    }

    /// What the writer is doing.
    pub fn state(&self) -> WriterState {
        match self.memory.atomic_u32(STATE_AT).load(Ordering::Acquire) {
            0 => WriterState::Starting,
            1 => WriterState::Running,
            2 => WriterState::Stopped,
            _ => WriterState::Failed,
        }
    }

    /// Says what the writer is doing. `Failed` is final within a generation.
    pub fn set_state(&self, state: WriterState) {
        let failed = WriterState::Failed as u32;
        let set = |old| (old != failed).then_some(state as u32);
        let _ = self.memory.atomic_u32(STATE_AT).fetch_update(Ordering::AcqRel, Ordering::Acquire, set);
    }

    /// Term of the writer.
    pub fn term(&self) -> u32 {
        self.memory.atomic_u32(TERM_AT).load(Ordering::Acquire)
    }

    pub(crate) fn set_term(&self, term: u32) {
        self.memory.atomic_u32(TERM_AT).store(term, Ordering::Release);
    }

    /// Highest sequence that survives the process.
    #[inline]
    pub fn written(&self) -> u64 {
        self.load(WRITTEN_AT)
    }

    /// Highest sequence that survives the power.
    #[inline]
    pub fn durable(&self) -> u64 {
        self.load(DURABLE_AT)
    }

    /// Highest sequence that the replicated log confirmed.
    #[inline]
    pub fn replicated(&self) -> u64 {
        self.load(REPLICATED_AT)
    }

    /// First sequence that can be read.
    pub fn oldest(&self) -> u64 {
        self.load(OLDEST_AT)
    }

    /// Highest sequence that may leave the process.
    #[inline]
    pub fn committed(&self) -> u64 {
        match self.ack() {
            AckPolicy::Written => self.written(),
            AckPolicy::Durable => self.durable(),
            AckPolicy::Replicated => self.replicated().min(self.durable()),
        }
    }

    /// (bytes made durable, sync calls, duration of the last sync in ns).
    pub fn sync_metrics(&self) -> (u64, u64, u64) {
        (self.load(METRICS_AT), self.load(METRICS_AT + 8), self.load(METRICS_AT + 16))
    }

    #[inline]
    pub(crate) fn set_written(&self, sequence: u64) {
        self.store(WRITTEN_AT, sequence);
    }

    pub(crate) fn set_durable(&self, sequence: u64) {
        self.store(DURABLE_AT, sequence);
    }

    pub(crate) fn set_replicated(&self, sequence: u64) {
        self.store(REPLICATED_AT, sequence);
    }

    pub(crate) fn set_oldest(&self, sequence: u64) {
        self.store(OLDEST_AT, sequence);
    }

    pub(crate) fn count_sync(&self, bytes: u64, nanoseconds: u64) {
        self.store(METRICS_AT, self.load(METRICS_AT) + bytes);
        self.store(METRICS_AT + 8, self.load(METRICS_AT + 8) + 1);
        self.store(METRICS_AT + 16, nanoseconds);
    }

    pub(crate) fn slot(&self, index: usize, field: usize) -> &AtomicU64 {
        assert!(index < SLOTS);
        self.memory.atomic_u64(SLOTS_AT + SLOT_BYTES * index + field)
    }

    /// The followers whose heartbeat at `now_ns` is not too old.
    pub fn followers(&self, now_ns: u64) -> Vec<Follower> {
        let mut out = Vec::new();
        for index in 0..SLOTS {
            let owner = self.slot(index, OWNER).load(Ordering::Acquire);
            if owner == 0 || self.is_stale(index, now_ns) {
                continue;
            }
            let mut name = Vec::with_capacity(24);
            for word in 0..3 {
                name.extend(self.slot(index, word * 8).load(Ordering::Acquire).to_le_bytes());
            }
            let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_string();
            out.push(Follower {
                name,
                passed: self.slot(index, PASSED).load(Ordering::Acquire),
                pid: owner as u32,
                namespace: self.slot(index, NAMESPACE).load(Ordering::Acquire),
            });
        }
        out
    }

    /// The lowest sequence that a live follower has passed; `None` without followers.
    pub fn oldest_passed(&self, now_ns: u64) -> Option<u64> {
        self.followers(now_ns).iter().map(|follower| follower.passed).min()
    }

    pub(crate) fn is_stale(&self, index: usize, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.slot(index, HEARTBEAT).load(Ordering::Acquire)) > HEARTBEAT_NS_MAX
    }
}

fn halves(bytes: [u8; 16]) -> (u64, u64) {
    let number = u128::from_le_bytes(bytes);
    (number as u64, (number >> 64) as u64)
}

fn whole(low: u64, high: u64) -> [u8; 16] {
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::format::identity::{Identity, Salt};

    pub(crate) fn page() -> WatermarkPage {
        let identity = Identity { shard: 2, uuid: *b"0123456789abcdef", created_ns: 0, salt: Salt([1; 16]) };
        WatermarkPage::begin(SharedMemory::heap(PAGE_BYTES), &identity, [7; 16], AckPolicy::Durable, 6)
    }

    #[test]
    fn golden_bytes() {
        let page = page();
        page.set_written(3);
        page.set_durable(2);
        page.set_replicated(1);
        page.set_oldest(4);
        page.set_state(WriterState::Running);
        let bytes = page.memory.snapshot();
        assert_eq!(&bytes[..8], b"RBWMRK01");
        assert_eq!(&bytes[8..16], [1, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(&bytes[16..32], b"0123456789abcdef");
        assert_eq!(&bytes[32..48], [7; 16]);
        assert_eq!(&bytes[48..52], std::process::id().to_le_bytes());
        assert_eq!(&bytes[52..64], [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let numbers = [64, 128, 256, 384, 512].map(|offset: usize| bytes[offset]);
        assert_eq!(numbers, [1, 3, 2, 1, 4]);
        assert_eq!(&bytes[68..72], [6, 0, 0, 0], "the term");
    }

    #[test]
    fn a_failed_writer_stays_failed() {
        let page = page();
        page.set_state(WriterState::Failed);
        page.set_state(WriterState::Running);
        assert_eq!(page.state(), WriterState::Failed);
    }
}
