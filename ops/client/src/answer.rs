//! The answer to a command: all reports of its sequence, and whether it was refused.

use crate::Report;
use ringbook_wire::{OrderId, RejectCode};
use std::fmt;

/// All reports that this session got of the command that answered a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Number of the request.
    pub request: u32,
    /// The reports, in order; at least one carries the request's number.
    pub reports: Vec<Report>,
}

/// A refusal by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection(pub u16);

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match RejectCode::from_code(self.0) {
            Some(code) => write!(f, "{code} ({})", self.0),
            None => write!(f, "reject code {}", self.0),
        }
    }
}

impl std::error::Error for Rejection {}

impl Answer {
    /// The report that answers the request, or the refusal.
    ///
    /// # Errors
    /// The engine refused, now or (REPLAYED, repeated TRANSFER) when the request was first executed.
    pub fn result(&self) -> Result<Report, Rejection> {
        let report = self.reports.iter().find(|report| report.request() == self.request).or(self.reports.first());
        match report.copied() {
            Some(Report::Rejected(rejected)) => Err(Rejection(rejected.code)),
            Some(Report::Replayed(replayed)) if replayed.code != 0 => Err(Rejection(replayed.code)),
            Some(Report::Transfer(transfer)) if transfer.code != 0 => Err(Rejection(transfer.code)),
            Some(report) => Ok(report),
            None => Err(Rejection(0)),
        }
    }

    /// Sequence of the command.
    pub fn sequence(&self) -> u64 {
        self.reports.first().map_or(0, |report| report.place().sequence.0)
    }

    /// Engine's number of the order that was accepted, or that the repetition found.
    pub fn order(&self) -> Option<OrderId> {
        self.reports.iter().find_map(|report| match report {
            Report::Accepted(accepted) => Some(accepted.order),
            Report::Replayed(replayed) if replayed.order.0 != 0 => Some(replayed.order),
            _ => None,
        })
    }
}
