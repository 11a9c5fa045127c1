//! The hot path: commands wait in a ring buffer, one thread stamps, executes and journals them.
//!
//! ```text
//!  gateway ──Input::submit──► ring (disruptor) ──► EngineAgent: sequence, time → apply → journal frame
//!     ▲  BUSY when full          │ room kept for cancels      │ in-flight slot around apply
//!     └── reports follow the journal, not this crate          └─► Stamps: when each stage was passed
//! ```
//!
//! Every stage is an [`Agent`]: `poll() → work done`. A layout composes agents onto threads ([`run_agents`]); the agents
//! do not know which one.
//!
//! Invariants:
//! 1. A command is checked before it is published; publishing only copies (a panic there would stall the consumer).
//! 2. Events are encoded straight into the mapped journal frame; nothing is visible before the frame is whole.
//! 3. The hot path allocates nothing after warm-up.
//! 4. Ring sequences (place in the buffer) and journal sequences (place in history) are different types.

mod agent;
mod clock;
mod engine_agent;
mod inflight;
mod ring;
mod stamps;

pub use agent::{Agent, Idle, Layout, WaitMode, Wake, pin_to, run_agents};
pub use clock::{Clock, EngineClock, mono_ns};
pub use engine_agent::{EngineAgent, EngineAgentError, EngineStats};
pub use inflight::{InFlight, InFlightError, Stranded};
pub use ring::{Input, MAX_COMMAND_BYTES, RingOutput, RingSequence, SubmitError, input_ring};
pub use stamps::{Stamp, Stamps};
