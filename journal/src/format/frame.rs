//! One frame: a command and all events that it caused (`docs/FORMATS.md` §3).
//!
//! ```text
//! offset  0       4        8           16          24                   32      36
//!         +-------+--------+-----------+-----------+--------------------+-------+--------------+
//!         | crc   | length | sequence  | time ns   | durable at append  | term  | previous crc |
//!         +-------+--------+-----------+-----------+--------------------+-------+--------------+
//! offset 40              42     43      44              48
//!         +--------------+------+-------+---------------+-----------------+------------------+
//!         | command len  | kind | flags | rules         | command bytes   | event bytes      |
//!         +--------------+------+-------+---------------+-----------------+------------------+
//! ```
//!
//! [`examine`] is the only place that decides whether a frame is valid; writer, reader, recovery and sealer share it.

use super::{put, u16_at, u32_at, u64_at};

/// Length of a frame's header in bytes, and of a frame without payload.
pub const FRAME_HEADER: usize = 48;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// A command and its events.
    Command = 1,
    /// A fence of replication: a new term begins. No payload.
    Fence = 2,
    /// Closes a segment; takes no sequence. Never seen outside this package.
    End = 3,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<FrameKind> {
        Some(match byte {
            1 => FrameKind::Command,
            2 => FrameKind::Fence,
            3 => FrameKind::End,
            _ => return None,
        })
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// CRC-32C of bytes 4..length.
    pub crc: u32,
    /// Bytes of the whole frame.
    pub length: u32,
    /// Journal sequence.
    pub sequence: u64,
    /// Engine time, nanoseconds since 1970-01-01 UTC.
    pub time_ns: u64,
    /// Highest sequence known to be durable when the frame was appended.
    pub durable_at_append: u64,
    /// Term.
    pub term: u32,
    /// `crc` of the frame before.
    pub previous_crc: u32,
    /// Bytes of the command.
    pub command_len: u16,
    /// What the frame is.
    pub kind: FrameKind,
    /// Rule book version under which the command was executed.
    pub rules: u32,
}

impl FrameHeader {
    /// Writes the header into the first 48 bytes of `frame` and the checksum over all of `frame`; answers the checksum.
    #[inline]
    pub fn seal(&self, frame: &mut [u8], crc: crate::crc::Crc) -> u32 {
        let header: &mut [u8] = &mut frame[..FRAME_HEADER];
        put(header, 4, &self.length.to_le_bytes());
        put(header, 8, &self.sequence.to_le_bytes());
        put(header, 16, &self.time_ns.to_le_bytes());
        put(header, 24, &self.durable_at_append.to_le_bytes());
        put(header, 32, &self.term.to_le_bytes());
        put(header, 36, &self.previous_crc.to_le_bytes());
        put(header, 40, &self.command_len.to_le_bytes());
        header[42] = self.kind as u8;
        header[43] = 0;
        put(header, 44, &self.rules.to_le_bytes());
        let crc = crc.of(&frame[4..]);
        put(frame, 0, &crc.to_le_bytes());
        crc
    }

    /// Reads a header whose kind is known; no other check.
    #[inline]
    fn decode(bytes: &[u8]) -> Option<FrameHeader> {
        let bytes: &[u8; FRAME_HEADER] = bytes.first_chunk()?;
        Some(FrameHeader {
            crc: u32_at(bytes, 0),
            length: u32_at(bytes, 4),
            sequence: u64_at(bytes, 8),
            time_ns: u64_at(bytes, 16),
            durable_at_append: u64_at(bytes, 24),
            term: u32_at(bytes, 32),
            previous_crc: u32_at(bytes, 36),
            command_len: u16_at(bytes, 40),
            kind: FrameKind::from_byte(bytes[42])?,
            rules: u32_at(bytes, 44),
        })
    }
}

/// The chain up to a place: what the next frame must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Sequence of the next frame.
    pub next: u64,
    /// `crc` of the last frame; 0 before sequence 1. `None`: unknown, the reader has jumped in.
    pub previous_crc: Option<u32>,
    /// Term of the last frame.
    pub term: u32,
    /// Time of the last frame.
    pub time_ns: u64,
}

impl Chain {
    /// Before the first frame of a journal.
    pub const START: Chain = Chain { next: 1, previous_crc: Some(0), term: 0, time_ns: 0 };

    /// The chain behind `frame`.
    #[inline]
    pub fn after(&self, frame: &FrameHeader) -> Chain {
        Chain { next: frame.sequence + 1, previous_crc: Some(frame.crc), term: frame.term, time_ns: frame.time_ns }
    }
}

/// What lies at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A valid frame that is not END.
    Frame(FrameHeader),
    /// A valid END.
    End(FrameHeader),
    /// Length and checksum are 0.
    Nothing,
    /// Something that is not a valid frame, and why.
    Bad(&'static str),
}

/// Looks at `offset` of a segment's bytes. Never reads behind `bytes`.
#[inline]
pub fn examine(bytes: &[u8], offset: usize, max_frame: u32, chain: &Chain, crc: crate::crc::Crc) -> Place {
    let Some(here) = bytes.get(offset..).filter(|rest| rest.len() >= FRAME_HEADER) else {
        return Place::Bad("no room for a frame before the end of the segment");
    };
    let length = u32_at(here, 4) as usize;
    if length == 0 {
        return if u32_at(here, 0) == 0 { Place::Nothing } else { Place::Bad("a checksum without a length") };
    }
    if length < FRAME_HEADER || length > max_frame as usize || !length.is_multiple_of(8) || length > here.len() {
        return Place::Bad("its length is impossible");
    }
    if crc.of(&here[4..length]) != u32_at(here, 0) {
        return Place::Bad("its checksum does not fit");
    }
    let Some(header) = FrameHeader::decode(here) else {
        return Place::Bad("its kind is unknown");
    };
    if here[43] != 0 {
        return Place::Bad("its flags are not 0");
    }
    if header.sequence != chain.next {
        return Place::Bad("its sequence is not the expected one");
    }
    if chain.previous_crc.is_some_and(|previous| previous != header.previous_crc) {
        return Place::Bad("it does not continue the frame before (a frame of another history)");
    }
    if header.term < chain.term || header.time_ns < chain.time_ns {
        return Place::Bad("its term or time falls");
    }
    if header.durable_at_append >= header.sequence {
        return Place::Bad("it claims to be durable before it was written");
    }
    let payload = length - FRAME_HEADER;
    if header.command_len as usize > payload || !header.command_len.is_multiple_of(8) {
        return Place::Bad("its command is longer than the frame");
    }
    match header.kind {
        FrameKind::Command => Place::Frame(header),
        FrameKind::Fence | FrameKind::End if payload != 0 => Place::Bad("it has a payload that its kind forbids"),
        FrameKind::Fence => Place::Frame(header),
        FrameKind::End => Place::End(header),
    }
}

/// For the scan behind a bad place (`docs/FORMATS.md` §6): `durable at append` of whatever looks like a frame here.
///
/// `lowest..=highest` bounds the sequences that are possible at this place.
pub fn looks_like_frame(bytes: &[u8], offset: usize, max_frame: u32, lowest: u64, highest: u64) -> Option<u64> {
    let here = bytes.get(offset..)?;
    let header = FrameHeader::decode(here)?;
    let length = header.length as usize;
    let possible = length >= FRAME_HEADER
        && length <= max_frame as usize
        && length.is_multiple_of(8)
        && length <= here.len()
        && here[43] == 0
        && (lowest..=highest).contains(&header.sequence)
        && header.durable_at_append < header.sequence;
    (possible && crc32c::crc32c(&here[4..length]) == header.crc).then_some(header.durable_at_append)
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;
    use crate::crc::Crc;

    fn sample() -> (FrameHeader, Vec<u8>) {
        let mut header = FrameHeader {
            crc: 0,
            length: 72,
            sequence: 7,
            time_ns: 0x1122,
            durable_at_append: 5,
            term: 1,
            previous_crc: 0xCAFE_F00D,
            command_len: 16,
            kind: FrameKind::Command,
            rules: 9,
        };
        let mut bytes = vec![0; 72];
        bytes[48..64].copy_from_slice(b"command-command-");
        bytes[64..].copy_from_slice(b"eventsev");
        header.crc = header.seal(&mut bytes, Crc::detect());
        (header, bytes)
    }

    fn chain() -> Chain {
        Chain { next: 7, previous_crc: Some(0xCAFE_F00D), term: 1, time_ns: 0x1000 }
    }

    #[test]
    fn golden_bytes() {
        let (header, bytes) = sample();
        assert_eq!(
            hex(&bytes[4..]),
            "48000000070000000000000022110000000000000500000000000000010000000df0feca\
             1000010009000000636f6d6d616e642d636f6d6d616e642d6576656e74736576"
        );
        assert_eq!(u32_at(&bytes, 0), crc32c::crc32c(&bytes[4..]));
        assert_eq!(examine(&bytes, 0, 4_096, &chain(), Crc::detect()), Place::Frame(header));
    }

    #[test]
    fn every_changed_bit_makes_a_frame_bad() {
        let (_, bytes) = sample();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let place = examine(&changed, 0, 4_096, &chain(), Crc::detect());
            assert!(matches!(place, Place::Bad(_)), "bit {bit}: {place:?}");
        }
    }

    #[test]
    fn a_frame_must_continue_the_chain() {
        let (_, bytes) = sample();
        let check = |chain: Chain, expected: &str| match examine(&bytes, 0, 4_096, &chain, Crc::detect()) {
            Place::Bad(why) => assert!(why.contains(expected), "{why}"),
            other => panic!("{expected}: {other:?}"),
        };
        check(Chain { next: 8, ..chain() }, "sequence");
        check(Chain { previous_crc: Some(1), ..chain() }, "another history");
        check(Chain { term: 2, ..chain() }, "term or time");
        check(Chain { time_ns: 0x1123, ..chain() }, "term or time");
        match examine(&bytes, 0, 64, &chain(), Crc::detect()) {
            Place::Bad(why) => assert!(why.contains("length")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_each_kind_may_hold() {
        let check = |kind: FrameKind, length: u32, command_len: u16, durable: u64, valid: bool| {
            let (mut header, mut bytes) = sample();
            header = FrameHeader { kind, length, command_len, durable_at_append: durable, ..header };
            bytes.truncate(length as usize);
            header.seal(&mut bytes, Crc::detect());
            let place = examine(&bytes, 0, 4_096, &chain(), Crc::detect());
            assert_eq!(!matches!(place, Place::Bad(_)), valid, "{header:?}: {place:?}");
        };
        check(FrameKind::Command, 72, 24, 6, true);
        check(FrameKind::Command, 72, 32, 6, false);
        check(FrameKind::Command, 72, 12, 6, false);
        check(FrameKind::Command, 72, 16, 7, false);
        check(FrameKind::Fence, 48, 0, 6, true);
        check(FrameKind::Fence, 72, 0, 6, false);
        check(FrameKind::End, 48, 0, 6, true);
        check(FrameKind::End, 56, 0, 6, false);
    }
}
