//! What a client sent and what it got back, as text that survives the death of the client.
//!
//! ```text
//! # ringbook-ledger 1
//! > nanoseconds session hex          a request, before it is written to the socket
//! < nanoseconds session hex          a message from the server, as it came
//! ```
//!
//! Nanoseconds are monotonic and belong to one run; `session` is `key << 32 | number` in decimal; `hex` is the whole
//! message. A request that is sent again has another `>` line with the same number.
//!
//! Invariants: lines are only appended, in the order of what happened, so no `<` stands without its `>` before it; a
//! killed writer leaves at most one torn line, its last (the next run begins a line of its own); a line that is torn
//! anywhere else is an error.

use ringbook_wire::codec;
use ringbook_wire::report::{FIRST_REPORT, ReportType};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const HEADER: &str = "# ringbook-ledger 1";
const FLUSH_EVERY: Duration = Duration::from_millis(5);
const FLUSH_BYTES: usize = 1 << 20;

/// Appends to a ledger. Call [`Writer::tick`] at least each 10 ms.
#[derive(Debug)]
pub struct Writer {
    file: File,
    buffer: Vec<u8>,
    flushed: Instant,
}

impl Writer {
    /// Opens or creates a ledger; what is in it stays.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let mut buffer = Vec::with_capacity(FLUSH_BYTES);
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                buffer.push(b'\n');
            }
        }
        buffer.extend_from_slice(HEADER.as_bytes());
        buffer.push(b'\n');
        let mut writer = Self { file, buffer, flushed: Instant::now() };
        writer.flush()?;
        Ok(writer)
    }

    /// Records a request; before it is written to the socket.
    pub fn sent(&mut self, ns: u64, session: u64, message: &[u8]) {
        self.line(b'>', ns, session, message);
    }

    /// Records a message from the server.
    pub fn received(&mut self, ns: u64, session: u64, message: &[u8]) {
        self.line(b'<', ns, session, message);
    }

    fn line(&mut self, direction: u8, ns: u64, session: u64, message: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.buffer.push(direction);
        // Writing into a Vec cannot fail.
        let _ = write!(self.buffer, " {ns} {session} ");
        for byte in message {
            self.buffer.push(DIGITS[usize::from(byte >> 4)]);
            self.buffer.push(DIGITS[usize::from(byte & 15)]);
        }
        self.buffer.push(b'\n');
    }

    /// Writes what is buffered if it is time.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn tick(&mut self, now: Instant) -> io::Result<()> {
        if self.buffer.len() >= FLUSH_BYTES || now.saturating_duration_since(self.flushed) >= FLUSH_EVERY {
            self.flushed = now;
            return self.flush();
        }
        Ok(())
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whether it was sent (`>`); else received.
    pub sent: bool,
    /// When, on the run's monotonic clock.
    pub ns: u64,
    /// `key << 32 | number`.
    pub session: u64,
    /// The whole message.
    pub message: Vec<u8>,
}

/// A request and everything that answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `key << 32 | number` of the session that sent it.
    pub session: u64,
    /// Its number in that session.
    pub request: u32,
    /// When it was first sent.
    pub ns: u64,
    /// The whole message as it was sent first.
    pub message: Vec<u8>,
    /// How often it was sent.
    pub sends: u32,
    /// How often it was answered with BUSY.
    pub busy: u32,
    /// Reports with its number, in order; none: never acknowledged.
    pub reports: Vec<Vec<u8>>,
}

/// A ledger that was read back.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Requests in the order in which they were first sent.
    pub entries: Vec<Entry>,
    /// Reports that answer nothing that this client asked (the other side of trades).
    pub unsolicited: u64,
    /// Torn lines: one for each writer that was killed, at most.
    pub torn: u64,
}

impl Ledger {
    /// Reads a ledger.
    ///
    /// # Errors
    /// It cannot be read, or a line is not one; in words, with its number.
    pub fn read(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| {
            format!("cannot open ledger {}: {error}; `ringbook load --ledger FILE` writes one", path.display())
        })?;
        let mut ledger = Self::default();
        let mut places: HashMap<(u64, u32), usize> = HashMap::new();
        records(BufReader::with_capacity(1 << 20, file), |item| match item {
            Item::Torn => ledger.torn += 1,
            Item::Record(record) => ledger.add(&mut places, record),
        })
        .map_err(|problem| format!("ledger {}, {problem}", path.display()))?;
        Ok(ledger)
    }

    fn add(&mut self, places: &mut HashMap<(u64, u32), usize>, record: Record) {
        let header = codec::header(&record.message);
        let name = (record.session, header.request);
        let known = places.get(&name).and_then(|&place| self.entries.get_mut(place));
        match (record.sent, known) {
            (true, Some(entry)) => entry.sends += 1,
            (true, None) => {
                places.insert(name, self.entries.len());
                self.entries.push(Entry {
                    session: record.session,
                    request: header.request,
                    ns: record.ns,
                    message: record.message,
                    sends: 1,
                    busy: 0,
                    reports: Vec::new(),
                });
            }
            (false, Some(entry)) if header.kind > FIRST_REPORT => entry.reports.push(record.message),
            (false, Some(entry)) if header.kind == ReportType::Busy as u8 => entry.busy += 1,
            (false, _) => self.unsolicited += u64::from(header.kind > FIRST_REPORT),
        }
    }
}

/// What [`records`] finds.
#[derive(Debug)]
pub enum Item {
    /// A whole line.
    Record(Record),
    /// The end of a writer that was killed.
    Torn,
}

/// Reads a ledger line by line, without keeping it.
///
/// # Errors
/// A line that cannot be read, or that is torn in the middle of a run; in words, with its number.
pub fn records(mut reader: impl BufRead, mut take: impl FnMut(Item)) -> Result<(), String> {
    let mut line = Vec::new();
    let mut torn: Option<(usize, &str)> = None;
    for number in 1.. {
        line.clear();
        let count = reader.read_until(b'\n', &mut line).map_err(|error| format!("line {number}: {error}"))?;
        let whole = line.pop_if(|byte| *byte == b'\n').is_some();
        if count == 0 {
            break;
        }
        if line == HEADER.as_bytes() {
            if torn.take().is_some() {
                take(Item::Torn);
            }
            continue;
        }
        if let Some((number, problem)) = torn {
            return Err(format!("line {number}: {problem}"));
        }
        match parse(&line).filter(|_| whole) {
            Some(record) => take(Item::Record(record)),
            None => torn = Some((number, "not a record (`> ns session hex`), and not the last of a run")),
        }
    }
    if torn.is_some() {
        take(Item::Torn);
    }
    Ok(())
}

fn parse(line: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(line).ok()?;
    let mut fields = text.split(' ');
    let sent = match fields.next()? {
        ">" => true,
        "<" => false,
        _ => return None,
    };
    let (ns, session) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let hex = fields.next()?.as_bytes();
    if fields.next().is_some() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let message = hex
        .chunks_exact(2)
        .map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
        .collect::<Option<Vec<u8>>>()?;
    // A message is whole exactly if its own header says so.
    matches!(codec::next_message(&message), Ok(Some(first)) if first.len() == message.len()).then_some(Record {
        sent,
        ns,
        session,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_wire::message::{Cancel, Message};
    use ringbook_wire::report::{Busy, Rejected};

    fn bytes<M: Message>(request: u32) -> Vec<u8> {
        let mut out = Vec::new();
        codec::write(&mut out, &M::new(request));
        out
    }

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("ringbook-ledger-{name}-{}", std::process::id()))
    }

    #[test]
    fn what_is_written_is_read_back_by_request() {
        let path = path("round");
        let mut writer = Writer::open(&path).unwrap();
        writer.sent(5, 9, &bytes::<Cancel>(1));
        writer.sent(6, 9, &bytes::<Cancel>(2));
        writer.received(7, 9, &bytes::<Rejected>(1));
        writer.received(8, 9, &bytes::<Busy>(2));
        writer.received(8, 9, &bytes::<Rejected>(0));
        writer.sent(9, 9, &bytes::<Cancel>(2));
        writer.flush().unwrap();
        drop(writer);
        let ledger = Ledger::read(&path).unwrap();
        let summary: Vec<_> =
            ledger.entries.iter().map(|e| (e.session, e.request, e.ns, e.sends, e.busy, e.reports.len())).collect();
        assert_eq!(summary, [(9, 1, 5, 1, 0, 1), (9, 2, 6, 2, 1, 0)]);
        assert_eq!((ledger.unsolicited, ledger.torn), (1, 0));
        assert_eq!(ledger.entries[0].message, bytes::<Cancel>(1));
        std::fs::remove_file(&path).unwrap();
    }

    /// A load generator was killed in the middle of a write; its ledger must still be of use, at every length.
    #[test]
    fn a_torn_last_line_is_left_out_and_a_new_run_goes_on_behind_it() {
        let path = path("torn");
        let whole =
            format!("{HEADER}\n> 5 9 {}\n", bytes::<Cancel>(1).iter().map(|b| format!("{b:02x}")).collect::<String>());
        // (All but the line end is whole once the next run has ended the line.)
        for cut in HEADER.len() + 2..whole.len() - 1 {
            std::fs::write(&path, &whole.as_bytes()[..cut]).unwrap();
            let ledger = Ledger::read(&path).unwrap();
            assert_eq!((ledger.entries.len(), ledger.torn), (0, 1), "{cut}");
            let mut writer = Writer::open(&path).unwrap();
            writer.sent(6, 9, &bytes::<Cancel>(2));
            writer.flush().unwrap();
            let ledger = Ledger::read(&path).unwrap();
            assert_eq!((ledger.entries.len(), ledger.torn), (1, 1), "{cut}");
        }
        std::fs::write(&path, format!("{HEADER}\n> 5 nonsense\n> 5 9 00\n")).unwrap();
        assert!(Ledger::read(&path).unwrap_err().contains("line 2"));
        std::fs::remove_file(&path).unwrap();
        assert!(Ledger::read(&path).unwrap_err().contains("--ledger"));
    }
}
