//! The tables held against the state of a replayed engine.
//!
//! Invariant: what the state has is looked for in the tables, and what the tables have is looked for in the state.

use super::futures::{FuturesState, FuturesView};
use super::{DifferenceKind, Report};
use crate::schema::Table;
use crate::scope::Scope;
use crate::value::Value;
use ringbook_wire::{OrderState, SymbolStatus};
use rustc_hash::{FxHashMap, FxHashSet};

/// What a replayed engine holds at the database's sequence.
#[derive(Clone, Debug, Default)]
pub struct StateRows {
    /// `(account, asset, available, held)`; wallets that are 0 may be left out.
    pub balances: Vec<(u32, u32, i64, i64)>,
    /// `(order, remaining, filled)` of every open order.
    pub open_orders: Vec<(u64, i64, i64)>,
    /// `(account, fee group, taker, maker)` of every account with rates of its own.
    pub fees: Vec<(u32, u32, i64, i64)>,
    /// Whether the whole exchange is CANCEL_ONLY.
    pub maintenance: bool,
    /// Trades that were taken back.
    pub busted: Vec<u64>,
    /// Everything of perpetuals; `None`: not compared.
    pub futures: Option<FuturesState>,
}

/// The database's view of the same.
#[derive(Default)]
pub(super) struct StateView {
    balances: FxHashMap<(i64, i64), (i64, i64)>,
    orders: FxHashMap<i64, (i64, i64)>,
    fees: FxHashMap<(i64, i64), (i64, i64)>,
    status: Option<String>,
    busts: FxHashSet<i64>,
    futures: FuturesView,
}

/// Whether a row of `orders` says that the order is open: a stop order by budget is, with nothing remaining.
fn is_open(table: &Table, row: &[Value]) -> bool {
    let status = table.column("status").and_then(|i| row.get(i)).and_then(Value::as_str);
    OrderState::ALL.iter().any(|state| state.is_open() && Some(state.name()) == status)
}

impl StateView {
    /// Takes a row of the database.
    pub(super) fn add(&mut self, table: &'static Table, row: &[Value]) {
        let value = |name: &str| table.column(name).and_then(|i| row.get(i));
        let number = |name: &str| value(name).and_then(Value::as_i64).unwrap_or(0);
        match table.name {
            "balances" => {
                let wallet = (number("available"), number("held"));
                if wallet != (0, 0) {
                    self.balances.insert((number("account"), number("asset")), wallet);
                }
            }
            // The engine's own order of a liquidation is open within its work alone, and in no list of the engine.
            "orders" if number("liquidation") != 0 => {}
            "orders" if is_open(table, row) => {
                self.orders.insert(number("order_id"), (number("remaining"), number("executed_quantity")));
            }
            "fee_schedules" if number("active") != 0 => {
                self.fees.insert((number("account"), number("fee_group")), (number("taker"), number("maker")));
            }
            "exchange" => self.status = value("status").and_then(Value::as_str).map(str::to_owned),
            "busts" => {
                self.busts.insert(number("trade_id"));
            }
            _ => self.futures.add(table, row),
        }
    }

    /// Reports what the two do not agree on.
    pub(super) fn compare(self, state: &StateRows, scope: Scope, out: &mut Report) {
        compare_status(self.status.as_deref(), state.maintenance, out);
        compare_fees(self.fees, &state.fees, out);
        compare_orders(self.orders, &state.open_orders, scope, out);
        if scope.spot() {
            compare_balances(self.balances, &state.balances, out);
            compare_busts(self.busts, &state.busted, out);
        }
        if let Some(futures) = &state.futures
            && scope.futures()
        {
            self.futures.compare(futures, out);
        }
    }
}

fn compare_status(found: Option<&str>, maintenance: bool, out: &mut Report) {
    let status = if maintenance { SymbolStatus::CancelOnly } else { SymbolStatus::Trading };
    if found != Some(status.name()) {
        out.add("exchange", DifferenceKind::State, "0".into(), || {
            format!("the engine is {}; the database {}", status.name(), found.unwrap_or("has no row"))
        });
    }
}

fn compare_fees(mut found: FxHashMap<(i64, i64), (i64, i64)>, state: &[(u32, u32, i64, i64)], out: &mut Report) {
    for &(account, group, taker, maker) in state {
        let rates = found.remove(&(account.into(), group.into()));
        if rates != Some((taker, maker)) {
            out.add("fee_schedules", DifferenceKind::State, format!("{account}/{group}"), || {
                format!("the engine has taker {taker}, maker {maker}; the database {rates:?}")
            });
        }
    }
    for ((account, group), _) in sorted(found) {
        out.add("fee_schedules", DifferenceKind::State, format!("{account}/{group}"), || {
            "active in the database, not in the engine".into()
        });
    }
}

fn compare_balances(mut found: FxHashMap<(i64, i64), (i64, i64)>, state: &[(u32, u32, i64, i64)], out: &mut Report) {
    for &(account, asset, available, held) in state {
        let wallet = found.remove(&(account.into(), asset.into())).unwrap_or((0, 0));
        if wallet != (available, held) {
            out.add("balances", DifferenceKind::State, format!("{account}/{asset}"), || {
                format!("the engine has available {available}, held {held}; the database {}, {}", wallet.0, wallet.1)
            });
        }
    }
    for ((account, asset), (available, held)) in sorted(found) {
        out.add("balances", DifferenceKind::State, format!("{account}/{asset}"), || {
            format!("the engine has nothing; the database available {available}, held {held}")
        });
    }
}

fn compare_orders(mut found: FxHashMap<i64, (i64, i64)>, state: &[(u64, i64, i64)], scope: Scope, out: &mut Report) {
    for &(order, remaining, filled) in state {
        let row = i64::try_from(order).ok().and_then(|id| found.remove(&id));
        // In a part, an order that is not there may be the other part's; the journal says whether a row is missing.
        let elsewhere = row.is_none() && scope != Scope::All;
        if row != Some((remaining, filled)) && !elsewhere {
            out.add("orders", DifferenceKind::State, order.to_string(), || {
                format!("the engine has remaining {remaining}, filled {filled}; the database {row:?}")
            });
        }
    }
    for (order, _) in sorted(found) {
        out.add("orders", DifferenceKind::State, order.to_string(), || {
            "open in the database, not in the engine".into()
        });
    }
}

fn compare_busts(mut found: FxHashSet<i64>, state: &[u64], out: &mut Report) {
    let count = found.len();
    for &trade in state {
        if !i64::try_from(trade).is_ok_and(|id| found.remove(&id)) {
            out.add("busts", DifferenceKind::State, trade.to_string(), || {
                format!("taken back in the engine, not in the database ({} there, {count} here)", state.len())
            });
        }
    }
    for trade in sorted(found) {
        out.add("busts", DifferenceKind::State, trade.to_string(), || {
            format!("taken back in the database, not in the engine ({count} here, {} there)", state.len())
        });
    }
}

pub(super) fn sorted<T: Ord>(found: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut left: Vec<T> = found.into_iter().collect();
    left.sort_unstable();
    left
}
