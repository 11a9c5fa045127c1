//! Commands from a seed: prices around a walking mid, orders of all fates, and refusals of every kind.
//!
//! The generator looks at the open orders on Ringbook's side, so that it can name orders that live. What exchange-core
//! does is not known to it.
//!
//! Not sent, because exchange-core does not check it and its state would make no sense afterwards: prices and sizes
//! below 1, ids of ended orders for new ones, a cancel, move or reduction under a foreign symbol or by an unknown user.
//!
//! Invariant: the same seed and count give the same file.

use crate::command::{Command, Place, Terms};
use crate::desk::Desk;
use crate::ringbook::{MAX_SIZE, Open};
use ringbook_oracle::generate::Random;
use ringbook_wire::Side;
use std::collections::VecDeque;

/// Users have the ids from here on.
const FIRST_USER: u32 = 100;
const USERS: u32 = 300;
/// No price is below this; Ringbook's limits and the fees leave room under it.
const FLOOR: i64 = 20;
/// Above so many orders in a symbol (some of which may have ended), cancels become likelier.
const CROWD: usize = 1_200;
/// How many ended orders are remembered, to name one now and then.
const MEMORY: usize = 2_000;

/// Symbols of the comparison and their first mid price. The first has the terms of DOMAIN E01; assets are shared, and
/// asset 1 is a base and a quote.
const SYMBOLS: [(Terms, i64); 4] = [
    (Terms { symbol: 1, base: 1, quote: 5, base_lot: 1_000_000, k: 10_000, taker: 1_900, maker: 700 }, 11_400),
    (Terms { symbol: 2, base: 2, quote: 5, base_lot: 100_000, k: 7_000, taker: 2_500, maker: 1_000 }, 5_000),
    (Terms { symbol: 3, base: 3, quote: 1, base_lot: 1, k: 1_000, taker: 300, maker: 300 }, 300),
    (Terms { symbol: 4, base: 2, quote: 1, base_lot: 1_000, k: 3, taker: 1, maker: 0 }, 20_000),
];

/// What a user has at first: about so many usual orders at once, and a few poor users.
const FUNDS: [(u32, i64); 4] = [(1, 1_500_000_000), (2, 150_000_000), (3, 4_000), (5, 200_000_000_000)];

struct Market {
    terms: Terms,
    mid: i64,
    orders: Vec<u64>,
}

/// Makes commands.
pub struct Generator {
    random: Random,
    markets: Vec<Market>,
    ended: VecDeque<(u64, u32, u32)>,
    next_order: u64,
    next_adjustment: u64,
}

impl Generator {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        let market = |(terms, mid): &(Terms, i64)| Market { terms: *terms, mid: *mid, orders: Vec::new() };
        Self {
            random: Random::new(seed),
            markets: SYMBOLS.iter().map(market).collect(),
            ended: VecDeque::new(),
            next_order: 1,
            next_adjustment: 1,
        }
    }

    /// Symbols, users and their money.
    pub fn opening(&mut self) -> Vec<Command> {
        let mut commands: Vec<Command> = SYMBOLS.iter().map(|(terms, _)| Command::Symbol(*terms)).collect();
        for user in FIRST_USER..FIRST_USER + USERS {
            commands.push(Command::User(user));
            let part = if self.random.chance(1, 8) { 20 } else { 1 };
            for (asset, amount) in FUNDS {
                commands.push(self.adjust(user, asset, amount / part));
            }
        }
        commands
    }

    /// Cancels of all open orders, so that every hold returns.
    pub fn closing(&self, desk: &Desk) -> Vec<Command> {
        let ringbook = desk.ringbook();
        let orders = ringbook.users().flat_map(|user| ringbook.orders_of(user));
        orders.map(|o| Command::Cancel { user: o.user, symbol: o.symbol, order: o.name }).collect()
    }

    fn adjust(&mut self, user: u32, asset: u32, amount: i64) -> Command {
        self.next_adjustment += 1;
        Command::Adjust { user, asset, amount, number: self.next_adjustment }
    }

    fn user(&mut self) -> u32 {
        FIRST_USER + self.random.below(u64::from(USERS)) as u32
    }

    /// The next command on orders; before it, now and then, one on balances.
    pub fn next_commands(&mut self, desk: &Desk) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.random.chance(1, 150) {
            commands.push(self.balance(desk));
        }
        let at = self.random.below(self.markets.len() as u64) as usize;
        if self.random.chance(1, 20) {
            let market = &mut self.markets[at];
            let step = 1 + market.mid / 2_000;
            let anchor = SYMBOLS[at].1;
            // The walk leans back to where it began, so that funds and limits keep their meaning.
            let lean = if market.mid > anchor * 3 / 2 {
                -step
            } else if market.mid < anchor / 2 {
                step
            } else {
                0
            };
            market.mid = (market.mid + self.random.between(-step, step) + lean).max(FLOOR * 2);
        }
        if self.markets[at].orders.len() > 2 * CROWD {
            self.markets[at].orders.retain(|&name| desk.ringbook().open(name).is_some());
        }
        let crowded = self.markets[at].orders.len() > CROWD;
        let (gtc, ioc, cancel, moves) = if crowded { (24, 40, 66, 86) } else { (44, 56, 64, 86) };
        commands.push(match self.random.below(100) {
            roll if roll < gtc => self.place(desk, at, false),
            roll if roll < ioc => self.place(desk, at, true),
            roll if roll < cancel => self.cancel(desk, at),
            roll if roll < moves => self.move_order(desk, at),
            _ => self.reduce(desk, at),
        });
        commands
    }

    /// A deposit, or a withdrawal that may be too large by one unit or by much.
    fn balance(&mut self, desk: &Desk) -> Command {
        let (user, (asset, usual)) = (self.user(), self.random.pick(&FUNDS));
        let free = desk.ringbook().available(user, asset) - desk.ringbook().surplus(user, asset);
        let amount = match self.random.below(10) {
            0 => -(free + 1),
            1 => -(free + self.random.between(1, usual)),
            2 => -(free / 50).max(1),
            3 => -(desk.ringbook().available(user, asset)).max(1),
            _ => self.random.between(1, usual / 20),
        };
        self.adjust(user, asset, amount)
    }

    fn place(&mut self, desk: &Desk, at: usize, ioc: bool) -> Command {
        let (terms, mid) = (self.markets[at].terms, self.markets[at].mid);
        let mut user = self.user();
        let mut symbol = terms.symbol;
        let side = self.random.pick(&[Side::Buy, Side::Sell]);
        let depth = match self.random.below(10) {
            0..=5 => self.random.between(0, 6),
            6..=8 => self.random.between(0, 40),
            _ => self.random.between(0, 400),
        };
        let crossing = self.random.chance(if ioc { 14 } else { 2 }, 20);
        let towards = if (side == Side::Buy) == crossing { depth } else { -depth };
        let price = (mid + towards).max(FLOOR);
        let mut size = match self.random.below(20) {
            0..=14 => self.random.between(1, 50),
            15..=18 => self.random.between(1, 500),
            _ => self.random.between(1, 5_000),
        };
        let mut order = self.next_order;
        self.next_order += 1;
        let mut stp = false;
        match self.random.below(1_000) {
            0..=3 => user += FIRST_USER + USERS,
            4..=7 => symbol += 100,
            8..=19 => size = self.random.between(MAX_SIZE / 1_000, MAX_SIZE),
            20..=39 => stp = true,
            40..=44 => {
                if let Some(open) = self.pick(desk, at).filter(|_| !ioc) {
                    (order, user) = (open.name, open.user);
                    return Command::Place(Place { user, symbol, order, ioc, side: open.side, price, size, stp });
                }
            }
            // Towards an own order, where there is one.
            45..=64 => {
                if let Some(open) = self.pick(desk, at) {
                    let (user, side) = (open.user, open.side.opposite());
                    let stp = self.random.chance(2, 3);
                    self.markets[at].orders.push(order);
                    return Command::Place(Place { user, symbol, order, ioc, side, price: open.price, size, stp });
                }
            }
            _ => {}
        }
        if !ioc {
            self.markets[at].orders.push(order);
        }
        Command::Place(Place { user, symbol, order, ioc, side, price, size, stp })
    }

    /// An open order of a symbol; forgets those that it finds ended.
    fn pick(&mut self, desk: &Desk, at: usize) -> Option<Open> {
        loop {
            let market = &mut self.markets[at];
            if market.orders.is_empty() {
                return None;
            }
            let place = self.random.below(market.orders.len() as u64) as usize;
            let name = market.orders[place];
            if let Some(open) = desk.ringbook().open(name) {
                return Some(*open);
            }
            market.orders.swap_remove(place);
            let user = self.user();
            self.remember(name, user, at);
        }
    }

    fn remember(&mut self, name: u64, user: u32, at: usize) {
        if self.ended.len() == MEMORY {
            self.ended.pop_front();
        }
        self.ended.push_back((name, user, self.markets[at].terms.symbol));
    }

    /// Who asks, where, for which order, and the order if it lives: mostly an owner for an open one.
    fn target(&mut self, desk: &Desk, at: usize) -> (u32, u32, u64, Option<Open>) {
        let symbol = self.markets[at].terms.symbol;
        match self.random.below(100) {
            0..=2 => (self.user(), symbol, self.next_order + 1_000_000_000, None),
            3..=5 if !self.ended.is_empty() => {
                let place = self.random.below(self.ended.len() as u64) as usize;
                let (name, user, symbol) = self.ended[place];
                (user, symbol, name, None)
            }
            6..=7 => {
                let user = self.user();
                let open = self.pick(desk, at).filter(|open| open.user != user);
                (user, symbol, open.map_or(u64::MAX >> 2, |open| open.name), None)
            }
            _ => match self.pick(desk, at) {
                Some(open) => (open.user, symbol, open.name, Some(open)),
                None => (self.user(), symbol, u64::MAX >> 2, None),
            },
        }
    }

    fn cancel(&mut self, desk: &Desk, at: usize) -> Command {
        let (user, symbol, order, open) = self.target(desk, at);
        if open.is_some() && self.random.chance(1, 2) {
            self.remember(order, user, at);
        }
        Command::Cancel { user, symbol, order }
    }

    fn move_order(&mut self, desk: &Desk, at: usize) -> Command {
        let mid = self.markets[at].mid;
        let (user, symbol, order, open) = self.target(desk, at);
        let near = mid + self.random.between(-12, 12);
        let price = match open {
            Some(open) if self.random.chance(1, 60) => open.price,
            Some(open) if open.side == Side::Buy => match self.random.below(20) {
                0 => open.reserve + self.random.between(1, 10),
                1..=6 if open.price < open.reserve => open.reserve,
                1..=12 => open.price - self.random.between(1, 20),
                // Up to the reserve price, which may cross the book.
                _ if near < open.reserve && near != open.price => near,
                _ => open.price - 1,
            },
            _ => near + 8,
        };
        Command::Move { user, symbol, order, price: price.max(FLOOR) }
    }

    fn reduce(&mut self, desk: &Desk, at: usize) -> Command {
        let (user, symbol, order, open) = self.target(desk, at);
        let by = match (self.random.below(100), open) {
            (0..=2, _) => 0,
            (3..=8, Some(open)) => open.remaining + self.random.between(0, 3),
            (_, Some(open)) => self.random.between(1, (open.remaining / 2).max(1)),
            (_, None) => self.random.between(1, 10),
        };
        Command::Reduce { user, symbol, order, by }
    }
}
