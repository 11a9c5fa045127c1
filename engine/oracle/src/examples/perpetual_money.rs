//! TRANSFER and ADJUST_MARGIN (DOMAIN §3.2, PERPETUAL.md): what is refused, in which order, what a repetition gets, and
//! their QUARANTINE.

use crate::Exchange;
use crate::scenario::perpetual::{INSURANCE, SECOND, usdt};
use crate::scenario::{BTC, Desk, Outcome, USDT, limit};
use ringbook_event::{Event, Transfer as Moved};
use ringbook_wire::message::{AdjustMargin, Message, MessageType, Quarantine, SetAccount, Transfer};
use ringbook_wire::{AccountId, Amount, AssetId, MarginMode, RejectCode, Side, SymbolId, SymbolStatus};

const BOUND: i64 = 1 << 62;

#[track_caller]
fn moved(outcome: &Outcome) -> Moved {
    match outcome.0.first() {
        Some(Event::Transfer(transfer)) => *transfer,
        other => panic!("not TRANSFER first: {other:#?}"),
    }
}

/// TRANSFER between the wallets of an account, and of the exchange's own ones.
pub fn transfers(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.account(100, 0);
    let symbol = desk.plain(|_| {});
    desk.deposit(100, USDT, 10);
    let (balance, margin) = (RejectCode::InsufficientBalance, RejectCode::InsufficientMargin);
    desk.transfer(100, USDT, 0, 1).refused(RejectCode::BadRequest);
    desk.transfer(100, USDT, 3, 1).refused(RejectCode::BadRequest);
    desk.to_futures(999, 1).refused(RejectCode::UnknownAccount);
    desk.to_futures(AccountId::EXTERNAL.0, 1).refused(RejectCode::UnknownAccount);
    desk.transfer(100, 77, 1, 1).refused(RejectCode::UnknownAsset);
    desk.to_futures(100, 11).refused(balance);
    desk.to_futures(100, BOUND + 1).refused(balance);
    desk.to_futures(100, 0).refused(RejectCode::Amount);
    desk.to_futures(100, -1).refused(RejectCode::Amount);
    let event = moved(&desk.to_futures(100, 10));
    assert_eq!((event.header.a, event.header.b, event.header.subject), (3, 0, 100));
    assert_eq!((event.asset.0, event.code, event.amount.0), (USDT, 0, 10));
    assert_eq!((desk.balance(100, USDT), desk.wallet(100)), ((0, 0), 10));
    desk.to_spot(100, 11).refused(margin);
    desk.to_spot(100, 0).refused(RejectCode::Amount);
    desk.transfer(100, BTC, 2, 1).refused(margin);
    let event = moved(&desk.to_spot(100, 4));
    assert_eq!((event.header.a, event.amount.0), (4, 4));
    assert_eq!((desk.balance(100, USDT), desk.wallet(100)), ((4, 0), 6));

    // The exchange's own accounts: what there is, and no more; in maintenance, too.
    desk.deposit(INSURANCE, USDT, 100);
    desk.to_futures(INSURANCE, 101).refused(balance);
    assert_eq!(desk.to_futures(INSURANCE, 60).story(), ["Transfer"]);
    desk.to_spot(INSURANCE, 61).refused(margin);
    desk.status(0, SymbolStatus::CancelOnly);
    desk.to_spot(100, 1).refused(RejectCode::Maintenance);
    assert_eq!(desk.to_futures(100, 1).story(), ["Transfer"]);
    assert_eq!(desk.to_spot(INSURANCE, 60).story(), ["Transfer"]);
    desk.status(0, SymbolStatus::Trading);

    desk.send(&SetAccount { account: AccountId(100), suspended: 1, ..SetAccount::new(0) });
    desk.to_futures(100, 1).refused(RejectCode::AccountSuspended);
    desk.place(limit(100, symbol, Side::Buy, 1, 1)).refused(RejectCode::AccountSuspended);
}

/// Numbers of TRANSFER and ADJUST_MARGIN are those of DEPOSIT: one series, the stored outcome for the last one again.
pub fn transfer_numbers(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.account(100, 0);
    let symbol = desk.plain(|_| {});
    desk.deposit(100, USDT, 10);
    let (account, asset) = (AccountId(100), AssetId(USDT));
    let transfer = |adjustment, amount| Transfer {
        account,
        asset,
        adjustment,
        amount: Amount(amount),
        reference: 7,
        direction: 1,
        ..Transfer::new(0)
    };
    desk.send(&transfer(1, 5)).refused(RejectCode::AdjustmentOld);
    let event = moved(&desk.send(&transfer(5, 5)));
    assert_eq!((event.header.b, event.adjustment, event.reference), (0, 5, 7));
    let again = desk.send(&transfer(5, 5));
    let event = moved(&again);
    assert_eq!((event.header.a, event.header.b, event.code, event.amount.0, again.0.len()), (3, 1, 0, 5, 1));
    desk.send(&transfer(5, 6)).refused(RejectCode::AdjustmentOld);
    desk.send(&Transfer { direction: 2, ..transfer(5, 5) }).refused(RejectCode::AdjustmentOld);
    // A refusal from 103 on consumes the number, one with 100 or 102 does not.
    desk.send(&Transfer { direction: 9, ..transfer(6, 5) }).refused(RejectCode::BadRequest);
    desk.send(&transfer(6, 6)).refused(RejectCode::InsufficientBalance);
    let event = moved(&desk.send(&transfer(6, 6)));
    assert_eq!((event.header.b, event.code), (1, RejectCode::InsufficientBalance.code()));
    assert_eq!((desk.balance(100, USDT), desk.wallet(100)), ((5, 0), 5));

    let adjust = |adjustment, amount| AdjustMargin {
        account,
        symbol: SymbolId(symbol),
        adjustment,
        amount: Amount(amount),
        direction: 1,
        ..AdjustMargin::new(0)
    };
    desk.send(&adjust(6, 1)).refused(RejectCode::AdjustmentOld);
    desk.send(&adjust(7, 1)).refused(RejectCode::Amount);
    let event = moved(&desk.send(&adjust(7, 1)));
    assert_eq!((event.header.a, event.header.b, event.asset.0), (5, 1, symbol));
    assert_eq!(event.code, RejectCode::Amount.code());
    desk.send(&transfer(7, 1)).refused(RejectCode::AdjustmentOld);

    // QUARANTINE consumes a number above the last one; it matches every payload.
    let aside = Quarantine { account, kind: MessageType::Transfer as u8, adjustment: 8, ..Quarantine::new(0) };
    assert_eq!(desk.send(&aside).story(), ["Handled"]);
    let event = moved(&desk.send(&transfer(8, 3)));
    assert_eq!((event.header.a, event.header.b, event.code), (3, 1, RejectCode::EngineFault.code()));
    let aside = Quarantine { kind: MessageType::AdjustMargin as u8, adjustment: 9, ..aside };
    assert_eq!(desk.send(&aside).story(), ["Handled"]);
    let event = moved(&desk.send(&adjust(9, 3)));
    assert_eq!((event.header.a, event.header.b, event.code), (5, 1, RejectCode::EngineFault.code()));
    assert_eq!(moved(&desk.send(&transfer(10, 5))).header.b, 0);
    assert_eq!(desk.wallet(100), 10);
}

/// Transfers out of the futures wallet, and into isolated margin, need fresh marks of the account's cross positions in
/// the asset.
pub fn stale_transfers(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "10000");
    let (cross, isolated, idle) = (desk.plain(|_| {}), desk.plain(|_| {}), desk.plain(|_| {}));
    for symbol in [cross, isolated, idle] {
        desk.mark(symbol, 100);
    }
    desk.isolate(100, isolated, 20);
    desk.long(100, 199, isolated, 100, 100);
    desk.place(limit(100, idle, Side::Buy, 90, 1)).accepted();
    desk.now += 6 * SECOND;
    // Only isolated positions and open orders: stale marks do not matter for them.
    assert_eq!(desk.to_spot(100, usdt("100")).story(), ["Transfer"]);
    assert_eq!(desk.add_margin(100, isolated, usdt("100")).story(), ["Transfer"]);
    desk.remove_margin(100, isolated, usdt("100")).refused(RejectCode::NoMark);
    desk.remove_margin(100, isolated, usdt("100") + 1).refused(RejectCode::InsufficientMargin);

    desk.mark(cross, 100);
    desk.mark(isolated, 100);
    desk.long(100, 199, cross, 100, 10);
    desk.now += 6 * SECOND;
    desk.mark(isolated, 100);
    desk.to_spot(100, usdt("100")).refused(RejectCode::NoMark);
    desk.to_spot(100, usdt("10000")).refused(RejectCode::InsufficientMargin);
    desk.to_spot(100, 0).refused(RejectCode::NoMark);
    assert_eq!(desk.to_futures(100, usdt("100")).story(), ["Transfer"]);
    desk.add_margin(100, isolated, usdt("100")).refused(RejectCode::NoMark);
    assert_eq!(desk.remove_margin(100, isolated, usdt("100")).story(), ["Transfer"]);
    // With a fresh mark of the cross position it goes.
    desk.mark(cross, 100);
    assert_eq!(desk.to_spot(100, usdt("100")).story(), ["Transfer"]);
}

/// ADJUST_MARGIN: its checks in order, its events, and its bounds of both directions.
pub fn adjust_margin(exchange: &mut dyn Exchange) {
    let mut desk = Desk::new(exchange);
    desk.traders(&[100, 199], "1000");
    desk.fund(199, usdt("100000"));
    let spot = desk.symbol(|_| {});
    let symbol = desk.plain(|_| {});
    let probe = desk.probe();
    desk.mark(symbol, 100);
    let margin = RejectCode::InsufficientMargin;
    desk.add_margin(999, symbol, 1).refused(RejectCode::UnknownAccount);
    desk.add_margin(100, 99, 1).refused(RejectCode::UnknownSymbol);
    desk.add_margin(100, spot, 1).refused(RejectCode::UnknownSymbol);
    // Without an isolated position: 501 comes last, nothing is removable, and transferable is as it is.
    desk.add_margin(100, symbol, usdt("1000") + 1).refused(margin);
    desk.add_margin(100, symbol, usdt("1000")).refused(RejectCode::Amount);
    desk.remove_margin(100, symbol, 1).refused(margin);
    desk.remove_margin(100, symbol, 0).refused(RejectCode::Amount);
    desk.isolate(100, symbol, 20);
    desk.add_margin(100, symbol, 1).refused(RejectCode::Amount);

    desk.long(100, 199, symbol, 100, 100);
    assert_eq!((desk.wallet(100), desk.position(100, symbol).2), (usdt("500"), usdt("500")));
    desk.place(limit(100, probe, Side::Buy, 1, usdt("300"))).accepted();
    desk.add_margin(100, symbol, usdt("200") + 1).refused(margin);
    desk.add_margin(100, symbol, 0).refused(RejectCode::Amount);
    let added = desk.add_margin(100, symbol, usdt("200"));
    let event = moved(&added);
    assert_eq!((event.header.a, event.header.subject, event.asset.0), (5, 100, symbol));
    assert_eq!((event.amount.0, added.names()), (usdt("200"), vec!["Transfer", "Position"]));
    assert_eq!((desk.wallet(100), desk.position(100, symbol).2), (usdt("300"), usdt("700")));
    desk.remove_margin(100, symbol, usdt("200") + 1).refused(margin);
    desk.status(0, SymbolStatus::CancelOnly);
    desk.remove_margin(100, symbol, usdt("200")).refused(RejectCode::Maintenance);
    desk.status(0, SymbolStatus::Trading);
    let event = moved(&desk.remove_margin(100, symbol, usdt("200")));
    assert_eq!((event.header.a, event.amount.0), (6, usdt("200")));
    assert_eq!(desk.position(100, symbol), (100, usdt("10000"), usdt("500")));
    assert_eq!(desk.terms(100, symbol), Some((MarginMode::Isolated, 20)));
    // A cross position has no margin of its own.
    let other = desk.plain(|_| {});
    desk.mark(other, 100);
    desk.long(100, 199, other, 100, 10);
    desk.add_margin(100, other, 1).refused(RejectCode::Amount);
}
