//! How many orders may be due at a command (EVENTS "time and expiry"): eight go with it, for nine a TICK goes first.

mod common;

use common::Venue;
use ringbook_core::Fault;
use ringbook_event::{Event, Origin};
use ringbook_oracle::generate::{DUE_WITH_A_COMMAND, Random};
use ringbook_oracle::scenario::{Desk, gtd, limit};
use ringbook_wire::message::{Cancel, CancelAll, Message, NewOrder, Tick};
use ringbook_wire::{AccountId, OrderId, Side, TimestampNs};
use zerocopy::IntoBytes;

const START: u64 = 1_000_000_000_000;

/// Orders with these expiries.
fn place(venue: &mut Venue, symbol: u32, expiries: &[u64]) {
    let now = venue.engine.time().0;
    let mut desk = Desk::new(venue);
    for (at, &expiry) in expiries.iter().enumerate() {
        let send_time = now + at as u64;
        let order = gtd(limit(100, symbol, Side::Sell, 50, 1), expiry);
        let client_id = u128::from(send_time).into();
        desk.place(NewOrder { client_id, send_time: TimestampNs(send_time), ..order }).accepted();
    }
}

#[test]
fn eight_due_orders_go_with_a_command_and_nine_need_a_tick() {
    let mut venue = Venue::new();
    let mut desk = Desk::new(&mut venue);
    let symbol = desk.symbol(|_| {});
    desk.rich(&[100]);
    let all = CancelAll { account: AccountId(100), ..CancelAll::new(0) };
    for due in [8, 9, 30] {
        let base = venue.engine.time().0 + 1_000_000_000;
        let expiries: Vec<u64> = (0..due).map(|at| base + at).collect();
        place(&mut venue, symbol, &expiries);
        let now = base + due;
        assert!(!venue.engine.needs_tick(TimestampNs(base - 1)));
        assert_eq!(venue.engine.next_expiry(), Some(TimestampNs(base)));
        assert_eq!(venue.engine.needs_tick(TimestampNs(now)), due > 8, "{due} are due");
        let sequence = venue.engine.sequence().0;
        let before = venue.engine.state_hash();
        let seen = venue.attempt(now, Origin::INTERNAL, all.as_bytes());
        if due == 8 {
            let expired = seen.unwrap().iter().filter(|event| matches!(event, Event::Expired(_))).count();
            assert_eq!(expired, 8);
            continue;
        }
        assert_eq!(seen, Err(Fault::Due(sequence + 1)));
        assert_eq!(venue.engine.state_hash(), before, "a fault changes nothing");
        let seen = venue.one(now, Origin::INTERNAL, Tick::new(0).as_bytes());
        let ended = |event: &Event| matches!(event, Event::Handled(handled) if u64::from(handled.count) == due);
        assert!(seen.iter().any(ended), "{seen:?}");
        assert_eq!(venue.engine.next_expiry(), None);
    }
}

/// Whatever the heap looks like, a TICK is needed exactly if more than eight orders are due.
#[test]
fn a_tick_is_needed_exactly_if_more_than_eight_are_due() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut venue = Venue::new();
        let mut desk = Desk::new(&mut venue);
        let symbol = desk.symbol(|_| {});
        desk.rich(&[100]);
        let mut open: Vec<(u64, OrderId)> = Vec::new();
        for _ in 0..60 {
            if !open.is_empty() && random.chance(1, 3) {
                let (_, order) = open.swap_remove(random.below(open.len() as u64) as usize);
                desk.send(&Cancel { account: AccountId(100), order, ..Cancel::new(0) });
            } else {
                let at = 2 * START + random.below(20);
                let (order, _) = desk.place(gtd(limit(100, symbol, Side::Sell, 50, 1), at)).accepted();
                open.push((at, order));
            }
        }
        for time in 2 * START - 1..2 * START + 21 {
            let due = open.iter().filter(|(at, _)| *at <= time).count();
            assert_eq!(venue.engine.needs_tick(TimestampNs(time)), due > DUE_WITH_A_COMMAND, "seed {seed}: {due} due");
        }
    }
}
