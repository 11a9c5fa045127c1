//! Measures the long work of perpetuals: a mark over many positions, a crash, a funding, a settlement (docs/PERPETUAL.md).
//!
//! ```text
//! cargo run --release -p ringbook-core --example perpetual_work [POSITIONS [CRASHING]]
//! ```
//!
//! Between two liquidated buckets other commands may come, so the longest part is what another account waits for; nothing comes
//! between the payments of a funding, or while a settlement closes positions: there it waits for the whole.

use ringbook_core::{Engine, Pending};
use ringbook_event::{Event, Origin, events};
use ringbook_oracle::scenario;
use ringbook_wire::message::{
    Continue, Deposit, Funding, Genesis, Mark, Message, NewOrder, SetAccount, SetAsset, SetLeverage, SetPerpetual,
    SettleSymbol, Transfer, name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, FeeModel, MarginMode, OrderType, Price, Qty, RATE_ONE, Rate, Sequence,
    Side, StpMode, SymbolId, SymbolKind, SymbolStatus, TimeInForce, TimestampNs,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use zerocopy::IntoBytes;

const SYMBOL: SymbolId = SymbolId(1);
const FIRST: u32 = 1_000;
const MAKER: u32 = 100;

struct Exchange {
    engine: Engine,
    buffer: Vec<u8>,
    now: u64,
    client: u64,
    seen: BTreeMap<&'static str, u64>,
}

struct Took {
    parts: Vec<Duration>,
    largest: usize,
}

impl Exchange {
    fn new() -> Self {
        let genesis = Genesis {
            max_event_bytes: 256 << 10,
            max_orders: 1 << 20,
            dedupe_capacity: 1 << 20,
            ..scenario::genesis()
        };
        let mut exchange = Self {
            engine: Engine::new(),
            buffer: vec![0; 256 << 10],
            now: 1_000_000_000_000,
            client: 0,
            seen: BTreeMap::new(),
        };
        exchange.send(&genesis);
        for (asset, name) in [(1, "BTC"), (2, "USDT")] {
            let name = name_field(name).expect("a good name");
            exchange.send(&SetAsset { asset: AssetId(asset), scale: 8, name, ..SetAsset::new(0) });
        }
        let mut perpetual = SetPerpetual {
            symbol: SYMBOL,
            base: AssetId(1),
            quote: AssetId(2),
            kind: SymbolKind::Perpetual.code(),
            fee_model: FeeModel::Rate.code(),
            name: name_field("BTC-PERP").expect("a good name"),
            base_lot: Amount(100_000),
            quote_per_tick_lot: Amount(10_000),
            min_price: Price(1),
            max_price: Price(10_000_000),
            min_quantity: Qty(1),
            max_quantity: Qty(1_000_000),
            max_market_quantity: Qty(1_000_000),
            taker: Rate(50_000),
            slip: Rate(1_000_000),
            max_open_orders: 1 << 20,
            max_trigger_orders: 10,
            stp: StpMode::CancelTaker.code(),
            status: SymbolStatus::Trading.code(),
            max_position: Qty(10_000_000),
            mark_max_age: 1 << 60,
            funding_interval: 1,
            funding_cap: Rate(RATE_ONE / 100),
            liquidation_fee: Rate(RATE_ONE / 1_000),
            fund_multiple: Rate(10 * RATE_ONE),
            max_leverage: 125,
            mark_confirmations: 3,
            tiers: 1,
            ..SetPerpetual::new(0)
        };
        perpetual.tier_cap[0] = Amount(1 << 60);
        perpetual.tier_rate[0] = Rate(RATE_ONE / 250);
        perpetual.tier_leverage[0] = 125;
        exchange.send(&perpetual);
        exchange.account(MAKER, 1 << 58);
        exchange.mark(500_000);
        exchange
    }

    fn account(&mut self, account: u32, amount: i64) {
        let (account, asset, amount) = (AccountId(account), AssetId(2), Amount(amount));
        self.send(&SetAccount { account, ..SetAccount::new(0) });
        self.send(&Deposit { account, asset, adjustment: 1, amount, ..Deposit::new(0) });
        self.send(&Transfer { account, asset, adjustment: 2, amount, direction: 1, ..Transfer::new(0) });
    }

    fn one(&mut self, origin: Origin, message: &[u8]) -> (Duration, usize) {
        let sequence = Sequence(self.engine.sequence().0 + 1);
        let command = [origin.as_bytes(), message].concat();
        let began = Instant::now();
        let length = self.engine.apply(sequence, TimestampNs(self.now), &command, &mut self.buffer);
        let (took, length) = (began.elapsed(), length.expect("a good command"));
        for event in events(&self.buffer[..length]) {
            let event = event.expect("whole records");
            assert!(!matches!(event, Event::Rejected(_)), "{event:?}");
            *self.seen.entry(event.name()).or_default() += 1;
        }
        (took, length)
    }

    /// A command and all parts of its work.
    fn send<M: Message>(&mut self, message: &M) -> Took {
        self.now += 1_000;
        let (first, mut largest) = self.one(Origin::INTERNAL, message.as_bytes());
        let mut parts = vec![first];
        while let Some(next) = self.engine.continuation() {
            assert_ne!(self.engine.pending(), Pending::Nothing);
            let (took, length) =
                self.one(next.origin, Continue { of: next.of, ..Continue::new(next.request) }.as_bytes());
            parts.push(took);
            largest = largest.max(length);
        }
        Took { parts, largest }
    }

    fn mark(&mut self, price: i64) -> Took {
        let feed_time = TimestampNs(self.now + 1);
        self.send(&Mark { symbol: SYMBOL, price: Price(price), feed_time, force: 1, ..Mark::new(0) })
    }

    fn order(&mut self, account: u32, side: Side, price: i64, lots: i64, resting: bool) {
        self.client += 1;
        let time_in_force = if resting { TimeInForce::Gtc } else { TimeInForce::Ioc };
        self.send(&NewOrder {
            client_id: ClientOrderId([self.client, 1]),
            account: AccountId(account),
            symbol: SYMBOL,
            price: Price(price),
            quantity: Qty(lots),
            send_time: TimestampNs(self.now),
            side: side.code(),
            order_type: OrderType::Limit.code(),
            time_in_force: time_in_force.code(),
            ..NewOrder::new(0)
        });
    }

    /// `count` long positions of an account each, the first `thin` of them isolated at 100×, the others cross and safe.
    fn positions(&mut self, count: u32, thin: u32) {
        self.order(MAKER, Side::Sell, 500_000, i64::from(count) * 2, true);
        for at in 0..count {
            let account = FIRST + at;
            self.account(account, 200_000_000_000);
            if at < thin {
                let mode = MarginMode::Isolated.code();
                let account = AccountId(account);
                self.send(&SetLeverage { account, symbol: SYMBOL, leverage: 100, mode, ..SetLeverage::new(0) });
            }
            self.order(account, Side::Buy, 500_000, 1 + i64::from(at % 2), false);
        }
    }
}

fn report(what: &str, took: &Took) {
    let total: Duration = took.parts.iter().sum();
    let longest = took.parts.iter().max().expect("at least one part");
    let ms = |time: &Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "{what:<44} parts {:>6}  longest part {:>8.3} ms  whole {:>9.3} ms  largest frame {:>7} bytes",
        took.parts.len(),
        ms(longest),
        ms(&total),
        took.largest
    );
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>().expect("a number"));
    let (count, crashing) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(10_000));
    let mut exchange = Exchange::new();
    exchange.positions(count, crashing);
    println!("{count} positions in one symbol, {crashing} of them isolated at 100x");

    // Marks that reach nobody, up and down: what an update costs.
    let mut marks: Vec<Duration> = Vec::new();
    for at in 0..2_000i64 {
        marks.push(exchange.mark(499_900 + at % 100).parts.iter().sum());
    }
    marks.sort_unstable();
    println!("mark that reaches nobody: median {:?}, worst {:?}", marks[marks.len() / 2], marks[marks.len() - 1]);

    // Nobody bids: every bucket is taken over, and where the fund cannot, auto-deleveraging closes the maker's short.
    exchange.seen.clear();
    let took = exchange.mark(480_000);
    report("crash without bids", &took);
    println!("  {:?}", exchange.seen);

    let rate = Rate(10_000);
    exchange.seen.clear();
    let took = exchange.send(&Funding { symbol: SYMBOL, rate, index: 1, ..Funding::new(0) });
    report("funding", &took);
    println!("  {:?}", exchange.seen);

    exchange.seen.clear();
    let took = exchange.send(&SettleSymbol { symbol: SYMBOL, price: Price(480_000), ..SettleSymbol::new(0) });
    report("settlement", &took);
    println!("  {:?}", exchange.seen);
    exchange.engine.check_invariants().expect("all invariants hold");
}
