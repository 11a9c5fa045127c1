//! What follows when a position changes: reduce-only orders that no longer fit are trimmed (DOMAIN §4.1), and orders end that
//! an isolated position's smaller margin no longer carries (§6.2).
//!
//! Invariants (DOMAIN §8.7): when a command has ended, the working reduce-only orders of an account in a symbol are on the
//! closing side and add up to at most |Q|. Chores are done one event step at a time, so they may go on in another command.

use super::margin::Margin;
use crate::engine::Engine;
use crate::orders::{NIL, Place};
use ringbook_event::{Amended, EventWriter, Record};
use ringbook_wire::{EndReason, OrderId, Price, Qty, Side, SymbolId, order_flags};

/// What is left to do for a position, by its record's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Trim reduce-only orders.
    Trim(u32),
    /// End orders that margin no longer covers.
    Margin(u32),
}

impl Engine {
    /// Notes what a fill of an account asks for.
    pub(crate) fn note_chores(&mut self, account: u32, symbol: SymbolId, margin_test: bool) {
        let Some(slot) = self.accounts.position(account, symbol) else { return };
        if [Side::Buy, Side::Sell].into_iter().any(|side| self.excess(slot, side) > 0) {
            self.chores.push_back(Chore::Trim(slot));
        }
        if margin_test && self.lacks_margin(slot) {
            self.chores.push_back(Chore::Margin(slot));
        }
    }

    /// Does the chores; false: the events are full.
    pub(crate) fn do_chores(&mut self, out: &mut EventWriter<'_>) -> bool {
        while let Some(&chore) = self.chores.front() {
            let done = match chore {
                Chore::Trim(slot) => self.trim(slot, Side::Buy, out) && self.trim(slot, Side::Sell, out),
                Chore::Margin(slot) => self.end_for_margin(slot, out),
            };
            if !done {
                return false;
            }
            self.chores.pop_front();
        }
        true
    }

    /// Lots by which the reduce-only orders in the book exceed what a side may close.
    fn excess(&self, slot: u32, side: Side) -> i64 {
        let position = self.positions.get(slot);
        let mut lots = position.reduce_only[side.index()];
        if lots == 0 {
            return 0;
        }
        if self.matching != NIL {
            let taker = self.orders.get(self.matching);
            let own = (taker.account, taker.symbol, taker.side) == (position.account, position.symbol, side);
            if own && taker.counted && taker.flags & order_flags::REDUCE_ONLY != 0 {
                lots -= taker.remaining.0;
            }
        }
        lots - position.closable(side)
    }

    fn trim(&mut self, slot: u32, side: Side, out: &mut EventWriter<'_>) -> bool {
        if self.excess(slot, side) <= 0 {
            return true;
        }
        let position = *self.positions.get(slot);
        let mut orders = core::mem::take(&mut self.scratch);
        orders.clear();
        let mut at = self.accounts.first_open(position.account, position.symbol, side);
        while at != NIL {
            let order = self.orders.get(at);
            if order.place == Place::Book && order.flags & order_flags::REDUCE_ONLY != 0 {
                orders.push(at);
            }
            at = order.of_account.next;
        }
        orders.sort_unstable_by_key(|&slot| {
            let order = self.orders.get(slot);
            let price = if side == Side::Buy { -order.price.0 } else { order.price.0 };
            (price, order.queue_sequence)
        });
        let mut left = position.closable(side);
        let mut done = true;
        for &slot in &orders {
            let remaining = self.orders.get(slot).remaining.0;
            if remaining <= left {
                left -= remaining;
                continue;
            }
            if !self.has_room(out) {
                done = false;
                break;
            }
            if left > 0 {
                self.cut(slot, Qty(left), out);
                left = 0;
            } else {
                self.take_out(slot);
                self.expire(slot, EndReason::ReduceOnly, 0, out);
            }
        }
        self.scratch = orders;
        done
    }

    /// Takes lots off an order in the book: AMENDED(TRIM); it keeps its place.
    fn cut(&mut self, slot: u32, remaining: Qty, out: &mut EventWriter<'_>) {
        self.count_out(slot);
        let symbol = self.orders.get(slot).symbol;
        let by = self.orders.get(slot).remaining.0 - remaining.0;
        self.symbols.at_mut(symbol).book.shrink(&mut self.orders, slot, remaining);
        let order = self.orders.get_mut(slot);
        order.cut = Qty(order.cut.0 + by);
        order.assert_identity();
        self.count_in(slot);
        self.push_trimmed(slot, out);
    }

    /// AMENDED of an order whose lots the engine changed.
    pub(crate) fn push_trimmed(&self, slot: u32, out: &mut EventWriter<'_>) {
        let order = self.orders.get(slot);
        out.push(&Amended {
            header: Amended::header(2, 1, self.accounts.get(order.account).id.0),
            order: order.id,
            price: order.price,
            quantity: order.quantity,
            remaining: order.remaining,
            hold: order.hold,
            symbol: order.symbol,
            reserved: 0,
            cut: order.cut,
            trigger: Price::ZERO,
        });
    }

    /// Whether an account's orders hold more than wallet and equity cover (DOMAIN §6.2).
    fn lacks_margin(&self, slot: u32) -> bool {
        let position = self.positions.get(slot);
        let Margin { wallet, equity, used, .. } = self.margin(position.account, position.asset, None);
        wallet.min(equity) < used
    }

    fn end_for_margin(&mut self, slot: u32, out: &mut EventWriter<'_>) -> bool {
        while self.lacks_margin(slot) {
            let Some(order) = self.newest_at_work(slot) else { return true };
            if !self.has_room(out) {
                return false;
            }
            if order == self.matching {
                self.matching = NIL;
            } else {
                self.take_out(order);
            }
            self.expire(order, EndReason::Margin, 0, out);
        }
        true
    }

    /// The newest order at work in a position's symbol that is not reduce-only.
    fn newest_at_work(&self, slot: u32) -> Option<u32> {
        let position = self.positions.get(slot);
        let mut newest: Option<(OrderId, u32)> = None;
        let mut look = |slot: u32| {
            let order = self.orders.get(slot);
            if order.counted && order.flags & order_flags::REDUCE_ONLY == 0 {
                newest = newest.max(Some((order.id, slot)));
            }
            order.of_account.next
        };
        for side in [Side::Buy, Side::Sell] {
            let mut at = self.accounts.first_open(position.account, position.symbol, side);
            while at != NIL {
                at = look(at);
            }
        }
        if self.matching != NIL {
            let taker = self.orders.get(self.matching);
            if (taker.account, taker.symbol) == (position.account, position.symbol) {
                look(self.matching);
            }
        }
        newest.map(|(_, slot)| slot)
    }
}
