//! HTTP queries, health and metrics.
