//! The engine against the naive oracle, event for event, on random streams; and the worked examples of DOMAIN §7.
//!
//! `RINGBOOK_SEEDS` sets how many streams (default 60), `RINGBOOK_COMMANDS` their length (default 2,000),
//! `RINGBOOK_SEED` the first seed, `RINGBOOK_CHECK_EVERY` after how many commands every invariant is checked by
//! recomputation (default 50), and the state goes through its image and back at a random place. A difference prints the last commands as text, and the seed that repeats it.

mod common;

use common::Venue;
use common::compare::{compare, compare_parts, number};
use ringbook_core::{Fault, Pending};
use ringbook_event::{Event, Origin};
use ringbook_oracle::generate::Generator;
use ringbook_oracle::{examples, scenario};
use ringbook_wire::message::{Continue, Genesis, Message, MessageType, Quarantine};
use ringbook_wire::{EndReason, Sequence, Side, SymbolId};
use zerocopy::IntoBytes;

#[test]
fn examples_of_the_rule_book() {
    for (name, example) in examples::ALL {
        println!("{name}");
        example(&mut Venue::with(&scenario::genesis()));
    }
}

#[test]
fn random_streams_give_the_oracles_events() {
    let (first, seeds) = (number("RINGBOOK_SEED", 1), number("RINGBOOK_SEEDS", 60));
    let commands = number("RINGBOOK_COMMANDS", 2_000);
    for seed in first..first + seeds {
        let generator = Generator::new(seed);
        compare(seed, commands, if seed.is_multiple_of(2) { generator.with_unsettled() } else { generator });
    }
    println!("seeds {first} to {}: {seeds} streams of {commands} commands, every event equal", first + seeds - 1);
}

/// A match that crashed the engine in one of its later parts is given up: its rest ends, its symbol halts, and the
/// exchange goes on.
#[test]
fn a_match_that_crashed_halfway_is_set_aside() {
    let bounded = Genesis { max_event_bytes: ringbook_core::MIN_EVENT_BYTES, ..scenario::genesis() };
    let mut venue = Venue::with(&bounded);
    let mut desk = scenario::Desk::new(&mut venue);
    let symbol = desk.symbol(|_| {});
    desk.rich(&[100, 101]);
    for _ in 0..100 {
        desk.place(scenario::limit(100, symbol, Side::Sell, 50, 1));
    }
    let (taker, _) = desk.place(scenario::limit(101, symbol, Side::Buy, 50, 200)).accepted();
    assert_eq!(venue.engine.pending(), Pending::Exclusive);
    let next = venue.engine.continuation().unwrap();
    let crashed = Continue { of: next.of, ..Continue::new(next.request) };
    assert_eq!(venue.engine.symbol_of(crashed.as_bytes()), SymbolId(symbol));
    let quarantine =
        |kind: MessageType| Quarantine { kind: kind as u8, symbol: SymbolId(symbol), halt: 1, ..Quarantine::new(0) };
    let mut command = Origin::INTERNAL.as_bytes().to_vec();
    command.extend_from_slice(quarantine(MessageType::NewOrder).as_bytes());
    let (sequence, time) = (Sequence(venue.engine.sequence().0 + 1), venue.engine.time());
    let refused = venue.engine.apply(sequence, time, &command, &mut venue.buffer);
    assert!(matches!(refused, Err(Fault::Interrupted(_))), "nothing else may come between");

    let seen = venue.one(0, Origin::INTERNAL, quarantine(MessageType::Continue).as_bytes());
    let end = seen.iter().find_map(|event| match event {
        Event::Done(done) if done.order == taker => Some((done.header.b, done.filled.0 + done.remaining.0)),
        _ => None,
    });
    assert_eq!(end, Some((EndReason::Fault.code(), 200)));
    assert!(seen.iter().any(|event| matches!(event, Event::Status(_))), "its symbol is halted");
    assert_eq!(venue.engine.pending(), Pending::Nothing);
    venue.engine.check_invariants().unwrap();
    let mut desk = scenario::Desk::new(&mut venue);
    assert!(desk.cancel_all(100).names().contains(&"Canceled"), "the others go on");
}

#[test]
fn bounded_commands_do_the_same_in_parts() {
    let parts: u64 = (1..=number("RINGBOOK_SEEDS", 60) / 4)
        .map(|seed| compare_parts(seed, number("RINGBOOK_COMMANDS", 2_000), Generator::new(seed)))
        .sum();
    assert!(parts > 0);
    println!("{parts} parts");
}
