//! Scripts for rules that have no number in DOMAIN §7: client ids, amendments, cancel-all, session-down, status.

use crate::Exchange;
use crate::scenario::{Desk, Outcome, USDT, limit, market};
use ringbook_event::{Event, Origin, Replayed};
use ringbook_wire::message::{
    Amend, Cancel, CancelAll, Message, MessageType, NewOrder, SessionDown, SetAccount, SetKey, SetStatus,
};
use ringbook_wire::{
    AccountId, ClientOrderId, EndReason, KeyId, OrderId, OrderState, Price, Qty, Rate, RejectCode, Role, SessionId,
    Side, SymbolId, SymbolStatus, TimestampNs, order_flags,
};

#[track_caller]
fn replayed(outcome: &Outcome) -> Replayed {
    match outcome.0.as_slice() {
        [Event::Replayed(replayed)] => *replayed,
        other => panic!("not REPLAYED alone: {other:#?}"),
    }
}

/// REPLAYED, 209 and 211, for open, ended and refused orders.
pub fn client_ids(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|_| {});
    let order = desk.complete(limit(100, symbol, Side::Buy, 100, 5));
    let (id, _) = desk.send(&order).accepted();
    let accepted_at = desk.sequence;
    let again = replayed(&desk.send(&NewOrder { header: NewOrder::header_for(77), ..order }));
    assert_eq!((again.order, again.sequence.0, again.header.a), (id, accepted_at, OrderState::New.code()));
    desk.send(&NewOrder { quantity: Qty(6), ..order }).refused(RejectCode::DuplicateClientId);

    desk.place(limit(101, symbol, Side::Sell, 100, 2)).accepted();
    let again = replayed(&desk.send(&order));
    assert_eq!((again.header.a, again.filled.0, again.remaining.0), (OrderState::PartiallyFilled.code(), 2, 3));
    // A halt does not matter to a retry.
    let status = |code: SymbolStatus| SetStatus { symbol: SymbolId(1), status: code.code(), ..SetStatus::new(0) };
    desk.send(&status(SymbolStatus::Halted));
    replayed(&desk.send(&order));
    desk.send(&status(SymbolStatus::Trading));

    let cancel = Cancel { account: AccountId(100), client_id: order.client_id, ..Cancel::new(0) };
    let ended = desk.send(&cancel);
    assert_eq!(ended.names(), ["Canceled", "Done"]);
    assert_eq!(ended.end(id), Some((OrderState::Canceled.code(), EndReason::User.code(), 3)));
    let ended_at = desk.sequence;
    for again in [desk.send(&order), desk.send(&cancel), desk.send(&Cancel { order: id, ..cancel })] {
        let again = replayed(&again);
        assert_eq!((again.order, again.sequence.0, again.header.a), (id, ended_at, OrderState::Canceled.code()));
        assert_eq!((again.reason, again.filled.0, again.remaining.0), (EndReason::User.code(), 2, 3));
        assert_eq!((again.cost.0, again.code), (2 * 100 * 10, 0));
    }
    let amend = Amend { account: AccountId(100), order: id, price: Price(99), ..Amend::new(0) };
    assert_eq!(replayed(&desk.send(&amend)).header.b, MessageType::Amend as u8);
    desk.send(&Cancel { account: AccountId(101), order: id, ..Cancel::new(0) }).refused(RejectCode::UnknownOrder);

    // A refusal is remembered; four more push the ended order and the refusal out (share 64 / 16 = 4).
    let refused = desk.complete(limit(100, symbol, Side::Buy, 100, 10_000_000));
    desk.send(&refused).refused(RejectCode::QtyRange);
    let again = replayed(&desk.send(&refused));
    assert_eq!((again.order.0, again.code, again.header.a), (0, 202, OrderState::Rejected.code()));
    for _ in 0..3 {
        desk.place(limit(100, symbol, Side::Buy, 100, 10_000_000)).refused(RejectCode::QtyRange);
    }
    desk.send(&order).refused(RejectCode::StaleRequest);
    desk.send(&cancel).refused(RejectCode::UnknownOrder);
    let stale = NewOrder { client_id: ClientOrderId::from(999), ..order };
    desk.send(&stale).refused(RejectCode::StaleRequest);
    let fresh = NewOrder { send_time: TimestampNs(order.send_time.0 + 1), ..stale };
    desk.send(&fresh).accepted();
    replayed(&desk.send(&refused));
    let ahead = TimestampNs(desk.now + 1_000_000_000 + 1_001);
    desk.place(NewOrder { send_time: ahead, ..limit(100, symbol, Side::Buy, 100, 1) }).refused(RejectCode::BadRequest);
}

/// Mass cancellation goes by (symbol, acceptance).
pub fn cancel_all(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100]);
    let (first, second) = (desk.symbol(|_| {}), desk.symbol(|_| {}));
    let mut place = |symbol, side, price| desk.place(limit(100, symbol, side, price, 1)).accepted().0;
    let a = place(second, Side::Buy, 10);
    let b = place(first, Side::Buy, 10);
    let c = place(first, Side::Buy, 11);
    let d = place(first, Side::Sell, 20);
    let canceled = |outcome: &Outcome| -> Vec<OrderId> {
        let id = |event: &Event| {
            if let Event::Canceled(canceled) = event { Some(canceled.order) } else { None }
        };
        outcome.0.iter().filter_map(id).collect()
    };
    let message = CancelAll { account: AccountId(100), ..CancelAll::new(0) };
    desk.send(&CancelAll { side: 3, ..message }).refused(RejectCode::BadRequest);
    desk.send(&CancelAll { symbol: SymbolId(9), ..message }).refused(RejectCode::UnknownSymbol);
    assert_eq!(canceled(&desk.send(&CancelAll { side: Side::Sell.code(), ..message })), [d]);
    let all = desk.send(&message);
    assert_eq!(canceled(&all), [b, c, a]);
    assert_eq!(all.names(), ["Canceled", "Done", "Canceled", "Done", "Canceled", "Done", "Handled"]);
    assert_eq!(desk.balance(100, USDT), (1_000_000_000_000_000, 0));
    assert_eq!(desk.send(&message).names(), ["Handled"]);
}

/// Only the session's flagged orders go.
pub fn session_down(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100]);
    let symbol = desk.symbol(|_| {});
    let (first_account, last_account) = (AccountId(100), AccountId(100));
    desk.send(&SetKey { key: KeyId(1), role: Role::Trade.code(), first_account, last_account, ..SetKey::new(0) });
    let mut ids = Vec::new();
    for (number, flags) in [(1, 0), (1, order_flags::CANCEL_ON_DISCONNECT), (2, order_flags::CANCEL_ON_DISCONNECT)] {
        let order = desk.complete(NewOrder { flags, ..limit(100, symbol, Side::Buy, 10, 1) });
        let origin = Origin::session(SessionId::new(KeyId(1), number));
        ids.push(desk.send_as(origin, &order).accepted().0);
    }
    let down = desk.send(&SessionDown { session: SessionId::new(KeyId(1), 1), ..SessionDown::new(0) });
    assert_eq!(down.names(), ["Canceled", "Done", "Handled"]);
    assert_eq!(down.end(ids[1]), Some((OrderState::Canceled.code(), EndReason::Session.code(), 1)));
}

/// What HALTED, CANCEL_ONLY and a suspension still allow.
pub fn status_and_suspension(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|_| {});
    let (id, _) = desk.place(limit(100, symbol, Side::Buy, 100, 5)).accepted();
    for status in [SymbolStatus::Halted, SymbolStatus::CancelOnly] {
        let set = SetStatus { symbol: SymbolId(symbol), status: status.code(), ..SetStatus::new(0) };
        assert_eq!(desk.send(&set).names(), ["Status"]);
        desk.place(limit(100, symbol, Side::Buy, 100, 5)).refused(RejectCode::SymbolStatus);
        desk.amend(100, id, 0, 4).refused(RejectCode::SymbolStatus);
        let (other, quantity) = (SymbolId(symbol), Qty(4));
        desk.place(NewOrder { symbol: other, quantity, ..market(100, symbol, Side::Buy, 1) })
            .refused(RejectCode::SymbolStatus);
    }
    let trading = SetStatus { symbol: SymbolId(symbol), status: SymbolStatus::Trading.code(), ..SetStatus::new(0) };
    desk.send(&trading);
    desk.send(&SetStatus { status: 6, ..trading }).refused(RejectCode::BadConfig);
    desk.send(&SetStatus { symbol: SymbolId(9), ..trading }).refused(RejectCode::UnknownSymbol);

    desk.send(&SetAccount { account: AccountId(100), suspended: 1, ..SetAccount::new(0) });
    desk.place(limit(100, symbol, Side::Buy, 100, 5)).refused(RejectCode::AccountSuspended);
    desk.amend(100, id, 0, 4).refused(RejectCode::AccountSuspended);
    desk.withdraw(100, USDT, 1).refused(RejectCode::AccountSuspended);
    assert_eq!(desk.deposit(100, USDT, 1).names(), ["Transfer"]);
    assert_eq!(desk.place(limit(101, symbol, Side::Sell, 100, 2)).makers(), [(id, 2)], "its order still trades");
    let cancel = Cancel { account: AccountId(100), order: id, ..Cancel::new(0) };
    assert_eq!(desk.send(&cancel).names(), ["Canceled", "Done"]);
}

/// A market order without an opposite side holds nothing.
pub fn market_without_book(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.account(100, 0);
    let symbol = desk.symbol(|_| {});
    for side in [Side::Buy, Side::Sell] {
        let outcome = desk.place(market(100, symbol, side, 5));
        let (id, hold) = outcome.accepted();
        assert_eq!(hold, 0);
        assert_eq!(outcome.0.len(), 3, "ACCEPTED, EXPIRED, DONE and no BALANCE: {outcome:?}");
        assert_eq!(outcome.end(id), Some((OrderState::Expired.code(), EndReason::NoLiquidity.code(), 5)));
    }
}

/// An amendment that crosses is a taker: holds, fees with carry, and the end.
pub fn amend_as_taker(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|s| {
        s.taker = Rate(100_000);
        s.maker = Rate(50_000);
    });
    let (bid, _) = desk.place(limit(100, symbol, Side::Buy, 100, 10)).accepted();
    desk.place(limit(101, symbol, Side::Sell, 105, 4)).accepted();
    let amended = desk.amend(100, bid, 106, 12);
    assert_eq!(amended.names(), ["Amended", "Trade", "Done"]);
    let Event::Amended(event) = amended.0[0] else { panic!("{amended:?}") };
    assert_eq!((event.price.0, event.quantity.0, event.remaining.0, event.cut.0), (106, 12, 12, 0));
    assert_eq!(event.hold.0, 106 * 12 * 10 + 13, "12,720 and a fee of 12.72");
    assert_eq!(amended.trades()[0].taker_fee.0, 5, "4,200 at 0.10 % is 4.2");
    assert_eq!(desk.balance(100, USDT).1, 106 * 8 * 10 + 8, "8.48 − 0.8 carried is 7.68");
    desk.place(limit(101, symbol, Side::Sell, 107, 20)).accepted();
    let filled = desk.amend(100, bid, 107, 0);
    assert_eq!(filled.names(), ["Amended", "Trade", "Done"]);
    let done = filled.done(bid).expect("filled");
    assert_eq!((done.header.a, done.filled.0, done.fee.0), (OrderState::Filled.code(), 12, 13), "⌈4.2 + 8.56⌉");
    assert_eq!(desk.balance(100, USDT), (1_000_000_000_000_000 - 4_200 - 8_560 - 13, 0));
}
