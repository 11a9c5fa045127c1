//! Settlement, the uncross of a perpetual, configuration: SETTLE_SYMBOL, SET_PERPETUAL, SET_POSITION_LIMIT,
//! SET_LEVERAGE (PERPETUAL.md).

use crate::Exchange;
use crate::scenario::perpetual::{FEES, INSURANCE, at, close_position, on_mark, perpetual, plain, reduce_only, usdt};
use crate::scenario::{Desk, limit, spot, stop};
use ringbook_event::Event;
use ringbook_wire::message::{BustTrade, Message, MessageType, SetPerpetual, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, EndReason, FundReason, MarginMode, Price, Qty, Rate, RejectCode, Sequence, Side,
    SymbolId, SymbolKind, SymbolStatus, TradeId, TriggerDirection,
};

use TriggerDirection::{FallsTo, RisesTo};

/// SETTLE_SYMBOL: orders end, then everyone closes at the price; INSURANCE pays what an isolated margin or a wallet
/// lacks.
pub fn settlement(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[101, 102, 103], "100000");
    desk.traders(&[100], "600");
    desk.fund(INSURANCE, usdt("10000"));
    let symbol = desk.plain(|p| p.taker = Rate(50_000));
    desk.mark(symbol, 100);
    desk.isolate(102, symbol, 20);
    desk.isolate(103, symbol, 20);
    for account in [100, 102, 103] {
        desk.long(account, 101, symbol, 100, 100);
    }
    desk.add_margin(102, symbol, usdt("200"));
    let place = |desk: &mut Desk<'_>, order| desk.place(order).accepted().0;
    let sell = place(&mut desk, limit(101, symbol, Side::Sell, 150, 1));
    let low = place(&mut desk, limit(101, symbol, Side::Buy, 40, 1));
    let high = place(&mut desk, limit(100, symbol, Side::Buy, 50, 1));
    let mark_rises = place(&mut desk, on_mark(stop(limit(100, symbol, Side::Buy, 150, 1), RisesTo, 140)));
    let mark_falls = place(&mut desk, on_mark(stop(limit(100, symbol, Side::Sell, 50, 1), FallsTo, 55)));
    let last_rises = place(&mut desk, stop(limit(100, symbol, Side::Buy, 150, 1), RisesTo, 150));
    let last_falls = place(&mut desk, stop(limit(100, symbol, Side::Sell, 50, 1), FallsTo, 60));
    // 103 is taken over at 95, so that the fund has a position, too.
    assert_eq!(desk.mark(symbol, 95).taken()[0].fund, 100);
    desk.status(symbol, SymbolStatus::Halted);
    desk.settle(symbol, 100_001).refused(RejectCode::PriceRange);
    desk.settle(99, 90).refused(RejectCode::UnknownSymbol);
    let fees = desk.wallet(FEES);
    let settled = desk.settle(symbol, 90);
    let reason = EndReason::Status.code();
    let ended = [high, low, sell, last_falls, last_rises, mark_falls, mark_rises].map(|order| (order, reason, 0));
    assert_eq!(settled.expired(), ended);
    let names = settled.story();
    assert_eq!(names[..2], ["Status", "Settled"]);
    assert_eq!(names[16..], ["Realized", "Realized", "Fund", "Realized", "Realized", "Fund", "Handled"]);
    let realized = [
        (INSURANCE, 4, 100, usdt("-500")),
        (100, 4, 100, usdt("-1000")),
        (101, 4, 300, usdt("3000")),
        (102, 4, 100, usdt("-1000")),
    ];
    assert_eq!(settled.realized(), realized);
    let deficit = FundReason::Deficit;
    assert_eq!(settled.funds(), [(100, deficit, usdt("-400"), 0), (102, deficit, usdt("-300"), 0)]);
    let handled = settled.0.iter().find_map(|e| if let Event::Handled(h) = e { Some(*h) } else { None });
    let handled = handled.expect("HANDLED");
    assert_eq!((handled.header.a, handled.header.b, handled.count), (MessageType::SettleSymbol as u8, 0, 7));
    // 10,000 − 500 of its own − 400 − 300; an isolated loss beyond M leaves the wallet alone; no fees.
    assert_eq!((desk.wallet(INSURANCE), desk.wallet(100), desk.wallet(102)), (usdt("8800"), 0, usdt("99300")));
    assert_eq!((desk.position(102, symbol), desk.wallet(FEES)), ((0, 0, 0), fees));

    desk.place(limit(101, symbol, Side::Buy, 90, 1)).refused(RejectCode::SymbolStatus);
    desk.mark(symbol, 90).refused(RejectCode::SymbolStatus);
    desk.funding(symbol, 0, 1).refused(RejectCode::SymbolStatus);
    desk.settle(symbol, 90).refused(RejectCode::SymbolStatus);
    desk.leverage(101, symbol, MarginMode::Cross, 5).refused(RejectCode::SymbolStatus);
    desk.add_margin(101, symbol, 1).refused(RejectCode::SymbolStatus);
    desk.status(symbol, SymbolStatus::Trading).refused(RejectCode::BadConfig);
}

/// An isolated profit or a loss within M goes to the wallet; another cross position keeps a wallet below zero, and its
/// bucket is looked at afterwards.
pub fn settlement_margins(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[101, 102, 199], "100000");
    desk.traders(&[100], "1100");
    desk.fund(INSURANCE, usdt("10000"));
    let (symbol, other) = (desk.plain(|_| {}), desk.plain(|_| {}));
    desk.mark(symbol, 100);
    desk.mark(other, 100);
    desk.isolate(101, symbol, 20);
    desk.isolate(102, symbol, 20);
    desk.short(101, 199, symbol, 100, 100);
    desk.long(102, 199, symbol, 100, 100);
    desk.long(100, 199, symbol, 100, 100);
    desk.long(100, 199, other, 100, 100);
    let settled = desk.settle(symbol, 95);
    let realized: Vec<_> = settled.realized().into_iter().filter(|r| r.1 == 4).collect();
    let expected = [
        (100, 4, 100, usdt("-500")),
        (101, 4, 100, usdt("500")),
        (102, 4, 100, usdt("-500")),
        (199, 4, 100, usdt("500")),
    ];
    assert_eq!(realized, expected);
    assert_eq!((desk.wallet(101), desk.wallet(102)), (usdt("100500"), usdt("99500")));
    assert_eq!(settled.stages(), [], "E of 100 is 600");

    let third = desk.plain(|_| {});
    desk.mark(third, 100);
    desk.long(100, 199, third, 100, 10);
    let settled = desk.settle(third, 45);
    let stage = settled.stages()[0];
    assert_eq!((stage.account, stage.equity, stage.position), (100, usdt("50"), 100), "600 − 550 ≤ 100");
    assert_eq!((stage.bankruptcy, settled.taken()[0].fund), (100, 100), "⌈(10,000 − 50) / 100⌉ = ⌈99.5⌉");
    // A cross position was left at the settlement, so nothing was lacking; the takeover at 100 leaves the 50.
    assert_eq!(settled.funds(), [(100, FundReason::Residual, usdt("50"), 0)]);
    assert_eq!(desk.wallet(100), 0);
}

/// The uncross of a perpetual: REALIZED with role 3, the buy first; both pay the taker's rate; open interest in
/// PRE_OPEN.
pub fn perpetual_uncross(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 199], "100000");
    let symbol = desk.plain(|p| (p.taker, p.band, p.max_position) = (Rate(100_000), Rate(1_000_000), Qty(100)));
    desk.mark(symbol, 100);
    desk.long(100, 101, symbol, 100, 10);
    desk.status(symbol, SymbolStatus::PreOpen);
    // No band; 212 with the open lots of the side: 10 of interest and 90 more.
    let (buy, hold) = desk.place(limit(101, symbol, Side::Buy, 110, 10)).accepted();
    assert_eq!(hold, usdt("101.1"), "10 of loss per lot, and 0.1 % of 1,100");
    desk.place(limit(102, symbol, Side::Buy, 50, 81)).refused(RejectCode::PositionLimit);
    desk.place(limit(102, symbol, Side::Buy, 50, 80)).accepted();
    desk.place(limit(102, symbol, Side::Sell, 150, 91)).refused(RejectCode::PositionLimit);
    let (sell, _) = desk.place(limit(100, symbol, Side::Sell, 110, 10)).accepted();
    let open = desk.status(symbol, SymbolStatus::Trading);
    assert_eq!(open.story(), ["Status", "Trade", "Realized", "Realized", "Done", "Done"]);
    assert_eq!(open.fills(), [(110, 10)]);
    assert_eq!(open.realized(), [(101, 3, 10, usdt("-100")), (100, 3, 10, usdt("100"))]);
    let trade = open.trades()[0];
    assert_eq!((trade.taker_order, trade.maker_order, trade.header.b), (buy, sell, 2));
    assert_eq!((trade.taker_fee.0, trade.maker_fee.0), (usdt("1.1"), usdt("1.1")));
}

/// SET_PERPETUAL: what is inconsistent (603), and what may change.
pub fn perpetual_configuration(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let spot_symbol = desk.symbol(|_| {});
    let symbol = desk.perpetual(|_| {});
    let same = perpetual(symbol);
    assert_eq!(desk.send(&same).names(), ["Config"]);
    let changes: &[fn(&mut SetPerpetual)] = &[
        |s| s.symbol = SymbolId(0),
        |s| s.symbol = SymbolId(1),
        |s| s.kind = SymbolKind::Spot.code(),
        |s| s.kind = 3,
        |s| s.fee_model = 2,
        |s| s.quote = AssetId(77),
        |s| s.quote = s.base,
        |s| s.base_lot = Amount(0),
        |s| s.base_lot = Amount(100_001),
        |s| s.quote_per_tick_lot = Amount(10_001),
        |s| s.name = name_field("OTHER").expect("short"),
        |s| s.min_price = Price(0),
        |s| s.taker = Rate(100_000_000),
        |s| s.band = Rate(-1),
        |s| s.stp = 0,
        |s| s.max_position = Qty(0),
        |s| s.max_position = Qty((1 << 62) / 10_000_000 / 10_000 + 1),
        |s| s.mark_max_age = 0,
        |s| s.mark_max_age = (1 << 62) + 1,
        |s| s.mark_jump = Rate(-1),
        |s| s.mark_jump = Rate(100_000_000),
        |s| s.funding_cap = Rate(-1),
        |s| s.funding_cap = Rate(100_000_000),
        |s| s.liquidation_fee = Rate(-1),
        |s| s.liquidation_fee = Rate(100_000_000),
        |s| s.funding_interval = 0,
        |s| s.funding_interval = (1 << 62) + 1,
        |s| s.fund_multiple = Rate(-1),
        |s| s.fund_multiple = Rate((1 << 62) + 1),
        |s| s.max_leverage = 0,
        |s| s.mark_confirmations = 0,
        |s| s.reduce_only = 2,
        |s| s.tiers = 0,
        |s| s.tiers = 9,
        |s| s.tiers = 4,
        |s| s.tiers = 6,
        |s| s.tier_cap[5] = Amount(1),
        |s| s.tier_leverage[7] = 1,
        |s| s.tier_cap[0] = Amount(0),
        |s| s.tier_cap[1] = s.tier_cap[0],
        |s| s.tier_cap[4] = Amount((1 << 62) + 1),
        |s| s.tier_rate[0] = Rate(0),
        |s| s.tier_rate[1] = Rate(399_999),
        |s| s.tier_rate[4] = Rate(100_000_000),
        |s| s.tier_amount[0] = Amount(1),
        |s| s.tier_amount[2] = Amount(usdt("1300") + 1),
        |s| s.tier_leverage[2] = 0,
        |s| s.tier_leverage[0] = 250,
        |s| s.tier_leverage[4] = 20,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut message = same;
        change(&mut message);
        assert_eq!(desk.send(&message).code(), RejectCode::BadConfig.code(), "change {number}");
    }
    let good: &[fn(&mut SetPerpetual)] = &[
        |s| s.max_position = Qty((1 << 62) / 10_000_000 / 10_000),
        |s| (s.mark_max_age, s.funding_interval) = (1 << 62, 1 << 62),
        |s| (s.mark_jump, s.funding_cap, s.liquidation_fee, s.fund_multiple) = (Rate(0), Rate(0), Rate(0), Rate(0)),
        |s| s.fund_multiple = Rate(1 << 62),
        |s| s.tier_leverage[0] = 249,
        |s| s.tier_cap[4] = Amount(1 << 62),
        |s| s.max_leverage = 1_000,
        |s| s.status = 0,
    ];
    for (number, change) in good.iter().enumerate() {
        let mut message = same;
        change(&mut message);
        assert_eq!(desk.send(&message).names(), ["Config"], "change {number}");
    }
    // A perpetual's id is not a spot symbol's, nor the other way round.
    desk.send(&spot(symbol)).refused(RejectCode::BadConfig);
    desk.send(&SetPerpetual { name: spot(spot_symbol).name, ..perpetual(spot_symbol) }).refused(RejectCode::BadConfig);
    desk.send(&SetPerpetual { status: SymbolStatus::Closed.code(), ..perpetual(9) }).refused(RejectCode::BadConfig);
    desk.status(symbol, SymbolStatus::Closed).refused(RejectCode::BadConfig);

    // E34's bound with the open interest of the moment in place of a smaller max_position.
    desk.traders(&[100, 101], "10000000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.long(100, 101, symbol, 100, 90_000);
    let bound = (1 << 62) / 100_000_000 / 90_000; // 512,409 ticks with 90,000 lots.
    let lower = SetPerpetual { max_position: Qty(1), max_quantity: Qty(1), max_price: Price(bound), ..plain(symbol) };
    let lower = SetPerpetual { max_market_quantity: Qty(1), ..lower };
    desk.send(&SetPerpetual { max_price: Price(bound + 1), ..lower }).refused(RejectCode::BadConfig);
    assert_eq!(desk.send(&lower).names(), ["Config"]);
    // A trade of a perpetual cannot be taken back.
    let bust = BustTrade { trade: TradeId(1), symbol: SymbolId(symbol), ..BustTrade::new(0) };
    let bust = BustTrade { price: Price(100), quantity: Qty(90_000), sequence: Sequence(1), ..bust };
    desk.send(&BustTrade { buyer: AccountId(100), seller: AccountId(101), ..bust }).refused(RejectCode::BadTrade);
}

/// New tiers show with the next mark, not before.
pub fn new_tiers(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "100000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 100);
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, 100, 100);
    let mut message = plain(symbol);
    (message.tier_rate[0], message.tier_leverage[0]) = (Rate(5_000_000), 19);
    assert_eq!(desk.send(&message).story(), ["Config"]);
    let mark = desk.mark(symbol, 100);
    assert_eq!((mark.stages()[0].equity, mark.stages()[0].account), (usdt("500"), 100), "500 ≤ 5 % of 10,000");
}

/// SET_POSITION_LIMIT and 212: the account's limit, `max_position`, open interest; reduce-only orders are free of them.
pub fn position_limits(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 199], "100000");
    let spot = desk.symbol(|_| {});
    let symbol = desk.plain(|p| p.max_position = Qty(100));
    desk.mark(symbol, 100);
    desk.position_limit(100, 99, 5).refused(RejectCode::UnknownSymbol);
    desk.position_limit(100, spot, 5).refused(RejectCode::UnknownSymbol);
    desk.position_limit(15, symbol, 5).refused(RejectCode::BadConfig);
    desk.position_limit(999, symbol, 5).refused(RejectCode::BadConfig);
    desk.position_limit(100, symbol, -1).refused(RejectCode::BadConfig);
    assert_eq!(desk.position_limit(100, symbol, 50).story(), ["Config"]);
    let limited = RejectCode::PositionLimit;
    desk.place(limit(100, symbol, Side::Buy, 90, 51)).refused(limited);
    desk.long(100, 199, symbol, 100, 30);
    desk.place(limit(100, symbol, Side::Buy, 90, 21)).refused(limited);
    let (order, _) = desk.place(limit(100, symbol, Side::Buy, 90, 15)).accepted();
    desk.place(limit(100, symbol, Side::Buy, 90, 6)).refused(limited);
    desk.place(limit(100, symbol, Side::Buy, 90, 5)).accepted();
    // |Q| counts for both sides: 30 and 20 lots of sales are the limit, though they would close.
    desk.place(limit(100, symbol, Side::Sell, 110, 21)).refused(limited);
    desk.place(limit(100, symbol, Side::Sell, 110, 20)).accepted();
    desk.place(reduce_only(limit(100, symbol, Side::Sell, 110, 30))).accepted();
    let (waits, _) = desk.place(stop(limit(100, symbol, Side::Buy, 95, 99), FallsTo, 95)).accepted();
    desk.cancel(100, waits);
    // An amendment that queues anew is a new order; one that keeps its place is not.
    desk.amend(100, order, 0, 16).refused(limited);
    assert_eq!(desk.position_limit(100, symbol, 5).story(), ["Config"]);
    assert_eq!(desk.amend(100, order, 0, 14).story(), ["Amended"]);
    desk.amend(100, order, 91, 14).refused(limited);
    // Removed: `max_position` holds; open interest is 30, so nobody may buy or sell more than 70.
    desk.position_limit(100, symbol, 0);
    desk.place(limit(100, symbol, Side::Buy, 90, 52)).refused(limited);
    desk.place(limit(101, symbol, Side::Buy, 80, 71)).refused(limited);
    desk.place(limit(101, symbol, Side::Sell, 120, 71)).refused(limited);
    desk.place(limit(101, symbol, Side::Buy, 80, 70)).accepted();
    desk.place(limit(102, symbol, Side::Sell, 120, 70)).accepted();
}

/// SET_LEVERAGE: mode and leverage, what is refused, and in which order.
pub fn leverage(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "5100");
    desk.fund(199, usdt("1000000"));
    let spot = desk.symbol(|_| {});
    let symbol = desk.perpetual(|p| p.taker = Rate(0));
    let low = desk.perpetual(|p| p.max_leverage = 10);
    let (cross, isolated) = (MarginMode::Cross, MarginMode::Isolated);
    let range = RejectCode::LeverageRange;
    desk.leverage(15, symbol, cross, 5).refused(RejectCode::UnknownAccount);
    desk.leverage(100, 99, cross, 5).refused(RejectCode::UnknownSymbol);
    desk.leverage(100, spot, cross, 5).refused(RejectCode::UnknownSymbol);
    for wrong in [0, 126] {
        desk.leverage(100, symbol, cross, wrong).refused(range);
        desk.leverage(100, symbol, isolated, wrong).refused(range);
    }
    // Nobody set anything: CROSS, min(20, max_leverage). The same again is accepted and changes nothing.
    assert_eq!(desk.leverage(100, symbol, cross, 20).names(), ["Config"]);
    assert_eq!(desk.leverage(100, low, cross, 10).names(), ["Config"]);
    assert_eq!(desk.leverage(100, symbol, isolated, 10).names(), ["Config", "Position"]);
    assert_eq!(desk.terms(100, symbol), Some((isolated, 10)));
    assert_eq!(desk.leverage(100, symbol, isolated, 10).names(), ["Config"]);

    // A waiting stop order is enough to fix the mode, and the leverage of an isolated symbol.
    desk.mark(symbol, at("50000"));
    let waits = close_position(100, symbol, Side::Sell, FallsTo, at("40000"));
    let (waits, _) = desk.place(waits).accepted();
    desk.leverage(100, symbol, cross, 10).refused(RejectCode::HasPositionOrOrders);
    desk.leverage(100, symbol, isolated, 11).refused(RejectCode::HasPositionOrOrders);
    desk.leverage(100, symbol, isolated, 126).refused(RejectCode::HasPositionOrOrders);
    assert_eq!(desk.leverage(100, symbol, isolated, 10).names(), ["Config"]);
    desk.cancel(100, waits);
    desk.cross(100, symbol, 20);

    // Cross with a position: margin (301) where it rises, the tier (302) where the leverage does.
    desk.long(100, 199, symbol, at("50000"), 1_000);
    desk.leverage(100, symbol, isolated, 20).refused(RejectCode::HasPositionOrOrders);
    desk.leverage(100, symbol, cross, 9).refused(RejectCode::InsufficientMargin);
    desk.cross(100, symbol, 10);
    assert_eq!(desk.terms(100, symbol), Some((cross, 10)));
    desk.cross(100, symbol, 125);
    desk.cross(100, symbol, 50);
    desk.mark(symbol, at("50000.1"));
    desk.leverage(100, symbol, cross, 101).refused(RejectCode::TierLeverage);
    desk.cross(100, symbol, 100);
    // The larger side decides, as for orders: a buy of 4 BTC more brings 250,000.1.
    desk.place(limit(100, symbol, Side::Buy, at("50000"), 4_000)).refused(RejectCode::TierLeverage);
    desk.cross(100, symbol, 50);
    desk.place(limit(100, symbol, Side::Buy, at("50000"), 4_000)).accepted();
    desk.leverage(100, symbol, cross, 51).refused(RejectCode::TierLeverage);
}
