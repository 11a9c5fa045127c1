//! E06 and E07: self-trade prevention, and what fill-or-kill counts.

use crate::Exchange;
use crate::scenario::{Desk, Outcome, fok, limit, with_stp};
use ringbook_event::Event;
use ringbook_wire::{EndReason, OrderId, OrderState, Side, StpMode};

/// Price and lots of the expected trades.
type Fills = &'static [(i64, i64)];

const STP: Option<(u8, u8, i64)> = Some((OrderState::ExpiredStp as u8, EndReason::Stp as u8, 0));
const FILLED: Option<(u8, u8, i64)> = Some((OrderState::Filled as u8, 0, 0));

/// Taker's and maker's loss, taker's and maker's remainder of each PREVENTED.
fn prevented(outcome: &Outcome) -> Vec<(i64, i64, i64, i64)> {
    let lots = |event: &Event| match event {
        Event::Prevented(p) => Some((p.taker_quantity.0, p.maker_quantity.0, p.taker_remaining.0, p.maker_remaining.0)),
        _ => None,
    };
    outcome.0.iter().filter_map(lots).collect()
}

/// E06: Binance's STP FAQ (tick and lot 0.1), and an own example.
pub fn e06(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102]);
    let own = |side, symbol, price, quantity| limit(100, symbol, side, price, quantity);

    for mode in [StpMode::CancelMaker, StpMode::CancelTaker] {
        let symbol = desk.symbol(|_| {});
        let bids = [(12, 12), (11, 13), (10, 81)]
            .map(|(price, lots)| desk.place(own(Side::Buy, symbol, price, lots)).accepted().0);
        let sell = desk.place(with_stp(own(Side::Sell, symbol, 10, 30), mode));
        let (order, _) = sell.accepted();
        assert!(sell.trades().is_empty());
        if mode == StpMode::CancelMaker {
            assert_eq!(prevented(&sell), [(0, 12, 30, 0), (0, 13, 30, 0), (0, 81, 30, 0)]);
            assert_eq!(bids.map(|bid| sell.end(bid)), [STP; 3]);
            assert_eq!(sell.end(order), None, "the sell rests with 30");
            let buy = desk.place(limit(101, symbol, Side::Buy, 10, 30));
            assert_eq!(buy.makers(), [(order, 30)]);
        } else {
            assert_eq!(prevented(&sell), [(30, 0, 0, 12)]);
            assert_eq!(sell.names(), ["Accepted", "Prevented", "Done"]);
            assert_eq!(sell.end(order), STP);
            let other = desk.place(limit(101, symbol, Side::Sell, 10, 106));
            assert_eq!(other.fills(), [(12, 12), (11, 13), (10, 81)], "the bids stayed");
        }
    }

    let symbol = desk.symbol(|_| {});
    let (bid, _) = desk.place(own(Side::Buy, symbol, 10, 1)).accepted();
    let both = desk.place(with_stp(own(Side::Sell, symbol, 10, 3), StpMode::CancelBoth));
    let (order, _) = both.accepted();
    assert_eq!(prevented(&both), [(3, 1, 0, 0)]);
    assert_eq!((both.end(bid), both.end(order)), (STP, STP));
    assert_eq!(both.done(bid).map(|done| done.prevented.0), Some(1));
    assert_eq!(both.done(order).map(|done| done.prevented.0), Some(3));
    let ended: Vec<OrderId> =
        both.0.iter().filter_map(|event| if let Event::Done(done) = event { Some(done.order) } else { None }).collect();
    assert_eq!(ended, [bid, order], "maker first");

    let symbol = desk.symbol(|_| {});
    let (bid, _) = desk.place(own(Side::Buy, symbol, 2, 6)).accepted();
    let decrement = desk.place(with_stp(own(Side::Sell, symbol, 2, 2), StpMode::Decrement));
    assert_eq!(prevented(&decrement), [(2, 2, 0, 4)]);
    assert_eq!((decrement.end(bid), decrement.end(decrement.accepted().0)), (None, STP));
    let rest = desk.place(limit(101, symbol, Side::Sell, 2, 9));
    assert_eq!(rest.makers(), [(bid, 4)]);
    assert_eq!(rest.done(bid).map(|done| (done.filled.0, done.prevented.0, done.remaining.0)), Some((4, 2, 0)));

    let symbol = desk.symbol(|_| {});
    let (x, _) = desk.place(limit(101, symbol, Side::Buy, 101, 1)).accepted();
    let (mine, _) = desk.place(own(Side::Buy, symbol, 101, 1)).accepted();
    let (y, _) = desk.place(limit(102, symbol, Side::Buy, 100, 2)).accepted();
    let sell = desk.place(with_stp(own(Side::Sell, symbol, 100, 3), StpMode::CancelMaker));
    assert_eq!(sell.makers(), [(x, 1), (y, 2)]);
    assert_eq!(sell.fills(), [(101, 1), (100, 2)]);
    assert_eq!(sell.end(mine), STP);
    let order = ["Accepted", "Trade", "Done", "Prevented", "Done", "Trade", "Done", "Done"];
    assert_eq!(sell.names(), order);

    // The same group is the same owner, group 0 is not.
    let symbol = desk.symbol(|_| {});
    desk.account(103, 7);
    desk.account(102, 7);
    desk.deposit(103, crate::scenario::BTC, 1_000_000);
    desk.place(limit(102, symbol, Side::Buy, 10, 1)).accepted();
    let sell = desk.place(limit(103, symbol, Side::Sell, 10, 1));
    assert_eq!(prevented(&sell), [(1, 0, 0, 1)], "the symbol's default mode is CANCEL_TAKER");
}

/// E07: fill or kill against 5 @ 100, own 3 @ 101, 4 @ 102.
pub fn e07(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let cases: [(i64, StpMode, Fills); 5] = [
        (9, StpMode::CancelMaker, &[(100, 5), (102, 4)]),
        (9, StpMode::CancelTaker, &[]),
        (10, StpMode::CancelMaker, &[]),
        (12, StpMode::None, &[(100, 5), (101, 3), (102, 4)]),
        (5, StpMode::CancelBoth, &[(100, 5)]),
    ];
    for (lots, mode, fills) in cases {
        let symbol = desk.symbol(|_| {});
        desk.place(limit(101, symbol, Side::Sell, 100, 5)).accepted();
        let (own, _) = desk.place(limit(100, symbol, Side::Sell, 101, 3)).accepted();
        desk.place(limit(101, symbol, Side::Sell, 102, 4)).accepted();
        let buy = desk.place(with_stp(fok(100, symbol, Side::Buy, 102, lots), mode));
        let (order, hold) = buy.accepted();
        assert_eq!(buy.fills(), fills, "{lots} {mode}");
        if fills.is_empty() {
            assert_eq!(buy.names(), ["Accepted", "Expired", "Done"]);
            assert_eq!(buy.end(order), Some((OrderState::Expired.code(), EndReason::Fok.code(), lots)));
            assert_eq!(buy.done(order).map(|done| done.returned.0), Some(hold));
        } else {
            assert_eq!(buy.end(order), FILLED);
        }
        assert_eq!(buy.end(own).is_some(), mode == StpMode::CancelMaker && lots == 9 || mode == StpMode::None);
    }
}
