//! Memory that is shared: the tail of the active segment, the watermark page, mapped files.
//!
//! Invariants kept here, so that nothing else in the package needs `unsafe` (but `crc.rs`):
//!
//! * A [`SharedMemory`] is split by its `published` offset. Bytes below it never change again and may be read by
//!   anybody as `&[u8]`; bytes at or above it belong to the one [`TailWriter`] alone.
//! * `published` only rises, with release ordering, and is read with acquire ordering.
//! * Memory used for atomics (the watermark page) has `published == 0` for ever, so its bytes are never borrowed.
//! * Files are mapped read-only, and only those whose bytes below the reader's limit are not written any more.
//!   Another process of the same journal may still append behind that limit; readers do not look there.

use std::cell::UnsafeCell;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use memmap2::{Mmap, MmapOptions, MmapRaw};

/// A block of memory that several threads or processes look at. See the file's invariants.
pub struct SharedMemory {
    pointer: *mut u8,
    length: usize,
    published: AtomicUsize,
    has_writer: AtomicBool,
    writable: bool,
    _owner: Owner,
}

/// What keeps the bytes alive.
enum Owner {
    Shared(#[allow(dead_code)] MmapRaw),
    ReadOnly(#[allow(dead_code)] Mmap),
    Heap(#[allow(dead_code)] Box<[UnsafeCell<u64>]>),
}

// SAFETY: the pointer stays valid as long as `_owner`, which is never moved out. Access is arbitrated by `published`
// (immutable below it, one writer above it) and by atomics, so moving and sharing between threads is sound.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

impl std::fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedMemory").field("length", &self.length).field("published", &self.published()).finish()
    }
}

impl SharedMemory {
    fn new(pointer: *mut u8, length: usize, published: usize, writable: bool, owner: Owner) -> Arc<Self> {
        Arc::new(SharedMemory {
            pointer,
            length,
            published: AtomicUsize::new(published),
            has_writer: AtomicBool::new(false),
            writable,
            _owner: owner,
        })
    }

    /// Zeroed memory of this process, for the simulation. `published` starts at 0.
    pub fn heap(length: usize) -> Arc<Self> {
        let mut words: Box<[UnsafeCell<u64>]> = (0..length.div_ceil(8)).map(|_| UnsafeCell::new(0)).collect();
        let pointer = words.as_mut_ptr().cast::<u8>();
        Self::new(pointer, length, 0, true, Owner::Heap(words))
    }

    /// A copy of `bytes`, all published.
    pub fn copy_of(bytes: &[u8]) -> Arc<Self> {
        let memory = Self::heap(bytes.len());
        let mut writer = TailWriter::new(&memory);
        writer.slot(0, bytes.len()).copy_from_slice(bytes);
        writer.publish(bytes.len());
        drop(writer);
        memory
    }

    /// Maps a whole file for reading and writing, shared with whoever maps it. With `populate` every page is present
    /// before this returns. `published` starts at 0.
    pub fn map_shared(file: &File, populate: bool) -> io::Result<Arc<Self>> {
        let mut options = MmapOptions::new();
        if populate {
            options.populate();
        }
        let map = options.map_raw(file)?;
        Ok(Self::new(map.as_mut_ptr(), map.len(), 0, true, Owner::Shared(map)))
    }

    /// Maps a whole file for reading. Everything counts as published: the caller keeps to the sequence limits.
    pub fn map_read(file: &File) -> io::Result<Arc<Self>> {
        let length = file.metadata()?.len();
        if length == 0 {
            return Ok(Self::new(std::ptr::NonNull::dangling().as_ptr(), 0, 0, false, Owner::Heap(Box::new([]))));
        }
        // SAFETY: the files of a journal are not truncated while they exist (segments have a fixed size, sidecars are
        // replaced by rename), and readers look only at bytes that the watermarks have released.
        let map = unsafe { MmapOptions::new().map(file)? };
        Ok(Self::new(map.as_ptr().cast_mut(), map.len(), map.len(), false, Owner::ReadOnly(map)))
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Offset in bytes up to which the bytes may be read.
    #[inline]
    pub fn published(&self) -> usize {
        self.published.load(Ordering::Acquire)
    }

    /// The published bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let published = self.published();
        debug_assert!(published <= self.length);
        // SAFETY: bytes below `published` are initialised, inside the memory, and never written again.
        unsafe { std::slice::from_raw_parts(self.pointer, published) }
    }

    /// Declares everything published: for memory left by a process that is gone.
    pub fn publish_all(&self) {
        assert!(!self.has_writer.load(Ordering::Acquire), "memory with a writer is published by the writer alone");
        self.published.store(self.length, Ordering::Release);
    }

    /// For the simulation: a fresh handle on the same bytes after the owner was killed. Nobody may hold the old
    /// writer any more; the copy makes that certain.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = vec![0u8; self.length];
        for (index, byte) in out.iter_mut().enumerate() {
            // SAFETY: `index` is inside the memory; a volatile read never assumes that the byte stays the same.
            *byte = unsafe { std::ptr::read_volatile(self.pointer.add(index)) };
        }
        out
    }

    /// An atomic number of the watermark page.
    ///
    /// # Panics
    /// If `offset` is not a multiple of 8 inside the memory, or the memory is read as bytes.
    #[inline]
    pub fn atomic_u64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.length && self.published() == 0);
        // SAFETY: aligned (mappings and heap blocks are 8-aligned), inside the memory, and accessed only as atomics
        // because `published` is 0. A read-only mapping is only loaded from (the page type keeps stores apart).
        unsafe { AtomicU64::from_ptr(self.pointer.add(offset).cast()) }
    }

    /// An atomic number of the watermark page; as [`Self::atomic_u64`], for a multiple of 4.
    #[inline]
    pub fn atomic_u32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.length && self.published() == 0);
        // SAFETY: as in `atomic_u64`.
        unsafe { AtomicU32::from_ptr(self.pointer.add(offset).cast()) }
    }
}

/// The one owner of the bytes of a [`SharedMemory`] that are not yet published.
#[derive(Debug)]
pub struct TailWriter {
    memory: Arc<SharedMemory>,
}

impl TailWriter {
    /// Takes the writer's part of `memory`.
    ///
    /// # Panics
    /// If there is a writer already, or the memory is mapped read-only.
    pub fn new(memory: &Arc<SharedMemory>) -> Self {
        assert!(memory.writable, "a read-only mapping has no writer");
        assert!(!memory.has_writer.swap(true, Ordering::AcqRel), "a tail has one writer");
        TailWriter { memory: Arc::clone(memory) }
    }

    /// The memory that is written.
    pub fn memory(&self) -> &Arc<SharedMemory> {
        &self.memory
    }

    /// `length` unpublished bytes at `offset`, for writing.
    ///
    /// # Panics
    /// If a part of them is published or outside.
    #[inline]
    pub fn slot(&mut self, offset: usize, length: usize) -> &mut [u8] {
        assert!(offset >= self.memory.published.load(Ordering::Relaxed));
        assert!(length <= self.memory.length && offset <= self.memory.length - length);
        // SAFETY: inside the memory and above `published`, so no reader looks here; `&mut self` of the only writer
        // makes the borrow exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.memory.pointer.add(offset), length) }
    }

    /// Releases all bytes below `offset` to readers, for ever.
    #[inline]
    pub fn publish(&mut self, offset: usize) {
        assert!(offset >= self.memory.published.load(Ordering::Relaxed) && offset <= self.memory.length);
        self.memory.published.store(offset, Ordering::Release);
    }
}

impl Drop for TailWriter {
    fn drop(&mut self) {
        self.memory.has_writer.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_bytes_are_the_readers_and_the_rest_the_writers() {
        let memory = SharedMemory::heap(64);
        let mut writer = TailWriter::new(&memory);
        writer.slot(0, 8).fill(7);
        assert!(memory.bytes().is_empty());
        writer.publish(8);
        assert_eq!(memory.bytes(), [7; 8]);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.slot(0, 8).len()));
        assert!(result.is_err(), "published bytes are never given out for writing");
    }

    #[test]
    fn a_tail_has_one_writer() {
        let memory = SharedMemory::heap(64);
        let _writer = TailWriter::new(&memory);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| TailWriter::new(&memory))).is_err());
    }
}
