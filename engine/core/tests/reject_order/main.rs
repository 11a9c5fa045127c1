//! DOMAIN §4.4: every reject code, alone and against every other, in the order of the rule book.
//!
//! `ladder.rs` does the trying; the other files say, for each command, what it can be answered with, how it deserves that,
//! and which answers it cannot deserve together.

mod amend;
mod bust;
#[path = "../common/mod.rs"]
mod common;
mod ladder;
mod money;
mod new_order;
mod operator;

use ladder::Answer;
use ringbook_wire::RejectCode;
use std::collections::BTreeSet;

#[test]
fn domain_4_4_new_order() {
    new_order::trial().check();
}

#[test]
fn domain_4_4_amend() {
    amend::trial().check();
}

#[test]
fn domain_4_4_cancel_and_cancel_all() {
    operator::cancel().check();
    operator::cancel_all().check();
}

#[test]
fn domain_4_4_deposit_and_withdraw() {
    money::deposit().check();
    money::withdraw().check();
}

#[test]
fn domain_4_4_configuration() {
    for trial in operator::configuration() {
        trial.check();
    }
    operator::set_status().check();
    bust::trial().check();
}

/// Where a code is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// By a command that is tried here.
    Here,
    /// By perpetual contracts, which are not built.
    Perpetual,
    /// In REPLAYED only, for what a QUARANTINE set aside.
    Quarantine,
}

/// A new code does not compile without its entry.
const fn given(code: RejectCode) -> Given {
    match code {
        RejectCode::BadRequest
        | RejectCode::UnknownAccount
        | RejectCode::AccountSuspended
        | RejectCode::UnknownAsset
        | RejectCode::UnknownSymbol
        | RejectCode::SymbolStatus
        | RejectCode::Maintenance
        | RejectCode::PriceRange
        | RejectCode::PriceBand
        | RejectCode::QtyRange
        | RejectCode::Notional
        | RejectCode::BadDisplay
        | RejectCode::BadStp
        | RejectCode::BadExpiry
        | RejectCode::TriggerImmediate
        | RejectCode::DuplicateClientId
        | RejectCode::TooManyOrders
        | RejectCode::StaleRequest
        | RejectCode::InsufficientBalance
        | RejectCode::PostOnlyCross
        | RejectCode::UnknownOrder
        | RejectCode::AmendQty
        | RejectCode::AmendNothing
        | RejectCode::AdjustmentOld
        | RejectCode::Amount
        | RejectCode::SupplyLimit
        | RejectCode::BadConfig
        | RejectCode::BadTrade => Given::Here,
        RejectCode::PositionLimit
        | RejectCode::InsufficientMargin
        | RejectCode::TierLeverage
        | RejectCode::ReduceOnly
        | RejectCode::ReduceOnlyMode
        | RejectCode::NoMark
        | RejectCode::HasPositionOrOrders
        | RejectCode::LeverageRange
        | RejectCode::MarkOld
        | RejectCode::MarkJump
        | RejectCode::FundingTime => Given::Perpetual,
        RejectCode::EngineFault => Given::Quarantine,
    }
}

/// Every code that can be given is tried by some command.
#[test]
fn domain_4_4_every_code_has_its_place() {
    let mut ladders = vec![new_order::trial().ladder, amend::trial().ladder];
    ladders.extend([operator::cancel().ladder, operator::cancel_all().ladder, operator::set_status().ladder]);
    ladders.push(bust::trial().ladder);
    ladders.extend([money::deposit().ladder, money::withdraw().ladder]);
    ladders.extend(operator::configuration().iter().map(|trial| trial.ladder));
    let code = |answer: &Answer| if let Answer::Code(code) = answer { Some(*code) } else { None };
    let tried: BTreeSet<RejectCode> = ladders.iter().flat_map(|ladder| ladder.iter().filter_map(code)).collect();
    for &code in RejectCode::ALL {
        assert_eq!(tried.contains(&code), given(code) == Given::Here, "{code}");
    }
    println!("{} of {} codes", tried.len(), RejectCode::ALL.len());
    for ladder in ladders {
        assert!(follows_the_rule(ladder), "{ladder:?}");
    }
}

/// §4.4: 100–102, then idempotency, then ascending, 401 and 604 directly after 105.
fn follows_the_rule(ladder: &[Answer]) -> bool {
    let place = |answer: &Answer| match *answer {
        Answer::Code(RejectCode::BadRequest | RejectCode::UnknownAccount) => 0,
        Answer::Replayed => 1,
        Answer::Code(RejectCode::DuplicateClientId | RejectCode::StaleRequest | RejectCode::AdjustmentOld) => 2,
        Answer::Code(RejectCode::UnknownOrder | RejectCode::BadTrade) => 10 * 105 + 1,
        Answer::Unfit => 10 * 105 + 2,
        Answer::Code(code) => 10 * u32::from(code.code()),
    };
    ladder.is_sorted_by_key(place)
}
