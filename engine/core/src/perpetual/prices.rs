//! At which mark a position's bucket is liquidated (DOMAIN §6.5): for display and for those who index positions by it. The
//! engine's own test asks equity and maintenance margin (work_loop.rs).
//!
//! Invariant: with what else is in the bucket unchanged, the test says "unhealthy" at this tick and beyond, and "healthy" at
//! every tick before it.

use super::contract::ContractTerms;
use ringbook_wire::{Amount, Price, RATE_ONE, div_floor};

const R: i128 = RATE_ONE as i128;

/// A position with lots, and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backed {
    /// Lots; negative is short.
    pub quantity: i64,
    /// Signed value paid for them.
    pub cost: Amount,
    /// S: M, or what the wallet and the other cross positions leave beyond the maintenance margin of those.
    pub backing: i128,
}

/// The first tick, coming from health, at which equity does not exceed maintenance margin. 0: there is none (a long that cannot
/// lose all it has, or no lots at all).
///
/// Maintenance margin is continuous and its rates rise, so `MM(V)` is the largest of `⌈V·mmr/R⌉ − amount` over all tiers: the
/// tier that contains V at the price is the one whose price comes first.
pub(crate) fn liquidation_price(position: &Backed, k: Amount, terms: &ContractTerms) -> Price {
    let Backed { quantity, cost, backing } = *position;
    let (value, cost) = (i128::from(quantity).abs() * i128::from(k.0), i128::from(cost.0));
    // x ≤ ⌈y/R⌉ is x·R < y + R for whole x.
    let ticks = terms.tiers().iter().map(|tier| {
        let (rate, amount) = (i128::from(tier.rate.0), i128::from(tier.amount.0));
        match quantity > 0 {
            true => div_floor((cost - backing - amount + 1) * R - 1, value * (R - rate)),
            false => div_floor((backing - cost + amount - 1) * R, value * (R + rate)) + 1,
        }
    });
    let tick = match quantity {
        0 => None,
        1.. => ticks.max().filter(|&tick| tick >= 1),
        _ => ticks.min().map(|tick| tick.max(1)),
    };
    tick.map_or(Price::ZERO, |tick| Price(i64::try_from(tick).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_oracle::scenario::perpetual::{at, cents, ether, perpetual, set_tiers, usdt};
    use ringbook_wire::message::SetPerpetual;

    fn terms(message: &SetPerpetual) -> ContractTerms {
        ContractTerms::of(message, 0).expect("good terms")
    }

    fn with_tiers(table: &[(&str, i64, &str, u32)]) -> ContractTerms {
        let mut message = perpetual(1);
        set_tiers(&mut message, table);
        terms(&message)
    }

    fn units(amount: &str) -> i128 {
        i128::from(usdt(amount))
    }

    fn tick(terms: &ContractTerms, k: i64, quantity: i64, cost: i128, backing: i128) -> i64 {
        let cost = Amount(i64::try_from(cost).unwrap());
        liquidation_price(&Backed { quantity, cost, backing }, Amount(k), terms).0
    }

    fn is_unhealthy(terms: &ContractTerms, k: i64, quantity: i64, cost: i128, backing: i128, price: i64) -> bool {
        let value = i128::from(price) * i128::from(quantity) * i128::from(k);
        backing + value - cost <= terms.maintenance(value.abs())
    }

    fn cost(quantity: i64, price: i64, k: i64) -> i128 {
        i128::from(quantity) * i128::from(price) * i128::from(k)
    }

    #[test]
    fn e18_maintenance_margin() {
        let binance = terms(&perpetual(1));
        for (value, margin) in [("264000", "1340"), ("500000", "3700"), ("250000", "1200")] {
            assert_eq!(binance.maintenance(units(value)), units(margin), "{value}");
        }
        let bybit = with_tiers(&[
            ("1000", 2_000_000, "0", 20),
            ("2000", 2_500_000, "5", 20),
            ("3000", 3_000_000, "15", 20),
            ("4000", 3_500_000, "30", 20),
        ]);
        assert_eq!(bybit.maintenance(units("3500")), units("92.5"));
    }

    #[test]
    fn e19_published_prices() {
        let wallet = units("1535443.01");
        let eth = with_tiers(&[("2707300", 5_000_000, "0", 10), ("10000000", 10_000_000, "135365", 5)]);
        let (lots, paid) = (3_683_979, cost(3_683_979, cents("1456.84"), 1_000));
        assert_eq!(tick(&eth, 1_000, lots, paid, wallet), cents("1114.78"));
        let cross = wallet - units("56354.57") - units("71200.81144");
        assert_eq!(tick(&eth, 1_000, lots, paid, cross), cents("1153.25"));

        let btc = terms(&perpetual(1));
        let (lots, paid) = (109_488, cost(109_488, cents("32481.98"), 1_000));
        assert_eq!(tick(&btc, 1_000, lots, paid, wallet), cents("18778.72"));
        let cross = wallet - units("448192.89") - units("356512.508");
        assert_eq!(tick(&btc, 1_000, lots, paid, cross), cents("26316.89"));

        // A short of 1 @ 10 with 2 of margin, in ticks of a millionth.
        let small = with_tiers(&[("2", 500_000, "0", 50), ("1000", 1_000_000, "0.01", 50)]);
        assert_eq!(tick(&small, 100, -1, cost(-1, 10_000_000, 100), units("2")), 11_891_090);
    }

    #[test]
    fn e20_e22_e23_ticks() {
        let btc = terms(&perpetual(1));
        let (paid, margin) = (cost(1_000, at("50000"), 10_000), units("2500"));
        assert_eq!(tick(&btc, 10_000, 1_000, paid, margin), at("47690.7"));
        // The first tier alone would give 52,290.9, where V is in the second.
        assert_eq!(tick(&btc, 10_000, -1_000, -paid, margin), at("52288.6"));
        let first = with_tiers(&[("1000000", 400_000, "0", 125)]);
        assert_eq!(tick(&first, 10_000, -1_000, -paid, margin), at("52290.9"));

        // W 5,000; the ETH position has lost 2,000 and needs 362.
        let eth = terms(&ether(2));
        let value = cost(20_000, cents("2900"), 1_000);
        assert_eq!(eth.maintenance(value), units("362"));
        let backing = units("3000") - eth.maintenance(value);
        assert_eq!(tick(&btc, 10_000, 1_000, paid, backing), at("47552.2"));
    }

    #[test]
    fn the_ends_of_the_price_range() {
        let btc = terms(&perpetual(1));
        let (paid, much) = (cost(1_000, at("50000"), 10_000), units("1000000"));
        assert_eq!(tick(&btc, 10_000, 0, 0, much), 0);
        assert_eq!(tick(&btc, 10_000, 1_000, paid, paid), 0, "a long that cannot lose more than it has");
        assert_eq!(tick(&btc, 10_000, -1_000, -paid, -much), 1, "a short that is unhealthy at any price");
        assert_eq!(tick(&btc, 1, 1, 1, -(1 << 70)), i64::MAX);
        assert_eq!(tick(&btc, 1, -1, -1, 1 << 70), i64::MAX);
    }

    /// The tick is the exact boundary of the engine's test, whatever the tier and the rounding.
    #[test]
    fn unhealthy_at_the_tick_and_healthy_before_it() {
        let mut state: u64 = 7;
        let mut below = |bound: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as i64 % bound
        };
        let btc = terms(&perpetual(1));
        let (mut inside, mut tiers) = (0, [0; 5]);
        for _ in 0..200_000 {
            // Values of a few units up to some beyond the last cap.
            let [k, lots, entry] = [6, 6, 7].map(|places| 10_i64.pow(below(places) as u32));
            let (lots, entry) = (1 + below(10 * lots), 1 + below(10 * entry));
            let quantity = if below(2) == 0 { lots } else { -lots };
            let paid = cost(quantity, entry, k) + i128::from(below(3)) - 1;
            let backing = paid.abs() * i128::from(below(1_200)) / 1_000 + i128::from(below(5)) - 2;
            let price = tick(&btc, k, quantity, paid, backing);
            let toward_health = if quantity > 0 { price + 1 } else { price - 1 };
            let unhealthy = |price| is_unhealthy(&btc, k, quantity, paid, backing, price);
            let case = format!("{quantity} × {k}, {paid}, {backing}: {price}");
            if price >= 1 {
                assert!(unhealthy(price), "{case}");
                tiers[btc.tier_of(cost(lots, price, k))] += 1;
                inside += 1;
            }
            assert!(toward_health < 1 || !unhealthy(toward_health), "{case}");
        }
        assert!(inside > 100_000 && tiers.iter().all(|&count| count > 100), "{inside} {tiers:?}");
    }
}
