//! `ringbook admin perpetual` and `reduce-only`: a new perpetual, or a change of the named terms of one that exists.

use super::contract::{ContractTerms, remedy};
use super::present::Present;
use super::symbol::SymbolArgs;
use super::terms::{Asset, Terms, differences, lines, new_terms};
use super::units::{TierText, rate, time};
use super::{Done, refused};
use ringbook_client::Client;
use ringbook_wire::{MAX_AMOUNT, RATE_ONE, SymbolKind};
use serde_json::json;

/// Which perpetual, and what about it.
#[derive(Debug, clap::Args)]
#[command(
    about = "Creates a perpetual, or changes the named limits, rates and tiers of one",
    after_help = "What is not named keeps its value; a new perpetual gets the defaults below. Name, assets, lot and tick value \
                  never change. Tiers are replaced as a whole; their amounts are computed. GET /v1/perpetuals shows the terms.\n\n\
                  Examples:\n  \
                  ringbook admin perpetual 20 SOL-PERP --base 4 --quote 2 --base-lot 10000000 --value-per-tick-lot 10000 \
                  --tier 50000USDT:0.4%:125 --tier 250000USDT:0.5%:100\n  \
                  ringbook admin perpetual 20 --funding-interval 4h --mark-jump 3%\n  \
                  ringbook admin reduce-only 20 on\n\nDefaults of a new perpetual: as `ringbook admin symbol --help`, but \
                  --taker 0.05% --maker 0.02%, --max-position, --max-quantity and --max-market-quantity as large as \
                  --max-price allows, and --max-leverage that of the first tier --mark-max-age 10s --mark-jump 2% \
                  --mark-confirmations 3 --funding-interval 8h --funding-cap 0.75% --liquidation-fee 0.1% --fund-multiple 100%"
)]
pub struct PerpetualArgs {
    #[command(flatten)]
    common: SymbolArgs,
    /// A tier of maintenance margin, CAP:RATE:LEVERAGE, as 50000USDT:0.4%:125; give one to eight, lowest first
    #[arg(long = "tier", value_name = "TIER")]
    tiers: Vec<TierText>,
    /// Highest leverage
    #[arg(long, value_name = "N")]
    max_leverage: Option<u32>,
    /// Largest position of an account and largest open interest, in lots
    #[arg(long, value_name = "LOTS")]
    max_position: Option<i64>,
    /// How long a mark is fresh, as 10s
    #[arg(long, value_name = "TIME", value_parser = time)]
    mark_max_age: Option<u64>,
    /// How far a mark may move at once, as 2%; 0 for any
    #[arg(long, value_name = "RATE", value_parser = rate)]
    mark_jump: Option<i64>,
    /// Offers after the first of a run of jumps that confirm it
    #[arg(long, value_name = "N")]
    mark_confirmations: Option<u16>,
    /// Time between two fundings, as 8h
    #[arg(long, value_name = "TIME", value_parser = time)]
    funding_interval: Option<u64>,
    /// Largest funding rate in either direction, as 0.75%
    #[arg(long, value_name = "RATE", value_parser = rate)]
    funding_cap: Option<i64>,
    /// What a liquidation's fills cost, as 0.1%
    #[arg(long, value_name = "RATE", value_parser = rate)]
    liquidation_fee: Option<i64>,
    /// Notional that the insurance fund may hold, of its cash, as 100%
    #[arg(long, value_name = "RATE", value_parser = rate)]
    fund_multiple: Option<i64>,
}

/// Sends the change.
pub fn run(client: &mut Client, present: &Present, args: &PerpetualArgs) -> Result<Done, String> {
    let perpetuals: Vec<ContractTerms> = present.list("/v1/perpetuals", "perpetuals")?;
    let known = perpetuals.iter().find(|known| known.common.symbol == args.common.id);
    let assets: Vec<Asset> = present.list("/v1/assets", "assets")?;
    let symbols: Vec<Terms> = present.list("/v1/symbols", "symbols")?;
    if let Some(spot) = symbols.iter().find(|s| s.symbol == args.common.id && s.kind == SymbolKind::Spot.name()) {
        let (id, name) = (spot.symbol, &spot.name);
        return Err(format!(
            "symbol {id} {name} is no perpetual: choose another number, or `ringbook admin symbol {id}`"
        ));
    }
    let terms = args.over(known, &assets)?;
    let changed = known.map(|known| differences(known, &terms));
    let title = format!("perpetual {} {}", terms.common.symbol, terms.common.name);
    let text = match &changed {
        Some(changes) if changes.is_empty() => format!("{title}: nothing changed:\n{}", lines(&terms)),
        Some(changes) => format!("{title} changed: {}", changes.join(", ")),
        None => format!("{title} created:\n{}", lines(&terms)),
    };
    let done = Done { text, detail: json!({ "perpetual": &terms }) };
    if changed.is_some_and(|changes| changes.is_empty()) {
        return Ok(done);
    }
    let answer = client.command(terms.message()?).map_err(|error| error.to_string())?;
    answer.result().map_err(|rejection| {
        let why = remedy(rejection, &terms, &symbols, &assets);
        format!("perpetual {} was refused: {rejection}; {why}", terms.common.symbol)
    })?;
    Ok(done)
}

impl PerpetualArgs {
    /// The terms that are asked for: what is named, over what there is, over the defaults of a new perpetual.
    fn over(&self, known: Option<&ContractTerms>, assets: &[Asset]) -> Result<ContractTerms, String> {
        let new = self.new_terms();
        let common = self.common.over(known.map(|known| &known.common), "perpetual", &new)?;
        let mut terms = match known {
            Some(known) => ContractTerms { common, ..known.clone() },
            None => ContractTerms {
                max_position: largest(common.max_price, common.quote_per_tick_lot),
                common,
                max_leverage: 0,
                mark_max_age: 10_000_000_000,
                mark_jump: 2 * RATE_ONE / 100,
                mark_confirmations: 3,
                funding_interval: 8 * 3_600_000_000_000,
                funding_cap: 750_000,
                liquidation_fee: 100_000,
                fund_multiple: RATE_ONE,
                reduce_only: false,
                tiers: Vec::new(),
            },
        };
        if !self.tiers.is_empty() {
            let tiers: Result<Vec<_>, _> =
                self.tiers.iter().map(|tier| tier.tier(terms.common.quote, assets)).collect();
            terms.set_tiers(&tiers?)?;
        }
        let Some(first) = terms.tiers.first() else {
            let id = self.common.id;
            return Err(format!(
                "there is no perpetual {id} yet: to create it, give --tier CAP:RATE:LEVERAGE, as --tier 50000USDT:0.4%:125 \
                 (`ringbook admin perpetual --help`)"
            ));
        };
        if known.is_none() {
            terms.max_leverage = first.max_leverage;
        }
        macro_rules! over {
            ($($field:ident)*) => { $(if let Some(given) = self.$field { terms.$field = given; })* };
        }
        over!(max_leverage max_position mark_max_age mark_jump mark_confirmations funding_interval funding_cap
            liquidation_fee fund_multiple);
        Ok(terms)
    }

    /// What a new perpetual has in common with a spot symbol, if nothing is named.
    fn new_terms(&self) -> Terms {
        let new = new_terms();
        let lots = largest(self.common.max_price.unwrap_or(new.max_price), self.common.value_per_tick_lot.unwrap_or(1));
        let max_quantity = self.common.max_quantity.unwrap_or(lots);
        Terms {
            kind: SymbolKind::Perpetual.to_string(),
            taker: 50_000,
            maker: 20_000,
            max_quantity,
            max_market_quantity: max_quantity,
            ..new
        }
    }
}

/// The largest power of ten, up to a billion lots, that the bound of values allows.
fn largest(max_price: i64, value_per_tick_lot: i64) -> i64 {
    let each = i128::from(max_price.max(1)) * i128::from(value_per_tick_lot.max(1));
    let lots = (i128::from(MAX_AMOUNT) / each).clamp(1, 1_000_000_000);
    10_i64.pow(lots.ilog10())
}

/// Lets only what does not increase exposure into a perpetual, or everything again.
pub fn reduce_only(client: &mut Client, present: &Present, symbol: u32, on: bool) -> Result<Done, String> {
    let perpetuals: Vec<ContractTerms> = present.list("/v1/perpetuals", "perpetuals")?;
    let known = perpetuals.into_iter().find(|known| known.common.symbol == symbol);
    let known = known.ok_or_else(|| format!("there is no perpetual {symbol}; GET /v1/perpetuals lists them"))?;
    let name = known.common.name.clone();
    let before = known.reduce_only;
    let message = ContractTerms { reduce_only: on, ..known }.message()?;
    refused(client, message, &format!("perpetual {symbol}"), |_, _| {
        "only an admin key may configure; `ringbook admin perpetual` says what is wrong with its terms".into()
    })?;
    let state = if on { "only orders that do not increase exposure are taken" } else { "all orders are taken" };
    let word = if before == on { ", as before" } else { "" };
    let detail = json!({ "symbol": symbol, "reduce_only": on });
    Ok(Done { text: format!("perpetual {symbol} {name}: {state}{word}"), detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        perpetual: PerpetualArgs,
    }

    fn over(line: &str, known: Option<&ContractTerms>) -> Result<ContractTerms, String> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        let parsed = crate::parse::<Line>(words).map_err(|error| error.to_string())?.perpetual;
        parsed.over(known, &[Asset { asset: 2, name: "USDT".into(), scale: 8 }])
    }

    const NEW: &str = "7 A-PERP --base 1 --quote 2 --base-lot 100000 --value-per-tick-lot 10000 --tier 50000USDT:0.4%:125 \
                       --tier 250000USDT:0.5%:100";

    #[test]
    fn a_new_one_has_defaults_that_fit_and_a_change_changes_what_is_named() {
        let known = over(NEW, None).unwrap();
        assert_eq!((known.max_leverage, known.tiers[1].amount, known.common.taker), (125, 5_000_000_000, 50_000));
        assert_eq!((known.max_position, known.common.max_quantity), (1_000_000, 1_000_000));
        assert_eq!(known.message().unwrap().tier_amount[1].0, 5_000_000_000);
        let check = |line: &str, expected: &[&str]| {
            let after = over(line, Some(&known)).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(differences(&known, &after), expected, "{line}");
        };
        check("7", &[]);
        check(
            "7 --mark-jump 3% --funding-interval 4h",
            &["funding_interval 28800000000000 -> 14400000000000", "mark_jump 2000000 -> 3000000"],
        );
        check("7 --taker 0.04%", &["taker 50000 -> 40000"]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let known = over(NEW, None).unwrap();
        for (line, known, words) in [
            ("8 X --base 1 --quote 2 --base-lot 1 --value-per-tick-lot 1", None, "--tier CAP:RATE:LEVERAGE"),
            ("8", None, "no perpetual 8 yet"),
            ("7 B-PERP", Some(&known), "make another perpetual"),
            ("7 --tier 50000BTC:1%:10", Some(&known), "50000USDT"),
            ("7 --tier 50000USDT:1%:100", Some(&known), "between 1 and 99"),
            ("7 --mark-max-age 10", Some(&known), "as in 10s or 8h"),
        ] {
            let error = over(line, known).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
