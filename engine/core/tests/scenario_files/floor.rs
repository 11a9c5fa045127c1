//! Where the command files of CppTrader and tracebook are played: orders are named by the file's ids, and what happens
//! to them is written on a tape that reads like a hand computation.
//!
//! Invariants:
//! 1. Every account has plenty of money and lots: the two formats know no balances.
//! 2. The tape shows, in the order of the events, all trades, preventions, amendments, triggers, refusals and ends.

use crate::venue::{OrderView, Venue};
use ringbook_event::Event;
use ringbook_oracle::scenario::{Desk, Outcome, spot};
use ringbook_wire::message::{Cancel, CancelAll, Message, NewOrder, SetSymbol};
use ringbook_wire::{AccountId, EndReason, OrderId, OrderState, Qty, RATE_ONE, Rate, RejectCode, StpMode, SymbolId};
use std::collections::{BTreeMap, BTreeSet};

/// A market order may slip to any price: the formats know no protection price.
const WIDE: Rate = Rate(RATE_ONE - 1);

pub struct Floor<'a> {
    pub venue: Venue,
    pub desk: Desk<'a>,
    pub tape: Vec<String>,
    accounts: BTreeSet<u32>,
    orders: BTreeMap<String, (u32, OrderId)>,
    labels: BTreeMap<OrderId, String>,
}

impl<'a> Floor<'a> {
    pub fn new(venue: &Venue, line: &'a mut Venue) -> Self {
        Self {
            venue: venue.clone(),
            desk: Desk::new(line),
            tape: Vec::new(),
            accounts: BTreeSet::new(),
            orders: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }

    /// The terms of a symbol: those of the examples, with a mode and room to slip.
    pub fn terms(symbol: u32, stp: StpMode) -> SetSymbol {
        SetSymbol { stp: stp.code(), slip: WIDE, ..spot(symbol) }
    }

    pub fn symbol(&mut self, stp: StpMode) -> u32 {
        self.desk.symbol(|symbol| *symbol = Self::terms(symbol.symbol.0, stp))
    }

    fn enter(&mut self, account: u32) {
        if self.accounts.insert(account) {
            self.desk.rich(&[account]);
        }
    }

    /// Places an order of the file.
    pub fn place(&mut self, label: &str, order: NewOrder) -> Result<Outcome, String> {
        self.enter(order.account.0);
        let outcome = self.desk.place(order);
        if let Some(Event::Accepted(accepted)) = outcome.0.first() {
            self.orders.insert(label.to_owned(), (order.account.0, accepted.order));
            self.labels.insert(accepted.order, label.to_owned());
        }
        self.note(outcome)
    }

    /// Cancels an order of the file; one that it never placed gets a number that no order has.
    pub fn cancel(&mut self, label: &str) -> Result<Outcome, String> {
        let (account, order) = self.orders.get(label).copied().unwrap_or((100, OrderId(u64::MAX)));
        self.enter(account);
        let outcome = self.desk.send(&Cancel { account: AccountId(account), order, ..Cancel::new(0) });
        self.note(outcome)
    }

    /// Takes lots off an order. A reduction by all of it is a cancel.
    pub fn reduce(&mut self, label: &str, lots: i64) -> Result<Outcome, String> {
        let view = self.open(label)?;
        if lots == view.remaining.0 {
            return self.cancel(label);
        }
        self.amend(label, 0, view.quantity.0 - view.cut.0 - lots)
    }

    /// Amends price and total quantity; 0 leaves a value.
    pub fn amend(&mut self, label: &str, price: i64, total: i64) -> Result<Outcome, String> {
        let view = self.open(label)?;
        let outcome = self.desk.amend(view.account.0, view.order, price, total);
        self.note(outcome)
    }

    /// Cancels everything in a symbol, account by account.
    pub fn clear(&mut self, symbol: u32) -> Result<(), String> {
        for account in self.accounts.clone() {
            let all = CancelAll { account: AccountId(account), symbol: SymbolId(symbol), ..CancelAll::new(0) };
            let outcome = self.desk.send(&all);
            self.note(outcome)?;
        }
        Ok(())
    }

    /// An order of the file that is open.
    pub fn open(&self, label: &str) -> Result<OrderView, String> {
        let (_, order) = self.orders.get(label).ok_or(format!("order {label} was never placed"))?;
        self.venue.order(*order).ok_or(format!("order {label} is not open"))
    }

    /// A symbol's book on one line.
    pub fn book(&self, symbol: u32) -> String {
        let (bids, asks) = self.venue.book(symbol);
        let side = |levels: Vec<(i64, i64)>| levels.iter().map(|(price, lots)| format!(" {price}:{lots}")).collect();
        let (bids, asks): (String, String) = (side(bids), side(asks));
        format!("bids{bids} asks{asks}")
    }

    fn note(&mut self, outcome: Outcome) -> Result<Outcome, String> {
        self.venue.check()?;
        let lines: Vec<String> = outcome.0.iter().filter_map(|event| self.line(event)).collect();
        self.tape.extend(lines);
        Ok(outcome)
    }

    fn line(&self, event: &Event) -> Option<String> {
        let label = |order: &OrderId| self.labels.get(order).map_or("?", String::as_str);
        let state = |code| OrderState::from_code(code).map_or("?", OrderState::name);
        let lots = |quantity: Qty| if quantity == Qty(0) { String::new() } else { format!(" {quantity}") };
        Some(match event {
            Event::Trade(e) => {
                format!("{} x {}: {} @ {}", label(&e.taker_order), label(&e.maker_order), e.quantity, e.price)
            }
            Event::Prevented(e) => {
                let (taker, maker) = (label(&e.taker_order), label(&e.maker_order));
                format!("{taker} / {maker}: PREVENTED {}, {}", e.taker_quantity, e.maker_quantity)
            }
            Event::Amended(e) => {
                let place = if e.header.b == 1 { "keeps" } else { "queues" };
                format!("{} AMENDED {} @ {} {place}", label(&e.order), e.remaining, e.price)
            }
            Event::Triggered(e) => format!("{} TRIGGERED", label(&e.order)),
            Event::Rejected(e) => format!("REJECTED {}", RejectCode::from_code(e.code).map_or("?", RejectCode::name)),
            Event::Replayed(e) => format!("REPLAYED {}", state(e.header.a)),
            Event::Done(e) => {
                let reason = EndReason::from_code(e.header.b).map_or(String::new(), |reason| format!(" {reason}"));
                format!("{} {}{reason}{}", label(&e.order), state(e.header.a), lots(e.remaining))
            }
            _ => return None,
        })
    }
}
