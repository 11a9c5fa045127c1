//! JSON-lines files of tracebook with their manifest: one command a line, no expected output; what follows from the rule
//! book, computed by hand.
//!
//! Invariants:
//! 1. Every case of the manifest is run; an operation or a policy that is not understood fails.
//! 2. The tape and the last books are exactly the expected ones.
//! 3. Prices become ticks exactly, digit by digit; a price between two ticks is a difference and left out.
//!
//! A `replace` is AMEND: its quantity is the new remainder. A `clear` is CANCEL_ALL of every account in the symbol.

use crate::differences::Why;
use crate::floor::Floor;
use crate::venue::Venue;
use ringbook_event::Event;
use ringbook_oracle::scenario::{Outcome, fok, ioc, limit, market};
use ringbook_wire::{Side, StpMode};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a case must lead to: its name, the tape, the last book of each symbol by name.
pub const EXPECTED: &[(&str, &[&str], &[&str])] = &[
    (
        "deep-cancellation",
        &[
            "3 CANCELED USER 3",
            "8 CANCELED USER 3",
            "2 AMENDED 1 @ 10000 queues",
            "9 AMENDED 2 @ 10400 keeps",
            "11 x 6: 1 @ 10100",
            "6 FILLED",
            "11 x 7: 2 @ 10200",
            "7 FILLED",
            "5 CANCELED USER 5",
        ],
        &["bids 10200:1 10000:2 9700:4 asks 10400:2 10500:5"],
    ),
    (
        "fifo-lifecycle",
        &[
            "1 AMENDED 3 @ 10000 keeps",
            "1 AMENDED 2 @ 10000 keeps",
            "3 x 1: 2 @ 10000",
            "1 FILLED",
            "3 x 2: 2 @ 10000",
            "3 FILLED",
            "REPLAYED FILLED",
            "REJECTED UNKNOWN_ORDER",
            "5 x 4: 1 @ 10100",
            "5 FILLED",
            "2 CANCELED MASS 1",
            "4 CANCELED MASS 1",
        ],
        &["bids asks"],
    ),
    (
        "multi-symbol",
        &[
            "ALPHA 2 x ALPHA 1: 1 @ 1000",
            "ALPHA 2 FILLED",
            "BETA 1 AMENDED 2 @ 1900 queues",
            "BETA 2 x BETA 1: 1 @ 1900",
            "BETA 2 FILLED",
            "BETA 1 CANCELED USER 1",
            "ALPHA 1 CANCELED MASS 1",
        ],
        &["bids asks", "bids asks"],
    ),
    (
        "order-instructions",
        &[
            "2 EXPIRED FOK 3",
            "3 x 1: 2 @ 10000",
            "1 FILLED",
            "3 EXPIRED IOC 1",
            "4 EXPIRED NO_LIQUIDITY 1",
            "6 x 5: 2 @ 10100",
            "5 FILLED",
            "6 FILLED",
        ],
        &["bids asks"],
    ),
    (
        "pro-rata-allocation",
        &["4 x 1: 5 @ 10000", "4 FILLED", "1 CANCELED USER 1", "2 AMENDED 1 @ 10000 keeps", "5 EXPIRED FOK 4"],
        &["bids asks 10000:2"],
    ),
    (
        "stp-cancel-incoming",
        &["4 x 1: 1 @ 9900", "1 FILLED", "4 / 2: PREVENTED 3, 0", "4 EXPIRED_STP STP", "5 EXPIRED FOK 1"],
        &["bids asks 10000:2 10100:2"],
    ),
    (
        "stp-cancel-resting",
        &[
            "3 / 1: PREVENTED 0, 1",
            "1 EXPIRED_STP STP",
            "3 x 2: 2 @ 10000",
            "2 FILLED",
            "3 FILLED",
            "5 / 4: PREVENTED 0, 1",
            "4 EXPIRED_STP STP",
        ],
        &["bids asks 9900:1"],
    ),
    (
        "stp-cancel-resting-deep",
        &["4 / 1: PREVENTED 0, 5", "1 EXPIRED_STP STP", "4 x 2: 5 @ 10000", "2 FILLED", "4 FILLED"],
        &["bids asks 10000:5"],
    ),
    ("tick-grid", &[], &["bids 10001:1 asks"]),
];

/// A case of the manifest.
pub struct Case {
    pub name: String,
    pub file: String,
    tick: i128,
    is_pro_rata: bool,
    stp: StpMode,
}

/// The cases of a manifest.
pub fn cases(manifest: &str) -> Result<Vec<Case>, String> {
    let manifest: Value = serde_json::from_str(manifest).map_err(|error| error.to_string())?;
    manifest["cases"].as_array().ok_or("the manifest has no cases")?.iter().map(case).collect()
}

fn case(case: &Value) -> Result<Case, String> {
    let config = &case["config"];
    let stp = match word(config, "self_trade_policy")? {
        "NONE" => StpMode::None,
        "CANCEL_RESTING" => StpMode::CancelMaker,
        "CANCEL_INCOMING" => StpMode::CancelTaker,
        policy => return Err(format!("policy {policy}")),
    };
    let is_pro_rata = match word(config, "matching_algorithm")? {
        "fifo" => false,
        "pro_rata" => true,
        algorithm => return Err(format!("algorithm {algorithm}")),
    };
    let tick = decimal(word(config, "tick_size")?)?;
    Ok(Case { name: word(case, "name")?.to_owned(), file: word(case, "events")?.to_owned(), tick, is_pro_rata, stp })
}

fn word<'v>(value: &'v Value, key: &str) -> Result<&'v str, String> {
    value[key].as_str().ok_or(format!("no {key}"))
}

fn integer(value: &Value, key: &str) -> Result<i64, String> {
    value[key].as_i64().ok_or(format!("no {key}"))
}

/// A decimal number in units of 10^-12.
fn decimal(text: &str) -> Result<i128, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<12}")
        .parse()
        .ok()
        .filter(|_| fraction.len() <= 12)
        .ok_or(format!("{text} is not a decimal number"))
}

struct Play<'a> {
    case: &'a Case,
    floor: Floor<'a>,
    symbols: BTreeMap<String, u32>,
    line: usize,
    seen: Vec<(usize, Why)>,
}

/// Runs a case and returns the differences that it saw.
pub fn run(case: &Case, events: &str, tape: &[&str], books: &[&str]) -> Result<Vec<(usize, Why)>, String> {
    let commands: Result<Vec<Value>, _> =
        events.lines().filter(|line| !line.is_empty()).map(serde_json::from_str).collect();
    let commands = commands.map_err(|error| error.to_string())?;
    let venue = Venue::new();
    let mut line = venue.clone();
    let mut play =
        Play { case, floor: Floor::new(&venue, &mut line), symbols: BTreeMap::new(), line: 0, seen: Vec::new() };
    for command in &commands {
        let name = word(command, "symbol")?;
        if !play.symbols.contains_key(name) {
            let symbol = play.floor.symbol(case.stp);
            play.symbols.insert(name.to_owned(), symbol);
        }
    }
    for (index, command) in commands.iter().enumerate() {
        play.line = index + 1;
        play.command(command).map_err(|what| format!("line {}: {what}", index + 1))?;
    }
    if play.floor.tape != tape {
        return Err(format!("it leads to {:?}, not to {tape:?}", play.floor.tape));
    }
    let got: Vec<String> = play.symbols.values().map(|&symbol| play.floor.book(symbol)).collect();
    if got == books { Ok(play.seen) } else { Err(format!("the books are {got:?}, not {books:?}")) }
}

impl Play<'_> {
    fn differs(&mut self, why: Why) {
        self.seen.push((self.line, why));
    }

    /// A file's order by its id; with its symbol where the case has several.
    fn label(&self, command: &Value) -> Result<String, String> {
        let id = integer(command, "order_id")?;
        Ok(if self.symbols.len() > 1 { format!("{} {id}", word(command, "symbol")?) } else { id.to_string() })
    }

    /// A price in ticks, if it is a whole number of them; 0 where there is none.
    fn ticks(&self, command: &Value) -> Result<Option<i64>, String> {
        let price = match &command["price"] {
            Value::Null => return Ok(Some(0)),
            price => decimal(&price.to_string())?,
        };
        let is_whole = price % self.case.tick == 0;
        let ticks = i64::try_from(price / self.case.tick).map_err(|_| "a price too high")?;
        Ok(is_whole.then_some(ticks))
    }

    fn command(&mut self, command: &Value) -> Result<(), String> {
        match word(command, "op")? {
            "new" => self.new_order(command),
            "cancel" => {
                let outcome = self.floor.cancel(&self.label(command)?)?;
                if matches!(outcome.0.as_slice(), [Event::Replayed(_)]) {
                    self.differs(Why::FilledBefore);
                }
                Ok(())
            }
            "reduce" => {
                let label = self.label(command)?;
                self.floor.reduce(&label, integer(command, "quantity")?).map(drop)
            }
            "replace" => self.replace(command),
            "clear" => self.floor.clear(self.symbols[word(command, "symbol")?]),
            op => Err(format!("operation {op}")),
        }
    }

    fn new_order(&mut self, command: &Value) -> Result<(), String> {
        let label = self.label(command)?;
        let Some(price) = self.ticks(command)? else {
            self.differs(Why::WholeTicks);
            return Ok(());
        };
        let side = match word(command, "side")? {
            "BUY" => Side::Buy,
            "SELL" => Side::Sell,
            side => return Err(format!("side {side}")),
        };
        let owner = u32::try_from(integer(command, "owner")?).map_err(|_| "an owner too high")?;
        let (account, symbol) = (100 + owner, self.symbols[word(command, "symbol")?]);
        let lots = integer(command, "quantity")?;
        let order = match word(command, "order_type")? {
            "LIMIT" => limit(account, symbol, side, price, lots),
            "IOC" => ioc(account, symbol, side, price, lots),
            "FOK" => fok(account, symbol, side, price, lots),
            "MARKET" => market(account, symbol, side, lots),
            kind => return Err(format!("type {kind}")),
        };
        let before = self.floor.venue.orders();
        let outcome = self.floor.place(&label, order)?;
        if self.case.is_pro_rata {
            let level = |price: i64| {
                let mine = |view: &&crate::venue::OrderView| view.side != side && view.price.0 == price;
                before.iter().filter(mine).map(|view| (view.order, view.remaining.0)).collect()
            };
            if !is_pro_rata(&outcome, level) {
                self.differs(Why::TimePriority);
            }
        }
        Ok(())
    }

    fn replace(&mut self, command: &Value) -> Result<(), String> {
        let label = self.label(command)?;
        let Some(price) = self.ticks(command)? else {
            self.differs(Why::WholeTicks);
            return Ok(());
        };
        let view = self.floor.open(&label)?;
        let total = integer(command, "quantity")? + view.filled.0 + view.prevented.0;
        let outcome = self.floor.amend(&label, price, total)?;
        match outcome.0.first() {
            Some(Event::Amended(amended)) if amended.header.b == 1 => self.differs(Why::KeepsPlace),
            Some(Event::Amended(_)) => {}
            _ => return Err("the amendment is refused".to_owned()),
        }
        Ok(())
    }
}

/// Whether the fills at each price are in proportion to the makers' sizes.
fn is_pro_rata(outcome: &Outcome, level: impl Fn(i64) -> Vec<(ringbook_wire::OrderId, i64)>) -> bool {
    let trades = outcome.trades();
    trades.iter().all(|trade| {
        let level = level(trade.price.0);
        let taken: i64 = trades.iter().filter(|other| other.price == trade.price).map(|other| other.quantity.0).sum();
        let size: i64 = level.iter().map(|maker| maker.1).sum();
        level.iter().any(|maker| maker.0 == trade.maker_order && trade.quantity.0 * size == taken * maker.1)
    })
}
