//! The shadow: a follower with an engine of its own. It proves every committed command, takes snapshots, and answers
//! everything that needs state, so that the engine thread never pauses and never answers a query (DESIGN §7).
//!
//! ```text
//!  journal ──committed frames──► step: compare ──► engine, book history ◄── questions (ShadowHandle, any thread)
//!                                                        └──► image ──► snapshot writer (a thread of its own)
//! ```
//!
//! Invariants:
//! 1. It never runs ahead of `committed`, so what it answers is never taken back.
//! 2. After a difference it answers nothing and snapshots nothing: everything derived from it would be a guess.
//! 3. Each question is answered exactly once, or its reply is dropped with the shadow.

mod history;
mod inbox;
mod metrics;
mod run;
mod views;

pub use history::{Book, Level};
pub use inbox::{Inbox, ShadowHandle, Wait};
pub use metrics::ShadowMetrics;
pub use run::{Committed, ShadowOptions, run};
pub use views::{AccountState, SymbolInfo};

use crate::error::ReplayError;
use crate::execute::Executor;
use crate::source::{History, binding_of};
use history::BookHistory;
use ringbook_core::Engine;
use ringbook_journal::Frame;
use ringbook_snapshot::Binding;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No such symbol.
    #[error("there is no symbol {0}")]
    UnknownSymbol(String),
    /// No such account.
    #[error("there is no account {0}")]
    UnknownAccount(u32),
    /// No account is in this group.
    #[error("no account is in group {0}")]
    UnknownGroup(u32),
    /// The sequence is too far back to be answered from memory.
    #[error("the book at sequence {asked} is not in memory any more, the oldest is {oldest}")]
    TooOld {
        /// What was asked for.
        asked: u64,
        /// The oldest that can be answered now.
        oldest: u64,
    },
    /// The sequence was not reached in time.
    #[error("sequence {asked} was not committed in time, the last one is {reached}; ask again later")]
    NotYet {
        /// What was asked for.
        asked: u64,
        /// What is there.
        reached: u64,
    },
    /// Too many questions wait.
    #[error("too many questions wait for a sequence that is not there yet; ask again later")]
    Busy,
    /// The shadow found a difference or could not read.
    #[error("queries have stopped: {0}")]
    Failed(String),
    /// The shadow has ended.
    #[error("the exchange is shutting down")]
    Stopped,
    /// Snapshots cannot be taken.
    #[error("no snapshot was taken: {0}")]
    Snapshot(String),
}

/// The shadow's state; see the module's documentation.
#[derive(Debug)]
pub struct Shadow {
    executor: Executor,
    books: BookHistory,
    history: History,
    binding: Option<Binding>,
}

impl Shadow {
    /// Goes on from a recovered state. `binding`: what a snapshot of it would be bound to.
    pub fn new(engine: Engine, history: History, binding: Option<Binding>) -> Self {
        let books = BookHistory::new(&engine);
        Self { executor: Executor::new(engine), books, history, binding }
    }

    /// Executes a frame, compares, and remembers how the books were before.
    ///
    /// # Errors
    /// The events differ, or the frame cannot be executed.
    pub fn step(&mut self, frame: &Frame<'_>) -> Result<(), ReplayError> {
        self.books.before(self.executor.engine(), frame.command, frame.events);
        self.executor.step(frame)?;
        self.books.after(self.executor.engine());
        self.binding = Some(binding_of(frame, &self.history));
        Ok(())
    }

    /// The state.
    pub fn engine(&self) -> &Engine {
        self.executor.engine()
    }

    /// The last sequence that was executed.
    pub fn sequence(&self) -> u64 {
        self.engine().sequence().0
    }

    /// Term of the last frame; 0 before the first.
    pub fn term(&self) -> u32 {
        self.binding.map_or(0, |binding| binding.term)
    }

    /// What a snapshot taken now is bound to; `None` in an empty journal.
    pub fn binding(&self) -> Option<Binding> {
        self.binding
    }

    /// Frames that were executed and compared.
    pub fn frames(&self) -> u64 {
        self.executor.frames()
    }
}
