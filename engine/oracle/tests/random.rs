//! Random streams against the oracle: its invariants hold after every command, two runs agree, and the streams reach
//! what they are meant to reach.

use ringbook_event::Event;
use ringbook_oracle::generate::Generator;
use ringbook_oracle::scenario::bytes;
use ringbook_oracle::{Oracle, text};
use ringbook_wire::RejectCode;
use ringbook_wire::message::{CancelAll, Message};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 24;
const COMMANDS: u64 = 2_500;

/// Runs a stream and shows each command and its events.
fn run(mut generator: Generator, commands: u64, mut show: impl FnMut(&Oracle, &[u8], &[Event])) -> Oracle {
    let mut oracle = Oracle::new(&generator.genesis());
    for sequence in 2..2 + commands {
        let command = generator.next_command();
        let events = oracle.apply(sequence, command.time_ns, command.origin, &command.message);
        generator.observe(&events);
        show(&oracle, &command.message, &events);
    }
    oracle
}

#[test]
fn invariants_hold_after_every_command() {
    for seed in 0..SEEDS {
        for unsettled in [false, true] {
            let mut generator = Generator::new(seed);
            if unsettled {
                generator = generator.with_unsettled();
            }
            run(generator, COMMANDS, |oracle, _, events| {
                assert!(!events.is_empty(), "every command yields an event");
                oracle.check();
            });
        }
    }
}

#[test]
fn cancelling_everything_leaves_nothing_held() {
    for seed in 100..100 + SEEDS {
        let mut held: BTreeMap<(u32, u32), i64> = BTreeMap::new();
        let mut note = |events: &[Event]| {
            for event in events {
                if let Event::Balance(e) = event {
                    held.insert((e.header.subject, e.asset.0), e.held.0);
                }
            }
        };
        let mut oracle = run(Generator::new(seed), COMMANDS, |_, _, events| note(events));
        for account in 100..112 {
            let all = CancelAll { account: ringbook_wire::AccountId(account), ..CancelAll::new(0) };
            let events = oracle.apply(COMMANDS + u64::from(account), 0, ringbook_event::Origin::INTERNAL, &bytes(&all));
            note(&events);
        }
        oracle.check();
        assert!(held.values().all(|&held| held == 0), "seed {seed}: {held:?}");
        assert!((1..=5).all(|symbol| oracle.book(symbol) == (Vec::new(), Vec::new())));
    }
}

/// DOMAIN §8 number 4 and the order of events, seen from outside.
#[test]
fn trades_and_events_are_in_order() {
    for seed in 200..200 + SEEDS {
        let (mut last_trade, mut last_order) = (0, 0);
        run(Generator::new(seed), COMMANDS, |_, message, events| {
            let mut balance = None;
            for event in events {
                match event {
                    Event::Trade(e) => {
                        assert_eq!(e.trade.0, last_trade + 1);
                        last_trade += 1;
                        assert!(
                            e.quantity.0 > 0 && e.price.0 > 0 && e.taker_remaining.0 >= 0 && e.maker_remaining.0 >= 0
                        );
                    }
                    Event::Accepted(e) => {
                        assert_eq!(e.order.0, last_order + 1);
                        last_order += 1;
                    }
                    Event::Rejected(e) => {
                        assert_eq!(events.len(), 1, "a refusal comes alone");
                        assert_eq!(e.header.a, message[2]);
                        assert_eq!(e.header.b == 1, e.code == 100 || e.code == 102);
                    }
                    _ => {}
                }
                let key = if let Event::Balance(e) = event { Some((e.header.subject, e.asset.0)) } else { None };
                assert!(key.is_some() || balance.is_none(), "BALANCE comes last");
                assert!(balance.is_none() || key > balance, "BALANCE ascends");
                balance = key;
            }
        });
    }
}

#[test]
fn the_same_seed_is_the_same_stream() {
    let record = |seed| {
        let mut lines = Vec::new();
        run(Generator::new(seed), 500, |_, message, events| {
            lines.push(text::command(0, &ringbook_event::Origin::INTERNAL, message));
            lines.extend(events.iter().map(text::event));
        });
        lines
    };
    assert_eq!(record(5), record(5));
    assert_ne!(record(5), record(6));
}

#[test]
fn streams_reach_every_event_code_and_reason() {
    let (mut names, mut codes, mut ends) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut replays, mut prevented, mut amended) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for seed in 300..300 + SEEDS {
        run(Generator::new(seed), COMMANDS, |_, _, events| {
            for event in events {
                names.insert(event.name());
                match event {
                    Event::Rejected(e) => _ = codes.insert((e.header.a, e.code)),
                    Event::Done(e) => _ = ends.insert((e.header.a, e.header.b)),
                    Event::Replayed(e) => _ = replays.insert((e.header.b, e.header.a)),
                    Event::Prevented(e) => _ = prevented.insert(e.header.a),
                    Event::Amended(e) => _ = amended.insert(e.header.b),
                    _ => {}
                }
            }
        });
    }
    assert_eq!(names.len(), 14, "{names:?}");
    let of = |kind| -> Vec<u16> { codes.iter().filter(|(k, _)| *k == kind).map(|(_, code)| *code).collect() };
    assert_eq!(of(64), [100, 102, 103, 105, 106, 200, 201, 202, 203, 209, 210, 211, 300, 400]);
    assert_eq!(of(65), [100, 102, 401]);
    assert_eq!(of(66), [100, 102, 103, 106, 200, 201, 202, 203, 300, 400, 401, 402, 403]);
    assert_eq!(of(67), [100, 102, 105]);
    assert_eq!(of(72), [102, 104, 500, 501, 502]);
    assert_eq!(of(73), [102, 103, 104, 300, 500, 501]);
    assert_eq!(of(83), [100, 102, 105, 603]);
    for kind in [80, 81, 82, 84] {
        assert_eq!(of(kind), [100, 102, 603], "message type {kind}");
    }
    let known: BTreeSet<u16> = RejectCode::ALL.iter().map(|code| code.code()).collect();
    assert!(codes.iter().all(|(_, code)| known.contains(code)));
    let expected = [(5, 0), (6, 1), (6, 2), (6, 3), (7, 17), (7, 18), (7, 19), (7, 20), (8, 28)];
    assert_eq!(ends, BTreeSet::from(expected));
    assert_eq!(prevented, BTreeSet::from([2, 3, 4, 5]));
    assert_eq!(amended, BTreeSet::from([0, 1]));
    for command in [64, 65, 66] {
        for state in [1, 5, 6, 7, 8] {
            assert!(replays.contains(&(command, state)), "REPLAYED of {command} in state {state}");
        }
    }
    assert!(replays.contains(&(64, 3)) && replays.contains(&(64, 4)));
}
