//! The frames of some streams: what a client resumes from, without reading whole segments.

use std::sync::Arc;

use crate::Sequence;
use crate::error::ReadError;
use crate::format::frame::Checksums;
use crate::format::segment::SegmentHeader;
use crate::format::u64_at;
use crate::memory::SharedMemory;
use crate::reader::{Frame, read_one};
use crate::shared::{Shared, lock, read};

/// Finds frames by stream.
#[derive(Clone, Debug)]
pub struct StreamHistory {
    shared: Arc<Shared>,
}

impl StreamHistory {
    pub(crate) fn new(shared: Arc<Shared>) -> StreamHistory {
        StreamHistory { shared }
    }

    /// The frames of any of `streams` with sequences above `after` and at most `limit`, ascending, each once. Indexed
    /// are durable frames; how far, says [`Self::indexed`].
    pub fn frames_of(&self, streams: &[u64], after: Sequence, limit: Sequence) -> StreamFrames {
        StreamFrames {
            shared: Arc::clone(&self.shared),
            sums: self.shared.identity.checksums(),
            streams: streams.to_vec(),
            next: after.0 + 1,
            limit: limit.0,
            segment: None,
        }
    }

    /// Everything up to this sequence is indexed.
    pub fn indexed(&self) -> Sequence {
        let indexes = read(&self.shared.indexes);
        let newest = indexes.values().map(|index| lock(index).chain.next - 1).max();
        let sealed = read(&self.shared.sealed).last().map(|segment| segment.sidecar.header.last);
        Sequence(newest.or(sealed).unwrap_or(0).max(sealed.unwrap_or(0)))
    }
}

/// The iteration of [`StreamHistory::frames_of`].
#[derive(Debug)]
pub struct StreamFrames {
    shared: Arc<Shared>,
    sums: Checksums,
    streams: Vec<u64>,
    /// Every frame below was given out or is of no interest.
    next: u64,
    limit: u64,
    segment: Option<Places>,
}

#[derive(Debug)]
struct Places {
    base: u64,
    memory: Arc<SharedMemory>,
    max_frame: u32,
    /// Rising, without duplicates.
    places: Vec<u32>,
    position: usize,
    /// The last sequence that the index knew when the places were taken.
    last: u64,
    sealed: bool,
}

impl StreamFrames {
    /// The next frame. `None`: there is none (yet) up to the limit.
    ///
    /// # Errors
    /// [`ReadError::Gone`] if the history begins later than asked; [`ReadError::Damaged`], [`ReadError::Io`].
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        let found = loop {
            if self.next > self.limit {
                return Ok(None);
            }
            let Some(segment) = &mut self.segment else {
                if !self.enter()? {
                    return Ok(None);
                }
                continue;
            };
            let Some(&place) = segment.places.get(segment.position) else {
                let (last, sealed) = (segment.last, segment.sealed);
                self.next = self.next.max(last + 1);
                self.segment = None;
                if !sealed && !self.has_more(last) {
                    return Ok(None);
                }
                continue;
            };
            segment.position += 1;
            let offset = place as usize * 8;
            let bytes = segment.memory.bytes();
            let sequence = if offset + 48 <= bytes.len() { u64_at(bytes, offset + 8) } else { 0 };
            if sequence > self.limit {
                segment.position -= 1;
                return Ok(None);
            }
            if sequence >= self.next {
                self.next = sequence + 1;
                break (offset, sequence);
            }
        };
        let (offset, sequence) = found;
        let Some(segment) = &self.segment else {
            return Ok(None);
        };
        match read_one(segment.memory.bytes(), offset, segment.max_frame, sequence, self.sums) {
            Ok(frame) => Ok(Some(frame)),
            Err(why) => Err(ReadError::Damaged {
                file: self.shared.segment_path(segment.base),
                offset: offset as u64,
                sequence,
                why: why.to_string(),
            }),
        }
    }

    /// Whether the index has grown beyond `last`, in this segment or by another one.
    fn has_more(&self, last: u64) -> bool {
        StreamHistory { shared: Arc::clone(&self.shared) }.indexed().0 > last
    }

    fn enter(&mut self) -> Result<bool, ReadError> {
        let shared = &self.shared;
        let Some(base) = shared.base_of(self.next) else {
            return Err(ReadError::Gone { sequence: self.next, oldest: shared.page.oldest() });
        };
        let mut places = Vec::new();
        let index = read(&shared.indexes).get(&base).cloned();
        // In this order: the sealer shows the sidecar before it takes the index away, so one of the two is there.
        let (last, sealed) = if let Some(index) = index {
            let index = lock(&index);
            for &stream in &self.streams {
                index.places(stream, &mut places);
            }
            (index.chain.next - 1, false)
        } else if let Some(sealed) = shared.sealed_by_base(base) {
            for &stream in &self.streams {
                sealed.sidecar.places(stream, &mut places);
            }
            (sealed.sidecar.header.last, true)
        } else {
            return Ok(false);
        };
        if last < self.next {
            return Ok(false);
        }
        places.sort_unstable();
        places.dedup();
        // Skip what lies before the sparse entry in front of the first wanted sequence.
        let (_, floor) = shared.floor(base, self.next);
        let position = places.partition_point(|&place| u64::from(place) * 8 < floor);
        let path = shared.segment_path(base);
        let view = shared.view(base).map_err(ReadError::io(&path))?;
        let Some((memory, _)) = view else {
            return Err(ReadError::Gone { sequence: self.next, oldest: shared.page.oldest() });
        };
        let header = SegmentHeader::decode(memory.bytes()).map_err(|why| ReadError::Damaged {
            file: path,
            offset: 0,
            sequence: base,
            why: why.to_string(),
        })?;
        self.segment = Some(Places { base, memory, max_frame: header.max_frame, places, position, last, sealed });
        Ok(true)
    }
}
