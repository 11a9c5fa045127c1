//! A journal seen from another process: attached to its living writer, or opened without one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Sequence;
use crate::error::ReadError;
use crate::follower::FollowerSlot;
use crate::format::identity::{IDENTITY_NAME, Identity};
use crate::format::segment::{FRAMES_AT, SegmentHeader};
use crate::format::sidecar::Sidecar;
use crate::format::term::TERM_NAME;
use crate::format::{base_of, segment_name, sidecar_name, tail_name};
use crate::memory::SharedMemory;
use crate::page::{PAGE_NAME, WatermarkPage, WriterState};
use crate::reader::Reader;
use crate::scan::{Candidate, Scan, Start, scan};
use crate::storage::Storage;
use crate::storage::real::RealStorage;
use crate::tail_rule::Verdict;
use crate::term::read_record;

/// A journal in the hands of a living writer of this machine.
#[derive(Clone, Debug)]
pub struct LiveJournal {
    outside: Outside,
}

impl LiveJournal {
    /// Attaches to the writer of the journal in `dir`.
    ///
    /// # Errors
    /// [`ReadError::WriterRestarted`] if no writer lives.
    pub fn attach(dir: &Path, tail_dir: &Path) -> Result<LiveJournal, ReadError> {
        let outside = Outside::open(RealStorage::new(), dir, tail_dir)?;
        if outside.writer.is_none() { Err(ReadError::WriterRestarted) } else { Ok(LiveJournal { outside }) }
    }

    /// # Errors
    /// [`ReadError::WriterRestarted`] if the writer has gone or is another one.
    pub fn check(&self) -> Result<(), ReadError> {
        self.outside.check()
    }

    /// The page. Check the writer after reading from it.
    pub fn page(&self) -> Option<&WatermarkPage> {
        self.outside.writer.as_ref().map(|writer| &writer.page)
    }

    /// A reader that begins with `from`.
    pub fn reader(&self, from: Sequence) -> Reader {
        Reader::outside(self.outside.clone(), from)
    }

    /// Registers a reader that must not lose the journal. `None`: every slot is taken.
    pub fn follow(&self, name: &str, passed: Sequence) -> Option<FollowerSlot> {
        FollowerSlot::take(self.page()?, name, passed.0, self.clock_ns())
    }

    /// Nanoseconds since 1970-01-01 UTC: for heartbeats.
    pub fn clock_ns(&self) -> u64 {
        self.outside.storage.clock_ns()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Writer {
    page: WatermarkPage,
    generation: u64,
}

/// The journal's files and tails, without a share in the writer's memory.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub storage: Arc<dyn Storage>,
    pub dir: PathBuf,
    tails: PathBuf,
    pub identity: Identity,
    writer: Option<Writer>,
    /// The tails belong to this boot.
    tails_valid: bool,
    /// End of a journal without a writer.
    end: u64,
    /// Without a living writer: what the page of this boot and the term record say was durable.
    known_durable: u64,
}

impl Outside {
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, tail_dir: &Path) -> Result<Outside, ReadError> {
        let path = dir.join(IDENTITY_NAME);
        let bytes = crate::storage::read_all(&*storage, &path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                ReadError::NoJournal { path: dir.to_path_buf(), why: "there is no journal in this folder".to_string() }
            }
            _ => ReadError::Io { path: path.clone(), source: error },
        })?;
        let identity = Identity::decode(&bytes).map_err(|why| ReadError::NoJournal { path, why: why.to_string() })?;
        let tails = tail_dir.join(identity.tails_name());
        let page = storage.tail_open(&tails.join(PAGE_NAME)).ok().and_then(|memory| WatermarkPage::attach(memory).ok());
        let page = page.filter(|page| page.uuid() == identity.uuid && page.boot_id() == storage.boot_id());
        let tails_valid = page.is_some();
        let record = read_record(&*storage, dir, &identity).map_err(ReadError::io(dir.join(TERM_NAME)))?;
        let known_durable =
            page.as_ref().map_or(0, WatermarkPage::durable).max(record.map_or(0, |record| record.sequence));
        let lives = |page: &WatermarkPage| {
            storage.process_lives(page.pid()) && matches!(page.state(), WriterState::Running | WriterState::Failed)
        };
        let writer = page.filter(lives).map(|page| Writer { generation: page.generation(), page });
        let mut outside =
            Outside { storage, dir: dir.to_path_buf(), tails, identity, writer, tails_valid, end: 0, known_durable: 0 };
        if outside.writer.is_none() {
            outside.known_durable = known_durable;
            outside.end = outside.scan_end()?;
        }
        Ok(outside)
    }

    pub fn check(&self) -> Result<(), ReadError> {
        let Some(writer) = &self.writer else {
            return Ok(());
        };
        let same = writer.page.generation() == writer.generation && self.storage.process_lives(writer.page.pid());
        if same { Ok(()) } else { Err(ReadError::WriterRestarted) }
    }

    pub fn has_writer(&self) -> bool {
        self.writer.is_some()
    }

    fn watermark(&self, number: impl Fn(&WatermarkPage) -> u64) -> Result<u64, ReadError> {
        let Some(writer) = &self.writer else {
            return Ok(self.end);
        };
        let value = number(&writer.page);
        // Afterwards: a new writer stores its generation before its watermarks.
        if writer.page.generation() != writer.generation {
            return Err(ReadError::WriterRestarted);
        }
        Ok(value)
    }

    pub fn visible(&self) -> Result<u64, ReadError> {
        self.watermark(WatermarkPage::written)
    }

    pub fn committed(&self) -> Result<u64, ReadError> {
        self.watermark(WatermarkPage::committed)
    }

    fn list(&self) -> Result<Vec<String>, ReadError> {
        self.storage.list(&self.dir).map_err(ReadError::io(&self.dir))
    }

    /// A tail with this base: under its name, or still under a spare's.
    fn tail(&self, base: u64) -> Option<Arc<SharedMemory>> {
        if !self.tails_valid {
            return None;
        }
        let mut names = vec![tail_name(base)];
        let all = self.storage.tail_list(&self.tails).unwrap_or_default();
        names.extend(all.into_iter().filter(|name| name.starts_with("spare-") && name.ends_with(".tail")));
        names.iter().find_map(|name| {
            let memory = self.storage.map_tail(&self.tails.join(name)).ok()?;
            let header = SegmentHeader::decode(memory.bytes()).ok()?;
            (header.base == base && header.uuid == self.identity.uuid).then_some(memory)
        })
    }

    /// Bytes of the segment that begins with `base`: the tail while it exists, else the file.
    pub fn view(&self, base: u64) -> Result<Option<(Arc<SharedMemory>, PathBuf)>, ReadError> {
        let path = self.dir.join(segment_name(base));
        if let Some(tail) = self.tail(base) {
            return Ok(Some((tail, path)));
        }
        let memory = match self.storage.map(&path) {
            Ok(memory) => memory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ReadError::Io { path, source }),
        };
        if SegmentHeader::decode(memory.bytes()).is_err()
            && crate::format::all_zero(&memory.bytes()[..FRAMES_AT.min(memory.len())])
        {
            return Ok(None);
        }
        // The tail gets its name before the file gets its header: a tail that is here now is the one to read.
        Ok(Some((self.tail(base).unwrap_or(memory), path)))
    }

    /// Base of the segment that holds `sequence`. `None`: not there yet.
    pub fn base_of(&self, sequence: u64) -> Result<Option<u64>, ReadError> {
        let mut bases: Vec<u64> = self.list()?.iter().filter_map(|name| base_of(name, "seg")).collect();
        if self.tails_valid {
            let tails = self.storage.tail_list(&self.tails).unwrap_or_default();
            for name in tails {
                match base_of(&name, "tail") {
                    Some(base) => bases.push(base),
                    None if name.starts_with("spare-") => {
                        let memory = self.storage.map_tail(&self.tails.join(name)).ok();
                        let header = memory.and_then(|memory| SegmentHeader::decode(memory.bytes()).ok());
                        bases.extend(
                            header.filter(|header| header.uuid == self.identity.uuid).map(|header| header.base),
                        );
                    }
                    None => {}
                }
            }
        }
        let oldest = bases.iter().copied().min();
        match bases.into_iter().filter(|&base| base <= sequence).max() {
            Some(base) => Ok(Some(base)),
            None => match oldest {
                Some(oldest) if oldest > sequence => Err(ReadError::Gone { sequence, oldest }),
                _ => Ok(None),
            },
        }
    }

    /// The sidecar of a segment, if there is a valid one.
    pub fn sidecar(&self, base: u64) -> Option<Sidecar> {
        let memory = self.storage.map(&self.dir.join(sidecar_name(base))).ok()?;
        let sidecar = Sidecar::decode(memory).ok()?;
        (sidecar.header.base == base && sidecar.header.uuid == self.identity.uuid).then_some(sidecar)
    }

    pub fn floor(&self, base: u64, sequence: u64) -> (u64, u64) {
        self.sidecar(base).map_or((base, FRAMES_AT as u64), |sidecar| sidecar.floor(sequence))
    }

    /// Bytes that an opening would cut now; 0 while a writer lives.
    pub fn tail_bytes_to_cut(&self) -> Result<u64, ReadError> {
        if self.has_writer() {
            return Ok(0);
        }
        let (scan, candidates) = self.scan_open_segments()?;
        Ok(scan.cut(&candidates).iter().map(|(_, _, bytes)| *bytes as u64).sum())
    }

    /// Where a journal without a writer ends, by the tail rule, changing nothing.
    fn scan_end(&self) -> Result<u64, ReadError> {
        let (scan, candidates) = self.scan_open_segments()?;
        if let Verdict::Damage(row) = scan.verdict {
            let (base, why) = scan.place(&candidates);
            return Err(ReadError::Damaged {
                file: self.dir.join(segment_name(base)),
                offset: scan.at.1 as u64,
                sequence: scan.chain.next,
                why: format!("{why} although sequence {} was durable (tail rule, row {row})", scan.known_durable),
            });
        }
        Ok(scan.chain.next - 1)
    }

    /// Scans the segments that have no sidecar.
    fn scan_open_segments(&self) -> Result<(Scan, Vec<Candidate>), ReadError> {
        let mut bases: Vec<u64> = self.list()?.iter().filter_map(|name| base_of(name, "seg")).collect();
        let mut last = None;
        let mut first_open = 0;
        for &base in &bases {
            let Some(sidecar) = self.sidecar(base) else {
                break;
            };
            last = Some(sidecar.header);
            first_open += 1;
        }
        let start = Start::behind(last.as_ref(), bases.first().copied(), self.known_durable);
        bases.drain(..first_open);
        if self.tails_valid {
            let tails = self.storage.tail_list(&self.tails).unwrap_or_default();
            for name in tails.iter().filter(|name| name.ends_with(".tail")) {
                let memory = self.storage.map_tail(&self.tails.join(name)).ok();
                let header = memory.and_then(|memory| SegmentHeader::decode(memory.bytes()).ok());
                bases.extend(header.filter(|header| header.base >= start.chain.next).map(|header| header.base));
            }
        }
        bases.sort_unstable();
        bases.dedup();
        let mut candidates = Vec::new();
        for base in bases {
            let path = self.dir.join(segment_name(base));
            let file = match self.storage.map(&path) {
                Ok(memory) => Some(memory),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(source) => return Err(ReadError::Io { path, source }),
            };
            candidates.push(Candidate { base, file, tail: self.tail(base) });
        }
        Ok((scan(&candidates, &self.identity, start), candidates))
    }
}
