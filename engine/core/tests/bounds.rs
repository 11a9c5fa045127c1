//! Extremes that a customer or an operator may reach: they are refused or bounded, and nothing overflows.

mod common;

use common::Venue;
use ringbook_oracle::scenario::{BTC, Desk, USDT, budget, fok, genesis, limit, spot};
use ringbook_wire::message::{BustTrade, Genesis, Message, SetSymbol};
use ringbook_wire::{Amount, FeeModel, Price, Qty, Rate, Side, StpMode, SymbolId};

/// EVENTS "NEW_ORDER", FOK: what an order that cannot be filled may look at is bounded.
#[test]
fn a_fill_or_kill_order_looks_at_so_many_own_orders_only() {
    for (own, ends) in
        [(8_192, vec!["Accepted", "Trade", "Done", "Done"]), (8_193, vec!["Accepted", "Expired", "Done"])]
    {
        let genesis = Genesis { max_orders: 20_000, ..genesis() };
        let mut venue = Venue::with(&genesis);
        let mut desk = Desk::new(&mut venue);
        let symbol = desk.symbol(|s| s.max_open_orders = 10_000);
        desk.rich(&[100, 101, 102]);
        for (account, group) in [(100, 7), (101, 7)] {
            desk.account(account, group);
        }
        desk.place(limit(102, symbol, Side::Sell, 100, 1)).accepted();
        for at in 0..own {
            desk.place(limit(100 + at % 2, symbol, Side::Sell, 101, 1)).accepted();
        }
        let mut order = fok(100, symbol, Side::Buy, 100, 1);
        order.stp = StpMode::CancelTaker.code();
        let seen: Vec<_> = desk.place(order).names().into_iter().filter(|name| *name != "Balance").collect();
        assert_eq!(seen, ends, "{own} own orders");
    }
}

/// Configuration: a rebate of half the value could grow a budget beyond 64 bits. Just below it, the largest budget trades.
#[test]
fn the_largest_rebate_keeps_values_in_bounds() {
    let mut venue = Venue::new();
    let mut desk = Desk::new(&mut venue);
    let terms = |rate: i64| {
        move |s: &mut SetSymbol| {
            (s.base_lot, s.quote_per_tick_lot) = (Amount(1), Amount(1));
            (s.min_price, s.max_price) = (Price(1), Price(256));
            (s.max_quantity, s.max_market_quantity) = (Qty(1 << 54), Qty(1 << 54));
            s.taker = Rate(rate);
        }
    };
    let mut refused = spot(9);
    terms(-50_000_000)(&mut refused);
    assert_eq!(desk.send(&refused).names(), ["Rejected"]);
    let symbol = desk.symbol(terms(-49_999_999));
    for account in [100, 101] {
        desk.account(account, 0);
    }
    desk.deposit(100, BTC, 1 << 60);
    desk.deposit(101, USDT, 1 << 62);
    for _ in 0..3 {
        desk.place(limit(100, symbol, Side::Sell, 256, 1 << 54)).accepted();
    }
    let bought = desk.place(budget(101, symbol, 1 << 62));
    // ⌊2^62·R / (256·(R − 49,999,999))⌋ lots: almost twice the budget.
    assert_eq!(bought.fills(), [(256, 1 << 54), (256, 18_014_397_788_906_058)]);
    venue.engine.check_invariants().unwrap();
}

/// BUST_TRADE: a fee per lot may exceed the value of a trade at a price that has left the limits since.
#[test]
fn a_trade_with_a_fee_above_its_value_is_taken_back() {
    let mut venue = Venue::new();
    let mut desk = Desk::new(&mut venue);
    let per_lot = |s: &mut SetSymbol| {
        (s.fee_model, s.base_lot, s.quote_per_tick_lot) = (FeeModel::PerLot.code(), Amount(1), Amount(1));
    };
    let symbol = desk.symbol(per_lot);
    desk.rich(&[100, 101]);
    desk.place(limit(100, symbol, Side::Sell, 1, 5)).accepted();
    let mut raised = SetSymbol { min_price: Price(100), taker: Rate(99), ..spot(symbol) };
    per_lot(&mut raised);
    assert_eq!(desk.send(&raised).names(), ["Config"]);
    let trade = desk.place(limit(101, symbol, Side::Buy, 100, 5)).trades()[0];
    assert_eq!((trade.price, trade.taker_fee), (Price(1), Amount(495)));
    let bust = BustTrade {
        trade: trade.trade,
        symbol: SymbolId(symbol),
        price: trade.price,
        quantity: trade.quantity,
        buyer: trade.taker_account,
        seller: trade.maker_account,
        buy_order: trade.taker_order,
        sell_order: trade.maker_order,
        buyer_fee: trade.taker_fee,
        seller_fee: trade.maker_fee,
        ..BustTrade::new(0)
    };
    assert_eq!(desk.send(&bust).names()[..2], ["Busted", "Config"]);
    venue.engine.check_invariants().unwrap();
}
