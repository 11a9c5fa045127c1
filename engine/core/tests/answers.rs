//! What followers ask of a state: books against the naive oracle, everything else against the image.

mod common;

use common::Venue;
use ringbook_core::image::{Image, OrderImage};
use ringbook_core::{Engine, OrderView};
use ringbook_event::{Event, Origin};
use ringbook_oracle::generate::{Generator, Random};
use ringbook_oracle::scenario::{Desk, limit};
use ringbook_oracle::{Exchange, Oracle};
use ringbook_wire::message::{
    Amend, Cancel, CancelAll, Continue, Deposit, Message, NewOrder, SetStatus, SetSymbol, name_of,
};
use ringbook_wire::{
    AccountId, ClientOrderId, OrderId, OrderState, Price, Side, SymbolId, SymbolStatus, TimestampNs, order_flags,
};
use std::collections::{BTreeMap, BTreeSet};
use zerocopy::IntoBytes;

/// A state after a random stream, the oracle's and the engine's.
fn state(seed: u64, commands: u64, mut look: impl FnMut(&Engine, &Oracle)) -> Venue {
    let mut generator = Generator::new(seed);
    let mut venue = Venue::with(&generator.genesis());
    let mut oracle = Oracle::new(&generator.genesis());
    for step in 0..commands {
        let command = generator.next_command();
        let sequence = venue.engine.sequence().0 + 1;
        oracle.apply(sequence, command.time_ns, command.origin, &command.message);
        let seen = Exchange::apply(&mut venue, sequence, command.time_ns, command.origin, &command.message);
        generator.observe(&seen);
        if step % 20 == 0 {
            look(&venue.engine, &oracle);
        }
    }
    venue
}

fn int(lots: i128) -> i64 {
    i64::try_from(lots).expect("few lots")
}

#[test]
fn depth_and_level_totals_are_the_oracles() {
    for seed in 1..=8 {
        let mut random = Random::new(seed);
        state(seed, 1_500, |engine, oracle| {
            for symbol in engine.symbols() {
                let (bids, asks) = oracle.book(symbol.symbol.0);
                for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
                    let depth = random.below(levels.len() as u64 + 3) as usize;
                    let got: Vec<(i64, i64)> =
                        engine.depth(symbol.symbol, side, depth).iter().map(|(p, lots)| (p.0, int(*lots))).collect();
                    assert_eq!(got, levels[..depth.min(levels.len())], "seed {seed}");
                    for price in (-1..=130).chain(levels.iter().map(|level| level.0)).chain([999, 1_000, 1_001, 70_000])
                    {
                        let expected = levels.iter().find(|level| level.0 == price).map_or(0, |level| level.1);
                        let total = engine.level_total(symbol.symbol, side, Price(price));
                        assert_eq!(int(total), expected, "seed {seed}, price {price}");
                    }
                }
            }
        });
    }
    let engine = Engine::new();
    assert_eq!(engine.depth(SymbolId(1), Side::Buy, 5), []);
    assert_eq!(engine.level_total(SymbolId(1), Side::Buy, Price(100)), 0);
}

/// Prices at both ends of a large range: every node of the price trie has a part in the answer.
#[test]
fn level_totals_at_the_ends_of_a_large_range() {
    let mut venue = Venue::new();
    let mut desk = Desk::new(&mut venue);
    let max_price = 10_000_000;
    let symbol = desk.symbol(|_| {});
    desk.rich(&[100]);
    let bids = [1, 2, 63, 64, 65, 4_095, 4_096, 4_097, 262_143, 262_144];
    let asks = [262_145, 300_000, 8_000_000, max_price - 1, max_price];
    for (side, prices) in [(Side::Buy, &bids[..]), (Side::Sell, &asks[..])] {
        for (at, &price) in prices.iter().enumerate() {
            desk.place(limit(100, symbol, side, price, at as i64 + 1)).accepted();
        }
    }
    let total = |side, price| venue.engine.level_total(SymbolId(symbol), side, Price(price));
    for (side, prices) in [(Side::Buy, &bids[..]), (Side::Sell, &asks[..])] {
        for (at, &price) in prices.iter().enumerate() {
            assert_eq!(total(side, price), at as i128 + 1);
            assert_eq!(total(side.opposite(), price), 0);
        }
    }
    for price in [i64::MIN, -1, 0, 3, 66, 4_098, 262_146, max_price - 2, max_price + 1, 1 << 40, i64::MAX] {
        assert_eq!((total(Side::Buy, price), total(Side::Sell, price)), (0, 0), "price {price}");
    }
}

/// Prices that are each other's upper digits in the price trie: a leaf that is remembered must not be taken for another's.
#[test]
fn prices_that_resemble_the_node_of_another_price() {
    let near = |price: i64| [price, price + 1, price + 2];
    let prices = Vec::from_iter([1, 2, 3, 64, 128, 4_096, 8_192, 12_288, 262_144, 524_288].into_iter().flat_map(near));
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let mut venue = Venue::new();
        let mut desk = Desk::new(&mut venue);
        let symbol = desk.symbol(|s| s.max_price = Price(1_000_000));
        desk.rich(&[100]);
        let mut open: Vec<(i64, OrderId)> = Vec::new();
        for step in 0..80 {
            let mut desk = Desk::new(&mut venue);
            if !open.is_empty() && random.chance(2, 5) {
                let (_, order) = open.swap_remove(random.below(open.len() as u64) as usize);
                desk.send(&Cancel { account: AccountId(100), order, ..Cancel::new(0) });
            } else {
                let price = random.pick(&prices);
                let mut order = limit(100, symbol, Side::Sell, price, 1);
                order.client_id = ClientOrderId([random.next_u64(), 1]);
                order.send_time = TimestampNs(venue.engine.time().0 + step);
                let seen = Exchange::apply(&mut venue, 0, 0, Origin::INTERNAL, order.as_bytes());
                let [Event::Accepted(accepted), ..] = seen[..] else { panic!("{seen:?}") };
                open.push((price, accepted.order));
            }
            let mut levels: BTreeMap<i64, i128> = BTreeMap::new();
            open.iter().for_each(|(price, _)| *levels.entry(*price).or_default() += 1);
            let depth = venue.engine.depth(SymbolId(symbol), Side::Sell, usize::MAX);
            let depth: Vec<(i64, i128)> = depth.into_iter().map(|(price, lots)| (price.0, lots)).collect();
            assert_eq!(depth, Vec::from_iter(levels), "seed {seed}");
        }
        venue.engine.check_invariants().unwrap();
    }
}

fn is_same(view: &OrderView, image: &OrderImage) -> bool {
    let waits = image.place == 2;
    let state = match (waits, image.filled) {
        (true, _) => OrderState::Untriggered,
        (false, 0) => OrderState::New,
        (false, _) => OrderState::PartiallyFilled,
    };
    let (trigger, direction) = if waits { (image.trigger, image.trigger_direction) } else { (0, 0) };
    let codes = (image.side, image.order_type, image.time_in_force, image.stp, image.flags, state, direction);
    let amounts = [
        image.price,
        image.quantity,
        image.remaining,
        image.filled,
        image.prevented,
        image.cut,
        image.cost,
        image.fee,
        image.hold,
        trigger,
        image.display,
    ];
    let v = view;
    (v.order.0, v.account.0, v.symbol.0, v.client_id.0) == (image.order, image.account, image.symbol, image.client_id)
        && (v.side.code(), v.order_type.code(), v.time_in_force.code(), v.stp.code(), v.flags, v.state)
            == (codes.0, codes.1, codes.2, codes.3, codes.4, codes.5)
        && v.direction.map_or(0, |direction| direction.code()) == direction
        && [v.price.0, v.quantity.0, v.remaining.0, v.filled.0, v.prevented.0, v.cut.0] == amounts[..6]
        && [v.cost.0, v.fee.0, v.hold.0, v.trigger.0, v.display.0] == amounts[6..]
        && (v.send_time.0, v.expire_at.0) == (image.send_time, image.expire_at)
}

/// Every list is complete and sorted.
#[test]
fn lists_are_those_of_the_image() {
    let mut waiting = 0;
    for seed in 1..=4 {
        let venue = state(seed, 1_200, |engine, _| {
            let image = engine.image();
            compare_accounts(engine, &image);
            let sessions: BTreeSet<u64> = image
                .orders
                .iter()
                .filter(|o| o.flags & order_flags::CANCEL_ON_DISCONNECT != 0 && o.session != 0)
                .map(|o| o.session)
                .collect();
            let flagged: Vec<u64> = engine.flagged_sessions().iter().map(|session| session.0).collect();
            assert_eq!(flagged, Vec::from_iter(sessions), "seed {seed}");
            waiting += image.orders.iter().filter(|order| order.place == 2).count();
        });
        compare_definitions(&venue.engine);
    }
    assert!(waiting > 0);
}

fn compare_accounts(engine: &Engine, image: &Image) {
    assert_eq!(engine.open_order_count(), image.orders.len());
    for order in &image.orders {
        assert!(is_same(&engine.open_order(OrderId(order.order)).expect("it is open"), order), "{order:?}");
    }
    for ended in image.ring.iter().filter(|entry| entry.order != 0) {
        assert_eq!(engine.open_order(OrderId(ended.order)), None);
    }
    let ids: Vec<u32> = engine.account_ids().iter().map(|id| id.0).collect();
    assert_eq!(ids, image.accounts.iter().map(|account| account.account).collect::<Vec<_>>());
    for account in &image.accounts {
        let id = AccountId(account.account);
        assert_eq!(engine.last_adjustment(id), account.adjustment);
        let wallets = engine.balances(id).expect("it is there");
        let wallets: Vec<_> = wallets.iter().map(|w| (w.asset.0, w.available.0, w.held.0)).collect();
        assert_eq!(wallets, account.balances.iter().map(|b| (b.asset, b.available, b.held)).collect::<Vec<_>>());
        let mine: Vec<_> = image.orders.iter().filter(|order| order.account == account.account).collect();
        let views = engine.open_orders(id);
        assert_eq!(views.len(), mine.len());
        assert!(views.iter().zip(mine).all(|(view, order)| is_same(view, order)));
    }
    let nobody = AccountId(99_999);
    assert_eq!((engine.balances(nobody), engine.last_adjustment(nobody)), (None, 0));
    assert_eq!(engine.open_orders(nobody), []);
}

fn compare_definitions(engine: &Engine) {
    let image = engine.image();
    let symbols = engine.symbols();
    assert_eq!(symbols.len(), image.symbols.len());
    for (view, symbol) in symbols.iter().zip(&image.symbols) {
        assert_eq!(Some(view.name.as_str()), name_of(&symbol.name));
        assert_eq!((view.symbol.0, view.base.0, view.quote.0), (symbol.symbol, symbol.base, symbol.quote));
        assert_eq!((view.base_lot.0, view.quote_per_tick_lot.0, view.last.0), (symbol.base_lot, symbol.k, symbol.last));
        assert_eq!(view.status.code(), symbol.status);
        assert_eq!(engine.symbol_named(&view.name), Some(view.symbol));
    }
    assert_eq!(engine.symbol_named("NOBODY"), None);
    let assets: Vec<_> = engine.assets().iter().map(|(id, name, scale)| (id.0, name.clone(), *scale)).collect();
    let expected: Vec<_> =
        image.assets.iter().map(|a| (a.asset, name_of(&a.name).unwrap().to_owned(), a.scale)).collect();
    assert_eq!(assets, expected);
    let keys: Vec<_> = engine.keys().iter().map(|k| (k.key.0, k.role.code(), k.revoked, k.public_key)).collect();
    let expected: Vec<_> = image.keys.iter().map(|k| (k.key, k.role, k.revoked == 1, k.public_key)).collect();
    assert_eq!(keys, expected);
}

/// The symbol that a command concerns: by its field, or by the order that it names, if that is open and the account's.
#[test]
fn the_symbol_of_a_command() {
    let mut venue = Venue::new();
    let mut desk = Desk::new(&mut venue);
    let symbols = [desk.symbol(|_| {}), desk.symbol(|_| {}), desk.symbol(|_| {})];
    desk.rich(&[100, 101]);
    let message = desk.complete(limit(100, symbols[2], Side::Buy, 99, 3));
    let (order, _) = desk.send(&message).accepted();
    let (account, symbol) = (AccountId(100), SymbolId(symbols[1]));
    let engine = &venue.engine;
    let of = |bytes: &[u8]| engine.symbol_of(bytes).0;
    let named = |order, client_id| {
        let cancel = Cancel { account, order, client_id, ..Cancel::new(0) };
        let amend = Amend { account, order, client_id, ..Amend::new(0) };
        assert_eq!(of(cancel.as_bytes()), of(amend.as_bytes()));
        of(cancel.as_bytes())
    };
    assert_eq!(named(order, ClientOrderId::NONE), symbols[2]);
    assert_eq!(named(OrderId(0), message.client_id), symbols[2]);
    assert_eq!(named(OrderId(77), ClientOrderId::NONE), 0);
    assert_eq!(of(Cancel { account: AccountId(101), order, ..Cancel::new(0) }.as_bytes()), 0);
    assert_eq!(of(Cancel { account: AccountId(99), order, ..Cancel::new(0) }.as_bytes()), 0);
    assert_eq!(of(NewOrder { symbol, ..NewOrder::new(0) }.as_bytes()), symbol.0);
    assert_eq!(of(CancelAll { symbol, ..CancelAll::new(0) }.as_bytes()), symbol.0);
    assert_eq!(of(SetStatus { symbol, ..SetStatus::new(0) }.as_bytes()), symbol.0);
    assert_eq!(of(SetSymbol { symbol, ..SetSymbol::new(0) }.as_bytes()), symbol.0);
    assert_eq!(of(Deposit { account, ..Deposit::new(0) }.as_bytes()), 0);
    assert_eq!(of(Continue::new(0).as_bytes()), 0, "nothing is pending");
    assert_eq!(of(&[]), 0);
    Desk::new(&mut venue).cancel_all(100);
    let cancel = Cancel { account, order, ..Cancel::new(0) };
    assert_eq!(venue.engine.symbol_of(cancel.as_bytes()).0, 0, "it has ended");
}

/// The symbol of a CONTINUE is that of the pending work.
#[test]
fn the_symbol_of_pending_work() {
    let narrow = ringbook_wire::message::Genesis {
        max_event_bytes: ringbook_core::MIN_EVENT_BYTES,
        ..ringbook_oracle::scenario::genesis()
    };
    for (work, expected) in [("cancel all", 0), ("cancel one", 2), ("close", 2), ("match", 2), ("uncross", 2)] {
        let mut venue = Venue::with(&narrow);
        let mut desk = Desk::new(&mut venue);
        desk.symbol(|_| {});
        let symbol = desk.symbol(|_| {});
        desk.rich(&[100, 101]);
        if work == "uncross" {
            desk.status(symbol, SymbolStatus::PreOpen);
        }
        for _ in 0..60 {
            desk.place(limit(100, symbol, Side::Sell, 50, 1)).accepted();
        }
        let all = CancelAll { account: AccountId(100), ..CancelAll::new(0) };
        match work {
            "cancel all" => _ = desk.send(&all),
            "cancel one" => _ = desk.send(&CancelAll { symbol: SymbolId(symbol), ..all }),
            "close" => _ = desk.status(symbol, SymbolStatus::Closed),
            _ => _ = desk.place(limit(101, symbol, Side::Buy, 50, 60)),
        }
        if work == "uncross" {
            desk.status(symbol, SymbolStatus::Trading);
        }
        assert!(venue.engine.continuation().is_some(), "{work}");
        assert_eq!(venue.engine.symbol_of(Continue::new(0).as_bytes()).0, expected, "{work}");
    }
}
