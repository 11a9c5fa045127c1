//! One frame: a command and all events that it caused (`docs/FORMATS.md` §3).
//!
//! ```text
//! offset  0       4        8           16          24      28      32      36               40
//!         +-------+--------+-----------+-----------+-------+-------+-------+----------------+
//!         | crc   | length | sequence  | time ns   | lag   | chain | term  | previous chain |
//!         +-------+--------+-----------+-----------+-------+-------+-------+----------------+
//! offset 40              42     43      44              48
//!         +--------------+------+-------+---------------+-----------------+------------------+
//!         | command len  | kind | flags | rules         | command bytes   | event bytes      |
//!         +--------------+------+-------+---------------+-----------------+------------------+
//! ```
//!
//! `chain` covers what is the same on every machine that holds the frame; `crc` is salted with the journal's secret and
//! says that the frame was written here. No payload can imitate it, so the scan behind a bad place may believe it.
//!
//! [`examine`] is the only place that decides whether a frame is valid; writer, reader, recovery and sealer share it.

use super::identity::Salt;
use super::{put, u16_at, u32_at, u64_at};
use crate::crc::Crc;

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
    /// Bytes of the whole frame.
    pub length: u32,
    /// Journal sequence.
    pub sequence: u64,
    /// Engine time, nanoseconds since 1970-01-01 UTC.
    pub time_ns: u64,
    /// `sequence` minus the highest sequence known to be durable when the frame was appended; at least 1.
    pub lag: u32,
    /// CRC-32C of all of the frame but `crc`, `lag` and itself.
    pub chain: u32,
    /// Term.
    pub term: u32,
    /// `chain` of the frame before.
    pub previous_chain: u32,
    /// Bytes of the command.
    pub command_len: u16,
    /// What the frame is.
    pub kind: FrameKind,
    /// Rule book version under which the command was executed.
    pub rules: u32,
}

/// The two checksums of the frames of one journal.
#[derive(Clone, Copy, Debug)]
pub struct Checksums {
    crc: Crc,
    /// CRC-32C of the salt, which every frame's `crc` goes on from.
    salted: u32,
}

impl Checksums {
    /// Those of the journal that has this salt.
    pub fn new(salt: Salt) -> Checksums {
        let crc = Crc::detect();
        Checksums { crc, salted: crc.of(&salt.0) }
    }

    /// CRC-32C of bytes 4..24 and 32..length of a whole frame.
    #[inline]
    fn chain(&self, frame: &[u8]) -> u32 {
        let (header, rest) = frame.split_at(32);
        self.crc.append(self.crc.of(&header[4..24]), rest)
    }

    /// CRC-32C of salt, lag, chain.
    #[inline]
    fn salted(&self, lag: u32, chain: u32) -> u32 {
        self.crc.append(self.salted, &(u64::from(lag) | u64::from(chain) << 32).to_le_bytes())
    }

    /// Whether both checksums of a whole frame fit: the cheap one, which only this journal can give, first.
    #[inline]
    fn fit(&self, frame: &[u8]) -> bool {
        let (crc, lag, chain) = (u32_at(frame, 0), u32_at(frame, 24), u32_at(frame, 28));
        self.salted(lag, chain) == crc && self.chain(frame) == chain
    }
}

impl FrameHeader {
    /// Writes the header into the first 48 bytes of `frame`, with the checksums of all of `frame`; answers the chain.
    /// `self.chain` is not looked at.
    #[inline]
    pub fn seal(&self, frame: &mut [u8], sums: Checksums) -> u32 {
        let header: &mut [u8] = &mut frame[..FRAME_HEADER];
        put(header, 4, &self.length.to_le_bytes());
        put(header, 8, &self.sequence.to_le_bytes());
        put(header, 16, &self.time_ns.to_le_bytes());
        put(header, 24, &self.lag.to_le_bytes());
        put(header, 32, &self.term.to_le_bytes());
        put(header, 36, &self.previous_chain.to_le_bytes());
        put(header, 40, &self.command_len.to_le_bytes());
        header[42] = self.kind as u8;
        header[43] = 0;
        put(header, 44, &self.rules.to_le_bytes());
        let chain = sums.chain(frame);
        put(frame, 28, &chain.to_le_bytes());
        put(frame, 0, &sums.salted(self.lag, chain).to_le_bytes());
        chain
    }

    /// Reads a header whose kind is known; no other check.
    #[inline]
    fn decode(bytes: &[u8]) -> Option<FrameHeader> {
        let bytes: &[u8; FRAME_HEADER] = bytes.first_chunk()?;
        Some(FrameHeader {
            length: u32_at(bytes, 4),
            sequence: u64_at(bytes, 8),
            time_ns: u64_at(bytes, 16),
            lag: u32_at(bytes, 24),
            chain: u32_at(bytes, 28),
            term: u32_at(bytes, 32),
            previous_chain: u32_at(bytes, 36),
            command_len: u16_at(bytes, 40),
            kind: FrameKind::from_byte(bytes[42])?,
            rules: u32_at(bytes, 44),
        })
    }

    /// `lag` for a frame of this sequence.
    #[inline]
    pub fn lag(sequence: u64, durable: u64) -> u32 {
        u32::try_from(sequence - durable).unwrap_or(u32::MAX)
    }

    /// Highest sequence that was known to be durable when the frame was appended; 0 if `lag` is at its end.
    #[inline]
    pub fn durable_at_append(&self) -> u64 {
        if self.lag == u32::MAX { 0 } else { self.sequence.saturating_sub(u64::from(self.lag)) }
    }
}

/// The chain up to a place: what the next frame must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Sequence of the next frame.
    pub next: u64,
    /// `chain` of the last frame; 0 before sequence 1. `None`: unknown, the reader has jumped in.
    pub previous: Option<u32>,
    /// Term of the last frame.
    pub term: u32,
    /// Time of the last frame.
    pub time_ns: u64,
}

impl Chain {
    /// Before the first frame of a journal.
    pub const START: Chain = Chain { next: 1, previous: Some(0), term: 0, time_ns: 0 };

    /// In front of `next`, without knowledge of what lies before.
    pub fn jump(next: u64) -> Chain {
        Chain { next, previous: None, term: 0, time_ns: 0 }
    }

    /// The chain behind `frame`.
    #[inline]
    pub fn after(&self, frame: &FrameHeader) -> Chain {
        Chain { next: frame.sequence + 1, previous: Some(frame.chain), term: frame.term, time_ns: frame.time_ns }
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
pub fn examine(bytes: &[u8], offset: usize, max_frame: u32, chain: &Chain, sums: Checksums) -> Place {
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
    if !sums.fit(&here[..length]) {
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
    if chain.previous.is_some_and(|previous| previous != header.previous_chain) {
        return Place::Bad("it does not continue the frame before (a frame of another history)");
    }
    if header.term < chain.term || header.time_ns < chain.time_ns {
        return Place::Bad("its term or time falls");
    }
    if header.lag == 0 {
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

/// For the scan behind a bad place (`docs/FORMATS.md` §6): `durable at append` of a frame of this journal that lies
/// here, whatever it continues. Only the journal's salt makes one: payloads that imitate a frame are none.
///
/// `lowest..=highest` bounds the sequences that are possible at this place.
pub fn evidence(bytes: &[u8], offset: usize, lowest: u64, highest: u64, sums: Checksums) -> Option<u64> {
    let here = bytes.get(offset..)?;
    let header = FrameHeader::decode(here)?;
    let length = header.length as usize;
    let possible = length >= FRAME_HEADER
        && length.is_multiple_of(8)
        && length <= here.len()
        && here[43] == 0
        && (lowest..=highest).contains(&header.sequence)
        && header.lag != 0;
    (possible && sums.fit(&here[..length])).then_some(header.durable_at_append())
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    fn sample() -> (FrameHeader, Vec<u8>) {
        let mut header = FrameHeader {
            length: 72,
            sequence: 7,
            time_ns: 0x1122,
            lag: 2,
            chain: 0,
            term: 1,
            previous_chain: 0xCAFE_F00D,
            command_len: 16,
            kind: FrameKind::Command,
            rules: 9,
        };
        let mut bytes = vec![0; 72];
        bytes[48..64].copy_from_slice(b"command-command-");
        bytes[64..].copy_from_slice(b"eventsev");
        header.chain = header.seal(&mut bytes, sums());
        (header, bytes)
    }

    fn sums() -> Checksums {
        Checksums::new(Salt(*b"salt-salt-salt-s"))
    }

    fn chain() -> Chain {
        Chain { next: 7, previous: Some(0xCAFE_F00D), term: 1, time_ns: 0x1000 }
    }

    #[test]
    fn golden_bytes() {
        let (header, bytes) = sample();
        assert_eq!(
            hex(&bytes),
            "72b87896480000000700000000000000221100000000000002000000761769cb010000000df0feca\
             1000010009000000636f6d6d616e642d636f6d6d616e642d6576656e74736576"
        );
        // The document's words, by another implementation.
        let expected = crc32c::crc32c(&[&bytes[4..24], &bytes[32..]].concat());
        assert_eq!(u32_at(&bytes, 28), expected);
        assert_eq!(u32_at(&bytes, 0), crc32c::crc32c(&[b"salt-salt-salt-s", &bytes[24..32]].concat()));
        assert_eq!(examine(&bytes, 0, 4_096, &chain(), sums()), Place::Frame(header));
    }

    #[test]
    fn every_changed_bit_makes_a_frame_bad() {
        let (_, bytes) = sample();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let place = examine(&changed, 0, 4_096, &chain(), sums());
            assert!(matches!(place, Place::Bad(_)), "bit {bit}: {place:?}");
        }
    }

    #[test]
    fn a_frame_must_continue_the_chain() {
        let (_, bytes) = sample();
        let check = |chain: Chain, expected: &str| match examine(&bytes, 0, 4_096, &chain, sums()) {
            Place::Bad(why) => assert!(why.contains(expected), "{why}"),
            other => panic!("{expected}: {other:?}"),
        };
        check(Chain { next: 8, ..chain() }, "sequence");
        check(Chain { previous: Some(1), ..chain() }, "another history");
        check(Chain { term: 2, ..chain() }, "term or time");
        check(Chain { time_ns: 0x1123, ..chain() }, "term or time");
        match examine(&bytes, 0, 64, &chain(), sums()) {
            Place::Bad(why) => assert!(why.contains("length")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_each_kind_may_hold() {
        let check = |kind: FrameKind, length: u32, command_len: u16, lag: u32, valid: bool| {
            let (mut header, mut bytes) = sample();
            header = FrameHeader { kind, length, command_len, lag, ..header };
            bytes.truncate(length as usize);
            header.seal(&mut bytes, sums());
            let place = examine(&bytes, 0, 4_096, &chain(), sums());
            assert_eq!(!matches!(place, Place::Bad(_)), valid, "{header:?}: {place:?}");
        };
        check(FrameKind::Command, 72, 24, 1, true);
        check(FrameKind::Command, 72, 32, 1, false);
        check(FrameKind::Command, 72, 12, 1, false);
        check(FrameKind::Command, 72, 16, 0, false);
        check(FrameKind::Fence, 48, 0, 1, true);
        check(FrameKind::Fence, 72, 0, 1, false);
        check(FrameKind::End, 48, 0, 1, true);
        check(FrameKind::End, 56, 0, 1, false);
    }
    #[test]
    fn a_frame_of_another_journal_is_bad_and_no_evidence() {
        let (_, bytes) = sample();
        let other = Checksums::new(Salt([1; 16]));
        assert_eq!(examine(&bytes, 0, 4_096, &chain(), other), Place::Bad("its checksum does not fit"));
        assert_eq!(evidence(&bytes, 0, 7, 7, other), None);
        assert_eq!(evidence(&bytes, 0, 7, 7, sums()), Some(5));
        assert_eq!(evidence(&bytes, 0, 8, 9, sums()), None);
    }

    #[test]
    fn a_lag_at_its_end_says_nothing() {
        assert_eq!(FrameHeader::lag(7, 6), 1);
        assert_eq!(FrameHeader::lag(1 << 40, 5), u32::MAX);
        let (header, _) = sample();
        assert_eq!(header.durable_at_append(), 5);
        assert_eq!(FrameHeader { sequence: 1 << 40, lag: u32::MAX, ..header }.durable_at_append(), 0);
    }
}
