//! `journal.id`: who this journal is (`docs/FORMATS.md` §1). Written once, never changed.
//!
//! ```text
//! offset  0          8         12       16               32            40            60      64
//!         +----------+---------+--------+----------------+-------------+-------------+-------+
//!         | RBJRNL01 | version | shard  | uuid           | created ns  | 20 zeros    | crc   |
//!         +----------+---------+--------+----------------+-------------+-------------+-------+
//! ```

use super::{all_zero, hex, put, u32_at, u64_at};

/// Name of the file in the journal's folder.
pub const IDENTITY_NAME: &str = "journal.id";
/// Length of the file in bytes.
pub const IDENTITY_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"RBJRNL01";
const VERSION: u32 = 1;
const CRC_AT: usize = 60;
const _: () = assert!(CRC_AT + 4 == IDENTITY_BYTES);

/// The journal's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The shard that this journal belongs to.
    pub shard: u32,
    /// Random at creation; names the folder of the tails in shared memory.
    pub uuid: [u8; 16],
    /// Nanoseconds since 1970-01-01 UTC.
    pub created_ns: u64,
}

impl Identity {
    /// The file's bytes.
    pub fn encode(&self) -> [u8; IDENTITY_BYTES] {
        let mut out = [0; IDENTITY_BYTES];
        put(&mut out, 0, MAGIC);
        put(&mut out, 8, &VERSION.to_le_bytes());
        put(&mut out, 12, &self.shard.to_le_bytes());
        put(&mut out, 16, &self.uuid);
        put(&mut out, 32, &self.created_ns.to_le_bytes());
        let crc = crc32c::crc32c(&out[..CRC_AT]);
        put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// # Errors
    /// What is wrong with the bytes, in words.
    pub fn decode(bytes: &[u8]) -> Result<Identity, &'static str> {
        if bytes.len() != IDENTITY_BYTES {
            return Err("it is not 64 bytes long");
        }
        if &bytes[..8] != MAGIC {
            return Err("it does not begin with RBJRNL01");
        }
        if u32_at(bytes, CRC_AT) != crc32c::crc32c(&bytes[..CRC_AT]) {
            return Err("its checksum does not fit");
        }
        if u32_at(bytes, 8) != VERSION {
            return Err("its version is not 1: a newer program wrote it");
        }
        if !all_zero(&bytes[40..CRC_AT]) {
            return Err("its reserved bytes are not zero");
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[16..32]);
        Ok(Identity { shard: u32_at(bytes, 12), uuid, created_ns: u64_at(bytes, 32) })
    }

    /// The name of this journal's folder in shared memory: `ringbook-UUID`.
    pub fn tails_name(&self) -> String {
        format!("ringbook-{}", hex(&self.uuid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let identity = Identity { shard: 3, uuid: *b"0123456789abcdef", created_ns: 0x0102_0304_0506_0708 };
        let bytes = identity.encode();
        assert_eq!(
            hex(&bytes),
            "52424a524e4c3031010000000300000030313233343536373839616263646566\
             0807060504030201000000000000000000000000000000000000000000000000"
                .replace("000000000000000000000000000000000000000000000000", "")
                + "0000000000000000000000000000000000000000"
                + &hex(&crc32c::crc32c(&bytes[..60]).to_le_bytes())
        );
        assert_eq!(Identity::decode(&bytes), Ok(identity));
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let bytes = Identity { shard: 0, uuid: [9; 16], created_ns: 1 }.encode();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::decode(&changed).is_err(), "bit {bit}");
        }
    }
}
