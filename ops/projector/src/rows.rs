//! Rows as the fold keeps them, and how they become column values (same order as in [`crate::schema`]).
//!
//! Invariant: a row is always whole, so writing the newest one is enough.

use crate::schema::{TICK_PLACES, UNIT_PLACES};
use crate::value::{Value, decimal, finite_decimal, name_or_null};
use ringbook_wire::message::{SetFees, SetSymbol, name_of};
use ringbook_wire::{FeeModel, StpMode, SymbolKind, SymbolStatus};

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Sequence of the frame.
    pub sequence: i64,
    /// Its engine time in nanoseconds.
    pub time_ns: i64,
}

/// A code's name; a byte that names nothing (never accepted by the engine) shows as an empty text.
pub(crate) fn code(name: Option<&'static str>) -> Value {
    Value::name(name.unwrap_or(""))
}

/// A row of `symbols`: the command that made or changed it, and the status, which has a life of its own.
#[derive(Clone, Debug)]
pub struct SymbolRow {
    pub(crate) values: Vec<Value>,
    /// Quote units per tick and lot.
    pub(crate) k: i64,
    /// Quote asset; of a perpetual the settlement asset.
    pub(crate) quote: u32,
    /// Whether it is a perpetual.
    pub(crate) perpetual: bool,
}

impl SymbolRow {
    /// Places in the row.
    const QUOTE: usize = 3;
    const KIND: usize = 4;
    const STATUS: usize = 5;
    const K: usize = 9;

    /// The row after SET_SYMBOL. `before` keeps its status; `scales` are those of base and quote.
    pub fn set(command: &SetSymbol, scales: (u8, u8), before: Option<&Self>, stamp: Stamp) -> Self {
        let (base_scale, quote_scale) = (i32::from(scales.0), i32::from(scales.1));
        let (k, base_lot) = (command.quote_per_tick_lot.0, command.base_lot.0);
        let tick = finite_decimal(k, base_lot, base_scale - quote_scale)
            .filter(|&(_, places)| places <= TICK_PLACES as i32)
            .and_then(|(m, p)| Some((m, p, decimal(m.into(), p, TICK_PLACES)?)));
        let status = match before {
            Some(row) => row.values[Self::STATUS].clone(),
            None => code(SymbolStatus::from_code(command.status).map(SymbolStatus::name)),
        };
        let values = vec![
            command.symbol.0.into(),
            text_field(&command.name),
            command.base.0.into(),
            command.quote.0.into(),
            code(SymbolKind::from_code(command.kind).map(SymbolKind::name)),
            status,
            code(FeeModel::from_code(command.fee_model).map(FeeModel::name)),
            u32::from(command.fee_group).into(),
            base_lot.into(),
            k.into(),
            tick.as_ref().map(|t| t.2.clone()).into(),
            tick.as_ref().map(|t| t.0).into(),
            tick.as_ref().map(|t| i64::from(t.1)).into(),
            decimal(base_lot.into(), base_scale, UNIT_PLACES).into(),
            command.min_price.0.into(),
            command.max_price.0.into(),
            command.min_quantity.0.into(),
            command.max_quantity.0.into(),
            command.max_market_quantity.0.into(),
            command.min_notional.0.into(),
            command.max_notional.0.into(),
            command.band.0.into(),
            command.slip.0.into(),
            command.taker.0.into(),
            command.maker.0.into(),
            command.max_open_orders.into(),
            command.max_trigger_orders.into(),
            code(StpMode::from_code(command.stp).map(StpMode::name)),
            stamp.sequence.into(),
            stamp.time_ns.into(),
            stamp.sequence.into(),
            stamp.time_ns.into(),
        ];
        let perpetual = command.kind == SymbolKind::Perpetual.code();
        Self { values, k, quote: command.quote.0, perpetual }
    }

    /// The row in column values.
    pub fn read(row: &[Value]) -> Option<Self> {
        let quote = u32::try_from(row.get(Self::QUOTE)?.as_i64()?).ok()?;
        let perpetual = row.get(Self::KIND)?.as_str() == Some(SymbolKind::Perpetual.name());
        Some(Self { k: row.get(Self::K)?.as_i64()?, quote, perpetual, values: row.to_vec() })
    }

    /// The status changed.
    pub fn set_status(&mut self, status: u8, stamp: Stamp) {
        self.values[Self::STATUS] = code(SymbolStatus::from_code(status).map(SymbolStatus::name));
        let end = self.values.len();
        self.values[end - 2] = stamp.sequence.into();
        self.values[end - 1] = stamp.time_ns.into();
    }
}

/// A row of `fee_schedules`: an account's own rates for a fee group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRow {
    pub(crate) account: u32,
    pub(crate) group: u32,
    taker: i64,
    maker: i64,
    active: bool,
    created: Stamp,
    updated: Stamp,
}

impl FeeRow {
    /// The row after SET_FEES. Rates that were removed stay to be seen; `None` if there was nothing to remove.
    pub fn set(command: &SetFees, before: Option<&Self>, stamp: Stamp) -> Option<Self> {
        let (account, group) = (command.account.0, u32::from(command.fee_group));
        let created = before.map_or(stamp, |row| row.created);
        if command.removed != 0 {
            return before.map(|row| Self { active: false, updated: stamp, ..*row });
        }
        let (taker, maker) = (command.taker.0, command.maker.0);
        Some(Self { account, group, taker, maker, active: true, created, updated: stamp })
    }

    /// Appends the columns.
    pub fn write(&self, out: &mut Vec<Value>) {
        out.extend([
            self.account.into(),
            self.group.into(),
            self.taker.into(),
            self.maker.into(),
            self.active.into(),
            self.created.sequence.into(),
            self.created.time_ns.into(),
            self.updated.sequence.into(),
            self.updated.time_ns.into(),
        ]);
    }

    /// The row in column values; `None` if they are not those of rates.
    pub fn read(row: &[Value]) -> Option<Self> {
        let mut columns = row.iter();
        let mut number = || columns.next()?.as_i64();
        Some(Self {
            account: u32::try_from(number()?).ok()?,
            group: u32::try_from(number()?).ok()?,
            taker: number()?,
            maker: number()?,
            active: number()? != 0,
            created: Stamp { sequence: number()?, time_ns: number()? },
            updated: Stamp { sequence: number()?, time_ns: number()? },
        })
    }
}

/// The row of `exchange`.
pub fn exchange_row(status: u8, stamp: Stamp) -> Vec<Value> {
    let status = code(SymbolStatus::from_code(status).map(SymbolStatus::name));
    vec![0i64.into(), status, stamp.sequence.into(), stamp.time_ns.into()]
}

/// A row of `assets`.
pub fn asset_row(asset: u32, name: &[u8], scale: u8, stamp: Stamp) -> Vec<Value> {
    vec![
        asset.into(),
        text_field(name),
        i64::from(scale).into(),
        10i64.checked_pow(scale.into()).into(),
        decimal(1, scale.into(), UNIT_PLACES).into(),
        stamp.sequence.into(),
        stamp.time_ns.into(),
        stamp.sequence.into(),
        stamp.time_ns.into(),
    ]
}

/// A row of `accounts`; `name` is that of an account of the exchange.
pub fn account_row(account: u32, name: Option<&'static str>, group: u32, suspended: bool, stamp: Stamp) -> Vec<Value> {
    vec![
        account.into(),
        Value::name(if name.is_some() { "SYSTEM" } else { "CUSTOMER" }),
        name_or_null(name),
        group.into(),
        suspended.into(),
        stamp.sequence.into(),
        stamp.time_ns.into(),
        stamp.sequence.into(),
        stamp.time_ns.into(),
    ]
}

fn text_field(field: &[u8]) -> Value {
    Value::from(name_of(field).unwrap_or("").to_owned())
}
