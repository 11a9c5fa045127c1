//! Orders with the cancel-on-disconnect flag, by session: a sorted vector of lists, which keeps its room.
//!
//! Invariant: a session is in it exactly as long as it has such an order. There are as many as connections and grace
//! periods, so moving what lies behind one is cheaper than a tree whose nodes come and go with the orders.

use crate::orders::List;
use ringbook_wire::SessionId;

/// See the module.
#[derive(Clone, Default)]
pub struct Sessions(Vec<(SessionId, List)>);

impl Sessions {
    fn find(&self, session: SessionId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&session, |entry| entry.0)
    }

    /// The list of a session that has orders.
    pub fn get(&self, session: SessionId) -> Option<&List> {
        self.find(session).ok().map(|at| &self.0[at].1)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, session: SessionId) -> Option<&mut List> {
        self.find(session).ok().map(|at| &mut self.0[at].1)
    }

    /// The list of a session, empty if it had none.
    pub fn entry(&mut self, session: SessionId) -> &mut List {
        let at = self.find(session).unwrap_or_else(|at| {
            self.0.insert(at, (session, List::EMPTY));
            at
        });
        &mut self.0[at].1
    }

    /// Forgets a session whose list is empty.
    pub fn remove(&mut self, session: SessionId) {
        let at = self.find(session).expect("a session with orders is there until its last one ends");
        self.0.remove(at);
    }

    /// All of them, ascending.
    pub fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.0.iter().map(|entry| entry.0)
    }
}
