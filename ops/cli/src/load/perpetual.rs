//! The perpetual of a load run: LOAD-PERP is made (or found), accounts get futures money, leverage and a margin mode.
//!
//! Invariants: a perpetual that the user named is traded as it is, and none of its terms change; LOAD-PERP gets its terms
//! anew with each run, so that reduce-only mode of an earlier run ends.

use super::LoadArgs;
use super::setup::said;
use crate::commands::admin::present::Present;
use crate::demo;
use crate::flow::market::{key, random};
use ringbook_client::{Client, Options, Rejection, order};
use ringbook_wire::message::SetPerpetual;
use ringbook_wire::{AssetId, MarginMode, Rate, RejectCode, Wallet};
use serde_json::Value;

/// Name of the perpetual that is made.
pub const NAME: &str = "LOAD-PERP";
/// Its number.
pub const NUMBER: u32 = 900;
/// Where its marks begin.
const PRICE: i64 = 600_000;
/// What the accounts choose, one after the other: leverage, and whether the position is isolated.
const LEVERAGES: [(u32, bool); 6] = [(125, false), (100, true), (75, false), (50, true), (20, false), (125, true)];

/// What the load needs to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// Its mark now.
    pub mark: i64,
    /// Number of the last funding, when the next is due, time between them.
    pub funding: (u64, u64, u64),
}

/// Terms that let a load reach liquidations soon: no limit of marks, funding each second.
fn terms(args: &LoadArgs) -> SetPerpetual {
    SetPerpetual {
        base: AssetId(args.base_asset),
        quote: AssetId(args.quote_asset),
        band: Rate(10_000_000),
        mark_jump: Rate(0),
        mark_max_age: 60_000_000_000,
        funding_interval: 1_000_000_000,
        ..demo::perpetual(NUMBER, NAME)
    }
}

/// Makes what is missing: the perpetual, a mark, futures money, leverage.
///
/// # Errors
/// A key, the connection or a refusal; in words.
pub fn prepare(args: &LoadArgs, accounts: &[u32]) -> Result<Contract, String> {
    let open = |name: &str| -> Result<Client, String> {
        let options = Options::new(&args.connect).session(random() as u32);
        Client::connect(options, key(&args.keys, name)?).map_err(said)
    };
    let (mut admin, mut funds, mut trade) = (open("admin.key")?, open("funds.key")?, open("trade.key")?);
    let symbol = args.symbol_id();
    if args.symbol_id.is_none() {
        let answer = admin.set_perpetual(terms(args)).map_err(said)?;
        answer.result().map_err(|rejection| {
            format!("perpetual {NUMBER} {NAME} was refused: {rejection}; its number or name may be in use, or assets {} and {} \
                     do not exist (GET /v1/symbols): name another perpetual with --symbol-id", args.base_asset, args.quote_asset)
        })?;
        let price = args.price.unwrap_or(PRICE);
        let answer = admin.mark(symbol, price, order::now(), true).map_err(said)?;
        answer.result().map_err(|rejection| {
            let closed = rejection.0 == RejectCode::SymbolStatus.code();
            let remedy =
                if closed { "it was settled: name another perpetual with --symbol-id" } else { "give another --price" };
            format!("the mark {price} of {NAME} was refused: {rejection}; {remedy}")
        })?;
    }
    for (place, &account) in accounts.iter().enumerate() {
        let has = trade.state(account).map_err(said)?.futures(args.quote_asset);
        let missing = args.futures_units.saturating_sub(has);
        if missing > 0 {
            let adjustment = funds.next_adjustment();
            let answer =
                funds.transfer(account, args.quote_asset, Wallet::Futures, missing, adjustment, 0).map_err(said)?;
            answer.result().map_err(|rejection| {
                format!(
                    "a transfer of {missing} units of asset {} to the futures wallet of account {account} was refused: \
                         {rejection}; check --quote-asset, or give larger --quote-units",
                    args.quote_asset
                )
            })?;
        }
        let (leverage, isolated) = LEVERAGES[place % LEVERAGES.len()];
        let mode = if isolated { MarginMode::Isolated } else { MarginMode::Cross };
        let answer = trade.set_leverage(account, symbol, mode, leverage).map_err(said)?;
        match answer.result() {
            Err(rejection) if !is_of_before(rejection) => {
                return Err(format!(
                    "leverage {leverage} of account {account} was refused: {rejection}; check --symbol-id (GET /v1/perpetuals)"
                ));
            }
            _ => {}
        }
    }
    // After everything above: its sequence is not below that of the logon.
    let reader = open("admin.key")?;
    let present = Present::find(&reader, args.http.as_deref(), &args.keys, &args.connect)?;
    let list: Vec<Value> = present.list("/v1/perpetuals", "perpetuals")?;
    let found = list.iter().find(|one| one["symbol"] == symbol);
    let found = found.ok_or_else(|| format!("there is no perpetual {symbol}; GET /v1/perpetuals lists them"))?;
    let number =
        |name: &str| found[name].as_u64().ok_or_else(|| format!("/v1/perpetuals is not as documented: {found}"));
    let funding = (number("funding_index")?, number("funding_due")?, number("funding_interval")?);
    let mark = number("mark")?.cast_signed();
    if mark == 0 && args.price.is_none() {
        return Err(format!(
            "perpetual {symbol} has no mark yet: give --price, or `ringbook admin mark {symbol} PRICE`"
        ));
    }
    for client in [admin, funds, trade, reader] {
        client.log_out().map_err(said)?;
    }
    Ok(Contract { mark, funding })
}

/// An earlier run may have left a position, or a maximum may be lower: the account trades as it is.
fn is_of_before(rejection: Rejection) -> bool {
    let codes = [
        RejectCode::HasPositionOrOrders,
        RejectCode::InsufficientMargin,
        RejectCode::TierLeverage,
        RejectCode::LeverageRange,
    ];
    codes.iter().any(|code| code.code() == rejection.0)
}
