//! NEW_ORDER: 20 answers, alone and in pairs.

use crate::common::Venue;
use crate::ladder::{Answer, Apart, Kind, Memory, Rule, Trace, Trial, stranger};
use Answer::{Code, Replayed};
use ringbook_event::Origin;
use ringbook_oracle::scenario::{Desk, budget, bytes, genesis, gtd, iceberg, limit, market, spot, stop};
use ringbook_wire::RejectCode::{
    AccountSuspended, BadDisplay, BadExpiry, BadRequest, BadStp, DuplicateClientId, InsufficientBalance, Maintenance,
    Notional, PostOnlyCross, PriceBand, PriceRange, QtyRange, StaleRequest, SymbolStatus, TooManyOrders,
    TriggerImmediate, UnknownAccount, UnknownSymbol,
};
use ringbook_wire::message::{Genesis, Message, NewOrder, SetAccount, SetSymbol};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, Price, Qty, Rate, Side, StpMode, SymbolId, TimestampNs, TriggerDirection,
    order_flags,
};

const OWN: u32 = 100;
const OTHER: u32 = 101;
const THIRD: u32 = 102;
/// Fills the shard.
const FILLER: u32 = 103;
/// The symbol of the order, and one beside it.
const SYMBOL: u32 = 1;
const BESIDE: u32 = 2;

/// The order, and the state that it meets.
#[derive(Clone)]
pub struct Plan {
    order: NewOrder,
    origin: Origin,
    /// Terms of the symbol, set last.
    terms: SetSymbol,
    /// The same request came before.
    sent: bool,
    /// The client id names another request.
    taken: bool,
    /// Entries with a later send time were evicted.
    stale: bool,
    suspended: bool,
    halted: bool,
    maintenance: bool,
    /// The shard has no room.
    full: bool,
    /// The account has no money.
    poor: bool,
    /// An opposite order at the limit.
    crossing: bool,
}

/// The symbol: 10 % band around 100.
fn terms(symbol: u32) -> SetSymbol {
    SetSymbol { band: Rate(10_000_000), ..spot(symbol) }
}

/// The time of the order's client.
const SENT_AT: u64 = 1_000_000_000_000;

fn kind(letter: char, order: NewOrder) -> Kind<Plan> {
    let order = NewOrder { client_id: ClientOrderId([77, 0]), send_time: TimestampNs(SENT_AT), ..order };
    let (sent, taken, stale, suspended) = (false, false, false, false);
    let (halted, maintenance, full, poor, crossing) = (false, false, false, false, false);
    let origin = Origin::INTERNAL;
    let plan = Plan {
        order,
        origin,
        terms: terms(SYMBOL),
        sent,
        taken,
        stale,
        suspended,
        halted,
        maintenance,
        full,
        poor,
        crossing,
    };
    Kind { letter, plan }
}

/// L: limit, T: stop-limit, B: market for a budget, S: stop-market for a budget, M: market by lots, Z: stop-market sell.
fn kinds() -> Vec<Kind<Plan>> {
    let rests = iceberg(gtd(limit(OWN, SYMBOL, Side::Buy, 105, 10), SENT_AT * 2), 3);
    let rests = NewOrder { flags: order_flags::POST_ONLY, ..rests };
    vec![
        kind('L', rests),
        kind('T', stop(rests, TriggerDirection::RisesTo, 120)),
        kind('B', budget(OWN, SYMBOL, 20_000)),
        kind('S', stop(budget(OWN, SYMBOL, 20_000), TriggerDirection::RisesTo, 120)),
        kind('M', market(OWN, SYMBOL, Side::Buy, 10)),
        kind('Z', stop(market(OWN, SYMBOL, Side::Sell, 10), TriggerDirection::FallsTo, 80)),
    ]
}

const LADDER: &[Answer] = &[
    Code(BadRequest),
    Code(UnknownAccount),
    Replayed,
    Code(DuplicateClientId),
    Code(StaleRequest),
    Code(AccountSuspended),
    Code(UnknownSymbol),
    Code(SymbolStatus),
    Code(Maintenance),
    Code(PriceRange),
    Code(PriceBand),
    Code(QtyRange),
    Code(Notional),
    Code(BadDisplay),
    Code(BadStp),
    Code(BadExpiry),
    Code(TriggerImmediate),
    Code(TooManyOrders),
    Code(InsufficientBalance),
    Code(PostOnlyCross),
];

const ALL: &str = "LTBSMZ";

const fn rule(answer: Answer, kinds: &'static str, break_it: fn(&mut Plan)) -> Rule<Plan> {
    Rule { answer, kinds, break_it }
}

const RULES: &[Rule<Plan>] = &[
    rule(Code(BadRequest), ALL, |p| p.order.flags |= 1 << 15),
    rule(Code(UnknownAccount), ALL, |p| p.origin = stranger()),
    rule(Replayed, ALL, |p| p.sent = true),
    rule(Code(DuplicateClientId), ALL, |p| p.taken = true),
    rule(Code(StaleRequest), ALL, |p| p.stale = true),
    rule(Code(AccountSuspended), ALL, |p| p.suspended = true),
    rule(Code(UnknownSymbol), ALL, |p| p.order.symbol = SymbolId(999)),
    rule(Code(SymbolStatus), ALL, |p| p.halted = true),
    rule(Code(Maintenance), ALL, |p| p.maintenance = true),
    // The limit, then the trigger from above and from below.
    rule(Code(PriceRange), "LT", |p| p.terms.max_price = Price(104)),
    rule(Code(PriceRange), "TS", |p| p.terms.max_price = Price(119)),
    rule(Code(PriceRange), "Z", |p| p.terms.min_price = Price(81)),
    rule(Code(PriceBand), "L", |p| p.terms.band = Rate(1_000_000)),
    rule(Code(QtyRange), "LTMZ", |p| (p.terms.max_quantity, p.terms.max_market_quantity) = (Qty(9), Qty(9))),
    rule(Code(QtyRange), "LTMZ", |p| p.terms.min_quantity = Qty(1_000)),
    rule(Code(Notional), ALL, |p| p.terms.min_notional = Amount(1 << 40)),
    rule(Code(Notional), ALL, |p| p.terms.max_notional = Amount(1)),
    rule(Code(BadDisplay), "LT", |p| p.terms.min_quantity = Qty(p.terms.min_quantity.0.max(4))),
    // In more than 100 parts.
    rule(Code(BadDisplay), "LT", |p| p.order.quantity = Qty(301)),
    rule(Code(BadStp), "BS", |p| p.order.stp = StpMode::Decrement.code()),
    rule(Code(BadExpiry), "LT", |p| p.order.expire_at = TimestampNs(1)),
    // RISES_TO and FALLS_TO are 1 and 2.
    rule(Code(TriggerImmediate), "TSZ", |p| p.order.trigger_direction = 3 - p.order.trigger_direction),
    rule(Code(TooManyOrders), "L", |p| p.terms.max_open_orders = 0),
    rule(Code(TooManyOrders), "TSZ", |p| p.terms.max_trigger_orders = 0),
    rule(Code(TooManyOrders), ALL, |p| p.full = true),
    rule(Code(InsufficientBalance), ALL, |p| p.poor = true),
    rule(Code(PostOnlyCross), "L", |p| p.crossing = true),
];

const APART: &[Apart] = &[
    Apart {
        one: Replayed,
        others: &[Code(BadRequest)],
        why: "the same bytes were no request the first time either, and were not remembered",
    },
    Apart { one: Replayed, others: &[Code(DuplicateClientId)], why: "the payload under the id is the same or another" },
    Apart { one: Code(StaleRequest), others: &[Replayed, Code(DuplicateClientId)], why: "the id is known or not" },
    Apart {
        one: Code(UnknownSymbol),
        others: &[
            Code(SymbolStatus),
            Code(PriceRange),
            Code(PriceBand),
            Code(QtyRange),
            Code(Notional),
            Code(BadDisplay),
            Code(TriggerImmediate),
            Code(InsufficientBalance),
            Code(PostOnlyCross),
        ],
        why: "an unknown symbol has no status, terms, prices or assets",
    },
    Apart {
        one: Code(BadStp),
        others: &[Code(PriceBand), Code(QtyRange), Code(BadDisplay), Code(BadExpiry), Code(PostOnlyCross)],
        why: "only budget orders break 206, and they have no limit, lots, display, expiry or post-only",
    },
    Apart {
        one: Code(TriggerImmediate),
        others: &[Code(PriceBand), Code(PostOnlyCross)],
        why: "only stop orders break 208, and at entry they are not asked for 201 and 400",
    },
];

fn run(plan: &Plan) -> Trace {
    let genesis = Genesis { max_orders: 12, ..genesis() };
    let mut venue = Venue::with(&genesis);
    let mut desk = Desk::new(&mut venue);
    for symbol in [SYMBOL, BESIDE] {
        assert_eq!(desk.symbol(|s| *s = terms(symbol)), symbol);
    }
    desk.rich(&[OWN, OTHER, THIRD, FILLER]);
    desk.trade_at(OTHER, THIRD, SYMBOL, 100);
    // So that market orders hold something; too far for the limit.
    desk.place(limit(OTHER, SYMBOL, Side::Sell, 108, 10)).accepted();
    if plan.sent {
        desk.send(&plan.order);
    }
    if plan.taken {
        let order = NewOrder { client_id: plan.order.client_id, ..limit(OWN, BESIDE, Side::Buy, 1, 1) };
        desk.place(order).accepted();
    }
    if plan.stale {
        // Its share of the ring is 4.
        for _ in 0..5 {
            let order = limit(OWN, BESIDE, Side::Buy, i64::MAX, 1);
            desk.place(NewOrder { send_time: TimestampNs(SENT_AT), ..order }).refused(PriceRange);
        }
    }
    if plan.crossing {
        desk.place(limit(OTHER, SYMBOL, Side::Sell, 105, 10)).accepted();
    }
    if plan.full {
        while desk.place(limit(FILLER, BESIDE, Side::Buy, 1, 1)).code() == 0 {}
    }
    if plan.poor {
        for asset in [1, 2] {
            let available = desk.balance(OWN, asset).0;
            assert_ne!(desk.withdraw(OWN, asset, available).names(), ["Rejected"]);
        }
    }
    assert_eq!(desk.send(&plan.terms).names(), ["Config"]);
    if plan.suspended {
        desk.send(&SetAccount { account: AccountId(OWN), suspended: 1, ..SetAccount::new(0) });
    }
    if plan.halted {
        desk.status(SYMBOL, ringbook_wire::SymbolStatus::Halted);
    }
    if plan.maintenance {
        desk.status(0, ringbook_wire::SymbolStatus::CancelOnly);
    }
    let now = desk.now;
    let before = venue.engine.image();
    let events = venue.one(now + 1, plan.origin, &bytes(&plan.order));
    Trace { before, after: venue.engine.image(), events }
}

/// EVENTS "dedupe": every refusal but 100, 102, 209 and 211.
fn memory(answer: Answer) -> Memory {
    match answer {
        Replayed | Answer::Unfit => Memory::Nothing,
        Code(BadRequest | UnknownAccount | DuplicateClientId | StaleRequest) => Memory::Nothing,
        Code(_) => Memory::Ring,
    }
}

/// NEW_ORDER.
pub fn trial() -> Trial<Plan> {
    Trial { name: "NEW_ORDER", ladder: LADDER, kinds: kinds(), rules: RULES, apart: APART, run, memory }
}
