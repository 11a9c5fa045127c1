//! `ringbook admin leverage`, `transfer`, `margin` and `position-limit`: what concerns an account in perpetuals.

use super::money::remedy_of_money;
use super::{Done, named, refused};
use ringbook_client::{Client, Report};
use ringbook_wire::message::{AdjustMargin, Message, SetLeverage, SetPositionLimit, Transfer};
use ringbook_wire::{AccountId, Amount, AssetId, MarginMode, Qty, RejectCode, SymbolId, Wallet};
use serde_json::json;

/// Whose leverage, and which.
#[derive(Debug, clap::Args)]
#[command(
    about = "Sets an account's leverage and margin mode in a perpetual (with trade.key)",
    after_help = "Examples:\n  ringbook admin leverage 500 20 10\n  ringbook admin leverage 500 20 50 --mode isolated"
)]
pub struct LeverageArgs {
    /// Number of the account
    account: u32,
    /// Number of the perpetual; GET /v1/perpetuals lists them
    symbol: u32,
    /// From 1 to the perpetual's maximum
    leverage: u32,
    /// cross or isolated [default: as it is; cross for a new one]
    #[arg(long)]
    mode: Option<String>,
}

/// Sends the change.
pub fn leverage(client: &mut Client, args: &LeverageArgs) -> Result<Done, String> {
    let LeverageArgs { account, symbol, leverage, .. } = *args;
    let mode = match &args.mode {
        Some(mode) => named("mode", mode, MarginMode::ALL)?,
        None => {
            let state = client.state(account).map_err(|error| error.to_string())?;
            state.position(symbol).and_then(|p| MarginMode::from_code(p.mode)).unwrap_or(MarginMode::Cross)
        }
    };
    let message = SetLeverage {
        account: AccountId(account),
        symbol: SymbolId(symbol),
        leverage,
        mode: mode.code(),
        ..SetLeverage::new(0)
    };
    let what = format!("leverage {leverage} {mode} of account {account} in perpetual {symbol}");
    refused(client, message, &what, |code, _| {
        match code {
        Some(RejectCode::LeverageRange) => {
            format!("it must lie between 1 and the perpetual's max_leverage (GET /v1/perpetuals, symbol {symbol})")
        }
        Some(RejectCode::HasPositionOrOrders) => {
            "the mode, and an isolated position's leverage, change only without position and open orders: close and cancel \
             them first"
                .into()
        }
        Some(RejectCode::InsufficientMargin) => {
            "position and orders would need more margin than there is: transfer money to the futures wallet, or choose a \
             higher leverage"
                .into()
        }
        Some(RejectCode::TierLeverage) => {
            "position and orders lie in a tier with a lower maximum: choose a lower leverage, or make them smaller".into()
        }
        code => of_account(code, account, symbol),
    }
    })?;
    let detail = json!({ "account": account, "symbol": symbol, "leverage": leverage, "mode": mode.name() });
    Ok(Done { text: format!("account {account} trades perpetual {symbol} {mode} with leverage {leverage}"), detail })
}

/// Remedies that the commands of this file share.
fn of_account(code: Option<RejectCode>, account: u32, symbol: u32) -> String {
    match code {
        Some(RejectCode::UnknownAccount) => {
            format!("there is no account {account} (`ringbook admin account {account}`), or the key does not reach it")
        }
        Some(RejectCode::AccountSuspended) => {
            format!("the account is suspended: `ringbook admin account {account} --active` first")
        }
        Some(RejectCode::UnknownSymbol) => format!("there is no perpetual {symbol}; GET /v1/perpetuals lists them"),
        Some(RejectCode::SymbolStatus) => format!("perpetual {symbol} is CLOSED, which is final"),
        Some(RejectCode::Maintenance) => "not in maintenance: `ringbook admin maintenance off` first".into(),
        Some(RejectCode::NoMark) => {
            "a perpetual in which the account has a position has no fresh mark: `ringbook admin mark` or `ringbook mark` \
             gives it one"
                .into()
        }
        _ => "docs/PERPETUAL.md lists the reasons".into(),
    }
}

/// How much of what from where to where.
#[derive(Debug, clap::Args)]
#[command(
    about = "Moves money between an account's spot wallet and its futures wallet",
    after_help = "Adjustment numbers are those of deposits and withdrawals (`ringbook admin deposit --help`). Account 2 is the \
                  insurance fund.\n\nExamples:\n  \
                  ringbook admin transfer 500 --asset 2 --to futures --amount 100000000000 --adjustment 3\n  \
                  ringbook admin transfer 500 --asset 2 --to spot --amount 50000000000 --adjustment 4"
)]
pub struct TransferArgs {
    /// Number of the account
    account: u32,
    /// Number of the asset; GET /v1/assets lists them
    #[arg(long, value_name = "ID")]
    asset: u32,
    /// futures or spot
    #[arg(long, value_name = "WALLET")]
    to: String,
    /// In the asset's smallest units: with scale 8, 100000000 is 1.0
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(i64).range(1..))]
    amount: i64,
    /// Must be above the account's last one; the same number again has no second effect
    #[arg(long, value_name = "N")]
    adjustment: u64,
    /// The operator's own reference; kept with the transfer
    #[arg(long, value_name = "N", default_value_t = 0)]
    reference: u64,
}

/// Sends the transfer.
pub fn transfer(client: &mut Client, args: &TransferArgs) -> Result<Done, String> {
    let TransferArgs { account, asset, amount, adjustment, .. } = *args;
    let to = named("to", &args.to, Wallet::ALL)?;
    let message = Transfer {
        account: AccountId(account),
        asset: AssetId(asset),
        adjustment,
        amount: Amount(amount),
        reference: args.reference,
        direction: if to == Wallet::Futures { 1 } else { 2 },
        ..Transfer::new(0)
    };
    let wallet = to.name().to_lowercase();
    let text = format!("moved {amount} of asset {asset} to the {wallet} wallet of account {account}");
    let detail =
        json!({ "account": account, "asset": asset, "to": to.name(), "amount": amount, "adjustment": adjustment });
    let why = |code: Option<RejectCode>, client: &mut Client| match code {
        Some(RejectCode::InsufficientMargin) => {
            let wallet = client.state(account).map_or(0, |state| state.futures(asset));
            format!(
                "the futures wallet has {wallet} units of asset {asset}, and what positions and orders need stays in it \
                 (GET /v1/positions/{account}: transferable)"
            )
        }
        Some(RejectCode::NoMark) => of_account(code, account, 0),
        _ => remedy_of_money(code, client, account, asset),
    };
    send(client, message, (account, adjustment), text, detail, why)
}

/// Whose margin, and how much more or less of it.
#[derive(Debug, clap::Args)]
#[command(
    about = "Moves money between an account's futures wallet and an isolated position",
    after_help = "Adjustment numbers are those of deposits and withdrawals (`ringbook admin deposit --help`).\n\nExamples:\n  \
                  ringbook admin margin 500 20 --add 1000000000 --adjustment 5\n  \
                  ringbook admin margin 500 20 --remove 500000000 --adjustment 6"
)]
pub struct MarginArgs {
    /// Number of the account
    account: u32,
    /// Number of the perpetual
    symbol: u32,
    /// Units of the settlement asset, from the futures wallet into the position
    #[arg(long, value_name = "UNITS", required_unless_present = "remove", conflicts_with = "remove",
        value_parser = clap::value_parser!(i64).range(1..))]
    add: Option<i64>,
    /// Units of the settlement asset, from the position into the futures wallet
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(i64).range(1..))]
    remove: Option<i64>,
    /// Must be above the account's last one; the same number again has no second effect
    #[arg(long, value_name = "N")]
    adjustment: u64,
    /// The operator's own reference; kept with the transfer
    #[arg(long, value_name = "N", default_value_t = 0)]
    reference: u64,
}

/// Sends the adjustment.
pub fn margin(client: &mut Client, args: &MarginArgs) -> Result<Done, String> {
    let MarginArgs { account, symbol, adjustment, .. } = *args;
    let (amount, direction) = args.remove.map_or((args.add.unwrap_or(0), 1), |amount| (amount, 2));
    let message = AdjustMargin {
        account: AccountId(account),
        symbol: SymbolId(symbol),
        adjustment,
        amount: Amount(amount),
        reference: args.reference,
        direction,
        ..AdjustMargin::new(0)
    };
    let way = if direction == 1 { "into" } else { "out of" };
    let text = format!("moved {amount} {way} the isolated position of account {account} in perpetual {symbol}");
    let signed = if direction == 1 { amount } else { -amount };
    let detail = json!({ "account": account, "symbol": symbol, "amount": signed, "adjustment": adjustment });
    let why = |code: Option<RejectCode>, _: &mut Client| match code {
        Some(RejectCode::InsufficientMargin) if direction == 1 => {
            format!("the futures wallet has less that may leave it (GET /v1/positions/{account}: transferable)")
        }
        Some(RejectCode::InsufficientMargin) => {
            "the position keeps its initial margin, and stays above maintenance: remove less".into()
        }
        Some(RejectCode::Amount) => {
            format!(
                "account {account} has no isolated position in perpetual {symbol} (GET /v1/positions/{account}), or the amount is above 2^62"
            )
        }
        code => of_account(code, account, symbol),
    };
    send(client, message, (account, adjustment), text, detail, why)
}

/// Sends what carries an adjustment number.
fn send<M: Message>(
    client: &mut Client,
    message: M,
    (account, adjustment): (u32, u64),
    text: String,
    detail: serde_json::Value,
    why: impl FnOnce(Option<RejectCode>, &mut Client) -> String,
) -> Result<Done, String> {
    let what = format!("account {account}, adjustment {adjustment}");
    let answer =
        refused(client, message, &what, |code, client| super::money::remedy(code, client, account, adjustment, why))?;
    let again = answer.reports.iter().any(|report| matches!(report, Report::Transfer(t) if t.replayed == 1));
    let before = "this adjustment number was used before, with this very request; nothing changed: ";
    Ok(Done { text: format!("{}{text}", if again { before } else { "" }), detail })
}

/// Whose limit, and which.
#[derive(Debug, clap::Args)]
#[command(
    about = "Limits an account's position in a perpetual",
    after_help = "Orders that would lead beyond it are refused; a position that is larger stays.\n\nExamples:\n  \
                  ringbook admin position-limit 500 20 --limit 1000\n  ringbook admin position-limit 500 20 --remove"
)]
pub struct PositionLimitArgs {
    /// Number of the account
    account: u32,
    /// Number of the perpetual
    symbol: u32,
    /// Lots, long or short
    #[arg(long, value_name = "LOTS", required_unless_present = "remove", value_parser = clap::value_parser!(i64).range(1..))]
    limit: Option<i64>,
    /// The perpetual's own limit holds again
    #[arg(long, conflicts_with = "limit")]
    remove: bool,
}

/// Sends the change.
pub fn position_limit(client: &mut Client, args: &PositionLimitArgs) -> Result<Done, String> {
    let PositionLimitArgs { account, symbol, limit, .. } = *args;
    let message = SetPositionLimit {
        account: AccountId(account),
        symbol: SymbolId(symbol),
        limit: Qty(limit.unwrap_or(0)),
        ..SetPositionLimit::new(0)
    };
    let what = format!("the position limit of account {account} in perpetual {symbol}");
    refused(client, message, &what, |code, _| match code {
        Some(RejectCode::BadConfig) => {
            format!("there is no account {account} of a customer: `ringbook admin account {account}` (from 16)")
        }
        Some(RejectCode::UnknownAccount) => "only an admin key may configure".into(),
        code => of_account(code, account, symbol),
    })?;
    let text = match limit {
        Some(limit) => format!("account {account} may hold {limit} lots of perpetual {symbol}"),
        None => format!("account {account} has no limit of its own in perpetual {symbol}"),
    };
    Ok(Done { text, detail: json!({ "account": account, "symbol": symbol, "limit": limit }) })
}
