//! A snapshot's bytes: header, rkyv image, BLAKE3.
//!
//! Invariants: the checks run from the cheapest proof of wholeness to the dearest proof of meaning, and no check relies
//! on a later one: length, whole-file hash, header, schema, rkyv's own check, header against image, state hash.

use crate::error::SnapshotError;
use crate::header::{Binding, HEADER_BYTES, Header};
use crate::store::Loaded;
use ringbook_core::image::{Image, SCHEMA};
use rkyv::rancor;
use rkyv::util::AlignedVec;
use std::path::Path;

/// Bytes of the hash at the end.
const HASH_BYTES: usize = 32;
/// Alignment of the buffer that a snapshot is read into; the image lies at a multiple of it.
pub(crate) const ALIGNMENT: usize = 16;
const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGNMENT));

/// The bytes of a snapshot of this image.
///
/// # Errors
/// The image and its binding do not belong together.
pub fn encode(image: &Image, binding: &Binding) -> Result<AlignedVec, SnapshotError> {
    let error = |why: String| SnapshotError::Binding { sequence: image.sequence, why };
    if image.time != binding.time {
        return Err(error(format!("the state's time is {}, the frame's is {}", image.time, binding.time)));
    }
    if image.shard != binding.shard {
        return Err(error(format!("the state is of shard {}, the journal of shard {}", image.shard, binding.shard)));
    }
    let header = Header {
        schema: SCHEMA,
        rules: image.rules,
        sequence: image.sequence,
        binding: *binding,
        state_hash: image.state_hash(),
    };
    let mut bytes: AlignedVec = AlignedVec::new();
    bytes.extend_from_slice(&header.encode());
    let mut bytes = rkyv::api::high::to_bytes_in::<_, rancor::Error>(image, bytes)
        .map_err(|source| error(format!("it cannot be archived: {source}")))?;
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    Ok(bytes)
}

/// Reads a snapshot from its bytes; `path` is for messages.
///
/// # Errors
/// The bytes are not a whole snapshot that this binary reads.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Loaded, SnapshotError> {
    let damaged = |why: String| SnapshotError::Damaged { path: path.to_path_buf(), why };
    if bytes.len() < HEADER_BYTES + HASH_BYTES {
        return Err(damaged(format!("{} bytes are not a snapshot", bytes.len())));
    }
    let (content, hash) = bytes.split_at(bytes.len() - HASH_BYTES);
    if blake3::hash(content).as_bytes() != hash {
        return Err(damaged("its bytes do not give the BLAKE3 hash at its end".into()));
    }
    let header = Header::decode(content).map_err(|why| damaged(why.into()))?;
    let image = read_image(path, header.schema, &content[HEADER_BYTES..])?;
    let same = image.sequence == header.sequence
        && image.rules == header.rules
        && image.time == header.binding.time
        && image.shard == header.binding.shard;
    if !same {
        return Err(damaged("its header and its image name different sequences, times, rules or shards".into()));
    }
    if image.state_hash() != header.state_hash {
        return Err(damaged("the state in it does not give the state hash in its header".into()));
    }
    Ok(Loaded { header, image, bytes: bytes.len() as u64 })
}

/// The image in today's structs. Older schemas are converted forward here, one step at a time.
fn read_image(path: &Path, schema: u32, bytes: &[u8]) -> Result<Image, SnapshotError> {
    let damaged = |why: String| SnapshotError::Damaged { path: path.to_path_buf(), why };
    match schema {
        SCHEMA => {
            let mut aligned: AlignedVec<ALIGNMENT> = AlignedVec::new();
            // rkyv reads in place: the bytes must be aligned. A buffer read by the store is; others are copied.
            let bytes = if bytes.as_ptr().addr().is_multiple_of(ALIGNMENT) {
                bytes
            } else {
                aligned.extend_from_slice(bytes);
                &aligned
            };
            rkyv::from_bytes::<Image, rancor::Error>(bytes)
                .map_err(|source| damaged(format!("its image is not a valid archive ({source})")))
        }
        0 => Err(damaged("its schema is 0, which never existed".into())),
        schema => Err(SnapshotError::NewerSchema { path: path.to_path_buf(), schema, known: SCHEMA }),
    }
}
