//! DOMAIN §4.2: the table of states and transitions, every pair of it, on the real engine.
//!
//! `table.rs` is the table as data, `watch.rs` follows orders by it, `drive.rs` makes each pair happen on purpose. Random
//! streams of the oracle's generator must not leave the table either. `reasons.rs` has every reason of §4.3 given.

#[path = "../common/mod.rs"]
mod common;
mod drive;
mod reasons;
mod table;
mod watch;

use common::Venue;
use drive::{Watched, drive};
use ringbook_core::MIN_EVENT_BYTES;
use ringbook_oracle::generate::Generator;
use ringbook_wire::EndReason;
use ringbook_wire::message::{Continue, Genesis, Message};
use std::collections::BTreeMap;
use table::{Cell, Occasion, STATES, State, possible, row};
use watch::{Watch, add, missing_around};
use zerocopy::IntoBytes;

/// Random streams, half of them in parts.
const SEEDS: u64 = 60;
const COMMANDS: u64 = 2_000;

/// How often each pair was seen, and each pair of states around a command.
#[derive(Default)]
struct Seen {
    pairs: BTreeMap<(State, Occasion), u64>,
    around: BTreeMap<(State, State), u64>,
}

impl Seen {
    fn add(&mut self, watch: &Watch) {
        add(&mut self.pairs, &watch.seen);
        add(&mut self.around, &watch.around);
    }
}

/// Lets each pair that can occur happen to one order.
fn directed() -> Seen {
    let mut seen = Seen::default();
    for (from, occasion, next) in possible() {
        let mut exchange = Watched::new();
        let subject = drive(&mut exchange, from, occasion);
        let subject = subject.unwrap_or_else(|| panic!("nothing makes {occasion:?} happen in {from:?}"));
        let happened = exchange
            .steps
            .iter()
            .any(|step| subject.is(step) && (step.from, step.occasion, step.to) == (from, occasion, next));
        assert!(happened, "{occasion:?} did not happen in {from:?}: {:#?}", exchange.steps);
        exchange.check();
        seen.add(&exchange.watch);
    }
    seen
}

/// A random stream, with all parts of long work.
fn random(seed: u64) -> Seen {
    let mut generator = Generator::new(seed);
    let genesis = generator.genesis();
    let bound = if seed.is_multiple_of(2) { MIN_EVENT_BYTES } else { genesis.max_event_bytes };
    let mut venue = Venue::with(&Genesis { max_event_bytes: bound, ..genesis });
    let mut watch = Watch::default();
    for step in 0..COMMANDS {
        let command = generator.next_command();
        let mut events = venue.one(command.time_ns, command.origin, &command.message);
        watch.note(&command.message, &events, &venue.engine);
        while let Some(next) = venue.engine.continuation() {
            let message = Continue { of: next.of, ..Continue::new(next.request) };
            let more = venue.one(command.time_ns, next.origin, message.as_bytes());
            watch.note(message.as_bytes(), &more, &venue.engine);
            events.extend(more);
        }
        generator.observe(&events);
        if step % 100 == 0 || step + 1 == COMMANDS {
            watch.compare_all(&venue.engine);
        }
    }
    let mut seen = Seen::default();
    seen.add(&watch);
    seen
}

/// What the table has: each occasion of each state, with a next state that is one, and with a reason where it ends.
#[test]
fn domain_4_2_the_table_is_whole() {
    let (mut possible, mut later, mut never) = (0, 0, 0);
    for &occasion in Occasion::ALL {
        for (from, cell) in State::ALL.into_iter().zip(row(occasion)) {
            match cell {
                Cell::To(next) => {
                    possible += 1;
                    assert!(from.is_open() || next == from || from == State::Nowhere, "{from:?} is final");
                    let ends = from.is_open() && !next.is_open();
                    let filled = matches!(occasion, Occasion::LastFill | Occasion::BudgetSpent);
                    assert_eq!(ends && !filled, occasion.reason().is_some() && ends, "{occasion:?}");
                }
                Cell::Later(next) => {
                    later += 1;
                    assert!(from.is_open() && next != State::Nowhere);
                }
                Cell::Never(why) => {
                    never += 1;
                    assert!(!why.is_empty());
                }
            }
        }
    }
    for &reason in EndReason::ALL {
        assert_eq!(Occasion::of(reason).reason(), Some(reason), "two reasons are one occasion");
    }
    println!("{possible} pairs can occur, {later} with perpetuals, {never} cannot");
    assert_eq!(possible + later + never, Occasion::ALL.len() * STATES);
}

/// DOMAIN §4.2: every pair that can occur does, no other does, and the engine agrees on every state and reason.
#[test]
fn domain_4_2_every_pair_occurs_and_no_other() {
    let mut all = directed();
    let directed = all.pairs.len();
    let mut streams = Seen::default();
    for seed in 1..=SEEDS {
        let seen = random(seed);
        add(&mut streams.pairs, &seen.pairs);
        add(&mut streams.around, &seen.around);
    }
    let rare: Vec<_> =
        possible().filter(|(from, occasion, _)| !streams.pairs.contains_key(&(*from, *occasion))).collect();
    let steps: u64 = streams.pairs.values().sum();
    println!("directed: {directed} pairs; random: {} pairs in {steps} steps, without {rare:?}", streams.pairs.len());
    add(&mut all.pairs, &streams.pairs);
    add(&mut all.around, &streams.around);
    for (from, occasion, _) in possible() {
        assert!(all.pairs.contains_key(&(from, occasion)), "{occasion:?} in {from:?} was never seen");
    }
    assert_eq!(all.pairs.len(), possible().count());
    assert_eq!(missing_around(&all.around), [], "these were never seen around one command");
}
