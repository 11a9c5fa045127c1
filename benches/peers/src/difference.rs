//! The differences between the two rule books that are known, each with a name, its paragraph and what is done so that
//! both sides go on from the same state.
//!
//! Invariant: a difference is never "anything may happen here". Ringbook's side says what exchange-core has to answer,
//! field by field, and what Ringbook itself answers is checked as well, before the state is made equal again.

use std::fmt;

/// A known difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// exchange-core reports the rest of an IOC before its trades, Ringbook after them. Only the order of the report
    /// differs: the comparison moves the rest to the front.
    IocRestFirst,
    /// exchange-core matches a GTC order with a used id and only then refuses to place the rest; Ringbook refuses it
    /// before (209). Ringbook then gets an IOC order with a fresh client id: the same trades, and nothing rests.
    DuplicateMatchesFirst,
    /// exchange-core has no self-trade prevention. Ringbook gets the order with CANCEL_TAKER, which has to stop at the
    /// own order; what was prevented follows with mode NONE, a fresh client id and the same time in force.
    NoSelfTradePrevention,
    /// exchange-core moves a bid only up to its reserve price; Ringbook would hold more. Ringbook does not get it.
    MoveAboveReserve,
    /// A bid that was moved down keeps its hold at the reserve price in exchange-core, while Ringbook's hold falls. An
    /// order or withdrawal that only this surplus refuses is not sent to Ringbook. Balances that are compared while such
    /// bids are open are compared less the surplus.
    HoldStaysAtReserve,
    /// exchange-core checks the funds of a whole group of commands (up to 256, or as many as come within some
    /// microseconds) before it settles the group's fills, so that proceeds may or may not be there yet; Ringbook settles
    /// each command. Where only proceeds since the last settlement pay for an order or withdrawal, a line `G` goes
    /// before it and ends exchange-core's group.
    SettlementLags,
    /// exchange-core removes an order that is reduced by all it has left; Ringbook refuses the amendment (402 where
    /// something was filled, else there is no such amendment). Ringbook then gets a CANCEL.
    ReduceToNothing,
    /// exchange-core moves an order to its own price, where it loses its place; Ringbook refuses (403). Ringbook then
    /// gets two amendments, one tick away from the market and back.
    MoveToSamePrice,
    /// Ringbook answers a command for an order that has ended with its final state (REPLAYED), exchange-core with
    /// "unknown order". Neither changes anything.
    EndedOrderReplayed,
    /// exchange-core looks at the size of a reduction before it looks for the order; Ringbook finds no order (401 or
    /// REPLAYED). Neither changes anything.
    SizeCheckedFirst,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::IocRestFirst,
        Self::DuplicateMatchesFirst,
        Self::NoSelfTradePrevention,
        Self::MoveAboveReserve,
        Self::HoldStaysAtReserve,
        Self::SettlementLags,
        Self::ReduceToNothing,
        Self::MoveToSamePrice,
        Self::EndedOrderReplayed,
        Self::SizeCheckedFirst,
    ];

    /// Its name in results and summaries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IocRestFirst => "IOC_REST_FIRST",
            Self::DuplicateMatchesFirst => "DUPLICATE_MATCHES_FIRST",
            Self::NoSelfTradePrevention => "NO_SELF_TRADE_PREVENTION",
            Self::MoveAboveReserve => "MOVE_ABOVE_RESERVE",
            Self::HoldStaysAtReserve => "HOLD_STAYS_AT_RESERVE",
            Self::SettlementLags => "SETTLEMENT_LAGS",
            Self::ReduceToNothing => "REDUCE_TO_NOTHING",
            Self::MoveToSamePrice => "MOVE_TO_SAME_PRICE",
            Self::EndedOrderReplayed => "ENDED_ORDER_REPLAYED",
            Self::SizeCheckedFirst => "SIZE_CHECKED_FIRST",
        }
    }

    /// The paragraph of the rule book that makes Ringbook differ.
    pub const fn paragraph(self) -> &'static str {
        match self {
            Self::IocRestFirst => "DOMAIN §5.2, §5.8",
            Self::DuplicateMatchesFirst => "DOMAIN §4.1 (client order id), §5.8",
            Self::NoSelfTradePrevention => "DOMAIN §4.1 (STP), §5.8",
            Self::MoveAboveReserve => "DOMAIN §4.1 (amend), §5.8",
            Self::HoldStaysAtReserve => "DOMAIN §3.4, §4.1 (amend)",
            Self::SettlementLags => "DOMAIN §5.1, §5.2",
            Self::ReduceToNothing => "DOMAIN §4.1 (amend), §4.4 (402)",
            Self::MoveToSamePrice => "DOMAIN §4.4 (403)",
            Self::EndedOrderReplayed => "DOMAIN §4.1 (client order id)",
            Self::SizeCheckedFirst => "DOMAIN §4.4",
        }
    }

    /// One line for a person.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::IocRestFirst => "exchange-core reports the rest of an IOC before its trades",
            Self::DuplicateMatchesFirst => "exchange-core matches a new order before it notices its duplicate id",
            Self::NoSelfTradePrevention => "exchange-core trades an order with its owner's own",
            Self::MoveAboveReserve => "exchange-core moves a bid only up to its reserve price",
            Self::HoldStaysAtReserve => "exchange-core holds for the reserve price of a bid that was moved down",
            Self::SettlementLags => "exchange-core checks funds before the fills of the same group are settled",
            Self::ReduceToNothing => "exchange-core removes an order that is reduced by all it has",
            Self::MoveToSamePrice => "exchange-core moves an order to its own price, to the end of the queue",
            Self::EndedOrderReplayed => "Ringbook repeats the final state of an ended order",
            Self::SizeCheckedFirst => "exchange-core checks a reduction's size before it looks for the order",
        }
    }

    /// The difference with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|difference| difference.name() == name)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Difference;

    #[test]
    fn names_are_distinct_and_found() {
        for difference in Difference::ALL {
            assert_eq!(Difference::named(difference.name()), Some(difference));
        }
        assert_eq!(Difference::named("ROUNDING"), None);
    }
}
