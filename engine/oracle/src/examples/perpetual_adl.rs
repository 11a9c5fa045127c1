//! E24, E25 and the rest of DOMAIN §6.6 and §6.7: what the insurance fund takes, whom auto-deleveraging closes, and
//! what is left when neither can.

use crate::Exchange;
use crate::scenario::perpetual::{INSURANCE, R, Stage, Taken, at, usdt};
use crate::scenario::{Desk, limit};
use ringbook_event::Event;
use ringbook_wire::message::MessageType;
use ringbook_wire::{EndReason, FundReason, MarginMode, Rate, RejectCode, Side, SymbolStatus};

/// E24: a gap. The fund takes what it can afford, the rest goes to the best ranked.
pub fn e24(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let (liquidated, a, b, c, other) = (100, 101, 102, 103, 104);
    desk.traders(&[liquidated, a, b, c, other], "100000");
    desk.fund(INSURANCE, usdt("600"));
    let symbol = desk.perpetual(|p| (p.taker, p.fund_multiple) = (Rate(0), Rate(50 * R)));
    for (account, leverage) in [(liquidated, 25), (a, 10), (b, 50), (c, 5)] {
        desk.isolate(account, symbol, leverage);
    }
    // B's short costs 49,000 in two halves at the mark; between them it keeps more margin than in the example.
    desk.mark(symbol, at("46000"));
    desk.short(c, other, symbol, at("46000"), 3_000);
    desk.mark(symbol, at("48000"));
    desk.short(b, other, symbol, at("48000"), 500);
    desk.add_margin(b, symbol, usdt("5000"));
    desk.mark(symbol, at("50000"));
    desk.short(a, liquidated, symbol, at("50000"), 2_000);
    desk.short(b, liquidated, symbol, at("50000"), 500);
    assert_eq!(desk.mark(symbol, at("49000")).story(), ["Mark"]);
    assert_eq!(desk.remove_margin(b, symbol, usdt("5000")).story(), ["Transfer"]);
    assert_eq!(desk.position(liquidated, symbol), (2_500, usdt("125000"), usdt("5000")));
    assert_eq!(desk.position(a, symbol), (-2_000, usdt("-100000"), usdt("10000")));
    assert_eq!(desk.position(b, symbol), (-1_000, usdt("-49000"), usdt("980")));
    assert_eq!(desk.position(c, symbol), (-3_000, usdt("-138000"), usdt("27600")));
    assert_eq!(desk.position(other, symbol), (3_500, usdt("162000"), 0));

    let mark = desk.mark(symbol, at("47000"));
    assert_eq!(mark.story(), ["Mark", "Liquidation", "Expired", "Done", "Takeover", "Adl", "Adl"]);
    let mode = MarginMode::Isolated;
    let stage = Stage {
        account: liquidated,
        mode,
        tier: 2,
        quantity: 1_437, // 2,500 − ⌊50,000 / 47⌋
        position: 2_500,
        price: at("48000"),
        bankruptcy: at("48000"),
        mark: at("47000"),
        equity: usdt("-2500"),
    };
    assert_eq!(mark.stages(), [stage]);
    // A loss of 1 per lot: 600 lots by cash, 638 by size.
    let taken = Taken { account: liquidated, mode, quantity: 2_500, price: at("48000"), pnl: usdt("-5000"), fund: 600 };
    assert_eq!(mark.taken(), [taken]);
    // Ranks: B 0.0408… × 15.77…, A 0.06 × 5.875, C below 0.
    let expected = [(b, liquidated, 1_000, at("48000"), usdt("1000")), (a, liquidated, 900, at("48000"), usdt("1800"))];
    assert_eq!(mark.adls(), expected);
    assert_eq!(mark.funds(), []);
    assert_eq!(desk.position(liquidated, symbol), (0, 0, 0));
    assert_eq!(desk.position(a, symbol), (-1_100, usdt("-55000"), usdt("5500")));
    assert_eq!(desk.position(b, symbol), (0, 0, 0));
    assert_eq!(desk.position(c, symbol), (-3_000, usdt("-138000"), usdt("27600")));
    assert_eq!((desk.position(INSURANCE, symbol), desk.wallet(INSURANCE)), ((600, usdt("28800"), 0), usdt("600")));
    assert_eq!(600 * at("47000") * 10_000 - usdt("28800") + usdt("600"), 0, "the fund's equity");
    // 100,000 − 10,000 + 4,500 + 1,800; 100,000 + 1,000; 100,000 − 5,000: money −2,200, as ΣC.
    let wallets = [a, b, liquidated].map(|account| desk.wallet(account));
    assert_eq!(wallets, ["96300", "101000", "95000"].map(usdt));
}

/// E25: BitMEX's example: accounts 1 to 6, ranked 2, 5, 4, 1, 6, 3; a short of 20 is bankrupt at 650.
pub fn e25(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "1000");
    desk.traders(&[199], "1000000");
    let symbol = desk.plain(|_| {});
    desk.mark(symbol, 600);
    desk.isolate(100, symbol, 12);
    // Equal leverage and money per lot: the lower the entry, the higher the rank.
    let accounts = [(101, 10, 560), (102, 10, 500), (104, 30, 540), (105, 20, 520), (106, 10, 580)];
    for (account, lots, price) in accounts {
        desk.traders(&[account], "0.00000001");
        desk.fund(account, usdt("100") * lots);
        desk.long(account, 199, symbol, price, lots);
    }
    desk.traders(&[103], "2000");
    desk.short(100, 103, symbol, 600, 20);
    assert_eq!(desk.position(100, symbol), (-20, usdt("-12000"), usdt("1000")));
    let mark = desk.mark(symbol, 655);
    assert_eq!(mark.story(), ["Mark", "Liquidation", "Expired", "Done", "Takeover", "Adl", "Adl"]);
    let mode = MarginMode::Isolated;
    let taken = Taken { account: 100, mode, quantity: -20, price: 650, pnl: usdt("-1000"), fund: 0 };
    assert_eq!(mark.taken(), [taken]);
    assert_eq!(mark.adls(), [(102, 100, 10, 650, usdt("1500")), (105, 100, 10, 650, usdt("1300"))]);
    assert_eq!(desk.position(102, symbol), (0, 0, 0));
    assert_eq!(desk.position(105, symbol), (10, usdt("5200"), 0), "keeps 10");
    assert_eq!(desk.position(104, symbol).0, 30);
}

/// A long of 100 @ 100 with M = 500: liquidated at 95 and below, bankrupt at 95.
#[track_caller]
fn thin_long(desk: &mut Desk<'_>, account: u32, counterparty: u32, symbol: u32) {
    desk.mark(symbol, 100);
    desk.isolate(account, symbol, 20);
    desk.long(account, counterparty, symbol, 100, 100);
    assert_eq!(desk.position(account, symbol), (100, usdt("10000"), usdt("500")));
}

/// Lots that net a position of the fund come first and without limit; the capacity is computed after them.
pub fn fund_netting(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 198, 199], "100000");
    desk.fund(INSURANCE, usdt("2500"));
    let symbol = desk.plain(|p| p.fund_multiple = Rate(4 * R));
    thin_long(&mut desk, 100, 199, symbol);
    let mark = desk.mark(symbol, 95);
    assert_eq!(mark.taken()[0].fund, 100, "⌊10,000 / 95⌋ = 105");
    assert_eq!(desk.position(INSURANCE, symbol), (100, usdt("9500"), 0));

    desk.mark(symbol, 100);
    desk.isolate(101, symbol, 20);
    desk.short(101, 198, symbol, 100, 250);
    assert_eq!(desk.position(101, symbol), (-250, usdt("-25000"), usdt("1250")));
    let mark = desk.mark(symbol, 105);
    assert_eq!(mark.story(), ["Mark", "Liquidation", "Expired", "Done", "Takeover", "Adl"]);
    // 100 lots net for a profit of 1,000: F = 3,500, V = 0, and ⌊14,000 / 105⌋ = 133 more.
    let mode = MarginMode::Isolated;
    let taken = Taken { account: 101, mode, quantity: -250, price: 105, pnl: usdt("-1250"), fund: 233 };
    assert_eq!(mark.taken(), [taken]);
    assert_eq!(mark.adls(), [(198, 101, 17, 105, usdt("85"))]);
    assert_eq!(desk.position(INSURANCE, symbol), (-133, usdt("-13965"), 0));
    assert_eq!(desk.wallet(INSURANCE), usdt("3500"));
}

/// The capacity by size counts what the fund holds in all symbols of the settlement asset.
pub fn fund_capacity(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 199], "100000");
    desk.fund(INSURANCE, usdt("1500"));
    let (first, second) = (desk.plain(|_| {}), desk.plain(|_| {}));
    thin_long(&mut desk, 100, 199, first);
    assert_eq!(desk.mark(first, 95).taken()[0].fund, 100, "⌊15,000 / 95⌋ = 157");
    thin_long(&mut desk, 101, 199, second);
    let mark = desk.mark(second, 95);
    assert_eq!(mark.taken()[0].fund, 57, "⌊(15,000 − 9,500) / 95⌋");
    assert_eq!(mark.adls(), [(199, 101, 43, 95, usdt("215"))]);
}

/// Ties go to the lower account; the candidates' orders in the symbol end, others stay; a candidate whose equity does
/// not cover a lot is passed over and keeps its orders.
pub fn adl_candidates(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "100000");
    desk.traders(&[101, 102], "1000");
    desk.traders(&[103], "48");
    let (symbol, other) = (desk.plain(|_| {}), desk.plain(|_| {}));
    desk.mark(symbol, 100);
    desk.mark(other, 100);
    desk.isolate(100, symbol, 20);
    for (account, lots) in [(102, 50), (101, 50), (103, 1)] {
        desk.short(account, 100, symbol, 100, lots);
    }
    assert_eq!(desk.position(100, symbol), (101, usdt("10100"), usdt("505")));
    // 103: 8 lots of another symbol, which is halted and falls to 93: E = 48 − 56 = −8, and its bucket waits.
    desk.long(103, 199, other, 100, 8);
    let orders = [101, 102, 103].map(|account| {
        let here = desk.place(limit(account, symbol, Side::Buy, 50, 1)).accepted().0;
        (here, desk.place(limit(account, other, Side::Buy, 50, 1)).code())
    });
    assert_eq!(orders.map(|(_, code)| code), [0, 0, 0]);
    desk.status(other, SymbolStatus::Halted);
    desk.mark(other, 93);
    let mark = desk.mark(symbol, 90);
    // b = 95: closing there loses 5 per lot against the mark. 103 has 2, ranks first (0.1 × 45), and cannot pay.
    let story = ["Mark", "Liquidation", "Expired", "Done", "Takeover", "Expired", "Done", "Adl", "Expired", "Done"];
    assert_eq!(mark.story()[..10], story);
    let adl = EndReason::Adl.code();
    let expired: Vec<_> = mark.expired().into_iter().filter(|e| e.1 == adl).collect();
    assert_eq!(expired, [(orders[0].0, adl, 0), (orders[1].0, adl, 0)]);
    let closed = [(101, 100, 50, 95, usdt("250")), (102, 100, 50, 95, usdt("250"))];
    assert_eq!(mark.adls(), closed);
    assert_eq!(mark.end(orders[2].0), None);
    // One lot is left: the fund takes it, uncovered. Its own equity is −5 then, and 103 cannot pay for that lot either.
    let funds: Vec<_> = mark.funds().iter().map(|&(_, reason, amount, lots)| (reason, amount, lots)).collect();
    assert_eq!(funds, [(FundReason::Uncovered, 0, 1), (FundReason::Uncovered, 0, 1)]);
    assert_eq!(mark.story()[10..], ["Adl", "Fund", "Config", "Fund"]);
    assert_eq!(desk.position(INSURANCE, symbol), (1, usdt("95"), 0));
    assert_eq!(desk.position(103, symbol).0, -1);
}

/// The equity limit leaves a rest: the fund keeps it (UNCOVERED), and the symbol is in reduce-only mode.
pub fn uncovered(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 198, 199], "100000");
    desk.traders(&[104], "1000");
    desk.fund(INSURANCE, usdt("1000"));
    let symbol = desk.plain(|p| p.fund_multiple = Rate(0));
    let other = desk.plain(|_| {});
    desk.mark(other, 100);
    thin_long(&mut desk, 100, 104, symbol);
    desk.long(104, 199, other, 100, 100);
    desk.long(101, 198, symbol, 100, 10);
    desk.status(other, SymbolStatus::Halted);
    // 104: E = 1,000 − 1,800 + 1,000 = 200 at 90: 40 lots at a loss of 5. 198 is no better: 10 lots.
    desk.mark(other, 82);
    let mark = desk.mark(symbol, 90);
    let story = ["Mark", "Liquidation", "Expired", "Done", "Takeover", "Adl", "Adl", "Fund", "Config"];
    assert_eq!(mark.story(), story);
    assert_eq!((mark.taken()[0].fund, mark.taken()[0].price), (0, 95), "a multiple of 0 takes nothing");
    assert_eq!(mark.adls(), [(104, 100, 40, 95, usdt("200")), (198, 100, 10, 95, usdt("50"))]);
    assert_eq!(mark.funds(), [(100, FundReason::Uncovered, 0, 50)]);
    assert_eq!(desk.position(INSURANCE, symbol), (50, usdt("4750"), 0));
    let config = mark.0.iter().find_map(|e| if let Event::Config(c) = e { Some(c.header) } else { None });
    let config = config.expect("CONFIG");
    assert_eq!((config.a, config.b, config.subject), (MessageType::SetPerpetual as u8, 1, symbol));

    // Reduce-only mode refuses what increases, and nothing else.
    desk.place(limit(199, symbol, Side::Buy, 90, 1)).refused(RejectCode::ReduceOnlyMode);
    desk.place(limit(101, symbol, Side::Buy, 90, 1)).refused(RejectCode::ReduceOnlyMode);
    desk.place(limit(101, symbol, Side::Sell, 90, 10)).accepted();
    assert_eq!(desk.mark(symbol, 90).story(), ["Mark"]);
    // The operator ends it.
    let mut again = crate::scenario::perpetual::plain(symbol);
    again.fund_multiple = Rate(0);
    assert_eq!(desk.send(&again).story(), ["Config"]);
    desk.place(limit(199, symbol, Side::Buy, 80, 1)).accepted();
}

/// The fund's own ADL: its equity is below 0 after a mark; the largest loss goes first, at the fund's bankruptcy price,
/// and as soon as its equity is not below 0 it stops.
pub fn fund_adl(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 199], "100000");
    desk.fund(INSURANCE, usdt("2000"));
    let (first, second) = (desk.plain(|_| {}), desk.plain(|_| {}));
    for (account, symbol) in [(100, first), (101, second)] {
        thin_long(&mut desk, account, 199, symbol);
        assert_eq!(desk.mark(symbol, 95).taken()[0].fund, 100);
        assert_eq!(desk.position(INSURANCE, symbol), (100, usdt("9500"), 0));
    }
    let (rests, _) = desk.place(limit(199, second, Side::Sell, 200, 10)).accepted();
    assert_eq!(desk.mark(first, 90).story(), ["Mark"]);
    assert_eq!(desk.mark(second, 80).story(), ["Mark"], "2,000 − 500 − 1,500 = 0");
    let mark = desk.mark(second, 79);
    assert_eq!(mark.story(), ["Mark", "Expired", "Done", "Adl"]);
    assert_eq!(mark.expired(), [(rests, EndReason::Adl.code(), 0)]);
    // b = ⌈(9,500 − (2,000 − 500)) / 100⌉.
    assert_eq!(mark.adls(), [(199, INSURANCE, 100, 80, usdt("2000"))]);
    assert_eq!((desk.position(INSURANCE, second), desk.wallet(INSURANCE)), ((0, 0, 0), usdt("500")));
    assert_eq!(desk.position(INSURANCE, first).0, 100, "500 − 500 = 0");

    // Once more, with the other symbol: b = ⌈(9,500 − 500) / 100⌉.
    desk.mark(first, 90);
    let mark = desk.mark(first, 89);
    assert_eq!(mark.story(), ["Mark", "Adl"]);
    assert_eq!(mark.adls(), [(199, INSURANCE, 100, 90, usdt("1000"))]);
    assert_eq!((desk.position(INSURANCE, first), desk.wallet(INSURANCE)), ((0, 0, 0), 0));
}
