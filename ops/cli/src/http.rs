//! A question to the exchange's HTTP port and its whole answer.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long connecting, and how long the next bytes may take: longer than the server lets a question wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// `GET path` at `address` (`host:port`, with or without `http://`): status and JSON body.
///
/// # Errors
/// In words: no connection, or no such answer.
pub fn get(address: &str, path: &str) -> Result<(u16, Value), String> {
    let address = host_and_port(address);
    let failed = |error: std::io::Error| format!("HTTP at {address}: {error}");
    let mut stream = connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").map_err(failed)?;
    let mut bytes = Vec::new();
    let mut input = stream.take(ANSWER_BYTES_MAX);
    let mut part = [0; 16 << 10];
    loop {
        if let Some((status, body)) = split_response(&bytes).map_err(|why| format!("HTTP at {address}: {why}"))? {
            let value = serde_json::from_slice(&bytes[body]);
            return Ok((status, value.map_err(|error| format!("HTTP at {address}: {path} is no JSON: {error}"))?));
        }
        match input.read(&mut part).map_err(failed)? {
            0 => return Err(format!("HTTP at {address}: the connection ended before the answer to {path}")),
            count => bytes.extend_from_slice(&part[..count]),
        }
    }
}

/// An address without `http://` and without a slash at its end.
pub fn host_and_port(address: &str) -> &str {
    address.trim_start_matches("http://").trim_end_matches('/')
}

/// Connects to the first of the addresses of a name that answers.
///
/// # Errors
/// The last one's.
pub fn connect(address: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a host:port");
    for candidate in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, PATIENCE / 2) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Status and place of the body of the first response in `bytes`, if it is whole.
///
/// # Errors
/// It is no HTTP response; in words.
pub fn split_response(bytes: &[u8]) -> Result<Option<(u16, std::ops::Range<usize>)>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > 16 * 1024 { Err("HTTP headers without end".into()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "HTTP headers are not text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let code = status
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| format!("this is not HTTP/1.1: {status:?}; check --http"))?;
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or("an HTTP response without Content-Length")?;
    let body = end + 4..end + 4 + length;
    Ok((bytes.len() >= body.end).then_some((code, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_cut_at_their_length() {
        let one = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 404";
        assert_eq!(split_response(one), Ok(Some((200, 38..40))));
        for cut in 0..40 {
            assert_eq!(split_response(&one[..cut]), Ok(None), "{cut}");
        }
        assert!(split_response(b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\n").is_err());
        assert!(split_response(b"\x08\0\x80\x01\r\n\r\n").is_err());
    }
}
