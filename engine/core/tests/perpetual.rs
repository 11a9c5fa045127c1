//! Perpetuals: the worked examples of DOMAIN §6 and §7 on the engine (docs/PERPETUAL.md).

mod common;

use common::Venue;
use common::compare::{compare, compare_parts, number};
use ringbook_oracle::generate::{Feature, Generator};
use ringbook_oracle::{examples, scenario};

/// `RINGBOOK_SEEDS`, `RINGBOOK_COMMANDS`, `RINGBOOK_SEED`, `RINGBOOK_CHECK_EVERY` as in `oracle.rs`.
#[test]
fn random_streams_with_perpetuals_give_the_oracles_events() {
    let (first, seeds) = (number("RINGBOOK_SEED", 1), number("RINGBOOK_SEEDS", 60));
    let commands = number("RINGBOOK_COMMANDS", 2_000);
    for seed in first..first + seeds {
        compare(seed, commands, Generator::new(seed).with(Feature::Perpetual));
    }
    println!("seeds {first} to {}: {seeds} streams of {commands} commands, every event equal", first + seeds - 1);
}

/// Liquidations, cascades, fundings and settlements in parts of 4 KiB do what they do at once.
#[test]
fn long_work_of_perpetuals_in_parts() {
    let parts: u64 = (1..=number("RINGBOOK_SEEDS", 60) / 4)
        .map(|seed| {
            let generator = Generator::new(seed).with(Feature::Perpetual);
            compare_parts(seed, number("RINGBOOK_COMMANDS", 2_000), generator)
        })
        .sum();
    assert!(parts > 0);
    println!("{parts} parts");
}

#[test]
fn perpetual_examples_hold() {
    let mut failed = Vec::new();
    for (name, example) in examples::PERPETUAL {
        let seen = std::panic::catch_unwind(|| {
            let mut venue = Venue::with(&scenario::genesis());
            example(&mut venue);
            venue.engine.check_invariants().unwrap();
        });
        if seen.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "{} of {}: {failed:?}", failed.len(), examples::PERPETUAL.len());
}
