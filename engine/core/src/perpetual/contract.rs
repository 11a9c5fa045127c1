//! What a perpetual has beyond a spot symbol: its terms, tiers, mark, funding clock, and the orders that wait for its mark.
//!
//! Invariants: tiers rise and maintenance margin is continuous in the notional (checked when they are set); the mark is one
//! that was accepted; `holders` leads to the record of every account that has one.

use super::watch::Watch;
use crate::book::StopBook;
use ringbook_wire::message::{MAX_TIERS, SetPerpetual};
use ringbook_wire::{AccountId, Amount, MAX_AMOUNT, Price, Qty, RATE_ONE, Rate, TimestampNs, div_ceil, div_floor};
use std::collections::BTreeMap;

const R: i128 = RATE_ONE as i128;

/// A tier of maintenance margin (DOMAIN §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tier {
    /// Largest notional, itself included.
    pub cap: Amount,
    pub rate: Rate,
    pub amount: Amount,
    pub max_leverage: u32,
}

/// Terms of a perpetual that spot symbols do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractTerms {
    pub max_position: Qty,
    pub mark_max_age: u64,
    pub mark_jump: Rate,
    pub funding_interval: u64,
    pub funding_cap: Rate,
    pub liquidation_fee: Rate,
    /// Notional that the fund may hold, as a multiple of its cash.
    pub fund_multiple: Rate,
    pub max_leverage: u32,
    pub mark_confirmations: u16,
    pub tier_count: u8,
    pub tiers: [Tier; MAX_TIERS],
}

/// Offers that jumped too far, one near the other (DOMAIN §6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The last of them; 0: there is no run.
    pub last: Price,
    /// How many came after the first.
    pub count: u16,
}

/// See the module.
#[derive(Clone)]
pub struct Contract {
    pub terms: ContractTerms,
    /// The accepted mark; 0 before the first.
    pub mark: Price,
    /// Its feed time.
    pub feed_time: TimestampNs,
    /// Newest feed time of an offer that was accepted or refused as a jump.
    pub offered: TimestampNs,
    pub run: Run,
    /// Number of the last funding.
    pub funding_index: u64,
    pub funding_due: TimestampNs,
    /// Only what does not increase exposure.
    pub reduce_only: bool,
    /// Sum of all long positions.
    pub open_interest: i64,
    /// Open lots of orders at work that are not reduce-only, by side.
    pub open_lots: [i64; 2],
    /// Orders that wait for the mark.
    pub stops: StopBook,
    /// Records by account.
    pub holders: BTreeMap<AccountId, u32>,
    pub watch: Watch,
}

impl Contract {
    /// A contract without mark and positions.
    pub fn new(terms: ContractTerms, max_price: Price, funding_due: TimestampNs) -> Self {
        Self {
            terms,
            mark: Price::ZERO,
            feed_time: TimestampNs(0),
            offered: TimestampNs(0),
            run: Run::default(),
            funding_index: 0,
            funding_due,
            reduce_only: false,
            open_interest: 0,
            open_lots: [0; 2],
            stops: StopBook::new(max_price),
            holders: BTreeMap::new(),
            watch: Watch::default(),
        }
    }

    /// Whether the mark may be acted on at a time.
    #[inline]
    pub fn is_fresh(&self, now: TimestampNs) -> bool {
        self.mark.0 != 0 && now.0.saturating_sub(self.feed_time.0) <= self.terms.mark_max_age
    }

    /// Leverage of an account that has chosen none.
    #[inline]
    pub fn default_leverage(&self) -> u32 {
        self.terms.max_leverage.min(20)
    }
}

impl ContractTerms {
    /// The terms in a message, if they are consistent in themselves; `None` is BAD_CONFIG.
    pub fn of(m: &SetPerpetual, open_interest: i64) -> Option<Self> {
        let count = usize::from(m.tiers);
        let mut tiers = [Tier::default(); MAX_TIERS];
        for (at, tier) in tiers.iter_mut().enumerate() {
            *tier = Tier {
                cap: m.tier_cap[at],
                rate: m.tier_rate[at],
                amount: m.tier_amount[at],
                max_leverage: m.tier_leverage[at],
            };
        }
        let share = |rate: Rate| (0..RATE_ONE).contains(&rate.0);
        let largest = m.max_position.0.max(open_interest);
        let notional = i128::from(m.max_price.0)
            .checked_mul(i128::from(largest))
            .and_then(|lots| lots.checked_mul(i128::from(m.quote_per_tick_lot.0)));
        let bounded = |time: u64| (1..=MAX_AMOUNT as u64).contains(&time);
        ((1..=MAX_TIERS).contains(&count)
            && tiers_fit(&tiers[..count])
            && tiers[count..].iter().all(|tier| *tier == Tier::default())
            && m.max_position.0 >= 1
            && notional.is_some_and(|notional| notional <= i128::from(MAX_AMOUNT))
            && bounded(m.mark_max_age)
            && bounded(m.funding_interval)
            && share(m.mark_jump)
            && share(m.funding_cap)
            && share(m.liquidation_fee)
            && (0..=MAX_AMOUNT).contains(&m.fund_multiple.0)
            && m.max_leverage >= 1
            && m.mark_confirmations >= 1
            && m.reduce_only <= 1)
            .then_some(Self {
                max_position: m.max_position,
                mark_max_age: m.mark_max_age,
                mark_jump: m.mark_jump,
                funding_interval: m.funding_interval,
                funding_cap: m.funding_cap,
                liquidation_fee: m.liquidation_fee,
                fund_multiple: m.fund_multiple,
                max_leverage: m.max_leverage,
                mark_confirmations: m.mark_confirmations,
                tier_count: m.tiers,
                tiers,
            })
    }

    /// The tiers in use.
    #[inline]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers[..usize::from(self.tier_count)]
    }

    /// Place of the tier of a notional; above the last cap the last one.
    #[inline]
    pub fn tier_of(&self, notional: i128) -> usize {
        let tiers = self.tiers();
        tiers.iter().position(|tier| notional <= i128::from(tier.cap.0)).unwrap_or(tiers.len() - 1)
    }

    /// `MM(V) = ⌈V·mmr/R⌉ − amount` of the tier of V.
    #[inline]
    pub fn maintenance(&self, notional: i128) -> i128 {
        let tier = &self.tiers[self.tier_of(notional)];
        div_ceil(notional * i128::from(tier.rate.0), R) - i128::from(tier.amount.0)
    }

    /// Whether `price` lies within the jump limit of `reference`.
    #[inline]
    pub fn is_near(&self, price: Price, reference: Price) -> bool {
        let moved = (i128::from(price.0) - i128::from(reference.0)).abs();
        moved * R <= i128::from(self.mark_jump.0) * i128::from(reference.0)
    }
}

/// Whether tiers rise and maintenance margin is continuous (DOMAIN §2).
pub(crate) fn tiers_fit(tiers: &[Tier]) -> bool {
    let each = tiers.iter().all(|tier| {
        (1..RATE_ONE).contains(&tier.rate.0)
            && tier.max_leverage >= 1
            && i128::from(tier.rate.0) * i128::from(tier.max_leverage) < R
            && (1..=MAX_AMOUNT).contains(&tier.cap.0)
            && (0..=MAX_AMOUNT).contains(&tier.amount.0)
    });
    each && tiers.first().is_some_and(|first| first.amount.0 == 0)
        && tiers.windows(2).all(|pair| {
            let more = i128::from(pair[0].cap.0) * i128::from(pair[1].rate.0 - pair[0].rate.0);
            pair[0].cap < pair[1].cap
                && pair[0].rate <= pair[1].rate
                && more % R == 0
                && i128::from(pair[0].amount.0) + more / R == i128::from(pair[1].amount.0)
        })
}

/// `⌈value·rate/R⌉`, signed.
#[inline]
pub(crate) fn share_ceil(value: i128, rate: i64) -> i128 {
    div_ceil(value * i128::from(rate), R)
}

/// `⌊value·rate/R⌋`, signed.
#[inline]
pub(crate) fn share_floor(value: i128, rate: i64) -> i128 {
    div_floor(value * i128::from(rate), R)
}

/// A number that the bounds of DOMAIN §1 keep within 64 bits.
#[inline]
pub(crate) fn fits(value: i128) -> i64 {
    i64::try_from(value).expect("bounded by the limits of DOMAIN §1")
}
