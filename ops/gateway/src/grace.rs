//! Grace periods of sessions that are gone and own orders with the cancel-on-disconnect flag.
//!
//! Invariant: the engine never measures time itself (DOMAIN §4.1); the gateway does, and gives SESSION_DOWN when a
//! period ends. A session that comes back in time, or that logged out, is not in here.

use ringbook_wire::SessionId;
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub struct Grace {
    /// Sessions that have sent a flagged order.
    flagged: BTreeSet<SessionId>,
    deadlines: BTreeMap<SessionId, u64>,
    /// The same by deadline.
    queue: BTreeSet<(u64, SessionId)>,
}

impl Grace {
    /// Sessions that own flagged orders when the gateway starts; their period starts now.
    pub fn new(sessions: &[SessionId], deadline_ns: u64) -> Self {
        let mut grace = Self { flagged: sessions.iter().copied().collect(), ..Self::default() };
        sessions.iter().for_each(|&session| grace.gone(session, deadline_ns));
        grace
    }

    /// A flagged order was sent.
    pub fn flag(&mut self, session: SessionId) {
        self.flagged.insert(session);
    }

    /// The session is here (again).
    pub fn back(&mut self, session: SessionId) {
        if let Some(deadline) = self.deadlines.remove(&session) {
            self.queue.remove(&(deadline, session));
        }
    }

    /// The session logged out in order: its orders stay, until it comes back and is lost.
    pub fn left(&mut self, session: SessionId) {
        self.back(session);
    }

    /// The session's connection is gone.
    pub fn gone(&mut self, session: SessionId, deadline_ns: u64) {
        if self.flagged.contains(&session) {
            self.back(session);
            self.deadlines.insert(session, deadline_ns);
            self.queue.insert((deadline_ns, session));
        }
    }

    /// A session whose period has ended. Call [`Self::down`] once SESSION_DOWN is on its way.
    pub fn due(&self, now_ns: u64) -> Option<SessionId> {
        self.queue.first().filter(|(deadline, _)| *deadline <= now_ns).map(|&(_, session)| session)
    }

    /// SESSION_DOWN was given.
    pub fn down(&mut self, session: SessionId) {
        self.back(session);
        self.flagged.remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flagged_sessions_that_stay_away_go_down() {
        let (a, b, c, d) = (SessionId(1), SessionId(2), SessionId(3), SessionId(4));
        let mut grace = Grace::new(&[a], 100);
        grace.flag(b);
        grace.flag(c);
        grace.gone(b, 50);
        grace.gone(c, 60);
        grace.gone(d, 10);
        assert_eq!(grace.due(49), None);
        grace.back(b);
        assert_eq!(grace.due(70), Some(c));
        grace.down(c);
        assert_eq!(grace.due(99), None);
        assert_eq!(grace.due(100), Some(a));
        grace.left(a);
        assert_eq!(grace.due(1_000), None);
    }
}
