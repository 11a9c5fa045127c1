//! What the load consists of: shares of order kinds, and the choice of each next message.
//!
//! ```toml
//! passive = 60     # limit GTC that waits
//! crossing = 15    # limit through the spread, half of them IOC
//! cancel = 20      # of a random open order
//! amend = 5        # of a random open order: fewer lots, or another price
//! # and, if wanted:
//! iceberg = 0      # passive, a third of it shown
//! gtd = 0          # passive, for 1 to 10 seconds
//! stop = 0         # sells by market when the price falls to its trigger, buys by budget when it rises
//! budget = 0       # buys by market for a quote budget
//! ```
//!
//! Invariants: shares add up to 100; an account never has more than `max_open` open orders (a passive order becomes a
//! cancel there), so that the book does not grow for ever; a cancel or amendment without an open order becomes passive.

use crate::flow::generate::Random;
use ringbook_wire::message::{Amend, Cancel, Message, NewOrder};
use ringbook_wire::report::{Accepted, Done};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, OrderType, Price, Qty, Side, StpMode, SymbolId, TimeInForce, TimestampNs,
    TriggerDirection, TriggerSource, codec,
};
use std::collections::HashMap;
use std::path::Path;

/// Quote units per tick and lot that a budget reckons with.
const BUDGET_PER_TICK_LOT: i64 = 100;

/// Shares in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Limit GTC that waits.
    pub passive: u64,
    /// Limit through the spread, half of them IOC.
    pub crossing: u64,
    /// Cancel of a random open order.
    pub cancel: u64,
    /// Amendment of a random open order.
    pub amend: u64,
    /// Passive, a third of it shown.
    #[serde(default)]
    pub iceberg: u64,
    /// Passive, good for 1 to 10 seconds.
    #[serde(default)]
    pub gtd: u64,
    /// Stop orders near the price.
    #[serde(default)]
    pub stop: u64,
    /// Market buys by budget.
    #[serde(default)]
    pub budget: u64,
}

/// What to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Passive,
    Crossing,
    Iceberg,
    Gtd,
    Stop,
    Budget,
}

impl Default for Mix {
    fn default() -> Self {
        Self { passive: 60, crossing: 15, cancel: 20, amend: 5, iceberg: 0, gtd: 0, stop: 0, budget: 0 }
    }
}

impl Mix {
    /// Reads a mix from a TOML file.
    ///
    /// # Errors
    /// It cannot be read, or the shares do not add up; in words.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mix: Self = toml::from_str(text).map_err(|error| {
            let names = "passive, crossing, cancel and amend, and may have iceberg, gtd, stop and budget";
            format!("{}; a mix has the numbers {names}", error.message())
        })?;
        let Self { passive, crossing, cancel, amend, iceberg, gtd, stop, budget } = mix;
        let shares = [passive, crossing, cancel, amend, iceberg, gtd, stop, budget];
        match shares.iter().try_fold(0_u64, |sum, &share| sum.checked_add(share)) {
            Some(100) => Ok(mix),
            _ => Err("the shares of a mix must add up to 100".into()),
        }
    }
}

/// Where and how large the orders are.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Symbol's number.
    pub symbol: u32,
    /// Middle of the prices, in ticks.
    pub price: i64,
    /// Farthest distance from it, in ticks.
    pub spread: i64,
    /// Largest passive quantity, in lots.
    pub quantity: i64,
    /// Open orders of an account.
    pub max_open: usize,
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
        }
    }

    /// Whether reports on this account are this connection's.
    pub fn owns(&self, account: AccountId) -> bool {
        self.accounts.contains(&account.0)
    }

    /// Appends the next message to `out`.
    pub fn next(&mut self, request: u32, now: TimestampNs, out: &mut Vec<u8>) {
        let account = self.accounts[self.random.below(self.accounts.len() as u64) as usize];
        let dice = self.random.below(100);
        let mix = self.mix;
        let shares = [
            (mix.passive, Kind::Passive),
            (mix.crossing, Kind::Crossing),
            (mix.iceberg, Kind::Iceberg),
            (mix.gtd, Kind::Gtd),
            (mix.stop, Kind::Stop),
            (mix.budget, Kind::Budget),
        ];
        let mut sum = 0;
        let entered = shares.into_iter().find_map(|(share, kind)| {
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
        let Terms { symbol, price, spread, quantity, .. } = self.terms;
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
            Kind::Stop | Kind::Budget => {
                let buys = kind == Kind::Budget || buy;
                order.side = if buys { Side::Buy } else { Side::Sell }.code();
                order.order_type = OrderType::Market.code();
                order.time_in_force = TimeInForce::Ioc.code();
                order.price = Price(0);
                if buys {
                    // In the demo market a tick times a lot is 100 units or so: enough for some lots, whatever it is.
                    order.budget = Amount(order.quantity.0.saturating_mul(price).saturating_mul(BUDGET_PER_TICK_LOT));
                    order.quantity = Qty(0);
                }
                if kind == Kind::Stop {
                    order.order_type = OrderType::StopMarket.code();
                    let direction = if buys { TriggerDirection::RisesTo } else { TriggerDirection::FallsTo };
                    let away = self.random.range(1, spread);
                    order.trigger = Price(if buys { price + away } else { price - away }.max(1));
                    order.trigger_direction = direction.code();
                    order.trigger_source = TriggerSource::Last.code();
                }
            }
        }
        codec::write(out, &order);
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
            let price = self.terms.price + if order.buy { -distance } else { distance };
            message.price = Price(price.max(1));
        }
        codec::write(out, &message);
    }

    /// An order was accepted; if it may rest, it is open until DONE.
    pub fn accepted(&mut self, report: &Accepted) {
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
    pub fn done(&mut self, report: &Done) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_wire::message::MessageType;

    #[test]
    fn a_mix_must_add_up() {
        assert_eq!(Mix::parse("passive=60\ncrossing=15\ncancel=20\namend=5"), Ok(Mix::default()));
        for bad in ["passive=60", "passive=60\ncrossing=15\ncancel=20\namend=6", "passiv=100", "passive=-1", "["] {
            assert!(Mix::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn messages_follow_the_mix_and_the_bound_of_open_orders() {
        let terms = Terms { symbol: 1, price: 1_000, spread: 40, quantity: 10, max_open: 50 };
        let mut generator = Generator::new(Mix::default(), terms, vec![20, 21], 77, 1);
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
