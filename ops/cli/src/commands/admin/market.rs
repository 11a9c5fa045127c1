//! `ringbook admin mark`, `funding`, `settle` and `reduce-fund`: what the operator does in the market of a perpetual.

use super::present::Present;
use super::units::rate;
use super::{Done, refused};
use ringbook_client::{Client, Report, order};
use ringbook_wire::message::{Funding, Mark, Message, SettleSymbol};
use ringbook_wire::{AccountId, Price, Rate, RejectCode, Side, SymbolId, TimestampNs};
use serde_json::{Value, json};

/// Which mark of which perpetual.
#[derive(Debug, clap::Args)]
#[command(
    about = "Offers a mark price of a perpetual",
    after_help = "A recorded market is fed with `ringbook mark`. Examples:\n  ringbook admin mark 20 600000\n  \
                  ringbook admin mark 20 450000 --force"
)]
pub struct MarkArgs {
    /// Number of the perpetual; GET /v1/perpetuals lists them
    symbol: u32,
    /// In ticks
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    price: i64,
    /// Take it however far it jumps
    #[arg(long)]
    force: bool,
    /// The feed's clock in nanoseconds since 1970; must be above that of the last offer [default: now]
    #[arg(long, value_name = "NS")]
    time: Option<u64>,
}

/// Sends the mark.
pub fn mark(client: &mut Client, args: &MarkArgs) -> Result<Done, String> {
    let MarkArgs { symbol, price, force, .. } = *args;
    let feed_time = args.time.map_or_else(ringbook_client::order::now, TimestampNs);
    let message =
        Mark { symbol: SymbolId(symbol), price: Price(price), feed_time, force: u8::from(force), ..Mark::new(0) };
    let answer = refused(client, message, &format!("mark {price} of perpetual {symbol}"), |code, _| {
        match code {
        Some(RejectCode::BadRequest) => "its time is 0, or more than a second ahead of the exchange's: leave --time out".into(),
        Some(RejectCode::PriceRange) => {
            format!("it lies outside the perpetual's --min-price and --max-price (`ringbook admin perpetual {symbol}`)")
        }
        Some(RejectCode::MarkOld) => "a feed offered a later one: give a higher --time, or leave it out".into(),
        Some(RejectCode::MarkJump) => {
            "it lies farther from the last mark than mark_jump: offer it again until it is confirmed (mark_confirmations), or \
             give --force"
                .into()
        }
        code => remedy(code, symbol),
    }
    })?;
    let how = answer.reports.iter().find_map(|report| match report {
        Report::Mark(mark) => Some(match mark.how {
            1 => "forced",
            2 => "confirmed by a run",
            _ => "within the limit",
        }),
        _ => None,
    });
    let detail = json!({ "symbol": symbol, "mark": price, "feed_time": feed_time.0, "how": how });
    Ok(Done { text: format!("perpetual {symbol} has the mark {price} ({})", how.unwrap_or("accepted")), detail })
}

/// Remedies that the commands of this file share.
fn remedy(code: Option<RejectCode>, symbol: u32) -> String {
    match code {
        Some(RejectCode::UnknownSymbol) => format!("there is no perpetual {symbol}; GET /v1/perpetuals lists them"),
        Some(RejectCode::SymbolStatus) => {
            format!(
                "its status does not allow it (GET /v1/perpetuals, symbol {symbol}); CLOSED is final, else `ringbook admin status {symbol} TRADING`"
            )
        }
        Some(RejectCode::NoMark) => {
            format!("its mark is missing or too old: `ringbook admin mark {symbol} PRICE`, or let `ringbook mark` run")
        }
        _ => "only an admin key or a feed key may do this".into(),
    }
}

/// Which funding of which perpetual.
#[derive(Debug, clap::Args)]
#[command(
    about = "Pays funding of a perpetual",
    after_help = "A positive rate is paid by longs to shorts. Examples:\n  ringbook admin funding 20 0.01%\n  \
                  ringbook admin funding 20 -5000 --index 3"
)]
pub struct FundingArgs {
    /// Number of the perpetual; GET /v1/perpetuals lists them
    symbol: u32,
    /// In 1/100,000,000 of the position's value, or as 0.01%
    #[arg(value_parser = rate)]
    rate: i64,
    /// Number of the funding [default: the last one's plus 1]
    #[arg(long, value_name = "N")]
    index: Option<u64>,
}

/// Sends the funding.
pub fn funding(
    client: &mut Client,
    present: impl Fn(&Client) -> Result<Present, String>,
    args: &FundingArgs,
) -> Result<Done, String> {
    let symbol = args.symbol;
    let now = |client: &Client| -> Result<(u64, u64, u64), String> {
        let (answer, found) = contract(&present(client)?, symbol)?;
        let number = |value: &Value| value.as_u64().ok_or("GET /v1/perpetuals is not as documented");
        Ok((number(&found["funding_index"])?, number(&found["funding_due"])?, number(&answer["time"])?))
    };
    let index = match args.index {
        Some(index) => index,
        None => now(client).map_err(|error| format!("{error}; or name the funding's number with --index"))?.0 + 1,
    };
    let message = Funding { symbol: SymbolId(symbol), rate: Rate(args.rate), index, ..Funding::new(0) };
    let what = format!("funding {index} of perpetual {symbol}");
    let answer = refused(client, message, &what, |code, client| match code {
        Some(RejectCode::BadRequest) => "the rate must lie below 100 % in either direction".into(),
        Some(RejectCode::FundingTime) => match now(client) {
            Ok((last, due, time)) if index == last + 1 => {
                format!("it is due in {} s", due.saturating_sub(time).div_ceil(1_000_000_000))
            }
            Ok((last, ..)) => format!("the next one has the number {}: leave --index out", last + 1),
            Err(_) => "its number is not the next one, or it is not due yet (GET /v1/perpetuals)".into(),
        },
        code => remedy(code, symbol),
    })?;
    let paid = answer.reports.iter().find_map(|report| match report {
        Report::Funded(funded) => Some((funded.rate.0, funded.mark.0)),
        _ => None,
    });
    let (rate, mark) = paid.unwrap_or((args.rate, 0));
    let capped = if rate == args.rate { "" } else { " (as far as funding_cap allows)" };
    let text = format!("funding {index} of perpetual {symbol} is paid: rate {rate}{capped} at the mark {mark}");
    Ok(Done { text, detail: json!({ "symbol": symbol, "index": index, "rate": rate, "mark": mark }) })
}

/// The answer of `/v1/perpetuals`, and the perpetual in it.
pub fn contract(present: &Present, symbol: u32) -> Result<(Value, Value), String> {
    let answer = present.ask("/v1/perpetuals")?.unwrap_or_default();
    let list = answer["perpetuals"].as_array();
    let found = list.and_then(|list| list.iter().find(|one| one["symbol"] == symbol)).cloned();
    let found = found.ok_or_else(|| format!("there is no perpetual {symbol}; GET /v1/perpetuals lists them"))?;
    Ok((answer, found))
}

/// Closes a perpetual for good.
pub fn settle(client: &mut Client, symbol: u32, price: i64) -> Result<Done, String> {
    let message = SettleSymbol { symbol: SymbolId(symbol), price: Price(price), ..SettleSymbol::new(0) };
    refused(client, message, &format!("settling perpetual {symbol} at {price}"), |code, _| match code {
        Some(RejectCode::PriceRange) => "it lies outside the perpetual's --min-price and --max-price".into(),
        Some(RejectCode::SymbolStatus) => "it is CLOSED already, which is final".into(),
        Some(RejectCode::UnknownSymbol) => remedy(code, symbol),
        _ => "only an admin key may settle".into(),
    })?;
    let text =
        format!("perpetual {symbol} is settled at {price}: its orders ended, its positions are closed, it is CLOSED");
    Ok(Done { text, detail: json!({ "symbol": symbol, "price": price, "status": "CLOSED" }) })
}

/// Of which perpetual, how much, at which price.
#[derive(Debug, clap::Args)]
#[command(
    about = "Makes a position of the insurance fund smaller: a reduce-only order of account 2",
    after_help = "Examples:\n  ringbook admin reduce-fund 20\n  ringbook admin reduce-fund 20 --lots 100 --price 601000\n\n\
                  With a price the rest waits in the book; without one nothing does."
)]
pub struct ReduceFundArgs {
    /// Number of the perpetual; GET /v1/positions/2 lists the fund's positions
    symbol: u32,
    /// How many lots [default: all of them]
    #[arg(long, value_name = "LOTS", value_parser = clap::value_parser!(i64).range(1..))]
    lots: Option<i64>,
    /// Limit in ticks [default: at market]
    #[arg(long, value_name = "TICKS", value_parser = clap::value_parser!(i64).range(1..))]
    price: Option<i64>,
}

/// Sends the order.
pub fn reduce_fund(client: &mut Client, args: &ReduceFundArgs) -> Result<Done, String> {
    let (symbol, fund) = (args.symbol, AccountId::INSURANCE.0);
    let state = client.state(fund).map_err(|error| error.to_string())?;
    let held = state.position(symbol).map_or(0, |position| position.quantity.0);
    if held == 0 {
        return Err(format!(
            "the insurance fund has no position in perpetual {symbol}; GET /v1/positions/{fund} lists them"
        ));
    }
    let (side, lots) = (if held > 0 { Side::Sell } else { Side::Buy }, args.lots.unwrap_or(held.abs()).min(held.abs()));
    let message = match args.price {
        Some(price) => order::limit(fund, symbol, side, price, lots),
        None => order::market(fund, symbol, side, lots),
    };
    let what = format!("the fund's order in perpetual {symbol}");
    let answer = refused(client, order::reduce_only(message), &what, |code, _| match code {
        Some(RejectCode::ReduceOnly) => "its position was closed meanwhile".into(),
        Some(RejectCode::PriceRange | RejectCode::PriceBand) => {
            "the price lies outside the perpetual's limits, or too far from its mark: give another --price".into()
        }
        Some(RejectCode::QtyRange) => {
            format!("the perpetual takes other quantities (GET /v1/perpetuals, symbol {symbol}): give --lots")
        }
        Some(RejectCode::Maintenance) => "not in maintenance: `ringbook admin maintenance off` first".into(),
        code => remedy(code, symbol),
    })?;
    let of_fund = |report: &Report| match report {
        Report::Trade(trade) if trade.account.0 == fund => trade.quantity.0,
        _ => 0,
    };
    let filled: i64 = answer.reports.iter().map(of_fund).sum();
    let number = answer.order().map_or(0, |order| order.0);
    let text = format!(
        "order {number} of the fund: {side} {filled} of {lots} lots in perpetual {symbol}, of {} held",
        held.abs()
    );
    Ok(Done {
        text,
        detail: json!({ "symbol": symbol, "order": number, "side": side.name(), "lots": lots, "filled": filled, "held": held }),
    })
}
