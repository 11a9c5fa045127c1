//! Asks the server for books over a few kept HTTP/1.1 connections, with requests pipelined on each.
//!
//! ```text
//! ask ──► waiting ──► connection: written, in flight (in order) ──► answer ──► caller
//!            ▲──────────── not ready yet (503), or the connection ended
//! ```
//!
//! Invariants: every query is answered to the caller exactly once, with levels or with a problem; nothing blocks.

use super::ops::Levels;
use crate::http::{host_and_port, split_response};
use rustix::event::PollFlags;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 4;
/// Requests in flight on one connection.
const PIPELINE: usize = 32;
const READ_BYTES: usize = 64 * 1024;
/// A server that is not ready for a sequence is asked again this often, this far apart.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// A book to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Whose expectation it is (index of the operation).
    pub op: usize,
    /// The book exactly after this.
    pub sequence: u64,
    /// Levels of each side.
    pub depth: usize,
    tries: u32,
    not_before: Option<Instant>,
}

#[derive(serde::Deserialize)]
struct Body {
    symbol: String,
    sequence: u64,
    bids: Vec<(i64, i64)>,
    asks: Vec<(i64, i64)>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    output: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    start: usize,
    in_flight: VecDeque<Query>,
}

/// See the module.
#[derive(Debug)]
pub struct Books {
    address: String,
    symbol: String,
    connections: Vec<Connection>,
    waiting: VecDeque<Query>,
    failures: u32,
}

impl Books {
    /// Connects to the server's HTTP address (`host:port`, with or without `http://`).
    ///
    /// # Errors
    /// No connection; in words.
    pub fn connect(address: &str, symbol: &str) -> Result<Self, String> {
        let address = host_and_port(address).to_owned();
        let connections = (0..CONNECTIONS).map(|_| open(&address)).collect::<Result<_, _>>()?;
        Ok(Self { address, symbol: symbol.to_owned(), connections, waiting: VecDeque::new(), failures: 0 })
    }

    /// Asks for a book.
    pub fn ask(&mut self, op: usize, sequence: u64, depth: usize) {
        self.waiting.push_back(Query { op, sequence, depth, tries: 0, not_before: None });
    }

    /// Lowest sequence of which the book is not answered yet.
    pub fn oldest(&self) -> Option<u64> {
        let flying = self.connections.iter().filter_map(|connection| connection.in_flight.front());
        flying.chain(&self.waiting).map(|query| query.sequence).min()
    }

    /// Whether nothing is asked and unanswered.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.connections.iter().all(|connection| connection.in_flight.is_empty())
    }

    /// Sockets to wait for, and for what.
    pub fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.connections.iter().map(|connection| {
            let unsent = connection.sent < connection.output.len();
            let flags = if unsent { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            (connection.stream.as_fd(), flags)
        })
    }

    /// Moves bytes; hands each answer over. `true` if anything happened.
    ///
    /// # Errors
    /// The server cannot be reached any more; in words.
    pub fn pump(&mut self, mut answer: impl FnMut(Query, Result<Levels, String>)) -> Result<bool, String> {
        let mut moved = false;
        let now = Instant::now();
        for connection in &mut self.connections {
            while connection.in_flight.len() < PIPELINE
                && self.waiting.front().is_some_and(|query| query.not_before.is_none_or(|time| time <= now))
            {
                let Some(query) = self.waiting.pop_front() else { break };
                connection.request(&self.symbol, &self.address, query);
                moved = true;
            }
            let mut ended = connection.write().is_err();
            match connection.read() {
                Ok(count) => moved |= count > 0,
                Err(_) => ended = true,
            }
            while let Some((status, body)) = connection.response()? {
                let Some(query) = connection.in_flight.pop_front() else {
                    return Err(format!("{} answers what was not asked", self.address));
                };
                self.failures = 0;
                if matches!(status, 425 | 429 | 503) && query.tries < TRIES {
                    self.waiting.push_back(Query { tries: query.tries + 1, not_before: Some(now + PAUSE), ..query });
                    continue;
                }
                answer(query, judge(status, &body, &self.symbol, query.sequence));
            }
            if ended {
                self.failures += 1;
                if self.failures > 10 {
                    return Err(format!("HTTP at {} keeps closing its connections", self.address));
                }
                for query in connection.in_flight.drain(..).rev() {
                    self.waiting.push_front(query);
                }
                *connection = open(&self.address)?;
                moved = true;
            }
        }
        Ok(moved)
    }
}

impl Connection {
    fn request(&mut self, symbol: &str, host: &str, query: Query) {
        let (depth, sequence) = (query.depth, query.sequence);
        // Writing into a Vec cannot fail.
        let _ = write!(
            self.output,
            "GET /v1/book/{symbol}?depth={depth}&sequence={sequence} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n"
        );
        self.in_flight.push_back(query);
    }

    fn write(&mut self) -> Result<(), ErrorKind> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.kind()),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }

    fn read(&mut self) -> Result<usize, ErrorKind> {
        self.input.drain(..self.start);
        self.start = 0;
        let end = self.input.len();
        self.input.resize(end + READ_BYTES, 0);
        let result = self.stream.read(&mut self.input[end..]);
        self.input.truncate(end + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(ErrorKind::UnexpectedEof),
            Ok(count) => Ok(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(error) => Err(error.kind()),
        }
    }

    /// The next whole response: status and body.
    fn response(&mut self) -> Result<Option<(u16, Vec<u8>)>, String> {
        match split_response(&self.input[self.start..])? {
            None => Ok(None),
            Some((status, body)) => {
                let whole = self.input[self.start + body.start..self.start + body.end].to_vec();
                self.start += body.end;
                Ok(Some((status, whole)))
            }
        }
    }
}

fn open(address: &str) -> Result<Connection, String> {
    let failed = |error: std::io::Error| {
        format!(
            "cannot connect to HTTP at {address}: {error}; `ringbook serve` prints its address (give it with --http)"
        )
    };
    let stream = crate::http::connect(address).map_err(failed)?;
    stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).map_err(failed)?;
    Ok(Connection { stream, output: Vec::new(), sent: 0, input: Vec::new(), start: 0, in_flight: VecDeque::new() })
}

/// The levels in a response, or what is wrong with it.
fn judge(status: u16, body: &[u8], symbol: &str, sequence: u64) -> Result<Levels, String> {
    if status != 200 {
        let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
        return Err(format!("the server answers {status} for the book after sequence {sequence}: {text}"));
    }
    let body: Body = serde_json::from_slice(body).map_err(|error| format!("the book is not as documented: {error}"))?;
    if (body.symbol.as_str(), body.sequence) != (symbol, sequence) {
        return Err(format!(
            "asked for {symbol} after sequence {sequence}, got {} after {}",
            body.symbol, body.sequence
        ));
    }
    Ok(Levels { depth: body.bids.len().max(body.asks.len()), bids: body.bids, asks: body.asks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_must_be_the_one_that_was_asked_for() {
        let body = br#"{"symbol":"A-B","sequence":7,"bids":[[10,1]],"asks":[]}"#;
        assert_eq!(judge(200, body, "A-B", 7), Ok(Levels { depth: 1, bids: vec![(10, 1)], asks: vec![] }));
        for (status, symbol, sequence) in [(404, "A-B", 7), (200, "A-C", 7), (200, "A-B", 8)] {
            assert!(judge(status, body, symbol, sequence).is_err());
        }
        assert!(judge(200, b"{}", "A-B", 7).is_err());
    }
}
