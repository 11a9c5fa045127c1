//! Books as they were: per symbol a ring of level changes, by which a book of today is rolled back to a sequence.
//!
//! ```text
//!  before(frame): the levels that its events name, with their totals    apply    after: those that changed go into the ring
//!  book_at(S):    today's levels, overlaid with the oldest `before` of each level among the changes after S
//! ```
//!
//! Which levels a frame touches is read from its events, and from the orders that they name as they lie in the engine
//! before the frame: that is exact, and needs neither a second book nor a hook in the matching loop.
//!
//! Invariants: changes of a symbol stand in the order of sequences; the book at S can be answered for
//! `floor <= S <= now`, because every change after `floor` is in the ring.

use super::QueryError;
use ringbook_core::{Engine, Pending};
use ringbook_event::{Event, events, split_command};
use ringbook_wire::message::MessageType;
use ringbook_wire::{OrderId, Price, Side, SymbolId};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// A book can be asked for this many commands back.
const WINDOW: u64 = 65_536;
/// Bound of the changes that are kept of one symbol.
const CHANGES_MAX: usize = 1 << 18;
/// Below this many levels a frame's list is searched instead of sorted.
const FEW: usize = 8;

/// A price level: price in ticks, open quantity in lots.
pub type Level = (i64, i128);

/// The book of a symbol after a sequence, best levels first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// Name of the symbol.
    pub symbol: String,
    /// The book is the one after exactly this sequence.
    pub sequence: u64,
    /// Buyers.
    pub bids: Vec<Level>,
    /// Sellers.
    pub asks: Vec<Level>,
}

type Place = (SymbolId, Side, Price);

#[derive(Clone, Copy, Debug)]
struct Change {
    sequence: u64,
    side: Side,
    price: i64,
    before: i128,
}

#[derive(Debug, Default)]
struct SymbolChanges {
    changes: VecDeque<Change>,
    /// Sequence of the newest change that was dropped.
    floor: u64,
}

#[derive(Debug)]
pub(super) struct BookHistory {
    symbols: FxHashMap<u32, SymbolChanges>,
    /// Sequence at which the history began.
    began: u64,
    /// Levels that the current frame touches, with their totals before it.
    touched: Vec<(Place, i128)>,
    /// Where an order that has not finished matching will rest.
    pending_taker: Option<Place>,
    next_pending: Option<Place>,
}

impl BookHistory {
    pub fn new(engine: &Engine) -> Self {
        let mut history = Self {
            symbols: FxHashMap::default(),
            began: engine.sequence().0,
            touched: Vec::new(),
            pending_taker: None,
            next_pending: None,
        };
        if engine.pending() == Pending::Exclusive {
            let taker = engine.image().work.first().map(|work| OrderId(work.a));
            history.pending_taker = taker.and_then(|order| place_of(engine, order));
        }
        history
    }

    /// Notes the levels that a frame will touch.
    pub fn before(&mut self, engine: &Engine, command: &[u8], event_bytes: &[u8]) {
        self.touched.clear();
        self.next_pending = None;
        let kind = split_command(command).ok().and_then(|(_, header, _)| MessageType::from_code(header.kind));
        let mut taker = None;
        if kind == Some(MessageType::Continue) {
            taker = self.pending_taker;
            self.touch(engine, taker);
        }
        // Bytes that are not events cannot be what the engine will write: the comparison says so.
        for event in events(event_bytes).map_while(Result::ok) {
            let place = match event {
                Event::Accepted(e) => {
                    taker = Side::from_code(e.header.a).map(|side| (e.symbol, side, e.price));
                    taker
                }
                // The uncross trades at one price what rests at many.
                Event::Trade(e) if e.header.b == 2 => {
                    self.touch(engine, place_of(engine, e.taker_order));
                    place_of(engine, e.maker_order)
                }
                Event::Triggered(e) => {
                    taker = Side::from_code(e.header.a).map(|side| (e.symbol, side, e.price));
                    taker
                }
                Event::Trade(e) => {
                    let maker = Side::from_code(e.header.a).map(Side::opposite);
                    maker.map(|side| (SymbolId(e.header.subject), side, e.price))
                }
                Event::Prevented(e) => place_of(engine, e.maker_order),
                Event::Amended(e) => {
                    let old = place_of(engine, e.order);
                    self.touch(engine, old);
                    taker = old.map(|(symbol, side, _)| (symbol, side, e.price));
                    taker
                }
                Event::Canceled(e) => place_of(engine, e.order),
                Event::Expired(e) => place_of(engine, e.order),
                Event::Handled(e) => {
                    let commands = [MessageType::NewOrder, MessageType::Amend, MessageType::SetStatus];
                    let matching = commands.iter().any(|&command| command as u8 == e.header.a);
                    self.next_pending = taker.filter(|_| matching && e.header.b == 1);
                    None
                }
                _ => None,
            };
            self.touch(engine, place);
        }
        if self.touched.len() > FEW {
            self.touched.sort_unstable_by_key(|(place, _)| *place);
            self.touched.dedup_by_key(|(place, _)| *place);
        }
    }

    fn touch(&mut self, engine: &Engine, place: Option<Place>) {
        let Some(place) = place.filter(|(_, _, price)| price.0 > 0) else { return };
        let known = self.touched.len() <= FEW && self.touched.iter().any(|(known, _)| *known == place);
        if !known && self.touched.last().is_none_or(|(last, _)| *last != place) {
            let total = engine.level_total(place.0, place.1, place.2);
            self.touched.push((place, total));
        }
    }

    /// Keeps what has changed.
    pub fn after(&mut self, engine: &Engine) {
        let sequence = engine.sequence().0;
        self.pending_taker = self.next_pending;
        for &((symbol, side, price), before) in &self.touched {
            if engine.level_total(symbol, side, price) == before {
                continue;
            }
            let ring = self.symbols.entry(symbol.0).or_default();
            ring.changes.push_back(Change { sequence, side, price: price.0, before });
            while let Some(oldest) = ring.changes.front()
                && (oldest.sequence + WINDOW <= sequence || ring.changes.len() > CHANGES_MAX)
            {
                ring.floor = oldest.sequence;
                ring.changes.pop_front();
            }
        }
    }

    /// The best `depth` levels of a book after exactly `sequence`, which the engine has reached.
    pub fn book(&self, engine: &Engine, name: &str, depth: usize, sequence: u64) -> Result<Book, QueryError> {
        let symbol = engine.symbol_named(name).ok_or_else(|| QueryError::UnknownSymbol(name.to_owned()))?;
        let now = engine.sequence().0;
        if sequence > now {
            return Err(QueryError::NotYet { asked: sequence, reached: now });
        }
        let mut overlays = [FxHashMap::default(), FxHashMap::default()];
        let ring = self.symbols.get(&symbol.0);
        let oldest = ring.map_or(0, |ring| ring.floor).max(self.began);
        if sequence < oldest {
            return Err(QueryError::TooOld { asked: sequence, oldest });
        }
        if let Some(ring) = ring {
            let first = ring.changes.partition_point(|change| change.sequence <= sequence);
            for change in ring.changes.range(first..) {
                let overlay: &mut FxHashMap<i64, i128> = &mut overlays[change.side.index()];
                overlay.entry(change.price).or_insert(change.before);
            }
        }
        let side = |side: Side| levels(engine, symbol, side, depth, &overlays[side.index()]);
        Ok(Book { symbol: name.to_owned(), sequence, bids: side(Side::Buy), asks: side(Side::Sell) })
    }
}

/// Levels of today, with those of the overlay in their place.
fn levels(engine: &Engine, symbol: SymbolId, side: Side, depth: usize, overlay: &FxHashMap<i64, i128>) -> Vec<Level> {
    let today = engine.depth(symbol, side, depth.saturating_add(overlay.len()));
    let mut levels: Vec<Level> = today.into_iter().map(|(price, total)| (price.0, total)).collect();
    if !overlay.is_empty() {
        levels.retain(|(price, _)| !overlay.contains_key(price));
        levels.extend(overlay.iter().filter(|&(_, &total)| total > 0).map(|(&price, &total)| (price, total)));
        levels.sort_unstable_by_key(|&(price, _)| if side == Side::Buy { -price } else { price });
        levels.truncate(depth);
    }
    levels
}

fn place_of(engine: &Engine, order: OrderId) -> Option<Place> {
    let order = engine.open_order(order)?;
    Some((order.symbol, order.side, order.price))
}
