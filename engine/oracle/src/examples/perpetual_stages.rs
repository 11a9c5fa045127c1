//! The liquidation of a bucket beyond E20 to E23 (DOMAIN §6.6, PERPETUAL.md "The work loop"): stages by tier, orders
//! that end, CANCEL_ONLY, the band, buckets that wait, the order of buckets, what remains. Mostly in the plain
//! perpetual, where one tick × one lot is 1 USDT and maintenance 1 %.

use crate::Exchange;
use crate::scenario::perpetual::{HOUR, INSURANCE, SECOND, Taken, at, on_mark, reduce_only, set_tiers, usdt};
use crate::scenario::{Desk, ioc, limit, market, stop};
use ringbook_event::Event;
use ringbook_wire::message::SetPerpetual;
use ringbook_wire::{EndReason, FundReason, MarginMode, Rate, RejectCode, Side, SymbolStatus, TriggerDirection};

/// Fully filled and still unhealthy: the next lower tier, down to nothing; what is left of M goes back.
pub fn stages_by_tier(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "1000000");
    let symbol = desk.perpetual(|p| (p.taker, p.liquidation_fee) = (Rate(0), Rate(0)));
    desk.mark(symbol, at("50500"));
    desk.isolate(100, symbol, 50);
    desk.long(100, 199, symbol, at("50500"), 6_000);
    assert_eq!(desk.position(100, symbol), (6_000, usdt("303000"), usdt("6060")));
    desk.place(limit(198, symbol, Side::Buy, at("49500"), 10_000)).accepted();
    let mark = desk.mark(symbol, at("49500"));
    let stage = ["Liquidation", "Trade", "Realized", "Done"];
    assert_eq!(mark.story(), [&["Mark"], &stage[..], &stage, &stage].concat());
    // Targets: 250,000 / 49.5 = 5,050 lots, 50,000 / 49.5 = 1,010 lots, none. Equity is 60 throughout.
    let stages: Vec<_> =
        mark.stages().iter().map(|s| (s.tier, s.position, s.quantity, s.bankruptcy, s.equity)).collect();
    let expected = [
        (3, 6_000, 950, at("49490"), usdt("60")),
        (2, 5_050, 4_040, at("49488.2"), usdt("60")),
        (1, 1_010, 1_010, at("49440.6"), usdt("60")),
    ];
    assert_eq!(stages, expected);
    let realized = [(100, 1, 950, usdt("-950")), (100, 1, 4_040, usdt("-4040")), (100, 1, 1_010, usdt("-1010"))];
    assert_eq!(mark.realized(), realized);
    assert_eq!((desk.position(100, symbol), desk.wallet(100)), ((0, 0, 0), usdt("994000")));
}

/// The fee of a stage is bounded by the equity that the stage left; a healthy bucket stops there.
pub fn liquidation_fee_bound(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 198, 199], "100000");
    let symbol = desk.plain(|p| p.liquidation_fee = Rate(1_000_000));
    desk.mark(symbol, 100);
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, 100, 100);
    desk.place(limit(198, symbol, Side::Buy, 96, 80)).accepted();
    // M = 500, mark 95: E = 0. 80 lots at 96: −320, so M = 180 and E = 80: the fee would be 76.8.
    let mark = desk.mark(symbol, 95);
    assert_eq!(mark.fills(), [(96, 80)]);
    assert_eq!(mark.funds()[0], (100, FundReason::Fee, usdt("76.8"), 0));
    // E = 3.2 ≤ 19: what the order did not fill is taken over, at ⌈(2,000 − 103.2) / 20⌉ = 95 with 3.2 left.
    assert_eq!((mark.taken()[0].quantity, mark.taken()[0].price, mark.taken()[0].pnl), (20, 95, usdt("-100")));
    assert_eq!(mark.funds()[1], (100, FundReason::Residual, usdt("3.2"), 0));

    let symbol = desk.plain(|p| p.liquidation_fee = Rate(2_000_000));
    desk.mark(symbol, 100);
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, 100, 100);
    desk.place(limit(198, symbol, Side::Buy, 96, 80)).accepted();
    // 2 % would be 153.6: all 80 go.
    assert_eq!(desk.mark(symbol, 95).funds(), [(100, FundReason::Fee, usdt("80"), 0)]);
}

/// Liquidation ends the bucket's orders first, by symbol and order id: of a cross bucket those of all perpetuals of its
/// asset.
pub fn liquidation_ends_orders(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[199], "1000000");
    desk.traders(&[100], "600");
    desk.traders(&[101], "1000");
    let (first, second) = (desk.plain(|_| {}), desk.plain(|_| {}));
    let falls = TriggerDirection::FallsTo;
    desk.mark(first, 100);
    desk.mark(second, 100);
    desk.isolate(100, second, 1);
    desk.long(100, 199, first, 100, 100);
    let (other, _) = desk.place(limit(100, second, Side::Buy, 10, 1)).accepted();
    let (rests, _) = desk.place(limit(100, first, Side::Sell, 200, 100)).accepted();
    let (waits, hold) = desk.place(stop(limit(100, first, Side::Sell, 40, 100), falls, 50)).accepted();
    assert_eq!(hold, 0);
    assert_eq!(desk.mark(first, 95).story(), ["Mark"], "E = 100 > 95");
    let mark = desk.mark(first, 94);
    let Some(Event::Liquidation(event)) = mark.0.iter().find(|e| e.name() == "Liquidation") else { panic!("{mark:?}") };
    let ended = EndReason::Liquidation.code();
    let expected = [(rests, ended, 0), (waits, ended, 0), (other, ended, 0), (event.order, ended, 0)];
    assert_eq!(mark.expired(), expected);
    assert_eq!(mark.story()[..8], ["Mark", "Expired", "Done", "Expired", "Done", "Expired", "Done", "Liquidation"]);

    // An isolated bucket: the orders of its symbol alone.
    desk.mark(first, 100);
    desk.isolate(101, first, 20);
    desk.long(101, 199, first, 100, 100);
    let (here, _) = desk.place(limit(101, first, Side::Sell, 150, 10)).accepted();
    let (there, _) = desk.place(limit(101, second, Side::Buy, 10, 1)).accepted();
    let mark = desk.mark(first, 95);
    assert_eq!(mark.expired()[0], (here, ended, 0));
    assert_eq!((mark.expired().len(), mark.end(there)), (2, None));
}

/// CANCEL_ONLY, of the symbol or of the whole exchange: no order, takeover at once; HALTED: nothing until that ends.
pub fn cancel_only(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 198, 199], "100000");
    desk.fund(INSURANCE, usdt("100000"));
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    for (account, lots) in [(100, 100), (101, 200), (102, 300)] {
        desk.isolate(account, symbol, 20);
        desk.long(account, 199, symbol, 100, lots);
    }
    desk.add_margin(101, symbol, usdt("400"));
    desk.add_margin(102, symbol, usdt("1500"));
    desk.place(limit(198, symbol, Side::Buy, 99, 1_000)).accepted();
    desk.status(symbol, SymbolStatus::CancelOnly);
    let mark = desk.mark(symbol, 95);
    assert_eq!(mark.story(), ["Mark", "Liquidation", "Takeover"]);
    let Some(Event::Liquidation(event)) = mark.0.get(1) else { panic!("{mark:#?}") };
    assert_eq!((event.order.0, event.price.0, event.quantity.0, event.bankruptcy.0), (0, 0, 100, 95));
    let mode = MarginMode::Isolated;
    let taken = Taken { account: 100, mode, quantity: 100, price: 95, pnl: usdt("-500"), fund: 100 };
    assert_eq!(mark.taken(), [taken]);

    // HALTED: the mark is stored; the account is liquidated when the symbol enters CANCEL_ONLY.
    desk.status(symbol, SymbolStatus::Halted);
    assert_eq!(desk.mark(symbol, 93).story(), ["Mark"]);
    let status = desk.status(symbol, SymbolStatus::CancelOnly);
    assert_eq!(status.story(), ["Status", "Liquidation", "Takeover"]);
    assert_eq!((status.taken()[0].account, status.taken()[0].price), (101, 93));

    // Maintenance: a symbol that trades counts as CANCEL_ONLY. The bid at 99 is not looked at.
    assert_eq!(desk.status(symbol, SymbolStatus::Trading).story(), ["Status"]);
    assert_eq!(desk.status(0, SymbolStatus::CancelOnly).story(), ["Status"]);
    let mark = desk.mark(symbol, 90);
    assert_eq!(mark.story(), ["Mark", "Liquidation", "Takeover"]);
    assert_eq!((mark.taken()[0].account, mark.taken()[0].price), (102, 90));
    desk.place(limit(198, symbol, Side::Buy, 90, 1)).refused(RejectCode::Maintenance);
    assert_eq!(desk.status(0, SymbolStatus::Trading).story(), ["Status"]);
}

/// The liquidation order stays in the band: a sale at max(b, lower band), a purchase at min(b, upper band).
pub fn liquidation_in_the_band(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 198, 199], "100000");
    let change = |p: &mut SetPerpetual| {
        (p.band, p.max_leverage) = (Rate(5_000_000), 4);
        set_tiers(p, &[("10000000", 20_000_000, "0", 4)]);
    };
    // A bid between b and the band's edge is not reached; one at the edge is, and 40 lots are enough.
    for (account, price, fills) in [(100, 88, &[][..]), (102, 89, &[(89, 40)][..])] {
        let symbol = desk.plain(change);
        desk.mark(symbol, 100);
        desk.isolate(account, symbol, 4);
        desk.long(account, 199, symbol, 100, 100);
        desk.place(limit(198, symbol, Side::Buy, price, 40)).accepted();
        assert_eq!(desk.mark(symbol, 94).story(), ["Mark"], "1,900 > 1,880");
        let mark = desk.mark(symbol, 93);
        let stage = mark.stages()[0];
        assert_eq!((stage.equity, stage.bankruptcy, stage.price), (usdt("1800"), 75, 89), "⌈93 · 0.95⌉ = ⌈88.35⌉");
        assert_eq!(mark.fills(), fills);
        let taken: Vec<_> = mark.taken().iter().map(|t| (t.quantity, t.price, t.pnl)).collect();
        let all = [(100, 75, usdt("-2500"))];
        assert_eq!(taken, if fills.is_empty() { &all[..] } else { &[] });
    }
    assert_eq!(desk.position(102, 2), (60, usdt("6000"), usdt("2060")), "equity 1,640 > 1,116");

    let symbol = desk.plain(change);
    desk.mark(symbol, 100);
    desk.isolate(101, symbol, 4);
    desk.short(101, 199, symbol, 100, 100);
    let mark = desk.mark(symbol, 105);
    let stage = mark.stages()[0];
    assert_eq!((stage.equity, stage.bankruptcy, stage.price), (usdt("2000"), 125, 110), "⌊105 · 1.05⌋ = ⌊110.25⌋");
}

/// A cross bucket waits whole while the mark of one of its symbols is stale, or one of them is HALTED.
pub fn waiting_bucket(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[199], "1000000");
    desk.traders(&[100, 101], "1000");
    desk.fund(INSURANCE, usdt("10000"));
    let (first, second) = (desk.plain(|_| {}), desk.plain(|_| {}));
    let both = |desk: &mut Desk<'_>, account| {
        desk.mark(first, 100);
        desk.mark(second, 100);
        desk.long(account, 199, first, 100, 100);
        desk.long(account, 199, second, 100, 100);
    };
    both(&mut desk, 100);
    desk.now += 6 * SECOND;
    assert_eq!(desk.mark(first, 92).story(), ["Mark"], "E = 200 > 92 + 100");
    assert_eq!(desk.mark(first, 91).story(), ["Mark"], "E = 100 ≤ 191, but the second mark is stale");
    let mark = desk.mark(second, 100);
    let stage = ["Liquidation", "Expired", "Done", "Takeover"];
    assert_eq!(mark.story(), [&["Mark"], &stage[..], &stage].concat());
    // E > 0: the larger maintenance first, the second symbol's; then E = 0, and the first one's rest.
    let taken: Vec<_> = mark.taken().iter().map(|t| (t.price, t.pnl, t.fund)).collect();
    assert_eq!(taken, [(99, usdt("-100"), 100), (91, usdt("-900"), 100)]);
    assert_eq!(desk.wallet(100), 0);

    both(&mut desk, 101);
    desk.status(second, SymbolStatus::Halted);
    assert_eq!(desk.mark(first, 91).story(), ["Mark"]);
    assert_eq!(desk.mark(second, 99).story(), ["Mark"]);
    let status = desk.status(second, SymbolStatus::Trading);
    assert_eq!(status.story(), [&["Status"], &stage[..], &stage].concat());
    // E = 0: the lowest UPNL first, −900 of the first symbol at ⌈(10,000 − 900) / 100⌉, then −100.
    let taken: Vec<_> = status.taken().iter().map(|t| (t.price, t.pnl)).collect();
    assert_eq!(taken, [(91, usdt("-900")), (99, usdt("-100"))]);
}

/// Buckets go by account; a stop order that the mark triggers runs before them and may save its account.
pub fn stops_before_liquidation(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 198, 199], "10000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    for account in [102, 100, 101] {
        desk.isolate(account, symbol, 20);
        desk.long(account, 199, symbol, 100, 100);
    }
    desk.place(limit(198, symbol, Side::Buy, 95, 100)).accepted();
    let order = reduce_only(on_mark(stop(market(101, symbol, Side::Sell, 100), TriggerDirection::FallsTo, 96)));
    let (saved, _) = desk.place(order).accepted();
    let mark = desk.mark(symbol, 95);
    assert_eq!(mark.triggered(), [(saved, 95)], "⌈95 · 0.99⌉ = ⌈94.05⌉");
    assert_eq!(mark.story()[..6], ["Mark", "Triggered", "Trade", "Realized", "Done", "Done"]);
    let accounts: Vec<_> = mark.stages().iter().map(|s| s.account).collect();
    assert_eq!(accounts, [100, 102]);
    assert_eq!(desk.wallet(101), usdt("9500"));
}

/// A bucket whose short has b held at 1 tick: what closing there leaves is negative, and the fund pays it (RESIDUAL).
pub fn residual_below_zero(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    desk.traders(&[100], "1000");
    desk.fund(INSURANCE, usdt("10000"));
    let symbol = desk.plain(|p| p.funding_cap = Rate(99_000_000));
    let other = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.mark(other, 100);
    desk.short(100, 199, symbol, 100, 100);
    // At 1 the short has won 9,900, of which 10,890 − 1,000 are lost elsewhere: W = −9,890, E = 10.
    desk.mark(symbol, 1);
    desk.long(100, 199, other, 100, 110);
    desk.place(limit(198, other, Side::Buy, 1, 110)).accepted();
    let sale = desk.place(ioc(100, other, Side::Sell, 1, 110));
    assert_eq!(sale.realized(), [(100, 1, 110, usdt("-10890"))]);
    assert_eq!(sale.funds(), [], "a cross position is left");
    assert_eq!(desk.wallet(100), usdt("-9890"));
    desk.now += 8 * HOUR;
    desk.mark(symbol, 1);
    let funding = desk.funding(symbol, -90_000_000, 1);
    assert_eq!(funding.payments(), [(100, -100, usdt("90")), (199, 100, usdt("-90"))]);
    let story = ["Funded", "Funding", "Funding", "Liquidation", "Expired", "Done", "Takeover", "Fund"];
    assert_eq!(funding.story(), story);
    let stage = funding.stages()[0];
    assert_eq!((stage.equity, stage.bankruptcy, stage.price), (usdt("-80"), 1, 1));
    assert_eq!(funding.taken()[0].pnl, usdt("9900"));
    assert_eq!(funding.funds(), [(100, FundReason::Residual, usdt("-80"), 0)]);
    assert_eq!((desk.wallet(100), desk.wallet(INSURANCE)), (0, usdt("9920")));
}
