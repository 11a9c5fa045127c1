//! The formulas of DOMAIN §1, §3.3, §3.4 and §5.3, as pure functions on `i128`.
//!
//! Invariant: no function here rounds but those in the table of DOMAIN §1, each in the direction given there.

use crate::state::{Order, Symbol};
use ringbook_wire::{FeeModel, MAX_AMOUNT, RATE_ONE, Side, div_ceil, div_floor};

/// `R`: 100 %.
pub const R: i128 = RATE_ONE as i128;

/// 2^62: the bound of DOMAIN §1.
pub const BOUND: i128 = MAX_AMOUNT as i128;

/// An amount as an event carries it. Not to fit is an engine fault (DOMAIN §1).
pub fn narrow(amount: i128) -> i64 {
    i64::try_from(amount).expect("an amount that passed the checks fits 64 bits (DOMAIN §1)")
}

/// `N(p,q) = p·q·K` (DOMAIN, notation).
pub fn value(symbol: &Symbol, price: i128, quantity: i128) -> i128 {
    price * quantity * symbol.quote_per_tick_lot
}

/// Fee of a fill and the order's carry after it (DOMAIN §3.3).
pub fn fee_and_carry(symbol: &Symbol, rate: i128, value: i128, quantity: i128, carry: i128) -> (i128, i128) {
    match symbol.fee_model {
        FeeModel::PerLot => (rate * quantity, carry),
        FeeModel::Rate => {
            let x = value * rate - carry;
            let fee = div_ceil(x, R);
            (fee, fee * R - x)
        }
    }
}

/// What is held for `remaining` lots (DOMAIN §3.4: the hold at acceptance, where the carry is 0, and `need` later).
pub fn need(symbol: &Symbol, side: Side, price: i128, remaining: i128, taker: i128, maker: i128, carry: i128) -> i128 {
    let highest_rate = taker.max(maker).max(0);
    let value = value(symbol, price, remaining);
    match (side, symbol.fee_model) {
        (Side::Sell, _) => remaining * symbol.base_lot,
        (Side::Buy, FeeModel::PerLot) => value + highest_rate * remaining,
        (Side::Buy, FeeModel::Rate) => value + div_ceil(value * highest_rate - carry, R),
    }
}

/// [`need`] of an order at a price and remainder.
pub fn need_of(symbol: &Symbol, order: &Order, price: i128, remaining: i128) -> i128 {
    need(symbol, order.side, price, remaining, order.taker, order.maker, order.carry)
}

/// Whether a trade at `price` satisfies the `limit` of a `side`.
pub fn within(side: Side, price: i128, limit: i128) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// The worst price at a distance of `rate` from a reference: buy ⌊ref·(R+rate)/R⌋, sell ⌈ref·(R−rate)/R⌉ (DOMAIN §1
/// for the band, §5.3 for the protection).
pub fn worst_price(side: Side, reference: i128, rate: i128) -> i128 {
    match side {
        Side::Buy => div_floor(reference * (R + rate), R),
        Side::Sell => div_ceil(reference * (R - rate), R),
    }
}

/// The band's limit for a side, if there is a band (DOMAIN §1: no reference, no band).
pub fn band_limit(symbol: &Symbol, side: Side) -> Option<i128> {
    match symbol.reference() {
        Some(reference) if symbol.band != 0 => Some(worst_price(side, reference, symbol.band)),
        _ => None,
    }
}

/// A market order's protection price (DOMAIN §5.3).
pub fn protection(symbol: &Symbol, side: Side, best_opposite: i128) -> i128 {
    let mut price = worst_price(side, best_opposite, symbol.slip);
    if let Some(limit) = band_limit(symbol, side) {
        price = match side {
            Side::Buy => price.min(limit),
            Side::Sell => price.max(limit),
        };
    }
    price.max(symbol.min_price).min(symbol.max_price)
}

/// How many lots a budget buys at a price, fee included (DOMAIN §3.4): `left` is what is left of it, with the carry.
pub fn affordable(symbol: &Symbol, taker: i128, price: i128, left: i128, carry: i128) -> i128 {
    let lot = value(symbol, price, 1);
    match symbol.fee_model {
        FeeModel::Rate => div_floor(left * R + carry, lot * (R + taker)),
        // A rebate per lot above the value of a lot (both were configured at different times) has no bound.
        FeeModel::PerLot if lot + taker <= 0 => i128::MAX,
        FeeModel::PerLot => div_floor(left, lot + taker),
    }
}
