//! The terms of a symbol as HTTP has them and as SET_SYMBOL takes them, and why the engine refuses some.

use super::{field, named};
use ringbook_client::Rejection;
use ringbook_wire::message::{Message, SetSymbol, name_field};
use ringbook_wire::{
    Amount, AssetId, FeeModel, MAX_AMOUNT, Price, Qty, RATE_ONE, Rate, RejectCode, StpMode, SymbolId, SymbolKind,
    SymbolStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a fee by value may be: below 100 %, and a rebate below half the value.
pub const FEE_RATES: std::ops::Range<i64> = 1 - RATE_ONE / 2..RATE_ONE;

/// A symbol as `GET /v1/symbols` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub symbol: u32,
    pub name: String,
    pub kind: String,
    pub base: u32,
    pub quote: u32,
    pub base_lot: i64,
    pub quote_per_tick_lot: i64,
    pub status: String,
    pub fee_group: u16,
    pub fee_model: String,
    pub taker: i64,
    pub maker: i64,
    pub min_price: i64,
    pub max_price: i64,
    pub min_quantity: i64,
    pub max_quantity: i64,
    pub max_market_quantity: i64,
    pub min_notional: i64,
    pub max_notional: i64,
    pub band: i64,
    pub slip: i64,
    pub max_open_orders: u32,
    pub max_trigger_orders: u32,
    pub stp: String,
}

/// An asset as `GET /v1/assets` has it.
#[derive(Debug, Deserialize)]
pub struct Asset {
    pub asset: u32,
    pub name: String,
    pub scale: u8,
}

/// The defaults of a new symbol.
pub fn new_terms() -> Terms {
    Terms {
        symbol: 0,
        name: String::new(),
        kind: SymbolKind::Spot.to_string(),
        base: 0,
        quote: 0,
        base_lot: 0,
        quote_per_tick_lot: 0,
        status: SymbolStatus::Trading.to_string(),
        fee_group: 0,
        fee_model: FeeModel::Rate.to_string(),
        taker: 100_000,
        maker: 80_000,
        min_price: 1,
        max_price: 100_000_000,
        min_quantity: 1,
        max_quantity: 100_000_000,
        max_market_quantity: 10_000_000,
        min_notional: 0,
        max_notional: 0,
        band: 0,
        slip: 1_000_000,
        max_open_orders: 200,
        max_trigger_orders: 10,
        stp: StpMode::CancelTaker.to_string(),
    }
}

impl Terms {
    /// The command.
    pub fn message(&self) -> Result<SetSymbol, String> {
        Ok(SetSymbol {
            symbol: SymbolId(self.symbol),
            base: AssetId(self.base),
            quote: AssetId(self.quote),
            fee_group: self.fee_group,
            kind: named("kind", &self.kind, SymbolKind::ALL)?.code(),
            fee_model: named("fee-model", &self.fee_model, FeeModel::ALL)?.code(),
            name: field(&self.name)?,
            base_lot: Amount(self.base_lot),
            quote_per_tick_lot: Amount(self.quote_per_tick_lot),
            min_price: Price(self.min_price),
            max_price: Price(self.max_price),
            min_quantity: Qty(self.min_quantity),
            max_quantity: Qty(self.max_quantity),
            max_market_quantity: Qty(self.max_market_quantity),
            min_notional: Amount(self.min_notional),
            max_notional: Amount(self.max_notional),
            band: Rate(self.band),
            slip: Rate(self.slip),
            taker: Rate(self.taker),
            maker: Rate(self.maker),
            max_open_orders: self.max_open_orders,
            max_trigger_orders: self.max_trigger_orders,
            stp: named("stp", &self.stp, StpMode::ALL)?.code(),
            status: named("status", &self.status, SymbolStatus::ALL)?.code(),
            ..SetSymbol::new(0)
        })
    }
}

/// All terms by name.
fn fields(terms: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(terms) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A value of a term as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What differs, as `name old -> new`.
pub fn differences<T: Serialize>(before: &T, after: &T) -> Vec<String> {
    let (before, after) = (fields(before), fields(after));
    let changed = before.iter().filter(|(name, old)| after[name.as_str()] != **old);
    changed.map(|(name, old)| format!("{name} {} -> {}", plain(old), plain(&after[name.as_str()]))).collect()
}

/// All terms, one a line.
pub fn lines(terms: &impl Serialize) -> String {
    let lines: Vec<String> =
        fields(terms).iter().map(|(name, value)| format!("  {name:20} {}", plain(value))).collect();
    lines.join("\n")
}

/// What was wrong with terms that the engine refused, by the order of its own checks.
pub fn remedy(rejection: Rejection, t: &Terms, symbols: &[Terms], assets: &[Asset]) -> String {
    let found = match RejectCode::from_code(rejection.0) {
        Some(RejectCode::UnknownAccount) => Some("only an admin key may configure".into()),
        Some(RejectCode::BadConfig) => wrong(t, symbols, assets),
        _ => None,
    };
    found.unwrap_or_else(|| "docs/EVENTS.md, Configuration, lists the bounds".into())
}

/// What is wrong with terms that are refused with BAD_CONFIG, by the order of the engine's own checks.
pub fn wrong(t: &Terms, symbols: &[Terms], assets: &[Asset]) -> Option<String> {
    let fits = |a: i64, b: i64, c: i64| {
        let product = i128::from(a).checked_mul(i128::from(b)).and_then(|ab| ab.checked_mul(i128::from(c)));
        product.is_some_and(|product| product <= i128::from(MAX_AMOUNT))
    };
    let per_lot = t.fee_model == FeeModel::PerLot.to_string();
    let fees_fit = [t.taker, t.maker].iter().all(|&fee| {
        let size = i128::from(fee).abs();
        if per_lot {
            size < i128::from(t.min_price) * i128::from(t.quote_per_tick_lot)
                && size * i128::from(t.max_quantity) <= i128::from(MAX_AMOUNT)
        } else {
            FEE_RATES.contains(&fee)
        }
    });
    let no_asset = |id: u32| assets.iter().all(|asset| asset.asset != id);
    let ladder = [
        (name_field::<24>(&t.name).is_none(), "a name is printable ASCII without spaces, at most 24 characters".into()),
        (no_asset(t.base), format!("there is no asset {}: make it with `ringbook admin asset` (--base)", t.base)),
        (no_asset(t.quote), format!("there is no asset {}: make it with `ringbook admin asset` (--quote)", t.quote)),
        (t.base == t.quote, "--base and --quote are the same asset: name two".into()),
        (t.base_lot < 1, format!("--base-lot {}: must be at least 1", t.base_lot)),
        (t.quote_per_tick_lot < 1, format!("--value-per-tick-lot {}: must be at least 1", t.quote_per_tick_lot)),
        (t.min_price < 1 || t.min_price > t.max_price, "--min-price must lie between 1 and --max-price".into()),
        (
            t.min_quantity < 1 || t.min_quantity > t.max_quantity,
            "--min-quantity must lie between 1 and --max-quantity".into(),
        ),
        (
            t.max_market_quantity < t.min_quantity || t.max_market_quantity > t.max_quantity,
            format!(
                "--max-market-quantity {} must lie between --min-quantity {} and --max-quantity {}",
                t.max_market_quantity, t.min_quantity, t.max_quantity
            ),
        ),
        (
            t.min_notional < 0 || t.max_notional < 0 || t.max_notional != 0 && t.min_notional > t.max_notional,
            "--min-notional must lie between 0 and --max-notional".into(),
        ),
        (!(0..RATE_ONE).contains(&t.band), format!("--band {}: must lie between 0 and {}", t.band, RATE_ONE - 1)),
        (!(0..RATE_ONE).contains(&t.slip), format!("--slip {}: must lie between 0 and {}", t.slip, RATE_ONE - 1)),
        (t.stp == StpMode::Default.to_string(), "--stp DEFAULT is for orders: name the mode that it stands for".into()),
        (
            !fees_fit && per_lot,
            "--taker and --maker: a fee for each lot must be less than a lot is worth at --min-price, and times \
             --max-quantity at most 2^62"
                .into(),
        ),
        (!fees_fit, format!("--taker and --maker must lie between {} and {}", FEE_RATES.start, FEE_RATES.end - 1)),
        (
            !fits(t.max_price, t.max_quantity, t.quote_per_tick_lot),
            format!(
                "--max-price {} times --max-quantity {} times --value-per-tick-lot {} is above 2^62: lower one of them",
                t.max_price, t.max_quantity, t.quote_per_tick_lot
            ),
        ),
        (
            !fits(t.max_quantity, t.base_lot, 1),
            format!(
                "--max-quantity {} times --base-lot {} is above 2^62: lower one of them",
                t.max_quantity, t.base_lot
            ),
        ),
        (t.status == SymbolStatus::Closed.to_string(), "a symbol cannot begin CLOSED: choose another --status".into()),
    ];
    if let Some(other) = symbols.iter().find(|other| other.name == t.name && other.symbol != t.symbol) {
        return Some(format!("the name {} belongs to symbol {}: choose another", t.name, other.symbol));
    }
    ladder.into_iter().find(|(wrong, _)| *wrong).map(|(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Terms {
        let (base, quote, base_lot, quote_per_tick_lot) = (1, 2, 10, 5);
        Terms { symbol: 8, name: "X".into(), base, quote, base_lot, quote_per_tick_lot, ..new_terms() }
    }

    #[test]
    fn a_refusal_is_explained_by_its_cause() {
        let asset = |asset| Asset { asset, name: format!("A{asset}"), scale: 8 };
        let taken = [Terms { symbol: 1, name: "TAKEN".into(), ..known() }];
        let check = |change: &dyn Fn(&mut Terms), expected: &str| {
            let mut terms = known();
            change(&mut terms);
            let why = remedy(Rejection(RejectCode::BadConfig.code()), &terms, &taken, &[asset(1), asset(2)]);
            assert!(why.contains(expected), "{expected}: {why}");
        };
        check(&|t| t.name = "TAKEN".into(), "belongs to symbol 1");
        check(&|t| t.base = 3, "no asset 3");
        check(&|t| t.quote = 1, "the same asset");
        check(&|t| t.base_lot = 0, "--base-lot 0");
        check(&|t| t.min_price = 0, "--min-price");
        check(&|t| t.max_quantity = 5, "--max-market-quantity 10000000");
        check(&|t| t.max_price = 1_000_000_000_000_000, "--max-price 1000000000000000 times");
        check(&|t| t.base_lot = 1 << 60, "times --base-lot");
        check(&|t| t.band = RATE_ONE, "--band");
        check(&|t| t.taker = -RATE_ONE, "--taker");
        check(&|t| t.fee_model = "PER_LOT".into(), "at --min-price");
        check(&|t| t.status = "CLOSED".into(), "CLOSED");
        check(&|_| {}, "docs/EVENTS.md");
    }
}
