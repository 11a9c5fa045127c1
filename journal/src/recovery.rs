//! Opening: the order of its steps, because the process or the power may end at any point of it.
//!
//! 1. locks, identity (`survey.rs`);
//! 2. everything is scanned, nothing is changed; DAMAGE ends here (`survey.rs`, `scan.rs`, `tail_rule.rs`);
//! 3. what is cut is copied aside and synced (from here to 6: `settle.rs`);
//! 4. what only the tails hold is written to the files and synced;
//! 5. later segments are removed, the cut is zeroed and synced;
//! 6. only then old tails go and new ones come;
//! 7. the page begins a new generation, with the term that `term.rs` decides;
//! 8. the term is recorded durably: nobody can append before;
//! 9. the active segment (`resume.rs`).
//!
//! A second opening after a crash at any of these points comes to the same journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::error::{OpenError, io_at};
use crate::format::identity::Identity;
use crate::format::term::{TERM_NAME, TermRecord};
use crate::options::Options;
use crate::page::{PAGE_BYTES, PAGE_NAME, WatermarkPage};
use crate::storage::Storage;
use crate::survey::{identity, take_lock};
use crate::term::{End, Remembered, decide, read_record, write_record};
use crate::{Journal, RecoveryReport};

/// What opening yields.
#[derive(Debug)]
pub struct Opened {
    /// The journal, not started yet.
    pub journal: Journal,
    /// What recovery found and did.
    pub recovery: RecoveryReport,
}

pub(crate) struct Opening {
    pub storage: Arc<dyn Storage>,
    pub dir: PathBuf,
    pub tails: PathBuf,
    pub options: Options,
    pub identity: Identity,
    pub report: RecoveryReport,
}

pub(crate) fn open(dir: &Path, storage: Arc<dyn Storage>, options: Options) -> Result<Opened, OpenError> {
    let started = Instant::now();
    options.check()?;
    storage.create_dir(dir).map_err(io_at(dir, "create the folder"))?;
    let mut locks = vec![take_lock(&*storage, &dir.join("lock"))?];
    let identity = identity(&*storage, dir, &options)?;
    let tails = options.tail_dir.join(identity.tails_name());
    storage.tail_dir(&tails).map_err(io_at(&tails, "create the folder of the tails (setting `tail_dir`)"))?;
    locks.push(take_lock(&*storage, &tails.join("lock"))?);
    let mut opening =
        Opening { storage, dir: dir.to_path_buf(), tails, options, identity, report: RecoveryReport::default() };

    let page_path = opening.tails.join(PAGE_NAME);
    let old_page = opening.storage.tail_open(&page_path).ok().filter(|memory| memory.len() == PAGE_BYTES);
    let valid_page = old_page
        .clone()
        .and_then(|memory| WatermarkPage::attach(memory).ok())
        .filter(|page| page.uuid() == opening.identity.uuid && page.boot_id() == opening.storage.boot_id());
    let names = opening.list()?;
    let sealed = opening.sealed(&names)?;
    let record = read_record(&*opening.storage, dir, &opening.identity).map_err(io_at(dir.join(TERM_NAME), "read"))?;
    let (candidates, scan) = opening.scan(&names, &sealed, valid_page.as_ref(), record.as_ref())?;
    opening.refuse_damage(&candidates, &scan)?;
    opening.settle(&candidates, &scan)?;
    opening.clear(&names, &candidates)?;

    let end = End { sequence: scan.chain.next - 1, chain: scan.chain.previous.unwrap_or(0), term: scan.chain.term };
    let (term, continued) = decide(end, record.as_ref(), valid_page.as_ref().map(Remembered::of));
    let memory = match old_page {
        Some(memory) => memory,
        None => opening
            .storage
            .tail_create(&page_path, PAGE_BYTES as u64)
            .map_err(io_at(&page_path, "create the watermark page (setting `tail_dir`)"))?,
    };
    let replicated = valid_page.map_or(0, |page| page.replicated()).min(end.sequence);
    let page = WatermarkPage::begin(memory, &opening.identity, opening.storage.boot_id(), opening.options.ack, term);
    let bases = sealed.iter().map(|segment| segment.sidecar.header.base).chain(candidates.iter().map(|c| c.base));
    page.set_oldest(bases.min().unwrap_or(1).min(end.sequence + 1));
    page.set_durable(end.sequence);
    page.set_written(end.sequence);
    page.set_replicated(replicated);
    let Identity { shard, uuid, .. } = opening.identity;
    let record = TermRecord { shard, term, stopped: false, uuid, sequence: end.sequence, chain: end.chain };
    write_record(&*opening.storage, dir, &record).map_err(io_at(dir, "record the term in"))?;
    opening.report.term = term;
    opening.report.continued = continued;
    drop(candidates);
    let (journal, mut recovery) = opening.resume(locks, page, sealed, &scan)?;
    recovery.seconds = started.elapsed().as_secs_f64();
    Ok(Opened { journal, recovery })
}
