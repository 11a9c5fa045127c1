//! What happened during a load, and which refusals are part of it.
//!
//! Invariant: a refusal that a sound exchange would not give to these requests is an error, and errors have words.

use super::source::Happened;
use ringbook_client::Report;
use ringbook_wire::message::{Message, MessageType, NewOrder};
use ringbook_wire::{RejectCode, codec};
use std::collections::BTreeMap;

/// What happened, over all connections.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Requests written.
    pub sent: u64,
    /// Requests answered with a report.
    pub acked: u64,
    /// Of these REJECTED.
    pub rejected: u64,
    /// Requests answered with BUSY.
    pub busy: u64,
    /// Orders that traded at once.
    pub matched: u64,
    /// Protocol errors and unexpected refusals.
    pub errors: u64,
    /// Connections that broke.
    pub disconnects: u64,
    /// Logons after a break.
    pub reconnects: u64,
    /// Reports missing or doubled after a break.
    pub resume_errors: u64,
    /// Requests answered by the history of a resume.
    pub answered_by_resume: u64,
    /// Orders sent again after a resume.
    pub resent: u64,
    /// Orders answered with REPLAYED.
    pub replayed: u64,
    /// Cancels and amendments that a break left without answer, and the history too.
    pub resolved_by_resume: u64,
    /// Refusals by code.
    pub rejects: BTreeMap<u16, u64>,
    /// What happened in a perpetual.
    pub perpetual: Happened,
    /// What the errors were, each once, the first few.
    pub notes: Vec<String>,
}

impl Counts {
    /// Counts an error and keeps its words.
    pub fn error(&mut self, what: String) {
        self.errors += 1;
        self.note(what);
    }

    /// Keeps words that are no error.
    pub fn note(&mut self, what: String) {
        if self.notes.len() < 10 && !self.notes.contains(&what) {
            self.notes.push(what);
        }
    }
}

/// Counts what a request was answered with. `resent`: it was sent again after a break.
pub fn count_outcome(report: &Report, request: &[u8], resent: bool, perpetual: bool, counts: &mut Counts) {
    let new_order = codec::header(request).kind == MessageType::NewOrder as u8;
    match report {
        Report::Rejected(rejected) => {
            counts.rejected += 1;
            *counts.rejects.entry(rejected.code).or_default() += 1;
            // A cancel or amendment may come after its order has ended; the market may have moved beyond a stop order's
            // trigger, and an account's stop orders are bounded.
            let code = RejectCode::from_code(rejected.code);
            let stop = NewOrder::read(request).is_some_and(|order| order.trigger_direction != 0);
            let race = match code {
                Some(RejectCode::UnknownOrder | RejectCode::AmendQty | RejectCode::AmendNothing) => !new_order,
                Some(RejectCode::TriggerImmediate | RejectCode::TooManyOrders) => stop,
                Some(code) => perpetual && is_of_margin(code),
                None => false,
            };
            if !race {
                let name = code.map_or("unknown", RejectCode::name);
                counts.error(format!("unexpected refusal: {name} ({})", rejected.code));
            }
        }
        Report::Replayed(_) if new_order => {
            counts.replayed += 1;
            if resent {
                counts.resume_errors += 1;
                counts.note("an order was executed before the break, but the history after it did not say so".into());
            } else {
                counts.error("an order that was sent once was answered with REPLAYED".into());
            }
        }
        _ => {}
    }
}

/// Refusals that depend on positions, money and marks of the moment: part of trading perpetuals to the edge.
fn is_of_margin(code: RejectCode) -> bool {
    matches!(
        code,
        RejectCode::PositionLimit
            | RejectCode::InsufficientMargin
            | RejectCode::TierLeverage
            | RejectCode::ReduceOnly
            | RejectCode::ReduceOnlyMode
            | RejectCode::NoMark
    )
}
