//! The in-flight slot: the command that the engine is executing, in memory that survives the process
//! (docs/FORMATS.md §9).
//!
//! ```text
//! offset  0          8         12       16           24         28         32
//!         +----------+---------+--------+------------+----------+----------+----------------------+
//!         | magic    | version | marked | sequence   | length   | reserved | command bytes        |
//!         +----------+---------+--------+------------+----------+----------+----------------------+
//! ```
//!
//! Invariants: `length` is not 0 exactly while a command is being executed; `marked` is set by the panic hook alone, and
//! only if the thread that panics is the one that executes: a panic elsewhere says nothing about the command.

use memmap2::{MmapMut, MmapRaw};
use ringbook_event::Origin;
use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use zerocopy::IntoBytes;

const BYTES: usize = 4_096;
const MAGIC: &[u8; 8] = b"RBINFL01";
const COMMAND: usize = 32;
/// Longest command that the slot holds.
const MAX_BYTES: usize = 1_024;

/// The slot cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("in-flight slot {path}: {source}; check the setting tail_dir and its rights")]
pub struct InFlightError {
    path: PathBuf,
    source: std::io::Error,
}

/// A command that crashed the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranded {
    /// Journal sequence that it would have got.
    pub sequence: u64,
    /// Origin and message.
    pub command: Vec<u8>,
}

/// The mapped slot; see the module.
pub struct InFlight {
    map: Arc<MmapRaw>,
}

thread_local! {
    /// Whether this thread is between [`InFlight::begin`] and [`InFlight::end`].
    static EXECUTES: Cell<bool> = const { Cell::new(false) };
}

/// Slots that the panic hook marks.
static MARKED_BY_HOOK: Mutex<Vec<Arc<MmapRaw>>> = Mutex::new(Vec::new());

impl InFlight {
    /// Opens the slot in the journal's tail folder; what it holds if the engine crashed there.
    ///
    /// # Errors
    /// The file cannot be made or mapped.
    pub fn open(tails: &Path, last_sequence: u64) -> Result<(Self, Option<Stranded>), InFlightError> {
        let path = tails.join("inflight");
        let open = || -> std::io::Result<(File, MmapMut)> {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            file.set_len(BYTES as u64)?;
            // Real pages, so that a full disk is an error here and not a SIGBUS later.
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, BYTES as u64)?;
            // SAFETY: the journal's lock makes this process the only writer; the file has BYTES bytes and keeps them.
            let map = unsafe { MmapMut::map_mut(&file)? };
            Ok((file, map))
        };
        let (_, mut map) = open().map_err(|source| InFlightError { path: path.clone(), source })?;
        let stranded = Self::stranded(&map, last_sequence);
        map.fill(0);
        map[..8].copy_from_slice(MAGIC);
        map[8..12].copy_from_slice(&1u32.to_le_bytes());
        let map = Arc::new(MmapRaw::from(map));
        Ok((Self { map }, stranded))
    }

    fn stranded(map: &[u8], last_sequence: u64) -> Option<Stranded> {
        let word = |at: usize| u32::from_le_bytes(map[at..at + 4].try_into().expect("4 bytes"));
        let sequence = u64::from_le_bytes(map[16..24].try_into().expect("8 bytes"));
        let length = word(24) as usize;
        let crashed = &map[..8] == MAGIC && word(8) == 1 && word(12) == 1 && (24..=MAX_BYTES).contains(&length);
        (crashed && sequence > last_sequence)
            .then(|| Stranded { sequence, command: map[COMMAND..COMMAND + length].to_vec() })
    }

    #[inline]
    fn word(&self, at: usize) -> &AtomicU32 {
        debug_assert!(at.is_multiple_of(4) && at < COMMAND);
        // SAFETY: inside the mapping, aligned, and these words are only ever used as atomics while it is shared.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    /// A command begins.
    #[inline]
    pub fn begin(&self, sequence: u64, origin: &Origin, message: &[u8]) {
        let length = size_of::<Origin>() + message.len();
        assert!(length <= MAX_BYTES, "commands are bounded by the ring's slots");
        // SAFETY: source and target do not overlap, and the target lies inside the mapping: COMMAND + MAX_BYTES ≤
        // BYTES. Only the engine's thread writes here, and nothing reads it before the process is gone.
        unsafe {
            let target = self.map.as_mut_ptr().add(COMMAND);
            std::ptr::copy_nonoverlapping(origin.as_bytes().as_ptr(), target, size_of::<Origin>());
            let target = target.add(size_of::<Origin>());
            std::ptr::copy_nonoverlapping(message.as_ptr(), target, message.len());
        }
        // SAFETY: inside the mapping and aligned to 8; used as an atomic only.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(16).cast()) }.store(sequence, Ordering::Relaxed);
        self.word(24).store(length as u32, Ordering::Release);
        EXECUTES.set(true);
    }

    /// The command's frame is written.
    #[inline]
    pub fn end(&self) {
        EXECUTES.set(false);
        self.word(24).store(0, Ordering::Release);
    }

    /// From now on a panic of the executing thread marks the slot.
    pub fn mark_on_panic(&self) {
        let mut slots = MARKED_BY_HOOK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let first = slots.is_empty();
        slots.push(self.map.clone());
        drop(slots);
        if first {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if EXECUTES.get()
                    && let Ok(slots) = MARKED_BY_HOOK.try_lock()
                {
                    for map in slots.iter() {
                        // SAFETY: inside the mapping, aligned, used as an atomic only; the Arc keeps it mapped.
                        unsafe { AtomicU32::from_ptr(map.as_mut_ptr().add(12).cast()) }.store(1, Ordering::SeqCst);
                    }
                }
                before(info);
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the thread that executes can accuse its command; a panic elsewhere while it executes says nothing about it.
    #[test]
    fn a_panic_of_another_thread_marks_nothing() {
        for executes in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (slot, _) = InFlight::open(dir.path(), 0).unwrap();
            slot.mark_on_panic();
            let slot = Arc::new(slot);
            let here = Arc::clone(&slot);
            if !executes {
                slot.begin(5, &Origin::INTERNAL, &[7u8; 96]);
            }
            let thread = std::thread::spawn(move || {
                if executes {
                    here.begin(5, &Origin::INTERNAL, &[7u8; 96]);
                }
                panic!("on purpose");
            });
            assert!(thread.join().is_err());
            assert_eq!(slot.word(12).load(Ordering::SeqCst), u32::from(executes));
            slot.end();
        }
    }

    /// An unmarked slot is dropped; a marked one is handed over, unless the journal has its sequence already.
    #[test]
    fn only_a_marked_command_that_is_not_in_the_journal_is_stranded() {
        let dir = tempfile::tempdir().unwrap();
        let message = [7u8; 96];
        for (mark, finished, last, stranded) in
            [(false, false, 4, false), (true, false, 4, true), (true, false, 5, false), (true, true, 4, false)]
        {
            let (slot, _) = InFlight::open(dir.path(), 0).unwrap();
            slot.begin(5, &Origin::INTERNAL, &message);
            if finished {
                slot.end();
            }
            if mark {
                slot.word(12).store(1, Ordering::SeqCst);
            }
            drop(slot);
            let (_, found) = InFlight::open(dir.path(), last).unwrap();
            assert_eq!(found.is_some(), stranded, "mark {mark}, finished {finished}, journal at {last}");
            if let Some(found) = found {
                assert_eq!((found.sequence, &found.command[16..]), (5, &message[..]));
            }
        }
    }
}
