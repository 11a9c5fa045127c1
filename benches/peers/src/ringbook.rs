//! Ringbook's engine as the runner of a command file: sends messages, and keeps by events what the rules of the
//! comparison need to know: wallets, open orders, and the surplus that exchange-core holds for bids that moved down.
//!
//! Invariants: an open order here is an open order of the engine ([`Ringbook::check`] compares them);
//! `unsettled` is what exchange-core adds to wallets after a command (fills, released holds), since the last settlement;
//! `surplus(user, asset) = Σ (reserve − price) · K · remaining` over the user's open bids, and it is never negative.

use crate::answer::Part;
use crate::command::Terms;
use ringbook_core::{Engine, Pending};
use ringbook_event::{Event, Origin, events};
use ringbook_wire::message::{Continue, Genesis, Message, SetAccount, SetAsset, SetSymbol, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, FeeModel, OrderId, Price, Qty, Rate, Sequence, Side, StpMode, SymbolId,
    SymbolKind, SymbolStatus, TimestampNs,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use zerocopy::IntoBytes;

/// Lowest price of every symbol; commands keep a distance from it.
pub const MIN_PRICE: i64 = 10;
/// Highest price of every symbol.
pub const MAX_PRICE: i64 = 1_000_000;
/// Most lots of an order.
pub const MAX_SIZE: i64 = 100_000_000;
const EVENT_BYTES: u32 = 2 << 20;

/// An open order as both sides see it.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Its id in the command file.
    pub name: u64,
    /// Its client id in Ringbook: `name`, unless a difference needed a fresh one.
    pub client_id: ClientOrderId,
    /// Whose.
    pub user: u32,
    /// Where.
    pub symbol: u32,
    /// Buy or sell.
    pub side: Side,
    /// Limit.
    pub price: i64,
    /// exchange-core's bound for moves and base of its hold: the price at placement.
    pub reserve: i64,
    /// Open lots.
    pub remaining: i64,
    /// Lots in all, less what was cut.
    pub total: i64,
}

/// The engine and what was learned from its events.
pub struct Ringbook {
    engine: Engine,
    sequence: u64,
    now: u64,
    buffer: Vec<u8>,
    symbols: BTreeMap<u32, Terms>,
    assets: BTreeSet<u32>,
    users: BTreeSet<u32>,
    wallets: HashMap<(u32, u32), i64>,
    open: HashMap<u64, Open>,
    names: HashMap<OrderId, u64>,
    surplus: HashMap<(u32, u32), i64>,
    unsettled: HashMap<(u32, u32), i64>,
}

impl Default for Ringbook {
    fn default() -> Self {
        Self::new()
    }
}

impl Ringbook {
    /// An exchange without anything.
    pub fn new() -> Self {
        let mut ringbook = Self {
            engine: Engine::new(),
            sequence: 0,
            now: 1_000_000_000_000,
            buffer: vec![0; EVENT_BYTES as usize],
            symbols: BTreeMap::new(),
            assets: BTreeSet::new(),
            users: BTreeSet::new(),
            wallets: HashMap::new(),
            open: HashMap::new(),
            names: HashMap::new(),
            surplus: HashMap::new(),
            unsettled: HashMap::new(),
        };
        ringbook.send(&Genesis {
            seed: [1, 2],
            rules: ringbook_core::RULES_VERSION,
            dedupe_capacity: 1 << 20,
            max_event_bytes: EVENT_BYTES,
            max_orders: 1 << 20,
            ..Genesis::new(0)
        });
        ringbook
    }

    /// Executes a message and returns its events.
    pub fn send<M: Message>(&mut self, message: &M) -> Vec<Event> {
        self.trade(message).0
    }

    /// Executes a message with all its parts, returns its events and fills, and learns from them.
    pub fn trade<M: Message>(&mut self, message: &M) -> (Vec<Event>, Vec<Part>) {
        let mut seen = self.one(message.as_bytes());
        while self.engine.pending() != Pending::Nothing {
            let next = self.engine.continuation().expect("something is pending");
            seen.extend(self.one(Continue { of: next.of, ..Continue::new(next.request) }.as_bytes()));
        }
        // Before anything is learned: the makers that were filled are still known.
        let fills = seen.iter().filter_map(|event| self.fill(event)).collect();
        for event in &seen {
            self.learn(event);
        }
        (seen, fills)
    }

    /// A trade with the maker's name.
    fn fill(&self, event: &Event) -> Option<Part> {
        match event {
            Event::Trade(t) => Some(Part::Trade {
                maker: self.names[&t.maker_order],
                user: t.maker_account.0,
                price: t.price.0,
                size: t.quantity.0,
                done: t.maker_remaining.0 == 0,
            }),
            _ => None,
        }
    }

    fn one(&mut self, message: &[u8]) -> Vec<Event> {
        self.sequence += 1;
        self.now += 1_000;
        let mut command = Origin::INTERNAL.as_bytes().to_vec();
        command.extend_from_slice(message);
        let length = self
            .engine
            .apply(Sequence(self.sequence), TimestampNs(self.now), &command, &mut self.buffer)
            .unwrap_or_else(|fault| panic!("{fault}"));
        events(&self.buffer[..length]).map(|event| event.expect("whole records")).collect()
    }

    fn learn(&mut self, event: &Event) {
        match event {
            Event::Balance(b) => {
                let wallet = (b.header.subject, b.asset.0);
                let before = self.wallets.insert(wallet, b.available.0).unwrap_or(0);
                self.gain(wallet, b.available.0 - before);
            }
            Event::Trade(t) => {
                for (order, remaining) in [(t.taker_order, t.taker_remaining), (t.maker_order, t.maker_remaining)] {
                    if let Some(&name) = self.names.get(&order) {
                        self.change(name, |open| open.remaining = remaining.0);
                    }
                }
            }
            Event::Amended(a) => {
                let name = self.names[&a.order];
                self.change(name, |open| {
                    open.price = a.price.0;
                    open.remaining = a.remaining.0;
                    open.total = a.quantity.0 - a.cut.0;
                });
            }
            Event::Done(done) => {
                if let Some(name) = self.names.remove(&done.order) {
                    self.change(name, |open| open.remaining = 0);
                    self.open.remove(&name);
                }
            }
            _ => {}
        }
    }

    /// Changes an open order and with it the surplus of its owner.
    fn change(&mut self, name: u64, change: impl FnOnce(&mut Open)) {
        let open = self.open.get_mut(&name).expect("it is open");
        let terms = self.symbols[&open.symbol];
        let surplus = |open: &Open| match open.side {
            Side::Buy => (open.reserve - open.price) * terms.k * open.remaining,
            Side::Sell => 0,
        };
        let before = surplus(open);
        change(open);
        let after = surplus(open);
        let (user, by) = (open.user, after - before);
        if by != 0 {
            let sum = self.surplus.entry((user, terms.quote)).or_default();
            *sum += by;
            assert!(*sum >= 0, "order {name}: the surplus of user {user} falls below zero");
            self.gain((user, terms.quote), -by);
        }
    }

    /// Counts a change of what exchange-core will have available as one that it settles later.
    pub fn gain(&mut self, wallet: (u32, u32), by: i64) {
        *self.unsettled.entry(wallet).or_default() += by;
    }

    /// exchange-core has settled everything.
    pub fn settle(&mut self) {
        self.unsettled.clear();
    }

    /// What came to a wallet since [`Self::settle`], and exchange-core may not count on yet.
    pub fn unsettled(&self, user: u32, asset: u32) -> i64 {
        self.unsettled.get(&(user, asset)).copied().unwrap_or(0)
    }

    /// Remembers an order that rests, under its name in the command file.
    pub fn rest(&mut self, order: OrderId, open: Open) {
        let Open { name, remaining, .. } = open;
        self.names.insert(order, name);
        self.open.insert(name, Open { remaining: 0, ..open });
        self.change(name, |open| open.remaining = remaining);
    }

    /// Creates a symbol, and its assets if they are new.
    pub fn add_symbol(&mut self, terms: Terms) -> Result<(), String> {
        for asset in [terms.base, terms.quote] {
            if self.assets.insert(asset) {
                let name = name_field(&format!("ASSET{asset}")).expect("short");
                self.send(&SetAsset { asset: AssetId(asset), scale: 8, name, ..SetAsset::new(0) });
            }
        }
        if terms.maker > terms.taker || terms.maker < 0 {
            return Err("exchange-core needs 0 ≤ maker ≤ taker".to_owned());
        }
        let seen = self.send(&SetSymbol {
            symbol: SymbolId(terms.symbol),
            base: AssetId(terms.base),
            quote: AssetId(terms.quote),
            kind: SymbolKind::Spot.code(),
            fee_model: FeeModel::PerLot.code(),
            name: name_field(&format!("PEER-{}", terms.symbol)).expect("short"),
            base_lot: Amount(terms.base_lot),
            quote_per_tick_lot: Amount(terms.k),
            min_price: Price(MIN_PRICE),
            max_price: Price(MAX_PRICE),
            min_quantity: Qty(1),
            max_quantity: Qty(MAX_SIZE),
            max_market_quantity: Qty(MAX_SIZE),
            taker: Rate(terms.taker),
            maker: Rate(terms.maker),
            max_open_orders: 1_000_000,
            stp: StpMode::None.code(),
            status: SymbolStatus::Trading.code(),
            ..SetSymbol::new(0)
        });
        if !matches!(seen.as_slice(), [Event::Config(_)]) {
            return Err(format!("Ringbook refuses symbol {}: {seen:?}", terms.symbol));
        }
        self.symbols.insert(terms.symbol, terms);
        Ok(())
    }

    /// Creates an account.
    pub fn add_user(&mut self, user: u32) {
        self.send(&SetAccount { account: AccountId(user), ..SetAccount::new(0) });
        self.users.insert(user);
    }

    /// A symbol's terms.
    pub fn terms(&self, symbol: u32) -> Option<&Terms> {
        self.symbols.get(&symbol)
    }

    /// An open order.
    pub fn open(&self, name: u64) -> Option<&Open> {
        self.open.get(&name)
    }

    /// Users, ascending.
    pub fn users(&self) -> impl Iterator<Item = u32> {
        self.users.iter().copied()
    }

    /// Time of the last command.
    pub fn now(&self) -> TimestampNs {
        TimestampNs(self.now)
    }

    /// What Ringbook has available.
    pub fn available(&self, user: u32, asset: u32) -> i64 {
        self.wallets.get(&(user, asset)).copied().unwrap_or(0)
    }

    /// What exchange-core holds beyond Ringbook's holds.
    pub fn surplus(&self, user: u32, asset: u32) -> i64 {
        self.surplus.get(&(user, asset)).copied().unwrap_or(0)
    }

    /// What the engine itself says of an account: asset and available, ascending, without zeros.
    pub fn wallets_of(&self, account: AccountId) -> Vec<(u32, i64)> {
        let mut wallets: Vec<(u32, i64)> =
            self.engine.balances(account).unwrap_or_default().iter().map(|b| (b.asset.0, b.available.0)).collect();
        wallets.sort_unstable();
        wallets
    }

    /// A user's open orders by name, as the engine itself has them.
    pub fn orders_of(&self, user: u32) -> Vec<Open> {
        let mut orders: Vec<Open> = self
            .engine
            .open_orders(AccountId(user))
            .iter()
            .map(|view| {
                let known = self.open[&self.names[&view.order]];
                Open { price: view.price.0, remaining: view.remaining.0, ..known }
            })
            .collect();
        orders.sort_unstable_by_key(|order| order.name);
        orders
    }

    /// Every invariant of the engine by recomputation, and that open orders here are those of the engine.
    pub fn check(&self) -> Result<(), String> {
        self.engine.check_invariants()?;
        if self.engine.open_order_count() != self.open.len() || self.names.len() != self.open.len() {
            return Err("the runner's open orders are not the engine's".to_owned());
        }
        for (order, name) in &self.names {
            let view = self.engine.open_order(*order).ok_or_else(|| format!("order {name} is not open"))?;
            let known = &self.open[name];
            if (view.price.0, view.remaining.0) != (known.price, known.remaining) {
                return Err(format!("order {name}: the engine has {view:?}, the runner {known:?}"));
            }
        }
        Ok(())
    }
}
