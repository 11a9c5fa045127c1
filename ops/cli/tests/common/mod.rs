//! A server of its own for a test, and a client that speaks the protocol byte by byte.
//!
//! Invariants: free ports, a private folder, and the server's process ends with the test.

#![allow(dead_code, reason = "each test uses a part of it")]

use ringbook_client::Key;
use ringbook_wire::codec::{header, next_message};
use ringbook_wire::message::{Logon, Message, NewOrder, logon_flags};
use ringbook_wire::report::{Challenge, LogonAccepted, Place, ReportType, Resumed};
use ringbook_wire::{
    AccountId, ClientOrderId, OrderType, Price, Qty, Sequence, Side, StpMode, SymbolId, Term, TimeInForce, TimestampNs,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zerocopy::FromBytes;

/// Longest that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running exchange.
pub struct Server {
    child: Child,
    pub folder: PathBuf,
    pub order_entry: String,
    pub http: String,
    config: PathBuf,
    own_folder: bool,
}

impl Server {
    /// A fresh one; `settings` are lines of its configuration.
    pub fn start(name: &str, settings: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ringbook-test-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("ringbook.toml");
        let text =
            format!("segment_mib = 1\ndedupe_capacity = 65536\nmax_orders = 65536\nprojection = \"none\"\n{settings}");
        std::fs::write(&config, text).unwrap();
        let (child, order_entry, http) = spawn(&folder, &config, "127.0.0.1:0");
        Self { child, folder, order_entry, http, config, own_folder: true }
    }

    /// `kill -9`, then the same data folder and address again.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, order_entry, http) = spawn(&self.folder, &self.config, &self.order_entry);
        (self.child, self.order_entry, self.http) = (child, order_entry, http);
    }

    /// SIGTERM; whether it ended with exit code 0.
    pub fn stop(&mut self) -> bool {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap().success()
    }

    /// A key of the folder.
    pub fn key(&self, name: &str) -> Key {
        Key::load(&self.folder.join("keys").join(name)).unwrap()
    }

    /// Runs a sub-command with `--data` of this server; its standard output and exit code.
    pub fn ringbook(&self, args: &[&str]) -> (String, i32) {
        let output =
            Command::new(env!("CARGO_BIN_EXE_ringbook")).args(args).arg("--data").arg(&self.folder).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap_or(-1))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.own_folder && !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn spawn(folder: &Path, config: &Path, listen: &str) -> (Child, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringbook"))
        .args(["serve", "--listen", listen, "--http", "127.0.0.1:0", "--config"])
        .arg(config)
        .arg("--data")
        .arg(folder)
        .env("RINGBOOK_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
    let order_entry = field("order-entry=").unwrap_or_else(|| panic!("no ready line: {line:?}"));
    (child, order_entry, field("http=").unwrap())
}

/// A connection that sends and receives whole messages, and remembers nothing.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What a client asks for at logon.
#[derive(Clone, Copy, Default)]
pub struct LogonAs {
    pub session: u32,
    pub flags: u16,
    pub token: (u32, u64, u16),
    pub journal: [u8; 16],
    pub grace_ms: u32,
}

impl Wire {
    /// Connects; the challenge is still to be read.
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Connects and logs on; the first answer to LOGON.
    pub fn log_on(address: &str, key: &Key, how: LogonAs) -> (Self, Vec<u8>) {
        let mut wire = Self::connect(address);
        let logon = wire.logon(key, how);
        wire.send(&logon);
        let answer = wire.receive().expect("an answer to LOGON");
        (wire, answer)
    }

    /// Connects and logs on, which must succeed.
    pub fn open(address: &str, key: &Key, how: LogonAs) -> (Self, LogonAccepted) {
        let (wire, answer) = Self::log_on(address, key, how);
        let accepted = LogonAccepted::read(&answer).unwrap_or_else(|| panic!("not accepted: {}", text(&answer)));
        (wire, accepted)
    }

    /// Reads the challenge and signs a LOGON.
    pub fn logon(&mut self, key: &Key, how: LogonAs) -> Logon {
        let challenge = Challenge::read(&self.receive().unwrap()).expect("the first message is CHALLENGE");
        let mut logon = Logon {
            key: key.id(),
            session: how.session,
            flags: how.flags,
            term: Term(how.token.0),
            sequence: Sequence(how.token.1),
            index: how.token.2,
            journal: how.journal,
            heartbeat_ms: 5_000,
            grace_ms: how.grace_ms,
            ..Logon::new(1)
        };
        key.sign(&mut logon, &challenge.nonce);
        logon
    }

    pub fn send<M: Message>(&mut self, message: &M) {
        self.send_bytes(message.as_bytes());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next message; `None` when the server has closed.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(message) = next_message(&self.buffer).expect("the server sends whole messages") {
                let message = message.to_vec();
                self.buffer.drain(..message.len());
                return Some(message);
            }
            let mut bytes = [0; 65_536];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing from the server: {error}"),
            }
        }
    }

    /// The next message of a type; others are dropped.
    pub fn expect(&mut self, kind: ReportType) -> Vec<u8> {
        loop {
            let message = self.receive().unwrap_or_else(|| panic!("closed while waiting for {}", kind.name()));
            if header(&message).kind == kind as u8 {
                return message;
            }
            let unexpected = [ReportType::Error as u8, ReportType::Busy as u8].contains(&header(&message).kind);
            assert!(!unexpected, "while waiting for {}: {}", kind.name(), text(&message));
        }
    }

    /// Reports up to RESUMED, which follows a LOGON with RESUME.
    pub fn history(&mut self) -> (Vec<Vec<u8>>, Resumed) {
        let mut reports = Vec::new();
        loop {
            let message = self.receive().expect("RESUMED follows the history");
            if let Some(resumed) = Resumed::read(&message) {
                return (reports, resumed);
            }
            assert!(is_report(&message), "only reports stand in history: {}", text(&message));
            reports.push(message);
        }
    }

    /// Reports until one of this sequence has come with LAST.
    pub fn reports_to(&mut self, sequence: u64) -> Vec<Vec<u8>> {
        let mut reports = Vec::new();
        loop {
            let message = self.receive().expect("reports go on");
            if is_report(&message) {
                let place = place(&message);
                reports.push(message);
                if place.sequence.0 >= sequence && place.flags & 1 == 1 {
                    return reports;
                }
            }
        }
    }
}

pub fn is_report(message: &[u8]) -> bool {
    header(message).kind >= ringbook_wire::report::FIRST_REPORT
}

pub fn place(report: &[u8]) -> Place {
    Place::read_from_prefix(&report[8..]).expect("a report has a place").0
}

/// A report without its request number, which only the asking session sees.
pub fn anonymous(report: &[u8]) -> Vec<u8> {
    let mut report = report.to_vec();
    report[4..8].fill(0);
    report
}

/// A message for a panic.
pub fn text(message: &[u8]) -> String {
    match ringbook_wire::report::Error::read(message) {
        Some(error) => {
            let words = String::from_utf8_lossy(&error.text[..usize::from(error.text_length)]).into_owned();
            format!("ERROR {}: {words}", error.code)
        }
        None => format!("{:?}", header(message)),
    }
}

pub fn now() -> TimestampNs {
    TimestampNs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64)
}

/// A GTC limit order on the demo market.
pub fn order(request: u32, account: u32, id: u128, side: Side, price: i64, quantity: i64) -> NewOrder {
    NewOrder {
        client_id: ClientOrderId::from(id),
        account: AccountId(account),
        symbol: SymbolId(1),
        price: Price(price),
        quantity: Qty(quantity),
        send_time: now(),
        side: side.code(),
        order_type: OrderType::Limit.code(),
        time_in_force: TimeInForce::Gtc.code(),
        stp: StpMode::Default.code(),
        ..NewOrder::new(request)
    }
}

/// Resume from a token.
pub fn resume(session: u32, token: (u32, u64, u16)) -> LogonAs {
    LogonAs { session, flags: logon_flags::RESUME, token, ..LogonAs::default() }
}
