//! `journal.id`: who this journal is (`docs/FORMATS.md` §1). Written once, never changed.
//!
//! ```text
//! offset  0          8         12       16               32            40         56        60      64
//!         +----------+---------+--------+----------------+-------------+----------+---------+-------+
//!         | RBJRNL01 | version | shard  | uuid           | created ns  | salt     | 4 zeros | crc   |
//!         +----------+---------+--------+----------------+-------------+----------+---------+-------+
//! ```

use super::frame::Checksums;
use super::{all_zero, hex, put, u32_at, u64_at};

/// Name of the file in the journal's folder.
pub const IDENTITY_NAME: &str = "journal.id";
/// Length of the file in bytes.
pub const IDENTITY_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"RBJRNL01";
const VERSION: u32 = 1;
const CRC_AT: usize = 60;
const _: () = assert!(CRC_AT + 4 == IDENTITY_BYTES);

/// What makes this journal's frames unlike anything that a client could send. Secret: it is not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// The journal's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The shard that this journal belongs to.
    pub shard: u32,
    /// Random at creation; names the folder of the tails in shared memory.
    pub uuid: [u8; 16],
    /// Nanoseconds since 1970-01-01 UTC.
    pub created_ns: u64,
    /// Random at creation: every frame's `crc` begins with it.
    pub salt: Salt,
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
        put(&mut out, 40, &self.salt.0);
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
        if !all_zero(&bytes[56..CRC_AT]) {
            return Err("its reserved bytes are not zero");
        }
        if all_zero(&bytes[40..56]) {
            return Err("it has no salt: a program from before the first release wrote it");
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[16..32]);
        let mut salt = Salt([0; 16]);
        salt.0.copy_from_slice(&bytes[40..56]);
        Ok(Identity { shard: u32_at(bytes, 12), uuid, created_ns: u64_at(bytes, 32), salt })
    }

    /// The checksums of this journal's frames.
    pub fn checksums(&self) -> Checksums {
        Checksums::new(self.salt)
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
        let identity = Identity {
            shard: 3,
            uuid: *b"0123456789abcdef",
            created_ns: 0x0102_0304_0506_0708,
            salt: Salt(*b"salt-salt-salt-s"),
        };
        let bytes = identity.encode();
        assert_eq!(
            hex(&bytes),
            "52424a524e4c3031010000000300000030313233343536373839616263646566\
             080706050403020173616c742d73616c742d73616c742d7300000000"
                .to_string()
                + &hex(&crc32c::crc32c(&bytes[..60]).to_le_bytes())
        );
        assert_eq!(Identity::decode(&bytes), Ok(identity));
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let bytes = Identity { shard: 0, uuid: [9; 16], created_ns: 1, salt: Salt([3; 16]) }.encode();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::decode(&changed).is_err(), "bit {bit}");
        }
    }
}
