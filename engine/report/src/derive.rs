//! From events to reports, one by one (docs/PROTOCOL.md §7).
//!
//! | event | report | to whom |
//! |---|---|---|
//! | ACCEPTED … DONE, BALANCE, TRANSFER, what happens to a position | the same | views that hold the account |
//! | BUSTED | one for each side: buyer, then seller | views that hold that side's account |
//! | TRADE, PREVENTED | one for each side: taker, then maker | views that hold that side's account |
//! | REJECTED for the sender alone or of a SET_…, STATUS, CONFIG, MARK, FUNDED, SETTLED | the same | the sender's key |
//! | HANDLED of CANCEL_ALL, also in its CONTINUEs | MASS_DONE | the sender's key |
//! | any other HANDLED | none | – |
//!
//! OWN_ONLY leaves of all these the frames that the view's key sent. The request number goes to the sender's session.

use crate::perpetual::derive_perpetual;
use crate::writer::ReportWriter;
use ringbook_event::{Event, EventError, Rejected, SplitError, events, split_command};
use ringbook_wire::message::{
    AdjustMargin, Amend, Cancel, Deposit, Message, MessageType, NewOrder, Transfer, Withdraw,
};
use ringbook_wire::report::{self, Place};
use ringbook_wire::{
    AccountId, EndReason, KeyId, Liquidity, OrderId, Sequence, SessionId, Side, SymbolId, Term, TimestampNs,
};

/// What one session hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// First account of the key.
    pub first_account: AccountId,
    /// Last account of the key.
    pub last_account: AccountId,
    /// Only commands that this key sent (LOGON flag OWN_ONLY).
    pub own_only: bool,
    /// The key.
    pub key: KeyId,
    /// The session: it alone sees request numbers.
    pub session: SessionId,
}

impl View {
    /// Whether the account is in the view's range.
    #[inline]
    pub fn holds(&self, account: AccountId) -> bool {
        self.first_account <= account && account <= self.last_account
    }
}

/// The parts of a journal frame that reports derive from.
#[derive(Clone, Copy, Debug)]
pub struct FrameParts<'a> {
    /// Sequence of the command.
    pub sequence: Sequence,
    /// Engine time of the command.
    pub time: TimestampNs,
    /// Term of the frame.
    pub term: Term,
    /// Origin and message.
    pub command: &'a [u8],
    /// What it caused.
    pub events: &'a [u8],
}

/// A frame that reports cannot be derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The command.
    #[error("sequence {sequence}: {source}")]
    Command {
        /// Where.
        sequence: u64,
        /// What is wrong.
        source: SplitError,
    },
    /// The events.
    #[error("sequence {sequence}: {source}")]
    Events {
        /// Where.
        sequence: u64,
        /// What is wrong.
        source: EventError,
    },
    /// An event that only another command can cause.
    #[error(
        "sequence {0}: an ACCEPTED that is not in the frame of a NEW_ORDER: the journal was written by something else"
    )]
    NotAnOrder(u64),
}

/// Whether only the sender's key hears of this refusal: its account is not its own or does not exist, or the command is
/// configuration and belongs to no account.
#[inline]
pub(crate) fn belongs_to_sender(rejected: &Rejected) -> bool {
    rejected.header.b == 1 || rejected.header.a >= MessageType::SetAsset as u8
}

/// Derives the reports of a frame for a view and lends each to `sink`, in order; how many there were.
///
/// # Errors
/// The frame's bytes are not Ringbook's; reports before the bad place may have been handed on.
#[inline]
pub fn reports<S: FnMut(&[u8])>(frame: &FrameParts<'_>, view: &View, sink: &mut S) -> Result<u32, ReportError> {
    let sequence = frame.sequence.0;
    let (origin, header, message) =
        split_command(frame.command).map_err(|source| ReportError::Command { sequence, source })?;
    let own = origin.key == view.key && origin.key != KeyId(0);
    if view.own_only && !own {
        return Ok(0);
    }
    let answered = origin.session == view.session && origin.session != SessionId(0);
    let request = if answered { header.request } else { 0 };
    let place = Place { sequence: frame.sequence, time: frame.time, term: frame.term, index: 0, flags: 0 };
    let mut writer = ReportWriter::new(place, request, sink);
    // What expires with a command, in front of everything else, does not answer it.
    let mut expiring = header.kind != MessageType::Tick as u8;
    for event in events(frame.events) {
        let event = event.map_err(|source| ReportError::Events { sequence, source })?;
        expiring = expiring && is_expiry(&event);
        writer.request = if expiring { 0 } else { request };
        derive(&event, message, view, own, &mut writer).ok_or(ReportError::NotAnOrder(sequence))?;
    }
    Ok(writer.finish())
}

/// Whether an event is the end of an order whose time has come. Only such events stand in front of what a command itself
/// causes (docs/EVENTS.md).
#[inline]
fn is_expiry(event: &Event) -> bool {
    let time = EndReason::Time.code();
    match event {
        Event::Expired(e) => e.header.a == time,
        Event::Done(e) => e.header.b == time,
        _ => false,
    }
}

/// The reports of one event; `None` if the event cannot belong to the command.
#[inline]
fn derive<S: FnMut(&[u8])>(
    event: &Event,
    message: &[u8],
    view: &View,
    own: bool,
    out: &mut ReportWriter<'_, S>,
) -> Option<()> {
    let holds = |account: u32| view.holds(AccountId(account));
    match event {
        Event::Accepted(e) if holds(e.header.subject) => {
            let order = NewOrder::read(message)?;
            out.push(|place| report::Accepted {
                place,
                account: AccountId(e.header.subject),
                symbol: e.symbol,
                order: e.order,
                client_id: order.client_id,
                price: e.price,
                quantity: e.quantity,
                hold: e.hold,
                send_time: order.send_time,
                side: e.header.a,
                order_type: e.header.b,
                time_in_force: order.time_in_force,
                stp: e.stp,
                flags: order.flags,
                ..report::Accepted::new(0)
            });
        }
        Event::Rejected(e) if if belongs_to_sender(e) { own } else { holds(e.header.subject) } => {
            out.push(|place| report::Rejected {
                place,
                account: AccountId(e.header.subject),
                code: e.code,
                kind: e.header.a,
                client_id: e.client_id,
                order: named(message),
                ..report::Rejected::new(0)
            });
        }
        Event::Replayed(e) if holds(e.header.subject) => out.push(|place| report::Replayed {
            place,
            account: AccountId(e.header.subject),
            code: e.code,
            state: e.header.a,
            reason: e.reason,
            order: e.order,
            client_id: e.client_id,
            original: e.sequence,
            filled: e.filled,
            remaining: e.remaining,
            cost: e.cost,
            fee: e.fee,
            kind: e.header.b,
            ..report::Replayed::new(0)
        }),
        Event::Trade(e) => derive_trade(e, view, out),
        Event::Prevented(e) => derive_prevented(e, view, out),
        Event::Busted(e) => derive_busted(e, view, out),
        Event::Amended(e) if holds(e.header.subject) => out.push(|place| report::Amended {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            order: e.order,
            price: e.price,
            quantity: ringbook_wire::Qty(e.quantity.0.wrapping_sub(e.cut.0)),
            remaining: e.remaining,
            hold: e.hold,
            trigger: e.trigger,
            reason: e.header.a,
            kept_priority: e.header.b,
            ..report::Amended::new(0)
        }),
        Event::Triggered(e) if holds(e.header.subject) => out.push(|place| report::Triggered {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            order: e.order,
            price: e.price,
            side: e.header.a,
            order_type: e.header.b,
            ..report::Triggered::new(0)
        }),
        Event::Refreshed(e) if holds(e.header.subject) => out.push(|place| report::Refreshed {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            order: e.order,
            shown: e.shown,
            remaining: e.remaining,
            side: e.header.a,
            ..report::Refreshed::new(0)
        }),
        Event::Canceled(e) if holds(e.header.subject) => out.push(|place| report::Canceled {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            order: e.order,
            remaining: e.remaining,
            reason: e.header.a,
            ..report::Canceled::new(0)
        }),
        Event::Expired(e) if holds(e.header.subject) => out.push(|place| report::Expired {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            order: e.order,
            remaining: e.remaining,
            reason: e.header.a,
            code: e.code,
            ..report::Expired::new(0)
        }),
        Event::Done(e) if holds(e.header.subject) => out.push(|place| report::Done {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            order: e.order,
            client_id: e.client_id,
            filled: e.filled,
            cost: e.cost,
            fee: e.fee,
            returned: e.returned,
            remaining: e.remaining,
            prevented: e.prevented,
            cut: e.cut,
            state: e.header.a,
            reason: e.header.b,
            ..report::Done::new(0)
        }),
        Event::Balance(e) if holds(e.header.subject) => out.push(|place| report::Balance {
            place,
            account: AccountId(e.header.subject),
            asset: e.asset,
            available: e.available,
            held: e.held,
            wallet: e.header.a,
            ..report::Balance::new(0)
        }),
        Event::Transfer(e) if holds(e.header.subject) => out.push(|place| report::Transfer {
            place,
            account: AccountId(e.header.subject),
            asset: e.asset,
            adjustment: e.adjustment,
            amount: e.amount,
            reference: e.reference,
            replayed: e.header.b,
            kind: e.header.a,
            code: e.code,
            ..report::Transfer::new(0)
        }),
        Event::Status(e) if own => out.push(|place| report::Status {
            place,
            symbol: SymbolId(e.header.subject),
            status: e.header.a,
            before: e.header.b,
            ..report::Status::new(0)
        }),
        Event::Config(e) if own => out.push(|place| report::Config {
            place,
            object: u64::from(e.header.subject),
            kind: e.header.a,
            ..report::Config::new(0)
        }),
        Event::Handled(e) if own && e.header.a == MessageType::CancelAll as u8 => out.push(|place| report::MassDone {
            place,
            account: AccountId(e.header.subject),
            count: e.count,
            kind: e.header.a,
            more: e.header.b,
            ..report::MassDone::new(0)
        }),
        _ => derive_perpetual(event, view, own, out),
    }
    Some(())
}

fn derive_trade<S: FnMut(&[u8])>(e: &ringbook_event::Trade, view: &View, out: &mut ReportWriter<'_, S>) {
    let uncross = e.header.b == 2;
    let common = report::Trade {
        symbol: SymbolId(e.header.subject),
        trade: e.trade,
        price: e.price,
        quantity: e.quantity,
        ..report::Trade::new(0)
    };
    if view.holds(e.taker_account) {
        out.push(|place| report::Trade {
            place,
            account: e.taker_account,
            order: e.taker_order,
            fee: e.taker_fee,
            remaining: e.taker_remaining,
            filled: e.taker_filled,
            cost: e.taker_cost,
            side: e.header.a,
            liquidity: if uncross { Liquidity::Uncross } else { Liquidity::Taker }.code(),
            ..common
        });
    }
    if view.holds(e.maker_account) {
        out.push(|place| report::Trade {
            place,
            account: e.maker_account,
            order: e.maker_order,
            fee: e.maker_fee,
            remaining: e.maker_remaining,
            filled: e.maker_filled,
            cost: e.maker_cost,
            // BUY is 1, SELL is 2: the other one.
            side: e.header.a ^ 3,
            liquidity: if uncross { Liquidity::Uncross } else { Liquidity::Maker }.code(),
            ..common
        });
    }
}

fn derive_prevented<S: FnMut(&[u8])>(e: &ringbook_event::Prevented, view: &View, out: &mut ReportWriter<'_, S>) {
    let common = report::Prevented { symbol: SymbolId(e.header.subject), stp: e.header.a, ..report::Prevented::new(0) };
    if view.holds(e.taker_account) {
        out.push(|place| report::Prevented {
            place,
            account: e.taker_account,
            order: e.taker_order,
            quantity: e.taker_quantity,
            remaining: e.taker_remaining,
            liquidity: Liquidity::Taker.code(),
            ..common
        });
    }
    if view.holds(e.maker_account) {
        out.push(|place| report::Prevented {
            place,
            account: e.maker_account,
            order: e.maker_order,
            quantity: e.maker_quantity,
            remaining: e.maker_remaining,
            liquidity: Liquidity::Maker.code(),
            ..common
        });
    }
}

fn derive_busted<S: FnMut(&[u8])>(e: &ringbook_event::Busted, view: &View, out: &mut ReportWriter<'_, S>) {
    let sides = [(Side::Buy, e.buyer, e.buy_order, e.buyer_fee), (Side::Sell, e.seller, e.sell_order, e.seller_fee)];
    for (side, account, order, fee) in sides {
        if view.holds(account) {
            out.push(|place| report::Busted {
                place,
                account,
                symbol: SymbolId(e.header.subject),
                order,
                trade: e.trade,
                price: e.price,
                quantity: e.quantity,
                fee,
                side: side.code(),
                ..report::Busted::new(0)
            });
        }
    }
}

/// What a refused command named: the engine's order id, or the adjustment number of a money command, or 0.
fn named(message: &[u8]) -> OrderId {
    match message.get(2).copied().and_then(MessageType::from_code) {
        Some(MessageType::Cancel) => Cancel::read(message).map_or(OrderId(0), |m| m.order),
        Some(MessageType::Amend) => Amend::read(message).map_or(OrderId(0), |m| m.order),
        Some(MessageType::Deposit) => Deposit::read(message).map_or(OrderId(0), |m| OrderId(m.adjustment)),
        Some(MessageType::Withdraw) => Withdraw::read(message).map_or(OrderId(0), |m| OrderId(m.adjustment)),
        Some(MessageType::Transfer) => Transfer::read(message).map_or(OrderId(0), |m| OrderId(m.adjustment)),
        Some(MessageType::AdjustMargin) => AdjustMargin::read(message).map_or(OrderId(0), |m| OrderId(m.adjustment)),
        _ => OrderId(0),
    }
}
