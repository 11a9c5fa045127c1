//! Whether a fill-or-kill order can be filled, before anything is touched (DOMAIN §5.3).
//!
//! Invariant: the count is what matching would take, in the order in which it would take it.

use crate::engine::Engine;
use crate::new_order::crosses;
use crate::orders::{NIL, Place};
use ringbook_wire::{Price, StpMode};

impl Engine {
    /// Whether a fill-or-kill order can be filled, counted as matching would take it. Levels are counted
    /// whole; one is walked only if an own order stands in it that stops the count, or if a group makes owners many.
    pub(crate) fn can_fill(&self, slot: u32) -> bool {
        let taker = self.orders.get(slot);
        let book = &self.symbols.at(taker.symbol).book;
        let group = self.accounts.get(taker.account).group;
        let prevents = taker.stp != StpMode::None;
        let (own, first) = if prevents && group == 0 { self.own_in_the_way(slot) } else { (0, None) };
        let mut missing = i128::from(taker.remaining.0);
        if taker.stp == StpMode::CancelMaker {
            missing += own;
        }
        for level in book.levels(taker.side.opposite()) {
            if missing <= 0 || !crosses(taker.side, taker.price, level.price) {
                break;
            }
            let walks = prevents
                && match group {
                    0 => taker.stp != StpMode::CancelMaker && first == Some(level.price),
                    _ => true,
                };
            if !walks {
                missing -= level.total + level.hidden;
                continue;
            }
            // Slices in front of an own order come before it; what is hidden comes behind.
            let (mut shown, mut all, mut at) = (0, 0, level.queue.head);
            while at != NIL && missing > shown {
                let maker = self.orders.get(at);
                if !self.same_owner(taker.account, group, maker.account) {
                    shown += i128::from(maker.shown.0);
                    all += i128::from(maker.remaining.0);
                } else if taker.stp != StpMode::CancelMaker {
                    return false;
                }
                at = maker.queue.next;
            }
            missing -= all;
        }
        missing <= 0
    }

    /// What of an account's own orders a taker would meet: their lots, and the price of the first.
    fn own_in_the_way(&self, slot: u32) -> (i128, Option<Price>) {
        let taker = self.orders.get(slot);
        let (mut lots, mut first) = (0, None);
        let mut at = self.accounts.first_open(taker.account, taker.symbol, taker.side.opposite());
        while at != NIL {
            let order = self.orders.get(at);
            if order.place == Place::Book && crosses(taker.side, taker.price, order.price) {
                lots += i128::from(order.remaining.0);
                if first.is_none_or(|known| crosses(taker.side, known, order.price)) {
                    first = Some(order.price);
                }
            }
            at = order.of_account.next;
        }
        (lots, first)
    }
}
