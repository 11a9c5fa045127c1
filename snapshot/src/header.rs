//! The first 128 bytes of a snapshot.
//!
//! ```text
//! offset  0          8        12      16      20      24         32        40               56             60         64
//!         +----------+--------+-------+-------+-------+----------+---------+----------------+--------------+----------+
//!         | magic    | schema | rules | shard | term  | sequence | time    | uuid           | chain        | reserved |
//!         | RBSNAP01 | u32    | u32   | u32   | u32   | u64      | u64 ns  | 16 bytes       | u32          | 4 zeros  |
//!         +----------+--------+-------+-------+-------+----------+---------+----------------+--------------+----------+
//! offset 64                96                           128
//!         +----------------+----------------------------+
//!         | state hash     | reserved                   |
//!         | 32 bytes       | 32 zeros                   |
//!         +----------------+----------------------------+
//! ```
//!
//! Invariant: every byte is either a field or checked to be zero.

/// Bytes before the image.
pub const HEADER_BYTES: usize = 128;
/// First bytes of every snapshot.
pub(crate) const MAGIC: &[u8; 8] = b"RBSNAP01";

const SCHEMA_AT: usize = 8;
const RULES_AT: usize = 12;
const SHARD_AT: usize = 16;
const TERM_AT: usize = 20;
const SEQUENCE_AT: usize = 24;
const TIME_AT: usize = 32;
const UUID_AT: usize = 40;
const CHAIN_AT: usize = 56;
const STATE_HASH_AT: usize = 64;
const RESERVED_AT: usize = 96;
const _: () = assert!(RESERVED_AT + 32 == HEADER_BYTES && UUID_AT + 16 == CHAIN_AT);

/// Which history a snapshot belongs to: the frame at its sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// The journal's identity.
    pub uuid: [u8; 16],
    /// The frame's term.
    pub term: u32,
    /// The frame's time in nanoseconds.
    pub time: u64,
    /// The frame's chain value.
    pub chain: u32,
    /// The journal's shard.
    pub shard: u32,
}

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the image's structs.
    pub schema: u32,
    /// Version of the rule book that is in force in the state.
    pub rules: u32,
    /// The state is the one after exactly this sequence.
    pub sequence: u64,
    /// The history it belongs to.
    pub binding: Binding,
    /// BLAKE3 over the canonical encoding of the state.
    pub state_hash: [u8; 32],
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, MAGIC);
        put(SCHEMA_AT, &self.schema.to_le_bytes());
        put(RULES_AT, &self.rules.to_le_bytes());
        put(SHARD_AT, &self.binding.shard.to_le_bytes());
        put(TERM_AT, &self.binding.term.to_le_bytes());
        put(SEQUENCE_AT, &self.sequence.to_le_bytes());
        put(TIME_AT, &self.binding.time.to_le_bytes());
        put(UUID_AT, &self.binding.uuid);
        put(CHAIN_AT, &self.binding.chain.to_le_bytes());
        put(STATE_HASH_AT, &self.state_hash);
        out
    }

    /// Reads a header.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err("it is shorter than a header");
        };
        if &bytes[..8] != MAGIC {
            return Err("it does not begin with RBSNAP01");
        }
        if bytes[CHAIN_AT + 4..STATE_HASH_AT].iter().chain(&bytes[RESERVED_AT..]).any(|&byte| byte != 0) {
            return Err("reserved bytes of its header are not zero");
        }
        Ok(Self {
            schema: u32_at(bytes, SCHEMA_AT),
            rules: u32_at(bytes, RULES_AT),
            sequence: u64_at(bytes, SEQUENCE_AT),
            binding: Binding {
                uuid: array_at(bytes, UUID_AT),
                term: u32_at(bytes, TERM_AT),
                time: u64_at(bytes, TIME_AT),
                chain: u32_at(bytes, CHAIN_AT),
                shard: u32_at(bytes, SHARD_AT),
            },
            state_hash: array_at(bytes, STATE_HASH_AT),
        })
    }
}

fn array_at<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden bytes of FORMATS §8.
    #[test]
    fn golden_header() {
        let header = Header {
            schema: 1,
            rules: 2,
            sequence: 0x0102_0304_0506_0708,
            binding: Binding { uuid: [0xaa; 16], term: 4, time: 0x1112_1314_1516_1718, chain: 0x2122_2324, shard: 3 },
            state_hash: [0xbb; 32],
        };
        let mut golden = Vec::new();
        golden.extend_from_slice(b"RBSNAP01\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0");
        golden.extend_from_slice(b"\x08\x07\x06\x05\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11");
        golden.extend_from_slice(&[0xaa; 16]);
        golden.extend_from_slice(b"\x24\x23\x22\x21\0\0\0\0");
        golden.extend_from_slice(&[0xbb; 32]);
        golden.extend_from_slice(&[0; 32]);
        assert_eq!(header.encode().as_slice(), golden);
        assert_eq!(Header::decode(&golden), Ok(header));
    }

    #[test]
    fn reserved_bytes_and_magic_are_checked() {
        let header = Header { schema: 1, rules: 1, sequence: 1, binding: Binding::default(), state_hash: [0; 32] };
        for at in (0..8).chain(60..64).chain(96..128) {
            let mut bytes = header.encode();
            bytes[at] ^= 1;
            assert!(Header::decode(&bytes).is_err(), "offset {at}");
        }
        assert!(Header::decode(&header.encode()[..127]).is_err());
    }
}
