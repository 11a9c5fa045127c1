//! `ringbook mark`: a recorded market becomes the marks of a perpetual, at the pace of the recording or faster.
//!
//! ```text
//!  file ──► moments ──► price in ticks ──► changed, or a second old? ──► paced ──► MARK ──► counts
//!                 └───► funding rate ──────────────────────► due? ──────────────► FUNDING
//! ```
//!
//! Invariants: a mark is offered when the price has changed, and again after a second of the recording, so that it stays
//! fresh; feed times are the clock of now and rise; the recording's clock gives only the pace. A refusal that the next mark would
//! meet, too (no such perpetual, closed, not entitled) ends it; others are counted.

mod recording;
mod summary;

use crate::commands::admin::present::Present;
use crate::commands::admin::units::rate;
use crate::output::{could_not, print, verdict};
use recording::{Moment, PLACES, Source};
use ringbook_client::{Client, Key, Options, Rejection, Report};
use ringbook_wire::{RejectCode, TimestampNs};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use summary::Counts;

/// A price that does not change is offered again after so much of the recording.
const REPEAT_NS: u64 = 1_000_000_000;
/// Longest wait between looks at the connection.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Arguments of `ringbook mark`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Feeds a recorded market into the marks of a perpetual",
    after_help = "Reads lines of raw Binance streams (time in ns, then the message: bookTicker, trade, markPriceUpdate) or plain \
                  lines time,price[,rate]; gzip or not. The marks carry the clock of now; the recording gives only the pace.\n\n\
                  Examples:\n  \
                  ringbook mark --from btcusdt.gz --connect 127.0.0.1:7401\n  \
                  ringbook mark --from btcusdt.gz --connect 127.0.0.1:7401 --speed 0 --limit 1000 --json\n  \
                  ringbook mark --from prices.csv --connect 127.0.0.1:7401 --symbol-id 20 --funding 0.01%\n\n\
                  Exit code: 0 all well, 1 no mark was accepted or some were refused for another reason than a jump, 2 it \
                  could not be done."
)]
pub struct MarkArgs {
    /// The recording
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Order entry address
    #[arg(long, value_name = "ADDR")]
    connect: String,
    /// HTTP address, where tick and funding are read [default: what `serve` wrote beside the keys, else port 7480 of the same host]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Number of the perpetual [default: the only one there is]
    #[arg(long, value_name = "N")]
    symbol_id: Option<u32>,
    /// How many times faster than recorded; 0: as fast as it is answered
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    speed: f64,
    /// Folder with feed.key
    #[arg(long, value_name = "DIR", env = "RINGBOOK_KEYS", default_value = "ringbook-data/keys")]
    keys: PathBuf,
    /// Key file, with the role feed or admin [default: feed.key of --keys]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// End after so many marks
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// What becomes the mark
    #[arg(long, value_name = "WHAT", default_value = "mid")]
    price: Source,
    /// At most one mark in so many milliseconds of the recording; 0: each change
    #[arg(long, value_name = "MS", default_value_t = 0)]
    every: u64,
    /// Price of one tick, as 0.1 [default: computed from the perpetual's terms]
    #[arg(long, value_name = "PRICE")]
    tick: Option<String>,
    /// Pay funding when it is due: a RATE (as 0.01%), a FILE of lines time,rate, or `recorded` for that of the recording
    #[arg(long, value_name = "RATE|FILE|recorded")]
    funding: Option<String>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Where funding rates come from.
enum Rates {
    None,
    Always(i64),
    Recorded,
    /// Those of a file, the next one last.
    File(Vec<(u64, i64)>),
}

/// What is known of the perpetual.
struct Perpetual {
    id: u32,
    /// Ticks of a price p in 10⁻¹²: p · ticks.0 / ticks.1.
    ticks: (i128, i128),
    /// Number of the last funding, and when the next is due.
    funding: (u64, u64),
    interval: u64,
}

/// Runs the command.
pub fn run(args: MarkArgs) -> ExitCode {
    let begin = Instant::now();
    match feed(&args) {
        Ok((perpetual, counts)) => {
            let jump = RejectCode::MarkJump.code();
            let well = counts.accepted > 0 && counts.refused.keys().all(|&code| code == jump);
            print(args.json, &counts.json(perpetual, begin.elapsed()), || counts.text(perpetual, begin.elapsed()));
            verdict(well)
        }
        Err(error) => could_not(error),
    }
}

fn feed(args: &MarkArgs) -> Result<(u32, Counts), String> {
    if !args.speed.is_finite() || args.speed < 0.0 {
        return Err(format!(
            "--speed {}: give 1 for the recorded pace, more for faster, 0 for as fast as possible",
            args.speed
        ));
    }
    let mut rates = match args.funding.as_deref() {
        None => Rates::None,
        Some("recorded") => Rates::Recorded,
        Some(text) => match rate(text) {
            Ok(rate) => Rates::Always(rate),
            Err(_) => {
                let mut rates = recording::rates(text.as_ref())?;
                rates.reverse();
                Rates::File(rates)
            }
        },
    };
    let lines = recording::open(&args.from)?;
    let file = args.key.clone().unwrap_or_else(|| args.keys.join("feed.key"));
    let key = Key::load(&file).map_err(|error| error.to_string())?;
    let options = Options { own_only: true, session: std::process::id(), ..Options::new(&args.connect) };
    let mut client = Client::connect(options, key).map_err(|error| error.to_string())?;
    let mut perpetual = find(&client, args, !matches!(rates, Rates::None))?;
    let mut counts = Counts::default();
    let (mut first, mut sent_at, mut rate, mut feed_time) = (None, 0, None, 0);
    let begin = Instant::now();
    for line in lines.lines() {
        let line = line.map_err(|error| format!("recording {}: {error}", args.from.display()))?;
        counts.lines += 1;
        let Some(Moment { time, price, funding }) = recording::moment(&line, args.price) else { continue };
        match &mut rates {
            Rates::None => {}
            Rates::Always(always) => rate = Some(*always),
            Rates::Recorded => rate = funding.or(rate),
            Rates::File(rates) => {
                while let Some((_, next)) = rates.pop_if(|(from, _)| *from <= time) {
                    rate = Some(next);
                }
            }
        }
        let Some(price) = price.and_then(|price| perpetual.in_ticks(price)) else { continue };
        let since = time.saturating_sub(sent_at);
        if counts.last == Some(price) && since < REPEAT_NS || since < args.every.saturating_mul(1_000_000) {
            continue;
        }
        sent_at = time;
        let from = *first.get_or_insert(time);
        if args.speed > 0.0 {
            let due = Duration::from_nanos(time.saturating_sub(from)).as_secs_f64() / args.speed;
            wait(&mut client, begin + Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX / 4))?;
        }
        feed_time = ringbook_client::order::now().0.max(feed_time + 1);
        offer(&mut client, perpetual.id, price, feed_time, &mut counts)?;
        if let Some(rate) = rate
            && perpetual.funding.1 <= ringbook_client::order::now().0
        {
            pay(&mut client, &mut perpetual, rate, args, &mut counts)?;
        }
        if args.limit.is_some_and(|limit| counts.sent >= limit) {
            break;
        }
    }
    if counts.sent == 0 {
        let source = format!("{:?}", args.price).to_lowercase();
        return Err(format!(
            "recording {}: none of its {} lines has a price for --price {source}; choose another --price (mid, trade, mark)",
            args.from.display(),
            counts.lines
        ));
    }
    // The answers are here; a goodbye that fails changes nothing.
    let _ = client.log_out();
    Ok((perpetual.id, counts))
}

/// Waits, and keeps the session alive meanwhile.
fn wait(client: &mut Client, until: Instant) -> Result<(), String> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        client.next_report(left.min(LONGEST_WAIT)).map_err(|error| error.to_string())?;
    }
}

/// Which perpetual it is, what a tick is worth, and where its funding stands.
fn find(client: &Client, args: &MarkArgs, with_funding: bool) -> Result<Perpetual, String> {
    let own_tick = match &args.tick {
        Some(text) => match recording::decimal(text, PLACES) {
            Some(tick) if tick > 0 => Some((1, tick)),
            _ => return Err(format!("--tick {text}: give the price of one tick, as 0.1")),
        },
        None => None,
    };
    if let (Some(id), Some(ticks), false) = (args.symbol_id, own_tick, with_funding) {
        return Ok(Perpetual { id, ticks, funding: (0, u64::MAX), interval: u64::MAX });
    }
    let keys = args.key.as_deref().and_then(std::path::Path::parent).unwrap_or(&args.keys);
    let present = Present::find(client, args.http.as_deref(), keys, &args.connect)?;
    let mut list: Vec<Value> = present.list("/v1/perpetuals", "perpetuals")?;
    list.retain(|one| one["status"] != "CLOSED" || args.symbol_id.is_some());
    let names = || {
        let name = |one: &Value| format!("{} {}", one["symbol"], one["name"].as_str().unwrap_or_default());
        list.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let found = match (args.symbol_id, &list[..]) {
        (Some(id), _) => list.iter().find(|one| one["symbol"] == id),
        (None, [only]) => Some(only),
        (None, []) => return Err("there is no perpetual: `ringbook admin perpetual` makes one".into()),
        (None, _) => return Err(format!("there are several perpetuals: choose one with --symbol-id ({})", names())),
    };
    let Some(one) = found else {
        return Err(format!(
            "there is no perpetual {}: choose one with --symbol-id ({})",
            args.symbol_id.unwrap_or(0),
            names()
        ));
    };
    let assets: Vec<Value> = present.list("/v1/assets", "assets")?;
    let scale = |asset: &Value| {
        let found = assets.iter().find(|one| one["asset"] == *asset);
        found.and_then(|one| one["scale"].as_u64()).and_then(|scale| 10_i128.checked_pow(scale as u32))
    };
    let number = |name: &str| one[name].as_u64();
    let read = || {
        let (lot, k) = (i128::from(number("base_lot")?), i128::from(number("quote_per_tick_lot")?));
        let over = lot.checked_mul(scale(&one["quote"])?)?;
        let under = 10_i128.pow(PLACES).checked_mul(k)?.checked_mul(scale(&one["base"])?)?;
        let shared = gcd(over, under);
        Some(Perpetual {
            id: u32::try_from(number("symbol")?).ok()?,
            ticks: own_tick.unwrap_or((over / shared, under / shared)),
            funding: (number("funding_index")?, number("funding_due")?),
            interval: number("funding_interval")?,
        })
    };
    read().ok_or_else(|| {
        format!("GET /v1/perpetuals is not as documented, or its tick is not computable: give --tick ({one})")
    })
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Perpetual {
    /// The nearest tick to a price.
    fn in_ticks(&self, price: i128) -> Option<i64> {
        let (over, under) = self.ticks;
        let twice = price.checked_mul(over)?.checked_mul(2)?.checked_add(under)?;
        i64::try_from(twice.div_euclid(under.checked_mul(2)?)).ok().filter(|&ticks| ticks > 0)
    }
}

/// What can only be mended by the operator.
fn fatal(code: Option<RejectCode>, id: u32) -> Option<String> {
    Some(match code? {
        RejectCode::UnknownSymbol => format!("there is no perpetual {id}; GET /v1/perpetuals lists them (--symbol-id)"),
        RejectCode::SymbolStatus => format!("perpetual {id} does not take it in its status (GET /v1/perpetuals)"),
        RejectCode::UnknownAccount => "the key's role does not allow it: use a feed key or an admin key (--key)".into(),
        RejectCode::BadRequest => "the clock here is more than a second ahead of the exchange's: set it".into(),
        _ => return None,
    })
}

fn offer(client: &mut Client, id: u32, price: i64, feed_time: u64, counts: &mut Counts) -> Result<(), String> {
    counts.sent += 1;
    counts.last = Some(price);
    let answer = client.mark(id, price, TimestampNs(feed_time), false).map_err(|error| error.to_string())?;
    match answer.result() {
        Ok(_) => {
            counts.accepted += 1;
            counts.first.get_or_insert(price);
            counts.confirmed +=
                answer.reports.iter().filter(|r| matches!(r, Report::Mark(mark) if mark.how == 2)).count() as u64;
        }
        Err(rejection) => count(rejection, &format!("mark {price}"), id, &mut counts.refused)?,
    }
    Ok(())
}

fn count(rejection: Rejection, what: &str, id: u32, refused: &mut BTreeMap<u16, u64>) -> Result<(), String> {
    if let Some(remedy) = fatal(RejectCode::from_code(rejection.0), id) {
        return Err(format!("{what} of perpetual {id} was refused: {rejection}; {remedy}"));
    }
    *refused.entry(rejection.0).or_default() += 1;
    Ok(())
}

/// Pays the funding that is due. After a refusal for number or time, where it stands is read again.
fn pay(
    client: &mut Client,
    perpetual: &mut Perpetual,
    rate: i64,
    args: &MarkArgs,
    counts: &mut Counts,
) -> Result<(), String> {
    let answer = client.funding(perpetual.id, perpetual.funding.0 + 1, rate).map_err(|error| error.to_string())?;
    match answer.result() {
        Ok(_) => {
            counts.fundings += 1;
            perpetual.funding = (perpetual.funding.0 + 1, perpetual.funding.1.saturating_add(perpetual.interval));
        }
        Err(rejection) => {
            count(rejection, "funding", perpetual.id, &mut counts.fundings_refused)?;
            if rejection.0 == RejectCode::FundingTime.code() {
                perpetual.funding = find(client, args, true)?.funding;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_becomes_the_nearest_tick() {
        // Tick 0.1: K = 10,000 units for a lot of 100,000 units, both scales 8.
        let (over, under) = (100_000 * 100_000_000_i128, 10_i128.pow(PLACES) * 10_000 * 100_000_000);
        let shared = gcd(over, under);
        let perpetual = Perpetual { id: 1, ticks: (over / shared, under / shared), funding: (0, 0), interval: 1 };
        for (price, ticks) in [("61800.25", Some(618_003)), ("61800.24", Some(618_002)), ("0.04", None), ("-1", None)] {
            assert_eq!(perpetual.in_ticks(recording::decimal(price, PLACES).unwrap()), ticks, "{price}");
        }
    }
}
