//! What the operator's commands do: `stat`, `verify`, retention.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Sequence;
use crate::error::ReadError;
use crate::format::frame::FRAME_HEADER;
use crate::format::segment::SegmentHeader;
use crate::format::{base_of, sidecar_name};
use crate::live::Outside;
use crate::reader::Reader;
use crate::sealer::chain_hash;
use crate::shared::{Shared, read, write};
use crate::storage::Storage;
use crate::storage::real::RealStorage;

/// One segment in a [`JournalStat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentStat {
    /// Sequence of its first frame.
    pub base: u64,
    /// Sequence of its last frame, if it is sealed.
    pub last: Option<u64>,
    /// Size of its file in bytes.
    pub file_bytes: u64,
    /// Offset of END in bytes, if it is sealed.
    pub used_bytes: Option<u64>,
    /// It has a valid sidecar.
    pub sealed: bool,
    /// The binary that executed it, if it is sealed.
    pub binary_version: Option<String>,
}

/// What a journal consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalStat {
    /// In order.
    pub segments: Vec<SegmentStat>,
    /// First sequence that can be read.
    pub first_sequence: Sequence,
    /// Last sequence that can be read.
    pub last_sequence: Sequence,
    /// Bytes of all segment files.
    pub file_bytes: u64,
    /// Every sidecar continues the one before it (bytes of segments are not read: that is `verify`).
    pub chain_ok: bool,
    /// A writer lives.
    pub has_writer: bool,
    /// Bytes that the next opening will cut: an unfinished tail, never durable. 0 while a writer lives.
    pub tail_bytes_to_cut: u64,
}

/// Looks at the journal in `dir` without changing anything.
///
/// # Errors
/// [`ReadError`].
pub fn stat(dir: &Path, tail_dir: &Path) -> Result<JournalStat, ReadError> {
    stat_with(RealStorage::new(), dir, tail_dir)
}

/// [`stat`] in any storage.
///
/// # Errors
/// [`ReadError`].
pub fn stat_with(storage: Arc<dyn Storage>, dir: &Path, tail_dir: &Path) -> Result<JournalStat, ReadError> {
    let outside = Outside::open(storage, dir, tail_dir)?;
    let mut segments = Vec::new();
    let mut chain_ok = true;
    let mut before: Option<(u64, [u8; 32])> = None;
    let names = outside.storage.list(dir).map_err(ReadError::io(dir))?;
    for base in names.iter().filter_map(|name| base_of(name, "seg")) {
        let path = dir.join(crate::format::segment_name(base));
        let file_bytes = outside.storage.open(&path).and_then(|file| file.len()).map_err(ReadError::io(&path))?;
        let sidecar = outside.sidecar(base);
        if let Some(sidecar) = &sidecar {
            let header = &sidecar.header;
            chain_ok &= before.is_none_or(|(last, chain)| last + 1 == base && chain == header.previous_chain);
            before = Some((header.last, header.chain));
        }
        segments.push(SegmentStat {
            base,
            last: sidecar.as_ref().map(|sidecar| sidecar.header.last),
            file_bytes,
            used_bytes: sidecar.as_ref().map(|sidecar| sidecar.header.used),
            sealed: sidecar.is_some(),
            binary_version: sidecar.map(|sidecar| sidecar.binary_version()),
        });
    }
    Ok(JournalStat {
        first_sequence: Sequence(segments.first().map_or(1, |segment| segment.base)),
        last_sequence: Sequence(outside.visible()?),
        file_bytes: segments.iter().map(|segment| segment.file_bytes).sum(),
        chain_ok,
        has_writer: outside.has_writer(),
        tail_bytes_to_cut: outside.tail_bytes_to_cut()?,
        segments,
    })
}

pub(crate) fn stat_inside(shared: &Shared) -> JournalStat {
    let mut segments: Vec<SegmentStat> = read(&shared.sealed)
        .iter()
        .map(|segment| SegmentStat {
            base: segment.sidecar.header.base,
            last: Some(segment.sidecar.header.last),
            file_bytes: segment.file_bytes,
            used_bytes: Some(segment.sidecar.header.used),
            sealed: true,
            binary_version: Some(segment.sidecar.binary_version()),
        })
        .collect();
    for segment in read(&shared.live).iter().filter(|segment| segment.base() != 0) {
        segments.push(SegmentStat {
            base: segment.base(),
            last: None,
            file_bytes: segment.memory.len() as u64,
            used_bytes: segment.end().map(|end| end as u64),
            sealed: false,
            binary_version: None,
        });
    }
    JournalStat {
        first_sequence: Sequence(shared.page.oldest()),
        last_sequence: Sequence(shared.page.written()),
        file_bytes: segments.iter().map(|segment| segment.file_bytes).sum(),
        chain_ok: true,
        has_writer: true,
        tail_bytes_to_cut: 0,
        segments,
    }
}

/// What [`verify`] read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Frames whose checksum and chain are right.
    pub frames: u64,
    /// Segments whose hash is the one of their sidecar.
    pub sealed_segments: u64,
    /// Sequence of the last frame.
    pub last_sequence: Sequence,
}

/// Reads everything: every frame's checksum and chain up to the end (or `written` of a living writer), every sealed
/// segment's hash. `progress` is called with (bytes done, bytes in all).
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(dir: &Path, tail_dir: &Path, progress: impl FnMut(u64, u64)) -> Result<Verified, ReadError> {
    verify_with(RealStorage::new(), dir, tail_dir, progress)
}

/// [`verify`] in any storage.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_with(
    storage: Arc<dyn Storage>,
    dir: &Path,
    tail_dir: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Verified, ReadError> {
    let stat = stat_with(Arc::clone(&storage), dir, tail_dir)?;
    let outside = Outside::open(Arc::clone(&storage), dir, tail_dir)?;
    let mut verified = Verified { last_sequence: stat.last_sequence, ..Verified::default() };
    let mut done = 0;
    // Last sequence and hash of the sealed segment before.
    let mut before: Option<(u64, [u8; 32])> = None;
    for segment in &stat.segments {
        let path = dir.join(crate::format::segment_name(segment.base));
        let damaged = |why: &str| ReadError::Damaged {
            file: path.clone(),
            offset: 0,
            sequence: segment.base,
            why: why.to_string(),
        };
        let Some(sidecar) = outside.sidecar(segment.base) else {
            if storage.open(&dir.join(sidecar_name(segment.base))).is_ok() {
                let file = dir.join(sidecar_name(segment.base));
                let why = "the sidecar is damaged; the next start builds it again".to_string();
                return Err(ReadError::Damaged { file, offset: 0, sequence: segment.base, why });
            }
            continue;
        };
        let header = &sidecar.header;
        if let Some((last, _)) = before.filter(|(last, _)| last + 1 != header.base) {
            let file = dir.join(crate::format::segment_name(last + 1));
            let why = format!("this segment is missing, the next one that is there begins with {}", header.base);
            return Err(ReadError::Damaged { file, offset: 0, sequence: last + 1, why });
        }
        if before.is_some_and(|(_, chain)| chain != header.previous_chain) {
            return Err(damaged("its sidecar does not continue the hash chain"));
        }
        let memory = storage.map(&path).map_err(ReadError::io(&path))?;
        SegmentHeader::decode(memory.bytes()).map_err(damaged)?;
        let used = memory.bytes().get(..header.used as usize + FRAME_HEADER);
        if used.map(|bytes| chain_hash(&header.previous_chain, bytes)) != Some(header.chain) {
            return Err(damaged("its bytes do not give the hash of its sidecar"));
        }
        before = Some((header.last, header.chain));
        verified.sealed_segments += 1;
        done += segment.file_bytes / 2;
        progress(done, stat.file_bytes);
    }
    let mut reader = Reader::outside(outside, stat.first_sequence);
    while let Some(frame) = reader.next(stat.last_sequence)? {
        verified.frames += 1;
        if frame.sequence.0 % 65_536 == 0 {
            let share = frame.sequence.0 - stat.first_sequence.0;
            let all = (stat.last_sequence.0 - stat.first_sequence.0).max(1);
            progress(done + (stat.file_bytes - done) / all * share, stat.file_bytes);
        }
    }
    progress(stat.file_bytes, stat.file_bytes);
    Ok(verified)
}

/// A segment could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("{}: could not remove: {source}; older segments are gone, this one and newer ones are whole", path.display())]
pub struct RetainError {
    /// The file.
    pub path: PathBuf,
    /// The error.
    pub source: io::Error,
}

/// Removes what may go; answers the bases of the removed segments. The newest sealed segment always stays: its sidecar
/// is where the hash chain and the chain of frames go on, in this process and after a restart.
pub(crate) fn retain(shared: &Shared, keep_from: u64) -> Result<Vec<u64>, RetainError> {
    let passed = shared.page.oldest_passed(shared.storage.clock_ns());
    let keep_from = passed.map_or(keep_from, |passed| keep_from.min(passed + 1));
    let mut removed = Vec::new();
    loop {
        let oldest = {
            let sealed = read(&shared.sealed);
            if sealed.len() <= 1 {
                break;
            }
            let Some(first) = sealed.first().filter(|first| first.sidecar.header.last < keep_from) else {
                break;
            };
            (first.sidecar.header.base, first.sidecar.header.last)
        };
        let (base, last) = oldest;
        // Said first: whoever looks for it later is told that it is gone.
        shared.page.set_oldest(last + 1);
        // The segment before its sidecar: a sidecar alone is a leftover, a segment alone would be scanned again.
        for path in [shared.segment_path(base), shared.sidecar_path(base)] {
            match shared.storage.remove(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(RetainError { path, source });
                }
                _ => {}
            }
        }
        let synced = shared.storage.sync_dir(&shared.dir);
        synced.map_err(|source| RetainError { path: shared.dir.clone(), source })?;
        write(&shared.sealed).remove(0);
        removed.push(base);
    }
    Ok(removed)
}
