//! E19 to E23 and E33: at which tick a bucket is liquidated, and what a stage does, to the unit.

use crate::Exchange;
use crate::scenario::perpetual::{INSURANCE, Stage, Taken, at, cents, reduce_only, set_tiers, usdt};
use crate::scenario::{Desk, ioc, limit};
use ringbook_event::Event;
use ringbook_wire::message::SetPerpetual;
use ringbook_wire::{Amount, EndReason, FundReason, MarginMode, OrderState, Price, Rate, RejectCode, Side};

/// The mark is harmless at one price and liquidates the account alone at the next one.
#[track_caller]
fn ticks(desk: &mut Desk<'_>, account: u32, symbol: u32, harmless: i64, liquidates: i64) -> Stage {
    assert_eq!((harmless - liquidates).abs(), 1, "one tick");
    assert_eq!(desk.mark(symbol, harmless).story(), ["Mark"]);
    let mark = desk.mark(symbol, liquidates);
    let stage = *mark.stages().first().expect("liquidated at this tick");
    assert_eq!((stage.account, mark.marked()), (account, Some((liquidates, 0))));
    stage
}

/// A BTC perpetual and an ETH perpetual with tick 0.01, as E19's published examples need them.
fn published(desk: &mut Desk<'_>) -> (u32, u32) {
    let btc = desk.perpetual(|p| (p.quote_per_tick_lot, p.taker) = (Amount(1_000), Rate(0)));
    let eth = desk.perpetual(|p| {
        (p.quote_per_tick_lot, p.taker, p.max_leverage) = (Amount(1_000), Rate(0), 5);
        set_tiers(p, &[("2707300", 5_000_000, "0", 10), ("10000000", 10_000_000, "135365", 5)]);
    });
    desk.mark(btc, cents("32481.98"));
    desk.mark(eth, cents("1456.84"));
    (btc, eth)
}

/// E19: published liquidation prices (Binance's article), as the ticks at which this wallet's positions are liquidated.
pub fn e19(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[999], "100000000");
    desk.traders(&[100, 101], "2000000");
    desk.traders(&[102, 103], "1535443.01");
    let (btc, eth) = published(&mut desk);
    let (btc_lots, eth_lots) = (109_488, 3_683_979);
    desk.isolate(100, eth, 4);
    desk.long(100, 999, eth, cents("1456.84"), eth_lots);
    desk.add_margin(100, eth, usdt("1535443.01") - desk.position(100, eth).2);
    let stage = ticks(&mut desk, 100, eth, cents("1114.79"), cents("1114.78"));
    assert_eq!((stage.tier, stage.mode), (2, MarginMode::Isolated));
    desk.isolate(101, btc, 3);
    desk.long(101, 999, btc, cents("32481.98"), btc_lots);
    desk.add_margin(101, btc, usdt("1535443.01") - desk.position(101, btc).2);
    let stage = ticks(&mut desk, 101, btc, cents("18778.73"), cents("18778.72"));
    assert_eq!((stage.tier, stage.mode), (4, MarginMode::Isolated));

    // Cross: ETH falls while BTC stands at 31,967.27 (MM 71,200.81144, UPNL −56,354.57), …
    let (btc, eth) = published(&mut desk);
    desk.long(102, 999, eth, cents("1456.84"), eth_lots);
    desk.long(102, 999, btc, cents("32481.98"), btc_lots);
    desk.mark(btc, cents("31967.27"));
    let stage = ticks(&mut desk, 102, eth, cents("1153.26"), cents("1153.25"));
    assert_eq!((stage.tier, stage.mode, stage.position), (2, MarginMode::Cross, eth_lots));
    // … and BTC falls while ETH stands at 1,335.18 (MM 356,512.508, UPNL −448,192.89).
    let (btc, eth) = published(&mut desk);
    desk.long(103, 999, eth, cents("1456.84"), eth_lots);
    desk.long(103, 999, btc, cents("32481.98"), btc_lots);
    desk.mark(eth, cents("1335.18"));
    let stage = ticks(&mut desk, 103, btc, cents("26316.90"), cents("26316.89"));
    assert_eq!((stage.mode, stage.account), (MarginMode::Cross, 103));
}

/// E19, its short (freqtrade's test): 1 @ 10, 5×, 1 %, 0.01: 11.891089, with a tick of a millionth.
pub fn e19_short(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 999], "1000");
    let symbol = desk.perpetual(|p| {
        (p.quote_per_tick_lot, p.max_price, p.taker) = (Amount(100), Price(100_000_000), Rate(0));
        set_tiers(p, &[("2", 500_000, "0", 50), ("1000", 1_000_000, "0.01", 50)]);
    });
    desk.mark(symbol, 10_000_000);
    desk.isolate(100, symbol, 5);
    desk.short(100, 999, symbol, 10_000_000, 1);
    assert_eq!(desk.position(100, symbol), (-1, usdt("-10"), usdt("2")));
    let stage = ticks(&mut desk, 100, symbol, 11_891_089, 11_891_090);
    assert_eq!((stage.tier, stage.bankruptcy, stage.equity), (2, 12_000_000, usdt("0.10891")));
}

/// An isolated long of 1 BTC @ 50,000 at 20×: M = 2,500.
#[track_caller]
fn isolated_long(desk: &mut Desk<'_>, account: u32, symbol: u32) {
    desk.mark(symbol, at("50000"));
    desk.isolate(account, symbol, 20);
    desk.long(account, 199, symbol, at("50000"), 1_000);
    assert_eq!(desk.position(account, symbol), (1_000, usdt("50000"), usdt("2500")));
}

/// E20: an isolated long is liquidated, partly filled, and survives.
pub fn e20(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    desk.traders(&[100, 101], "10000");
    let symbol = desk.perpetual(|_| {});
    isolated_long(&mut desk, 100, symbol);
    for (price, lots) in [("47600", 400), ("47500", 300), ("47400", 5_000)] {
        desk.place(limit(198, symbol, Side::Buy, at(price), lots)).accepted();
    }
    assert_eq!(desk.mark(symbol, at("47690.8")).story(), ["Mark"], "190.8 > 190.7632");
    let mark = desk.mark(symbol, at("47690.7"));
    let story = ["Mark", "Liquidation", "Trade", "Realized", "Done", "Trade", "Realized", "Done", "Expired", "Done"];
    assert_eq!(mark.story(), [&story[..], &["Fund"]].concat());
    let stage = Stage {
        account: 100,
        mode: MarginMode::Isolated,
        tier: 1,
        quantity: 1_000,
        position: 1_000,
        price: at("47500"),
        bankruptcy: at("47500"),
        mark: at("47690.7"),
        equity: usdt("190.7"),
    };
    assert_eq!(mark.stages(), [stage]);
    assert_eq!(mark.fills(), [(at("47600"), 400), (at("47500"), 300)]);
    assert_eq!(mark.realized(), [(100, 1, 400, usdt("-960")), (100, 1, 300, usdt("-750"))]);
    let order = mark.trades()[0].taker_order;
    assert!(mark.trades().iter().all(|trade| trade.taker_fee.0 == 0 && trade.taker_order == order));
    let Some(Event::Liquidation(event)) = mark.0.get(1) else { panic!("{mark:#?}") };
    assert_eq!((event.order, event.symbol.0), (order, symbol));
    assert_eq!(mark.end(order), Some((OrderState::Expired.code(), EndReason::Liquidation.code(), 300)));
    // M = 790, equity 97.21; 33.29 of fee leaves 63.92, above 57.22884.
    assert_eq!(mark.funds(), [(100, FundReason::Fee, usdt("33.29"), 0)]);
    assert_eq!(desk.position(100, symbol), (300, usdt("15000"), usdt("756.71")));
    assert_eq!((desk.wallet(100), desk.wallet(INSURANCE)), (usdt("7500"), usdt("33.29")));

    // One bid alone is enough: M = 1,540, equity 154.42, fee 19.04, 135.38 > 114.45768.
    let symbol = desk.perpetual(|_| {});
    isolated_long(&mut desk, 101, symbol);
    for (price, lots) in [("47600", 400), ("47400", 5_000)] {
        desk.place(limit(198, symbol, Side::Buy, at(price), lots)).accepted();
    }
    let mark = desk.mark(symbol, at("47690.7"));
    assert_eq!(mark.realized(), [(101, 1, 400, usdt("-960"))]);
    assert_eq!(mark.funds(), [(101, FundReason::Fee, usdt("19.04"), 0)]);
    assert_eq!(mark.taken(), []);
    assert_eq!(desk.position(101, symbol), (600, usdt("30000"), usdt("1520.96")));
}

/// E21: takeover by the fund, and what it earns or loses later; what rounding leaves goes to the fund.
pub fn e21(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    desk.traders(&[100, 101, 102], "10000");
    desk.fund(INSURANCE, usdt("5000"));
    for (account, price, pnl) in [(100, "47450", "-50"), (101, "47580", "80")] {
        let symbol = desk.perpetual(|_| {});
        isolated_long(&mut desk, account, symbol);
        desk.place(limit(198, symbol, Side::Buy, at("47499.9"), 1_000)).accepted();
        let mark = desk.mark(symbol, at("47600"));
        assert_eq!(mark.story(), ["Mark", "Liquidation", "Expired", "Done", "Takeover"]);
        assert_eq!(mark.stages()[0].equity, usdt("100"));
        let taken = Taken {
            account,
            mode: MarginMode::Isolated,
            quantity: 1_000,
            price: at("47500"),
            pnl: usdt("-2500"),
            fund: 1_000,
        };
        assert_eq!(mark.taken(), [taken]);
        assert_eq!((desk.position(account, symbol), desk.wallet(account)), ((0, 0, 0), usdt("7500")));
        let (lots, cost, margin) = desk.position(INSURANCE, symbol);
        assert_eq!((lots, cost, margin), (1_000, usdt("47500"), 0));
        assert_eq!(lots * at("47600") * 10_000 - cost, usdt("100"), "its unrealized profit");
        desk.cancel_all(198);
        desk.place(limit(198, symbol, Side::Buy, at(price), 1_000)).accepted();
        let sale = desk.place(reduce_only(ioc(INSURANCE, symbol, Side::Sell, at(price), 1_000)));
        assert_eq!(sale.realized(), [(INSURANCE, 1, 1_000, usdt(pnl))]);
    }
    // 5,000 − 50 + 80, and taker fees like everyone's: 23.725 and 23.79.
    assert_eq!(desk.wallet(INSURANCE), usdt("4982.485"));

    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.isolate(102, symbol, 20);
    desk.long(102, 199, symbol, at("50000"), 300);
    desk.add_margin(102, symbol, usdt("6.71"));
    assert_eq!(desk.position(102, symbol), (300, usdt("15000"), usdt("756.71")));
    let mark = desk.mark(symbol, at("47600"));
    assert_eq!(mark.story(), ["Mark", "Liquidation", "Expired", "Done", "Takeover", "Fund"]);
    let taken = mark.taken()[0];
    assert_eq!((taken.price, taken.pnl, taken.fund), (at("47477.7"), usdt("-756.69"), 300));
    assert_eq!(mark.funds(), [(102, FundReason::Residual, usdt("0.02"), 0)]);
    assert_eq!(desk.wallet(INSURANCE), usdt("4982.505"));
    assert_eq!(desk.wallet(102), usdt("9243.29"), "10,000 − 750 − 6.71: nothing came back");
}

/// E22: an isolated short: the tier at the liquidation price counts (tier 1 would have said 52,290.9); one stage.
pub fn e22(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    desk.traders(&[100], "10000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.isolate(100, symbol, 20);
    desk.short(100, 199, symbol, at("50000"), 1_000);
    assert_eq!(desk.position(100, symbol), (-1_000, usdt("-50000"), usdt("2500")));
    desk.place(limit(198, symbol, Side::Sell, at("52290"), 500)).accepted();
    assert_eq!(desk.mark(symbol, at("52288.5")).story(), ["Mark"], "211.5 > 211.4425");
    let mark = desk.mark(symbol, at("52288.6"));
    assert_eq!(mark.story(), ["Mark", "Liquidation", "Trade", "Realized", "Done", "Fund"]);
    let stage = Stage {
        account: 100,
        mode: MarginMode::Isolated,
        tier: 2,
        quantity: 44,
        position: -1_000,
        price: at("52500"),
        bankruptcy: at("52500"),
        mark: at("52288.6"),
        equity: usdt("211.4"),
    };
    assert_eq!(mark.stages(), [stage]);
    assert_eq!(mark.fills(), [(at("52290"), 44)]);
    assert_eq!(mark.realized(), [(100, 1, 44, usdt("-100.76"))]);
    let order = mark.trades()[0].taker_order;
    assert_eq!(mark.end(order), Some((OrderState::Filled.code(), 0, 0)));
    // M = 2,399.24, UPNL −2,187.9016, equity 211.3384; after the fee 209.03764 > 199.9516064.
    assert_eq!(mark.funds(), [(100, FundReason::Fee, usdt("2.30076"), 0)]);
    assert_eq!(desk.position(100, symbol), (-956, usdt("-47800"), usdt("2396.93924")));
}

/// Cross W 5,000: long 1 BTC @ 50,000 and 20 ETH @ 3,000.
fn two_positions(desk: &mut Desk<'_>, account: u32) -> (u32, u32) {
    desk.traders(&[account], "5000");
    let (btc, eth) = (desk.perpetual(|_| {}), desk.ether());
    desk.mark(btc, at("50000"));
    desk.mark(eth, cents("3000"));
    desk.cross(account, eth, 40);
    desk.long(account, 199, btc, at("50000"), 1_000);
    desk.long(account, 199, eth, cents("3000"), 20_000);
    assert_eq!(desk.position(account, btc), (1_000, usdt("50000"), 0));
    assert_eq!(desk.position(account, eth), (20_000, usdt("60000"), 0));
    (btc, eth)
}

/// E23: cross margin, two symbols: the larger maintenance margin first, one stage.
pub fn e23(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    let (btc, eth) = two_positions(&mut desk, 100);
    desk.place(limit(198, eth, Side::Buy, cents("2899"), 30_000)).accepted();
    assert_eq!(desk.mark(btc, at("47500")).story(), ["Mark"]);
    let mark = desk.mark(eth, cents("2900"));
    assert_eq!(mark.story(), ["Mark", "Liquidation", "Trade", "Realized", "Done", "Fund"]);
    let stage = Stage {
        account: 100,
        mode: MarginMode::Cross,
        tier: 2,
        quantity: 16_552,
        position: 20_000,
        price: cents("2875"),
        bankruptcy: cents("2875"),
        mark: cents("2900"),
        equity: usdt("500"),
    };
    assert_eq!(mark.stages(), [stage]);
    assert_eq!(mark.fills(), [(cents("2899"), 16_552)]);
    assert_eq!(mark.realized(), [(100, 1, 16_552, usdt("-1671.752"))]);
    assert_eq!(mark.funds(), [(100, FundReason::Fee, usdt("47.984248"), 0)]);
    // E = 435.463752 > 190 + 49.996.
    assert_eq!(desk.wallet(100), usdt("3280.263752"));
    assert_eq!(desk.position(100, eth), (3_448, usdt("10344"), 0));
    assert_eq!(desk.position(100, btc), (1_000, usdt("50000"), 0));

    // BTC's liquidation tick with ETH at 2,900: S = 5,000 − 2,000 − 362.
    let (btc, eth) = two_positions(&mut desk, 101);
    desk.mark(btc, at("47600"));
    assert_eq!(desk.mark(eth, cents("2900")).story(), ["Mark"]);
    let stage = ticks(&mut desk, 101, btc, at("47552.3"), at("47552.2"));
    assert_eq!(stage, Stage { account: 101, equity: usdt("552.2"), mark: cents("2900"), ..stage });
}

/// E33: Bybit's bankruptcy price, order cost, and fund article.
pub fn e33(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198, 199], "1000000");
    desk.traders(&[100, 102, 103], "10000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("10000"));
    desk.isolate(100, symbol, 50);
    desk.long(100, 199, symbol, at("10000"), 1_000);
    let stage = desk.mark(symbol, at("9800")).stages()[0];
    assert_eq!((stage.bankruptcy, stage.equity, stage.account), (at("9800"), 0, 100));

    // 5,000 of margin, 27.5 to open, nothing reserved to close.
    let symbol = desk.perpetual(|p: &mut SetPerpetual| p.taker = Rate(55_000));
    desk.mark(symbol, at("50000"));
    desk.traders(&[101], "5027.49999999");
    desk.cross(101, symbol, 10);
    desk.place(limit(101, symbol, Side::Buy, at("50000"), 1_000)).refused(RejectCode::InsufficientMargin);
    desk.fund(101, 1);
    assert_eq!(desk.place(limit(101, symbol, Side::Buy, at("50000"), 1_000)).accepted().1, usdt("27.5"));

    // Bankruptcy at 8,730 and 8,680, a bid at 8,700: the first cannot fill, the second fills 20 better.
    let symbol = desk.perpetual(|_| {});
    desk.fund(INSURANCE, usdt("10000"));
    desk.mark(symbol, at("9000"));
    for (account, more) in [(102, "90"), (103, "140")] {
        desk.isolate(account, symbol, 50);
        desk.long(account, 199, symbol, at("9000"), 1_000);
        desk.add_margin(account, symbol, usdt(more));
    }
    desk.place(limit(198, symbol, Side::Buy, at("8700"), 1_000)).accepted();
    let mark = desk.mark(symbol, at("8700"));
    let first = ["Mark", "Liquidation", "Expired", "Done", "Takeover"];
    assert_eq!(mark.story(), [&first[..], &["Liquidation", "Trade", "Realized", "Done", "Done", "Fund"]].concat());
    let bankruptcies: Vec<_> = mark.stages().iter().map(|s| (s.account, s.bankruptcy, s.equity)).collect();
    assert_eq!(bankruptcies, [(102, at("8730"), usdt("-30")), (103, at("8680"), usdt("20"))]);
    let taken = mark.taken();
    assert_eq!((taken.len(), taken[0].pnl, taken[0].fund), (1, usdt("-270"), 1_000));
    assert_eq!(desk.position(INSURANCE, symbol), (1_000, usdt("8730"), 0));
    assert_eq!(mark.fills(), [(at("8700"), 1_000)]);
    assert_eq!(mark.realized(), [(103, 1, 1_000, usdt("-300"))]);
    // 20 of margin is left, of it 8.7 of fee; the rest goes back to the customer.
    assert_eq!(mark.funds(), [(103, FundReason::Fee, usdt("8.7"), 0)]);
    assert_eq!(desk.wallet(103), usdt("9691.3"), "10,000 − 180 − 140 + 20 − 8.7");
}
