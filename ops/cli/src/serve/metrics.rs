//! What the parts tell Prometheus.

use ringbook_feed::{MetricsSource, Samples};
use ringbook_gateway::{GatewayStats, Stage, StageHistograms};
use ringbook_journal::Watermarks;
use ringbook_pipeline::EngineStats;
use ringbook_wire::{BusyReason, SessionError};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

/// The engine's counters.
pub struct EngineMetrics(pub Arc<EngineStats>);

impl MetricsSource for EngineMetrics {
    fn sample(&self, out: &mut Samples) {
        let s = &self.0;
        out.counter("ringbook_engine_commands", "Commands executed", &[], s.commands.load(Relaxed));
        out.counter("ringbook_engine_continues", "CONTINUE commands among them", &[], s.continues.load(Relaxed));
        out.counter("ringbook_engine_event_bytes", "Event bytes written", &[], s.event_bytes.load(Relaxed));
        out.counter("ringbook_engine_not_ready", "Times the journal was not ready", &[], s.not_ready.load(Relaxed));
        out.gauge("ringbook_engine_open_orders", "Open orders", &[], s.open_orders.load(Relaxed) as f64);
        out.gauge("ringbook_engine_failed", "1 after the journal has failed", &[], s.failed.load(Relaxed) as f64);
    }
}

/// Order entry.
pub struct GatewayMetrics {
    pub stats: Arc<GatewayStats>,
    pub stages: Arc<Mutex<StageHistograms>>,
}

impl MetricsSource for GatewayMetrics {
    fn sample(&self, out: &mut Samples) {
        let s = &self.stats;
        out.gauge("ringbook_gateway_connections", "Open connections", &[], s.connections.load(Relaxed) as f64);
        out.counter("ringbook_gateway_logons", "Successful logons", &[], s.logons.load(Relaxed));
        out.counter("ringbook_gateway_resumes", "Sessions resumed from a token", &[], s.resumes.load(Relaxed));
        out.counter("ringbook_gateway_commands", "Commands published", &[], s.commands.load(Relaxed));
        out.counter("ringbook_gateway_reports", "Reports sent", &[], s.reports.load(Relaxed));
        out.counter("ringbook_gateway_bytes_in", "Bytes read", &[], s.bytes_in.load(Relaxed));
        out.counter("ringbook_gateway_bytes_out", "Bytes written", &[], s.bytes_out.load(Relaxed));
        let down = s.sessions_down.load(Relaxed);
        out.counter("ringbook_gateway_sessions_down", "Sessions whose grace period ended", &[], down);
        for &reason in BusyReason::ALL {
            let count = s.busy[reason.code() as usize].load(Relaxed);
            out.counter("ringbook_gateway_busy", "BUSY by reason", &[("reason", reason.name())], count);
        }
        for &code in SessionError::ALL {
            let count = s.errors[code.code() as usize].load(Relaxed);
            out.counter("ringbook_gateway_errors", "ERROR by code", &[("code", code.name())], count);
        }
        // Since the last line of the latency log.
        let Ok(stages) = self.stages.lock().map(|stages| stages.clone()) else {
            return;
        };
        for stage in Stage::ALL {
            let histogram = stages.get(stage);
            for (name, quantile) in [("0.5", 0.5), ("0.99", 0.99), ("0.999", 0.999)] {
                let labels = [("stage", stage.name()), ("quantile", name)];
                let seconds = histogram.value_at_quantile(quantile) as f64 / 1e9;
                out.gauge("ringbook_latency_seconds", "Latency by stage, latest seconds", &labels, seconds);
            }
        }
    }
}

/// The journal.
pub struct JournalMetrics(pub Watermarks);

impl MetricsSource for JournalMetrics {
    fn sample(&self, out: &mut Samples) {
        let (bytes, calls, last_ns) = self.0.sync_metrics();
        out.counter("ringbook_journal_durable_bytes", "Bytes made durable", &[], bytes);
        out.counter("ringbook_journal_syncs", "Group commits", &[], calls);
        out.gauge("ringbook_journal_sync_seconds", "Duration of the last group commit", &[], last_ns as f64 / 1e9);
        let low = f64::from(u8::from(self.0.space_low()));
        out.gauge("ringbook_journal_space_low", "1 while free disk space is below the floor", &[], low);
    }
}

/// The projector.
pub struct ProjectorMetrics(pub super::projection::Standing);

impl MetricsSource for ProjectorMetrics {
    fn sample(&self, out: &mut Samples) {
        let r = self.0.report();
        out.gauge("ringbook_projection_sequence", "Last sequence in the rows", &[], r.sequence as f64);
        out.gauge("ringbook_projection_lag_frames", "Committed frames not in the rows", &[], r.lag_frames as f64);
        out.gauge("ringbook_projection_lag_seconds", "Age of the oldest of them", &[], r.lag_ns as f64 / 1e9);
        out.gauge("ringbook_projection_dead_letters", "Rows refused since the start", &[], r.dead_letters as f64);
        out.counter("ringbook_projection_rows", "Rows written", &[], r.rows);
        out.counter("ringbook_projection_batches", "Transactions", &[], r.batches);
        out.counter("ringbook_projection_retries", "Attempts that had to be repeated", &[], r.retries);
        out.gauge("ringbook_projection_failures", "Failed attempts in a row", &[], f64::from(r.failures));
        let breaker = "Circuit breaker: 0 closed, 1 open, 2 half-open";
        out.gauge("ringbook_projection_breaker", breaker, &[], f64::from(r.breaker as u8));
        let next = "When the next attempt is due, seconds since 1970; 0 if none is";
        out.gauge("ringbook_projection_next_attempt_seconds", next, &[], r.next_attempt_ms as f64 / 1e3);
        let ended = "1 after an error that trying again would not mend: the log says what to do";
        out.gauge("ringbook_projection_ended", ended, &[], f64::from(u8::from(r.ended)));
    }
}
