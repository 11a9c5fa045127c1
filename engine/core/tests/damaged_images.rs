//! An image may come from a damaged or foreign file: what is not a state is refused, and what is at a bound passes.

mod common;

use common::Venue;
use ringbook_core::Engine;
use ringbook_core::image::{Image, WorkImage};
use ringbook_oracle::scenario::{BTC, Desk, genesis, gtd, iceberg, limit, stop};
use ringbook_wire::message::{Cancel, CancelAll, Genesis, Message, SetKey};
use ringbook_wire::{AccountId, KeyId, Role, Side, SymbolStatus, TriggerDirection};

const BOUND: i64 = 1 << 62;

/// Two symbols, keys, three customers; orders of every place but FIRED: a buy, an iceberg, a sell, two stop orders; ended
/// and refused orders in the ring, of account 101 as many as its share.
fn rich_state() -> Venue {
    let mut venue = Venue::new();
    let mut desk = Desk::new(&mut venue);
    let symbol = desk.symbol(|_| {});
    desk.symbol(|s| s.status = SymbolStatus::Halted.code());
    desk.rich(&[100, 101, 102]);
    for key in [1, 7] {
        let (role, last_account) = (Role::Trade.code(), AccountId(200));
        desk.send(&SetKey { key: KeyId(key), role, last_account, ..SetKey::new(0) });
    }
    desk.place(limit(100, symbol, Side::Buy, 90, 7)).accepted();
    desk.place(limit(100, symbol, Side::Buy, 90, 2)).accepted();
    desk.place(iceberg(limit(100, symbol, Side::Sell, 110, 9), 3)).accepted();
    desk.place(gtd(limit(101, symbol, Side::Sell, 111, 5), 5_000_000_000_000)).accepted();
    desk.place(stop(limit(102, symbol, Side::Sell, 80, 4), TriggerDirection::FallsTo, 85)).accepted();
    desk.place(stop(limit(102, symbol, Side::Buy, 120, 4), TriggerDirection::RisesTo, 115)).accepted();
    for _ in 0..4 {
        let (order, _) = desk.place(limit(101, symbol, Side::Sell, 130, 1)).accepted();
        desk.send(&Cancel { account: AccountId(101), order, ..Cancel::new(0) });
    }
    desk.place(limit(102, symbol, Side::Sell, 130, 0)).0.clear();
    desk.place(limit(102, symbol, Side::Sell, 130, 9_999_999));
    desk.send(&CancelAll { account: AccountId(99), ..CancelAll::new(0) });
    venue
}

type Damage = fn(&mut Image);

/// Positions in the image of [`rich_state`].
const BUY: usize = 0;
const ICEBERG: usize = 2;
const FALLS: usize = 4;
const RISES: usize = 5;

#[test]
fn the_state_itself_passes() {
    let image = rich_state().engine.image();
    let places: Vec<u8> = image.orders.iter().map(|order| order.place).collect();
    assert_eq!((places, image.ring.len()), (vec![1, 1, 1, 1, 2, 2], 5));
    assert!(Engine::restore(&image).unwrap().image() == image);
    let empty = Engine::new().image();
    assert!(Engine::restore(&empty).unwrap().image() == empty, "the state before GENESIS");
}

#[track_caller]
fn refused(damages: &[Damage]) {
    let whole = rich_state().engine.image();
    let mut passed = Vec::new();
    for (at, damage) in damages.iter().enumerate() {
        let mut image = whole.clone();
        damage(&mut image);
        assert!(image != whole, "damage {at} does nothing");
        match Engine::restore(&image) {
            Ok(_) => passed.push(at),
            Err(error) => assert_eq!(error.sequence, whole.sequence),
        }
    }
    assert!(passed.is_empty(), "damages that pass: {passed:?}");
}

#[test]
fn settings_out_of_bounds() {
    refused(&[
        |i| i.rules = 2,
        |i| i.rules = 0,
        |i| i.dedupe_capacity = 0,
        |i| i.dedupe_capacity = 1 << 30,
        |i| i.max_orders = 0,
        |i| i.max_orders = 1 << 30,
        |i| i.max_event_bytes = 4_095,
        |i| i.max_event_bytes = (2 << 20) + 1,
        |i| i.max_orders = 5,
        |i| i.dedupe_capacity = 4,
    ]);
    let whole = rich_state().engine.image();
    for change in [
        (|i| i.max_event_bytes = 4_096) as Damage,
        |i| i.max_event_bytes = 2 << 20,
        |i| i.max_orders = 6,
        |i| i.dedupe_capacity = 79,
    ] {
        let mut image = whole.clone();
        change(&mut image);
        assert!(Engine::restore(&image).unwrap().image() == image);
    }
}

#[test]
fn definitions_out_of_bounds() {
    refused(&[
        |i| i.assets[0].asset = 0,
        |i| i.assets[0].asset = 65_536,
        |i| i.keys[0].key = 0,
        |i| i.keys[0].key = 65_536,
        |i| i.keys[0].role = 9,
        |i| i.symbols[1].symbol = 0,
        |i| i.symbols[1].symbol = 65_536,
        |i| i.symbols[1].max_price = 0,
        |i| i.symbols[1].k = 0,
        |i| i.symbols[1].base_lot = 0,
        |i| i.symbols[1].base = 9,
        |i| i.symbols[1].quote = 9,
        |i| i.symbols[1].fee_model = 9,
        |i| i.symbols[1].kind = 9,
        |i| i.symbols[1].stp = 9,
        |i| i.symbols[1].status = 9,
    ]);
}

#[test]
fn accounts_and_wallets_that_do_not_add_up() {
    refused(&[
        |i| i.accounts.push(i.accounts[5].clone()),
        // EXTERNAL twice: its wallets are there already.
        |i| i.accounts.push(i.accounts[3].clone()),
        |i| i.accounts[4].balances.reverse(),
        |i| i.accounts[4].balances[0].available += 1,
        |i| i.accounts[4].balances[0].held += 1,
        |i| (i.accounts[4].balances[0].available, i.accounts[4].balances[0].held) = (i64::MAX, -1),
        |i| {
            // What the orders hold, moved from held to available.
            let wallet = &mut i.accounts[4].balances[0];
            wallet.available += wallet.held;
            wallet.held = 0;
        },
        |i| {
            // Below zero, and the sum is right.
            let taken = i.accounts[6].balances[0].available + 1;
            i.accounts[6].balances[0].available -= taken;
            i.accounts[5].balances[0].available += taken;
        },
        |i| {
            // Held by an account without the orders, and the sums are right.
            let moved = i.accounts[4].balances[0].held;
            i.accounts[4].balances[0].held = 0;
            i.accounts[5].balances[0].held += moved;
        },
        |i| _ = i.accounts[4].balances.remove(0),
    ]);
}

#[test]
fn orders_that_are_not_consistent() {
    refused(&[
        |i| i.orders[BUY].order = 0,
        |i| i.orders[BUY].order = i.orders[ICEBERG].order,
        |i| (i.orders[1].client_id, i.orders[1].account) = (i.orders[BUY].client_id, i.orders[BUY].account),
        |i| i.orders[BUY].account = 77,
        |i| i.orders[BUY].account = 101,
        |i| i.orders[BUY].symbol = 77,
        |i| i.orders[BUY].side = 9,
        |i| i.orders[BUY].side = 2,
        |i| i.orders[BUY].order_type = 9,
        |i| i.orders[BUY].time_in_force = 9,
        |i| i.orders[BUY].stp = 9,
        |i| i.orders[BUY].fee_model = 9,
        |i| i.orders[BUY].place = 9,
        |i| i.orders[BUY].place = 2,
        |i| i.orders[BUY].trigger_direction = 9,
        |i| i.orders[BUY].price = 0,
        |i| i.orders[BUY].price = -90,
        |i| i.orders[BUY].price = 91,
        |i| i.orders[BUY].price = 120,
        |i| i.orders[BUY].price = BOUND,
        |i| i.orders[BUY].price = BOUND + 1,
        |i| i.orders[BUY].quantity += 1,
        |i| i.orders[BUY].remaining += 1,
        |i| (i.orders[BUY].remaining, i.orders[BUY].shown, i.orders[BUY].cut) = (0, 0, 7),
        |i| (i.orders[BUY].remaining, i.orders[BUY].shown, i.orders[BUY].cut) = (0, 1, 7),
        |i| (i.orders[BUY].remaining, i.orders[BUY].shown, i.orders[BUY].cut) = (-1, -1, 8),
        |i| i.orders[BUY].filled = 1,
        |i| i.orders[BUY].prevented = 1,
        |i| i.orders[BUY].cut = 1,
        |i| i.orders[BUY].hold -= 1,
        |i| i.orders[BUY].hold += 1,
        |i| i.orders[BUY].carry = -1,
        |i| i.orders[BUY].carry = 100_000_000,
        |i| i.orders[BUY].shown = 0,
        |i| i.orders[BUY].shown = 8,
        |i| i.orders[BUY].display = -1,
        |i| i.orders[BUY].taker = 100_000,
        |i| i.orders[1].queue_sequence = i.orders[BUY].queue_sequence,
        |i| i.orders[ICEBERG].shown = 4,
        |i| i.orders[ICEBERG].display = 2,
        |i| (i.orders[ICEBERG].remaining, i.orders[ICEBERG].quantity) = (BOUND, BOUND),
        |i| i.orders[ICEBERG].hold += 1,
        |i| _ = i.orders.remove(BUY),
        |i| i.orders.swap(BUY, 1),
    ]);
}

#[test]
fn stop_orders_that_are_not_consistent() {
    refused(&[
        |i| i.orders[FALLS].trigger = 0,
        |i| i.orders[FALLS].trigger = BOUND + 1,
        |i| i.orders[FALLS].trigger_direction = 0,
        |i| i.orders[FALLS].price = -1,
        |i| i.orders[FALLS].place = 1,
        // Its condition holds, and it has not run.
        |i| (i.symbols[0].last, i.orders[FALLS].trigger) = (100, 100),
        |i| (i.symbols[0].last, i.orders[RISES].trigger) = (100, 99),
        |i| i.symbols[0].last = 85,
        |i| i.symbols[0].last = 115,
        |i| i.fired.push(i.orders[FALLS].order),
        |i| i.fired.push(i.orders[BUY].order),
        |i| i.fired.push(777),
    ]);
    let mut image = rich_state().engine.image();
    (image.symbols[0].last, image.symbols[0].status) = (85, SymbolStatus::Halted.code());
    assert!(Engine::restore(&image).is_ok(), "outside TRADING nothing fires");
    (image.symbols[0].last, image.symbols[0].status) = (86, SymbolStatus::Trading.code());
    assert!(Engine::restore(&image).is_ok());
}

/// A crossed book is a state outside TRADING only.
#[test]
fn a_crossed_book() {
    let cross: Damage = |i| {
        let order = &mut i.orders[BUY];
        let more = (110 - order.price) * order.remaining * 10;
        order.price = 110;
        order.hold += more;
        let wallet = i.accounts[4].balances.iter_mut().find(|wallet| wallet.asset != BTC).expect("it has both");
        wallet.available -= more;
        wallet.held += more;
    };
    refused(&[cross]);
    let mut image = rich_state().engine.image();
    cross(&mut image);
    image.symbols[0].status = SymbolStatus::PreOpen.code();
    assert!(Engine::restore(&image).unwrap().image() == image);
}

#[test]
fn ring_entries_that_are_not_consistent() {
    refused(&[
        |i| i.ring[0].account = 77,
        |i| i.ring[0].state = 99,
        |i| i.ring[0].reason = 99,
        |i| i.ring[0].order = i.orders[BUY].order,
        |i| i.ring[0].order = i.ring[1].order,
        |i| (i.ring[0].account, i.ring[0].client_id) = (i.orders[BUY].account, i.orders[BUY].client_id),
        |i| i.ring[0].client_id = i.ring[1].client_id,
        // A share is 64 / 16 = 4.
        |i| {
            let mut entry = i.ring[0].clone();
            (entry.order, entry.client_id) = (0, [9, 9]);
            i.ring.push(entry);
        },
    ]);
}

#[test]
fn pending_work_that_is_not_consistent() {
    let mut venue = Venue::with(&Genesis { max_event_bytes: 4_096, ..genesis() });
    let mut desk = Desk::new(&mut venue);
    let symbol = desk.symbol(|_| {});
    desk.rich(&[100, 101]);
    for _ in 0..60 {
        desk.place(limit(100, symbol, Side::Sell, 50, 1)).accepted();
    }
    desk.place(limit(101, symbol, Side::Buy, 50, 60)).accepted();
    let whole = venue.engine.image();
    assert!(Engine::restore(&whole).unwrap().image() == whole);
    let damages: [Damage; 8] = [
        |i| i.work[0].kind = 255,
        |i| i.work[0].task = 0,
        |i| i.work[0].task = 8,
        |i| i.work[0].a = 999,
        |i| (i.work[0].task, i.work[0].a) = (2, 77),
        |i| (i.work[0].task, i.work[0].a) = (2, 1 << 32 | 100),
        |i| (i.work[0].task, i.work[0].a) = (7, 77),
        |i| (i.work[0].task, i.work[0].a) = (5, 1 << 32 | 1),
    ];
    for (at, damage) in damages.iter().enumerate() {
        let mut image = whole.clone();
        damage(&mut image);
        assert!(Engine::restore(&image).is_err(), "damage {at} passes");
    }
}

/// Every part of a state is in its hash.
#[test]
fn what_differs_hashes_differently() {
    let whole = rich_state().engine.image();
    let changes: [Damage; 12] = [
        |i| i.seed[0] ^= 1,
        |i| i.seed[1] ^= 1,
        |i| i.assets[0].name[3] ^= 1,
        |i| i.symbols[0].name[3] ^= 1,
        |i| i.keys[0].public_key[31] ^= 1,
        |i| i.orders[BUY].client_id[1] ^= 1,
        |i| i.orders[BUY].filled ^= 1,
        |i| i.ring[0].cost ^= 1,
        |i| i.accounts[4].balances[0].held ^= 1,
        |i| _ = i.accounts.pop(),
        |i| i.fired.push(0),
        |i| i.time ^= 1 << 63,
    ];
    let mut hashes = vec![whole.state_hash()];
    for change in changes {
        let mut image = whole.clone();
        change(&mut image);
        hashes.push(image.state_hash());
    }
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
    assert_eq!(rich_state().engine.state_hash(), whole.state_hash());
}

#[test]
fn what_every_part_must_obey() {
    refused(&[
        |i| (i.next_order, i.next_trade, i.next_queue) = (0, 0, 0),
        |i| i.next_order = i.orders[BUY].order,
        |i| i.next_queue = i.orders[BUY].queue_sequence,
        |i| (i.orders[BUY].place, i.orders[BUY].remaining, i.orders[BUY].cut) = (0, -1, 8),
        |i| (i.orders[BUY].place, i.orders[BUY].price) = (0, -1),
        |i| i.orders[BUY].taker = i64::MAX,
        |i| (i.orders[BUY].taker, i.orders[BUY].fee_model) = (i64::MIN, 2),
        |i| i.orders[BUY].stp = 0,
        |i| i.orders[BUY].listed = 0,
        |i| i.orders[FALLS].listed = 0,
        |i| (i.orders[FALLS].remaining, i.orders[FALLS].cut) = (-1, 5),
        // Nothing pending works on it, and nothing has fired it.
        |i| (i.orders[BUY].place, i.orders[BUY].shown) = (0, 0),
        |i| i.orders[FALLS].place = 3,
        |i| i.maintenance = 7,
        |i| i.accounts.last_mut().unwrap().suspended = 7,
        |i| i.keys[0].revoked = 2,
        |i| i.keys.insert(0, i.keys[0].clone()),
        |i| i.symbols.insert(0, i.symbols[0].clone()),
        |i| (i.next_trade, i.busted) = (9, vec![0]),
        |i| i.symbols[0].min_price = i.symbols[0].max_price + 1,
        |i| i.symbols[0].slip = -1,
        |i| i.symbols[0].taker = i64::MAX,
        |i| i.symbols[0].stp = 0,
        |i| {
            let wallets = &mut i.accounts.last_mut().unwrap().balances;
            wallets.insert(0, wallets[0].clone());
        },
        |i| {
            let wallets = &mut i.accounts.last_mut().unwrap().balances;
            let mut unknown = wallets[0].clone();
            (unknown.asset, unknown.available, unknown.held) = (99, 0, 0);
            wallets.push(unknown);
        },
        // Work that names what is not there.
        |i| i.work.push(WorkImage { task: 1, a: i.orders[BUY].order, kind: 64, ..WorkImage::default() }),
        |i| i.work.push(WorkImage { task: 6, a: 1, b: 100, c: 5, kind: 83, ..WorkImage::default() }),
        |i| {
            let stop = &mut i.orders[FALLS];
            stop.place = 3;
            i.fired = vec![stop.order, stop.order];
            i.work.push(WorkImage { task: 5, a: 1, kind: 64, ..WorkImage::default() });
        },
    ]);
}
