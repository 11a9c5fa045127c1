//! What recovery finds: locks, identity, sealed segments, candidates for the tail rule. Nothing here changes a byte of
//! an existing journal; an empty folder is given its identity.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::{OpenError, io_at};
use crate::format::frame::FRAME_HEADER;
use crate::format::identity::{IDENTITY_NAME, Identity, Salt};
use crate::format::segment::SegmentHeader;
use crate::format::sidecar::Sidecar;
use crate::format::term::TermRecord;
use crate::format::{base_of, segment_name, sidecar_name};
use crate::memory::SharedMemory;
use crate::options::{Options, VerifySealed};
use crate::page::WatermarkPage;
use crate::recovery::Opening;
use crate::scan::{Candidate, Scan, Start, scan};
use crate::sealer::chain_hash;
use crate::shared::SealedSegment;
use crate::storage::{LockGuard, Storage, read_all, write_atomically};
use crate::tail_rule::Verdict;

pub(crate) fn take_lock(storage: &dyn Storage, path: &Path) -> Result<Box<dyn LockGuard>, OpenError> {
    storage.lock(path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { path: path.to_path_buf(), holder: error.to_string() },
        _ => io_at(path, "lock")(error),
    })
}

/// Who the journal is; a new one in a folder without a journal.
pub(crate) fn identity(storage: &dyn Storage, dir: &Path, options: &Options) -> Result<Identity, OpenError> {
    let path = dir.join(IDENTITY_NAME);
    match read_all(storage, &path) {
        Ok(bytes) => {
            let identity =
                Identity::decode(&bytes).map_err(|why| OpenError::BadFile { file: path, why: why.to_string() })?;
            if identity.shard != options.shard {
                let why = format!("is {}, but this journal belongs to shard {}", options.shard, identity.shard);
                return Err(OpenError::Options { setting: "shard", why });
            }
            Ok(identity)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let names = storage.list(dir).map_err(io_at(dir, "list"))?;
            if names.iter().any(|name| base_of(name, "seg").is_some() || base_of(name, "idx").is_some()) {
                let why = "it is missing, but there are segments: they belong to a journal whose identity was lost";
                return Err(OpenError::BadFile { file: path, why: why.to_string() });
            }
            let random = || storage.random().map_err(io_at(&path, "draw an identity for"));
            let identity = Identity {
                shard: options.shard,
                uuid: random()?,
                created_ns: storage.clock_ns(),
                salt: Salt(random()?),
            };
            write_atomically(storage, dir, IDENTITY_NAME, &identity.encode()).map_err(io_at(&path, "create"))?;
            Ok(identity)
        }
        Err(error) => Err(io_at(path, "read")(error)),
    }
}

impl Opening {
    pub fn list(&self) -> Result<Vec<String>, OpenError> {
        self.storage.list(&self.dir).map_err(io_at(&self.dir, "list"))
    }

    /// The sealed segments: from the oldest up to the first whose sidecar is missing or not whole (that one and all
    /// behind it are scanned and sealed again).
    pub fn sealed(&mut self, names: &[String]) -> Result<Vec<SealedSegment>, OpenError> {
        let bases: Vec<u64> = names.iter().filter_map(|name| base_of(name, "seg")).collect();
        let mut out: Vec<SealedSegment> = Vec::new();
        for &base in &bases {
            let path = self.dir.join(sidecar_name(base));
            let memory = match self.storage.map(&path) {
                Ok(memory) => memory,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(io_at(path, "read")(error)),
            };
            let sidecar = match Sidecar::decode(memory) {
                Ok(sidecar) => sidecar,
                Err(why) => {
                    tracing::warn!(file = %path.display(), why, "a sidecar is damaged: it will be built again");
                    break;
                }
            };
            let header = &sidecar.header;
            let follows = out.last().is_none_or(|before| {
                before.sidecar.header.last + 1 == header.base && before.sidecar.header.chain == header.previous_chain
            });
            if header.base != base || header.uuid != self.identity.uuid || !follows {
                tracing::warn!(file = %path.display(), "a sidecar does not belong here: it will be built again");
                break;
            }
            let segment = self.dir.join(segment_name(base));
            let length = self.storage.open(&segment).and_then(|file| file.len()).map_err(io_at(segment, "open"))?;
            out.push(SealedSegment { sidecar: Arc::new(sidecar), file_bytes: length });
        }
        let check = match self.options.verify_sealed {
            VerifySealed::None => 0,
            VerifySealed::Newest => 1,
            VerifySealed::All => out.len(),
        };
        for segment in out.iter().rev().take(check) {
            self.verify_hash(&segment.sidecar)?;
        }
        Ok(out)
    }

    /// Row 9 of the tail rule.
    fn verify_hash(&self, sidecar: &Sidecar) -> Result<(), OpenError> {
        let header = &sidecar.header;
        let file = self.dir.join(segment_name(header.base));
        let memory = self.storage.map(&file).map_err(io_at(&file, "read"))?;
        let used = header.used as usize + FRAME_HEADER;
        let hash = memory.bytes().get(..used).map(|bytes| chain_hash(&header.previous_chain, bytes));
        if hash == Some(header.chain) {
            return Ok(());
        }
        Err(OpenError::Damage {
            file,
            offset: 0,
            sequence: header.base,
            known_durable: header.last,
            why: "its bytes do not give the hash of its sidecar".to_string(),
            row: 9,
            tails: self.tails.clone(),
        })
    }

    /// The segments behind the sealed ones, with what the tails of this boot know of them, and where the journal ends.
    pub fn scan(
        &self,
        names: &[String],
        sealed: &[SealedSegment],
        page: Option<&WatermarkPage>,
        record: Option<&TermRecord>,
    ) -> Result<(Vec<Candidate>, Scan), OpenError> {
        let all: Vec<u64> = names.iter().filter_map(|name| base_of(name, "seg")).collect();
        let mut bases: Vec<u64> = all[sealed.len()..].to_vec();
        let last = sealed.last().map(|segment| &segment.sidecar.header);
        // What the page of this boot and the last writer's record say was durable; frames add to it.
        let durable = page.map_or(0, WatermarkPage::durable).max(record.map_or(0, |record| record.sequence));
        let start = Start::behind(last, bases.first().copied(), durable);
        let mut tails: BTreeMap<u64, Arc<SharedMemory>> = BTreeMap::new();
        if page.is_some() {
            let found = self.storage.tail_list(&self.tails).map_err(io_at(&self.tails, "list"))?;
            for name in found.iter().filter(|name| name.ends_with(".tail")) {
                let path = self.tails.join(name);
                let memory = self.storage.map_tail(&path).map_err(io_at(&path, "map"))?;
                if let Ok(header) = SegmentHeader::decode(memory.bytes())
                    && header.uuid == self.identity.uuid
                    && header.base >= start.chain.next
                {
                    bases.push(header.base);
                    tails.insert(header.base, memory);
                }
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
                Err(error) => return Err(io_at(path, "read")(error)),
            };
            candidates.push(Candidate { base, file, tail: tails.remove(&base) });
        }
        let scan = scan(&candidates, &self.identity, start);
        Ok((candidates, scan))
    }

    /// Ends the opening if what was durable is not there.
    pub fn refuse_damage(&self, candidates: &[Candidate], scan: &Scan) -> Result<(), OpenError> {
        let Verdict::Damage(row) = scan.verdict else {
            return Ok(());
        };
        let (base, why) = scan.place(candidates);
        Err(OpenError::Damage {
            file: self.dir.join(segment_name(base)),
            offset: scan.at.1 as u64,
            sequence: scan.chain.next,
            known_durable: scan.known_durable,
            why,
            row,
            tails: self.tails.clone(),
        })
    }
}
