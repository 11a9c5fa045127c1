//! `ringbook admin symbol`: a new symbol, or a change of the named terms of one that exists.

use super::present::Present;
use super::terms::{Asset, Terms, differences, lines, new_terms, remedy};
use super::units::rate;
use super::{Done, named};
use ringbook_client::Client;
use ringbook_wire::{FeeModel, StpMode, SymbolKind, SymbolStatus};
use serde_json::json;

/// Which symbol, and what about it.
#[derive(Debug, clap::Args)]
#[command(
    about = "Creates a symbol, or changes the named limits and rates of one",
    after_help = "What is not named keeps its value; a new symbol gets the defaults below. Name, assets, lot, tick value and \
                  fee model never change.\n\nExamples:\n  \
                  ringbook admin symbol 9 BTC-EUR --base 1 --quote 9 --base-lot 100000 --value-per-tick-lot 1\n  \
                  ringbook admin symbol 9 --max-open-orders 500 --band 5000000\n  \
                  ringbook admin symbol 9 --taker 50000 --maker -5000 --fee-group 2\n\nDefaults of a new symbol: \
                  --min-price 1 --max-price 100000000 --min-quantity 1 --max-quantity 100000000 --max-market-quantity 10000000 \
                  --min-notional 0 --max-notional 0 --band 0 --slip 1000000 --taker 100000 --maker 80000 --fee-model RATE \
                  --fee-group 0 --max-open-orders 200 --max-trigger-orders 10 --status TRADING --stp CANCEL_TAKER"
)]
pub struct SymbolArgs {
    /// Its number, 1 to 65535
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub id: u32,
    /// Its name, at most 24 characters; needed for a new one
    name: Option<String>,
    /// Number of the asset that is traded; needed for a new one
    #[arg(long, value_name = "ASSET")]
    pub base: Option<u32>,
    /// Number of the asset that it is paid with; needed for a new one
    #[arg(long, value_name = "ASSET")]
    pub quote: Option<u32>,
    /// Smallest units of the base asset in a lot; needed for a new one
    #[arg(long, value_name = "UNITS")]
    pub base_lot: Option<i64>,
    /// Smallest units of the quote asset that one lot costs at a price of one tick; needed for a new one
    #[arg(long, value_name = "UNITS")]
    pub value_per_tick_lot: Option<i64>,
    /// Lowest price, in ticks
    #[arg(long, value_name = "TICKS")]
    min_price: Option<i64>,
    /// Highest price, in ticks
    #[arg(long, value_name = "TICKS")]
    pub max_price: Option<i64>,
    /// Smallest quantity of an order, in lots
    #[arg(long, value_name = "LOTS")]
    min_quantity: Option<i64>,
    /// Largest quantity of an order, in lots
    #[arg(long, value_name = "LOTS")]
    pub max_quantity: Option<i64>,
    /// Largest quantity of a market order, in lots
    #[arg(long, value_name = "LOTS")]
    pub max_market_quantity: Option<i64>,
    /// Smallest value of an order, in units of the quote asset; 0 for none
    #[arg(long, value_name = "UNITS")]
    min_notional: Option<i64>,
    /// Largest value of an order, in units of the quote asset; 0 for none
    #[arg(long, value_name = "UNITS")]
    max_notional: Option<i64>,
    /// How far from the last trade a price may be, in 1/100,000,000 of it, or as 5%; 0 for any
    #[arg(long, value_name = "RATE", value_parser = rate)]
    band: Option<i64>,
    /// How far from the best price a market order goes, in 1/100,000,000 of it, or as 1%
    #[arg(long, value_name = "RATE", value_parser = rate)]
    slip: Option<i64>,
    /// Taker fee: in 1/100,000,000 of the value (or as 0.05%), or in quote units for each lot (--fee-model PER_LOT)
    #[arg(long, value_name = "FEE", value_parser = rate)]
    taker: Option<i64>,
    /// Maker fee, as --taker; negative is a rebate
    #[arg(long, value_name = "FEE", value_parser = rate)]
    maker: Option<i64>,
    /// What fees are reckoned from: RATE (of the value) or PER_LOT; counts when the symbol is made
    #[arg(long, value_name = "MODEL")]
    fee_model: Option<String>,
    /// Group of symbols for which accounts may have fees of their own (ringbook admin fees)
    #[arg(long, value_name = "N")]
    fee_group: Option<u16>,
    /// Open orders of an account in this symbol
    #[arg(long, value_name = "N")]
    max_open_orders: Option<u32>,
    /// Stop orders of an account in this symbol that wait for their trigger
    #[arg(long, value_name = "N")]
    max_trigger_orders: Option<u32>,
    /// TRADING, PRE_OPEN, HALTED or CANCEL_ONLY; counts when the symbol is made
    #[arg(long)]
    status: Option<String>,
    /// Default self-trade prevention: NONE, CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH or DECREMENT
    #[arg(long, value_name = "MODE")]
    stp: Option<String>,
}

/// Sends the change.
pub fn run(client: &mut Client, present: &Present, args: &SymbolArgs) -> Result<Done, String> {
    let symbols: Vec<Terms> = present.list("/v1/symbols", "symbols")?;
    let known = symbols.iter().find(|known| known.symbol == args.id);
    if let Some(known) = known.filter(|known| known.kind != SymbolKind::Spot.name()) {
        return Err(format!(
            "symbol {0} {1} is a perpetual: change it with `ringbook admin perpetual {0}`",
            known.symbol, known.name
        ));
    }
    let terms = args.over(known, "symbol", &new_terms())?;
    let changed = known.map(|known| differences(known, &terms));
    let title = format!("symbol {} {}", terms.symbol, terms.name);
    let text = match &changed {
        Some(changes) if changes.is_empty() => format!("{title}: nothing changed:\n{}", lines(&terms)),
        Some(changes) => format!("{title} changed: {}", changes.join(", ")),
        None => format!("{title} created:\n{}", lines(&terms)),
    };
    let done = Done { text, detail: json!({ "symbol": &terms }) };
    if changed.is_some_and(|changes| changes.is_empty()) {
        return Ok(done);
    }
    let answer = client.command(terms.message()?).map_err(|error| error.to_string())?;
    answer.result().map_err(|rejection| {
        let why = match present.list::<Asset>("/v1/assets", "assets") {
            Ok(assets) => remedy(rejection, &terms, &symbols, &assets),
            Err(error) => error,
        };
        format!("symbol {} was refused: {rejection}; {why}", terms.symbol)
    })?;
    Ok(done)
}

impl SymbolArgs {
    /// The terms that are asked for: what is named, over what there is, over the defaults of a new symbol.
    pub fn over(&self, known: Option<&Terms>, what: &str, new: &Terms) -> Result<Terms, String> {
        let missing = |missing: &str| {
            let id = self.id;
            format!("there is no {what} {id} yet: to create it, give {missing} (`ringbook admin {what} --help`)")
        };
        let mut terms = match known {
            Some(known) => known.clone(),
            None => Terms {
                symbol: self.id,
                name: self.name.clone().ok_or_else(|| missing("its name"))?,
                base: self.base.ok_or_else(|| missing("--base"))?,
                quote: self.quote.ok_or_else(|| missing("--quote"))?,
                base_lot: self.base_lot.ok_or_else(|| missing("--base-lot"))?,
                quote_per_tick_lot: self.value_per_tick_lot.ok_or_else(|| missing("--value-per-tick-lot"))?,
                ..new.clone()
            },
        };
        macro_rules! fixed {
            ($($field:ident $given:expr, $name:literal;)*) => { $(if let Some(given) = &$given && *given != terms.$field {
                let (id, has) = (self.id, &terms.$field);
                return Err(format!("{what} {id} has {} {has}, which never changes: leave it out, or make another {what}", $name));
            })* };
        }
        let fee_model =
            self.fee_model.as_deref().map(|name| code_name("fee-model", name, FeeModel::ALL)).transpose()?;
        if known.is_none() {
            terms.fee_model = fee_model.clone().unwrap_or(terms.fee_model);
            if let Some(status) = &self.status {
                terms.status = code_name("status", status, SymbolStatus::ALL)?;
            }
        }
        fixed! {
            name self.name, "the name";
            base self.base, "the base asset";
            quote self.quote, "the quote asset";
            base_lot self.base_lot, "the base lot";
            quote_per_tick_lot self.value_per_tick_lot, "the tick value";
            fee_model fee_model, "the fee model";
        }
        if let Some(status) = &self.status
            && !status.eq_ignore_ascii_case(&terms.status)
        {
            return Err(format!(
                "{what} {id} is {}: its status changes with `ringbook admin status {id} {status}`",
                terms.status,
                id = self.id
            ));
        }
        macro_rules! over {
            ($($field:ident)*) => { $(if let Some(given) = self.$field { terms.$field = given; })* };
        }
        over!(min_price max_price min_quantity max_quantity max_market_quantity min_notional max_notional band slip
            taker maker fee_group max_open_orders max_trigger_orders);
        if let Some(stp) = &self.stp {
            terms.stp = code_name("stp", stp, StpMode::ALL)?;
        }
        Ok(terms)
    }
}

fn code_name<T: Copy + std::fmt::Display>(what: &str, name: &str, all: &[T]) -> Result<String, String> {
    named(what, name, all).map(|code| code.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        symbol: SymbolArgs,
    }

    fn parse(line: &str) -> SymbolArgs {
        let words = std::iter::once("x").chain(line.split_whitespace());
        crate::parse::<Line>(words).unwrap_or_else(|error| panic!("{line}: {error}")).symbol
    }

    fn known() -> Terms {
        let line =
            "7 A-B --base 1 --quote 2 --base-lot 10 --value-per-tick-lot 5 --max-open-orders 10000 --fee-group 3";
        parse(line).over(None, "symbol", &new_terms()).unwrap()
    }

    #[test]
    fn only_what_is_named_changes() {
        let known = known();
        assert_eq!((known.max_open_orders, known.fee_group, known.slip), (10_000, 3, 1_000_000));
        let check = |line: &str, expected: &[&str]| {
            let after = parse(line)
                .over(Some(&known), "symbol", &new_terms())
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(differences(&known, &after), expected, "{line}");
        };
        check("7", &[]);
        check("7 A-B --base 1 --status trading --fee-model rate", &[]);
        check("7 --maker -5", &["maker 80000 -> -5"]);
        check("7 --max-open-orders 5 --stp none", &["max_open_orders 10000 -> 5", "stp CANCEL_TAKER -> NONE"]);
    }

    #[test]
    fn what_never_changes_and_what_is_missing_is_named() {
        let known = known();
        for (line, known, expected) in [
            ("7 A-C", Some(&known), "the name A-B"),
            ("7 --base 4", Some(&known), "the base asset 1"),
            ("7 --fee-model per_lot", Some(&known), "the fee model RATE"),
            ("7 --status halted", Some(&known), "ringbook admin status 7 halted"),
            ("7 --stp maybe", Some(&known), "DECREMENT"),
            ("8", None, "its name"),
            ("8 X --base 1 --quote 2", None, "--base-lot"),
        ] {
            let error = parse(line).over(known, "symbol", &new_terms()).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
