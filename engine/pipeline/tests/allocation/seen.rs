//! What the counted commands did, read from the journal afterwards.

use ringbook_event::{Event, events, split_command};
use ringbook_journal::{Reader, Sequence};
use ringbook_wire::message::{Message, MessageType, NewOrder};
use ringbook_wire::{EndReason, OrderType};
use std::collections::{BTreeMap, BTreeSet};

/// What must be among the counted commands, and how often at least.
pub const EXPECTED: &[(&str, u64)] = &[
    ("Trade", 1_000),
    ("Prevented", 10),
    ("Refreshed", 100),
    ("Triggered to LIMIT", 100),
    ("Triggered to MARKET", 100),
    ("cascade of several", 10),
    ("Amended in its place", 100),
    ("Amended anew", 100),
    ("Amended, waiting", 100),
    ("Canceled MASS", 100),
    ("Canceled SESSION", 100),
    ("Expired TIME", 20),
    // How often depends on the clock: a busy machine makes fewer.
    ("Expired by TICK", 5),
    ("end of a budget order", 100),
    ("Expired TRIGGER_FAILED", 1),
];

/// What the frames up to a sequence tell.
pub fn happened(reader: &mut Reader, until: Sequence) -> BTreeMap<&'static str, u64> {
    let mut seen = BTreeMap::new();
    let mut budgets = BTreeSet::new();
    while let Some(frame) = reader.next(until).expect("every frame can be read") {
        let mut note = |what| *seen.entry(what).or_insert(0) += 1;
        let (_, header, message) = split_command(frame.command).expect("a whole command");
        let order = NewOrder::read(message);
        let mut triggered = 0;
        for event in events(frame.events) {
            let event = event.expect("whole records");
            match &event {
                Event::Accepted(e) if order.is_some_and(|order| order.budget.0 != 0) => _ = budgets.insert(e.order),
                Event::Trade(_) | Event::Prevented(_) | Event::Refreshed(_) => note(event.name()),
                Event::Triggered(e) => {
                    triggered += 1;
                    let market = e.header.b == OrderType::Market.code();
                    note(if market { "Triggered to MARKET" } else { "Triggered to LIMIT" });
                }
                Event::Amended(e) if e.trigger.0 != 0 => note("Amended, waiting"),
                Event::Amended(e) => note(if e.header.b == 1 { "Amended in its place" } else { "Amended anew" }),
                Event::Canceled(e) if e.header.a == EndReason::Mass.code() => note("Canceled MASS"),
                Event::Canceled(e) if e.header.a == EndReason::Session.code() => note("Canceled SESSION"),
                Event::Expired(e) if e.header.a == EndReason::Time.code() => {
                    note("Expired TIME");
                    if header.kind == MessageType::Tick as u8 {
                        note("Expired by TICK");
                    }
                }
                Event::Expired(e) if e.header.a == EndReason::TriggerFailed.code() => note("Expired TRIGGER_FAILED"),
                Event::Done(e) if budgets.contains(&e.order) => note("end of a budget order"),
                _ => {}
            }
        }
        if triggered > 1 {
            note("cascade of several");
        }
    }
    seen
}
