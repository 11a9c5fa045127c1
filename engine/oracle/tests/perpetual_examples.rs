//! Perpetuals: the worked examples of DOMAIN §6 and §7 on the naive oracle (docs/PERPETUAL.md).

use ringbook_oracle::{Oracle, examples, scenario};

#[test]
fn perpetual_examples_hold() {
    let mut failed = Vec::new();
    for (name, example) in examples::PERPETUAL {
        let seen = std::panic::catch_unwind(|| {
            example(&mut Oracle::new(&scenario::genesis()));
        });
        if seen.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "{} of {}: {failed:?}", failed.len(), examples::PERPETUAL.len());
}
