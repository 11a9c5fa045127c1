//! What the hot thread does: commands of all kinds, submitted and executed on one thread.

use ringbook_event::Origin;
use ringbook_oracle::generate::Random;
use ringbook_oracle::scenario::spot;
use ringbook_pipeline::{Agent, EngineAgent, EngineClock, Input, SubmitError, mono_ns};
use ringbook_wire::message::{
    Amend, Cancel, CancelAll, Deposit, Message, NewOrder, SessionDown, SetAccount, SetAsset, SetKey, SetSymbol, Tick,
    name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, KeyId, OrderType, Price, Qty, Role, SessionId, Side, SymbolId,
    TimeInForce, TimestampNs, TriggerDirection, TriggerSource, order_flags,
};

/// How many of the latest orders cancels and amendments name.
const RECENT: u64 = 3_000;
/// Sessions of the key, all of them with flagged orders.
const SESSIONS: u64 = 40;
/// Customers, from [`FIRST`].
const ACCOUNTS: u32 = 40;
const FIRST: u32 = 100;
const SYMBOLS: u32 = 3;
const KEY: KeyId = KeyId(1);
/// Around which prices lie.
const MIDDLE: i64 = 10_000;

/// Submits and executes on this thread.
pub struct Hot {
    pub agent: EngineAgent<EngineClock>,
    input: Input,
    random: Random,
    /// Client ids given so far.
    orders: u64,
    adjustments: [u64; ACCOUNTS as usize],
    /// Accounts of the latest client ids, by id modulo [`RECENT`].
    owners: Vec<AccountId>,
}

impl Hot {
    /// For an agent whose engine has executed GENESIS, or will have before anything else.
    pub fn new(agent: EngineAgent<EngineClock>, input: Input) -> Self {
        let owners = vec![AccountId(FIRST); RECENT as usize];
        Self { agent, input, random: Random::new(5), orders: 1, adjustments: [0; ACCOUNTS as usize], owners }
    }

    fn send<M: Message>(&mut self, origin: Origin, message: &M) {
        let now = mono_ns();
        while let Err(SubmitError::Full) = self.input.submit(origin, message.as_bytes(), false, now, now) {
            self.poll();
        }
    }

    /// As the engine's thread does; waits where the journal is not ready, which it may be under this load.
    fn poll(&mut self) {
        if self.agent.poll() == 0 {
            std::thread::yield_now();
        }
    }

    fn drain(&mut self) {
        while self.agent.has_work() {
            self.poll();
        }
    }

    pub fn configure(&mut self) {
        let internal = Origin::INTERNAL;
        for (asset, name) in [(1, "BTC"), (2, "USDT")] {
            let name = name_field(name).expect("short");
            self.send(internal, &SetAsset { asset: AssetId(asset), scale: 8, name, ..SetAsset::new(0) });
        }
        for symbol in 1..=SYMBOLS {
            let symbol = SetSymbol { max_open_orders: 200, max_trigger_orders: 60, ..spot(symbol) };
            self.send(internal, &symbol);
        }
        let role = Role::Trade.code();
        let (first_account, last_account) = (AccountId(FIRST), AccountId(FIRST + ACCOUNTS - 1));
        self.send(internal, &SetKey { key: KEY, role, first_account, last_account, ..SetKey::new(0) });
        for account in FIRST..FIRST + ACCOUNTS {
            self.send(internal, &SetAccount { account: AccountId(account), ..SetAccount::new(0) });
            for asset in [1, 2] {
                self.deposit(account, asset, 10_000_000_000_000);
            }
        }
        self.drain();
    }

    fn deposit(&mut self, account: u32, asset: u32, amount: i64) {
        let adjustment = &mut self.adjustments[(account - FIRST) as usize];
        *adjustment += 1;
        let adjustment = *adjustment;
        let (account, asset, amount) = (AccountId(account), AssetId(asset), Amount(amount));
        self.send(Origin::INTERNAL, &Deposit { account, asset, adjustment, amount, ..Deposit::new(0) });
    }

    fn order(&mut self, account: AccountId, symbol: SymbolId) -> NewOrder {
        self.orders += 1;
        self.owners[(self.orders % RECENT) as usize] = account;
        let side = self.random.pick(&[Side::Buy, Side::Sell]);
        // Mostly beside the middle, sometimes through it, now and then far away: levels come and go.
        let distance = match self.random.below(20) {
            0..3 => self.random.between(-30, 0),
            3..19 => self.random.between(1, 60),
            _ => self.random.between(1, 3_000),
        };
        let price = if side == Side::Buy { MIDDLE - distance } else { MIDDLE + distance };
        NewOrder {
            client_id: ClientOrderId([self.orders, 0]),
            account,
            symbol,
            price: Price(price),
            quantity: Qty(self.random.between(1, 50)),
            // Not 0, and not ahead of the engine's clock.
            send_time: TimestampNs(self.orders),
            side: side.code(),
            order_type: OrderType::Limit.code(),
            time_in_force: TimeInForce::Gtc.code(),
            flags: self.random.pick(&[0, 0, 0, order_flags::POST_ONLY, order_flags::CANCEL_ON_DISCONNECT]),
            ..NewOrder::new(self.orders as u32)
        }
    }

    /// An iceberg, an order that expires, or both.
    fn advanced(&mut self, order: NewOrder) -> NewOrder {
        let kind = self.random.below(3);
        let display = if kind != 1 { Qty((order.quantity.0 / 5).max(1)) } else { Qty(0) };
        if kind == 0 {
            return NewOrder { display, ..order };
        }
        // Several share an expiry, so that now and then a TICK must go first.
        let soon = self.agent.engine().time().0 + self.random.pick(&[300_000, 5_000_000, 100_000_000]);
        let expire_at = TimestampNs(soon - soon % 200_000 + 200_000);
        NewOrder { display, time_in_force: TimeInForce::Gtd.code(), expire_at, ..order }
    }

    /// A market order by lots or, if it may, for a budget.
    fn market(&mut self, order: NewOrder, lots_only: bool) -> NewOrder {
        let (order_type, time_in_force) = (OrderType::Market.code(), TimeInForce::Ioc.code());
        let order = NewOrder { order_type, time_in_force, price: Price(0), flags: 0, ..order };
        if lots_only {
            return order;
        }
        let budget = Amount(self.random.between(50_000, 3_000_000));
        NewOrder { side: Side::Buy.code(), quantity: Qty(0), budget, ..order }
    }

    /// The order as a stop order with a trigger near the middle.
    fn stop(&mut self, order: NewOrder) -> NewOrder {
        let distance = self.random.between(-5, 40);
        let rises = self.random.chance(1, 2);
        let (direction, trigger) = match rises {
            true => (TriggerDirection::RisesTo, MIDDLE + distance),
            false => (TriggerDirection::FallsTo, MIDDLE - distance),
        };
        let order_type =
            if order.order_type == OrderType::Limit.code() { OrderType::StopLimit } else { OrderType::StopMarket };
        NewOrder {
            order_type: order_type.code(),
            trigger: Price(trigger),
            trigger_direction: direction.code(),
            trigger_source: TriggerSource::Last.code(),
            ..order
        }
    }

    /// A NEW_ORDER of the mix.
    fn any_order(&mut self, account: AccountId, symbol: SymbolId) -> NewOrder {
        let order = self.order(account, symbol);
        match self.random.below(100) {
            0..40 => order,
            40..55 => self.advanced(order),
            55..65 => {
                let time_in_force = self.random.pick(&[TimeInForce::Ioc, TimeInForce::Fok]).code();
                NewOrder { time_in_force, flags: 0, ..order }
            }
            65..70 => self.market(order, true),
            70..75 => self.market(order, false),
            75..85 => self.stop(order),
            85..90 => {
                let order = self.advanced(order);
                self.stop(order)
            }
            90..95 => {
                let order = self.market(NewOrder { side: Side::Sell.code(), ..order }, true);
                self.stop(order)
            }
            95..99 => {
                let order = self.market(order, false);
                self.stop(order)
            }
            // Nonsense, refused.
            _ => NewOrder { quantity: Qty(0), ..order },
        }
    }

    /// One command of the mix.
    fn any(&mut self) {
        let account = AccountId(FIRST + self.random.below(u64::from(ACCOUNTS)) as u32);
        let symbol = SymbolId(1 + self.random.below(u64::from(SYMBOLS)) as u32);
        let session = SessionId::new(KEY, 1 + self.random.below(SESSIONS) as u32);
        let origin = Origin::session(session);
        // One of the latest orders, ended or not; now and then of another account, where it is not known.
        let number = self.orders - self.random.below(self.orders.min(RECENT));
        let client_id = ClientOrderId([number, 0]);
        let owner = if self.random.chance(1, 20) { account } else { self.owners[(number % RECENT) as usize] };
        match self.random.below(1_000) {
            0..600 => {
                let order = self.any_order(account, symbol);
                self.send(origin, &order);
            }
            600..740 => self.send(origin, &Cancel { account: owner, client_id, ..Cancel::new(7) }),
            740..900 => {
                // Of a waiting order or of another; what it lacks is refused.
                let mut amend = Amend { account: owner, client_id, ..Amend::new(8) };
                match self.random.below(4) {
                    0 => amend.price = Price(MIDDLE + self.random.between(-80, 80)),
                    1 => amend.quantity = Qty(self.random.between(1, 60)),
                    2 => amend.trigger = Price(MIDDLE + self.random.between(-40, 40)),
                    _ => {
                        amend.price = Price(MIDDLE + self.random.between(-80, 80));
                        amend.quantity = Qty(self.random.between(1, 60));
                    }
                }
                self.send(origin, &amend);
            }
            900..905 => {
                let (side, symbol) = (self.random.below(3) as u8, self.random.pick(&[symbol, SymbolId(0)]));
                self.send(origin, &CancelAll { account, symbol, side, ..CancelAll::new(9) });
            }
            905..910 => {
                self.send(Origin::INTERNAL, &SessionDown { session, ..SessionDown::new(0) });
            }
            910..950 => {
                let asset = 1 + self.random.below(2) as u32;
                self.deposit(account.0, asset, 1_000);
            }
            _ => self.send(Origin::INTERNAL, &Tick::new(0)),
        }
    }

    /// Takes the memory pools (orders, levels, nodes of the ladders, expiries, fired stop orders) beyond anything that the
    /// mix needs: they grow at a new high-water mark, and keep what they have.
    pub fn stretch(&mut self) {
        let origin = Origin::session(SessionId::new(KEY, 1));
        let everyone = || (FIRST..FIRST + ACCOUNTS).flat_map(|a| (1..=SYMBOLS).map(move |s| (a, s)));
        let far = TimestampNs(self.agent.engine().time().0 + 3_600_000_000_000);
        let time_in_force = TimeInForce::Gtd.code();
        for (account, symbol) in everyone() {
            for step in 1..=50 {
                let distance = step * 64 + i64::from(account - FIRST);
                for (side, price) in [(Side::Buy, MIDDLE - distance), (Side::Sell, MIDDLE + distance)] {
                    let order = self.order(AccountId(account), SymbolId(symbol));
                    let (side, price, quantity) = (side.code(), Price(price), Qty(1));
                    self.send(origin, &NewOrder { side, price, quantity, time_in_force, expire_at: far, ..order });
                }
            }
        }
        self.drain();
        assert!(self.agent.engine().open_order_count() > 10_000);
        for account in FIRST..FIRST + ACCOUNTS {
            self.send(origin, &CancelAll { account: AccountId(account), ..CancelAll::new(0) });
        }
        self.drain();
        // Stop orders on many levels, which then fire all at once and find nothing.
        for (account, symbol) in everyone() {
            for step in 1..=25 {
                let distance = step * 64 + i64::from(account - FIRST);
                let both =
                    [(TriggerDirection::RisesTo, MIDDLE + distance), (TriggerDirection::FallsTo, MIDDLE - distance)];
                for (direction, trigger) in both {
                    let order = self.order(AccountId(account), SymbolId(symbol));
                    let (time_in_force, flags) = (TimeInForce::Ioc.code(), 0);
                    let order = self.stop(NewOrder { time_in_force, flags, ..order });
                    let (trigger, trigger_direction) = (Price(trigger), direction.code());
                    self.send(origin, &NewOrder { trigger, trigger_direction, ..order });
                }
            }
        }
        self.drain();
        assert!(self.agent.engine().open_order_count() > 5_000);
        for (symbol, price) in (1..=SYMBOLS).flat_map(|s| [MIDDLE + 4_000, MIDDLE - 4_000, MIDDLE].map(|p| (s, p))) {
            for (account, side) in [(FIRST, Side::Sell), (FIRST + 1, Side::Buy)] {
                let order = self.order(AccountId(account), SymbolId(symbol));
                let (side, price) = (side.code(), Price(price));
                self.send(origin, &NewOrder { side, price, quantity: Qty(1), flags: 0, ..order });
            }
        }
        self.drain();
        assert_eq!(self.agent.engine().open_order_count(), 0);
    }

    /// Runs the mix until the engine has executed so many more commands.
    pub fn run(&mut self, commands: u64) {
        let until = self.agent.engine().sequence().0 + commands;
        while self.agent.engine().sequence().0 < until {
            self.any();
        }
        self.drain();
    }
}
