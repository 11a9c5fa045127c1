//! What the feed asks of the rest of the exchange.

use crate::metrics::MetricsSource;
use prometheus_client::registry::Registry;
use ringbook_replay::shadow::ShadowHandle;
use serde::Serialize;
use std::sync::Arc;

/// A follower of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FollowerStatus {
    /// Its name.
    pub name: String,
    /// Its process: two followers may have the same name.
    pub pid: u32,
    /// Last sequence that it has passed.
    pub sequence: u64,
    /// Committed frames that it has not passed.
    pub lag: u64,
}

/// Where the exchange stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Shard.
    pub shard: u32,
    /// The journal's identity, as LOGON_ACCEPTED gives it, in hexadecimal.
    pub journal: String,
    /// Current term.
    pub term: u32,
    /// `starting`, `running`, `read-only`, `stopped` or `failed`.
    pub state: String,
    /// Highest sequence that survives the process.
    pub written: u64,
    /// Highest sequence that survives the machine's power.
    pub durable: u64,
    /// Highest sequence that the replicated log confirmed.
    pub replicated: u64,
    /// Highest sequence that may leave the process.
    pub committed: u64,
    /// First sequence that can be read.
    pub oldest: u64,
    /// Followers; the shadow is added here by the feed.
    pub followers: Vec<FollowerStatus>,
    /// Seconds since the start.
    pub uptime_seconds: f64,
    /// Version of the binary.
    pub version: String,
}

/// Whether orders are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    Ready,
    /// They are not, and why: recovering, failed, read-only.
    NotReady(String),
}

/// Knows where the exchange stands.
pub trait StatusSource: Send + Sync {
    /// Watermarks and followers.
    fn status(&self) -> Status;
    /// Whether orders are accepted.
    fn readiness(&self) -> Readiness;
}

/// How the read models stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProjectionStatus {
    /// The rows hold everything up to this sequence.
    pub sequence: u64,
    /// Committed frames that are not in the rows.
    pub lag_frames: u64,
    /// Age of the oldest of them in seconds.
    pub lag_seconds: f64,
    /// The circuit breaker: `closed`, `open`, `half-open`; `ended` after an error that trying again would not mend.
    pub state: String,
    /// Failed attempts in a row.
    pub failures: u32,
    /// When the next attempt is due, in milliseconds since 1970; 0 if none is.
    pub next_attempt_ms: u64,
    /// Rows refused since the start.
    pub dead_letters: u64,
    /// Why the rows stand still, if they do.
    pub trouble: Option<String>,
}

/// Knows how far the read models are.
pub trait ProjectionSource: Send + Sync {
    /// The rows hold everything up to this sequence.
    fn passed(&self) -> u64;
    /// Everything else.
    fn status(&self) -> ProjectionStatus;
}

/// Everything that the feed reads.
pub struct Sources {
    /// The shadow. Its channel may exist before the shadow runs: `/health/ready` tells the difference.
    pub shadow: ShadowHandle,
    /// Watermarks and readiness.
    pub status: Arc<dyn StatusSource>,
    /// The read models, if there are any.
    pub projection: Option<Arc<dyn ProjectionSource>>,
    /// Sampled at each scrape, beside the registry.
    pub metrics: Vec<Arc<dyn MetricsSource>>,
    /// Metrics that others have registered.
    pub registry: Registry,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("shadow", &self.shadow).finish_non_exhaustive()
    }
}

impl Sources {
    /// Without projection and further metrics.
    pub fn new(shadow: ShadowHandle, status: Arc<dyn StatusSource>) -> Self {
        Self { shadow, status, projection: None, metrics: Vec::new(), registry: Registry::default() }
    }
}
