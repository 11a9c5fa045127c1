//! E11, and icebergs under amendment, fill-or-kill and self-trade prevention.

use crate::Exchange;
use crate::scenario::{Desk, fok, iceberg, ioc, limit, with_stp};
use ringbook_event::Event;
use ringbook_wire::{EndReason, OrderState, Qty, RejectCode, Side, StpMode};

/// E11: new slices join the end of their queue.
pub fn e11(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102]);
    let symbol = desk.symbol(|_| {});
    let (ice, hold) = desk.place(iceberg(limit(100, symbol, Side::Sell, 100, 10), 3)).accepted();
    assert_eq!(hold, 10_000, "all of it is held");
    let (n, _) = desk.place(limit(101, symbol, Side::Sell, 100, 4)).accepted();
    let buy = desk.place(limit(102, symbol, Side::Buy, 100, 9));
    assert_eq!(buy.makers(), [(ice, 3), (n, 4), (ice, 2)]);
    assert_eq!(buy.refreshed(), [(ice, 3, 7)]);
    assert_eq!(buy.names(), ["Accepted", "Trade", "Refreshed", "Trade", "Done", "Trade", "Done"]);
    assert_eq!(buy.trades()[2].maker_remaining.0, 5);
    // It shows 1: that one goes first, the next slice behind a new order.
    let (late, _) = desk.place(limit(101, symbol, Side::Sell, 100, 1)).accepted();
    let buy = desk.place(limit(102, symbol, Side::Buy, 100, 6));
    assert_eq!(buy.makers(), [(ice, 1), (late, 1), (ice, 3), (ice, 1)]);
    assert_eq!(buy.refreshed(), [(ice, 3, 4), (ice, 1, 1)]);
    assert_eq!(buy.end(ice), Some((OrderState::Filled.code(), 0, 0)));

    // As a taker it matches with everything, then rests with a slice.
    desk.place(limit(101, symbol, Side::Sell, 100, 5)).accepted();
    let (ice, _) = desk.place(iceberg(limit(100, symbol, Side::Buy, 100, 12), 2)).accepted();
    assert_eq!(desk.place(ioc(102, symbol, Side::Sell, 100, 3)).refreshed(), [(ice, 2, 5)]);

    // 205; a display above the quantity shows all.
    let symbol = desk.symbol(|s| s.min_quantity = Qty(3));
    desk.place(iceberg(limit(100, symbol, Side::Sell, 100, 10), 2)).refused(RejectCode::BadDisplay);
    desk.place(iceberg(limit(100, symbol, Side::Sell, 100, 10), -1)).refused(RejectCode::BadRequest);
    desk.place(iceberg(ioc(100, symbol, Side::Sell, 100, 10), 3)).refused(RejectCode::BadRequest);
    desk.place(iceberg(limit(100, symbol, Side::Sell, 100, 10), 11)).accepted();
    let buy = desk.place(ioc(102, symbol, Side::Buy, 100, 9));
    assert_eq!(buy.names(), ["Accepted", "Trade", "Done"]);
}

/// The shown part shrinks only with the remainder; queueing anew shows a new slice.
pub fn iceberg_amend(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102]);
    let symbol = desk.symbol(|_| {});
    let (ice, _) = desk.place(iceberg(limit(100, symbol, Side::Sell, 100, 10), 4)).accepted();
    let (other, _) = desk.place(limit(101, symbol, Side::Sell, 100, 5)).accepted();
    let amended = desk.amend(100, ice, 0, 6);
    let Event::Amended(event) = amended.0[0] else { panic!("{amended:?}") };
    assert_eq!((event.header.b, event.remaining.0, event.hold.0), (1, 6, 6_000));
    let buy = desk.place(ioc(102, symbol, Side::Buy, 100, 5));
    assert_eq!((buy.makers(), buy.refreshed()), (vec![(ice, 4), (other, 1)], vec![(ice, 2, 2)]));
    // 2 left behind 4 of the other; 1 left, then, shows 1.
    desk.amend(100, ice, 0, 5);
    assert_eq!(desk.place(ioc(102, symbol, Side::Buy, 100, 5)).makers(), [(other, 4), (ice, 1)]);

    let (ice, _) = desk.place(iceberg(limit(100, symbol, Side::Sell, 100, 10), 4)).accepted();
    desk.place(ioc(102, symbol, Side::Buy, 100, 3)).accepted();
    let (other, _) = desk.place(limit(101, symbol, Side::Sell, 100, 5)).accepted();
    // It showed 1 of 7; now it goes to the end and shows 4 of 9.
    desk.amend(100, ice, 0, 12);
    let buy = desk.place(ioc(102, symbol, Side::Buy, 100, 9));
    assert_eq!((buy.makers(), buy.refreshed()), (vec![(other, 5), (ice, 4)], vec![(ice, 4, 5)]));
    // As a taker it has all of its lots.
    desk.place(limit(102, symbol, Side::Buy, 90, 3)).accepted();
    let amended = desk.amend(100, ice, 90, 0);
    assert_eq!((amended.names(), amended.fills()), (vec!["Amended", "Trade", "Done"], vec![(90, 3)]));
    assert_eq!(desk.place(ioc(102, symbol, Side::Buy, 90, 9)).fills(), [(90, 2)]);
}

/// Fill-or-kill counts hidden lots, but behind an own order only what is shown in front of it.
pub fn fok_hidden(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let killed = |lots| Some((OrderState::Expired.code(), EndReason::Fok.code(), lots));
    let book = |desk: &mut Desk<'_>| {
        let symbol = desk.symbol(|_| {});
        desk.place(iceberg(limit(101, symbol, Side::Sell, 99, 5), 1)).accepted();
        desk.place(iceberg(limit(101, symbol, Side::Sell, 100, 10), 3)).accepted();
        desk.place(limit(100, symbol, Side::Sell, 100, 2)).accepted();
        desk.place(limit(101, symbol, Side::Sell, 100, 4)).accepted();
        symbol
    };
    // 5 at 99, 3 shown at 100, then the own order.
    for mode in [StpMode::CancelTaker, StpMode::CancelBoth, StpMode::Decrement] {
        let symbol = book(&mut desk);
        let buy = desk.place(with_stp(fok(100, symbol, Side::Buy, 100, 9), mode));
        assert_eq!((buy.names(), buy.end(buy.accepted().0)), (vec!["Accepted", "Expired", "Done"], killed(9)));
        let buy = desk.place(with_stp(fok(100, symbol, Side::Buy, 100, 8), mode));
        assert_eq!(buy.end(buy.accepted().0), Some((OrderState::Filled.code(), 0, 0)));
        assert_eq!(buy.fills(), [(99, 1), (99, 1), (99, 1), (99, 1), (99, 1), (100, 3)]);
    }
    for (mode, lots) in [(StpMode::CancelMaker, 19), (StpMode::None, 21)] {
        let symbol = book(&mut desk);
        let buy = desk.place(with_stp(fok(100, symbol, Side::Buy, 100, lots + 1), mode));
        assert_eq!(buy.end(buy.accepted().0), killed(lots + 1));
        let buy = desk.place(with_stp(fok(100, symbol, Side::Buy, 100, lots), mode));
        assert_eq!(buy.end(buy.accepted().0), Some((OrderState::Filled.code(), 0, 0)));
        assert_eq!(buy.trades().iter().map(|trade| trade.quantity.0).sum::<i64>(), lots);
    }
}

/// DECREMENT takes the shown part; CANCEL_MAKER all of it.
pub fn iceberg_stp(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|_| {});
    let (ice, _) = desk.place(iceberg(limit(100, symbol, Side::Sell, 100, 10), 3)).accepted();
    let buy = desk.place(with_stp(ioc(100, symbol, Side::Buy, 100, 4), StpMode::Decrement));
    assert_eq!(buy.names(), ["Accepted", "Prevented", "Refreshed", "Prevented", "Done"]);
    assert_eq!(buy.refreshed(), [(ice, 3, 7)]);
    let Event::Prevented(last) = buy.0[3] else { panic!("{buy:?}") };
    assert_eq!((last.taker_quantity.0, last.maker_quantity.0, last.maker_remaining.0), (1, 1, 6));
    // 2 are shown: exactly these, so that the taker ends and the maker is refreshed, maker first.
    let buy = desk.place(with_stp(ioc(100, symbol, Side::Buy, 100, 2), StpMode::Decrement));
    assert_eq!(buy.names(), ["Accepted", "Prevented", "Refreshed", "Done"]);
    assert_eq!(buy.refreshed(), [(ice, 3, 4)]);
    let buy = desk.place(with_stp(limit(100, symbol, Side::Buy, 100, 5), StpMode::CancelMaker));
    assert_eq!(buy.names(), ["Accepted", "Prevented", "Done"]);
    let Event::Prevented(all) = buy.0[1] else { panic!("{buy:?}") };
    assert_eq!((all.maker_quantity.0, all.maker_remaining.0, all.taker_remaining.0), (4, 0, 5));
    assert_eq!(buy.end(ice), Some((OrderState::ExpiredStp.code(), EndReason::Stp.code(), 0)));
}
