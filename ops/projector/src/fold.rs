//! The fold: frames in, rows out. Pure: no clock, database or file.
//!
//! ```text
//! frame ──► decode all of it (or refuse it) ──► orders, balances, …: the newest row of each key
//!                                          └──► trades, transfers, rejections: one row each, appended
//! ```
//!
//! Invariants:
//! 1. A frame is folded whole or not at all.
//! 2. Frames come without a gap; the batch covers exactly `(base, position]`.
//! 3. What the fold keeps between batches is a cache of what the database holds at `base`: open orders, symbols,
//!    scales of assets. Orders that it does not know (after a start) wait with their changes until the flush has read
//!    their rows; the same code then applies the changes.

use crate::command::{Command, message_name};
use crate::frame::{Frame, Position};
use crate::rows::{Change, OrderRow, Stamp, SymbolRow, account_row, asset_row};
use crate::schema::{ACCOUNTS, ASSETS, BALANCES, ORDERS, REJECTIONS, SYMBOLS, TRADES, TRANSFERS, Table};
use crate::value::{Value, day, name_or_null};
use ringbook_event::{Event, Rejected, Trade, events, split_command};
use ringbook_wire::{AccountId, Liquidity, OrderType, RejectCode, Side};
use rustc_hash::{FxHashMap, FxHashSet};

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

/// Rows of one table, flat, by rising key.
#[derive(Debug)]
pub struct RowSet {
    /// Whose.
    pub table: &'static Table,
    /// `rows × columns` values.
    pub values: Vec<Value>,
}

impl RowSet {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.table.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// What the frames since the last commit did.
#[derive(Debug, Default)]
struct Batch {
    frames: u64,
    appended: usize,
    orders: FxHashSet<i64>,
    waiting: FxHashMap<i64, Vec<(Change, Stamp)>>,
    balances: FxHashMap<(u32, u32), (i64, i64, Stamp)>,
    accounts: FxHashMap<u32, Vec<Value>>,
    assets: FxHashMap<u32, Vec<Value>>,
    symbols: FxHashSet<u32>,
    trades: Vec<Value>,
    transfers: Vec<Value>,
    rejections: Vec<Value>,
}

/// Folds frames into rows. See the module's text.
#[derive(Debug)]
pub struct Projector {
    base: Position,
    position: Position,
    orders: FxHashMap<i64, OrderRow>,
    symbols: FxHashMap<u32, SymbolRow>,
    scales: FxHashMap<u32, u8>,
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
            order_cache,
            batch: Batch::default(),
            decoded: Vec::new(),
        }
    }

    /// Takes over rows of `assets`, `symbols` or `orders` that the database holds.
    pub fn know(&mut self, table: &Table, row: &[Value]) {
        let id = row.first().and_then(Value::as_i64).and_then(|v| u32::try_from(v).ok());
        match (table.name, id) {
            ("assets", Some(id)) => {
                if let Some(scale) = row.get(2).and_then(Value::as_i64).and_then(|v| u8::try_from(v).ok()) {
                    self.scales.insert(id, scale);
                }
            }
            ("symbols", Some(id)) => {
                if let Some(symbol) = SymbolRow::read(row) {
                    self.symbols.insert(id, symbol);
                }
            }
            ("orders", _) => {
                if let Some(order) = OrderRow::read(row) {
                    self.found_order(order);
                }
            }
            _ => {}
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
        let b = &self.batch;
        b.appended
            + b.orders.len()
            + b.waiting.len()
            + b.balances.len()
            + b.accounts.len()
            + b.assets.len()
            + b.symbols.len()
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
        for event in &decoded {
            self.event(event, &command, stamp, frame.time_ns);
        }
        self.decoded = decoded;
        self.position.sequence = frame.sequence;
        self.position.term = frame.term;
        self.position.time_ns = frame.time_ns;
        self.batch.frames += 1;
        Ok(())
    }

    fn event(&mut self, event: &Event, command: &Command, stamp: Stamp, time_ns: u64) {
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
            }
            Event::Prevented(e) => {
                let taker = Change::Prevented { remaining: e.taker_remaining.0, lost: e.taker_quantity.0 };
                let maker = Change::Prevented { remaining: e.maker_remaining.0, lost: e.maker_quantity.0 };
                self.change(e.taker_order.0, taker, stamp);
                self.change(e.maker_order.0, maker, stamp);
            }
            Event::Amended(e) => self.change(e.order.0, Change::Amended(*e), stamp),
            Event::Triggered(e) => self.change(e.order.0, Change::Triggered { price: e.price.0 }, stamp),
            Event::Done(e) => self.change(e.order.0, Change::Done(*e), stamp),
            Event::Balance(e) => {
                let row = (e.available.0, e.held.0, stamp);
                self.batch.balances.insert((e.header.subject, e.asset.0), row);
            }
            Event::Status(e) => {
                if let Some(symbol) = self.symbols.get_mut(&e.header.subject) {
                    symbol.set_status(e.header.a, stamp);
                    self.batch.symbols.insert(e.header.subject);
                }
            }
            Event::Config(_) => self.config(command, stamp),
            Event::Transfer(e) if e.header.b == 0 => {
                let (kind, amount) =
                    if e.header.a == 1 { ("DEPOSIT", e.amount.0) } else { ("WITHDRAW", e.amount.0.saturating_neg()) };
                let row = [
                    e.header.subject.into(),
                    e.asset.0.into(),
                    Value::name(kind),
                    Value::name("APPLIED"),
                    e.adjustment.into(),
                    amount.into(),
                    e.amount.0.into(),
                    e.reference.into(),
                    Value::Null,
                    Value::Null,
                ];
                self.transfer(row, stamp, time_ns);
            }
            Event::Rejected(e) => self.rejected(e, command, stamp, time_ns),
            // CANCELED and EXPIRED come with a DONE that says all; a repeated outcome and a plain HANDLED change nothing.
            Event::Transfer(_)
            | Event::Canceled(_)
            | Event::Expired(_)
            | Event::Replayed(_)
            | Event::Handled(_)
            | Event::Refreshed(_)
            | Event::Busted(_) => {}
        }
    }

    fn trade(&mut self, e: &Trade, stamp: Stamp, time_ns: u64) {
        let k = self.symbols.get(&e.header.subject).map(|s| s.k);
        let value = k.and_then(|k| e.price.0.checked_mul(e.quantity.0)?.checked_mul(k));
        self.batch.appended += 1;
        self.batch.trades.extend([
            e.trade.0.into(),
            day(time_ns).into(),
            e.header.subject.into(),
            e.price.0.into(),
            e.quantity.0.into(),
            value.into(),
            Value::name(Side::from_code(e.header.a).map_or("", Side::name)),
            Value::name(if e.header.b == 2 { "UNCROSS" } else { Liquidity::Taker.name() }),
            e.taker_order.0.into(),
            e.maker_order.0.into(),
            e.taker_account.0.into(),
            e.maker_account.0.into(),
            e.taker_fee.0.into(),
            e.maker_fee.0.into(),
            stamp.sequence.into(),
            stamp.time_ns.into(),
        ]);
    }

    /// `row` is what stands between `day` and `time_ns`.
    fn transfer(&mut self, row: [Value; 10], stamp: Stamp, time_ns: u64) {
        self.batch.appended += 1;
        self.batch.transfers.extend([stamp.sequence.into(), day(time_ns).into()]);
        self.batch.transfers.extend(row);
        self.batch.transfers.push(stamp.time_ns.into());
    }

    fn rejected(&mut self, e: &Rejected, command: &Command, stamp: Stamp, time_ns: u64) {
        let code_name = name_or_null(RejectCode::from_code(e.code).map(RejectCode::name));
        let code = Value::from(u32::from(e.code));
        let account = Value::from(e.header.subject);
        if let Command::Money { kind, asset, adjustment, amount, reference } = *command {
            let row = [
                account,
                asset.into(),
                Value::name(kind),
                Value::name("REFUSED"),
                adjustment.into(),
                amount.into(),
                0i64.into(),
                reference.into(),
                code,
                code_name,
            ];
            return self.transfer(row, stamp, time_ns);
        }
        let [mut order, mut symbol, mut side, mut kind, mut price, mut quantity] = [const { Value::Null }; 6];
        match command {
            Command::NewOrder(c) => {
                symbol = c.symbol.0.into();
                side = name_or_null(Side::from_code(c.side).map(Side::name));
                kind = name_or_null(OrderType::from_code(c.order_type).map(OrderType::name));
                (price, quantity) = (c.price.0.into(), c.quantity.0.into());
            }
            Command::Cancel(c) => order = c.order.0.into(),
            Command::Amend(c) => {
                order = c.order.0.into();
                (price, quantity) = (c.price.0.into(), c.quantity.0.into());
            }
            Command::CancelAll(c) => symbol = c.symbol.0.into(),
            _ => {}
        }
        self.batch.appended += 1;
        self.batch.rejections.extend([
            stamp.sequence.into(),
            day(time_ns).into(),
            account,
            message_name(e.header.a),
            code,
            code_name,
            u128::from(e.client_id).to_string().into(),
            order,
            symbol,
            side,
            kind,
            price,
            quantity,
            stamp.time_ns.into(),
        ]);
    }

    fn config(&mut self, command: &Command, stamp: Stamp) {
        match command {
            Command::SetAsset(c) => {
                self.scales.insert(c.asset.0, c.scale);
                self.first_kept(&ASSETS, c.asset.0, asset_row(c.asset.0, &c.name, c.scale, stamp));
            }
            Command::SetSymbol(c) => {
                let scale = |asset: u32| self.scales.get(&asset).copied().unwrap_or(0);
                let row = SymbolRow::set(c, (scale(c.base.0), scale(c.quote.0)), self.symbols.get(&c.symbol.0), stamp);
                let mut row = row;
                if let Some(before) = self.symbols.get(&c.symbol.0) {
                    keep_columns(&SYMBOLS, &before.values, &mut row.values);
                }
                self.symbols.insert(c.symbol.0, row);
                self.batch.symbols.insert(c.symbol.0);
            }
            Command::SetAccount(c) => {
                let row = account_row(c.account.0, system_name(c.account), c.group, c.suspended != 0, stamp);
                self.first_kept(&ACCOUNTS, c.account.0, row);
            }
            Command::Genesis => {
                for account in [AccountId::FEES, AccountId::INSURANCE, AccountId::ROUNDING, AccountId::EXTERNAL] {
                    let row = account_row(account.0, system_name(account), 0, false, stamp);
                    self.first_kept(&ACCOUNTS, account.0, row);
                }
            }
            _ => {}
        }
    }

    /// Puts a row of `assets` or `accounts` into the batch; what an earlier row of the batch fixed stays.
    fn first_kept(&mut self, table: &'static Table, id: u32, mut row: Vec<Value>) {
        let rows = if table.name == ASSETS.name { &mut self.batch.assets } else { &mut self.batch.accounts };
        if let Some(before) = rows.get(&id) {
            keep_columns(table, before, &mut row);
        }
        rows.insert(id, row);
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

    /// The rows of the batch by table, in the order of [`crate::schema::DATA_TABLES`].
    pub fn row_sets(&self) -> Vec<RowSet> {
        let b = &self.batch;
        let mut sets = Vec::with_capacity(8);
        let mut add = |table: &'static Table, values: Vec<Value>| {
            debug_assert_eq!(values.len() % table.columns.len(), 0);
            if !values.is_empty() {
                sets.push(RowSet { table, values });
            }
        };
        add(&ASSETS, by_key(&b.assets));
        let mut ids: Vec<_> = b.symbols.iter().filter_map(|id| self.symbols.get_key_value(id)).collect();
        ids.sort_unstable_by_key(|(id, _)| **id);
        add(&SYMBOLS, ids.iter().flat_map(|(_, row)| row.values.iter().cloned()).collect());
        add(&ACCOUNTS, by_key(&b.accounts));
        let mut balances: Vec<_> = b.balances.iter().collect();
        balances.sort_unstable_by_key(|(key, _)| **key);
        let mut values = Vec::with_capacity(balances.len() * BALANCES.columns.len());
        for ((account, asset), (available, held, stamp)) in balances {
            values.extend([
                (*account).into(),
                (*asset).into(),
                (*available).into(),
                (*held).into(),
                stamp.sequence.into(),
                stamp.time_ns.into(),
            ]);
        }
        add(&BALANCES, values);
        let mut ids: Vec<_> = b.orders.iter().copied().collect();
        ids.sort_unstable();
        let mut values = Vec::with_capacity(ids.len() * ORDERS.columns.len());
        for row in ids.iter().filter_map(|id| self.orders.get(id)) {
            row.write(&mut values);
        }
        add(&ORDERS, values);
        add(&TRADES, b.trades.clone());
        add(&TRANSFERS, b.transfers.clone());
        add(&REJECTIONS, b.rejections.clone());
        sets
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

fn by_key(rows: &FxHashMap<u32, Vec<Value>>) -> Vec<Value> {
    let mut ids: Vec<_> = rows.iter().collect();
    ids.sort_unstable_by_key(|(id, _)| **id);
    ids.into_iter().flat_map(|(_, row)| row.iter().cloned()).collect()
}

/// Copies the columns that a later upsert must not change.
pub(crate) fn keep_columns(table: &Table, before: &[Value], row: &mut [Value]) {
    for (index, _) in table.columns.iter().enumerate().filter(|(_, c)| c.keep) {
        row[index] = before[index].clone();
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
        Event::Done(e) => id("order", e.order.0),
        _ => Ok(()),
    }
}

/// Name of an account of the exchange.
fn system_name(account: AccountId) -> Option<&'static str> {
    match account {
        AccountId::FEES => Some("FEES"),
        AccountId::INSURANCE => Some("INSURANCE"),
        AccountId::ROUNDING => Some("ROUNDING"),
        AccountId::EXTERNAL => Some("EXTERNAL"),
        _ => None,
    }
}
