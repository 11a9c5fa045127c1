//! HTTP: books, accounts, status, health and metrics. Everything is read from the shadow and from watermarks; nothing
//! here can slow the engine.
//!
//! ```text
//!  GET ──► axum (one thread, one connection after the other of each client, pipelined) ──► ShadowHandle ──► JSON
//! ```
//!
//! | path | answers |
//! |---|---|
//! | `/v1/book/SYMBOL?depth=N&sequence=S` | the book after exactly S, now if it is left out |
//! | `/v1/symbols`, `/v1/assets` | definitions |
//! | `/v1/accounts/ID`, `/v1/accounts/ID/orders` | balances, open orders (`?min_sequence=N` waits); private |
//! | `/v1/positions/ID` | positions and margin; private |
//! | `/v1/perpetuals`, `/v1/perpetuals/SYMBOL` | terms, mark, funding, open interest |
//! | `/v1/status` | term, watermarks, followers, uptime, version |
//! | `/v1/projection?min_sequence=N&timeout_ms=` | answers when the rows have passed N |
//! | `/metrics` | OpenMetrics text, for Prometheus |
//! | `/health/live`, `/health/ready` | 200, or 503 with the reason |
//!
//! Invariants: every answer but `/metrics` is JSON; an error is `{"error", "remedy"}`; account data goes to this machine
//! only unless the operator opens it.

#![forbid(unsafe_code)]

mod bounded;
mod error;
mod json;
mod metrics;
mod parameters;
mod perpetual;
mod routes;
mod server;
mod sources;

pub use bounded::CONNECTIONS_MAX;
pub use error::FeedError;
pub use metrics::{MetricsSource, Samples};
pub use server::{Feed, FeedOptions, start};
pub use sources::{FollowerStatus, ProjectionSource, ProjectionStatus, Readiness, Sources, Status, StatusSource};

/// The registry that [`Sources`] takes, so that others need no dependency of their own.
pub use prometheus_client;
