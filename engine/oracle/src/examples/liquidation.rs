//! E20–E24: liquidation in stages, takeover, auto-deleveraging; a fee that everything pays, a residual that the fund pays.

use super::perpetual::meet;
use crate::Exchange;
use crate::scenario::{Desk, ONE, Outcome, limit, set_tiers};
use ringbook_event::{Event, Fund, Liquidation, Takeover};
use ringbook_wire::{AccountId, Amount, FundReason, MarginMode, RATE_ONE, Rate, Side, SymbolStatus};

/// Plenty.
const RICH: i64 = 10_000_000 * ONE;
/// 0.10 %.
const LIQUIDATION_FEE: Rate = Rate(RATE_ONE / 1_000);
const FUND: u32 = AccountId::INSURANCE.0;

fn liquidations(outcome: &Outcome) -> Vec<Liquidation> {
    let one = |event: &Event| if let Event::Liquidation(e) = event { Some(*e) } else { None };
    outcome.0.iter().filter_map(one).collect()
}

fn takeovers(outcome: &Outcome) -> Vec<Takeover> {
    let one = |event: &Event| if let Event::Takeover(e) = event { Some(*e) } else { None };
    outcome.0.iter().filter_map(one).collect()
}

fn fund(outcome: &Outcome, reason: FundReason) -> Vec<i64> {
    let one = |event: &Event| match event {
        Event::Fund(Fund { header, amount, .. }) if header.a == reason.code() => Some(amount.0),
        _ => None,
    };
    outcome.0.iter().filter_map(one).collect()
}

/// 101 is long (or short) 1 BTC @ 50,000 with M 2,500 against 100; the fund has 100,000.
fn one_isolated(desk: &mut Desk<'_>, side: Side) -> u32 {
    let symbol = desk.perpetual(|s| s.liquidation_fee = LIQUIDATION_FEE);
    desk.trader(100, RICH);
    desk.trader(101, 2_500 * ONE);
    desk.fund_futures(FUND, 100_000 * ONE);
    desk.leverage(101, symbol, MarginMode::Isolated, 20);
    desk.mark(symbol, 500_000);
    let (seller, buyer) = if side == Side::Buy { (100, 101) } else { (101, 100) };
    meet(desk, seller, buyer, symbol, 500_000, 1_000);
    assert_eq!(desk.held(101, symbol).margin, 2_500 * ONE);
    symbol
}

/// E20: two bids make the position healthy, or one.
pub fn e20(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = one_isolated(&mut desk, Side::Buy);
    desk.place(limit(100, symbol, Side::Buy, 476_000, 400)).accepted();
    desk.place(limit(100, symbol, Side::Buy, 475_000, 300)).accepted();
    assert_eq!(desk.mark(symbol, 476_908).names(), ["Mark"]);
    let outcome = desk.mark(symbol, 476_907);
    let stages = liquidations(&outcome);
    assert_eq!(stages.len(), 1);
    let stage = stages[0];
    assert_eq!((stage.header.b, stage.quantity.0, stage.position.0), (1, 1_000, 1_000));
    assert_eq!((stage.price.0, stage.bankruptcy.0, stage.equity.0), (475_000, 475_000, 19_070_000_000));
    assert_eq!(outcome.fills(), [(476_000, 400), (475_000, 300)]);
    assert_eq!(fund(&outcome, FundReason::Fee), [3_329_000_000]);
    let held = desk.held(101, symbol);
    assert_eq!((held.quantity, held.margin, desk.futures(101)), (300, 75_671_000_000, 0));

    // The same with the first bid only.
    let other = desk.perpetual(|s| s.liquidation_fee = LIQUIDATION_FEE);
    desk.trader(102, 2_500 * ONE);
    desk.leverage(102, other, MarginMode::Isolated, 20);
    desk.mark(other, 500_000);
    meet(&mut desk, 100, 102, other, 500_000, 1_000);
    desk.place(limit(100, other, Side::Buy, 476_000, 400)).accepted();
    let outcome = desk.mark(other, 476_907);
    assert_eq!(fund(&outcome, FundReason::Fee), [1_904_000_000]);
    assert!(takeovers(&outcome).is_empty());
    let held = desk.held(102, other);
    assert_eq!((held.quantity, held.margin), (600, 154_000_000_000 - 1_904_000_000));
}

/// E21: nobody buys, the fund takes over; the rounding of the price goes to the fund.
pub fn e21(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = one_isolated(&mut desk, Side::Buy);
    let outcome = desk.mark(symbol, 476_000);
    let taken = takeovers(&outcome);
    assert_eq!((taken[0].price.0, taken[0].pnl.0, taken[0].fund.0), (475_000, -2_500 * ONE, 1_000));
    assert!(fund(&outcome, FundReason::Residual).is_empty());
    assert_eq!((desk.held(101, symbol).quantity, desk.held(101, symbol).margin), (0, 0));
    let held = desk.held(FUND, symbol);
    assert_eq!((held.quantity, held.cost), (1_000, 47_500 * ONE));

    let other = desk.perpetual(|_| {});
    desk.trader(102, 75_671_000_000);
    desk.leverage(102, other, MarginMode::Isolated, 125);
    desk.mark(other, 500_000);
    meet(&mut desk, 100, 102, other, 500_000, 300);
    let more = 75_671_000_000 - desk.held(102, other).margin;
    let add = ringbook_wire::message::AdjustMargin {
        account: AccountId(102),
        symbol: ringbook_wire::SymbolId(other),
        adjustment: 100,
        amount: Amount(more),
        direction: 1,
        ..ringbook_wire::message::Message::new(0)
    };
    desk.send(&add);
    let outcome = desk.mark(other, 475_000);
    let taken = takeovers(&outcome);
    assert_eq!((taken[0].price.0, taken[0].pnl.0), (474_777, -75_669_000_000));
    assert_eq!(fund(&outcome, FundReason::Residual), [2_000_000]);
}

/// E22: a short is cut down to its first tier.
pub fn e22(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = one_isolated(&mut desk, Side::Sell);
    desk.place(limit(100, symbol, Side::Sell, 522_900, 100)).accepted();
    assert_eq!(desk.mark(symbol, 522_885).names(), ["Mark"]);
    let outcome = desk.mark(symbol, 522_886);
    let stages = liquidations(&outcome);
    assert_eq!(stages.len(), 1);
    assert_eq!((stages[0].header.b, stages[0].quantity.0, stages[0].bankruptcy.0), (2, 44, 525_000));
    assert_eq!(outcome.fills(), [(522_900, 44)]);
    assert_eq!(fund(&outcome, FundReason::Fee), [230_076_000]);
    let held = desk.held(101, symbol);
    assert_eq!((held.quantity, held.margin), (-956, 239_924_000_000 - 230_076_000));
}

/// E23: of two cross positions the one with the larger maintenance margin goes first, and in part.
pub fn e23(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let btc = desk.perpetual(|s| s.liquidation_fee = LIQUIDATION_FEE);
    let eth = desk.perpetual(|s| {
        s.liquidation_fee = LIQUIDATION_FEE;
        s.quote_per_tick_lot = Amount(1_000);
        set_tiers(s, &[(10_000 * ONE, 500_000, 0, 125), (100_000 * ONE, 650_000, 15 * ONE, 100)]);
    });
    desk.trader(100, RICH);
    desk.trader(101, 5_000 * ONE);
    for symbol in [btc, eth] {
        desk.leverage(101, symbol, MarginMode::Cross, 50);
    }
    desk.mark(btc, 500_000);
    desk.mark(eth, 300_000);
    meet(&mut desk, 100, 101, btc, 500_000, 1_000);
    meet(&mut desk, 100, 101, eth, 300_000, 20_000);
    desk.place(limit(100, eth, Side::Buy, 289_900, 20_000)).accepted();
    assert!(liquidations(&desk.mark(btc, 475_000)).is_empty());
    let outcome = desk.mark(eth, 290_000);
    let stages = liquidations(&outcome);
    assert_eq!(stages.len(), 1);
    assert_eq!((stages[0].symbol.0, stages[0].quantity.0), (eth, 16_552));
    assert_eq!((stages[0].bankruptcy.0, stages[0].equity.0), (287_500, 500 * ONE));
    assert_eq!(fund(&outcome, FundReason::Fee), [4_798_424_800]);
    assert_eq!(desk.futures(101), 328_026_375_200);
    let held = desk.held(101, eth);
    assert_eq!((held.quantity, held.cost), (3_448, 10_344 * ONE));
    assert_eq!(desk.held(101, btc).quantity, 1_000);
}

/// E24: a gap; the fund takes what it can lose, the rest goes to those who profit most.
pub fn e24(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|s| s.fund_multiple = Rate(50 * RATE_ONE));
    let (a, b, c, liquidated, other) = (101, 102, 103, 104, 105);
    desk.trader(other, RICH);
    desk.fund_futures(FUND, 600 * ONE);
    for (account, amount, leverage) in [(a, 10_000, 10), (b, 980, 50), (c, 27_600, 5), (liquidated, 5_000, 25)] {
        desk.trader(account, amount * ONE);
        desk.leverage(account, symbol, MarginMode::Isolated, leverage);
    }
    desk.mark(symbol, 460_000);
    meet(&mut desk, c, other, symbol, 460_000, 3_000);
    desk.mark(symbol, 500_000);
    meet(&mut desk, a, liquidated, symbol, 500_000, 2_000);
    meet(&mut desk, other, liquidated, symbol, 500_000, 500);
    desk.mark(symbol, 490_000);
    meet(&mut desk, b, other, symbol, 490_000, 1_000);
    let margins = [a, b, c, liquidated].map(|account| desk.held(account, symbol).margin / ONE);
    assert_eq!(margins, [10_000, 980, 27_600, 5_000]);

    let outcome = desk.mark(symbol, 470_000);
    let taken = takeovers(&outcome);
    assert_eq!((taken.len(), taken[0].price.0, taken[0].fund.0), (1, 480_000, 600));
    assert_eq!(taken[0].pnl.0, -5_000 * ONE);
    let adl: Vec<(u32, i64, i64)> = outcome
        .0
        .iter()
        .filter_map(
            |event| {
                if let Event::Adl(e) = event { Some((e.header.subject, e.quantity.0, e.pnl.0)) } else { None }
            },
        )
        .collect();
    assert_eq!(adl, [(b, 1_000, 1_000 * ONE), (a, 900, 1_800 * ONE)]);
    assert_eq!(desk.held(liquidated, symbol).margin, 0);
    let held = desk.held(FUND, symbol);
    // Equity of the fund: 600 − 600.
    assert_eq!((desk.futures(FUND), held.quantity, held.cost), (600 * ONE, 600, 28_800 * ONE));
}

/// A liquidation that closes everything pays its fee from M before what is left goes to the wallet.
pub fn fee_of_all(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = one_isolated(&mut desk, Side::Buy);
    desk.place(limit(100, symbol, Side::Buy, 476_000, 1_000)).accepted();
    let outcome = desk.mark(symbol, 476_500);
    assert_eq!(outcome.fills(), [(476_000, 1_000)]);
    // 2,500 − 2,400 − 0.1 % of 47,600.
    assert_eq!(fund(&outcome, FundReason::Fee), [4_760_000_000]);
    assert_eq!((desk.held(101, symbol).margin, desk.futures(101)), (0, 5_240_000_000));
}

/// A short that closed a part far too late has so little that not even a price of one tick makes up for it: the fund pays.
pub fn residual(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.perpetual(|_| {});
    desk.trader(100, RICH);
    desk.trader(101, 100_050 * ONE);
    desk.fund_futures(FUND, 100_000 * ONE);
    desk.leverage(101, symbol, MarginMode::Isolated, 20);
    desk.mark(symbol, 10_000);
    meet(&mut desk, 101, 100, symbol, 10_000, 1_000);
    desk.status(symbol, SymbolStatus::PreOpen);
    desk.mark(symbol, 100_000);
    desk.place(limit(101, symbol, Side::Buy, 100_000, 750)).accepted();
    desk.place(limit(100, symbol, Side::Sell, 100_000, 750)).accepted();
    let outcome = desk.status(symbol, SymbolStatus::Trading);
    assert_eq!(outcome.fills(), [(100_000, 750)]);
    let stages = liquidations(&outcome);
    assert_eq!((stages[0].position.0, stages[0].bankruptcy.0), (-250, 1));
    let taken = takeovers(&outcome);
    assert_eq!((taken[0].pnl.0, taken[0].price.0), (24_997_500_000, 1));
    assert_eq!(fund(&outcome, FundReason::Residual), [24_997_500_000 - 6_700 * ONE]);
    assert_eq!((desk.held(101, symbol).margin, desk.futures(101)), (0, 100_000 * ONE));
}
