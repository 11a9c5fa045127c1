//! Readers: frames in order, from this process or another one. They never modify a file.
//!
//! Invariants:
//! * No frame above `written` is ever looked at; the caller's limit (usually `committed`) lies below.
//! * Every frame is checked: checksum, sequence, chain with the frame before.
//! * A reader holds the mapping that it reads: removing a tail or a segment does not disturb it.
//! * An I/O error is an error, never the end of the journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Sequence;
use crate::error::ReadError;
use crate::format::frame::{Chain, Checksums, FRAME_HEADER, FrameHeader, FrameKind, Place, examine};
use crate::format::segment::{FRAMES_AT, SegmentHeader};
use crate::live::Outside;
use crate::memory::SharedMemory;
use crate::shared::Shared;

/// A frame, borrowed from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its sequence.
    pub sequence: Sequence,
    /// Engine time, nanoseconds since 1970-01-01 UTC.
    pub time_ns: u64,
    /// Term.
    pub term: u32,
    /// Rule book version.
    pub rules: u32,
    /// What it is; never `End`.
    pub kind: FrameKind,
    /// The command's bytes.
    pub command: &'a [u8],
    /// The events' bytes.
    pub events: &'a [u8],
    /// Highest sequence known to be durable when it was appended.
    pub durable_at_append: Sequence,
    /// CRC-32C that binds the frame to all frames before it: identifies it, the same on every machine.
    pub chain: u32,
}

impl<'a> Frame<'a> {
    fn new(header: &FrameHeader, bytes: &'a [u8], offset: usize) -> Frame<'a> {
        let payload = &bytes[offset + FRAME_HEADER..offset + header.length as usize];
        let (command, events) = payload.split_at(header.command_len as usize);
        Frame {
            sequence: Sequence(header.sequence),
            time_ns: header.time_ns,
            term: header.term,
            rules: header.rules,
            kind: header.kind,
            command,
            events,
            durable_at_append: Sequence(header.durable_at_append()),
            chain: header.chain,
        }
    }
}

#[derive(Debug)]
enum Source {
    Inside(Arc<Shared>),
    Outside(Outside),
}

/// The segment that is being read.
#[derive(Debug)]
struct Current {
    base: u64,
    memory: Arc<SharedMemory>,
    path: PathBuf,
    max_frame: u32,
    offset: usize,
}

/// Reads frames in order.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    current: Option<Current>,
    chain: Chain,
    /// Highest sequence that is known to be readable.
    visible: u64,
    sums: Checksums,
}

impl Reader {
    /// Opens the journal in `dir` (the folder that holds `journal.id`) for reading, with or without a living writer.
    /// The first frame will be `from`.
    ///
    /// # Errors
    /// [`ReadError::NoJournal`] and [`ReadError::Io`].
    pub fn open(dir: &Path, tail_dir: &Path, from: Sequence) -> Result<Reader, ReadError> {
        let storage = crate::storage::real::RealStorage::new();
        Ok(Reader::outside(Outside::open(storage, dir, tail_dir)?, from))
    }

    pub(crate) fn outside(outside: Outside, from: Sequence) -> Reader {
        Reader::new(Source::Outside(outside), from)
    }

    pub(crate) fn inside(shared: Arc<Shared>, from: Sequence) -> Reader {
        Reader::new(Source::Inside(shared), from)
    }

    fn new(source: Source, from: Sequence) -> Reader {
        let identity = match &source {
            Source::Inside(shared) => &shared.identity,
            Source::Outside(outside) => &outside.identity,
        };
        let sums = identity.checksums();
        Reader { source, current: None, chain: Chain::jump(from.0.max(1)), visible: 0, sums }
    }

    /// The sequence of the next frame.
    pub fn next_sequence(&self) -> Sequence {
        Sequence(self.chain.next)
    }

    /// Highest sequence that can be read now: `written` of a living writer, or the end of the journal.
    ///
    /// # Errors
    /// [`ReadError::WriterRestarted`].
    pub fn visible(&self) -> Result<Sequence, ReadError> {
        Ok(Sequence(match &self.source {
            Source::Inside(shared) => shared.page.written(),
            Source::Outside(outside) => outside.visible()?,
        }))
    }

    /// Highest sequence that may leave the process: `committed` of a living writer, or the end of the journal.
    ///
    /// # Errors
    /// [`ReadError::WriterRestarted`].
    pub fn committed(&self) -> Result<Sequence, ReadError> {
        Ok(Sequence(match &self.source {
            Source::Inside(shared) => shared.page.committed(),
            Source::Outside(outside) => outside.committed()?,
        }))
    }

    /// Goes to `sequence`; the next frame will be that one.
    pub fn seek(&mut self, sequence: Sequence) {
        self.chain = Chain::jump(sequence.0.max(1));
        self.current = None;
    }

    /// The next frame if its sequence is at most `limit`. `None`: there is none yet.
    ///
    /// # Errors
    /// [`ReadError`]; the reader stays where it was.
    #[inline]
    pub fn next(&mut self, limit: Sequence) -> Result<Option<Frame<'_>>, ReadError> {
        if self.chain.next > limit.0 {
            return Ok(None);
        }
        if self.chain.next > self.visible {
            self.visible = self.visible()?.0;
            if self.chain.next > self.visible {
                return Ok(None);
            }
        }
        loop {
            let Some(current) = &self.current else {
                if !self.enter()? {
                    return Ok(None);
                }
                continue;
            };
            match examine(current.memory.bytes(), current.offset, current.max_frame, &self.chain, self.sums) {
                Place::Frame(header) => {
                    let offset = current.offset;
                    self.chain = self.chain.after(&header);
                    let Some(current) = &mut self.current else {
                        return Ok(None);
                    };
                    current.offset = offset + header.length as usize;
                    return Ok(Some(Frame::new(&header, current.memory.bytes(), offset)));
                }
                Place::End(_) => {
                    // The next segment begins with exactly this sequence; its header is checked against the chain.
                    let Some((memory, path)) = self.view(self.chain.next)? else {
                        return self.missing().map(|()| None);
                    };
                    self.open_segment(memory, path)?;
                }
                Place::Nothing => return Err(self.damaged("nothing is there")),
                Place::Bad(why) => return Err(self.damaged(why)),
            }
        }
    }

    /// Calls `each` for every frame up to `limit`; answers how many there were. No allocation per frame.
    ///
    /// # Errors
    /// Of [`Self::next`], or the first of `each`.
    pub fn for_each<E: From<ReadError>>(
        &mut self,
        limit: Sequence,
        mut each: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut count = 0;
        while let Some(frame) = self.next(limit)? {
            each(frame)?;
            count += 1;
        }
        Ok(count)
    }

    fn damaged(&self, why: &str) -> ReadError {
        let (file, offset) = match &self.current {
            Some(current) => (current.path.clone(), current.offset as u64),
            None => (PathBuf::new(), 0),
        };
        ReadError::Damaged { file, offset, sequence: self.chain.next, why: why.to_string() }
    }

    /// The segment that begins with the next sequence is not there: not yet, or removed while we stood in front of it.
    fn missing(&self) -> Result<(), ReadError> {
        let sequence = self.chain.next;
        match &self.source {
            Source::Inside(shared) => match shared.page.oldest() {
                oldest if sequence < oldest => Err(ReadError::Gone { sequence, oldest }),
                _ => Ok(()),
            },
            Source::Outside(outside) => outside.base_of(sequence).map(|_| ()),
        }
    }

    fn view(&self, base: u64) -> Result<Option<(Arc<SharedMemory>, PathBuf)>, ReadError> {
        match &self.source {
            Source::Inside(shared) => shared.view(base).map_err(ReadError::io(shared.segment_path(base))),
            Source::Outside(outside) => outside.view(base),
        }
    }

    fn open_segment(&mut self, memory: Arc<SharedMemory>, path: PathBuf) -> Result<(), ReadError> {
        let header = SegmentHeader::decode(memory.bytes());
        let bad = |why: &str| ReadError::Damaged {
            file: path.clone(),
            offset: 0,
            sequence: self.chain.next,
            why: why.to_string(),
        };
        let header = header.map_err(bad)?;
        if self.chain.previous.is_some_and(|previous| previous != header.previous_chain) {
            return Err(bad("the segment does not continue the one before"));
        }
        let max_frame = header.max_frame;
        self.current = Some(Current { base: header.base, memory, path, max_frame, offset: FRAMES_AT });
        Ok(())
    }

    /// Enters the segment that holds the next sequence, at that sequence. `false`: it is not there yet.
    fn enter(&mut self) -> Result<bool, ReadError> {
        let target = self.chain.next;
        let (base, floor) = match &self.source {
            Source::Inside(shared) => {
                let oldest = shared.page.oldest();
                let gone = ReadError::Gone { sequence: target, oldest };
                let base = shared.base_of(target).ok_or(gone)?;
                (base, shared.floor(base, target))
            }
            Source::Outside(outside) => match outside.base_of(target)? {
                None => return Ok(false),
                Some(base) => (base, outside.floor(base, target)),
            },
        };
        let Some((memory, path)) = self.view(base)? else {
            return Ok(false);
        };
        self.open_segment(memory, path)?;
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        debug_assert_eq!(current.base, base);
        // From the sparse index's floor by lengths and checksums up to the target.
        let (sequence, offset) = floor;
        let header = SegmentHeader::decode(current.memory.bytes()).ok();
        let previous = header.filter(|_| sequence == base).map(|header| header.previous_chain);
        current.offset = offset as usize;
        let mut chain = Chain { previous, ..Chain::jump(sequence) };
        while chain.next < target {
            match examine(current.memory.bytes(), current.offset, current.max_frame, &chain, self.sums) {
                Place::Frame(header) => {
                    chain = chain.after(&header);
                    current.offset += header.length as usize;
                }
                other => {
                    let (file, offset) = (current.path.clone(), current.offset as u64);
                    self.current = None;
                    let why = match other {
                        Place::Bad(why) => why,
                        _ => "the segment ends before the sequence that was asked for",
                    };
                    return Err(ReadError::Damaged { file, offset, sequence: chain.next, why: why.to_string() });
                }
            }
        }
        self.chain = chain;
        Ok(true)
    }
}

/// One frame at a known place, without the chain around it.
pub(crate) fn read_one(
    bytes: &[u8],
    offset: usize,
    max_frame: u32,
    sequence: u64,
    sums: Checksums,
) -> Result<Frame<'_>, &'static str> {
    match examine(bytes, offset, max_frame, &Chain::jump(sequence), sums) {
        Place::Frame(header) => Ok(Frame::new(&header, bytes, offset)),
        Place::Bad(why) => Err(why),
        Place::End(_) | Place::Nothing => Err("no frame is there"),
    }
}
