//! Measures long work (DOMAIN §5.1a): how long its parts take, how long all of it takes, how large its frames are.
//!
//! ```text
//! cargo run --release -p ringbook-core --example long_work
//! ```
//!
//! Where other commands may come between the parts, the longest part is what another account waits for; where nothing may
//! come between, it waits for the whole.

use ringbook_core::{Engine, Pending};
use ringbook_event::Origin;
use ringbook_oracle::scenario;
use ringbook_wire::message::{CancelAll, Continue, Genesis, Message, NewOrder, SetAccount, SetAsset, SetStatus, Tick};
use ringbook_wire::message::{Deposit, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, OrderType, Price, Qty, Sequence, Side, SymbolId, SymbolStatus,
    TimeInForce, TimestampNs, TriggerDirection,
};
use std::time::{Duration, Instant};
use zerocopy::IntoBytes;

const MAX_EVENT_BYTES: u32 = 256 << 10;

struct Exchange {
    engine: Engine,
    buffer: Vec<u8>,
    sequence: u64,
    now: u64,
    clients: u128,
}

/// How a piece of work went.
struct Took {
    parts: u32,
    whole: Duration,
    longest: Duration,
    largest: usize,
    exclusive: bool,
}

impl Exchange {
    fn new() -> Self {
        let genesis = Genesis {
            max_event_bytes: MAX_EVENT_BYTES,
            max_orders: 1 << 20,
            dedupe_capacity: 1 << 20,
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
        let mut took = Took { parts: 1, whole: time, longest: time, largest: length, exclusive: false };
        while let Some(next) = self.engine.continuation() {
            took.exclusive |= self.engine.pending() == Pending::Exclusive;
            let mut message = Continue::new(next.request);
            message.of = next.of;
            let (time, length) = self.one(next.origin, message.as_bytes());
            took.parts += 1;
            took.whole += time;
            took.longest = took.longest.max(time);
            took.largest = took.largest.max(length);
        }
        took
    }

    fn place(&mut self, order: NewOrder) -> Took {
        self.clients += 1;
        let send_time = TimestampNs(self.now);
        self.send(&NewOrder { client_id: ClientOrderId::from(self.clients), send_time, ..order })
    }
}

fn show(what: &str, took: &Took) {
    let between = if took.exclusive { "nothing comes between" } else { "others come between" };
    println!(
        "{what:38} {:4} parts, whole {:7.2} ms, longest part {:5.2} ms, largest {:6} bytes; {between}",
        took.parts,
        took.whole.as_secs_f64() * 1e3,
        took.longest.as_secs_f64() * 1e3,
        took.largest
    );
    assert!(took.largest <= MAX_EVENT_BYTES as usize, "a frame beyond its bound");
}

fn resting(exchange: &mut Exchange, count: i64) {
    for number in 0..count {
        exchange.place(scenario::limit(100, 1, Side::Buy, 1_000 + number % 5_000, 1));
    }
}

fn main() {
    let mut exchange = Exchange::new();
    resting(&mut exchange, 100_000);
    let took = exchange.send(&CancelAll { account: AccountId(100), ..CancelAll::new(0) });
    show("cancel-all of 100,000 orders", &took);

    let mut exchange = Exchange::new();
    resting(&mut exchange, 100_000);
    let took = exchange.send(&CancelAll { account: AccountId(100), side: Side::Sell.code(), ..CancelAll::new(0) });
    show("cancel-all of a side without orders", &took);
    let took =
        exchange.send(&SetStatus { symbol: SymbolId(1), status: SymbolStatus::Closed.code(), ..SetStatus::new(0) });
    show("close of a symbol with 100,000 orders", &took);

    let mut exchange = Exchange::new();
    let expire_at = TimestampNs(exchange.now + 3_600_000_000_000);
    for number in 0..100_000 {
        let order = scenario::limit(100, 1, Side::Buy, 1_000 + number % 5_000, 1);
        exchange.place(NewOrder { time_in_force: TimeInForce::Gtd.code(), expire_at, ..order });
    }
    exchange.now = expire_at.0;
    let took = exchange.send(&Tick::new(0));
    show("expiry of 100,000 GTD orders", &took);

    // Each stop sells one lot to the next lower bid, whose price triggers the next stop.
    let mut exchange = Exchange::new();
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
    show("cascade of 10,000 stops", &took);
    assert!(exchange.engine.open_order_count() < 10, "the cascade ran to its end");

    let mut exchange = Exchange::new();
    let status = |status: SymbolStatus| SetStatus { symbol: SymbolId(1), status: status.code(), ..SetStatus::new(0) };
    exchange.send(&status(SymbolStatus::PreOpen));
    for number in 0..50_000 {
        exchange.place(scenario::limit(100, 1, Side::Buy, 5_000 + number % 1_000, Qty(1).0));
        exchange.place(scenario::limit(101, 1, Side::Sell, 4_000 + number % 1_000, Qty(1).0));
    }
    let took = exchange.send(&status(SymbolStatus::Trading));
    show("uncross of 50,000 against 50,000", &took);
}
