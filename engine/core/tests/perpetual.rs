//! Perpetuals: the worked examples of DOMAIN §6 and §7 on the engine (docs/PERPETUAL.md).

mod common;

use common::Venue;
use ringbook_oracle::{examples, scenario};

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
