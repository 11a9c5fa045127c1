//! Values, fees and holds of spot orders (DOMAIN §3.3, §3.4).
//!
//! Invariants: nothing here rounds a trade's value; a fee's carry stays in `[0, R)`; what does not fit after validation
//! is an engine fault and panics.

use ringbook_wire::{Amount, FeeModel, Price, Qty, RATE_ONE, div_ceil};

/// Rates that an order copied at acceptance, and how they are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeTerms {
    /// By value or per lot.
    pub model: FeeModel,
    /// Taker's rate (1/R) or units per lot.
    pub taker: i64,
    /// Maker's rate (1/R) or units per lot.
    pub maker: i64,
}

impl FeeTerms {
    /// `r* = max(taker, maker, 0)`: what a hold must cover.
    #[inline]
    pub fn highest(&self) -> i64 {
        self.taker.max(self.maker).max(0)
    }
}

/// `N(p, q) = p · q · K` in quote units; `None` above 2^62.
#[inline]
pub fn value(price: Price, quantity: Qty, k: Amount) -> Option<Amount> {
    let value = i128::from(price.0) * i128::from(quantity.0) * i128::from(k.0);
    (0..=i128::from(ringbook_wire::MAX_AMOUNT)).contains(&value).then_some(Amount(value as i64))
}

/// `⌈(value · rate − carry) / R⌉`, in 64 bits where that holds it.
#[inline]
fn charge(value: i64, rate: i64, carry: i64) -> i64 {
    if let Some(x) = value.checked_mul(rate).and_then(|x| x.checked_sub(carry)) {
        let quotient = x / RATE_ONE;
        return if x % RATE_ONE > 0 { quotient + 1 } else { quotient };
    }
    let x = i128::from(value) * i128::from(rate) - i128::from(carry);
    i64::try_from(div_ceil(x, i128::from(RATE_ONE))).expect("a fee fits: |rate| < R")
}

/// Fee of a fill and the carry after it: `x = n·r − c; fee = ⌈x/R⌉; c = fee·R − x` (DOMAIN §3.3).
#[inline]
pub fn fee(model: FeeModel, value: Amount, quantity: Qty, rate: i64, carry: i64) -> (Amount, i64) {
    match model {
        FeeModel::Rate => {
            let fee = charge(value.0, rate, carry);
            // fee·R − x lies in [0, R), so it is exact in wrapping 64-bit arithmetic.
            let next = fee.wrapping_mul(RATE_ONE).wrapping_sub(value.0.wrapping_mul(rate).wrapping_sub(carry));
            assert!((0..RATE_ONE).contains(&next), "carry {next} outside [0, R)");
            (Amount(fee), next)
        }
        FeeModel::PerLot => (Amount(rate.checked_mul(quantity.0).expect("bounded at configuration")), carry),
    }
}

/// What a buy of `value` still needs: `N + ⌈(N·r* − c)/R⌉`; with carry 0 the hold at acceptance (DOMAIN §3.4).
/// `None` if it does not fit.
#[inline]
pub fn need(terms: &FeeTerms, value: Amount, quantity: Qty, carry: i64) -> Option<Amount> {
    let fee = match terms.model {
        FeeModel::Rate => charge(value.0, terms.highest(), carry),
        FeeModel::PerLot => terms.highest().checked_mul(quantity.0)?,
    };
    value.checked_add(Amount(fee))
}

/// Lots that a budget still buys at a price, fee included (DOMAIN §3.4): `⌊(B·R + c)/(p·K·(R + taker))⌋`.
#[inline]
pub fn affordable(terms: &FeeTerms, budget: Amount, carry: i64, price: Price, k: Amount) -> Qty {
    let lot = i128::from(price.0) * i128::from(k.0);
    let one = i128::from(RATE_ONE);
    let lots = match terms.model {
        // B·R + c < 2^90 and p·K·(R + taker) < 2^63 · 2^28: both fit.
        FeeModel::Rate => (i128::from(budget.0) * one + i128::from(carry)) / (lot * (one + i128::from(terms.taker))),
        // Where a lot costs nothing, because limits were lowered since the rate was copied, nothing bounds the lots.
        FeeModel::PerLot => match lot + i128::from(terms.taker) {
            cost if cost > 0 => i128::from(budget.0) / cost,
            _ => i128::from(i64::MAX),
        },
    };
    Qty(i64::try_from(lots).unwrap_or(i64::MAX))
}

/// A sum of amounts inside the engine.
#[inline]
pub fn add(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).expect("amounts of an asset add up to at most its supply")
}

/// A difference of amounts inside the engine.
#[inline]
pub fn sub(a: Amount, b: Amount) -> Amount {
    a.checked_sub(b).expect("amounts of an asset add up to at most its supply")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DOMAIN E03: three fills of 1,010 at 0.10 % cost 2, 1, 1 = ⌈3.03⌉; E05: ten of −0.01 % give 0 nine times, then −1.
    #[test]
    fn e03_e05_fees_of_an_order_do_not_depend_on_how_it_is_split() {
        let mut carry = 0;
        let mut fees = Vec::new();
        for _ in 0..3 {
            let (charged, next) = fee(FeeModel::Rate, Amount(1_010), Qty(1), 100_000, carry);
            fees.push(charged.0);
            carry = next;
        }
        assert_eq!(fees, [2, 1, 1]);
        let mut carry = 0;
        let mut fees = Vec::new();
        for _ in 0..10 {
            let (charged, next) = fee(FeeModel::Rate, Amount(1_010), Qty(1), -10_000, carry);
            fees.push(charged.0);
            carry = next;
        }
        assert_eq!(fees, [0, 0, 0, 0, 0, 0, 0, 0, 0, -1]);
    }

    #[test]
    fn large_values_take_the_wide_path_with_the_same_result() {
        // The second value has no rest, so that the carry decides about one unit.
        for value in [1i64 << 61, RATE_ONE << 34] {
            for rate in [99_999_999, 1, 0, -99_999_999] {
                let wide = div_ceil(i128::from(value) * i128::from(rate) - 5, i128::from(RATE_ONE));
                assert_eq!(i128::from(charge(value, rate, 5)), wide);
            }
        }
    }
}
