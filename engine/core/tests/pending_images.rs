//! Every kind of pending work goes through the image and back: the restored engine goes on as the original does.

mod common;

use common::Venue;
use ringbook_core::{Engine, MIN_EVENT_BYTES, Pending};
use ringbook_event::{Event, Origin};
use ringbook_oracle::scenario::{Desk, genesis, gtd, limit, stop};
use ringbook_wire::message::{CancelAll, Genesis, Message, NewOrder, SessionDown, SetKey, Tick};
use ringbook_wire::{AccountId, KeyId, Role, SessionId, Side, SymbolId, SymbolStatus, TriggerDirection, order_flags};
use zerocopy::IntoBytes;

const SELLS: usize = 80;

fn narrow() -> Venue {
    Venue::with(&Genesis { max_event_bytes: MIN_EVENT_BYTES, ..genesis() })
}

/// Two symbols, a book of sells in the second, from a session that is to be missed.
fn begin(venue: &mut Venue, status: SymbolStatus) -> (Desk<'_>, u32) {
    let mut desk = Desk::new(venue);
    desk.symbol(|_| {});
    let symbol = desk.symbol(|s| (s.status, s.max_trigger_orders) = (status.code(), 200));
    desk.rich(&[100, 101, 102]);
    let origin = Origin { session: SessionId::new(KeyId(0), 3), key: KeyId(0), reserved: 0 };
    for _ in 0..SELLS {
        let flags = order_flags::CANCEL_ON_DISCONNECT;
        let order = NewOrder { flags, ..gtd(limit(100, symbol, Side::Sell, 50, 2), 5_000_000_000_000) };
        let order = desk.complete(order);
        desk.send_as(origin, &order).accepted();
    }
    (desk, symbol)
}

/// Runs what is pending on the original and, before each part, on an engine from its image.
#[track_caller]
fn goes_on_alike(mut venue: Venue, task: u8, subject: u32, parts: usize) {
    assert_eq!(venue.engine.image().work[0].task, task);
    let mut done = 0;
    while venue.engine.pending() != Pending::Nothing {
        let image = venue.engine.image();
        let restored = Engine::restore(&image).unwrap();
        assert!(restored.image() == image, "the image of the restored engine differs");
        assert_eq!(restored.pending(), venue.engine.pending());
        assert_eq!(restored.continuation(), venue.engine.continuation());
        let mut twin = narrow();
        twin.engine = restored;
        let of = venue.engine.image().work[0].clone();
        let part = venue.go_on();
        assert_eq!(twin.go_on(), part, "part {done}");
        let is_handled = |event: &&Event| matches!(event, Event::Handled(_));
        let Some(Event::Handled(handled)) = part.iter().find(is_handled) else { panic!("{part:?}") };
        let more = venue.engine.pending() != Pending::Nothing;
        assert_eq!((handled.header.a, handled.header.b, handled.argument), (of.kind, u8::from(more), of.sequence));
        assert_eq!(handled.header.subject, subject, "the account of a match or a cancel-all");
        assert_eq!(twin.engine.state_hash(), venue.engine.state_hash());
        done += 1;
    }
    assert!(done >= parts, "only {done} parts");
    venue.engine.check_invariants().unwrap();
}

#[test]
fn a_match() {
    let mut venue = narrow();
    let (mut desk, symbol) = begin(&mut venue, SymbolStatus::Trading);
    let key = SetKey { key: KeyId(5), role: Role::Trade.code(), last_account: AccountId(200), ..SetKey::new(0) };
    desk.send(&key);
    let mut order = desk.complete(limit(101, symbol, Side::Buy, 50, 2 * SELLS as i64 + 5));
    order.header.request = 77;
    desk.send_as(Origin::session(SessionId::new(KeyId(5), 9)), &order).accepted();
    goes_on_alike(venue, 1, 101, 3);
}

#[test]
fn a_cancel_all_of_one_side_and_symbol_and_of_all() {
    for (symbol, side) in [(0, 0), (2, 2)] {
        let mut venue = narrow();
        let (mut desk, _) = begin(&mut venue, SymbolStatus::Trading);
        for symbol in [1, 2] {
            desk.place(limit(100, symbol, Side::Buy, 40, 1)).accepted();
        }
        let third = desk.symbol(|_| {});
        for symbol in [1, third] {
            desk.place(limit(100, symbol, Side::Sell, 60, 1)).accepted();
        }
        let all = CancelAll { account: AccountId(100), symbol: SymbolId(symbol), side, ..CancelAll::new(5) };
        desk.send(&all);
        // What is accepted from here on is not concerned.
        let late = desk.place(limit(100, 2, Side::Sell, 55, 1)).accepted().0;
        let mut probe = narrow();
        probe.engine = Engine::restore(&venue.engine.image()).unwrap();
        while probe.engine.pending() != Pending::Nothing {
            probe.go_on();
        }
        assert!(probe.engine.open_order(late).is_some());
        assert_eq!(probe.engine.open_order_count(), if side == 0 { 1 } else { 5 });
        goes_on_alike(venue, 2, 100, 2);
    }
}

#[test]
fn a_session_down() {
    let mut venue = narrow();
    let (mut desk, symbol) = begin(&mut venue, SymbolStatus::Trading);
    let session = SessionId::new(KeyId(0), 3);
    desk.send(&SessionDown { session, ..SessionDown::new(0) });
    // What is accepted from here on is not concerned.
    let flags = order_flags::CANCEL_ON_DISCONNECT;
    let late = desk.complete(NewOrder { flags, ..limit(100, symbol, Side::Sell, 55, 1) });
    let (late, _) = desk.send_as(Origin { session, ..Origin::INTERNAL }, &late).accepted();
    let mut probe = narrow();
    probe.engine = venue.engine.clone();
    while probe.engine.pending() != Pending::Nothing {
        probe.go_on();
    }
    assert!(probe.engine.open_order(late).is_some());
    goes_on_alike(venue, 3, 0, 2);
}

#[test]
fn expiries() {
    let mut venue = narrow();
    begin(&mut venue, SymbolStatus::Trading);
    venue.one(5_000_000_000_000, Origin::INTERNAL, Tick::new(0).as_bytes());
    goes_on_alike(venue, 4, 0, 2);
}

#[test]
fn a_cascade_of_stops() {
    let mut venue = narrow();
    let (mut desk, symbol) = begin(&mut venue, SymbolStatus::Trading);
    for _ in 0..120 {
        desk.place(stop(limit(102, symbol, Side::Buy, 10, 1), TriggerDirection::RisesTo, 50)).accepted();
    }
    desk.place(limit(101, symbol, Side::Buy, 50, 1)).accepted();
    goes_on_alike(venue, 5, 0, 1);
}

/// The volume left is kept in 128 bits.
#[test]
fn an_uncross() {
    let mut venue = narrow();
    let (mut desk, symbol) = begin(&mut venue, SymbolStatus::PreOpen);
    desk.place(limit(101, symbol, Side::Buy, 60, 2 * SELLS as i64)).accepted();
    desk.status(symbol, SymbolStatus::Trading);
    goes_on_alike(venue, 6, 0, 3);
}

#[test]
fn the_end_of_a_symbol() {
    let mut venue = narrow();
    let (mut desk, symbol) = begin(&mut venue, SymbolStatus::Trading);
    desk.status(symbol, SymbolStatus::Closed);
    goes_on_alike(venue, 7, 0, 2);
}
