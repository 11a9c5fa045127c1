//! DOMAIN §4.3: every reason that spot can give is given, each by a script of its own.

use crate::drive::{Watched, drive};
use crate::table::{Cell, Occasion, State, cell};
use ringbook_wire::EndReason;

/// Whether a reason can be given today.
enum Reach {
    /// From these states.
    Spot(&'static [State]),
    /// By perpetual contracts, which are not built.
    Perpetual,
}

/// Where a reason ends an order from. A new reason does not compile without its entry.
const fn reach(reason: EndReason) -> Reach {
    const OPEN: &[State] = &[State::Untriggered, State::New, State::PartiallyFilled];
    const RAN: &[State] = &[State::New, State::PartiallyFilled];
    const FRESH: &[State] = &[State::New];
    match reason {
        EndReason::User | EndReason::Mass | EndReason::Session => Reach::Spot(OPEN),
        EndReason::Time | EndReason::Status | EndReason::Fault => Reach::Spot(OPEN),
        EndReason::Ioc | EndReason::NoLiquidity | EndReason::Protection | EndReason::Stp => Reach::Spot(RAN),
        EndReason::Fok | EndReason::Budget | EndReason::TriggerFailed => Reach::Spot(FRESH),
        EndReason::ReduceOnly | EndReason::Margin | EndReason::Liquidation | EndReason::Adl => Reach::Perpetual,
    }
}

#[test]
fn domain_4_3_every_reason_is_given() {
    let (mut given, mut later) = (0, Vec::new());
    for &reason in EndReason::ALL {
        let occasion = Occasion::of(reason);
        let Reach::Spot(states) = reach(reason) else {
            assert!(State::ALL.iter().all(|&state| !matches!(cell(state, occasion), Cell::To(_))), "{reason}");
            later.push(reason);
            continue;
        };
        for &from in State::ALL.iter().filter(|state| state.is_open()) {
            let ends = matches!(cell(from, occasion), Cell::To(next) if !next.is_open());
            assert_eq!(ends, states.contains(&from), "{reason} in {from:?}: the table says otherwise");
        }
        for &from in states {
            // The watch has compared EXPIRED or CANCELED, DONE and the table.
            let mut exchange = Watched::new();
            let subject = drive(&mut exchange, from, occasion).expect("there is a script");
            let ended = |step: &&crate::watch::Step| subject.is(step) && step.occasion == occasion && step.from == from;
            assert_eq!(exchange.steps.iter().filter(ended).count(), 1, "{reason} in {from:?}");
            given += 1;
        }
    }
    println!("{given} ends; not reachable without perpetuals: {later:?}");
}
