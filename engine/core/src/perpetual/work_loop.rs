//! The work loop (DOMAIN §5.5): stop orders first, then one unhealthy bucket at a time, then the fund's own ADL.
//!
//! Invariants: inside a bucket, in the FIFO and in chores nothing comes between; between two buckets other commands may. At
//! most one loop waits between buckets; commands that come between leave their touched buckets to it.

use super::liquidation::Progress;
use super::positions::Position;
use super::watch::safe_distance;
use crate::engine::Engine;
use crate::orders::NIL;
use crate::pending::{Task, Work};
use ringbook_event::EventWriter;
use ringbook_wire::{AccountId, AssetId, MarginMode, Price, SymbolId, SymbolStatus};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An account's bucket, in the order in which buckets are looked at: isolated ones by symbol, then cross ones by asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    Isolated(SymbolId),
    Cross(AssetId),
}

/// Touched buckets, lowest first.
pub type Buckets = BinaryHeap<Reverse<(AccountId, Bucket)>>;

/// The fund's own ADL is due for an asset; these symbols were done in this round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundRound {
    pub asset: AssetId,
    pub done: Vec<SymbolId>,
}

/// A bucket's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub positions: u32,
    pub equity: i128,
    pub maintenance: i128,
    /// Every symbol of its positions may be liquidated now.
    pub liquidable: bool,
}

impl Health {
    pub fn is_unhealthy(&self) -> bool {
        self.positions > 0 && self.equity <= self.maintenance
    }
}

impl Engine {
    /// Notes that the bucket of a position must be tested.
    pub(crate) fn touch_position(&mut self, slot: u32) {
        self.rankings.note(slot);
        let position = self.positions.get_mut(slot);
        if position.owner.is_system() {
            return;
        }
        if !position.is_isolated() {
            let (account, asset) = (position.account, position.asset);
            return self.touch_wallet(account, asset);
        }
        if !position.queued {
            position.queued = true;
            let entry = (position.owner, Bucket::Isolated(position.symbol));
            self.touched.push(Reverse(entry));
        }
    }

    /// Notes that a cross bucket must be tested.
    pub(crate) fn touch_wallet(&mut self, account: u32, asset: AssetId) {
        let owner = self.accounts.get(account).id;
        self.note_ranks(account, asset);
        let wallet = self.accounts.futures_mut(account, asset);
        if !owner.is_system() && !wallet.queued {
            wallet.queued = true;
            self.touched.push(Reverse((owner, Bucket::Cross(asset))));
        }
    }

    /// Notes that the ranks of an account's cross positions have changed.
    fn note_ranks(&mut self, account: u32, asset: AssetId) {
        if self.rankings.is_empty() {
            return;
        }
        for open in &self.accounts.get(account).symbols {
            if open.position != NIL {
                let position = self.positions.get(open.position);
                if position.asset == asset && !position.is_isolated() && position.state.quantity != 0 {
                    self.rankings.note(open.position);
                }
            }
        }
    }

    /// Notes every bucket that a mark reaches; the others are surely healthy.
    pub(crate) fn touch_reached(&mut self, symbol: SymbolId) {
        let mut found = core::mem::take(&mut self.scratch);
        found.clear();
        let contract = self.contract(symbol);
        contract.watch.reached(contract.mark, &mut found);
        for &slot in &found {
            self.touch_position(slot);
        }
        self.scratch = found;
    }

    /// Whether a symbol's positions may be liquidated now.
    pub(crate) fn is_liquidable(&self, symbol: SymbolId) -> bool {
        matches!(self.effective_status(symbol), SymbolStatus::Trading | SymbolStatus::CancelOnly)
            && self.contract(symbol).is_fresh(self.time)
    }

    /// The positions of a bucket, ascending by symbol.
    pub(crate) fn positions_of(&self, account: u32, bucket: Bucket) -> impl Iterator<Item = u32> {
        self.accounts.get(account).symbols.iter().filter_map(move |open| {
            let slot = Some(open.position).filter(|&slot| slot != NIL)?;
            let position = self.positions.get(slot);
            let belongs = match bucket {
                Bucket::Isolated(symbol) => position.symbol == symbol && position.is_isolated(),
                Bucket::Cross(asset) => position.asset == asset && !position.is_isolated(),
            };
            (belongs && position.state.quantity != 0).then_some(slot)
        })
    }

    /// Health of a bucket at the marks of the moment.
    pub(crate) fn health(&self, account: u32, bucket: Bucket) -> Health {
        let mut equity = match bucket {
            Bucket::Cross(asset) => i128::from(self.accounts.futures(account, asset).0),
            Bucket::Isolated(symbol) => {
                let position = self.accounts.position(account, symbol);
                position.map_or(0, |slot| i128::from(self.positions.get(slot).state.margin.0))
            }
        };
        let (mut positions, mut maintenance, mut liquidable) = (0, 0, true);
        for slot in self.positions_of(account, bucket) {
            let position = self.positions.get(slot);
            let (contract, k) = (self.contract(position.symbol), self.symbols.at(position.symbol).terms.k);
            positions += 1;
            equity += super::margin::unrealized(position, contract.mark, k);
            maintenance += contract.terms.maintenance(super::margin::value_of(position, contract.mark, k));
            liquidable &= self.is_liquidable(position.symbol);
        }
        Health { positions, equity, maintenance, liquidable }
    }

    /// Does what is left to do, as far as events and the fairness to other commands allow; the rest is pending work.
    pub(crate) fn work_loop(&mut self, out: &mut EventWriter<'_>) {
        let mut looks = self.settings.max_event_bytes as usize / 64;
        loop {
            if !self.do_chores(out) {
                return self.leave_loop(false);
            }
            if self.liquidation.is_some() {
                match self.liquidate_step(out) {
                    Progress::Made => continue,
                    Progress::Full => return self.leave_loop(false),
                    Progress::Pending => return,
                }
            }
            if let Some(&slot) = self.fired.front() {
                if !self.has_room(out) {
                    return self.leave_loop(false);
                }
                self.fired.pop_front();
                if !self.run_stop(slot, out) {
                    return;
                }
                continue;
            }
            if self.touched.is_empty() && self.fund_rounds.is_empty() {
                return;
            }
            // Another command's loop waits between two buckets: what is touched now is its.
            if self.work.iter().any(|work| matches!(work.task, Task::Loop { between: true })) {
                return;
            }
            if out.len() > self.settings.max_event_bytes as usize / 4 || looks == 0 {
                return self.leave_loop(true);
            }
            looks -= 1;
            if self.touched.is_empty() {
                self.begin_fund_round();
            } else {
                self.test_next();
            }
        }
    }

    fn leave_loop(&mut self, between: bool) {
        let work = Work { cause: self.cause, task: Task::Loop { between } };
        if between {
            self.work.push_back(work);
        } else {
            self.work.push_front(work);
        }
    }

    /// Tests the first touched bucket; an unhealthy one begins to be liquidated.
    fn test_next(&mut self) {
        let Some(Reverse((owner, bucket))) = self.touched.pop() else { return };
        let account = self.accounts.find(owner).expect("a touched bucket is an account's");
        match bucket {
            Bucket::Cross(asset) => self.accounts.futures_mut(account, asset).queued = false,
            Bucket::Isolated(symbol) => {
                let slot = self.accounts.position(account, symbol).expect("a touched position exists");
                self.positions.get_mut(slot).queued = false;
            }
        }
        let health = self.health(account, bucket);
        self.watch_bucket(account, bucket, &health);
        if health.is_unhealthy() && health.liquidable {
            self.begin_liquidation(account, bucket);
        }
    }

    /// Sets up to which marks a bucket is surely healthy.
    fn watch_bucket(&mut self, account: u32, bucket: Bucket, health: &Health) {
        let slack = health.equity - health.maintenance;
        for at in 0..self.accounts.get(account).symbols.len() {
            let slot = self.accounts.get(account).symbols[at].position;
            if slot == NIL {
                continue;
            }
            let Position { symbol, asset, state, .. } = *self.positions.get(slot);
            let belongs = match bucket {
                Bucket::Isolated(of) => symbol == of && state.mode == MarginMode::Isolated,
                Bucket::Cross(of) => asset == of && state.mode == MarginMode::Cross,
            };
            if !belongs {
                continue;
            }
            let mut price = None;
            if slack > 0 && state.quantity != 0 {
                let k = self.symbols.at(symbol).terms.k;
                let contract = self.contract(symbol);
                let rate = contract.terms.tiers().last().expect("at least one tier").rate.0;
                let far = safe_distance(slack / i128::from(health.positions), state.quantity, k, rate);
                let mark = contract.mark.0;
                // One tick beyond what is surely healthy.
                price = Some(Price(match state.quantity > 0 {
                    true => mark.saturating_sub(far).saturating_sub(1),
                    false => mark.saturating_add(far).saturating_add(1),
                }));
            }
            let mut watch = core::mem::take(&mut self.contract_mut(symbol).watch);
            watch.set(&mut self.positions, slot, state.quantity, price);
            self.contract_mut(symbol).watch = watch;
        }
    }
}
