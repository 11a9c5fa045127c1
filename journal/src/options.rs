//! Settings of a journal, and their bounds.

use std::path::PathBuf;

use crate::error::OpenError;
use crate::format::BLOCK;
use crate::format::frame::FRAME_HEADER;
use crate::format::segment::{FRAMES_AT, SEGMENT_MAX, SEGMENT_MIN};
use crate::page::AckPolicy;

/// Which sealed segments are read in full and compared with their sidecar's hash when the journal is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifySealed {
    /// None: only the sidecars themselves.
    None,
    /// The newest one.
    #[default]
    Newest,
    /// All: what `verify` does.
    All,
}

/// Settings of a journal.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of a segment in bytes; a multiple of 4,096, at least 64 KiB.
    pub segment_bytes: u64,
    /// Longest frame in bytes, its header included; a multiple of 8. With 4,096 + 48 it must fit `segment_bytes`.
    pub max_frame_bytes: u32,
    /// Folder in shared memory.
    pub tail_dir: PathBuf,
    /// Which watermark is `committed`.
    pub ack: AckPolicy,
    /// The shard; checked against the journal's identity.
    pub shard: u32,
    /// Goes into sidecars; at most 32 bytes are kept.
    pub binary_version: String,
    /// Below this many bytes of free disk no new segment is prepared and `space_low` is set.
    pub free_space_floor: u64,
    /// Segments that are kept prepared; each costs one segment of disk and of shared memory.
    pub spares: usize,
    /// How fast a spare is filled with zeros, in bytes per second, while the active segment is less than half full.
    pub zero_rate: u64,
    /// What is read in full at opening.
    pub verify_sealed: VerifySealed,
    /// The sync thread spins this long before it sleeps, in microseconds. 0: sleep at once.
    pub sync_spin_us: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment_bytes: 256 << 20,
            max_frame_bytes: (256 << 10) + 4_096,
            tail_dir: PathBuf::from("/dev/shm"),
            ack: AckPolicy::Durable,
            shard: 0,
            binary_version: String::new(),
            free_space_floor: 1 << 30,
            spares: 1,
            zero_rate: 32 << 20,
            verify_sealed: VerifySealed::Newest,
            sync_spin_us: 20,
        }
    }
}

impl Options {
    /// Small segments for tests: 64 KiB, frames up to 4 KiB, no floor.
    pub fn small() -> Options {
        Options {
            segment_bytes: SEGMENT_MIN,
            max_frame_bytes: 4_096,
            free_space_floor: 0,
            zero_rate: u64::MAX,
            ..Options::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let refuse = |setting, why: &str| Err(OpenError::Options { setting, why: why.to_string() });
        if !(SEGMENT_MIN..=SEGMENT_MAX).contains(&self.segment_bytes) {
            return refuse("segment_bytes", "must be from 65,536 to 17,179,869,184");
        }
        if !self.segment_bytes.is_multiple_of(BLOCK as u64) {
            return refuse("segment_bytes", "must be a multiple of 4,096");
        }
        let max_frame = self.max_frame_bytes as usize;
        if max_frame < 2 * FRAME_HEADER || !max_frame.is_multiple_of(8) {
            return refuse("max_frame_bytes", "must be a multiple of 8 and at least 96");
        }
        let least = (max_frame + FRAMES_AT + FRAME_HEADER) as u64;
        if least > self.segment_bytes {
            let why = format!(
                "is {max_frame}, which does not fit segment_bytes = {}: the longest frame, a header of 4,096 bytes and \
                 an END of 48 bytes need {least}. Make segment_bytes larger or max_frame_bytes smaller",
                self.segment_bytes
            );
            return refuse("max_frame_bytes", &why);
        }
        if self.spares == 0 {
            return refuse("spares", "must be at least 1");
        }
        Ok(())
    }
}
