//! `ringbook admin`: changes of the operator, each a journaled command over order entry.

use crate::output::{could_not, print};
use clap::Subcommand;
use ringbook_client::{Answer, Client, Key, Options, Report};
use ringbook_wire::message::{
    BustTrade, Deposit, Message, MessageType, SetAccount, SetAsset, SetFees, SetKey, SetStatus, SetSymbol, Withdraw,
    name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, FeeModel, KeyId, Price, Qty, Rate, Role, Sequence, StpMode, SymbolId, SymbolKind,
    SymbolStatus, TradeId,
};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ringbook admin`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  ringbook admin account 500\n  ringbook admin status 1 HALTED\n  ringbook admin deposit 500 --asset 2 --amount 100000000000 --adjustment 1\n  ringbook admin asset 9 EUR --scale 2\n  ringbook admin symbol 9 BTC-EUR --base 1 --quote 9 --base-lot 100000000 --value-per-tick-lot 1\n  ringbook admin key 10 --role trade --first-account 500 --last-account 500 --out bot.key"
)]
pub struct AdminArgs {
    /// Order entry address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7401", global = true)]
    connect: String,
    /// Folder with admin.key and funds.key
    #[arg(long, value_name = "DIR", env = "RINGBOOK_KEYS", default_value = "ringbook-data/keys", global = true)]
    keys: PathBuf,
    /// One JSON object on standard output
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Creates an asset
    Asset {
        id: u32,
        name: String,
        /// Decimal places, 0 to 12
        #[arg(long)]
        scale: u8,
    },
    /// Creates a symbol, or changes its limits and rates
    Symbol(Box<SymbolArgs>),
    /// Creates an account, or changes it
    Account {
        id: u32,
        /// Self-trade-prevention group; 0 for none
        #[arg(long, default_value_t = 0)]
        group: u32,
        /// May only cancel, deposit and reduce
        #[arg(long)]
        suspended: bool,
    },
    /// Gives an account its own fee rates for the symbols of a fee group
    #[command(after_help = "Example:\n  ringbook admin fees 500 --taker 50000 --maker -5000")]
    Fees {
        account: u32,
        /// Of which symbols: their fee group
        #[arg(long, default_value_t = 0)]
        fee_group: u16,
        /// In 1/100,000,000
        #[arg(long, required_unless_present = "remove", allow_hyphen_values = true)]
        taker: Option<i64>,
        /// In 1/100,000,000; negative is a rebate
        #[arg(long, required_unless_present = "remove", allow_hyphen_values = true)]
        maker: Option<i64>,
        /// The symbols' rates hold again
        #[arg(long, conflicts_with_all = ["taker", "maker"])]
        remove: bool,
    },
    /// Begins or ends maintenance of the whole exchange: only cancels, deposits and the operator go on
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
        #[arg(long)]
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
    /// Makes a key, or revokes one
    Key {
        id: u32,
        /// trade, readonly, funds or admin
        #[arg(long, default_value = "trade")]
        role: String,
        #[arg(long, default_value_t = 16)]
        first_account: u32,
        #[arg(long, default_value_t = u32::MAX)]
        last_account: u32,
        /// Where the new key file is written
        #[arg(long, value_name = "FILE", required_unless_present = "revoke")]
        out: Option<PathBuf>,
        #[arg(long)]
        revoke: bool,
    },
    /// Credits an account
    Deposit(MoneyArgs),
    /// Debits an account
    Withdraw(MoneyArgs),
}

#[derive(Debug, clap::Args)]
struct MoneyArgs {
    account: u32,
    #[arg(long)]
    asset: u32,
    /// In the asset's smallest units
    #[arg(long)]
    amount: i64,
    /// Must be above the account's last one; the same number again has no second effect
    #[arg(long)]
    adjustment: u64,
    /// The operator's own reference
    #[arg(long, default_value_t = 0)]
    reference: u64,
}

#[derive(Debug, clap::Args)]
struct SymbolArgs {
    id: u32,
    name: String,
    #[arg(long)]
    base: u32,
    #[arg(long)]
    quote: u32,
    /// Base units in a lot
    #[arg(long)]
    base_lot: i64,
    /// Quote units in one tick times one lot
    #[arg(long)]
    value_per_tick_lot: i64,
    #[arg(long, default_value_t = 1)]
    min_price: i64,
    #[arg(long, default_value_t = 100_000_000)]
    max_price: i64,
    #[arg(long, default_value_t = 1)]
    min_quantity: i64,
    #[arg(long, default_value_t = 100_000_000)]
    max_quantity: i64,
    #[arg(long, default_value_t = 10_000_000)]
    max_market_quantity: i64,
    #[arg(long, default_value_t = 0)]
    min_notional: i64,
    #[arg(long, default_value_t = 0)]
    max_notional: i64,
    /// Price band in 1/100,000,000; 0 for none
    #[arg(long, default_value_t = 0)]
    band: i64,
    /// Protection of market orders in 1/100,000,000
    #[arg(long, default_value_t = 1_000_000)]
    slip: i64,
    /// Taker fee in 1/100,000,000
    #[arg(long, default_value_t = 100_000)]
    taker: i64,
    /// Maker fee in 1/100,000,000; negative is a rebate
    #[arg(long, default_value_t = 80_000, allow_hyphen_values = true)]
    maker: i64,
    #[arg(long, default_value_t = 200)]
    max_open_orders: u32,
    /// Untriggered stop orders of an account
    #[arg(long, default_value_t = 10)]
    max_trigger_orders: u32,
    /// TRADING, or PRE_OPEN, HALTED, CANCEL_ONLY; counts when the symbol is made
    #[arg(long, default_value = "TRADING")]
    status: String,
    /// Default self-trade prevention: NONE, CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH or DECREMENT
    #[arg(long, default_value = "CANCEL_TAKER")]
    stp: String,
}

/// Runs the command.
pub fn run(args: AdminArgs) -> ExitCode {
    match change(&args) {
        Ok(what) => {
            print(args.json, &serde_json::json!({ "done": what }), || what.clone());
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

fn change(args: &AdminArgs) -> Result<String, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let money = matches!(args.change, Change::Deposit(_) | Change::Withdraw(_));
    let file = args.keys.join(if money { "funds.key" } else { "admin.key" });
    let key = Key::load(&file).map_err(|error| words(&error))?;
    let options = Options { own_only: true, session: std::process::id(), ..Options::new(&args.connect) };
    let mut new_key = None;
    let done = match &args.change {
        Change::Asset { id, name, scale } => {
            let message = SetAsset { asset: AssetId(*id), scale: *scale, name: field(name)?, ..SetAsset::new(0) };
            send(options, key, &message, format!("asset {id} {name}"))
        }
        Change::Symbol(symbol) => {
            send(options, key, &set_symbol(symbol)?, format!("symbol {} {}", symbol.id, symbol.name))
        }
        Change::Account { id, group, suspended } => {
            let suspended = u8::from(*suspended);
            let message = SetAccount { account: AccountId(*id), group: *group, suspended, ..SetAccount::new(0) };
            send(options, key, &message, format!("account {id}"))
        }
        Change::Status { symbol, status } => {
            let code = named("status", status, SymbolStatus::ALL)?.code();
            let message = SetStatus { symbol: SymbolId(*symbol), status: code, ..SetStatus::new(0) };
            send(options, key, &message, format!("symbol {symbol} is {status}"))
        }
        Change::Fees { account, fee_group, taker, maker, remove } => {
            let message = SetFees {
                account: AccountId(*account),
                fee_group: *fee_group,
                removed: u8::from(*remove),
                taker: Rate(taker.unwrap_or(0)),
                maker: Rate(maker.unwrap_or(0)),
                ..SetFees::new(0)
            };
            let what = if *remove { "has no fees of its own" } else { "has its own fees" };
            send(options, key, &message, format!("account {account} {what} in fee group {fee_group}"))
        }
        Change::Maintenance { state } => {
            let (status, what) = match state.to_ascii_lowercase().as_str() {
                "on" => (SymbolStatus::CancelOnly, "begins: only cancels, deposits and the operator go on"),
                "off" => (SymbolStatus::Trading, "is over"),
                _ => return Err(format!("maintenance {state}: must be on or off")),
            };
            let message = SetStatus { symbol: SymbolId(0), status: status.code(), ..SetStatus::new(0) };
            send(options, key, &message, format!("maintenance {what}"))
        }
        Change::Bust { trade, sequence } => {
            let message = BustTrade { trade: TradeId(*trade), sequence: Sequence(*sequence), ..BustTrade::new(0) };
            send(options, key, &message, format!("trade {trade} was taken back"))
        }
        Change::Key { id, role, first_account, last_account, out, revoke } => {
            let role = named("role", role, Role::ALL)?;
            let made = Key::generate(KeyId(*id), role).map_err(|error| words(&error))?;
            let message = SetKey {
                key: KeyId(*id),
                role: role.code(),
                revoked: u8::from(*revoke),
                first_account: AccountId(*first_account),
                last_account: AccountId(*last_account),
                public_key: if *revoke { [0; 32] } else { made.public() },
                ..SetKey::new(0)
            };
            if let (false, Some(path)) = (*revoke, out) {
                // Saved first: a key that the exchange knows and nobody has would be worth nothing.
                made.save(path).map_err(|error| words(&error))?;
                new_key = Some(path.clone());
            }
            send(options, key, &message, format!("key {id} {}", if *revoke { "revoked" } else { "made" }))
        }
        Change::Deposit(m) => {
            let message = Deposit {
                account: AccountId(m.account),
                asset: AssetId(m.asset),
                adjustment: m.adjustment,
                amount: Amount(m.amount),
                reference: m.reference,
                ..Deposit::new(0)
            };
            send(
                options,
                key,
                &message,
                format!("deposited {} of asset {} to account {}", m.amount, m.asset, m.account),
            )
        }
        Change::Withdraw(m) => {
            let message = Withdraw {
                account: AccountId(m.account),
                asset: AssetId(m.asset),
                adjustment: m.adjustment,
                amount: Amount(m.amount),
                reference: m.reference,
                ..Withdraw::new(0)
            };
            send(
                options,
                key,
                &message,
                format!("withdrew {} of asset {} from account {}", m.amount, m.asset, m.account),
            )
        }
    };
    if done.is_err()
        && let Some(path) = new_key
    {
        // It never became a key; a later try must be able to write the file again.
        let _ = std::fs::remove_file(path);
    }
    done
}

fn send<M: Message>(options: Options, key: Key, message: &M, done: String) -> Result<String, String> {
    let mut client = Client::connect(options, key).map_err(|error| error.to_string())?;
    let answer: Answer = client.command(*message).map_err(|error| error.to_string())?;
    answer.result().map_err(|rejection| format!("refused: {rejection}; {}", remedy(M::KIND)))?;
    let again = answer.reports.iter().any(|report| matches!(report, Report::Transfer(t) if t.replayed == 1));
    let done = if again {
        format!("this adjustment number was used before, with this very request; nothing changed: {done}")
    } else {
        done
    };
    // The answer is here; a goodbye that fails changes nothing.
    let _ = client.log_out();
    Ok(done)
}

/// What to look at when a change was refused.
fn remedy(kind: u8) -> &'static str {
    match MessageType::from_code(kind) {
        Some(MessageType::SetKey) => {
            "ids of keys go from 1 to 65535, and the first account must not lie behind the last"
        }
        Some(MessageType::SetFees) => "the account must exist, and rates lie between -100 % and 100 %",
        Some(MessageType::BustTrade) => {
            "each trade is taken back once, and a side that must give back more than it has available is credited first (ringbook admin deposit)"
        }
        Some(MessageType::SetStatus) => {
            "in maintenance no symbol begins to trade; a CLOSED symbol stays closed; GET /v1/symbols lists the symbols"
        }
        Some(MessageType::SetSymbol) => {
            "what a value depends on (name, assets, lots, tick value, fee model) never changes; docs/EVENTS.md, Configuration"
        }
        Some(MessageType::Deposit | MessageType::Withdraw) => {
            "the account and asset must exist, and the adjustment number be above the account's last"
        }
        _ => "docs/EVENTS.md, Configuration, lists the bounds",
    }
}

fn set_symbol(s: &SymbolArgs) -> Result<SetSymbol, String> {
    Ok(SetSymbol {
        symbol: SymbolId(s.id),
        base: AssetId(s.base),
        quote: AssetId(s.quote),
        kind: SymbolKind::Spot.code(),
        fee_model: FeeModel::Rate.code(),
        name: field(&s.name)?,
        base_lot: Amount(s.base_lot),
        quote_per_tick_lot: Amount(s.value_per_tick_lot),
        min_price: Price(s.min_price),
        max_price: Price(s.max_price),
        min_quantity: Qty(s.min_quantity),
        max_quantity: Qty(s.max_quantity),
        max_market_quantity: Qty(s.max_market_quantity),
        min_notional: Amount(s.min_notional),
        max_notional: Amount(s.max_notional),
        band: Rate(s.band),
        slip: Rate(s.slip),
        taker: Rate(s.taker),
        maker: Rate(s.maker),
        max_open_orders: s.max_open_orders,
        stp: named("stp", &s.stp, StpMode::ALL)?.code(),
        max_trigger_orders: s.max_trigger_orders,
        status: named("status", &s.status, SymbolStatus::ALL)?.code(),
        ..SetSymbol::new(0)
    })
}
