//! Ready-made messages of order entry. Each gets its request number when it is sent.
//!
//! A message made here carries a fresh random client id and the present time. To repeat an order after a time-out,
//! send the same message again, never a new one: the body is its identity (PROTOCOL §2).

use ringbook_wire::message::{Message, NewOrder};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, OrderType, Price, Qty, Side, StpMode, SymbolId, TimeInForce, TimestampNs,
    TriggerDirection, TriggerSource, order_flags,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// A limit order that rests until it is filled or cancelled.
pub fn limit(account: u32, symbol: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    let mut order = NewOrder::new(0);
    order.client_id = random_id();
    order.account = AccountId(account);
    order.symbol = SymbolId(symbol);
    order.price = Price(price);
    order.quantity = Qty(quantity);
    order.send_time = now();
    order.side = side.code();
    order.order_type = OrderType::Limit.code();
    order.time_in_force = TimeInForce::Gtc.code();
    order.stp = StpMode::Default.code();
    order
}

/// A limit order of which nothing rests.
pub fn ioc(account: u32, symbol: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    NewOrder { time_in_force: TimeInForce::Ioc.code(), ..limit(account, symbol, side, price, quantity) }
}

/// A limit order that is refused if it would trade at once.
pub fn post_only(account: u32, symbol: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    NewOrder { flags: order_flags::POST_ONLY, ..limit(account, symbol, side, price, quantity) }
}

/// A market order by quantity.
pub fn market(account: u32, symbol: u32, side: Side, quantity: i64) -> NewOrder {
    NewOrder {
        order_type: OrderType::Market.code(),
        time_in_force: TimeInForce::Ioc.code(),
        ..limit(account, symbol, side, 0, quantity)
    }
}

/// A market buy for a quote budget, fee included.
pub fn budget(account: u32, symbol: u32, budget: i64) -> NewOrder {
    NewOrder { budget: Amount(budget), ..market(account, symbol, Side::Buy, 0) }
}

/// The same order, good until a time.
pub fn until(order: NewOrder, time: TimestampNs) -> NewOrder {
    NewOrder { time_in_force: TimeInForce::Gtd.code(), expire_at: time, ..order }
}

/// The same order as an iceberg that shows at most `display` lots.
pub fn iceberg(order: NewOrder, display: i64) -> NewOrder {
    NewOrder { display: Qty(display), ..order }
}

/// The same order, of which only what makes a position of a perpetual smaller is executed.
pub fn reduce_only(order: NewOrder) -> NewOrder {
    NewOrder { flags: order.flags | order_flags::REDUCE_ONLY, ..order }
}

/// A stop order that closes the whole position in a perpetual at market when its mark reaches `trigger`.
pub fn close_position(account: u32, symbol: u32, side: Side, direction: TriggerDirection, trigger: i64) -> NewOrder {
    let order = stop(market(account, symbol, side, 0), direction, trigger);
    NewOrder { flags: order_flags::CLOSE_POSITION, trigger_source: TriggerSource::Mark.code(), ..order }
}

/// The same stop order of a perpetual, waiting for its mark in place of the last price.
pub fn on_mark(order: NewOrder) -> NewOrder {
    NewOrder { trigger_source: TriggerSource::Mark.code(), ..order }
}

/// The same limit or market order, waiting until the last price reaches `trigger`. A market buy on spot must be by budget.
pub fn stop(order: NewOrder, direction: TriggerDirection, trigger: i64) -> NewOrder {
    let stop = match OrderType::from_code(order.order_type) {
        Some(OrderType::Market | OrderType::StopMarket) => OrderType::StopMarket,
        _ => OrderType::StopLimit,
    };
    NewOrder {
        order_type: stop.code(),
        trigger: Price(trigger),
        trigger_direction: direction.code(),
        trigger_source: TriggerSource::Last.code(),
        ..order
    }
}

/// A client id that nobody else has: 128 random bits, never 0.
pub fn random_id() -> ClientOrderId {
    let mut bytes = [0; 16];
    // Without randomness the clock still separates the ids of one client.
    if getrandom::fill(&mut bytes).is_err() {
        bytes[..8].copy_from_slice(&now().0.to_le_bytes());
    }
    ClientOrderId::from(u128::from_le_bytes(bytes) | 1)
}

/// The system's clock.
pub fn now() -> TimestampNs {
    TimestampNs(SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64))
}
