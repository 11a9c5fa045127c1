//! What the operator configures: assets, symbols, accounts, own fee rates; perpetuals and limits with `super::futures`.
//!
//! Invariant: what was written when a row was made stays.

use super::Projector;
use crate::command::Command;
use crate::rows::{FeeRow, Stamp, SymbolRow, account_row, asset_row, exchange_row};
use crate::schema::{ACCOUNTS, ASSETS, SYMBOLS, Table};
use crate::value::Value;
use ringbook_wire::message::SetSymbol;
use ringbook_wire::{AccountId, SymbolStatus};

impl Projector {
    pub(super) fn config(&mut self, command: &Command, stamp: Stamp) {
        match command {
            Command::SetAsset(c) => {
                self.scales.insert(c.asset.0, c.scale);
                self.first_kept(&ASSETS, c.asset.0, asset_row(c.asset.0, &c.name, c.scale, stamp));
            }
            Command::SetSymbol(c) => self.set_symbol(c, stamp),
            Command::SetPerpetual(c) => {
                self.set_symbol(&c.common(), stamp);
                if self.scope.futures() {
                    self.set_perpetual(c, stamp);
                }
            }
            Command::SetPositionLimit(c) => self.set_position_limit(c, stamp),
            Command::SetAccount(c) => {
                let row = account_row(c.account.0, system_name(c.account), c.group, c.suspended != 0, stamp);
                self.first_kept(&ACCOUNTS, c.account.0, row);
            }
            Command::SetFees(c) => {
                let key = (c.account.0, u32::from(c.fee_group));
                if let Some(row) = FeeRow::set(c, self.fees.get(&key), stamp) {
                    self.fees.insert(key, row);
                    self.batch.fees.insert(key);
                }
            }
            Command::Genesis => {
                self.batch.exchange = exchange_row(SymbolStatus::Trading.code(), stamp);
                for account in [AccountId::FEES, AccountId::INSURANCE, AccountId::ROUNDING, AccountId::EXTERNAL] {
                    let row = account_row(account.0, system_name(account), 0, false, stamp);
                    self.first_kept(&ACCOUNTS, account.0, row);
                }
            }
            _ => {}
        }
    }

    fn set_symbol(&mut self, c: &SetSymbol, stamp: Stamp) {
        let scale = |asset: u32| self.scales.get(&asset).copied().unwrap_or(0);
        let before = self.symbols.get(&c.symbol.0);
        let mut row = SymbolRow::set(c, (scale(c.base.0), scale(c.quote.0)), before, stamp);
        if let Some(before) = before {
            keep_columns(&SYMBOLS, &before.values, &mut row.values);
        }
        self.symbols.insert(c.symbol.0, row);
        self.batch.symbols.insert(c.symbol.0);
    }

    /// Puts a row of `assets` or `accounts` into the batch; what an earlier row of the batch fixed stays.
    fn first_kept(&mut self, table: &'static Table, id: u32, mut row: Vec<Value>) {
        let rows = if table.name == ASSETS.name { &mut self.batch.assets } else { &mut self.batch.accounts };
        if let Some(before) = rows.get(&id) {
            keep_columns(table, before, &mut row);
        }
        rows.insert(id, row);
    }
}

/// Copies the columns that a later upsert must not change.
pub(crate) fn keep_columns(table: &Table, before: &[Value], row: &mut [Value]) {
    for (index, _) in table.columns.iter().enumerate().filter(|(_, c)| c.keep) {
        row[index] = before[index].clone();
    }
}

/// Name of an account of the exchange.
fn system_name(account: AccountId) -> Option<&'static str> {
    match account {
        AccountId::FEES => Some("FEES"),
        AccountId::INSURANCE => Some("INSURANCE"),
        AccountId::ROUNDING => Some("ROUNDING"),
        AccountId::EXTERNAL => Some("EXTERNAL"),
        _ => None,
    }
}
