//! NEW_ORDER: the ladder of checks, the hold, and the point of no return (DOMAIN §3.4, §4.1, §4.4; docs/EVENTS.md).

use crate::dedupe::{self, Known, Outcome};
use crate::engine::Engine;
use crate::money::need;
use crate::orders::{Links, NIL, Order, Place};
use crate::symbols::Symbol;
use ringbook_event::{Accepted, EventWriter, Origin, Record};
use ringbook_wire::message::{MessageType, NewOrder};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, OrderId, OrderType, Price, Qty, RATE_ONE, RejectCode, Role, Side, StpMode,
    SymbolStatus, TimeInForce, TriggerDirection, TriggerSource, div_ceil, div_floor, order_flags,
};

/// How far a client's clock may run ahead of engine time.
const MAX_CLOCK_AHEAD_NS: u64 = 1_000_000_000;
/// In how many parts an iceberg may show its quantity.
const MAX_ICEBERG_PARTS: i64 = 100;

/// What the checks have found out about an order that is accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    pub price: Price,
    /// Lots; of a reduce-only order those that it may close.
    pub quantity: Qty,
    /// Held for it on spot; its reserve on a perpetual.
    pub hold: Amount,
    /// Terms of a perpetual's order that begins to work.
    pub margin_price: Price,
    pub open_loss: i64,
}

/// A new order whose codes are known and whose combination is listed in DOMAIN §4.1.
pub(crate) struct Request {
    pub side: Side,
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    pub stp: StpMode,
    pub post_only: bool,
    /// Of a stop order.
    pub direction: Option<TriggerDirection>,
    /// Waits for the mark, not for the last price.
    pub by_mark: bool,
}

impl Request {
    pub fn is_market(&self) -> bool {
        matches!(self.order_type, OrderType::Market | OrderType::StopMarket)
    }
}

impl Engine {
    pub(crate) fn new_order(&mut self, origin: Origin, m: &NewOrder, bytes: &[u8], out: &mut EventWriter<'_>) {
        let refuse = |engine: &Self, code, out: &mut EventWriter<'_>| {
            engine.reject(MessageType::NewOrder, m.account, m.client_id, code, out);
        };
        let Some(request) = self.parse(m) else {
            return refuse(self, RejectCode::BadRequest, out);
        };
        let authorised = match self.is_perpetual(m.symbol) {
            true => self.authorise_order(origin.key, m.account, &[Role::Trade]),
            false => self.authorise(origin.key, m.account, &[Role::Trade]),
        };
        let account = match authorised {
            Ok(account) => account,
            Err(code) => return refuse(self, code, out),
        };
        let payload = self.dedupe.payload_hash(bytes);
        if let Some(known) = self.dedupe.find_client(account, m.client_id) {
            let same = match known {
                Known::Open(slot) => self.dedupe.request(self.orders.get(slot).known).payload == payload,
                // A quarantined request is known by its id alone: payload 0.
                Known::Ended(at) => [0, payload].contains(&self.dedupe.request(at).payload),
            };
            return if same {
                self.replay(MessageType::NewOrder, known, out);
            } else {
                refuse(self, RejectCode::DuplicateClientId, out);
            };
        }
        let evicted = self.accounts.get(account).dedupe.evicted;
        if evicted.0 != 0 && m.send_time <= evicted {
            return refuse(self, RejectCode::StaleRequest, out);
        }
        let validated = match self.is_perpetual(m.symbol) {
            true => self.validate_position(account, m, &request),
            false => self.validate(account, m, &request),
        };
        match validated {
            Err(code) => {
                let outcome = Outcome::refused(self.sequence, code.code());
                let (client_id, send_time) = (m.client_id, m.send_time);
                let request = dedupe::Request { client_id, payload, order: OrderId(0), send_time, account };
                self.dedupe.add(&mut self.accounts, request, outcome);
                refuse(self, code, out);
            }
            // ═══ point of no return ═══
            Ok(admission) => self.accept(origin, m, &request, account, payload, &admission, out),
        }
    }

    /// The codes of a request, or `None` for BAD_REQUEST.
    fn parse(&self, m: &NewOrder) -> Option<Request> {
        let request = Request {
            side: Side::from_code(m.side)?,
            order_type: OrderType::from_code(m.order_type)?,
            time_in_force: TimeInForce::from_code(m.time_in_force)?,
            stp: StpMode::from_code(m.stp)?,
            post_only: m.flags & order_flags::POST_ONLY != 0,
            direction: match m.trigger_direction {
                0 => None,
                code => Some(TriggerDirection::from_code(code)?),
            },
            by_mark: m.trigger_source == TriggerSource::Mark.code(),
        };
        // What only one kind of symbol knows is looked at where the kind is known; 105 comes later.
        let known = self.symbols.get(m.symbol).map(|symbol| symbol.contract.is_some());
        let (spot, perpetual) = (known != Some(true), known != Some(false));
        let reduces = m.flags & order_flags::REDUCE_ONLY != 0;
        let closes = m.flags & order_flags::CLOSE_POSITION != 0;
        let stop = matches!(request.order_type, OrderType::StopLimit | OrderType::StopMarket);
        let market = request.is_market();
        let rests = matches!(request.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd);
        let by_budget = m.budget.0 >= 1 && m.quantity.0 == 0;
        let by_quantity = m.quantity.0 >= 1 && m.budget.0 == 0;
        let whole = closes && stop && m.quantity.0 == 0 && m.budget.0 == 0;
        let closing = match known {
            // It must be listed for one of the two kinds; flags are looked at where the kind is known.
            None => !(closes && by_quantity && stop && market && request.side == Side::Buy),
            Some(_) => closes == whole && (!closes || !reduces && stop && market),
        };
        let listed = if market {
            // On spot a stop buy is for a budget: nobody knows what its lots will cost.
            let lots = by_quantity && (perpetual || !(stop && request.side == Side::Buy));
            let sized = lots || whole || spot && by_budget && request.side == Side::Buy;
            request.time_in_force == TimeInForce::Ioc && m.price.0 == 0 && sized && !request.post_only
        } else {
            m.price.0 >= 1 && by_quantity && (rests || !request.post_only)
        };
        let shown = m.display.0 == 0 || m.display.0 >= 1 && rests && !market;
        let until = (request.time_in_force == TimeInForce::Gtd) == (m.expire_at.0 != 0);
        let source = match TriggerSource::from_code(m.trigger_source) {
            None => m.trigger_source == 0 && !stop,
            Some(TriggerSource::Last) => stop,
            Some(TriggerSource::Mark) => stop && perpetual,
        };
        let triggered = source && stop == request.direction.is_some() && stop == (m.trigger.0 >= 1);
        let of_perpetuals = order_flags::REDUCE_ONLY | order_flags::CLOSE_POSITION;
        let allowed_flags =
            order_flags::POST_ONLY | order_flags::CANCEL_ON_DISCONNECT | if perpetual { of_perpetuals } else { 0 };
        // The fund only reduces; on anything but a perpetual it is refused later.
        let may_trade = m.account != AccountId::INSURANCE || reduces || known != Some(true);
        (listed
            && closing
            && may_trade
            && shown
            && until
            && triggered
            && m.trigger.0 >= 0
            && m.flags & !allowed_flags == 0
            && m.client_id != ClientOrderId::NONE
            && m.send_time.0 >= 1
            && m.send_time.0 <= self.time.0.saturating_add(MAX_CLOCK_AHEAD_NS))
        .then_some(request)
    }

    /// The checks behind idempotency, in ascending code order; the order's price and hold if it is accepted.
    fn validate(&self, account: u32, m: &NewOrder, request: &Request) -> Result<Admission, RejectCode> {
        // A reduction would pass, if there were such a perpetual.
        let reduces = m.flags & order_flags::REDUCE_ONLY != 0 && request.direction.is_none();
        let symbol = self.symbols.get(m.symbol);
        if self.accounts.get(account).suspended && !(reduces && symbol.is_none()) {
            return Err(RejectCode::AccountSuspended);
        }
        let symbol = symbol.ok_or(RejectCode::UnknownSymbol)?;
        let Request { side, direction, .. } = *request;
        let (stop, market) = (direction.is_some(), request.is_market());
        let rests = matches!(request.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd);
        let open = match symbol.status {
            SymbolStatus::Trading => true,
            SymbolStatus::PreOpen => request.order_type == OrderType::Limit && rests,
            _ => false,
        };
        if !open {
            return Err(RejectCode::SymbolStatus);
        }
        if self.maintenance {
            return Err(RejectCode::Maintenance);
        }
        let terms = &symbol.terms;
        if stop && (m.trigger < terms.min_price || m.trigger > terms.max_price) {
            return Err(RejectCode::PriceRange);
        }
        if !market {
            check_price(symbol, side, m.price, !stop)?;
        }
        let by_budget = m.budget.0 > 0;
        let reference = match (market, stop) {
            (false, _) => m.price,
            (true, false) => symbol.last,
            (true, true) => m.trigger,
        };
        check_size(symbol, market, reference, m.quantity, m.budget)?;
        if m.display.0 > 0 && (m.display < terms.min_quantity || too_many_parts(m.quantity, m.display)) {
            return Err(RejectCode::BadDisplay);
        }
        if by_budget && resolve(request.stp, symbol) == StpMode::Decrement {
            return Err(RejectCode::BadStp);
        }
        if m.expire_at.0 != 0 && m.expire_at <= self.time {
            return Err(RejectCode::BadExpiry);
        }
        if direction.is_some_and(|direction| holds(direction, m.trigger, symbol.last)) {
            return Err(RejectCode::TriggerImmediate);
        }
        let (count, waiting) = self.accounts.open_counts(account, m.symbol);
        let full = if stop { waiting >= terms.max_trigger_orders } else { rests && count >= terms.max_open_orders };
        if !self.orders.has_room() || full {
            return Err(RejectCode::TooManyOrders);
        }
        let opposite = symbol.book.best_price(side.opposite());
        let price = match (market, stop) {
            (false, _) => m.price,
            (true, false) => protection_price(symbol, side, opposite),
            (true, true) => Price::ZERO,
        };
        let hold = if price.0 == 0 && !stop {
            Amount::ZERO
        } else if by_budget {
            m.budget
        } else if side == Side::Buy {
            let fees = self.accounts.fee_terms(account, terms.fee_group, terms.fees);
            need(&fees, symbol.value(price, m.quantity), m.quantity, 0).ok_or(RejectCode::InsufficientBalance)?
        } else {
            symbol.base_units(m.quantity)
        };
        if self.accounts.available(account, hold_asset(symbol, side)) < hold {
            return Err(RejectCode::InsufficientBalance);
        }
        let trades = symbol.status == SymbolStatus::Trading && !stop;
        if request.post_only && trades && opposite.is_some_and(|best| crosses(side, price, best)) {
            return Err(RejectCode::PostOnlyCross);
        }
        Ok(Admission { price, quantity: m.quantity, hold, margin_price: Price::ZERO, open_loss: 0 })
    }

    #[expect(clippy::too_many_arguments, reason = "everything that the checks have found out")]
    fn accept(
        &mut self,
        origin: Origin,
        m: &NewOrder,
        request: &Request,
        account: u32,
        payload: u64,
        admission: &Admission,
        out: &mut EventWriter<'_>,
    ) {
        let Admission { price, quantity, hold, margin_price, open_loss } = *admission;
        let id = OrderId(self.next_order);
        self.next_order += 1;
        let symbol = self.symbols.at(m.symbol);
        let stp = resolve(request.stp, symbol);
        let asset = hold_asset(symbol, request.side);
        let matches = symbol.status == SymbolStatus::Trading;
        let perpetual = symbol.contract.is_some();
        let order = Order {
            id,
            price,
            remaining: quantity,
            shown: Qty::ZERO,
            account,
            symbol: m.symbol,
            level: NIL,
            queue: Links::NONE,
            side: request.side,
            stp,
            order_type: request.order_type,
            time_in_force: request.time_in_force,
            flags: m.flags,
            place: Place::Working,
            listed: false,
            by_budget: m.budget.0 > 0,
            direction: request.direction,
            hold,
            carry: 0,
            terms: self.accounts.fee_terms(account, symbol.terms.fee_group, symbol.terms.fees),
            filled: Qty::ZERO,
            cost: Amount::ZERO,
            fee: Amount::ZERO,
            quantity,
            prevented: Qty::ZERO,
            cut: Qty::ZERO,
            session: origin.session,
            known: NIL,
            accepted: self.sequence,
            queue_sequence: 0,
            of_account: Links::NONE,
            of_session: Links::NONE,
            trigger: m.trigger,
            display: m.display,
            expire_at: m.expire_at,
            margin_price,
            open_loss,
            counted: false,
            by_mark: request.by_mark,
        };
        if hold.0 != 0 && !perpetual {
            self.accounts.change(account, asset, -hold.0, hold.0);
        }
        let header = Accepted::header(request.side.code(), request.order_type.code(), m.account.0);
        out.push(&Accepted {
            header,
            order: id,
            symbol: m.symbol,
            stp: stp.code(),
            reserved: [0; 3],
            price,
            quantity,
            hold,
        });
        let slot = self.orders.add(order);
        let (client_id, send_time) = (m.client_id, m.send_time);
        let asked = dedupe::Request { client_id, payload, order: id, send_time, account };
        self.orders.get_mut(slot).known = self.dedupe.open(asked, slot);
        if perpetual {
            self.ensure_position(account, m.symbol);
        }
        if request.direction.is_some() {
            return self.wait(slot);
        }
        if perpetual {
            self.count_in(slot);
        }
        if matches {
            self.run(slot, out);
        } else {
            self.rest_new(slot);
            self.work_loop(out);
            self.handle_rest(MessageType::NewOrder, m.account, out);
        }
    }
}

/// Whether an iceberg would show its quantity in more than [`MAX_ICEBERG_PARTS`] parts: each is a trade of its own and an
/// end of a queue, so a large one would keep the engine for itself.
pub(crate) fn too_many_parts(quantity: Qty, display: Qty) -> bool {
    quantity.0 > display.0.saturating_mul(MAX_ICEBERG_PARTS)
}

/// The mode in force.
pub(crate) fn resolve(stp: StpMode, symbol: &Symbol) -> StpMode {
    if stp == StpMode::Default { symbol.terms.stp } else { stp }
}

/// Whether a trigger's condition holds; without a reference (0) it does not.
#[inline]
pub(crate) fn holds(direction: TriggerDirection, trigger: Price, reference: Price) -> bool {
    reference.0 != 0
        && match direction {
            TriggerDirection::RisesTo => reference >= trigger,
            TriggerDirection::FallsTo => reference <= trigger,
        }
}

/// NOTIONAL of an order by budget.
pub(crate) fn check_budget(symbol: &Symbol, budget: Amount) -> Result<(), RejectCode> {
    let terms = &symbol.terms;
    let bounded = budget >= terms.min_notional && (terms.max_notional.0 == 0 || budget <= terms.max_notional);
    if bounded { Ok(()) } else { Err(RejectCode::Notional) }
}

/// QTY_RANGE and NOTIONAL; an order by budget is bounded by its budget alone.
pub(crate) fn check_size(
    symbol: &Symbol,
    market: bool,
    reference: Price,
    quantity: Qty,
    budget: Amount,
) -> Result<(), RejectCode> {
    let terms = &symbol.terms;
    if budget.0 > 0 {
        return check_budget(symbol, budget);
    }
    let max_quantity = if market { terms.max_market_quantity } else { terms.max_quantity };
    if quantity < terms.min_quantity || quantity > max_quantity {
        return Err(RejectCode::QtyRange);
    }
    check_notional(symbol, reference, quantity)
}

/// The asset in which an order of this side holds.
#[inline]
pub(crate) fn hold_asset(symbol: &Symbol, side: Side) -> ringbook_wire::AssetId {
    match side {
        Side::Buy => symbol.terms.quote,
        Side::Sell => symbol.terms.base,
    }
}

/// Whether an order of this side and limit may trade at `price`.
#[inline]
pub(crate) fn crosses(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// PRICE_RANGE, and PRICE_BAND around the last trade or the mark (DOMAIN §1), which PRE_OPEN does not have.
pub(crate) fn check_price(symbol: &Symbol, side: Side, price: Price, band: bool) -> Result<(), RejectCode> {
    let terms = &symbol.terms;
    if price < terms.min_price || price > terms.max_price {
        return Err(RejectCode::PriceRange);
    }
    let reference = symbol.reference();
    if band && symbol.status != SymbolStatus::PreOpen && terms.band.0 != 0 && reference.0 != 0 {
        let bound = shifted(reference, side, terms.band.0);
        if !crosses(side, Price(i64::try_from(bound).unwrap_or(i64::MAX)), price) {
            return Err(RejectCode::PriceBand);
        }
    }
    Ok(())
}

/// `⌊ref·(R+rate)/R⌋` for buys, `⌈ref·(R−rate)/R⌉` for sells.
fn shifted(reference: Price, side: Side, rate: i64) -> i128 {
    let one = i128::from(RATE_ONE);
    let reference = i128::from(reference.0);
    match side {
        Side::Buy => div_floor(reference * (one + i128::from(rate)), one),
        Side::Sell => div_ceil(reference * (one - i128::from(rate)), one),
    }
}

/// MIN_NOTIONAL and MAX_NOTIONAL; without a reference (0) there is nothing to check.
pub(crate) fn check_notional(symbol: &Symbol, reference: Price, quantity: Qty) -> Result<(), RejectCode> {
    let terms = &symbol.terms;
    if reference.0 == 0 {
        return Ok(());
    }
    // The last trade may lie outside limits that were lowered since: its value need not fit.
    let bounded = crate::money::value(reference, quantity, terms.k)
        .is_some_and(|value| value >= terms.min_notional && (terms.max_notional.0 == 0 || value <= terms.max_notional));
    if bounded { Ok(()) } else { Err(RejectCode::Notional) }
}

/// Protection price of a market order at this moment (DOMAIN §5.3); 0 if there is nothing to trade with.
pub(crate) fn protection_price(symbol: &Symbol, side: Side, opposite: Option<Price>) -> Price {
    let Some(best) = opposite else {
        return Price::ZERO;
    };
    let terms = &symbol.terms;
    let mut price = shifted(best, side, terms.slip.0);
    let reference = symbol.reference();
    if terms.band.0 != 0 && reference.0 != 0 {
        let bound = shifted(reference, side, terms.band.0);
        price = match side {
            Side::Buy => price.min(bound),
            Side::Sell => price.max(bound),
        };
    }
    let price = price.clamp(i128::from(terms.min_price.0), i128::from(terms.max_price.0));
    Price(i64::try_from(price).expect("clamped into the symbol's limits"))
}
