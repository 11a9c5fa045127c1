//! A process that dies while it executes a command, for real: this test runs itself as another process, which panics,
//! aborts or is refused in the middle of `apply`, and looks at what the in-flight slot says afterwards.
//!
//! ```text
//!  parent ─ spawns itself, RINGBOOK_CHILD=how ─► child: journal, engine's agent, some commands, then it dies
//!    └── opens the journal and the slot again ─► Stranded, or nothing
//! ```
//!
//! Invariants checked: only a panic strands the command that was being executed, with the sequence that it would have
//! got and its bytes to the letter; a process that was killed (no panic hook ran) strands nothing; a slot is read once;
//! a command whose frame is written is never stranded.

use ringbook_core::{Engine, MIN_EVENT_BYTES};
use ringbook_event::{Origin, split_command};
use ringbook_journal::{Journal, NoStreams, Options, RealStorage};
use ringbook_pipeline::{Agent, EngineAgent, EngineClock, InFlight, Stamps, Stranded, input_ring};
use ringbook_wire::message::{Genesis, Message, NewOrder, Tick};
use ringbook_wire::{AccountId, ClientOrderId, KeyId, SessionId};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use zerocopy::IntoBytes;

/// Tells the child how to die.
const HOW: &str = "RINGBOOK_CHILD";
/// Tells the child where.
const DIR: &str = "RINGBOOK_CHILD_DIR";
/// GENESIS and TICKs that the child executes before it dies.
const EXECUTED: u64 = 6;

fn options(dir: &Path) -> Options {
    let tail_dir = dir.join("tails");
    std::fs::create_dir_all(&tail_dir).unwrap();
    Options { tail_dir, max_frame_bytes: 8_192, ..Options::small() }
}

fn origin() -> Origin {
    Origin::session(SessionId::new(KeyId(3), 4))
}

fn order() -> NewOrder {
    NewOrder { account: AccountId(77), client_id: ClientOrderId([5, 6]), ..NewOrder::new(9) }
}

/// What the child does; it does not come back, unless it is to end well.
fn child(how: &str, dir: &Path) {
    let opened = Journal::open(&dir.join("journal"), RealStorage::new(), options(dir)).unwrap();
    let tails = opened.journal.tails().to_path_buf();
    let (inflight, stranded) = InFlight::open(&tails, opened.recovery.last_sequence.0).unwrap();
    assert_eq!(stranded, None);
    inflight.mark_on_panic();
    let (appender, watermarks, background) = opened.journal.start(Arc::new(NoStreams), None);
    let (mut input, output) = input_ring(64, 8);
    let mut agent = EngineAgent::new(Engine::new(), appender, output, EngineClock::new(), Stamps::new(64));
    if how != "by hand" {
        agent = agent.with_inflight(inflight);
        run(how, &mut agent, &mut input);
    } else {
        // As `apply` would: between begin and end.
        run("well", &mut agent, &mut input);
        inflight.begin(EXECUTED + 1, &origin(), order().as_bytes());
        panic!("the engine is broken");
    }
    assert_eq!(watermarks.written().0, EXECUTED);
    drop(agent);
    background.stop();
    if how == "after the frame" {
        panic!("a panic that has nothing to do with a command");
    }
}

fn run(how: &str, agent: &mut EngineAgent<EngineClock>, input: &mut ringbook_pipeline::Input) {
    let genesis =
        Genesis { rules: 1, dedupe_capacity: 64, max_event_bytes: MIN_EVENT_BYTES, max_orders: 100, ..Genesis::new(0) };
    agent.execute_now(genesis.as_bytes()).unwrap();
    for request in 1..EXECUTED {
        input.submit(Origin::INTERNAL, Tick::new(request as u32).as_bytes(), true, 0, 0).unwrap();
    }
    while agent.poll() > 0 {}
    match how {
        // GENESIS again is a fault of the engine's caller: the agent panics before anything of it is published.
        "fault" => {
            input.submit(origin(), genesis.as_bytes(), true, 0, 0).unwrap();
            agent.poll();
        }
        "abort" => std::process::abort(),
        _ => {}
    }
}

/// Runs the child and reopens what it left.
fn after(how: &str) -> (bool, u64, Option<Stranded>, Option<Stranded>) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_another_process", "--nocapture", "--test-threads=1"])
        .env(HOW, how)
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let opened = Journal::open(&dir.path().join("journal"), RealStorage::new(), options(dir.path()))
        .unwrap_or_else(|error| panic!("{how}: {error}; the child said {}", String::from_utf8_lossy(&output.stderr)));
    let last = opened.recovery.last_sequence.0;
    let (slot, stranded) = InFlight::open(opened.journal.tails(), last).unwrap();
    drop(slot);
    let (_, again) = InFlight::open(opened.journal.tails(), last).unwrap();
    (output.status.success(), last, stranded, again)
}

/// The child's part; alone it does nothing.
#[test]
fn in_another_process() {
    if let (Ok(how), Some(dir)) = (std::env::var(HOW), std::env::var_os(DIR)) {
        child(&how, Path::new(&dir));
    }
}

#[test]
fn a_panic_inside_apply_strands_its_command_once() {
    let (well, last, stranded, again) = after("by hand");
    assert!(!well, "the child panics");
    assert_eq!(last, EXECUTED, "everything before is kept");
    let stranded = stranded.expect("the panic hook has marked the slot");
    assert_eq!(stranded.sequence, EXECUTED + 1);
    let (from, _, message) = split_command(&stranded.command).unwrap();
    assert_eq!((from, NewOrder::read(message)), (origin(), Some(order())));
    assert_eq!(again, None, "it is handed over once");
}

#[test]
fn a_process_that_dies_without_a_panic_strands_nothing() {
    assert_eq!(after("abort"), (false, EXECUTED, None, None));
    assert_eq!(after("well"), (true, EXECUTED, None, None));
}

#[test]
fn a_panic_outside_a_command_strands_nothing() {
    assert_eq!(after("after the frame"), (false, EXECUTED, None, None));
}

/// The engine refused the command and changed nothing: the slot is empty before the agent panics.
#[test]
fn a_fault_ends_the_process_and_strands_nothing() {
    assert_eq!(after("fault"), (false, EXECUTED, None, None));
}
