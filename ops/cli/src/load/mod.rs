//! `ringbook load`: open-loop load with intended send times.
//!
//! Request k is due at `start + k / rate`, whatever the exchange does; its latency counts from that moment, so a stall
//! shows in every request that it delayed (no coordinated omission). One thread does everything and sleeps in poll(2)
//! until something arrives or is due; its own share is measured as stage `send_lag`, its processor time is reported.
//!
//! ```text
//!            due? ──► Link (round robin among the ready ones) ──► socket
//!  wait ◄─── nothing moved                                          │
//!            reports ──► counts, latencies, ledger  ◄───────────────┘
//! ```
//!
//! Invariants: a request that is due is never left out: while no connection can take it, it waits and its latency
//! grows; what was never sent when time is up is counted as `unsent`, what was sent and never answered as `lost`.

pub(crate) mod latency;
mod link;
mod mix;
mod setup;

use crate::flow::market::{key, random};
use crate::ledger;
use latency::{Latencies, Stage};
use link::{Books, Counts, Link};
use mix::{Generator, Mix, Terms};
use ringbook_client::Options;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

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
        ringbook load --connect 127.0.0.1:7401 --closed-loop --duration 10\n\n\
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
    /// TOML file with the shares in percent: passive, crossing, cancel, amend, and if wanted iceberg, gtd, stop, budget
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
    /// Name of the symbol, for the report
    #[arg(long, value_name = "NAME", default_value = "BTC-USDT")]
    pub symbol: String,
    /// Number of the symbol
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub symbol_id: u32,
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
    /// Middle of the prices, in ticks
    #[arg(long, value_name = "TICKS", default_value_t = 6_000_000)]
    pub price: i64,
    /// Farthest distance of an order from it, in ticks
    #[arg(long, value_name = "TICKS", default_value_t = 100)]
    pub spread: i64,
    /// Largest quantity of a passive order, in lots
    #[arg(long, value_name = "LOTS", default_value_t = 100)]
    pub quantity: i64,
    /// Open orders of an account above which it cancels instead
    #[arg(long, value_name = "N", default_value_t = 150)]
    pub max_open: usize,
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

struct Summary {
    books: Books,
    lost: u64,
    unsent: u64,
    seconds: f64,
    cpu_share: f64,
}

fn check(args: &LoadArgs) -> Result<(), String> {
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let wrong = if args.rate.is_some_and(|rate| !positive(rate)) {
        "--rate needs a number above 0"
    } else if !positive(args.duration) || args.duration > 1e7 {
        "--duration needs seconds above 0"
    } else if !(0.0..=1e7).contains(&args.wait_answers) {
        "--wait-answers needs seconds from 0"
    } else if args.connections == 0 || args.accounts < args.connections || args.accounts > 100_000 {
        "--accounts must be at least --connections, which is at least 1"
    } else if args.spread < 1 || args.price <= args.spread || args.quantity < 1 || args.max_open < 1 {
        "--price must be above --spread, and --spread, --quantity and --max-open at least 1"
    } else {
        return Ok(());
    };
    Err(wrong.into())
}

fn execute(args: &LoadArgs) -> Result<Summary, String> {
    check(args)?;
    let mix = args.mix.as_deref().map_or(Ok(Mix::default()), Mix::load)?;
    let latencies = Latencies::new(args.hdr.as_deref())?;
    let open_ledger = |path: &PathBuf| {
        ledger::Writer::open(path).map_err(|error| format!("cannot write ledger {}: {error}", path.display()))
    };
    let ledger = args.ledger.as_ref().map(open_ledger).transpose()?;
    let accounts = setup::prepare(args)?;

    let terms = Terms {
        symbol: args.symbol_id,
        price: args.price,
        spread: args.spread,
        quantity: args.quantity,
        max_open: args.max_open,
    };
    let (run, session) = (random() | 1 << 63, random() as u32);
    let mut links: Vec<Link> = Vec::new();
    for number in 0..args.connections {
        let mine = accounts.iter().copied().skip(number as usize).step_by(args.connections as usize).collect();
        let generator = Generator::new(mix, terms, mine, run, u64::from(number) << 40 | 1);
        let mut options = Options::new(&args.connect).session(session.wrapping_add(number));
        options.connect_timeout = Duration::from_secs(2);
        options.heartbeat_ms = 5_000;
        links.push(Link::new(options, key(&args.keys, "trade.key")?, generator));
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

/// The loop. `next` is the number of the next request.
fn drive(args: &LoadArgs, links: &mut [Link], mut books: Books) -> Result<Summary, String> {
    let duration = Duration::from_secs_f64(args.duration);
    let deadline = duration + Duration::from_secs_f64(args.wait_answers);
    let rate = args.rate.unwrap_or(1e9);
    let total = if args.closed_loop { u64::MAX } else { (rate * args.duration).ceil() as u64 };
    let due = |number: u64| Duration::from_secs_f64(number as f64 / rate);
    let (cpu, mut next, mut turn) = (cpu_seconds(), 0, 0);
    loop {
        for link in links.iter_mut() {
            link.connect(&mut books)?;
        }
        let idle = links.iter().all(|link| link.unanswered() == 0);
        let now = books.start.elapsed();
        if args.closed_loop && idle && now < duration && links.iter().all(Link::is_ready) {
            links[(next % links.len() as u64) as usize].send(now.as_nanos() as u64, &mut books);
            next += 1;
        }
        let mut burst = 0;
        while !args.closed_loop && next < total && burst < BURST && due(next) <= now && now < deadline {
            let ready = (0..links.len()).map(|step| (turn + step) % links.len()).find(|&place| links[place].is_ready());
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
            let paced = next < total && !args.closed_loop && links.iter().any(Link::is_ready);
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

impl Summary {
    fn is_well(&self) -> bool {
        let counts = &self.books.counts;
        counts.errors == 0 && counts.resume_errors == 0 && self.lost == 0 && self.unsent == 0
    }

    fn json(&self, args: &LoadArgs) -> serde_json::Value {
        let counts = &self.books.counts;
        serde_json::json!({
            "symbol": args.symbol,
            "mode": if args.closed_loop { "closed" } else { "open" },
            "rate": args.rate,
            "connections": args.connections,
            "accounts": args.accounts,
            "sent": counts.sent,
            "unsent": self.unsent,
            "acked": counts.acked,
            "rejected": counts.rejected,
            "rejects": counts.rejects.iter().map(|(code, count)| (code.to_string(), *count)).collect::<std::collections::BTreeMap<_, _>>(),
            "matched": counts.matched,
            "busy": counts.busy,
            "errors": counts.errors,
            "lost": self.lost,
            "disconnects": counts.disconnects,
            "reconnects": counts.reconnects,
            "resume_errors": counts.resume_errors,
            "answered_by_resume": counts.answered_by_resume,
            "resent": counts.resent,
            "replayed": counts.replayed,
            "resolved_by_resume": counts.resolved_by_resume,
            "seconds": self.seconds,
            "achieved_per_s": counts.acked as f64 / self.seconds.max(1e-9),
            "cpu_share": self.cpu_share,
            "latency_us": self.books.latencies.json(Stage::Ack),
            "match_latency_us": self.books.latencies.json(Stage::Match),
            "send_lag_us": self.books.latencies.json(Stage::SendLag),
            "notes": counts.notes,
        })
    }

    fn print(&self, args: &LoadArgs) {
        let counts = &self.books.counts;
        for note in &counts.notes {
            eprintln!("note: {note}");
        }
        if let Some(advice) = advice(counts, args) {
            eprintln!("{advice}");
        }
        if args.json {
            crate::output::line(format_args!("{}", self.json(args)));
            return;
        }
        crate::output::line(format_args!(
            "sent {} ({} never), answered {} in {:.1} s: {:.0} per second",
            counts.sent,
            self.unsent,
            counts.acked,
            self.seconds,
            counts.acked as f64 / self.seconds.max(1e-9)
        ));
        crate::output::line(format_args!(
            "rejected {}, busy {}, errors {}, lost {}; matched {}",
            counts.rejected, counts.busy, counts.errors, self.lost, counts.matched
        ));
        if counts.disconnects > 0 {
            crate::output::line(format_args!(
                "broken connections {}, resume errors {}, answered by the history {}, sent again {}, given up {}",
                counts.disconnects,
                counts.resume_errors,
                counts.answered_by_resume,
                counts.resent,
                counts.resolved_by_resume
            ));
        }
        for stage in Stage::ALL {
            crate::output::line(format_args!("{}", self.books.latencies.line(stage)));
        }
        crate::output::line(format_args!("this tool used {:.0} % of one core", self.cpu_share * 100.0));
    }
}

/// What to change when orders are refused.
fn advice(counts: &Counts, args: &LoadArgs) -> Option<String> {
    let any = |codes: &[u16]| codes.iter().any(|code| counts.rejects.contains_key(code));
    let symbol = args.symbol_id;
    Some(if any(&[105]) {
        "there is no such symbol: give the number of one with --symbol-id (GET /v1/symbols lists them)".to_owned()
    } else if any(&[106]) {
        format!(
            "symbol {symbol} takes no such orders now: `ringbook admin status {symbol} TRADING`, or another --symbol-id"
        )
    } else if any(&[107]) {
        "the exchange is in maintenance: `ringbook admin maintenance off`".to_owned()
    } else if any(&[103]) {
        "an account is suspended: `ringbook admin account ID --active`, or others with --first-account".to_owned()
    } else if any(&[200, 201]) {
        "prices are refused: give --price near the last trade, and a smaller --spread".to_owned()
    } else if any(&[202, 203]) {
        "quantities are refused: give another --quantity".to_owned()
    } else if any(&[300]) {
        format!(
            "accounts run out of money: they were given assets {} and {}. If symbol {symbol} trades others (GET /v1/symbols), \
             give --base-asset and --quote-asset; else larger --base-units and --quote-units, or a smaller --quantity",
            args.base_asset, args.quote_asset
        )
    } else if any(&[210]) {
        "accounts have too many open orders: give a smaller --max-open, or more --accounts".to_owned()
    } else {
        return None;
    })
}
