//! Command files of CppTrader: one command a line, no expected output; what their comments promise, and what follows
//! from the rule book, computed by hand.
//!
//! Invariants:
//! 1. A command that is not understood fails; one that we do not have is a difference and is left out.
//! 2. The tape and the last book are exactly the expected ones, and every promise of a comment that can be checked holds:
//!    the queues of "Ask: …" and "Bid: …", "fully matched", "fully executed", "will be killed", "will be filled".
//!
//! Orders have no owner there: each gets an account of its own. Replacing by a new id is CANCEL and NEW_ORDER, reducing and
//! modifying are AMEND, deleting a book or a symbol is the status CLOSED.

use crate::differences::Why;
use crate::floor::Floor;
use crate::venue::Venue;
use ringbook_event::Event;
use ringbook_oracle::scenario::{Outcome, fok, ioc, limit, market, stop};
use ringbook_wire::message::NewOrder;
use ringbook_wire::{
    OrderType, RATE_ONE, Rate, RejectCode, Side, StpMode, SymbolStatus, TimeInForce, TriggerDirection,
};
use std::collections::BTreeMap;

/// What a file must lead to: its name, the tape, the last book.
pub const EXPECTED: &[(&str, &[&str], &str)] = &[
    ("scenario-01", &[], "bids asks"),
    ("scenario-02", &[], "bids asks"),
    (
        "scenario-03",
        &["1 AMENDED 5 @ 10 keeps", "1 AMENDED 20 @ 20 queues", "1 CANCELED USER 20", "2 CANCELED USER 30"],
        "bids asks",
    ),
    ("scenario-04", &["2 x 1: 10 @ 10", "1 FILLED", "2 FILLED"], "bids asks"),
    ("scenario-05", &["2 x 1: 10 @ 10", "1 FILLED", "2 FILLED"], "bids asks"),
    (
        "scenario-06",
        &[
            "19 x 16: 30 @ 40",
            "16 FILLED",
            "19 x 17: 20 @ 40",
            "17 FILLED",
            "19 x 18: 10 @ 40",
            "18 FILLED",
            "19 x 13: 30 @ 50",
            "13 FILLED",
            "19 x 14: 10 @ 50",
            "19 FILLED",
        ],
        "bids 30:60 20:60 10:60 asks 50:20 60:60",
    ),
    (
        "scenario-07",
        &[
            "19 x 7: 10 @ 30",
            "7 FILLED",
            "19 x 8: 20 @ 30",
            "8 FILLED",
            "19 x 9: 30 @ 30",
            "9 FILLED",
            "19 x 4: 10 @ 20",
            "4 FILLED",
            "19 x 5: 20 @ 20",
            "5 FILLED",
            "19 x 6: 30 @ 20",
            "6 FILLED",
            "19 EXPIRED PROTECTION 880",
        ],
        "bids 10:60 asks 40:60 50:60 60:60",
    ),
    ("scenario-08", &["5 x 3: 5 @ 10", "3 FILLED", "5 FILLED"], "bids asks 10:15"),
    (
        "scenario-09",
        &["4 x 3: 30 @ 30", "3 FILLED", "4 x 2: 20 @ 20", "2 FILLED", "4 x 1: 10 @ 10", "1 FILLED", "4 EXPIRED IOC 40"],
        "bids asks",
    ),
    (
        "scenario-10",
        &["4 EXPIRED FOK 100", "5 x 3: 30 @ 30", "3 FILLED", "5 x 2: 10 @ 20", "5 FILLED"],
        "bids 20:10 10:10 asks",
    ),
    (
        "scenario-11",
        &[
            "5 x 3: 30 @ 30",
            "3 FILLED",
            "5 x 2: 10 @ 20",
            "5 FILLED",
            "4 TRIGGERED",
            "4 x 2: 10 @ 20",
            "2 FILLED",
            "4 x 1: 10 @ 10",
            "1 FILLED",
            "4 FILLED",
        ],
        "bids asks",
    ),
    (
        "scenario-12",
        &["5 x 3: 30 @ 30", "3 FILLED", "5 x 2: 10 @ 20", "5 FILLED", "4 TRIGGERED"],
        "bids 20:10 10:10 asks 30:30",
    ),
    ("scenario-13", &["5 x 3: 10 @ 30", "5 FILLED"], "bids 30:20 20:20 10:10 asks"),
    (
        "scenario-14",
        &["2 x 1: 20 @ 10", "2 FILLED", "1 AMENDED 130 @ 10 queues", "1 AMENDED 30 @ 10 keeps", "REJECTED AMEND_QTY"],
        "bids 10:30 asks",
    ),
];

/// A level that a comment draws: side, price, lots of its orders from the first in line on.
type Level = (Side, i64, Vec<i64>);

struct Script<'a> {
    floor: Floor<'a>,
    symbols: BTreeMap<String, u32>,
    line: usize,
    drawn: Option<Vec<Level>>,
    promised: Option<&'static str>,
    all_are_filled: bool,
    seen: Vec<(usize, Why)>,
}

/// Runs a file and returns the differences that it saw.
pub fn run(text: &str, tape: &[&str], book: &str) -> Result<Vec<(usize, Why)>, String> {
    let venue = Venue::new();
    let mut line = venue.clone();
    let mut script = Script {
        floor: Floor::new(&venue, &mut line),
        symbols: BTreeMap::new(),
        line: 0,
        drawn: None,
        promised: None,
        all_are_filled: false,
        seen: Vec::new(),
    };
    for (index, line) in text.lines().map(str::trim).enumerate() {
        script.line = index + 1;
        let done = match line.strip_prefix('#') {
            Some(comment) => script.comment(comment.trim()),
            None if line.is_empty() => Ok(()),
            None => script.command(line),
        };
        done.map_err(|what| format!("line {}: {line}: {what}", index + 1))?;
    }
    if script.floor.tape != tape {
        return Err(format!("it leads to {:?}, not to {tape:?}", script.floor.tape));
    }
    if script.all_are_filled {
        script.last_order_ends("FILLED")?;
        script.drawn = Some(Vec::new());
        script.queues_are_as_drawn()?;
    }
    let symbol = *script.symbols.values().next().ok_or("the file makes no symbol")?;
    if script.floor.book(symbol) != book {
        return Err(format!("the book is {}, not {book}", script.floor.book(symbol)));
    }
    Ok(script.seen)
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

/// The level that a comment draws, if it draws one; `None` inside if it is empty.
fn drawn(comment: &str) -> Option<Option<Level>> {
    let (side, rest) = comment.split_once(':')?;
    let side = match side {
        "Ask" => Side::Sell,
        "Bid" => Side::Buy,
        _ => return None,
    };
    let Some((price, queue)) = rest.split_once("->") else {
        return Some(None);
    };
    let queue = queue.split('(').next().expect("a first part");
    let lots: Result<Vec<i64>, String> = queue.split(',').map(|lots| number(lots.trim())).collect();
    // All-or-none orders are drawn in angle brackets.
    lots.ok().zip(number(price.trim()).ok()).map(|(lots, price)| Some((side, price, lots)))
}

impl Script<'_> {
    fn comment(&mut self, comment: &str) -> Result<(), String> {
        if let Some(level) = drawn(comment) {
            self.drawn.get_or_insert_default().extend(level);
        } else if comment.starts_with("Send") {
            self.queues_are_as_drawn()?;
            let promises = ["will be killed", "will be filled"];
            self.promised = promises.into_iter().find(|&promise| comment.contains(promise));
        } else if comment.contains("fully matched") || comment.contains("fully executed") {
            self.all_are_filled = true;
        }
        Ok(())
    }

    fn last_order_ends(&self, how: &str) -> Result<(), String> {
        let last = self.floor.tape.last().map_or("nothing", String::as_str);
        if last.contains(how) { Ok(()) } else { Err(format!("promised to end {how}, but: {last}")) }
    }

    fn queues_are_as_drawn(&mut self) -> Result<(), String> {
        let Some(mut drawn) = self.drawn.take() else {
            return Ok(());
        };
        let mut queues: BTreeMap<(u8, i64), Vec<i64>> = BTreeMap::new();
        for order in self.floor.venue.orders() {
            queues.entry((order.side.code(), order.price.0)).or_default().push(order.remaining.0);
        }
        let side = |code: u8| Side::from_code(code).expect("a side");
        let queues: Vec<Level> = queues.into_iter().map(|((code, price), lots)| (side(code), price, lots)).collect();
        drawn.sort_unstable();
        if queues == drawn { Ok(()) } else { Err(format!("queues {queues:?}, drawn {drawn:?}")) }
    }

    fn command(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["enable", "matching"] => Ok(()),
            ["add", "symbol", id, _] => {
                let symbol = self.floor.symbol(StpMode::None);
                self.symbols.insert((*id).to_owned(), symbol);
                Ok(())
            }
            ["add", "book", id] => self.symbol(id).map(drop),
            ["delete", "symbol" | "book", id] => self.delete_symbol(id),
            ["delete", "order", id] => self.floor.cancel(id).map(drop),
            ["reduce", "order", id, lots] => self.floor.reduce(id, number(lots)?).map(drop),
            ["modify", "order", id, price, lots] => self.floor.amend(id, number(price)?, number(lots)?).map(drop),
            ["mitigate", "order", id, price, lots] => self.mitigate(id, number(price)?, number(lots)?),
            ["replace", "order", id, new, price, lots] => {
                let old = self.floor.open(id)?;
                self.floor.cancel(id)?;
                let order = limit(account(new)?, old.symbol.0, old.side, number(price)?, number(lots)?);
                self.floor.place(new, order).map(drop)
            }
            ["add", "aon", "limit" | "stop-limit", ..] => {
                self.left_out(Why::AllOrNone, TimeInForce::ALL.iter().map(|code| code.name()), "AON")
            }
            ["add", "trailing", ..] => {
                self.left_out(Why::TrailingStop, OrderType::ALL.iter().map(|code| code.name()), "TRAILING")
            }
            ["add", "slippage", "market", side, id, symbol, lots, slippage] => {
                self.slip(side, id, symbol, lots, number(slippage)?)
            }
            ["add", order @ ..] => self.add(order).map(drop),
            _ => Err("this command is not understood".to_owned()),
        }
    }

    fn symbol(&self, id: &str) -> Result<u32, String> {
        self.symbols.get(id).copied().ok_or(format!("no symbol {id}"))
    }

    fn add(&mut self, words: &[&str]) -> Result<Outcome, String> {
        let (id, order): (&str, NewOrder) = match words {
            ["limit", side, id, symbol, price, lots] => {
                (id, limit(account(id)?, self.symbol(symbol)?, to_side(side)?, number(price)?, number(lots)?))
            }
            [tif @ ("ioc" | "fok"), "limit", side, id, symbol, price, lots] => {
                let make = if *tif == "ioc" { ioc } else { fok };
                (id, make(account(id)?, self.symbol(symbol)?, to_side(side)?, number(price)?, number(lots)?))
            }
            ["market", side, id, symbol, lots] => {
                (id, market(account(id)?, self.symbol(symbol)?, to_side(side)?, number(lots)?))
            }
            ["stop", "sell", id, symbol, trigger, lots] => {
                let order = market(account(id)?, self.symbol(symbol)?, Side::Sell, number(lots)?);
                (id, stop(order, TriggerDirection::FallsTo, number(trigger)?))
            }
            ["stop-limit", side, id, symbol, trigger, price, lots] => {
                let side = to_side(side)?;
                let order = limit(account(id)?, self.symbol(symbol)?, side, number(price)?, number(lots)?);
                let direction = match side {
                    Side::Buy => TriggerDirection::RisesTo,
                    Side::Sell => TriggerDirection::FallsTo,
                };
                (id, stop(order, direction, number(trigger)?))
            }
            _ => return Err("this order is not understood".to_owned()),
        };
        let outcome = self.floor.place(id, order)?;
        if outcome.code() != 0 {
            return Err(format!("refused with {}", outcome.code()));
        }
        match self.promised.take() {
            Some("will be killed") => self.last_order_ends("EXPIRED FOK")?,
            Some("will be filled") => self.last_order_ends(&format!("{id} FILLED"))?,
            _ => {}
        }
        Ok(outcome)
    }

    /// Brings the symbol's slip to the rate that puts the protection price so many ticks away.
    fn slip(&mut self, side: &str, id: &str, symbol: &str, lots: &str, ticks: i64) -> Result<(), String> {
        let (bids, asks) = self.floor.venue.book(self.symbol(symbol)?);
        let is_buy = to_side(side)? == Side::Buy;
        let (best, _) = *if is_buy { asks } else { bids }.first().ok_or("no opposite side")?;
        let mut terms = Floor::terms(self.symbol(symbol)?, StpMode::None);
        terms.slip = Rate((RATE_ONE * ticks + best - 1) / best);
        self.floor.desk.send(&terms);
        let outcome = self.add(&["market", side, id, symbol, lots])?;
        let wanted = if is_buy { best + ticks } else { best - ticks };
        match outcome.0.first() {
            Some(Event::Accepted(accepted)) if accepted.price.0 == wanted => {
                self.seen.push((self.line, Why::SlipOfSymbol));
                Ok(())
            }
            _ => Err(format!("its protection price is not {wanted}")),
        }
    }

    fn mitigate(&mut self, id: &str, price: i64, lots: i64) -> Result<(), String> {
        let is_filled_already = lots <= self.floor.open(id)?.filled.0;
        let outcome = self.floor.amend(id, price, lots)?;
        if is_filled_already && outcome.code() == RejectCode::AmendQty.code() && self.floor.open(id).is_ok() {
            self.seen.push((self.line, Why::AmendBelowFilled));
        }
        Ok(())
    }

    /// CLOSED instead: nothing can be placed any more, also not after the same definition again.
    fn delete_symbol(&mut self, id: &str) -> Result<(), String> {
        let symbol = self.symbol(id)?;
        let desk = &mut self.floor.desk;
        desk.account(50, 0);
        let closed = desk.status(symbol, SymbolStatus::Closed);
        let again = desk.send(&Floor::terms(symbol, StpMode::None));
        let order = desk.place(limit(50, symbol, Side::Buy, 10, 10));
        let is_config = matches!(again.0.as_slice(), [Event::Config(_)]);
        if (closed.code(), is_config, order.code()) == (0, true, RejectCode::SymbolStatus.code()) {
            self.seen.push((self.line, Why::NeverDeleted));
        }
        self.floor.venue.check()
    }

    /// A command that we do not have, as long as no name of its codes says otherwise.
    fn left_out(&mut self, why: Why, mut names: impl Iterator<Item = &'static str>, word: &str) -> Result<(), String> {
        if names.any(|name| name.contains(word)) {
            return Err(format!("there is {word} now"));
        }
        self.seen.push((self.line, why));
        Ok(())
    }
}

/// Each order has an account of its own.
fn account(id: &str) -> Result<u32, String> {
    Ok(100 + u32::try_from(number(id)?).map_err(|_| "an id too high")?)
}

fn to_side(word: &str) -> Result<Side, String> {
    match word {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(format!("side {word}")),
    }
}
