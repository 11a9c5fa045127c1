//! The fold: frames in, rows out. Pure: no clock, database or file.
//!
//! ```text
//! frame ──► decode all of it (or refuse it) ──► orders, balances, …: the newest row of each key
//!                                          └──► trades, transfers, fundings, …: one row each, appended
//! ```
//!
//! Invariants:
//! 1. A frame is folded whole or not at all.
//! 2. Frames come without a gap; the batch covers exactly `(base, position]`.
//! 3. What the fold keeps between batches is a cache of what the database holds at `base`: open orders, symbols,
//!    scales of assets, own fee rates, perpetuals, the last stage of a liquidation, INSURANCE's futures wallets. Orders
//!    that it does not know (after a start) wait with their changes until the flush has read their rows; the same code then
//!    applies the changes.

mod batch;
mod config;
mod fund;
mod futures;
mod history;
mod known;
mod scope;

pub use batch::RowSet;
pub(crate) use config::keep_columns;

use crate::command::{Command, Money, Of, money_kind};
use crate::frame::{Frame, Position};
use crate::order_row::{Change, OrderRow};
use crate::perpetual_row::PerpetualRow;
use crate::rows::{FeeRow, Stamp, SymbolRow, exchange_row};
use crate::scope::Scope;
use crate::value::Value;
use batch::Batch;
use fund::FundFrame;
use futures::Place;
use ringbook_event::{Event, events, split_command};
use ringbook_wire::Wallet;
use rustc_hash::FxHashMap;

/// A frame that is not Ringbook's, or not the next one.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// Not the next frame.
    #[error(
        "frame {found} came where {expected} was due: the source skipped or repeated frames; restart the projector, and if it stays, run `ringbook journal verify`"
    )]
    Gap {
        /// Due.
        expected: u64,
        /// Came.
        found: u64,
    },
    /// The term fell.
    #[error(
        "frame {sequence} has term {found} after term {last}: the journal was cut back under the projection; run `ringbook projection rebuild`"
    )]
    Term {
        /// Which.
        sequence: u64,
        /// Its term.
        found: u32,
        /// Term of the frame before.
        last: u32,
    },
    /// Bytes that cannot be decoded.
    #[error(
        "frame {sequence} cannot be read: {what}; run `ringbook journal verify` and check that this binary is not older than the journal's writer"
    )]
    Bytes {
        /// Which.
        sequence: u64,
        /// Why.
        what: String,
    },
}

/// Folds frames into rows. See the module's text.
#[derive(Debug)]
pub struct Projector {
    base: Position,
    position: Position,
    orders: FxHashMap<i64, OrderRow>,
    symbols: FxHashMap<u32, SymbolRow>,
    scales: FxHashMap<u32, u8>,
    fees: FxHashMap<(u32, u32), FeeRow>,
    perpetuals: FxHashMap<u32, PerpetualRow>,
    /// The last stage of a liquidation.
    stage: Option<Vec<Value>>,
    /// INSURANCE's futures wallets by asset.
    fund: FxHashMap<u32, i64>,
    fund_frame: FundFrame,
    scope: Scope,
    order_cache: usize,
    batch: Batch,
    decoded: Vec<Event>,
}

impl Projector {
    /// A fold that goes on where a database stands. `order_cache` bounds the open orders kept between batches.
    pub fn new(base: Position, order_cache: usize) -> Self {
        Self {
            base,
            position: base,
            orders: FxHashMap::default(),
            symbols: FxHashMap::default(),
            scales: FxHashMap::default(),
            fees: FxHashMap::default(),
            perpetuals: FxHashMap::default(),
            stage: None,
            fund: FxHashMap::default(),
            fund_frame: FundFrame::default(),
            scope: Scope::All,
            order_cache,
            batch: Batch::default(),
            decoded: Vec::new(),
        }
    }

    /// Where the database stands.
    pub fn base(&self) -> &Position {
        &self.base
    }

    /// Where the database stands once the batch is committed.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Frames in the batch.
    pub fn frames(&self) -> u64 {
        self.batch.frames
    }

    /// Rows that the batch will write.
    pub fn rows(&self) -> usize {
        self.batch.rows()
    }

    /// Whether nothing was folded since the last commit.
    pub fn is_empty(&self) -> bool {
        self.batch.frames == 0
    }

    /// Folds one frame.
    ///
    /// # Errors
    /// It is not the next frame or cannot be read; nothing of it was folded.
    pub fn push(&mut self, frame: &Frame<'_>) -> Result<(), FoldError> {
        let expected = self.position.sequence + 1;
        if frame.sequence != expected {
            return Err(FoldError::Gap { expected, found: frame.sequence });
        }
        if frame.term < self.position.term {
            return Err(FoldError::Term { sequence: expected, found: frame.term, last: self.position.term });
        }
        let bytes = |what: String| FoldError::Bytes { sequence: frame.sequence, what };
        let stamp = match (i64::try_from(frame.sequence), i64::try_from(frame.time_ns)) {
            (Ok(sequence), Ok(time_ns)) => Stamp { sequence, time_ns },
            _ => return Err(bytes("sequence or time is beyond 63 bits".into())),
        };
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        for event in events(frame.events) {
            decoded.push(event.map_err(|e| bytes(e.to_string()))?);
        }
        // A fence has no command.
        let message: &[u8] = if frame.command.is_empty() {
            &[]
        } else {
            split_command(frame.command).map_err(|e| bytes(e.to_string()))?.2
        };
        let command = Command::read(message);
        decoded.iter().try_for_each(|event| check(event, &command)).map_err(bytes)?;

        // Point of no return: everything below succeeds.
        let mut place = Place { stamp, time_ns: frame.time_ns, item: 0 };
        for event in &decoded {
            if self.in_scope(event, &command) {
                self.event(event, &command, place);
            }
            place.item += 1;
        }
        self.fund_frame_ends(place);
        self.decoded = decoded;
        self.position.sequence = frame.sequence;
        self.position.term = frame.term;
        self.position.time_ns = frame.time_ns;
        self.batch.frames += 1;
        Ok(())
    }

    fn event(&mut self, event: &Event, command: &Command, place: Place) {
        let Place { stamp, time_ns, .. } = place;
        match event {
            Event::Accepted(e) => {
                if let Command::NewOrder(new) = command {
                    let order = e.order.0 as i64;
                    self.orders.insert(order, OrderRow::accepted(order, new, e, stamp));
                    self.batch.orders.insert(order);
                }
            }
            Event::Trade(e) => {
                self.trade(e, stamp, time_ns);
                let taker = Change::Trade {
                    remaining: e.taker_remaining.0,
                    filled: e.taker_filled.0,
                    cost: e.taker_cost.0,
                    fee: e.taker_fee.0,
                };
                let maker = Change::Trade {
                    remaining: e.maker_remaining.0,
                    filled: e.maker_filled.0,
                    cost: e.maker_cost.0,
                    fee: e.maker_fee.0,
                };
                self.change(e.taker_order.0, taker, stamp);
                self.change(e.maker_order.0, maker, stamp);
                self.fund_traded(e, place);
            }
            Event::Prevented(e) => {
                let taker = Change::Prevented { remaining: e.taker_remaining.0, lost: e.taker_quantity.0 };
                let maker = Change::Prevented { remaining: e.maker_remaining.0, lost: e.maker_quantity.0 };
                self.change(e.taker_order.0, taker, stamp);
                self.change(e.maker_order.0, maker, stamp);
            }
            Event::Amended(e) => self.change(e.order.0, Change::Amended(*e), stamp),
            Event::Triggered(e) => self.change(e.order.0, Change::Triggered { price: e.price.0 }, stamp),
            Event::Expired(e) if e.code != 0 => self.change(e.order.0, Change::Failed { code: e.code }, stamp),
            Event::Done(e) => self.change(e.order.0, Change::Done(*e), stamp),
            Event::Balance(e) if e.header.a == Wallet::Futures.code() => self.futures_balance(e, stamp),
            Event::Balance(e) => {
                let row = (e.available.0, e.held.0, stamp);
                self.batch.balances.insert((e.header.subject, e.asset.0), row);
            }
            Event::Status(e) if e.header.subject == 0 => self.batch.exchange = exchange_row(e.header.a, stamp),
            Event::Status(e) => {
                if let Some(symbol) = self.symbols.get_mut(&e.header.subject) {
                    symbol.set_status(e.header.a, stamp);
                    self.batch.symbols.insert(e.header.subject);
                }
            }
            Event::Config(e) if e.header.b != 0 => self.only_reduces(e.header.subject, stamp),
            Event::Config(_) => self.config(command, stamp),
            Event::Transfer(e) if e.header.b == 0 => {
                let (account, kind) = (e.header.subject, e.header.a);
                // A withdrawal's event has it negative; the row has the amount as it was asked for.
                let amount = if kind == 2 { e.amount.0.saturating_neg() } else { e.amount.0 };
                let of = if kind > 4 { Of::Perpetual(e.asset.0) } else { Of::Asset(e.asset.0) };
                let (kind_name, adjustment, reference) = (money_kind(kind), e.adjustment, e.reference);
                let money = Money { kind: kind_name, of, adjustment, amount, reference };
                self.transfer(account, &money, None, stamp, time_ns);
                match kind {
                    3 => self.fund_transferred(account, e.asset.0, amount, place),
                    4 => self.fund_transferred(account, e.asset.0, amount.saturating_neg(), place),
                    _ => {}
                }
            }
            Event::Busted(e) => self.busted(e, stamp, time_ns),
            Event::Rejected(e) => self.rejected(e, command, stamp, time_ns),
            // CANCELED and EXPIRED come with a DONE that says the rest; a repeated outcome and a plain HANDLED change
            // nothing.
            Event::Transfer(_)
            | Event::Canceled(_)
            | Event::Expired(_)
            | Event::Replayed(_)
            | Event::Handled(_)
            | Event::Refreshed(_) => {}
            futures => self.futures_event(futures, command, place),
        }
    }

    fn change(&mut self, order: u64, change: Change, stamp: Stamp) {
        let order = order as i64;
        match self.orders.get_mut(&order) {
            Some(row) => {
                row.apply(&change, stamp);
                self.batch.orders.insert(order);
            }
            None => self.batch.waiting.entry(order).or_default().push((change, stamp)),
        }
    }

    /// Orders of the batch whose rows must be read before [`Self::row_sets`], by rising id.
    pub fn unknown_orders(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.batch.waiting.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// The row of an unknown order, as it was at `base`.
    pub fn found_order(&mut self, mut row: OrderRow) {
        if let Some(changes) = self.batch.waiting.remove(&row.order) {
            for (change, stamp) in changes {
                row.apply(&change, stamp);
            }
            self.batch.orders.insert(row.order);
        }
        self.orders.insert(row.order, row);
    }

    /// Orders that are still unknown after the look-up: id and sequence of the newest change.
    pub fn lost_orders(&self) -> Vec<(i64, i64)> {
        let newest = |changes: &Vec<(Change, Stamp)>| changes.last().map_or(0, |c| c.1.sequence);
        let mut out: Vec<_> = self.batch.waiting.iter().map(|(id, changes)| (*id, newest(changes))).collect();
        out.sort_unstable();
        out
    }

    /// The batch is in the database.
    pub fn committed(&mut self) {
        self.base = self.position;
        for id in &self.batch.orders {
            if self.orders.get(id).is_some_and(|row| !row.is_open()) {
                self.orders.remove(id);
            }
        }
        if self.orders.len() > self.order_cache {
            // Forget the half that has been still for longest; the database gives them back when they move.
            let mut times: Vec<i64> = self.orders.values().map(|row| row.updated.sequence).collect();
            let middle = times.len() / 2;
            let bound = *times.select_nth_unstable(middle).1;
            self.orders.retain(|_, row| row.updated.sequence > bound);
        }
        self.batch = Batch::default();
    }
}

/// What must hold before a frame is folded.
fn check(event: &Event, command: &Command) -> Result<(), String> {
    let id = |what: &str, id: u64| match i64::try_from(id) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("{what} {id} is beyond 63 bits")),
    };
    match event {
        Event::Accepted(_) if !matches!(command, Command::NewOrder(_)) => {
            Err("ACCEPTED in a frame whose command is not NEW_ORDER".into())
        }
        Event::Accepted(e) => id("order", e.order.0),
        Event::Trade(e) => id("trade", e.trade.0).and(id("order", e.taker_order.0)).and(id("order", e.maker_order.0)),
        Event::Prevented(e) => id("order", e.taker_order.0).and(id("order", e.maker_order.0)),
        Event::Amended(e) => id("order", e.order.0),
        Event::Expired(e) => id("order", e.order.0),
        Event::Done(e) => id("order", e.order.0),
        Event::Liquidation(e) => id("order", e.order.0),
        Event::Realized(e) => id("trade", e.trade.0).and(id("order", e.order.0)),
        Event::Busted(e) => id("trade", e.trade.0).and(id("order", e.buy_order.0)).and(id("order", e.sell_order.0)),
        _ => Ok(()),
    }
}
