//! Values of columns, the same for both databases, and the small formats that readers see (decimals, UTC, days).
//!
//! Invariants:
//! 1. A value has one form: an unsigned number that fits `i64` is [`Value::Int`], so equal numbers are equal values.
//! 2. Nothing here passes through floating point.

use std::borrow::Cow;

/// One column of one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`; see [`crate::schema::Kind::Unsigned`].
    Big(u64),
    /// Text, or a decimal in its canonical form.
    Text(Cow<'static, str>),
}

impl Value {
    /// Text that lives for ever.
    pub const fn name(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The number, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(v) => Some(*v),
            _ => None,
        }
    }

    /// The number, if it is one that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(v) => u64::try_from(*v).ok(),
            Self::Big(v) => Some(*v),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As JSON; numbers stay numbers.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Int(v) => (*v).into(),
            Self::Big(v) => (*v).into(),
            Self::Text(text) => text.as_ref().into(),
        }
    }

    /// The reverse of [`Self::json`]; `None` for what no column can hold.
    pub fn from_json(json: &serde_json::Value) -> Option<Self> {
        match json {
            serde_json::Value::Null => Some(Self::Null),
            serde_json::Value::Number(n) => n.as_i64().map(Self::Int).or_else(|| n.as_u64().map(Self::Big)),
            serde_json::Value::String(text) => Some(Self::Text(text.clone().into())),
            _ => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Big(v) => write!(f, "{v}"),
            Self::Text(text) => write!(f, "'{text}'"),
        }
    }
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}

impl From<u32> for Value {
    fn from(v: u32) -> Self {
        Self::Int(v.into())
    }
}

impl From<u64> for Value {
    fn from(v: u64) -> Self {
        i64::try_from(v).map_or(Self::Big(v), Self::Int)
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Int(v.into())
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::Text(v.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

/// Text that may be missing.
pub fn name_or_null(name: Option<&'static str>) -> Value {
    name.map_or(Value::Null, Value::name)
}

/// `mantissa · 10^−places` with exactly `digits` places; `None` if it needs more of them or more than `i128` holds.
pub fn decimal(mantissa: i128, places: i32, digits: u32) -> Option<String> {
    let shift = i32::try_from(digits).ok()? - places;
    let scaled = if shift >= 0 {
        mantissa.checked_mul(10i128.checked_pow(shift.unsigned_abs())?)?
    } else {
        let divisor = 10i128.checked_pow(shift.unsigned_abs())?;
        (mantissa % divisor == 0).then_some(mantissa / divisor)?
    };
    let sign = if scaled < 0 { "-" } else { "" };
    let one = 10u128.checked_pow(digits)?;
    let (whole, rest) = (scaled.unsigned_abs() / one, scaled.unsigned_abs() % one);
    Some(if digits == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{rest:0width$}", width = digits as usize)
    })
}

/// `numerator / denominator · 10^exponent` as `mantissa · 10^−places`, shortest form; `None` if it has no end in
/// decimals or does not fit.
pub fn finite_decimal(numerator: i64, denominator: i64, exponent: i32) -> Option<(i64, i32)> {
    if numerator < 1 || denominator < 1 {
        return None;
    }
    let (mut mantissa, mut divisor, mut places) = (i128::from(numerator), i128::from(denominator), -exponent);
    let common = gcd(mantissa, divisor);
    (mantissa, divisor) = (mantissa / common, divisor / common);
    while divisor > 1 {
        // A denominator of other primes than 2 and 5 never ends.
        let factor = if divisor % 10 == 0 {
            10
        } else if divisor % 5 == 0 {
            5
        } else if divisor % 2 == 0 {
            2
        } else {
            return None;
        };
        divisor /= factor;
        mantissa = mantissa.checked_mul(10 / factor)?;
        places += 1;
    }
    while places > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        places -= 1;
    }
    while places < 0 {
        mantissa = mantissa.checked_mul(10)?;
        places += 1;
    }
    Some((i64::try_from(mantissa).ok()?, places))
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The UTC day of a time as a number that reads as one: 20261122.
pub fn day(time_ns: u64) -> i64 {
    // Days to civil date, by eras of 400 years that begin on 1 March.
    let z = (time_ns / 86_400_000_000_000) as i64 + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    year * 10_000 + month * 100 + (doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_utc_dates() {
        for (seconds, expected) in [
            (0u64, 19_700_101),
            (86_399, 19_700_101),
            (86_400, 19_700_102),
            (951_782_400, 20_000_229),
            (1_795_305_600, 20_261_122),
            (4_102_444_800, 21_000_101),
        ] {
            assert_eq!(day(seconds * 1_000_000_000), expected, "{seconds}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        for (mantissa, places, digits, expected) in [
            (123, 2, 2, Some("1.23")),
            (-5, 8, 8, Some("-0.00000005")),
            (7, 0, 3, Some("7.000")),
            (7, -2, 0, Some("700")),
            (123, 3, 2, None),
            (120, 3, 2, Some("0.12")),
        ] {
            assert_eq!(decimal(mantissa, places, digits).as_deref(), expected, "{mantissa} {places} {digits}");
        }
    }

    #[test]
    fn tick_sizes_are_shortest_decimals() {
        // DOMAIN §7: tick 0.01 USDT, lot 0.00001 BTC, both with 8 places: K = 10 units, base_lot = 1,000 units.
        for (k, lot, exponent, expected) in [
            (10, 1_000, 0, Some((1, 2))),
            (1, 3, 0, None),
            (25, 10, 0, Some((25, 1))),
            (5, 1, 3, Some((5_000, 0))),
            (1, 8, 0, Some((125, 3))),
            (0, 8, 0, None),
        ] {
            assert_eq!(finite_decimal(k, lot, exponent), expected, "{k}/{lot} e{exponent}");
        }
    }
}
