//! The paths over a real socket, with a shadow behind them that follows a real journal.

#[path = "../../../replay/tests/common/mod.rs"]
mod common;

use common::{WIDE, World, Writer};
use ringbook_core::Engine;
use ringbook_feed::{
    Feed, FeedError, FeedOptions, FollowerStatus, MetricsSource, ProjectionSource, ProjectionStatus, Readiness,
    Samples, Sources, Status, StatusSource, start,
};
use ringbook_replay::ReplayError;
use ringbook_replay::shadow::{Shadow, ShadowHandle, ShadowOptions, run};
use ringbook_wire::Side;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

struct Here(Mutex<Readiness>);

impl StatusSource for Here {
    fn status(&self) -> Status {
        // Two projectors, one of them beside the server.
        let projector = |pid, sequence| FollowerStatus { name: "projector".into(), pid, sequence, lag: 8 - sequence };
        let followers = vec![projector(11, 8), projector(12, 5)];
        Status { term: 3, written: 9, durable: 8, committed: 8, version: "test".into(), followers, ..Status::default() }
    }
    fn readiness(&self) -> Readiness {
        self.0.lock().unwrap().clone()
    }
}

struct Rows(AtomicU64);

impl ProjectionSource for Rows {
    fn passed(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn status(&self) -> ProjectionStatus {
        let trouble = Some("the database is away".into());
        ProjectionStatus { sequence: self.passed(), trouble, ..ProjectionStatus::default() }
    }
}

struct Extra;

impl MetricsSource for Extra {
    fn sample(&self, out: &mut Samples) {
        out.counter("test_orders", "Orders", &[("side", "buy")], 5);
        out.counter("test_orders", "Orders", &[("side", "sell")], 6);
        out.histogram("test_latency_seconds", "Latency", &[], &[(0.1, 2), (0.5, 3)], 1.5, 6);
    }
}

/// Everything behind the paths.
struct Site {
    world: World,
    writer: Writer,
    feed: Feed,
    status: Arc<Here>,
    rows: Arc<Rows>,
    handle: ShadowHandle,
    stop: Arc<AtomicBool>,
    shadow: JoinHandle<Result<(), ReplayError>>,
    last: u64,
}

impl Site {
    fn new(seed: u64, commands: usize) -> Self {
        let world = World::new();
        let writer = Writer::new(&world, seed, WIDE);
        Self::over(world, writer, commands)
    }

    fn over(world: World, mut writer: Writer, commands: usize) -> Self {
        let (handle, inbox) = ShadowHandle::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (watermarks, flag) = (writer.watermarks.clone(), Arc::clone(&stop));
        let state = Shadow::new(Engine::new(), writer.history, None);
        let shadow = std::thread::spawn(move || {
            let reader = watermarks.reader(ringbook_journal::Sequence(1));
            run(state, reader, &watermarks, None, inbox, &ShadowOptions::default(), &flag)
        });
        let status = Arc::new(Here(Mutex::new(Readiness::Ready)));
        let rows = Arc::new(Rows(AtomicU64::new(5)));
        let mut sources = Sources::new(handle.clone(), Arc::clone(&status) as _);
        sources.projection = Some(Arc::clone(&rows) as _);
        sources.metrics.push(Arc::new(Extra));
        let options = FeedOptions { query_timeout: Duration::from_millis(300), ..FeedOptions::default() };
        let feed = start(&options, sources).unwrap();
        let last = writer.run(commands);
        writer.settle();
        handle.wake();
        let site = Self { world, writer, feed, status, rows, handle, stop, shadow, last };
        let symbol = site.writer.engine.symbols()[0].name.clone();
        assert_eq!(site.get(&format!("/v1/book/{symbol}?sequence={last}")).0, 200);
        site
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = get(self.feed.address(), path);
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}")))
    }

    fn close(self) {
        self.feed.stop();
        self.stop.store(true, Ordering::Release);
        self.handle.wake();
        self.shadow.join().unwrap().unwrap();
        self.writer.close();
        drop(self.world);
    }
}

fn read_answer(stream: &mut BufReader<TcpStream>) -> (u16, String) {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (status, String::from_utf8(body).unwrap())
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    read_answer(&mut BufReader::new(stream))
}

fn levels(engine: &Engine, symbol: &str, side: Side, depth: usize) -> Value {
    let id = engine.symbol_named(symbol).unwrap();
    engine.depth(id, side, depth).iter().map(|(price, total)| json!([price.0, *total as i64])).collect()
}

#[test]
fn books_are_those_of_the_engine() {
    let site = Site::new(41, 400);
    for symbol in site.writer.engine.symbols() {
        for depth in [1, 3, 10_000] {
            let (status, book) = site.get(&format!("/v1/book/{}?depth={depth}", symbol.name));
            let expected = json!({
                "symbol": symbol.name,
                "sequence": site.last,
                "bids": levels(&site.writer.engine, &symbol.name, Side::Buy, depth),
                "asks": levels(&site.writer.engine, &symbol.name, Side::Sell, depth),
            });
            assert_eq!((status, book), (200, expected));
        }
    }
    let name = &site.writer.engine.symbols()[0].name.clone();
    let (status, book) = site.get(&format!("/v1/book/{name}?sequence=100&depth=5"));
    assert_eq!((status, &book["sequence"]), (200, &json!(100)));
    site.close();
}

/// Many requests in one go over one connection: all answered, in order.
#[test]
fn requests_can_be_pipelined() {
    let site = Site::new(42, 300);
    let name = site.writer.engine.symbols()[0].name.clone();
    let stream = TcpStream::connect(site.feed.address()).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let count = 200;
    let mut requests = String::new();
    for back in 0..count {
        requests += &format!("GET /v1/book/{name}?depth=3&sequence={} HTTP/1.1\r\nhost: x\r\n\r\n", site.last - back);
    }
    writer.write_all(requests.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    for back in 0..count {
        let (status, body) = read_answer(&mut reader);
        let book: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &book["sequence"]), (200, &json!(site.last - back)));
    }
    site.close();
}

#[test]
fn definitions_accounts_and_status() {
    let site = Site::new(43, 400);
    let engine = &site.writer.engine;
    let (_, symbols) = site.get("/v1/symbols");
    assert_eq!(symbols["symbols"].as_array().unwrap().len(), engine.symbols().len());
    assert_eq!(symbols["symbols"][0]["name"], json!(engine.symbols()[0].name));
    let (_, assets) = site.get("/v1/assets");
    assert_eq!(assets["assets"].as_array().unwrap().len(), engine.assets().len());
    let mut open = 0;
    for account in engine.account_ids() {
        let (status, answer) = site.get(&format!("/v1/accounts/{account}?min_sequence={}", site.last));
        assert_eq!((status, &answer["sequence"]), (200, &json!(site.last)));
        assert_eq!(answer["balances"].as_array().unwrap().len(), engine.balances(account).unwrap().len());
        let (_, orders) = site.get(&format!("/v1/accounts/{account}/orders"));
        let orders = orders["orders"].as_array().unwrap().clone();
        for (order, view) in orders.iter().zip(engine.open_orders(account)) {
            assert_eq!((&order["order"], &order["remaining"]), (&json!(view.order.0), &json!(view.remaining.0)));
        }
        open += orders.len();
    }
    assert_eq!(open, engine.open_order_count());
    let (_, status) = site.get("/v1/status");
    assert_eq!((&status["term"], &status["durable"]), (&json!(3), &json!(8)));
    let names: Vec<&Value> = status["followers"].as_array().unwrap().iter().map(|follower| &follower["name"]).collect();
    assert_eq!(names, ["projector", "projector", "shadow"]);
    site.close();
}

/// Positions and contracts are those of the engine; some of the stream's accounts hold some.
#[test]
fn perpetuals_and_positions_are_those_of_the_engine() {
    let world = World::new();
    let writer = Writer::new(&world, 45, WIDE).with_perpetuals();
    let site = Site::over(world, writer, 3_000);
    let engine = &site.writer.engine;
    let (_, all) = site.get("/v1/perpetuals");
    let all = all["perpetuals"].as_array().unwrap().clone();
    let contracts: Vec<_> =
        engine.symbols().into_iter().filter_map(|s| Some((s.name, engine.contract_view(s.symbol)?))).collect();
    assert!(!contracts.is_empty() && all.len() == contracts.len(), "the stream makes perpetuals");
    for (listed, (name, view)) in all.iter().zip(&contracts) {
        let (status, one) = site.get(&format!("/v1/perpetuals/{name}?min_sequence={}", site.last));
        assert_eq!((status, &one["kind"], &one["sequence"]), (200, &json!("PERPETUAL"), &json!(site.last)));
        assert_eq!(one["tiers"].as_array().unwrap().len(), view.tiers.len());
        for (field, expected) in [
            ("symbol", json!(view.symbol.0)),
            ("mark", json!(view.mark.0)),
            ("mark_fresh", json!(view.fresh)),
            ("funding_index", json!(view.funding_index)),
            ("open_interest", json!(view.open_interest.0)),
            ("max_leverage", json!(view.max_leverage)),
            ("reduce_only", json!(view.reduce_only)),
        ] {
            assert_eq!((&one[field], &listed[field]), (&expected, &expected), "{name} {field}");
        }
    }
    let mut held = 0;
    for account in engine.account_ids() {
        let (status, answer) = site.get(&format!("/v1/positions/{account}"));
        let positions = answer["positions"].as_array().unwrap();
        assert_eq!((status, positions.len()), (200, engine.positions(account).len()));
        for (position, view) in positions.iter().zip(engine.positions(account)) {
            assert_eq!((&position["quantity"], &position["cost"]), (&json!(view.quantity.0), &json!(view.cost.0)));
            assert_eq!(position["maintenance"].as_i64().map(i128::from), Some(view.maintenance));
            held += usize::from(view.quantity.0 != 0);
        }
        let (margins, (_, wallets)) = (engine.margins(account), site.get(&format!("/v1/accounts/{account}")));
        assert_eq!(answer["margins"].as_array().unwrap().len(), margins.len());
        for (place, margin) in margins.iter().enumerate() {
            assert_eq!(answer["margins"][place]["equity"].as_i64().map(i128::from), Some(margin.equity));
            assert_eq!(wallets["futures"][place]["wallet"], json!(margin.wallet.0));
        }
    }
    assert!(held > 0, "nobody holds a position");
    site.close();
}

#[test]
fn errors_say_what_and_what_to_do() {
    let site = Site::new(44, 100);
    let name = site.writer.engine.symbols()[0].name.clone();
    let beyond = format!("/v1/book/{name}?sequence={}", site.last + 1_000);
    let cases = [
        ("/v1/book/NOTHING", 404, "/v1/symbols"),
        ("/v1/book/NOTHING?depth=0", 400, "1 to 10000"),
        ("/v1/book/NOTHING?depth=x", 400, "whole number"),
        ("/v1/book/NOTHING?deep=1", 400, "depth, sequence"),
        ("/v1/accounts/abc", 400, "its number"),
        ("/v1/positions/abc", 400, "its number"),
        ("/v1/positions/4000000000", 404, "number"),
        ("/v1/perpetuals/NOTHING", 404, "/v1/perpetuals"),
        ("/v1/perpetuals?depth=1", 400, "min_sequence"),
        ("/v1/accounts/4000000000", 404, "number"),
        ("/v1/projection?min_sequence=9&timeout_ms=1", 504, "timeout_ms"),
        ("/v1/projection?timeout_ms=60001", 400, "at most 60000 ms"),
        ("/v1/groups/0", 404, "0 is none"),
        ("/v1/groups/4000000000", 404, "admin account"),
        ("/v1/keys?key=1", 400, "min_sequence"),
        ("/nothing", 404, "/v1/book/SYMBOL"),
        (beyond.as_str(), 504, "ask again later"),
    ];
    for (path, status, remedy) in cases {
        let (got, body) = site.get(path);
        assert_eq!(got, status, "{path}: {body}");
        assert!(body["remedy"].as_str().unwrap().contains(remedy), "{path}: {body}");
        assert!(!body["error"].as_str().unwrap().is_empty());
    }
    let mut stream = TcpStream::connect(site.feed.address()).unwrap();
    write!(stream, "DELETE /v1/symbols HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut BufReader::new(stream)).0, 405);
    site.close();
}

#[test]
fn readiness_metrics_and_rows() {
    let site = Site::new(45, 100);
    assert_eq!(site.get("/health/live").0, 200);
    assert_eq!(site.get("/health/ready").0, 200);
    *site.status.0.lock().unwrap() = Readiness::NotReady("recovering: 40 %".into());
    let (status, body) = site.get("/health/ready");
    assert_eq!((status, &body["error"]), (503, &json!("recovering: 40 %")));

    let (status, text) = get(site.feed.address(), "/metrics");
    assert_eq!(status, 200);
    for line in [
        "test_orders_total{side=\"buy\"} 5",
        "test_orders_total{side=\"sell\"} 6",
        "test_latency_seconds_bucket{le=\"0.5\"} 5",
        "test_latency_seconds_bucket{le=\"+Inf\"} 6",
        "ringbook_watermark{name=\"durable\"} 8.0",
        "ringbook_shadow_failed 0.0",
        "ringbook_follower_lag_frames{name=\"projector\",pid=\"11\"} 0.0",
        "ringbook_follower_lag_frames{name=\"projector\",pid=\"12\"} 3.0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let mut series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let series_key = |line: &str| line.rsplit_once(' ').map(|(key, _)| key.to_owned());
    let count = series.len();
    series.sort_unstable();
    series.dedup_by_key(|line| series_key(line));
    assert_eq!(series.len(), count, "a series stands once");

    let (status, body) = site.get("/v1/projection?min_sequence=5");
    assert_eq!((status, &body["sequence"], &body["trouble"]), (200, &json!(5), &json!("the database is away")));
    let rows = Arc::clone(&site.rows);
    let (begun, begin) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        begin.recv().unwrap();
        rows.0.store(7, Ordering::Relaxed);
    });
    begun.send(()).unwrap();
    let (status, body) = site.get("/v1/projection?min_sequence=6&timeout_ms=20000");
    assert_eq!((status, &body["sequence"]), (200, &json!(7)));
    thread.join().unwrap();
    site.close();
}

#[test]
fn a_busy_port_is_named_and_a_queue_without_shadow_is_told() {
    let (handle, inbox) = ShadowHandle::channel();
    let status = Arc::new(Here(Mutex::new(Readiness::NotReady("recovering".into()))));
    let options = FeedOptions { query_timeout: Duration::from_millis(1), ..FeedOptions::default() };
    let feed = start(&options, Sources::new(handle.clone(), Arc::clone(&status) as _)).unwrap();
    let taken = FeedOptions { listen: feed.address(), ..options };
    let error = start(&taken, Sources::new(handle, status)).unwrap_err();
    assert!(matches!(&error, FeedError::Bind { address, .. } if *address == feed.address()), "{error}");
    assert!(error.to_string().contains(&feed.address().to_string()));
    // The shadow does not run yet: a question ends, with a pointer to the reason.
    let (status, body) = get(feed.address(), "/v1/symbols");
    assert!(status == 503 && body.contains("/health/ready"), "{status} {body}");
    assert_eq!(get(feed.address(), "/v1/projection").0, 404);
    drop(inbox);
    assert_eq!(get(feed.address(), "/v1/symbols").0, 503);
    feed.stop();
}
