//! Control sums: totals of columns, from the journal and from the database, and what they must be whatever the journal says.
//!
//! Invariants:
//! 1. Sums are `i128`, so they cannot wrap.
//! 2. `symbols` is added before `positions`: money of positions is summed by settlement asset.

use super::ControlSum;
use crate::schema::Table;
use crate::scope::Scope;
use crate::value::Value;
use ringbook_wire::AccountId;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Sums over columns whose total means something, by table and where needed by asset or symbol.
#[derive(Default)]
pub(super) struct Sums {
    sums: BTreeMap<String, i128>,
    /// Quote assets of symbols.
    quotes: FxHashMap<i128, i128>,
    assets: BTreeSet<i128>,
    /// Perpetuals with positions.
    perpetuals: BTreeSet<i128>,
}

impl Sums {
    /// Adds a row.
    pub(super) fn add(&mut self, table: &Table, row: &[Value]) {
        let value = |name: &str| table.column(name).and_then(|i| row.get(i));
        let get = |name: &str| value(name).and_then(Value::as_i64).map_or(0, i128::from);
        let text = |name: &str| value(name).and_then(Value::as_str).unwrap_or("");
        let sums = &mut self.sums;
        let mut sum = |name: String, value: i128| *sums.entry(name).or_default() += value;
        sum(format!("{} rows", table.name), 1);
        let mut columns = |of: &str, names: &[&str]| {
            for name in names {
                sum(format!("{} symbol {} {name}", of, get("symbol")), get(name));
            }
        };
        match table.name {
            "orders" => columns("orders", &["executed_quantity", "remaining", "cost", "fee"]),
            "trades" => columns("trades", &["quantity", "value", "taker_fee", "maker_fee"]),
            "busts" => columns("busts", &["quantity", "value", "buyer_fee", "seller_fee"]),
            "realized" => columns("realized", &["quantity", "pnl"]),
            "takeovers" => columns("takeovers", &["quantity", "pnl", "fund_quantity"]),
            "adl" => columns("adl", &["quantity", "pnl"]),
            "funding_payments" => columns("funding_payments", &["payment"]),
            "liquidations" => columns("liquidations", &["quantity", "fee"]),
            "fee_schedules" => sum("fee_schedules active".into(), get("active")),
            "symbols" => {
                self.quotes.insert(get("symbol"), get("quote"));
            }
            "balances" => {
                self.assets.insert(get("asset"));
                sum(format!("balances asset {}", get("asset")), get("available") + get("held"));
            }
            "margin_wallets" => {
                self.assets.insert(get("asset"));
                sum(format!("futures asset {}", get("asset")), get("balance"));
                if get("account") == i128::from(AccountId::INSURANCE.0) {
                    sum(format!("fund asset {}", get("asset")), get("balance"));
                }
            }
            "positions" => {
                columns("positions", &["quantity"]);
                self.perpetuals.insert(get("symbol"));
                let asset = self.quotes.get(&get("symbol")).copied().unwrap_or(0);
                self.assets.insert(asset);
                sum(format!("futures asset {asset}"), get("margin") - get("cost"));
            }
            "insurance_fund" => sum(format!("insurance_fund asset {}", get("asset")), get("amount")),
            "transfers" => {
                let asset = get("asset");
                sum(format!("transfers asset {asset} booked"), get("booked"));
                let sign = match (text("status"), text("kind")) {
                    ("APPLIED", "TO_FUTURES") => 1,
                    ("APPLIED", "TO_SPOT") => -1,
                    _ => return,
                };
                sum(format!("transfers asset {asset} to futures"), sign * get("amount"));
            }
            _ => {}
        }
    }

    fn get(&self, name: &str) -> i128 {
        self.sums.get(name).copied().unwrap_or(0)
    }

    /// These sums, found in a database, against those of the journal; then what must hold among the found ones.
    pub(super) fn against(&self, journal: &Self, scope: Scope) -> Vec<ControlSum> {
        let names: BTreeSet<&String> = self.sums.keys().chain(journal.sums.keys()).collect();
        let compare =
            |name: &String| ControlSum { name: name.clone(), expected: journal.get(name), found: self.get(name) };
        let mut out: Vec<ControlSum> = names.into_iter().map(compare).collect();
        let mut must = |name: String, expected: i128, found: i128| out.push(ControlSum { name, expected, found });
        for asset in &self.assets {
            let (spot, futures) = (format!("balances asset {asset}"), format!("futures asset {asset}"));
            let moved = self.get(&format!("transfers asset {asset} to futures"));
            match scope {
                Scope::All => must(format!("all money of asset {asset}"), 0, self.get(&spot) + self.get(&futures)),
                Scope::Spot => must(format!("spot money of asset {asset}"), -moved, self.get(&spot)),
                Scope::Futures => {}
            }
            if scope.futures() {
                must(format!("futures money of asset {asset}"), moved, self.get(&futures));
                let (rows, wallet) = (format!("insurance_fund asset {asset}"), format!("fund asset {asset}"));
                must(format!("insurance fund of asset {asset}"), self.get(&wallet), self.get(&rows));
            }
        }
        for symbol in &self.perpetuals {
            must(format!("lots of perpetual {symbol}"), 0, self.get(&format!("positions symbol {symbol} quantity")));
        }
        out
    }
}
