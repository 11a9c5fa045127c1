//! Which events a projection of a part shows.
//!
//! Invariant: an order's events are all in the same part, that of its symbol, so no part looks for an order that it does
//! not have.

use super::Projector;
use crate::command::{Command, Of};
use crate::scope::Scope;
use ringbook_event::Event;
use ringbook_wire::Wallet;

impl Projector {
    /// The same fold for a part.
    #[must_use]
    pub fn of(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Whether the part has the orders of a symbol. A symbol that does not exist is spot's.
    fn shows(&self, symbol: u32) -> bool {
        if self.symbols.get(&symbol).is_some_and(|s| s.perpetual) { self.scope.futures() } else { self.scope.spot() }
    }

    /// Whether an event makes rows in this part.
    pub(super) fn in_scope(&self, event: &Event, command: &Command) -> bool {
        let (spot, futures) = (self.scope.spot(), self.scope.futures());
        match event {
            _ if self.scope == Scope::All => true,
            Event::Accepted(e) => self.shows(e.symbol.0),
            Event::Trade(e) => self.shows(e.header.subject),
            Event::Prevented(e) => self.shows(e.header.subject),
            Event::Amended(e) => self.shows(e.symbol.0),
            Event::Canceled(e) => self.shows(e.symbol.0),
            Event::Expired(e) => self.shows(e.symbol.0),
            Event::Done(e) => self.shows(e.symbol.0),
            Event::Triggered(e) => self.shows(e.symbol.0),
            Event::Busted(_) => spot,
            Event::Balance(e) => (e.header.a == Wallet::Futures.code()) == futures,
            Event::Config(e) if e.header.b != 0 => futures,
            Event::Config(_) => !matches!(command, Command::SetPositionLimit(_)) || futures,
            Event::Transfer(e) => match e.header.a {
                1 | 2 => spot,
                3 | 4 => true,
                _ => futures,
            },
            Event::Rejected(_) => self.shows_refusal(command),
            Event::Status(_) | Event::Replayed(_) | Event::Handled(_) | Event::Refreshed(_) => true,
            _ => futures,
        }
    }

    fn shows_refusal(&self, command: &Command) -> bool {
        match command {
            Command::NewOrder(c) => self.shows(c.symbol.0),
            Command::CancelAll(c) => self.shows(c.symbol.0),
            Command::Money(money) => match (money.of, money.kind) {
                (Of::Perpetual(_), _) => self.scope.futures(),
                (_, "DEPOSIT" | "WITHDRAW") => self.scope.spot(),
                _ => true,
            },
            Command::SetLeverage(_)
            | Command::SetPerpetual(_)
            | Command::SetPositionLimit(_)
            | Command::Mark(_)
            | Command::Funding(_)
            | Command::SettleSymbol(_) => self.scope.futures(),
            // CANCEL and AMEND name an order, not a symbol.
            _ => self.scope.spot(),
        }
    }
}
