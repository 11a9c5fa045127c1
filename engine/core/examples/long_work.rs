//! Measures long work (DOMAIN §5.1a): how long its parts take, how long all of it takes, how large its frames are.
//!
//! ```text
//! cargo run --release -p ringbook-core --example long_work [PART OF A NAME [RUNS]]
//! ```
//!
//! Where other commands may come between the parts, the longest part is what another account waits for; where nothing may
//! come between, it waits for the whole.

use ringbook_core::{Engine, Pending};
use ringbook_event::{Done, Origin};
use ringbook_oracle::scenario;
use ringbook_wire::message::{
    Cancel, CancelAll, Continue, Genesis, Message, NewOrder, SetAccount, SetAsset, SetStatus, Tick,
};
use ringbook_wire::message::{Deposit, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, OrderId, OrderType, Price, Qty, Sequence, Side, SymbolId, SymbolStatus,
    TimeInForce, TimestampNs, TriggerDirection,
};
use std::time::{Duration, Instant};
use zerocopy::IntoBytes;

const MAX_EVENT_BYTES: u32 = 256 << 10;
const RING: u32 = 1 << 20;

struct Exchange {
    engine: Engine,
    buffer: Vec<u8>,
    sequence: u64,
    now: u64,
    clients: u128,
}

/// How a piece of work went.
struct Took {
    parts: Vec<Duration>,
    largest: usize,
    exclusive: bool,
}

impl Exchange {
    fn new() -> Self {
        let genesis = Genesis {
            max_event_bytes: MAX_EVENT_BYTES,
            max_orders: 1 << 20,
            dedupe_capacity: RING,
            ..scenario::genesis()
        };
        let buffer = vec![0; 1 << 20];
        let mut exchange = Self { engine: Engine::new(), buffer, sequence: 0, now: 1_000_000_000_000, clients: 0 };
        exchange.one(Origin::INTERNAL, genesis.as_bytes());
        for (asset, name) in [(scenario::BTC, "BTC"), (scenario::USDT, "USDT")] {
            let name = name_field(name).expect("a good name");
            exchange.send(&SetAsset { asset: AssetId(asset), scale: 8, name, ..SetAsset::new(0) });
        }
        let mut symbol = scenario::spot(1);
        (symbol.max_open_orders, symbol.max_trigger_orders) = (1 << 20, 1 << 20);
        (symbol.max_price, symbol.status) = (Price(1_000_000), SymbolStatus::Trading.code());
        exchange.send(&symbol);
        for account in [100, 101, 102] {
            exchange.send(&SetAccount { account: AccountId(account), ..SetAccount::new(0) });
            for (adjustment, asset) in [(1, scenario::BTC), (2, scenario::USDT)] {
                let money =
                    Deposit { account: AccountId(account), asset: AssetId(asset), adjustment, ..Deposit::new(0) };
                exchange.send(&Deposit { amount: Amount(1 << 58), ..money });
            }
        }
        exchange
    }

    fn one(&mut self, origin: Origin, message: &[u8]) -> (Duration, usize) {
        self.sequence += 1;
        let mut command = origin.as_bytes().to_vec();
        command.extend_from_slice(message);
        let began = Instant::now();
        let length = self.engine.apply(Sequence(self.sequence), TimestampNs(self.now), &command, &mut self.buffer);
        (began.elapsed(), length.expect("a good command"))
    }

    fn send<M: Message>(&mut self, message: &M) -> Took {
        self.now += 1_000;
        let (time, length) = self.one(Origin::INTERNAL, message.as_bytes());
        let mut took = Took { parts: vec![time], largest: length, exclusive: false };
        while let Some(next) = self.engine.continuation() {
            took.exclusive |= self.engine.pending() == Pending::Exclusive;
            let mut message = Continue::new(next.request);
            message.of = next.of;
            let (time, length) = self.one(next.origin, message.as_bytes());
            took.parts.push(time);
            took.largest = took.largest.max(length);
        }
        took
    }

    /// Order id of the last command's ACCEPTED, or what stands there.
    fn accepted(&self) -> u64 {
        u64::from_le_bytes(self.buffer[8..16].try_into().expect("eight bytes"))
    }

    fn place(&mut self, order: NewOrder) -> Took {
        self.clients += 1;
        let send_time = TimestampNs(self.now);
        self.send(&NewOrder { client_id: ClientOrderId::from(self.clients), send_time, ..order })
    }
}

/// Several runs of one piece of work.
struct Runs(Vec<Took>);

impl Runs {
    /// Median, least and greatest of a time, in milliseconds.
    fn spread(&self, of: impl Fn(&Took) -> Duration) -> [f64; 3] {
        let mut times: Vec<f64> = self.0.iter().map(|took| of(took).as_secs_f64() * 1e3).collect();
        times.sort_unstable_by(f64::total_cmp);
        [times[times.len() / 2], times[0], times[times.len() - 1]]
    }

    fn show(&self, what: &str) {
        let took = &self.0[0];
        let between = if took.exclusive { "nothing comes between" } else { "others come between" };
        // Every run does the same work in the same parts: what is not the same is the machine.
        let parts: Vec<f64> = (0..took.parts.len()).map(|part| self.spread(|took| took.parts[part])[1]).collect();
        let whole = self.spread(|took| took.parts.iter().sum());
        let longest = self.spread(|took| *took.parts.iter().max().expect("at least one part"));
        println!(
            "{what:38} {:3} {:7.2} {:6.2} {:6.2} {:6.2}   {:6.3} {:6.3} {:6.3} {:6.3}   {:6}; {between}",
            parts.len(),
            parts.iter().sum::<f64>(),
            whole[0],
            whole[1],
            whole[2],
            parts.iter().copied().fold(0.0, f64::max),
            longest[0],
            longest[1],
            longest[2],
            took.largest
        );
        assert!(took.largest <= MAX_EVENT_BYTES as usize, "a frame beyond its bound");
    }
}

/// Numbers that are the same in every run.
struct Scatter(u64);

impl Scatter {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Fills an account's share of the dedupe ring, as it is after a day of trading: from then on each end evicts an entry.
fn fill_ring(exchange: &mut Exchange, account: u32) {
    for _ in 0..RING / 16 {
        exchange.place(scenario::ioc(account, 1, Side::Buy, 1, 1));
    }
}

fn resting(exchange: &mut Exchange, count: i64) {
    for number in 0..count {
        exchange.place(scenario::limit(100, 1, Side::Buy, 1_000 + number % 5_000, 1));
    }
}

fn status(status: SymbolStatus) -> SetStatus {
    SetStatus { symbol: SymbolId(1), status: status.code(), ..SetStatus::new(0) }
}

fn cancel_all(_: bool) -> Took {
    let mut exchange = Exchange::new();
    resting(&mut exchange, 100_000);
    exchange.send(&CancelAll { account: AccountId(100), ..CancelAll::new(0) })
}

fn cancel_nothing(_: bool) -> Took {
    let mut exchange = Exchange::new();
    resting(&mut exchange, 100_000);
    exchange.send(&CancelAll { account: AccountId(100), side: Side::Sell.code(), ..CancelAll::new(0) })
}

fn close(_: bool) -> Took {
    let mut exchange = Exchange::new();
    resting(&mut exchange, 100_000);
    exchange.send(&status(SymbolStatus::Closed))
}

/// All at one moment; on a used exchange their prices are scattered, and the ring is full.
fn expiry(used: bool) -> Took {
    let mut exchange = Exchange::new();
    let mut scatter = Scatter(7);
    if used {
        fill_ring(&mut exchange, 100);
    }
    let expire_at = TimestampNs(exchange.now + 3_600_000_000_000);
    for number in 0..100_000 {
        let step = if used { scatter.below(5_000) as i64 } else { number % 5_000 };
        let order = scenario::limit(100, 1, Side::Buy, 1_000 + step, 1);
        exchange.place(NewOrder { time_in_force: TimeInForce::Gtd.code(), expire_at, ..order });
    }
    exchange.now = expire_at.0;
    exchange.send(&Tick::new(0))
}

/// Each stop sells one lot to the next lower bid, whose price triggers the next stop.
fn cascade(used: bool) -> Took {
    let mut exchange = Exchange::new();
    if used {
        fill_ring(&mut exchange, 100);
        fill_ring(&mut exchange, 101);
    }
    for number in 0..10_002 {
        exchange.place(scenario::limit(100, 1, Side::Buy, 20_000 - number, 1));
    }
    for number in 0..10_000 {
        let order = scenario::ioc(101, 1, Side::Sell, 1, 1);
        exchange.place(NewOrder {
            order_type: OrderType::StopLimit.code(),
            trigger: Price(20_000 - number),
            trigger_direction: TriggerDirection::FallsTo.code(),
            trigger_source: 1,
            ..order
        });
    }
    let took = exchange.place(scenario::ioc(102, 1, Side::Sell, 20_000, 1));
    assert!(exchange.engine.open_order_count() < 10, "the cascade ran to its end");
    took
}

fn uncross(_: bool) -> Took {
    let mut exchange = Exchange::new();
    exchange.send(&status(SymbolStatus::PreOpen));
    for number in 0..50_000 {
        exchange.place(scenario::limit(100, 1, Side::Buy, 5_000 + number % 1_000, Qty(1).0));
        exchange.place(scenario::limit(101, 1, Side::Sell, 4_000 + number % 1_000, Qty(1).0));
    }
    exchange.send(&status(SymbolStatus::Trading))
}

/// Not long work, but what must not pay for it: single commands at random prices on a book of 50,000 orders, as many new as
/// ended; nanoseconds each of new, cancel by client id, cancel by order id, and a trade of one lot.
fn single(names: [&str; 4], runs: usize) {
    let mut nanoseconds: [Vec<u64>; 4] = Default::default();
    for run in 0..runs {
        let mut exchange = Exchange::new();
        let mut scatter = Scatter(run as u64);
        for account in [100, 101] {
            fill_ring(&mut exchange, account);
        }
        let mut open = Vec::new();
        let mut times: [Vec<u64>; 4] = Default::default();
        for number in 0..400_000u32 {
            let mut kind = if number < 50_000 { 0 } else { [0, 0, 0, 1, 2, 3][scatter.below(6) as usize] };
            let at = scatter.below(open.len().max(1) as u64) as usize;
            let took = match kind {
                1 | 2 => {
                    let (order, client): (u64, u128) = open.swap_remove(at);
                    let cancel = Cancel { account: AccountId(100), ..Cancel::new(0) };
                    match kind {
                        1 => exchange.send(&Cancel { client_id: ClientOrderId::from(client), ..cancel }),
                        _ => exchange.send(&Cancel { order: OrderId(order), ..cancel }),
                    }
                }
                3 => exchange.place(scenario::ioc(101, 1, Side::Sell, 1, 1)),
                _ => {
                    let price = 1_000 + scatter.below(5_000) as i64;
                    let took = exchange.place(scenario::limit(100, 1, Side::Buy, price, 1));
                    open.push((exchange.accepted(), exchange.clients));
                    took
                }
            };
            // A cancel of an order that has traded meanwhile answers something else.
            if number < 100_000 || matches!(kind, 1 | 2) && took.largest < size_of::<Done>() {
                kind = 4;
            }
            if let Some(times) = times.get_mut(kind) {
                times.push(took.parts[0].as_nanos() as u64);
            }
        }
        for (all, mut times) in nanoseconds.iter_mut().zip(times) {
            times.sort_unstable();
            all.push(times[times.len() / 2]);
        }
    }
    for (name, mut all) in names.into_iter().zip(nanoseconds) {
        all.sort_unstable();
        println!(
            "{name:38} median {:5} ns; of the runs' medians least {:5}, greatest {:5}",
            all[runs / 2],
            all[0],
            all[runs - 1]
        );
    }
}

/// What the machine needs at least: 100,000 cache lines, scattered over 64 MiB, each written once.
fn floor(runs: usize) {
    let mut lines = vec![[1u64; 8]; (64 << 20) / 64];
    let mut scatter = Scatter(3);
    let order: Vec<usize> = (0..100_000).map(|_| scatter.below(lines.len() as u64) as usize).collect();
    let mut best = [Duration::MAX; 2];
    for _ in 0..runs.max(3) {
        lines.fill([1; 8]);
        let began = Instant::now();
        for &at in &order {
            lines[at][0] += 1;
        }
        best[0] = best[0].min(began.elapsed());
        lines.fill([0; 8]);
        let began = Instant::now();
        let mut last = 0;
        for &at in &order {
            // The next place depends on what was read at the last one.
            let line = &mut lines[at + last as usize];
            last = line[0];
            line[1] = 1;
        }
        best[1] = best[1].min(began.elapsed());
        std::hint::black_box(last);
    }
    println!(
        "floor: 100,000 random cache lines of 64 MiB: {:.2} ms if the addresses are known ahead, {:.2} ms one after another",
        best[0].as_secs_f64() * 1e3,
        best[1].as_secs_f64() * 1e3
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_default();
    let runs = arguments.next().map_or(5, |text| text.parse().expect("how many runs"));
    floor(runs);
    println!("ms of {runs} runs: undisturbed (the least of each part), median, least, greatest run");
    println!("{:38} parts {:>26}   {:>27}   bytes of {MAX_EVENT_BYTES}", "", "whole", "longest part");
    type Work = fn(bool) -> Took;
    let works: [(&str, Work, bool); 8] = [
        ("cancel-all of 100,000 orders", cancel_all, false),
        ("cancel-all of a side without orders", cancel_nothing, false),
        ("close of a symbol with 100,000 orders", close, false),
        ("expiry of 100,000 GTD orders", expiry, false),
        ("the same, scattered, ring full", expiry, true),
        ("cascade of 10,000 stops", cascade, false),
        ("the same, ring full", cascade, true),
        ("uncross of 50,000 against 50,000", uncross, false),
    ];
    for (name, work, used) in works.iter().filter(|work| work.0.contains(&wanted)) {
        Runs((0..runs).map(|_| work(*used)).collect()).show(name);
    }
    let names =
        ["single: new", "single: cancel by client id", "single: cancel by order id", "single: trade of one lot"];
    if names.iter().any(|name| name.contains(&wanted)) {
        single(names, runs);
    }
}
