//! The command of a frame, as far as rows need it.
//!
//! Invariant: reading never fails; a message that rows do not need, or that is not whole, is [`Command::Other`], and the
//! fold refuses a frame whose events do not fit that.

use crate::value::Value;
use ringbook_wire::message::{
    AdjustMargin, Amend, BustTrade, Cancel, CancelAll, Deposit, Funding, Mark, Message, MessageType, NewOrder,
    SetAccount, SetAsset, SetFees, SetLeverage, SetPerpetual, SetPositionLimit, SetSymbol, SettleSymbol, Transfer,
    Withdraw,
};

/// The command of a frame as far as rows need it.
pub(crate) enum Command {
    NewOrder(Box<NewOrder>),
    Cancel(Cancel),
    Amend(Amend),
    CancelAll(CancelAll),
    Money(Money),
    SetAsset(SetAsset),
    SetSymbol(Box<SetSymbol>),
    SetAccount(SetAccount),
    SetFees(SetFees),
    BustTrade(Box<BustTrade>),
    SetLeverage(SetLeverage),
    SetPerpetual(Box<SetPerpetual>),
    SetPositionLimit(SetPositionLimit),
    Mark(Mark),
    Funding(Funding),
    SettleSymbol(SettleSymbol),
    Genesis,
    Other,
}

/// A command that moves money, or a TRANSFER event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Money {
    /// As `transfers.kind` shows it; empty for a direction that names nothing.
    pub(crate) kind: &'static str,
    /// Asset, or the perpetual whose isolated margin changes.
    pub(crate) of: Of,
    pub(crate) adjustment: u64,
    pub(crate) amount: i64,
    pub(crate) reference: u64,
}

/// What a movement of money names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Asset(u32),
    Perpetual(u32),
}

/// Names of the kinds of TRANSFER events, from 1.
pub(crate) fn money_kind(kind: u8) -> &'static str {
    ["", "DEPOSIT", "WITHDRAW", "TO_FUTURES", "TO_SPOT", "TO_POSITION", "FROM_POSITION"]
        .get(usize::from(kind))
        .copied()
        .unwrap_or("")
}

/// The kind of a message with a direction: `first` towards futures wallet or position, the next one back.
fn directed(first: u8, direction: u8) -> &'static str {
    if matches!(direction, 1 | 2) { money_kind(first + direction - 1) } else { "" }
}

impl Command {
    /// The command in a message; what rows do not need is `Other`.
    pub(crate) fn read(message: &[u8]) -> Self {
        let kind = message.get(2).copied().and_then(MessageType::from_code);
        let read = match kind {
            Some(MessageType::NewOrder) => NewOrder::read(message).map(|c| Self::NewOrder(Box::new(c))),
            Some(MessageType::Cancel) => Cancel::read(message).map(Self::Cancel),
            Some(MessageType::Amend) => Amend::read(message).map(Self::Amend),
            Some(MessageType::CancelAll) => CancelAll::read(message).map(Self::CancelAll),
            Some(MessageType::Deposit) => Deposit::read(message).map(|c| {
                let (adjustment, amount, reference) = (c.adjustment, c.amount.0, c.reference);
                Self::Money(Money { kind: money_kind(1), of: Of::Asset(c.asset.0), adjustment, amount, reference })
            }),
            Some(MessageType::Withdraw) => Withdraw::read(message).map(|c| {
                let (adjustment, amount, reference) = (c.adjustment, c.amount.0, c.reference);
                Self::Money(Money { kind: money_kind(2), of: Of::Asset(c.asset.0), adjustment, amount, reference })
            }),
            Some(MessageType::Transfer) => Transfer::read(message).map(|c| {
                let (kind, of) = (directed(3, c.direction), Of::Asset(c.asset.0));
                let (adjustment, amount, reference) = (c.adjustment, c.amount.0, c.reference);
                Self::Money(Money { kind, of, adjustment, amount, reference })
            }),
            Some(MessageType::AdjustMargin) => AdjustMargin::read(message).map(|c| {
                let (kind, of) = (directed(5, c.direction), Of::Perpetual(c.symbol.0));
                let (adjustment, amount, reference) = (c.adjustment, c.amount.0, c.reference);
                Self::Money(Money { kind, of, adjustment, amount, reference })
            }),
            Some(MessageType::SetAsset) => SetAsset::read(message).map(Self::SetAsset),
            Some(MessageType::SetSymbol) => SetSymbol::read(message).map(|c| Self::SetSymbol(Box::new(c))),
            Some(MessageType::SetAccount) => SetAccount::read(message).map(Self::SetAccount),
            Some(MessageType::SetFees) => SetFees::read(message).map(Self::SetFees),
            Some(MessageType::BustTrade) => BustTrade::read(message).map(|c| Self::BustTrade(Box::new(c))),
            Some(MessageType::SetLeverage) => SetLeverage::read(message).map(Self::SetLeverage),
            Some(MessageType::SetPerpetual) => SetPerpetual::read(message).map(|c| Self::SetPerpetual(Box::new(c))),
            Some(MessageType::SetPositionLimit) => SetPositionLimit::read(message).map(Self::SetPositionLimit),
            Some(MessageType::Mark) => Mark::read(message).map(Self::Mark),
            Some(MessageType::Funding) => Funding::read(message).map(Self::Funding),
            Some(MessageType::SettleSymbol) => SettleSymbol::read(message).map(Self::SettleSymbol),
            Some(MessageType::Genesis) => Some(Self::Genesis),
            _ => None,
        };
        read.unwrap_or(Self::Other)
    }
}

/// A message's name as the documents spell it.
pub(crate) fn message_name(kind: u8) -> Value {
    Value::name(match MessageType::from_code(kind) {
        Some(MessageType::NewOrder) => "NEW_ORDER",
        Some(MessageType::Cancel) => "CANCEL",
        Some(MessageType::Amend) => "AMEND",
        Some(MessageType::CancelAll) => "CANCEL_ALL",
        Some(MessageType::Deposit) => "DEPOSIT",
        Some(MessageType::Withdraw) => "WITHDRAW",
        Some(MessageType::SetAsset) => "SET_ASSET",
        Some(MessageType::SetSymbol) => "SET_SYMBOL",
        Some(MessageType::SetAccount) => "SET_ACCOUNT",
        Some(MessageType::SetStatus) => "SET_STATUS",
        Some(MessageType::SetKey) => "SET_KEY",
        Some(MessageType::SetFees) => "SET_FEES",
        Some(MessageType::BustTrade) => "BUST_TRADE",
        Some(MessageType::SetLeverage) => "SET_LEVERAGE",
        Some(MessageType::Transfer) => "TRANSFER",
        Some(MessageType::AdjustMargin) => "ADJUST_MARGIN",
        Some(MessageType::SetPerpetual) => "SET_PERPETUAL",
        Some(MessageType::SetPositionLimit) => "SET_POSITION_LIMIT",
        Some(MessageType::Mark) => "MARK",
        Some(MessageType::Funding) => "FUNDING",
        Some(MessageType::SettleSymbol) => "SETTLE_SYMBOL",
        Some(other) => other.name(),
        None => "",
    })
}
