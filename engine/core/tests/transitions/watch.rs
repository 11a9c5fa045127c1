//! Follows every order through the events, by the table alone.
//!
//! ```text
//!  command + events ──► occasions of orders ──► table: may it be? what is the order then?
//!                                                │
//!        engine's own word (DONE, REPLAYED, open_order) ──► must be the same state
//! ```
//!
//! Invariants: an occasion that the table calls impossible panics; every order that an event ends has its DONE in the same
//! command, with the state and the reason that the table has; a state is never taken from the event that is checked.

use crate::table::{Cell, Occasion, STATES, State, after_command, cell};
use ringbook_core::Engine;
use ringbook_event::{Event, Prevented};
use ringbook_wire::message::{Amend, Cancel, Message, MessageType, NewOrder, Quarantine};
use ringbook_wire::{AccountId, ClientOrderId, EndReason, OrderId, OrderState, RejectCode, StpMode, TriggerDirection};
use std::collections::BTreeMap;

/// An order's name before it has a number.
pub type Client = (u32, u128);

/// What a client id led to.
#[derive(Clone, Copy)]
enum Known {
    Order(u64),
    Refused,
}

struct Order {
    state: State,
    client: Client,
    by_budget: bool,
}

/// One occasion of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub client: Client,
    /// 0: it has no number.
    pub order: u64,
    pub from: State,
    pub occasion: Occasion,
    pub to: State,
}

/// See the module.
#[derive(Default)]
pub struct Watch {
    orders: BTreeMap<u64, Order>,
    clients: BTreeMap<Client, Known>,
    /// Steps of the last command.
    pub steps: Vec<Step>,
    /// How often each pair was seen.
    pub seen: BTreeMap<(State, Occasion), u64>,
    /// How often each pair of states around one command was seen.
    pub around: BTreeMap<(State, State), u64>,
    /// Orders that have ended by an event whose DONE has not come yet: the reason it must have.
    ending: BTreeMap<u64, Option<EndReason>>,
}

impl Watch {
    /// Takes a command and its events; `engine` has just executed it.
    pub fn note(&mut self, message: &[u8], events: &[Event], engine: &Engine) {
        self.steps.clear();
        let mut before: BTreeMap<u64, State> = BTreeMap::new();
        for event in events {
            for order in concerned(event) {
                before.entry(order).or_insert_with(|| self.orders.get(&order).map_or(State::Nowhere, |o| o.state));
            }
            self.event(message, event);
        }
        self.set_aside(message, engine);
        assert!(self.ending.is_empty(), "no DONE for {:?}", self.ending.keys());
        for (order, from) in before {
            let to = self.orders[&order].state;
            assert!(after_command(from)[to as usize], "order {order}: {from:?} before the command, {to:?} after it");
            *self.around.entry((from, to)).or_default() += 1;
            self.compare(order, engine);
        }
    }

    /// Compares what the events said of every order with the engine's state.
    pub fn compare_all(&self, engine: &Engine) {
        for &order in self.orders.keys() {
            self.compare(order, engine);
        }
    }

    fn compare(&self, order: u64, engine: &Engine) {
        let followed = self.orders[&order].state;
        match engine.open_order(OrderId(order)) {
            Some(view) => assert_eq!(followed, State::of(view.state), "order {order}"),
            None => assert!(!followed.is_open(), "order {order} is {followed:?}, and the engine does not have it"),
        }
    }

    fn event(&mut self, message: &[u8], event: &Event) {
        match event {
            Event::Rejected(e) => self.rejected(message, e.header.a, e.code),
            Event::Replayed(e) => {
                let client = (e.header.subject, u128::from(e.client_id));
                let occasion = match MessageType::from_code(e.header.b) {
                    Some(MessageType::NewOrder) => Occasion::Repeated,
                    Some(MessageType::Cancel) => Occasion::CancelReplayed,
                    Some(MessageType::Amend) => Occasion::AmendReplayed,
                    other => panic!("REPLAYED answers {other:?}"),
                };
                let state = if e.order.0 != 0 {
                    self.happens(e.order.0, occasion)
                } else {
                    self.request(client, State::Rejected, occasion)
                };
                assert_eq!(state, state_of(e.header.a), "REPLAYED of order {}", e.order);
            }
            Event::Accepted(e) => {
                let order = NewOrder::read(message).expect("only a NEW_ORDER is accepted");
                let client = (order.account.0, u128::from(order.client_id));
                let waits = TriggerDirection::from_code(order.trigger_direction).is_some();
                let occasion = if waits { Occasion::AcceptedToWait } else { Occasion::Accepted };
                let by_budget = order.budget.0 != 0;
                assert!(self.orders.insert(e.order.0, Order { state: State::Nowhere, client, by_budget }).is_none());
                self.clients.insert(client, Known::Order(e.order.0));
                self.happens(e.order.0, occasion);
            }
            Event::Triggered(e) => _ = self.happens(e.order.0, Occasion::Triggered),
            Event::Trade(e) => {
                for (order, left) in [(e.taker_order.0, e.taker_remaining), (e.maker_order.0, e.maker_remaining)] {
                    let all = left.is_zero() && !self.orders[&order].by_budget;
                    self.happens(order, if all { Occasion::LastFill } else { Occasion::Fill });
                }
            }
            Event::Prevented(e) => self.prevented(e),
            Event::Refreshed(e) => _ = self.happens(e.order.0, Occasion::Refreshed),
            Event::Amended(e) => {
                let occasion = match (e.header.a, e.header.b) {
                    (1, 1) => Occasion::Amended,
                    (1, 0) => Occasion::Requeued,
                    _ => Occasion::Trimmed,
                };
                self.happens(e.order.0, occasion);
            }
            Event::Canceled(e) => self.ends(e.order.0, e.header.a),
            Event::Expired(e) => {
                let failed = e.header.a == EndReason::TriggerFailed.code();
                assert_eq!(e.code != 0, failed, "a code says why a triggered order failed, and nothing else");
                self.ends(e.order.0, e.header.a);
            }
            Event::Done(e) => {
                let order = e.order.0;
                let state = self.orders[&order].state;
                if self.orders[&order].by_budget && state.is_open() {
                    self.happens(order, Occasion::BudgetSpent);
                }
                let reason = self.ending.remove(&order).unwrap_or_else(|| panic!("DONE of order {order} came alone"));
                assert_eq!(self.orders[&order].state, state_of(e.header.a), "DONE of order {order}");
                assert_eq!(e.header.b, reason.map_or(0, EndReason::code), "reason in DONE of order {order}");
            }
            Event::Balance(_) | Event::Status(_) | Event::Config(_) | Event::Transfer(_) | Event::Handled(_) => {}
            // The trade goes back, the orders stay as they are.
            Event::Busted(_) => {}
            // Of perpetuals; their orders change by the events above.
            _ => {}
        }
    }

    fn rejected(&mut self, message: &[u8], kind: u8, code: u16) {
        if let Some(order) = NewOrder::read(message) {
            let client = (order.account.0, u128::from(order.client_id));
            if code == RejectCode::DuplicateClientId.code() {
                return match self.clients[&client] {
                    Known::Order(order) => _ = self.happens(order, Occasion::IdTaken),
                    Known::Refused => _ = self.request(client, State::Rejected, Occasion::IdTaken),
                };
            }
            // The request under this id; an order that has the id is another matter.
            self.request(client, State::Nowhere, Occasion::Refused);
            let unknown = [RejectCode::BadRequest, RejectCode::UnknownAccount, RejectCode::StaleRequest];
            if !unknown.map(RejectCode::code).contains(&code) {
                self.clients.insert(client, Known::Refused);
            }
            return;
        }
        let (account, order, client_id, occasion) = if let Some(m) = Cancel::read(message) {
            (m.account, m.order, m.client_id, Occasion::CancelRefused)
        } else if let Some(m) = Amend::read(message) {
            (m.account, m.order, m.client_id, Occasion::AmendRefused)
        } else {
            assert_ne!(kind, MessageType::NewOrder as u8);
            return;
        };
        match self.named(account, order, client_id) {
            Some(Known::Order(order)) => _ = self.happens(order, occasion),
            Some(Known::Refused) => _ = self.request((account.0, client_id.into()), State::Rejected, occasion),
            None => _ = self.request((account.0, client_id.into()), State::Nowhere, occasion),
        }
    }

    fn named(&self, account: AccountId, order: OrderId, client_id: ClientOrderId) -> Option<Known> {
        if order.0 == 0 {
            return self.clients.get(&(account.0, u128::from(client_id))).copied();
        }
        let own = self.orders.get(&order.0).is_some_and(|known| known.client.0 == account.0);
        own.then_some(Known::Order(order.0))
    }

    fn prevented(&mut self, e: &Prevented) {
        let taker_ends = match StpMode::from_code(e.header.a) {
            Some(StpMode::CancelTaker | StpMode::CancelBoth) => true,
            Some(StpMode::Decrement) => e.taker_remaining.is_zero(),
            _ => false,
        };
        let of = |ends: bool, loss: i64| match (ends, loss) {
            (true, _) => Occasion::PreventedAll,
            (false, 0) => Occasion::Spared,
            (false, _) => Occasion::Prevented,
        };
        self.happens(e.maker_order.0, of(e.maker_remaining.is_zero(), e.maker_quantity.0));
        self.happens(e.taker_order.0, of(taker_ends, e.taker_quantity.0));
    }

    /// CANCELED or EXPIRED.
    fn ends(&mut self, order: u64, reason: u8) {
        let reason = EndReason::from_code(reason).expect("a known reason");
        self.happens(order, Occasion::of(reason));
    }

    /// A QUARANTINE that names a request.
    fn set_aside(&mut self, message: &[u8], engine: &Engine) {
        let Some(m) = Quarantine::read(message).filter(|m| m.kind == MessageType::NewOrder as u8) else { return };
        if m.client_id == ClientOrderId::NONE || m.account.is_system() || engine.balances(m.account).is_none() {
            return;
        }
        let client = (m.account.0, u128::from(m.client_id));
        let image = engine.image();
        let own = |entry: &&ringbook_core::image::RingImage| {
            entry.account == m.account.0 && ClientOrderId(entry.client_id) == m.client_id
        };
        // A new entry, or nothing: the id is known.
        if image.ring.iter().find(own).is_some_and(|entry| entry.sequence == image.sequence) {
            self.request(client, State::Nowhere, Occasion::SetAside);
            self.clients.insert(client, Known::Refused);
            return;
        }
        match self.clients[&client] {
            Known::Order(order) => _ = self.happens(order, Occasion::SetAside),
            Known::Refused => _ = self.request(client, State::Rejected, Occasion::SetAside),
        }
    }

    /// Something happens to an order that was accepted; its state then.
    fn happens(&mut self, order: u64, occasion: Occasion) -> State {
        let Order { state: from, client, .. } = self.orders[&order];
        let to = self.step(client, order, from, occasion);
        self.orders.get_mut(&order).expect("it was just read").state = to;
        if !to.is_open() && from.is_open() {
            let reason = occasion.reason();
            assert!(self.ending.insert(order, reason).is_none(), "order {order} ends twice");
        }
        to
    }

    /// Something happens to a request that has no order.
    fn request(&mut self, client: Client, from: State, occasion: Occasion) -> State {
        self.step(client, 0, from, occasion)
    }

    fn step(&mut self, client: Client, order: u64, from: State, occasion: Occasion) -> State {
        let to = match cell(from, occasion) {
            Cell::To(to) => to,
            other => panic!("order {order} of {client:?}: {occasion:?} in {from:?}, which the table has as {other:?}"),
        };
        *self.seen.entry((from, occasion)).or_default() += 1;
        self.steps.push(Step { client, order, from, occasion, to });
        to
    }
}

/// The orders whose state an event may change.
fn concerned(event: &Event) -> Vec<u64> {
    match event {
        Event::Accepted(e) => vec![e.order.0],
        Event::Triggered(e) => vec![e.order.0],
        Event::Trade(e) => vec![e.taker_order.0, e.maker_order.0],
        Event::Prevented(e) => vec![e.taker_order.0, e.maker_order.0],
        Event::Refreshed(e) => vec![e.order.0],
        Event::Amended(e) => vec![e.order.0],
        Event::Canceled(e) => vec![e.order.0],
        Event::Expired(e) => vec![e.order.0],
        Event::Done(e) => vec![e.order.0],
        Event::Replayed(e) if e.order.0 != 0 => vec![e.order.0],
        _ => Vec::new(),
    }
}

fn state_of(code: u8) -> State {
    State::of(OrderState::from_code(code).expect("a known state"))
}

/// Adds up what several watches saw.
pub fn add<K: Ord + Copy>(total: &mut BTreeMap<K, u64>, seen: &BTreeMap<K, u64>) {
    for (&key, count) in seen {
        *total.entry(key).or_default() += count;
    }
}

/// Pairs of states around a command that may be but were not seen; those of requests without an order and of finals have
/// no event and are not asked for.
pub fn missing_around(seen: &BTreeMap<(State, State), u64>) -> Vec<(State, State)> {
    let pairs = State::ALL.into_iter().flat_map(|from| (0..STATES).map(move |to| (from, State::ALL[to])));
    let wanted = |&(from, to): &(State, State)| {
        after_command(from)[to as usize]
            && !(from == State::Nowhere && matches!(to, State::Nowhere | State::Rejected))
            && from != State::Rejected
    };
    pairs.filter(wanted).filter(|pair| !seen.contains_key(pair)).collect()
}
