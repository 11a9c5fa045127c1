//! `ringbook admin`: changes of the operator, each a journaled command over order entry.
//!
//! Invariant: a change changes what is named and nothing else; what SET_… needs beside it is read from the exchange first.

mod account;
mod contract;
mod key;
mod margin;
mod market;
mod money;
mod perpetual;
pub mod present;
mod symbol;
mod terms;
pub mod units;

use crate::output::{could_not, print};
use clap::Subcommand;
use present::Present;
use ringbook_client::{Answer, Client, Key, Options};
use ringbook_wire::message::{BustTrade, Message, SetAsset, SetStatus, name_field};
use ringbook_wire::{AssetId, RejectCode, Sequence, SymbolId, SymbolStatus, TradeId};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ringbook admin`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  ringbook admin account 500\n  ringbook admin status 1 HALTED\n  ringbook admin deposit 500 --asset 2 --amount 100000000000 --adjustment 1\n  ringbook admin asset 9 EUR --scale 2\n  ringbook admin symbol 9 BTC-EUR --base 1 --quote 9 --base-lot 100000 --value-per-tick-lot 1\n  ringbook admin symbol 9 --max-open-orders 500\n  ringbook admin perpetual 3 --mark-jump 3%\n  ringbook admin mark 3 600000\n  ringbook admin key 10 --role trade --first-account 500 --last-account 500 --out bot.key"
)]
pub struct AdminArgs {
    /// Order entry address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7401", global = true, help_heading = "Where and how")]
    connect: String,
    /// HTTP address, where present terms are read [default: what `serve` wrote beside the keys, else port 7480 of the same host]
    #[arg(long, value_name = "ADDR", global = true, help_heading = "Where and how")]
    http: Option<String>,
    /// Folder with admin.key, funds.key and trade.key
    #[arg(
        long,
        value_name = "DIR",
        env = "RINGBOOK_KEYS",
        default_value = "ringbook-data/keys",
        global = true,
        help_heading = "Where and how"
    )]
    keys: PathBuf,
    /// One JSON object on standard output
    #[arg(long, global = true, help_heading = "Where and how")]
    json: bool,
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Creates an asset
    #[command(after_help = "An asset never changes. Example:\n  ringbook admin asset 9 EUR --scale 2")]
    Asset {
        /// Its number, 1 to 65535
        #[arg(value_parser = clap::value_parser!(u32).range(1..=65_535))]
        id: u32,
        /// Its name, at most 16 characters
        name: String,
        /// Decimal places, 0 to 12
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=12))]
        scale: u8,
    },
    Symbol(Box<symbol::SymbolArgs>),
    Account(account::AccountArgs),
    Fees(account::FeesArgs),
    /// Begins or ends maintenance of the whole exchange: only cancels, deposits and the operator go on
    #[command(after_help = "Example:\n  ringbook admin maintenance on")]
    Maintenance {
        /// on or off
        state: String,
    },
    /// Takes a trade back: lots, value and fees return to both sides; the orders stay as they are
    #[command(
        after_help = "The table trades and the TRADE reports name trade and sequence.\n\nExample:\n  ringbook admin bust 12345 --sequence 67890"
    )]
    Bust {
        /// The trade's number
        trade: u64,
        /// Sequence of the command that made it
        #[arg(long, value_name = "N")]
        sequence: u64,
    },
    /// Changes a symbol's status: PRE_OPEN, TRADING, HALTED, CANCEL_ONLY, or CLOSED for good
    #[command(after_help = "Example:\n  ringbook admin status 1 HALTED")]
    Status {
        /// Its number; GET /v1/symbols lists them
        symbol: u32,
        /// PRE_OPEN collects orders, and TRADING then uncrosses them; CLOSED ends all orders and is final
        status: String,
    },
    Key(key::KeyArgs),
    /// Credits an account
    Deposit(money::MoneyArgs),
    /// Debits an account
    Withdraw(money::MoneyArgs),
    Perpetual(Box<perpetual::PerpetualArgs>),
    /// Lets only orders that do not increase exposure into a perpetual, or all again
    #[command(
        after_help = "The exchange does this by itself where neither the insurance fund nor auto-deleveraging covers a position. \
                      Example:\n  ringbook admin reduce-only 20 off"
    )]
    ReduceOnly {
        /// Number of the perpetual; GET /v1/perpetuals lists them
        symbol: u32,
        /// on or off
        state: String,
    },
    Leverage(margin::LeverageArgs),
    Transfer(margin::TransferArgs),
    Margin(margin::MarginArgs),
    PositionLimit(margin::PositionLimitArgs),
    Mark(market::MarkArgs),
    Funding(market::FundingArgs),
    ReduceFund(market::ReduceFundArgs),
    /// Ends all orders of a perpetual, closes all its positions at a price, and closes it for good
    #[command(after_help = "Example:\n  ringbook admin settle 20 --price 600000")]
    Settle {
        /// Number of the perpetual; GET /v1/perpetuals lists them
        symbol: u32,
        /// In ticks
        #[arg(long, value_name = "TICKS", value_parser = clap::value_parser!(i64).range(1..))]
        price: i64,
    },
}

impl Change {
    /// File of the key that may do it.
    fn key(&self) -> &'static str {
        match self {
            Self::Deposit(_) | Self::Withdraw(_) | Self::Transfer(_) | Self::Margin(_) => "funds.key",
            Self::Leverage(_) => "trade.key",
            _ => "admin.key",
        }
    }
}

fn on_or_off(what: &str, state: &str) -> Result<bool, String> {
    match state.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{what} {state}: must be on or off")),
    }
}

/// What was done, for people and for programs.
struct Done {
    text: String,
    /// An object; `done` is added to it.
    detail: Value,
}

/// Runs the command.
pub fn run(args: AdminArgs) -> ExitCode {
    match change(&args) {
        Ok(Done { text, mut detail }) => {
            detail["done"] = json!(text);
            print(args.json, &detail, || text.clone());
            ExitCode::SUCCESS
        }
        Err(error) => could_not(error),
    }
}

/// The code with a name, or what may stand there.
fn named<T: Copy + std::fmt::Display>(what: &str, name: &str, all: &[T]) -> Result<T, String> {
    let found = all.iter().find(|code| code.to_string().eq_ignore_ascii_case(name)).copied();
    found.ok_or_else(|| {
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("{what} {name}: must be one of {}", names.join(", "))
    })
}

fn field<const N: usize>(name: &str) -> Result<[u8; N], String> {
    name_field(name).ok_or_else(|| format!("name {name:?}: printable ASCII without spaces, at most {N} characters"))
}

fn change(args: &AdminArgs) -> Result<Done, String> {
    let file = args.keys.join(args.change.key());
    let key = Key::load(&file).map_err(|error| error.to_string())?;
    // Before anything is sent.
    let status = match &args.change {
        Change::Status { status, .. } => Some(named("status", status, SymbolStatus::ALL)?),
        Change::Maintenance { state } => {
            Some(if on_or_off("maintenance", state)? { SymbolStatus::CancelOnly } else { SymbolStatus::Trading })
        }
        _ => None,
    };
    let on = match &args.change {
        Change::ReduceOnly { state, .. } => on_or_off("reduce-only", state)?,
        _ => false,
    };
    let options = Options { own_only: true, session: std::process::id(), ..Options::new(&args.connect) };
    let mut client = Client::connect(options, key).map_err(|error| error.to_string())?;
    let present = |client: &Client| Present::find(client, args.http.as_deref(), &args.keys, &args.connect);
    let done = match &args.change {
        Change::Asset { id, name, scale } => asset(&mut client, present, *id, name, *scale),
        Change::Symbol(symbol) => {
            let present = present(&client)?;
            symbol::run(&mut client, &present, symbol)
        }
        Change::Account(account) => account::account(&mut client, present, account),
        Change::Fees(fees) => account::fees(&mut client, fees),
        Change::Status { symbol, .. } => set_status(&mut client, *symbol, status.unwrap_or(SymbolStatus::Trading)),
        Change::Maintenance { .. } => set_status(&mut client, 0, status.unwrap_or(SymbolStatus::Trading)),
        Change::Bust { trade, sequence } => bust(&mut client, *trade, *sequence),
        Change::Key(key) => key::run(&mut client, present, key),
        Change::Deposit(deposit) => money::deposit(&mut client, deposit),
        Change::Withdraw(withdraw) => money::withdraw(&mut client, withdraw),
        Change::Perpetual(perpetual) => {
            let present = present(&client)?;
            perpetual::run(&mut client, &present, perpetual)
        }
        Change::ReduceOnly { symbol, .. } => {
            let present = present(&client)?;
            perpetual::reduce_only(&mut client, &present, *symbol, on)
        }
        Change::Leverage(leverage) => margin::leverage(&mut client, leverage),
        Change::Transfer(transfer) => margin::transfer(&mut client, transfer),
        Change::Margin(margin) => margin::margin(&mut client, margin),
        Change::PositionLimit(limit) => margin::position_limit(&mut client, limit),
        Change::Mark(mark) => market::mark(&mut client, mark),
        Change::Funding(funding) => market::funding(&mut client, present, funding),
        Change::ReduceFund(reduce) => market::reduce_fund(&mut client, reduce),
        Change::Settle { symbol, price } => market::settle(&mut client, *symbol, *price),
    };
    // The answer is here; a goodbye that fails changes nothing.
    let _ = client.log_out();
    done
}

/// Sends a command; a refusal becomes a text with the code and `remedy`'s words.
fn refused<M: Message>(
    client: &mut Client,
    message: M,
    what: &str,
    remedy: impl FnOnce(Option<RejectCode>, &mut Client) -> String,
) -> Result<Answer, String> {
    let answer = client.command(message).map_err(|error| error.to_string())?;
    match answer.result() {
        Ok(_) => Ok(answer),
        Err(rejection) => {
            let remedy = remedy(RejectCode::from_code(rejection.0), client);
            Err(format!("{what} was refused: {rejection}; {remedy}"))
        }
    }
}

fn asset(
    client: &mut Client,
    present: impl FnOnce(&Client) -> Result<Present, String>,
    id: u32,
    name: &str,
    scale: u8,
) -> Result<Done, String> {
    let message = SetAsset { asset: AssetId(id), scale, name: field(name)?, ..SetAsset::new(0) };
    refused(client, message, &format!("asset {id} {name}"), |code, client| {
        if code != Some(RejectCode::BadConfig) {
            return "only an admin key may configure".into();
        }
        let assets = present(client).and_then(|present| present.list::<terms::Asset>("/v1/assets", "assets"));
        let clash = assets.ok().and_then(|assets| assets.into_iter().find(|a| a.asset == id || a.name == name));
        match clash {
            Some(a) if a.asset == id => {
                format!("asset {id} is {} with scale {} and never changes: choose another number", a.name, a.scale)
            }
            Some(a) => format!("the name {name} belongs to asset {}: choose another", a.asset),
            None => "its number or its name belongs to another asset (GET /v1/assets lists them)".into(),
        }
    })?;
    let text = format!("asset {id} {name}, scale {scale}");
    Ok(Done { text, detail: json!({ "asset": id, "name": name, "scale": scale }) })
}

/// `symbol` 0 is the whole exchange.
fn set_status(client: &mut Client, symbol: u32, status: SymbolStatus) -> Result<Done, String> {
    let message = SetStatus { symbol: SymbolId(symbol), status: status.code(), ..SetStatus::new(0) };
    let what = if symbol == 0 { "the status of the exchange".to_owned() } else { format!("symbol {symbol}") };
    refused(client, message, &what, |code, _| {
        match code {
        Some(RejectCode::UnknownSymbol) => format!("there is no symbol {symbol}; GET /v1/symbols lists them"),
        Some(RejectCode::Maintenance) => {
            "no symbol begins to trade in maintenance: `ringbook admin maintenance off` first".into()
        }
        Some(RejectCode::BadConfig) if symbol == 0 => {
            "the whole exchange is TRADING or CANCEL_ONLY (`ringbook admin maintenance on` or `off`); give the number of a \
             symbol for anything else"
                .into()
        }
        Some(RejectCode::BadConfig) if status == SymbolStatus::Closed => {
            format!("it is CLOSED already, or a perpetual, which is closed with `ringbook admin settle {symbol} --price TICKS`")
        }
        Some(RejectCode::BadConfig) => format!("symbol {symbol} is CLOSED, which is final: make another symbol"),
        _ => "only an admin key may configure".into(),
    }
    })?;
    let text = match (symbol, status) {
        (0, SymbolStatus::CancelOnly) => "maintenance begins: only cancels, deposits and the operator go on".to_owned(),
        (0, _) => "maintenance is over".to_owned(),
        _ => format!("symbol {symbol} is {status}"),
    };
    Ok(Done { text, detail: json!({ "symbol": symbol, "status": status.name() }) })
}

fn bust(client: &mut Client, trade: u64, sequence: u64) -> Result<Done, String> {
    let message = BustTrade { trade: TradeId(trade), sequence: Sequence(sequence), ..BustTrade::new(0) };
    refused(client, message, &format!("taking back trade {trade}"), |code, _| match code {
        Some(RejectCode::BadTrade) => "each trade is taken back once, as it was made".into(),
        Some(RejectCode::InsufficientBalance) => {
            "a side has less available than it must give back: credit it first (`ringbook admin deposit`)".into()
        }
        Some(RejectCode::UnknownSymbol) => "its symbol does not exist here: check number and sequence".into(),
        _ => "only an admin key may take trades back".into(),
    })?;
    Ok(Done { text: format!("trade {trade} was taken back"), detail: json!({ "trade": trade, "sequence": sequence }) })
}
