//! The states of an order, what can happen to it, and the table of both (DOMAIN §4.2), as data.
//!
//! ```text
//!            –   REJECTED   UNTRIGGERED   NEW   PARTIALLY_FILLED   FILLED   CANCELED   EXPIRED   EXPIRED_STP
//!  occasion  one cell for each: the next state, or why the pair cannot occur
//! ```
//!
//! Invariant: nothing is left out. The rows are a `match` over all occasions, a row has a cell for every state, and states
//! and reasons come from matches over the protocol's own enums: a new one of either does not compile without its entries.

use ringbook_wire::{EndReason, OrderState};

/// The state of an order, or that there is none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// "–" of DOMAIN §4.2: not accepted.
    Nowhere,
    Rejected,
    Untriggered,
    New,
    PartiallyFilled,
    Filled,
    Canceled,
    Expired,
    ExpiredStp,
}

/// How many states there are.
pub const STATES: usize = 1 + OrderState::ALL.len();

impl State {
    /// All, in the order of the table's columns.
    pub const ALL: [Self; STATES] = [
        Self::Nowhere,
        Self::Rejected,
        Self::Untriggered,
        Self::New,
        Self::PartiallyFilled,
        Self::Filled,
        Self::Canceled,
        Self::Expired,
        Self::ExpiredStp,
    ];

    /// The state with this code.
    pub const fn of(state: OrderState) -> Self {
        match state {
            OrderState::Rejected => Self::Rejected,
            OrderState::Untriggered => Self::Untriggered,
            OrderState::New => Self::New,
            OrderState::PartiallyFilled => Self::PartiallyFilled,
            OrderState::Filled => Self::Filled,
            OrderState::Canceled => Self::Canceled,
            OrderState::Expired => Self::Expired,
            OrderState::ExpiredStp => Self::ExpiredStp,
        }
    }

    /// Whether the order is open.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Untriggered | Self::New | Self::PartiallyFilled)
    }
}

macro_rules! occasions {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What can happen to an order, as its events tell it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Occasion {
            $($(#[$doc])* $name,)+
        }

        impl Occasion {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

occasions! {
    /// NEW_ORDER: REJECTED, whatever the code but 209.
    Refused,
    /// NEW_ORDER crashed the engine, and a QUARANTINE names its client id: code 900.
    SetAside,
    /// ACCEPTED, a stop order.
    AcceptedToWait,
    /// ACCEPTED, any other.
    Accepted,
    /// The same NEW_ORDER again: REPLAYED.
    Repeated,
    /// Another NEW_ORDER under its client id: 209.
    IdTaken,
    /// CANCEL names it: REPLAYED.
    CancelReplayed,
    /// AMEND names it: REPLAYED.
    AmendReplayed,
    /// CANCEL names it: REJECTED.
    CancelRefused,
    /// AMEND names it: REJECTED.
    AmendRefused,
    /// The condition is met and it runs: TRIGGERED.
    Triggered,
    /// TRADE, something remains (of a budget order: any TRADE).
    Fill,
    /// TRADE, nothing remains.
    LastFill,
    /// What is left of the budget buys nothing more: DONE(FILLED).
    BudgetSpent,
    /// PREVENTED, at the cost of the other order alone.
    Spared,
    /// PREVENTED, something remains.
    Prevented,
    /// PREVENTED, nothing remains.
    PreventedAll,
    /// REFRESHED.
    Refreshed,
    /// AMENDED, it kept its place.
    Amended,
    /// AMENDED, it left its place.
    Requeued,
    /// AMENDED(TRIM).
    Trimmed,
    CanceledUser,
    CanceledMass,
    CanceledSession,
    ExpiredTime,
    ExpiredIoc,
    ExpiredFok,
    ExpiredNoLiquidity,
    ExpiredProtection,
    ExpiredBudget,
    ExpiredReduceOnly,
    ExpiredMargin,
    ExpiredTriggerFailed,
    ExpiredLiquidation,
    ExpiredAdl,
    ExpiredStatus,
    ExpiredFault,
}

use Occasion as O;

impl Occasion {
    /// The occasion of a reason.
    pub const fn of(reason: EndReason) -> Self {
        match reason {
            EndReason::User => O::CanceledUser,
            EndReason::Mass => O::CanceledMass,
            EndReason::Session => O::CanceledSession,
            EndReason::Time => O::ExpiredTime,
            EndReason::Ioc => O::ExpiredIoc,
            EndReason::Fok => O::ExpiredFok,
            EndReason::NoLiquidity => O::ExpiredNoLiquidity,
            EndReason::Protection => O::ExpiredProtection,
            EndReason::Budget => O::ExpiredBudget,
            EndReason::ReduceOnly => O::ExpiredReduceOnly,
            EndReason::Margin => O::ExpiredMargin,
            EndReason::TriggerFailed => O::ExpiredTriggerFailed,
            EndReason::Liquidation => O::ExpiredLiquidation,
            EndReason::Adl => O::ExpiredAdl,
            EndReason::Status => O::ExpiredStatus,
            EndReason::Stp => O::PreventedAll,
            EndReason::Fault => O::ExpiredFault,
        }
    }

    /// The reason in DONE where the occasion ends the order; `None`: 0.
    pub fn reason(self) -> Option<EndReason> {
        EndReason::ALL.iter().copied().find(|&reason| Self::of(reason) == self)
    }
}

/// A pair of state and occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// What the order is then.
    To(State),
    /// What it will be then; perpetual contracts only, which are not built.
    Later(State),
    /// It cannot occur, and why.
    Never(&'static str),
}

use Cell::{Later, Never, To};

const REJ: Cell = To(State::Rejected);
const UNT: Cell = To(State::Untriggered);
const NEW: Cell = To(State::New);
const PAR: Cell = To(State::PartiallyFilled);
const FIL: Cell = To(State::Filled);
const CAN: Cell = To(State::Canceled);
const EXP: Cell = To(State::Expired);
const STP: Cell = To(State::ExpiredStp);
const NIL: Cell = To(State::Nowhere);
const EXL: Cell = Later(State::Expired);

/// Nothing was accepted that this could happen to.
const NO_: Cell = Never("there is no order");
/// Final is final.
const END: Cell = Never("the order has ended");
/// A client id leads to one order; its NEW_ORDER again is REPLAYED or 209.
const WAS: Cell = Never("the request was decided already");
/// A waiting order does nothing but wait.
const WTS: Cell = Never("it waits: it is in no book and takes nothing");
/// `Waiting` is left by TRIGGERED alone.
const RUN: Cell = Never("it does not wait");
/// CANCEL and AMEND of an open order do something or are refused.
const OPN: Cell = Never("it is open: there is no outcome to repeat");
const WHOLE: Cell = Never("FOK counts before it trades: all or nothing");
const BOUGHT: Cell = Never("it bought something: FILLED");
const NOTHING: Cell = Never("it bought nothing: EXPIRED(BUDGET)");
const CHECKED: Cell = Never("TRIGGERED comes first, and the checks before its first trade");
const STAYS: Cell = Never("an amended stop order keeps its rank");

/// The row of an occasion: a cell for each of [`State::ALL`].
#[rustfmt::skip]
pub const fn row(occasion: Occasion) -> [Cell; STATES] {
    match occasion {
        //                        –    REJ  UNT  NEW  PAR  FIL  CAN  EXP  STP
        O::Refused            => [REJ, WAS, WAS, WAS, WAS, WAS, WAS, WAS, WAS],
        O::SetAside           => [REJ, REJ, UNT, NEW, PAR, FIL, CAN, EXP, STP],
        O::AcceptedToWait     => [UNT, WAS, WAS, WAS, WAS, WAS, WAS, WAS, WAS],
        O::Accepted           => [NEW, WAS, WAS, WAS, WAS, WAS, WAS, WAS, WAS],
        O::Repeated           => [NO_, REJ, UNT, NEW, PAR, FIL, CAN, EXP, STP],
        O::IdTaken            => [NO_, REJ, UNT, NEW, PAR, FIL, CAN, EXP, STP],
        O::CancelReplayed     => [NO_, REJ, OPN, OPN, OPN, FIL, CAN, EXP, STP],
        O::AmendReplayed      => [NO_, REJ, OPN, OPN, OPN, FIL, CAN, EXP, STP],
        O::CancelRefused      => [NIL, REJ, UNT, NEW, PAR, FIL, CAN, EXP, STP],
        O::AmendRefused       => [NIL, REJ, UNT, NEW, PAR, FIL, CAN, EXP, STP],
        O::Triggered          => [NO_, END, NEW, RUN, RUN, END, END, END, END],
        O::Fill               => [NO_, END, WTS, PAR, PAR, END, END, END, END],
        O::LastFill           => [NO_, END, WTS, FIL, FIL, END, END, END, END],
        O::BudgetSpent        => [NO_, END, WTS, NOTHING, FIL, END, END, END, END],
        O::Spared             => [NO_, END, WTS, NEW, PAR, END, END, END, END],
        O::Prevented          => [NO_, END, WTS, NEW, PAR, END, END, END, END],
        O::PreventedAll       => [NO_, END, WTS, STP, STP, END, END, END, END],
        O::Refreshed          => [NO_, END, WTS, NEW, PAR, END, END, END, END],
        O::Amended            => [NO_, END, UNT, NEW, PAR, END, END, END, END],
        O::Requeued           => [NO_, END, STAYS, NEW, PAR, END, END, END, END],
        O::Trimmed            => [NO_, END, WTS, Later(State::New), Later(State::PartiallyFilled), END, END, END, END],
        O::CanceledUser       => [NO_, END, CAN, CAN, CAN, END, END, END, END],
        O::CanceledMass       => [NO_, END, CAN, CAN, CAN, END, END, END, END],
        O::CanceledSession    => [NO_, END, CAN, CAN, CAN, END, END, END, END],
        O::ExpiredTime        => [NO_, END, EXP, EXP, EXP, END, END, END, END],
        O::ExpiredIoc         => [NO_, END, WTS, EXP, EXP, END, END, END, END],
        O::ExpiredFok         => [NO_, END, WTS, EXP, WHOLE, END, END, END, END],
        O::ExpiredNoLiquidity => [NO_, END, WTS, EXP, EXP, END, END, END, END],
        O::ExpiredProtection  => [NO_, END, WTS, EXP, EXP, END, END, END, END],
        O::ExpiredBudget      => [NO_, END, WTS, EXP, BOUGHT, END, END, END, END],
        O::ExpiredReduceOnly  => [NO_, END, EXL, EXL, EXL, END, END, END, END],
        O::ExpiredMargin      => [NO_, END, EXL, EXL, EXL, END, END, END, END],
        O::ExpiredTriggerFailed => [NO_, END, CHECKED, EXP, CHECKED, END, END, END, END],
        O::ExpiredLiquidation => [NO_, END, EXL, EXL, EXL, END, END, END, END],
        O::ExpiredAdl         => [NO_, END, EXL, EXL, EXL, END, END, END, END],
        O::ExpiredStatus      => [NO_, END, EXP, EXP, EXP, END, END, END, END],
        O::ExpiredFault       => [NO_, END, EXP, EXP, EXP, END, END, END, END],
    }
}

/// The cell of a pair.
pub const fn cell(state: State, occasion: Occasion) -> Cell {
    row(occasion)[state as usize]
}

/// All pairs that can occur today, with the next state.
pub fn possible() -> impl Iterator<Item = (State, Occasion, State)> {
    let pairs = Occasion::ALL.iter().flat_map(|&occasion| State::ALL.map(|state| (state, occasion)));
    pairs.filter_map(|(state, occasion)| match cell(state, occasion) {
        To(next) => Some((state, occasion, next)),
        Later(_) | Never(_) => None,
    })
}

/// What an order may be after one whole command, by what it was before (DOMAIN §4.2 to the letter); columns as above.
#[rustfmt::skip]
pub const fn after_command(before: State) -> [bool; STATES] {
    const Y: bool = true;
    const N: bool = false;
    match before {
        //                         –  REJ UNT NEW PAR FIL CAN EXP STP
        State::Nowhere         => [Y, Y,  Y,  Y,  Y,  Y,  N,  Y,  Y],
        State::Rejected        => [N, Y,  N,  N,  N,  N,  N,  N,  N],
        State::Untriggered     => [N, N,  Y,  Y,  Y,  Y,  Y,  Y,  Y],
        State::New             => [N, N,  N,  Y,  Y,  Y,  Y,  Y,  Y],
        State::PartiallyFilled => [N, N,  N,  N,  Y,  Y,  Y,  Y,  Y],
        State::Filled          => [N, N,  N,  N,  N,  Y,  N,  N,  N],
        State::Canceled        => [N, N,  N,  N,  N,  N,  Y,  N,  N],
        State::Expired         => [N, N,  N,  N,  N,  N,  N,  Y,  N],
        State::ExpiredStp      => [N, N,  N,  N,  N,  N,  N,  N,  Y],
    }
}
