//! E08, E09, E34, E35, E36: market and post-only orders, amendments, bounds, adjustment numbers, the band.

use crate::Exchange;
use crate::scenario::{BTC, Desk, USDT, ioc, limit, market, spot};
use ringbook_event::Event;
use ringbook_wire::message::{Deposit, Message, NewOrder, Withdraw};
use ringbook_wire::{
    AccountId, Amount, AssetId, EndReason, OrderState, Qty, Rate, RejectCode, Side, StpMode, order_flags,
};

/// E08: protection of a market order, the rest of an IOC, post-only.
pub fn e08(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|_| {});
    for price in [10_000, 10_040, 10_200] {
        desk.place(limit(101, symbol, Side::Sell, price, 5)).accepted();
    }
    let buy = desk.place(market(100, symbol, Side::Buy, 12));
    let (order, hold) = buy.accepted();
    assert_eq!(hold, 10_100 * 12 * 10, "the hold is at the protection price 10,100");
    assert_eq!(buy.fills(), [(10_000, 5), (10_040, 5)]);
    assert_eq!(buy.end(order), Some((OrderState::Expired.code(), EndReason::Protection.code(), 2)));
    assert_eq!(buy.done(order).map(|done| done.returned.0), Some(10_100 * 2 * 10));

    let symbol = desk.symbol(|_| {});
    desk.place(limit(101, symbol, Side::Sell, 10_000, 5)).accepted();
    let buy = desk.place(ioc(100, symbol, Side::Buy, 10_000, 8));
    assert_eq!(buy.fills(), [(10_000, 5)]);
    let end = buy.end(buy.accepted().0);
    assert_eq!(end, Some((OrderState::Expired.code(), EndReason::Ioc.code(), 3)));

    desk.place(limit(101, symbol, Side::Sell, 10_000, 5)).accepted();
    let post_only = |order: NewOrder| NewOrder { flags: order_flags::POST_ONLY, ..order };
    desk.place(post_only(limit(100, symbol, Side::Buy, 10_000, 1))).refused(RejectCode::PostOnlyCross);
    let rests = desk.place(post_only(limit(100, symbol, Side::Buy, 9_999, 1)));
    assert_eq!(rests.names(), ["Accepted"]);
}

/// E09: Binance's keep-priority FAQ (lot 0.01), and totals against what is filled.
pub fn e09(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let bids = |desk: &mut Desk<'_>| {
        let symbol = desk.symbol(|_| {});
        let ids = [(87_000, 100), (87_000, 550), (87_000, 400), (86_999, 200)]
            .map(|(price, lots)| desk.place(limit(100, symbol, Side::Buy, price, lots)).accepted().0);
        (symbol, ids)
    };

    let (symbol, [n10, n15, _, _]) = bids(&mut desk);
    let amended = desk.amend(100, n15, 0, 500);
    let Some(Event::Amended(event)) = amended.0.first() else { panic!("{amended:?}") };
    assert_eq!((event.header.b, event.quantity.0, event.cut.0, event.remaining.0), (1, 550, 50, 500));
    assert_eq!(event.hold.0, 87_000 * 500 * 10);
    assert_eq!(desk.place(limit(101, symbol, Side::Sell, 87_000, 300)).makers(), [(n10, 100), (n15, 200)]);

    // Filled 2.00 of 5.00.
    desk.amend(100, n15, 0, 200).refused(RejectCode::AmendQty);
    let amended = desk.amend(100, n15, 0, 250);
    let Some(Event::Amended(event)) = amended.0.first() else { panic!("{amended:?}") };
    assert_eq!((event.quantity.0, event.cut.0, event.remaining.0), (550, 300, 50));
    desk.amend(100, n15, 0, 250).refused(RejectCode::AmendNothing);
    desk.amend(100, n15, 0, 0).refused(RejectCode::AmendNothing);

    let (symbol, [n10, n15, n20, _]) = bids(&mut desk);
    let amended = desk.amend(100, n15, 0, 600);
    let Some(Event::Amended(event)) = amended.0.first() else { panic!("{amended:?}") };
    assert_eq!((event.header.b, event.quantity.0, event.cut.0, event.remaining.0), (0, 600, 0, 600));
    assert_eq!(desk.place(limit(101, symbol, Side::Sell, 87_000, 300)).makers(), [(n10, 100), (n20, 200)]);

    let (symbol, [n10, n15, n20, n21]) = bids(&mut desk);
    desk.amend(100, n15, 86_999, 0);
    let sell = desk.place(limit(101, symbol, Side::Sell, 86_999, 1_250));
    assert_eq!(sell.makers(), [(n10, 100), (n20, 400), (n21, 200), (n15, 550)]);
}

/// E34: the bound of price × quantity × K.
pub fn e34(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let mut symbol = spot(1);
    (symbol.max_price.0, symbol.max_quantity, symbol.quote_per_tick_lot) = (10_000_000, Qty(9_000_000), Amount(10));
    assert_eq!(desk.send(&symbol).names(), ["Config"]);
    symbol.max_quantity = Qty(5_000_000_000_000);
    desk.send(&symbol).refused(RejectCode::BadConfig);
}

/// E35: adjustment numbers.
pub fn e35(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.account(100, 0);
    let (account, asset) = (AccountId(100), AssetId(USDT));
    let deposit =
        |adjustment, amount| Deposit { account, asset, adjustment, amount: Amount(amount), ..Deposit::new(0) };
    let withdraw =
        |adjustment, amount| Withdraw { account, asset, adjustment, amount: Amount(amount), ..Withdraw::new(0) };
    assert_eq!(desk.send(&deposit(1, 500)).names(), ["Transfer"]);
    assert_eq!(desk.balance(100, USDT), (500, 0));
    let first = desk.send(&withdraw(2, 200));
    assert_eq!(first.names(), ["Transfer"]);
    let again = desk.send(&withdraw(2, 200));
    let [Event::Transfer(replay)] = again.0.as_slice() else { panic!("{again:?}") };
    assert_eq!((replay.header.a, replay.header.b, replay.code, replay.amount.0), (2, 1, 0, -200));
    desk.send(&deposit(1, 500)).refused(RejectCode::AdjustmentOld);
    desk.send(&withdraw(3, 400)).refused(RejectCode::InsufficientBalance);
    assert_eq!(desk.send(&withdraw(4, 300)).names(), ["Transfer"]);
    assert_eq!(desk.balance(100, USDT), (0, 0));
}

/// E36, its spot half: a band of 5 % around a last price of 43,210.7 (tick 0.1).
pub fn e36(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|s| {
        s.band = Rate(5_000_000);
        s.stp = StpMode::None.code();
    });
    desk.place(limit(101, symbol, Side::Sell, 9_000_000, 1)).accepted();
    desk.place(limit(101, symbol, Side::Sell, 432_107, 1)).accepted();
    desk.place(limit(100, symbol, Side::Buy, 432_107, 1)).accepted();
    desk.place(limit(100, symbol, Side::Buy, 453_713, 1)).refused(RejectCode::PriceBand);
    desk.place(limit(100, symbol, Side::Buy, 453_712, 1)).accepted();
    desk.cancel_all(100);
    desk.place(limit(100, symbol, Side::Sell, 410_501, 1)).refused(RejectCode::PriceBand);
    desk.place(limit(100, symbol, Side::Sell, 410_502, 1)).accepted();
    desk.cancel_all(100);
    // A market order's protection lies within the band of that moment.
    let (_, hold) = desk.place(market(100, symbol, Side::Buy, 1)).accepted();
    assert_eq!(hold, 453_712 * 10);
    assert_eq!(desk.balance(100, BTC).1, 0);
}
