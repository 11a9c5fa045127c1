//! The engine behind the interface of scripts: numbers commands, keeps time from falling, does one part of a command at a
//! time unless told otherwise.
#![allow(dead_code, reason = "every test takes what it needs")]

pub mod compare;

use ringbook_core::{Engine, Fault};
use ringbook_event::{Event, Origin, events};
use ringbook_oracle::{Exchange, scenario};
use ringbook_wire::message::{Continue, Genesis, Message};
use ringbook_wire::{Sequence, TimestampNs};
use zerocopy::IntoBytes;

/// The engine as an [`Exchange`].
pub struct Venue {
    pub engine: Engine,
    pub buffer: Vec<u8>,
}

impl Venue {
    /// After the GENESIS of the scripts.
    pub fn new() -> Self {
        Self::with(&scenario::genesis())
    }

    /// After this GENESIS.
    pub fn with(genesis: &Genesis) -> Self {
        let mut venue = Self { engine: Engine::new(), buffer: vec![0; 2 << 20] };
        assert_eq!(venue.one(0, Origin::INTERNAL, genesis.as_bytes()).len(), 1);
        venue
    }

    /// One command, or the fault of its caller.
    pub fn attempt(&mut self, time_ns: u64, origin: Origin, message: &[u8]) -> Result<Vec<Event>, Fault> {
        let command = [origin.as_bytes(), message].concat();
        let time = TimestampNs(time_ns.max(self.engine.time().0));
        let sequence = Sequence(self.engine.sequence().0 + 1);
        let length = self.engine.apply(sequence, time, &command, &mut self.buffer)?;
        Ok(events(&self.buffer[..length]).map(|event| event.expect("whole records")).collect())
    }

    /// One command.
    #[track_caller]
    pub fn one(&mut self, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        self.attempt(time_ns, origin, message).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// The CONTINUE that is due.
    #[track_caller]
    pub fn go_on(&mut self) -> Vec<Event> {
        let next = self.engine.continuation().expect("work is pending");
        self.one(0, next.origin, Continue { of: next.of, ..Continue::new(next.request) }.as_bytes())
    }
}

impl Exchange for Venue {
    fn apply(&mut self, _: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        self.one(time_ns, origin, message)
    }
}
