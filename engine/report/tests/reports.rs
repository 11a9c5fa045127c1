//! Reports of random streams: who hears what, in which order, and that a resume finds it.

mod common;

use common::{Recorded, check_views, place, record, view};
use ringbook_event::{Event, Handled, Origin, Record, events};
use ringbook_report::{View, reports, streams};
use ringbook_wire::message::{Continue, Message, MessageType};
use ringbook_wire::report::{self, LAST};
use ringbook_wire::{KeyId, Sequence, SessionId};
use zerocopy::IntoBytes;

#[test]
fn views_hear_what_is_theirs_in_order() {
    let (mut kinds, mut both_sides) = ([0; 256], 0);
    for seed in 0..15 {
        both_sides += check_views(seed, &record(seed, 600), &mut kinds);
    }
    let never: Vec<_> = (161..=177).filter(|&kind: &usize| kinds[kind] == 0).collect();
    assert!(never.is_empty(), "reports {never:?} never came");
    assert!(both_sides > 0);
}

/// The two sides of a trade see their own numbers, and the same price, quantity and trade.
#[test]
fn both_sides_of_a_trade_see_their_own() {
    let mut checked = 0;
    for frame in record(3, 600) {
        let heard = frame.reports(&view(9, 0, u32::MAX));
        let trades: Vec<_> = heard.iter().filter_map(|bytes| report::Trade::read(bytes)).collect();
        let recorded = events(&frame.events).filter_map(|event| match event.unwrap() {
            Event::Trade(trade) => Some(trade),
            _ => None,
        });
        for (pair, event) in trades.chunks(2).zip(recorded) {
            let [taker, maker] = pair else { panic!("a trade has two sides") };
            let expected = if event.header.b == 2 { (3, 3) } else { (1, 2) };
            assert_eq!((taker.liquidity, maker.liquidity), expected);
            assert_eq!((taker.side, maker.side), (event.header.a, 3 - event.header.a));
            assert_eq!((taker.order, maker.order), (event.taker_order, event.maker_order));
            assert_eq!((taker.fee, maker.fee), (event.taker_fee, event.maker_fee));
            assert_eq!((taker.cost, maker.cost), (event.taker_cost, event.maker_cost));
            assert_eq!((taker.filled, maker.filled), (event.taker_filled, event.maker_filled));
            assert_eq!((taker.remaining, maker.remaining), (event.taker_remaining, event.maker_remaining));
            for side in pair {
                assert_eq!((side.trade, side.price, side.quantity), (event.trade, event.price, event.quantity));
            }
            checked += 1;
        }
    }
    assert!(checked > 10);
}

#[test]
fn an_amended_order_shows_what_was_ordered_less_what_was_cut() {
    let (mut cut, mut named) = (0, 0);
    for seed in 0..10 {
        for frame in record(seed, 600) {
            let heard = frame.reports(&view(9, 0, u32::MAX));
            for event in events(&frame.events) {
                if let Event::Amended(e) = event.unwrap() {
                    let report = heard.iter().find_map(|bytes| report::Amended::read(bytes)).unwrap();
                    assert_eq!(report.quantity.0, e.quantity.0 - e.cut.0);
                    cut += usize::from(e.cut.0 > 0);
                }
            }
            for report in heard.iter().filter_map(|bytes| report::Rejected::read(bytes)) {
                named += usize::from(report.order.0 != 0);
                if report.order.0 != 0 {
                    assert!([65, 66, 72, 73].contains(&report.kind));
                }
            }
        }
    }
    assert!(cut > 0 && named > 0);
}

/// Which HANDLED is reported, and to whom: only that of a CANCEL_ALL, also in its CONTINUEs, to the key that sent it.
#[test]
fn only_the_sender_of_a_mass_cancel_hears_that_it_was_handled() {
    let session = SessionId::new(KeyId(2), 1);
    let message = Continue { of: Sequence(5), ..Continue::new(77) };
    let command = [Origin::session(session).as_bytes(), message.as_bytes()].concat();
    let cases = [
        (MessageType::CancelAll, 1),
        (MessageType::NewOrder, 0),
        (MessageType::Amend, 0),
        (MessageType::SessionDown, 0),
    ];
    for (kind, expected) in cases {
        let header = Handled::header(kind as u8, 1, 40);
        let handled = Handled { header, count: 9, reserved: 0, argument: 5, reserved2: 0 };
        let frame = Recorded { sequence: 8, time: 4, command: command.clone(), events: handled.as_bytes().to_vec() };
        let heard = frame.reports(&view(2, 16, 16));
        assert_eq!(heard.len(), expected, "{kind:?}");
        assert!(frame.reports(&view(3, 0, u32::MAX)).is_empty(), "{kind:?}: not the key that sent it");
        for report in heard.iter().filter_map(|bytes| report::MassDone::read(bytes)) {
            assert_eq!((report.account.0, report.count, report.kind, report.more), (40, 9, 67, 1));
            assert_eq!((report.header.request, report.place.flags), (77, LAST));
        }
        // Another session of the same key hears it too, without the number.
        let other = View { session: SessionId::new(KeyId(2), 9), ..view(2, 16, 16) };
        assert!(frame.reports(&other).iter().all(|report| place(report).0.request == 0));
    }
}

#[test]
fn bytes_that_are_not_ringbooks_are_errors() {
    let frame = &record(1, 50)[30];
    let wide = view(1, 0, u32::MAX);
    let mut parts = frame.parts();
    parts.command = &parts.command[..10];
    assert!(reports(&parts, &wide, &mut |_| {}).is_err());
    let mut parts = frame.parts();
    parts.events = &parts.events[..parts.events.len() - 4];
    assert!(reports(&parts, &wide, &mut |_| {}).is_err());
    let mut out = vec![1, 2];
    streams(&frame.command[..3], &[9; 12], &mut out);
    assert_eq!(out, [1, 2], "an index goes on");
}
