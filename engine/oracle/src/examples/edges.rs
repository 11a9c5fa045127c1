//! Edges of the rules of EVENTS: the last value that passes and the first that does not, where a random stream seldom goes.

use crate::Exchange;
use crate::scenario::{BTC, Desk, USDT, budget, iceberg, limit, market, spot, stop};
use ringbook_event::Event;
use ringbook_wire::message::{Deposit, Message, MessageType, Quarantine, SetSymbol};
use ringbook_wire::{
    AccountId, Amount, AssetId, EndReason, FeeModel, OrderState, Price, Qty, Rate, RejectCode, Side, SymbolStatus,
    TriggerDirection,
};

/// AMEND that changes nothing is 403, also where a new place in the queue would be 201: the band counts only if the
/// order queues anew.
pub fn amend_nothing_outside_the_band(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|s| s.band = Rate(5_000_000));
    desk.trade_at(100, 101, symbol, 100);
    desk.status(symbol, SymbolStatus::PreOpen);
    let (order, _) = desk.place(limit(100, symbol, Side::Buy, 200, 10)).accepted();
    desk.status(symbol, SymbolStatus::Trading);
    desk.amend(100, order, 200, 10).refused(RejectCode::AmendNothing);
    desk.amend(100, order, 0, 0).refused(RejectCode::AmendNothing);
    desk.amend(100, order, 200, 11).refused(RejectCode::PriceBand);
    assert_eq!(desk.amend(100, order, 200, 9).names(), ["Amended"]);
}

/// A fee per lot that was copied at acceptance must stay below the value of a lot: 200 where they are equal.
pub fn amend_to_the_fee_of_a_lot(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100]);
    let per_lot = |k, min_price, taker| {
        move |s: &mut SetSymbol| {
            s.fee_model = FeeModel::PerLot.code();
            (s.quote_per_tick_lot, s.min_price, s.taker) = (Amount(k), Price(min_price), Rate(taker));
        }
    };
    for (k, taker) in [(1, 5), (10, 59), (10, -59)] {
        let symbol = desk.symbol(per_lot(k, 6, taker));
        let (order, _) = desk.place(limit(100, symbol, Side::Sell, 100, 3)).accepted();
        let mut lowered = spot(symbol);
        per_lot(k, 1, 0)(&mut lowered);
        assert_eq!(desk.send(&lowered).names(), ["Config"]);
        desk.amend(100, order, 5, 0).refused(RejectCode::PriceRange);
        assert_eq!(desk.amend(100, order, 6, 0).names(), ["Amended"]);
    }
}

/// What was ordered in all, cuts included, reaches 2^62 lots and not one more (202).
pub fn amend_orig_to_its_bound(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.account(100, 0);
    let half = 1_i64 << 61;
    desk.deposit(100, BTC, half);
    let symbol = desk.symbol(|s| {
        (s.base_lot, s.quote_per_tick_lot, s.max_price) = (Amount(1), Amount(1), Price(2));
        (s.max_quantity, s.max_market_quantity) = (Qty(half), Qty(half));
    });
    let (order, _) = desk.place(limit(100, symbol, Side::Sell, 2, half)).accepted();
    for total in [1, half, half - 1, half] {
        assert_eq!(desk.amend(100, order, 0, total).names(), ["Amended"], "to {total}");
    }
    assert_eq!(desk.amend(100, order, 0, half - 1).names(), ["Amended"]);
    desk.amend(100, order, 0, half).refused(RejectCode::QtyRange);
}

/// Uncross: two ranges with the same volume and the same surplus, one of buys and one of sells, are one range for the
/// reference (DOMAIN §5.6 number 4).
pub fn auction_surplus_turns(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    // 98 to 100: 8 against 5; 101 to 106: 5 against 8.
    for (reference, price) in [(0, 102), (103, 103), (99, 99), (90, 98), (120, 106)] {
        let symbol = desk.symbol(|_| {});
        if reference != 0 {
            desk.trade_at(100, 101, symbol, reference);
        }
        desk.status(symbol, SymbolStatus::PreOpen);
        for (side, price, lots) in [(Side::Buy, 100, 3), (Side::Buy, 106, 5), (Side::Sell, 98, 5), (Side::Sell, 101, 3)]
        {
            desk.place(limit(100, symbol, side, price, lots)).accepted();
        }
        assert_eq!(desk.status(symbol, SymbolStatus::Trading).fills(), [(price, 5)], "reference {reference}");
    }
}

/// QUARANTINE of a money command consumes numbers above the account's last one only; the last one keeps its outcome.
pub fn quarantine_of_the_last_adjustment(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.account(100, 0);
    let (account, asset) = (AccountId(100), AssetId(USDT));
    let deposit = |adjustment| Deposit { account, asset, adjustment, amount: Amount(500), ..Deposit::new(0) };
    let set_aside =
        |adjustment| Quarantine { account, kind: MessageType::Deposit as u8, adjustment, ..Quarantine::new(0) };
    assert_eq!(desk.send(&deposit(7)).names(), ["Transfer"]);
    for (number, quarantined, code) in [(7, 6, 0), (7, 7, 0), (8, 8, RejectCode::EngineFault.code())] {
        assert_eq!(desk.send(&set_aside(quarantined)).names(), ["Handled"]);
        let again = desk.send(&deposit(number));
        let [Event::Transfer(transfer)] = again.0.as_slice() else { panic!("{again:#?}") };
        assert_eq!((transfer.header.b, transfer.code), (1, code), "quarantined {quarantined}");
    }
    assert_eq!(desk.balance(100, USDT), (500, 0));
}

/// Budget orders with a fee per lot: where a lot costs nothing, or earns, nothing but the book bounds the lots. Such asks
/// are left where the lowest price was raised above them.
pub fn budget_where_lots_are_free(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let mut message = spot(1);
    message.fee_model = FeeModel::PerLot.code();
    let symbol = desk.symbol(|s| *s = message);
    for (price, lots) in [(1, 5), (2, 4), (6, 3)] {
        desk.place(limit(100, symbol, Side::Sell, price, lots)).accepted();
    }
    (message.min_price, message.taker) = (Price(10), Rate(-20));
    assert_eq!(desk.send(&message).names(), ["Config"]);
    // Of a budget of 1: 5 lots earn 10 each, 4 cost nothing, one costs 40, another one would.
    let bought = desk.place(budget(101, symbol, 1));
    let (order, hold) = bought.accepted();
    assert_eq!((hold, bought.fills()), (1, vec![(1, 5), (2, 4), (6, 1)]));
    assert_eq!(bought.end(order), Some((OrderState::Filled.code(), 0, 0)));
    assert_eq!(bought.done(order).map(|done| done.returned.0), Some(11));
    assert_eq!(desk.balance(AccountId::FEES.0, USDT), (-200, 0));
}

/// A stop order that runs is validated by the terms of now: a shown part below the least quantity is 205, a fee per lot
/// that the lowest price does not pay for is 200, and one unit below it is neither.
pub fn stop_under_changed_terms(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101, 102]);
    let falls = |order| stop(order, TriggerDirection::FallsTo, 90);
    let (price_range, bad_display) = (RejectCode::PriceRange.code(), RejectCode::BadDisplay.code());
    for (taker, before, after, code) in [(10, 2, 1, price_range), (-10, 2, 1, price_range), (59, 6, 6, 0)] {
        let mut message = spot(0);
        let symbol = desk.symbol(|s| {
            s.fee_model = FeeModel::PerLot.code();
            (s.min_price, s.taker) = (Price(before), Rate(taker));
            message = *s;
        });
        desk.trade_at(100, 101, symbol, 100);
        let (order, _) = desk.place(falls(market(102, symbol, Side::Sell, 1))).accepted();
        (message.min_price, message.taker) = (Price(after), Rate(0));
        assert_eq!(desk.send(&message).names(), ["Config"]);
        desk.place(limit(100, symbol, Side::Sell, 90, 1)).accepted();
        let ran = desk.place(limit(101, symbol, Side::Buy, 90, 1));
        let reason = if code == 0 { EndReason::NoLiquidity } else { EndReason::TriggerFailed };
        assert_eq!(ran.expired(), [(order, reason.code(), code)], "fee {taker}");
    }
    for (display, least, code) in [(3, 4, bad_display), (3, 3, 0), (0, 4, 0)] {
        let symbol = desk.symbol(|_| {});
        desk.trade_at(100, 101, symbol, 100);
        let (order, _) = desk.place(falls(iceberg(limit(102, symbol, Side::Sell, 95, 9), display))).accepted();
        desk.place(limit(100, symbol, Side::Sell, 90, 5)).accepted();
        let raised = SetSymbol { min_quantity: Qty(least), ..spot(symbol) };
        assert_eq!(desk.send(&raised).names(), ["Config"]);
        let ran = desk.place(limit(101, symbol, Side::Buy, 90, 5));
        assert_eq!(ran.triggered(), [(order, 95)]);
        let failed = [(order, EndReason::TriggerFailed.code(), code)];
        assert_eq!(ran.expired(), if code == 0 { &[][..] } else { &failed[..] }, "display {display} of {least}");
    }
}
