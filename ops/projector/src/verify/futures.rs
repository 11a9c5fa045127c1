//! The tables of perpetuals held against the state of a replayed engine.
//!
//! Invariant: what is not in the tables must be nothing in the engine: no lots, no money, no limit.

use super::state::sorted;
use super::{DifferenceKind, Report};
use crate::schema::Table;
use crate::value::Value;
use ringbook_wire::MarginMode;
use rustc_hash::FxHashMap;

/// What a replayed engine holds of perpetuals at the database's sequence.
#[derive(Clone, Debug, Default)]
pub struct FuturesState {
    /// `(account, asset, balance)` of the futures wallets; those that are 0 may be left out.
    pub wallets: Vec<(u32, u32, i64)>,
    /// `(account, symbol, mode, leverage, quantity, cost, margin)` of every record, also those without lots.
    pub positions: Vec<(u32, u32, MarginMode, u32, i64, i64, i64)>,
    /// `(account, symbol, lots)` of every limit; 0 may be left out.
    pub limits: Vec<(u32, u32, i64)>,
    /// Every perpetual.
    pub perpetuals: Vec<PerpetualTerms>,
}

/// A perpetual as the engine has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the columns of `perpetuals`")]
pub struct PerpetualTerms {
    pub symbol: u32,
    /// 0 before the first.
    pub mark: i64,
    pub mark_feed_ns: u64,
    pub funding_index: u64,
    pub funding_due_ns: u64,
    pub reduce_only: bool,
    pub max_position: i64,
    pub max_leverage: u32,
    pub mark_max_age: u64,
    pub mark_jump: i64,
    pub mark_confirmations: u32,
    pub funding_interval: u64,
    pub funding_cap: i64,
    pub liquidation_fee: i64,
    pub fund_multiple: i64,
    /// Cap, rate, amount, leverage of each tier in use.
    pub tiers: Vec<(i64, i64, i64, u32)>,
}

type Key = (i64, i64);
type PositionRow = (String, i64, i64, i64, i64);

/// The database's view of the same.
#[derive(Default)]
pub(super) struct FuturesView {
    wallets: FxHashMap<Key, i64>,
    positions: FxHashMap<Key, PositionRow>,
    limits: FxHashMap<Key, i64>,
    perpetuals: FxHashMap<i64, Vec<(&'static str, String)>>,
}

impl FuturesView {
    /// Takes a row of the database.
    pub(super) fn add(&mut self, table: &'static Table, row: &[Value]) {
        let value = |name: &str| table.column(name).and_then(|i| row.get(i));
        let number = |name: &str| value(name).and_then(Value::as_i64).unwrap_or(0);
        let text = |name: &str| value(name).and_then(Value::as_str).unwrap_or("").to_owned();
        match table.name {
            "margin_wallets" if number("balance") != 0 => {
                self.wallets.insert((number("account"), number("asset")), number("balance"));
            }
            "positions" => {
                let row = (text("mode"), number("leverage"), number("quantity"), number("cost"), number("margin"));
                self.positions.insert((number("account"), number("symbol")), row);
            }
            "position_limits" if number("max_position") != 0 => {
                self.limits.insert((number("account"), number("symbol")), number("max_position"));
            }
            "perpetuals" => {
                let shown = |name: &'static str| match value(name) {
                    None | Some(Value::Null) => (name, "0".to_owned()),
                    Some(Value::Text(text)) => (name, text.to_string()),
                    Some(number) => (name, number.to_string()),
                };
                self.perpetuals.insert(number("symbol"), COMPARED.map(shown).to_vec());
            }
            _ => {}
        }
    }

    /// Reports what the two do not agree on.
    pub(super) fn compare(mut self, state: &FuturesState, out: &mut Report) {
        compare_numbers("margin_wallets", self.wallets, &state.wallets, out);
        compare_numbers("position_limits", self.limits, &state.limits, out);
        for (account, symbol, mode, leverage, quantity, cost, margin) in &state.positions {
            let wanted = (mode.name().to_owned(), i64::from(*leverage), *quantity, *cost, *margin);
            let found = self.positions.remove(&((*account).into(), (*symbol).into()));
            // A record that no POSITION told of is as it was made.
            let untouched = (MarginMode::Cross.name().to_owned(), wanted.1, 0, 0, 0);
            let found = found.unwrap_or(untouched);
            if found != wanted {
                out.add("positions", DifferenceKind::State, format!("{account}/{symbol}"), || {
                    format!("the engine has mode, leverage, lots, cost, margin {wanted:?}; the database {found:?}")
                });
            }
        }
        for ((account, symbol), found) in sorted(self.positions) {
            out.add("positions", DifferenceKind::State, format!("{account}/{symbol}"), || {
                format!("the engine has no such record; the database {found:?}")
            });
        }
        for terms in &state.perpetuals {
            let found = self.perpetuals.remove(&terms.symbol.into()).unwrap_or_default();
            for (name, wanted) in terms.columns() {
                let there = found.iter().find(|(column, _)| *column == name).map(|(_, there)| there.as_str());
                if there != Some(&wanted) {
                    out.add("perpetuals", DifferenceKind::State, terms.symbol.to_string(), || {
                        format!("{name}: the engine has {wanted}; the database {}", there.unwrap_or("has no row"))
                    });
                }
            }
        }
        for (symbol, _) in sorted(self.perpetuals) {
            out.add("perpetuals", DifferenceKind::State, symbol.to_string(), || "not in the engine".into());
        }
    }
}

/// Columns of `perpetuals` that the engine has, too.
const COMPARED: [&str; 15] = [
    "mark",
    "mark_feed_ns",
    "funding_index",
    "funding_due_ns",
    "reduce_only",
    "max_position",
    "max_leverage",
    "mark_max_age",
    "mark_jump",
    "mark_confirmations",
    "funding_interval",
    "funding_cap",
    "liquidation_fee",
    "fund_multiple",
    "tiers",
];

impl PerpetualTerms {
    /// The same as the columns show it.
    fn columns(&self) -> impl Iterator<Item = (&'static str, String)> {
        let tier = |(cap, rate, amount, leverage): &(i64, i64, i64, u32)| {
            format!(r#"{{"cap":{cap},"rate":{rate},"amount":{amount},"leverage":{leverage}}}"#)
        };
        let tiers = format!("[{}]", self.tiers.iter().map(tier).collect::<Vec<_>>().join(","));
        let values = [
            self.mark.to_string(),
            self.mark_feed_ns.to_string(),
            self.funding_index.to_string(),
            self.funding_due_ns.to_string(),
            u8::from(self.reduce_only).to_string(),
            self.max_position.to_string(),
            self.max_leverage.to_string(),
            self.mark_max_age.to_string(),
            self.mark_jump.to_string(),
            self.mark_confirmations.to_string(),
            self.funding_interval.to_string(),
            self.funding_cap.to_string(),
            self.liquidation_fee.to_string(),
            self.fund_multiple.to_string(),
            tiers,
        ];
        COMPARED.into_iter().zip(values)
    }
}

fn compare_numbers(table: &'static str, mut found: FxHashMap<Key, i64>, state: &[(u32, u32, i64)], out: &mut Report) {
    for &(account, other, wanted) in state {
        let there = found.remove(&(account.into(), other.into())).unwrap_or(0);
        if there != wanted {
            out.add(table, DifferenceKind::State, format!("{account}/{other}"), || {
                format!("the engine has {wanted}; the database {there}")
            });
        }
    }
    for ((account, other), there) in sorted(found) {
        out.add(table, DifferenceKind::State, format!("{account}/{other}"), || {
            format!("the engine has nothing; the database {there}")
        });
    }
}
