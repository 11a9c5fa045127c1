//! The hot path allocates nothing: ring → engine's agent → journal frame, on real files, after warm-up.
//!
//! ```text
//!  this thread:    Input::submit ─► EngineAgent::poll ─► frame in the tail      counted
//!  other threads:  sync, prepare, seal                                          not counted
//! ```
//!
//! Invariants checked: after [`WARM_UP`] commands (orders of all types and times in force, by lots and by budget, icebergs,
//! stop orders and their cascades, expiries with commands and by TICK, cancels, amendments of them all, mass cancels,
//! money, over some accounts, sessions, symbols and prices) the next [`COUNTED`] of the same mix allocate, grow and free
//! nothing on the thread that submits and executes. Roll-overs of segments and CONTINUEs are among them; the journal's
//! frames are read afterwards to see that everything else was, too.
//!
//! Not in the mix: the uncross, which comes with an operator's command and allocates (three lists of levels).
//!
//! `mix.rs` makes the commands, `counting.rs` counts, `seen.rs` reads the frames. `RINGBOOK_TRACE=1` prints where the first allocations happen.

mod counting;
mod mix;
mod seen;

use counting::count_in;
use mix::Hot;
use ringbook_core::{Engine, MIN_EVENT_BYTES};
use ringbook_journal::{Journal, NoStreams, Options, RealStorage, Sequence};
use ringbook_pipeline::{EngineAgent, EngineClock, InFlight, Stamps, input_ring};
use ringbook_wire::message::{Genesis, Message};
use seen::{EXPECTED, happened};
use std::path::PathBuf;
use std::sync::Arc;
use zerocopy::IntoBytes;

/// Commands before counting begins.
const WARM_UP: u64 = 200_000;
/// Commands that may not allocate.
const COUNTED: u64 = 100_000;

#[test]
fn ring_engine_and_journal_allocate_nothing_after_warm_up() {
    let dir = tempfile::tempdir().unwrap();
    let shared_memory = PathBuf::from("/dev/shm");
    let tails = tempfile::Builder::new()
        .prefix("ringbook-test-")
        .tempdir_in(if shared_memory.is_dir() { shared_memory.as_path() } else { dir.path() })
        .unwrap();
    let options = Options {
        // A few MiB: roll-overs are among what is counted.
        segment_bytes: 4 << 20,
        max_frame_bytes: 64 << 10,
        tail_dir: tails.path().to_path_buf(),
        free_space_floor: 0,
        zero_rate: u64::MAX,
        ..Options::default()
    };
    let journal = Journal::open(&dir.path().join("journal"), RealStorage::new(), options).unwrap().journal;
    let (inflight, stranded) = InFlight::open(journal.tails(), 0).unwrap();
    assert_eq!(stranded, None);
    let (appender, watermarks, background) = journal.start(Arc::new(NoStreams), None);
    let (input, output) = input_ring(1_024, 64);
    let agent = EngineAgent::new(Engine::new(), appender, output, EngineClock::new(), Stamps::new(1_024))
        .with_inflight(inflight);
    let mut hot = Hot::new(agent, input);
    let genesis = Genesis {
        seed: [3, 4],
        rules: 1,
        dedupe_capacity: 20_000,
        max_event_bytes: MIN_EVENT_BYTES,
        max_orders: 50_000,
        ..Genesis::new(0)
    };
    hot.agent.execute_now(genesis.as_bytes()).unwrap();
    hot.configure();
    hot.stretch();
    hot.run(WARM_UP);
    let (stats, before) = (hot.agent.stats(), hot.agent.engine().sequence().0);
    let continues = stats.continues.load(std::sync::atomic::Ordering::Relaxed);
    let segments = watermarks.stat().segments.len();

    let allocations = count_in(|| hot.run(COUNTED));

    let executed = hot.agent.engine().sequence().0 - before;
    let continues = stats.continues.load(std::sync::atomic::Ordering::Relaxed) - continues;
    let segments = watermarks.stat().segments.len() - segments;
    println!(
        "{executed} commands, {continues} CONTINUEs, {segments} roll-overs, {} open orders: {allocations} allocations",
        hot.agent.engine().open_order_count(),
    );
    assert!(executed >= COUNTED && continues > 0 && segments > 0 && hot.agent.engine().open_order_count() > 100);
    hot.agent.engine().check_invariants().unwrap();
    let seen = happened(&mut watermarks.reader(Sequence(before + 1)), Sequence(before + executed));
    println!("{seen:?}");
    for (what, least) in EXPECTED {
        assert!(seen.get(what).is_some_and(|count| count >= least), "{what}: {:?} of {least}", seen.get(what));
    }
    assert_eq!(allocations, 0, "run with RINGBOOK_TRACE=1 and --nocapture to see where");
    drop(hot);
    background.stop();
}
