//! Which term a writer gets (`docs/FORMATS.md` §1): the last one's, if it continues everything that one had written.
//!
//! A token that a client holds is (term, sequence). If a frame that was handed out is lost and another one gets its
//! sequence, the term must tell them apart. So the term rises unless nothing can have been lost, and a new term is
//! durable before its first frame is written: no two histories ever share one.

use std::io;
use std::path::Path;

use crate::format::identity::Identity;
use crate::format::term::{TERM_NAME, TermRecord};
use crate::page::WatermarkPage;
use crate::storage::{Storage, read_all, write_atomically};

/// Where the journal ends, as recovery found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub sequence: u64,
    /// Chain of the last frame; 0 without one.
    pub chain: u32,
    /// Term of the last frame; 0 without one.
    pub term: u32,
}

/// What the page of this boot remembers of the writer before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered {
    pub term: u32,
    pub written: u64,
}

impl Remembered {
    pub fn of(page: &WatermarkPage) -> Remembered {
        Remembered { term: page.term(), written: page.written() }
    }
}

/// The term from here on, and whether everything that the last writer had written is there.
pub(crate) fn decide(end: End, record: Option<&TermRecord>, page: Option<Remembered>) -> (u32, bool) {
    let continued = match (page, record) {
        // Of this boot: whatever anybody saw of the writer, it was at or below `written`.
        (Some(page), _) => end.sequence >= page.written,
        (None, Some(record)) => record.stopped && record.sequence == end.sequence && record.chain == end.chain,
        // Nobody can have written before there is a record: a new journal, or a record that was taken away.
        (None, None) => end.sequence == 0,
    };
    let known = end.term.max(record.map_or(0, |record| record.term)).max(page.map_or(0, |page| page.term));
    (if continued { known.max(1) } else { known + 1 }, continued)
}

/// The last writer's record. A damaged one is as good as none: the term rises above all that are known.
///
/// Its sequence was durable when the record was written: it counts as evidence for the tail rule.
pub(crate) fn read_record(storage: &dyn Storage, dir: &Path, identity: &Identity) -> io::Result<Option<TermRecord>> {
    let path = dir.join(TERM_NAME);
    let bytes = match read_all(storage, &path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match TermRecord::decode(&bytes) {
        Ok(record) if record.uuid == identity.uuid && record.shard == identity.shard => Ok(Some(record)),
        Ok(_) => {
            tracing::warn!(file = %path.display(), "it belongs to another journal: the term rises");
            Ok(None)
        }
        Err(why) => {
            tracing::warn!(file = %path.display(), why, "the record of the last term is damaged: the term rises");
            Ok(None)
        }
    }
}

/// Replaces the record; it survives the power when this returns.
pub(crate) fn write_record(storage: &dyn Storage, dir: &Path, record: &TermRecord) -> io::Result<()> {
    write_atomically(storage, dir, TERM_NAME, &record.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: End = End { sequence: 100, chain: 9, term: 3 };

    fn record(term: u32, stopped: bool, sequence: u64, chain: u32) -> Option<TermRecord> {
        Some(TermRecord { shard: 0, term, stopped, uuid: [1; 16], sequence, chain })
    }

    fn check(record: Option<TermRecord>, page: Option<(u32, u64)>, expected: (u32, bool)) {
        let page = page.map(|(term, written)| Remembered { term, written });
        assert_eq!(decide(END, record.as_ref(), page), expected, "{record:?} {page:?}");
    }

    #[test]
    fn the_term_stays_only_where_nothing_can_be_lost() {
        // A clean stop, then another boot.
        check(record(3, true, 100, 9), None, (3, true));
        check(record(5, true, 100, 9), None, (5, true));
        // It was not clean; or the journal has another end than it had then.
        check(record(3, false, 100, 9), None, (4, false));
        check(record(3, true, 101, 9), None, (4, false));
        check(record(3, true, 99, 9), None, (4, false));
        check(record(3, true, 100, 8), None, (4, false));
        // A term under which every frame was lost is not given twice.
        check(record(7, false, 100, 9), None, (8, false));
        // The same boot: the page knows what was written, whatever the record says.
        check(record(3, false, 50, 1), Some((3, 100)), (3, true));
        check(record(3, false, 50, 1), Some((4, 99)), (4, true));
        check(record(3, true, 100, 9), Some((3, 101)), (4, false));
        check(record(2, false, 0, 0), Some((6, 101)), (7, false));
        // The record is gone.
        check(None, None, (4, false));
        check(None, Some((3, 100)), (3, true));
    }

    #[test]
    fn a_new_journal_begins_with_term_one() {
        let end = End { sequence: 0, chain: 0, term: 0 };
        assert_eq!(decide(end, None, None), (1, true));
        // All that a first writer wrote is lost: no frame is left to tell, the record is.
        assert_eq!(decide(end, record(1, false, 0, 0).as_ref(), None), (2, false));
    }
}
