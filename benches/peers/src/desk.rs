//! Executes the command file on Ringbook (DOMAIN §5.8): GTC and IOC are LIMIT orders, a move amends the price, a
//! reduction amends the total down, a cancel is a CANCEL; and treats the known differences ([`Difference`]).
//!
//! Invariants:
//! 1. What a command returns is what exchange-core has to answer, as the two rule books say; nothing of its results is
//!    known here.
//! 2. After every command both sides have the same open orders in the same queues, and wallets that differ by the
//!    surplus of bids that were moved down, and by nothing else.
//! 3. Where Ringbook answers a probe otherwise than its rules say, the answer is [`Word::Other`], which never agrees.

use crate::answer::{Answer, Part, Word};
use crate::command::{Command, Place};
use crate::difference::Difference;
use crate::ringbook::{Open, Ringbook};
use ringbook_event::Event;
use ringbook_wire::message::{Amend, Cancel, Deposit, Message, NewOrder, Withdraw};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, OrderType, Price, Qty, RejectCode, Side, StpMode, SymbolId, TimeInForce,
};

/// Client ids from here on belong to no order of the command file.
const FRESH: u128 = 1 << 64;

/// Ringbook behind the commands of the file.
#[derive(Default)]
pub struct Desk {
    ringbook: Ringbook,
    fresh: u128,
}

impl Desk {
    /// The exchange behind it.
    pub fn ringbook(&self) -> &Ringbook {
        &self.ringbook
    }

    /// Executes a command; `None` for lines that have no answer of their own (symbols and state).
    ///
    /// # Errors
    /// A symbol that Ringbook refuses.
    pub fn execute(&mut self, command: &Command) -> Result<Option<Answer>, String> {
        Ok(Some(match *command {
            Command::State => {
                // exchange-core's reports settle as well.
                self.ringbook.settle();
                return Ok(None);
            }
            Command::Settle => {
                self.ringbook.settle();
                Answer::of(Word::Ok).because(Difference::SettlementLags)
            }
            Command::Symbol(terms) => return self.ringbook.add_symbol(terms).map(|()| None),
            Command::User(user) => {
                self.ringbook.add_user(user);
                Answer::of(Word::Ok)
            }
            Command::Adjust { user, asset, amount, number } => self.adjust(user, asset, amount, number),
            Command::Place(order) => self.place(&order),
            Command::Cancel { user, order, .. } => self.cancel(user, order),
            Command::Move { user, order, price, .. } => self.move_order(user, order, price),
            Command::Reduce { user, order, by, .. } => self.reduce(user, order, by),
        }))
    }

    fn adjust(&mut self, user: u32, asset: u32, amount: i64, adjustment: u64) -> Answer {
        let (account, asset_id) = (AccountId(user), AssetId(asset));
        if amount < 0 && self.only_the_surplus_lacks(user, asset, -i128::from(amount)) {
            return Answer::of(Word::NoFunds).because(Difference::HoldStaysAtReserve);
        }
        let amount_abs = Amount(amount.abs());
        let seen = if amount < 0 {
            let new = Withdraw::new(0);
            self.ringbook.send(&Withdraw { account, asset: asset_id, adjustment, amount: amount_abs, ..new })
        } else {
            let new = Deposit::new(0);
            self.ringbook.send(&Deposit { account, asset: asset_id, adjustment, amount: amount_abs, ..new })
        };
        let answer = Answer::of(word(&seen));
        if answer.word == Word::Ok {
            // Not a gain: exchange-core adjusts at once.
            self.ringbook.gain((user, asset), -amount);
        }
        answer
    }

    /// Whether a command has to wait until exchange-core has settled ([`Difference::SettlementLags`]).
    pub fn needs_settlement(&self, command: &Command) -> bool {
        let Some((user, asset, needed)) = self.needs(command) else {
            return false;
        };
        let available = i128::from(self.ringbook.available(user, asset) - self.ringbook.surplus(user, asset));
        needed <= available && available - i128::from(self.ringbook.unsettled(user, asset)) < needed
    }

    /// From which wallet a command takes, and how much.
    fn needs(&self, command: &Command) -> Option<(u32, u32, i128)> {
        match *command {
            Command::Place(Place { user, symbol, side, price, size, .. }) => {
                let terms = self.ringbook.terms(symbol)?;
                Some(match side {
                    Side::Buy => (user, terms.quote, terms.hold(price, size)),
                    Side::Sell => (user, terms.base, i128::from(size) * i128::from(terms.base_lot)),
                })
            }
            Command::Adjust { user, asset, amount, .. } if amount < 0 => Some((user, asset, -i128::from(amount))),
            _ => None,
        }
    }

    /// Ringbook could pay `needed`, but exchange-core holds more for bids that were moved down.
    fn only_the_surplus_lacks(&self, user: u32, asset: u32, needed: i128) -> bool {
        let available = i128::from(self.ringbook.available(user, asset));
        available >= needed && available - i128::from(self.ringbook.surplus(user, asset)) < needed
    }

    fn fresh_id(&mut self) -> ClientOrderId {
        self.fresh += 1;
        ClientOrderId::from(FRESH + self.fresh)
    }

    fn place(&mut self, order: &Place) -> Answer {
        let needs = self.needs(&Command::Place(*order));
        if needs.is_some_and(|(user, asset, needed)| self.only_the_surplus_lacks(user, asset, needed)) {
            return Answer::of(Word::NoFunds).because(Difference::HoldStaysAtReserve);
        }
        let mut answer = if self.ringbook.open(order.order).is_some() {
            self.place_duplicate(order)
        } else if order.stp {
            self.place_with_prevention(order)
        } else {
            self.enter(order, ClientOrderId::from(u128::from(order.order)), StpMode::None, order.price).0
        };
        if let (Word::Ok, Some((user, asset, held))) = (answer.word, needs) {
            // exchange-core holds at once; what it gives back comes with the settlement.
            self.ringbook.gain((user, asset), i64::try_from(held).expect("it was available"));
        }
        answer.name_rest_first();
        answer
    }

    fn message(&self, order: &Place, client_id: ClientOrderId, stp: StpMode) -> NewOrder {
        NewOrder {
            client_id,
            account: AccountId(order.user),
            symbol: SymbolId(order.symbol),
            price: Price(order.price),
            quantity: Qty(order.size),
            send_time: self.ringbook.now(),
            side: order.side.code(),
            order_type: OrderType::Limit.code(),
            time_in_force: if order.ioc { TimeInForce::Ioc } else { TimeInForce::Gtc }.code(),
            stp: stp.code(),
            ..NewOrder::new(0)
        }
    }

    /// Enters an order with the reserve price that it has in exchange-core; the second value is what self-trade
    /// prevention took of it.
    fn enter(&mut self, order: &Place, client_id: ClientOrderId, stp: StpMode, reserve: i64) -> (Answer, i64) {
        let message = self.message(order, client_id, stp);
        let (seen, fills) = self.ringbook.trade(&message);
        let mut answer = Answer { word: word(&seen), parts: fills, differences: Vec::new() };
        let (mut id, mut ended) = (None, false);
        for event in &seen {
            match event {
                Event::Accepted(accepted) => id = Some(accepted.order),
                Event::Expired(expired) if Some(expired.order) == id => {
                    answer.parts.push(Part::Rest(expired.remaining.0));
                }
                Event::Done(done) => ended |= Some(done.order) == id,
                _ => {}
            }
        }
        if let Some(id) = id.filter(|_| !ended) {
            let traded: i64 = answer.parts.iter().map(size_of_fill).sum();
            self.ringbook.rest(
                id,
                Open {
                    name: order.order,
                    client_id,
                    user: order.user,
                    symbol: order.symbol,
                    side: order.side,
                    price: order.price,
                    reserve,
                    remaining: order.size - traded,
                    total: order.size,
                },
            );
        }
        (answer, prevented(&seen))
    }

    /// [`Difference::DuplicateMatchesFirst`]. The two orders are on one side: a duplicate that trades with the first
    /// order would find its id free in exchange-core.
    fn place_duplicate(&mut self, order: &Place) -> Answer {
        let first = *self.ringbook.open(order.order).expect("looked up before");
        assert_eq!((first.user, first.side), (order.user, order.side), "a duplicate keeps user and side");
        let used = self.message(order, first.client_id, StpMode::None);
        let seen = self.ringbook.send(&used);
        if word(&seen) != Word::Other(RejectCode::DuplicateClientId.code()) {
            return unexpected(&seen).because(Difference::DuplicateMatchesFirst);
        }
        let client_id = self.fresh_id();
        let (answer, _) = self.enter(&Place { ioc: true, ..*order }, client_id, StpMode::None, order.price);
        answer.because(Difference::DuplicateMatchesFirst)
    }

    /// An order with CANCEL_TAKER.
    fn place_with_prevention(&mut self, order: &Place) -> Answer {
        let client_id = ClientOrderId::from(u128::from(order.order));
        let (answer, prevented) = self.enter(order, client_id, StpMode::CancelTaker, order.price);
        self.go_on(answer, order, prevented, order.price)
    }

    /// [`Difference::NoSelfTradePrevention`]: what was prevented goes on as an order without prevention.
    fn go_on(&mut self, mut answer: Answer, order: &Place, prevented: i64, reserve: i64) -> Answer {
        if prevented == 0 {
            return answer;
        }
        let client_id = self.fresh_id();
        let (rest, _) = self.enter(&Place { size: prevented, ..*order }, client_id, StpMode::None, reserve);
        answer.parts.extend(rest.parts);
        answer.word = rest.word;
        answer.because(Difference::NoSelfTradePrevention)
    }

    /// How Ringbook knows an order of the file; and the order, if it is open and this user's.
    fn named(&self, user: u32, order: u64) -> (ClientOrderId, Option<Open>) {
        let open = self.ringbook.open(order).filter(|open| open.user == user).copied();
        (open.map_or(ClientOrderId::from(u128::from(order)), |open| open.client_id), open)
    }

    fn cancel(&mut self, user: u32, order: u64) -> Answer {
        let (client_id, _) = self.named(user, order);
        let seen = self.ringbook.send(&Cancel { account: AccountId(user), client_id, ..Cancel::new(0) });
        match seen.first() {
            Some(Event::Canceled(canceled)) => {
                let parts = vec![Part::Reduced { size: canceled.remaining.0, done: true }];
                Answer { word: Word::Ok, parts, differences: Vec::new() }
            }
            _ => not_found(&seen),
        }
    }

    fn amend(&mut self, user: u32, client_id: ClientOrderId, price: i64, total: i64) -> (Vec<Event>, Vec<Part>) {
        let (account, price, quantity) = (AccountId(user), Price(price), Qty(total));
        self.ringbook.trade(&Amend { account, client_id, price, quantity, ..Amend::new(0) })
    }

    fn move_order(&mut self, user: u32, order: u64, price: i64) -> Answer {
        let (client_id, open) = self.named(user, order);
        let Some(open) = open else {
            return not_found(&self.amend(user, client_id, price, 0).0);
        };
        if open.side == Side::Buy && price > open.reserve {
            return Answer::of(Word::AboveReserve).because(Difference::MoveAboveReserve);
        }
        let (seen, fills) = self.amend(user, client_id, price, 0);
        if price != open.price {
            let answer = Answer { word: word(&seen), parts: fills, differences: Vec::new() };
            // The mode of the order's entry acts in a move as well.
            let Open { user, symbol, side, reserve, .. } = open;
            let size = prevented(&seen);
            let again = Place { user, symbol, order, ioc: false, side, price, size, stp: false };
            return self.go_on(answer, &again, size, reserve);
        }
        // Difference::MoveToSamePrice
        if word(&seen) != Word::Other(RejectCode::AmendNothing.code()) {
            return unexpected(&seen).because(Difference::MoveToSamePrice);
        }
        let away = if open.side == Side::Buy { price - 1 } else { price + 1 };
        for price in [away, price] {
            let (seen, fills) = self.amend(user, client_id, price, 0);
            if word(&seen) != Word::Ok || !fills.is_empty() {
                return unexpected(&seen).because(Difference::MoveToSamePrice);
            }
        }
        Answer::of(Word::Ok).because(Difference::MoveToSamePrice)
    }

    fn reduce(&mut self, user: u32, order: u64, by: i64) -> Answer {
        let (client_id, open) = self.named(user, order);
        let Some(open) = open else {
            let answer = not_found(&self.amend(user, client_id, 0, 1).0);
            let found_nothing = answer.word == Word::UnknownOrder && by < 1;
            return if found_nothing {
                Answer::of(Word::WrongSize).because(Difference::SizeCheckedFirst)
            } else {
                answer
            };
        };
        if by < 1 {
            // The same total: nothing to amend.
            let (seen, _) = self.amend(user, client_id, 0, open.total);
            let nothing = word(&seen) == Word::Other(RejectCode::AmendNothing.code());
            return if nothing { Answer::of(Word::WrongSize) } else { unexpected(&seen) };
        }
        if by >= open.remaining {
            return self.reduce_to_nothing(user, order, &open);
        }
        let (seen, fills) = self.amend(user, client_id, 0, open.total - by);
        let kept_its_place = matches!(seen.first(), Some(Event::Amended(amended)) if amended.header.b == 1);
        if !kept_its_place || !fills.is_empty() {
            return unexpected(&seen);
        }
        let parts = vec![Part::Reduced { size: by, done: false }];
        Answer { word: Word::Ok, parts, differences: Vec::new() }
    }

    /// [`Difference::ReduceToNothing`].
    fn reduce_to_nothing(&mut self, user: u32, order: u64, open: &Open) -> Answer {
        let filled = open.total - open.remaining;
        if filled > 0 {
            let (seen, _) = self.amend(user, open.client_id, 0, filled);
            if word(&seen) != Word::Other(RejectCode::AmendQty.code()) {
                return unexpected(&seen).because(Difference::ReduceToNothing);
            }
        }
        self.cancel(user, order).because(Difference::ReduceToNothing)
    }

    /// The lines of a state: balances as exchange-core has them, open orders, fees, adjustments.
    ///
    /// # Errors
    /// The engine breaks an invariant of its own.
    pub fn state(&self) -> Result<Vec<String>, String> {
        self.ringbook.check()?;
        let mut lines = Vec::new();
        for user in self.ringbook.users() {
            for (asset, available) in self.ringbook.wallets_of(AccountId(user)) {
                let surplus = self.ringbook.surplus(user, asset);
                if available != surplus {
                    let line = format!("B {user} {asset} {}", available - surplus);
                    let why =
                        if surplus == 0 { String::new() } else { format!(" ~{}", Difference::HoldStaysAtReserve) };
                    lines.push(line + &why);
                }
            }
            for order in self.ringbook.orders_of(user) {
                let Open { name, symbol, side, price, remaining, .. } = order;
                lines.push(format!("O {user} {symbol} {name} {} {price} {remaining}", side.name()));
            }
        }
        for (letter, account) in [("F", AccountId::FEES), ("X", AccountId::EXTERNAL)] {
            let wallets = self.ringbook.wallets_of(account);
            lines.extend(wallets.iter().filter(|w| w.1 != 0).map(|(asset, sum)| format!("{letter} {asset} {sum}")));
        }
        Ok(lines)
    }
}

/// What self-trade prevention took of the taker.
fn prevented(seen: &[Event]) -> i64 {
    let lots = |event: &Event| if let Event::Prevented(p) = event { p.taker_quantity.0 } else { 0 };
    seen.iter().map(lots).sum()
}

fn size_of_fill(part: &Part) -> i64 {
    match part {
        Part::Trade { size, .. } => *size,
        _ => 0,
    }
}

/// The word for what Ringbook did. A refusal that only a difference explains stays [`Word::Other`].
fn word(seen: &[Event]) -> Word {
    match seen.first() {
        Some(Event::Rejected(rejected)) => match RejectCode::from_code(rejected.code) {
            Some(RejectCode::InsufficientBalance) => Word::NoFunds,
            Some(RejectCode::UnknownAccount) => Word::UnknownUser,
            Some(RejectCode::UnknownSymbol) => Word::UnknownSymbol,
            Some(RejectCode::UnknownOrder) => Word::UnknownOrder,
            _ => Word::Other(rejected.code),
        },
        Some(Event::Replayed(_)) => Word::Other(0),
        _ => Word::Ok,
    }
}

/// The answer of a command that names no open order of its user.
fn not_found(seen: &[Event]) -> Answer {
    match seen.first() {
        Some(Event::Replayed(_)) => Answer::of(Word::UnknownOrder).because(Difference::EndedOrderReplayed),
        _ if word(seen) == Word::UnknownOrder => Answer::of(Word::UnknownOrder),
        _ => unexpected(seen),
    }
}

/// An answer that Ringbook's rules do not allow here; it never agrees with anything.
fn unexpected(seen: &[Event]) -> Answer {
    let code = match seen.first() {
        Some(Event::Rejected(rejected)) => rejected.code,
        _ => 0,
    };
    Answer::of(Word::Other(code))
}
