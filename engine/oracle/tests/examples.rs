//! The examples against the oracle; its invariants hold at the end of each.

use ringbook_oracle::{Oracle, examples, scenario};

fn run(example: examples::Example) {
    let mut oracle = Oracle::new(&scenario::genesis());
    example(&mut oracle);
    oracle.check();
}

macro_rules! examples {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            run(examples::$name);
        })+

        #[test]
        fn all_are_listed() {
            let mut here = vec![$(stringify!($name)),+];
            let mut listed: Vec<_> = examples::ALL.iter().map(|(name, _)| *name).collect();
            here.sort_unstable();
            listed.sort_unstable();
            assert_eq!(here, listed);
        }
    };
}

examples! {
    e01 e02 e03 e04 e05 e06 e07 e08 e09 e10 e11 e12 e34 e35 e36
    adjustments amend_as_taker amend_trigger budget_ends budget_stp cancel_all client_ids close_symbol configuration
    fok_hidden gtd_expiry iceberg_amend iceberg_stp keys market_without_book pre_open quarantine session_down
    status_and_suspension stop_fails stop_in_pre_open stop_limits
    amend_nothing_outside_the_band amend_orig_to_its_bound amend_to_the_fee_of_a_lot auction_surplus_turns
    budget_where_lots_are_free quarantine_of_the_last_adjustment stop_under_changed_terms
}

/// The examples of perpetuals.
#[test]
fn perpetual_examples() {
    for (name, example) in examples::PERPETUAL {
        println!("{name}");
        run(*example);
    }
}
