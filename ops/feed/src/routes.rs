//! The paths. Each handler reads its parameters, asks, and writes JSON; none of them blocks the thread.

use crate::bounded::Peer;
use crate::error::ApiError;
use crate::json;
use crate::parameters::numbers;
use crate::perpetual::{perpetual, perpetuals, positions};
use crate::sources::{FollowerStatus, ProjectionSource, Readiness, StatusSource};
use axum::Router;
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use ringbook_replay::shadow::{QueryError, Shadow, ShadowHandle, Wait};
use ringbook_wire::AccountId;
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Depth if none is asked for.
const DEPTH_DEFAULT: u64 = 20;
/// Deepest book that is answered.
const DEPTH_MAX: u64 = 10_000;
/// Longest wait for rows.
const PROJECTION_WAIT_MS_MAX: u64 = 60_000;
/// How long a request for rows waits by default.
const PROJECTION_WAIT_MS: u64 = 5_000;
/// How often the rows' progress is looked at.
const PROJECTION_POLL: Duration = Duration::from_millis(2);
/// Beyond a question's own time: then the shadow is not running yet, or stuck.
const GRACE: Duration = Duration::from_secs(1);

/// What every handler reads.
pub(crate) struct App {
    pub shadow: ShadowHandle,
    pub status: Arc<dyn StatusSource>,
    pub projection: Option<Arc<dyn ProjectionSource>>,
    pub registry: Registry,
    pub private_http: bool,
    pub query_timeout: Duration,
}

pub(crate) type Shared = State<Arc<App>>;
pub(crate) type Answer = Result<Response, ApiError>;

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/book/{symbol}", get(book))
        .route("/v1/symbols", get(symbols))
        .route("/v1/assets", get(assets))
        .route("/v1/accounts/{account}", get(account))
        .route("/v1/accounts/{account}/orders", get(orders))
        .route("/v1/positions/{account}", get(positions))
        .route("/v1/perpetuals", get(perpetuals))
        .route("/v1/perpetuals/{symbol}", get(perpetual))
        .route("/v1/groups/{group}", get(group))
        .route("/v1/keys", get(keys))
        .route("/v1/status", get(status))
        .route("/v1/projection", get(projection))
        .route("/metrics", get(metrics))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(app)
}

fn body(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

pub(crate) fn json<T: Serialize>(value: &T) -> Answer {
    let failed = |error: serde_json::Error| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), "tell the operator")
    };
    serde_json::to_string(value).map(body).map_err(failed)
}

impl App {
    /// Asks the shadow without blocking this thread.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        at_least: u64,
        question: impl FnOnce(&Shadow) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (sender, answer) = oneshot::channel();
        // A client that has gone needs no answer.
        let reply = move |result| drop(sender.send(result));
        self.shadow.ask(Wait::until(at_least, self.query_timeout), question, reply);
        match tokio::time::timeout(self.query_timeout + GRACE, answer).await {
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(_)) => Err(QueryError::Stopped.into()),
            Err(_) => {
                let remedy = "GET /health/ready says why; ask again later";
                Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "queries are not served yet", remedy))
            }
        }
    }
}

/// Account data goes to this machine alone, unless the operator opens it.
fn check_private(peer: SocketAddr, private_http: bool) -> Result<(), ApiError> {
    if private_http || peer.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let error = format!("account data is not served to {}: only to this machine", peer.ip());
    let remedy = "ask from the exchange's own machine, use order entry (STATE_REQUEST), or set private_http = true in the \
                  configuration behind a network that you trust";
    Err(ApiError::new(StatusCode::FORBIDDEN, error, remedy))
}

async fn book(State(app): Shared, Path(symbol): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let [depth, sequence] = numbers(query.as_deref(), ["depth", "sequence"])?;
    let depth = depth.unwrap_or(DEPTH_DEFAULT);
    if !(1..=DEPTH_MAX).contains(&depth) {
        let remedy = format!("ask for 1 to {DEPTH_MAX} levels");
        return Err(ApiError::bad_request(format!("depth {depth} is out of bounds"), remedy));
    }
    let question = move |shadow: &Shadow| shadow.book_at(&symbol, depth as usize, sequence);
    let book = app.ask(sequence.unwrap_or(0), question).await;
    let book = book.map_err(|error| archived(error, sequence.unwrap_or(0), app.status.status().oldest))?;
    Ok(body(json::book(&book)))
}

/// A book that is too old for memory is in the journal, if that still begins with the first frame.
fn archived(error: ApiError, asked: u64, oldest: u64) -> ApiError {
    if error.status != StatusCode::GONE || oldest <= 1 {
        return error;
    }
    let remedy = format!(
        "the journal here begins at {oldest}: `ringbook state --at {asked}` reads the book only where a snapshot at or below \
         {asked} is left (`ringbook snapshot list`); else ask where the archived segments are"
    );
    ApiError { remedy, ..error }
}

async fn symbols(State(app): Shared, RawQuery(query): RawQuery) -> Answer {
    let [min_sequence] = numbers(query.as_deref(), ["min_sequence"])?;
    let question = |shadow: &Shadow| Ok((shadow.sequence(), shadow.exchange_status(), shadow.symbols()));
    let (sequence, exchange, symbols) = app.ask(min_sequence.unwrap_or(0), question).await?;
    let symbols = symbols.into_iter().map(Into::into).collect();
    json(&json::Symbols { sequence, exchange: exchange.name(), symbols })
}

async fn assets(State(app): Shared, RawQuery(query): RawQuery) -> Answer {
    let [min_sequence] = numbers(query.as_deref(), ["min_sequence"])?;
    let question = |shadow: &Shadow| Ok((shadow.sequence(), shadow.assets()));
    let (sequence, assets) = app.ask(min_sequence.unwrap_or(0), question).await?;
    let asset =
        |(asset, name, scale): (ringbook_wire::AssetId, String, u8)| json::Asset { asset: asset.0, name, scale };
    json(&json::Assets { sequence, assets: assets.into_iter().map(asset).collect() })
}

/// The number of an account or a group in a path.
fn number_of(what: &str, text: &str) -> Result<u32, ApiError> {
    let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).map(str::parse);
    match number {
        Some(Ok(number)) => Ok(number),
        _ => {
            let remedy = format!("give its number, as in /v1/{what}s/1001");
            Err(ApiError::bad_request(format!("{text:?} is not an {what}").replace("an group", "a group"), remedy))
        }
    }
}

/// The state of an account that exists.
pub(crate) async fn account_state(
    app: &App,
    peer: SocketAddr,
    account: &str,
    query: Option<&str>,
) -> Result<(u32, ringbook_replay::shadow::AccountState), ApiError> {
    check_private(peer, app.private_http)?;
    let account = number_of("account", account)?;
    let [min_sequence] = numbers(query, ["min_sequence"])?;
    let question = move |shadow: &Shadow| {
        let state = shadow.account_state(AccountId(account));
        if state.exists { Ok(state) } else { Err(QueryError::UnknownAccount(account)) }
    };
    Ok((account, app.ask(min_sequence.unwrap_or(0), question).await?))
}

async fn account(
    State(app): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let (account, state) = account_state(&app, peer, &account, query.as_deref()).await?;
    let balances = state.balances.into_iter().map(Into::into).collect();
    let futures =
        state.margins.iter().map(|view| json::Futures { asset: view.asset.0, wallet: view.wallet.0 }).collect();
    let fees = state.fees.into_iter().map(Into::into).collect();
    json(&json::Account {
        account,
        sequence: state.sequence,
        adjustment: state.adjustment,
        group: state.group,
        suspended: state.suspended,
        fees,
        balances,
        futures,
    })
}

async fn orders(
    State(app): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let (account, state) = account_state(&app, peer, &account, query.as_deref()).await?;
    let orders = state.orders.into_iter().map(Into::into).collect();
    json(&json::Orders { account, sequence: state.sequence, orders })
}

async fn group(
    State(app): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Path(group): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    check_private(peer, app.private_http)?;
    let group = number_of("group", &group)?;
    let [min_sequence] = numbers(query.as_deref(), ["min_sequence"])?;
    let question = move |shadow: &Shadow| Ok((shadow.sequence(), shadow.accounts_of_group(group)?));
    let (sequence, accounts) = app.ask(min_sequence.unwrap_or(0), question).await?;
    json(&json::Group { group, sequence, accounts: accounts.into_iter().map(|account| account.0).collect() })
}

async fn keys(State(app): Shared, ConnectInfo(Peer(peer)): ConnectInfo<Peer>, RawQuery(query): RawQuery) -> Answer {
    check_private(peer, app.private_http)?;
    let [min_sequence] = numbers(query.as_deref(), ["min_sequence"])?;
    let question = |shadow: &Shadow| Ok((shadow.sequence(), shadow.keys()));
    let (sequence, keys) = app.ask(min_sequence.unwrap_or(0), question).await?;
    json(&json::Keys { sequence, keys: keys.into_iter().map(Into::into).collect() })
}

async fn status(State(app): Shared, RawQuery(query): RawQuery) -> Answer {
    let [] = numbers(query.as_deref(), [])?;
    let mut status = app.status.status();
    if !status.followers.iter().any(|follower| follower.name == "shadow") {
        let metrics = app.shadow.metrics();
        let (sequence, lag) = (metrics.sequence(), status.committed.saturating_sub(metrics.sequence()));
        status.followers.push(FollowerStatus { name: "shadow".to_owned(), pid: std::process::id(), sequence, lag });
    }
    json(&status)
}

async fn projection(State(app): Shared, RawQuery(query): RawQuery) -> Answer {
    let [min_sequence, timeout_ms] = numbers(query.as_deref(), ["min_sequence", "timeout_ms"])?;
    let Some(projection) = &app.projection else {
        let remedy = "start the exchange with --projection sqlite or --projection mysql://…";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "this exchange keeps no read models", remedy));
    };
    let wanted = min_sequence.unwrap_or(0);
    let timeout_ms = timeout_ms.unwrap_or(PROJECTION_WAIT_MS);
    if timeout_ms > PROJECTION_WAIT_MS_MAX {
        let remedy = format!("wait at most {PROJECTION_WAIT_MS_MAX} ms, and ask again");
        return Err(ApiError::bad_request(format!("timeout_ms {timeout_ms} is out of bounds"), remedy));
    }
    let timeout = Duration::from_millis(timeout_ms);
    let deadline = Instant::now() + timeout;
    loop {
        let sequence = projection.passed();
        if sequence >= wanted {
            return json(&projection.status());
        }
        if Instant::now() >= deadline {
            let trouble = projection.status().trouble.map_or(String::new(), |trouble| format!(" ({trouble})"));
            let error = format!("the rows have passed {sequence}, not {wanted} yet{trouble}");
            let remedy = "ask again, with a longer timeout_ms (at most 60000)";
            return Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, error, remedy));
        }
        tokio::time::sleep(PROJECTION_POLL).await;
    }
}

async fn metrics(State(app): Shared) -> Answer {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &app.registry).is_err() {
        let error = "the metrics cannot be written";
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error, "tell the operator"));
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn live() -> Response {
    body("{\"live\":true}".to_owned())
}

async fn ready(State(app): Shared) -> Answer {
    let stopped = app.shadow.metrics().failure().map(|why| format!("the shadow has stopped: {why}"));
    match (app.status.readiness(), stopped) {
        (Readiness::Ready, None) => Ok(body("{\"ready\":true}".to_owned())),
        (Readiness::NotReady(why), _) | (Readiness::Ready, Some(why)) => {
            let remedy = "wait if it is starting; else the server's log says what to do";
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why, remedy))
        }
    }
}

async fn not_found(uri: axum::http::Uri) -> ApiError {
    let remedy = "paths: /v1/book/SYMBOL, /v1/symbols, /v1/assets, /v1/accounts/ID, /v1/accounts/ID/orders, /v1/positions/ID, \
                  /v1/perpetuals, /v1/perpetuals/SYMBOL, /v1/groups/ID, /v1/keys, /v1/status, /v1/projection, /metrics, /health/live, /health/ready";
    ApiError::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()), remedy)
}

async fn not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here", "orders go to the order entry port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_data_stays_on_this_machine() {
        for (peer, here) in [
            ("127.0.0.1:9", true),
            ("[::1]:9", true),
            ("[::ffff:127.0.0.2]:9", true),
            ("10.0.0.1:9", false),
            ("[fe80::1]:9", false),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(check_private(peer, false).is_ok(), here, "{peer}");
            assert!(check_private(peer, true).is_ok());
        }
        let error = check_private("10.0.0.1:9".parse().unwrap(), false).unwrap_err();
        assert!(error.status == StatusCode::FORBIDDEN && error.remedy.contains("private_http = true"));
    }
    #[test]
    fn an_old_book_is_sent_to_the_journal_only_as_far_as_that_reaches() {
        let error = || ApiError::new(StatusCode::GONE, "not in memory any more", "`ringbook state --at SEQUENCE`");
        assert_eq!(archived(error(), 100, 1).remedy, error().remedy);
        let remedy = archived(error(), 100, 4_141).remedy;
        assert!(remedy.contains("begins at 4141") && remedy.contains("snapshot at or below 100"), "{remedy}");
        let other = ApiError { status: StatusCode::NOT_FOUND, ..error() };
        assert_eq!(archived(other, 100, 4_141).remedy, error().remedy);
    }
}
