//! Rows packed into few bytes, so that a whole projection fits into memory.
//!
//! Invariant: equal rows pack to equal bytes, and unpack to themselves.

use crate::value::Value;

/// Packs values: tag, then a number of as few bytes as it needs, or a text with its length.
pub(super) fn pack(row: &[Value], out: &mut Vec<u8>) {
    for value in row {
        match value {
            Value::Null => out.push(0),
            Value::Int(v) => {
                let bytes = v.to_le_bytes();
                // Trailing bytes that only repeat the sign are left out.
                let fill = if *v < 0 { 0xff } else { 0 };
                let length = 8 - bytes.iter().rev().take_while(|&&b| b == fill).count();
                out.push(if *v < 0 { 32 } else { 16 } + length as u8);
                out.extend_from_slice(&bytes[..length]);
            }
            Value::Big(v) => {
                out.push(1);
                out.extend_from_slice(&v.to_le_bytes());
            }
            Value::Text(text) => {
                out.push(2);
                out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// The reverse of [`pack`].
pub(super) fn unpack(mut bytes: &[u8]) -> Vec<Value> {
    let mut out = Vec::new();
    while let Some((&tag, rest)) = bytes.split_first() {
        let (value, used) = match tag {
            1 => (rest.first_chunk().map(|b| Value::Big(u64::from_le_bytes(*b))), 8),
            2 => {
                let length = rest.first_chunk().map_or(0, |b| u32::from_le_bytes(*b) as usize);
                (rest.get(4..4 + length).map(|text| String::from_utf8_lossy(text).into_owned().into()), 4 + length)
            }
            16..=24 | 32..=40 => {
                let length = usize::from(tag & 15);
                let mut full = [if tag >= 32 { 0xff } else { 0 }; 8];
                if let Some(part) = rest.get(..length) {
                    full[..length].copy_from_slice(part);
                }
                (Some(Value::Int(i64::from_le_bytes(full))), length)
            }
            _ => (Some(Value::Null), 0),
        };
        out.push(value.unwrap_or(Value::Null));
        bytes = rest.get(used..).unwrap_or(&[]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_unpack_to_themselves() {
        let row: Vec<Value> = [0, 1, -1, 127, 128, 255, 256, -128, -129, -256, i64::MAX, i64::MIN, 1 << 62]
            .into_iter()
            .map(Value::Int)
            .chain([Value::Null, Value::Big(u64::MAX), Value::name(""), Value::name("BTC/USDT"), Value::Null])
            .collect();
        let mut packed = Vec::new();
        pack(&row, &mut packed);
        assert_eq!(unpack(&packed), row);
    }
}
