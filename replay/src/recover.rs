//! From the newest snapshot that belongs to this history, through the tail of the journal, to an engine.
//!
//! ```text
//!  snapshots, newest first:  beyond the journal's end? ─► refuse (ack durable) or skip
//!                            loads, and its frame is ours? ─► use it      else ─► note why, try the next older one
//!  none left:                journal begins with 1 ─► from genesis        else ─► refuse
//! ```
//!
//! Invariant: the engine that comes out has executed every frame after its snapshot, each compared.

use crate::error::ReplayError;
use crate::execute::Executor;
use crate::source::{History, binding_of, chain_of};
use ringbook_core::Engine;
use ringbook_journal::{ReadError, Reader, Sequence};
use ringbook_snapshot::{Binding, Header, Rejected, Store};
use std::time::Instant;

/// Frames between two calls of the progress callback.
const PROGRESS_FRAMES: u64 = 4_096;

/// What to do with a snapshot of the same journal beyond its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeyondEnd {
    /// Refuse: under ack `durable` it proves that segments are missing.
    #[default]
    Refuse,
    /// Skip it: under ack `written` a power cut may take what was committed.
    Skip,
}

/// How to recover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoverOptions {
    /// Snapshots beyond the end.
    pub beyond_end: BeyondEnd,
}

/// What recovery is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading and proving snapshots.
    Snapshot,
    /// Executing the tail.
    Replay,
    /// Hashing the state.
    Hash,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Doing what.
    pub stage: Stage,
    /// Frames that were replayed.
    pub done: u64,
    /// Frames to replay in all.
    pub total: u64,
}

/// What recovery yields.
#[derive(Clone)]
pub struct Recovered {
    /// The state after `last_sequence`.
    pub engine: Engine,
    /// Where the snapshot stood; 0: from genesis.
    pub snapshot_sequence: u64,
    /// Last sequence of the journal; 0 in an empty one.
    pub last_sequence: u64,
    /// Frames after the snapshot, each compared.
    pub frames_replayed: u64,
    /// How long it took.
    pub seconds: f64,
    /// Hash of the state.
    pub state_hash: [u8; 32],
    /// Snapshots that were not used, and why.
    pub rejected: Vec<Rejected>,
    /// What a snapshot taken now would be bound to; `None` in an empty journal.
    pub binding: Option<Binding>,
}

impl std::fmt::Debug for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovered")
            .field("snapshot_sequence", &self.snapshot_sequence)
            .field("last_sequence", &self.last_sequence)
            .field("frames_replayed", &self.frames_replayed)
            .field("seconds", &self.seconds)
            .field("rejected", &self.rejected)
            .finish_non_exhaustive()
    }
}

/// Recovers the state after `last`. Works with a reader of an opened journal before its threads start
/// (`journal.reader(Sequence(1))`, `recovery.last_sequence`) and as a dry run with [`Reader::open`].
///
/// # Errors
/// See [`ReplayError`]. Nothing is ever modified.
pub fn recover(
    reader: &mut Reader,
    last: u64,
    history: &History,
    store: &Store,
    options: &RecoverOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Recovered, ReplayError> {
    let began = Instant::now();
    progress(Progress { stage: Stage::Snapshot, done: 0, total: last });
    let mut rejected = check_beyond(store, last, history, options.beyond_end)?;
    let start = start_at(reader, last, history, store)?;
    rejected.extend(start.rejected);
    let snapshot_sequence = start.engine.sequence().0;
    let mut executor = Executor::new(start.engine);
    let binding = replay(reader, &mut executor, last, history, &mut |done, total| {
        progress(Progress { stage: Stage::Replay, done, total });
    })?;
    let (frames_replayed, engine) = (executor.frames(), executor.into_engine());
    progress(Progress { stage: Stage::Hash, done: frames_replayed, total: frames_replayed });
    Ok(Recovered {
        snapshot_sequence,
        last_sequence: last,
        frames_replayed,
        state_hash: engine.state_hash(),
        engine,
        seconds: began.elapsed().as_secs_f64(),
        rejected,
        binding: binding.or(start.binding),
    })
}

/// Where execution begins.
pub(crate) struct Start {
    pub engine: Engine,
    pub binding: Option<Binding>,
    pub rejected: Vec<Rejected>,
}

/// The state of the newest usable snapshot at or below `limit`, or the empty state if the journal begins with 1.
pub(crate) fn start_at(
    reader: &mut Reader,
    limit: u64,
    history: &History,
    store: &Store,
) -> Result<Start, ReplayError> {
    let first = Sequence(limit.min(1));
    let mut limit = limit;
    let mut rejected = Vec::new();
    loop {
        let found = store.newest_valid(limit, |header| belongs(reader, header, history))?;
        rejected.extend(found.rejected);
        let Some(loaded) = found.snapshot else { break };
        match Engine::restore(&loaded.image) {
            Ok(engine) => return Ok(Start { engine, binding: Some(loaded.header.binding), rejected }),
            Err(error) => {
                tracing::warn!(sequence = loaded.header.sequence, %error, "snapshot not used");
                rejected.push(Rejected { sequence: loaded.header.sequence, why: error.to_string() });
                limit = loaded.header.sequence.saturating_sub(1);
            }
        }
    }
    // From genesis, if it is there. In an empty journal nothing is to be read.
    reader.seek(Sequence(1));
    match reader.next(first) {
        Ok(_) => Ok(Start { engine: Engine::new(), binding: None, rejected }),
        Err(ReadError::Gone { oldest, .. }) => {
            let list: Vec<&str> = rejected.iter().map(|rejected| rejected.why.as_str()).collect();
            let tried = if list.is_empty() { "there is none".to_owned() } else { list.join("; ") };
            Err(ReplayError::NoStart { first: oldest, tried })
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the frame at a snapshot's sequence is the one that it names.
fn belongs(reader: &mut Reader, header: &Header, history: &History) -> Result<(), String> {
    let binding = &header.binding;
    if binding.uuid != history.uuid {
        return Err("it belongs to another journal; it is not used. Move it away".to_owned());
    }
    if binding.shard != history.shard {
        return Err(format!(
            "it is of shard {}, the journal of shard {}; it is not used",
            binding.shard, history.shard
        ));
    }
    reader.seek(Sequence(header.sequence));
    let frame = match reader.next(Sequence(header.sequence)) {
        Ok(Some(frame)) => frame,
        Ok(None) => return Err("the journal does not reach its sequence; it is not used".to_owned()),
        Err(error) => return Err(format!("its frame cannot be read, so it cannot be proven: {error}")),
    };
    let found = (frame.term, frame.time_ns, chain_of(&frame));
    if found == (binding.term, binding.time, binding.chain) {
        Ok(())
    } else {
        Err(format!(
            "the journal's frame at its sequence is another one (term {} time {} chain {:08x}, the snapshot says term {} \
             time {} chain {:08x}): it belongs to a history that was lost. It is not used; move it away",
            found.0, found.1, found.2, binding.term, binding.time, binding.chain
        ))
    }
}

/// Snapshots of this journal above its end: refused, or noted. Damaged and foreign ones are only noted.
fn check_beyond(store: &Store, last: u64, history: &History, policy: BeyondEnd) -> Result<Vec<Rejected>, ReplayError> {
    let mut rejected = Vec::new();
    for sequence in store.sequences()?.into_iter().rev().filter(|&sequence| sequence > last) {
        let path = store.path_of(sequence);
        let why = match store.load(sequence) {
            Err(error) => error.to_string(),
            Ok(loaded) if loaded.header.binding.uuid != history.uuid => {
                format!("{}: it belongs to another journal; it is not used. Move it away", path.display())
            }
            Ok(_) if policy == BeyondEnd::Refuse => {
                return Err(ReplayError::SnapshotBeyondEnd { path, snapshot: sequence, last });
            }
            Ok(_) => format!("{}: it lies beyond the journal's end at {last}; it is not used", path.display()),
        };
        tracing::warn!(sequence, %why, "snapshot not used");
        rejected.push(Rejected { sequence, why });
    }
    Ok(rejected)
}

/// Executes the frames after the executor's state up to `last`; what a snapshot after the last one is bound to.
pub(crate) fn replay(
    reader: &mut Reader,
    executor: &mut Executor,
    last: u64,
    history: &History,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Binding>, ReplayError> {
    let mut reached = executor.engine().sequence().0;
    let total = last.saturating_sub(reached);
    reader.seek(Sequence(reached + 1));
    let mut binding = None;
    progress(0, total);
    while reached < last {
        let Some(frame) = reader.next(Sequence(last))? else {
            return Err(ReplayError::Short { reached, last });
        };
        executor.step(&frame)?;
        reached = frame.sequence.0;
        if reached == last {
            binding = Some(binding_of(&frame, history));
        }
        if executor.frames().is_multiple_of(PROGRESS_FRAMES) {
            progress(executor.frames(), total);
        }
    }
    progress(total, total);
    Ok(binding)
}
