//! The hot path allocates nothing: ring → engine's agent → journal frame, on real files, after warm-up.
//!
//! ```text
//!  this thread:    Input::submit ─► EngineAgent::poll ─► frame in the tail      counted
//!  other threads:  sync, prepare, seal                                          not counted
//! ```
//!
//! Invariants checked: after [`WARM_UP`] commands (new orders, cancels, amendments, IOC, market, mass cancels, money,
//! over some accounts, symbols and prices) the next [`COUNTED`] of the same mix allocate, grow and free nothing on the
//! thread that submits and executes. Roll-overs of segments and CONTINUEs are among them.
//!
//! `RINGBOOK_TRACE=1` prints where the first allocations happen.

use ringbook_core::{Engine, MIN_EVENT_BYTES};
use ringbook_event::Origin;
use ringbook_journal::{Journal, NoStreams, Options, RealStorage};
use ringbook_oracle::generate::Random;
use ringbook_oracle::scenario::spot;
use ringbook_pipeline::{Agent, EngineAgent, EngineClock, InFlight, Input, Stamps, SubmitError, input_ring, mono_ns};
use ringbook_wire::message::{
    Amend, Cancel, CancelAll, Deposit, Genesis, Message, NewOrder, SessionDown, SetAccount, SetAsset, SetKey,
    SetSymbol, Tick, name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, KeyId, OrderType, Price, Qty, Role, SessionId, Side, SymbolId,
    TimeInForce, TimestampNs, order_flags,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use zerocopy::IntoBytes;

/// Commands before counting begins.
const WARM_UP: u64 = 200_000;
/// Commands that may not allocate.
const COUNTED: u64 = 100_000;
/// Customers, from [`FIRST`].
const ACCOUNTS: u32 = 40;
const FIRST: u32 = 100;
const SYMBOLS: u32 = 3;
const KEY: KeyId = KeyId(1);

struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count(what: &str, bytes: usize) {
    if !WATCHED.get() {
        return;
    }
    COUNT.set(COUNT.get() + 1);
    if COUNT.get() <= 5 {
        WATCHED.set(false);
        if std::env::var_os("RINGBOOK_TRACE").is_some() {
            eprintln!("{what} {bytes} bytes\n{}", std::backtrace::Backtrace::force_capture());
        }
        WATCHED.set(true);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; what is counted lies in thread-locals without destructors,
// and the trace, which allocates itself, is made while counting is off.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count("alloc", layout.size());
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count("free", layout.size());
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count("realloc", size);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Submits and executes on this thread.
struct Hot {
    agent: EngineAgent<EngineClock>,
    input: Input,
    random: Random,
    /// Client ids given so far.
    orders: u64,
    adjustments: [u64; ACCOUNTS as usize],
}

impl Hot {
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

    fn configure(&mut self) {
        let internal = Origin::INTERNAL;
        for (asset, name) in [(1, "BTC"), (2, "USDT")] {
            let name = name_field(name).expect("short");
            self.send(internal, &SetAsset { asset: AssetId(asset), scale: 8, name, ..SetAsset::new(0) });
        }
        for symbol in 1..=SYMBOLS {
            let symbol = SetSymbol { max_open_orders: 200, ..spot(symbol) };
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
        let side = self.random.pick(&[Side::Buy, Side::Sell]);
        // Mostly beside the middle, sometimes through it, now and then far away: levels come and go.
        let distance = match self.random.below(20) {
            0..3 => self.random.between(-30, 0),
            3..19 => self.random.between(1, 60),
            _ => self.random.between(1, 3_000),
        };
        let price = if side == Side::Buy { 10_000 - distance } else { 10_000 + distance };
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

    /// One command of the mix.
    fn any(&mut self) {
        let account = AccountId(FIRST + self.random.below(u64::from(ACCOUNTS)) as u32);
        let symbol = SymbolId(1 + self.random.below(u64::from(SYMBOLS)) as u32);
        let session = SessionId::new(KEY, 1 + self.random.below(4) as u32);
        let origin = Origin::session(session);
        // One of the latest client ids; its account may be another, then the order is not known.
        let back = self.random.below(self.orders.min(3_000)) + 1;
        let client_id = ClientOrderId([self.orders + 1 - back, 0]);
        match self.random.below(1_000) {
            0..480 => {
                let order = self.order(account, symbol);
                self.send(origin, &order);
            }
            480..560 => {
                let time_in_force = self.random.pick(&[TimeInForce::Ioc, TimeInForce::Fok]).code();
                let order = NewOrder { time_in_force, flags: 0, ..self.order(account, symbol) };
                self.send(origin, &order);
            }
            560..600 => {
                let (order_type, time_in_force) = (OrderType::Market.code(), TimeInForce::Ioc.code());
                let price = Price(0);
                let order = NewOrder { order_type, time_in_force, price, flags: 0, ..self.order(account, symbol) };
                self.send(origin, &order);
            }
            // Cancels and amendments go to all accounts, so that most find their order.
            600..720 => {
                for account in FIRST..FIRST + ACCOUNTS {
                    let account = AccountId(account);
                    self.send(origin, &Cancel { account, client_id, ..Cancel::new(7) });
                }
            }
            720..800 => {
                let price = Price(10_000 + self.random.between(-80, 80));
                let quantity = Qty(self.random.between(1, 60));
                for account in FIRST..FIRST + ACCOUNTS {
                    let account = AccountId(account);
                    self.send(origin, &Amend { account, client_id, price, quantity, ..Amend::new(8) });
                }
            }
            800..804 => self.send(origin, &CancelAll { account, ..CancelAll::new(9) }),
            804..806 => {
                self.send(Origin::INTERNAL, &SessionDown { session, ..SessionDown::new(0) });
            }
            806..850 => {
                let asset = 1 + self.random.below(2) as u32;
                self.deposit(account.0, asset, 1_000);
            }
            850..870 => self.send(Origin::INTERNAL, &Tick::new(0)),
            // Nonsense, refused.
            _ => {
                let order = NewOrder { quantity: Qty(0), ..self.order(account, symbol) };
                self.send(origin, &order);
            }
        }
    }

    /// Takes the memory pools (orders, levels, nodes of the ladders) beyond anything that the mix needs: they grow at a
    /// new high-water mark, and keep what they have.
    fn stretch(&mut self) {
        let origin = Origin::session(SessionId::new(KEY, 1));
        for (account, symbol) in (FIRST..FIRST + ACCOUNTS).flat_map(|a| (1..=SYMBOLS).map(move |s| (a, s))) {
            for step in 1..=50 {
                let distance = step * 64 + i64::from(account - FIRST);
                for (side, price) in [(Side::Buy, 10_000 - distance), (Side::Sell, 10_000 + distance)] {
                    let order = self.order(AccountId(account), SymbolId(symbol));
                    let (side, price) = (side.code(), Price(price));
                    self.send(origin, &NewOrder { side, price, quantity: Qty(1), ..order });
                }
            }
        }
        self.drain();
        assert!(self.agent.engine().open_order_count() > 10_000);
        for account in FIRST..FIRST + ACCOUNTS {
            self.send(origin, &CancelAll { account: AccountId(account), ..CancelAll::new(0) });
        }
        self.drain();
        assert_eq!(self.agent.engine().open_order_count(), 0);
    }

    /// Runs the mix until the engine has executed so many more commands.
    fn run(&mut self, commands: u64) {
        let until = self.agent.engine().sequence().0 + commands;
        while self.agent.engine().sequence().0 < until {
            self.any();
        }
        self.drain();
    }
}

#[test]
fn ring_engine_and_journal_allocate_nothing_after_warm_up() {
    let dir = tempfile::tempdir().unwrap();
    let shared_memory = PathBuf::from("/dev/shm");
    let tails = tempfile::Builder::new()
        .prefix("ringbook-test-")
        .tempdir_in(if shared_memory.is_dir() { shared_memory.as_path() } else { dir.path() })
        .unwrap();
    let options = Options {
        // A few MiB: roll-overs are among what is counted.
        segment_bytes: 4 << 20,
        max_frame_bytes: 64 << 10,
        tail_dir: tails.path().to_path_buf(),
        free_space_floor: 0,
        zero_rate: u64::MAX,
        ..Options::default()
    };
    let journal = Journal::open(&dir.path().join("journal"), RealStorage::new(), options).unwrap().journal;
    let (inflight, stranded) = InFlight::open(journal.tails(), 0).unwrap();
    assert_eq!(stranded, None);
    let (appender, watermarks, background) = journal.start(Arc::new(NoStreams), None);
    let (input, output) = input_ring(1_024, 64);
    let agent = EngineAgent::new(Engine::new(), appender, output, EngineClock::new(), Stamps::new(1_024))
        .with_inflight(inflight);
    let mut hot = Hot { agent, input, random: Random::new(5), orders: 1, adjustments: [0; ACCOUNTS as usize] };
    let genesis = Genesis {
        seed: [3, 4],
        rules: 1,
        dedupe_capacity: 20_000,
        max_event_bytes: MIN_EVENT_BYTES,
        max_orders: 50_000,
        ..Genesis::new(0)
    };
    hot.agent.execute_now(genesis.as_bytes()).unwrap();
    hot.configure();
    hot.stretch();
    hot.run(WARM_UP);
    let (stats, before) = (hot.agent.stats(), hot.agent.engine().sequence().0);
    let continues = stats.continues.load(std::sync::atomic::Ordering::Relaxed);
    let segments = watermarks.stat().segments.len();

    WATCHED.set(true);
    hot.run(COUNTED);
    WATCHED.set(false);

    let executed = hot.agent.engine().sequence().0 - before;
    let continues = stats.continues.load(std::sync::atomic::Ordering::Relaxed) - continues;
    let segments = watermarks.stat().segments.len() - segments;
    println!(
        "{executed} commands, {continues} CONTINUEs, {segments} roll-overs, {} open orders: {} allocations",
        hot.agent.engine().open_order_count(),
        COUNT.get()
    );
    assert!(executed >= COUNTED && continues > 0 && segments > 0 && hot.agent.engine().open_order_count() > 100);
    hot.agent.engine().check_invariants().unwrap();
    assert_eq!(COUNT.get(), 0, "run with RINGBOOK_TRACE=1 and --nocapture to see where");
    drop(hot);
    background.stop();
}
