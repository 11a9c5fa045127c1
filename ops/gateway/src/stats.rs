//! Counters of the gateway, for metrics.

use ringbook_wire::{BusyReason, SessionError};
use std::sync::atomic::{AtomicU64, Ordering};

/// Written by workers, read by whoever shows metrics.
#[derive(Debug, Default)]
pub struct GatewayStats {
    /// Open connections.
    pub connections: AtomicU64,
    /// Connections ever accepted.
    pub accepted: AtomicU64,
    /// Successful logons.
    pub logons: AtomicU64,
    /// Sessions that resumed from a token.
    pub resumes: AtomicU64,
    /// Commands published.
    pub commands: AtomicU64,
    /// Reports sent.
    pub reports: AtomicU64,
    /// Bytes read and written.
    pub bytes_in: AtomicU64,
    /// Bytes written.
    pub bytes_out: AtomicU64,
    /// BUSY by reason (index: [`BusyReason`]'s number).
    pub busy: [AtomicU64; 8],
    /// ERROR by code (index: [`SessionError`]'s number).
    pub errors: [AtomicU64; 16],
    /// SESSION_DOWN commands given.
    pub sessions_down: AtomicU64,
    /// Highest sequence whose reports were sent.
    pub delivered: AtomicU64,
}

impl GatewayStats {
    pub(crate) fn count_busy(&self, reason: BusyReason) {
        self.busy[reason.code() as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_error(&self, code: SessionError) {
        self.errors[code.code() as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Name and value of every counter that has no label.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("connections", get(&self.connections)),
            ("accepted", get(&self.accepted)),
            ("logons", get(&self.logons)),
            ("resumes", get(&self.resumes)),
            ("commands", get(&self.commands)),
            ("reports", get(&self.reports)),
            ("bytes_in", get(&self.bytes_in)),
            ("bytes_out", get(&self.bytes_out)),
            ("sessions_down", get(&self.sessions_down)),
            ("delivered", get(&self.delivered)),
            ("busy", self.busy.iter().map(get).sum()),
            ("errors", self.errors.iter().map(get).sum()),
        ]
    }
}
