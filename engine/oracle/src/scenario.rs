//! What runs a script of commands against any exchange: the trait, and a [`Desk`] that numbers commands, keeps time,
//! and remembers the balances that BALANCE events told. It knows nothing but messages and events.
//!
//! Invariant: a fresh [`Exchange`] has executed [`genesis`] and nothing else; a desk's first command is sequence 2.

mod perpetual;

pub use perpetual::{Held, ONE, perpetual, set_tiers};

use ringbook_event::{Done, Event, Origin, Trade};
use ringbook_wire::message::{
    Amend, CancelAll, Deposit, Genesis, Message, NewOrder, SetAccount, SetAsset, SetStatus, SetSymbol, Withdraw,
    name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, FeeModel, OrderId, OrderType, Price, Qty, Rate, RejectCode, Side,
    StpMode, SymbolId, SymbolKind, SymbolStatus, TimeInForce, TimestampNs, TriggerDirection, TriggerSource, Wallet,
};
use std::collections::BTreeMap;

/// Anything that turns commands into events: the oracle, or the fast engine behind an adapter.
pub trait Exchange {
    /// Executes one command, all parts of it, and returns its events.
    fn apply(&mut self, sequence: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event>;
}

impl Exchange for crate::Oracle {
    fn apply(&mut self, sequence: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        Self::apply(self, sequence, time_ns, origin, message)
    }
}

/// The bytes of a message.
pub fn bytes<M: Message>(message: &M) -> Vec<u8> {
    message.as_bytes().to_vec()
}

/// The GENESIS that the examples expect: a ring of 64, so that an account's share is 4.
pub fn genesis() -> Genesis {
    Genesis {
        seed: [1, 2],
        rules: 1,
        shard: 0,
        dedupe_capacity: 64,
        max_event_bytes: 262_144,
        max_orders: 1_000,
        ..Genesis::new(0)
    }
}

/// The base asset of [`spot`], scale 8.
pub const BTC: u32 = 1;
/// The quote asset of [`spot`], scale 8.
pub const USDT: u32 = 2;

/// The spot symbol of DOMAIN §7 (tick 0.01, lot 0.00001, K = 10) without fees and band, slip 1 %.
pub fn spot(symbol: u32) -> SetSymbol {
    SetSymbol {
        symbol: SymbolId(symbol),
        base: AssetId(BTC),
        quote: AssetId(USDT),
        kind: SymbolKind::Spot.code(),
        fee_model: FeeModel::Rate.code(),
        name: name_field(&format!("SPOT-{symbol}")).expect("short"),
        base_lot: Amount(1_000),
        quote_per_tick_lot: Amount(10),
        min_price: Price(1),
        max_price: Price(10_000_000),
        min_quantity: Qty(1),
        max_quantity: Qty(9_000_000),
        max_market_quantity: Qty(9_000_000),
        slip: Rate(1_000_000),
        max_open_orders: 200,
        max_trigger_orders: 10,
        stp: StpMode::CancelTaker.code(),
        status: SymbolStatus::Trading.code(),
        ..SetSymbol::new(0)
    }
}

/// A GTC limit order; [`Desk::place`] gives it a client id and a send time.
pub fn limit(account: u32, symbol: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    NewOrder {
        account: AccountId(account),
        symbol: SymbolId(symbol),
        side: side.code(),
        price: Price(price),
        quantity: Qty(quantity),
        order_type: OrderType::Limit.code(),
        time_in_force: TimeInForce::Gtc.code(),
        ..NewOrder::new(0)
    }
}

/// An IOC limit order.
pub fn ioc(account: u32, symbol: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    NewOrder { time_in_force: TimeInForce::Ioc.code(), ..limit(account, symbol, side, price, quantity) }
}

/// A FOK limit order.
pub fn fok(account: u32, symbol: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    NewOrder { time_in_force: TimeInForce::Fok.code(), ..limit(account, symbol, side, price, quantity) }
}

/// A market order.
pub fn market(account: u32, symbol: u32, side: Side, quantity: i64) -> NewOrder {
    NewOrder { order_type: OrderType::Market.code(), ..ioc(account, symbol, side, 0, quantity) }
}

/// The order with an STP mode of its own.
pub fn with_stp(order: NewOrder, mode: StpMode) -> NewOrder {
    NewOrder { stp: mode.code(), ..order }
}

/// A market buy for a quote budget.
pub fn budget(account: u32, symbol: u32, amount: i64) -> NewOrder {
    NewOrder { budget: Amount(amount), ..market(account, symbol, Side::Buy, 0) }
}

/// The order as a stop order: LIMIT becomes STOP_LIMIT, MARKET becomes STOP_MARKET.
pub fn stop(order: NewOrder, direction: TriggerDirection, trigger: i64) -> NewOrder {
    let is_limit = order.order_type == OrderType::Limit.code();
    NewOrder {
        order_type: if is_limit { OrderType::StopLimit } else { OrderType::StopMarket }.code(),
        trigger: Price(trigger),
        trigger_direction: direction.code(),
        trigger_source: TriggerSource::Last.code(),
        ..order
    }
}

/// The order with a shown part.
pub fn iceberg(order: NewOrder, display: i64) -> NewOrder {
    NewOrder { display: Qty(display), ..order }
}

/// The order with an end in time.
pub fn gtd(order: NewOrder, expire_at: u64) -> NewOrder {
    NewOrder { time_in_force: TimeInForce::Gtd.code(), expire_at: TimestampNs(expire_at), ..order }
}

/// What a command caused, with questions that tests ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome(pub Vec<Event>);

impl Outcome {
    /// The code of a lone REJECTED, or 0.
    pub fn code(&self) -> u16 {
        match self.0.as_slice() {
            [Event::Rejected(rejected)] => rejected.code,
            _ => 0,
        }
    }

    /// Asserts a refusal.
    #[track_caller]
    pub fn refused(&self, code: RejectCode) {
        assert_eq!(self.code(), code.code(), "{:#?}", self.0);
    }

    /// Number and hold of the accepted order.
    #[track_caller]
    pub fn accepted(&self) -> (OrderId, i64) {
        match self.0.first() {
            Some(Event::Accepted(accepted)) => (accepted.order, accepted.hold.0),
            _ => panic!("not accepted: {:#?}", self.0),
        }
    }

    /// All trades.
    pub fn trades(&self) -> Vec<Trade> {
        let trade = |event: &Event| {
            if let Event::Trade(trade) = event { Some(*trade) } else { None }
        };
        self.0.iter().filter_map(trade).collect()
    }

    /// Price and lots of all trades.
    pub fn fills(&self) -> Vec<(i64, i64)> {
        self.trades().iter().map(|trade| (trade.price.0, trade.quantity.0)).collect()
    }

    /// Maker and lots of all trades.
    pub fn makers(&self) -> Vec<(OrderId, i64)> {
        self.trades().iter().map(|trade| (trade.maker_order, trade.quantity.0)).collect()
    }

    /// DONE of an order, if it ended.
    pub fn done(&self, order: OrderId) -> Option<Done> {
        let done = |event: &Event| {
            if let Event::Done(done) = event { Some(*done) } else { None }
        };
        self.0.iter().filter_map(done).find(|done| done.order == order)
    }

    /// State, reason and remainder of an order that ended.
    pub fn end(&self, order: OrderId) -> Option<(u8, u8, i64)> {
        self.done(order).map(|done| (done.header.a, done.header.b, done.remaining.0))
    }

    /// Order and reason of each EXPIRED, and its code.
    pub fn expired(&self) -> Vec<(OrderId, u8, u16)> {
        let expired = |event: &Event| match event {
            Event::Expired(e) => Some((e.order, e.header.a, e.code)),
            _ => None,
        };
        self.0.iter().filter_map(expired).collect()
    }

    /// Order and price of each TRIGGERED.
    pub fn triggered(&self) -> Vec<(OrderId, i64)> {
        let triggered = |event: &Event| match event {
            Event::Triggered(e) => Some((e.order, e.price.0)),
            _ => None,
        };
        self.0.iter().filter_map(triggered).collect()
    }

    /// Order, shown and remaining lots of each REFRESHED.
    pub fn refreshed(&self) -> Vec<(OrderId, i64, i64)> {
        let refreshed = |event: &Event| match event {
            Event::Refreshed(e) => Some((e.order, e.shown.0, e.remaining.0)),
            _ => None,
        };
        self.0.iter().filter_map(refreshed).collect()
    }

    /// Names of the events but BALANCE, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(Event::name).filter(|&name| name != "Balance").collect()
    }
}

/// Sends commands to an exchange as Ringbook itself (key 0) unless told otherwise.
pub struct Desk<'a> {
    exchange: &'a mut dyn Exchange,
    /// Sequence of the last command.
    pub sequence: u64,
    /// Time of the next command.
    pub now: u64,
    /// Available and held in the spot wallets as the last BALANCE told.
    pub balances: BTreeMap<(u32, u32), (i64, i64)>,
    clients: u128,
    adjustments: BTreeMap<u32, u64>,
    symbols: u32,
    positions: BTreeMap<(u32, u32), Held>,
    futures: BTreeMap<(u32, u32), i64>,
}

impl<'a> Desk<'a> {
    /// A desk at a fresh exchange, with the assets of [`spot`].
    pub fn new(exchange: &'a mut dyn Exchange) -> Self {
        let mut desk = Self {
            exchange,
            sequence: 1,
            now: 1_000_000_000_000,
            balances: BTreeMap::new(),
            clients: 0,
            adjustments: BTreeMap::new(),
            symbols: 0,
            positions: BTreeMap::new(),
            futures: BTreeMap::new(),
        };
        desk.asset(BTC, "BTC", 8);
        desk.asset(USDT, "USDT", 8);
        desk
    }

    /// Sends a message.
    pub fn send<M: Message>(&mut self, message: &M) -> Outcome {
        self.send_as(Origin::INTERNAL, message)
    }

    /// Sends a message from a session.
    pub fn send_as<M: Message>(&mut self, origin: Origin, message: &M) -> Outcome {
        self.sequence += 1;
        self.now += 1_000;
        let events = self.exchange.apply(self.sequence, self.now, origin, &bytes(message));
        for event in &events {
            self.note_perpetual(event);
            if let Event::Balance(balance) = event
                && balance.header.a == Wallet::Spot.code()
            {
                let key = (balance.header.subject, balance.asset.0);
                self.balances.insert(key, (balance.available.0, balance.held.0));
            }
        }
        Outcome(events)
    }

    /// Makes an asset.
    pub fn asset(&mut self, asset: u32, name: &str, scale: u8) {
        let name = name_field(name).expect("a good name");
        self.send(&SetAsset { asset: AssetId(asset), scale, name, ..SetAsset::new(0) });
    }

    /// Makes a symbol like [`spot`], changed as told, and returns its id.
    #[track_caller]
    pub fn symbol(&mut self, change: impl FnOnce(&mut SetSymbol)) -> u32 {
        self.symbols += 1;
        let mut message = spot(self.symbols);
        change(&mut message);
        assert_eq!(self.send(&message).names(), ["Config"]);
        self.symbols
    }

    /// Makes an account without money.
    pub fn account(&mut self, account: u32, group: u32) {
        self.send(&SetAccount { account: AccountId(account), group, ..SetAccount::new(0) });
    }

    /// Makes accounts with plenty of both assets.
    pub fn rich(&mut self, accounts: &[u32]) {
        for &account in accounts {
            self.account(account, 0);
            self.deposit(account, BTC, 1_000_000_000_000_000);
            self.deposit(account, USDT, 1_000_000_000_000_000);
        }
    }

    fn next_adjustment(&mut self, account: u32) -> u64 {
        let last = self.adjustments.entry(account).or_default();
        *last += 1;
        *last
    }

    /// Deposits with the account's next adjustment number.
    pub fn deposit(&mut self, account: u32, asset: u32, amount: i64) -> Outcome {
        let adjustment = self.next_adjustment(account);
        let (account, asset) = (AccountId(account), AssetId(asset));
        self.send(&Deposit { account, asset, adjustment, amount: Amount(amount), ..Deposit::new(0) })
    }

    /// Withdraws with the account's next adjustment number.
    pub fn withdraw(&mut self, account: u32, asset: u32, amount: i64) -> Outcome {
        let adjustment = self.next_adjustment(account);
        let (account, asset) = (AccountId(account), AssetId(asset));
        self.send(&Withdraw { account, asset, adjustment, amount: Amount(amount), ..Withdraw::new(0) })
    }

    /// The order with a fresh client id and the present time, where it has none.
    pub fn complete(&mut self, mut order: NewOrder) -> NewOrder {
        if order.client_id == ClientOrderId::NONE {
            self.clients += 1;
            order.client_id = ClientOrderId::from(self.clients);
        }
        if order.send_time.0 == 0 {
            order.send_time = TimestampNs(self.now);
        }
        order
    }

    /// Places an order.
    pub fn place(&mut self, order: NewOrder) -> Outcome {
        let order = self.complete(order);
        self.send(&order)
    }

    /// Amends an order; 0 leaves a value.
    pub fn amend(&mut self, account: u32, order: OrderId, price: i64, quantity: i64) -> Outcome {
        let account = AccountId(account);
        self.send(&Amend { account, order, price: Price(price), quantity: Qty(quantity), ..Amend::new(0) })
    }

    /// Amends an order's trigger alone.
    pub fn amend_trigger(&mut self, account: u32, order: OrderId, trigger: i64) -> Outcome {
        self.send(&Amend { account: AccountId(account), order, trigger: Price(trigger), ..Amend::new(0) })
    }

    /// Sets a symbol's status.
    pub fn status(&mut self, symbol: u32, status: SymbolStatus) -> Outcome {
        self.send(&SetStatus { symbol: SymbolId(symbol), status: status.code(), ..SetStatus::new(0) })
    }

    /// Makes a last price: a trade of one lot between two accounts at an empty book.
    #[track_caller]
    pub fn trade_at(&mut self, seller: u32, buyer: u32, symbol: u32, price: i64) {
        self.place(limit(seller, symbol, Side::Sell, price, 1)).accepted();
        assert_eq!(self.place(limit(buyer, symbol, Side::Buy, price, 1)).fills(), [(price, 1)]);
    }

    /// Cancels all orders of an account.
    pub fn cancel_all(&mut self, account: u32) -> Outcome {
        self.send(&CancelAll { account: AccountId(account), ..CancelAll::new(0) })
    }

    /// Available and held.
    pub fn balance(&self, account: u32, asset: u32) -> (i64, i64) {
        self.balances.get(&(account, asset)).copied().unwrap_or((0, 0))
    }
}
