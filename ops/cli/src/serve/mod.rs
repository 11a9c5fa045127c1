//! `ringbook serve`: recovers, wires, runs, drains.
//!
//! ```text
//!  lock, tail rule ─► snapshot + tail ─► sync, sealer, preparer threads ─► genesis or quarantine ─► committed
//!   ─► shadow ─► gateway ─► HTTP ─► projector ─► hot threads ─► `ready …` … SIGTERM ─► drain ─► sync ─► snapshot ─► exit
//! ```
//!
//! Invariant: `ready` is printed when orders are accepted and not before; whatever fails before that ends with one line
//! that says what to do, and exit code 2.

mod hot;
mod latency_log;
mod metrics;
mod open;
mod projection;
mod sources;

use crate::config::Config;
use crate::output;
pub use projection::options as projector_options;
use ringbook_feed::{FeedError, FeedOptions, Sources};
use ringbook_gateway::{GatewayError, KeyTable, Worker, WorkerParts};
use ringbook_pipeline::{EngineAgent, EngineClock, InFlight, Stamps, Wake, input_ring};
use ringbook_replay::shadow::{self, Shadow, ShadowHandle, ShadowOptions};
use ringbook_snapshot::Store;
use ringbook_wire::{Sequence, Term};
pub use sources::projector_frame;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Arguments of `ringbook serve`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Runs the exchange",
    after_help = "Examples:\n  ringbook serve\n  ringbook serve --data /var/lib/ringbook --listen 0.0.0.0:7401 --projection mysql://user:password@host/ringbook\n\nPrints `ready order-entry=ADDR http=ADDR` when it accepts orders. SIGTERM drains, syncs, snapshots and exits 0."
)]
pub struct ServeArgs {
    /// Configuration file (see `ringbook init`); flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder [default: ./ringbook-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Order entry address; port 0 picks a free one [default: 127.0.0.1:7401]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// HTTP address; port 0 picks a free one [default: 127.0.0.1:7480]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// When a client hears of its order: written, durable or replicated [default: durable]
    #[arg(long, value_name = "POLICY")]
    pub ack: Option<String>,
    /// Read models: none, sqlite, or mysql://… [default: sqlite]
    #[arg(long, value_name = "URL")]
    pub projection: Option<String>,
    /// Threads: auto, fused or split [default: auto]
    #[arg(long, value_name = "LAYOUT")]
    pub layout: Option<String>,
    /// What idle threads do: adaptive, yield or spin [default: adaptive]
    #[arg(long, value_name = "MODE")]
    pub wait: Option<String>,
}

impl ServeArgs {
    fn config(self) -> Result<Config, String> {
        let mut config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        macro_rules! over {
            ($($field:ident)*) => { $(if let Some(value) = self.$field { config.$field = value; })* };
        }
        over!(data listen http ack projection layout wait);
        config.check()?;
        Ok(config)
    }
}

/// Runs the command.
pub fn run(args: ServeArgs) -> ExitCode {
    log_to_stderr();
    match args.config().and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::could_not(error),
    }
}

/// Where a running exchange says its addresses, for commands that are given its keys alone.
const READY_FILE: &str = "ready";

/// The HTTP address of the exchange that runs, or last ran, on a data folder.
pub fn ready_http(data: &std::path::Path) -> Option<String> {
    let line = std::fs::read_to_string(data.join(READY_FILE)).ok()?;
    line.split_whitespace().find_map(|word| word.strip_prefix("http=")).map(str::to_owned)
}

/// Logs to standard error; `RINGBOOK_LOG` sets the level.
pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("RINGBOOK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    format.with_target(false).with_ansi(colours).init();
}

/// SIGTERM and SIGINT set the flag.
pub fn stop_on_signals(stop: &Arc<AtomicBool>) -> Result<(), String> {
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        // The second signal ends the process at once: the journal survives that.
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .map_err(|error| format!("signals cannot be handled: {error}"))?;
    }
    Ok(())
}

fn serve(config: Config) -> Result<(), String> {
    let began = Instant::now();
    let stop_signal = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop_signal)?;
    raise_file_limit(config.limits.connections as u64 + FILES_BESIDE_CLIENTS)?;
    let layout = config.thread_layout()?;
    let wait = config.wait_mode()?;
    check_ports(&config)?;
    let opened = open::open(&config)?;
    let open::Opened { journal, recovered, history, keys, term } = opened;
    let recovered_from = recovered.snapshot_sequence;

    // Whoever waits for `durable` is woken by the sync thread; they exist only later.
    let hot_wake: Arc<OnceLock<Wake>> = Arc::default();
    let (shadow_handle, shadow_inbox) = ShadowHandle::channel();
    let hook = {
        let (hot_wake, shadow) = (hot_wake.clone(), shadow_handle.clone());
        Arc::new(move || {
            if let Some(wake) = hot_wake.get() {
                wake.notify();
            }
            shadow.wake();
        })
    };
    let tails = journal.tails().to_path_buf();
    let uuid = journal.uuid();
    let (appender, watermarks, background) = journal.start(Arc::new(sources::Streams), Some(hook));

    let (inflight, stranded) = InFlight::open(&tails, recovered.last_sequence).map_err(|error| error.to_string())?;
    inflight.mark_on_panic();
    let reserve = config.ring_slots / 8;
    let (input, ring) = input_ring(config.ring_slots, reserve);
    let stamps = Stamps::new(65_536);
    let shadow_state = Shadow::new(recovered.engine.clone(), history, recovered.binding);
    let mut engine =
        EngineAgent::new(recovered.engine, appender, ring, EngineClock::new(), stamps.clone()).with_inflight(inflight);
    open::first_commands(&mut engine, &config, &keys, stranded)?;
    let delivered = engine.engine().sequence();
    wait_committed(&watermarks, delivered)?;

    let stop_followers = Arc::new(AtomicBool::new(false));
    let store = Store::new(config.data.join("snapshots"));
    let shadow_options = ShadowOptions {
        snapshot_every_frames: config.snapshot_every_frames,
        snapshot_every: Duration::from_secs(config.snapshot_every_seconds),
        recovered_from,
        ..ShadowOptions::default()
    };
    let shadow_thread = {
        let reader = watermarks.reader(ringbook_journal::Sequence(shadow_state.sequence() + 1));
        let (watermarks, stop) = (watermarks.clone(), stop_followers.clone());
        thread("shadow", move || {
            ringbook_journal::step_back();
            shadow::run(shadow_state, reader, &watermarks, Some(store), shadow_inbox, &shadow_options, &stop)
        })?
    };

    let parts = WorkerParts {
        listen: config.listen,
        limits: config.gateway_limits(),
        input,
        watermarks: watermarks.clone(),
        delivered: Sequence(delivered.0),
        keys: KeyTable::new(&engine.engine().keys()),
        flagged: engine.engine().flagged_sessions(),
        stamps,
        engine: engine.stats(),
        states: Box::new(sources::States(shadow_handle.clone())),
        journal: uuid,
        shard: history.shard,
        term: Term(term),
    };
    let (worker, office) = Worker::new(parts).map_err(|error| error.to_string())?;
    let address = worker.address();
    let office_thread = {
        let stop = stop_followers.clone();
        thread("office", move || office.run(&stop))?
    };

    let projector = match config.projection_url() {
        Some(url) => Some(projection::start(&url, &config, &watermarks, &history)?),
        None => None,
    };
    let status = Arc::new(sources::ExchangeStatus::new(&watermarks, engine.stats(), &history, term, began));
    let mut feed_sources = Sources::new(shadow_handle.clone(), status.clone());
    feed_sources.projection =
        projector.as_ref().map(|projector| Arc::new(projector.standing()) as Arc<dyn ringbook_feed::ProjectionSource>);
    feed_sources.metrics = vec![
        Arc::new(metrics::EngineMetrics(engine.stats())),
        Arc::new(metrics::GatewayMetrics { stats: worker.stats(), stages: worker.stages() }),
        Arc::new(metrics::JournalMetrics(watermarks.clone())),
    ];
    if let Some(projector) = &projector {
        feed_sources.metrics.push(Arc::new(metrics::ProjectorMetrics(projector.standing())));
    }
    let feed_options = FeedOptions { listen: config.http, private_http: config.private_http, ..FeedOptions::default() };
    let feed = ringbook_feed::start(&feed_options, feed_sources).map_err(|error| error.to_string())?;
    let log = latency_log::start(&config.data.join("latency.hlog"), worker.stages(), stop_followers.clone())?;

    let hot = hot::start(worker, engine, layout, wait, config.pin, &hot_wake)?;
    status.set_ready();
    let ready = format!("ready order-entry={address} http={}", feed.address());
    let ready_file = config.data.join(READY_FILE);
    if let Err(error) = std::fs::write(&ready_file, format!("{ready}\n")) {
        tracing::warn!(file = %ready_file.display(), %error, "the addresses could not be written: `ringbook admin` needs --http");
    }
    println!("{ready}");
    tracing::info!(
        order_entry = %address, http = %feed.address(), ack = config.ack, layout = ?layout, wait = ?wait,
        data = %config.data.display(), "the exchange is open"
    );

    let mut looked = Instant::now();
    while !stop_signal.load(Ordering::Acquire) && !hot.has_ended() {
        std::thread::sleep(Duration::from_millis(20));
        if !config.keep_history && looked.elapsed() >= RETAIN_EVERY {
            looked = Instant::now();
            retain(&watermarks, &shadow_handle);
        }
    }
    tracing::info!("draining");
    // A command that finds the file anyway asks for the journal's identity before it believes it.
    let _ = std::fs::remove_file(&ready_file);
    status.set_stopping();
    hot.drain(Duration::from_secs(10));
    stop_followers.store(true, Ordering::Release);
    if let Some(projector) = projector {
        projector.stop();
    }
    let shadow_result = shadow_thread.join().map_err(|_| "the shadow panicked".to_owned())?;
    drop((office_thread.join(), log.join()));
    feed.stop();
    background.stop();
    if let Some(reason) = watermarks.failure() {
        return Err(format!("the journal had failed: {reason}"));
    }
    shadow_result.map_err(|error| format!("the shadow had failed: {error}"))?;
    tracing::info!(sequence = watermarks.durable().0, "stopped; everything is on disk");
    Ok(())
}

/// Whether both ports can be had, before anything is made or recovered. They are let go again: nobody shall connect to an
/// exchange that is not ready.
fn check_ports(config: &Config) -> Result<(), String> {
    let (address, http) = (config.listen, config.http);
    let _order_entry =
        TcpListener::bind(address).map_err(|source| GatewayError::Listen { address, source }.to_string())?;
    let _http = TcpListener::bind(http).map_err(|source| FeedError::Bind { address: http, source }.to_string())?;
    Ok(())
}

/// Files of everything but clients: segments, sidecars, tails, the database, HTTP.
const FILES_BESIDE_CLIENTS: u64 = 512 + ringbook_feed::CONNECTIONS_MAX as u64;

/// Clients must never use up the files that the journal needs.
fn raise_file_limit(needed: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(format!(
            "{needed} open files are needed and {} are allowed: raise the limit (ulimit -n, LimitNOFILE=) or lower limits.connections",
            limit.maximum.unwrap_or(0)
        ));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
        .map_err(|error| format!("the limit of open files cannot be raised to {needed}: {error}"))
}

/// How often old segments are looked at.
const RETAIN_EVERY: Duration = Duration::from_secs(10);

/// Removes sealed segments that lie behind two proven snapshots and every live follower.
fn retain(watermarks: &ringbook_journal::Watermarks, shadow: &ShadowHandle) {
    let keep_from = shadow.metrics().retain_from();
    if keep_from == 0 {
        return;
    }
    match watermarks.retain(ringbook_journal::Sequence(keep_from)) {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => tracing::info!(segments = removed.len(), keep_from, "old journal segments were removed"),
        Err(error) => tracing::warn!(%error, "old journal segments could not be removed"),
    }
}

/// Waits until what was executed at start-up is committed.
fn wait_committed(watermarks: &ringbook_journal::Watermarks, sequence: Sequence) -> Result<(), String> {
    let target = ringbook_journal::Sequence(sequence.0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while watermarks.committed() < target {
        if let Some(reason) = watermarks.failure() {
            return Err(format!("the journal has failed: {reason}; nothing was acknowledged"));
        }
        if Instant::now() > deadline {
            return Err("the disk did not take the first commands within 30 s; check it".into());
        }
        let before = ringbook_journal::Sequence(sequence.0.saturating_sub(1));
        watermarks.wait_committed_beyond(before, Duration::from_millis(50));
    }
    Ok(())
}

/// A named thread.
fn thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<T>, String> {
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(|error| format!("no thread for {name}: {error}"))
}
