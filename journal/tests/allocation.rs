//! The hot path allocates nothing: begin, finish, abandon and the roll-over.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use ringbook_journal::sim::SimStorage;
use ringbook_journal::{FrameKind, FrameMeta, Journal, NoStreams, Options, Sequence};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the count is a thread-local number without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn begin_and_finish_allocate_nothing() {
    let sim = SimStorage::new(1);
    let options = Options { spares: 4, ..Options::small() };
    let journal = Journal::open(Path::new("/data/journal"), sim.process(), options).unwrap().journal;
    let (mut appender, _watermarks, mut agents) = journal.start_stepped(Arc::new(NoStreams), None);
    agents.poll_all();
    let meta = FrameMeta { time_ns: 1, command_len: 48, rules: 1, kind: FrameKind::Command, payload_len: 96 };
    let before = COUNT.with(Cell::get);
    for _ in 0..1_500 {
        appender.begin().unwrap()[..96].fill(3);
        appender.finish(meta);
        appender.begin().unwrap()[..96].fill(4);
        appender.abandon();
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    assert_eq!(appender.next_sequence(), Sequence(1_501));
    // 1,500 × 144 bytes: three roll-overs of 64 KiB segments were among them.
}
