//! Whether a fill-or-kill order can be filled, before anything is touched (DOMAIN §5.3).
//!
//! Invariants: the count is what matching would take, in the order in which it would take it; an order that cannot be filled
//! costs nothing, so what is looked at for it is bounded ([`MAX_LOOKS`]).

use crate::engine::Engine;
use crate::new_order::crosses;
use crate::orders::{NIL, Place};
use ringbook_wire::{Price, StpMode};

/// How many levels, own orders, and orders in front of an own one are looked at; what lies behind does not count.
pub const MAX_LOOKS: usize = 8_192;

impl Engine {
    /// Whether a fill-or-kill order can be filled, counted as matching would take it. Levels are counted whole; one is
    /// walked only if an own order stands in it that stops the count.
    pub(crate) fn can_fill(&self, slot: u32) -> bool {
        let taker = self.orders.get(slot);
        let book = &self.symbols.at(taker.symbol).book;
        let Some((own, first)) = self.own_in_the_way(slot) else { return false };
        let mut missing = i128::from(taker.remaining.0);
        if taker.stp == StpMode::CancelMaker {
            missing += own;
        }
        for level in book.levels(taker.side.opposite()).take(MAX_LOOKS) {
            if missing <= 0 || !crosses(taker.side, taker.price, level.price) {
                break;
            }
            if taker.stp == StpMode::CancelMaker || first != Some(level.price) {
                missing -= level.total + level.hidden;
                continue;
            }
            // Slices in front of an own order come before it; what is hidden comes behind, and is not reached.
            let group = self.accounts.get(taker.account).group;
            let mut at = level.queue.head;
            for _ in 0..MAX_LOOKS {
                let maker = self.orders.get(at);
                if missing <= 0 || self.same_owner(taker.account, group, maker.account) {
                    break;
                }
                missing -= i128::from(maker.shown.0);
                at = maker.queue.next;
            }
            break;
        }
        missing <= 0
    }

    /// What of its owner's orders a taker would meet: their lots, and the price of the first. `None`: too many to look at.
    fn own_in_the_way(&self, slot: u32) -> Option<(i128, Option<Price>)> {
        let taker = self.orders.get(slot);
        let (mut lots, mut first, mut looks) = (0, None, 0);
        if taker.stp == StpMode::None {
            return Some((lots, first));
        }
        let group = self.accounts.get(taker.account).group;
        let alone = [taker.account];
        let owners = if group == 0 { &alone[..] } else { self.accounts.members(group) };
        for &owner in owners {
            let mut at = self.accounts.first_open(owner, taker.symbol, taker.side.opposite());
            while at != NIL {
                looks += 1;
                if looks > MAX_LOOKS {
                    return None;
                }
                let order = self.orders.get(at);
                if order.place == Place::Book && crosses(taker.side, taker.price, order.price) {
                    lots += i128::from(order.remaining.0);
                    if first.is_none_or(|known| crosses(taker.side, known, order.price)) {
                        first = Some(order.price);
                    }
                }
                at = order.of_account.next;
            }
        }
        Some((lots, first))
    }
}
