//! CANCEL, CANCEL_ALL and the configuration: all answers, alone and in pairs.

use crate::common::Venue;
use crate::ladder::{Answer, Apart, Kind, Memory, Rule, Trace, Trial, stranger};
use Answer::{Code, Replayed};
use ringbook_event::Origin;
use ringbook_oracle::scenario::{Desk, bytes, genesis, limit, spot};
use ringbook_wire::RejectCode::{BadConfig, BadRequest, Maintenance, UnknownAccount, UnknownOrder, UnknownSymbol};
use ringbook_wire::message::{
    Cancel, CancelAll, Message, SetAccount, SetAsset, SetFees, SetKey, SetStatus, SetSymbol, name_field,
};
use ringbook_wire::{AccountId, AssetId, KeyId, OrderId, RATE_ONE, Rate, Role, Side, SymbolId, SymbolStatus};

const OWN: u32 = 100;

/// A command, as these need it: who sends it, and the rules that it breaks.
#[derive(Clone)]
pub struct Plan {
    origin: Origin,
    /// A reserved byte is not zero, or nothing is named.
    bad: bool,
    /// What it names is not there.
    unknown: bool,
    /// The configuration is not consistent.
    inconsistent: bool,
    /// The order has ended.
    ended: bool,
    /// A change to TRADING in maintenance.
    maintenance: bool,
    /// A change of a CLOSED symbol.
    closed: bool,
}

fn kinds() -> Vec<Kind<Plan>> {
    let (bad, unknown, inconsistent) = (false, false, false);
    let (ended, maintenance, closed) = (false, false, false);
    let plan = Plan { origin: Origin::INTERNAL, bad, unknown, inconsistent, ended, maintenance, closed };
    vec![Kind { letter: '*', plan }]
}

const fn rule(answer: Answer, break_it: fn(&mut Plan)) -> Rule<Plan> {
    Rule { answer, kinds: "*U", break_it }
}

const BAD: Rule<Plan> = rule(Code(BadRequest), |p| p.bad = true);
const STRANGER: Rule<Plan> = rule(Code(UnknownAccount), |p| p.origin = stranger());
const NO_SYMBOL: Rule<Plan> = rule(Code(UnknownSymbol), |p| p.unknown = true);
const INCONSISTENT: Rule<Plan> = rule(Code(BadConfig), |p| p.inconsistent = true);

/// One bid, the order that is named.
fn run<M: Message>(plan: &Plan, message: impl Fn(&Plan, OrderId) -> M) -> Trace {
    let mut venue = Venue::with(&genesis());
    let mut desk = Desk::new(&mut venue);
    let symbol = desk.symbol(|_| {});
    desk.rich(&[OWN]);
    let (order, _) = desk.place(limit(OWN, symbol, Side::Buy, 100, 1)).accepted();
    if plan.ended {
        desk.send(&Cancel { account: AccountId(OWN), order, ..Cancel::new(0) });
    }
    if plan.maintenance {
        desk.status(0, SymbolStatus::CancelOnly);
    }
    if plan.closed {
        desk.status(symbol, SymbolStatus::Closed);
    }
    let now = desk.now;
    let before = venue.engine.image();
    let events = venue.one(now + 1, plan.origin, &bytes(&message(plan, order)));
    Trace { before, after: venue.engine.image(), events }
}

fn trial(
    name: &'static str,
    ladder: &'static [Answer],
    rules: &'static [Rule<Plan>],
    apart: &'static [Apart],
    run: fn(&Plan) -> Trace,
) -> Trial<Plan> {
    Trial { name, ladder, kinds: kinds(), rules, apart, run, memory: |_| Memory::Nothing }
}

/// CANCEL.
pub fn cancel() -> Trial<Plan> {
    let ladder = &[Code(BadRequest), Code(UnknownAccount), Replayed, Code(UnknownOrder)];
    const RULES: &[Rule<Plan>] =
        &[BAD, STRANGER, rule(Replayed, |p| p.ended = true), rule(Code(UnknownOrder), |p| p.unknown = true)];
    let apart = &[Apart { one: Code(UnknownOrder), others: &[Replayed], why: "the order is known or not" }];
    trial("CANCEL", ladder, RULES, apart, |plan| {
        run(plan, |p, order| Cancel {
            account: AccountId(OWN),
            order: if p.unknown { OrderId(999) } else { order },
            reserved: u32::from(p.bad),
            ..Cancel::new(0)
        })
    })
}

/// CANCEL_ALL.
pub fn cancel_all() -> Trial<Plan> {
    let ladder = &[Code(BadRequest), Code(UnknownAccount), Code(UnknownSymbol)];
    trial("CANCEL_ALL", ladder, &[BAD, STRANGER, NO_SYMBOL], &[], |plan| {
        run(plan, |p, _| CancelAll {
            account: AccountId(OWN),
            symbol: SymbolId(if p.unknown { 99 } else { 1 }),
            side: if p.bad { 3 } else { 0 },
            ..CancelAll::new(0)
        })
    })
}

const CONFIGURATION: &[Answer] = &[Code(BadRequest), Code(UnknownAccount), Code(BadConfig)];
const CONFIGURATION_RULES: &[Rule<Plan>] = &[BAD, STRANGER, INCONSISTENT];

/// SET_ASSET, SET_SYMBOL, SET_ACCOUNT, SET_KEY, SET_FEES.
pub fn configuration() -> [Trial<Plan>; 5] {
    let of = |name, run| trial(name, CONFIGURATION, CONFIGURATION_RULES, &[], run);
    [
        of("SET_ASSET", |plan| {
            run(plan, |p, _| SetAsset {
                asset: AssetId(9),
                scale: if p.inconsistent { 13 } else { 8 },
                reserved: [u8::from(p.bad), 0, 0],
                name: name_field("ETH").expect("short"),
                ..SetAsset::new(0)
            })
        }),
        of("SET_SYMBOL", |plan| {
            run(plan, |p, _| SetSymbol {
                base: AssetId(if p.inconsistent { 99 } else { 1 }),
                reserved: [u8::from(p.bad), 0, 0, 0, 0, 0],
                ..spot(2)
            })
        }),
        of("SET_ACCOUNT", |plan| {
            run(plan, |p, _| SetAccount {
                account: AccountId(if p.inconsistent { 1 } else { OWN }),
                reserved: [0, 0, 0, 0, 0, 0, u8::from(p.bad)],
                ..SetAccount::new(0)
            })
        }),
        of("SET_KEY", |plan| {
            run(plan, |p, _| SetKey {
                key: KeyId(1),
                role: if p.inconsistent { 99 } else { Role::Trade.code() },
                reserved: [u8::from(p.bad), 0],
                ..SetKey::new(0)
            })
        }),
        of("SET_FEES", |plan| {
            run(plan, |p, _| SetFees {
                account: AccountId(OWN),
                taker: Rate(if p.inconsistent { RATE_ONE } else { 1 }),
                reserved: u8::from(p.bad),
                ..SetFees::new(0)
            })
        }),
    ]
}

/// SET_STATUS.
pub fn set_status() -> Trial<Plan> {
    const LADDER: &[Answer] =
        &[Code(BadRequest), Code(UnknownAccount), Code(UnknownSymbol), Code(Maintenance), Code(BadConfig)];
    const RULES: &[Rule<Plan>] = &[
        BAD,
        STRANGER,
        NO_SYMBOL,
        Rule { answer: Code(Maintenance), kinds: "*", break_it: |p| p.maintenance = true },
        // An unknown status, which is not TRADING; or any, where it is final.
        Rule { answer: Code(BadConfig), kinds: "U", break_it: |p| p.inconsistent = true },
        Rule { answer: Code(BadConfig), kinds: "*", break_it: |p| p.closed = true },
    ];
    let mut kinds = kinds();
    let plan = kinds[0].plan.clone();
    kinds.push(Kind { letter: 'U', plan });
    let run: fn(&Plan) -> Trace = |plan| {
        run(plan, |p, _| SetStatus {
            symbol: SymbolId(if p.unknown { 99 } else { 1 }),
            status: if p.inconsistent { 9 } else { SymbolStatus::Trading.code() },
            reserved: [u8::from(p.bad), 0, 0],
            ..SetStatus::new(0)
        })
    };
    Trial { kinds, ..trial("SET_STATUS", LADDER, RULES, &[], run) }
}
