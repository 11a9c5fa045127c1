//! E10, and what stop orders may and may not: when they run, what fails then, what an amendment changes.

use crate::Exchange;
use crate::scenario::{BTC, Desk, USDT, budget, iceberg, ioc, limit, market, stop};
use ringbook_event::Event;
use ringbook_wire::message::{Amend, Message, NewOrder, SetAccount};
use ringbook_wire::{
    AccountId, EndReason, OrderId, OrderState, OrderType, Price, Qty, Rate, RejectCode, Side, StpMode, SymbolStatus,
    TriggerDirection, order_flags,
};

use TriggerDirection::{FallsTo, RisesTo};

/// E10: a cascade, and simultaneous triggers.
pub fn e10(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102, 103, 104]);
    let symbol = desk.symbol(|s| s.slip = Rate(5_000_000));
    desk.trade_at(100, 101, symbol, 10_100);
    for (price, lots) in [(10_000, 5), (9_900, 5), (9_800, 5), (9_700, 10)] {
        desk.place(limit(100, symbol, Side::Buy, price, lots)).accepted();
    }
    let s1 = desk.place(stop(market(102, symbol, Side::Sell, 4), FallsTo, 10_000));
    assert_eq!(s1.names(), ["Accepted"], "it waits");
    let Event::Accepted(accepted) = s1.0[0] else { panic!("{s1:?}") };
    assert_eq!((accepted.price.0, accepted.quantity.0, accepted.hold.0), (0, 4, 4_000));
    assert_eq!(accepted.header.b, OrderType::StopMarket.code());
    let s1 = accepted.order;
    let (s2, _) = desk.place(stop(market(103, symbol, Side::Sell, 5), FallsTo, 9_900)).accepted();
    let (s3, _) = desk.place(stop(limit(104, symbol, Side::Sell, 9_800, 3), FallsTo, 9_800)).accepted();
    let (_, hold) = desk.place(stop(budget(104, symbol, 7_777), RisesTo, 10_300)).accepted();
    assert_eq!(hold, 7_777);
    let sell = desk.place(market(101, symbol, Side::Sell, 5));
    assert_eq!(sell.fills(), [(10_000, 5), (9_900, 4), (9_900, 1), (9_800, 4), (9_800, 1)]);
    let takers: Vec<OrderId> = sell.trades().iter().map(|trade| trade.taker_order).collect();
    assert_eq!(takers, [sell.accepted().0, s1, s2, s2, s3]);
    assert_eq!(sell.triggered(), [(s1, 9_405), (s2, 9_405), (s3, 9_800)], "5 % below 9,900; the limit of S3");
    let run = ["Triggered", "Trade", "Done"];
    let expected = [&["Accepted", "Trade", "Done", "Done"][..], &run, &run, &["Trade", "Done"], &run].concat();
    assert_eq!(sell.names(), expected);
    for order in [s1, s2] {
        assert_eq!(sell.end(order), Some((OrderState::Filled.code(), 0, 0)));
    }
    assert_eq!((sell.end(s3), desk.balance(104, BTC).1), (None, 2_000), "S3 rests with 2");
    assert_eq!(desk.place(ioc(101, symbol, Side::Buy, 9_800, 5)).makers(), [(s3, 2)]);
    assert_eq!(desk.place(ioc(101, symbol, Side::Sell, 9_700, 15)).fills(), [(9_700, 10)]);

    let symbol = desk.symbol(|s| s.slip = Rate(5_000_000));
    desk.trade_at(100, 101, symbol, 10_000);
    desk.place(limit(100, symbol, Side::Buy, 9_900, 50)).accepted();
    let [first, highest, second] = [9_950, 9_990, 9_950]
        .map(|trigger| desk.place(stop(market(102, symbol, Side::Sell, 1), FallsTo, trigger)).accepted().0);
    let sell = desk.place(market(101, symbol, Side::Sell, 1));
    let order: Vec<OrderId> = sell.triggered().iter().map(|&(order, _)| order).collect();
    assert_eq!(order, [highest, first, second]);

    // Both directions at once, which needs a symbol without a last price: FALLS_TO goes first, RISES_TO ascends.
    let symbol = desk.symbol(|s| s.slip = Rate(5_000_000));
    desk.place(limit(100, symbol, Side::Buy, 100, 50)).accepted();
    let [high, low] = [100, 99].map(|trigger| {
        let order = stop(limit(102, symbol, Side::Sell, 200, 1), RisesTo, trigger);
        desk.place(order).accepted().0
    });
    let (falls, _) = desk.place(stop(limit(102, symbol, Side::Sell, 200, 1), FallsTo, 100)).accepted();
    let sell = desk.place(market(101, symbol, Side::Sell, 1));
    assert_eq!(sell.triggered(), [(falls, 200), (low, 200), (high, 200)]);
    // New triggers go to the end: the first of two moves the price, and what it triggers runs after the second.
    let symbol = desk.symbol(|s| s.slip = Rate(50_000_000));
    desk.trade_at(100, 101, symbol, 100);
    for price in [99, 98, 97, 96] {
        desk.place(limit(100, symbol, Side::Buy, price, 1)).accepted();
    }
    let [a, b, c] =
        [99, 99, 98].map(|trigger| desk.place(stop(market(102, symbol, Side::Sell, 1), FallsTo, trigger)).accepted().0);
    let sell = desk.place(market(101, symbol, Side::Sell, 1));
    let order: Vec<OrderId> = sell.triggered().iter().map(|&(order, _)| order).collect();
    assert_eq!((order, sell.fills().len()), (vec![a, b, c], 4));
}

/// 100, 106, 200, 202, 203, 208, 210, 300 of stop orders, and what they hold.
pub fn stop_limits(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    desk.account(102, 0);
    desk.deposit(102, USDT, 1_000);
    let symbol = desk.symbol(|s| {
        s.max_trigger_orders = 2;
        s.max_open_orders = 1;
        s.max_market_quantity = Qty(50);
        s.max_notional.0 = 100_000;
        s.max_price = Price(1_000);
        s.band = Rate(10_000_000);
    });
    let sell = |quantity| limit(100, symbol, Side::Sell, 100, quantity);
    let bad = [
        stop(market(100, symbol, Side::Buy, 1), RisesTo, 100),
        stop(budget(100, symbol, 1), RisesTo, 0),
        NewOrder { trigger_source: 2, ..stop(sell(1), RisesTo, 100) },
        NewOrder { trigger_direction: 0, ..stop(sell(1), RisesTo, 100) },
        NewOrder { trigger: Price(100), ..sell(1) },
        NewOrder { quantity: Qty(1), ..stop(budget(100, symbol, 1), RisesTo, 100) },
        NewOrder { side: Side::Sell.code(), ..budget(100, symbol, 1) },
        NewOrder { display: Qty(1), ..stop(market(100, symbol, Side::Sell, 1), RisesTo, 100) },
        NewOrder { flags: order_flags::POST_ONLY, ..stop(ioc(100, symbol, Side::Sell, 100, 1), RisesTo, 100) },
    ];
    for order in bad {
        desk.place(order).refused(RejectCode::BadRequest);
    }
    desk.trade_at(100, 101, symbol, 100);
    desk.place(stop(sell(1), FallsTo, 1_001)).refused(RejectCode::PriceRange);
    desk.place(stop(market(100, symbol, Side::Sell, 51), FallsTo, 90)).refused(RejectCode::QtyRange);
    desk.place(stop(market(100, symbol, Side::Sell, 50), RisesTo, 201)).refused(RejectCode::Notional);
    desk.place(stop(budget(100, symbol, 100_001), RisesTo, 110)).refused(RejectCode::Notional);
    desk.place(stop(sell(1), FallsTo, 100)).refused(RejectCode::TriggerImmediate);
    desk.place(stop(sell(1), RisesTo, 100)).refused(RejectCode::TriggerImmediate);
    desk.place(stop(limit(102, symbol, Side::Buy, 101, 1), RisesTo, 101)).refused(RejectCode::InsufficientBalance);
    // No band and no max_open_orders at entry.
    let (_, hold) = desk.place(stop(limit(100, symbol, Side::Buy, 500, 3), RisesTo, 400)).accepted();
    assert_eq!(hold, 500 * 3 * 10);
    let (id, hold) = desk.place(stop(market(100, symbol, Side::Sell, 50), FallsTo, 99)).accepted();
    assert_eq!((hold, desk.balance(100, BTC).1), (50_000, 50_000));
    desk.place(stop(sell(1), FallsTo, 99)).refused(RejectCode::TooManyOrders);
    desk.place(limit(100, symbol, Side::Buy, 50, 1)).accepted();
    let all = desk.cancel_all(100);
    assert_eq!(all.names().len(), 7, "{all:?}");
    assert_eq!(all.end(id), Some((OrderState::Canceled.code(), EndReason::Mass.code(), 50)));
    assert_eq!((desk.balance(100, BTC).1, desk.balance(100, USDT).1), (0, 0));
}

/// What a stop order fails for when it runs: EXPIRED(TRIGGER_FAILED) with the code.
pub fn stop_fails(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102, 103]);
    let post_only = |order: NewOrder| NewOrder { flags: order_flags::POST_ONLY, ..order };
    let symbol = desk.symbol(|s| {
        s.band = Rate(10_000_000);
        s.max_open_orders = 2;
        s.stp = StpMode::None.code();
    });
    desk.trade_at(100, 101, symbol, 100);
    desk.place(limit(101, symbol, Side::Buy, 96, 10)).accepted();
    let mut wait = |order: NewOrder| desk.place(stop(order, FallsTo, 96)).accepted().0;
    let suspended = wait(limit(103, symbol, Side::Sell, 95, 1));
    let band = wait(limit(102, symbol, Side::Sell, 50, 1));
    let crosses = wait(post_only(limit(102, symbol, Side::Sell, 96, 1)));
    let rests = wait(limit(102, symbol, Side::Sell, 105, 1));
    let works = wait(ioc(102, symbol, Side::Sell, 96, 1));
    let nothing = wait(budget(102, symbol, 10_000));
    desk.place(limit(102, symbol, Side::Sell, 120, 1)).accepted();
    desk.place(limit(102, symbol, Side::Sell, 121, 1)).accepted();
    desk.send(&SetAccount { account: AccountId(103), suspended: 1, ..SetAccount::new(0) });
    let held = desk.balance(102, BTC).1;
    let sell = desk.place(ioc(100, symbol, Side::Sell, 96, 1));
    let failed = EndReason::TriggerFailed.code();
    let expected = [
        (suspended, failed, RejectCode::AccountSuspended.code()),
        (band, failed, RejectCode::PriceBand.code()),
        (crosses, failed, RejectCode::TooManyOrders.code()),
        (rests, failed, RejectCode::TooManyOrders.code()),
        (nothing, EndReason::Protection.code(), 0),
    ];
    assert_eq!(sell.expired(), expected, "120 is beyond the band of the budget order");
    assert_eq!(sell.end(works), Some((OrderState::Filled.code(), 0, 0)));
    assert_eq!(sell.end(band), Some((OrderState::Expired.code(), failed, 1)));
    assert_eq!(sell.done(band).map(|done| done.returned.0), Some(1_000));
    assert_eq!(held - desk.balance(102, BTC).1, 4_000, "three failed, one sold");

    // 400, and a market order that meets nothing.
    let symbol = desk.symbol(|_| {});
    desk.trade_at(100, 101, symbol, 100);
    desk.place(limit(101, symbol, Side::Buy, 96, 10)).accepted();
    let (crosses, _) = desk.place(stop(post_only(limit(102, symbol, Side::Sell, 96, 1)), FallsTo, 96)).accepted();
    let (nothing, _) = desk.place(stop(budget(102, symbol, 10_000), FallsTo, 96)).accepted();
    let sell = desk.place(ioc(100, symbol, Side::Sell, 96, 1));
    let expected = [(crosses, failed, RejectCode::PostOnlyCross.code()), (nothing, EndReason::NoLiquidity.code(), 0)];
    assert_eq!((sell.expired(), sell.triggered()), (expected.to_vec(), vec![(crosses, 96), (nothing, 0)]));
}

/// Stop orders wait through PRE_OPEN and HALTED and run after the uncross.
pub fn stop_in_pre_open(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102]);
    let symbol = desk.symbol(|_| {});
    let (falls, _) = desk.place(stop(limit(102, symbol, Side::Sell, 90, 3), FallsTo, 100)).accepted();
    let (rises, _) = desk.place(stop(budget(102, symbol, 5_000), RisesTo, 101)).accepted();
    assert_eq!(desk.status(symbol, SymbolStatus::PreOpen).names(), ["Status"]);
    desk.place(stop(limit(102, symbol, Side::Sell, 90, 3), FallsTo, 100)).refused(RejectCode::SymbolStatus);
    let post_only = |order| NewOrder { flags: order_flags::POST_ONLY, ..order };
    desk.place(limit(100, symbol, Side::Buy, 100, 5)).accepted();
    desk.place(post_only(limit(101, symbol, Side::Sell, 100, 4))).accepted();
    desk.place(limit(101, symbol, Side::Sell, 101, 4)).accepted();
    assert_eq!(desk.status(symbol, SymbolStatus::Halted).names(), ["Status"]);
    desk.place(stop(limit(102, symbol, Side::Sell, 90, 3), FallsTo, 100)).refused(RejectCode::SymbolStatus);
    assert_eq!(desk.status(symbol, SymbolStatus::PreOpen).names(), ["Status"]);
    let open = desk.status(symbol, SymbolStatus::Trading);
    assert_eq!(open.names(), ["Status", "Trade", "Done", "Triggered", "Trade", "Done"]);
    assert_eq!((open.fills(), open.triggered()), (vec![(100, 4), (100, 1)], vec![(falls, 90)]));
    assert_eq!((open.trades()[0].header.b, open.trades()[1].header.b), (2, 1), "uncross, then taker and maker");
    // What is left of it rests at 90; a buy there does not move the price up to 101, one at 101 does.
    let buy = desk.place(limit(100, symbol, Side::Buy, 101, 3));
    assert_eq!(buy.fills(), [(90, 2), (101, 1), (101, 3)]);
    assert_eq!(buy.triggered(), [(rises, 102)], "1 % above 101 is 102.01");
    assert_eq!(buy.end(rises), Some((OrderState::Expired.code(), EndReason::NoLiquidity.code(), 0)));
}

/// Triggers, prices and quantities of untriggered orders.
pub fn amend_trigger(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102]);
    let symbol = desk.symbol(|s| s.max_notional.0 = 100_000);
    desk.trade_at(100, 101, symbol, 100);
    let wait = |desk: &mut Desk<'_>, order: NewOrder, direction, trigger| {
        desk.place(stop(order, direction, trigger)).accepted().0
    };
    let first = wait(&mut desk, limit(100, symbol, Side::Buy, 100, 5), FallsTo, 90);
    let second = wait(&mut desk, limit(100, symbol, Side::Buy, 100, 1), FallsTo, 95);
    let by_budget = wait(&mut desk, budget(100, symbol, 5_000), RisesTo, 110);
    let sell = wait(&mut desk, market(100, symbol, Side::Sell, 5), FallsTo, 50);
    let (rests, _) = desk.place(limit(100, symbol, Side::Buy, 80, 5)).accepted();

    desk.amend_trigger(100, rests, 90).refused(RejectCode::BadRequest);
    desk.amend(100, by_budget, 100, 0).refused(RejectCode::BadRequest);
    desk.amend(100, by_budget, 0, 5).refused(RejectCode::BadRequest);
    desk.amend(100, sell, 60, 0).refused(RejectCode::BadRequest);
    desk.amend_trigger(100, first, 100).refused(RejectCode::TriggerImmediate);
    desk.amend_trigger(100, first, 10_000_001).refused(RejectCode::PriceRange);
    desk.amend_trigger(100, first, 90).refused(RejectCode::AmendNothing);
    desk.amend_trigger(100, OrderId(999), 90).refused(RejectCode::UnknownOrder);
    desk.amend(100, first, 0, 101).refused(RejectCode::Notional);

    let amended = desk.amend_trigger(100, first, 95);
    assert_eq!(amended.0.len(), 1, "the hold stays: {amended:?}");
    let Event::Amended(event) = amended.0[0] else { panic!("{amended:?}") };
    assert_eq!((event.header.b, event.trigger.0, event.price.0, event.quantity.0), (1, 95, 100, 5));
    let all = Amend { price: Price(101), quantity: Qty(4), trigger: Price(96), ..Amend::new(0) };
    let amended = desk.send(&Amend { account: AccountId(100), order: first, ..all });
    let Event::Amended(event) = amended.0[0] else { panic!("{amended:?}") };
    assert_eq!((event.quantity.0, event.cut.0, event.remaining.0, event.hold.0), (5, 1, 4, 101 * 4 * 10));
    desk.amend_trigger(100, first, 95);
    let amended = desk.amend_trigger(100, by_budget, 105);
    let Event::Amended(event) = amended.0[0] else { panic!("{amended:?}") };
    assert_eq!((event.price.0, event.quantity.0, event.hold.0, event.trigger.0), (0, 0, 5_000, 105));
    let amended = desk.amend(100, sell, 0, 7);
    let Event::Amended(event) = amended.0[0] else { panic!("{amended:?}") };
    assert_eq!((event.price.0, event.quantity.0, event.hold.0, event.trigger.0), (0, 7, 7_000, 50));

    // The order kept its rank: equal triggers go by id.
    desk.place(limit(101, symbol, Side::Buy, 95, 1)).accepted();
    let trade = desk.place(ioc(102, symbol, Side::Sell, 95, 1));
    assert_eq!(trade.triggered(), [(first, 101), (second, 100)]);
    desk.amend_trigger(100, first, 90).refused(RejectCode::BadRequest);
    assert_eq!(desk.amend(100, first, 0, 3).names(), ["Amended"]);

    // An iceberg keeps its display while it waits.
    let hidden = wait(&mut desk, iceberg(limit(102, symbol, Side::Sell, 120, 9), 2), FallsTo, 94);
    desk.amend(102, hidden, 0, 8);
    assert_eq!(desk.balance(102, BTC).1, 8_000);
}
