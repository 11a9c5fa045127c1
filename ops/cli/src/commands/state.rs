//! `ringbook state`: the state at any sequence, by time travel.

use super::DataArgs;
use crate::output::{bar, could_not, hex, print};
use ringbook_core::{Engine, OrderView};
use ringbook_replay::state_at;
use ringbook_wire::{AccountId, Side};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `ringbook state`.
#[derive(Debug, clap::Args)]
#[command(
    about = "The state at any sequence: accounts, open orders, books",
    after_help = "Examples:\n  ringbook state --account 100\n  ringbook state --at 5000 --symbol BTC-USDT --json"
)]
pub struct StateArgs {
    #[command(flatten)]
    data: DataArgs,
    /// After this sequence [default: the newest committed]
    #[arg(long, value_name = "SEQUENCE")]
    at: Option<u64>,
    /// Only this account
    #[arg(long, value_name = "ID")]
    account: Option<u32>,
    /// Only this symbol
    #[arg(long, value_name = "NAME")]
    symbol: Option<String>,
}

/// Runs the command.
pub fn run(args: StateArgs) -> ExitCode {
    match try_run(&args) {
        Ok(value) => {
            print(args.data.json, &value, || serde_json::to_string_pretty(&value).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(error) => could_not(error),
    }
}

fn try_run(args: &StateArgs) -> Result<Value, String> {
    let folder = args.data.folder()?;
    let progress = bar("replaying");
    let state = state_at(&folder, args.at, &mut |done, total| {
        progress.set_length(total);
        progress.set_position(done);
    })
    .map_err(|error| error.to_string())?;
    progress.finish_and_clear();
    let engine = &state.engine;
    if let Some(name) = &args.symbol
        && engine.symbol_named(name).is_none()
    {
        return Err(format!("no symbol {name} at sequence {}", engine.sequence()));
    }
    if let Some(id) = args.account
        && engine.balances(AccountId(id)).is_none()
    {
        return Err(format!("no account {id} at sequence {}", engine.sequence()));
    }
    let ids: Vec<AccountId> = match args.account {
        Some(id) => vec![AccountId(id)],
        None => engine.account_ids(),
    };
    let accounts: Vec<Value> = ids.iter().map(|&id| account(engine, id)).collect();
    let orders: Vec<Value> = ids
        .iter()
        .flat_map(|&id| engine.open_orders(id))
        .filter(|order| args.symbol.as_ref().is_none_or(|name| engine.symbol_named(name) == Some(order.symbol)))
        .map(|order| order_value(&order))
        .collect();
    let symbols = engine.symbols().into_iter().filter(|s| args.symbol.as_ref().is_none_or(|name| *name == s.name));
    let books: Vec<Value> = symbols
        .map(|s| {
            let side = |side| -> Vec<Value> {
                engine.depth(s.symbol, side, usize::MAX).iter().map(|(price, quantity)| json!([price.0, quantity])).collect()
            };
            json!({ "symbol": s.name, "status": s.status.name(), "last": s.last.0, "bids": side(Side::Buy), "asks": side(Side::Sell) })
        })
        .collect();
    Ok(json!({
        "sequence": engine.sequence().0,
        "time_ns": engine.time().0,
        "state_hash": hex(&engine.state_hash()),
        "accounts": accounts,
        "orders": orders,
        "books": books,
    }))
}

fn account(engine: &Engine, id: AccountId) -> Value {
    let balances: Vec<Value> = engine
        .balances(id)
        .unwrap_or_default()
        .iter()
        .map(|b| json!({ "asset": b.asset.0, "available": b.available.0, "held": b.held.0 }))
        .collect();
    json!({ "account": id.0, "balances": balances })
}

fn order_value(o: &OrderView) -> Value {
    json!({
        "order": o.order.0, "account": o.account.0, "symbol": o.symbol.0, "side": o.side.name(),
        "type": o.order_type.name(), "time_in_force": o.time_in_force.name(), "state": o.state.name(),
        "price": o.price.0, "quantity": o.quantity.0, "remaining": o.remaining.0, "filled": o.filled.0,
        "prevented": o.prevented.0, "cut": o.cut.0, "cost": o.cost.0, "fee": o.fee.0, "hold": o.hold.0,
        "client_id": format!("{:032x}", u128::from(o.client_id)),
    })
}
