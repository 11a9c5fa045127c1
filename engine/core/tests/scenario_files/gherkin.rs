//! Feature files of exchange-core: a small Gherkin reader, and every step of its own against the engine.
//!
//! Invariants:
//! 1. Every scenario is run, an outline once per example; a step that is not understood fails.
//! 2. What a step expects is checked as the file says it; where the engine does otherwise, our rule is checked and the
//!    difference reported. A step that the engine must undo afterwards is undone, so that the next ones start level.
//!
//! Order ids are client ids, clients have STP NONE. A reserve price is compared with the price at which a bid holds;
//! of an ask it means nothing.

use crate::differences::Why;
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

/// A scenario with its background, its placeholders filled in.
pub struct Scenario {
    pub name: String,
    steps: Vec<Step>,
}

/// Rows of cells.
type Table = Vec<Vec<String>>;

#[derive(Clone)]
struct Step {
    line: usize,
    text: String,
    table: Table,
}

/// The cells of a table's row.
fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// All scenarios of a feature, each beginning with the background.
pub fn scenarios(feature: &str) -> Vec<Scenario> {
    let mut background: Vec<Step> = Vec::new();
    let mut found: Vec<(String, Vec<Step>, Option<Table>)> = Vec::new();
    for (index, line) in feature.lines().map(str::trim).enumerate() {
        let step = |text: &str| Step { line: index + 1, text: text.trim().to_owned(), table: Vec::new() };
        let title = line.strip_prefix("Scenario Outline:").or(line.strip_prefix("Scenario:"));
        if let Some(name) = title {
            found.push((name.trim().to_owned(), background.clone(), None));
        } else if line == "Examples:" {
            found.last_mut().expect("examples of a scenario").2 = Some(Vec::new());
        } else if line.starts_with('|') {
            match found.last_mut() {
                Some((_, _, Some(examples))) => examples.push(cells(line)),
                Some((_, steps, None)) => steps.last_mut().expect("a table of a step").table.push(cells(line)),
                None => background.last_mut().expect("a table of a step").table.push(cells(line)),
            }
        } else if let Some((_, text)) =
            line.split_once(' ').filter(|(word, _)| ["Given", "When", "Then", "And"].contains(word))
        {
            found.last_mut().map_or(&mut background, |(_, steps, _)| steps).push(step(text));
        }
    }
    found.into_iter().flat_map(|(name, steps, examples)| expand(name, &steps, examples)).collect()
}

fn expand(name: String, steps: &[Step], examples: Option<Table>) -> Vec<Scenario> {
    let Some(examples) = examples else {
        return vec![Scenario { name, steps: steps.to_vec() }];
    };
    let (head, rows) = examples.split_first().expect("examples have a head");
    let filled = |row: &Vec<String>| {
        let fill = |text: &String| {
            head.iter().zip(row).fold(text.clone(), |text, (column, value)| text.replace(&format!("<{column}>"), value))
        };
        let table = |table: &[Vec<String>]| table.iter().map(|row| row.iter().map(fill).collect()).collect();
        let steps =
            steps.iter().map(|step| Step { line: step.line, text: fill(&step.text), table: table(&step.table) });
        Scenario { name: format!("{name} [{}]", row.join(", ")), steps: steps.collect() }
    };
    rows.iter().map(filled).collect()
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
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
        for row in balances {
            let asset = self.asset(&row[0])?;
            same("refusal", &self.desk.deposit(account, asset, number(&row[1])?).code(), &0)?;
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
        for row in rows.iter().filter(|row| row[1] != "price") {
            let price: i64 = number(&row[1])?;
            for (cell, side) in [(&row[0], &mut bids), (&row[2], &mut asks)] {
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
        for row in rows {
            let (free, expected) = (self.desk.balance(account, self.asset(&row[0])?).0, number::<i64>(&row[1])?);
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
        for row in rows {
            let [id, price, size, filled, reserve, side] = row.as_slice() else {
                return Err("this row is not understood".to_owned());
            };
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
