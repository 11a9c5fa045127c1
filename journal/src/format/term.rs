//! `term`: the term of the last writer, and whether it ended cleanly (`docs/FORMATS.md` §1).
//!
//! ```text
//! offset  0          8         12       16      20      24               40              48      52       60      64
//!         +----------+---------+--------+-------+-------+----------------+---------------+-------+--------+-------+
//!         | RBTERM01 | version | shard  | term  | state | uuid           | last sequence | chain | zeros  | crc   |
//!         +----------+---------+--------+-------+-------+----------------+---------------+-------+--------+-------+
//! ```
//!
//! Replaced as a whole at every opening and at every clean stop; what it says survives the power.

use super::{all_zero, put, u32_at, u64_at};

/// Name of the file in the journal's folder.
pub const TERM_NAME: &str = "term";
/// Length of the file in bytes.
pub const TERM_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"RBTERM01";
const VERSION: u32 = 1;
const CRC_AT: usize = 60;
const _: () = assert!(CRC_AT + 4 == TERM_BYTES);

/// What the last writer left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermRecord {
    /// The shard.
    pub shard: u32,
    /// The writer's term: written before the first frame of this term is.
    pub term: u32,
    /// It stopped when everything written was durable, and wrote nothing afterwards.
    pub stopped: bool,
    /// The journal's identity.
    pub uuid: [u8; 16],
    /// Last sequence at the stop; in an open journal, at the opening.
    pub sequence: u64,
    /// `chain` of that frame; 0 without one.
    pub chain: u32,
}

impl TermRecord {
    /// The file's bytes.
    pub fn encode(&self) -> [u8; TERM_BYTES] {
        let mut out = [0; TERM_BYTES];
        put(&mut out, 0, MAGIC);
        put(&mut out, 8, &VERSION.to_le_bytes());
        put(&mut out, 12, &self.shard.to_le_bytes());
        put(&mut out, 16, &self.term.to_le_bytes());
        put(&mut out, 20, &(1 + u32::from(self.stopped)).to_le_bytes());
        put(&mut out, 24, &self.uuid);
        put(&mut out, 40, &self.sequence.to_le_bytes());
        put(&mut out, 48, &self.chain.to_le_bytes());
        let crc = crc32c::crc32c(&out[..CRC_AT]);
        put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// # Errors
    /// What is wrong with the bytes, in words.
    pub fn decode(bytes: &[u8]) -> Result<TermRecord, &'static str> {
        if bytes.len() != TERM_BYTES {
            return Err("it is not 64 bytes long");
        }
        if &bytes[..8] != MAGIC {
            return Err("it does not begin with RBTERM01");
        }
        if u32_at(bytes, CRC_AT) != crc32c::crc32c(&bytes[..CRC_AT]) {
            return Err("its checksum does not fit");
        }
        if u32_at(bytes, 8) != VERSION {
            return Err("its version is not 1: a newer program wrote it");
        }
        if !all_zero(&bytes[52..CRC_AT]) {
            return Err("its reserved bytes are not zero");
        }
        let stopped = match u32_at(bytes, 20) {
            1 => false,
            2 => true,
            _ => return Err("its state is unknown"),
        };
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[24..40]);
        Ok(TermRecord {
            shard: u32_at(bytes, 12),
            term: u32_at(bytes, 16),
            stopped,
            uuid,
            sequence: u64_at(bytes, 40),
            chain: u32_at(bytes, 48),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    fn sample() -> TermRecord {
        TermRecord { shard: 3, term: 7, stopped: true, uuid: *b"0123456789abcdef", sequence: 258, chain: 0xDEAD_BEEF }
    }

    #[test]
    fn golden_bytes() {
        let bytes = sample().encode();
        let expected = "52425445524d30310100000003000000070000000200000030313233343536373839616263646566\
                        0201000000000000efbeadde0000000000000000";
        assert_eq!(hex(&bytes[..60]), expected);
        assert_eq!(u32_at(&bytes, 60), crc32c::crc32c(&bytes[..60]));
        assert_eq!(TermRecord::decode(&bytes), Ok(sample()));
        let open = TermRecord { stopped: false, ..sample() };
        assert_eq!(open.encode()[20], 1);
        assert_eq!(TermRecord::decode(&open.encode()), Ok(open));
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let bytes = sample().encode();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(TermRecord::decode(&changed).is_err(), "bit {bit}");
        }
    }
}
