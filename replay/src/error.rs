//! Errors. A difference between journal and replay is the loudest of them: it names everything that is needed to find
//! its cause.

use ringbook_core::{Fault, RULES_VERSION, RestoreError};
use ringbook_event::{Event, events, split_command};
use ringbook_journal::{Frame, ReadError};
use ringbook_snapshot::SnapshotError;
use ringbook_wire::message::MessageType;
use std::fmt;
use std::path::PathBuf;

/// Why the journal could not be executed again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A frame caused other events than the journal says.
    #[error("{0}")]
    Diverged(Box<Divergence>),
    /// A frame could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A snapshot could not be written or the folder not be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A snapshot's state is not one.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A frame holds what the engine does not execute.
    #[error("the journal cannot be executed: {0}")]
    Fault(#[from] Fault),
    /// A frame of replication.
    #[error(
        "sequence {0} is a fence of replication, which this binary does not execute: use the binary that wrote the journal"
    )]
    Fence(u64),
    /// A frame under rules that this binary does not have.
    #[error(
        "sequence {sequence} was executed under rules {rules}, this binary has rules {RULES_VERSION}: start a binary \
             that has them; nothing was changed"
    )]
    Rules {
        /// Where.
        sequence: u64,
        /// The frame's rules version.
        rules: u32,
    },
    /// The journal does not begin with the first frame and no snapshot fills the gap.
    #[error(
        "the journal begins with sequence {first} and no snapshot leads up to it: {tried}. Restore the archived \
             segments into the journal's folder, or a snapshot at {first} or above into the snapshots' folder"
    )]
    NoStart {
        /// First sequence that can be read.
        first: u64,
        /// The snapshots that were tried, and why they were not used.
        tried: String,
    },
    /// The first frame was asked for, and it is archived.
    #[error(
        "--from-genesis needs the journal from sequence 1, and it begins with {first}: restore the archived segments \
             into the journal's folder (or into a copy of the data folder), or verify from the oldest snapshot on by \
             leaving --from-genesis out"
    )]
    NotFromGenesis {
        /// First sequence that can be read.
        first: u64,
    },
    /// A state from before the oldest snapshot of a journal whose beginning is archived.
    #[error("the state at {asked} cannot be executed again: the journal begins with sequence {first}, and no usable snapshot \
             lies between there and {asked}{}. Restore the archived segments into the journal's folder (or into a copy of \
             the data folder)", earliest.map_or(String::new(), |at| format!("; the earliest state that can be had is at {at}")))]
    Archived {
        /// What was asked for.
        asked: u64,
        /// First sequence that can be read.
        first: u64,
        /// The oldest snapshot behind `asked`.
        earliest: Option<u64>,
    },
    /// A snapshot of this journal lies beyond its end.
    #[error("{}: this snapshot of the same journal was taken at sequence {snapshot}, but the journal ends at {last}: its \
             newest segments are missing, and with them commands that were acknowledged. Nothing was changed. Restore \
             the missing segments; or, if the loss is accepted, move the snapshot away and start again", path.display())]
    SnapshotBeyondEnd {
        /// The file.
        path: PathBuf,
        /// Its sequence.
        snapshot: u64,
        /// Last sequence of the journal.
        last: u64,
    },
    /// There is no journal.
    #[error("{}: {why}: there is no journal to read; check --data", path.display())]
    NoJournal {
        /// The file that was looked for.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A sequence outside the journal.
    #[error("sequence {asked} is not in the journal: it holds {first} to {last}")]
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// The earliest that can be answered.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The journal ended before the sequence that it promised.
    #[error(
        "the journal ends after sequence {reached}, although {last} was said to be there: a writer restarted; try again"
    )]
    Short {
        /// The last one that was read.
        reached: u64,
        /// The last one that was expected.
        last: u64,
    },
    /// The client's ledger could not be read.
    #[error("the ledger cannot be read: {0}. Check the file; the journal was not touched")]
    Ledger(String),
}

/// The first frame whose events differ, with all that is needed to find out why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The frame.
    pub sequence: u64,
    /// The command's type.
    pub command: String,
    /// Events in the journal.
    pub recorded: Vec<String>,
    /// Events of this execution.
    pub replayed: Vec<String>,
    /// Rules version of the frame.
    pub rules_recorded: u32,
    /// Rules version of this binary.
    pub rules_here: u32,
    /// The binary that wrote the segment, if it is known.
    pub binary_recorded: Option<String>,
    /// This binary.
    pub binary_here: String,
}

impl Divergence {
    pub(crate) fn new(frame: &Frame<'_>, replayed: &[u8]) -> Self {
        let kind = split_command(frame.command).ok().and_then(|(_, header, _)| MessageType::from_code(header.kind));
        Self {
            sequence: frame.sequence.0,
            command: kind.map_or("unknown", MessageType::name).to_owned(),
            recorded: lines(frame.events),
            replayed: lines(replayed),
            rules_recorded: frame.rules,
            rules_here: RULES_VERSION,
            binary_recorded: None,
            binary_here: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Place of the first event that differs.
    pub fn first_difference(&self) -> usize {
        self.recorded.iter().zip(&self.replayed).take_while(|(a, b)| a == b).count()
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let line = |event: Result<Event, _>| match event {
        Ok(event) => format!("{event:?}"),
        Err(error) => format!("{error}"),
    };
    events(bytes).map(line).collect()
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, command, .. } = self;
        writeln!(f, "sequence {sequence} ({command}): replay gives other events than the journal holds.")?;
        let at = self.first_difference();
        writeln!(f, "first difference: event {at}")?;
        for (title, list) in [("in the journal", &self.recorded), ("replayed", &self.replayed)] {
            writeln!(f, "{title} ({} events):", list.len())?;
            for (place, line) in list.iter().enumerate() {
                let mark = if place == at { '>' } else { ' ' };
                writeln!(f, " {mark} {place}: {line}")?;
            }
        }
        let by = self.binary_recorded.as_deref().unwrap_or("not known (the segment is not sealed)");
        writeln!(
            f,
            "rules: {} in the journal, {} here; binary: {by} in the journal, {} here.",
            self.rules_recorded, self.rules_here, self.binary_here
        )?;
        write!(
            f,
            "Nothing was changed. Start the binary that wrote the journal; if it is this one, the memory or the disk of \
                   one of the machines is at fault: run `ringbook verify --from-genesis` on another machine and keep both outputs."
        )
    }
}
