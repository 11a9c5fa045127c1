//! Brings an order into a state and lets something happen to it, on the real engine.
//!
//! The subject is one order: account [`OWN`], client id [`SUBJECT`]; a GTD sell of 10 at 100 that shows 3, flagged
//! cancel-on-disconnect, so that nearly everything can happen to it. What only a taker meets has scripts of its own.

use crate::common::Venue;
use crate::table::{Occasion, State};
use crate::watch::{Client, Step, Watch};
use ringbook_core::MIN_EVENT_BYTES;
use ringbook_event::{Event, Origin};
use ringbook_oracle::Exchange;
use ringbook_oracle::scenario::{Desk, budget, fok, genesis, gtd, iceberg, ioc, limit, market, stop, with_stp};
use ringbook_wire::message::{
    Amend, Cancel, Continue, Genesis, Message, MessageType, NewOrder, Quarantine, SessionDown, SetKey, SetSymbol, Tick,
};
use ringbook_wire::{
    AccountId, ClientOrderId, KeyId, OrderId, Price, Qty, Rate, Role, SessionId, Side, StpMode, SymbolStatus,
    TriggerDirection, order_flags,
};

/// The subject's account.
const OWN: u32 = 100;
const OTHER: u32 = 101;
const THIRD: u32 = 102;
/// The subject's client id.
const SUBJECT: ClientOrderId = ClientOrderId([77, 0]);
const KEY: KeyId = KeyId(1);
const HOUR: u64 = 3_600_000_000_000;
/// Orders that do not fit the events of one command of [`MIN_EVENT_BYTES`].
const MANY: usize = 60;

/// An engine whose every command is watched.
pub struct Watched {
    venue: Venue,
    pub watch: Watch,
    pub steps: Vec<Step>,
}

impl Watched {
    /// With a small bound of events, so that long work has parts.
    pub fn new() -> Self {
        let venue = Venue::with(&Genesis { max_event_bytes: MIN_EVENT_BYTES, ..genesis() });
        Self { venue, watch: Watch::default(), steps: Vec::new() }
    }

    /// Everything at once: the engine's invariants, and every order's state.
    pub fn check(&self) {
        self.venue.engine.check_invariants().unwrap();
        self.watch.compare_all(&self.venue.engine);
    }
}

impl Exchange for Watched {
    fn apply(&mut self, _: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        let events = self.venue.one(time_ns, origin, message);
        self.watch.note(message, &events, &self.venue.engine);
        self.steps.extend_from_slice(&self.watch.steps);
        events
    }
}

/// Lets `occasion` happen to an order in state `from`; which order it was. `None`: there is no such script.
pub fn drive(exchange: &mut dyn Exchange, from: State, occasion: Occasion) -> Option<Named> {
    let mut stage = Stage::new(exchange);
    stage.run(from, occasion)
}

/// How the steps name the order.
pub enum Named {
    Client(Client),
    Order(OrderId),
}

impl Named {
    pub fn is(&self, step: &Step) -> bool {
        match *self {
            Self::Client(client) => step.client == client,
            Self::Order(order) => step.order == order.0,
        }
    }
}

struct Stage<'a> {
    desk: Desk<'a>,
    symbol: u32,
}

impl<'a> Stage<'a> {
    fn new(exchange: &'a mut dyn Exchange) -> Self {
        let mut desk = Desk::new(exchange);
        let symbol = desk.symbol(|s| {
            (s.max_trigger_orders, s.stp) = (200, StpMode::None.code());
        });
        desk.rich(&[OWN, OTHER, THIRD]);
        let (first_account, last_account) = (AccountId(OWN), AccountId(OWN));
        desk.send(&SetKey { key: KEY, role: Role::Trade.code(), first_account, last_account, ..SetKey::new(0) });
        Self { desk, symbol }
    }

    /// The subject as it rests.
    fn resting(&self) -> NewOrder {
        let order = iceberg(limit(OWN, self.symbol, Side::Sell, 100, 10), 3);
        NewOrder { flags: order_flags::CANCEL_ON_DISCONNECT, ..gtd(order, self.desk.now + HOUR) }
    }

    /// Sends the subject, from its session.
    fn send(&mut self, order: NewOrder) {
        let order = self.desk.complete(NewOrder { client_id: SUBJECT, ..order });
        self.desk.send_as(Origin::session(SessionId::new(KEY, 1)), &order);
    }

    fn place(&mut self, order: NewOrder) {
        self.desk.place(order).accepted();
    }

    /// A buy that takes lots of the subject.
    fn take(&mut self, lots: i64) {
        self.place(ioc(OTHER, self.symbol, Side::Buy, 100, lots));
    }

    /// A buy of the subject's own account.
    fn meet_itself(&mut self, mode: StpMode, lots: i64) {
        self.place(with_stp(ioc(OWN, self.symbol, Side::Buy, 100, lots), mode));
    }

    fn cancel(&mut self, message: Cancel) {
        self.desk.send(&Cancel { account: AccountId(OWN), client_id: SUBJECT, ..message });
    }

    fn amend(&mut self, message: Amend) {
        self.desk.send(&Amend { account: AccountId(OWN), client_id: SUBJECT, ..message });
    }

    fn trade_at(&mut self, price: i64) {
        self.desk.trade_at(OTHER, THIRD, self.symbol, price);
    }

    fn change_symbol(&mut self, change: impl FnOnce(&mut SetSymbol)) {
        let mut message = ringbook_oracle::scenario::spot(self.symbol);
        (message.max_trigger_orders, message.stp) = (200, StpMode::None.code());
        change(&mut message);
        assert_eq!(self.desk.send(&message).names(), ["Config"]);
    }

    fn time_passes(&mut self) {
        self.desk.now += 2 * HOUR;
        self.desk.send(&Tick::new(0));
    }

    /// The command that crashed is set aside.
    fn quarantine(&mut self, kind: MessageType) -> ringbook_oracle::scenario::Outcome {
        let (account, client_id) = (AccountId(OWN), SUBJECT);
        self.desk.send(&Quarantine { account, kind: kind as u8, client_id, ..Quarantine::new(0) })
    }

    /// The subject, in a state in which it stays.
    fn bring(&mut self, state: State) {
        match state {
            State::Nowhere => {}
            State::Rejected => self.send(NewOrder { quantity: Qty(100_000_000), ..self.resting() }),
            State::Untriggered => self.send(stop(self.resting(), TriggerDirection::RisesTo, 150)),
            State::New => self.send(self.resting()),
            State::PartiallyFilled => {
                self.send(self.resting());
                self.take(2);
            }
            State::Filled => {
                self.send(self.resting());
                self.take(10);
            }
            State::Canceled => {
                self.send(self.resting());
                self.cancel(Cancel::new(0));
            }
            State::Expired => {
                self.send(self.resting());
                self.time_passes();
            }
            State::ExpiredStp => {
                self.send(self.resting());
                self.meet_itself(StpMode::CancelMaker, 1);
            }
        }
    }

    fn run(&mut self, from: State, occasion: Occasion) -> Option<Named> {
        use Occasion as O;
        match occasion {
            O::Triggered
            | O::Accepted
            | O::AcceptedToWait
            | O::Refused
            | O::BudgetSpent
            | O::ExpiredIoc
            | O::ExpiredFok
            | O::ExpiredNoLiquidity
            | O::ExpiredProtection
            | O::ExpiredBudget
            | O::ExpiredTriggerFailed => self.taker(from, occasion),
            O::ExpiredFault => return self.fault(from),
            // In one match: without slices.
            O::LastFill if from == State::New => {
                self.send(limit(OWN, self.symbol, Side::Sell, 100, 10));
                self.take(10);
            }
            O::Repeated | O::IdTaken => {
                // The first request again, or with another quantity.
                let order = match from {
                    State::Untriggered => stop(self.resting(), TriggerDirection::RisesTo, 150),
                    State::Rejected => NewOrder { quantity: Qty(100_000_000), ..self.resting() },
                    _ => self.resting(),
                };
                let mut order = self.desk.complete(NewOrder { client_id: SUBJECT, ..order });
                self.bring(from);
                if occasion == O::IdTaken {
                    order.quantity = Qty(11);
                }
                self.desk.send(&order);
            }
            _ => {
                self.bring(from);
                self.rests(occasion)?;
            }
        }
        Some(Named::Client((OWN, SUBJECT.into())))
    }

    /// What happens to the subject wherever it stands.
    fn rests(&mut self, occasion: Occasion) -> Option<()> {
        use Occasion as O;
        match occasion {
            O::SetAside => _ = self.quarantine(MessageType::NewOrder),
            O::CancelReplayed | O::CanceledUser => self.cancel(Cancel::new(0)),
            O::AmendReplayed => self.amend(Amend { quantity: Qty(9), ..Amend::new(0) }),
            O::CancelRefused => self.cancel(Cancel { reserved: 1, ..Cancel::new(0) }),
            O::AmendRefused => self.amend(Amend { quantity: Qty(-1), ..Amend::new(0) }),
            O::Fill => self.take(1),
            O::LastFill => self.take(10),
            O::Spared => self.meet_itself(StpMode::CancelTaker, 1),
            O::Prevented => self.meet_itself(StpMode::Decrement, 1),
            O::PreventedAll => self.meet_itself(StpMode::CancelMaker, 1),
            // All that it shows, without a trade.
            O::Refreshed => self.meet_itself(StpMode::Decrement, 3),
            O::Amended => self.amend(Amend { quantity: Qty(9), ..Amend::new(0) }),
            O::Requeued => self.amend(Amend { price: Price(101), ..Amend::new(0) }),
            O::CanceledMass => _ = self.desk.cancel_all(OWN),
            O::CanceledSession => {
                self.desk.send(&SessionDown { session: SessionId::new(KEY, 1), ..SessionDown::new(0) });
            }
            O::ExpiredTime => self.time_passes(),
            O::ExpiredStatus => _ = self.desk.status(self.symbol, SymbolStatus::Closed),
            _ => return None,
        }
        Some(())
    }

    /// What happens to the subject as it comes in or runs. In NEW it has not traded, in PARTIALLY_FILLED it has.
    fn taker(&mut self, from: State, occasion: Occasion) {
        use Occasion as O;
        let (symbol, traded) = (self.symbol, from == State::PartiallyFilled);
        let ask = |price, lots| limit(OTHER, symbol, Side::Sell, price, lots);
        if traded {
            self.place(ask(100, 4));
        }
        match occasion {
            O::Accepted => self.send(self.resting()),
            O::AcceptedToWait => self.bring(State::Untriggered),
            O::Refused => self.bring(State::Rejected),
            O::Triggered => {
                self.bring(State::Untriggered);
                self.trade_at(150);
            }
            O::BudgetSpent => self.send(budget(OWN, symbol, 4_000)),
            O::ExpiredIoc => self.send(ioc(OWN, symbol, Side::Buy, 100, 10)),
            O::ExpiredFok => {
                self.place(ask(100, 9));
                self.send(fok(OWN, symbol, Side::Buy, 100, 10));
            }
            O::ExpiredNoLiquidity => self.send(market(OWN, symbol, Side::Buy, 10)),
            O::ExpiredProtection => {
                // Beyond slip, or, where nothing may trade, beyond the band.
                self.place(ask(200, 9));
                if !traded {
                    self.trade_at(100);
                    self.change_symbol(|s| s.band = Rate(1_000_000));
                }
                self.send(market(OWN, symbol, Side::Buy, 10));
            }
            O::ExpiredBudget => {
                self.place(ask(100, 4));
                self.send(budget(OWN, symbol, 999));
            }
            O::ExpiredTriggerFailed => {
                self.bring(State::Untriggered);
                self.change_symbol(|s| (s.max_quantity, s.max_market_quantity) = (Qty(9), Qty(9)));
                self.trade_at(150);
            }
            _ => unreachable!("the others do not come in"),
        }
    }

    /// Work in parts crashes the engine, and what is left of it is dropped.
    fn fault(&mut self, from: State) -> Option<Named> {
        let symbol = self.symbol;
        if from == State::Untriggered {
            // Many fire at once; the one whose turn it is when the events are full is set aside.
            for _ in 0..MANY {
                self.place(stop(ioc(OWN, symbol, Side::Sell, 100, 1), TriggerDirection::RisesTo, 150));
            }
            self.trade_at(150);
        } else {
            // Own makers that prevention takes, or others' that trade.
            let maker = if from == State::New { OWN } else { OTHER };
            for _ in 0..MANY {
                self.place(limit(maker, symbol, Side::Sell, 100, 1));
            }
            self.send(with_stp(ioc(OWN, symbol, Side::Buy, 100, 100), StpMode::CancelMaker));
        }
        let dropped = self.quarantine(MessageType::Continue);
        let order = dropped.expired().first().map(|&(order, _, _)| Named::Order(order));
        self.desk.send(&Continue::new(0));
        order
    }
}
