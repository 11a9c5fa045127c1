//! The input ring: the crate `disruptor`, many producers, one consumer, never waiting.
//!
//! Invariants:
//! 1. `submit` never blocks: a full ring is [`SubmitError::Full`], which the client hears as BUSY.
//! 2. A share of the ring is kept for cancels and Ringbook's own commands, so that clients can always get out.
//! 3. Only the first `length` bytes of a slot's message mean anything; what is behind them is old.

use crossbeam_utils::CachePadded;
use disruptor::{EventPoller, MultiProducer, Polling, Producer, SingleConsumerBarrier, build_multi_producer};
use ringbook_event::Origin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Longest message that a slot holds.
pub const MAX_COMMAND_BYTES: usize = ringbook_wire::message::MAX_MESSAGE_BYTES;

/// A place in the ring, from 0; not a journal sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RingSequence(pub i64);

/// One command on its way to the engine.
pub(crate) struct Slot {
    pub origin: Origin,
    /// When its bytes were read from the socket, by [`crate::mono_ns`].
    pub arrived_ns: u64,
    /// When it was published.
    pub published_ns: u64,
    pub length: u16,
    pub message: [u8; MAX_COMMAND_BYTES],
}

impl Slot {
    fn empty() -> Self {
        Self { origin: Origin::INTERNAL, arrived_ns: 0, published_ns: 0, length: 0, message: [0; MAX_COMMAND_BYTES] }
    }
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The ring, or the share of it for this kind of command, is full: try again.
    #[error("the input ring is full; try again in a moment")]
    Full,
}

struct Shared {
    /// Highest ring sequence published, as far as producers have told.
    published: CachePadded<AtomicI64>,
    /// Highest ring sequence that the engine has taken.
    taken: CachePadded<AtomicI64>,
}

/// A producer of the ring; one for each thread that submits.
#[derive(Clone)]
pub struct Input {
    producer: MultiProducer<Slot, SingleConsumerBarrier>,
    shared: Arc<Shared>,
    capacity: i64,
    reserve: i64,
}

/// The engine's end of the ring.
pub struct RingOutput {
    poller: EventPoller<Slot, disruptor::MultiProducerBarrier>,
    shared: Arc<Shared>,
}

/// A ring of `capacity` slots (a power of two, at least 64), of which `reserve` are kept for cancels.
pub fn input_ring(capacity: usize, reserve: usize) -> (Input, RingOutput) {
    assert!(
        capacity.is_power_of_two() && capacity >= 64 && reserve < capacity,
        "ring of {capacity} slots, {reserve} kept"
    );
    let builder = build_multi_producer(capacity, Slot::empty, disruptor::BusySpin);
    let (poller, builder) = builder.new_event_poller();
    let shared = Arc::new(Shared {
        published: CachePadded::new(AtomicI64::new(-1)),
        taken: CachePadded::new(AtomicI64::new(-1)),
    });
    let input =
        Input { producer: builder.build(), shared: shared.clone(), capacity: capacity as i64, reserve: reserve as i64 };
    (input, RingOutput { poller, shared })
}

impl Input {
    /// Publishes a checked message. `urgent`: a cancel or a command of Ringbook's own, which may use the kept share.
    ///
    /// # Errors
    /// The ring is full; nothing was published.
    #[inline]
    pub fn submit(
        &mut self,
        origin: Origin,
        message: &[u8],
        urgent: bool,
        arrived_ns: u64,
        now_ns: u64,
    ) -> Result<RingSequence, SubmitError> {
        assert!(message.len() <= MAX_COMMAND_BYTES && message.len() >= 8, "messages are checked before they get here");
        let waiting = self.waiting();
        if !urgent && waiting >= self.capacity - self.reserve {
            return Err(SubmitError::Full);
        }
        let published = self.producer.try_publish(|slot| {
            slot.origin = origin;
            slot.arrived_ns = arrived_ns;
            slot.published_ns = now_ns;
            slot.length = message.len() as u16;
            slot.message[..message.len()].copy_from_slice(message);
        });
        let sequence = published.map_err(|_| SubmitError::Full)?;
        self.shared.published.fetch_max(sequence, Ordering::Relaxed);
        Ok(RingSequence(sequence))
    }

    /// Commands that wait in the ring, as far as this thread can see.
    #[inline]
    pub fn waiting(&self) -> i64 {
        // Taken first: what the engine did with those commands is then visible as well.
        let taken = self.shared.taken.load(Ordering::Acquire);
        self.shared.published.load(Ordering::Relaxed) - taken
    }
}

impl RingOutput {
    /// Whether a command waits.
    #[inline]
    pub fn has_available(&self) -> bool {
        self.poller.has_available()
    }

    /// Hands the oldest command to `run` and frees its slot afterwards; `None` if there is none.
    #[inline]
    pub(crate) fn take_one<T>(&mut self, run: impl FnOnce(&Slot) -> T) -> Option<T> {
        let mut guard = match self.poller.take(1) {
            Ok(guard) => guard,
            Err(Polling::NoEvents | Polling::Shutdown) => return None,
        };
        let result = (&mut guard).next().map(run);
        drop(guard);
        self.shared.taken.fetch_add(1, Ordering::Release);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_refuses_and_keeps_room_for_cancels() {
        let (mut input, mut output) = input_ring(64, 2);
        let message = [8u8, 0, 64, 1, 0, 0, 0, 0];
        let mut submit = |urgent| input.submit(Origin::INTERNAL, &message, urgent, 0, 0);
        for _ in 0..62 {
            assert!(submit(false).is_ok());
        }
        assert_eq!(submit(false), Err(SubmitError::Full));
        assert!(submit(true).is_ok() && submit(true).is_ok());
        assert_eq!(submit(true), Err(SubmitError::Full));
        let mut seen = 0;
        while output.take_one(|slot| assert_eq!(slot.length, 8)).is_some() {
            seen += 1;
        }
        assert_eq!(seen, 64);
        assert!(submit(false).is_ok());
    }
}
