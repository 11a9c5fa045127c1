//! Numbers as a person writes them: rates as 0.05%, times as 8h, tiers as CAP:RATE:LEVERAGE.
//!
//! Invariant: nothing is rounded; what is finer than the unit is refused, with the unit.

use super::terms::Asset;
use ringbook_client::Tier;

/// The units in `text`, of which `one` are 1.0.
///
/// # Errors
/// In words: it is no number, or finer than the unit.
pub fn decimal(text: &str, one: i64) -> Result<i64, String> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let ours = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if digits.len() == usize::from(digits.contains('.')) || !ours(whole) || !ours(part) {
        return Err(format!("{text:?} is no number, as in 0.05"));
    }
    let part = part.trim_end_matches('0');
    let scale = u32::try_from(part.len()).ok().and_then(|places| 10_i128.checked_pow(places));
    let scale = scale.ok_or_else(|| format!("{text} has too many places"))?;
    let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let scaled = number(whole)
        .zip(number(part))
        .and_then(|(whole, part)| whole.checked_mul(scale)?.checked_add(part)?.checked_mul(i128::from(one)));
    match scaled {
        Some(scaled) if scaled % scale != 0 => {
            let places = one.ilog10();
            Err(format!("{text} is finer than the unit: at most {places} places"))
        }
        Some(scaled) => i64::try_from(scaled / scale * sign).map_err(|_| format!("{text} is too large")),
        None => Err(format!("{text} is too large")),
    }
}

/// A rate: a whole number of 1/100,000,000, or a percentage.
///
/// # Errors
/// In words.
pub fn rate(text: &str) -> Result<i64, String> {
    match text.strip_suffix('%') {
        Some(percent) => decimal(percent, 1_000_000),
        None => {
            text.parse().map_err(|_| format!("{text:?} is neither 1/100,000,000ths, as 50000, nor percent, as 0.05%"))
        }
    }
}

/// A time in nanoseconds from 10s, 500ms, 8h, 1d.
///
/// # Errors
/// In words.
pub fn time(text: &str) -> Result<u64, String> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let ns = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return Err(format!("{text:?} needs a number and ns, us, ms, s, m, h or d, as in 10s or 8h")),
    };
    u64::try_from(decimal(number, ns)?).map_err(|_| format!("{text} is negative"))
}

/// Nanoseconds as [`time`] reads them, in the largest unit that leaves nothing over.
pub fn time_text(ns: u64) -> String {
    let units = [(86_400_000_000_000, "d"), (3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s")];
    let found =
        units.into_iter().chain([(1_000_000, "ms"), (1_000, "us")]).find(|(one, _)| ns > 0 && ns.is_multiple_of(*one));
    found.map_or_else(|| format!("{ns}ns"), |(one, unit)| format!("{}{unit}", ns / one))
}

/// A tier as it was written; its cap may need the settlement asset.
#[derive(Clone, Debug)]
pub struct TierText {
    cap: String,
    rate: i64,
    leverage: u32,
}

impl std::str::FromStr for TierText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "a tier is CAP:RATE:LEVERAGE, as 50000USDT:0.4%:125 or 5000000000000:400000:125";
        let [cap, rate_text, leverage] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err(format!("{text:?}: {help}"));
        };
        let leverage = leverage.trim_end_matches('x').parse().map_err(|_| format!("leverage {leverage:?}: {help}"))?;
        let rate = rate(rate_text).map_err(|error| format!("{error}; {help}"))?;
        Ok(Self { cap: cap.to_owned(), rate, leverage })
    }
}

impl TierText {
    /// The tier, its cap in units of the settlement asset.
    ///
    /// # Errors
    /// In words: the cap is no amount, or one of another asset.
    pub fn tier(&self, settlement: u32, assets: &[Asset]) -> Result<Tier, String> {
        let at = self.cap.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(self.cap.len());
        let (number, name) = self.cap.split_at(at);
        let cap = if name.is_empty() {
            number.parse().map_err(|_| format!("tier cap {number:?}: units of the settlement asset, or as 50000USDT"))
        } else {
            let asset = assets.iter().find(|asset| asset.asset == settlement);
            let asset =
                asset.ok_or_else(|| format!("there is no asset {settlement}: `ringbook admin asset` (--quote)"))?;
            if !asset.name.eq_ignore_ascii_case(name) {
                let (has, cap) = (&asset.name, &self.cap);
                return Err(format!("tier cap {cap}: the settlement asset is {has}, so write {number}{has}"));
            }
            decimal(number, 10_i64.pow(u32::from(asset.scale))).map_err(|error| format!("tier cap: {error}"))
        };
        Ok(Tier { cap: cap?, rate: self.rate, leverage: self.leverage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_read_as_they_are_written() {
        for (text, expected) in
            [("0.05%", 50_000), ("-0.02%", -20_000), ("75000", 75_000), ("100%", 100_000_000), ("-7", -7)]
        {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for bad in ["", "%", "0.0000001%", "x%", "1.5", "--1%", ".%", "99999999999999999999%"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        for (text, expected) in [("10s", 10_000_000_000), ("8h", 28_800_000_000_000), ("1.5ms", 1_500_000), ("3ns", 3)]
        {
            assert_eq!(time(text), Ok(expected), "{text}");
            assert_eq!(time(&time_text(expected)), Ok(expected));
        }
        for bad in ["10", "s", "-1s", "1w", "0.5ns"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tier_is_read_in_units_or_in_the_settlement_asset() {
        let assets = [Asset { asset: 2, name: "USDT".into(), scale: 8 }];
        let tier = |text: &str| text.parse::<TierText>().and_then(|tier| tier.tier(2, &assets));
        let expected = Tier { cap: 5_000_000_000_000, rate: 400_000, leverage: 125 };
        assert_eq!(tier("50000USDT:0.4%:125"), Ok(expected));
        assert_eq!(tier("5000000000000:400000:125x"), Ok(expected));
        for (text, words) in [
            ("50000USDT:0.4%", "CAP:RATE:LEVERAGE"),
            ("50000BTC:0.4%:125", "50000USDT"),
            ("50000USDT:0.4:125", "0.4"),
            ("50000USDT:0.4%:-1", "leverage"),
        ] {
            let error = tier(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
