//! The full check of perpetuals by recomputation (DOMAIN §8.5–8.8, §8.12), for tests and the shadow.

use super::liquidation::Step;
use super::positions::OpenSide;
use super::work_loop::Bucket;
use crate::engine::Engine;
use crate::orders::{NIL, Place};
use crate::pending::Task;
use ringbook_wire::{AssetId, MarginMode, Side, SymbolId, order_flags};
use std::collections::BTreeMap;

type Sums = ([OpenSide; 2], [i64; 2], i128);

impl Engine {
    pub(crate) fn check_perpetuals(&self) -> Result<(), String> {
        let quiet = self.chores.is_empty() && self.liquidation.is_none() && self.work.is_empty();
        let settles = self.work.iter().any(|work| matches!(work.task, Task::Settle { .. }));
        let covers = matches!(&self.liquidation, Some(liquidation) if matches!(liquidation.step, Step::Cover { .. }));
        let mut sums: BTreeMap<u32, Sums> = BTreeMap::new();
        for slot in self.orders.slots() {
            let order = self.orders.get(slot);
            let works = matches!(order.place, Place::Book | Place::Working) && order.known != NIL;
            let counts = works && order.remaining.0 > 0 && self.is_perpetual(order.symbol);
            if counts != order.counted {
                return Err(format!("order {}: counted {}, at work {counts}", order.id, order.counted));
            }
            if !counts {
                continue;
            }
            let weight = self.weight(order, order.remaining.0).ok_or("a weight that does not fit")?;
            if weight.reserve != i128::from(order.hold.0) {
                return Err(format!("order {}: reserve {} is not {}", order.id, order.hold, weight.reserve));
            }
            let record = self.accounts.position(order.account, order.symbol).ok_or("an order without a record")?;
            let (open, reduce_only, reserves) = sums.entry(record).or_default();
            let side = order.side.index();
            if order.flags & order_flags::REDUCE_ONLY != 0 {
                reduce_only[side] += order.remaining.0;
                *reserves += weight.reserve;
            } else {
                open[side].lots += order.remaining.0;
                open[side].value += weight.value;
                open[side].reserves += weight.reserve;
            }
        }
        let mut lots: BTreeMap<SymbolId, (i128, i64, [i64; 2])> = BTreeMap::new();
        let mut crosses: BTreeMap<(u32, AssetId), u32> = BTreeMap::new();
        for (slot, position) in self.positions.all().iter().enumerate() {
            let (state, who) = (position.state, (position.owner, position.symbol));
            let (open, reduce_only, reserves) = sums.remove(&(slot as u32)).unwrap_or_default();
            if (open, reduce_only, reserves) != (position.open, position.reduce_only, position.reduce_only_reserves) {
                return Err(format!("{who:?}: its orders do not add up to what is counted"));
            }
            if (state.quantity == 0) != (state.cost.0 == 0) || state.quantity.signum() != state.cost.0.signum() {
                return Err(format!("{who:?}: quantity {} and cost {}", state.quantity, state.cost));
            }
            let idle = state.quantity == 0 && quiet || state.mode == MarginMode::Cross;
            if idle && state.margin.0 != 0 {
                return Err(format!("{who:?}: margin {} without an isolated position", state.margin));
            }
            let (sum, longs, sides) = lots.entry(position.symbol).or_default();
            *sum += i128::from(state.quantity);
            *longs += state.quantity.max(0);
            for side in [Side::Buy, Side::Sell] {
                sides[side.index()] += open[side.index()].lots;
                if quiet && reduce_only[side.index()] > position.closable(side) {
                    return Err(format!("{who:?}: reduce-only {side} orders for more than the position"));
                }
            }
            if state.mode == MarginMode::Cross && state.quantity != 0 {
                *crosses.entry((position.account, position.asset)).or_default() += 1;
            }
        }
        for symbol in self.symbols.all() {
            let Some(contract) = &symbol.contract else { continue };
            let (sum, longs, sides) = lots.remove(&symbol.id).unwrap_or_default();
            if (longs, sides) != (contract.open_interest, contract.open_lots) {
                return Err(format!("symbol {}: open interest or open lots are not those of its positions", symbol.id));
            }
            if sum != 0 && !settles && !covers {
                return Err(format!("symbol {}: positions sum to {sum} lots, not 0", symbol.id));
            }
        }
        for (slot, account) in self.accounts.all().iter().enumerate() {
            for wallet in &account.futures {
                let positions = crosses.remove(&(slot as u32, wallet.asset)).unwrap_or(0);
                if positions != wallet.positions {
                    return Err(format!(
                        "account {}: {positions} cross positions, counted {}",
                        account.id, wallet.positions
                    ));
                }
                if quiet && !account.id.is_system() && positions == 0 && wallet.amount.0 < 0 {
                    return Err(format!("account {}: futures wallet {} without positions", account.id, wallet.amount));
                }
            }
            if quiet && self.touched.is_empty() && !account.id.is_system() {
                self.check_health(slot as u32)?;
            }
        }
        self.check_watch()
    }

    /// No bucket that may be liquidated is unhealthy when nothing is pending — of those that a mark has reached since.
    fn check_health(&self, account: u32) -> Result<(), String> {
        let buckets = self.accounts.get(account).symbols.iter().filter(|open| open.position != NIL).map(|open| {
            let position = self.positions.get(open.position);
            let isolated = position.is_isolated();
            let bucket = if isolated { Bucket::Isolated(position.symbol) } else { Bucket::Cross(position.asset) };
            (open.position, bucket)
        });
        for (slot, bucket) in buckets {
            let health = self.health(account, bucket);
            // Whatever marks make unhealthy, one of them reaches: it is looked at with that symbol's next mark or status.
            if health.is_unhealthy() && !self.positions_of(account, bucket).any(|slot| self.is_reached(slot)) {
                let position = self.positions.get(slot);
                return Err(format!("{:?}: unhealthy, and no mark reaches it", (position.owner, position.symbol)));
            }
        }
        Ok(())
    }

    fn is_reached(&self, slot: u32) -> bool {
        let position = self.positions.get(slot);
        let contract = self.contract(position.symbol);
        let mut reached = Vec::new();
        contract.watch.reached(contract.mark, &mut reached);
        reached.contains(&slot)
    }

    /// Places in the watch are those noted, and positions with lots are watched.
    fn check_watch(&self) -> Result<(), String> {
        for (slot, position) in self.positions.all().iter().enumerate() {
            let queued = position.queued
                || self.accounts.get(position.account).futures.iter().any(|w| w.asset == position.asset && w.queued);
            let watched = position.watched.iter().filter(|&&at| at != super::watch::NOWHERE).count();
            let wanted = usize::from(position.state.quantity != 0 && !position.owner.is_system());
            if watched != wanted && !queued && self.liquidation.is_none() {
                return Err(format!("record {slot}: watched {watched} times instead of {wanted}"));
            }
        }
        Ok(())
    }

    /// Per asset: wallets, margins and spot balances less all costs (DOMAIN §6.9, §8.11).
    pub(crate) fn futures_sums(&self) -> BTreeMap<AssetId, i128> {
        let mut sums: BTreeMap<AssetId, i128> = BTreeMap::new();
        for account in self.accounts.all() {
            for wallet in &account.futures {
                *sums.entry(wallet.asset).or_default() += i128::from(wallet.amount.0);
            }
        }
        for position in self.positions.all() {
            let own = i128::from(position.state.margin.0) - i128::from(position.state.cost.0);
            *sums.entry(position.asset).or_default() += own;
        }
        sums
    }
}
