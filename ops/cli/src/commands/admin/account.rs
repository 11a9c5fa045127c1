//! `ringbook admin account` and `fees`: what is not named stays as it is.

use super::present::Present;
use super::terms::FEE_RATES;
use super::{Done, refused};
use ringbook_client::Client;
use ringbook_wire::message::{Message, SetAccount, SetFees};
use ringbook_wire::{AccountId, Rate, RejectCode};
use serde_json::json;

/// Which account, and what about it.
#[derive(Debug, clap::Args)]
#[command(
    about = "Creates an account, or changes the named terms of one",
    after_help = "Examples:\n  ringbook admin account 501\n  ringbook admin account 501 --group 7\n  \
                  ringbook admin account 501 --suspended\n  ringbook admin account 501 --active"
)]
pub struct AccountArgs {
    /// Its number, from 16 on
    pub id: u32,
    /// Self-trade-prevention group: accounts of one group do not trade with each other; 0 for none
    #[arg(long, value_name = "N")]
    group: Option<u32>,
    /// From now on it may only cancel and deposit
    #[arg(long, conflicts_with = "active")]
    suspended: bool,
    /// It is suspended no more
    #[arg(long)]
    active: bool,
}

/// Sends the change.
pub fn account(
    client: &mut Client,
    present: impl FnOnce(&Client) -> Result<Present, String>,
    args: &AccountArgs,
) -> Result<Done, String> {
    let asked = match (args.suspended, args.active) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let (group, suspended) = match (args.group, asked) {
        (Some(group), Some(suspended)) => (group, suspended),
        _ => {
            let (before_group, before_suspended) = terms_now(client, present, args.id)
                .map_err(|error| format!("{error}; or name everything: --group N and --suspended or --active"))?;
            (args.group.unwrap_or(before_group), asked.unwrap_or(before_suspended))
        }
    };
    let message =
        SetAccount { account: AccountId(args.id), group, suspended: u8::from(suspended), ..SetAccount::new(0) };
    let what = format!("account {}", args.id);
    refused(client, message, &what, |code, _| match code {
        Some(RejectCode::BadConfig) => "accounts of customers begin with 16".into(),
        _ => "only an admin key may configure".into(),
    })?;
    let group_text = if group == 0 { "no group".to_owned() } else { format!("group {group}") };
    let status = if suspended { "suspended" } else { "active" };
    Ok(Done {
        text: format!("{what}: {group_text}, {status}"),
        detail: json!({ "account": args.id, "group": group, "suspended": suspended }),
    })
}

/// Group and suspension of an account; those of a new one if it does not exist.
fn terms_now(
    client: &mut Client,
    present: impl FnOnce(&Client) -> Result<Present, String>,
    id: u32,
) -> Result<(u32, bool), String> {
    const NEW: (u32, bool) = (0, false);
    let accepted = *client.accepted();
    let in_sight = (accepted.first_account.0..=accepted.last_account.0).contains(&id);
    if in_sight && !client.state(id).map_err(|error| error.to_string())?.exists() {
        return Ok(NEW);
    }
    let Some(terms) = present(client)?.ask(&format!("/v1/accounts/{id}"))? else {
        return Ok(NEW);
    };
    let group = terms["group"].as_u64().and_then(|group| u32::try_from(group).ok());
    let (Some(group), Some(suspended)) = (group, terms["suspended"].as_bool()) else {
        return Err(format!("/v1/accounts/{id} is not as documented: {terms}"));
    };
    Ok((group, suspended))
}

/// Whose fees, and which.
#[derive(Debug, clap::Args)]
#[command(
    about = "Gives an account its own fee rates for the symbols of a fee group",
    after_help = "Examples:\n  ringbook admin fees 500 --taker 50000 --maker -5000\n  ringbook admin fees 500 --fee-group 2 --remove"
)]
pub struct FeesArgs {
    /// Number of the account
    account: u32,
    /// Of which symbols: their fee group
    #[arg(long, value_name = "N", default_value_t = 0)]
    fee_group: u16,
    /// In 1/100,000,000 of the value
    #[arg(long, value_name = "RATE", required_unless_present = "remove")]
    taker: Option<i64>,
    /// In 1/100,000,000 of the value; negative is a rebate
    #[arg(long, value_name = "RATE", required_unless_present = "remove")]
    maker: Option<i64>,
    /// The symbols' rates hold again
    #[arg(long, conflicts_with_all = ["taker", "maker"])]
    remove: bool,
}

/// Sends the change.
pub fn fees(client: &mut Client, args: &FeesArgs) -> Result<Done, String> {
    let (account, group) = (args.account, args.fee_group);
    let message = SetFees {
        account: AccountId(account),
        fee_group: group,
        removed: u8::from(args.remove),
        taker: Rate(args.taker.unwrap_or(0)),
        maker: Rate(args.maker.unwrap_or(0)),
        ..SetFees::new(0)
    };
    let rates = [args.taker, args.maker];
    refused(client, message, &format!("fees of account {account}"), |code, _| match code {
        Some(RejectCode::BadConfig) if rates.iter().flatten().any(|rate| !FEE_RATES.contains(rate)) => {
            format!("rates lie between {} and {}", FEE_RATES.start, FEE_RATES.end - 1)
        }
        Some(RejectCode::BadConfig) => format!("there is no account {account}: `ringbook admin account {account}`"),
        _ => "only an admin key may configure".into(),
    })?;
    let what = if args.remove {
        "has no fees of its own".to_owned()
    } else {
        format!("pays {} as taker and {} as maker", message.taker.0, message.maker.0)
    };
    Ok(Done { text: format!("account {account} {what} in fee group {group}"), detail: json!({ "account": account }) })
}
