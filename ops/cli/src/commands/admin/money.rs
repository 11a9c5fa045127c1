//! `ringbook admin deposit` and `withdraw`.

use super::{Done, refused};
use ringbook_client::{Client, Report};
use ringbook_wire::message::{Deposit, Message, Withdraw};
use ringbook_wire::{AccountId, Amount, AssetId, RejectCode};
use serde_json::json;

/// How much of what for whom.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  ringbook admin deposit 500 --asset 2 --amount 100000000000 --adjustment 1    (1,000.0 of an asset \
                  with scale 8)\n  ringbook admin withdraw 500 --asset 2 --amount 50000000000 --adjustment 2\n\nAn adjustment number \
                  is used up also by a refusal for the account, the asset, the amount or the balance: the next try needs \
                  a higher one. GET /v1/accounts/ID names the last one."
)]
pub struct MoneyArgs {
    /// Number of the account
    account: u32,
    /// Number of the asset; GET /v1/assets lists them
    #[arg(long, value_name = "ID")]
    asset: u32,
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

/// Credits an account.
pub fn deposit(client: &mut Client, m: &MoneyArgs) -> Result<Done, String> {
    let message = Deposit {
        account: AccountId(m.account),
        asset: AssetId(m.asset),
        adjustment: m.adjustment,
        amount: Amount(m.amount),
        reference: m.reference,
        ..Deposit::new(0)
    };
    send(client, message, m, format!("deposited {} of asset {} to account {}", m.amount, m.asset, m.account))
}

/// Debits an account.
pub fn withdraw(client: &mut Client, m: &MoneyArgs) -> Result<Done, String> {
    let message = Withdraw {
        account: AccountId(m.account),
        asset: AssetId(m.asset),
        adjustment: m.adjustment,
        amount: Amount(m.amount),
        reference: m.reference,
        ..Withdraw::new(0)
    };
    send(client, message, m, format!("withdrew {} of asset {} from account {}", m.amount, m.asset, m.account))
}

fn send<M: Message>(client: &mut Client, message: M, m: &MoneyArgs, text: String) -> Result<Done, String> {
    let what = format!("account {}, adjustment {}", m.account, m.adjustment);
    let answer = refused(client, message, &what, |code, client| {
        remedy(code, client, m.account, m.adjustment, |code, client| remedy_of_money(code, client, m.account, m.asset))
    })?;
    let again = answer.reports.iter().any(|report| matches!(report, Report::Transfer(t) if t.replayed == 1));
    let text = if again {
        format!("this adjustment number was used before, with this very request; nothing changed: {text}")
    } else {
        text
    };
    Ok(Done { text, detail: json!({ "account": m.account, "asset": m.asset, "adjustment": m.adjustment }) })
}

/// What to do about a refusal. All but the first two have used the adjustment number up; `why` explains those.
pub fn remedy(
    code: Option<RejectCode>,
    client: &mut Client,
    account: u32,
    adjustment: u64,
    why: impl FnOnce(Option<RejectCode>, &mut Client) -> String,
) -> String {
    match code {
        Some(RejectCode::UnknownAccount) => {
            return format!(
                "there is no account {account} (`ringbook admin account {account}`), or the key does not reach it"
            );
        }
        Some(RejectCode::AdjustmentOld) => {
            let last = client.state(account).ok().filter(|state| state.exists()).map(|state| state.begin.adjustment);
            return match last {
                Some(last) => format!("the account's last number is {last}: give --adjustment {} or above", last + 1),
                None => format!("give a number above the account's last one (GET /v1/accounts/{account})"),
            };
        }
        _ => {}
    }
    let what = why(code, client);
    format!("{what}. Number {adjustment} is used up: the next try needs a higher --adjustment")
}

/// What to do about a refusal that used the number up.
pub fn remedy_of_money(code: Option<RejectCode>, client: &mut Client, account: u32, asset: u32) -> String {
    match code {
        Some(RejectCode::AccountSuspended) => {
            format!("the account is suspended: `ringbook admin account {account} --active` first")
        }
        Some(RejectCode::UnknownAsset) => format!("there is no asset {asset}; GET /v1/assets lists them"),
        Some(RejectCode::Maintenance) => {
            "nothing is withdrawn in maintenance: `ringbook admin maintenance off` first".into()
        }
        Some(RejectCode::InsufficientBalance) => {
            let (available, held) = client.state(account).map_or((0, 0), |state| state.balance(asset));
            format!("the account has {available} units of asset {asset} available and {held} held by orders")
        }
        Some(RejectCode::Amount) => "--amount must lie between 1 and 2^62".into(),
        Some(RejectCode::SupplyLimit) => "all accounts together may have 2^62 units of an asset".into(),
        _ => "docs/EVENTS.md, Deposits and withdrawals, lists the reasons".into(),
    }
}
