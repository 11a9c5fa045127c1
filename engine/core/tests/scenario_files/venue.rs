//! The engine and the naive oracle side by side behind one counter, with questions about the engine's state.
//!
//! Invariants:
//! 1. Both get every command, and their events and books are equal; the first difference is kept as a fault.
//! 2. The engine's invariants (DOMAIN §8) hold after every command.

use ringbook_core::{Engine, Pending};
use ringbook_event::{Event, Origin, events};
use ringbook_oracle::{Exchange, Oracle, scenario, text};
use ringbook_wire::{AccountId, OrderId, Sequence, Side, SymbolId, TimestampNs};
use std::cell::RefCell;
use std::rc::Rc;
use zerocopy::IntoBytes;

pub use ringbook_core::OrderView;

struct Pair {
    engine: Engine,
    oracle: Oracle,
    buffer: Vec<u8>,
    fault: Option<String>,
}

impl Pair {
    fn engine_events(&mut self, sequence: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        let command = [origin.as_bytes(), message].concat();
        let applied = self.engine.apply(Sequence(sequence), TimestampNs(time_ns), &command, &mut self.buffer);
        let length = applied.unwrap_or_else(|fault| panic!("{fault}"));
        events(&self.buffer[..length]).map(|event| event.expect("whole records")).collect()
    }

    fn compare(&self, got: &[Event], expected: &[Event]) -> Result<(), String> {
        if got != expected {
            let print = |events: &[Event]| events.iter().map(text::event).collect::<Vec<_>>().join("; ");
            return Err(format!("engine: {}\n  oracle: {}", print(got), print(expected)));
        }
        for symbol in self.engine.symbols() {
            let book = book_of(&self.engine, symbol.symbol.0);
            if book != self.oracle.book(symbol.symbol.0) {
                return Err(format!("the book of {} differs from the oracle's: {book:?}", symbol.name));
            }
        }
        if self.engine.pending() != Pending::Nothing {
            return Err("the engine has work left".to_owned());
        }
        self.engine.check_invariants()
    }
}

/// Price and lots of each level, best first: bids and asks.
pub type Book = (Vec<(i64, i64)>, Vec<(i64, i64)>);

fn book_of(engine: &Engine, symbol: u32) -> Book {
    let side = |side| {
        let levels = engine.depth(SymbolId(symbol), side, usize::MAX);
        levels.into_iter().map(|(price, lots)| (price.0, i64::try_from(lots).expect("few lots"))).collect()
    };
    (side(Side::Buy), side(Side::Sell))
}

/// A handle: a desk holds one to send, its owner another one to ask.
#[derive(Clone)]
pub struct Venue(Rc<RefCell<Pair>>);

impl Venue {
    pub fn new() -> Self {
        let genesis = scenario::genesis();
        let mut pair =
            Pair { engine: Engine::new(), oracle: Oracle::new(&genesis), buffer: vec![0; 1 << 20], fault: None };
        assert_eq!(pair.engine_events(1, 0, Origin::INTERNAL, genesis.as_bytes()).len(), 1);
        Self(Rc::new(RefCell::new(pair)))
    }

    /// The first difference between engine and oracle, if there was one.
    pub fn check(&self) -> Result<(), String> {
        self.0.borrow().fault.clone().map_or(Ok(()), Err)
    }

    pub fn book(&self, symbol: u32) -> Book {
        book_of(&self.0.borrow().engine, symbol)
    }

    /// An order, if it is open.
    pub fn order(&self, order: OrderId) -> Option<OrderView> {
        self.0.borrow().engine.open_order(order)
    }

    pub fn orders_of(&self, account: u32) -> Vec<OrderView> {
        self.0.borrow().engine.open_orders(AccountId(account))
    }

    /// All open orders by id.
    pub fn orders(&self) -> Vec<OrderView> {
        let pair = self.0.borrow();
        let accounts = pair.engine.account_ids();
        let mut orders: Vec<OrderView> =
            accounts.into_iter().flat_map(|account| pair.engine.open_orders(account)).collect();
        orders.sort_unstable_by_key(|order| order.order);
        orders
    }
}

impl Exchange for Venue {
    fn apply(&mut self, sequence: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        let mut pair = self.0.borrow_mut();
        let got = pair.engine_events(sequence, time_ns, origin, message);
        let expected = pair.oracle.apply(sequence, time_ns, origin, message);
        if let Err(what) = pair.compare(&got, &expected) {
            let line = text::command(time_ns, &origin, message);
            pair.fault.get_or_insert(format!("{line}\n  {what}"));
        }
        got
    }
}
