//! What happens because time passes: grace periods, heartbeats, time-outs.

use super::*;

/// A peer beyond its bound that takes nothing for so long is let go.
const SLOW_NS: u64 = 2_000_000_000;

impl Worker {
    /// The journal has failed: what was taken and is not answered never will be. Whoever waits is told, and finds out at
    /// the next logon; new commands get BUSY.
    fn end_unanswered(&mut self) {
        let waits = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.session.outstanding > 0);
        let waiting: Vec<usize> = (0..self.slots.len()).filter(|&at| waits(&self.slots[at])).collect();
        for at in waiting {
            let text = "the journal has failed: outstanding requests stay unanswered; resume after the restart";
            self.refuse(at, Refusal::new(SessionError::ShuttingDown, 0, text));
        }
    }

    pub(super) fn timers(&mut self, now: u64) {
        while let Some(session) = self.grace.due(now) {
            let mut message = SessionDown::new(0);
            message.session = session;
            if self.input.submit(Origin::INTERNAL, message.as_bytes(), true, now, now).is_err() {
                break;
            }
            self.stats.sessions_down.fetch_add(1, Ordering::Relaxed);
            self.grace.down(session);
            if let Some(published) = &self.published {
                published.notify();
            }
        }
        if self.listen_again.is_some_and(|again| now >= again) {
            self.listen_again = None;
            let data = epoll::EventData::new_u64(LISTENER);
            if epoll::add(&*self.epoll, &self.listener, data, epoll::EventFlags::IN).is_err() {
                self.listen_again = Some(now + 1_000_000_000);
            }
        }
        let failed = self.engine.failed.load(Ordering::Relaxed) == 1 || self.watermarks.state() == WriterState::Failed;
        if failed && !self.failed {
            self.failed = true;
            self.end_unanswered();
        }
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots[at].as_mut() else {
                continue;
            };
            if slot.connection.waiting() > self.limits.output_bytes
                && now.saturating_sub(slot.session.took_ns) > SLOW_NS
            {
                self.stats.count_error(SessionError::SlowReader);
                self.drop_connection(at);
                continue;
            }
            let session = &mut slot.session;
            let silent = now.saturating_sub(session.received_ns);
            match session.state {
                State::Connected | State::Verifying => {
                    if now.saturating_sub(session.connected_ns) > self.limits.logon_ms * 1_000_000 {
                        let text = format!("no LOGON within {} ms", self.limits.logon_ms);
                        self.refuse(at, Refusal::new(SessionError::Timeout, 0, text));
                    }
                }
                State::Open | State::CatchingUp => {
                    if silent > 3 * session.heartbeat_ns {
                        let text = "nothing was heard for three heartbeat intervals";
                        self.refuse(at, Refusal::new(SessionError::Timeout, 0, text));
                    } else if now.saturating_sub(session.sent_ns) >= session.heartbeat_ns && !session.partial {
                        session.sent_ns = now;
                        let mut beat = ServerHeartbeat::new(0);
                        beat.sequence = Sequence(session.sent_up_to);
                        beat.term = self.term;
                        beat.server_time = wall_ns();
                        write(slot.connection.output(), &beat);
                        self.dirty.push(at);
                    }
                }
                // A peer that takes nothing of its farewell is not waited for, nor one that goes on talking.
                State::Closing => {
                    let patience = if slot.connection.ended { 1_000_000_000 } else { 5_000_000_000 };
                    if now.saturating_sub(session.closing_ns) > patience {
                        self.drop_connection(at);
                    }
                }
            }
        }
    }
}
