//! The choice of each next message of a connection: orders, cancels, amendments, and in a perpetual money for accounts that
//! were liquidated.
//!
//! Invariants: an account never has more than `max_open` open orders (a passive order becomes a cancel there), so that the
//! book does not grow for ever; a cancel or amendment without an open order becomes passive; client ids are never used twice.

use super::mix::{Kind, Mix};
use crate::flow::generate::Random;
use ringbook_client::Report;
use ringbook_wire::message::{Amend, Cancel, Message, NewOrder, Transfer};
use ringbook_wire::report::{Accepted, Done};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, OrderType, Price, Qty, RejectCode, Side, StpMode, SymbolId, TimeInForce,
    TimestampNs, TriggerDirection, TriggerSource, codec, order_flags,
};
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// Quote units per tick and lot that a budget reckons with.
const BUDGET_PER_TICK_LOT: i64 = 100;
/// So many refusals for margin bring an account new money.
const POOR: u32 = 50;

/// Where and how large the orders are.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Symbol's number.
    pub symbol: u32,
    /// Middle of the prices, in ticks; the marks of a perpetual move it.
    pub price: Rc<Cell<i64>>,
    /// Farthest distance from it, in ticks.
    pub spread: i64,
    /// Largest passive quantity, in lots.
    pub quantity: i64,
    /// Open orders of an account.
    pub max_open: usize,
    /// In a perpetual: settlement asset, and units that a liquidated account gets.
    pub perpetual: Option<(u32, i64)>,
}

/// An open order as far as the generator cares.
#[derive(Clone, Copy, Debug)]
struct Open {
    id: u64,
    account: u32,
    quantity: i64,
    buy: bool,
}

/// Chooses messages for the accounts of one connection.
#[derive(Debug)]
pub struct Generator {
    mix: Mix,
    terms: Terms,
    accounts: Vec<u32>,
    /// Upper half of every client id of this run.
    run: u64,
    next_id: u64,
    random: Random,
    open: Vec<Open>,
    places: HashMap<u64, usize>,
    per_account: HashMap<u32, usize>,
    /// Accounts of a perpetual that need money, and refusals for margin.
    poor: VecDeque<u32>,
    short: HashMap<u32, u32>,
    last_adjustment: u64,
}

impl Generator {
    /// For the accounts of one connection. `first_id` keeps the ids of several connections apart.
    pub fn new(mix: Mix, terms: Terms, accounts: Vec<u32>, run: u64, first_id: u64) -> Self {
        Self {
            mix,
            terms,
            accounts,
            run,
            next_id: first_id,
            random: Random::new(run ^ first_id),
            open: Vec::new(),
            places: HashMap::new(),
            per_account: HashMap::new(),
            poor: VecDeque::new(),
            short: HashMap::new(),
            last_adjustment: 0,
        }
    }

    /// Whether reports on this account are this connection's.
    pub fn owns(&self, account: AccountId) -> bool {
        self.accounts.contains(&account.0)
    }

    /// Whether its orders are in a perpetual.
    pub fn in_perpetual(&self) -> bool {
        self.terms.perpetual.is_some()
    }

    /// Appends the next message to `out`.
    pub fn next(&mut self, request: u32, now: TimestampNs, out: &mut Vec<u8>) {
        if let Some(account) = self.poor.pop_front() {
            return self.refill(request, now, account, out);
        }
        let account = self.accounts[self.random.below(self.accounts.len() as u64) as usize];
        let dice = self.random.below(100);
        let mix = self.mix;
        let mut sum = 0;
        let entered = mix.entered().into_iter().find_map(|(share, kind)| {
            sum += share;
            (dice < sum).then_some(kind)
        });
        let kind = match entered {
            None if self.open.is_empty() => Kind::Passive,
            None if dice < sum + mix.cancel => return self.cancel(request, None, out),
            None => return self.amend(request, out),
            Some(kind) => kind,
        };
        let rests = matches!(kind, Kind::Passive | Kind::Iceberg | Kind::Gtd);
        if rests && self.per_account.get(&account).is_some_and(|&count| count >= self.terms.max_open) {
            return self.cancel(request, Some(account), out);
        }
        self.enter(request, now, account, kind, out);
    }

    fn enter(&mut self, request: u32, now: TimestampNs, account: u32, kind: Kind, out: &mut Vec<u8>) {
        let crossing = kind == Kind::Crossing;
        let Terms { symbol, spread, quantity, .. } = self.terms;
        let price = self.terms.price.get();
        let buy = self.random.below(2) == 0;
        let ioc = crossing && self.random.below(2) == 0;
        let distance = match (crossing, ioc) {
            (false, _) => -self.random.range(1, spread),
            (true, true) => spread,
            (true, false) => self.random.range(0, spread / 4),
        };
        let mut order = NewOrder::new(request);
        order.client_id = ClientOrderId([self.next_id, self.run]);
        self.next_id += 1;
        order.account = AccountId(account);
        order.symbol = SymbolId(symbol);
        order.price = Price(if buy { price + distance } else { price - distance }.max(1));
        // What crosses takes several resting orders on average, so that the book keeps its size.
        order.quantity = Qty(self.random.range(1, if crossing { quantity.saturating_mul(5) } else { quantity }));
        order.send_time = now;
        order.side = if buy { Side::Buy } else { Side::Sell }.code();
        order.order_type = OrderType::Limit.code();
        order.time_in_force = if ioc { TimeInForce::Ioc } else { TimeInForce::Gtc }.code();
        order.stp = StpMode::None.code();
        match kind {
            Kind::Passive | Kind::Crossing => {}
            Kind::Iceberg => order.display = Qty((order.quantity.0 / 3).max(1)),
            Kind::Gtd => {
                order.time_in_force = TimeInForce::Gtd.code();
                order.expire_at = TimestampNs(now.0 + self.random.range(1_000, 10_000) as u64 * 1_000_000);
            }
            Kind::Market => at_market(&mut order),
            Kind::ReduceOnly => {
                order.flags = order_flags::REDUCE_ONLY;
                order.time_in_force = TimeInForce::Ioc.code();
                if self.random.below(2) == 0 {
                    at_market(&mut order);
                }
            }
            Kind::Stop if self.terms.perpetual.is_some() => self.stop(&mut order, buy, TriggerSource::Last),
            Kind::StopMark => {
                self.stop(&mut order, buy, TriggerSource::Mark);
                if self.random.below(3) == 0 {
                    order.flags = order_flags::REDUCE_ONLY;
                }
            }
            Kind::ClosePosition => {
                self.stop(&mut order, buy, TriggerSource::Mark);
                order.flags = order_flags::CLOSE_POSITION;
                order.quantity = Qty(0);
            }
            Kind::Stop | Kind::Budget => {
                let buys = kind == Kind::Budget || buy;
                order.side = if buys { Side::Buy } else { Side::Sell }.code();
                at_market(&mut order);
                if buys {
                    // In the demo market a tick times a lot is 100 units or so: enough for some lots, whatever it is.
                    order.budget = Amount(order.quantity.0.saturating_mul(price).saturating_mul(BUDGET_PER_TICK_LOT));
                    order.quantity = Qty(0);
                }
                if kind == Kind::Stop {
                    self.stop(&mut order, buys, TriggerSource::Last);
                }
            }
        }
        codec::write(out, &order);
    }

    /// The order as a stop order at market, some ticks away from the price.
    fn stop(&mut self, order: &mut NewOrder, buys: bool, source: TriggerSource) {
        at_market(order);
        order.order_type = OrderType::StopMarket.code();
        let (price, away) = (self.terms.price.get(), self.random.range(1, self.terms.spread));
        let direction = if buys { TriggerDirection::RisesTo } else { TriggerDirection::FallsTo };
        order.trigger = Price(if buys { price + away } else { price - away }.max(1));
        order.trigger_direction = direction.code();
        order.trigger_source = source.code();
    }

    /// Money for an account that lost its own.
    fn refill(&mut self, request: u32, now: TimestampNs, account: u32, out: &mut Vec<u8>) {
        let Some((asset, units)) = self.terms.perpetual else { return };
        self.short.remove(&account);
        self.last_adjustment = now.0.max(self.last_adjustment + 1);
        let mut message = Transfer::new(request);
        message.account = AccountId(account);
        message.asset = AssetId(asset);
        message.adjustment = self.last_adjustment;
        message.amount = Amount(units);
        message.direction = 1;
        codec::write(out, &message);
    }

    fn is_poor(&mut self, account: u32) {
        if self.terms.perpetual.is_some() && !self.poor.contains(&account) {
            self.poor.push_back(account);
        }
    }

    /// Learns from a report of this connection.
    pub fn heard(&mut self, report: &Report) {
        match report {
            Report::Accepted(accepted) => self.accepted(accepted),
            Report::Done(done) => self.done(done),
            Report::Takeover(takeover) if self.owns(takeover.account) => self.is_poor(takeover.account.0),
            Report::Rejected(rejected)
                if rejected.code == RejectCode::InsufficientMargin.code() && self.owns(rejected.account) =>
            {
                let count = self.short.entry(rejected.account.0).or_default();
                *count += 1;
                if *count >= POOR {
                    self.is_poor(rejected.account.0);
                }
            }
            _ => {}
        }
    }

    fn cancel(&mut self, request: u32, of: Option<u32>, out: &mut Vec<u8>) {
        let start = self.random.below(self.open.len() as u64) as usize;
        let place = match of {
            // The next one of that account, from a random place on.
            Some(account) => {
                let count = self.open.len();
                (0..count).map(|step| (start + step) % count).find(|&place| self.open[place].account == account)
            }
            None => Some(start),
        };
        let Some(order) = place.and_then(|place| self.open.get(place)).copied() else { return };
        self.forget(order.id);
        let mut message = Cancel::new(request);
        message.account = AccountId(order.account);
        message.client_id = ClientOrderId([order.id, self.run]);
        codec::write(out, &message);
    }

    fn amend(&mut self, request: u32, out: &mut Vec<u8>) {
        let place = self.random.below(self.open.len() as u64) as usize;
        let distance = self.random.range(1, self.terms.spread);
        let order = &mut self.open[place];
        let mut message = Amend::new(request);
        message.account = AccountId(order.account);
        message.client_id = ClientOrderId([order.id, self.run]);
        if order.quantity > 1 && distance % 2 == 0 {
            order.quantity -= 1;
            message.quantity = Qty(order.quantity);
        } else {
            let price = self.terms.price.get() + if order.buy { -distance } else { distance };
            message.price = Price(price.max(1));
        }
        codec::write(out, &message);
    }

    /// An order was accepted; if it may rest, it is open until DONE.
    fn accepted(&mut self, report: &Accepted) {
        let [id, run] = report.client_id.0;
        let rests = [TimeInForce::Gtc, TimeInForce::Gtd].iter().any(|tif| tif.code() == report.time_in_force);
        if run != self.run || !rests || !self.owns(report.account) {
            return;
        }
        if self.places.insert(id, self.open.len()).is_none() {
            let (account, quantity) = (report.account.0, report.quantity.0);
            self.open.push(Open { id, account, quantity, buy: report.side == Side::Buy.code() });
            *self.per_account.entry(account).or_default() += 1;
        }
    }

    /// An order ended.
    fn done(&mut self, report: &Done) {
        if report.client_id.0[1] == self.run {
            self.forget(report.client_id.0[0]);
        }
    }

    /// A message was not executed: the order of a cancel is still open.
    pub fn not_executed(&mut self, message: &[u8]) {
        let Some(cancel) = Cancel::read(message) else { return };
        let id = cancel.client_id.0[0];
        if self.places.insert(id, self.open.len()).is_none() {
            // Its quantity and side are not known any more; they only steer amendments.
            self.open.push(Open { id, account: cancel.account.0, quantity: 1, buy: true });
            *self.per_account.entry(cancel.account.0).or_default() += 1;
        }
    }

    fn forget(&mut self, id: u64) {
        let Some(place) = self.places.remove(&id) else { return };
        let order = self.open.swap_remove(place);
        if let Some(moved) = self.open.get(place) {
            self.places.insert(moved.id, place);
        }
        if let Some(count) = self.per_account.get_mut(&order.account) {
            *count = count.saturating_sub(1);
        }
    }
}

fn at_market(order: &mut NewOrder) {
    order.order_type = OrderType::Market.code();
    order.time_in_force = TimeInForce::Ioc.code();
    order.price = Price(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_wire::message::MessageType;

    #[test]
    fn messages_follow_the_mix_and_the_bound_of_open_orders() {
        let price = Rc::new(Cell::new(1_000));
        let terms = Terms { symbol: 1, price, spread: 40, quantity: 10, max_open: 50, perpetual: None };
        let mut generator = Generator::new(Mix::SPOT, terms, vec![20, 21], 77, 1);
        let (mut counts, mut out) = (HashMap::new(), Vec::new());
        for request in 1..=20_000 {
            out.clear();
            generator.next(request, TimestampNs(1), &mut out);
            let kind = codec::check(&out).unwrap();
            *counts.entry(kind.name()).or_insert(0) += 1;
            if kind != MessageType::NewOrder {
                continue;
            }
            let order = NewOrder::read(&out).unwrap();
            assert!((960..=1_040).contains(&order.price.0) && generator.owns(order.account));
            let mut report = Accepted::new(request);
            (report.client_id, report.account, report.quantity) = (order.client_id, order.account, order.quantity);
            (report.time_in_force, report.side) = (order.time_in_force, order.side);
            generator.accepted(&report);
            if order.quantity.0 > 30 {
                let mut report = Done::new(0);
                report.client_id = order.client_id;
                generator.done(&report);
            }
        }
        assert!(generator.per_account.values().all(|&count| count <= 70), "{:?}", generator.per_account);
        assert_eq!(generator.open.len(), generator.places.len());
        assert!((4_000..9_900).contains(&counts["Cancel"]) && (800..1_200).contains(&counts["Amend"]), "{counts:?}");
    }
}
