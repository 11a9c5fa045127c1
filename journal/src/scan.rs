//! Finds the facts for the tail rule: walks segments and tails without changing anything.
//!
//! Used by recovery (which then acts), by readers of a journal without a writer, and by `verify`. A place holds a
//! valid frame if the file's bytes do, else if the tail's bytes do; what is left of a tail behind its last valid frame
//! (a frame that was being written when the process died) is not evidence of anything.

use std::sync::Arc;

use crate::format::all_zero;
use crate::format::frame::{Chain, Checksums, FRAME_HEADER, FrameHeader, Place, evidence, examine};
use crate::format::identity::Identity;
use crate::format::segment::{FRAMES_AT, SegmentHeader};
use crate::format::sidecar::SidecarHeader;
use crate::memory::SharedMemory;
use crate::tail_rule::{At, Behind, Facts, Known, Next, Sealed, Verdict, verdict};

/// A segment without a valid sidecar, as found.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// From the name.
    pub base: u64,
    /// `BASE.seg`, if it exists.
    pub file: Option<Arc<SharedMemory>>,
    /// The tail with the same base, if it exists and belongs to this boot.
    pub tail: Option<Arc<SharedMemory>>,
}

impl Candidate {
    fn file_bytes(&self) -> &[u8] {
        self.file.as_ref().map_or(&[], |memory| memory.bytes())
    }

    fn tail_bytes(&self) -> &[u8] {
        self.tail.as_ref().map_or(&[], |memory| memory.bytes())
    }

    /// The header, from the file or else from the tail; it must be this journal's and have this base.
    pub fn header(&self, uuid: &[u8; 16]) -> Result<SegmentHeader, &'static str> {
        let check = |bytes: &[u8], file: bool| {
            let header = SegmentHeader::decode(bytes)?;
            if header.uuid != *uuid {
                return Err("it belongs to another journal");
            }
            if header.base != self.base {
                return Err("the base sequence in its header is not the one in its name");
            }
            if file && header.size != bytes.len() as u64 {
                return Err("its length is not the one in its header");
            }
            Ok(header)
        };
        let from_file = check(self.file_bytes(), true);
        match (from_file, self.tail.is_some()) {
            (Ok(header), _) => Ok(header),
            (Err(_), true) => check(self.tail_bytes(), false),
            (Err(why), false) => Err(why),
        }
    }

    fn is_empty(&self) -> bool {
        all_zero(self.file_bytes()) && SegmentHeader::decode(self.tail_bytes()).is_err()
    }
}

/// A segment that is kept, whole or up to a place.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Index of the candidate.
    pub candidate: usize,
    pub header: SegmentHeader,
    /// Offset behind the last valid frame (END included).
    pub end: usize,
    /// Offset of END, if the segment is closed.
    pub closed: Option<usize>,
    /// `(from, to)` ranges whose bytes come from the tail because the file does not have them.
    pub from_tail: Vec<(usize, usize)>,
}

/// What a scan found.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub kept: Vec<Kept>,
    pub verdict: Verdict,
    /// Index of the candidate and offset where the scan stopped; the candidate after the last if all were kept.
    pub at: (usize, usize),
    /// The chain behind the last kept frame.
    pub chain: Chain,
    /// Rule book version of the last kept frame; 0 without one.
    pub rules: u32,
    /// Highest sequence known to be durable.
    pub known_durable: u64,
    /// Why the place is bad.
    pub why: &'static str,
}

impl Scan {
    /// The segment where the scan stopped, and what is wrong there, in words.
    pub fn place(&self, candidates: &[Candidate]) -> (u64, String) {
        match candidates.get(self.at.0) {
            Some(candidate) if candidate.base > self.chain.next => {
                let why = format!("this segment is missing, the next one that is there begins with {}", candidate.base);
                (self.chain.next, why)
            }
            Some(candidate) => (candidate.base, self.why.to_string()),
            None => (self.chain.next, self.why.to_string()),
        }
    }

    /// What the verdict cuts of each file: candidate, offset, and bytes up to the last that is not zero.
    pub fn cut(&self, candidates: &[Candidate]) -> Vec<(usize, usize, usize)> {
        if !matches!(self.verdict, Verdict::Cut | Verdict::CutNext) {
            return Vec::new();
        }
        let (first, first_offset) = self.at;
        let behind = candidates.iter().enumerate().skip(first);
        let cut = behind.filter_map(|(index, candidate)| {
            let offset = if index == first { first_offset } else { 0 };
            let rest = candidate.file.as_ref()?.bytes().get(offset..)?;
            Some((index, offset, rest.iter().rposition(|&byte| byte != 0)? + 1))
        });
        cut.collect()
    }
}

/// What is known in front of the first candidate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub chain: Chain,
    /// Rule book version of the last frame.
    pub rules: u32,
    /// Highest sequence that the watermark page (of this journal and boot) or the term record say was durable; else 0.
    pub durable: u64,
}

impl Start {
    /// Behind the sealed segments, the last of which has this sidecar; else in front of `oldest`, the first segment.
    pub fn behind(last: Option<&SidecarHeader>, oldest: Option<u64>, durable: u64) -> Start {
        let (chain, rules) = match (last, oldest) {
            (Some(header), _) => (header.chain_behind(), header.rules),
            // Older segments were removed by retention.
            (None, Some(base)) if base > 1 => (Chain::jump(base), 0),
            (None, _) => (Chain::START, 0),
        };
        Start { chain, rules, durable }
    }
}

/// Scans `candidates`, which are sorted by base and begin where `start` ends.
pub(crate) fn scan(candidates: &[Candidate], identity: &Identity, start: Start) -> Scan {
    let uuid = &identity.uuid;
    let Start { chain, rules, durable } = start;
    let mut walk = Walk { sums: identity.checksums(), kept: Vec::new(), chain, rules, durable };
    let mut index = 0;
    loop {
        let Some(candidate) = candidates.get(index) else {
            // Every segment is closed and good: the journal ends in front of a segment that does not exist yet.
            let known = if walk.durable >= walk.chain.next { Known::Durable } else { Known::NotDurable };
            let facts = Facts { at: At::End, known, next: Next::Missing, behind: Behind::Zeros, sealed: Sealed::No };
            return walk.finish((index, 0), verdict(facts), "the next segment is missing");
        };
        let header = candidate.header(uuid).and_then(|header| walk.continues(header));
        let header = match header {
            Ok(header) => header,
            Err(why) => {
                // The segment before (or the sealed one before the scan) is closed: rows 3, 4, 5 and 10.
                let rest = candidates[index..].iter().all(Candidate::is_empty);
                walk.look_behind(candidates, index, 0);
                let known = if walk.durable >= walk.chain.next { Known::Durable } else { Known::NotDurable };
                let next = if rest { Next::Missing } else { Next::Bad };
                let facts = Facts { at: At::End, known, next, behind: Behind::Zeros, sealed: Sealed::No };
                return walk.finish((index, 0), verdict(facts), why);
            }
        };
        match walk.segment(candidate, index, header) {
            None => index += 1,
            Some((offset, at, why)) => {
                let behind = walk.look_behind(candidates, index, offset);
                let known = if walk.durable >= walk.chain.next { Known::Durable } else { Known::NotDurable };
                let facts = Facts { at, known, next: Next::Missing, behind, sealed: Sealed::No };
                return walk.finish((index, offset), verdict(facts), why);
            }
        }
    }
}

struct Walk {
    sums: Checksums,
    kept: Vec<Kept>,
    chain: Chain,
    rules: u32,
    durable: u64,
}

impl Walk {
    fn finish(self, at: (usize, usize), verdict: Verdict, why: &'static str) -> Scan {
        Scan { kept: self.kept, verdict, at, chain: self.chain, rules: self.rules, known_durable: self.durable, why }
    }

    fn continues(&mut self, header: SegmentHeader) -> Result<SegmentHeader, &'static str> {
        if header.base != self.chain.next {
            return Err("its base is not the sequence that comes next");
        }
        if self.chain.previous.is_some_and(|previous| previous != header.previous_chain) {
            return Err("it does not continue the segment before");
        }
        if header.term < self.chain.term {
            return Err("its term falls");
        }
        // After retention the scan may begin in the middle: the header says what the chain was.
        self.chain.previous = Some(header.previous_chain);
        Ok(header)
    }

    /// Walks one segment. `None`: closed by END. Otherwise the offset, what is there, and why.
    fn segment(
        &mut self,
        candidate: &Candidate,
        index: usize,
        header: SegmentHeader,
    ) -> Option<(usize, At, &'static str)> {
        let size = header.size as usize;
        let limit = |bytes: &[u8]| bytes.len().min(size);
        let file = &candidate.file_bytes()[..limit(candidate.file_bytes())];
        let tail = &candidate.tail_bytes()[..limit(candidate.tail_bytes())];
        let mut kept = Kept { candidate: index, header, end: FRAMES_AT, closed: None, from_tail: Vec::new() };
        if SegmentHeader::decode(file) != Ok(header) {
            kept.from_tail.push((0, FRAMES_AT));
        }
        let mut offset = FRAMES_AT;
        let stopped = loop {
            let mut place = examine(file, offset, header.max_frame, &self.chain, self.sums);
            if !matches!(place, Place::Frame(_) | Place::End(_)) && !tail.is_empty() {
                let other = examine(tail, offset, header.max_frame, &self.chain, self.sums);
                if let Place::Frame(found) | Place::End(found) = other {
                    let range = (offset, offset + found.length as usize);
                    match kept.from_tail.last_mut() {
                        Some(last) if last.1 == range.0 => last.1 = range.1,
                        _ => kept.from_tail.push(range),
                    }
                    place = other;
                }
            }
            match place {
                Place::Frame(frame) => {
                    self.take(&frame);
                    self.chain = self.chain.after(&frame);
                    self.rules = frame.rules;
                    offset += frame.length as usize;
                    kept.end = offset;
                }
                Place::End(end) => {
                    self.take(&end);
                    kept.closed = Some(offset);
                    kept.end = offset + end.length as usize;
                    break None;
                }
                Place::Nothing => break Some((offset, At::Nothing, "nothing is there")),
                Place::Bad(why) => break Some((offset, At::Bad, why)),
            }
        };
        self.kept.push(kept);
        stopped
    }

    fn take(&mut self, frame: &FrameHeader) {
        self.durable = self.durable.max(frame.durable_at_append());
    }

    /// Looks at everything behind `offset` of candidate `index`: raises `durable` by every frame of this journal, in
    /// order or not (bytes that a client sent are none: they cannot have the salt), and says whether anything is there.
    fn look_behind(&mut self, candidates: &[Candidate], index: usize, offset: usize) -> Behind {
        let mut behind = Behind::Zeros;
        let mut distance = 0u64;
        for (number, candidate) in candidates.iter().enumerate().skip(index) {
            let bytes = candidate.file_bytes();
            let start = if number == index { offset.min(bytes.len()) } else { 0 };
            let mut place = start;
            while place < bytes.len() {
                // Zeros are most of what there is: pass them a block at a time.
                let stride = (bytes.len() - place).min(4_096 - place % 4_096);
                if all_zero(&bytes[place..place + stride]) {
                    place += stride;
                    continue;
                }
                behind = Behind::Something;
                let end = place + stride;
                while place < end {
                    let highest = self.chain.next + (distance + (place - start) as u64) / FRAME_HEADER as u64;
                    if let Some(durable) = evidence(bytes, place, self.chain.next, highest, self.sums) {
                        self.durable = self.durable.max(durable);
                    }
                    place += 8;
                }
            }
            distance += (bytes.len() - start) as u64;
        }
        behind
    }
}
