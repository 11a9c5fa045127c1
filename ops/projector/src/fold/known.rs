//! What the fold takes over from the database: the rows that it looks back at.
//!
//! Invariant: a fold that knows these rows goes on as if it had folded every frame before them.

use super::Projector;
use crate::order_row::OrderRow;
use crate::perpetual_row::PerpetualRow;
use crate::rows::{FeeRow, SymbolRow};
use crate::schema::Table;
use crate::value::Value;
use ringbook_wire::AccountId;

impl Projector {
    /// Takes over rows that the database holds, of the tables that the fold looks back at; later ones of a key win.
    pub fn know(&mut self, table: &Table, row: &[Value]) {
        let id = row.first().and_then(Value::as_i64).and_then(|v| u32::try_from(v).ok());
        match (table.name, id) {
            ("assets", Some(id)) => {
                if let Some(scale) = row.get(2).and_then(Value::as_i64).and_then(|v| u8::try_from(v).ok()) {
                    self.scales.insert(id, scale);
                }
            }
            ("symbols", Some(id)) => {
                if let Some(symbol) = SymbolRow::read(row) {
                    self.symbols.insert(id, symbol);
                }
            }
            ("fee_schedules", _) => {
                if let Some(fees) = FeeRow::read(row) {
                    self.fees.insert((fees.account, fees.group), fees);
                }
            }
            ("perpetuals", Some(id)) => {
                if let Some(perpetual) = PerpetualRow::read(row) {
                    self.perpetuals.insert(id, perpetual);
                }
            }
            ("margin_wallets", Some(account)) if AccountId(account) == AccountId::INSURANCE => {
                let asset = row.get(1).and_then(Value::as_i64).and_then(|v| u32::try_from(v).ok());
                if let Some((asset, balance)) = asset.zip(row.get(2).and_then(Value::as_i64)) {
                    self.fund.insert(asset, balance);
                }
            }
            // The newest stage, by sequence, day and item; then its newest state.
            ("liquidations", _) if self.stage.as_ref().is_none_or(|known| row[..table.key] >= known[..table.key]) => {
                self.stage = Some(row.to_vec());
            }
            ("orders", _) => {
                if let Some(order) = OrderRow::read(row) {
                    self.found_order(order);
                }
            }
            _ => {}
        }
    }
}
