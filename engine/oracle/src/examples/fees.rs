//! E01, E02, E03, E05: fees, holds and carries. Amounts are units of scale 8 unless the example says otherwise.

use crate::Exchange;
use crate::scenario::{BTC, Desk, USDT, ioc, limit};
use ringbook_wire::{AccountId, Amount, EndReason, FeeModel, OrderState, Rate, RejectCode, Side};

const FEES: u32 = AccountId::FEES.0;

/// E01: fees per lot, the numbers of exchange-core's ITFeesExchange.
pub fn e01(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.symbol(|s| {
        s.fee_model = FeeModel::PerLot.code();
        s.base_lot = Amount(1_000_000);
        s.quote_per_tick_lot = Amount(10_000);
        s.taker = Rate(1_900);
        s.maker = Rate(700);
    });
    // Buy 30 @ 11,400 is covered by 3,420,057,000 and not by one unit less.
    desk.account(100, 0);
    desk.deposit(100, USDT, 3_420_000_000);
    desk.place(limit(100, symbol, Side::Buy, 11_400, 30)).refused(RejectCode::InsufficientBalance);
    desk.deposit(100, USDT, 56_999);
    desk.place(limit(100, symbol, Side::Buy, 11_400, 30)).refused(RejectCode::InsufficientBalance);
    desk.deposit(100, USDT, 1);
    let (_, hold) = desk.place(limit(100, symbol, Side::Buy, 11_400, 30)).accepted();
    assert_eq!(hold, 30 * (114_000_000 + 1_900));
    assert_eq!(desk.balance(100, USDT), (0, 3_420_057_000));
    desk.cancel_all(100);
    desk.withdraw(100, USDT, 3_420_057_000);

    desk.account(101, 0);
    desk.account(102, 0);
    desk.deposit(101, USDT, 200_000_000_000);
    desk.deposit(102, BTC, 2_000_000_000);
    let bid = desk.place(limit(101, symbol, Side::Buy, 11_500, 1_731));
    assert_eq!(bid.accepted().1, 199_068_288_900);
    let sell = desk.place(ioc(102, symbol, Side::Sell, 11_493, 2_000));
    let (order, _) = sell.accepted();
    assert_eq!(sell.fills(), [(11_500, 1_731)]);
    assert_eq!(sell.names(), ["Accepted", "Trade", "Done", "Expired", "Done"]);
    assert_eq!(sell.end(order), Some((OrderState::Expired.code(), EndReason::Ioc.code(), 269)));
    assert_eq!(desk.balance(101, USDT), (933_788_300, 0));
    assert_eq!(desk.balance(101, BTC), (1_731_000_000, 0));
    assert_eq!(desk.balance(102, USDT), (199_061_711_100, 0));
    assert_eq!(desk.balance(102, BTC), (269_000_000, 0));
    assert_eq!(desk.balance(FEES, USDT), (4_500_600, 0));
    let quote: i64 = [100, 101, 102, FEES].map(|account| desk.balance(account, USDT).0).iter().sum();
    assert_eq!(quote, 200_000_000_000);
}

/// E02: a buy that fills first as taker below its limit, then as maker; every release.
pub fn e02(exchange: &mut dyn Exchange) {
    let units = 100_000_000;
    let mut desk = Desk::new(exchange);
    let symbol = desk.symbol(|s| {
        s.taker = Rate(100_000);
        s.maker = Rate(80_000);
    });
    desk.rich(&[101]);
    desk.account(100, 0);
    desk.deposit(100, USDT, 20_000 * units);
    desk.place(limit(101, symbol, Side::Sell, 2_999_000, 20_000)).accepted();

    let buy = desk.place(limit(100, symbol, Side::Buy, 3_000_000, 50_000));
    let (order, hold) = buy.accepted();
    assert_eq!(hold, 15_015 * units);
    assert_eq!(buy.fills(), [(2_999_000, 20_000)]);
    assert_eq!(buy.trades()[0].taker_cost.0, 5_998 * units);
    assert_eq!(buy.trades()[0].taker_fee.0, 599_800_000);
    let spent_and_release = 5_998 * units + 599_800_000 + 200_200_000;
    assert_eq!(desk.balance(100, USDT).1, 9_009 * units);
    assert_eq!(hold - desk.balance(100, USDT).1, spent_and_release);
    assert_eq!(desk.balance(100, USDT).0, (20_000 - 15_015) * units + 200_200_000);

    let sell = desk.place(limit(101, symbol, Side::Sell, 3_000_000, 30_000));
    assert_eq!(sell.fills(), [(3_000_000, 30_000)]);
    assert_eq!(sell.trades()[0].maker_fee.0, 720_000_000);
    let done = sell.done(order).expect("filled");
    assert_eq!((done.header.a, done.returned.0, done.remaining.0), (OrderState::Filled.code(), 0, 0));
    assert_eq!(done.cost.0 + done.fee.0, 1_501_119_800_000);
    assert_eq!(desk.balance(100, USDT), (20_000 * units - 1_501_119_800_000, 0));
    let release = desk.balance(100, USDT).0 - ((20_000 - 15_015) * units + 200_200_000);
    assert_eq!(release, 180_000_000);
    assert_eq!(desk.balance(100, BTC), (50_000 * 1_000, 0));
}

/// E03: the carry makes three fees the ceiling of their sum.
pub fn e03(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.symbol(|s| {
        s.quote_per_tick_lot = Amount(1_010);
        s.max_price.0 = 1_000;
        s.taker = Rate(100_000);
        s.maker = Rate(100_000);
    });
    desk.rich(&[101]);
    desk.account(100, 0);
    desk.deposit(100, USDT, 3_034);
    let (order, hold) = desk.place(limit(100, symbol, Side::Buy, 1, 3)).accepted();
    assert_eq!(hold, 3_034);
    let mut held = 3_034;
    for fee in [2, 1, 1] {
        let sell = desk.place(limit(101, symbol, Side::Sell, 1, 1));
        assert_eq!(sell.trades()[0].maker_fee.0, fee);
        held -= 1_010 + fee;
        assert_eq!(desk.balance(100, USDT), (0, held), "nothing is released");
        if held == 0 {
            assert_eq!(sell.done(order).expect("filled").fee.0, 4);
        }
    }
    assert_eq!(held, 0);
}

/// E05: a rebate, and its carry.
pub fn e05(exchange: &mut dyn Exchange) {
    let units = 100_000_000;
    let mut desk = Desk::new(exchange);
    let symbol = desk.symbol(|s| {
        s.taker = Rate(100_000);
        s.maker = Rate(-10_000);
    });
    desk.account(100, 0);
    desk.account(101, 0);
    desk.deposit(100, USDT, 600_399_800_000);
    desk.deposit(101, BTC, 20_000 * 1_000);
    desk.place(limit(100, symbol, Side::Buy, 2_999_000, 20_000)).accepted();
    desk.place(limit(101, symbol, Side::Sell, 2_999_000, 20_000)).accepted();
    assert_eq!(desk.balance(101, USDT).0, 599_200_200_000);
    assert_eq!(desk.balance(100, USDT), (600_399_800_000 - 5_998 * units + 59_980_000, 0));
    assert_eq!(desk.balance(FEES, USDT).0, 539_820_000);

    let small = desk.symbol(|s| {
        s.quote_per_tick_lot = Amount(1_010);
        s.max_price.0 = 1_000;
        s.taker = Rate(100_000);
        s.maker = Rate(-10_000);
    });
    desk.rich(&[102, 103]);
    desk.place(limit(102, small, Side::Sell, 1, 10)).accepted();
    for fill in 1..=10 {
        let buy = desk.place(limit(103, small, Side::Buy, 1, 1));
        assert_eq!(buy.trades()[0].maker_fee.0, if fill < 10 { 0 } else { -1 }, "fill {fill}");
    }
}
