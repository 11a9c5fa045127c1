//! The optional calculators of a feed: a mark from index, premium and last trade (DOMAIN §6.4), a funding rate from samples of
//! the premium (§6.8). Pure functions in integers; the engine takes their results as commands and does not call them.

use ringbook_wire::{Price, RATE_ONE, Rate, div_floor};

const R: i128 = RATE_ONE as i128;
/// How far funding may correct the premium towards interest: 0.05 %.
const CORRECTION: i128 = R / 2_000;
/// The interval that interest and premium are stated for: 8 hours.
const STATED_NS: i128 = 8 * 3_600 * 1_000_000_000;

/// What a mark is computed from; prices in ticks, times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkInputs {
    /// Index price.
    pub index: Price,
    /// Rate of the last funding.
    pub funding_rate: Rate,
    /// Time until the next one.
    pub left: u64,
    /// Time between two.
    pub interval: u64,
    /// Moving average of middle price less index, in ticks.
    pub basis: i64,
    /// Last trade.
    pub last: Price,
}

/// Median of `⌊index·(1 + rate·left/interval)⌋`, `index + basis` and the last trade (E28). `None`: an interval of 0, or a
/// result that is no price.
pub fn mark_price(inputs: &MarkInputs) -> Option<Price> {
    if inputs.interval == 0 {
        return None;
    }
    let index = i128::from(inputs.index.0);
    let share = R * i128::from(inputs.interval);
    let carried = share.checked_add(i128::from(inputs.funding_rate.0) * i128::from(inputs.left))?;
    let fair = div_floor(index.checked_mul(carried)?, share);
    let mut candidates = [fair, index + i128::from(inputs.basis), i128::from(inputs.last.0)];
    candidates.sort_unstable();
    i64::try_from(candidates[1]).ok().filter(|&price| price >= 1).map(Price)
}

/// Premium of one sample, `⌊(max(0, impact bid − index) − max(0, index − impact ask))·R/index⌋` (E27). `None`: no index, or it
/// does not fit.
pub fn premium(index: Price, impact_bid: Price, impact_ask: Price) -> Option<Rate> {
    if index.0 < 1 {
        return None;
    }
    let index = i128::from(index.0);
    let above = (i128::from(impact_bid.0) - index).max(0);
    let below = (index - i128::from(impact_ask.0)).max(0);
    i64::try_from(div_floor((above - below) * R, index)).ok().map(Rate)
}

/// Average of samples with the weights 1, 2, 3, … : later ones weigh more. `None` without samples.
pub fn average_premium(samples: &[Rate]) -> Option<Rate> {
    let count = samples.len() as i128;
    if count == 0 {
        return None;
    }
    let sum: i128 = samples.iter().zip(1i128..).map(|(sample, weight)| i128::from(sample.0) * weight).sum();
    i64::try_from(div_floor(sum, count * (count + 1) / 2)).ok().map(Rate)
}

/// `P̄ + clamp(I − P̄, ±0.05 %)`, times interval / 8 h, within ±cap (E27). `None` if it does not fit.
pub fn funding_rate(premium: Rate, interest: Rate, interval: u64, cap: Rate) -> Option<Rate> {
    let (premium, interest, cap) = (i128::from(premium.0), i128::from(interest.0), i128::from(cap.0).max(0));
    let stated = premium + (interest - premium).clamp(-CORRECTION, CORRECTION);
    let rate = div_floor(stated * i128::from(interval), STATED_NS);
    i64::try_from(rate.clamp(-cap, cap)).ok().map(Rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600 * 1_000_000_000;

    /// `n` millionths of 1 (so 100 are 0.01 %).
    fn millionths(n: i64) -> Rate {
        Rate(n * 100)
    }

    #[test]
    fn e27_funding_from_premium_and_interest() {
        let (interest, cap) = (millionths(100), millionths(3_000));
        let rate = |premium: i64, hours: u64| funding_rate(millionths(premium), interest, hours * HOUR, cap);
        for (premium, expected) in [(800, 300), (300, 100), (-900, -400), (9_000, 3_000), (-20_000, -3_000)] {
            assert_eq!(rate(premium, 8), Some(millionths(expected)), "premium {premium}");
        }
        assert_eq!(rate(800, 4), Some(millionths(150)));
        assert_eq!(premium(Price(500_000), Price(500_300), Price(500_400)), Some(millionths(600)));
        assert_eq!(premium(Price(500_000), Price(499_000), Price(499_700)), Some(millionths(-600)));
        assert_eq!(premium(Price(500_000), Price(499_900), Price(500_100)), Some(Rate(0)));
        assert_eq!(premium(Price(0), Price(1), Price(1)), None);
        // 0.01, 0.02, 0.06 % with weights 1, 2, 3: 0.23 / 6 = 0.038333 %.
        assert_eq!(average_premium(&[millionths(100), millionths(200), millionths(600)]), Some(Rate(38_333)));
        assert_eq!(average_premium(&[]), None);
    }

    #[test]
    fn e28_the_mark_is_a_median() {
        let inputs = MarkInputs {
            index: Price(500_000),
            funding_rate: millionths(100),
            left: 4 * HOUR,
            interval: 8 * HOUR,
            basis: 73,
            last: Price(500_100),
        };
        // 50,002.5 and 50,007.3 and 50,010.0.
        assert_eq!(mark_price(&inputs), Some(Price(500_073)));
        assert_eq!(mark_price(&MarkInputs { last: Price(500_020), ..inputs }), Some(Price(500_025)));
        assert_eq!(mark_price(&MarkInputs { basis: 1, last: Price(1), ..inputs }), Some(Price(500_001)));
        assert_eq!(mark_price(&MarkInputs { interval: 0, ..inputs }), None);
    }
}
