//! The invariants of DOMAIN §8 that concern spot, recomputed from scratch; those of perpetuals are in
//! [`crate::perpetual`].
//!
//! Invariant: nothing here changes anything; a broken one panics with its number.

use crate::Oracle;
use crate::money::{BOUND, R, need_of};
use ringbook_wire::{AccountId, OrderType, Side, StpMode, SymbolStatus, TimeInForce, TriggerSource};
use std::collections::{BTreeMap, BTreeSet};

impl Oracle {
    /// Asserts invariants 1 to 3, 5 to 8 and 11 to 13 of DOMAIN §8, and the bounds of the dedupe ring.
    ///
    /// # Panics
    /// One is broken.
    pub fn check(&self) {
        self.check_wallets();
        self.check_orders();
        self.check_books();
        self.check_supply();
        self.check_perpetuals();
        self.check_holds();
        self.check_ids();
        self.check_ring();
    }

    /// 1: only the exchange's own accounts may be negative, and they hold nothing.
    fn check_wallets(&self) {
        for (&(account, asset), wallet) in &self.wallets {
            if AccountId(account).is_system() {
                assert_eq!(wallet.held, 0, "1: system account {account} holds asset {asset}");
            } else {
                assert!(wallet.available >= 0, "1: account {account} has {} of {asset}", wallet.available);
                assert!(wallet.held >= 0, "1: account {account} holds {} of {asset}", wallet.held);
            }
        }
    }

    /// 2: quantities and carry of every open order; it holds what it needs, and it is not due.
    fn check_orders(&self) {
        for order in self.orders.values() {
            let id = order.id;
            let parts = order.filled + order.prevented + order.cut + order.remaining;
            assert_eq!(order.orig, parts, "2: identity of order {id}");
            assert!((0..R).contains(&order.carry), "2: carry of order {id}");
            assert!(order.filled >= 0 && order.prevented >= 0 && order.cut >= 0, "2: order {id}");
            assert!(order.stp != StpMode::Default, "2: order {id} has no mode");
            assert!(order.expire_at == 0 || order.expire_at > self.expired_until, "order {id} is due");
            assert_eq!(order.expire_at != 0, order.time_in_force == TimeInForce::Gtd, "order {id}");
            let symbol = &self.symbols[&order.symbol];
            assert!(symbol.status != SymbolStatus::Closed, "order {id} of a closed symbol");
            match order.trigger {
                Some(trigger) => {
                    assert!(matches!(order.order_type, OrderType::StopLimit | OrderType::StopMarket), "{id} waits");
                    assert!(order.queue.is_none() && order.shown == 0 && order.filled == 0, "{id} waits");
                    let waits = trigger.source == TriggerSource::Mark || !symbol.triggers(trigger);
                    assert!(waits, "the condition of order {id} holds");
                }
                None => {
                    let may_rest = matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd);
                    assert!(order.order_type == OrderType::Limit && may_rest && order.queue.is_some(), "{id} rests");
                    assert!(0 < order.shown && order.shown <= order.remaining, "3: shown part of order {id}");
                    assert!(order.display == 0 || order.shown <= order.display, "3: shown part of order {id}");
                    assert!(order.display != 0 || order.shown == order.remaining, "3: shown part of order {id}");
                }
            }
            if order.by_budget {
                assert!(order.trigger.is_some() && order.hold > 0 && order.orig == 0, "2: budget of order {id}");
            } else if order.close_position {
                assert!(order.trigger.is_some() && order.orig == 0, "2: lots of order {id}");
            } else if symbol.perpetual.is_some() {
                assert!(order.remaining > 0 && order.hold == 0, "2: order {id}");
                assert!(self.reserve(order) >= 0, "2: reserve of order {id}");
            } else {
                assert!(order.remaining > 0, "2: order {id}");
                assert_eq!(order.hold, need_of(symbol, order, order.price, order.remaining), "2: hold of order {id}");
            }
        }
    }

    /// 3: no book is crossed in TRADING; queue numbers are unique.
    fn check_books(&self) {
        for (&id, symbol) in &self.symbols {
            let (bids, asks) = self.book(id);
            if let (Some(bid), Some(ask), SymbolStatus::Trading) = (bids.first(), asks.first(), symbol.status) {
                assert!(bid.0 < ask.0, "3: book of symbol {id} is crossed: {} and {}", bid.0, ask.0);
            }
        }
        let places: Vec<u64> = self.orders.values().filter_map(|order| order.queue).collect();
        assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), places.len(), "3: two orders with one place");
    }

    /// 11: an asset's net supply is within its bound.
    fn check_supply(&self) {
        for (&(account, asset), wallet) in &self.wallets {
            if account == AccountId::EXTERNAL.0 {
                assert!(-wallet.available <= BOUND, "11: supply of asset {asset}");
            }
        }
    }

    /// 12: held of each wallet is the sum of its orders' holds.
    fn check_holds(&self) {
        let mut holds: BTreeMap<(u32, u32), i128> = BTreeMap::new();
        for order in self.orders.values() {
            let symbol = &self.symbols[&order.symbol];
            if symbol.perpetual.is_some() {
                continue;
            }
            let asset = if order.side == Side::Buy { symbol.quote } else { symbol.base };
            *holds.entry((order.account, asset)).or_default() += order.hold;
        }
        for (key, wallet) in &self.wallets {
            assert_eq!(wallet.held, holds.remove(key).unwrap_or(0), "12: held of account and asset {key:?}");
        }
        assert!(holds.is_empty(), "12: orders hold in wallets that do not exist: {holds:?}");
    }

    /// 13: a client id names one order of its account, open or in the ring.
    fn check_ids(&self) {
        let mut seen = BTreeSet::new();
        let open = self.orders.values().map(|order| (order.account, order.client_id));
        let over = self.ring.entries.iter().map(|entry| (entry.account, entry.client_id));
        for id in open.chain(over) {
            assert!(seen.insert(id), "13: account and client id {id:?} twice");
        }
    }

    /// The ring's bounds (EVENTS "dedupe").
    fn check_ring(&self) {
        assert!(self.ring.entries.len() <= self.ring.capacity, "ring: too many entries");
        for &account in self.accounts.keys() {
            assert!(
                self.ring.count_of(account) <= self.ring.share(),
                "ring: account {account} has more than its share"
            );
        }
    }
}
