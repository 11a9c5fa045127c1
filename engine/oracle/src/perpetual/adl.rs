//! Auto-deleveraging: lots without an owner are closed against the positions that profit most (DOMAIN §6.7).
//!
//! Invariants: the ranking is made once; no candidate loses more by it than its bucket has; each lot that a candidate
//! closes is one less without an owner.

use super::fill::Fill;
use super::takeover::{Orphaned, closing_side};
use crate::Oracle;
use crate::money::{BOUND, R, narrow, value};
use crate::state::Order;
use ringbook_event::{Adl, Record};
use ringbook_wire::{AccountId, Amount, EndReason, Price, Qty, SymbolId, div_floor};

impl Oracle {
    /// Closes up to `lots` at the price, candidate by candidate; where the lots are the fund's own, it closes as many.
    /// Returns what is left.
    pub(crate) fn deleverage(&mut self, orphaned: &Orphaned, lots: i128) -> i128 {
        let mut rest = lots;
        for account in self.ranked(orphaned) {
            if rest == 0 {
                break;
            }
            let quantity = rest.min(self.may_close(account, orphaned));
            if quantity > 0 {
                self.deleverage_one(account, orphaned, quantity);
                rest -= quantity;
            }
        }
        rest
    }

    /// Candidates, highest score first, ties the lower account.
    fn ranked(&self, orphaned: &Orphaned) -> Vec<u32> {
        let is_candidate = |&account: &u32| {
            let held = self.position(account, orphaned.symbol).quantity;
            account != AccountId::INSURANCE.0
                && held * orphaned.quantity < 0
                && self.bucket_equity(self.bucket_of(account, orphaned.symbol)) > 0
        };
        let mut candidates: Vec<u32> = self.holders(orphaned.symbol).into_iter().filter(is_candidate).collect();
        candidates.sort_by_key(|&account| (-self.score(account, orphaned.symbol), account));
        candidates
    }

    /// Profit times effective leverage, or profit by it where it is a loss.
    fn score(&self, account: u32, symbol: u32) -> i128 {
        let position = self.position(account, symbol);
        let equity = self.bucket_equity(self.bucket_of(account, symbol));
        let profit = div_floor(self.unrealized(symbol, &position) * R, position.cost.abs()).clamp(-BOUND, BOUND);
        let leverage = div_floor(self.notional(symbol, &position) * R, equity).max(1).clamp(-BOUND, BOUND);
        if profit > 0 { profit * leverage } else { div_floor(profit * R, leverage) }
    }

    /// The lots that a candidate can close without losing more than it has.
    fn may_close(&self, account: u32, orphaned: &Orphaned) -> i128 {
        let position = self.position(account, orphaned.symbol);
        let equity = self.bucket_equity(self.bucket_of(account, orphaned.symbol));
        let worse = -position.quantity.signum() * (orphaned.price - self.mark_of(orphaned.symbol));
        let loss = value(&self.symbols[&orphaned.symbol], worse.max(0), 1);
        let lots = position.quantity.abs();
        if loss > 0 { lots.min(div_floor(equity, loss).max(0)) } else { lots }
    }

    /// The candidate's orders in the symbol end; then it closes lots.
    fn deleverage_one(&mut self, account: u32, orphaned: &Orphaned, quantity: i128) {
        let symbol = orphaned.symbol;
        let is_of = |order: &&Order| order.account == account && order.symbol == symbol;
        let ids: Vec<u64> = self.orders.values().filter(is_of).map(|order| order.id).collect();
        for id in ids {
            self.expire(id, EndReason::Adl);
        }
        let position = self.position(account, symbol);
        let fill = Fill {
            account,
            symbol,
            side: closing_side(position.quantity),
            price: orphaned.price,
            quantity,
            fee: 0,
            into_margin: false,
        };
        let closed = self.fill(fill);
        let of_the_fund = orphaned.of == AccountId::INSURANCE.0;
        if of_the_fund {
            self.fill(Fill { account: orphaned.of, side: fill.side.opposite(), ..fill });
        }
        self.events.push(
            Adl {
                header: Adl::header(position.mode.code(), 0, account),
                symbol: SymbolId(symbol),
                of: AccountId(orphaned.of),
                quantity: Qty(narrow(quantity)),
                price: Price(narrow(orphaned.price)),
                pnl: Amount(narrow(closed.pnl)),
            }
            .into(),
        );
        self.cover_deficit(account, symbol);
        if of_the_fund {
            self.trim(orphaned.of, symbol);
        }
    }
}
