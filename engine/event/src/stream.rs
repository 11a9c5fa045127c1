//! Writing records one behind the other into a bounded buffer, and reading them back.

use crate::records::{Event, EventHeader, Record};
use zerocopy::FromBytes;

/// Appends records to a buffer of fixed size, for the engine. It never allocates.
///
/// Invariant: `len` is a multiple of 8 and the bytes before it are whole records. Running over the end is a broken
/// bound of the engine (DOMAIN §5.1a), not a customer's fault, so it panics.
#[derive(Debug)]
pub struct EventWriter<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> EventWriter<'a> {
    /// A writer at the start of `buffer`.
    #[inline]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Appends a record.
    #[inline]
    pub fn push<R: Record>(&mut self, record: &R) {
        let bytes = record.as_bytes();
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Bytes written.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes left.
    #[inline]
    pub fn room(&self) -> usize {
        self.buffer.len() - self.len
    }

    /// What was written.
    #[inline]
    pub fn written(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

/// Event bytes that are not whole records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event bytes end inside a record at offset {0}: the journal was written by something else")]
pub struct EventError(pub usize);

/// Reads the records of a frame's event bytes. Types that are not known are skipped.
#[inline]
pub fn events(bytes: &[u8]) -> Events<'_> {
    Events { bytes, offset: 0 }
}

/// Iterator over events; see [`events`].
#[derive(Clone, Debug)]
pub struct Events<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Iterator for Events<'_> {
    type Item = Result<Event, EventError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.bytes[self.offset..];
            if rest.is_empty() {
                return None;
            }
            let error = EventError(self.offset);
            let length = match EventHeader::read_from_prefix(rest) {
                Ok((header, _)) if header.words > 0 => usize::from(header.words) * 8,
                _ => {
                    self.offset = self.bytes.len();
                    return Some(Err(error));
                }
            };
            let Some(record) = rest.get(..length) else {
                self.offset = self.bytes.len();
                return Some(Err(error));
            };
            self.offset += length;
            if let Some(event) = Event::read(record) {
                return Some(Ok(event));
            }
        }
    }
}
