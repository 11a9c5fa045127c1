//! `ringbook load`: open-loop load with intended send times.
//!
//! Request k is due at `start + k / rate`, whatever the exchange does; its latency counts from that moment, so a stall
//! shows in every request that it delayed (no coordinated omission). One thread does everything and sleeps in poll(2)
//! until something arrives or is due; its own share is measured as stage `send_lag`, its processor time is reported.
//!
//! ```text
//!            due? ──► Link (round robin among the ready ones) ──► socket
//!   mark due? ──► Link of the market (perpetuals) ───────────────► socket
//!  wait ◄─── nothing moved                                          │
//!            reports ──► counts, latencies, ledger  ◄───────────────┘
//! ```
//!
//! Invariants: a request that is due is never left out: while no connection can take it, it waits and its latency
//! grows; what was never sent when time is up is counted as `unsent`, what was sent and never answered as `lost`.

mod counts;
mod generator;
pub(crate) mod latency;
mod link;
mod mix;
mod perpetual;
mod setup;
mod source;
mod summary;

use crate::flow::market::{key, random};
use crate::ledger;
use counts::Counts;
use generator::{Generator, Terms};
use latency::Latencies;
use link::{Books, Link};
use mix::Mix;
use ringbook_client::Options;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use source::{Market, Source};
use std::cell::Cell;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};
use summary::Summary;

/// Requests sent in one turn before reports are read.
const BURST: usize = 64;
/// Longest sleep, so that heartbeats, the ledger and reconnects have their time.
const LONGEST_SLEEP: Duration = Duration::from_millis(5);

/// Arguments of `ringbook load`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Open-loop load with intended send times; latency, losses, resume checks",
    after_help = "Examples:\n  \
        ringbook load --connect 127.0.0.1:7401 --rate 5000 --duration 60 --json\n  \
        ringbook load --connect 127.0.0.1:7401 --rate 20000 --duration 30 --hdr load.hlog --ledger load.ledger\n  \
        ringbook load --connect 127.0.0.1:7401 --closed-loop --duration 10\n  \
        ringbook load --connect 127.0.0.1:7401 --rate 1000 --duration 60 --perpetual\n\n\
        --perpetual makes and uses LOAD-PERP (number 900), with little money, high leverage, marks that wander and leap,\n\
        and funding each second, so that accounts are liquidated, taken over and deleveraged; with --symbol-id it trades\n\
        a perpetual of yours and moves its marks.\n\n\
        The exchange may be killed and restarted meanwhile: the load resumes and checks that no report is missing or\n\
        doubled. Exit code: 0 all well, 1 lost requests, errors or resume errors, 2 the load could not be run."
)]
pub struct LoadArgs {
    /// Order entry address of the exchange
    #[arg(long, value_name = "ADDR")]
    pub connect: String,
    /// Folder with admin.key, funds.key and trade.key
    #[arg(long, value_name = "DIR", env = "RINGBOOK_KEYS", default_value = "ringbook-data/keys")]
    pub keys: PathBuf,
    /// Requests per second, over all connections
    #[arg(long, value_name = "N", required_unless_present = "closed_loop")]
    pub rate: Option<f64>,
    /// Seconds
    #[arg(long, value_name = "S")]
    pub duration: f64,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub connections: u32,
    /// TOML file with the shares in percent: passive, crossing, cancel, amend, and if wanted iceberg, gtd, stop, budget, in
    /// perpetuals market, reduce_only, stop_mark, close_position
    #[arg(long, value_name = "FILE")]
    pub mix: Option<PathBuf>,
    /// Write an HdrHistogram log with tags per stage
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    /// Append each request and each report as it came
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Accounts that trade
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub accounts: u32,
    /// First of them; they are created and topped up as needed
    #[arg(long, value_name = "ID", default_value_t = 1_000)]
    pub first_account: u32,
    /// Name of the symbol, for the report [default: BTC-USDT; LOAD-PERP with --perpetual]
    #[arg(long, value_name = "NAME")]
    symbol: Option<String>,
    /// Number of the symbol [default: 1; with --perpetual 900, which is made]
    #[arg(long, value_name = "N")]
    symbol_id: Option<u32>,
    /// Trade a perpetual, and move its marks (needs feed.key and HTTP)
    #[arg(long)]
    pub perpetual: bool,
    /// HTTP address, where a perpetual's state is read [default: what `serve` wrote beside the keys, else port 7480 of the same host]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// Marks per second
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub mark_rate: f64,
    /// Units of the settlement asset in each futures wallet at the start, at least, and after each takeover
    #[arg(long, value_name = "UNITS", default_value_t = 50_000_000_000)]
    pub futures_units: i64,
    /// Number of its base asset
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub base_asset: u32,
    /// Number of its quote asset
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub quote_asset: u32,
    /// Units of base that each account has at the start, at least
    #[arg(long, value_name = "UNITS", default_value_t = 100_000_000_000_000)]
    pub base_units: i64,
    /// Units of quote that each account has at the start, at least
    #[arg(long, value_name = "UNITS", default_value_t = 10_000_000_000_000_000)]
    pub quote_units: i64,
    /// Middle of the prices, in ticks [default: 6000000; of LOAD-PERP 600000, of another perpetual its mark]
    #[arg(long, value_name = "TICKS")]
    price: Option<i64>,
    /// Farthest distance of an order from it, in ticks [default: 100; 300 in a perpetual]
    #[arg(long, value_name = "TICKS")]
    spread: Option<i64>,
    /// Largest quantity of a passive order, in lots [default: 100; 40 in a perpetual]
    #[arg(long, value_name = "LOTS")]
    quantity: Option<i64>,
    /// Open orders of an account above which it cancels instead [default: 150; 12 in a perpetual]
    #[arg(long, value_name = "N")]
    max_open: Option<usize>,
    /// One request at a time, the next when the last is answered
    #[arg(long)]
    pub closed_loop: bool,
    /// Go on after a broken connection: reconnect, resume, send again
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub reconnect: bool,
    /// Seconds to wait for answers at the end
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub wait_answers: f64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl LoadArgs {
    /// Name of the symbol.
    pub fn symbol(&self) -> &str {
        self.symbol.as_deref().unwrap_or(if self.perpetual { perpetual::NAME } else { "BTC-USDT" })
    }

    /// Number of the symbol.
    pub fn symbol_id(&self) -> u32 {
        self.symbol_id.unwrap_or(if self.perpetual { perpetual::NUMBER } else { 1 })
    }

    /// The default on spot, or the one in a perpetual.
    fn or<T>(&self, given: Option<T>, spot: T, perpetual: T) -> T {
        given.unwrap_or(if self.perpetual { perpetual } else { spot })
    }
}

/// Runs the load.
pub fn run(args: LoadArgs) -> ExitCode {
    match execute(&args) {
        Ok(summary) => {
            summary.print(&args);
            ExitCode::from(u8::from(!summary.is_well()))
        }
        Err(problem) => {
            eprintln!("ringbook load: {problem}");
            ExitCode::from(2)
        }
    }
}

fn check(args: &LoadArgs) -> Result<(), String> {
    let (price, spread) = (args.or(args.price, 6_000_000, 600_000), args.or(args.spread, 100, 300));
    let quantity = args.or(args.quantity, 100, 40);
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let wrong = if args.rate.is_some_and(|rate| !positive(rate)) {
        "--rate needs a number above 0"
    } else if !positive(args.duration) || args.duration > 1e7 {
        "--duration needs seconds above 0"
    } else if !(0.0..=1e7).contains(&args.wait_answers) {
        "--wait-answers needs seconds from 0"
    } else if args.connections == 0 || args.accounts < args.connections || args.accounts > 100_000 {
        "--accounts must be at least --connections, which is at least 1"
    } else if !positive(args.mark_rate) || args.mark_rate > 1e6 || args.futures_units < 1 {
        "--mark-rate and --futures-units need numbers above 0"
    } else if spread < 1 || price <= spread || quantity < 1 || args.max_open == Some(0) {
        "--price must be above --spread, and --spread, --quantity and --max-open at least 1"
    } else {
        return Ok(());
    };
    Err(wrong.into())
}

fn execute(args: &LoadArgs) -> Result<Summary, String> {
    check(args)?;
    let mix = match &args.mix {
        Some(file) => Mix::load(file, args.perpetual)?,
        None => args.or(None, Mix::SPOT, Mix::PERPETUAL),
    };
    let latencies = Latencies::new(args.hdr.as_deref())?;
    let open_ledger = |path: &PathBuf| {
        ledger::Writer::open(path).map_err(|error| format!("cannot write ledger {}: {error}", path.display()))
    };
    let ledger = args.ledger.as_ref().map(open_ledger).transpose()?;
    let accounts = setup::prepare(args)?;
    let contract = if args.perpetual { Some(perpetual::prepare(args, &accounts)?) } else { None };
    let price = args.price.or(contract.map(|contract| contract.mark)).unwrap_or(6_000_000);
    let terms = Terms {
        symbol: args.symbol_id(),
        price: Rc::new(Cell::new(price)),
        spread: args.or(args.spread, 100, 300),
        quantity: args.or(args.quantity, 100, 40),
        max_open: args.or(args.max_open, 150, 12),
        perpetual: args.perpetual.then_some((args.quote_asset, args.futures_units)),
    };
    let (run, session) = (random() | 1 << 63, random() as u32);
    let link = |number: u32, key_file: &str, source| -> Result<Link, String> {
        let mut options = Options::new(&args.connect).session(session.wrapping_add(number));
        options.connect_timeout = Duration::from_secs(2);
        options.heartbeat_ms = 5_000;
        Ok(Link::new(options, key(&args.keys, key_file)?, source))
    };
    let mut links: Vec<Link> = Vec::new();
    for number in 0..args.connections {
        let mine = accounts.iter().copied().skip(number as usize).step_by(args.connections as usize).collect();
        let generator = Generator::new(mix, terms.clone(), mine, run, u64::from(number) << 40 | 1);
        links.push(link(number, "trade.key", Source::Orders(Box::new(generator)))?);
    }
    if let Some(contract) = contract {
        let market = Market::new(terms.symbol, terms.price, run, contract.funding);
        links.push(link(args.connections, "feed.key", Source::Market(market))?);
    }
    // Best effort: without it, a sleep is some 50 µs longer, which `send_lag` shows.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let mut books = Books { counts: Counts::default(), latencies, ledger, start: Instant::now() };
    for link in &mut links {
        link.connect(&mut books)?;
    }
    books.start = Instant::now();
    drive(args, &mut links, books)
}

/// The loop. `next` is the number of the next request. The connection of the market, if there is one, is the last.
fn drive(args: &LoadArgs, links: &mut [Link], mut books: Books) -> Result<Summary, String> {
    let duration = Duration::from_secs_f64(args.duration);
    let deadline = duration + Duration::from_secs_f64(args.wait_answers);
    let rate = args.rate.unwrap_or(1e9);
    let total = if args.closed_loop { u64::MAX } else { (rate * args.duration).ceil() as u64 };
    let due = |number: u64| Duration::from_secs_f64(number as f64 / rate);
    let (cpu, mut next, mut turn, mut marks) = (cpu_seconds(), 0, 0, 0_u64);
    let traders = args.connections as usize;
    loop {
        for link in links.iter_mut() {
            link.connect(&mut books)?;
        }
        let idle = links[..traders].iter().all(|link| link.unanswered() == 0);
        let now = books.start.elapsed();
        let (orders, market) = links.split_at_mut(traders);
        if let Some(market) = market.first_mut()
            && now < duration
            && Duration::from_secs_f64(marks as f64 / args.mark_rate) <= now
            && market.is_ready()
        {
            // What could not be sent in time is not sent late: the next mark is newer.
            marks = (now.as_secs_f64() * args.mark_rate) as u64 + 1;
            market.send(now.as_nanos() as u64, &mut books);
        }
        if args.closed_loop && idle && now < duration && orders.iter().all(Link::is_ready) {
            orders[next as usize % traders].send(now.as_nanos() as u64, &mut books);
            next += 1;
        }
        let mut burst = 0;
        while !args.closed_loop && next < total && burst < BURST && due(next) <= now && now < deadline {
            let ready = (0..traders).map(|step| (turn + step) % traders).find(|&place| links[place].is_ready());
            let Some(place) = ready else { break };
            links[place].send(due(next).as_nanos() as u64, &mut books);
            (next, turn, burst) = (next + 1, place + 1, burst + 1);
        }
        let mut moved = burst == BURST;
        for link in links.iter_mut() {
            moved |= link.pump(&mut books, args.reconnect)?;
        }
        if let Some(ledger) = &mut books.ledger {
            ledger.tick(Instant::now()).map_err(|error| format!("cannot write the ledger: {error}"))?;
        }
        books.latencies.tick(now)?;
        let all_sent = if args.closed_loop { now >= duration } else { next >= total };
        if now >= deadline || all_sent && links.iter().all(|link| link.unanswered() == 0) {
            break;
        }
        if !moved {
            // What is due and cannot be sent waits for a report, not for the clock.
            let paced = next < total && !args.closed_loop && links[..traders].iter().any(Link::is_ready);
            let until = if paced { due(next).saturating_sub(books.start.elapsed()) } else { LONGEST_SLEEP };
            if until.is_zero() {
                continue;
            }
            wait(links, until.min(LONGEST_SLEEP));
        }
    }
    let elapsed = books.start.elapsed();
    finish(links, &mut books, elapsed)?;
    Ok(Summary {
        lost: links.iter().map(|link| link.unanswered() as u64).sum(),
        unsent: if args.closed_loop { 0 } else { total - next },
        seconds: elapsed.as_secs_f64(),
        cpu_share: (cpu_seconds() - cpu) / elapsed.as_secs_f64().max(1e-9),
        books,
    })
}

fn finish(links: &mut [Link], books: &mut Books, elapsed: Duration) -> Result<(), String> {
    for link in links.iter_mut() {
        link.log_out();
    }
    books.latencies.finish(elapsed)?;
    if let Some(ledger) = &mut books.ledger {
        ledger.flush().map_err(|error| format!("cannot write the ledger: {error}"))?;
    }
    Ok(())
}

/// Sleeps until a socket is ready or the time is over.
fn wait(links: &[Link], time: Duration) {
    let mut fds: Vec<PollFd<'_>> = links
        .iter()
        .filter_map(Link::connection)
        .map(|connection| {
            let unsent = connection.unsent() > 0;
            let flags = if unsent { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            PollFd::from_borrowed_fd(connection.as_fd(), flags)
        })
        .collect();
    let time = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) as _ };
    // An interrupted wait only means looking again.
    let _ = poll(&mut fds, Some(&time));
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
