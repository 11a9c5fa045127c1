//! GTD orders end when engine time reaches their `expire_at` (DOMAIN §4.1, EVENTS "time and expiry").
//!
//! Invariant: after any command but CONTINUE no open order is due.

use crate::Oracle;
use crate::state::Order;
use ringbook_wire::EndReason;

impl Oracle {
    /// Ends the due orders by (`expire_at`, id). Returns how many.
    pub(crate) fn expire_due(&mut self) -> u32 {
        let due = self.due(self.now);
        for &(_, id) in &due {
            self.expire(id, EndReason::Time);
        }
        due.len() as u32
    }

    /// How many open orders end at a time or before it.
    pub fn due_at(&self, time_ns: u64) -> usize {
        self.due(time_ns).len()
    }

    fn due(&self, time_ns: u64) -> Vec<(u64, u64)> {
        let is_due = |order: &&Order| order.expire_at != 0 && order.expire_at <= time_ns;
        let mut due: Vec<_> = self.orders.values().filter(is_due).map(|order| (order.expire_at, order.id)).collect();
        due.sort_unstable();
        due
    }
}
