//! The state after any sequence: the nearest snapshot at or below it, and the frames between.

use crate::error::ReplayError;
use crate::execute::Executor;
use crate::recover::{replay, start_at};
use crate::source::Folder;
use ringbook_core::Engine;

/// A state in the past.
#[derive(Clone)]
pub struct StateAt {
    /// The state.
    pub engine: Engine,
    /// Where the snapshot stood; 0: from genesis.
    pub snapshot_sequence: u64,
    /// Frames that were replayed and compared.
    pub frames_replayed: u64,
}

/// The state after exactly `sequence`; `None` stands for the last committed one.
///
/// # Errors
/// The sequence is not in the journal, or the journal cannot be executed.
pub fn state_at(
    folder: &Folder,
    sequence: Option<u64>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<StateAt, ReplayError> {
    let history = folder.history()?;
    let mut reader = folder.reader(1)?;
    let last = reader.committed()?.0;
    let asked = sequence.unwrap_or(last);
    if asked > last {
        return Err(ReplayError::OutOfRange { asked, first: folder.first_sequence()?, last });
    }
    let store = folder.store();
    let start = match start_at(&mut reader, asked, &history, &store) {
        // Nothing at or below what was asked for leads there, whatever lies behind it.
        Err(ReplayError::NoStart { first, .. }) => {
            let earliest =
                store.sequences()?.into_iter().filter(|&snapshot| snapshot > asked && snapshot >= first).min();
            return Err(ReplayError::Archived { asked, first, earliest });
        }
        start => start?,
    };
    let snapshot_sequence = start.engine.sequence().0;
    let mut executor = Executor::new(start.engine);
    replay(&mut reader, &mut executor, asked, &history, progress)?;
    Ok(StateAt { snapshot_sequence, frames_replayed: executor.frames(), engine: executor.into_engine() })
}
