//! A recorded market: prices and funding rates with the times at which they were received.
//!
//! ```text
//! 1723161255088169167 {"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","b":"61800.20","a":"61800.30",…}}
//! 1723161255088176367 {"stream":"btcusdt@trade","data":{"e":"trade","p":"61800.30",…}}
//! 1723161255088176367 {"stream":"btcusdt@markPrice","data":{"e":"markPriceUpdate","p":"61799.9","r":"0.00010000",…}}
//! 1723161255088,61800.25              or plain lines: time,price
//! 1723161255088,61800.25,0.0001       or with a funding rate: time,price,rate
//! ```
//!
//! Times are seconds, milli-, micro- or nanoseconds since 1970, told apart by their size. What is neither (depth updates,
//! snapshots, headers) is passed over. Plain or gzip, by the first bytes.
//!
//! Invariants: lines are read one after the other, never the whole file; prices are exact, in 10⁻¹².

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;

/// Places behind the point that a price keeps.
pub const PLACES: u32 = 12;

/// What of the market becomes the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Source {
    /// The middle between best bid and best ask (bookTicker)
    Mid,
    /// The last trade (trade, aggTrade)
    Trade,
    /// The venue's own mark price (markPriceUpdate)
    Mark,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// In 10⁻¹².
    pub price: Option<i128>,
    /// In 1/100,000,000.
    pub funding: Option<i64>,
}

/// One message of the raw stream, as far as it matters here.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    e: Option<&'a str>,
    b: Option<serde_json::Value>,
    a: Option<serde_json::Value>,
    p: Option<&'a str>,
    r: Option<&'a str>,
}

/// A decimal number in 10⁻ᵖˡᵃᶜᵉˢ; what is finer is cut.
pub fn decimal(text: &str, places: u32) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let ours = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !ours(whole) || !ours(part) {
        return None;
    }
    let part = &part[..part.len().min(places as usize)];
    let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let scaled = number(whole)?.checked_mul(10_i128.checked_pow(places)?)?;
    let part = number(part)? * 10_i128.pow(places - part.len() as u32);
    Some(sign * scaled.checked_add(part)?)
}

/// A time of any of the four units in nanoseconds.
pub fn nanoseconds(text: &str) -> Option<u64> {
    let time: u64 = text.parse().ok()?;
    let one = match time {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    time.checked_mul(one)
}

/// A funding rate as venues write it (0.0001 is 0.01 %) in 1/100,000,000.
pub fn funding_rate(text: &str) -> Option<i64> {
    decimal(text, 8).and_then(|rate| i64::try_from(rate).ok())
}

/// Reads a line; `None` if it says neither a price nor a rate.
pub fn moment(line: &str, source: Source) -> Option<Moment> {
    let line = line.trim();
    let cut = line.find(|c: char| !c.is_ascii_digit())?;
    let time = nanoseconds(&line[..cut])?;
    if line[cut..].starts_with([',', ';', '\t']) {
        let mut fields = line[cut + 1..].split([',', ';', '\t']).map(str::trim);
        let price = fields.next().and_then(|price| decimal(price, PLACES));
        let funding = fields.next().and_then(funding_rate);
        return (price.is_some() || funding.is_some()).then_some(Moment { time, price, funding });
    }
    let json = line[cut..].trim_start();
    let data = serde_json::from_str::<Line<'_>>(json).ok().and_then(|line| line.data);
    let data = data.or_else(|| serde_json::from_str::<Data<'_>>(json).ok())?;
    let side = |side: &Option<serde_json::Value>| decimal(side.as_ref()?.as_str()?, PLACES);
    let event = data.e?;
    let price = match (event, source) {
        ("bookTicker", Source::Mid) => side(&data.b).zip(side(&data.a)).map(|(bid, ask)| (bid + ask) / 2),
        ("trade" | "aggTrade", Source::Trade) | ("markPriceUpdate", Source::Mark) => decimal(data.p?, PLACES),
        _ => None,
    };
    let funding = if event == "markPriceUpdate" { data.r.and_then(funding_rate) } else { None };
    (price.is_some() || funding.is_some()).then_some(Moment { time, price, funding })
}

/// The lines of a file, which may be gzip.
///
/// # Errors
/// It cannot be opened; in words.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
    let failed = |error: std::io::Error| format!("recording {}: {error}; name a file with --from", path.display());
    let mut file = File::open(path).map_err(failed)?;
    let mut magic = [0; 2];
    let zipped = file.read(&mut magic).map_err(failed)? == 2 && magic == [0x1F, 0x8B];
    file.rewind().map_err(failed)?;
    Ok(if zipped {
        Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::with_capacity(1 << 20, file))
    })
}

/// The rates of a file of lines `time,rate`, ascending by time.
///
/// # Errors
/// It cannot be read, or a line (but the first) is none; in words.
pub fn rates(path: &Path) -> Result<Vec<(u64, i64)>, String> {
    let mut rates = Vec::new();
    for (number, line) in open(path).map_err(|e| e.replace("--from", "--funding"))?.lines().enumerate() {
        let line = line.map_err(|error| format!("funding rates {}: {error}", path.display()))?;
        let read = line.trim().split_once([',', ';', '\t']);
        let read = read.and_then(|(time, rate)| Some((nanoseconds(time.trim())?, funding_rate(rate.trim())?)));
        match read {
            Some(rate) => rates.push(rate),
            None if number == 0 || line.trim().is_empty() => {}
            None => {
                let (path, number) = (path.display(), number + 1);
                return Err(format!(
                    "funding rates {path}, line {number}: {line:?} is not time,rate as 1723161600000,0.0001"
                ));
            }
        }
    }
    rates.sort_unstable();
    if rates.is_empty() {
        return Err(format!("funding rates {}: it holds no lines time,rate, as 1723161600000,0.0001", path.display()));
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i128 = 1_000_000_000_000;

    #[test]
    fn lines_of_all_kinds_are_read() {
        let ticker = r#"1723161255088169167 {"stream":"x@bookTicker","data":{"e":"bookTicker","u":5,"s":"X","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1,"E":1}}"#;
        let trade = r#"1723161255088176367 {"stream":"x@trade","data":{"e":"trade","E":1,"p":"61800.30","q":"0.006","m":false}}"#;
        let mark = r#"1723161255088176367 {"data":{"e":"markPriceUpdate","p":"61799.9","r":"0.00010000","T":1}}"#;
        let depth = r#"1723161255030314667 {"stream":"x@depth@0ms","data":{"e":"depthUpdate","b":[["58710.20","0.014"]],"a":[]}}"#;
        let snapshot = r#"1723161255030314667 {"lastUpdateId":5,"bids":[["1","2"]],"asks":[]}"#;
        let check = |line: &str, source, price: Option<i128>, funding: Option<i64>| {
            let read = moment(line, source);
            assert_eq!(
                read.map(|m| (m.price, m.funding)),
                (price.is_some() || funding.is_some()).then_some((price, funding)),
                "{line}"
            );
        };
        check(ticker, Source::Mid, Some(61_800 * ONE + ONE / 4), None);
        check(ticker, Source::Trade, None, None);
        check(trade, Source::Trade, Some(61_800 * ONE + ONE * 3 / 10), None);
        check(mark, Source::Mark, Some(61_799 * ONE + ONE * 9 / 10), Some(10_000));
        check(mark, Source::Mid, None, Some(10_000));
        check("1723161255088,61800.25", Source::Mid, Some(61_800 * ONE + ONE / 4), None);
        check("1723161255,7,-0.0001", Source::Mid, Some(7 * ONE), Some(-10_000));
        for nothing in [depth, snapshot, "time,price", "", "17", "1723161255 {", "1723161255,x"] {
            check(nothing, Source::Mid, None, None);
        }
    }

    #[test]
    fn times_are_told_apart_by_their_size() {
        for text in ["1723161255", "1723161255000", "1723161255000000", "1723161255000000000"] {
            assert_eq!(nanoseconds(text), Some(1_723_161_255_000_000_000), "{text}");
        }
    }
}
