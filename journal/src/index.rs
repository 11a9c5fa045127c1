//! The index of a segment that is not sealed: the same content as a sidecar, in memory.
//!
//! The sealer feeds it with durable frames only, so whoever reads it never sees what could still be lost.

use std::collections::HashMap;

use crate::format::frame::{Chain, Checksums, FRAME_HEADER, Place, examine};
use crate::format::segment::FRAMES_AT;

/// One entry of the sparse index for about this many bytes.
pub(crate) const SPARSE_BYTES: usize = 64 * 1_024;

/// Says which streams a frame belongs to (an account, a key): what a client resumes.
pub trait Indexer: Send + Sync {
    /// Appends the streams of one frame to `out`; duplicates are allowed.
    fn streams(&self, command: &[u8], events: &[u8], out: &mut Vec<u64>);
}

/// An [`Indexer`] without streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStreams;

impl Indexer for NoStreams {
    fn streams(&self, _command: &[u8], _events: &[u8], _out: &mut Vec<u64>) {}
}

/// The growing index.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    pub base: u64,
    /// Offset of the next frame to index.
    pub offset: usize,
    pub chain: Chain,
    pub rules: u32,
    pub first_time_ns: u64,
    pub sparse: Vec<(u64, u64)>,
    sums: Checksums,
    streams: HashMap<u64, Vec<u32>>,
    scratch: Vec<u64>,
}

impl SegmentIndex {
    pub fn new(base: u64, sums: Checksums) -> Self {
        SegmentIndex {
            base,
            offset: FRAMES_AT,
            chain: Chain::jump(base),
            rules: 0,
            first_time_ns: 0,
            sparse: Vec::new(),
            sums,
            streams: HashMap::new(),
            scratch: Vec::new(),
        }
    }

    /// Indexes frames up to sequence `last`, at most `most` of them. `Ok(true)`: there is more.
    pub fn advance(
        &mut self,
        bytes: &[u8],
        max_frame: u32,
        last: u64,
        most: usize,
        indexer: &dyn Indexer,
    ) -> Result<bool, &'static str> {
        for _ in 0..most {
            if self.chain.next > last || self.offset + FRAME_HEADER > bytes.len() {
                return Ok(false);
            }
            let frame = match examine(bytes, self.offset, max_frame, &self.chain, self.sums) {
                Place::Frame(frame) => frame,
                Place::End(_) => return Ok(false),
                Place::Nothing => return Err("a durable frame is missing"),
                Place::Bad(why) => return Err(why),
            };
            let due = self.sparse.last().is_none_or(|(_, at)| self.offset as u64 - at >= SPARSE_BYTES as u64);
            if due {
                self.sparse.push((frame.sequence, self.offset as u64));
            }
            if frame.sequence == self.base {
                self.first_time_ns = frame.time_ns;
            }
            let end = self.offset + frame.length as usize;
            let (command, events) = bytes[self.offset + FRAME_HEADER..end].split_at(frame.command_len as usize);
            self.scratch.clear();
            indexer.streams(command, events, &mut self.scratch);
            let place = (self.offset / 8) as u32;
            for &stream in &self.scratch {
                let places = self.streams.entry(stream).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
            self.rules = frame.rules;
            self.chain = self.chain.after(&frame);
            self.offset = end;
        }
        Ok(true)
    }

    /// Streams in rising order with their places.
    pub fn sorted_streams(&self) -> Vec<(u64, &[u32])> {
        let mut out: Vec<_> = self.streams.iter().map(|(stream, places)| (*stream, places.as_slice())).collect();
        out.sort_unstable_by_key(|(stream, _)| *stream);
        out
    }

    /// Appends the places of `stream` to `out`.
    pub fn places(&self, stream: u64, out: &mut Vec<u32>) {
        if let Some(places) = self.streams.get(&stream) {
            out.extend_from_slice(places);
        }
    }

    /// (sequence, offset) of an indexed frame at or before `sequence`.
    pub fn floor(&self, sequence: u64) -> (u64, u64) {
        let index = self.sparse.partition_point(|(first, _)| *first <= sequence);
        self.sparse.get(index.saturating_sub(1)).copied().unwrap_or((self.base, FRAMES_AT as u64))
    }
}
