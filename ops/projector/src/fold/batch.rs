//! What a batch holds, and its rows by table.
//!
//! Invariant: tables that keep the newest state have one row of each key in a batch; history tables have every row.

use super::Projector;
use crate::order_row::Change;
use crate::rows::Stamp;
use crate::schema::{
    ACCOUNTS, ASSETS, BALANCES, BUSTS, DATA_TABLES, EXCHANGE, FEE_SCHEDULES, LIQUIDATIONS, MARGIN_WALLETS, ORDERS,
    PERPETUALS, POSITION_LIMITS, POSITIONS, REJECTIONS, SYMBOLS, TRADES, TRANSFERS, Table,
};
use crate::value::Value;
use rustc_hash::{FxHashMap, FxHashSet};

/// Rows of one table, flat, by rising key.
#[derive(Debug)]
pub struct RowSet {
    /// Whose.
    pub table: &'static Table,
    /// `rows × columns` values.
    pub values: Vec<Value>,
}

impl RowSet {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.table.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// What the frames since the last commit did.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) frames: u64,
    /// Rows of history tables.
    pub(super) appended: usize,
    /// The one row of `exchange`, or nothing.
    pub(super) exchange: Vec<Value>,
    pub(super) assets: FxHashMap<u32, Vec<Value>>,
    pub(super) symbols: FxHashSet<u32>,
    pub(super) accounts: FxHashMap<u32, Vec<Value>>,
    pub(super) fees: FxHashSet<(u32, u32)>,
    pub(super) balances: FxHashMap<(u32, u32), (i64, i64, Stamp)>,
    pub(super) orders: FxHashSet<i64>,
    pub(super) waiting: FxHashMap<i64, Vec<(Change, Stamp)>>,
    pub(super) trades: Vec<Value>,
    pub(super) busts: Vec<Value>,
    pub(super) transfers: Vec<Value>,
    pub(super) rejections: Vec<Value>,
    pub(super) perpetuals: FxHashSet<u32>,
    pub(super) limits: FxHashMap<(u32, u32), Vec<Value>>,
    pub(super) wallets: FxHashMap<(u32, u32), (i64, Stamp)>,
    /// What follows account and symbol.
    pub(super) positions: FxHashMap<(u32, u32), [Value; 7]>,
    /// Stages of liquidations by sequence and item.
    pub(super) stages: FxHashMap<(i64, i64), Vec<Value>>,
    /// Rows of the history tables of perpetuals.
    pub(super) histories: FxHashMap<&'static str, Vec<Value>>,
}

impl Batch {
    /// How many rows it will write.
    pub(super) fn rows(&self) -> usize {
        self.appended
            + usize::from(!self.exchange.is_empty())
            + self.assets.len()
            + self.symbols.len()
            + self.accounts.len()
            + self.fees.len()
            + self.balances.len()
            + self.orders.len()
            + self.waiting.len()
            + self.perpetuals.len()
            + self.limits.len()
            + self.wallets.len()
            + self.positions.len()
            + self.stages.len()
    }
}

impl Projector {
    /// The rows of the batch by table, in the order of [`crate::schema::DATA_TABLES`].
    pub fn row_sets(&self) -> Vec<RowSet> {
        let b = &self.batch;
        let mut sets = Vec::with_capacity(DATA_TABLES.len());
        let mut add = |table: &'static Table, values: Vec<Value>| {
            debug_assert_eq!(values.len() % table.columns.len(), 0);
            if !values.is_empty() {
                sets.push(RowSet { table, values });
            }
        };
        add(&EXCHANGE, b.exchange.clone());
        add(&ASSETS, by_key(&b.assets));
        let mut ids: Vec<_> = b.symbols.iter().filter_map(|id| self.symbols.get_key_value(id)).collect();
        ids.sort_unstable_by_key(|(id, _)| **id);
        add(&SYMBOLS, ids.iter().flat_map(|(_, row)| row.values.iter().cloned()).collect());
        let mut ids: Vec<_> = b.perpetuals.iter().filter_map(|id| self.perpetuals.get_key_value(id)).collect();
        ids.sort_unstable_by_key(|(id, _)| **id);
        let mut values = Vec::with_capacity(ids.len() * PERPETUALS.columns.len());
        ids.into_iter().for_each(|(_, row)| row.write(&mut values));
        add(&PERPETUALS, values);
        add(&ACCOUNTS, by_key(&b.accounts));
        let mut keys: Vec<_> = b.fees.iter().collect();
        keys.sort_unstable();
        let mut values = Vec::with_capacity(keys.len() * FEE_SCHEDULES.columns.len());
        keys.into_iter().filter_map(|key| self.fees.get(key)).for_each(|row| row.write(&mut values));
        add(&FEE_SCHEDULES, values);
        add(&POSITION_LIMITS, by_key(&b.limits));
        let mut balances: Vec<_> = b.balances.iter().collect();
        balances.sort_unstable_by_key(|(key, _)| **key);
        let mut values = Vec::with_capacity(balances.len() * BALANCES.columns.len());
        for ((account, asset), (available, held, stamp)) in balances {
            values.extend([
                (*account).into(),
                (*asset).into(),
                (*available).into(),
                (*held).into(),
                stamp.sequence.into(),
                stamp.time_ns.into(),
            ]);
        }
        add(&BALANCES, values);
        let mut wallets: Vec<_> = b.wallets.iter().collect();
        wallets.sort_unstable_by_key(|(key, _)| **key);
        let mut values = Vec::with_capacity(wallets.len() * MARGIN_WALLETS.columns.len());
        for ((account, asset), (balance, at)) in wallets {
            let row = [(*account).into(), (*asset).into(), (*balance).into(), at.sequence.into(), at.time_ns.into()];
            values.extend(row);
        }
        add(&MARGIN_WALLETS, values);
        let mut positions: Vec<_> = b.positions.iter().collect();
        positions.sort_unstable_by_key(|(key, _)| **key);
        let mut values = Vec::with_capacity(positions.len() * POSITIONS.columns.len());
        for ((account, symbol), rest) in positions {
            values.extend([(*account).into(), (*symbol).into()]);
            values.extend(rest.iter().cloned());
        }
        add(&POSITIONS, values);
        let mut ids: Vec<_> = b.orders.iter().copied().collect();
        ids.sort_unstable();
        let mut values = Vec::with_capacity(ids.len() * ORDERS.columns.len());
        for row in ids.iter().filter_map(|id| self.orders.get(id)) {
            row.write(&mut values);
        }
        add(&ORDERS, values);
        add(&LIQUIDATIONS, by_key(&b.stages));
        add(&TRADES, b.trades.clone());
        add(&BUSTS, b.busts.clone());
        add(&TRANSFERS, b.transfers.clone());
        add(&REJECTIONS, b.rejections.clone());
        for table in DATA_TABLES {
            add(table, b.histories.get(table.name).cloned().unwrap_or_default());
        }
        sets
    }
}

fn by_key<K: Ord>(rows: &FxHashMap<K, Vec<Value>>) -> Vec<Value> {
    let mut ids: Vec<_> = rows.iter().collect();
    ids.sort_unstable_by(|a, b| a.0.cmp(b.0));
    ids.into_iter().flat_map(|(_, row)| row.iter().cloned()).collect()
}
