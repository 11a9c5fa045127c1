//! Feature files of exchange-core: every kind of step that they have, against the engine.
//!
//! Invariants:
//! 1. A step that is not understood fails.
//! 2. What a step expects is checked as the file says it; where the engine does otherwise, our rule is checked and the
//!    difference reported. A step that the engine must undo afterwards is undone, so that the next ones start level.
//!
//! Order ids are client ids, clients have STP NONE. A reserve price is compared with the price at which a bid holds;
//! of an ask it means nothing.

use crate::differences::Why;
use crate::gherkin::{Scenario, Step};
use crate::venue::Venue;
use ringbook_oracle::scenario::{Desk, Outcome, ioc, limit};
use ringbook_wire::message::{Cancel, Message, NewOrder};
use ringbook_wire::{AccountId, Amount, AssetId, ClientOrderId, OrderId, RejectCode, Side, StpMode};
use std::collections::BTreeMap;

/// The symbols that the features name: base, quote, base units per lot, quote units per tick and lot, and whether
/// exchange-core trades it on margin.
const SYMBOLS: [(&str, &str, &str, i64, i64, bool); 2] =
    [("EUR_USD", "EUR", "USD", 1, 1, true), ("ETH_XBT", "ETH", "XBT", 100_000, 10, false)];

/// The scenarios that there must be.
pub const SCENARIOS: [&str; 5] = [
    "basic: basic full cycle test [EUR_USD]",
    "basic: basic full cycle test [ETH_XBT]",
    "basic: cancel BID order",
    "risk: basic scenario",
    "risk: move orders UP and DOWN",
];

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

/// A row of so many cells.
fn row<const N: usize>(row: &[String]) -> Result<&[String; N], String> {
    row.try_into().map_err(|_| format!("the row {row:?} is not understood"))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{what}: {got:?}, the file expects {expected:?}")) }
}

/// An order of the file.
struct Placed {
    account: u32,
    order: OrderId,
    quote_unit: i64,
    holds_at: i64,
}

struct Hall<'a> {
    venue: Venue,
    desk: Desk<'a>,
    assets: BTreeMap<&'static str, u32>,
    symbols: BTreeMap<&'static str, u32>,
    clients: BTreeMap<String, u32>,
    orders: BTreeMap<u64, Placed>,
    last: Outcome,
    line: usize,
    seen: Vec<(usize, Why)>,
}

/// Runs a scenario and returns the differences that it saw.
pub fn run(scenario: &Scenario) -> Result<Vec<(usize, Why)>, String> {
    let venue = Venue::new();
    let mut line = venue.clone();
    let mut hall = Hall {
        venue: venue.clone(),
        desk: Desk::new(&mut line),
        assets: BTreeMap::new(),
        symbols: BTreeMap::new(),
        clients: BTreeMap::new(),
        orders: BTreeMap::new(),
        last: Outcome(Vec::new()),
        line: 0,
        seen: Vec::new(),
    };
    hall.open();
    for step in &scenario.steps {
        hall.line = step.line;
        let done = hall.step(step).and_then(|()| venue.check());
        done.map_err(|what| format!("line {}: {}: {what}", step.line, step.text))?;
    }
    Ok(hall.seen)
}

impl Hall<'_> {
    fn open(&mut self) {
        for (asset, name) in (10..).zip(["EUR", "USD", "ETH", "XBT"]) {
            self.desk.asset(asset, name, 8);
            self.assets.insert(name, asset);
        }
        for (name, base, quote, base_lot, quote_unit, _) in SYMBOLS {
            let (base, quote) = (AssetId(self.assets[base]), AssetId(self.assets[quote]));
            let symbol = self.desk.symbol(|s| {
                (s.base, s.quote) = (base, quote);
                (s.base_lot, s.quote_per_tick_lot) = (Amount(base_lot), Amount(quote_unit));
                s.stp = StpMode::None.code();
            });
            self.symbols.insert(name, symbol);
        }
    }

    fn differs(&mut self, why: Why) {
        self.seen.push((self.line, why));
    }

    fn client(&self, name: &str) -> Result<u32, String> {
        self.clients.get(name).copied().ok_or(format!("no client {name}"))
    }

    fn asset(&self, name: &str) -> Result<u32, String> {
        self.assets.get(name).copied().ok_or(format!("no asset {name}"))
    }

    fn placed(&self, id: &str) -> Result<(u64, &Placed), String> {
        let id = number(id)?;
        Ok((id, self.orders.get(&id).ok_or(format!("no order {id}"))?))
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let separates = |c: char| c.is_whitespace() || ",:()@.".contains(c);
        let words: Vec<&str> = step.text.split(separates).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            ["New", "client", client, "has", "a", "balance"] => self.enter(client, &step.table),
            [amount, asset, "is", "added", "to", "the", "balance", "of", "a", "client", client] => {
                let (account, asset) = (self.client(client)?, self.asset(asset)?);
                same("refusal", &self.desk.deposit(account, asset, number(amount)?).code(), &0)
            }
            ["A", "client", client, "places", "an", terms @ ..] => self.places(client, terms),
            ["A", "client", client, "could", "not", "place", "an", terms @ .., "due", "to", "RISK_NSF"] => {
                self.could_not_place(client, terms)
            }
            ["A", "client", client, "moves", "a", "price", "to", price, "of", "the", "order", id] => {
                self.moves(client, id, number(price)?)
            }
            [
                "A",
                "client",
                client,
                "could",
                "not",
                "move",
                "a",
                "price",
                "to",
                price,
                "of",
                "the",
                "order",
                id,
                "due",
                "to",
                "MATCHING_MOVE_FAILED_PRICE_OVER_RISK_LIMIT",
            ] => self.could_not_move(client, id, number(price)?),
            ["A", "client", client, "cancels", "the", "remaining", "size", size, "of", "the", "order", id] => {
                self.cancels(client, id, number(size)?)
            }
            ["The", "order", id, "is", how, "matched", "LastPx", price, "LastQty", lots, rest @ ..] => {
                self.matched(id, how, (number(price)?, number(lots)?), rest)
            }
            ["No", "trade", "events"] => same("trades", &self.last.fills(), &Vec::new()),
            ["An", symbol, "order", "book", "is"] => self.book(symbol, &step.table),
            ["A", "balance", "of", "a", "client", client] => self.balance(client, &step.table),
            ["A", "client", client, "orders"] => self.orders_are(client, &step.table),
            ["A", "client", client, "does", "not", "have", "active", "orders"] => self.orders_are(client, &[]),
            _ => Err("this step is not understood".to_owned()),
        }
    }

    fn enter(&mut self, client: &str, balances: &[Vec<String>]) -> Result<(), String> {
        let account = 100 + u32::try_from(self.clients.len()).expect("few clients");
        self.clients.insert(client.to_owned(), account);
        self.desk.account(account, 0);
        for cells in balances {
            let [asset, amount] = row(cells)?;
            let asset = self.asset(asset)?;
            same("refusal", &self.desk.deposit(account, asset, number(amount)?).code(), &0)?;
        }
        Ok(())
    }

    /// Side, id, price, lots and the rest of an order's terms; with the reserve price, if there is one.
    fn terms(&self, client: &str, terms: &[&str]) -> Result<(NewOrder, usize), String> {
        let [side, "order", id, "at", price, lots, "type", kind, "symbol", symbol, rest @ ..] = terms else {
            return Err("these terms are not understood".to_owned());
        };
        if !matches!(rest, [] | ["reservePrice", _]) {
            return Err("these terms are not understood".to_owned());
        }
        let side = if *side == "BID" { Side::Buy } else { Side::Sell };
        let make = match *kind {
            "GTC" => limit,
            "IOC" => ioc,
            _ => return Err(format!("type {kind}")),
        };
        let place = SYMBOLS.iter().position(|known| known.0 == *symbol).ok_or(format!("no symbol {symbol}"))?;
        let order = make(self.client(client)?, self.symbols[symbol], side, number(price)?, number(lots)?);
        Ok((NewOrder { client_id: ClientOrderId::from(number::<u128>(id)?), ..order }, place))
    }

    /// Sends an order. An id that the ring knows is refused, and the order goes under a fresh one.
    fn send(&mut self, order: &NewOrder) -> Outcome {
        let outcome = self.desk.place(*order);
        if outcome.code() != RejectCode::DuplicateClientId.code() {
            return outcome;
        }
        self.differs(Why::IdKnown);
        self.desk.place(NewOrder { client_id: ClientOrderId::NONE, ..*order })
    }

    fn places(&mut self, client: &str, terms: &[&str]) -> Result<(), String> {
        let (order, symbol) = self.terms(client, terms)?;
        let (_, base, _, base_lot, quote_unit, is_on_margin) = SYMBOLS[symbol];
        let mut outcome = self.send(&order);
        if is_on_margin && order.side == Side::Sell.code() && outcome.code() == RejectCode::InsufficientBalance.code() {
            self.differs(Why::SellHoldsLots);
            self.desk.deposit(order.account.0, self.asset(base)?, order.quantity.0 * base_lot);
            outcome = self.desk.place(NewOrder { client_id: ClientOrderId::NONE, ..order });
        }
        same("refusal", &outcome.code(), &0)?;
        let (number, hold) = outcome.accepted();
        let holds_at = hold / (order.quantity.0 * quote_unit);
        let placed = Placed { account: order.account.0, order: number, quote_unit, holds_at };
        let id = u64::try_from(u128::from(order.client_id)).expect("the file's ids are small");
        self.orders.insert(id, placed);
        self.last = outcome;
        Ok(())
    }

    fn could_not_place(&mut self, client: &str, terms: &[&str]) -> Result<(), String> {
        let (order, _) = self.terms(client, terms)?;
        self.last = self.send(&order);
        if self.last.code() == 0 && order.side == Side::Buy.code() {
            self.differs(Why::LimitCanBePaid);
            let (number, _) = self.last.accepted();
            let cancel = Cancel { account: order.account, order: number, ..Cancel::new(0) };
            self.last = self.desk.send(&cancel);
            return same("refusal", &self.last.code(), &0);
        }
        same("refusal", &self.last.code(), &RejectCode::InsufficientBalance.code())
    }

    /// Amends a price and learns at which price the order holds then.
    fn amend(&mut self, client: &str, id: &str, price: i64) -> Result<Outcome, String> {
        let (id, placed) = self.placed(id)?;
        same("owner", &placed.account, &self.client(client)?)?;
        let outcome = self.desk.amend(placed.account, placed.order, price, 0);
        let placed = self.orders.get_mut(&id).expect("it was just found");
        for event in &outcome.0 {
            if let ringbook_event::Event::Amended(amended) = event {
                placed.holds_at = amended.hold.0 / (amended.remaining.0 * placed.quote_unit);
            }
        }
        Ok(outcome)
    }

    fn moves(&mut self, client: &str, id: &str, price: i64) -> Result<(), String> {
        self.last = self.amend(client, id, price)?;
        same("refusal", &self.last.code(), &0)
    }

    fn could_not_move(&mut self, client: &str, id: &str, price: i64) -> Result<(), String> {
        let before = self.venue.order(self.placed(id)?.1.order).ok_or("the order is not open")?;
        if self.amend(client, id, price)?.code() == 0 {
            self.differs(Why::LimitCanBePaid);
            self.moves(client, id, before.price.0)?;
        }
        Ok(())
    }

    fn cancels(&mut self, client: &str, id: &str, size: i64) -> Result<(), String> {
        let (_, placed) = self.placed(id)?;
        let view = self.venue.order(placed.order).ok_or("the order is not open")?;
        same("remaining size", &view.remaining.0, &size)?;
        let (account, order) = (AccountId(self.client(client)?), placed.order);
        self.last = self.desk.send(&Cancel { account, order, ..Cancel::new(0) });
        same("refusal", &self.last.code(), &0)
    }

    fn matched(&mut self, id: &str, how: &str, last: (i64, i64), rest: &[&str]) -> Result<(), String> {
        let (_, placed) = self.placed(id)?;
        let trades: Vec<_> = self
            .last
            .trades()
            .iter()
            .map(|trade| (trade.maker_order, trade.price.0, trade.quantity.0, trade.maker_remaining.0 == 0))
            .collect();
        same("trades", &trades, &vec![(placed.order, last.0, last.1, how == "fully")])?;
        let holds_at = placed.holds_at;
        match rest {
            [] => Ok(()),
            ["bidderHoldPrice", price] => {
                if holds_at != number::<i64>(price)? {
                    self.differs(Why::HoldsAt(holds_at));
                }
                Ok(())
            }
            _ => Err("this match is not understood".to_owned()),
        }
    }

    fn book(&self, symbol: &str, rows: &[Vec<String>]) -> Result<(), String> {
        let symbol = *self.symbols.get(symbol).ok_or(format!("no symbol {symbol}"))?;
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        for cells in rows {
            let [bid, price, ask] = row(cells)?;
            if price == "price" {
                continue;
            }
            let price: i64 = number(price)?;
            for (cell, side) in [(bid, &mut bids), (ask, &mut asks)] {
                if !cell.is_empty() {
                    side.push((price, number(cell)?));
                }
            }
        }
        asks.reverse();
        same("book", &self.venue.book(symbol), &(bids, asks))
    }

    fn balance(&mut self, client: &str, rows: &[Vec<String>]) -> Result<(), String> {
        let account = self.client(client)?;
        for cells in rows {
            let [asset, expected] = row(cells)?;
            let (free, expected) = (self.desk.balance(account, self.asset(asset)?).0, number::<i64>(expected)?);
            if free != expected {
                self.differs(Why::FreeAtLimit(free));
            }
        }
        Ok(())
    }

    fn orders_are(&mut self, client: &str, rows: &[Vec<String>]) -> Result<(), String> {
        let account = self.client(client)?;
        let open = self.venue.orders_of(account);
        let rows: Vec<&Vec<String>> = rows.iter().filter(|row| row[0] != "id").collect();
        same("open orders", &open.len(), &rows.len())?;
        for cells in rows {
            let [id, price, size, filled, reserve, side] = row(cells)?;
            let (_, placed) = self.placed(id)?;
            same("owner", &placed.account, &account)?;
            let holds_at = placed.holds_at;
            let view = self.venue.order(placed.order).ok_or(format!("order {id} is not open"))?;
            let is_bid = view.side == Side::Buy;
            same("side", &is_bid, &(side == "BID"))?;
            let expected = (number(price)?, number(size)?, number(filled)?);
            same("price, size, filled", &(view.price.0, view.quantity.0, view.filled.0), &expected)?;
            if is_bid && holds_at != number::<i64>(reserve)? {
                self.differs(Why::HoldsAt(holds_at));
            }
        }
        Ok(())
    }
}
