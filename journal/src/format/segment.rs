//! The header of a segment (`docs/FORMATS.md` §2): block 0 of `BASE.seg` and of `BASE.tail`.
//!
//! ```text
//! offset  0          8         12       16       20       24               40              48
//!         +----------+---------+--------+--------+--------+----------------+---------------+
//!         | RBSEGM01 | version | shard  | rules  | term   | uuid           | base sequence |
//!         +----------+---------+--------+--------+--------+----------------+---------------+
//! offset 48          56             60          64            72             92      96
//!         +----------+--------------+-----------+-------------+--------------+-------+
//!         | size     | prev. chain  | max frame | created ns  | 20 zeros     | crc   | zeros to 4,096
//!         +----------+--------------+-----------+-------------+--------------+-------+
//! ```

use super::frame::FRAME_HEADER;
use super::{BLOCK, all_zero, put, u32_at, u64_at};

/// Length of the header proper in bytes; the rest of block 0 is zeros.
pub const SEGMENT_HEADER: usize = 96;
/// Where the first frame begins.
pub const FRAMES_AT: usize = BLOCK;
/// The smallest segment in bytes.
pub const SEGMENT_MIN: u64 = 64 * 1_024;
/// The largest segment in bytes: places in sidecars are offsets divided by 8 in 32 bits.
pub const SEGMENT_MAX: u64 = 16 * 1_024 * 1_024 * 1_024;
const MAGIC: &[u8; 8] = b"RBSEGM01";
const VERSION: u32 = 1;
const CRC_AT: usize = 92;
const _: () = assert!(CRC_AT + 4 == SEGMENT_HEADER && SEGMENT_HEADER <= FRAMES_AT);

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The shard.
    pub shard: u32,
    /// Rule book version of the first frame.
    pub rules: u32,
    /// Term of the writer when the segment was begun.
    pub term: u32,
    /// The journal's identity.
    pub uuid: [u8; 16],
    /// Sequence of the first frame.
    pub base: u64,
    /// Size of the file in bytes.
    pub size: u64,
    /// `chain` of the last frame before this segment; 0 in the first.
    pub previous_chain: u32,
    /// Bound of one frame's length in bytes.
    pub max_frame: u32,
    /// Nanoseconds since 1970-01-01 UTC (the engine's time).
    pub created_ns: u64,
}

impl SegmentHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        put(&mut out, 0, MAGIC);
        put(&mut out, 8, &VERSION.to_le_bytes());
        put(&mut out, 12, &self.shard.to_le_bytes());
        put(&mut out, 16, &self.rules.to_le_bytes());
        put(&mut out, 20, &self.term.to_le_bytes());
        put(&mut out, 24, &self.uuid);
        put(&mut out, 40, &self.base.to_le_bytes());
        put(&mut out, 48, &self.size.to_le_bytes());
        put(&mut out, 56, &self.previous_chain.to_le_bytes());
        put(&mut out, 60, &self.max_frame.to_le_bytes());
        put(&mut out, 64, &self.created_ns.to_le_bytes());
        let crc = crc32c::crc32c(&out[..CRC_AT]);
        put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// Reads the header at the beginning of a segment.
    ///
    /// # Errors
    /// What is wrong with the bytes, in words.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, &'static str> {
        if bytes.len() < FRAMES_AT {
            return Err("it is shorter than a block");
        }
        if &bytes[..8] != MAGIC {
            return Err("it does not begin with RBSEGM01");
        }
        if u32_at(bytes, CRC_AT) != crc32c::crc32c(&bytes[..CRC_AT]) {
            return Err("the checksum of its header does not fit");
        }
        if u32_at(bytes, 8) != VERSION {
            return Err("its version is not 1: a newer program wrote it");
        }
        if !all_zero(&bytes[72..CRC_AT]) || !all_zero(&bytes[SEGMENT_HEADER..FRAMES_AT]) {
            return Err("reserved bytes of its header are not zero");
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[24..40]);
        let header = SegmentHeader {
            shard: u32_at(bytes, 12),
            rules: u32_at(bytes, 16),
            term: u32_at(bytes, 20),
            uuid,
            base: u64_at(bytes, 40),
            size: u64_at(bytes, 48),
            previous_chain: u32_at(bytes, 56),
            max_frame: u32_at(bytes, 60),
            created_ns: u64_at(bytes, 64),
        };
        if header.size < SEGMENT_MIN || header.size > SEGMENT_MAX || !header.size.is_multiple_of(BLOCK as u64) {
            return Err("the size in its header is impossible");
        }
        let max_frame = header.max_frame as usize;
        if max_frame < FRAME_HEADER || max_frame + FRAME_HEADER + FRAMES_AT > header.size as usize {
            return Err("the longest frame in its header is impossible");
        }
        if header.base == 0 {
            return Err("the base sequence in its header is 0");
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    fn sample() -> SegmentHeader {
        SegmentHeader {
            shard: 1,
            rules: 2,
            term: 3,
            uuid: [0xAB; 16],
            base: 1_000,
            size: 65_536,
            previous_chain: 0xDEAD_BEEF,
            max_frame: 8_192,
            created_ns: 5,
        }
    }

    #[test]
    fn golden_bytes() {
        let bytes = sample().encode();
        let expected = "524253454\
            74d3031010000000100000002000000\
            03000000abababababababababababababababab\
            e803000000000000\
            0000010000000000efbeadde00200000\
            0500000000000000\
            0000000000000000000000000000000000000000";
        assert_eq!(hex(&bytes[..CRC_AT]), expected);
        assert_eq!(u32_at(&bytes, CRC_AT), crc32c::crc32c(&bytes[..CRC_AT]));
        let mut block = vec![0; FRAMES_AT];
        block[..SEGMENT_HEADER].copy_from_slice(&bytes);
        assert_eq!(SegmentHeader::decode(&block), Ok(sample()));
    }

    #[test]
    fn every_changed_byte_of_the_block_is_noticed() {
        let mut block = vec![0; FRAMES_AT];
        block[..SEGMENT_HEADER].copy_from_slice(&sample().encode());
        for index in 0..FRAMES_AT {
            block[index] ^= 0x40;
            assert!(SegmentHeader::decode(&block).is_err(), "byte {index}");
            block[index] ^= 0x40;
        }
    }
}
