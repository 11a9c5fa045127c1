//! The bytes that the journal keeps, as drawn in `docs/FORMATS.md`: encoding, decoding, golden tests.
//!
//! Everything is little-endian; reserved bytes are written as zeros and refused when they are not. Decoding never
//! panics on foreign bytes: it answers what is wrong, in words that go into an error message.

pub mod frame;
pub mod identity;
pub mod segment;
pub mod sidecar;
pub mod term;

/// Edge of a block: header of a segment, unit of a direct write.
pub const BLOCK: usize = 4_096;

/// A number with 20 decimal digits, as in the names of files.
pub fn digits(number: u64) -> String {
    format!("{number:020}")
}

/// `BASE.seg`.
pub fn segment_name(base: u64) -> String {
    format!("{base:020}.seg")
}

/// `BASE.idx`.
pub fn sidecar_name(base: u64) -> String {
    format!("{base:020}.idx")
}

/// `BASE.tail`.
pub fn tail_name(base: u64) -> String {
    format!("{base:020}.tail")
}

/// The base sequence in a name of the form `BASE.extension`; `None` for every other name.
pub fn base_of(name: &str, extension: &str) -> Option<u64> {
    let (digits, rest) = name.split_at_checked(20)?;
    (rest.strip_prefix('.')? == extension && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// A UUID as 32 hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}

#[inline]
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(word)
}

#[inline]
pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

/// Whether all bytes are zero.
pub fn all_zero(bytes: &[u8]) -> bool {
    let (head, rest) = bytes.split_at(bytes.len() % 64);
    head.iter().all(|&b| b == 0) && rest.chunks_exact(64).all(|chunk| *chunk == [0u8; 64])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_numbers_and_come_back() {
        assert_eq!(segment_name(42), "00000000000000000042.seg");
        assert_eq!(base_of(&segment_name(u64::MAX), "seg"), Some(u64::MAX));
        for foreign in ["", "42.seg", "0000000000000000004x.seg", "00000000000000000042.idx", "journal.id"] {
            assert_eq!(base_of(foreign, "seg"), None, "{foreign}");
        }
    }
}
