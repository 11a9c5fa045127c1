//! E29 and the orders that only perpetuals have (DOMAIN §4.1, PERPETUAL.md "NEW_ORDER on a perpetual"): reduce-only and
//! its trim, close-position, stops on the mark, what a suspended account and the insurance fund may send, amendments.

use crate::Exchange;
use crate::scenario::perpetual::{FEES, INSURANCE, SECOND, at, close_position, on_mark, reduce_only, usdt};
use crate::scenario::{Desk, Outcome, budget, ioc, limit, market, stop};
use ringbook_event::Event;
use ringbook_wire::message::{Amend, Message, NewOrder, SetAccount};
use ringbook_wire::{
    AccountId, EndReason, MarginMode, OrderState, Price, Qty, Rate, RejectCode, Side, SymbolStatus, TriggerDirection,
    order_flags,
};

use TriggerDirection::{FallsTo, RisesTo};

/// Quantity of the ACCEPTED.
#[track_caller]
fn accepted_for(outcome: &Outcome) -> i64 {
    match outcome.0.first() {
        Some(Event::Accepted(accepted)) => accepted.quantity.0,
        _ => panic!("not accepted: {:#?}", outcome.0),
    }
}

/// E29: trimming (OKX's example): best price first, equal price older first.
pub fn e29(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 198, 199], "100000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("15000"));
    desk.long(100, 199, symbol, at("15000"), 100);
    let sell = |account, price, lots| reduce_only(limit(account, symbol, Side::Sell, at(price), lots));
    let (first, hold) = desk.place(sell(100, "17000", 80)).accepted();
    assert_eq!(hold, usdt("0.68"));
    let (second, _) = desk.place(sell(100, "18000", 20)).accepted();
    let new = desk.place(sell(100, "16000", 50));
    assert_eq!(new.story(), ["Accepted", "Amended", "Expired", "Done"]);
    assert_eq!(new.amended(), [(first.0, 2, 1, 80, 50, 30, usdt("0.425"))]);
    let reason = EndReason::ReduceOnly.code();
    assert_eq!(new.end(second), Some((OrderState::Expired.code(), reason, 20)));
    desk.cancel_all(100);

    // A long of 100 with 50 @ 17,000 and 50 @ 16,000; 70 are sold: 30 @ 16,000 stay.
    desk.long(101, 199, symbol, at("15000"), 100);
    let (worse, _) = desk.place(sell(101, "17000", 50)).accepted();
    let (better, _) = desk.place(sell(101, "16000", 50)).accepted();
    desk.place(limit(198, symbol, Side::Buy, at("15000"), 70)).accepted();
    let sold = desk.place(market(101, symbol, Side::Sell, 70));
    assert_eq!(
        sold.story(),
        ["Accepted", "Trade", "Realized", "Done", "Amended", "Expired", "Done", "Done"],
        "the trim comes after the match, before the taker's end"
    );
    assert_eq!(sold.amended(), [(better.0, 2, 1, 50, 30, 20, usdt("0.24"))]);
    assert_eq!(sold.end(worse), Some((OrderState::Expired.code(), reason, 50)));
    // Equal prices: the older one keeps its lots. The other side's are nobody's business.
    desk.cancel_all(101);
    let (older, _) = desk.place(sell(101, "16000", 20)).accepted();
    let newer = desk.place(sell(101, "16000", 20));
    assert_eq!(newer.amended(), [(newer.accepted().0.0, 2, 1, 20, 10, 10, usdt("0.08"))]);
    assert_eq!(newer.end(older), None);
}

/// Reduce-only at entry: 303 without an opposite position, else cut to it; the fills of a taker trim others of its
/// account.
pub fn reduce_only_entry(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 198, 199], "100000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.long(100, 199, symbol, 100, 100);
    desk.place(reduce_only(limit(100, symbol, Side::Buy, 90, 1))).refused(RejectCode::ReduceOnly);
    desk.place(reduce_only(limit(101, symbol, Side::Sell, 110, 1))).refused(RejectCode::ReduceOnly);
    desk.place(reduce_only(limit(199, symbol, Side::Sell, 110, 1))).refused(RejectCode::ReduceOnly);
    let cut = desk.place(reduce_only(limit(100, symbol, Side::Sell, 110, 150)));
    assert_eq!((accepted_for(&cut), cut.story()), (100, vec!["Accepted"]));
    let (rests, _) = cut.accepted();
    // A taker that is cut sells all, and what rested ends.
    desk.place(limit(198, symbol, Side::Buy, 100, 60)).accepted();
    desk.place(limit(198, symbol, Side::Buy, 99, 60)).accepted();
    let all = desk.place(reduce_only(market(100, symbol, Side::Sell, 500)));
    assert_eq!((accepted_for(&all), all.fills()), (100, vec![(100, 60), (99, 40)]));
    let story = ["Accepted", "Trade", "Realized", "Done", "Amended", "Trade", "Realized", "Expired", "Done", "Done"];
    assert_eq!(all.story(), story);
    assert_eq!(all.amended(), [(rests.0, 2, 1, 100, 40, 60, 0)]);
    assert_eq!(all.end(all.accepted().0), Some((OrderState::Filled.code(), 0, 0)));
    assert_eq!(desk.position(100, symbol), (0, 0, 0));

    // A position that turns takes the reduce-only orders of both sides with it.
    desk.cancel_all(198);
    desk.long(100, 199, symbol, 100, 10);
    let (sell, _) = desk.place(reduce_only(limit(100, symbol, Side::Sell, 120, 10))).accepted();
    desk.place(limit(198, symbol, Side::Buy, 100, 15)).accepted();
    let turned = desk.place(ioc(100, symbol, Side::Sell, 100, 15));
    assert_eq!(turned.end(sell), Some((OrderState::Expired.code(), EndReason::ReduceOnly.code(), 10)));
    assert_eq!(desk.position(100, symbol).0, -5);
}

/// The combinations that are 100, and those that are not.
pub fn perpetual_requests(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "100000");
    let spot = desk.symbol(|_| {});
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    let close = close_position(100, symbol, Side::Sell, FallsTo, 90);
    let with = |order: NewOrder, flags| NewOrder { flags: order.flags | flags, ..order };
    let flag = order_flags::CLOSE_POSITION;
    let bad = [
        budget(100, symbol, 1_000),
        stop(budget(100, symbol, 1_000), RisesTo, 120),
        NewOrder { quantity: Qty(5), ..close },
        reduce_only(close),
        NewOrder { trigger_source: 0, ..close },
        NewOrder { trigger_source: 3, ..close },
        with(limit(100, symbol, Side::Sell, 110, 1), flag),
        with(market(100, symbol, Side::Sell, 1), flag),
        with(market(100, symbol, Side::Sell, 0), flag),
        with(stop(limit(100, symbol, Side::Sell, 80, 1), FallsTo, 90), flag),
        stop(market(100, symbol, Side::Buy, 0), RisesTo, 120),
        NewOrder { trigger_source: 2, ..limit(100, symbol, Side::Sell, 110, 1) },
        with(ioc(100, symbol, Side::Sell, 110, 1), order_flags::POST_ONLY),
        reduce_only(limit(100, spot, Side::Sell, 110, 1)),
        close_position(100, spot, Side::Sell, FallsTo, 90),
        on_mark(stop(limit(100, spot, Side::Sell, 80, 1), FallsTo, 90)),
        stop(market(100, spot, Side::Buy, 1), RisesTo, 120),
    ];
    for (number, order) in bad.into_iter().enumerate() {
        assert_eq!(desk.place(order).code(), RejectCode::BadRequest.code(), "order {number}");
    }
    let unknown = limit(100, 99, Side::Sell, 110, 1);
    for order in [reduce_only(unknown), on_mark(stop(unknown, FallsTo, 90))] {
        desk.place(order).refused(RejectCode::UnknownSymbol);
    }
    let good = [
        close,
        NewOrder { trigger_source: 1, ..close },
        stop(market(100, symbol, Side::Buy, 5), RisesTo, 120),
        on_mark(stop(market(100, symbol, Side::Buy, 5), RisesTo, 120)),
        reduce_only(stop(market(100, symbol, Side::Buy, 5), RisesTo, 120)),
        with(reduce_only(on_mark(stop(limit(100, symbol, Side::Sell, 80, 1), FallsTo, 90))), order_flags::POST_ONLY),
    ];
    for (number, order) in good.into_iter().enumerate() {
        let outcome = desk.place(order);
        assert_eq!((outcome.story(), outcome.accepted().1), (vec!["Accepted"], 0), "order {number}");
        assert_eq!(accepted_for(&outcome), order.quantity.0);
    }
}

/// Close-position: nothing at entry but a mark; when triggered all lots of the moment, or 303.
pub fn close_position_orders(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "100000");
    let symbol = desk.plain(|p| (p.min_quantity, p.max_market_quantity) = (Qty(10), Qty(50)));
    desk.mark(symbol, 100);
    let (first, _) = desk.place(close_position(100, symbol, Side::Sell, FallsTo, 95)).accepted();
    let (second, _) = desk.place(close_position(100, symbol, Side::Sell, FallsTo, 94)).accepted();
    desk.amend(100, first, 0, 5).refused(RejectCode::BadRequest);
    desk.amend(100, first, 90, 0).refused(RejectCode::BadRequest);
    assert_eq!(desk.amend_trigger(100, first, 96).amended(), [(first.0, 1, 1, 0, 0, 0, 0)]);
    desk.long(100, 199, symbol, 100, 100);
    desk.place(limit(198, symbol, Side::Buy, 94, 70)).accepted();
    desk.place(limit(198, symbol, Side::Buy, 94, 70)).accepted();
    // One after the other: the first closes all, more than a market order may have; the second finds nothing.
    let mark = desk.mark(symbol, 94);
    let story = ["Mark", "Triggered", "Amended", "Trade", "Realized", "Done", "Trade", "Realized", "Done"];
    assert_eq!(mark.story(), [&story[..], &["Triggered", "Expired", "Done"]].concat());
    assert_eq!(mark.amended(), [(first.0, 2, 1, 100, 100, 0, 0)]);
    assert_eq!(mark.triggered(), [(first, 94), (second, 94)]);
    assert_eq!(mark.end(first), Some((OrderState::Filled.code(), 0, 0)));
    assert_eq!(mark.expired(), [(second, EndReason::TriggerFailed.code(), RejectCode::ReduceOnly.code())]);

    // A reduce-only stop is cut when it runs: the rest is `cut`.
    desk.cancel_all(198);
    desk.mark(symbol, 100);
    desk.long(100, 199, symbol, 100, 30);
    let order = reduce_only(stop(market(100, symbol, Side::Sell, 50), FallsTo, 96));
    let (order, _) = desk.place(order).accepted();
    desk.place(limit(198, symbol, Side::Buy, 96, 50)).accepted();
    // LAST is the source: a trade at 96 triggers it.
    let trade = desk.place(ioc(199, symbol, Side::Sell, 96, 10));
    assert_eq!(trade.amended(), [(order.0, 2, 1, 50, 30, 20, usdt("120"))], "⌈96 · 0.99⌉ = 96, 4 below the mark");
    assert_eq!(trade.fills(), [(96, 10), (96, 30)]);
    assert_eq!(trade.done(order).map(|d| (d.filled.0, d.cut.0, d.remaining.0)), Some((30, 20, 0)));
}

/// Stops on the mark: order of the FIFO, 208, status, stale marks.
pub fn mark_stops(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "100000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.trade_at(198, 199, symbol, 98);
    let falls = |trigger| stop(limit(100, symbol, Side::Sell, 300, 1), FallsTo, trigger);
    let rises = |trigger| stop(limit(100, symbol, Side::Buy, 1, 1), RisesTo, trigger);
    desk.place(on_mark(falls(100))).refused(RejectCode::TriggerImmediate);
    desk.place(falls(100)).refused(RejectCode::TriggerImmediate);
    desk.place(falls(99)).refused(RejectCode::TriggerImmediate);
    desk.place(on_mark(falls(99))).accepted();
    desk.cancel_all(100);
    let mut wait = |order| desk.place(on_mark(order)).accepted().0;
    let (f95, f97, f95_second) = (wait(falls(95)), wait(falls(97)), wait(falls(95)));
    let (r110, r105) = (wait(rises(110)), wait(rises(105)));
    // Trades do not trigger them.
    desk.trade_at(198, 199, symbol, 90);
    let mark = desk.mark(symbol, 95);
    assert_eq!(mark.triggered(), [(f97, 300), (f95, 300), (f95_second, 300)]);
    assert_eq!(desk.mark(symbol, 110).triggered(), [(r105, 1), (r110, 1)]);

    // Stale when it comes: nothing; the next fresh one triggers.
    let (waits, _) = desk.place(on_mark(falls(105))).accepted();
    desk.now += 10 * SECOND;
    assert_eq!(desk.offer(symbol, 104, desk.now - 6 * SECOND, 0).story(), ["Mark"]);
    assert_eq!(desk.mark(symbol, 104).triggered(), [(waits, 300)]);

    // HALTED and PRE_OPEN: nothing; entering TRADING: after the uncross those of LAST, then those of the mark.
    let (by_mark, _) = desk.place(on_mark(falls(103))).accepted();
    let (by_last, _) = desk.place(falls(80)).accepted();
    let (stale, _) = desk.place(on_mark(falls(101))).accepted();
    desk.status(symbol, SymbolStatus::PreOpen);
    assert_eq!(desk.mark(symbol, 102).story(), ["Mark"]);
    desk.place(limit(198, symbol, Side::Sell, 80, 5)).accepted();
    desk.place(limit(199, symbol, Side::Buy, 80, 5)).accepted();
    let open = desk.status(symbol, SymbolStatus::Trading);
    assert_eq!(open.fills(), [(80, 5)]);
    assert_eq!(open.triggered(), [(by_last, 300), (by_mark, 300)]);
    desk.status(symbol, SymbolStatus::Halted);
    desk.mark(symbol, 101);
    desk.now += 6 * SECOND;
    assert_eq!(desk.status(symbol, SymbolStatus::Trading).story(), ["Status"], "the mark is stale");
    // Maintenance: marks are stored; its end triggers.
    desk.status(0, SymbolStatus::CancelOnly);
    assert_eq!(desk.mark(symbol, 101).story(), ["Mark"]);
    let end = desk.status(0, SymbolStatus::Trading);
    assert_eq!((end.story(), end.triggered()), (vec!["Status", "Triggered"], vec![(stale, 300)]));
}

/// What a stop order fails for when it runs: margin, reduce-only mode, limits, as if it came now; RISES_TO after
/// FALLS_TO.
pub fn mark_stop_fails(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "100");
    desk.traders(&[101, 102, 199], "100000");
    let symbol = desk.plain(|p| p.band = Rate(10_000_000));
    desk.mark(symbol, 100);
    desk.position_limit(102, symbol, 5);
    let mut wait = |order| desk.place(on_mark(order)).accepted().0;
    let margin = wait(stop(limit(100, symbol, Side::Buy, 90, 25), FallsTo, 95));
    let fits = wait(stop(limit(100, symbol, Side::Buy, 90, 20), FallsTo, 95));
    let band = wait(stop(limit(101, symbol, Side::Buy, 105, 1), FallsTo, 95));
    let too_many = wait(stop(limit(102, symbol, Side::Sell, 110, 6), FallsTo, 95));
    let nothing = wait(reduce_only(stop(limit(101, symbol, Side::Sell, 110, 6), FallsTo, 95)));
    let suspended = wait(stop(limit(199, symbol, Side::Sell, 110, 6), FallsTo, 95));
    desk.send(&SetAccount { account: AccountId(199), suspended: 1, ..SetAccount::new(0) });
    let mark = desk.mark(symbol, 95);
    let failed = EndReason::TriggerFailed.code();
    let expected = [
        (margin, failed, RejectCode::InsufficientMargin.code()),
        (band, failed, RejectCode::PriceBand.code()),
        (too_many, failed, RejectCode::PositionLimit.code()),
        (nothing, failed, RejectCode::ReduceOnly.code()),
        (suspended, failed, RejectCode::AccountSuspended.code()),
    ];
    assert_eq!(mark.expired(), expected, "⌊95 · 1.1⌋ = 104");
    assert_eq!(mark.end(fits), None, "90 of margin, and 112.5 before");
}

/// A suspended account may reduce by limit and market orders, and nothing else.
pub fn suspended_account(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "100000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.long(100, 199, symbol, 100, 100);
    let (waits, _) = desk.place(close_position(100, symbol, Side::Sell, FallsTo, 95)).accepted();
    desk.send(&SetAccount { account: AccountId(100), suspended: 1, ..SetAccount::new(0) });
    let suspended = RejectCode::AccountSuspended;
    desk.place(limit(100, symbol, Side::Sell, 110, 1)).refused(suspended);
    desk.place(reduce_only(stop(limit(100, symbol, Side::Sell, 80, 1), FallsTo, 90))).refused(suspended);
    desk.place(close_position(100, symbol, Side::Sell, FallsTo, 90)).refused(suspended);
    desk.leverage(100, symbol, MarginMode::Cross, 10).refused(suspended);
    desk.to_spot(100, 1).refused(suspended);
    desk.add_margin(100, symbol, 1).refused(suspended);
    desk.place(reduce_only(limit(100, symbol, Side::Sell, 110, 10))).accepted();
    desk.place(limit(198, symbol, Side::Buy, 95, 50)).accepted();
    assert_eq!(desk.place(reduce_only(market(100, symbol, Side::Sell, 20))).fills(), [(95, 20)]);
    let mark = desk.mark(symbol, 95);
    assert_eq!(mark.expired(), [(waits, EndReason::TriggerFailed.code(), suspended.code())]);
}

/// The fund's positions leave by reduce-only orders of the operator; other accounts of the exchange do not trade.
pub fn insurance_orders(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "100000");
    desk.fund(INSURANCE, usdt("950"));
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, 100, 100);
    assert_eq!(desk.mark(symbol, 95).taken()[0].fund, 100);
    desk.place(limit(INSURANCE, symbol, Side::Sell, 96, 10)).refused(RejectCode::BadRequest);
    desk.place(reduce_only(limit(INSURANCE, symbol, Side::Buy, 96, 10))).refused(RejectCode::ReduceOnly);
    desk.place(reduce_only(limit(FEES, symbol, Side::Sell, 96, 10))).refused(RejectCode::UnknownAccount);
    desk.leverage(INSURANCE, symbol, MarginMode::Cross, 10).refused(RejectCode::UnknownAccount);
    desk.add_margin(INSURANCE, symbol, 1).refused(RejectCode::UnknownAccount);
    let sale = desk.place(reduce_only(limit(INSURANCE, symbol, Side::Sell, 96, 150)));
    assert_eq!(accepted_for(&sale), 100);
    let (order, _) = sale.accepted();
    // No margin is asked for, not even for an open loss beyond its cash.
    assert_eq!(desk.amend(INSURANCE, order, 70, 0).amended(), [(order.0, 1, 0, 100, 100, 0, usdt("2500"))]);
    let buy = desk.place(ioc(198, symbol, Side::Buy, 70, 40));
    assert_eq!(buy.realized(), [(INSURANCE, 2, 40, usdt("-1000"))]);
    assert_eq!((buy.funds(), desk.wallet(INSURANCE)), (vec![], usdt("-50")));
    assert_eq!(desk.cancel(INSURANCE, order).story(), ["Canceled", "Done"]);
}

/// AMEND: terms anew where the order queues anew, none where it keeps its place; reduce-only orders are cut again.
pub fn amend_perpetual(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "100");
    desk.traders(&[101, 199], "100000");
    let symbol = desk.plain(|p| p.taker = Rate(100_000));
    desk.mark(symbol, 100);
    let (order, hold) = desk.place(limit(100, symbol, Side::Buy, 90, 10)).accepted();
    assert_eq!(hold, usdt("0.9"));
    // 10 @ 104: 52 of margin, 1.04 of fee, 40 of loss: 93.04. A tick more: 52.5 + 1.05 + 50 = 103.55.
    desk.amend(100, order, 105, 0).refused(RejectCode::InsufficientMargin);
    assert_eq!(desk.amend(100, order, 104, 0).amended(), [(order.0, 1, 0, 10, 10, 0, usdt("41.04"))]);
    // The mark rises; the terms stay frozen while the order keeps its place, and are new where it queues anew.
    desk.mark(symbol, 102);
    assert_eq!(desk.amend(100, order, 0, 5).amended(), [(order.0, 1, 1, 10, 5, 5, usdt("20.52"))]);
    assert_eq!(desk.amend(100, order, 103, 0).amended(), [(order.0, 1, 0, 10, 5, 5, usdt("5.515"))]);
    desk.amend(100, order, 0, 1_000).refused(RejectCode::InsufficientMargin);
    // A stale mark: down is free, up increases.
    desk.now += 6 * SECOND;
    assert_eq!(desk.amend(100, order, 0, 4).amended(), [(order.0, 1, 1, 10, 4, 6, usdt("4.412"))]);
    desk.amend(100, order, 0, 5).refused(RejectCode::NoMark);
    // A lower price needs less margin: it queues anew without increasing.
    assert_eq!(desk.amend(100, order, 101, 0).amended(), [(order.0, 1, 0, 10, 4, 6, usdt("0.404"))]);
    desk.cancel_all(100);

    desk.mark(symbol, 100);
    desk.long(101, 199, symbol, 100, 100);
    let (order, _) = desk.place(reduce_only(limit(101, symbol, Side::Sell, 110, 60))).accepted();
    let amended = desk.amend(101, order, 0, 200).amended();
    assert_eq!(amended, [(order.0, 1, 0, 200, 100, 100, usdt("11"))]);
    assert_eq!(desk.amend(101, order, 0, 50).amended(), [(order.0, 1, 1, 200, 50, 150, usdt("5.5"))]);
    // Two orders: what queues anew at a better price is kept, the other one is trimmed.
    let (other, _) = desk.place(reduce_only(limit(101, symbol, Side::Sell, 112, 50))).accepted();
    let message = Amend { account: AccountId(101), order: other, price: Price(105), ..Amend::new(0) };
    let both = desk.send(&Amend { quantity: Qty(80), ..message });
    assert_eq!(both.story(), ["Amended", "Amended"]);
    let expected = [(other.0, 1, 0, 80, 80, 0, usdt("8.4")), (order.0, 2, 1, 200, 20, 180, usdt("2.2"))];
    assert_eq!(both.amended(), expected);
}
