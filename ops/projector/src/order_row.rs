//! A row of `orders`: made by ACCEPTED, or by LIQUIDATION for the engine's own, changed by what happens to the order.
//!
//! Invariants:
//! 1. An order's row is always whole: every write carries all of its columns, so writing the newest row is enough.
//! 2. `quantity = executed + prevented + cut + remaining + unfilled` (DOMAIN §4.2; `unfilled` is what was open at the
//!    end, `remaining` what is open now, so one of the two is 0).

use crate::rows::{Stamp, code};
use crate::value::{Value, name_or_null};
use ringbook_event::{Accepted, Amended, Done, Liquidation};
use ringbook_wire::message::NewOrder;
use ringbook_wire::{
    EndReason, OrderState, OrderType, RejectCode, Side, StpMode, TimeInForce, TriggerDirection, TriggerSource,
    order_flags,
};

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
    /// The engine's own order of a liquidation.
    liquidation: bool,
    price: i64,
    protection: i64,
    budget: i64,
    trigger: i64,
    direction: Option<TriggerDirection>,
    source: Option<TriggerSource>,
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
    /// Why a stop order failed when it fired; 0 for all others.
    code: u16,
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
    /// A stop order failed when it fired; its DONE follows.
    Failed {
        /// Why.
        code: u16,
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
            liquidation: false,
            price: if market { 0 } else { event.price.0 },
            protection: if market { event.price.0 } else { 0 },
            budget: command.budget.0,
            trigger: command.trigger.0,
            direction,
            source: TriggerSource::from_code(command.trigger_source),
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
            code: 0,
            sent_ns: i64::try_from(command.send_time.0).unwrap_or(i64::MAX),
            created: stamp,
            updated: stamp,
        }
    }

    /// The row of the order of a liquidation's stage: nobody sent it, so it has no client id and no send time.
    pub fn of_liquidation(order: i64, event: &Liquidation, stamp: Stamp) -> Self {
        Self {
            order,
            account: event.header.subject,
            symbol: event.symbol.0,
            client_id: 0,
            side: Some(if event.position.0 > 0 { Side::Sell } else { Side::Buy }),
            order_type: Some(OrderType::Limit),
            time_in_force: Some(TimeInForce::Ioc),
            stp: Some(StpMode::None),
            flags: 0,
            liquidation: true,
            price: event.price.0,
            protection: 0,
            budget: 0,
            trigger: 0,
            direction: None,
            source: None,
            display: 0,
            expire_ns: 0,
            quantity: event.quantity.0,
            executed: 0,
            remaining: event.quantity.0,
            prevented: 0,
            cut: 0,
            unfilled: 0,
            cost: 0,
            fee: 0,
            status: Some(OrderState::New),
            reason: None,
            code: 0,
            sent_ns: 0,
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
            Change::Failed { code } => self.code = *code,
            Change::Amended(event) => {
                // The trim of a market order tells its protection price.
                *(if is_market(self.order_type) { &mut self.protection } else { &mut self.price }) = event.price.0;
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
            (self.flags & order_flags::REDUCE_ONLY != 0).into(),
            (self.flags & order_flags::CLOSE_POSITION != 0).into(),
            self.liquidation.into(),
            (self.price != 0).then_some(self.price).into(),
            (self.protection != 0).then_some(self.protection).into(),
            (self.budget != 0).then_some(self.budget).into(),
            (self.trigger != 0).then_some(self.trigger).into(),
            name_or_null(self.direction.map(TriggerDirection::name)),
            name_or_null(self.source.map(TriggerSource::name)),
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
            (self.code != 0).then_some(u32::from(self.code)).into(),
            name_or_null(RejectCode::from_code(self.code).map(RejectCode::name)),
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
        let reduce_only = next()?.as_i64()? != 0;
        let close_position = next()?.as_i64()? != 0;
        let liquidation = next()?.as_i64()? != 0;
        let price = next()?.as_i64().unwrap_or(0);
        let protection = next()?.as_i64().unwrap_or(0);
        let budget = next()?.as_i64().unwrap_or(0);
        let trigger = next()?.as_i64().unwrap_or(0);
        let direction = find(TriggerDirection::ALL, TriggerDirection::name, next()?);
        let source = find(TriggerSource::ALL, TriggerSource::name, next()?);
        let display = next()?.as_i64().unwrap_or(0);
        let expire_ns = next()?.as_i64().unwrap_or(0);
        let mut number = || next()?.as_i64();
        let (quantity, executed, remaining) = (number()?, number()?, number()?);
        let (prevented, cut, unfilled, cost, fee) = (number()?, number()?, number()?, number()?, number()?);
        let status = find(OrderState::ALL, OrderState::name, next()?);
        let reason = find(EndReason::ALL, EndReason::name, next()?);
        let code = next()?.as_i64().and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
        // The code's name follows from the code.
        next()?;
        let mut number = || next()?.as_i64();
        let sent_ns = number()?;
        let created = Stamp { sequence: number()?, time_ns: number()? };
        let updated = Stamp { sequence: number()?, time_ns: number()? };
        let flags = u16::from(post_only) * order_flags::POST_ONLY
            + u16::from(on_disconnect) * order_flags::CANCEL_ON_DISCONNECT
            + u16::from(reduce_only) * order_flags::REDUCE_ONLY
            + u16::from(close_position) * order_flags::CLOSE_POSITION;
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
            liquidation,
            price,
            protection,
            budget,
            trigger,
            direction,
            source,
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
            code,
            sent_ns,
            created,
            updated,
        })
    }
}

fn is_market(order_type: Option<OrderType>) -> bool {
    matches!(order_type, Some(OrderType::Market | OrderType::StopMarket))
}

fn find<T: Copy>(all: &[T], name: fn(T) -> &'static str, value: &Value) -> Option<T> {
    let text = value.as_str()?;
    all.iter().copied().find(|&item| name(item) == text)
}
