//! E16, E17, E18, E30, E31, E36 (its perpetual half): what orders and positions need, what may leave. The terms of
//! DOMAIN §6.2 are seen from outside: an order with so much passes, and with one unit less it does not.

use crate::Exchange;
use crate::scenario::perpetual::{at, cents, set_tiers, usdt};
use crate::scenario::{Desk, ioc, limit};
use ringbook_wire::message::{NewOrder, SetPerpetual};
use ringbook_wire::{Amount, MarginMode, Rate, RejectCode, Side};

/// The order is one unit short of margin, and accepted with that unit. Returns what it holds.
#[track_caller]
fn needs(desk: &mut Desk<'_>, order: NewOrder, amount: &str) -> i64 {
    let account = order.account.0;
    desk.traders(&[account], "0.00000001");
    let missing = usdt(amount) - desk.wallet(account);
    desk.fund(account, missing - 1);
    desk.place(order).refused(RejectCode::InsufficientMargin);
    desk.fund(account, 1);
    desk.place(order).accepted().1
}

/// E16: the cost of an order (Binance's cost article).
pub fn e16(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198], "1000000");
    let symbol = desk.perpetual(|p| p.quote_per_tick_lot = Amount(1_000));
    desk.mark(symbol, cents("9259.84"));
    // 462.665 of initial margin, 4.62665 of fee, no loss below the mark.
    let hold = needs(&mut desk, limit(100, symbol, Side::Buy, cents("9253.30"), 1_000), "467.29165");
    assert_eq!(hold, usdt("4.62665"));
    desk.cancel_all(100);
    // 462.992 and 4.62992 at the mark, 6.54 of open loss; a lower bid does not raise the margin price.
    desk.place(limit(198, symbol, Side::Buy, cents("9258.99"), 1)).accepted();
    let hold = needs(&mut desk, limit(101, symbol, Side::Sell, cents("9253.30"), 1_000), "474.16192");
    assert_eq!(hold, usdt("4.62992") + usdt("6.54"));
}

/// DOMAIN §6.2: the margin price of a sale is the best bid where that is above limit and mark.
pub fn margin_price(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[198], "1000000");
    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.place(limit(198, symbol, Side::Buy, at("51000"), 1)).accepted();
    // 51,000 / 20 + 25.5, and 1,000 of loss against the mark for the buy alone.
    assert_eq!(needs(&mut desk, limit(100, symbol, Side::Sell, at("50000"), 1_000), "2575.5"), usdt("25.5"));
    desk.cancel_all(100);
    desk.cancel_all(198);
    assert_eq!(needs(&mut desk, limit(101, symbol, Side::Buy, at("51000"), 1_000), "3575.5"), usdt("1025.5"));
    desk.cancel_all(101);
    // A sale below the mark: margin and fee at the mark, the loss beside them.
    assert_eq!(needs(&mut desk, limit(102, symbol, Side::Sell, at("49000"), 1_000), "3525"), usdt("1025"));
}

/// E17: the margin of open orders is that of the larger side (Binance's developer forum).
pub fn e17(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "100000");
    let symbol = desk.perpetual(|p| p.taker = Rate(0));
    let probe = desk.probe();
    desk.mark(symbol, at("10000"));
    desk.short(100, 199, symbol, at("10000"), 1_000);
    desk.available(100, probe, usdt("99500"));
    desk.place(limit(100, symbol, Side::Buy, at("9375"), 1_600)).accepted();
    desk.available(100, probe, usdt("99500")); // max(|−10,000 + 15,000|, |−10,000|) = 10,000.
    desk.place(limit(100, symbol, Side::Sell, at("10000"), 400)).accepted();
    desk.available(100, probe, usdt("99300")); // |−10,000 − 4,000| = 14,000, of which 700.
    desk.place(limit(100, symbol, Side::Buy, at("9375"), 1_280)).accepted();
    desk.available(100, probe, usdt("99150")); // |−10,000 + 27,000| = 17,000.
}

/// An account with equity MM and one with a unit more: at that mark exactly the first is liquidated.
fn maintenance(
    desk: &mut Desk<'_>,
    change: impl FnOnce(&mut SetPerpetual),
    (first, lots, entry, leverage): (u32, i64, &str, u32),
    (value, amount, tier): (&str, &str, u8),
) {
    let symbol = desk.perpetual(|p| {
        p.taker = Rate(0);
        change(p);
    });
    desk.mark(symbol, at(entry));
    let loss = lots * (at(entry) - at("50000")) * 10_000;
    for account in [first, first + 1] {
        desk.traders(&[account], amount);
        desk.fund(account, loss + i64::from(account - first));
        desk.cross(account, symbol, leverage);
        desk.long(account, 999, symbol, at(entry), lots);
    }
    let mark = desk.mark(symbol, at("50000"));
    assert_eq!(lots * at("50000") * 10_000, usdt(value));
    let stages: Vec<_> = mark.stages().iter().map(|s| (s.account, s.tier, s.equity)).collect();
    assert_eq!(stages, [(first, tier, usdt(amount))], "{value}");
}

/// E18: maintenance margin by tiers (Binance's and Bybit's tables); caps are inclusive.
pub fn e18(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[999], "10000000");
    maintenance(&mut desk, |_| {}, (100, 5_280, "51000", 50), ("264000", "1340", 3));
    maintenance(&mut desk, |_| {}, (200, 10_000, "51000", 50), ("500000", "3700", 3));
    maintenance(&mut desk, |_| {}, (300, 5_000, "52000", 50), ("250000", "1200", 2));
    let bybit = |p: &mut SetPerpetual| {
        let table = [
            ("1000", 2_000_000, "0", 20),
            ("2000", 2_500_000, "5", 20),
            ("3000", 3_000_000, "15", 20),
            ("4000", 3_500_000, "30", 20),
            ("5000", 4_000_000, "50", 20),
        ];
        set_tiers(p, &table);
    };
    maintenance(&mut desk, bybit, (400, 70, "52000", 20), ("3500", "92.5", 4));
    // Above the last cap the last tier stays in force: 4 % of 6,000, less 50.
    maintenance(&mut desk, bybit, (500, 120, "52000", 20), ("6000", "190", 5));
}

/// E30: what is available and what is transferable, with U = 620 (a position's margin and an order's).
pub fn e30(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "1000");
    desk.traders(&[199], "100000");
    let symbol = desk.perpetual(|p| p.taker = Rate(0));
    let probe = desk.probe();
    desk.mark(symbol, at("10000"));
    desk.long(100, 199, symbol, at("10000"), 1_000);
    // The position needs a 20th of its value, the order fills up to 620.
    for (mark, order, available, transferable) in
        [("10300", "105", "680", "380"), ("9700", "135", "80", "80"), ("9500", "145", "0", "0")]
    {
        desk.mark(symbol, at("10000"));
        desk.place(limit(100, probe, Side::Buy, 1, usdt(order))).accepted();
        desk.mark(symbol, at(mark));
        desk.available(100, probe, usdt(available));
        desk.transferable(100, usdt(transferable));
        desk.cancel_all(100);
    }
    assert_eq!(desk.wallet(100), usdt("1000"));
}

/// E31: open loss at high leverage, the tier's cap, the hold of isolated orders.
pub fn e31(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 101, 102, 103], "0.00000001");
    desk.traders(&[199], "1000000");
    let symbol = desk.perpetual(|_| {});
    let probe = desk.probe();
    desk.mark(symbol, at("50000"));
    for account in [100, 101, 102] {
        desk.cross(account, symbol, 125);
    }
    // 374.4 + 23.4 + 1,800 above the mark, 360 + 22.5 at it.
    let hold = needs(&mut desk, limit(100, symbol, Side::Buy, at("52000"), 900), "2197.8");
    assert_eq!(hold, usdt("23.4") + usdt("1800"));
    desk.cancel_all(100);
    let hold = needs(&mut desk, limit(101, symbol, Side::Buy, at("50000"), 900), "382.5");
    assert_eq!(hold, usdt("22.5"));
    desk.cancel_all(101);
    desk.fund(102, usdt("1000000"));
    desk.place(limit(102, symbol, Side::Buy, at("52000"), 1_000)).refused(RejectCode::TierLeverage);
    desk.place(limit(102, symbol, Side::Buy, at("50000"), 1_001)).refused(RejectCode::TierLeverage);
    desk.place(limit(102, symbol, Side::Buy, at("50000"), 1_000)).accepted();
    desk.place(limit(102, symbol, Side::Buy, at("1"), 1)).refused(RejectCode::TierLeverage);
    desk.place(limit(102, symbol, Side::Sell, at("50000.1"), 1)).accepted();

    let symbol = desk.perpetual(|p| p.taker = Rate(0));
    desk.mark(symbol, at("50000"));
    desk.fund(103, usdt("10000") - 1);
    desk.isolate(103, symbol, 10);
    desk.short(103, 199, symbol, at("50000"), 400);
    assert_eq!(desk.position(103, symbol), (-400, usdt("-20000"), usdt("2000")));
    desk.available(103, probe, usdt("8000"));
    desk.place(limit(103, symbol, Side::Buy, at("50000"), 300)).accepted();
    desk.available(103, probe, usdt("8000"));
    desk.place(limit(103, symbol, Side::Buy, at("49000"), 500)).accepted();
    desk.available(103, probe, usdt("6000")); // 400 lots beyond the short, at the highest margin price: 2,000.
    // Sales increase at once; the larger side counts: 200 lots at 52,000 are 1,040, 400 are 2,080.
    desk.place(limit(103, symbol, Side::Sell, at("52000"), 200)).accepted();
    desk.available(103, probe, usdt("6000"));
    desk.place(limit(103, symbol, Side::Sell, at("52000"), 200)).accepted();
    desk.available(103, probe, usdt("5920"));
}

/// DOMAIN §6.2: reserves of an isolated side count in U exactly when its `inc` is above 0; else the position backs
/// them.
pub fn isolated_reserves(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "3025");
    desk.traders(&[199], "1000000");
    let symbol = desk.perpetual(|_| {});
    let probe = desk.probe();
    desk.mark(symbol, at("50000"));
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, at("50000"), 1_000);
    desk.available(100, probe, usdt("525"));
    // Reductions at 49,000: 500 of loss and 12.5 of fee each; M + UPNL + transferable = 2,500 + 0 + 525.
    for _ in 0..2 {
        let (_, hold) = desk.place(limit(100, symbol, Side::Sell, at("49000"), 500)).accepted();
        assert_eq!(hold, usdt("512.5"));
        desk.available(100, probe, usdt("525"));
    }
    // A third sale opens 25 lots: 62.5 of margin, and all reserves of the side count at once, 1,025.625.
    desk.place(limit(100, symbol, Side::Sell, at("50000"), 25)).refused(RejectCode::InsufficientMargin);
    desk.fund(100, usdt("563.124"));
    desk.place(limit(100, symbol, Side::Sell, at("50000"), 25)).refused(RejectCode::InsufficientMargin);
    desk.fund(100, usdt("0.001"));
    let (_, hold) = desk.place(limit(100, symbol, Side::Sell, at("50000"), 25)).accepted();
    assert_eq!(hold, usdt("0.625"));
    desk.available(100, probe, 0);
    desk.cancel_all(100);
    // Without room in the wallet the position alone backs a reduction: 2,500 and not a unit more.
    desk.transferable(100, usdt("1088.125"));
    desk.to_spot(100, usdt("1088.125"));
    // 1,000 lots at 47,525: 2,475 of loss, 25 of fee; a tick lower is 0.1 too much.
    desk.place(ioc(100, symbol, Side::Sell, at("47524.9"), 1_000)).refused(RejectCode::InsufficientMargin);
    let (_, hold) = desk.place(ioc(100, symbol, Side::Sell, at("47525"), 1_000)).accepted();
    assert_eq!(hold, usdt("2500"));
}

/// DOMAIN §6.2: what does not increase a cross position needs `E ≥ Σ cross reserves` and no margin.
pub fn cross_reduction(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100], "2525");
    desk.traders(&[199], "1000000");
    let symbol = desk.perpetual(|_| {});
    let probe = desk.probe();
    desk.mark(symbol, at("50000"));
    desk.long(100, 199, symbol, at("50000"), 1_000);
    desk.mark(symbol, at("48000"));
    // E = 525, U = 2,400: nothing is available, and yet the position may be closed at a price that E survives.
    desk.available(100, probe, 0);
    // All lots at 47,499: 501 of loss and 24 of fee; half of them at 46,974: 513 and 12.
    desk.place(ioc(100, symbol, Side::Sell, at("47498.9"), 1_000)).refused(RejectCode::InsufficientMargin);
    assert_eq!(desk.place(ioc(100, symbol, Side::Sell, at("47499"), 1_000)).accepted().1, usdt("525"));
    assert_eq!(desk.place(limit(100, symbol, Side::Sell, at("46974"), 500)).accepted().1, usdt("525"));
    desk.place(limit(100, symbol, Side::Sell, at("48000"), 500)).refused(RejectCode::InsufficientMargin);
    desk.cancel_all(100);
    // Two lots more than the position would open, but the larger side is still the position's own: no increase.
    let (_, hold) = desk.place(limit(100, symbol, Side::Sell, at("48000"), 2_000)).accepted();
    assert_eq!(hold, usdt("48"));
    desk.cancel_all(100);
    desk.place(limit(100, symbol, Side::Sell, at("48000"), 2_001)).refused(RejectCode::InsufficientMargin);
    desk.place(limit(100, symbol, Side::Buy, at("1"), 1)).refused(RejectCode::InsufficientMargin);
}

/// E36, its perpetual half: the band is around the mark; removable isolated margin.
pub fn e36_perpetual(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "1000000");
    let symbol = desk.perpetual(|p| p.band = Rate(5_000_000));
    desk.mark(symbol, at("43210.7"));
    desk.place(limit(100, symbol, Side::Buy, at("45371.3"), 1)).refused(RejectCode::PriceBand);
    desk.place(limit(100, symbol, Side::Buy, at("45371.2"), 1)).accepted();
    desk.cancel_all(100);
    desk.place(limit(100, symbol, Side::Sell, at("41050.1"), 1)).refused(RejectCode::PriceBand);
    desk.place(limit(100, symbol, Side::Sell, at("41050.2"), 1)).accepted();
    desk.cancel_all(100);
    // A trade does not move the band.
    desk.long(100, 199, symbol, at("45000"), 1);
    desk.place(limit(100, symbol, Side::Buy, at("45371.3"), 1)).refused(RejectCode::PriceBand);

    let symbol = desk.perpetual(|_| {});
    desk.mark(symbol, at("50000"));
    desk.isolate(100, symbol, 10);
    desk.long(100, 199, symbol, at("50000"), 3_000);
    assert_eq!(desk.position(100, symbol), (3_000, usdt("150000"), usdt("15000")));
    desk.mark(symbol, at("52000"));
    // min(15,000 − 730; 15,000 + 6,000 − 730 − 1 unit; 15,000 + 6,000 − 15,600).
    desk.remove_margin(100, symbol, usdt("5400") + 1).refused(RejectCode::InsufficientMargin);
    assert_eq!(desk.remove_margin(100, symbol, usdt("5400")).story(), ["Transfer"]);
    assert_eq!(desk.position(100, symbol).2, usdt("9600"));
    desk.remove_margin(100, symbol, 1).refused(RejectCode::InsufficientMargin);
}

/// DOMAIN §6.3: a profit that is not realized cannot be removed: the bound is then M − MM.
pub fn removable(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "2000000");
    let symbol = desk.perpetual(|p| p.taker = Rate(0));
    desk.mark(symbol, at("50000"));
    desk.isolate(100, symbol, 20);
    desk.long(100, 199, symbol, at("50000"), 1_000);
    desk.remove_margin(100, symbol, 1).refused(RejectCode::InsufficientMargin);
    desk.mark(symbol, at("60000"));
    desk.remove_margin(100, symbol, usdt("2250") + 1).refused(RejectCode::InsufficientMargin);
    assert_eq!(desk.remove_margin(100, symbol, usdt("2250")).story(), ["Transfer"]);
    assert_eq!((desk.position(100, symbol).2, desk.wallet(100)), (usdt("250"), usdt("1999750")));
    // A position that has outgrown its leverage: 2.5 % of 1,200,000 less 16,300 is more than a 125th of it.
    let grown = desk.perpetual(|p| p.taker = Rate(0));
    desk.mark(grown, at("2500"));
    desk.isolate(100, grown, 125);
    desk.short(100, 199, grown, at("2500"), 20_000);
    assert_eq!(desk.position(100, grown), (-20_000, usdt("-50000"), usdt("400")));
    assert_eq!(desk.terms(100, grown), Some((MarginMode::Isolated, 125)));
    assert_eq!(desk.add_margin(100, grown, usdt("1199600")).story(), ["Transfer"]);
    assert_eq!(desk.mark(grown, at("60000")).story(), ["Mark"]);
    // 1,200,000 − 1,150,000 − 13,700 − 1 unit: it never goes into liquidation.
    desk.remove_margin(100, grown, usdt("36300")).refused(RejectCode::InsufficientMargin);
    assert_eq!(desk.remove_margin(100, grown, usdt("36300") - 1).story(), ["Transfer"]);
    assert_eq!(desk.position(100, grown).2, usdt("1163700") + 1);
}
