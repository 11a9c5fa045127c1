//! What may come between the parts of long work, and what becomes of work that crashed (DOMAIN §5.1a, EVENTS QUARANTINE).

mod common;

use common::Venue;
use ringbook_core::{MIN_EVENT_BYTES, Pending};
use ringbook_event::{Event, Origin};
use ringbook_oracle::scenario::{Desk, genesis, ioc, limit, stop};
use ringbook_wire::message::{Cancel, Genesis, Message, MessageType, Quarantine};
use ringbook_wire::{AccountId, EndReason, OrderId, Price, Rate, Side, SymbolId, SymbolStatus, TriggerDirection};
use zerocopy::IntoBytes;

/// An exchange whose commands have little room for events.
fn narrow() -> Venue {
    Venue::with(&Genesis { max_event_bytes: MIN_EVENT_BYTES, ..genesis() })
}

/// EVENTS CANCEL, CANCEL_ALL: both may take an order of a closing symbol whose turn has not come.
#[test]
fn closing_in_parts_cancel_and_cancel_all_may_take_what_waits() {
    let mut venue = narrow();
    let mut desk = Desk::new(&mut venue);
    let symbol = desk.symbol(|_| {});
    desk.rich(&[100, 101]);
    let place = |desk: &mut Desk<'_>, account| desk.place(limit(account, symbol, Side::Sell, 50, 1)).accepted().0;
    for _ in 0..60 {
        place(&mut desk, 100);
    }
    let (first, last) = (place(&mut desk, 101), place(&mut desk, 101));
    desk.status(symbol, SymbolStatus::Closed);
    assert_eq!(venue.engine.pending(), Pending::Interruptible);
    assert!(venue.engine.open_order(last).is_some());

    let cancel = Cancel { account: AccountId(101), order: first, ..Cancel::new(0) };
    let seen = venue.one(0, Origin::INTERNAL, cancel.as_bytes());
    assert!(matches!(seen[..], [Event::Canceled(_), ..]), "{seen:?}");
    assert!(venue.engine.open_order(first).is_none() && venue.engine.open_order(last).is_some());
    venue.go_on();
    let all = Desk::new(&mut venue).cancel_all(101);
    assert_eq!(all.names(), ["Canceled", "Done", "Handled"]);
    while venue.engine.pending() != Pending::Nothing {
        venue.go_on();
    }
    assert_eq!(venue.engine.open_order_count(), 0);
    venue.engine.check_invariants().unwrap();
}

/// A stop order that crashed in the middle of a cascade ends; the ones behind it run.
#[test]
fn a_cascade_goes_on_behind_the_stop_order_that_crashed() {
    let mut venue = narrow();
    let mut desk = Desk::new(&mut venue);
    let symbol = desk.symbol(|s| s.max_trigger_orders = 200);
    desk.rich(&[100, 101, 102]);
    let stops: Vec<OrderId> = (0..100)
        .map(|_| {
            let order = stop(limit(100, symbol, Side::Sell, 200, 1), TriggerDirection::FallsTo, 90);
            desk.place(order).accepted().0
        })
        .collect();
    desk.trade_at(101, 102, symbol, 100);
    desk.place(limit(101, symbol, Side::Sell, 90, 1)).accepted();
    let first = desk.place(limit(102, symbol, Side::Buy, 90, 1));
    assert_eq!(first.fills(), [(90, 1)]);
    let ran = first.triggered().len();
    assert!(0 < ran && ran < 99, "{ran} ran in the first part");
    assert_eq!(venue.engine.pending(), Pending::Exclusive);

    let kind = MessageType::Continue as u8;
    let quarantine = Quarantine { kind, symbol: SymbolId(0), ..Quarantine::new(0) };
    let seen = venue.one(0, Origin::INTERNAL, quarantine.as_bytes());
    let faults: Vec<OrderId> = seen
        .iter()
        .filter_map(|event| match event {
            Event::Expired(e) if e.header.a == EndReason::Fault.code() => Some(e.order),
            _ => None,
        })
        .collect();
    assert_eq!(faults, [stops[ran]], "the one whose turn it was");
    assert_eq!(venue.engine.pending(), Pending::Exclusive);
    let mut triggered = Vec::new();
    while venue.engine.pending() != Pending::Nothing {
        let part = venue.go_on();
        triggered.extend(part.iter().filter_map(|event| match event {
            Event::Triggered(e) => Some(e.order),
            _ => None,
        }));
    }
    assert_eq!(triggered, stops[ran + 1..]);
    venue.engine.check_invariants().unwrap();
}

/// Before every step there is room for the step, the taker's end and every BALANCE, wherever a part happens to end: each
/// match touches wallets of another account, and the bound moves by one word at a time.
#[test]
fn room_is_kept_for_every_wallet_that_was_touched() {
    let (makers, takers) = (100..140, 200..230);
    let mut most = 0;
    for bound in (MIN_EVENT_BYTES..MIN_EVENT_BYTES + 512).step_by(8) {
        let mut venue = Venue::with(&Genesis { max_event_bytes: bound, ..genesis() });
        let mut desk = Desk::new(&mut venue);
        let symbol = desk.symbol(|s| (s.taker, s.maker) = (Rate(100_000), Rate(-50_000)));
        desk.rich(&Vec::from_iter(makers.clone().chain(takers.clone())));
        for maker in makers.clone() {
            desk.place(limit(maker, symbol, Side::Sell, 50, 1)).accepted();
        }
        for taker in takers.clone() {
            desk.place(stop(ioc(taker, symbol, Side::Buy, 50, 1), TriggerDirection::RisesTo, 50)).accepted();
        }
        desk.place(limit(200, symbol, Side::Buy, 50, 15)).accepted();
        while venue.engine.pending() != Pending::Nothing {
            let part = venue.go_on();
            most = most.max(part.iter().filter(|event| matches!(event, Event::Balance(_))).count());
        }
        assert_eq!(venue.engine.level_total(SymbolId(symbol), Side::Sell, Price(50)), 0);
        venue.engine.check_invariants().unwrap();
    }
    assert!(most > 20, "at most {most} wallets in a part");
}
