//! A socket and its two buffers. No protocol here.
//!
//! Invariant: bytes are read and written in order; `output` holds what was not yet taken by the socket, and is bounded
//! by whoever appends to it.

use rustix::io::Errno;
use std::net::TcpStream;

/// Free room that a read is offered.
const READ_BYTES: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub struct Connection {
    pub stream: TcpStream,
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
    sent: usize,
    /// Waiting for the socket to take more.
    pub blocked: bool,
    /// Our side has ended.
    pub ended: bool,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The peer is gone.
    Closed,
}

impl Connection {
    /// Takes over a non-blocking socket.
    pub fn new(stream: TcpStream) -> Self {
        let input = vec![0; READ_BYTES];
        Self {
            stream,
            input,
            start: 0,
            end: 0,
            output: Vec::with_capacity(READ_BYTES),
            sent: 0,
            blocked: false,
            ended: false,
        }
    }

    /// Reads once.
    pub fn read(&mut self) -> Read {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.input.len() {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        match rustix::net::recv(&self.stream, &mut self.input[self.end..], rustix::net::RecvFlags::empty()) {
            Ok((_, 0)) => Read::Closed,
            Ok((_, count)) => {
                self.end += count;
                Read::Bytes(count)
            }
            Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
            Err(_) => Read::Closed,
        }
    }

    /// Bytes that were read and not consumed.
    #[inline]
    pub fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// Marks bytes as consumed.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// Reads once and forgets; false once the peer has ended its side.
    pub fn discard(&mut self) -> bool {
        (self.start, self.end) = (0, 0);
        self.read() != Read::Closed
    }

    /// Ends our side: the peer reads what was sent, then the end.
    pub fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            // A peer that is gone has nothing to read any more.
            let _ = self.stream.shutdown(std::net::Shutdown::Write);
        }
    }

    /// Where messages to the peer are appended.
    #[inline]
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Bytes that wait for the socket.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Writes what the socket takes now; bytes written, or `None` if the peer is gone.
    pub fn flush(&mut self) -> Option<usize> {
        let before = self.sent;
        while self.sent < self.output.len() {
            match rustix::net::send(&self.stream, &self.output[self.sent..], rustix::net::SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => {
                    self.blocked = true;
                    let written = self.sent - before;
                    // Keep the buffer from growing for ever while the peer is slow but alive.
                    if self.sent >= READ_BYTES {
                        self.output.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Some(written);
                }
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        let written = self.sent - before;
        self.output.clear();
        self.sent = 0;
        self.blocked = false;
        Some(written)
    }
}
