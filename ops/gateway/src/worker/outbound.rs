//! What goes out: reports for what is committed, and the bytes of every socket.
//!
//! Invariant: each open session gets the reports of each committed frame once, in order; a peer that does not read is
//! let go at its bound.

use super::*;

/// A peer that reads may have so many times the bound waiting: one large answer is no sign of slowness.
const OUTPUT_BOUNDS: usize = 16;
/// A peer that takes nothing for so long does not hold up a shutdown.
const STUCK_NS: u64 = 200_000_000;

/// How long a shutdown waits for peers to read the farewell.
const FAREWELL_NS: u64 = 200_000_000;

impl Worker {
    /// Sends reports for what was committed since; how many frames.
    pub fn poll_out(&mut self) -> usize {
        let committed = self.watermarks.committed();
        let mut frames = 0;
        if committed.0 > self.delivered {
            self.batch_seen = mono_ns();
            frames = self.deliver(committed);
        }
        self.flush();
        if !self.timed.is_empty() {
            self.record_stages();
        }
        frames
    }

    pub(super) fn deliver(&mut self, committed: ringbook_journal::Sequence) -> usize {
        let mut frames = 0;
        let mut revoked = Vec::new();
        while frames < OUT_BATCH {
            let frame = match self.reader.next(committed) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    // Reports cannot be told any more; the operator is, and clients stop waiting.
                    if !self.unreadable {
                        tracing::error!(%error, "the journal cannot be followed; order entry stops");
                    }
                    self.unreadable = true;
                    return frames;
                }
            };
            frames += 1;
            self.unreadable = false;
            let sequence = frame.sequence.0;
            self.delivered = sequence;
            if let Some(key) = self.keys.follow(frame.command, frame.events) {
                revoked.push(key);
            }
            let origin = Origin::read_from_prefix(frame.command).map_or(Origin::INTERNAL, |(origin, _)| origin);
            let kind = frame.command.get(ORIGIN_BYTES + 2).copied().unwrap_or(0);
            if let Some(&at) = self.sessions.get(&origin.session)
                && kind != MessageType::Continue as u8
                && let Some(slot) = self.slots[at].as_mut()
            {
                slot.session.outstanding = slot.session.outstanding.saturating_sub(1);
                self.timed.push(sequence);
            }
            let frame_parts = parts(&frame);
            for &at in self.sessions.values() {
                let Some(slot) = self.slots[at].as_mut() else {
                    continue;
                };
                if slot.session.state != State::Open || slot.session.sent_up_to >= sequence {
                    continue;
                }
                slot.session.sent_up_to = sequence;
                let view = slot.session.view.expect("an open session has a view");
                let output = slot.connection.output();
                let before = output.len();
                match reports(&frame_parts, &view, &mut |report: &[u8]| output.extend_from_slice(report)) {
                    Ok(0) => {}
                    Ok(count) => {
                        self.stats.reports.fetch_add(u64::from(count), Ordering::Relaxed);
                        if before == 0 || self.dirty.last() != Some(&at) {
                            self.dirty.push(at);
                        }
                    }
                    Err(error) => tracing::error!(%error, "a committed frame yields no reports"),
                }
            }
        }
        self.stats.delivered.store(self.delivered, Ordering::Relaxed);
        for key in revoked {
            self.key_changed(key);
        }
        frames
    }

    /// Ends the sessions of a key that was revoked or whose rights changed.
    pub(super) fn key_changed(&mut self, key: KeyId) {
        let of_key: Vec<usize> =
            self.sessions.iter().filter(|(session, _)| session.key() == key).map(|(_, &at)| at).collect();
        let revoked = self.keys.get(key).is_none();
        for at in of_key {
            let text = if revoked { "the key was revoked" } else { "the key was changed; log on again" };
            self.refuse(at, Refusal::new(SessionError::BadCredentials, 0, text));
        }
    }

    pub(super) fn flush(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let now = mono_ns();
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for at in dirty.drain(..) {
            let Some(slot) = self.slots[at].as_mut() else {
                continue;
            };
            let was_blocked = slot.connection.blocked;
            let Some(written) = slot.connection.flush() else {
                self.drop_connection(at);
                continue;
            };
            self.stats.bytes_out.fetch_add(written as u64, Ordering::Relaxed);
            if written > 0 {
                slot.session.sent_ns = now;
            }
            if written > 0 || !slot.connection.blocked {
                slot.session.took_ns = now;
            }
            if slot.connection.blocked != was_blocked {
                let mut flags = epoll::EventFlags::IN;
                flags.set(epoll::EventFlags::OUT, slot.connection.blocked);
                let data = epoll::EventData::new_u64(at as u64);
                let _ = epoll::modify(&*self.epoll, &slot.connection.stream, data, flags);
            }
            let waiting = slot.connection.waiting();
            if slot.session.state == State::Closing && waiting == 0 {
                // The peer reads our farewell before it sees the end; its own end, or a timer, ends the connection.
                slot.connection.end();
            } else if waiting > self.limits.output_bytes.saturating_mul(OUTPUT_BOUNDS) {
                self.stats.count_error(SessionError::SlowReader);
                self.drop_connection(at);
            } else if slot.session.state == State::CatchingUp && !slot.asked && waiting == 0 {
                slot.asked = true;
                let view = slot.session.view.expect("a resuming session has a view");
                let ticket = Ticket { slot: at, generation: slot.generation };
                let from = slot.session.sent_up_to + 1;
                self.ask(Job::History { ticket, view, from, skip: 0 });
            }
        }
        // Pushed while flushing (none today) must not be lost.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    pub(super) fn record_stages(&mut self) {
        let sent = mono_ns();
        // Never waited for: while somebody reads the histograms, a batch goes unrecorded.
        if let Ok(mut stages) = self.stages.try_lock() {
            for &sequence in &self.timed {
                if let Some(stamp) = self.stamps.get(sequence) {
                    stages.record(&stamp, self.batch_seen.clamp(stamp.written_ns, sent), sent);
                }
            }
        }
        self.timed.clear();
    }

    /// Whether everything that was published has been answered and sent.
    pub fn is_drained(&self) -> bool {
        self.input.waiting() <= 0 && self.watermarks.written().0 == self.delivered && {
            let now = mono_ns();
            let stuck = |slot: &Slot| now.saturating_sub(slot.session.took_ns) > STUCK_NS;
            self.slots.iter().flatten().all(|slot| slot.connection.waiting() == 0 || stuck(slot))
        }
    }

    /// Says goodbye to everybody.
    pub fn close_all(&mut self) {
        for at in 0..self.slots.len() {
            self.refuse(at, Refusal::new(SessionError::ShuttingDown, 0, "the exchange is shutting down; come again"));
        }
        let deadline = mono_ns() + FAREWELL_NS;
        loop {
            self.flush();
            for at in 0..self.slots.len() {
                if self.slots[at].as_mut().is_some_and(|slot| !slot.connection.discard()) {
                    self.drop_connection(at);
                }
            }
            if self.slots.iter().all(Option::is_none) || mono_ns() >= deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
