//! The checks of a NEW_ORDER from 103 on, at entry and again when a stop order runs (EVENTS "NEW_ORDER").
//!
//! Invariants: the checks run in the order of their codes; none of them changes anything.

use crate::Oracle;
use crate::money::{R, band_limit, need, protection, value, within};
use crate::state::{Order, Symbol, Trigger};
use ringbook_wire::{FeeModel, OrderType, RejectCode, Side, StpMode, SymbolStatus, TimeInForce};

/// An order as it asks to come in: codes decoded, in a combination that EVENTS lists.
#[derive(Clone, Copy)]
pub struct Request {
    pub account: u32,
    pub symbol: u32,
    pub side: Side,
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    pub stp: StpMode,
    pub price: i128,
    pub quantity: i128,
    /// Of a budget order, else 0.
    pub budget: i128,
    /// Of a stop order.
    pub trigger: Option<Trigger>,
    pub display: i128,
    pub expire_at: u64,
    pub post_only: bool,
    pub cancel_on_disconnect: bool,
    pub reduce_only: bool,
    pub close_position: bool,
}

/// What the checks found out about an order.
#[derive(Clone, Copy)]
pub struct Admitted {
    /// Limit or protection price; of STOP_MARKET 0.
    pub price: i128,
    /// Lots, cut to the position if it only reduces.
    pub quantity: i128,
    /// On spot; perpetual orders hold nothing.
    pub hold: i128,
    /// See [`Order::margin_price`].
    pub margin_price: i128,
    /// See [`Order::loss_per_lot`].
    pub loss_per_lot: i128,
}

impl Request {
    /// A triggered order as the LIMIT or MARKET order that it becomes.
    pub fn of_triggered(order: &Order, order_type: OrderType) -> Self {
        Self {
            account: order.account,
            symbol: order.symbol,
            side: order.side,
            order_type,
            time_in_force: order.time_in_force,
            stp: order.stp,
            price: order.price,
            quantity: order.remaining,
            budget: if order.by_budget { order.hold } else { 0 },
            trigger: None,
            display: order.display,
            expire_at: order.expire_at,
            post_only: order.post_only,
            cancel_on_disconnect: order.cancel_on_disconnect,
            reduce_only: order.reduce_only,
            close_position: order.close_position,
        }
    }

    /// Whether it may only close: a close-position order, too.
    pub fn only_closes(&self) -> bool {
        self.reduce_only || self.close_position
    }

    /// A LIMIT order that may rest.
    fn may_rest(&self) -> bool {
        self.order_type == OrderType::Limit && matches!(self.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd)
    }
}

impl Oracle {
    /// 103 to 400 at entry.
    pub(crate) fn check_new_order(&self, request: &Request) -> Result<Admitted, RejectCode> {
        let may_reduce = request.reduce_only && request.trigger.is_none();
        if self.accounts[&request.account].suspended && !may_reduce {
            return Err(RejectCode::AccountSuspended);
        }
        let symbol = self.symbols.get(&request.symbol).ok_or(RejectCode::UnknownSymbol)?;
        check_status(symbol, request)?;
        self.check_maintenance()?;
        check_terms(symbol, request)?;
        if request.time_in_force == TimeInForce::Gtd && request.expire_at <= self.now {
            return Err(RejectCode::BadExpiry);
        }
        if request.trigger.is_some_and(|trigger| symbol.triggers(trigger)) {
            return Err(RejectCode::TriggerImmediate);
        }
        if self.orders.len() >= self.max_orders as usize {
            return Err(RejectCode::TooManyOrders);
        }
        if request.trigger.is_some() {
            let waiting = self.orders.values().filter(|order| is_of(order, request) && order.trigger.is_some());
            if waiting.count() >= symbol.max_trigger_orders as usize {
                return Err(RejectCode::TooManyOrders);
            }
        }
        self.check_open_orders(request, symbol, None)?;
        let price = self.price_of(request);
        let rates = self.rates_of(request.account, symbol);
        if symbol.perpetual.is_some() {
            let admitted = self.check_margin(request, price, rates, None)?;
            if request.trigger.is_none() {
                self.check_post_only(request)?;
            }
            return Ok(admitted);
        }
        let hold = hold_at_acceptance(symbol, request, price, rates);
        let asset = if request.side == Side::Buy { symbol.quote } else { symbol.base };
        if hold > self.available(request.account, asset) {
            return Err(RejectCode::InsufficientBalance);
        }
        if request.trigger.is_none() {
            self.check_post_only(request)?;
        }
        Ok(Admitted { price, quantity: request.quantity, hold, margin_price: 0, loss_per_lot: 0 })
    }

    /// What is checked of a stop order when it runs: 103, 106, 200 to 206, 210, of a perpetual 212 and 301 to 305, 400.
    pub(crate) fn check_triggered(&self, request: &Request, id: u64) -> Result<Admitted, RejectCode> {
        if self.accounts[&request.account].suspended {
            return Err(RejectCode::AccountSuspended);
        }
        let symbol = &self.symbols[&request.symbol];
        check_status(symbol, request)?;
        // 200: a fee per lot was copied at acceptance, and the lowest price must still pay for it.
        let market = request.order_type == OrderType::Market;
        let order = &self.orders[&id];
        let rate = order.taker.abs();
        if market && symbol.fee_model == FeeModel::PerLot && rate >= value(symbol, symbol.min_price, 1) {
            return Err(RejectCode::PriceRange);
        }
        check_terms(symbol, request)?;
        self.check_open_orders(request, symbol, Some(id))?;
        let price = self.price_of(request);
        let admitted = if symbol.perpetual.is_some() {
            self.check_margin(request, price, (order.taker, order.maker), Some(order))?
        } else {
            Admitted { price, quantity: order.remaining, hold: order.hold, margin_price: 0, loss_per_lot: 0 }
        };
        self.check_post_only(request)?;
        Ok(admitted)
    }

    /// 107.
    pub(crate) fn check_maintenance(&self) -> Result<(), RejectCode> {
        if self.maintenance { Err(RejectCode::Maintenance) } else { Ok(()) }
    }

    /// 210 of a LIMIT order that may rest: open orders but untriggered ones and the order itself.
    fn check_open_orders(&self, request: &Request, symbol: &Symbol, own: Option<u64>) -> Result<(), RejectCode> {
        let counts = |order: &&Order| is_of(order, request) && order.trigger.is_none() && Some(order.id) != own;
        let open = self.orders.values().filter(counts).count();
        let full = request.may_rest() && open >= symbol.max_open_orders as usize;
        if full { Err(RejectCode::TooManyOrders) } else { Ok(()) }
    }

    /// 400.
    fn check_post_only(&self, request: &Request) -> Result<(), RejectCode> {
        let best = self.first_in_line(request.symbol, request.side.opposite());
        let crosses = best.is_some_and(|best| within(request.side, best.price, request.price));
        let trades = self.symbols[&request.symbol].status == SymbolStatus::Trading;
        if request.post_only && crosses && trades { Err(RejectCode::PostOnlyCross) } else { Ok(()) }
    }

    /// The limit; of a market order its protection price, 0 without an opposite side; of STOP_MARKET 0.
    pub(crate) fn price_of(&self, request: &Request) -> i128 {
        if request.order_type != OrderType::Market {
            return request.price;
        }
        let best = self.first_in_line(request.symbol, request.side.opposite());
        best.map_or(0, |best| protection(&self.symbols[&request.symbol], request.side, best.price))
    }
}

/// Whether an order is one of the request's account and symbol.
fn is_of(order: &Order, request: &Request) -> bool {
    order.account == request.account && order.symbol == request.symbol
}

/// 106.
fn check_status(symbol: &Symbol, request: &Request) -> Result<(), RejectCode> {
    let takes = match symbol.status {
        SymbolStatus::Trading => true,
        SymbolStatus::PreOpen => request.trigger.is_none() && request.may_rest(),
        SymbolStatus::Halted | SymbolStatus::CancelOnly | SymbolStatus::Closed => false,
    };
    if takes { Ok(()) } else { Err(RejectCode::SymbolStatus) }
}

/// 200 to 206.
fn check_terms(symbol: &Symbol, request: &Request) -> Result<(), RejectCode> {
    let has_limit = matches!(request.order_type, OrderType::Limit | OrderType::StopLimit);
    if has_limit {
        check_price_range(symbol, request.price)?;
    }
    if let Some(trigger) = request.trigger {
        check_price_range(symbol, trigger.price)?;
    } else if has_limit {
        check_band(symbol, request.side, request.price)?;
    }
    if request.budget != 0 {
        check_value(symbol, request.budget)?;
    } else if !request.close_position {
        check_quantity(symbol, request.order_type, request.quantity)?;
        if let Some(price) = reference(symbol, request.order_type, request.price, request.trigger)
            && !request.reduce_only
        {
            check_value(symbol, value(symbol, price, request.quantity))?;
        }
    }
    if request.display > 0 && request.display < symbol.min_quantity {
        return Err(RejectCode::BadDisplay);
    }
    check_parts(request.quantity, request.display)?;
    let stp = if request.stp == StpMode::Default { symbol.stp } else { request.stp };
    if request.budget != 0 && stp == StpMode::Decrement {
        return Err(RejectCode::BadStp);
    }
    Ok(())
}

/// 205: an iceberg shows itself in at most 100 parts.
pub fn check_parts(quantity: i128, display: i128) -> Result<(), RejectCode> {
    let few = display == 0 || (quantity + display - 1) / display <= 100;
    if few { Ok(()) } else { Err(RejectCode::BadDisplay) }
}

/// DOMAIN §3.4, first table. A MARKET order without an opposite side holds nothing.
fn hold_at_acceptance(symbol: &Symbol, request: &Request, price: i128, (taker, maker): (i128, i128)) -> i128 {
    let carry = 0;
    if request.order_type == OrderType::Market && price == 0 {
        0
    } else if request.budget != 0 {
        request.budget
    } else {
        need(symbol, request.side, price, request.quantity, taker, maker, carry)
    }
}

/// The price at which 203 values an order by quantity, if there is one.
pub fn reference(symbol: &Symbol, order_type: OrderType, limit: i128, trigger: Option<Trigger>) -> Option<i128> {
    match order_type {
        OrderType::Limit | OrderType::StopLimit => Some(limit),
        OrderType::Market => symbol.reference(),
        OrderType::StopMarket => trigger.map(|trigger| trigger.price),
    }
}

/// 200.
pub fn check_price_range(symbol: &Symbol, price: i128) -> Result<(), RejectCode> {
    let inside = symbol.min_price <= price && price <= symbol.max_price;
    if inside { Ok(()) } else { Err(RejectCode::PriceRange) }
}

/// 201: a buy above the upper limit, a sell below the lower one. There is no band in PRE_OPEN (DOMAIN §2).
pub fn check_band(symbol: &Symbol, side: Side, price: i128) -> Result<(), RejectCode> {
    debug_assert!(symbol.band < R);
    if symbol.status == SymbolStatus::PreOpen {
        return Ok(());
    }
    let inside = band_limit(symbol, side).is_none_or(|limit| within(side, price, limit));
    if inside { Ok(()) } else { Err(RejectCode::PriceBand) }
}

/// 202.
pub fn check_quantity(symbol: &Symbol, order_type: OrderType, quantity: i128) -> Result<(), RejectCode> {
    let max_quantity = match order_type {
        OrderType::Limit | OrderType::StopLimit => symbol.max_quantity,
        OrderType::Market | OrderType::StopMarket => symbol.max_market_quantity,
    };
    let inside = symbol.min_quantity <= quantity && quantity <= max_quantity;
    if inside { Ok(()) } else { Err(RejectCode::QtyRange) }
}

/// 203.
pub fn check_value(symbol: &Symbol, value: i128) -> Result<(), RejectCode> {
    let too_small = symbol.min_notional != 0 && value < symbol.min_notional;
    let too_large = symbol.max_notional != 0 && value > symbol.max_notional;
    if too_small || too_large { Err(RejectCode::Notional) } else { Ok(()) }
}
