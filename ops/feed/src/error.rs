//! Errors of the server, and errors that clients get.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ringbook_replay::shadow::QueryError;
use serde::Serialize;
use std::io;
use std::net::SocketAddr;

/// Why the feed does not run.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The address cannot be had.
    #[error(
        "HTTP cannot listen on {address}: {source}. Stop what listens there, or choose another address with --http \
             (port 0 takes a free one)"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error.
        source: io::Error,
    },
    /// The operating system gives no thread or runtime.
    #[error("the HTTP thread cannot be started: {0}. Check the limits of this process")]
    Thread(#[from] io::Error),
}

/// An error that a client gets, as JSON.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub error: String,
    pub remedy: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    remedy: &'a str,
}

impl ApiError {
    pub fn new(status: StatusCode, error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, error: error.into(), remedy: remedy.into() }
    }

    pub fn bad_request(error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, remedy)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body { error: &self.error, remedy: &self.remedy };
        let text = serde_json::to_string(&body).unwrap_or_else(|_| "{}".to_owned());
        (self.status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let (status, remedy) = match &error {
            QueryError::UnknownSymbol(_) => (StatusCode::NOT_FOUND, "GET /v1/symbols lists the symbols"),
            QueryError::UnknownAccount(_) => (StatusCode::NOT_FOUND, "check the account's number"),
            QueryError::UnknownGroup(_) => (
                StatusCode::NOT_FOUND,
                "groups go from 1 on (0 is none); `ringbook admin account ID --group N` puts an account into one",
            ),
            QueryError::TooOld { .. } => {
                (StatusCode::GONE, "ask within some 65,000 commands, or use `ringbook state --at SEQUENCE`")
            }
            QueryError::NotYet { .. } => (StatusCode::GATEWAY_TIMEOUT, "check the sequence, or ask again later"),
            QueryError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "ask again later, with fewer questions at a time"),
            QueryError::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "tell the operator: the server's log says more"),
            QueryError::Stopped | QueryError::Snapshot(_) => (StatusCode::SERVICE_UNAVAILABLE, "ask again later"),
        };
        Self::new(status, error.to_string(), remedy)
    }
}
