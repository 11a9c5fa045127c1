//! The contract of `apply` and of GENESIS: what breaks it is a fault, and a fault changes nothing.

mod common;

use common::Venue;
use ringbook_core::{Engine, Fault, MIN_EVENT_BYTES, Pending, RULES_VERSION};
use ringbook_event::Origin;
use ringbook_oracle::scenario::{Desk, genesis, limit};
use ringbook_wire::message::{Continue, Genesis, Message, MessageType, NewOrder, Quarantine, Tick};
use ringbook_wire::{Sequence, Side, TimestampNs};
use zerocopy::IntoBytes;

const MAX_EVENT_BYTES: u32 = 2 << 20;

fn command(message: &[u8]) -> Vec<u8> {
    [Origin::INTERNAL.as_bytes(), message].concat()
}

fn begin(message: &Genesis) -> Result<usize, Fault> {
    let mut buffer = vec![0; MAX_EVENT_BYTES as usize];
    Engine::new().apply(Sequence(1), TimestampNs(0), &command(message.as_bytes()), &mut buffer)
}

type Set = fn(&mut Genesis, u32);

/// Both ends of every bound of GENESIS.
#[test]
fn genesis_is_bounded() {
    let good = genesis();
    let bounds: [(Set, u32, u32); 4] = [
        (|g, value| g.rules = value, RULES_VERSION, RULES_VERSION),
        (|g, value| g.max_event_bytes = value, MIN_EVENT_BYTES, MAX_EVENT_BYTES),
        (|g, value| g.dedupe_capacity = value, 1, 1 << 16),
        (|g, value| g.max_orders = value, 1, 1 << 16),
    ];
    for (at, (set, low, high)) in bounds.into_iter().enumerate() {
        // The upper bounds of ring and orders are 2^30 - 1: too much memory for a test to pass.
        let beyond = if at < 2 { high + 1 } else { 1 << 30 };
        for (value, passes) in [(low - 1, false), (low, true), (high, true), (beyond, false), (u32::MAX, false)] {
            let mut message = good;
            set(&mut message, value);
            let begun = begin(&message);
            assert_eq!(begun.is_ok(), passes, "bound {at}, value {value}");
            assert!(passes || matches!(begun, Err(Fault::Genesis(1, _))), "bound {at}, value {value}");
        }
    }
}

#[test]
fn what_is_not_a_command_is_a_fault() {
    let mut venue = Venue::new();
    let hash = venue.engine.state_hash();
    let sequence = venue.engine.sequence().0 + 1;
    let order = NewOrder::new(0);
    let mut unknown = Tick::new(0);
    unknown.header.kind = 200;
    let mut session = Tick::new(0);
    session.header.kind = MessageType::Heartbeat as u8;
    let whole = order.as_bytes();
    let longer = [whole, &[0; 8]].concat();
    for bytes in [&[][..], &whole[..whole.len() - 8], &longer[..], unknown.as_bytes(), session.as_bytes()] {
        assert_eq!(venue.attempt(0, Origin::INTERNAL, bytes), Err(Fault::NotACommand(sequence)), "{bytes:?}");
    }
    // A whole session message.
    let heartbeat = ringbook_wire::message::Heartbeat::new(0);
    assert_eq!(venue.attempt(0, Origin::INTERNAL, heartbeat.as_bytes()), Err(Fault::NotACommand(sequence)));
    assert_eq!(venue.engine.state_hash(), hash);
}

#[test]
fn sequences_rise_by_one_and_time_never_falls() {
    let mut venue = Venue::new();
    venue.one(500, Origin::INTERNAL, Tick::new(0).as_bytes());
    assert_eq!((venue.engine.sequence(), venue.engine.time()), (Sequence(2), TimestampNs(500)));
    let hash = venue.engine.state_hash();
    let mut buffer = vec![0; venue.engine.max_event_bytes()];
    assert_eq!(buffer.len(), 262_144);
    let mut apply = |engine: &mut Engine, sequence, time, message: &[u8]| {
        engine.apply(Sequence(sequence), TimestampNs(time), &command(message), &mut buffer)
    };
    let tick = Tick::new(0);
    for got in [0, 1, 2, 4, 5] {
        let fault = Fault::Sequence { got, expected: 3 };
        assert_eq!(apply(&mut venue.engine, got, 500, tick.as_bytes()), Err(fault));
    }
    assert_eq!(apply(&mut venue.engine, 3, 499, tick.as_bytes()), Err(Fault::Time(3)));
    let again = apply(&mut venue.engine, 3, 500, genesis().as_bytes());
    assert!(matches!(again, Err(Fault::Genesis(3, _))), "{again:?}");
    let early = apply(&mut Engine::new(), 1, 500, tick.as_bytes());
    assert!(matches!(early, Err(Fault::Genesis(1, _))), "{early:?}");
    assert_eq!(venue.engine.state_hash(), hash);
    assert!(apply(&mut venue.engine, 3, 500, tick.as_bytes()).is_ok());
}

/// DOMAIN §5.1a: between the parts of a match nothing comes but CONTINUE, or the QUARANTINE of one.
#[test]
fn nothing_comes_between_the_parts_of_a_match() {
    let mut venue = Venue::with(&Genesis { max_event_bytes: MIN_EVENT_BYTES, ..genesis() });
    let mut desk = Desk::new(&mut venue);
    let symbol = desk.symbol(|_| {});
    desk.rich(&[100, 101]);
    for _ in 0..60 {
        desk.place(limit(100, symbol, Side::Sell, 50, 1)).accepted();
    }
    desk.place(limit(101, symbol, Side::Buy, 50, 60)).accepted();
    assert_eq!(venue.engine.pending(), Pending::Exclusive);
    let sequence = venue.engine.sequence().0 + 1;
    let of_order = Quarantine { kind: MessageType::NewOrder as u8, ..Quarantine::new(0) };
    for message in [Tick::new(0).as_bytes(), NewOrder::new(0).as_bytes(), of_order.as_bytes()] {
        assert_eq!(venue.attempt(0, Origin::INTERNAL, message), Err(Fault::Interrupted(sequence)));
    }
    let mut dropped = venue.engine.clone();
    while venue.engine.pending() != Pending::Nothing {
        venue.go_on();
    }
    let of_work = Quarantine { kind: MessageType::Continue as u8, ..Quarantine::new(0) };
    let mut buffer = vec![0; 1 << 20];
    let applied = dropped.apply(Sequence(sequence), dropped.time(), &command(of_work.as_bytes()), &mut buffer);
    assert!(applied.is_ok());
    assert_eq!(dropped.pending(), Pending::Nothing);
    // CONTINUE without work is HANDLED.
    assert_eq!(venue.one(0, Origin::INTERNAL, Continue::new(0).as_bytes()).len(), 1);
}
