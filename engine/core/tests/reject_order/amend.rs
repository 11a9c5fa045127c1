//! AMEND: 18 answers, alone and in pairs.

use crate::common::Venue;
use crate::ladder::{Answer, Apart, Kind, Memory, Rule, Trace, Trial, stranger};
use Answer::{Code, Replayed, Unfit};
use ringbook_event::Origin;
use ringbook_oracle::scenario::{Desk, budget, bytes, genesis, iceberg, limit, market, spot, stop};
use ringbook_wire::RejectCode::{
    AccountSuspended, AmendNothing, AmendQty, BadDisplay, BadRequest, InsufficientBalance, Maintenance, Notional,
    PostOnlyCross, PriceBand, PriceRange, QtyRange, SymbolStatus, TriggerImmediate, UnknownAccount, UnknownOrder,
};
use ringbook_wire::message::{Amend, Cancel, Message, NewOrder, SetAccount, SetSymbol};
use ringbook_wire::{AccountId, Amount, ClientOrderId, OrderId, Price, Qty, Rate, Side, TriggerDirection, order_flags};

const OWN: u32 = 100;
const OTHER: u32 = 101;
const THIRD: u32 = 102;
const SYMBOL: u32 = 1;

/// The amendment, the order that it names, and the state that it meets.
#[derive(Clone)]
pub struct Plan {
    order: NewOrder,
    amend: Amend,
    origin: Origin,
    /// Terms of the symbol, set last.
    terms: SetSymbol,
    ended: bool,
    suspended: bool,
    halted: bool,
    maintenance: bool,
    poor: bool,
    /// An opposite order at the new limit.
    crossing: bool,
}

/// The symbol: 10 % band around 100.
fn terms() -> SetSymbol {
    SetSymbol { band: Rate(10_000_000), ..spot(SYMBOL) }
}

fn kind(letter: char, order: NewOrder, (price, quantity, trigger): (i64, i64, i64)) -> Kind<Plan> {
    let order = NewOrder { client_id: ClientOrderId([77, 0]), ..order };
    let (account, client_id) = (AccountId(OWN), order.client_id);
    let (price, quantity, trigger) = (Price(price), Qty(quantity), Price(trigger));
    let amend = Amend { account, client_id, price, quantity, trigger, ..Amend::new(0) };
    let (ended, suspended, halted) = (false, false, false);
    let (maintenance, poor, crossing) = (false, false, false);
    let (origin, terms) = (Origin::INTERNAL, terms());
    Kind { letter, plan: Plan { order, amend, origin, terms, ended, suspended, halted, maintenance, poor, crossing } }
}

/// R: a resting iceberg, 4 of 10 filled; T: one that waits, a stop-limit order; Z: stop-market sell; S: stop-market for a budget.
fn kinds() -> Vec<Kind<Plan>> {
    let shows = |price| iceberg(limit(OWN, SYMBOL, Side::Buy, price, 10), 1);
    let rests = NewOrder { flags: order_flags::POST_ONLY, ..shows(100) };
    let up = TriggerDirection::RisesTo;
    vec![
        kind('R', rests, (101, 12, 0)),
        kind('T', stop(shows(105), up, 120), (106, 12, 121)),
        kind('Z', stop(market(OWN, SYMBOL, Side::Sell, 10), TriggerDirection::FallsTo, 80), (0, 12, 79)),
        kind('S', stop(budget(OWN, SYMBOL, 20_000), up, 120), (0, 0, 121)),
    ]
}

const LADDER: &[Answer] = &[
    Code(BadRequest),
    Code(UnknownAccount),
    Replayed,
    Code(AccountSuspended),
    Code(UnknownOrder),
    Unfit,
    Code(SymbolStatus),
    Code(Maintenance),
    Code(PriceRange),
    Code(PriceBand),
    Code(QtyRange),
    Code(Notional),
    Code(BadDisplay),
    Code(TriggerImmediate),
    Code(InsufficientBalance),
    Code(PostOnlyCross),
    Code(AmendQty),
    Code(AmendNothing),
];

const ALL: &str = "RTZS";

const fn rule(answer: Answer, kinds: &'static str, break_it: fn(&mut Plan)) -> Rule<Plan> {
    Rule { answer, kinds, break_it }
}

const RULES: &[Rule<Plan>] = &[
    rule(Code(BadRequest), ALL, |p| p.amend.reserved = 1),
    rule(Code(UnknownAccount), ALL, |p| p.origin = stranger()),
    rule(Replayed, ALL, |p| p.ended = true),
    rule(Code(AccountSuspended), ALL, |p| p.suspended = true),
    rule(Code(UnknownOrder), ALL, |p| p.amend.order = OrderId(999)),
    rule(Unfit, "R", |p| p.amend.trigger = Price(50)),
    rule(Unfit, "ZS", |p| p.amend.price = Price(60)),
    rule(Unfit, "S", |p| p.amend.quantity = Qty(5)),
    rule(Code(SymbolStatus), ALL, |p| p.halted = true),
    rule(Code(Maintenance), ALL, |p| p.maintenance = true),
    // The limit, new and old; the trigger from above and from below, new and old.
    rule(Code(PriceRange), "R", |p| p.terms.max_price = Price(99)),
    rule(Code(PriceRange), "T", |p| p.terms.max_price = Price(104)),
    rule(Code(PriceRange), "TS", |p| p.terms.max_price = Price(99)),
    rule(Code(PriceRange), "Z", |p| p.terms.min_price = Price(101)),
    rule(Code(PriceBand), "R", |p| p.terms.band = Rate(100_000)),
    rule(Code(QtyRange), "RTZ", |p| p.terms.min_quantity = Qty(200)),
    rule(Code(QtyRange), "RTZ", |p| (p.terms.max_quantity, p.terms.max_market_quantity) = (Qty(3), Qty(3))),
    rule(Code(Notional), ALL, |p| p.terms.min_notional = Amount(1 << 40)),
    rule(Code(Notional), ALL, |p| p.terms.max_notional = Amount(1)),
    // In more than 100 parts.
    rule(Code(BadDisplay), "RT", |p| p.amend.quantity = Qty(101)),
    // At or beyond the last price, 100.
    rule(Code(TriggerImmediate), "TZS", |p| p.amend.trigger = Price(100)),
    rule(Code(InsufficientBalance), "RTZ", |p| p.poor = true),
    rule(Code(PostOnlyCross), "R", |p| p.crossing = true),
    rule(Code(AmendQty), "R", |p| p.amend.quantity = Qty(4)),
    rule(Code(AmendNothing), ALL, |p| {
        (p.amend.price, p.amend.quantity, p.amend.trigger) = (Price(0), Qty(0), Price(0));
    }),
    rule(Code(AmendNothing), "T", |p| {
        (p.amend.price, p.amend.quantity, p.amend.trigger) = (Price(105), Qty(10), Price(120));
    }),
];

const APART: &[Apart] = &[
    Apart { one: Replayed, others: &[Code(UnknownOrder)], why: "the order is known or not" },
    Apart {
        one: Code(UnknownOrder),
        others: &[
            Unfit,
            Code(SymbolStatus),
            Code(PriceRange),
            Code(PriceBand),
            Code(QtyRange),
            Code(Notional),
            Code(BadDisplay),
            Code(TriggerImmediate),
            Code(InsufficientBalance),
            Code(PostOnlyCross),
            Code(AmendQty),
        ],
        why: "an unknown order has no kind, symbol, hold or fills",
    },
    Apart {
        one: Code(TriggerImmediate),
        others: &[Code(PriceBand), Code(PostOnlyCross), Code(AmendQty)],
        why: "only waiting orders break 208; they do not queue anew and have no fills",
    },
    Apart {
        one: Code(AmendNothing),
        others: &[
            Unfit,
            Code(PriceBand),
            Code(BadDisplay),
            Code(TriggerImmediate),
            Code(InsufficientBalance),
            Code(PostOnlyCross),
            Code(AmendQty),
        ],
        why: "403 changes nothing: no queue, trigger, hold or total, and nothing that the order lacks",
    },
    Apart {
        one: Code(AmendQty),
        others: &[Code(InsufficientBalance), Code(BadDisplay)],
        why: "where nothing would remain, nothing more would be held; and at most 100 displays were filled",
    },
];

fn run(plan: &Plan) -> Trace {
    let mut venue = Venue::with(&genesis());
    let mut desk = Desk::new(&mut venue);
    assert_eq!(desk.symbol(|s| *s = terms()), SYMBOL);
    desk.rich(&[OWN, OTHER, THIRD]);
    desk.trade_at(OTHER, THIRD, SYMBOL, 100);
    desk.place(plan.order).accepted();
    if plan.order.trigger.0 == 0 {
        desk.place(limit(OTHER, SYMBOL, Side::Sell, 100, 4)).accepted();
    }
    if plan.ended {
        let client_id = plan.order.client_id;
        let cancel = Cancel { account: AccountId(OWN), client_id, ..Cancel::new(0) };
        assert_eq!(desk.send(&cancel).names(), ["Canceled", "Done"]);
    }
    if plan.crossing {
        desk.place(limit(OTHER, SYMBOL, Side::Sell, 101, 10)).accepted();
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
    let events = venue.one(now + 1, plan.origin, &bytes(&plan.amend));
    Trace { before, after: venue.engine.image(), events }
}

/// AMEND.
pub fn trial() -> Trial<Plan> {
    let memory = |_| Memory::Nothing;
    Trial { name: "AMEND", ladder: LADDER, kinds: kinds(), rules: RULES, apart: APART, run, memory }
}
