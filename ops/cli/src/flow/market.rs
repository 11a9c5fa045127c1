//! Makes the market that a flow needs: two assets, a symbol, accounts and money, all of them new.
//!
//! Invariants: nothing that exists is touched (an id or name in use is passed over); deposits cover the holds of every
//! order of the flow, so that a refusal is never for lack of money; the net supply of an asset stays within 2^62.

use super::ops::{Flow, Kind};
use ringbook_client::{Answer, Client, ClientError, Key, Options};
use ringbook_wire::message::{Message, SetSymbol, name_field};
use ringbook_wire::{
    Amount, AssetId, FeeModel, MAX_AMOUNT, Price, Qty, RATE_ONE, Rate, RejectCode, StpMode, SymbolId, SymbolKind,
    SymbolStatus,
};
use std::path::Path;

/// Fee of the taker: 10 basis points.
pub const TAKER_RATE: i64 = 100_000;
/// Fee of the maker: 2 basis points.
pub const MAKER_RATE: i64 = 20_000;
/// Accounts that trade with each other.
pub const ACCOUNTS: usize = 8;

/// What was made.
#[derive(Clone, Debug)]
pub struct Market {
    /// The symbol's number.
    pub symbol: u32,
    /// Its name.
    pub name: String,
    /// The accounts.
    pub accounts: Vec<u32>,
}

/// The account for which operation `index` enters its order.
pub fn account_of(index: usize) -> usize {
    index % ACCOUNTS
}

/// A key of the folder, with a hint if it is not there.
///
/// # Errors
/// In words.
pub fn key(keys: &Path, name: &str) -> Result<Key, String> {
    Key::load(&keys.join(name)).map_err(|error| error.to_string())
}

/// A random number.
pub fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| ringbook_client::order::now().0)
}

fn options(address: &str) -> Options {
    Options::new(address).session(random() as u32)
}

fn said(error: ClientError) -> String {
    error.to_string()
}

/// Makes everything. `symbol`: a fixed number instead of a free one.
///
/// # Errors
/// A key, the connection or a refusal; in words.
pub fn make(address: &str, keys: &Path, label: &str, flow: &Flow, symbol: Option<u32>) -> Result<Market, String> {
    let mut admin = Client::connect(options(address), key(keys, "admin.key")?).map_err(said)?;
    let mut funds = Client::connect(options(address), key(keys, "funds.key")?).map_err(said)?;
    let mut trade = Client::connect(options(address), key(keys, "trade.key")?).map_err(said)?;

    let suffix = base36(random(), 7);
    let base = free_id("asset", None, |id| admin.set_asset(id, &format!("B{suffix}"), 0))?;
    let quote = free_id("asset", None, |id| admin.set_asset(id, &format!("Q{suffix}"), 0))?;
    let name = format!("{}-{suffix}", short_label(label));
    let terms = terms(flow, base, quote, &name)?;
    let symbol = free_id("symbol", symbol, |id| admin.set_symbol(SetSymbol { symbol: SymbolId(id), ..terms }))?;

    let accounts = free_accounts(&mut trade)?;
    let (quotes, bases) = needs(flow);
    for (place, &account) in accounts.iter().enumerate() {
        done(&format!("account {account}"), admin.set_account(account, 0, false))?;
        for (asset, amount) in [(base, bases[place]), (quote, quotes[place])] {
            if amount > 0 {
                let adjustment = funds.next_adjustment();
                let answer = funds.deposit(account, asset, amount, adjustment, u64::from(symbol));
                done(&format!("a deposit of {amount} to account {account}"), answer)?;
            }
        }
    }
    for client in [admin, funds, trade] {
        client.log_out().map_err(said)?;
    }
    Ok(Market { symbol, name, accounts })
}

fn done(what: &str, answer: Result<Answer, ClientError>) -> Result<(), String> {
    match answer.map_err(said)?.result() {
        Ok(_) => Ok(()),
        Err(rejection) => {
            Err(format!("{what} was refused: {rejection}; check the roles and account ranges of the keys"))
        }
    }
}

/// Tries numbers until one is free; a number in use is refused with BAD_CONFIG, because the name is another.
fn free_id(
    what: &str,
    fixed: Option<u32>,
    mut create: impl FnMut(u32) -> Result<Answer, ClientError>,
) -> Result<u32, String> {
    for _ in 0..50 {
        let id = fixed.unwrap_or(1_000 + (random() % 60_000) as u32);
        match create(id).map_err(said)?.result() {
            Ok(_) => return Ok(id),
            Err(rejection) if rejection.0 == RejectCode::BadConfig.code() && fixed.is_none() => {}
            Err(rejection) => {
                return Err(format!("{what} {id} was refused: {rejection}; give another --symbol-id or none"));
            }
        }
    }
    Err(format!("no free {what} number was found in 50 tries"))
}

fn terms(flow: &Flow, base: u32, quote: u32, name: &str) -> Result<SetSymbol, String> {
    let quantity = flow.max_quantity.max(1);
    if i128::from(flow.max_price) * i128::from(quantity) > i128::from(MAX_AMOUNT) {
        return Err(format!(
            "highest price {} times largest quantity {quantity} is above 2^62; the flow needs coarser units",
            flow.max_price
        ));
    }
    let mut symbol = SetSymbol::new(0);
    symbol.base = AssetId(base);
    symbol.quote = AssetId(quote);
    symbol.kind = SymbolKind::Spot.code();
    symbol.fee_model = FeeModel::Rate.code();
    symbol.name = name_field(name).ok_or_else(|| format!("{name:?} is no symbol name"))?;
    symbol.base_lot = Amount(1);
    symbol.quote_per_tick_lot = Amount(1);
    symbol.min_price = Price(flow.min_price.max(1));
    symbol.max_price = Price(flow.max_price.max(1));
    symbol.min_quantity = Qty(1);
    symbol.max_quantity = Qty(quantity);
    symbol.max_market_quantity = Qty(quantity);
    symbol.slip = Rate(RATE_ONE - 1);
    symbol.taker = Rate(TAKER_RATE);
    symbol.maker = Rate(MAKER_RATE);
    symbol.max_open_orders = 1_000_000;
    symbol.max_trigger_orders = 10;
    symbol.stp = StpMode::CancelTaker.code();
    symbol.status = SymbolStatus::Trading.code();
    Ok(symbol)
}

/// Accounts in the trade key's range that do not exist yet.
fn free_accounts(trade: &mut Client) -> Result<Vec<u32>, String> {
    let (first, last) = (trade.accepted().first_account.0.max(16), trade.accepted().last_account.0);
    let span = u64::from(last.saturating_sub(first)) + 1;
    let mut accounts = Vec::new();
    for _ in 0..10_000 {
        let account = first + (random() % span) as u32;
        if !accounts.contains(&account) && !trade.state(account).map_err(said)?.exists() {
            accounts.push(account);
            if accounts.len() == ACCOUNTS {
                return Ok(accounts);
            }
        }
    }
    Err(format!("the trade key's accounts {first} to {last} are all in use; give a key with a wider range"))
}

/// What each account needs of quote and base, at most.
fn needs(flow: &Flow) -> ([i64; ACCOUNTS], [i64; ACCOUNTS]) {
    let mut wanted = [[0_i128; ACCOUNTS]; 2];
    for (index, op) in flow.ops.iter().enumerate().filter(|(_, op)| op.kind.enters()) {
        let place = account_of(index);
        if op.buy {
            let price = if op.kind == Kind::Market { flow.max_price } else { op.price };
            let value = i128::from(price) * i128::from(op.quantity);
            wanted[0][place] += value + value * i128::from(TAKER_RATE) / i128::from(RATE_ONE) + 1;
        } else {
            wanted[1][place] += i128::from(op.quantity);
        }
    }
    wanted
        .map(|amounts| {
            // Money comes back and is used again, so a share of the bound is enough where the sum is above it.
            let fits = amounts.iter().sum::<i128>() <= i128::from(MAX_AMOUNT);
            let bound = if fits { i128::from(MAX_AMOUNT) } else { i128::from(MAX_AMOUNT) / ACCOUNTS as i128 };
            amounts.map(|amount| amount.min(bound) as i64)
        })
        .into()
}

/// The last `digits` digits of a number in base 36.
fn base36(mut number: u64, digits: usize) -> String {
    let mut text = String::new();
    for _ in 0..digits {
        text.push(char::from_digit((number % 36) as u32, 36).unwrap_or('0').to_ascii_uppercase());
        number /= 36;
    }
    text
}

/// At most 16 letters and digits of a label.
fn short_label(label: &str) -> String {
    let text: String = label.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    if text.is_empty() { "FLOW".into() } else { text.to_ascii_uppercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deposits_cover_the_orders_and_never_pass_the_bound() {
        let flow = super::super::generate::generate(200, 1);
        let (quotes, bases) = needs(&flow);
        assert!(quotes.iter().chain(&bases).all(|&amount| amount > 0));
        let mut huge = flow.clone();
        for op in &mut huge.ops {
            (op.price, op.quantity) = (1 << 30, 1 << 31);
        }
        let (quotes, bases) = needs(&huge);
        assert!(quotes.iter().map(|&amount| i128::from(amount)).sum::<i128>() <= i128::from(MAX_AMOUNT));
        assert!(bases.iter().map(|&amount| i128::from(amount)).sum::<i128>() <= i128::from(MAX_AMOUNT));
    }

    #[test]
    fn names_fit_their_fields() {
        for label in ["lobster-aapl-20120621-l10-first998", "ops", "", "äöü"] {
            let name = format!("{}-{}", short_label(label), base36(u64::MAX, 7));
            assert!(name_field::<24>(&name).is_some(), "{name}");
        }
        assert!(name_field::<16>(&format!("B{}", base36(12, 7))).is_some());
    }
}
