//! The engine behind the interface of the scenarios: numbers commands, keeps time from falling, reads the events back.

use ringbook_core::Engine;
use ringbook_event::{Event, Origin, events};
use ringbook_oracle::Exchange;
use ringbook_wire::message::Genesis;
use ringbook_wire::{Sequence, TimestampNs};
use zerocopy::IntoBytes;

/// An engine that has executed its GENESIS. One call is one command; parts of long work are the caller's.
pub struct Fast {
    /// The engine.
    pub engine: Engine,
    /// Takes the events of a command.
    pub buffer: Vec<u8>,
}

impl Fast {
    /// A fresh engine.
    pub fn new(genesis: &Genesis) -> Self {
        let mut fast = Self { engine: Engine::new(), buffer: vec![0; 1 << 20] };
        assert_eq!(fast.one(0, Origin::INTERNAL, genesis.as_bytes()).len(), 1);
        fast
    }

    /// Executes a command as the next one, not before the engine's time.
    pub fn one(&mut self, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        let mut command = origin.as_bytes().to_vec();
        command.extend_from_slice(message);
        let (sequence, time) = (self.engine.sequence().0 + 1, self.engine.time().0.max(time_ns));
        let length = self
            .engine
            .apply(Sequence(sequence), TimestampNs(time), &command, &mut self.buffer)
            .unwrap_or_else(|fault| panic!("{fault}"));
        events(&self.buffer[..length]).map(|event| event.expect("whole records")).collect()
    }
}

impl Exchange for Fast {
    fn apply(&mut self, _: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        self.one(time_ns, origin, message)
    }
}
