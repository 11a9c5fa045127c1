//! What is stored must be computed the same way for ever: payload hashes stand in snapshots and in the state hash, so a
//! change of their formula would make old snapshots disagree with new engines.

mod common;

use common::Venue;
use ringbook_event::Origin;
use ringbook_oracle::generate::Generator;
use ringbook_oracle::scenario::{Desk, USDT, genesis, limit};
use ringbook_oracle::{Exchange, Oracle, text};
use ringbook_wire::message::{Deposit, Genesis, Message, Withdraw};
use ringbook_wire::{AccountId, Amount, AssetId, RejectCode, Side};
use zerocopy::IntoBytes;

/// Pinned: whoever changes these numbers changes the schema of images (`ringbook_core::image::SCHEMA`).
#[test]
fn payload_hashes_are_pinned() {
    let mut venue = Venue::with(&Genesis { seed: [0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210], ..genesis() });
    let mut desk = Desk::new(&mut venue);
    desk.rich(&[100]);
    desk.withdraw(100, USDT, 7);
    let symbol = desk.symbol(|_| {});
    desk.place(limit(100, symbol, Side::Buy, 99, 3)).accepted();
    let image = venue.engine.image();
    let money = image.accounts.iter().find(|account| account.account == 100).unwrap().adjustment_payload;
    assert_eq!((money, image.orders[0].payload), (11_350_397_335_195_556_971, 7_711_429_786_012_594_954));
}

/// DOMAIN §3.2: a withdrawal with the bytes of the last deposit is another payload, whatever the seed.
#[test]
fn the_type_of_a_message_is_part_of_its_payload() {
    for seed in [[0, 0], [7, 11], [u64::MAX, u64::MAX], [1 << 63, 0]] {
        let mut venue = Venue::with(&Genesis { seed, ..genesis() });
        let mut desk = Desk::new(&mut venue);
        desk.account(100, 0);
        let (account, asset, amount) = (AccountId(100), AssetId(USDT), Amount(5));
        let deposit = Deposit { account, asset, amount, adjustment: 1, ..Deposit::new(0) };
        let withdraw = Withdraw { account, asset, amount, adjustment: 1, ..Withdraw::new(0) };
        assert_eq!(deposit.as_bytes()[8..], withdraw.as_bytes()[8..]);
        assert_eq!(desk.send(&deposit).names(), ["Transfer"]);
        desk.send(&withdraw).refused(RejectCode::AdjustmentOld);
        assert_eq!(desk.send(&deposit).names(), ["Transfer"], "again");
    }
}

/// A seed under which every client id has one hash: only the comparison of ids and accounts keeps them apart.
#[test]
fn colliding_client_ids_are_told_apart() {
    for seed in 1..=6 {
        let mut generator = Generator::new(seed);
        let genesis = Genesis { seed: [0xE703_7ED1_A0B4_28DB, 11], ..generator.genesis() };
        let mut venue = Venue::with(&genesis);
        let mut oracle = Oracle::new(&genesis);
        for step in 0..1_000 {
            let command = generator.next_command();
            let (time, origin): (u64, Origin) = (command.time_ns, command.origin);
            let sequence = venue.engine.sequence().0 + 1;
            let expected = oracle.apply(sequence, time, origin, &command.message);
            let got = Exchange::apply(&mut venue, sequence, time, origin, &command.message);
            let print = |events: &[_]| events.iter().map(text::event).collect::<Vec<_>>();
            assert_eq!(print(&got), print(&expected), "seed {seed}, command {step}");
            generator.observe(&got);
        }
    }
}
