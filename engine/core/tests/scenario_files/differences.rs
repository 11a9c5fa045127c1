//! Where the other exchanges' rules are not ours, step by step, each with the paragraph of DOMAIN that differs.
//!
//! Invariants:
//! 1. A reader reports a difference only where it saw the engine do what our paragraph says and not what the file says.
//! 2. What readers saw and what is listed are the same: one more or one less fails the test.

/// A step that another exchange answers otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// An id that was refused or has ended is used again.
    IdKnown,
    /// A sell of a future without lots.
    SellHoldsLots,
    /// What is free after a bid with a reserve price above its limit.
    FreeAtLimit(i64),
    /// The price at which a bid holds, where the file shows a reserve price.
    HoldsAt(i64),
    /// Refused over the reserve price; the limit can be paid.
    LimitCanBePaid,
    /// A deleted symbol or book.
    NeverDeleted,
    /// All-or-none.
    AllOrNone,
    /// Trailing stop.
    TrailingStop,
    /// A market order with a slippage of its own.
    SlipOfSymbol,
    /// An amendment to what is filled already.
    AmendBelowFilled,
    /// A replacement that gives up its place although it only shrinks.
    KeepsPlace,
    /// The cancel of an order that was filled because it had kept its place.
    FilledBefore,
    /// Allocation in proportion to size.
    TimePriority,
    /// A price between two ticks.
    WholeTicks,
}

impl Why {
    pub fn paragraph(self) -> &'static str {
        match self {
            Self::WholeTicks => "§1",
            Self::NeverDeleted => "§2",
            Self::SellHoldsLots => "§3.4",
            Self::FreeAtLimit(_) | Self::HoldsAt(_) | Self::LimitCanBePaid => "§3.4, §5.8",
            Self::IdKnown | Self::AllOrNone | Self::AmendBelowFilled | Self::FilledBefore => "§4.1",
            Self::KeepsPlace => "§4.1, E09",
            Self::TimePriority => "§5.2",
            Self::SlipOfSymbol => "§5.3",
            Self::TrailingStop => "not in v1",
        }
    }

    pub fn reason(self) -> String {
        match self {
            Self::IdKnown => "an id that was refused or has ended is not free again (209); goes on under another id",
            Self::SellHoldsLots => {
                "a future on margin; our spot sell holds its lots (300); goes on with lots deposited"
            }
            Self::FreeAtLimit(free) => return format!("a bid holds at its limit, no reserve price: {free} are free"),
            Self::HoldsAt(price) => return format!("a bid holds at its limit, no reserve price: it holds at {price}"),
            Self::LimitCanBePaid => "refused there over the reserve price; the limit can be paid; goes on undone",
            Self::NeverDeleted => "nothing is deleted: CLOSED is final, and the id stays taken",
            Self::AllOrNone => "no time in force is all-or-none; left out",
            Self::TrailingStop => "no trailing stops; left out",
            Self::SlipOfSymbol => "the slip is the symbol's; set to the rate that gives the file's price",
            Self::AmendBelowFilled => "a new total that is filled already is refused (402), the order stays",
            Self::KeepsPlace => "a smaller quantity at the same price keeps its place",
            Self::FilledBefore => "kept its place before, so it is filled: the cancel gets its end again (REPLAYED)",
            Self::TimePriority => "price, then time; no pro-rata",
            Self::WholeTicks => "a price is a whole number of ticks, never rounded; left out",
        }
        .to_owned()
    }
}

/// Scenario, line of its file, difference.
pub const LISTED: &[(&str, usize, Why)] = &[
    ("exchange-core basic: basic full cycle test [EUR_USD]", 16, Why::SellHoldsLots),
    ("exchange-core basic: basic full cycle test [EUR_USD]", 23, Why::HoldsAt(1_550)),
    ("exchange-core basic: basic full cycle test [ETH_XBT]", 23, Why::HoldsAt(1_550)),
    ("exchange-core risk: basic scenario", 18, Why::IdKnown),
    ("exchange-core risk: basic scenario", 34, Why::IdKnown),
    ("exchange-core risk: move orders UP and DOWN", 56, Why::IdKnown),
    ("exchange-core risk: move orders UP and DOWN", 81, Why::LimitCanBePaid),
    ("exchange-core risk: move orders UP and DOWN", 86, Why::IdKnown),
    // 94,000,000 less 500 lots of 10 units a tick: at 18,000 and, further down, at 17,500.
    ("exchange-core risk: move orders UP and DOWN", 91, Why::FreeAtLimit(4_000_000)),
    ("exchange-core risk: move orders UP and DOWN", 93, Why::HoldsAt(18_000)),
    ("exchange-core risk: move orders UP and DOWN", 97, Why::LimitCanBePaid),
    ("exchange-core risk: move orders UP and DOWN", 98, Why::FreeAtLimit(4_000_000)),
    ("exchange-core risk: move orders UP and DOWN", 100, Why::HoldsAt(18_000)),
    ("exchange-core risk: move orders UP and DOWN", 115, Why::FreeAtLimit(6_500_000)),
    ("exchange-core risk: move orders UP and DOWN", 122, Why::HoldsAt(17_500)),
    ("cpptrader scenario-01", 5, Why::NeverDeleted),
    ("cpptrader scenario-02", 8, Why::NeverDeleted),
    ("cpptrader scenario-07", 36, Why::SlipOfSymbol),
    ("cpptrader scenario-08", 11, Why::AllOrNone),
    ("cpptrader scenario-08", 12, Why::AllOrNone),
    ("cpptrader scenario-08", 14, Why::AllOrNone),
    ("cpptrader scenario-08", 16, Why::AllOrNone),
    ("cpptrader scenario-13", 17, Why::TrailingStop),
    ("cpptrader scenario-14", 14, Why::AmendBelowFilled),
    ("tracebook fifo-lifecycle", 4, Why::KeepsPlace),
    ("tracebook fifo-lifecycle", 6, Why::FilledBefore),
    ("tracebook pro-rata-allocation", 4, Why::TimePriority),
    ("tracebook pro-rata-allocation", 6, Why::KeepsPlace),
    ("tracebook tick-grid", 1, Why::WholeTicks),
    ("tracebook tick-grid", 2, Why::WholeTicks),
    ("tracebook tick-grid", 4, Why::WholeTicks),
];
