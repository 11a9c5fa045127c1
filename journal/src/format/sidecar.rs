//! `BASE.idx`, the sidecar of a sealed segment (`docs/FORMATS.md` §7): hash chain, sparse index, streams.
//!
//! ```text
//!   0 magic RBINDX01 | 8 version | 12 shard | 16 rules | 20 term | 24 uuid [16] | 40 base
//!  48 last sequence | 56 used bytes | 64 first time | 72 last time | 80 last chain | 84 sparse count
//!  88 stream count | 92 place count | 96 previous chain [32] | 128 chain [32] | 160 binary version [32]
//! 192 sparse: { sequence u64, offset u64 } …, directory: { stream u64, first u32, count u32 } …, places: u32 …
//! end BLAKE3 of everything before [32]
//! ```

use std::sync::Arc;

use super::frame::Chain;
use super::{put, u32_at, u64_at};
use crate::memory::SharedMemory;

const MAGIC: &[u8; 8] = b"RBINDX01";
const VERSION: u32 = 1;
/// Length of the fixed part in bytes.
pub const SIDECAR_HEADER: usize = 192;
const HASH: usize = 32;

/// The fixed part of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarHeader {
    /// The shard.
    pub shard: u32,
    /// Rule book version of the last frame.
    pub rules: u32,
    /// Term of the last frame.
    pub term: u32,
    /// The journal's identity.
    pub uuid: [u8; 16],
    /// Sequence of the first frame.
    pub base: u64,
    /// Sequence of the last frame.
    pub last: u64,
    /// Offset of the END frame in bytes.
    pub used: u64,
    /// Time of the first frame, nanoseconds since 1970-01-01 UTC.
    pub first_time_ns: u64,
    /// Time of the last frame.
    pub last_time_ns: u64,
    /// `chain` of the last frame.
    pub last_chain: u32,
    /// The chain's value before this segment; zeros for the first.
    pub previous_chain: [u8; 32],
    /// BLAKE3(previous chain ‖ the segment's bytes up to and with END).
    pub chain: [u8; 32],
    /// The binary that executed the segment: UTF-8, zero padded.
    pub binary_version: [u8; 32],
}

/// Builds the bytes of a sidecar. `streams` must be sorted by stream, each with rising places.
pub fn encode(header: &SidecarHeader, sparse: &[(u64, u64)], streams: &[(u64, &[u32])]) -> Vec<u8> {
    let place_count: usize = streams.iter().map(|(_, places)| places.len()).sum();
    let mut out = vec![0; SIDECAR_HEADER];
    put(&mut out, 0, MAGIC);
    put(&mut out, 8, &VERSION.to_le_bytes());
    put(&mut out, 12, &header.shard.to_le_bytes());
    put(&mut out, 16, &header.rules.to_le_bytes());
    put(&mut out, 20, &header.term.to_le_bytes());
    put(&mut out, 24, &header.uuid);
    put(&mut out, 40, &header.base.to_le_bytes());
    put(&mut out, 48, &header.last.to_le_bytes());
    put(&mut out, 56, &header.used.to_le_bytes());
    put(&mut out, 64, &header.first_time_ns.to_le_bytes());
    put(&mut out, 72, &header.last_time_ns.to_le_bytes());
    put(&mut out, 80, &header.last_chain.to_le_bytes());
    put(&mut out, 84, &(sparse.len() as u32).to_le_bytes());
    put(&mut out, 88, &(streams.len() as u32).to_le_bytes());
    put(&mut out, 92, &(place_count as u32).to_le_bytes());
    put(&mut out, 96, &header.previous_chain);
    put(&mut out, 128, &header.chain);
    put(&mut out, 160, &header.binary_version);
    for (sequence, offset) in sparse {
        out.extend(sequence.to_le_bytes());
        out.extend(offset.to_le_bytes());
    }
    let mut first = 0u32;
    for (stream, places) in streams {
        out.extend(stream.to_le_bytes());
        out.extend(first.to_le_bytes());
        out.extend((places.len() as u32).to_le_bytes());
        first += places.len() as u32;
    }
    for (_, places) in streams {
        out.extend(places.iter().flat_map(|place| place.to_le_bytes()));
    }
    let hash = blake3::hash(&out);
    out.extend(hash.as_bytes());
    out
}

/// A sidecar whose own hash was checked, read in place.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// The fixed part.
    pub header: SidecarHeader,
    memory: Arc<SharedMemory>,
    sparse_count: usize,
    stream_count: usize,
    place_count: usize,
}

impl SidecarHeader {
    /// The chain behind the segment.
    pub fn chain_behind(&self) -> Chain {
        Chain { next: self.last + 1, previous: Some(self.last_chain), term: self.term, time_ns: self.last_time_ns }
    }
}

impl Sidecar {
    /// Checks the bytes of a sidecar.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn decode(memory: Arc<SharedMemory>) -> Result<Sidecar, &'static str> {
        let bytes = memory.bytes();
        if bytes.len() < SIDECAR_HEADER + HASH {
            return Err("it is too short");
        }
        if &bytes[..8] != MAGIC {
            return Err("it does not begin with RBINDX01");
        }
        let (content, hash) = bytes.split_at(bytes.len() - HASH);
        if blake3::hash(content).as_bytes() != hash {
            return Err("its own hash does not fit");
        }
        if u32_at(bytes, 8) != VERSION {
            return Err("its version is not 1: a newer program wrote it");
        }
        let array = |offset: usize| -> [u8; 32] {
            let mut out = [0; 32];
            out.copy_from_slice(&bytes[offset..offset + 32]);
            out
        };
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[24..40]);
        let header = SidecarHeader {
            shard: u32_at(bytes, 12),
            rules: u32_at(bytes, 16),
            term: u32_at(bytes, 20),
            uuid,
            base: u64_at(bytes, 40),
            last: u64_at(bytes, 48),
            used: u64_at(bytes, 56),
            first_time_ns: u64_at(bytes, 64),
            last_time_ns: u64_at(bytes, 72),
            last_chain: u32_at(bytes, 80),
            previous_chain: array(96),
            chain: array(128),
            binary_version: array(160),
        };
        let counts = [84, 88, 92].map(|offset| u32_at(bytes, offset) as usize);
        let [sparse_count, stream_count, place_count] = counts;
        if content.len() != SIDECAR_HEADER + 16 * sparse_count + 16 * stream_count + 4 * place_count {
            return Err("its counts do not give its length");
        }
        if header.last < header.base || sparse_count == 0 {
            return Err("it has no frames");
        }
        Ok(Sidecar { header, memory, sparse_count, stream_count, place_count })
    }

    /// Offset in the segment of a frame at or before `sequence`, with its sequence.
    pub fn floor(&self, sequence: u64) -> (u64, u64) {
        let entry = |index: usize| {
            let at = SIDECAR_HEADER + 16 * index;
            (u64_at(self.memory.bytes(), at), u64_at(self.memory.bytes(), at + 8))
        };
        let index = partition(self.sparse_count, |index| entry(index).0 <= sequence);
        entry(index.saturating_sub(1))
    }

    /// Appends the places (offset divided by 8) of `stream` to `out`.
    pub fn places(&self, stream: u64, out: &mut Vec<u32>) {
        let bytes = self.memory.bytes();
        let directory = SIDECAR_HEADER + 16 * self.sparse_count;
        let index = partition(self.stream_count, |index| u64_at(bytes, directory + 16 * index) < stream);
        if index == self.stream_count || u64_at(bytes, directory + 16 * index) != stream {
            return;
        }
        let first = u32_at(bytes, directory + 16 * index + 8) as usize;
        let count = u32_at(bytes, directory + 16 * index + 12) as usize;
        if first + count > self.place_count {
            return; // cannot happen in a sidecar that this package wrote: the hash fits
        }
        let places = directory + 16 * self.stream_count;
        out.extend((first..first + count).map(|index| u32_at(bytes, places + 4 * index)));
    }

    /// Number of streams.
    pub fn stream_count(&self) -> usize {
        self.stream_count
    }

    /// The binary's version as text.
    pub fn binary_version(&self) -> String {
        String::from_utf8_lossy(&self.header.binary_version).trim_end_matches('\0').to_string()
    }
}

/// Number of leading indexes for which `before` holds.
fn partition(count: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    fn sample() -> SidecarHeader {
        SidecarHeader {
            shard: 1,
            rules: 2,
            term: 3,
            uuid: [4; 16],
            base: 10,
            last: 14,
            used: 4_600,
            first_time_ns: 100,
            last_time_ns: 140,
            last_chain: 5,
            previous_chain: [6; 32],
            chain: [7; 32],
            binary_version: [b'v'; 32],
        }
    }

    #[test]
    fn golden_bytes_and_look_ups() {
        let bytes = encode(&sample(), &[(10, 4_096), (13, 4_400)], &[(7, &[512]), (1 << 63, &[520, 530])]);
        assert_eq!(
            hex(&bytes[..96]),
            "5242494e445830310100000001000000020000000300000004040404040404040404040404040404\
             0a000000000000000e00000000000000f811000000000000640000000000000\
             08c00000000000000050000000200000002000000\
             03000000"
        );
        assert_eq!(
            hex(&bytes[192..bytes.len() - 32]),
            "0a0000000000000000100000000000000d000000000000003011000000000000\
             07000000000000000000000001000000000000000000008001000000020000000002000008020000\
             12020000"
        );
        let sidecar = Sidecar::decode(SharedMemory::copy_of(&bytes)).unwrap();
        assert_eq!(sidecar.header, sample());
        let check_floor = |sequence, expected| assert_eq!(sidecar.floor(sequence), expected, "{sequence}");
        check_floor(10, (10, 4_096));
        check_floor(12, (10, 4_096));
        check_floor(13, (13, 4_400));
        check_floor(99, (13, 4_400));
        let check_places = |stream, expected: &[u32]| {
            let mut out = Vec::new();
            sidecar.places(stream, &mut out);
            assert_eq!(out, expected, "{stream}");
        };
        check_places(7, &[512]);
        check_places(1 << 63, &[520, 530]);
        check_places(8, &[]);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let bytes = encode(&sample(), &[(10, 4_096)], &[(7, &[512])]);
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(Sidecar::decode(SharedMemory::copy_of(&changed)).is_err(), "byte {index}");
        }
    }
}
