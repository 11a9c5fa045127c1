//! Units of money, size and time, with checked arithmetic.
//!
//! Invariants: nothing here wraps or saturates; every product is formed in `i128`; a value that does not fit is a
//! `None` that the caller must turn into a refusal (a customer's number) or a fault (a broken invariant).

use core::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One as a [`Rate`]: 100 % (DOMAIN, notation: `R`).
pub const RATE_ONE: i64 = 100_000_000;

/// Largest product of price, quantity and value per tick and lot, and largest net supply of an asset (DOMAIN §1).
pub const MAX_AMOUNT: i64 = 1 << 62;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The sum, or `None` if it does not fit.
            #[inline]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// The difference, or `None` if it does not fit.
            #[inline]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(difference) => Some(Self(difference)),
                    None => None,
                }
            }

            /// Whether this is 0.
            #[inline]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

unit! {
    /// A price in ticks of its symbol. At least 1 where a price is meant; 0 where a field is not used.
    Price
}
unit! {
    /// A quantity in lots of its symbol. At least 1 where a quantity is meant; 0 where a field is not used.
    Qty
}
unit! {
    /// An amount of an asset, in its smallest unit: 10^−scale (DOMAIN §1).
    Amount
}
unit! {
    /// A rate in 1/[`RATE_ONE`]; may be negative (a rebate).
    Rate
}

impl Qty {
    /// The smaller of two quantities.
    #[inline]
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }
}

/// Nanoseconds since 1970-01-01 UTC. Engine time comes from commands alone (DOMAIN §5.1).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct TimestampNs(pub u64);

/// `⌈numerator / denominator⌉` towards +∞, also for negative numerators (DOMAIN, notation). `denominator` is positive.
#[inline]
pub const fn div_ceil(numerator: i128, denominator: i128) -> i128 {
    debug_assert!(denominator > 0);
    let quotient = numerator / denominator;
    if numerator % denominator > 0 { quotient + 1 } else { quotient }
}

/// `⌊numerator / denominator⌋` towards −∞, also for negative numerators (DOMAIN, notation). `denominator` is positive.
#[inline]
pub const fn div_floor(numerator: i128, denominator: i128) -> i128 {
    debug_assert!(denominator > 0);
    let quotient = numerator / denominator;
    if numerator % denominator < 0 { quotient - 1 } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_directions_hold_for_both_signs() {
        for (n, d, ceil, floor) in [(7, 2, 4, 3), (-7, 2, -3, -4), (8, 2, 4, 4), (-8, 2, -4, -4), (0, 5, 0, 0)] {
            assert_eq!((div_ceil(n, d), div_floor(n, d)), (ceil, floor), "{n}/{d}");
        }
    }

    #[test]
    fn sums_that_do_not_fit_are_none() {
        assert_eq!(Amount(i64::MAX).checked_add(Amount(1)), None);
        assert_eq!(Amount(i64::MIN).checked_sub(Amount(1)), None);
        assert_eq!(Qty(3).checked_sub(Qty(5)), Some(Qty(-2)));
    }
}
