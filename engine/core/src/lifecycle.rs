//! Where orders stand and how they end: queues, lists, expiries, EXPIRED, DONE.
//!
//! Invariants: an order that rests or waits is in its account's list from then on until it ends; whatever ends has left its
//! queue before; its hold goes back, and its client id becomes an entry of the dedupe ring in the same step.

use crate::dedupe::Outcome;
use crate::engine::Engine;
use crate::new_order::hold_asset;
use crate::orders::{NIL, Place};
use crate::perpetual::Step;
use ringbook_event::{Done, EventWriter, Expired, Record};
use ringbook_wire::{Amount, ClientOrderId, EndReason, OrderState, order_flags};

impl Engine {
    /// Puts an order at the end of its queue with a fresh slice, and into the lists that it is not in yet.
    pub(crate) fn rest(&mut self, slot: u32) {
        let order = self.orders.get_mut(slot);
        order.queue_sequence = self.next_queue;
        order.shown = order.slice();
        self.next_queue += 1;
        let (symbol, listed) = (order.symbol, order.listed);
        self.symbols.at_mut(symbol).book.join(&mut self.orders, slot);
        if !listed {
            self.list(slot);
        }
    }

    /// [`Self::rest`] of an order that did not rest before: a reduce-only one may be too much.
    pub(crate) fn rest_new(&mut self, slot: u32) {
        self.rest(slot);
        let order = self.orders.get(slot);
        if order.flags & order_flags::REDUCE_ONLY != 0 {
            let (account, symbol) = (order.account, order.symbol);
            self.note_chores(account, symbol, false);
        }
    }

    /// Takes an order out of whatever it stands in, but for its lists.
    pub(crate) fn take_out(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (symbol, place, by_mark) = (self.symbols.at_mut(order.symbol), order.place, order.by_mark);
        match place {
            Place::Book => symbol.book.leave(&mut self.orders, slot),
            Place::Waiting => {
                symbol.waiting(by_mark).leave(&mut self.orders, slot);
                self.no_longer_waits(slot);
            }
            // Ended before its turn came, by auto-deleveraging.
            Place::Fired => self.fired.retain(|&fired| fired != slot),
            // Only what the running command has just taken out itself.
            Place::Working => {}
        }
    }

    /// Adds an order to its account's list and, if flagged, to its session's; with an expiry, to its moment.
    pub(crate) fn list(&mut self, slot: u32) {
        let order = self.orders.get_mut(slot);
        order.listed = true;
        let (account, symbol, session, side) = (order.account, order.symbol, order.session, order.side.index());
        let (flagged, waits) = (order.is_flagged(), order.place == Place::Waiting);
        if order.expire_at.0 != 0 {
            self.expiry.add(&self.orders, slot);
        }
        let open = self.accounts.open_orders_mut(account, symbol);
        if waits {
            open.waiting += 1;
        } else {
            open.count += 1;
        }
        open.orders[side].push(&mut self.orders, slot, |order| &mut order.of_account);
        if flagged {
            let list = self.sessions.entry(session);
            list.push(&mut self.orders, slot, |order| &mut order.of_session);
        }
    }

    fn unlist(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (account, symbol, session, side) = (order.account, order.symbol, order.session, order.side.index());
        let flagged = order.is_flagged();
        if order.expire_at.0 != 0 {
            self.expiry.remove(slot);
        }
        let open = self.accounts.open_orders_mut(account, symbol);
        open.count -= 1;
        open.orders[side].unlink(&mut self.orders, slot, |order| &mut order.of_account);
        if flagged {
            let list = self.sessions.get_mut(session).expect("a flagged order is in its session's list");
            list.unlink(&mut self.orders, slot, |order| &mut order.of_session);
            if list.head == NIL {
                self.sessions.remove(session);
            }
        }
    }

    /// EXPIRED and DONE of an order that is not in the book.
    pub(crate) fn expire(&mut self, slot: u32, reason: EndReason, code: u16, out: &mut EventWriter<'_>) {
        let order = self.orders.get(slot);
        let header = Expired::header(reason.code(), 0, self.accounts.get(order.account).id.0);
        out.push(&Expired {
            header,
            order: order.id,
            symbol: order.symbol,
            code,
            reserved: 0,
            remaining: order.remaining,
        });
        self.finish_with(slot, OrderState::Expired, Some(reason), code, out);
    }

    /// Ends an order that is not in the book: what is held goes back, DONE, an entry in the ring, the slot is free.
    pub(crate) fn finish(
        &mut self,
        slot: u32,
        state: OrderState,
        reason: Option<EndReason>,
        out: &mut EventWriter<'_>,
    ) {
        self.finish_with(slot, state, reason, 0, out);
    }

    /// [`Self::finish`]; `code` is why a stop order failed, or 0.
    fn finish_with(
        &mut self,
        slot: u32,
        state: OrderState,
        reason: Option<EndReason>,
        code: u16,
        out: &mut EventWriter<'_>,
    ) {
        self.count_out(slot);
        let order = self.orders.get(slot);
        debug_assert!(matches!(order.place, Place::Working | Place::Fired) && order.level == NIL);
        order.assert_identity();
        // A perpetual's order holds nothing: its reserve is a part of what its account's margin must cover.
        let returned = if self.is_perpetual(order.symbol) { Amount::ZERO } else { order.hold };
        let (account, listed, known) = (order.account, order.listed, order.known);
        out.push(&Done {
            header: Done::header(
                state.code(),
                reason.map_or(0, |reason| reason.code()),
                self.accounts.get(account).id.0,
            ),
            order: order.id,
            symbol: order.symbol,
            reserved: 0,
            filled: order.filled,
            cost: order.cost,
            fee: order.fee,
            returned,
            remaining: order.remaining,
            prevented: order.prevented,
            cut: order.cut,
            client_id: if known == NIL { ClientOrderId::NONE } else { self.dedupe.request(known).client_id },
        });
        if known == NIL {
            // The order of a liquidation's stage.
            let (value, full) = (i128::from(order.cost.0), order.remaining.is_zero());
            if let Some(liquidation) = &mut self.liquidation {
                liquidation.step = Step::Stage { value, full };
            }
            return self.orders.remove(slot);
        }
        let outcome = Outcome {
            sequence: self.sequence,
            filled: order.filled,
            remaining: order.remaining,
            cost: order.cost,
            fee: order.fee,
            code,
            state,
            reason,
        };
        if returned.0 != 0 {
            let asset = hold_asset(self.symbols.at(order.symbol), order.side);
            self.accounts.change(account, asset, returned.0, -returned.0);
        }
        if listed {
            self.unlist(slot);
        }
        self.dedupe.end(&mut self.accounts, known, outcome);
        self.orders.remove(slot);
    }
}
