//! CRC-32C of frames, with the processor's instruction chosen once.
//!
//! A frame of an order is about 100 bytes; for such lengths the price of a library call that detects the processor
//! again each time is larger than the checksum itself. [`Crc`] detects once, at construction, and then goes straight
//! to the instruction; long inputs go to the `crc32c` crate, which keeps three streams in flight.
//!
//! One of the two files of this package that hold `unsafe` (the other is `memory.rs`).

/// Inputs of this length or more go to the interleaved implementation of the `crc32c` crate.
const LONG: usize = 768;

/// A CRC-32C routine fit for this processor.
#[derive(Clone, Copy, Debug)]
pub struct Crc {
    /// The processor has SSE4.2; only [`Crc::detect`] sets it.
    #[cfg(target_arch = "x86_64")]
    sse42: bool,
}

impl Crc {
    /// Looks at the processor once.
    pub fn detect() -> Crc {
        Crc {
            #[cfg(target_arch = "x86_64")]
            sse42: std::arch::is_x86_feature_detected!("sse4.2"),
        }
    }

    /// The CRC-32C (Castagnoli, reflected, inverted at both ends) of `bytes`.
    #[inline]
    pub fn of(&self, bytes: &[u8]) -> u32 {
        self.append(0, bytes)
    }

    /// The CRC-32C of what gave `crc`, followed by `bytes`.
    #[inline]
    pub fn append(&self, crc: u32, bytes: &[u8]) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if self.sse42 && bytes.len() < LONG {
            // SAFETY: `sse42` is private to this file and set by `detect` alone, after the processor was asked.
            return unsafe { append_sse42(crc, bytes) };
        }
        crc32c::crc32c_append(crc, bytes)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn append_sse42(crc: u32, bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};
    let mut crc = !crc;
    // The first part of a frame's chain is bytes 4..24, all others are whole words: four bytes first, then words.
    let (first, rest) = bytes.split_at(if bytes.len() % 8 >= 4 { 4 } else { 0 });
    if let Ok(four) = <[u8; 4]>::try_from(first) {
        crc = _mm_crc32_u32(crc, u32::from_le_bytes(four));
    }
    let (words, tail) = rest.as_chunks::<8>();
    let mut wide = u64::from(crc);
    for word in words {
        wide = _mm_crc32_u64(wide, u64::from_le_bytes(*word));
    }
    crc = wide as u32;
    for &byte in tail {
        crc = _mm_crc32_u8(crc, byte);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_reference_at_every_length() {
        let crc = Crc::detect();
        let bytes: Vec<u8> = (0..2_000u32).map(|i| (i * 31 + 7) as u8).collect();
        for length in 0..bytes.len() {
            assert_eq!(crc.of(&bytes[..length]), crc32c::crc32c(&bytes[..length]), "length {length}");
            let (first, second) = bytes[..length].split_at(length / 3);
            assert_eq!(crc.append(crc.of(first), second), crc32c::crc32c(&bytes[..length]), "length {length}, in two");
        }
        assert_eq!(crc.of(b"123456789"), 0xE306_9283, "the check value of CRC-32C");
    }
}
