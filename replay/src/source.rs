//! Where a history lies: the folders of a data folder, the journal's identity, and what binds a snapshot to a frame.

use crate::error::ReplayError;
use ringbook_journal::format::identity::{IDENTITY_NAME, Identity};
use ringbook_journal::{Frame, Journal, Reader, Sequence};
use ringbook_report::FrameParts;
use ringbook_snapshot::{Binding, Store};
use std::path::{Path, PathBuf};

/// Which journal this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The journal's identity.
    pub uuid: [u8; 16],
    /// Its shard.
    pub shard: u32,
}

impl From<&Journal> for History {
    fn from(journal: &Journal) -> Self {
        Self { uuid: journal.uuid(), shard: journal.shard() }
    }
}

/// The value that binds a frame to all frames before it.
pub fn chain_of(frame: &Frame<'_>) -> u32 {
    frame.chain
}

/// The frame as reports derive from it.
pub fn parts_of<'a>(frame: &Frame<'a>) -> FrameParts<'a> {
    FrameParts {
        sequence: ringbook_wire::Sequence(frame.sequence.0),
        time: ringbook_wire::TimestampNs(frame.time_ns),
        term: ringbook_wire::Term(frame.term),
        command: frame.command,
        events: frame.events,
    }
}

/// What a snapshot after this frame is bound to.
pub fn binding_of(frame: &Frame<'_>, history: &History) -> Binding {
    Binding { uuid: history.uuid, term: frame.term, time: frame.time_ns, chain: chain_of(frame), shard: history.shard }
}

/// A data folder that is read from outside, with or without a running exchange.
#[derive(Clone, Debug)]
pub struct Folder {
    data: PathBuf,
    tails: PathBuf,
}

impl Folder {
    /// `data` holds `journal` and `snapshots`; `tails` is the folder in shared memory (default `/dev/shm`).
    pub fn new(data: impl Into<PathBuf>, tails: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), tails: tails.into() }
    }

    /// The journal's folder.
    pub fn journal(&self) -> PathBuf {
        self.data.join("journal")
    }

    /// The folder in shared memory.
    pub fn tails(&self) -> &Path {
        &self.tails
    }

    /// The snapshots.
    pub fn store(&self) -> Store {
        Store::new(self.data.join("snapshots"))
    }

    /// A reader whose first frame will be `from`.
    ///
    /// # Errors
    /// There is no journal, or it cannot be read.
    pub fn reader(&self, from: u64) -> Result<Reader, ReplayError> {
        Ok(Reader::open(&self.journal(), &self.tails, Sequence(from))?)
    }

    /// First sequence that can be read; 1 in an empty journal.
    ///
    /// # Errors
    /// There is no journal, or it cannot be read.
    pub fn first_sequence(&self) -> Result<u64, ReplayError> {
        Ok(ringbook_journal::stat(&self.journal(), &self.tails)?.first_sequence.0)
    }

    /// Which binary sealed the segment that holds a sequence, if it is sealed.
    pub fn binary_of(&self, sequence: u64) -> Option<String> {
        let stat = ringbook_journal::stat(&self.journal(), &self.tails).ok()?;
        let holding = stat.segments.into_iter().rfind(|segment| segment.base <= sequence)?;
        holding.binary_version.filter(|version| !version.is_empty())
    }

    /// The journal's identity.
    ///
    /// # Errors
    /// `journal.id` is missing or damaged.
    pub fn history(&self) -> Result<History, ReplayError> {
        let path = self.journal().join(IDENTITY_NAME);
        let error = |why: String| ReplayError::NoJournal { path: path.clone(), why };
        let bytes = std::fs::read(&path).map_err(|source| error(source.to_string()))?;
        let identity = Identity::decode(&bytes).map_err(|why| error(why.to_owned()))?;
        Ok(History { uuid: identity.uuid, shard: identity.shard })
    }
}
