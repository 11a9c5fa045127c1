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
    short: fn(&[u8]) -> u32,
}

impl Crc {
    /// Looks at the processor once.
    pub fn detect() -> Crc {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("sse4.2") {
            return Crc { short: sse42 };
        }
        Crc { short: crc32c::crc32c }
    }

    /// The CRC-32C (Castagnoli, reflected, inverted at both ends) of `bytes`.
    #[inline]
    pub fn of(&self, bytes: &[u8]) -> u32 {
        if bytes.len() >= LONG { crc32c::crc32c(bytes) } else { (self.short)(bytes) }
    }
}

/// Safe door to the SSE4.2 routine; handed out by [`Crc::detect`] only after the processor was asked.
#[cfg(target_arch = "x86_64")]
fn sse42(bytes: &[u8]) -> u32 {
    // SAFETY: this function is private and `Crc::detect` is the only place that names it, after
    // `is_x86_feature_detected!("sse4.2")` said yes.
    unsafe { sse42_inner(bytes) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn sse42_inner(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};
    let mut crc = u32::MAX;
    // A frame's checksum covers bytes 4..length, length being a multiple of 8: four bytes, then whole words.
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
        }
        assert_eq!(crc.of(b"123456789"), 0xE306_9283, "the check value of CRC-32C");
    }
}
