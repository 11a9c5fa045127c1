//! E26 and the rest of DOMAIN §6.4 and §6.8: which marks are accepted, what a stale one stops, funding and its dust.

use crate::Exchange;
use crate::scenario::perpetual::{HOUR, ROUNDING, SECOND, at, on_mark, perpetual, reduce_only, usdt};
use crate::scenario::{Desk, ioc, limit, market, stop};
use ringbook_event::{Event, Origin};
use ringbook_wire::message::{Funding, Mark, Message, SetKey};
use ringbook_wire::{
    AccountId, Amount, KeyId, Price, Rate, RejectCode, Role, SessionId, Side, SymbolId, SymbolStatus, TimestampNs,
    TriggerDirection,
};

/// The jump rule: within the limit of the last accepted mark, or confirmed by three offers after the first of a run.
pub fn mark_run(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.plain(|p| p.mark_jump = Rate(10_000_000));
    let refused = None;
    let (within, confirmed) = (|price| Some((price, 0)), |price| Some((price, 2)));
    let offers = [
        (1_000, within(1_000)), // the first one of all
        (1_100, within(1_100)), // exactly 10 %
        (1_211, refused),
        (1_210, within(1_210)), // ends the run
        (1_400, refused),       // first of a run
        (1_420, refused),
        (1_440, refused),
        (1_450, confirmed(1_450)), // the third after the first
        (2_000, refused),
        (2_050, refused),
        (3_000, refused), // not within the limit of 2,050: another run
        (3_100, refused),
        (3_400, refused),
        (3_740, confirmed(3_740)), // each within the limit of the one before
        (5_000, refused),
        (5_001, refused),
        (5_002, refused),
        (3_741, within(3_741)), // a single good one ends the run
        (5_000, refused),
        (5_001, refused),
        (5_002, refused),
        (5_003, confirmed(5_003)),
        (4_503, within(4_503)), // 500 is within 500.3
        (4_052, refused),       // 451 is more than 450.3
        (4_053, within(4_053)),
    ];
    for (number, (price, expected)) in offers.into_iter().enumerate() {
        let outcome = desk.mark(symbol, price);
        assert_eq!(outcome.marked(), expected, "offer {number}");
        if expected.is_none() {
            outcome.refused(RejectCode::MarkJump);
        }
    }
    let now = desk.now + 1_000;
    assert_eq!(desk.offer(symbol, 40, now, 1).marked(), Some((40, 1)), "forced");
    assert_eq!(desk.mark(symbol, 44).marked(), Some((44, 0)));

    // With one confirmation, the second offer; a refusal has its own feed time.
    let symbol = desk.plain(|p| (p.mark_jump, p.mark_confirmations) = (Rate(10_000_000), 1));
    desk.offer(symbol, 100, 10, 0);
    desk.offer(symbol, 200, 12, 0).refused(RejectCode::MarkJump);
    desk.offer(symbol, 200, 12, 0).refused(RejectCode::MarkOld);
    desk.offer(symbol, 200, 11, 0).refused(RejectCode::MarkOld);
    assert_eq!(desk.offer(symbol, 200, 13, 0).marked(), Some((200, 2)));
}

/// What a MARK is refused for, in order; what is refused before 601 does not count as an offer.
pub fn mark_refused(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let spot = desk.symbol(|_| {});
    let symbol = desk.plain(|p| (p.min_price, p.mark_jump) = (Price(50), Rate(10_000_000)));
    let ahead = desk.now + 1_000 + SECOND;
    desk.offer(symbol, 100, ahead + 1, 0).refused(RejectCode::BadRequest);
    let ahead = ahead + 1_000;
    assert_eq!(desk.offer(symbol, 100, ahead, 0).marked(), Some((100, 0)), "one second ahead of engine time is fresh");
    desk.offer(symbol, 0, ahead + 1, 0).refused(RejectCode::BadRequest);
    desk.offer(symbol, 100, 0, 0).refused(RejectCode::BadRequest);
    desk.offer(symbol, 100, ahead + 1, 2).refused(RejectCode::BadRequest);
    desk.offer(99, 100, ahead + 1, 0).refused(RejectCode::UnknownSymbol);
    desk.offer(spot, 100, ahead + 1, 0).refused(RejectCode::UnknownSymbol);
    desk.offer(symbol, 49, ahead, 0).refused(RejectCode::PriceRange);
    desk.offer(symbol, 100_001, ahead + 1, 1).refused(RejectCode::PriceRange);
    desk.offer(symbol, 500, ahead, 0).refused(RejectCode::MarkOld);
    desk.offer(symbol, 500, ahead, 1).refused(RejectCode::MarkOld);
    assert_eq!(desk.offer(symbol, 100, ahead + 1, 0).marked(), Some((100, 0)));

    // Roles: feed offers, and only an admin forces; funding is both's.
    for (key, role) in [(1, Role::Feed), (2, Role::Admin), (3, Role::Trade), (4, Role::Funds)] {
        let last_account = AccountId(u32::MAX);
        desk.send(&SetKey { key: KeyId(key), role: role.code(), last_account, ..SetKey::new(0) });
        let origin = Origin::session(SessionId::new(KeyId(key), 1));
        for force in [0, 1] {
            let feed_time = TimestampNs(desk.now + SECOND);
            let mark = Mark { symbol: SymbolId(symbol), price: Price(100), feed_time, force, ..Mark::new(0) };
            let may = key == 2 || (key == 1 && force == 0);
            let outcome = desk.send_as(origin, &mark);
            let code = if may { 0 } else { RejectCode::UnknownAccount.code() };
            assert_eq!(outcome.code(), code, "key {key}, force {force}");
        }
        let funding = Funding { symbol: SymbolId(symbol), index: 9, ..Funding::new(0) };
        let code = if key <= 2 { RejectCode::FundingTime } else { RejectCode::UnknownAccount };
        desk.send_as(origin, &funding).refused(code);
    }
}

/// A stale mark refuses what increases (305), not what reduces; the limit is mark_max_age to the nanosecond.
pub fn stale_mark(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "100000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.long(100, 199, symbol, 100, 100);
    let feed_time = desk.now + 1_000;
    desk.offer(symbol, 100, feed_time, 0);
    desk.now = feed_time + 5 * SECOND - 1_000;
    desk.place(limit(100, symbol, Side::Buy, 90, 1)).accepted();
    desk.now -= 999;
    desk.place(limit(100, symbol, Side::Buy, 90, 1)).refused(RejectCode::NoMark);
    desk.place(market(199, symbol, Side::Sell, 2)).refused(RejectCode::NoMark);
    desk.place(limit(100, symbol, Side::Sell, 110, 100)).accepted();
    desk.place(reduce_only(limit(100, symbol, Side::Sell, 110, 100))).accepted();
    desk.place(stop(limit(100, symbol, Side::Sell, 80, 1), TriggerDirection::FallsTo, 85)).accepted();
    // A feed time ahead of engine time is fresh.
    desk.offer(symbol, 100, desk.now + SECOND, 0);
    desk.place(limit(100, symbol, Side::Buy, 90, 1)).accepted();
    // A mark that is old when it comes is accepted, and stale.
    let symbol = desk.plain(|_| {});
    desk.offer(symbol, 100, desk.now - 6 * SECOND, 0);
    desk.place(limit(100, symbol, Side::Buy, 90, 1)).refused(RejectCode::NoMark);
}

/// Without a mark every order is refused with 305, but 303 and 304 come before it; a market order without an opposite
/// side, too.
pub fn no_mark(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "100000");
    let symbol = desk.plain(|_| {});
    let orders = [limit(100, symbol, Side::Buy, 90, 1), market(100, symbol, Side::Sell, 1)];
    for order in orders {
        desk.place(order).refused(RejectCode::NoMark);
        desk.place(reduce_only(order)).refused(RejectCode::ReduceOnly);
        for source in [stop(order, TriggerDirection::FallsTo, 80), on_mark(stop(order, TriggerDirection::FallsTo, 80))]
        {
            desk.place(source).refused(RejectCode::NoMark);
            desk.place(reduce_only(source)).refused(RejectCode::NoMark);
        }
    }
    desk.status(symbol, SymbolStatus::PreOpen);
    desk.place(orders[0]).refused(RejectCode::NoMark);
    let symbol = desk.plain(|p| p.reduce_only = 1);
    desk.place(limit(100, symbol, Side::Buy, 90, 1)).refused(RejectCode::ReduceOnlyMode);
    desk.mark(symbol, 100);
    desk.place(limit(100, symbol, Side::Buy, 90, 1)).refused(RejectCode::ReduceOnlyMode);
}

/// E26: funding payments, by account; the dust goes to ROUNDING.
pub fn e26(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 103, 104, 105], "100000");
    let symbol = desk.perpetual(|p| p.taker = Rate(0));
    desk.mark(symbol, at("43210.7"));
    desk.short(102, 100, symbol, at("43210.7"), 1_234);
    desk.short(102, 101, symbol, at("43210.7"), 766);
    desk.short(103, 101, symbol, at("43210.7"), 11);
    desk.now += 8 * HOUR;
    desk.mark(symbol, at("43210.7"));
    let funding = desk.funding(symbol, 12_300, 1);
    let payments = [
        (100, 1_234, usdt("6.55860647")),
        (101, 777, usdt("4.12968981")),
        (102, -2_000, usdt("-10.62983220")),
        (103, -11, usdt("-0.05846407")),
    ];
    assert_eq!(funding.payments(), payments);
    assert_eq!(funding.story(), ["Funded", "Funding", "Funding", "Funding", "Funding"]);
    let Some(Event::Funded(funded)) = funding.0.first() else { panic!("{funding:#?}") };
    assert_eq!((funded.index, funded.rate.0, funded.mark.0), (1, 12_300, at("43210.7")));
    for (account, _, payment) in payments {
        assert_eq!(desk.wallet(account), usdt("100000") - payment);
    }
    assert_eq!(desk.wallet(ROUNDING), 1);
    assert_eq!(funding.positions(), [], "cross positions do not change");

    let symbol = desk.perpetual(|p| p.taker = Rate(0));
    desk.mark(symbol, at("8000"));
    desk.long(104, 105, symbol, at("8000"), 10_000);
    for (index, rate, payment) in [(1, 10_000, usdt("8")), (2, -10_000, usdt("-8"))] {
        desk.now += 8 * HOUR;
        desk.mark(symbol, at("8000"));
        let funding = desk.funding(symbol, rate, index);
        assert_eq!(funding.payments(), [(104, 10_000, payment), (105, -10_000, -payment)]);
    }
    assert_eq!(desk.wallet(ROUNDING), 1);
}

/// Payments that round to 0 have no event; an isolated position pays out of M; then liquidation tests follow.
pub fn funding_details(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 103, 104, 199], "100000");
    let symbol = desk.perpetual(|p| (p.quote_per_tick_lot, p.taker) = (Amount(1), Rate(0)));
    let plain = desk.plain(|_| {});
    desk.mark(symbol, 3_333);
    for account in [101, 102, 103] {
        desk.short(account, 100, symbol, 3_333, 1);
    }
    desk.mark(plain, 100);
    desk.isolate(104, plain, 20);
    desk.long(104, 199, plain, 100, 100);
    desk.now += 8 * HOUR;
    desk.mark(symbol, 3_333);
    desk.mark(plain, 96);
    let funding = desk.funding(symbol, 10_000, 1);
    assert_eq!((funding.story(), funding.payments()), (vec!["Funded", "Funding"], vec![(100, 3, 1)]));
    assert_eq!(desk.wallet(ROUNDING), 1, "0.9999 is rounded up, −0.3333 three times to 0");

    // E = 500 − 400 = 100 > 96; the cap of 0.75 % of 9,600 takes 72.
    let funding = desk.funding(plain, 2_000_000, 1);
    let Some(Event::Funded(funded)) = funding.0.first() else { panic!("{funding:#?}") };
    assert_eq!((funded.rate.0, funded.mark.0), (750_000, 96));
    assert_eq!(funding.payments(), [(104, 100, usdt("72")), (199, -100, usdt("-72"))]);
    assert_eq!(funding.story()[..4], ["Funded", "Funding", "Funding", "Liquidation"]);
    let stage = funding.stages()[0];
    assert_eq!((stage.equity, stage.bankruptcy), (usdt("28"), 96), "⌈(10,000 − 428) / 100⌉ = ⌈95.72⌉");
    assert_eq!(desk.wallet(104), usdt("99500"), "the wallet paid nothing");
}

/// Funding is refused by status, by a stale mark, by its number and its time; n stays free. Due times do not drift.
pub fn funding_refused(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "100000");
    let spot = desk.symbol(|_| {});
    let symbol = desk.plain(|_| {});
    let due = desk.now + 8 * HOUR;
    desk.funding(symbol, 0, 1).refused(RejectCode::NoMark);
    desk.mark(symbol, 100);
    desk.long(100, 199, symbol, 100, 100);
    desk.funding(symbol, 100_000_000, 1).refused(RejectCode::BadRequest);
    desk.funding(symbol, -100_000_000, 1).refused(RejectCode::BadRequest);
    desk.funding(99, 0, 1).refused(RejectCode::UnknownSymbol);
    desk.funding(spot, 0, 1).refused(RejectCode::UnknownSymbol);
    desk.funding(symbol, 0, 1).refused(RejectCode::FundingTime);

    desk.now = due - 3_000;
    desk.funding(symbol, 0, 1).refused(RejectCode::NoMark);
    desk.now = due - 3_000;
    desk.mark(symbol, 100);
    desk.now = due - 1_001;
    desk.funding(symbol, 10_000, 1).refused(RejectCode::FundingTime);
    desk.now = due - 1_000;
    desk.funding(symbol, 10_000, 2).refused(RejectCode::FundingTime);
    desk.funding(symbol, 10_000, 0).refused(RejectCode::FundingTime);
    for status in [SymbolStatus::Halted, SymbolStatus::PreOpen] {
        desk.status(symbol, status);
        desk.funding(symbol, 10_000, 1).refused(RejectCode::SymbolStatus);
    }
    desk.status(symbol, SymbolStatus::CancelOnly);
    assert_eq!(desk.funding(symbol, 10_000, 1).payments(), [(100, 100, usdt("1")), (199, -100, usdt("-1"))]);
    // Two hours late, the next one is due eight hours after the first one was, not after it came.
    desk.status(symbol, SymbolStatus::Trading);
    desk.now = due + 10 * HOUR;
    desk.mark(symbol, 100);
    assert_eq!(desk.funding(symbol, 0, 2).story(), ["Funded"], "nothing to pay");
    desk.now = due + 16 * HOUR - 3_000;
    desk.mark(symbol, 100);
    desk.now = due + 16 * HOUR - 1_001;
    desk.funding(symbol, -20_000, 3).refused(RejectCode::FundingTime);
    assert_eq!(desk.funding(symbol, -20_000, 3).payments(), [(100, 100, usdt("-2")), (199, -100, usdt("2"))]);
}

/// A changed interval counts from the next due time on.
pub fn funding_interval(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|_| {});
    let due = desk.now + 8 * HOUR;
    let mut changed = perpetual(symbol);
    changed.funding_interval = HOUR;
    assert_eq!(desk.send(&changed).story(), ["Config"]);
    for (index, time) in [(1, due), (2, due + HOUR), (3, due + 2 * HOUR)] {
        desk.now = time - 3_000;
        desk.mark(symbol, 100);
        desk.now = time - 1_001;
        desk.funding(symbol, 0, index).refused(RejectCode::FundingTime);
        desk.now = time - 1_000;
        assert_eq!(desk.funding(symbol, 0, index).story(), ["Funded"]);
    }
}

/// Orders without an opposite side count as nothing: a stale mark and missing margin do not refuse them.
pub fn market_that_cannot_trade(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "1");
    desk.traders(&[199], "100000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.now += 6 * SECOND;
    let empty = desk.place(market(100, symbol, Side::Buy, 1_000));
    assert_eq!((empty.accepted().1, empty.story()), (0, vec!["Accepted", "Expired", "Done"]));
    desk.place(reduce_only(market(100, symbol, Side::Buy, 1))).refused(RejectCode::ReduceOnly);
    desk.position_limit(100, symbol, 999);
    desk.place(market(100, symbol, Side::Buy, 1_000)).refused(RejectCode::PositionLimit);
    desk.mark(symbol, 100);
    desk.place(limit(199, symbol, Side::Sell, 100, 1_000)).accepted();
    desk.place(market(100, symbol, Side::Buy, 900)).refused(RejectCode::InsufficientMargin);
    desk.place(ioc(100, symbol, Side::Buy, 100, 1)).refused(RejectCode::InsufficientMargin);
}
