//! The shadow: books of the past, questions that wait, snapshots, and what happens when it disagrees.

mod common;

use common::{TIGHT, WIDE, World, Writer};
use ringbook_core::Engine;
use ringbook_event::{Event, events};
use ringbook_journal::Sequence;
use ringbook_replay::shadow::{QueryError, Shadow, ShadowHandle, ShadowOptions, Wait, run};
use ringbook_replay::{History, RecoverOptions, ReplayError, recover};
use ringbook_wire::{AccountId, Side};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

type Levels = Vec<(i64, i128)>;
type Books = Vec<(String, Levels, Levels)>;

fn sides(engine: &Engine, symbol: &str) -> (Levels, Levels) {
    let id = engine.symbol_named(symbol).unwrap();
    let side = |side| engine.depth(id, side, 1_000).into_iter().map(|(price, total)| (price.0, total)).collect();
    (side(Side::Buy), side(Side::Sell))
}

#[test]
fn books_of_the_past_are_exact_in_random_streams() {
    for seed in 0..12 {
        let world = World::with_commands(seed, TIGHT, 700);
        check_books(&world, &|sequence, last, _| sequence > last / 2);
    }
}

#[test]
fn books_of_the_past_are_exact_amid_the_parts_of_an_order() {
    let world = World::new();
    let mut writer = Writer::new(&world, 0, TIGHT);
    writer.sweep();
    writer.close();
    // A shadow that begins at any of the places where an order has not finished matching.
    let parts = check_books(&world, &|_, _, part| part == 1);
    assert!(parts >= 8, "{parts} parts: the test misses its hardest case");
    for wanted in 2..=parts {
        check_books(&world, &|_, _, part| part == wanted);
    }
}

/// Each book of the past, rolled back, is the book that was there; also in a shadow that begins where `begin` says
/// (sequence, last sequence, how many frames so far have left an order half matched). How many of those there are.
fn check_books(world: &World, begin: &dyn Fn(u64, u64, usize) -> bool) -> usize {
    let folder = world.folder();
    let history = folder.history().unwrap();
    let mut reader = folder.reader(1).unwrap();
    let last = reader.committed().unwrap().0;
    let mut shadow = Shadow::new(Engine::new(), history, None);
    let mut later: Option<Shadow> = None;
    let mut parts = 0;
    let mut past: Vec<(u64, Books)> = Vec::new();
    while let Some(frame) = reader.next(Sequence(last)).unwrap() {
        parts += events(frame.events)
            .filter(|event| matches!(event, Ok(Event::Handled(e)) if e.header.b == 1 && [64, 66].contains(&e.header.a)))
            .count();
        shadow.step(&frame).unwrap();
        match &mut later {
            Some(later) => later.step(&frame).unwrap(),
            None if begin(frame.sequence.0, last, parts) => {
                // As after a recovery: from an image.
                let engine = Engine::restore(&shadow.engine().image()).unwrap();
                later = Some(Shadow::new(engine, history, shadow.binding()));
            }
            None => {}
        }
        let books = shadow.symbols().into_iter().map(|info| {
            let (bids, asks) = sides(shadow.engine(), &info.view.name);
            (info.view.name, bids, asks)
        });
        past.push((frame.sequence.0, books.collect()));
    }
    let later = later.unwrap();
    assert_eq!(later.sequence(), last);
    for (sequence, books) in &past {
        for (symbol, bids, asks) in books {
            let book = shadow.book_at(symbol, 1_000, Some(*sequence)).unwrap();
            assert_eq!((&book.bids, &book.asks), (bids, asks), "{symbol} at {sequence}");
            let top = shadow.book_at(symbol, 2, Some(*sequence)).unwrap();
            assert_eq!(top.bids, bids[..bids.len().min(2)], "{symbol} at {sequence}");
            match later.book_at(symbol, 1_000, Some(*sequence)) {
                Ok(book) => assert_eq!((&book.bids, &book.asks), (bids, asks), "{symbol} at {sequence}, begun later"),
                Err(QueryError::TooOld { oldest, .. }) => assert!(*sequence < oldest),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(matches!(shadow.book_at("nothing", 1, None), Err(QueryError::UnknownSymbol(_))));
    parts
}

struct Running {
    handle: ShadowHandle,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), ReplayError>>,
}

impl Running {
    fn start(world: &World, writer: &Writer, shadow: Shadow, options: ShadowOptions) -> Self {
        let (handle, inbox) = ShadowHandle::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (watermarks, store) = (writer.watermarks.clone(), world.folder().store());
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let reader = watermarks.reader(Sequence(1));
            run(shadow, reader, &watermarks, Some(store), inbox, &options, &flag)
        });
        Self { handle, stop, thread }
    }

    fn stop(self) -> (ShadowHandle, Result<(), ReplayError>) {
        self.stop.store(true, Ordering::Release);
        (self.handle, self.thread.join().unwrap())
    }
}

#[test]
fn it_follows_answers_and_snapshots() {
    let world = World::new();
    let mut writer = Writer::new(&world, 21, WIDE);
    let shadow = Shadow::new(Engine::new(), writer.history, None);
    let options = ShadowOptions { snapshot_every_frames: 100, ..ShadowOptions::default() };
    let running = Running::start(&world, &writer, shadow, options);
    let half = writer.run(300);
    writer.settle();
    running.handle.wake();

    // A question that waits for a sequence gets the state at or after it.
    let state = |at_least| {
        running.handle.ask_blocking(Wait::until(at_least, LONG), |shadow| Ok((shadow.sequence(), shadow.state_hash())))
    };
    assert_eq!(state(half).unwrap(), (half, writer.engine.state_hash()));
    let answer = running.handle.ask_blocking(Wait::until(half + 1, Duration::from_millis(5)), |_| Ok(()));
    assert_eq!(answer, Err(QueryError::NotYet { asked: half + 1, reached: half }));

    // A book that is asked for before it exists comes when it does.
    let (sender, book) = std::sync::mpsc::channel();
    let symbol = writer.engine.symbols()[0].name.clone();
    running.handle.book(symbol.clone(), 1_000, Some(half + 5), LONG, move |answer| sender.send(answer).unwrap());
    let last = writer.run(200);
    writer.settle();
    assert_eq!(book.recv_timeout(LONG).unwrap().unwrap().sequence, half + 5);
    assert_eq!(state(last).unwrap().1, writer.engine.state_hash());

    let account = AccountId(writer.engine.account_ids()[5].0);
    let (sender, answer) = std::sync::mpsc::channel();
    running.handle.account_state(account, last, LONG, move |answer| sender.send(answer).unwrap());
    let answer = answer.recv_timeout(LONG).unwrap().unwrap();
    assert_eq!(Some(answer.balances), writer.engine.balances(account));
    assert_eq!((answer.sequence, answer.exists), (last, true));

    assert_eq!(running.handle.snapshot_blocking().unwrap(), last);
    assert!(running.handle.metrics().snapshots() >= 2);
    assert_eq!(running.handle.metrics().lag(), 0);
    let (handle, result) = running.stop();
    result.unwrap();
    assert_eq!(handle.ask_blocking(Wait::NONE, |_| Ok(())), Err(QueryError::Stopped));
    assert!(handle.metrics().ended() && handle.metrics().retain_from() > 0);

    let engine = writer.close();
    let folder = world.folder();
    let mut reader = folder.reader(1).unwrap();
    let history = folder.history().unwrap();
    let options = RecoverOptions::default();
    let recovered = recover(&mut reader, last, &history, &folder.store(), &options, &mut |_| {}).unwrap();
    assert_eq!((recovered.snapshot_sequence, recovered.frames_replayed), (last, 0));
    assert_eq!(recovered.state_hash, engine.state_hash());
}

/// Retention once believed the names of damaged files, and removed the journal that the one good snapshot needed. Only
/// what recovery used, and what this process wrote and proved, counts.
#[test]
fn retention_relies_on_proven_snapshots_alone() {
    let world = World::new();
    let mut writer = Writer::new(&world, 23, WIDE);
    let middle = writer.run(100);
    writer.settle();
    let store = world.folder().store();
    std::fs::create_dir_all(store.folder()).unwrap();
    for sequence in [middle - 20, middle - 10] {
        std::fs::write(store.path_of(sequence), b"damaged").unwrap();
    }
    let shadow = Shadow::new(Engine::new(), writer.history, None);
    let running = Running::start(&world, &writer, shadow, ShadowOptions::default());
    running.handle.ask_blocking(Wait::until(middle, LONG), |_| Ok(())).unwrap();
    assert_eq!(running.handle.metrics().retain_from(), 0);
    let first = running.handle.snapshot_blocking().unwrap();
    assert_eq!(running.handle.metrics().retain_from(), 0, "one proven snapshot is not two");
    let last = writer.run(50);
    writer.settle();
    running.handle.ask_blocking(Wait::until(last, LONG), |_| Ok(())).unwrap();
    running.handle.snapshot_blocking().unwrap();
    assert_eq!(running.handle.metrics().retain_from(), first);
    running.stop().1.unwrap();
    writer.close();
}

/// What was executed since the last snapshot is in the one that the end takes.
#[test]
fn stopping_takes_a_last_snapshot() {
    let world = World::new();
    let mut writer = Writer::new(&world, 22, WIDE);
    let shadow = Shadow::new(Engine::new(), writer.history, None);
    let running = Running::start(&world, &writer, shadow, ShadowOptions::default());
    let last = writer.run(100);
    writer.settle();
    running.stop().1.unwrap();
    assert_eq!(world.folder().store().sequences().unwrap(), [last]);
    writer.close();
}

#[test]
fn a_difference_stops_snapshots_and_questions() {
    let world = World::new();
    let mut writer = Writer::new(&world, 23, WIDE);
    writer.wrong_from = 80;
    let shadow = Shadow::new(Engine::new(), writer.history, None);
    let running = Running::start(&world, &writer, shadow, ShadowOptions::default());
    writer.run(150);
    writer.settle();
    let answer = running.handle.ask_blocking(Wait::until(100, LONG), |_| Ok(()));
    assert!(matches!(&answer, Err(QueryError::Failed(why)) if why.contains("sequence 80")), "{answer:?}");
    assert!(matches!(running.handle.snapshot_blocking(), Err(QueryError::Failed(_))));
    let (handle, result) = running.stop();
    assert!(matches!(result, Err(ReplayError::Diverged(divergence)) if divergence.sequence == 80));
    assert!(handle.metrics().failure().unwrap().contains("sequence 80"));
    assert!(world.folder().store().sequences().unwrap().is_empty());
    writer.close();
}

#[test]
fn without_frames_there_is_nothing_to_snapshot() {
    let world = World::new();
    let writer = Writer::new(&world, 24, WIDE);
    let shadow = Shadow::new(Engine::new(), History::default(), None);
    let running = Running::start(&world, &writer, shadow, ShadowOptions::default());
    assert!(matches!(running.handle.snapshot_blocking(), Err(QueryError::Snapshot(_))));
    running.stop().1.unwrap();
    writer.close();
}
