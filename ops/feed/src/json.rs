//! JSON of the answers. Books are written by hand, because they are asked for thousands of times a second; the rest is
//! serialised.
//!
//! Invariant: prices, quantities and amounts are integers in their units; nothing is rounded or scaled.

use ringbook_core::{BalanceView, OrderView};
use ringbook_replay::shadow::{Book, Level, SymbolInfo};
use serde::Serialize;
use std::fmt::Write;

/// `{"symbol":"…","sequence":S,"bids":[[price,qty],…],"asks":[[price,qty],…]}`, best first.
pub(crate) fn book(book: &Book) -> String {
    let mut out = String::with_capacity(64 + 24 * (book.bids.len() + book.asks.len()));
    out.push_str("{\"symbol\":");
    out.push_str(&serde_json::to_string(&book.symbol).unwrap_or_default());
    // Writing into a string cannot fail.
    let _ = write!(out, ",\"sequence\":{},\"bids\":[", book.sequence);
    levels(&mut out, &book.bids);
    out.push_str("],\"asks\":[");
    levels(&mut out, &book.asks);
    out.push_str("]}");
    out
}

fn levels(out: &mut String, levels: &[Level]) {
    for (place, (price, quantity)) in levels.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(out, "{comma}[{price},{quantity}]");
    }
}

#[derive(Serialize)]
pub(crate) struct Symbols {
    pub sequence: u64,
    pub symbols: Vec<Symbol>,
}

#[derive(Serialize)]
pub(crate) struct Symbol {
    symbol: u32,
    name: String,
    base: u32,
    quote: u32,
    base_lot: i64,
    quote_per_tick_lot: i64,
    status: &'static str,
    last: i64,
    bid: Option<i64>,
    ask: Option<i64>,
}

impl From<SymbolInfo> for Symbol {
    fn from(info: SymbolInfo) -> Self {
        let view = info.view;
        Self {
            symbol: view.symbol.0,
            name: view.name,
            base: view.base.0,
            quote: view.quote.0,
            base_lot: view.base_lot.0,
            quote_per_tick_lot: view.quote_per_tick_lot.0,
            status: view.status.name(),
            last: view.last.0,
            bid: info.bid,
            ask: info.ask,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Assets {
    pub sequence: u64,
    pub assets: Vec<Asset>,
}

#[derive(Serialize)]
pub(crate) struct Asset {
    pub asset: u32,
    pub name: String,
    pub scale: u8,
}

#[derive(Serialize)]
pub(crate) struct Account {
    pub account: u32,
    pub sequence: u64,
    pub adjustment: u64,
    pub balances: Vec<Balance>,
}

#[derive(Serialize)]
pub(crate) struct Balance {
    pub asset: u32,
    pub available: i64,
    pub held: i64,
}

impl From<BalanceView> for Balance {
    fn from(view: BalanceView) -> Self {
        Self { asset: view.asset.0, available: view.available.0, held: view.held.0 }
    }
}

#[derive(Serialize)]
pub(crate) struct Orders {
    pub account: u32,
    pub sequence: u64,
    pub orders: Vec<Order>,
}

#[derive(Serialize)]
pub(crate) struct Order {
    order: u64,
    symbol: u32,
    /// 128 bits do not fit a JSON number: decimal text.
    client_id: String,
    side: &'static str,
    order_type: &'static str,
    time_in_force: &'static str,
    state: &'static str,
    price: i64,
    /// What was ordered less what was cut, as in reports.
    quantity: i64,
    remaining: i64,
    filled: i64,
    prevented: i64,
    cost: i64,
    fee: i64,
    hold: i64,
    send_time: u64,
}

impl From<OrderView> for Order {
    fn from(view: OrderView) -> Self {
        Self {
            order: view.order.0,
            symbol: view.symbol.0,
            client_id: u128::from(view.client_id).to_string(),
            side: view.side.name(),
            order_type: view.order_type.name(),
            time_in_force: view.time_in_force.name(),
            state: view.state.name(),
            price: view.price.0,
            quantity: view.quantity.0.saturating_sub(view.cut.0),
            remaining: view.remaining.0,
            filled: view.filled.0,
            prevented: view.prevented.0,
            cost: view.cost.0,
            fee: view.fee.0,
            hold: view.hold.0,
            send_time: view.send_time.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_written_best_first() {
        let mut b = Book { symbol: "A\"B".into(), sequence: 7, bids: vec![(10, 5), (9, 1 << 70)], asks: vec![] };
        assert_eq!(
            book(&b),
            format!(r#"{{"symbol":"A\"B","sequence":7,"bids":[[10,5],[9,{}]],"asks":[]}}"#, 1_i128 << 70)
        );
        b.bids.clear();
        b.asks.push((11, 2));
        assert_eq!(book(&b), r#"{"symbol":"A\"B","sequence":7,"bids":[],"asks":[[11,2]]}"#);
    }
}
