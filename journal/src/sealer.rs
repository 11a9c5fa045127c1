//! Seals segments: sidecar with hash chain and indexes, then the tail may go.
//!
//! Invariants:
//! * A segment is sealed when all of it is durable and a frame of the next one is, strictly in order of sequence.
//! * The sidecar is durable before the tail's name is removed; readers that hold the tail keep its bytes.
//! * The index of a segment that is not sealed holds durable frames only.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::format::frame::FRAME_HEADER;
use crate::format::sidecar::{self, Sidecar, SidecarHeader};
use crate::format::{sidecar_name, u32_at};
use crate::index::{Indexer, SegmentIndex};
use crate::shared::{LiveSegment, Poll, SealedSegment, Shared, lock, read, write};
use crate::storage::{passes, write_atomically};

/// How long the sealer waits before it tries again on a full machine.
const RETRY: Duration = Duration::from_millis(500);
/// Frames that are indexed in one step.
const FRAMES_PER_STEP: usize = 4_096;

/// The agent that indexes durable frames and seals segments.
pub struct Sealer {
    shared: Arc<Shared>,
    indexer: Arc<dyn Indexer>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

impl Sealer {
    pub(crate) fn new(shared: Arc<Shared>, indexer: Arc<dyn Indexer>) -> Sealer {
        Sealer { shared, indexer }
    }

    /// One step: some frames indexed, or one segment sealed.
    pub fn poll(&mut self) -> Poll {
        // Indexing goes on after a failure, with what is durable; sealing does not: it writes.
        let durable = self.shared.page.durable();
        let live: Vec<Arc<LiveSegment>> =
            read(&self.shared.live).iter().filter(|segment| segment.base() != 0).cloned().collect();
        for (position, segment) in live.iter().enumerate() {
            let index = self.index_of(segment.base());
            let mut guard = lock(&index);
            let more =
                guard.advance(segment.memory.bytes(), segment.max_frame, durable, FRAMES_PER_STEP, &*self.indexer);
            match more {
                Ok(true) => return Poll::Worked,
                Ok(false) => {}
                Err(why) => {
                    drop(guard);
                    let path = self.shared.segment_path(segment.base());
                    self.shared.fail(&path, "index", &io::Error::other(why));
                    return Poll::Idle;
                }
            }
            drop(guard);
            let next_is_durable = live.get(position + 1).is_some_and(|next| durable >= next.base());
            if position == 0 && next_is_durable && segment.end().is_some() && !self.shared.has_failed() {
                return match self.seal(segment, &index) {
                    Ok(()) => Poll::Worked,
                    // The segment and its tail stay as they are; sealed is sealed later.
                    Err((path, error)) if passes(&error) => {
                        tracing::warn!(file = %path.display(), %error, "a segment cannot be sealed now");
                        Poll::Later(RETRY)
                    }
                    Err((path, error)) => {
                        self.shared.fail(&path, "seal", &error);
                        Poll::Idle
                    }
                };
            }
        }
        Poll::Idle
    }

    fn index_of(&self, base: u64) -> Arc<Mutex<SegmentIndex>> {
        if let Some(index) = read(&self.shared.indexes).get(&base) {
            return Arc::clone(index);
        }
        let index = Arc::new(Mutex::new(SegmentIndex::new(base, self.shared.identity.checksums())));
        write(&self.shared.indexes).insert(base, Arc::clone(&index));
        index
    }

    fn seal(&self, segment: &LiveSegment, index: &Mutex<SegmentIndex>) -> Result<(), (PathBuf, io::Error)> {
        let shared = &self.shared;
        let base = segment.base();
        let path = shared.sidecar_path(base);
        let used = segment.end().unwrap_or(0);
        let previous_chain = read(&shared.sealed).last().map_or([0; 32], |last| last.sidecar.header.chain);
        let bytes = {
            let index = lock(index);
            assert_eq!(index.offset, used, "every frame of a segment is indexed before it is sealed");
            if index.chain.next == base {
                // A segment without frames cannot be: it is closed only when a frame did not fit any more, or, with a
                // larger `max_frame_bytes` than before, at its first frame; then it has no header either.
                return Err((path, io::Error::other("a closed segment without frames")));
            }
            let mut binary_version = [0; 32];
            let version = shared.options.binary_version.as_bytes();
            let length = version.len().min(32);
            binary_version[..length].copy_from_slice(&version[..length]);
            let end = &segment.memory.bytes()[used..used + FRAME_HEADER];
            let header = SidecarHeader {
                shard: shared.identity.shard,
                rules: index.rules,
                term: index.chain.term,
                uuid: shared.identity.uuid,
                base,
                last: index.chain.next - 1,
                used: used as u64,
                first_time_ns: index.first_time_ns,
                last_time_ns: index.chain.time_ns,
                last_chain: u32_at(end, 36),
                previous_chain,
                chain: chain_hash(&previous_chain, &segment.memory.bytes()[..used + FRAME_HEADER]),
                binary_version,
            };
            sidecar::encode(&header, &index.sparse, &index.sorted_streams())
        };
        write_atomically(&*shared.storage, &shared.dir, &sidecar_name(base), &bytes)
            .map_err(|error| (path.clone(), error))?;
        let memory = shared.storage.map(&path).map_err(|error| (path.clone(), error))?;
        let sidecar = Sidecar::decode(memory).map_err(|why| (path.clone(), io::Error::other(why)))?;
        let file_bytes = segment.memory.len() as u64;
        // Readers look at `live` first: the sealed entry is there before the live one goes.
        write(&shared.sealed).push(SealedSegment { sidecar: Arc::new(sidecar), file_bytes });
        write(&shared.live).retain(|other| other.ordinal != segment.ordinal);
        write(&shared.indexes).remove(&base);
        if let Err(error) = shared.storage.tail_remove(&shared.tail_path(base))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(base, %error, "could not remove the tail of a sealed segment: it holds memory until restart");
        }
        Ok(())
    }
}

/// BLAKE3(previous ‖ bytes).
pub(crate) fn chain_hash(previous: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}
