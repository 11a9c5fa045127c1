//! Decimal numbers as published, exactly: no floating point.

use serde_json::Value;
use std::fmt;

/// Decimal places that are kept.
const PLACES: u32 = 16;
const ONE: i128 = 10_i128.pow(PLACES);

/// A number in units of 10^−16.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(i128);

impl Decimal {
    pub const ZERO: Self = Self(0);

    /// The digits of a number, with an exponent or without.
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let shift = i32::try_from(PLACES).ok()? + exponent.parse::<i32>().ok()? - i32::try_from(part.len()).ok()?;
        let number: i128 = format!("{whole}{part}").parse().ok()?;
        let factor = 10_i128.checked_pow(shift.unsigned_abs())?;
        match shift {
            0.. => number.checked_mul(factor).map(Self),
            _ => (number % factor == 0).then_some(Self(number / factor)),
        }
    }

    pub fn of(value: &Value) -> Option<Self> {
        Self::parse(&value.as_number()?.to_string())
    }

    pub fn from_units(units: i128, places: u32) -> Self {
        Self(units * 10_i128.pow(PLACES - places))
    }

    /// Decimal places that it needs.
    pub fn places(self) -> u32 {
        (0..PLACES).find(|&places| self.0 % 10_i128.pow(PLACES - places) == 0).unwrap_or(PLACES)
    }

    /// In units of so many places; fails if it is finer.
    #[track_caller]
    pub fn units(self, places: u32) -> i64 {
        assert!(self.places() <= places, "{self} has more than {places} places");
        i64::try_from(self.0 / 10_i128.pow(PLACES - places)).expect("few digits")
    }

    /// The whole part.
    #[track_caller]
    pub fn to_whole(self) -> i64 {
        i64::try_from(self.0 / ONE).expect("few digits")
    }

    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Rounded towards 0.
    pub fn times(self, other: Self) -> Self {
        let [(a, b), (c, d)] = [self.0, other.0].map(|number| (number / ONE, number % ONE));
        Self(a * c * ONE + a * d + b * c + b * d / ONE)
    }

    /// Rounded towards 0, digit by digit.
    pub fn over(self, other: Self) -> Self {
        let (mut quotient, mut rest) = (self.0 / other.0, self.0 % other.0);
        for _ in 0..PLACES {
            rest *= 10;
            quotient = quotient * 10 + rest / other.0;
            rest %= other.0;
        }
        Self(quotient)
    }

    pub fn is_within(self, tolerance: Self, other: Self) -> bool {
        (self - other).abs() <= tolerance
    }
}

impl std::ops::Add for Decimal {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Decimal {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / ONE.unsigned_abs(), self.0.unsigned_abs() % ONE.unsigned_abs());
        let part = format!("{part:016}");
        match part.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            part => write!(f, "{sign}{whole}.{part}"),
        }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
