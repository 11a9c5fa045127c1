//! Rules of PERPETUAL.md that have no other place: notional bounds, the band, rebates, trades with oneself, what a
//! liquidation's trades cause, the order of buckets.

use crate::Exchange;
use crate::scenario::perpetual::{
    FEES, INSURANCE, SECOND, close_position, on_mark, plain, post_only, reduce_only, usdt,
};
use crate::scenario::{Desk, fok, iceberg, ioc, limit, market, stop, with_stp};
use ringbook_wire::{
    Amount, EndReason, FundReason, MarginMode, OrderState, Rate, RejectCode, Side, StpMode, SymbolStatus,
    TriggerDirection,
};

use TriggerDirection::{FallsTo, RisesTo};

/// 203: market orders by the mark, stop-market orders by their trigger; reduce-only and close-position orders are free
/// of it.
pub fn perpetual_notional(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "100000");
    let symbol = desk.plain(|p| (p.min_notional, p.max_notional) = (Amount(usdt("500")), Amount(usdt("1000"))));
    desk.mark(symbol, 100);
    desk.place(limit(199, symbol, Side::Sell, 125, 8)).accepted();
    desk.long(100, 199, symbol, 100, 10);
    let notional = RejectCode::Notional;
    desk.place(limit(100, symbol, Side::Buy, 99, 5)).refused(notional);
    desk.place(limit(100, symbol, Side::Buy, 99, 11)).refused(notional);
    // The mark counts, neither the last trade nor the book: at 100 4 lots are too few, at 130 they are not.
    desk.place(market(100, symbol, Side::Buy, 4)).refused(notional);
    desk.mark(symbol, 130);
    desk.place(market(100, symbol, Side::Buy, 8)).refused(notional);
    assert_eq!(desk.place(market(100, symbol, Side::Buy, 4)).fills(), [(125, 4)]);
    desk.mark(symbol, 100);
    desk.place(stop(market(100, symbol, Side::Sell, 5), FallsTo, 90)).refused(notional);
    desk.place(stop(market(100, symbol, Side::Sell, 6), FallsTo, 90)).accepted();
    desk.place(reduce_only(limit(100, symbol, Side::Sell, 110, 1))).accepted();
    desk.place(reduce_only(stop(market(100, symbol, Side::Sell, 1), FallsTo, 90))).accepted();
    desk.place(close_position(100, symbol, Side::Sell, FallsTo, 90)).accepted();
}

/// The band is around the stored mark, also a stale one, and protects market orders; before the first mark there is
/// none.
pub fn band_of_the_mark(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "100000");
    let symbol = desk.plain(|p| (p.band, p.slip) = (Rate(5_000_000), Rate(50_000_000)));
    desk.place(limit(100, symbol, Side::Buy, 90_000, 1)).refused(RejectCode::NoMark);
    desk.mark(symbol, 100);
    desk.long(100, 199, symbol, 100, 10);
    desk.place(limit(198, symbol, Side::Buy, 60, 10)).accepted();
    desk.now += 6 * SECOND;
    desk.place(reduce_only(limit(100, symbol, Side::Sell, 94, 1))).refused(RejectCode::PriceBand);
    // The protection price of a sale at bid 60 with a slip of 50 % is 30, moved into the band: 95.
    let sale = desk.place(reduce_only(market(100, symbol, Side::Sell, 10)));
    assert_eq!((sale.fills(), sale.expired()[0].1), (vec![], EndReason::Protection.code()));
    desk.mark(symbol, 60);
    assert_eq!(desk.place(reduce_only(market(100, symbol, Side::Sell, 10))).fills(), [(60, 10)]);
}

/// Reserves are by `max(taker, maker, 0)`; the fee of a fill may be a rebate, and goes through the futures wallet of
/// FEES.
pub fn perpetual_rebate(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "1000");
    let symbol = desk.plain(|p| (p.taker, p.maker) = (Rate(50_000), Rate(-10_000)));
    let dear = desk.plain(|p| (p.taker, p.maker) = (Rate(10_000), Rate(100_000)));
    desk.mark(symbol, 100);
    desk.mark(dear, 100);
    let (order, hold) = desk.place(limit(100, symbol, Side::Buy, 100, 10)).accepted();
    assert_eq!(hold, usdt("0.5"));
    let sold = desk.place(ioc(199, symbol, Side::Sell, 100, 10));
    assert_eq!((sold.trades()[0].taker_fee.0, sold.trades()[0].maker_fee.0), (usdt("0.5"), usdt("-0.1")));
    let done = sold.done(order).expect("filled");
    assert_eq!((done.fee.0, done.returned.0, done.cost.0), (usdt("-0.1"), 0, usdt("1000")));
    assert_eq!((desk.wallet(100), desk.wallet(199)), (usdt("1000.1"), usdt("999.5")));
    assert_eq!(desk.wallet(FEES), usdt("0.4"));
    assert_eq!(desk.place(limit(100, dear, Side::Buy, 100, 1)).accepted().1, usdt("0.1"));
}

/// Trading with oneself (NONE): the maker's side first, then the taker's; the other modes prevent without money.
pub fn perpetual_self_trade(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "1000");
    let symbol = desk.plain(|_| {});
    let probe = desk.probe();
    desk.mark(symbol, 100);
    let none = |order| with_stp(order, StpMode::None);
    desk.place(limit(100, symbol, Side::Buy, 100, 10)).accepted();
    let own = desk.place(none(ioc(100, symbol, Side::Sell, 98, 10)));
    assert_eq!(own.story(), ["Accepted", "Trade", "Realized", "Done", "Done"]);
    assert_eq!(own.realized(), [(100, 1, 10, 0)]);
    assert_eq!((own.positions(), desk.wallet(100)), (vec![], usdt("1000")));
    desk.place(limit(100, symbol, Side::Buy, 100, 10)).accepted();
    desk.available(100, probe, usdt("950"));
    let prevented = desk.place(with_stp(ioc(100, symbol, Side::Sell, 98, 10), StpMode::CancelBoth));
    assert_eq!(prevented.story(), ["Accepted", "Prevented", "Done", "Done"]);
    desk.available(100, probe, usdt("1000"));
}

/// FOK, icebergs and post-only are as on spot; margin is that of all lots, hidden ones included.
pub fn perpetual_order_kinds(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "1000");
    let symbol = desk.plain(|_| {});
    let probe = desk.probe();
    desk.mark(symbol, 100);
    desk.place(iceberg(limit(198, symbol, Side::Sell, 100, 20), 5)).accepted();
    desk.available(198, probe, usdt("900"));
    desk.place(post_only(limit(100, symbol, Side::Buy, 100, 1))).refused(RejectCode::PostOnlyCross);
    let killed = desk.place(fok(100, symbol, Side::Buy, 100, 21));
    assert_eq!(killed.story(), ["Accepted", "Expired", "Done"]);
    desk.available(100, probe, usdt("1000"));
    let bought = desk.place(fok(100, symbol, Side::Buy, 100, 12));
    assert_eq!(bought.fills(), [(100, 5), (100, 5), (100, 2)]);
    let story = ["Accepted", "Trade", "Refreshed", "Trade", "Refreshed", "Trade", "Done"];
    assert_eq!((bought.story(), desk.position(100, symbol)), (story.to_vec(), (12, usdt("1200"), 0)));
    // 198: short 12 and 8 more on offer.
    desk.available(198, probe, usdt("900"));
    // Untriggered orders need nothing.
    desk.place(stop(limit(100, symbol, Side::Buy, 110, 500), RisesTo, 110)).accepted();
    desk.place(on_mark(stop(market(100, symbol, Side::Buy, 500), RisesTo, 110))).accepted();
    desk.available(100, probe, usdt("940"));
}

/// A liquidation's trades are trades: they set `last`, and the stop orders that this triggers run before the next
/// bucket. A flat isolated position gives its margin back.
pub fn liquidation_triggers_stops(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 197, 198, 199], "10000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    for account in [100, 101] {
        desk.isolate(account, symbol, 20);
        desk.long(account, 199, symbol, 100, 100);
    }
    desk.place(limit(198, symbol, Side::Buy, 96, 150)).accepted();
    let (stops, _) = desk.place(stop(ioc(197, symbol, Side::Sell, 96, 30), FallsTo, 96)).accepted();
    let mark = desk.mark(symbol, 95);
    let first = ["Mark", "Liquidation", "Trade", "Realized", "Done", "Triggered", "Trade", "Done"];
    let second = ["Liquidation", "Trade", "Realized", "Done", "Expired", "Done", "Takeover", "Fund", "Adl"];
    assert_eq!(mark.story(), [&first[..], &second].concat());
    assert_eq!(mark.fills(), [(96, 100), (96, 30), (96, 20)], "100, the stop order, 101");
    assert_eq!(mark.end(stops), Some((OrderState::Filled.code(), 0, 0)));
    assert_eq!((desk.position(100, symbol), desk.wallet(100)), ((0, 0, 0), usdt("9600")));
    // 101: M = 500 − 80, and 80 lots at ⌈(8,000 − 420) / 80⌉ = ⌈94.75⌉ = 95: 20 are left.
    assert_eq!((mark.taken()[0].price, mark.taken()[0].pnl), (95, usdt("-400")));
    assert_eq!(mark.funds(), [(101, FundReason::Residual, usdt("20"), 0)]);
    // The fund has 20 now, enough for two lots; the short of 200 @ 100 ranks before that of 30 @ 96.
    assert_eq!((mark.taken()[0].fund, mark.adls()), (2, vec![(199, 101, 78, 95, usdt("390"))]));
}

/// A maker's reduce-only orders are trimmed by a liquidation's trade, too.
pub fn liquidation_trims_makers(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "10000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.isolate(100, symbol, 20);
    desk.long(100, 198, symbol, 100, 100);
    let buy = |price, lots| reduce_only(limit(198, symbol, Side::Buy, price, lots));
    let (worse, _) = desk.place(buy(60, 30)).accepted();
    let (better, _) = desk.place(buy(96, 70)).accepted();
    desk.place(limit(198, symbol, Side::Buy, 95, 20)).accepted();
    let mark = desk.mark(symbol, 95);
    // 70 @ 96 leave a short of 30, 20 @ 95 one of 10: the order at 60 keeps 10.
    assert_eq!(mark.fills(), [(96, 70), (95, 20)]);
    assert_eq!(mark.amended(), [(worse.0, 2, 1, 30, 10, 20, 0)]);
    assert_eq!(mark.end(better), Some((OrderState::Filled.code(), 0, 0)));
    assert_eq!(mark.realized().len(), 4, "the maker's and the liquidated side's");
    // M = 500 − 280 − 100: E = 120 − 50 is above 9.5.
    assert_eq!((mark.taken(), desk.position(100, symbol)), (vec![], (10, usdt("1000"), usdt("120"))));
}

/// The order of buckets: by account; in it isolated symbols, then cross, whatever the numbers of the symbols.
pub fn order_of_buckets(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[199], "1000000");
    desk.traders(&[100], "1600");
    desk.traders(&[101], "1000");
    desk.fund(INSURANCE, usdt("100000"));
    let (cross, first, second) = (desk.plain(|_| {}), desk.plain(|_| {}), desk.plain(|_| {}));
    for symbol in [cross, first, second] {
        desk.mark(symbol, 100);
    }
    desk.isolate(101, first, 20);
    desk.long(101, 199, first, 100, 100);
    for symbol in [second, first] {
        desk.isolate(100, symbol, 20);
        desk.long(100, 199, symbol, 100, 100);
    }
    desk.long(100, 199, cross, 100, 100);
    // Marks that are stale when they come; a longer life makes them fresh, and maintenance touches every holder.
    desk.now += 10 * SECOND;
    for (symbol, price) in [(cross, 94), (first, 95), (second, 95)] {
        assert_eq!(desk.offer(symbol, price, desk.now - 6 * SECOND, 0).story(), ["Mark"]);
        let mut message = plain(symbol);
        message.mark_max_age = 60 * SECOND;
        assert_eq!(desk.send(&message).story(), ["Config"]);
    }
    let status = desk.status(0, SymbolStatus::CancelOnly);
    let bucket = ["Liquidation", "Takeover"];
    assert_eq!(status.story(), [&["Status"], &bucket[..], &bucket, &bucket, &bucket].concat());
    let buckets: Vec<_> = status.stages().iter().map(|s| (s.account, s.mode, s.bankruptcy, s.equity)).collect();
    let (isolated, all) = (MarginMode::Isolated, MarginMode::Cross);
    assert_eq!(buckets, [(100, isolated, 95, 0), (100, isolated, 95, 0), (100, all, 94, 0), (101, isolated, 95, 0)]);
    assert_eq!([first, second, cross].map(|symbol| desk.position(100, symbol).0), [0; 3]);
}

/// Unrealized profit carries cross orders; it cannot be withdrawn, nor moved into isolated margin.
pub fn unrealized_profit_carries_orders(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "500");
    desk.traders(&[199], "100000");
    let (symbol, other) = (desk.plain(|_| {}), desk.plain(|_| {}));
    let probe = desk.probe();
    desk.mark(symbol, 100);
    desk.mark(other, 100);
    desk.isolate(100, other, 20);
    desk.long(100, 199, symbol, 100, 100);
    desk.mark(symbol, 120);
    // E = 2,500, IM = 600: a cross order may use the profit, an isolated one may not (min(W, E) = 500 < 600).
    desk.available(100, probe, usdt("1900"));
    desk.transferable(100, 0);
    desk.place(limit(100, other, Side::Buy, 10, 1)).refused(RejectCode::InsufficientMargin);
    desk.place(limit(100, symbol, Side::Buy, 120, 300)).accepted();
    desk.available(100, probe, usdt("100"));
}
