//! An allocator that counts what one thread does with it.
//!
//! Invariant: only what happens inside [`count_in`] on its own thread counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count(what: &str, bytes: usize) {
    if !WATCHED.get() {
        return;
    }
    COUNT.set(COUNT.get() + 1);
    if COUNT.get() <= 5 {
        WATCHED.set(false);
        if std::env::var_os("RINGBOOK_TRACE").is_some() {
            eprintln!("{what} {bytes} bytes\n{}", std::backtrace::Backtrace::force_capture());
        }
        WATCHED.set(true);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; what is counted lies in thread-locals without destructors,
// and the trace, which allocates itself, is made while counting is off.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count("alloc", layout.size());
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count("free", layout.size());
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count("realloc", size);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often memory was allocated, grown or freed by this thread meanwhile.
pub fn count_in(what: impl FnOnce()) -> u64 {
    WATCHED.set(true);
    what();
    WATCHED.set(false);
    COUNT.get()
}
