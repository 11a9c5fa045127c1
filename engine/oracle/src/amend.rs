//! AMEND (DOMAIN §4.1, EVENTS "CANCEL, AMEND, CANCEL_ALL"), and how an order is named.
//!
//! Invariants: nothing changes on refusal; id, carry, fills and rates stay; only less at the same price keeps the place, and
//! an untriggered order keeps its rank.

use crate::Oracle;
use crate::checks::{check_band, check_parts, check_price_range, check_quantity, check_value, reference};
use crate::dedupe::replayed_entry;
use crate::money::{BOUND, narrow, need_of, value, within};
use crate::state::{Order, Symbol, Trigger};
use ringbook_event::{Amended, Origin, Record, Replayed};
use ringbook_wire::message::{self, MessageType};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, FeeModel, OrderId, OrderType, Price, Qty, RejectCode, Role, SymbolId,
    SymbolStatus, TriggerSource,
};

/// What an AMEND makes of an order.
struct Change {
    order: u64,
    price: i128,
    /// New total: `orig − cut`.
    total: i128,
    /// New remainder: what the total leaves, or less where the order only reduces.
    remaining: i128,
    /// Margin price and loss per lot of a perpetual's order that queues anew.
    terms: Option<(i128, i128)>,
    /// Of an untriggered order.
    trigger: Option<Trigger>,
    /// Leaves its queue.
    anew: bool,
}

/// What a CANCEL or AMEND names.
pub enum Named {
    /// An open order.
    Open(u64),
    /// One that was refused or has ended and is still in the ring.
    Over(Replayed),
    /// Nothing that is known.
    Unknown,
}

impl Oracle {
    /// An account's order by its id or, if that is 0, by client id.
    pub(crate) fn find_order(
        &self,
        account: AccountId,
        order: OrderId,
        client_id: ClientOrderId,
        command: MessageType,
    ) -> Named {
        let client_id = u128::from(client_id);
        let is_named = |open: &&Order| {
            open.account == account.0 && if order.0 != 0 { open.id == order.0 } else { open.client_id == client_id }
        };
        if let Some(open) = self.orders.values().find(is_named) {
            return Named::Open(open.id);
        }
        let entry = if order.0 != 0 {
            self.ring.by_order(account.0, order.0)
        } else {
            self.ring.by_client_id(account.0, client_id)
        };
        entry.map_or(Named::Unknown, |entry| Named::Over(replayed_entry(entry, command)))
    }

    pub(crate) fn amend(&mut self, origin: Origin, m: &message::Amend) -> Result<(), RejectCode> {
        let unnamed = m.order.0 == 0 && m.client_id == ClientOrderId::NONE;
        if unnamed || m.reserved != 0 || m.price.0 < 0 || m.quantity.0 < 0 || m.trigger.0 < 0 {
            return Err(RejectCode::BadRequest);
        }
        self.authorise_orders(origin, m.account, &[Role::Trade])?;
        let named = self.find_order(m.account, m.order, m.client_id, MessageType::Amend);
        if let Named::Over(replayed) = named {
            self.events.push(replayed.into());
            return Ok(());
        }
        if self.accounts[&m.account.0].suspended {
            return Err(RejectCode::AccountSuspended);
        }
        let Named::Open(id) = named else {
            return Err(RejectCode::UnknownOrder);
        };
        let change = self.check_amend(&self.orders[&id], m)?;
        self.apply_amend(&change);
        Ok(())
    }

    /// 100 (what this order does not have) to 403.
    fn check_amend(&self, order: &Order, m: &message::Amend) -> Result<Change, RejectCode> {
        let has_no_limit = order.order_type == OrderType::StopMarket;
        let misses = (order.trigger.is_none() && m.trigger.0 != 0)
            || (has_no_limit && m.price.0 != 0)
            || ((order.by_budget || order.close_position) && m.quantity.0 != 0);
        if misses {
            return Err(RejectCode::BadRequest);
        }
        let symbol = &self.symbols[&order.symbol];
        let total_before = order.orig - order.cut;
        let price = if m.price.0 == 0 { order.price } else { i128::from(m.price.0) };
        let total = if m.quantity.0 == 0 { total_before } else { i128::from(m.quantity.0) };
        let trigger = order.trigger.map(|trigger| match m.trigger.0 {
            0 => trigger,
            price => Trigger { price: i128::from(price), ..trigger },
        });
        let anew = order.trigger.is_none() && (price != order.price || total > total_before);
        let wanted = total - order.filled - order.prevented;

        let open = match symbol.status {
            SymbolStatus::Trading => true,
            SymbolStatus::PreOpen => true,
            SymbolStatus::Halted | SymbolStatus::CancelOnly | SymbolStatus::Closed => false,
        };
        if !open {
            return Err(RejectCode::SymbolStatus);
        }
        self.check_maintenance()?;
        if !has_no_limit {
            check_price_range(symbol, price)?;
            check_lot_fee(symbol, order, price)?;
        }
        if let Some(trigger) = trigger {
            check_price_range(symbol, trigger.price)?;
        }
        if anew {
            check_band(symbol, order.side, price)?;
        }
        if order.by_budget {
            check_value(symbol, order.hold)?;
        } else if !order.close_position {
            check_quantity(symbol, order.order_type, total)?;
            if order.orig + (total - total_before).max(0) > BOUND {
                return Err(RejectCode::QtyRange);
            }
            check_total_fee(symbol, order, total)?;
            if let Some(price) = reference(symbol, order.order_type, price, trigger)
                && !order.reduce_only
            {
                check_value(symbol, value(symbol, price, total))?;
            }
        }
        check_parts(total, order.display)?;
        if trigger != order.trigger && trigger.is_some_and(|trigger| symbol.triggers(trigger)) {
            return Err(RejectCode::TriggerImmediate);
        }
        let (mut remaining, mut terms) = (wanted, None);
        if symbol.perpetual.is_some() {
            if anew {
                let admitted = self.check_amended(order, price, wanted)?;
                remaining = admitted.quantity;
                terms = Some((admitted.margin_price, admitted.loss_per_lot));
            } else if trigger.is_some() && symbol.watched(TriggerSource::Mark).is_none() {
                return Err(RejectCode::NoMark);
            }
        } else {
            let more = if order.by_budget { 0 } else { need_of(symbol, order, price, wanted) - order.hold };
            if more > 0 && more > self.available(order.account, order.hold_asset(symbol)) {
                return Err(RejectCode::InsufficientBalance);
            }
        }
        let best = self.first_in_line(order.symbol, order.side.opposite()).map(|best| best.price);
        let trades = symbol.status == SymbolStatus::Trading;
        if anew && trades && order.post_only && best.is_some_and(|best| within(order.side, best, price)) {
            return Err(RejectCode::PostOnlyCross);
        }
        if wanted <= 0 && !order.by_budget && !order.close_position {
            return Err(RejectCode::AmendQty);
        }
        if price == order.price && total == total_before && trigger == order.trigger {
            return Err(RejectCode::AmendNothing);
        }
        Ok(Change { order: order.id, price, total, remaining, terms, trigger, anew })
    }

    fn apply_amend(&mut self, change: &Change) {
        let order = self.orders.get_mut(&change.order).expect("the order is open");
        let total_before = order.orig - order.cut;
        if change.total > total_before {
            order.orig += change.total - total_before;
        } else {
            order.cut += total_before - change.total;
        }
        order.price = change.price;
        order.trigger = change.trigger;
        order.cut += change.total - order.filled - order.prevented - change.remaining;
        order.remaining = change.remaining;
        if let Some((margin_price, loss_per_lot)) = change.terms {
            (order.margin_price, order.loss_per_lot) = (margin_price, loss_per_lot);
        }
        order.shown = order.shown.min(order.remaining);
        if change.anew {
            order.queue = None;
            order.shown = 0;
        }
        let (symbol, by_budget) = (order.symbol, order.by_budget);
        if !by_budget {
            self.hold_what_is_needed(change.order);
        }
        let by_user = 1;
        self.push_amended(change.order, by_user, !change.anew);
        if !change.anew {
            return;
        }
        if self.symbols[&symbol].status == SymbolStatus::PreOpen {
            self.come_to_rest(change.order);
        } else {
            self.execute(change.order);
            self.append_triggered(symbol, TriggerSource::Last);
        }
    }

    /// AMENDED: 1 by the user, 2 by a trim.
    pub(crate) fn push_amended(&mut self, id: u64, reason: u8, keeps_place: bool) {
        let order = &self.orders[&id];
        let hold = self.shown_hold(order);
        self.events.push(
            Amended {
                header: Amended::header(reason, u8::from(keeps_place), order.account),
                order: OrderId(order.id),
                price: Price(narrow(order.price)),
                quantity: Qty(narrow(order.orig)),
                remaining: Qty(narrow(order.remaining)),
                hold: Amount(narrow(hold)),
                symbol: SymbolId(order.symbol),
                reserved: 0,
                cut: Qty(narrow(order.cut)),
                trigger: Price(order.trigger.map_or(0, |trigger| narrow(trigger.price))),
            }
            .into(),
        );
    }
}

/// 200 of a fee per lot that was copied at acceptance: it stays below the value of a lot.
fn check_lot_fee(symbol: &Symbol, order: &Order, price: i128) -> Result<(), RejectCode> {
    let is_per_lot = symbol.fee_model == FeeModel::PerLot;
    let fee = order.taker.abs().max(order.maker.abs());
    if is_per_lot && fee >= value(symbol, price, 1) { Err(RejectCode::PriceRange) } else { Ok(()) }
}

/// 202 of a fee per lot that was copied at acceptance: its product with the total stays within the bound.
fn check_total_fee(symbol: &Symbol, order: &Order, total: i128) -> Result<(), RejectCode> {
    let is_per_lot = symbol.fee_model == FeeModel::PerLot;
    let fee = order.taker.abs().max(order.maker.abs());
    if is_per_lot && fee * total > BOUND { Err(RejectCode::QtyRange) } else { Ok(()) }
}
