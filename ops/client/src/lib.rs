//! The Rust client of Ringbook's order entry: retry, resume, idempotency.
