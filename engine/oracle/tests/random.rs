//! Random streams against the oracle: its invariants hold after every command, two runs agree, and the streams reach
//! what they are meant to reach.

use ringbook_event::Event;
use ringbook_oracle::generate::{DUE_WITH_A_COMMAND, Feature, Generator};
use ringbook_oracle::scenario::bytes;
use ringbook_oracle::{Oracle, text};
use ringbook_wire::message::{CancelAll, Message, MessageType, NewOrder};
use ringbook_wire::{EndReason, OrderState, RejectCode, SymbolStatus, TimeInForce};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 24;
const COMMANDS: u64 = 2_500;

/// Runs a stream and shows each command and its events.
fn run(mut generator: Generator, commands: u64, mut show: impl FnMut(&Oracle, &[u8], &[Event])) -> Oracle {
    let mut oracle = Oracle::new(&generator.genesis());
    for sequence in 2..2 + commands {
        let command = generator.next_command();
        let is_tick = command.message[2] == MessageType::Tick as u8;
        assert!(is_tick || oracle.due_at(command.time_ns) <= DUE_WITH_A_COMMAND, "a TICK goes first");
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
                        let expiries = |event: &&Event| {
                            let reason = match event {
                                Event::Expired(e) => e.header.a,
                                Event::Done(e) => e.header.b,
                                _ => 0,
                            };
                            reason == EndReason::Time.code() || event.name() == "Balance"
                        };
                        let others = events.len() - events.iter().filter(expiries).count();
                        assert_eq!(others, 1, "a refusal comes alone but for what was due");
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

/// What each kind of order may end as, seen from outside.
#[test]
fn orders_end_as_their_kind_allows() {
    let (mut used_up, mut hidden_fok) = (0, 0);
    for seed in 500..500 + SEEDS {
        let mut orders: BTreeMap<u64, NewOrder> = BTreeMap::new();
        run(Generator::new(seed), COMMANDS, |_, message, events| {
            let auction: BTreeSet<i64> = events
                .iter()
                .filter_map(
                    |event| if let Event::Trade(e) = event { (e.header.b == 2).then_some(e.price.0) } else { None },
                )
                .collect();
            assert!(auction.len() <= 1, "an auction has one price");
            for event in events {
                match event {
                    Event::Accepted(e) => {
                        let order = NewOrder::read(message).expect("only a NEW_ORDER is accepted");
                        assert_eq!((e.quantity, order.budget.0 != 0), (order.quantity, e.quantity.0 == 0));
                        orders.insert(e.order.0, order);
                    }
                    Event::Refreshed(e) => {
                        let display = orders[&e.order.0].display.0;
                        assert_eq!(e.shown.0, display.min(e.remaining.0));
                        assert!(e.shown.0 > 0);
                    }
                    Event::Done(e) => {
                        let order = orders.remove(&e.order.0).expect("it was accepted");
                        if order.budget.0 != 0 {
                            let all = e.cost.0 + e.fee.0 + e.returned.0;
                            assert!(all == order.budget.0 || all == 0 && e.header.b == EndReason::NoLiquidity.code());
                            assert_eq!(e.remaining.0, 0);
                            used_up += u32::from(e.returned.0 == 0 && e.filled.0 > 0);
                        }
                        if order.time_in_force == TimeInForce::Fok.code() && e.filled.0 > 0 {
                            assert_eq!((e.header.a, e.remaining.0, e.prevented.0), (OrderState::Filled.code(), 0, 0));
                            hidden_fok += u32::from(events.iter().any(|event| event.name() == "Refreshed"));
                        }
                        let is_time = e.header.b == EndReason::Time.code();
                        assert!(!is_time || order.time_in_force == TimeInForce::Gtd.code());
                    }
                    _ => {}
                }
            }
        });
    }
    assert!(used_up >= 20 && hidden_fok >= 20, "{used_up} {hidden_fok}");
}

/// Without its features, a stream has nothing of them.
#[test]
fn features_can_be_switched_off() {
    let names_of = |make: &dyn Fn(u64) -> Generator| {
        let mut seen = BTreeSet::new();
        for seed in 400..400 + SEEDS / 4 {
            run(make(seed), COMMANDS, |_, message, events| {
                seen.extend(events.iter().map(Event::name));
                let order = NewOrder::read(message).filter(|_| matches!(events.first(), Some(Event::Accepted(_))));
                if let Some(order) = order {
                    let marks = [
                        (order.budget.0 != 0, "budget"),
                        (order.expire_at.0 != 0, "expire_at"),
                        (order.display.0 != 0, "display"),
                        (order.trigger.0 != 0, "trigger"),
                    ];
                    seen.extend(marks.iter().filter(|(is, _)| *is).map(|(_, name)| *name));
                }
                for event in events {
                    if let Event::Status(e) = event {
                        seen.insert(SymbolStatus::from_code(e.header.a).expect("a good status").name());
                    }
                }
            });
        }
        seen
    };
    let marks: [(Feature, &[&str]); 7] = [
        (Feature::Budget, &[]),
        (Feature::Gtd, &["expire_at"]),
        (Feature::Icebergs, &["display", "Refreshed"]),
        (Feature::Stops, &["trigger", "Triggered"]),
        (Feature::Auction, &["PRE_OPEN"]),
        (Feature::Close, &["CLOSED"]),
        (Feature::Operator, &["Busted"]),
    ];
    let all = names_of(&Generator::new);
    let none = names_of(&|seed| Generator::new(seed).with_features(&[]));
    assert!(all.contains("budget") && !none.contains("budget"));
    for (feature, marks) in marks {
        let without = names_of(&|seed| Generator::new(seed).without(feature));
        let alone = names_of(&|seed| Generator::new(seed).with_features(&[feature]));
        for mark in marks {
            assert!(all.contains(mark) && alone.contains(mark), "{mark}");
            assert!(!none.contains(mark) && !without.contains(mark), "{mark}");
        }
    }
}

#[test]
fn streams_reach_every_event_code_and_reason() {
    let mut seen: BTreeMap<&str, BTreeMap<Vec<u16>, u64>> = BTreeMap::new();
    let mut names: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 300..300 + 4 * SEEDS {
        run(Generator::new(seed), COMMANDS, |_, _, events| {
            let mut note = |what, key: &[u16]| *seen.entry(what).or_default().entry(key.to_vec()).or_default() += 1;
            let triggered = events.iter().filter(|event| event.name() == "Triggered").count();
            note("cascade", &[triggered as u16]);
            let due = events.iter().filter(|e| matches!(e, Event::Expired(e) if e.header.a == 16)).count();
            note("due", &[due as u16]);
            for event in events {
                *names.entry(event.name()).or_default() += 1;
                let (a, b) = (u16::from(event.as_bytes()[2]), u16::from(event.as_bytes()[3]));
                match event {
                    Event::Rejected(e) => note("rejected", &[a, e.code]),
                    Event::Done(_) => note("done", &[a, b]),
                    Event::Replayed(_) => note("replayed", &[b, a]),
                    Event::Prevented(_) => note("prevented", &[a]),
                    Event::Amended(e) => note("amended", &[b, u16::from(e.trigger.0 != 0)]),
                    Event::Triggered(_) => note("triggered", &[a, b]),
                    Event::Trade(_) => note("trade", &[b]),
                    Event::Status(_) => note("status", &[a]),
                    Event::Expired(e) if e.code != 0 => note("failed", &[e.code]),
                    _ => {}
                }
            }
        });
    }
    assert_eq!(names.len(), 17, "{names:?}");
    assert!(names.values().all(|&count| count >= 1_000), "{names:?}");

    // What must come, and how often at least.
    let require = |what: &str, least: u64, keys: &[&[u16]]| {
        for key in keys {
            let count = seen[what].get(*key).copied().unwrap_or(0);
            assert!(count >= least, "{what} {key:?}: {count} of {least}");
        }
        seen[what].len() == keys.len()
    };
    let of = |kind: u16| -> Vec<u16> {
        seen["rejected"].keys().filter(|key| key[0] == kind).map(|key| key[1]).collect::<Vec<_>>()
    };
    let new_order = [100, 102, 103, 105, 106, 107, 200, 201, 202, 203, 205, 206, 207, 208, 209, 210, 211, 300, 400];
    let amend = [100, 102, 103, 106, 107, 200, 201, 202, 203, 205, 208, 300, 400, 401, 402, 403];
    for (kind, least, codes) in [(64, 100, &new_order[..]), (66, 20, &amend[..])] {
        assert_eq!(of(kind), codes, "message type {kind}");
        for &code in codes {
            require("rejected", least, &[&[kind, code]]);
        }
    }
    assert_eq!(of(65), [100, 102, 401]);
    assert_eq!(of(67), [100, 102, 105]);
    assert_eq!(of(72), [102, 104, 500, 501, 502]);
    assert_eq!(of(73), [102, 103, 104, 107, 300, 500, 501]);
    assert_eq!(of(83), [100, 102, 105, 107, 603]);
    assert_eq!(of(86), [100, 102, 105, 300, 604]);
    for kind in [80, 81, 82, 84, 85] {
        assert_eq!(of(kind), [100, 102, 603], "message type {kind}");
    }
    let known: BTreeSet<u16> = RejectCode::ALL.iter().map(|code| code.code()).collect();
    assert!(seen["rejected"].keys().all(|key| known.contains(&key[1])));

    // Ends: by fill; by the client; by time, IOC, FOK, no liquidity, protection, budget, failed trigger, status; by STP.
    let ends: [&[u16]; 13] = [
        &[5, 0],
        &[6, 1],
        &[6, 2],
        &[6, 3],
        &[7, 16],
        &[7, 17],
        &[7, 18],
        &[7, 19],
        &[7, 20],
        &[7, 21],
        &[7, 24],
        &[7, 27],
        &[8, 28],
    ];
    assert!(require("done", 90, &ends));
    require("failed", 5, &[&[103], &[200], &[201], &[202], &[203], &[210], &[400]]);
    assert!(require("prevented", 100, &[&[2], &[3], &[4], &[5]]));
    assert!(require("amended", 200, &[&[0, 0], &[1, 0], &[1, 1]]));
    assert!(require("trade", 100, &[&[1], &[2]]));
    assert!(require("status", 50, &[&[1], &[2], &[3], &[4], &[5]]));
    assert!(require("triggered", 100, &[&[1, 1], &[1, 2], &[2, 1], &[2, 2]]));
    require("cascade", 10, &[&[1], &[2], &[3], &[4]]);
    require("due", 10, &[&[1], &[2], &[3], &[4], &[5], &[6]]);
    assert!(seen["due"].keys().any(|key| usize::from(key[0]) > DUE_WITH_A_COMMAND), "a TICK ends many");
    for command in [64, 65, 66] {
        require("replayed", 1, &[&[command, 1], &[command, 5], &[command, 6], &[command, 7], &[command, 8]]);
    }
    require("replayed", 20, &[&[64, 2], &[64, 3], &[64, 4]]);
}
