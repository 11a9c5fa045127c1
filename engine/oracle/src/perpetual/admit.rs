//! Which orders the margin lets in: 212 and 301 to 305 at entry, at firing and where an amendment queues anew (DOMAIN
//! §6.2, PERPETUAL "NEW_ORDER" and "AMEND").
//!
//! Invariant: the order is weighed with all other working orders of the account; nothing changes here.

use super::margin::{Weight, sign};
use crate::Oracle;
use crate::checks::{Admitted, Request};
use crate::money::{R, value};
use crate::state::{Order, Symbol};
use ringbook_wire::{AccountId, OrderType, RejectCode, Side, SymbolStatus, div_ceil};

/// An order that asks to be weighed.
struct Asking {
    account: u32,
    symbol: u32,
    side: Side,
    /// It only closes.
    reduces: bool,
    /// What it would be like.
    admitted: Admitted,
    highest_rate: i128,
    carry: i128,
    /// The order itself, where it is one already; it does not count beside what it would be like.
    own: Option<u64>,
}

impl Oracle {
    /// Limit's margin price and loss per lot, frozen now (DOMAIN §6.2).
    fn frozen_terms(&self, id: u32, side: Side, price: i128) -> (i128, i128) {
        let symbol = &self.symbols[&id];
        let mark = self.mark_of(id);
        let best_bid = self.first_in_line(id, Side::Buy).map_or(0, |best| best.price);
        let margin_price = match side {
            Side::Buy => price,
            Side::Sell => price.max(mark).max(best_bid),
        };
        (margin_price, value(symbol, (sign(side) * (price - mark)).max(0), 1))
    }

    /// The lots that an order may close: those of the opposite position.
    fn closable(&self, account: u32, symbol: u32, side: Side) -> i128 {
        (-sign(side) * self.position(account, symbol).quantity).max(0)
    }

    /// 212 and 301 to 305 of a NEW_ORDER, or of a stop order that runs (`own`).
    pub(crate) fn check_margin(
        &self,
        request: &Request,
        price: i128,
        (taker, maker): (i128, i128),
        own: Option<&Order>,
    ) -> Result<Admitted, RejectCode> {
        let (account, id, side) = (request.account, request.symbol, request.side);
        let mut admitted = Admitted { price, quantity: request.quantity, hold: 0, margin_price: 0, loss_per_lot: 0 };
        let has_mark = self.terms_of(id).mark.is_some();
        if request.trigger.is_some() {
            // It waits: it only needs a mark.
            return if has_mark { Ok(admitted) } else { Err(RejectCode::NoMark) };
        }
        let reduces = request.only_closes();
        let closable = self.closable(account, id, side);
        if request.close_position {
            admitted.quantity = closable;
        } else if reduces {
            admitted.quantity = request.quantity.min(closable);
        } else {
            self.check_position_limit(account, id, side, request.quantity, own.map(|own| own.id))?;
        }
        if !has_mark {
            return Err(match () {
                () if reduces && closable == 0 => RejectCode::ReduceOnly,
                () if !reduces && self.terms_of(id).reduce_only => RejectCode::ReduceOnlyMode,
                () => RejectCode::NoMark,
            });
        }
        let trades_with_nothing = request.order_type == OrderType::Market && price == 0;
        if !trades_with_nothing {
            (admitted.margin_price, admitted.loss_per_lot) = self.frozen_terms(id, side, price);
            let asking = Asking {
                account,
                symbol: id,
                side,
                reduces,
                admitted,
                highest_rate: taker.max(maker).max(0),
                carry: 0,
                own: own.map(|own| own.id),
            };
            let before = self.weights(account, self.symbols[&id].quote, asking.own);
            return self.weigh(&asking, &before);
        }
        if reduces && closable == 0 { Err(RejectCode::ReduceOnly) } else { Ok(admitted) }
    }

    /// 212 and 301 to 305 of an amended order that queues anew, with what would remain of it.
    pub(crate) fn check_amended(&self, order: &Order, price: i128, wanted: i128) -> Result<Admitted, RejectCode> {
        let (account, id, side) = (order.account, order.symbol, order.side);
        // Less than nothing is AMEND_QTY later.
        let mut lots = wanted.max(0);
        if order.reduce_only {
            lots = lots.min(self.closable(account, id, side));
        } else {
            self.check_position_limit(account, id, side, lots, Some(order.id))?;
        }
        let (margin_price, loss_per_lot) = self.frozen_terms(id, side, price);
        let asking = Asking {
            account,
            symbol: id,
            side,
            reduces: order.reduce_only,
            admitted: Admitted { price, quantity: lots, hold: 0, margin_price, loss_per_lot },
            highest_rate: order.taker.max(order.maker).max(0),
            carry: order.carry,
            own: Some(order.id),
        };
        let before = self.weights(account, self.symbols[&id].quote, None);
        self.weigh(&asking, &before)
    }

    /// 301 to 305, with a mark: `before` are the working orders without the new order, or with the present one where it
    /// is amended.
    fn weigh(&self, asking: &Asking, before: &[Weight]) -> Result<Admitted, RejectCode> {
        let (account, id, side) = (asking.account, asking.symbol, asking.side);
        let asset = self.symbols[&id].quote;
        let admitted = asking.admitted;
        let notional = value(&self.symbols[&id], admitted.margin_price, admitted.quantity);
        let fee = div_ceil(notional * asking.highest_rate - asking.carry, R);
        let mut after = self.weights(account, asset, asking.own);
        after.push(Weight {
            symbol: id,
            side,
            reduce_only: asking.reduces,
            lots: admitted.quantity,
            margin_price: admitted.margin_price,
            reserve: fee + admitted.loss_per_lot * admitted.quantity,
        });
        let position = self.position(account, id);
        let is_increasing = !asking.reduces
            && if position.is_isolated() {
                self.increase(account, id, side, &after) > self.increase(account, id, side, before)
            } else {
                self.initial_margin(account, id, position.leverage, &after)
                    > self.initial_margin(account, id, position.leverage, before)
            };
        if account != AccountId::INSURANCE.0 {
            if !self.is_covered(account, id, is_increasing, &after) {
                return Err(RejectCode::InsufficientMargin);
            }
            let terms = self.terms_of(id);
            let (_, tier) = terms.tier(self.larger_side(account, id, &after));
            if is_increasing && position.leverage > terms.max_leverage.min(tier.leverage) {
                return Err(RejectCode::TierLeverage);
            }
        }
        if asking.reduces && self.closable(account, id, side) == 0 {
            return Err(RejectCode::ReduceOnly);
        }
        if is_increasing && self.terms_of(id).reduce_only {
            return Err(RejectCode::ReduceOnlyMode);
        }
        if is_increasing && !self.is_fresh(id) {
            return Err(RejectCode::NoMark);
        }
        Ok(admitted)
    }

    /// 301 (DOMAIN §6.2 "acceptance").
    fn is_covered(&self, account: u32, symbol: u32, is_increasing: bool, after: &[Weight]) -> bool {
        let asset = self.symbols[&symbol].quote;
        let position = self.position(account, symbol);
        let (wallet, equity) = (self.futures_wallet(account, asset), self.cross_equity(account, asset));
        let in_use = self.in_use(account, asset, after);
        match (is_increasing, position.is_isolated()) {
            (true, false) => equity >= in_use,
            (true, true) => wallet.min(equity) >= in_use,
            (false, false) => {
                let is_cross = |weight: &&Weight| !self.position(account, weight.symbol).is_isolated();
                let reserves: i128 = after.iter().filter(is_cross).map(|weight| weight.reserve).sum();
                equity >= reserves
            }
            (false, true) => {
                let backed = |weight: &&Weight| weight.symbol == symbol && !self.counts(account, weight, after);
                let reserves: i128 = after.iter().filter(backed).map(|weight| weight.reserve).sum();
                let own = position.margin + self.unrealized(symbol, &position);
                own + self.transferable(account, asset, after) >= reserves
            }
        }
    }

    /// 212 of an order that does not only reduce.
    fn check_position_limit(
        &self,
        account: u32,
        id: u32,
        side: Side,
        lots: i128,
        own: Option<u64>,
    ) -> Result<(), RejectCode> {
        let symbol: &Symbol = &self.symbols[&id];
        let max_position = self.terms_of(id).max_position;
        let others = self.orders.values().filter(|order| order.symbol == id && order.side == side);
        let counted = others.filter(|order| !order.reduce_only && self.is_working(order) && Some(order.id) != own);
        let (mut of_account, mut of_all) = (0, 0);
        for order in counted {
            of_all += order.remaining;
            of_account += if order.account == account { order.remaining } else { 0 };
        }
        let limit = self.accounts[&account].limits.get(&id).copied().unwrap_or(max_position).min(max_position);
        let held = self.position(account, id).quantity.abs();
        let collected = if symbol.status == SymbolStatus::PreOpen { of_all } else { 0 };
        let is_within = held + of_account + lots <= limit && self.open_interest(id) + collected + lots <= max_position;
        if is_within { Ok(()) } else { Err(RejectCode::PositionLimit) }
    }
}
