//! NEW_ORDER: its checks in the order of EVENTS, acceptance, and the taker's end (DOMAIN §4, §5.3).
//!
//! Invariants: all checks come before the first change; an order that is not resting at the end of the command is gone.

use crate::Oracle;
use crate::dedupe::{Known, payload};
use crate::money::{R, band_limit, narrow, need, protection, value, within};
use crate::state::{Order, Symbol};
use ringbook_event::{Accepted, Origin, Record};
use ringbook_wire::message::NewOrder;
use ringbook_wire::{
    Amount, EndReason, OrderId, OrderState, OrderType, Price, Qty, RejectCode, Role, Side, StpMode, SymbolId,
    SymbolStatus, TimeInForce, order_flags,
};

/// How far a send time may lie ahead of engine time: 1 s.
const SEND_TIME_AHEAD_NS: u128 = 1_000_000_000;

/// A NEW_ORDER whose bytes passed 100: codes decoded, combination listed in DOMAIN §4.1.
#[derive(Clone, Copy)]
struct Request {
    account: u32,
    symbol: u32,
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    stp: StpMode,
    price: i128,
    quantity: i128,
    post_only: bool,
    cancel_on_disconnect: bool,
}

impl Oracle {
    pub(crate) fn new_order(&mut self, origin: Origin, m: &NewOrder, message: &[u8]) -> Result<(), RejectCode> {
        let request = self.well_formed(m).ok_or(RejectCode::BadRequest)?;
        self.authorise(origin, Some(request.account), &[Role::Trade])?;
        self.require_customer(m.account)?;
        match self.lookup_client_id(m, message) {
            Known::Replayed(replayed) => {
                self.events.push(replayed.into());
                return Ok(());
            }
            Known::Refused(code) => return Err(code),
            Known::New => {}
        }
        let checked = self.check_new_order(&request);
        match checked {
            Err(code) => {
                self.remember_refusal(m, message, code);
                Err(code)
            }
            Ok((price, hold)) => {
                let order = self.accept(origin, &request, m, message, price, hold);
                self.execute(order);
                Ok(())
            }
        }
    }

    /// 100: what DOMAIN §4.1 and this rules version list, and nothing else.
    fn well_formed(&self, m: &NewOrder) -> Option<Request> {
        let side = Side::from_code(m.side)?;
        let order_type = OrderType::from_code(m.order_type)?;
        let time_in_force = TimeInForce::from_code(m.time_in_force)?;
        let stp = StpMode::from_code(m.stp)?;
        let post_only = m.flags & order_flags::POST_ONLY != 0;
        let cancel_on_disconnect = m.flags & order_flags::CANCEL_ON_DISCONNECT != 0;
        let known_flags = m.flags & !(order_flags::POST_ONLY | order_flags::CANCEL_ON_DISCONNECT) == 0;
        let listed = match (order_type, time_in_force) {
            (OrderType::Limit, TimeInForce::Gtc) => m.price.0 > 0,
            (OrderType::Limit, TimeInForce::Ioc | TimeInForce::Fok) => m.price.0 > 0 && !post_only,
            (OrderType::Market, TimeInForce::Ioc) => m.price.0 == 0 && !post_only,
            _ => false,
        };
        let unused_are_zero = m.budget.0 == 0
            && m.trigger.0 == 0
            && m.display.0 == 0
            && m.expire_at.0 == 0
            && m.trigger_direction == 0
            && m.trigger_source == 0;
        let named = u128::from(m.client_id) != 0;
        let sent = u128::from(m.send_time.0);
        let sent_in_time = sent > 0 && sent <= u128::from(self.now) + SEND_TIME_AHEAD_NS;
        let well_formed = known_flags && listed && unused_are_zero && named && sent_in_time && m.quantity.0 > 0;
        well_formed.then_some(Request {
            account: m.account.0,
            symbol: m.symbol.0,
            side,
            order_type,
            time_in_force,
            stp,
            price: i128::from(m.price.0),
            quantity: i128::from(m.quantity.0),
            post_only,
            cancel_on_disconnect,
        })
    }

    /// 103 to 400. Yields the limit (for MARKET the protection price) and the hold.
    fn check_new_order(&self, request: &Request) -> Result<(i128, i128), RejectCode> {
        if self.accounts[&request.account].suspended {
            return Err(RejectCode::AccountSuspended);
        }
        let symbol = self.symbols.get(&request.symbol).ok_or(RejectCode::UnknownSymbol)?;
        if symbol.status != SymbolStatus::Trading {
            return Err(RejectCode::SymbolStatus);
        }
        let is_market = request.order_type == OrderType::Market;
        if !is_market {
            check_price_range(symbol, request.price)?;
            check_band(symbol, request.side, request.price)?;
        }
        let max_quantity = if is_market { symbol.max_market_quantity } else { symbol.max_quantity };
        if request.quantity < symbol.min_quantity || request.quantity > max_quantity {
            return Err(RejectCode::QtyRange);
        }
        let reference = if is_market { symbol.last } else { Some(request.price) };
        if let Some(reference) = reference {
            check_notional(symbol, reference, request.quantity)?;
        }
        self.check_open_orders(request, symbol)?;

        let best = self.first_in_line(request.symbol, request.side.opposite()).map(|order| order.price);
        let (price, hold) = match (is_market, best) {
            (true, None) => (0, 0),
            (true, Some(best)) => {
                let price = protection(symbol, request.side, best);
                (price, hold_at_acceptance(symbol, request, price))
            }
            (false, _) => (request.price, hold_at_acceptance(symbol, request, request.price)),
        };
        let asset = if request.side == Side::Buy { symbol.quote } else { symbol.base };
        if hold > self.available(request.account, asset) {
            return Err(RejectCode::InsufficientBalance);
        }
        if request.post_only && best.is_some_and(|best| within(request.side, best, price)) {
            return Err(RejectCode::PostOnlyCross);
        }
        Ok((price, hold))
    }

    /// 210.
    fn check_open_orders(&self, request: &Request, symbol: &Symbol) -> Result<(), RejectCode> {
        let open = self
            .orders
            .values()
            .filter(|order| order.account == request.account && order.symbol == request.symbol)
            .count();
        let account_full = request.time_in_force == TimeInForce::Gtc && open >= symbol.max_open_orders as usize;
        let shard_full = self.orders.len() >= self.max_orders as usize;
        if account_full || shard_full { Err(RejectCode::TooManyOrders) } else { Ok(()) }
    }

    /// Gives the order its number, moves its hold, writes ACCEPTED.
    fn accept(
        &mut self,
        origin: Origin,
        request: &Request,
        m: &NewOrder,
        message: &[u8],
        price: i128,
        hold: i128,
    ) -> u64 {
        let symbol = self.symbols[&request.symbol].clone();
        self.last_order += 1;
        let id = self.last_order;
        let stp = if request.stp == StpMode::Default { symbol.stp } else { request.stp };
        let order = Order {
            id,
            sequence: self.sequence,
            account: request.account,
            symbol: request.symbol,
            client_id: u128::from(m.client_id),
            payload: payload(message).to_vec(),
            send_time: m.send_time.0,
            session: origin.session.0,
            side: request.side,
            order_type: request.order_type,
            time_in_force: request.time_in_force,
            stp,
            post_only: request.post_only,
            cancel_on_disconnect: request.cancel_on_disconnect,
            price,
            taker: symbol.taker,
            maker: symbol.maker,
            orig: request.quantity,
            filled: 0,
            prevented: 0,
            cut: 0,
            remaining: request.quantity,
            cost: 0,
            fee: 0,
            carry: 0,
            hold,
            queue: None,
        };
        let wallet = self.wallet(order.account, order.hold_asset(&symbol));
        wallet.available -= hold;
        wallet.held += hold;
        self.events.push(
            Accepted {
                header: Accepted::header(order.side.code(), order.order_type.code(), order.account),
                order: OrderId(id),
                symbol: SymbolId(order.symbol),
                stp: stp.code(),
                reserved: [0; 3],
                price: Price(narrow(price)),
                quantity: Qty(narrow(order.orig)),
                hold: Amount(narrow(hold)),
            }
            .into(),
        );
        self.orders.insert(id, order);
        id
    }

    /// Runs an accepted order as a taker and ends or rests it.
    fn execute(&mut self, id: u64) {
        let order = &self.orders[&id];
        if order.time_in_force == TimeInForce::Fok && self.fillable(order) < order.remaining {
            self.expire(id, EndReason::Fok);
            return;
        }
        self.match_taker(id);
        let Some(order) = self.orders.get(&id) else {
            return;
        };
        let (symbol, side) = (order.symbol, order.side);
        if order.remaining == 0 {
            self.end_order(id, OrderState::Filled, None);
        } else if order.order_type == OrderType::Market {
            let levels_remain = self.first_in_line(symbol, side.opposite()).is_some();
            self.expire(id, if levels_remain { EndReason::Protection } else { EndReason::NoLiquidity });
        } else if order.time_in_force == TimeInForce::Gtc {
            self.join_queue(id);
        } else {
            self.expire(id, EndReason::Ioc);
        }
    }

    /// The lots that a FOK order would get (DOMAIN §5.3).
    fn fillable(&self, taker: &Order) -> i128 {
        let mut lots = 0;
        for maker in self.line(taker.symbol, taker.side.opposite()) {
            if !within(taker.side, maker.price, taker.price) {
                break;
            }
            if self.same_owner(taker, maker) {
                match taker.stp {
                    StpMode::None => {}
                    StpMode::CancelMaker => continue,
                    _ => break,
                }
            }
            lots += maker.remaining;
        }
        lots
    }
}

/// DOMAIN §3.4, first table.
fn hold_at_acceptance(symbol: &Symbol, request: &Request, price: i128) -> i128 {
    let carry = 0;
    need(symbol, request.side, price, request.quantity, symbol.taker, symbol.maker, carry)
}

/// 200.
pub fn check_price_range(symbol: &Symbol, price: i128) -> Result<(), RejectCode> {
    let inside = symbol.min_price <= price && price <= symbol.max_price;
    if inside { Ok(()) } else { Err(RejectCode::PriceRange) }
}

/// 201: a buy above the upper limit, a sell below the lower one.
pub fn check_band(symbol: &Symbol, side: Side, price: i128) -> Result<(), RejectCode> {
    debug_assert!(symbol.band < R);
    let inside = band_limit(symbol, side).is_none_or(|limit| within(side, price, limit));
    if inside { Ok(()) } else { Err(RejectCode::PriceBand) }
}

/// 203.
pub fn check_notional(symbol: &Symbol, price: i128, quantity: i128) -> Result<(), RejectCode> {
    let value = value(symbol, price, quantity);
    let too_small = symbol.min_notional != 0 && value < symbol.min_notional;
    let too_large = symbol.max_notional != 0 && value > symbol.max_notional;
    if too_small || too_large { Err(RejectCode::Notional) } else { Ok(()) }
}
