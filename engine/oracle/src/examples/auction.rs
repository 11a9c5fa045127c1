//! E12, and what else time and status do: PRE_OPEN, the end of GTD orders, the close of a symbol.

use crate::Exchange;
use crate::scenario::{BTC, Desk, Outcome, USDT, budget, fok, gtd, iceberg, ioc, limit, market, stop};
use ringbook_event::Event;
use ringbook_wire::message::{Message, MessageType, NewOrder, Tick};
use ringbook_wire::{EndReason, OrderId, OrderState, Rate, RejectCode, Side, StpMode, SymbolStatus, TriggerDirection};

/// Price and lots of a side of a book.
type Book = &'static [(i64, i64)];

/// Fills a book in PRE_OPEN and opens it.
fn auction(desk: &mut Desk<'_>, symbol: u32, bids: Book, asks: Book) -> Outcome {
    for (side, orders) in [(Side::Buy, bids), (Side::Sell, asks)] {
        for &(price, lots) in orders {
            assert_eq!(desk.place(limit(100, symbol, side, price, lots)).names(), ["Accepted"]);
        }
    }
    desk.status(symbol, SymbolStatus::Trading)
}

/// Lots that traded, all of them in the uncross at this price.
#[track_caller]
fn volume(outcome: &Outcome, price: i64) -> i64 {
    let trades = outcome.trades();
    assert!(trades.iter().all(|trade| (trade.price.0, trade.header.b) == (price, 2)), "{outcome:?}");
    trades.iter().map(|trade| trade.quantity.0).sum()
}

/// E12: ASX, MarketGrid, and the reference in a range without surplus.
pub fn e12(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let pre_open = |desk: &mut Desk<'_>| desk.symbol(|s| s.status = SymbolStatus::PreOpen.code());

    let symbol = pre_open(&mut desk);
    let bids: Book = &[(640, 500), (639, 500), (639, 500), (634, 1_000), (633, 500)];
    let asks: Book = &[(610, 1_000), (640, 500), (641, 520), (642, 550), (643, 519)];
    let open = auction(&mut desk, symbol, bids, asks);
    assert_eq!(volume(&open, 639), 1_000);
    assert_eq!(open.names(), ["Status", "Trade", "Done", "Trade", "Done", "Done"], "STP does not act");
    // The surplus of 500 at 639 is all buy.
    assert_eq!(desk.place(ioc(101, symbol, Side::Sell, 639, 9_000)).fills(), [(639, 500)]);
    assert_eq!(desk.place(ioc(101, symbol, Side::Buy, 640, 9_000)).fills(), [(640, 500)]);

    let symbol = pre_open(&mut desk);
    let bids: Book =
        &[(130, 45), (129, 95), (128, 25), (127, 35), (126, 25), (125, 55), (124, 200), (123, 80), (122, 60)];
    let asks: Book = &[
        (131, 35),
        (130, 50),
        (129, 10),
        (128, 15),
        (127, 10),
        (126, 20),
        (125, 90),
        (124, 155),
        (123, 125),
        (122, 10),
    ];
    let open = auction(&mut desk, symbol, bids, asks);
    assert_eq!(volume(&open, 124), 290);
    let first: Vec<(i64, i64)> = open.trades().iter().map(|t| (t.quantity.0, t.taker_remaining.0)).take(2).collect();
    assert_eq!(first, [(10, 35), (35, 0)], "the best bid meets the best ask, then the next");
    assert_eq!(desk.place(ioc(101, symbol, Side::Sell, 124, 9_000)).fills(), [(124, 190)]);
    assert_eq!(desk.place(ioc(101, symbol, Side::Buy, 125, 9_000)).fills(), [(125, 90)]);

    for (reference, price) in [(101, 101), (110, 105), (90, 95), (0, 100)] {
        let symbol = desk.symbol(|_| {});
        if reference != 0 {
            desk.trade_at(100, 101, symbol, reference);
        }
        desk.status(symbol, SymbolStatus::Halted);
        desk.status(symbol, SymbolStatus::PreOpen);
        let open = auction(&mut desk, symbol, &[(105, 10)], &[(95, 10)]);
        assert_eq!(volume(&open, price), 10, "reference {reference}");
    }
    // All sell: the lowest.
    let symbol = pre_open(&mut desk);
    assert_eq!(volume(&auction(&mut desk, symbol, &[(110, 5)], &[(100, 9)]), 100), 5);
}

/// What PRE_OPEN takes, how its orders are amended, and fees, holds and slices in the uncross.
pub fn pre_open(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102]);
    let symbol = desk.symbol(|s| {
        s.status = SymbolStatus::PreOpen.code();
        (s.taker, s.maker) = (Rate(100_000), Rate(-50_000));
    });
    for order in [
        ioc(100, symbol, Side::Buy, 100, 1),
        fok(100, symbol, Side::Buy, 100, 1),
        market(100, symbol, Side::Buy, 1),
        budget(100, symbol, 5_000),
    ] {
        desk.place(order).refused(RejectCode::SymbolStatus);
    }
    let (buy, hold) = desk.place(limit(100, symbol, Side::Buy, 110, 10)).accepted();
    assert_eq!(hold, 11_000 + 11);
    let (ice, _) = desk.place(iceberg(limit(101, symbol, Side::Sell, 100, 12), 4)).accepted();
    let (sell, _) = desk.place(gtd(limit(102, symbol, Side::Sell, 100, 3), desk.now + 1_000_000)).accepted();
    let amended = desk.amend(101, ice, 90, 0);
    assert_eq!(amended.names(), ["Amended"], "it crosses and does not match");
    desk.amend(101, ice, 100, 0);
    // 10 of 15 at 100: the surplus is sell everywhere, so the lowest price; the other's 3, slices of 4 and 3.
    let open = desk.status(symbol, SymbolStatus::Trading);
    assert_eq!(open.fills(), [(100, 3), (100, 4), (100, 3)]);
    assert_eq!(open.makers(), [(sell, 3), (ice, 4), (ice, 3)]);
    assert_eq!(open.names(), ["Status", "Trade", "Done", "Trade", "Refreshed", "Trade", "Done"]);
    assert_eq!(open.refreshed(), [(ice, 4, 8)]);
    for trade in open.trades() {
        assert_eq!((trade.header.a, trade.header.b, trade.taker_order), (Side::Buy.code(), 2, buy));
    }
    let fees: Vec<_> = open.trades().iter().map(|trade| (trade.taker_fee.0, trade.maker_fee.0)).collect();
    assert_eq!(fees, [(3, 3), (4, 4), (3, 3)], "both pay the taker rate");
    let done = open.done(buy).expect("filled");
    assert_eq!((done.cost.0, done.fee.0), (10_000, 10));
    assert_eq!(desk.balance(100, USDT), (1_000_000_000_000_000 - 10_010, 0));
    assert_eq!(desk.balance(101, BTC).1, 5_000);

    // A crossed book that was halted is uncrossed when it trades again.
    desk.status(symbol, SymbolStatus::Halted);
    desk.status(symbol, SymbolStatus::PreOpen);
    desk.place(limit(100, symbol, Side::Buy, 100, 2)).accepted();
    desk.status(symbol, SymbolStatus::Halted);
    assert_eq!(volume(&desk.status(symbol, SymbolStatus::Trading), 100), 2);
    assert_eq!(desk.status(symbol, SymbolStatus::Trading).names(), ["Status"]);
}

/// GTD orders end by (time, id), before anything else of the command, also in HALTED and untriggered.
pub fn gtd_expiry(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|_| {});
    let start = desk.now;
    let order = |price, at| gtd(limit(100, symbol, Side::Buy, price, 5), start + at);
    desk.place(order(10, 0)).refused(RejectCode::BadExpiry);
    desk.place(gtd(limit(100, symbol, Side::Buy, 10, 5), 0)).refused(RejectCode::BadRequest);
    desk.place(NewOrder { expire_at: order(10, 9).expire_at, ..limit(100, symbol, Side::Buy, 10, 5) })
        .refused(RejectCode::BadRequest);
    let (late, _) = desk.place(order(10, 3_000_000)).accepted();
    let (b, _) = desk.place(order(12, 2_000_000)).accepted();
    let (a, _) = desk.place(stop(order(11, 2_000_000), TriggerDirection::FallsTo, 5)).accepted();
    let (first, _) = desk.place(order(13, 1_000_000)).accepted();
    let (stays, _) = desk.place(order(14, u64::MAX - start)).accepted();
    desk.status(symbol, SymbolStatus::Halted);

    // One nanosecond before: nothing.
    desk.now = start + 1_000_000 - 1_001;
    assert_eq!(desk.send(&Tick::new(0)).names(), ["Handled"]);
    desk.now = start + 2_000_000 - 1_000;
    let refused = desk.place(limit(100, symbol, Side::Buy, 10, 1));
    let pair = ["Expired", "Done"];
    assert_eq!(refused.names(), [&pair[..], &pair, &pair, &["Rejected"]].concat());
    let time = EndReason::Time.code();
    assert_eq!(refused.expired(), [(first, time, 0), (b, time, 0), (a, time, 0)]);
    assert_eq!(refused.end(b), Some((OrderState::Expired.code(), time, 5)));
    desk.now = start + 3_000_000;
    let tick = desk.send(&Tick::new(0));
    assert_eq!((tick.names(), tick.expired()), (vec!["Expired", "Done", "Handled"], vec![(late, time, 0)]));
    let handled = tick.0.iter().find_map(|e| if let Event::Handled(e) = e { Some(*e) } else { None });
    let handled = handled.expect("there is one");
    assert_eq!((handled.header.a, handled.header.b, handled.count), (MessageType::Tick as u8, 0, 1));
    assert_eq!(desk.balance(100, USDT).1, 14 * 5 * 10);
    desk.cancel_all(100);
    assert_eq!(desk.balance(100, USDT).1, 0, "only {stays} was left");
}

/// CLOSED ends everything in order and is final.
pub fn close_symbol(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let (symbol, other) = (desk.symbol(|s| s.stp = StpMode::None.code()), desk.symbol(|_| {}));
    let mut place = |order: NewOrder| desk.place(order).accepted().0;
    let (falls, rises) = (TriggerDirection::FallsTo, TriggerDirection::RisesTo);
    let waits = |price| limit(100, symbol, Side::Buy, price, 1);
    let up = [place(stop(waits(10), rises, 130)), place(stop(waits(10), rises, 120))];
    let down =
        [place(stop(waits(10), falls, 80)), place(stop(waits(10), falls, 90)), place(stop(waits(10), falls, 90))];
    let sells = [101, 100].map(|price| place(limit(101, symbol, Side::Sell, price, 1)));
    let buys = [98, 99, 99].map(|price| place(limit(100, symbol, Side::Buy, price, 1)));
    let elsewhere = place(limit(100, other, Side::Buy, 99, 1));
    let close = desk.status(symbol, SymbolStatus::Closed);
    let order: Vec<OrderId> = close.expired().iter().map(|&(order, _, _)| order).collect();
    let lines = [buys[1], buys[2], buys[0], sells[1], sells[0]];
    assert_eq!(order, [&lines[..], &[down[1], down[2], down[0], up[1], up[0]]].concat());
    let (first, last) = (close.names()[0], *close.names().last().expect("there are events"));
    assert_eq!((first, last, close.names().len()), ("Status", "Handled", 22));
    let Some(Event::Handled(handled)) = close.0.iter().find(|e| e.name() == "Handled") else { unreachable!() };
    assert_eq!((handled.header.a, handled.count, handled.argument), (MessageType::SetStatus as u8, 10, 0));
    let status = EndReason::Status.code();
    assert!(order.iter().all(|&order| close.end(order) == Some((OrderState::Expired.code(), status, 1))));
    assert_eq!((desk.balance(100, USDT).1, desk.balance(101, BTC).1), (990, 0), "{elsewhere} still holds");

    for next in SymbolStatus::ALL {
        desk.status(symbol, *next).refused(RejectCode::BadConfig);
    }
    desk.place(limit(100, symbol, Side::Buy, 99, 1)).refused(RejectCode::SymbolStatus);
    desk.place(stop(limit(100, symbol, Side::Buy, 99, 1), falls, 9)).refused(RejectCode::SymbolStatus);
    let replayed = desk.amend_trigger(100, up[0], 140);
    assert_eq!(replayed.names(), ["Replayed"], "it has ended");
    assert_eq!(desk.status(other, SymbolStatus::Closed).names(), ["Status", "Expired", "Done", "Handled"]);
    assert_eq!(desk.balance(100, USDT).1, 0);
}
