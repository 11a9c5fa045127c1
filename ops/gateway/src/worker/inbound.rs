//! What comes in: connections, messages, commands for the engine.
//!
//! Invariant: every message of a client has exactly one outcome: an action, BUSY, or an ERROR and the end.

use super::*;

/// Connections above the limit that may be waiting for the peer to read why.
const REFUSED_AT_ONCE: u64 = 64;
/// How long nothing is accepted after the system had no file for a connection.
const LISTEN_AGAIN_NS: u64 = 1_000_000_000;

/// States that a session may wait for at a time: each costs the shadow work.
const STATES: u32 = 4;

impl Worker {
    /// Reads and publishes; how many messages.
    pub fn poll_in(&mut self) -> usize {
        self.events.clear();
        let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut ready = [const { MaybeUninit::<epoll::Event>::uninit() }; READY_AT_ONCE];
        let Ok((ready, _)) = epoll::wait(&*self.epoll, &mut ready, Some(&zero)) else {
            return 0;
        };
        self.events.extend(ready.iter().map(|event| (event.data.u64(), event.flags)));
        let mut work = 0;
        let arrived = if self.events.is_empty() { 0 } else { mono_ns() };
        for at in 0..self.events.len() {
            let (token, flags) = self.events[at];
            match token {
                LISTENER => work += self.accept(arrived),
                WAKER => {
                    let mut count = [0u8; 8];
                    let _ = rustix::io::read(&*self.eventfd, &mut count);
                }
                slot => work += self.ready(slot as usize, flags, arrived),
            }
        }
        work += self.answers();
        let now = mono_ns();
        if now >= self.next_timer {
            self.next_timer = now + TIMER_NS;
            self.timers(now);
        }
        if work > 0
            && let Some(published) = &self.published
        {
            published.notify();
        }
        work
    }

    pub(super) fn accept(&mut self, now: u64) -> usize {
        let mut accepted = 0;
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => {
                    let passing = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::Interrupted];
                    if !passing.contains(&error.kind()) {
                        self.pause_listening(&error, now);
                    }
                    return accepted;
                }
            };
            accepted += 1;
            // The limit itself is answered with an error; beyond this nobody is listened to, so that files are left for
            // the journal.
            if self.stats.connections.load(Ordering::Relaxed) >= self.limits.connections as u64 + REFUSED_AT_ONCE {
                continue;
            }
            self.stats.accepted.fetch_add(1, Ordering::Relaxed);
            let _ = stream.set_nodelay(true);
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let mut nonce = [0; 32];
            if getrandom::fill(&mut nonce).is_err() {
                tracing::error!("the system gives no random numbers; connection refused");
                continue;
            }
            let slot = self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() - 1
            });
            let data = epoll::EventData::new_u64(slot as u64);
            if epoll::add(&*self.epoll, &stream, data, epoll::EventFlags::IN).is_err() {
                self.free.push(slot);
                continue;
            }
            self.generation += 1;
            let session = Session::new(nonce, now);
            let mut connection = Connection::new(stream);
            let mut challenge = Challenge::new(0);
            challenge.nonce = nonce;
            challenge.server_time = wall_ns();
            challenge.shard = self.shard;
            challenge.protocol = 1;
            write(connection.output(), &challenge);
            self.slots[slot] = Some(Slot { connection, session, generation: self.generation, asked: false });
            self.dirty.push(slot);
            let open = self.stats.connections.fetch_add(1, Ordering::Relaxed) + 1;
            if open > self.limits.connections as u64 {
                let text = format!("the limit of {} connections is reached; try again later", self.limits.connections);
                self.refuse(slot, Refusal::new(SessionError::TooManyConnections, 0, text));
            } else if self.draining.load(Ordering::Relaxed) {
                self.refuse(slot, Refusal::new(SessionError::ShuttingDown, 0, "the exchange is shutting down"));
            }
        }
    }

    /// No file for another connection (or worse): those who are here go on, nobody new comes in for a moment.
    fn pause_listening(&mut self, error: &std::io::Error, now: u64) {
        tracing::error!(%error, "no connection can be accepted; raise the limit of open files. Trying again in 1 s");
        let _ = epoll::delete(&*self.epoll, &self.listener);
        self.listen_again = Some(now + LISTEN_AGAIN_NS);
    }

    pub(super) fn ready(&mut self, at: usize, flags: epoll::EventFlags, arrived: u64) -> usize {
        let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else {
            return 0;
        };
        if flags.contains(epoll::EventFlags::OUT) {
            self.dirty.push(at);
        }
        if !flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            return 1;
        }
        if slot.session.state == State::Closing {
            if !slot.connection.discard() {
                self.drop_connection(at);
            }
            return 1;
        }
        match slot.connection.read() {
            Read::Nothing => return 0,
            Read::Closed => {
                self.drop_connection(at);
                return 1;
            }
            Read::Bytes(count) => {
                slot.session.received_ns = arrived;
                self.stats.bytes_in.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
        let mut messages = 0;
        // One time for all messages of this read: they were published together.
        let now = mono_ns();
        loop {
            let Some(slot) = self.slots[at].as_mut() else {
                return messages;
            };
            if slot.session.state == State::Closing {
                return messages;
            }
            let message = match next_message(slot.connection.input()) {
                Ok(Some(message)) => message,
                Ok(None) => return messages + 1,
                Err(error) => {
                    let code = match error {
                        FrameError::BadLength(_) => SessionError::BadLength,
                        FrameError::BadVersion(_) => SessionError::BadVersion,
                    };
                    self.refuse(at, Refusal::new(code, 0, format!("{error}; see PROTOCOL §1")));
                    return messages + 1;
                }
            };
            let length = message.len();
            let mut copy = [0u8; ringbook_wire::message::MAX_MESSAGE_BYTES];
            copy[..length].copy_from_slice(message);
            slot.connection.consume(length);
            self.message(at, &copy[..length], arrived, now);
            messages += 1;
        }
    }

    pub(super) fn message(&mut self, at: usize, message: &[u8], arrived: u64, now: u64) {
        let slot = self.slots[at].as_mut().expect("the connection is there");
        match slot.session.on_message(message) {
            Err(refusal) => self.refuse(at, refusal),
            Ok(Action::Nothing) => {}
            Ok(Action::Submit(MessageType::BustTrade)) => self.look_up(at, message, arrived, now),
            Ok(Action::Submit(kind)) => self.submit(at, kind, message, arrived, now),
            Ok(Action::Verify(logon)) => self.verify(at, logon),
            Ok(Action::Leave { request }) => {
                let session = slot.session.view.map(|view| view.session);
                slot.session.left = true;
                slot.session.close(now);
                let mut message = LoggedOut::new(request);
                message.sequence = Sequence(slot.session.sent_up_to);
                message.term = self.term;
                write(slot.connection.output(), &message);
                self.dirty.push(at);
                if let Some(session) = session {
                    self.grace.left(session);
                }
            }
            Ok(Action::State { request, account }) => {
                let view = slot.session.view.expect("an open session has a view");
                if slot.session.outstanding >= self.limits.outstanding || slot.session.states >= STATES {
                    self.stats.count_busy(BusyReason::Outstanding);
                    write(slot.connection.output(), &busy(message, BusyReason::Outstanding, RETRY_MS));
                    self.dirty.push(at);
                    return;
                }
                slot.session.outstanding += 1;
                slot.session.states += 1;
                let ticket = Ticket { slot: at, generation: slot.generation };
                let min_sequence = self.delivered.max(slot.session.sent_up_to);
                self.ask(Job::State { ticket, request, account, min_sequence, allowed: view.holds(account) });
            }
        }
    }

    /// Has the trade of a BUST_TRADE looked up, if its sender may take trades back.
    fn look_up(&mut self, at: usize, message: &[u8], arrived: u64, now: u64) {
        let slot = self.slots[at].as_mut().expect("the connection is there");
        let key = slot.session.view.and_then(|view| self.keys.get(view.key));
        let entitled = key.is_some_and(|key| is_entitled(key, MessageType::BustTrade, message));
        if !entitled || slot.session.outstanding >= self.limits.outstanding {
            return self.submit(at, MessageType::BustTrade, message, arrived, now);
        }
        slot.session.outstanding += 1;
        let ticket = Ticket { slot: at, generation: slot.generation };
        let asked = Box::new(BustTrade::read(message).expect("type and length were checked"));
        self.ask(Job::Trade { ticket, asked });
    }

    /// A BUST_TRADE after its trade was looked up.
    pub(super) fn submit_bust(&mut self, at: usize, asked: &BustTrade, journaled: Option<&BustTrade>) {
        let now = mono_ns();
        let slot = self.slots[at].as_mut().expect("the connection is there");
        slot.session.outstanding = slot.session.outstanding.saturating_sub(1);
        if let Some(message) = journaled {
            return self.submit(at, MessageType::BustTrade, message.as_bytes(), now, now);
        }
        self.stats.count_busy(BusyReason::NoSuchTrade);
        write(slot.connection.output(), &busy(asked.as_bytes(), BusyReason::NoSuchTrade, 0));
        self.dirty.push(at);
    }

    pub(super) fn submit(&mut self, at: usize, kind: MessageType, message: &[u8], arrived: u64, now: u64) {
        let slot = self.slots[at].as_mut().expect("the connection is there");
        let view = slot.session.view.expect("an open session has a view");
        let urgent = matches!(kind, MessageType::Cancel | MessageType::CancelAll);
        let entitled = self.keys.get(view.key).is_some_and(|key| is_entitled(key, kind, message));
        let refused = if self.draining.load(Ordering::Relaxed) {
            Some(BusyReason::ShuttingDown)
        } else if self.failed || self.unreadable || !urgent && self.watermarks.space_low() {
            Some(BusyReason::ReadOnly)
        } else if !entitled {
            Some(BusyReason::NotEntitled)
        } else if slot.session.outstanding >= self.limits.outstanding {
            Some(BusyReason::Outstanding)
        } else {
            let rate = self.limits.rate_per_s;
            let bucket = self.buckets.entry(view.key).or_insert_with(|| Bucket::new(rate, now));
            if !bucket.take(rate, now) {
                Some(BusyReason::RateLimit)
            } else {
                let origin = Origin::session(view.session);
                self.input.submit(origin, message, urgent, arrived, now).err().map(|_| BusyReason::RingFull)
            }
        };
        if let Some(reason) = refused {
            self.stats.count_busy(reason);
            let retry_ms = if reason == BusyReason::NotEntitled { 0 } else { RETRY_MS };
            write(slot.connection.output(), &busy(message, reason, retry_ms));
            self.dirty.push(at);
            return;
        }
        slot.session.outstanding += 1;
        self.stats.commands.fetch_add(1, Ordering::Relaxed);
        if kind == MessageType::NewOrder
            && NewOrder::read(message).is_some_and(|m| m.flags & order_flags::CANCEL_ON_DISCONNECT != 0)
        {
            self.grace.flag(view.session);
        }
    }
}
