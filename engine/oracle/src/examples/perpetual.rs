//! E15, E16, E26, E29, E31, E32 and the end of E36: fills, reserves, funding, trimming, margin.

use crate::Exchange;
use crate::scenario::{Desk, ONE, ioc, limit};
use ringbook_event::Event;
use ringbook_wire::message::{AdjustMargin, Funding, Message, NewOrder};
use ringbook_wire::{AccountId, Amount, MarginMode, Qty, RATE_ONE, Rate, RejectCode, Side, SymbolId, order_flags};

/// Plenty.
const RICH: i64 = 10_000_000 * ONE;
/// 0.05 %.
const TAKER: Rate = Rate(50_000);

fn reduce_only(order: NewOrder) -> NewOrder {
    NewOrder { flags: order.flags | order_flags::REDUCE_ONLY, ..order }
}

/// A trade at an empty book between two accounts.
#[track_caller]
pub(super) fn meet(desk: &mut Desk<'_>, seller: u32, buyer: u32, symbol: u32, price: i64, lots: i64) {
    desk.place(limit(seller, symbol, Side::Sell, price, lots)).accepted();
    assert_eq!(desk.place(ioc(buyer, symbol, Side::Buy, price, lots)).fills(), [(price, lots)]);
}

/// E15: a fill that turns a position closes it and opens another.
pub fn e15(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|s| s.taker = TAKER);
    desk.trader(100, RICH);
    desk.trader(101, RICH);
    desk.mark(symbol, 300_000);
    meet(&mut desk, 100, 101, symbol, 300_000, 2_000);
    // A taker without fee buys, so that 101 is the taker again.
    desk.place(limit(100, symbol, Side::Buy, 310_000, 3_000)).accepted();
    let before = desk.futures(101);
    let sale = desk.place(ioc(101, symbol, Side::Sell, 310_000, 3_000));
    assert_eq!(sale.trades()[0].taker_fee.0, 4_650_000_000);
    assert_eq!(desk.futures(101) - before, 2_000 * ONE - 4_650_000_000);
    let held = desk.held(101, symbol);
    assert_eq!((held.quantity, held.cost), (-1_000, -31_000 * ONE));
}

/// E16: the reserves of an order to open.
pub fn e16(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|s| {
        s.quote_per_tick_lot = Amount(1_000);
        s.taker = TAKER;
    });
    desk.trader(100, RICH);
    desk.trader(101, RICH);
    desk.mark(symbol, 925_984);
    desk.place(limit(101, symbol, Side::Buy, 925_899, 1)).accepted();
    let buy = desk.place(limit(100, symbol, Side::Buy, 925_330, 1_000));
    assert_eq!(buy.accepted().1, 462_665_000);
    desk.cancel_all(100);
    let sell = desk.place(limit(100, symbol, Side::Sell, 925_330, 1_000));
    assert_eq!(sell.accepted().1, 462_992_000 + 654_000_000);
}

/// E26: funding leaves a unit of dust.
pub fn e26(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|_| {});
    for account in 100..104 {
        desk.trader(account, RICH);
    }
    desk.mark(symbol, 432_107);
    meet(&mut desk, 102, 100, symbol, 432_107, 1_234);
    meet(&mut desk, 102, 101, symbol, 432_107, 766);
    meet(&mut desk, 103, 101, symbol, 432_107, 11);
    let funding = Funding { symbol: SymbolId(symbol), rate: Rate(12_300), index: 1, ..Funding::new(0) };
    let outcome = desk.send(&funding);
    let payments: Vec<(i64, i64)> = outcome
        .0
        .iter()
        .filter_map(|event| if let Event::Funding(e) = event { Some((e.quantity.0, e.payment.0)) } else { None })
        .collect();
    let expected = [(1_234, 655_860_647), (777, 412_968_981), (-2_000, -1_062_983_220), (-11, -5_846_407)];
    assert_eq!(payments, expected);
    assert_eq!(desk.futures(AccountId::ROUNDING.0), 1);
    desk.send(&funding).refused(RejectCode::FundingTime);
}

/// E29: reduce-only orders are trimmed to the position, best price first.
pub fn e29(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|_| {});
    desk.trader(100, RICH);
    desk.trader(101, RICH);
    desk.mark(symbol, 150_000);
    meet(&mut desk, 100, 101, symbol, 150_000, 100);
    let (first, _) = desk.place(reduce_only(limit(101, symbol, Side::Sell, 170_000, 80))).accepted();
    let (second, _) = desk.place(reduce_only(limit(101, symbol, Side::Sell, 180_000, 20))).accepted();
    let outcome = desk.place(reduce_only(limit(101, symbol, Side::Sell, 160_000, 50)));
    assert_eq!(outcome.names(), ["Accepted", "Amended", "Expired", "Done"]);
    let Event::Amended(amended) = outcome.0[1] else { panic!("{:#?}", outcome.0) };
    assert_eq!((amended.order, amended.remaining, amended.cut), (first, Qty(50), Qty(30)));
    assert_eq!(outcome.expired()[0].0, second);
    desk.place(reduce_only(limit(101, symbol, Side::Buy, 140_000, 1))).refused(RejectCode::ReduceOnly);
}

/// E31: what an order needs, and the tier that its size needs.
pub fn e31(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|s| s.taker = TAKER);
    desk.mark(symbol, 500_000);
    desk.trader(100, 219_780_000_000 - 1);
    desk.leverage(100, symbol, MarginMode::Cross, 125);
    desk.place(limit(100, symbol, Side::Buy, 520_000, 900)).refused(RejectCode::InsufficientMargin);
    desk.fund_futures(100, 1);
    desk.place(limit(100, symbol, Side::Buy, 520_000, 900)).accepted();
    desk.cancel_all(100);
    desk.fund_futures(100, RICH);
    desk.place(limit(100, symbol, Side::Buy, 520_000, 1_000)).refused(RejectCode::TierLeverage);
    desk.trader(101, 38_250_000_000 - 1);
    desk.leverage(101, symbol, MarginMode::Cross, 125);
    desk.place(limit(101, symbol, Side::Buy, 500_000, 900)).refused(RejectCode::InsufficientMargin);
    desk.fund_futures(101, 1);
    desk.place(limit(101, symbol, Side::Buy, 500_000, 900)).accepted();
    // Isolated: what closes the position needs no margin.
    desk.trader(102, RICH);
    desk.trader(103, 6_000 * ONE);
    desk.leverage(103, symbol, MarginMode::Isolated, 10);
    desk.place(limit(102, symbol, Side::Buy, 500_000, 400)).accepted();
    desk.cancel_all(101);
    assert_eq!(desk.place(ioc(103, symbol, Side::Sell, 500_000, 400)).fills(), [(500_000, 400)]);
    let wallet = desk.futures(103);
    desk.place(limit(103, symbol, Side::Buy, 500_000, 300)).accepted();
    assert_eq!(desk.transfer(103, 2, wallet + 1).code(), RejectCode::InsufficientMargin.code());
    let (_, reserve) = desk.place(limit(103, symbol, Side::Buy, 490_000, 500)).accepted();
    // inc is 400 lots, the highest price 50,000: hold 2,000; both reserves count now.
    let first_reserve = 750_000_000;
    let free = wallet - 2_000 * ONE - reserve - first_reserve;
    desk.transfer(103, 2, free + 1).refused(RejectCode::InsufficientMargin);
    assert_eq!(desk.transfer(103, 2, free).names(), ["Transfer"]);
}

/// E32: what a fill does to isolated margin.
pub fn e32(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|_| {});
    desk.trader(100, RICH);
    desk.trader(101, 15_100 * ONE);
    desk.trader(102, 2_520 * ONE);
    desk.leverage(101, symbol, MarginMode::Isolated, 10);
    desk.leverage(102, symbol, MarginMode::Isolated, 20);
    desk.mark(symbol, 500_000);
    meet(&mut desk, 100, 101, symbol, 500_000, 3_000);
    assert_eq!((desk.held(101, symbol).margin, desk.futures(101)), (15_000 * ONE, 100 * ONE));
    meet(&mut desk, 100, 102, symbol, 500_000, 1_000);
    assert_eq!((desk.held(102, symbol).margin, desk.futures(102)), (2_500 * ONE, 20 * ONE));
    let mut terms = crate::scenario::perpetual(symbol);
    terms.taker = TAKER;
    desk.send(&terms);

    desk.place(limit(100, symbol, Side::Buy, 510_000, 1_000)).accepted();
    assert_eq!(desk.place(ioc(101, symbol, Side::Sell, 510_000, 1_000)).fills(), [(510_000, 1_000)]);
    assert_eq!((desk.held(101, symbol).margin, desk.futures(101)), (10_000 * ONE, 607_450_000_000));

    desk.mark(symbol, 478_000);
    desk.place(limit(100, symbol, Side::Buy, 474_000, 500)).accepted();
    let sale = desk.place(ioc(102, symbol, Side::Sell, 474_000, 500));
    assert_eq!((sale.accepted().1, sale.fills()), (21_195_000_000, vec![(474_000, 500)]));
    assert_eq!((desk.held(102, symbol).margin, desk.futures(102)), (1_200 * ONE, 815_000_000));
    assert!(!sale.names().contains(&"Liquidation"));
}

/// The end of E36: what can be taken out of an isolated position; and the band around the mark.
pub fn removable(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|s| s.band = Rate(RATE_ONE / 20));
    desk.trader(100, RICH);
    desk.trader(101, 15_000 * ONE);
    desk.leverage(101, symbol, MarginMode::Isolated, 10);
    desk.mark(symbol, 500_000);
    meet(&mut desk, 100, 101, symbol, 500_000, 3_000);
    desk.mark(symbol, 520_000);
    let take = |amount: i64, adjustment: u64| AdjustMargin {
        account: AccountId(101),
        symbol: SymbolId(symbol),
        adjustment,
        amount: Amount(amount),
        direction: 2,
        ..AdjustMargin::new(0)
    };
    desk.send(&take(5_400 * ONE + 1, 100)).refused(RejectCode::InsufficientMargin);
    assert_eq!(desk.send(&take(5_400 * ONE, 101)).names(), ["Transfer", "Position"]);
    assert_eq!((desk.held(101, symbol).margin, desk.futures(101)), (9_600 * ONE, 5_400 * ONE));

    desk.mark(symbol, 432_107);
    desk.place(limit(100, symbol, Side::Buy, 453_713, 1)).refused(RejectCode::PriceBand);
    desk.place(limit(100, symbol, Side::Buy, 453_712, 1)).accepted();
    desk.cancel_all(100);
    desk.place(limit(100, symbol, Side::Sell, 410_501, 1)).refused(RejectCode::PriceBand);
    desk.place(limit(100, symbol, Side::Sell, 410_502, 1)).accepted();
}
