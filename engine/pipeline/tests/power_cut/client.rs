//! The world outside the exchange: makes commands, remembers every acknowledged frame, and sends again what a crash
//! left unanswered.
//!
//! Invariants:
//! 1. Only what lies at or below `committed` is remembered; from then on it must never change ([`Client::compare`]).
//! 2. The frames of one process are its submissions in the order of the ring, to the letter, with the agent's own
//!    CONTINUEs between them: so nothing is doubled, invented or overtaken.
//! 3. An order, known by account, client id and send time, is accepted at most once, and a transfer, known by account
//!    and adjustment number, is applied at most once, over all crashes.
//! 4. A shadow engine that executes the remembered frames makes the same events.

use crate::{BUSY, CONTINUES, RESENT_KNOWN, RESENT_LOST, TRANSFERS};
use ringbook_core::Engine;
use ringbook_core::image::Image;
use ringbook_event::{Event, ORIGIN_BYTES, Origin, events, split_command};
use ringbook_journal::sim::SimRandom;
use ringbook_journal::{Frame, ReadError, Reader, Sequence};
use ringbook_oracle::generate::{Feature, Generator};
use ringbook_pipeline::Input;
use ringbook_wire::codec;
use ringbook_wire::message::{Continue, Genesis, Message, MessageType, NewOrder, Quarantine, SessionDown};
use ringbook_wire::{
    AccountId, ClientOrderId, KeyId, OrderId, OrderType, Price, Qty, RejectCode, SessionId, Side, SymbolId,
    TimeInForce, TimestampNs, order_flags,
};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use zerocopy::IntoBytes;

/// A command as it was sent.
#[derive(Clone)]
struct Sent {
    command: Vec<u8>,
    /// It was submitted before, and a crash came before its answer.
    again: bool,
}

/// What is remembered of a frame.
#[derive(Debug, PartialEq)]
struct Told {
    term: u32,
    time_ns: u64,
    command: Vec<u8>,
    events: Vec<u8>,
}

/// Account, client id, send time.
type OrderKey = (u32, u128, u64);

/// What a client id was used for: one request, sent any number of times, or (the generator is nasty) several.
enum Use {
    /// The message behind its header.
    One(Vec<u8>),
    Several,
}

/// See the module.
pub struct Client {
    generator: Generator,
    /// Commands that come before the generator's next one.
    herd: VecDeque<(Origin, Vec<u8>)>,
    random: SimRandom,
    clock: Arc<AtomicU64>,
    requests: u32,
    /// Submitted to the process that lives, not yet answered, in the ring's order.
    waiting: VecDeque<Sent>,
    retries: VecDeque<Sent>,
    told: Vec<Told>,
    accepted: HashMap<OrderKey, OrderId>,
    /// By account and client id.
    uses: HashMap<(u32, u128), Use>,
    transfers: HashSet<(u32, u64)>,
    shadow: Engine,
    image: Option<Image>,
    buffer: Vec<u8>,
}

/// Spot alone, and spot with perpetuals, by turns.
fn mixed(seed: u64) -> Generator {
    let generator = Generator::new(seed);
    if seed.is_multiple_of(2) { generator.with(Feature::Perpetual) } else { generator }
}

impl Client {
    pub fn new(seed: u64) -> Self {
        Self {
            generator: mixed(seed),
            herd: VecDeque::new(),
            random: SimRandom::new(seed ^ 0x5eed),
            clock: Arc::default(),
            requests: 0,
            waiting: VecDeque::new(),
            retries: VecDeque::new(),
            told: Vec::new(),
            accepted: HashMap::new(),
            uses: HashMap::new(),
            transfers: HashSet::new(),
            shadow: Engine::new(),
            image: None,
            buffer: vec![0; 1 << 16],
        }
    }

    pub fn genesis(&self) -> Genesis {
        self.generator.genesis()
    }

    /// The engine's clock, which the stream of commands moves.
    pub fn clock(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.clock)
    }

    /// Sequence of the last acknowledged frame.
    pub fn acknowledged(&self) -> u64 {
        self.told.len() as u64
    }

    /// The engine that has executed the acknowledged frames.
    pub fn shadow(&self) -> &Engine {
        &self.shadow
    }

    /// The state after some acknowledged frame, as a snapshot would hold it.
    pub fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// Sends a command: what a crash left open, or a new one.
    pub fn submit(&mut self, input: &mut Input) {
        let sent = match self.retries.pop_front() {
            Some(sent) => sent,
            None => self.next_command(),
        };
        let (origin, header, message) = split_command(&sent.command).expect("whole commands only");
        let urgent = header.kind == MessageType::Cancel as u8 || origin == Origin::INTERNAL;
        match input.submit(origin, message, urgent, 0, 0) {
            Ok(_) => self.waiting.push_back(sent),
            Err(_) => {
                // BUSY: it was not executed. Half of the clients try again; of the others it is never heard again.
                BUSY.count(1);
                if self.random.below(2) == 0 {
                    self.retries.push_front(sent);
                }
            }
        }
    }

    fn next_command(&mut self) -> Sent {
        if self.random.below(300) == 0 && self.acknowledged() > 100 {
            self.plan_herd();
        }
        let (origin, message) = self.herd.pop_front().unwrap_or_else(|| {
            let next = self.generator.next_command();
            self.clock.store(next.time_ns, Relaxed);
            (next.origin, next.message)
        });
        self.requests += 1;
        let mut command = origin.as_bytes().to_vec();
        command.extend_from_slice(&message);
        // Bytes 4 to 8 of the header: a number of its own makes every command one of its kind.
        command[ORIGIN_BYTES + 4..ORIGIN_BYTES + 8].copy_from_slice(&self.requests.to_le_bytes());
        Sent { command, again: false }
    }

    /// Many small orders that one command ends: more events than fit one frame, so that work is left for CONTINUE, of
    /// the kind that others may interrupt (the session goes down) or not (somebody sells into them all).
    fn plan_herd(&mut self) {
        let session = SessionId::new(KeyId(1), 1);
        let herd = 30 + self.random.below(80);
        let send_time = TimestampNs(self.clock.load(Relaxed));
        let order = NewOrder {
            symbol: SymbolId(1),
            price: Price(1),
            quantity: Qty(1),
            send_time,
            order_type: OrderType::Limit.code(),
            ..NewOrder::new(0)
        };
        for member in 0..herd {
            let message = NewOrder {
                client_id: ClientOrderId([send_time.0 + member, 77]),
                account: AccountId(100 + member as u32 % 6),
                side: Side::Buy.code(),
                time_in_force: TimeInForce::Gtc.code(),
                flags: order_flags::CANCEL_ON_DISCONNECT,
                ..order
            };
            self.herd.push_back((Origin::session(session), message.as_bytes().to_vec()));
        }
        let end = if self.random.below(2) == 0 {
            (Origin::INTERNAL, SessionDown { session, ..SessionDown::new(0) }.as_bytes().to_vec())
        } else {
            let sale = NewOrder {
                client_id: ClientOrderId([send_time.0, 78]),
                account: AccountId(106 + self.random.below(6) as u32),
                side: Side::Sell.code(),
                quantity: Qty(1_000),
                time_in_force: TimeInForce::Ioc.code(),
                ..order
            };
            (Origin::session(SessionId::new(KeyId(2), 1)), sale.as_bytes().to_vec())
        };
        self.herd.push_back(end);
    }

    /// What is unanswered and may be sent again (PROTOCOL §2.4) will be, to the letter; how much was unanswered. The
    /// process that it was sent to is gone.
    pub fn plan_retries(&mut self) -> u64 {
        let may = [MessageType::NewOrder, MessageType::Deposit, MessageType::Withdraw];
        let lost = self.waiting.len() as u64;
        for sent in &self.waiting {
            let kind = split_command(&sent.command).expect("whole commands only").1.kind;
            let known = self.retries.iter().any(|retry| retry.command == sent.command);
            if may.iter().any(|&may| may as u8 == kind) && !known && self.random.below(4) != 0 {
                self.retries.push_back(Sent { again: true, ..sent.clone() });
            }
        }
        lost
    }

    /// A new process lives: nothing that waited in the old one's ring will come any more.
    pub fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Every remembered frame is there and the same.
    pub fn compare(&self, reader: &mut Reader) {
        for (index, told) in self.told.iter().enumerate() {
            let frame = reader.next(Sequence::MAX).expect("every kept frame can be read").expect("acknowledged frames");
            assert_eq!(frame.sequence.0, index as u64 + 1);
            assert_eq!(remembered(&frame), *told, "sequence {}: told otherwise before the crash", frame.sequence);
        }
    }

    /// Hears of all frames up to `committed`.
    pub fn acknowledge(&mut self, reader: &mut Reader, committed: u64) -> Result<(), ReadError> {
        while self.acknowledged() < committed {
            let Some(frame) = reader.next(Sequence(committed))? else {
                panic!("sequence {} is committed and cannot be read", self.acknowledged() + 1);
            };
            self.hear(&frame);
        }
        Ok(())
    }

    fn hear(&mut self, frame: &Frame<'_>) {
        let sequence = frame.sequence.0;
        assert_eq!(sequence, self.acknowledged() + 1);
        let last = self.told.last();
        assert!(last.is_none_or(|last| last.term <= frame.term && last.time_ns <= frame.time_ns));
        let seen: Vec<Event> = events(frame.events).map(|event| event.expect("whole records")).collect();
        assert!(!seen.is_empty(), "every command yields an event");
        let again = self.take_waiting(sequence, frame.command);
        self.check_once(sequence, frame.command, &seen, again);
        let (place, time) = (ringbook_wire::Sequence(sequence), TimestampNs(frame.time_ns));
        let length = self.shadow.apply(place, time, frame.command, &mut self.buffer).expect("it was executed once");
        assert_eq!(&self.buffer[..length], frame.events, "sequence {sequence}: the shadow differs");
        if self.random.below(150) == 0 {
            self.image = Some(self.shadow.image());
        }
        self.generator.observe(&seen);
        self.told.push(remembered(frame));
    }

    /// The frame's command is the oldest that waits, or the agent's own; whether it had been sent to an earlier process.
    fn take_waiting(&mut self, sequence: u64, command: &[u8]) -> bool {
        if self.waiting.front().is_some_and(|sent| sent.command == command) {
            return self.waiting.pop_front().is_some_and(|sent| sent.again);
        }
        let (origin, header, message) = split_command(command).expect("whole commands only");
        match Continue::read(message) {
            Some(own) => {
                let cause = self.told.get((own.of.0 as usize).wrapping_sub(1)).expect("it continues a told command");
                let (of_origin, of_header, _) = split_command(&cause.command).expect("whole commands only");
                assert_eq!((origin, header.request), (of_origin, of_header.request), "sequence {sequence}");
                CONTINUES.count(1);
            }
            // The agent lets orders expire.
            None if header.kind == MessageType::Tick as u8 && origin == Origin::INTERNAL => {}
            None => assert!(
                sequence == 1 && header.kind == MessageType::Genesis as u8,
                "sequence {sequence}: a command of type {} that nobody sent, or not in this order",
                header.kind
            ),
        }
        false
    }

    /// No order is accepted twice, no transfer applied twice; a repetition is answered with what had happened.
    fn check_once(&mut self, sequence: u64, command: &[u8], seen: &[Event], again: bool) {
        for event in seen {
            if let Event::Transfer(transfer) = event
                && transfer.header.b == 0
            {
                TRANSFERS.count(1);
                let key = (transfer.header.subject, transfer.adjustment);
                assert!(self.transfers.insert(key), "sequence {sequence}: transfer {key:?} was applied twice");
            }
        }
        let message = &command[ORIGIN_BYTES..];
        debug_assert_eq!(usize::from(codec::header(message).length), message.len());
        if let Some(aside) = Quarantine::read(message) {
            self.uses.insert((aside.account.0, aside.client_id.into()), Use::Several);
        }
        let Some(order) = NewOrder::read(message) else {
            return;
        };
        let (key, body) = ((order.account.0, order.client_id.into(), order.send_time.0), &message[8..]);
        let used = self.uses.entry((key.0, key.1)).or_insert_with(|| Use::One(body.to_vec()));
        if !matches!(used, Use::One(first) if first == body) {
            *used = Use::Several;
        }
        let several = matches!(used, Use::Several);
        // Orders that expire with the command come first.
        let time = ringbook_wire::EndReason::Time.code();
        let expiry = |event: &&Event| match event {
            Event::Expired(e) => e.header.a == time,
            Event::Done(e) => e.header.b == time,
            _ => false,
        };
        let answer = seen.iter().find(|event| !expiry(event)).expect("every command is answered");
        match (answer, self.accepted.get(&key)) {
            (Event::Accepted(_), Some(_)) => panic!("sequence {sequence}: order {key:?} was accepted twice"),
            (Event::Accepted(accepted), None) => {
                RESENT_LOST.count(u64::from(again));
                self.accepted.insert(key, accepted.order);
            }
            (Event::Replayed(replayed), Some(&order)) => {
                assert!(replayed.order == order || several, "sequence {sequence}: {order} was {replayed:?}");
                RESENT_KNOWN.count(u64::from(again));
            }
            // It has left the dedupe ring, or its sender may not act for the account any more; or its id now stands for
            // another request.
            (Event::Rejected(rejected), Some(_)) => {
                let may = [RejectCode::StaleRequest, RejectCode::UnknownAccount].map(RejectCode::code);
                let code = rejected.code;
                assert!(may.contains(&code) || several, "sequence {sequence}: a known order got {code}");
            }
            (Event::Rejected(_) | Event::Replayed(_), None) => {}
            (event, _) => panic!("sequence {sequence}: NEW_ORDER answered with {}", event.name()),
        }
    }
}

fn remembered(frame: &Frame<'_>) -> Told {
    Told { term: frame.term, time_ns: frame.time_ns, command: frame.command.to_vec(), events: frame.events.to_vec() }
}
