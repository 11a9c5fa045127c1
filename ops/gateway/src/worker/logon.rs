//! Logging on and resuming, with the office's help.
//!
//! Invariant: history hands over to live at exactly the sequence where it ends; no report is missing or comes twice.

use super::*;

/// Bytes of reports that the worker derives by itself to close the gap between history and live.
const CLOSE_GAP_BYTES: usize = 256 << 10;

impl Worker {
    pub(super) fn verify(&mut self, at: usize, logon: Logon) {
        let Some(key) = self.keys.get(logon.key) else {
            return self.refuse(at, bad_credentials(logon.key));
        };
        let public_key = key.public_key;
        let slot = self.slots[at].as_mut().expect("the connection is there");
        slot.session.state = State::Verifying;
        let ticket = Ticket { slot: at, generation: slot.generation };
        let nonce = slot.session.nonce;
        self.ask(Job::Verify { ticket, logon, nonce, public_key });
    }

    pub(super) fn ask(&self, job: Job) {
        // The office lives as long as the server; without it the client times out and comes again.
        let _ = self.jobs.send(Asked { job, inbox: self.inbox_sender.clone(), wake: self.wake.clone() });
    }

    /// Acts on the office's answers.
    pub(super) fn answers(&mut self) -> usize {
        let mut count = 0;
        while let Ok((ticket, answer)) = self.inbox.try_recv() {
            count += 1;
            let Some(slot) = self.slots.get_mut(ticket.slot).and_then(Option::as_mut) else {
                continue;
            };
            if slot.generation != ticket.generation || slot.session.state == State::Closing {
                continue;
            }
            let at = ticket.slot;
            match answer {
                Answer::Verified { logon, valid: false, .. } => self.refuse(at, bad_credentials(logon.key)),
                Answer::Verified { logon, public_key, valid: true } => self.log_on(at, &logon, &public_key),
                Answer::Refused { code, text } => self.refuse(at, Refusal::new(code, Logon::KIND, text)),
                Answer::State { bytes } => {
                    slot.session.outstanding = slot.session.outstanding.saturating_sub(1);
                    slot.session.states = slot.session.states.saturating_sub(1);
                    slot.connection.output().extend_from_slice(&bytes);
                    self.dirty.push(at);
                }
                Answer::StateFailed { request, text } => {
                    slot.session.outstanding = slot.session.outstanding.saturating_sub(1);
                    slot.session.states = slot.session.states.saturating_sub(1);
                    tracing::warn!(text, "a state request could not be answered now");
                    let mut busy = Busy::new(request);
                    busy.reason = BusyReason::RingFull.code();
                    busy.kind = MessageType::StateRequest as u8;
                    busy.retry_ms = 100;
                    write(slot.connection.output(), &busy);
                    self.dirty.push(at);
                }
                Answer::Piece { bytes, next } => self.history(at, &bytes, next),
                Answer::Trade { asked, journaled } => self.submit_bust(at, &asked, journaled.as_deref()),
            }
        }
        count
    }

    pub(super) fn log_on(&mut self, at: usize, logon: &Logon, verified: &[u8; 32]) {
        // The key may have been changed while its signature was checked.
        let Some(key) = self.keys.get(logon.key).copied().filter(|key| key.public_key == *verified) else {
            return self.refuse(at, bad_credentials(logon.key));
        };
        let resume = logon.flags & logon_flags::RESUME != 0;
        if resume && logon.sequence.0 != 0 && logon.term > self.term {
            let text = "the token is of a term that has not begun here; log on without RESUME and ask for the state";
            return self.refuse(at, Refusal::new(SessionError::BadToken, Logon::KIND, text));
        }
        if resume && logon.journal != [0; 16] && logon.journal != self.journal {
            let text = "the token is of another journal; log on without RESUME and ask for the state";
            return self.refuse(at, Refusal::new(SessionError::BadToken, Logon::KIND, text));
        }
        let session = SessionId::new(logon.key, logon.session);
        if let Some(&older) = self.sessions.get(&session) {
            let text = "the same session logged on again on another connection";
            self.refuse(older, Refusal::new(SessionError::Replaced, 0, text));
        }
        self.sessions.insert(session, at);
        self.grace.back(session);
        self.stats.logons.fetch_add(1, Ordering::Relaxed);
        let delivered = self.delivered;
        let slot = self.slots[at].as_mut().expect("the connection is there");
        let view = View {
            first_account: key.first_account,
            last_account: key.last_account,
            own_only: logon.flags & logon_flags::OWN_ONLY != 0,
            key: logon.key,
            session,
        };
        slot.session.view = Some(view);
        slot.session.heartbeat_ns = u64::from(logon.heartbeat_ms) * 1_000_000;
        slot.session.grace_ns = u64::from(logon.grace_ms) * 1_000_000;
        let accepted = LogonAccepted {
            term: self.term,
            first_account: key.first_account,
            last_account: key.last_account,
            role: key.role.code(),
            resume: u8::from(resume),
            sequence: Sequence(delivered),
            heartbeat_ms: logon.heartbeat_ms,
            max_outstanding: self.limits.outstanding,
            rate_limit: self.limits.rate_per_s,
            journal: self.journal,
            ..LogonAccepted::new(header(logon.as_bytes()).request)
        };
        write(slot.connection.output(), &accepted);
        self.dirty.push(at);
        if !resume {
            slot.session.state = State::Open;
            slot.session.sent_up_to = delivered;
            return;
        }
        self.stats.resumes.fetch_add(1, Ordering::Relaxed);
        slot.session.state = State::CatchingUp;
        let (from, skip) = match (logon.sequence.0, logon.index) {
            (0, _) => (1, 0),
            (sequence, WHOLE) => (sequence.saturating_add(1), 0),
            (sequence, index) => (sequence, index),
        };
        slot.session.sent_up_to = from - 1;
        slot.session.partial = skip > 0;
        slot.asked = true;
        let ticket = Ticket { slot: at, generation: slot.generation };
        self.ask(Job::History { ticket, view, from, skip });
    }

    /// Sends a piece of history; hands over to live, closes the last gap, or asks for more.
    pub(super) fn history(&mut self, at: usize, bytes: &[u8], next: u64) {
        let slot = self.slots[at].as_mut().expect("the connection is there");
        let view = slot.session.view.expect("a resuming session has a view");
        slot.asked = false;
        slot.session.partial = false;
        slot.connection.output().extend_from_slice(bytes);
        slot.session.sent_up_to = next - 1;
        self.dirty.push(at);
        let gap = self.delivered.saturating_sub(next - 1);
        if gap > CLOSE_GAP {
            return; // more is asked for when the socket has taken this piece
        }
        if gap > 0 {
            let mut reader = self.watermarks.reader(ringbook_journal::Sequence(next));
            loop {
                match reader.next(ringbook_journal::Sequence(self.delivered)) {
                    Ok(Some(frame)) => {
                        append_reports(slot.connection.output(), &frame, &view, &mut (0, 0));
                        slot.session.sent_up_to = frame.sequence.0;
                        // Large frames: the rest comes as history again, so that nobody else waits.
                        if slot.connection.waiting() > bytes.len() + CLOSE_GAP_BYTES {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "history cannot be read");
                        let text = "the server cannot read its history; ask for the state";
                        return self.refuse(at, Refusal::new(SessionError::HistoryGone, 0, text));
                    }
                }
            }
        }
        slot.session.sent_up_to = slot.session.sent_up_to.max(self.delivered);
        slot.session.state = State::Open;
        let mut resumed = Resumed::new(0);
        resumed.sequence = Sequence(slot.session.sent_up_to);
        resumed.term = self.term;
        write(slot.connection.output(), &resumed);
        let ticket = Ticket { slot: at, generation: slot.generation };
        self.ask(Job::Gone { ticket });
    }
}

fn bad_credentials(key: KeyId) -> Refusal {
    let text = format!("key {key}: unknown, revoked, or the signature is not its own; check the key file");
    Refusal::new(SessionError::BadCredentials, Logon::KIND, text)
}
