//! Accounts and money for a load run, at account numbers that every run uses again; what an earlier run left open is
//! cancelled.
//!
//! Invariant: a balance is only topped up to what a run needs, so that many runs on one exchange never come near the
//! bound of an asset's supply.

use super::LoadArgs;
use crate::flow::market::{key, random};
use ringbook_client::{Client, ClientError, Options};

/// Creates the accounts that are missing and tops up their balances.
///
/// # Errors
/// A key, the connection or a refusal; in words.
pub fn prepare(args: &LoadArgs) -> Result<Vec<u32>, String> {
    let open = |name: &str| -> Result<Client, String> {
        let options = Options::new(&args.connect).session(random() as u32);
        Client::connect(options, key(&args.keys, name)?).map_err(said)
    };
    let accounts: Vec<u32> = (0..args.accounts).map(|number| args.first_account.saturating_add(number)).collect();
    let (mut admin, mut funds, mut trade) = (open("admin.key")?, open("funds.key")?, open("trade.key")?);
    let (first, last) = (trade.accepted().first_account.0, trade.accepted().last_account.0);
    if accounts.iter().any(|account| !(first..=last).contains(account)) {
        return Err(format!(
            "the trade key may act for accounts {first} to {last}; choose others with --first-account and --accounts"
        ));
    }
    for &account in &accounts {
        let state = trade.state(account).map_err(said)?;
        if !state.exists() {
            let answer = admin.set_account(account, 0, false).map_err(said)?;
            answer.result().map_err(|rejection| format!("account {account} was refused: {rejection}"))?;
        }
        if state.orders.iter().any(|order| order.symbol.0 == args.symbol_id()) {
            let answer = trade.cancel_all(account, Some(args.symbol_id()), None).map_err(said)?;
            answer.result().map_err(|rejection| {
                format!("cancelling the orders of account {account} was refused: {rejection}; check --symbol-id")
            })?;
        }
        // A perpetual needs only what it is settled in.
        let base = if args.perpetual { 0 } else { args.base_units };
        for (asset, wanted) in [(args.base_asset, base), (args.quote_asset, args.quote_units)] {
            let (available, held) = state.balance(asset);
            let missing = wanted.saturating_sub(available).saturating_sub(held);
            if missing > 0 {
                let adjustment = funds.next_adjustment();
                let answer = funds.deposit(account, asset, missing, adjustment, 0).map_err(said)?;
                answer.result().map_err(|rejection| {
                    format!("a deposit of {missing} units of asset {asset} to account {account} was refused: {rejection}; check --base-asset and --quote-asset")
                })?;
            }
        }
    }
    for client in [admin, funds, trade] {
        client.log_out().map_err(said)?;
    }
    Ok(accounts)
}

pub fn said(error: ClientError) -> String {
    error.to_string()
}
