//! BUST_TRADE: all answers, alone and in pairs.

use crate::common::Venue;
use crate::ladder::{Answer, Kind, Memory, Rule, Trace, Trial, stranger};
use Answer::Code;
use ringbook_event::Origin;
use ringbook_oracle::scenario::{BTC, Desk, bytes, genesis, limit};
use ringbook_wire::RejectCode::{BadRequest, BadTrade, InsufficientBalance, UnknownAccount, UnknownSymbol};
use ringbook_wire::message::{BustTrade, Message};
use ringbook_wire::{Side, SymbolId, TradeId};

const BUYER: u32 = 100;
const SELLER: u32 = 101;

/// The command, and whether the buyer has the lots no more.
#[derive(Clone)]
pub struct Plan {
    origin: Origin,
    bad: bool,
    symbol: u32,
    trade: u64,
    poor: bool,
}

const fn rule(answer: Answer, break_it: fn(&mut Plan)) -> Rule<Plan> {
    Rule { answer, kinds: "*", break_it }
}

const RULES: &[Rule<Plan>] = &[
    rule(Code(BadRequest), |p| p.bad = true),
    rule(Code(UnknownAccount), |p| p.origin = stranger()),
    rule(Code(UnknownSymbol), |p| p.symbol = 99),
    rule(Code(BadTrade), |p| p.trade = 9),
    rule(Code(InsufficientBalance), |p| p.poor = true),
];

fn run(plan: &Plan) -> Trace {
    let mut venue = Venue::with(&genesis());
    let mut desk = Desk::new(&mut venue);
    let symbol = desk.symbol(|_| {});
    desk.rich(&[BUYER, SELLER]);
    desk.place(limit(SELLER, symbol, Side::Sell, 100, 5)).accepted();
    let trade = desk.place(limit(BUYER, symbol, Side::Buy, 100, 5)).trades()[0];
    if plan.poor {
        let available = desk.balance(BUYER, BTC).0;
        assert_eq!(desk.withdraw(BUYER, BTC, available).names(), ["Transfer"]);
    }
    let message = BustTrade {
        trade: TradeId(plan.trade),
        symbol: SymbolId(plan.symbol),
        reserved: u32::from(plan.bad),
        price: trade.price,
        quantity: trade.quantity,
        buyer: trade.taker_account,
        seller: trade.maker_account,
        buy_order: trade.taker_order,
        sell_order: trade.maker_order,
        ..BustTrade::new(0)
    };
    let now = desk.now;
    let before = venue.engine.image();
    let events = venue.one(now + 1, plan.origin, &bytes(&message));
    Trace { before, after: venue.engine.image(), events }
}

/// BUST_TRADE.
pub fn trial() -> Trial<Plan> {
    let plan = Plan { origin: Origin::INTERNAL, bad: false, symbol: 1, trade: 1, poor: false };
    Trial {
        name: "BUST_TRADE",
        ladder: &[
            Code(BadRequest),
            Code(UnknownAccount),
            Code(UnknownSymbol),
            // Before 300: what was no trade has no parties to ask for money.
            Code(BadTrade),
            Code(InsufficientBalance),
        ],
        kinds: vec![Kind { letter: '*', plan }],
        rules: RULES,
        apart: &[],
        run,
        memory: |_| Memory::Nothing,
    }
}
