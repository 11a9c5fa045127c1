//! The full check of DOMAIN §8.11–13 by recomputation, for tests and the shadow; the cheap ones are asserted where
//! things change: balances in `accounts`, identities in `orders`, holds in `matching`, levels in `book`.

use crate::engine::Engine;
use crate::money::need;
use crate::orders::{NIL, Place};
use ringbook_wire::{Amount, AssetId, Side, SymbolStatus, TriggerDirection};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// Recomputes every aggregate from the orders and compares.
    ///
    /// # Errors
    /// Says which invariant does not hold and for what.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_sums()?;
        let mut held: BTreeMap<(u32, AssetId), i128> = BTreeMap::new();
        let mut in_books = BTreeSet::new();
        for symbol in self.symbols.all() {
            for side in [Side::Buy, Side::Sell] {
                let mut last_price = None;
                for level in symbol.book.levels(side) {
                    let better = last_price.is_some_and(|last| crate::new_order::crosses(side, level.price, last));
                    if better {
                        return Err(format!("symbol {}: levels not in order at {}", symbol.id, level.price));
                    }
                    last_price = Some(level.price);
                    self.check_level(symbol, side, level, &mut in_books)?;
                }
            }
            self.check_stops(symbol, &mut in_books, false)?;
            if symbol.contract.is_some() {
                self.check_stops(symbol, &mut in_books, true)?;
            }
            let best = (symbol.book.best_price(Side::Buy), symbol.book.best_price(Side::Sell));
            if let (Some(bid), Some(ask)) = best
                && bid >= ask
                && symbol.status == SymbolStatus::Trading
                && self.work.is_empty()
            {
                return Err(format!("symbol {}: best bid {bid} ≥ best ask {ask}", symbol.id));
            }
        }
        for slot in self.orders.slots() {
            let order = self.orders.get(slot);
            order.assert_identity();
            if matches!(order.place, Place::Book | Place::Waiting) != in_books.contains(&slot) {
                return Err(format!("order {}: resting and the book disagree", order.id));
            }
            let symbol = self.symbols.at(order.symbol);
            if symbol.contract.is_some() {
                self.check_known(slot)?;
                continue;
            }
            let (asset, expected) = match order.side {
                // What is left of its budget, whatever that is.
                Side::Buy if order.by_budget && order.hold.0 >= 0 => (symbol.terms.quote, Some(order.hold)),
                Side::Buy => {
                    let value = symbol.value(order.price, order.remaining);
                    (symbol.terms.quote, need(&order.terms, value, order.remaining, order.carry))
                }
                Side::Sell => (symbol.terms.base, Some(symbol.base_units(order.remaining))),
            };
            if Some(order.hold) != expected {
                return Err(format!("order {}: holds {} where {expected:?} is needed", order.id, order.hold));
            }
            *held.entry((order.account, asset)).or_default() += i128::from(order.hold.0);
            self.check_known(slot)?;
        }
        self.check_perpetuals()?;
        let expiring = self
            .orders
            .slots()
            .filter(|&slot| self.orders.get(slot).listed && self.orders.get(slot).expire_at.0 != 0)
            .count();
        if expiring != self.expiry.slots().count() || !self.expiry.is_consistent(&self.orders) {
            return Err("the orders with an expiry and their moments disagree".into());
        }
        for (slot, account) in self.accounts.all().iter().enumerate() {
            for balance in &account.balances {
                let expected = held.remove(&(slot as u32, balance.asset)).unwrap_or(0);
                if i128::from(balance.held.0) != expected {
                    return Err(format!(
                        "account {} asset {}: held {} but its orders hold {expected}",
                        account.id, balance.asset, balance.held
                    ));
                }
            }
            self.check_lists(slot as u32)?;
        }
        let of_engine = self.orders.slots().filter(|&slot| self.orders.get(slot).known == NIL).count();
        if self.dedupe.known() != self.orders.len() - of_engine + self.dedupe.len() {
            return Err("client ids known, open orders and ring entries disagree".into());
        }
        match held.iter().find(|(_, held)| **held != 0) {
            Some((key, held)) => Err(format!("wallet {key:?} should hold {held} and does not exist")),
            None => Ok(()),
        }
    }

    /// An order's client id leads to it.
    fn check_known(&self, slot: u32) -> Result<(), String> {
        let order = self.orders.get(slot);
        if order.known == NIL {
            return Ok(()); // the order of a liquidation's stage
        }
        let request = self.dedupe.request(order.known);
        match self.dedupe.find_client(order.account, request.client_id) {
            Some(crate::dedupe::Known::Open(found)) if found == slot && request.order == order.id => Ok(()),
            other => Err(format!("order {}: its client id leads to {other:?}", order.id)),
        }
    }

    fn check_level(
        &self,
        symbol: &crate::symbols::Symbol,
        side: Side,
        level: &crate::book::Level,
        in_books: &mut BTreeSet<u32>,
    ) -> Result<(), String> {
        let (mut total, mut hidden, mut count, mut last, mut slot) = (0i128, 0i128, 0, 0, level.queue.head);
        while slot != NIL {
            let order = self.orders.get(slot);
            let belongs = order.side == side && order.price == level.price && order.symbol == symbol.id;
            let shows = order.shown.0 > 0 && order.shown <= order.slice();
            if !belongs || order.queue_sequence <= last || !shows || !in_books.insert(slot) {
                return Err(format!("symbol {} level {}: order {} does not belong", symbol.id, level.price, order.id));
            }
            last = order.queue_sequence;
            total += i128::from(order.shown.0);
            hidden += i128::from(order.remaining.0 - order.shown.0);
            count += 1;
            slot = order.queue.next;
        }
        if (total, hidden, count) != (level.total, level.hidden, level.count) || count == 0 {
            return Err(format!("symbol {} level {}: counts {} has {total}", symbol.id, level.price, level.total));
        }
        Ok(())
    }

    /// Stop orders wait under their trigger, by id, and none whose condition holds while its symbol trades.
    fn check_stops(
        &self,
        symbol: &crate::symbols::Symbol,
        in_books: &mut BTreeSet<u32>,
        by_mark: bool,
    ) -> Result<(), String> {
        let contract = symbol.contract.as_ref();
        let stops = contract.filter(|_| by_mark).map_or(&symbol.stops, |contract| &contract.stops);
        // A mark may have become stale before it could be looked at.
        let trades = symbol.status == SymbolStatus::Trading && self.work.is_empty() && !by_mark;
        for (side, direction) in [(Side::Buy, TriggerDirection::FallsTo), (Side::Sell, TriggerDirection::RisesTo)] {
            for level in stops.levels(side) {
                let (mut last, mut slot) = (0, level.queue.head);
                while slot != NIL {
                    let order = self.orders.get(slot);
                    let belongs = order.direction == Some(direction)
                        && order.trigger == level.price
                        && order.symbol == symbol.id
                        && order.place == Place::Waiting
                        && order.by_mark == by_mark
                        && order.id.0 > last;
                    if !belongs || !in_books.insert(slot) {
                        return Err(format!("stop order {} does not wait where it should", order.id));
                    }
                    if trades && crate::new_order::holds(direction, order.trigger, symbol.last) {
                        return Err(format!("stop order {} should have run at {}", order.id, symbol.last));
                    }
                    (last, slot) = (order.id.0, order.queue.next);
                }
            }
        }
        Ok(())
    }

    fn check_lists(&self, account: u32) -> Result<(), String> {
        for open in &self.accounts.get(account).symbols {
            let (mut count, mut waiting) = (0, 0);
            for (list, side) in open.orders.iter().zip([Side::Buy, Side::Sell]) {
                let (mut last, mut slot) = (0, list.head);
                while slot != NIL {
                    let order = self.orders.get(slot);
                    let belongs = order.account == account && order.symbol == open.symbol && order.side == side;
                    if !belongs || order.id.0 <= last {
                        return Err(format!("order {}: in the wrong account list", order.id));
                    }
                    let waits = u32::from(order.place == Place::Waiting);
                    (last, count, waiting) = (order.id.0, count + 1 - waits, waiting + waits);
                    slot = order.of_account.next;
                }
            }
            if (count, waiting) != (open.count, open.waiting) {
                return Err(format!(
                    "account slot {account} symbol {}: {count} orders and {waiting} that wait, counted {} and {}",
                    open.symbol, open.count, open.waiting
                ));
            }
        }
        Ok(())
    }

    /// Per asset the sum over all accounts is 0 (DOMAIN §3.5).
    fn check_sums(&self) -> Result<(), String> {
        let mut sums = self.futures_sums();
        for account in self.accounts.all() {
            for balance in &account.balances {
                *sums.entry(balance.asset).or_default() += i128::from(balance.available.0) + i128::from(balance.held.0);
                if balance.held < Amount::ZERO || balance.available.0 < 0 && !account.id.is_system() {
                    return Err(format!("account {} asset {}: below zero", account.id, balance.asset));
                }
            }
        }
        match sums.iter().find(|(_, sum)| **sum != 0) {
            Some((asset, sum)) => Err(format!("asset {asset}: all accounts sum to {sum}, not 0")),
            None => Ok(()),
        }
    }
}
