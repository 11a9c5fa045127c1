//! E04, and how budget orders end: budget, liquidity, protection, self-trade prevention.

use crate::Exchange;
use crate::scenario::{Desk, USDT, budget, limit, with_stp};
use ringbook_event::{Event, Prevented};
use ringbook_wire::{EndReason, OrderState, OrderType, Rate, RejectCode, Side, StpMode};

/// E04: two levels, and change that does not buy a lot.
pub fn e04(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[101]);
    desk.account(100, 0);
    desk.deposit(100, USDT, 200_000_000_000);
    let symbol = desk.symbol(|s| s.taker = Rate(100_000));
    desk.place(limit(101, symbol, Side::Sell, 3_000_000, 1_000)).accepted();
    let (second, _) = desk.place(limit(101, symbol, Side::Sell, 3_001_000, 5_000)).accepted();
    let buy = desk.place(budget(100, symbol, 100_000_000_000));
    let Event::Accepted(accepted) = buy.0[0] else { panic!("{buy:?}") };
    let (order, price) = (accepted.order, accepted.price.0);
    assert_eq!((price, accepted.quantity.0, accepted.hold.0), (3_030_000, 0, 100_000_000_000));
    assert_eq!(accepted.header.b, OrderType::Market.code());
    assert_eq!(buy.fills(), [(3_000_000, 1_000), (3_001_000, 2_329)]);
    let trades = buy.trades();
    assert_eq!((trades[0].taker_cost.0, trades[0].taker_fee.0), (30_000_000_000, 30_000_000), "300 and 0.3");
    assert_eq!(trades[1].taker_cost.0 - trades[0].taker_cost.0, 69_893_290_000, "698.9329");
    assert_eq!(trades[1].taker_fee.0, 69_893_290, "0.6989329");
    assert!(trades.iter().all(|trade| trade.taker_remaining.0 == 0));
    let done = buy.done(order).expect("it ends");
    assert_eq!((done.header.a, done.header.b, done.filled.0), (OrderState::Filled.code(), 0, 3_329));
    assert_eq!((done.returned.0, done.remaining.0), (6_816_710, 0), "0.0681671");
    assert_eq!(desk.balance(100, USDT), (100_000_000_000 + 6_816_710, 0));
    assert_eq!(trades[1].maker_order, second);

    // At 30,000 alone the budget buys 3,330 lots.
    let symbol = desk.symbol(|s| s.taker = Rate(100_000));
    desk.place(limit(101, symbol, Side::Sell, 3_000_000, 9_000)).accepted();
    let buy = desk.place(budget(100, symbol, 100_000_000_000));
    assert_eq!(buy.fills(), [(3_000_000, 3_330)]);
}

/// BUDGET, FILLED to the last unit, NO_LIQUIDITY and PROTECTION, the last two also after fills; 203.
pub fn budget_ends(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|s| s.min_notional.0 = 500);
    let expired = |reason: EndReason| Some((OrderState::Expired.code(), reason.code(), 0));
    let filled = Some((OrderState::Filled.code(), 0, 0));

    let buy = desk.place(budget(100, symbol, 5_000));
    assert_eq!(buy.accepted().1, 0, "nothing to trade with: nothing held");
    assert_eq!(buy.end(buy.accepted().0), expired(EndReason::NoLiquidity));

    desk.place(limit(101, symbol, Side::Sell, 100, 5)).accepted();
    desk.place(budget(100, symbol, 499)).refused(RejectCode::Notional);
    let buy = desk.place(budget(100, symbol, 999));
    assert_eq!(buy.names(), ["Accepted", "Expired", "Done"]);
    assert_eq!(buy.end(buy.accepted().0), expired(EndReason::Budget));
    assert_eq!(buy.done(buy.accepted().0).map(|done| done.returned.0), Some(999));

    let buy = desk.place(budget(100, symbol, 2_000));
    assert_eq!((buy.fills(), buy.end(buy.accepted().0)), (vec![(100, 2)], filled), "exactly");
    let buy = desk.place(budget(100, symbol, 3_000));
    assert_eq!(buy.names(), ["Accepted", "Trade", "Done", "Done"]);
    assert_eq!(buy.end(buy.accepted().0), filled, "nothing of the budget is left, and nothing of the book");

    desk.place(limit(101, symbol, Side::Sell, 100, 5)).accepted();
    let buy = desk.place(budget(100, symbol, 5_001));
    assert_eq!(buy.names(), ["Accepted", "Trade", "Done", "Expired", "Done"]);
    let done = buy.done(buy.accepted().0).expect("it ends");
    assert_eq!((done.header.b, done.filled.0, done.returned.0), (EndReason::NoLiquidity.code(), 5, 1));

    desk.place(limit(101, symbol, Side::Sell, 100, 5)).accepted();
    desk.place(limit(101, symbol, Side::Sell, 102, 5)).accepted();
    let buy = desk.place(budget(100, symbol, 9_000));
    assert_eq!((buy.fills(), buy.end(buy.accepted().0)), (vec![(100, 5)], expired(EndReason::Protection)));
    assert_eq!(desk.balance(100, USDT).1, 0);
}

/// Self-trade prevention of an order that does not know its lots.
pub fn budget_stp(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let stp = Some((OrderState::ExpiredStp.code(), EndReason::Stp.code(), 0));
    for mode in [StpMode::CancelTaker, StpMode::CancelMaker, StpMode::CancelBoth, StpMode::None] {
        let symbol = desk.symbol(|_| {});
        desk.place(limit(101, symbol, Side::Sell, 100, 2)).accepted();
        let (own, _) = desk.place(limit(100, symbol, Side::Sell, 100, 3)).accepted();
        desk.place(limit(101, symbol, Side::Sell, 101, 4)).accepted();
        let buy = desk.place(with_stp(budget(100, symbol, 6_000), mode));
        let (order, _) = buy.accepted();
        let prevented: Vec<Prevented> =
            buy.0.iter().filter_map(|e| if let Event::Prevented(e) = e { Some(*e) } else { None }).collect();
        let lots = |p: &Prevented| (p.taker_quantity.0, p.maker_quantity.0, p.taker_remaining.0, p.maker_remaining.0);
        let prevented: Vec<_> = prevented.iter().map(lots).collect();
        let change = buy.done(order).map(|done| done.returned.0);
        match mode {
            StpMode::CancelTaker => {
                assert_eq!(buy.names(), ["Accepted", "Trade", "Done", "Prevented", "Done"]);
                assert_eq!((buy.end(order), change, prevented), (stp, Some(4_000), vec![(0, 0, 0, 3)]));
            }
            StpMode::CancelBoth => {
                assert_eq!(buy.names(), ["Accepted", "Trade", "Done", "Prevented", "Done", "Done"]);
                assert_eq!((buy.end(order), change, prevented), (stp, Some(4_000), vec![(0, 3, 0, 0)]));
                assert_eq!(buy.end(own), stp);
            }
            StpMode::CancelMaker => {
                assert_eq!((buy.fills(), prevented), (vec![(100, 2), (101, 3)], vec![(0, 3, 0, 0)]));
                assert_eq!((buy.end(own), change), (stp, Some(6_000 - 2_000 - 3_030)));
                assert_eq!(buy.end(order), Some((OrderState::Filled.code(), 0, 0)));
            }
            _ => {
                assert_eq!((buy.fills(), prevented.len()), (vec![(100, 2), (100, 3)], 0));
                assert_eq!((buy.end(order), change), (Some((OrderState::Filled.code(), 0, 0)), Some(1_000)));
            }
        }
    }
    let symbol = desk.symbol(|s| s.stp = StpMode::Decrement.code());
    desk.place(budget(100, symbol, 6_000)).refused(RejectCode::BadStp);
    desk.place(with_stp(budget(100, symbol, 6_000), StpMode::Decrement)).refused(RejectCode::BadStp);
    desk.place(with_stp(budget(100, symbol, 6_000), StpMode::None)).accepted();
}
