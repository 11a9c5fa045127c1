//! The command of a frame, as far as rows need it.
//!
//! Invariant: reading never fails; a message that rows do not need, or that is not whole, is [`Command::Other`], and the
//! fold refuses a frame whose events do not fit that.

use crate::value::Value;
use ringbook_wire::message::{
    Amend, BustTrade, Cancel, CancelAll, Deposit, Message, MessageType, NewOrder, SetAccount, SetAsset, SetFees,
    SetSymbol, Withdraw,
};

/// The command of a frame as far as rows need it.
pub(crate) enum Command {
    NewOrder(Box<NewOrder>),
    Cancel(Cancel),
    Amend(Amend),
    CancelAll(CancelAll),
    Money { kind: &'static str, asset: u32, adjustment: u64, amount: i64, reference: u64 },
    SetAsset(SetAsset),
    SetSymbol(Box<SetSymbol>),
    SetAccount(SetAccount),
    SetFees(SetFees),
    BustTrade(Box<BustTrade>),
    Genesis,
    Other,
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
            Some(MessageType::Deposit) => Deposit::read(message).map(|c| Self::Money {
                kind: "DEPOSIT",
                asset: c.asset.0,
                adjustment: c.adjustment,
                amount: c.amount.0,
                reference: c.reference,
            }),
            Some(MessageType::Withdraw) => Withdraw::read(message).map(|c| Self::Money {
                kind: "WITHDRAW",
                asset: c.asset.0,
                adjustment: c.adjustment,
                amount: c.amount.0,
                reference: c.reference,
            }),
            Some(MessageType::SetAsset) => SetAsset::read(message).map(Self::SetAsset),
            Some(MessageType::SetSymbol) => SetSymbol::read(message).map(|c| Self::SetSymbol(Box::new(c))),
            Some(MessageType::SetAccount) => SetAccount::read(message).map(Self::SetAccount),
            Some(MessageType::SetFees) => SetFees::read(message).map(Self::SetFees),
            Some(MessageType::BustTrade) => BustTrade::read(message).map(|c| Self::BustTrade(Box::new(c))),
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
        Some(other) => other.name(),
        None => "",
    })
}
