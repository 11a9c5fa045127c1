//! Scripts for rules that have no number in DOMAIN §7: adjustment numbers, keys, configuration, quarantine.

use crate::Exchange;
use crate::scenario::{BTC, Desk, Outcome, USDT, limit, spot};
use ringbook_event::{Event, Origin, Replayed, Transfer};
use ringbook_wire::message::{CancelAll, Deposit, Message, MessageType, NewOrder, Quarantine, SetKey, Withdraw};
use ringbook_wire::{
    AccountId, Amount, AssetId, KeyId, OrderState, Price, Qty, Rate, RejectCode, Role, SessionId, Side, SymbolId,
};

#[track_caller]
fn replayed(outcome: &Outcome) -> Replayed {
    match outcome.0.as_slice() {
        [Event::Replayed(replayed)] => *replayed,
        other => panic!("not REPLAYED alone: {other:#?}"),
    }
}

#[track_caller]
fn transfer(outcome: &Outcome) -> Transfer {
    match outcome.0.as_slice() {
        [Event::Transfer(transfer)] => *transfer,
        other => panic!("not TRANSFER alone: {other:#?}"),
    }
}

/// A refused adjustment is consumed, and its repetition says so.
pub fn adjustments(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.account(100, 0);
    let bound = 1_i64 << 62;
    let (account, asset) = (AccountId(100), AssetId(USDT));
    let deposit =
        |adjustment, amount| Deposit { account, asset, adjustment, amount: Amount(amount), ..Deposit::new(0) };
    desk.send(&deposit(0, 1)).refused(RejectCode::AdjustmentOld);
    desk.send(&deposit(5, 0)).refused(RejectCode::Amount);
    let again = transfer(&desk.send(&deposit(5, 0)));
    assert_eq!((again.header.b, again.code, again.adjustment), (1, RejectCode::Amount.code(), 5));
    desk.send(&deposit(5, 1)).refused(RejectCode::AdjustmentOld);
    desk.send(&deposit(6, bound + 1)).refused(RejectCode::Amount);
    assert_eq!(desk.send(&deposit(7, bound)).names(), ["Transfer"]);
    assert_eq!(desk.balance(AccountId::EXTERNAL.0, USDT), (-bound, 0));
    desk.send(&deposit(8, 1)).refused(RejectCode::SupplyLimit);
    desk.send(&Deposit { asset: AssetId(9), ..deposit(9, 1) }).refused(RejectCode::UnknownAsset);
    desk.send(&Deposit { account: AccountId::EXTERNAL, ..deposit(1, 1) }).refused(RejectCode::UnknownAccount);
    desk.send(&Deposit { account: AccountId(99), ..deposit(1, 1) }).refused(RejectCode::UnknownAccount);
    let fees = AccountId::FEES;
    desk.send(&Withdraw { account: fees, asset, adjustment: 1, amount: Amount(1), ..Withdraw::new(0) })
        .refused(RejectCode::InsufficientBalance);
}

/// Roles, ranges, revocation; 102 goes to the sender alone.
pub fn keys(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100, 101]);
    let symbol = desk.symbol(|_| {});
    let origin = |key| Origin::session(SessionId::new(KeyId(key), 1));
    for (key, role) in [(1, Role::Trade), (2, Role::ReadOnly), (3, Role::Funds), (4, Role::Admin)] {
        let (first_account, last_account) = (AccountId(100), AccountId(100));
        let set = SetKey { key: KeyId(key), role: role.code(), first_account, last_account, ..SetKey::new(0) };
        assert_eq!(desk.send(&set).names(), ["Config"]);
    }
    let (first_account, last_account) = (AccountId(2), AccountId(1));
    desk.send(&SetKey { key: KeyId(5), role: 1, first_account, last_account, ..SetKey::new(0) })
        .refused(RejectCode::BadConfig);
    for key in 1..=5 {
        let order = desk.complete(limit(100, symbol, Side::Buy, 10, 1));
        let outcome = desk.send_as(origin(key), &order);
        if key == 1 {
            outcome.accepted();
        } else {
            outcome.refused(RejectCode::UnknownAccount);
            let Event::Rejected(rejected) = outcome.0[0] else { unreachable!() };
            assert_eq!((rejected.header.b, rejected.client_id), (1, order.client_id));
        }
        let cancel_all = CancelAll { account: AccountId(100), ..CancelAll::new(0) };
        let may_cancel = desk.send_as(origin(key), &cancel_all).code() == 0;
        assert_eq!(may_cancel, key == 1 || key == 4, "key {key}");
        let again = spot(symbol);
        assert_eq!(desk.send_as(origin(key), &again).code() == 0, key == 4, "key {key}");
    }
    let other = desk.complete(limit(101, symbol, Side::Buy, 10, 1));
    desk.send_as(origin(1), &other).refused(RejectCode::UnknownAccount);
    desk.send(&SetKey { key: KeyId(1), role: 1, revoked: 1, ..SetKey::new(0) });
    let order = desk.complete(limit(100, symbol, Side::Buy, 10, 1));
    desk.send_as(origin(1), &order).refused(RejectCode::UnknownAccount);
}

/// What may and may not change of a symbol.
pub fn configuration(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    let symbol = desk.symbol(|_| {});
    let same = spot(symbol);
    assert_eq!(desk.send(&same).names(), ["Config"]);
    let mut changed = same;
    (changed.taker, changed.max_open_orders, changed.status) = (Rate(7), 3, 0);
    assert_eq!(desk.send(&changed).names(), ["Config"], "the status field counts at creation only");
    let changes: [fn(&mut ringbook_wire::message::SetSymbol); 14] = [
        |s| s.name = [0; 24],
        |s| s.quote = s.base,
        |s| s.quote = AssetId(77),
        |s| s.base_lot = Amount(1_001),
        |s| s.quote_per_tick_lot = Amount(11),
        |s| s.fee_model = 2,
        |s| s.kind = 2,
        |s| s.min_price = Price(0),
        |s| s.min_quantity = Qty(0),
        |s| s.max_price = Price(i64::MAX),
        |s| s.taker = Rate(100_000_000),
        |s| s.band = Rate(-1),
        |s| s.stp = 0,
        |s| s.symbol = SymbolId(2),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut message = same;
        change(&mut message);
        assert_eq!(desk.send(&message).code(), RejectCode::BadConfig.code(), "change {number}");
    }
    desk.account(15, 0);
    desk.place(limit(15, symbol, Side::Buy, 10, 1)).refused(RejectCode::UnknownAccount);
    desk.place(limit(100, symbol, Side::Buy, 10, 1)).refused(RejectCode::UnknownAccount);
}

/// A quarantined order is refused with 900, whatever its payload; the second crash halts the symbol.
pub fn quarantine(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.rich(&[100]);
    let symbol = desk.symbol(|_| {});
    let order = desk.complete(limit(100, symbol, Side::Sell, 10, 1));
    let message = Quarantine {
        account: AccountId(100),
        kind: MessageType::NewOrder as u8,
        client_id: order.client_id,
        symbol: SymbolId(symbol),
        halt: 1,
        send_time: order.send_time,
        ..Quarantine::new(0)
    };
    assert_eq!(desk.send(&message).names(), ["Status", "Handled"]);
    for quantity in [1, 2] {
        let again = replayed(&desk.send(&NewOrder { quantity: Qty(quantity), ..order }));
        assert_eq!((again.code, again.header.a), (900, OrderState::Rejected.code()));
    }
    desk.place(limit(100, symbol, Side::Sell, 10, 1)).refused(RejectCode::SymbolStatus);
    assert_eq!(desk.balance(100, BTC), (1_000_000_000_000_000, 0));

    // The number of a money command is consumed, whatever its payload; the next one works.
    let kind = MessageType::Deposit as u8;
    let money = Quarantine { account: AccountId(100), kind, adjustment: 3, ..Quarantine::new(0) };
    assert_eq!(desk.send(&money).names(), ["Handled"]);
    let deposit =
        Deposit { account: AccountId(100), asset: AssetId(BTC), adjustment: 3, amount: Amount(5), ..Deposit::new(0) };
    let again = transfer(&desk.send(&deposit));
    assert_eq!((again.header.b, again.code, again.amount.0), (1, 900, 5));
    desk.send(&Quarantine { adjustment: 2, ..money });
    assert_eq!(transfer(&desk.send(&deposit)).code, 900);
    assert_eq!(desk.send(&Deposit { adjustment: 4, ..deposit }).names(), ["Transfer"]);
}
