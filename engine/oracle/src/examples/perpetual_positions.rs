//! E13, E14, E15, E32 and the rest of DOMAIN §6.3: cost, closing, flips, the margin of an isolated position, what
//! happens where a fill costs more than the wallet has.

use crate::Exchange;
use crate::scenario::perpetual::{FEES, HOUR, INSURANCE, Stage, at, reduce_only, usdt};
use crate::scenario::{Desk, ioc, limit};
use ringbook_wire::{Amount, EndReason, FundReason, MarginMode, OrderState, Rate, RejectCode, Side};

/// E13: average entry and unrealized profit (Bybit's P&L article), the profit seen through what is available.
pub fn e13(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 199], "100000");
    let symbol = desk.perpetual(|_| {});
    let probe = desk.probe();
    desk.mark(symbol, at("5000"));
    desk.long(100, 199, symbol, at("5000"), 500);
    desk.long(100, 199, symbol, at("6000"), 300);
    assert_eq!(desk.position(100, symbol), (800, usdt("4300"), 0));
    assert_eq!(usdt("4300"), 800 * at("5375") * 10_000, "entry price 5,375");
    desk.available(100, probe, usdt("99500")); // 100,000 − 300 of loss − 4,000 / 20.

    desk.mark(symbol, at("7000"));
    desk.long(101, 199, symbol, at("7000"), 200);
    desk.mark(symbol, at("7500"));
    desk.available(101, probe, usdt("100025")); // 100,000 + 100 − 1,500 / 20.

    desk.mark(symbol, at("6000"));
    desk.short(102, 199, symbol, at("6000"), 400);
    desk.mark(symbol, at("5000"));
    desk.available(102, probe, usdt("100300")); // 100,000 + 400 − 2,000 / 20.
}

/// E14: K = 1; the rounding of partial closes shifts a unit, and nothing is left at the end.
pub fn e14(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 199], "100");
    let symbol = desk.perpetual(|p| (p.quote_per_tick_lot, p.taker) = (Amount(1), Rate(0)));
    desk.mark(symbol, 33);
    for price in [33, 33, 34] {
        desk.long(100, 199, symbol, price, 1);
    }
    assert_eq!(desk.position(100, symbol), (3, 100, 0));
    assert_eq!(desk.position(199, symbol), (-3, -100, 0));
    for (pnl, cost, other, other_cost) in [(6, 66, -7, -67), (7, 33, -7, -34), (7, 0, -6, 0)] {
        let sold = desk.short(100, 199, symbol, 40, 1);
        assert_eq!(sold.realized(), [(100, 2, 1, pnl), (199, 1, 1, other)]);
        assert_eq!((desk.position(100, symbol).1, desk.position(199, symbol).1), (cost, other_cost));
    }
    assert_eq!((desk.wallet(100), desk.wallet(199)), (usdt("100") + 20, usdt("100") - 20));

    for price in [33, 33, 34] {
        desk.short(101, 199, symbol, price, 1);
    }
    assert_eq!(desk.position(101, symbol), (-3, -100, 0));
    for (pnl, cost, other, other_cost) in [(3, -67, -4, 66), (3, -34, -3, 33), (4, 0, -3, 0)] {
        let bought = desk.long(101, 199, symbol, 30, 1);
        assert_eq!(bought.realized(), [(101, 2, 1, pnl), (199, 1, 1, other)]);
        assert_eq!((desk.position(101, symbol).1, desk.position(199, symbol).1), (cost, other_cost));
    }
    assert_eq!((desk.wallet(101), desk.wallet(199)), (usdt("100") + 10, usdt("100") - 30));
}

/// E15: a flip is a close and an open in one fill; the fee is on all of it.
pub fn e15(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "100000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("30000"));
    desk.long(100, 199, symbol, at("30000"), 2_000);
    assert_eq!(desk.position(100, symbol), (2_000, usdt("60000"), 0));
    assert_eq!((desk.wallet(199), desk.wallet(FEES)), (usdt("99970"), usdt("30")));

    desk.place(limit(198, symbol, Side::Buy, at("31000"), 3_000)).accepted();
    let sell = desk.place(ioc(100, symbol, Side::Sell, at("31000"), 3_000));
    assert_eq!(sell.story(), ["Accepted", "Trade", "Realized", "Done", "Done"]);
    let trade = sell.trades()[0];
    assert_eq!((trade.taker_fee.0, trade.taker_cost.0), (usdt("46.5"), usdt("93000")));
    assert_eq!((trade.maker_fee.0, trade.maker_cost.0), (0, usdt("93000")));
    assert_eq!(sell.realized(), [(100, 1, 2_000, usdt("2000"))]);
    assert_eq!(desk.position(100, symbol), (-1_000, usdt("-31000"), 0));
    assert_eq!(desk.position(198, symbol), (3_000, usdt("93000"), 0));
    assert_eq!((desk.wallet(100), desk.wallet(FEES)), (usdt("101953.5"), usdt("76.5")));
    assert_eq!(sell.positions(), [(100, symbol), (198, symbol)]);
}

/// E32: an isolated position reduced with a profit, and with a loss beyond the margin that is released.
pub fn e32(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.traders(&[100], "15100");
    desk.isolate(100, symbol, 10);
    desk.long(100, 199, symbol, at("50000"), 3_000);
    assert_eq!(desk.position(100, symbol), (3_000, usdt("150000"), usdt("15000")));
    assert_eq!(desk.wallet(100), usdt("100"));
    desk.place(limit(198, symbol, Side::Buy, at("51000"), 1_000)).accepted();
    let sell = desk.place(ioc(100, symbol, Side::Sell, at("51000"), 1_000));
    assert_eq!(sell.accepted().1, usdt("25.5"));
    assert_eq!(sell.realized(), [(100, 1, 1_000, usdt("1000"))]);
    assert_eq!(sell.trades()[0].taker_fee.0, usdt("25.5"));
    assert_eq!(desk.wallet(100), usdt("6074.5"));
    assert_eq!(desk.position(100, symbol), (2_000, usdt("100000"), usdt("10000")));

    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.traders(&[101], "2545");
    desk.isolate(101, symbol, 20);
    desk.long(101, 199, symbol, at("50000"), 1_000);
    desk.to_spot(101, usdt("25"));
    assert_eq!((desk.wallet(101), desk.position(101, symbol).2), (usdt("20"), usdt("2500")));
    assert_eq!(desk.mark(symbol, at("47800")).story(), ["Mark"]);
    desk.place(limit(198, symbol, Side::Buy, at("47400"), 500)).accepted();
    let sell = desk.place(ioc(101, symbol, Side::Sell, at("47400"), 500));
    assert_eq!(sell.accepted().1, usdt("211.95"), "200 of loss against the mark, 11.95 of fee at the mark");
    assert_eq!(sell.story(), ["Accepted", "Trade", "Realized", "Done", "Done"]);
    assert_eq!(sell.realized(), [(101, 1, 500, usdt("-1300"))]);
    assert_eq!(sell.trades()[0].taker_fee.0, usdt("11.85"));
    assert_eq!(desk.wallet(101), usdt("8.15"));
    assert_eq!(desk.position(101, symbol), (500, usdt("25000"), usdt("1200")));

    // Equity 100 is above maintenance 95.6: 8.8 lower 95.6 is still above 95.5824, one tick on 95.55 is not.
    assert_eq!(desk.mark(symbol, at("47791.2")).story(), ["Mark"]);
    let stage = desk.mark(symbol, at("47791.1")).stages()[0];
    assert_eq!((stage.account, stage.equity, stage.tier), (101, usdt("95.55"), 1));
}

/// DOMAIN §6.3: an isolated flip, with a profit and with a loss that the wallet pays because the position was flat
/// between.
pub fn isolated_flip(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.traders(&[100], "12500");
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, at("50000"), 1_000);
    desk.place(limit(198, symbol, Side::Buy, at("51000"), 3_000)).accepted();
    let sell = desk.place(ioc(100, symbol, Side::Sell, at("51000"), 3_000));
    assert_eq!(sell.realized(), [(100, 1, 1_000, usdt("1000"))]);
    // 10,000 − 76.5 of fee + 2,500 + 1,000 − 102,000 / 20.
    assert_eq!(desk.wallet(100), usdt("8323.5"));
    assert_eq!(desk.position(100, symbol), (-2_000, usdt("-102000"), usdt("5100")));

    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.traders(&[101], "7500");
    desk.isolate(101, symbol, 20);
    desk.long(101, 199, symbol, at("50000"), 1_000);
    assert_eq!(desk.mark(symbol, at("47800")).story(), ["Mark"]);
    desk.place(limit(198, symbol, Side::Buy, at("47000"), 2_000)).accepted();
    let sell = desk.place(ioc(101, symbol, Side::Sell, at("47000"), 2_000));
    assert_eq!(sell.accepted().1, usdt("1647.8"), "1,600 of loss, 47.8 of fee at the mark");
    assert_eq!(sell.realized(), [(101, 1, 1_000, usdt("-3000"))]);
    // 5,000 − 47 of fee − 500 that M lacked − (47,000 / 20 + 800 of open loss).
    assert_eq!(desk.wallet(101), usdt("1303"));
    assert_eq!(desk.position(101, symbol), (-1_000, usdt("-47000"), usdt("3150")));
}

/// DOMAIN §6.3: opening above the mark moves the open loss into M, and never more than the wallet has.
pub fn isolated_opening(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[199], "1000000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.traders(&[100], "3525.5");
    desk.isolate(100, symbol, 20);
    // 2,550 + 1,000 of open loss + 25.5 of fee at the limit: 50 more than there is.
    desk.place(limit(100, symbol, Side::Buy, at("51000"), 1_000)).refused(RejectCode::InsufficientMargin);
    desk.fund(100, usdt("50"));
    let (order, hold) = desk.place(limit(100, symbol, Side::Buy, at("51000"), 1_000)).accepted();
    assert_eq!(hold, usdt("1025.5"));
    let sold = desk.place(ioc(199, symbol, Side::Sell, at("51000"), 400));
    assert_eq!(desk.position(100, symbol), (400, usdt("20400"), usdt("1420")), "1,020 + 400");
    assert_eq!((sold.end(order), desk.wallet(100)), (None, usdt("2155.5")));
    // The mark has risen: no open loss is left, but the order's terms are frozen, and so its reserve is.
    desk.mark(symbol, at("51000"));
    desk.place(ioc(199, symbol, Side::Sell, at("51000"), 600));
    assert_eq!(desk.position(100, symbol), (1_000, usdt("51000"), usdt("2950")), "1,530 more");
    assert_eq!(desk.wallet(100), usdt("625.5"));
}

/// DOMAIN §6.3: the floor. A fee that the wallet cannot pay comes out of M.
pub fn isolated_floor(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.traders(&[100], "2525");
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, at("50000"), 1_000);
    desk.to_spot(100, usdt("25"));
    assert_eq!(desk.wallet(100), 0);
    desk.mark(symbol, at("48000"));
    desk.place(limit(198, symbol, Side::Buy, at("47400"), 500)).accepted();
    let sell = desk.place(ioc(100, symbol, Side::Sell, at("47400"), 500));
    assert_eq!(sell.accepted().1, usdt("312"));
    assert_eq!(sell.realized(), [(100, 1, 500, usdt("-1300"))]);
    // 1,250 + 1,250 − 1,300, and 11.85 of fee that W = 0 cannot pay.
    assert_eq!(desk.position(100, symbol), (500, usdt("25000"), usdt("1188.15")));
    assert_eq!(desk.wallet(100), 0);
}

/// DOMAIN §6.3: a wallet that stood below zero before (a cross position backs it) stays where it was; M pays the fee.
pub fn isolated_floor_below_zero(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    let cross = desk.perpetual(|_| {});
    let isolated = desk.perpetual(|_| {});
    desk.mark(cross, at("50000"));
    desk.mark(isolated, at("50000"));
    desk.traders(&[100], "7500");
    desk.isolate(100, isolated, 20);
    desk.long(100, 199, isolated, at("50000"), 1_000);
    desk.long(100, 199, cross, at("50000"), 1_000);
    // Half of the cross position is sold at a loss that the other half's profit covers: W < 0 < E.
    desk.mark(cross, at("60000"));
    desk.fund(100, usdt("1"));
    desk.place(limit(198, cross, Side::Buy, at("39000"), 500)).accepted();
    let sell = desk.place(ioc(100, cross, Side::Sell, at("39000"), 500));
    assert_eq!(sell.realized(), [(100, 1, 500, usdt("-5500"))]);
    assert_eq!(desk.wallet(100), usdt("-508.75"), "5,001 − 9.75 of fee − 5,500");

    desk.place(limit(198, isolated, Side::Buy, at("47400"), 500)).accepted();
    desk.mark(isolated, at("48000"));
    let sell = desk.place(ioc(100, isolated, Side::Sell, at("47400"), 500));
    assert_eq!(sell.realized(), [(100, 1, 500, usdt("-1300"))]);
    assert_eq!(desk.position(100, isolated), (500, usdt("25000"), usdt("1188.15")));
    assert_eq!(desk.wallet(100), usdt("-508.75"));
    // A profit goes to the wallet, and the fee is paid from it.
    desk.place(limit(198, isolated, Side::Buy, at("50500"), 500)).accepted();
    let sell = desk.place(ioc(100, isolated, Side::Sell, at("50500"), 500));
    assert_eq!(sell.realized(), [(100, 1, 500, usdt("250"))]);
    assert_eq!(desk.position(100, isolated), (0, 0, 0));
    assert_eq!(desk.wallet(100), usdt("916.775"), "−508.75 − 12.625 + 1,188.15 + 250");
}

/// FUND(DEFICIT): a resting order fills after funding took what it was accepted with; the last cross position is gone
/// and the wallet is below zero, so INSURANCE pays.
pub fn deficit(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    let symbol = desk.perpetual(|_| {});
    desk.fund(INSURANCE, usdt("100"));
    desk.mark(symbol, at("50000"));
    desk.traders(&[100], "2600");
    desk.long(100, 199, symbol, at("50000"), 1_000);
    let sell = desk.place(reduce_only(limit(100, symbol, Side::Sell, at("47500"), 1_000)));
    assert_eq!(sell.accepted().1, usdt("2525"));
    desk.now += 8 * HOUR;
    desk.mark(symbol, at("50000"));
    let funding = desk.funding(symbol, 750_000, 1);
    assert_eq!(funding.payments(), [(100, 1_000, usdt("375")), (199, -1_000, usdt("-375"))]);
    assert_eq!(desk.wallet(100), usdt("2225"));
    let buy = desk.place(ioc(198, symbol, Side::Buy, at("47500"), 1_000));
    assert_eq!(buy.story(), ["Accepted", "Trade", "Realized", "Fund", "Done", "Done"]);
    assert_eq!(buy.realized(), [(100, 2, 1_000, usdt("-2500"))]);
    assert_eq!(buy.funds(), [(100, FundReason::Deficit, usdt("-275"), 0)]);
    assert_eq!((desk.wallet(100), desk.wallet(INSURANCE)), (0, usdt("-175")), "the fund may be negative");
}

/// The margin test (DOMAIN §6.2): a reduction turns covered buys into increasing ones; the newest of them ends.
pub fn margin_test(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.traders(&[100], "2020");
    desk.isolate(100, symbol, 10);
    desk.short(100, 199, symbol, at("50000"), 400);
    assert_eq!((desk.wallet(100), desk.position(100, symbol).2), (usdt("20"), usdt("2000")));
    let (older, _) = desk.place(limit(100, symbol, Side::Buy, at("49000"), 200)).accepted();
    let (newer, hold) = desk.place(limit(100, symbol, Side::Buy, at("48000"), 200)).accepted();
    assert_eq!(hold, usdt("4.8"));
    desk.place(limit(198, symbol, Side::Sell, at("51000"), 200)).accepted();
    let buy = desk.place(reduce_only(ioc(100, symbol, Side::Buy, at("51000"), 200)));
    assert_eq!(buy.accepted().1, usdt("205.1"));
    assert_eq!(buy.story(), ["Accepted", "Trade", "Realized", "Done", "Expired", "Done", "Done"]);
    // W = 20 − 5.1 + 1,000 − 200 is below 980 + 4.9 + 4.8; without the newer order nothing is increasing.
    assert_eq!(buy.expired(), [(newer, EndReason::Margin.code(), 0)]);
    assert_eq!(buy.end(newer), Some((OrderState::Expired.code(), EndReason::Margin.code(), 200)));
    assert_eq!((buy.end(older), desk.wallet(100)), (None, usdt("814.9")));
    assert_eq!(desk.position(100, symbol), (-200, usdt("-10000"), usdt("1000")));
}

/// The margin test ends a matching taker, the newest of all, and then what else is too much.
pub fn margin_test_of_the_taker(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    let isolated = desk.perpetual(|_| {});
    let cross = desk.perpetual(|_| {});
    desk.mark(isolated, at("50000"));
    desk.mark(cross, at("50000"));
    desk.traders(&[100], "7000");
    desk.isolate(100, isolated, 10);
    desk.short(100, 199, isolated, at("50000"), 400);
    desk.long(100, 199, cross, at("50000"), 1_000);
    let (sell, hold) = desk.place(limit(100, isolated, Side::Sell, at("52000"), 200)).accepted();
    assert_eq!(hold, usdt("5.2"));
    assert_eq!(desk.mark(cross, at("47800")).story(), ["Mark"]);
    for _ in 0..2 {
        desk.place(limit(198, isolated, Side::Sell, at("50000"), 100)).accepted();
    }
    // E = 5,000 − 2,200 is below 2,390 + 1,040 + 5.2; a buy that only reduces is accepted nevertheless.
    let buy = desk.place(limit(100, isolated, Side::Buy, at("50000"), 300));
    let (taker, hold) = buy.accepted();
    assert_eq!(hold, usdt("7.5"));
    assert_eq!(buy.story(), ["Accepted", "Trade", "Realized", "Done", "Expired", "Done", "Expired", "Done"]);
    let margin = EndReason::Margin.code();
    assert_eq!(buy.expired(), [(taker, margin, 0), (sell, margin, 0)]);
    assert_eq!(buy.end(taker), Some((OrderState::Expired.code(), margin, 200)));
    assert_eq!(desk.position(100, isolated), (-300, usdt("-15000"), usdt("1500")));
    assert_eq!(desk.wallet(100), usdt("5497.5"));
}

/// A liquidation's stage as E32's second account sees it, for a mark that falls at once: every field.
pub fn stage_fields(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "1000000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, at("50000"), 1_000);
    let expected = Stage {
        account: 100,
        mode: MarginMode::Isolated,
        tier: 1,
        quantity: 1_000,
        position: 1_000,
        price: at("47500"),
        bankruptcy: at("47500"),
        mark: at("47600"),
        equity: usdt("100"),
    };
    assert_eq!(desk.mark(symbol, at("47600")).stages(), [expected]);
}
