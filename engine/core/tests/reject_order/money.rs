//! DEPOSIT and WITHDRAW: all answers, alone and in pairs.

use crate::common::Venue;
use crate::ladder::{Answer, Apart, Kind, Memory, Rule, Trace, Trial, stranger};
use Answer::{Code, Replayed};
use ringbook_event::Origin;
use ringbook_oracle::scenario::{Desk, USDT, bytes, genesis};
use ringbook_wire::RejectCode::{
    AccountSuspended, AdjustmentOld, InsufficientBalance, Maintenance, SupplyLimit, UnknownAccount, UnknownAsset,
};
use ringbook_wire::message::{Deposit, Message, SetAccount, Withdraw};
use ringbook_wire::{AccountId, Amount, AssetId, MAX_AMOUNT, RejectCode, SymbolStatus};

const OWN: u32 = 100;
const OTHER: u32 = 101;
/// What the account has after its first deposit.
const FIRST: i64 = 1_000;

/// The money command, and the state that it meets.
#[derive(Clone)]
pub struct Plan {
    withdraws: bool,
    asset: u32,
    amount: i64,
    origin: Origin,
    /// The same command came before.
    sent: bool,
    /// Its number was used by another command.
    used: bool,
    suspended: bool,
    maintenance: bool,
    /// The account has nothing, instead of [`FIRST`].
    poor: bool,
    /// The asset's supply is at its bound, in the hands of others.
    rich_world: bool,
}

fn kind(letter: char, withdraws: bool) -> Kind<Plan> {
    let (sent, used, suspended) = (false, false, false);
    let (maintenance, poor, rich_world) = (false, false, false);
    let (asset, amount, origin) = (USDT, 10, Origin::INTERNAL);
    Kind {
        letter,
        plan: Plan { withdraws, asset, amount, origin, sent, used, suspended, maintenance, poor, rich_world },
    }
}

const fn rule(answer: Answer, break_it: fn(&mut Plan)) -> Rule<Plan> {
    Rule { answer, kinds: "DEW", break_it }
}

const TOO_LITTLE: Rule<Plan> = Rule { answer: Code(RejectCode::Amount), kinds: "EW", break_it: |p| p.amount = 0 };
const STRANGER: Rule<Plan> = rule(Code(UnknownAccount), |p| p.origin = stranger());
const SENT: Rule<Plan> = rule(Replayed, |p| p.sent = true);
const USED: Rule<Plan> = rule(Code(AdjustmentOld), |p| p.used = true);
const NO_ASSET: Rule<Plan> = rule(Code(UnknownAsset), |p| p.asset = 99);

const DEPOSIT: &[Rule<Plan>] = &[
    STRANGER,
    SENT,
    USED,
    NO_ASSET,
    TOO_LITTLE,
    Rule { answer: Code(RejectCode::Amount), kinds: "D", break_it: |p| p.amount = MAX_AMOUNT + 1 },
    // Together with 501: more than the bound, where the supply is at it.
    Rule { answer: Code(SupplyLimit), kinds: "D", break_it: |p| p.rich_world = true },
];

const WITHDRAW: &[Rule<Plan>] = &[
    STRANGER,
    SENT,
    USED,
    rule(Code(AccountSuspended), |p| p.suspended = true),
    NO_ASSET,
    rule(Code(Maintenance), |p| p.maintenance = true),
    rule(Code(InsufficientBalance), |p| p.poor = true),
    // Above the bound is above every balance: 300 and 501 at once.
    rule(Code(InsufficientBalance), |p| p.amount = MAX_AMOUNT + 1),
    TOO_LITTLE,
];

const ONE_PAYLOAD: Apart =
    Apart { one: Replayed, others: &[Code(AdjustmentOld)], why: "the payload under the number is the same or another" };

fn run(plan: &Plan) -> Trace {
    let mut venue = Venue::with(&genesis());
    let mut desk = Desk::new(&mut venue);
    desk.account(OWN, 0);
    desk.account(OTHER, 0);
    // Numbers of OWN: 1 the first deposit, 2 that of the command, unless another has used it.
    let first = if plan.poor { 0 } else { FIRST };
    desk.deposit(OWN, USDT, first);
    let (account, adjustment, amount) = (AccountId(OWN), 2, Amount(plan.amount));
    let asset = AssetId(plan.asset);
    let message = if plan.withdraws {
        bytes(&Withdraw { account, asset, adjustment, amount, ..Withdraw::new(0) })
    } else {
        bytes(&Deposit { account, asset, adjustment, amount, ..Deposit::new(0) })
    };
    if plan.rich_world {
        assert_eq!(desk.deposit(OTHER, USDT, MAX_AMOUNT - first).names(), ["Transfer"]);
    }
    if plan.used {
        desk.deposit(OWN, USDT, 7);
    }
    let mut now = desk.now;
    if plan.sent {
        now += 1;
        venue.one(now, Origin::INTERNAL, &message);
    }
    let mut desk = Desk::new(&mut venue);
    if plan.suspended {
        desk.send(&SetAccount { account, suspended: 1, ..SetAccount::new(0) });
    }
    if plan.maintenance {
        desk.status(0, SymbolStatus::CancelOnly);
    }
    let before = venue.engine.image();
    let events = venue.one(now + 1, plan.origin, &message);
    Trace { before, after: venue.engine.image(), events }
}

/// DOMAIN §3.2: the number is consumed either way.
fn memory(answer: Answer) -> Memory {
    match answer {
        Replayed | Answer::Unfit | Code(UnknownAccount | AdjustmentOld) => Memory::Nothing,
        Code(_) => Memory::Adjustment,
    }
}

/// DEPOSIT.
pub fn deposit() -> Trial<Plan> {
    Trial {
        name: "DEPOSIT",
        ladder: &[
            Code(UnknownAccount),
            Replayed,
            Code(AdjustmentOld),
            Code(UnknownAsset),
            Code(RejectCode::Amount),
            Code(SupplyLimit),
        ],
        kinds: vec![kind('D', false), kind('E', false)],
        rules: DEPOSIT,
        apart: &[
            ONE_PAYLOAD,
            Apart { one: Code(UnknownAsset), others: &[Code(SupplyLimit)], why: "an unknown asset has no supply" },
        ],
        run,
        memory,
    }
}

/// WITHDRAW.
pub fn withdraw() -> Trial<Plan> {
    Trial {
        name: "WITHDRAW",
        ladder: &[
            Code(UnknownAccount),
            Replayed,
            Code(AdjustmentOld),
            Code(AccountSuspended),
            Code(UnknownAsset),
            Code(Maintenance),
            Code(InsufficientBalance),
            Code(RejectCode::Amount),
        ],
        kinds: vec![kind('W', true)],
        rules: WITHDRAW,
        apart: &[
            ONE_PAYLOAD,
            Apart {
                one: Code(InsufficientBalance),
                others: &[Code(RejectCode::Amount)],
                why: "an amount below 1 is always there; one above the bound breaks both, which is a rule of 300 here",
            },
        ],
        run,
        memory,
    }
}
