//! NEW_ORDER: what is well formed, who may send it, its client id, and its acceptance (DOMAIN §4, EVENTS).
//!
//! Invariants: all checks come before the first change; an order that neither rests nor waits for its trigger at the end of
//! the command is gone.

use crate::Oracle;
use crate::checks::{Admitted, Request};
use crate::dedupe::{Known, payload};
use crate::money::narrow;
use crate::state::{Order, Trigger};
use ringbook_event::{Accepted, Origin, Record};
use ringbook_wire::message::NewOrder;
use ringbook_wire::{
    AccountId, Amount, OrderId, OrderType, Price, Qty, RejectCode, Role, Side, StpMode, SymbolId, SymbolStatus,
    TimeInForce, TriggerDirection, TriggerSource, order_flags,
};

/// How far a send time or a feed time may lie ahead of engine time: 1 s.
pub const AHEAD_NS: u128 = 1_000_000_000;

impl Oracle {
    pub(crate) fn new_order(&mut self, origin: Origin, m: &NewOrder, message: &[u8]) -> Result<(), RejectCode> {
        let request = self.well_formed(m).ok_or(RejectCode::BadRequest)?;
        if self.symbols.get(&m.symbol.0).is_some_and(|symbol| symbol.perpetual.is_some()) {
            if m.account == AccountId::INSURANCE && !request.reduce_only {
                return Err(RejectCode::BadRequest);
            }
            self.authorise_orders(origin, m.account, &[Role::Trade])?;
        } else {
            self.authorise(origin, Some(request.account), &[Role::Trade])?;
            self.require_customer(m.account)?;
        }
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
            Ok(admitted) => {
                let order = self.accept(origin, &request, m, message, &admitted);
                self.run_accepted(order);
                Ok(())
            }
        }
    }

    /// 100: the rows of the table in EVENTS, and nothing else.
    fn well_formed(&self, m: &NewOrder) -> Option<Request> {
        let side = Side::from_code(m.side)?;
        let order_type = OrderType::from_code(m.order_type)?;
        let time_in_force = TimeInForce::from_code(m.time_in_force)?;
        let stp = StpMode::from_code(m.stp)?;
        let post_only = m.flags & order_flags::POST_ONLY != 0;
        let cancel_on_disconnect = m.flags & order_flags::CANCEL_ON_DISCONNECT != 0;
        let reduce_only = m.flags & order_flags::REDUCE_ONLY != 0;
        let close_position = m.flags & order_flags::CLOSE_POSITION != 0;
        let kind = self.symbols.get(&m.symbol.0).map(|symbol| symbol.perpetual.is_some());
        let (may_be_spot, may_be_perpetual) = (kind != Some(true), kind != Some(false));
        let flags_fit = match kind {
            // An unknown symbol goes on to 105.
            None => true,
            Some(false) => !reduce_only && !close_position,
            Some(true) => !close_position || order_type == OrderType::StopMarket && !reduce_only,
        };
        let known_flags = m.flags & !order_flags::ALL == 0 && flags_fit;

        let is_limit = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
        let is_stop = matches!(order_type, OrderType::StopLimit | OrderType::StopMarket);
        let by_quantity = m.quantity.0 >= 1 && m.budget.0 == 0;
        let by_budget = m.quantity.0 == 0 && m.budget.0 >= 1;
        let on_spot = match (order_type, side) {
            (OrderType::Limit | OrderType::StopLimit, _) | (OrderType::StopMarket, Side::Sell) => by_quantity,
            (OrderType::StopMarket, Side::Buy) => by_budget,
            (OrderType::Market, Side::Buy) => by_quantity || by_budget,
            (OrderType::Market, Side::Sell) => by_quantity,
        };
        let by_position = order_type == OrderType::StopMarket && m.quantity.0 == 0 && m.budget.0 == 0;
        let on_perpetual = if close_position { by_position } else { by_quantity };
        let amount = may_be_spot && on_spot || may_be_perpetual && on_perpetual;
        let price = if is_limit { m.price.0 >= 1 } else { m.price.0 == 0 };
        let lasts = is_limit && matches!(time_in_force, TimeInForce::Gtc | TimeInForce::Gtd);
        let time = is_limit || time_in_force == TimeInForce::Ioc;
        let display = m.display.0 == 0 || lasts && m.display.0 > 0;
        let expiry = (m.expire_at.0 != 0) == (time_in_force == TimeInForce::Gtd);
        let trigger = match (is_stop, TriggerDirection::from_code(m.trigger_direction)) {
            (true, Some(direction)) if m.trigger.0 >= 1 => {
                let source = TriggerSource::from_code(m.trigger_source)?;
                if source == TriggerSource::Mark && !may_be_perpetual {
                    return None;
                }
                Some(Trigger { source, direction, price: i128::from(m.trigger.0) })
            }
            (false, None) if m.trigger.0 == 0 && m.trigger_direction == 0 && m.trigger_source == 0 => None,
            _ => return None,
        };
        let listed = amount && price && time && display && expiry && (lasts || !post_only);
        let named = u128::from(m.client_id) != 0;
        let sent = u128::from(m.send_time.0);
        let sent_in_time = sent > 0 && sent <= u128::from(self.now) + AHEAD_NS;
        let well_formed = known_flags && listed && named && sent_in_time;
        well_formed.then_some(Request {
            account: m.account.0,
            symbol: m.symbol.0,
            side,
            order_type,
            time_in_force,
            stp,
            price: i128::from(m.price.0),
            quantity: i128::from(m.quantity.0),
            budget: i128::from(m.budget.0),
            trigger,
            display: i128::from(m.display.0),
            expire_at: m.expire_at.0,
            post_only,
            cancel_on_disconnect,
            reduce_only,
            close_position,
        })
    }

    /// Gives the order its number, moves its hold, writes ACCEPTED.
    fn accept(&mut self, origin: Origin, request: &Request, m: &NewOrder, message: &[u8], admitted: &Admitted) -> u64 {
        let symbol = self.symbols[&request.symbol].clone();
        self.last_order += 1;
        let id = self.last_order;
        let stp = if request.stp == StpMode::Default { symbol.stp } else { request.stp };
        let (taker, maker) = self.rates_of(request.account, &symbol);
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
            expire_at: request.expire_at,
            trigger: request.trigger,
            by_budget: request.budget != 0,
            stp,
            post_only: request.post_only,
            cancel_on_disconnect: request.cancel_on_disconnect,
            reduce_only: request.reduce_only,
            close_position: request.close_position,
            display: request.display,
            price: admitted.price,
            taker,
            maker,
            orig: admitted.quantity,
            filled: 0,
            prevented: 0,
            cut: 0,
            remaining: admitted.quantity,
            shown: 0,
            cost: 0,
            fee: 0,
            carry: 0,
            hold: admitted.hold,
            margin_price: admitted.margin_price,
            loss_per_lot: admitted.loss_per_lot,
            queue: None,
        };
        if symbol.perpetual.is_some() {
            self.keep_record(order.account, order.symbol);
        } else {
            let wallet = self.wallet(order.account, order.hold_asset(&symbol));
            wallet.available -= order.hold;
            wallet.held += order.hold;
        }
        let hold = self.shown_hold(&order);
        self.events.push(
            Accepted {
                header: Accepted::header(order.side.code(), order.order_type.code(), order.account),
                order: OrderId(id),
                symbol: SymbolId(order.symbol),
                stp: stp.code(),
                reserved: [0; 3],
                price: Price(narrow(order.price)),
                quantity: Qty(narrow(order.orig)),
                hold: Amount(narrow(hold)),
            }
            .into(),
        );
        self.orders.insert(id, order);
        id
    }

    /// What an accepted order does at once: a stop order waits, PRE_OPEN collects, TRADING executes.
    fn run_accepted(&mut self, id: u64) {
        let order = &self.orders[&id];
        let symbol = order.symbol;
        if order.trigger.is_some() {
            return;
        }
        if self.symbols[&symbol].status == SymbolStatus::PreOpen {
            self.come_to_rest(id);
            return;
        }
        self.execute(id);
        self.append_triggered(symbol, TriggerSource::Last);
    }
}
