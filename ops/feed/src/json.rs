//! JSON of the answers. Books are written by hand, because they are asked for thousands of times a second; the rest is
//! serialised.
//!
//! Invariant: prices, quantities and amounts are integers in their units; nothing is rounded or scaled.

use ringbook_core::{BalanceView, FeesView, KeyView, OrderView};
use ringbook_replay::shadow::{Book, Level, SymbolInfo};
use ringbook_wire::TriggerSource;
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
    /// Of the whole exchange: TRADING, or CANCEL_ONLY in maintenance.
    pub exchange: &'static str,
    pub symbols: Vec<Symbol>,
}

#[derive(Serialize)]
pub(crate) struct Symbol {
    symbol: u32,
    name: String,
    kind: &'static str,
    base: u32,
    quote: u32,
    base_lot: i64,
    quote_per_tick_lot: i64,
    status: &'static str,
    last: i64,
    bid: Option<i64>,
    ask: Option<i64>,
    fee_group: u16,
    fee_model: &'static str,
    taker: i64,
    maker: i64,
    min_price: i64,
    max_price: i64,
    min_quantity: i64,
    max_quantity: i64,
    max_market_quantity: i64,
    min_notional: i64,
    max_notional: i64,
    band: i64,
    slip: i64,
    max_open_orders: u32,
    max_trigger_orders: u32,
    stp: &'static str,
}

impl From<SymbolInfo> for Symbol {
    fn from(info: SymbolInfo) -> Self {
        let view = info.view;
        Self {
            symbol: view.symbol.0,
            name: view.name,
            kind: view.kind.name(),
            base: view.base.0,
            quote: view.quote.0,
            base_lot: view.base_lot.0,
            quote_per_tick_lot: view.quote_per_tick_lot.0,
            status: view.status.name(),
            last: view.last.0,
            bid: info.bid,
            ask: info.ask,
            fee_group: view.fee_group,
            fee_model: view.fee_model.name(),
            taker: view.taker.0,
            maker: view.maker.0,
            min_price: view.min_price.0,
            max_price: view.max_price.0,
            min_quantity: view.min_quantity.0,
            max_quantity: view.max_quantity.0,
            max_market_quantity: view.max_market_quantity.0,
            min_notional: view.min_notional.0,
            max_notional: view.max_notional.0,
            band: view.band.0,
            slip: view.slip.0,
            max_open_orders: view.max_open_orders,
            max_trigger_orders: view.max_trigger_orders,
            stp: view.stp.name(),
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
    /// STP group; 0 is none.
    pub group: u32,
    pub suspended: bool,
    pub fees: Vec<Fees>,
    pub balances: Vec<Balance>,
    pub futures: Vec<Futures>,
}

#[derive(Serialize)]
pub(crate) struct Group {
    pub group: u32,
    pub sequence: u64,
    pub accounts: Vec<u32>,
}

#[derive(Serialize)]
pub(crate) struct Keys {
    pub sequence: u64,
    pub keys: Vec<Key>,
}

/// A key without its public half, which nobody needs to know.
#[derive(Serialize)]
pub(crate) struct Key {
    key: u32,
    role: &'static str,
    revoked: bool,
    first_account: u32,
    last_account: u32,
}

impl From<KeyView> for Key {
    fn from(view: KeyView) -> Self {
        Self {
            key: view.key.0,
            role: view.role.name(),
            revoked: view.revoked,
            first_account: view.first_account.0,
            last_account: view.last_account.0,
        }
    }
}

/// An account's own rates for the symbols of a fee group.
#[derive(Serialize)]
pub(crate) struct Fees {
    fee_group: u16,
    taker: i64,
    maker: i64,
}

impl From<FeesView> for Fees {
    fn from(view: FeesView) -> Self {
        Self { fee_group: view.fee_group, taker: view.taker.0, maker: view.maker.0 }
    }
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

/// A futures wallet; what it backs is in `/v1/positions/ID`.
#[derive(Serialize)]
pub(crate) struct Futures {
    pub asset: u32,
    pub wallet: i64,
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
    cut: i64,
    stp: &'static str,
    flags: u16,
    /// What is left of a quote budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<i64>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_at: Option<u64>,
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
            cut: view.cut.0,
            stp: view.stp.name(),
            flags: view.flags,
            budget: view.by_budget.then_some(view.hold.0),
            trigger: view.direction.map(|_| view.trigger.0),
            trigger_direction: view.direction.map(|direction| direction.name()),
            trigger_source: view
                .direction
                .map(|_| if view.by_mark { TriggerSource::Mark } else { TriggerSource::Last }.name()),
            display: (view.display.0 > 0).then_some(view.display.0),
            expire_at: (view.expire_at.0 > 0).then_some(view.expire_at.0),
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
