//! Rows as the fold keeps them, and how they become column values (same order as in [`crate::schema`]).
//!
//! Invariants:
//! 1. An order's row is always whole: every write carries all of its columns, so writing the newest row is enough.
//! 2. `quantity = executed + prevented + cut + remaining + unfilled` (DOMAIN §4.2; `unfilled` is what was open at the
//!    end, `remaining` what is open now, so one of the two is 0).

use crate::schema::{TICK_PLACES, UNIT_PLACES};
use crate::value::{Value, decimal, finite_decimal, name_or_null};
use ringbook_event::{Accepted, Amended, Done};
use ringbook_wire::message::{NewOrder, SetSymbol, name_of};
use ringbook_wire::{
    EndReason, FeeModel, OrderState, OrderType, Side, StpMode, SymbolKind, SymbolStatus, TimeInForce, TriggerDirection,
    order_flags,
};

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Sequence of the frame.
    pub sequence: i64,
    /// Its engine time in nanoseconds.
    pub time_ns: i64,
}

/// A row of `orders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    pub(crate) order: i64,
    account: u32,
    symbol: u32,
    client_id: u128,
    side: Option<Side>,
    order_type: Option<OrderType>,
    time_in_force: Option<TimeInForce>,
    stp: Option<StpMode>,
    flags: u16,
    price: i64,
    protection: i64,
    budget: i64,
    trigger: i64,
    direction: Option<TriggerDirection>,
    display: i64,
    expire_ns: i64,
    quantity: i64,
    executed: i64,
    pub(crate) remaining: i64,
    prevented: i64,
    cut: i64,
    unfilled: i64,
    cost: i64,
    fee: i64,
    status: Option<OrderState>,
    reason: Option<EndReason>,
    sent_ns: i64,
    created: Stamp,
    pub(crate) updated: Stamp,
}

/// What an event does to an order.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// One side of a trade; all absolute but the fee.
    Trade {
        /// Left.
        remaining: i64,
        /// Traded in all.
        filled: i64,
        /// Value traded in all.
        cost: i64,
        /// Fee of this trade.
        fee: i64,
    },
    /// Self-trade prevention.
    Prevented {
        /// Left.
        remaining: i64,
        /// Lots lost now.
        lost: i64,
    },
    /// A stop order runs; at this price, which is the protection price of a market order.
    Triggered {
        /// The price.
        price: i64,
    },
    /// An amendment.
    Amended(Amended),
    /// The end.
    Done(Done),
}

impl OrderRow {
    /// The row of an order that was just accepted.
    pub fn accepted(order: i64, command: &NewOrder, event: &Accepted, stamp: Stamp) -> Self {
        // A market order has no limit; what the event carries is its protection price.
        let market = is_market(OrderType::from_code(event.header.b));
        let direction = TriggerDirection::from_code(command.trigger_direction);
        Self {
            order,
            account: event.header.subject,
            symbol: event.symbol.0,
            client_id: command.client_id.into(),
            side: Side::from_code(event.header.a),
            order_type: OrderType::from_code(event.header.b),
            time_in_force: TimeInForce::from_code(command.time_in_force),
            stp: StpMode::from_code(event.stp),
            flags: command.flags,
            price: if market { 0 } else { event.price.0 },
            protection: if market { event.price.0 } else { 0 },
            budget: command.budget.0,
            trigger: command.trigger.0,
            direction,
            display: command.display.0,
            expire_ns: i64::try_from(command.expire_at.0).unwrap_or(i64::MAX),
            quantity: event.quantity.0,
            executed: 0,
            remaining: event.quantity.0,
            prevented: 0,
            cut: 0,
            unfilled: 0,
            cost: 0,
            fee: 0,
            status: Some(if direction.is_some() { OrderState::Untriggered } else { OrderState::New }),
            reason: None,
            sent_ns: i64::try_from(command.send_time.0).unwrap_or(i64::MAX),
            created: stamp,
            updated: stamp,
        }
    }

    /// What the event did. Sums wrap around on purpose: the numbers come from a journal that was checked, and a
    /// projection that stops on a bad one would be worse than one that `verify` finds.
    pub fn apply(&mut self, change: &Change, stamp: Stamp) {
        match change {
            Change::Trade { remaining, filled, cost, fee } => {
                self.remaining = *remaining;
                self.executed = *filled;
                self.cost = *cost;
                self.fee = self.fee.wrapping_add(*fee);
                if self.budget != 0 {
                    // Its lots are what it has bought.
                    self.quantity = *filled;
                }
                self.status = Some(OrderState::PartiallyFilled);
            }
            Change::Prevented { remaining, lost } => {
                self.remaining = *remaining;
                self.prevented = self.prevented.wrapping_add(*lost);
            }
            Change::Triggered { price } => {
                self.status = Some(OrderState::New);
                if is_market(self.order_type) {
                    self.protection = *price;
                }
            }
            Change::Amended(event) => {
                self.price = event.price.0;
                if event.trigger.0 != 0 {
                    self.trigger = event.trigger.0;
                }
                self.quantity = event.quantity.0;
                self.remaining = event.remaining.0;
                self.cut = event.cut.0;
            }
            Change::Done(event) => {
                self.status = OrderState::from_code(event.header.a);
                self.reason = EndReason::from_code(event.header.b);
                self.executed = event.filled.0;
                self.cost = event.cost.0;
                self.fee = event.fee.0;
                self.unfilled = event.remaining.0;
                self.prevented = event.prevented.0;
                self.cut = event.cut.0;
                self.remaining = 0;
            }
        }
        self.updated = stamp;
    }

    /// Whether the order can still change.
    pub fn is_open(&self) -> bool {
        self.status.is_some_and(OrderState::is_open)
    }

    /// Appends the columns.
    pub fn write(&self, out: &mut Vec<Value>) {
        out.extend([
            self.order.into(),
            self.account.into(),
            self.symbol.into(),
            self.client_id.to_string().into(),
            code(self.side.map(Side::name)),
            code(self.order_type.map(OrderType::name)),
            code(self.time_in_force.map(TimeInForce::name)),
            code(self.stp.map(StpMode::name)),
            (self.flags & order_flags::POST_ONLY != 0).into(),
            (self.flags & order_flags::CANCEL_ON_DISCONNECT != 0).into(),
            (self.price != 0).then_some(self.price).into(),
            (self.protection != 0).then_some(self.protection).into(),
            (self.budget != 0).then_some(self.budget).into(),
            (self.trigger != 0).then_some(self.trigger).into(),
            name_or_null(self.direction.map(TriggerDirection::name)),
            (self.display != 0).then_some(self.display).into(),
            (self.expire_ns != 0).then_some(self.expire_ns).into(),
            self.quantity.into(),
            self.executed.into(),
            self.remaining.into(),
            self.prevented.into(),
            self.cut.into(),
            self.unfilled.into(),
            self.cost.into(),
            self.fee.into(),
            code(self.status.map(OrderState::name)),
            name_or_null(self.reason.map(EndReason::name)),
            self.sent_ns.into(),
            self.created.sequence.into(),
            self.created.time_ns.into(),
            self.updated.sequence.into(),
            self.updated.time_ns.into(),
        ]);
    }

    /// The row in column values; `None` if they are not those of an order.
    pub fn read(row: &[Value]) -> Option<Self> {
        let mut columns = row.iter();
        let mut next = || columns.next();
        let order = next()?.as_i64()?;
        let account = u32::try_from(next()?.as_i64()?).ok()?;
        let symbol = u32::try_from(next()?.as_i64()?).ok()?;
        let client_id = next()?.as_str()?.parse().ok()?;
        let side = find(Side::ALL, Side::name, next()?);
        let order_type = find(OrderType::ALL, OrderType::name, next()?);
        let time_in_force = find(TimeInForce::ALL, TimeInForce::name, next()?);
        let stp = find(StpMode::ALL, StpMode::name, next()?);
        let post_only = next()?.as_i64()? != 0;
        let on_disconnect = next()?.as_i64()? != 0;
        let price = next()?.as_i64().unwrap_or(0);
        let protection = next()?.as_i64().unwrap_or(0);
        let budget = next()?.as_i64().unwrap_or(0);
        let trigger = next()?.as_i64().unwrap_or(0);
        let direction = find(TriggerDirection::ALL, TriggerDirection::name, next()?);
        let display = next()?.as_i64().unwrap_or(0);
        let expire_ns = next()?.as_i64().unwrap_or(0);
        let mut number = || next()?.as_i64();
        let (quantity, executed, remaining) = (number()?, number()?, number()?);
        let (prevented, cut, unfilled, cost, fee) = (number()?, number()?, number()?, number()?, number()?);
        let status = find(OrderState::ALL, OrderState::name, next()?);
        let reason = find(EndReason::ALL, EndReason::name, next()?);
        let mut number = || next()?.as_i64();
        let sent_ns = number()?;
        let created = Stamp { sequence: number()?, time_ns: number()? };
        let updated = Stamp { sequence: number()?, time_ns: number()? };
        let flags = u16::from(post_only) * order_flags::POST_ONLY
            + u16::from(on_disconnect) * order_flags::CANCEL_ON_DISCONNECT;
        Some(Self {
            order,
            account,
            symbol,
            client_id,
            side,
            order_type,
            time_in_force,
            stp,
            flags,
            price,
            protection,
            budget,
            trigger,
            direction,
            display,
            expire_ns,
            quantity,
            executed,
            remaining,
            prevented,
            cut,
            unfilled,
            cost,
            fee,
            status,
            reason,
            sent_ns,
            created,
            updated,
        })
    }
}

fn is_market(order_type: Option<OrderType>) -> bool {
    matches!(order_type, Some(OrderType::Market | OrderType::StopMarket))
}

/// A code's name; a byte that names nothing (never accepted by the engine) shows as an empty text.
fn code(name: Option<&'static str>) -> Value {
    Value::name(name.unwrap_or(""))
}

fn find<T: Copy>(all: &[T], name: fn(T) -> &'static str, value: &Value) -> Option<T> {
    let text = value.as_str()?;
    all.iter().copied().find(|&item| name(item) == text)
}

/// A row of `symbols`: the command that made or changed it, and the status, which has a life of its own.
#[derive(Clone, Debug)]
pub struct SymbolRow {
    pub(crate) values: Vec<Value>,
    /// Quote units per tick and lot.
    pub(crate) k: i64,
}

impl SymbolRow {
    /// Place of `status` in the row.
    const STATUS: usize = 5;
    /// Place of `quote_per_tick_lot`.
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
        Self { values, k }
    }

    /// The row in column values.
    pub fn read(row: &[Value]) -> Option<Self> {
        Some(Self { k: row.get(Self::K)?.as_i64()?, values: row.to_vec() })
    }

    /// The status changed.
    pub fn set_status(&mut self, status: u8, stamp: Stamp) {
        self.values[Self::STATUS] = code(SymbolStatus::from_code(status).map(SymbolStatus::name));
        let end = self.values.len();
        self.values[end - 2] = stamp.sequence.into();
        self.values[end - 1] = stamp.time_ns.into();
    }
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
