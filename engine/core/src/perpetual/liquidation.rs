//! Liquidation of one bucket (DOMAIN §6.6): its orders end, its positions are sold in stages, what cannot be sold is taken over.
//!
//! ```text
//!  Orders ─► Choose ─► Matching ─► Stage ─┬─► Choose (next stage or position)
//!              ▲                          ├─► done: healthy, or nothing left
//!              └────────── Cover ◄────────┘    takeover: the fund, then auto-deleveraging (takeover.rs)
//! ```
//!
//! Invariants: one bucket at a time, and nothing comes between its steps but parts of the same work; each step fits the events
//! of a part; when it is done the bucket is healthy or has no position.

use super::contract::share_ceil;
use super::margin::{unrealized, value_of};
use super::positions::Position;
use super::work_loop::Bucket;
use crate::engine::Engine;
use crate::orders::{NIL, Order};
use ringbook_event::{EventWriter, Liquidation as LiquidationEvent, Record};
use ringbook_wire::{
    Amount, EndReason, FundReason, OrderId, Price, Qty, RATE_ONE, Side, SymbolId, SymbolStatus, div_ceil, div_floor,
};

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its orders end.
    Orders,
    /// A position and a stage are chosen.
    Choose,
    /// The stage's order matches; it is a pending taker.
    Matching,
    /// The order has ended: the value that it traded, and whether nothing was left of it.
    Stage { value: i128, full: bool },
    /// Lots closed at a price look for someone who takes them: candidates by rank, the next one last.
    Cover { symbol: SymbolId, side: Side, price: Price, rest: i64, candidates: Vec<u32> },
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Made,
    /// The events are full.
    Full,
    /// The stage's order is a pending taker, behind which the loop goes on.
    Pending,
}

/// A bucket that is being liquidated; with INSURANCE's, the fund's own ADL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liquidation {
    /// Slot of the account.
    pub account: u32,
    pub bucket: Bucket,
    /// Perpetual of the position that is being closed; 0: none is chosen.
    pub symbol: SymbolId,
    pub step: Step,
}

impl Engine {
    pub(crate) fn begin_liquidation(&mut self, account: u32, bucket: Bucket) {
        self.liquidation = Some(Liquidation { account, bucket, symbol: SymbolId(0), step: Step::Orders });
    }

    /// The next step.
    pub(crate) fn liquidate_step(&mut self, out: &mut EventWriter<'_>) -> Progress {
        if !self.has_room(out) {
            return Progress::Full;
        }
        let Liquidation { account, bucket, symbol, step } = self.liquidation.as_mut().expect("asked before");
        let (account, bucket, symbol) = (*account, *bucket, *symbol);
        match core::mem::replace(step, Step::Choose) {
            Step::Orders => {
                if let Some(order) = self.first_order_of(account, bucket) {
                    self.take_out(order);
                    self.expire(order, EndReason::Liquidation, 0, out);
                    self.set_step(Step::Orders);
                }
                Progress::Made
            }
            Step::Choose => self.begin_stage(account, bucket, symbol, out),
            Step::Matching => unreachable!("a stage's order ends before the next step"),
            Step::Stage { value, full } => {
                self.end_stage(account, bucket, symbol, value, full, out);
                Progress::Made
            }
            Step::Cover { symbol, side, price, rest, candidates } => {
                self.cover(symbol, side, price, rest, candidates, out);
                Progress::Made
            }
        }
    }

    pub(crate) fn set_step(&mut self, step: Step) {
        self.liquidation.as_mut().expect("a bucket is being liquidated").step = step;
    }

    /// The first order that a bucket's liquidation ends, by symbol and order id.
    fn first_order_of(&self, account: u32, bucket: Bucket) -> Option<u32> {
        let symbols = &self.accounts.get(account).symbols;
        let concerned = symbols.iter().filter(|open| match bucket {
            Bucket::Isolated(symbol) => open.symbol == symbol,
            Bucket::Cross(asset) => self.is_perpetual(open.symbol) && self.symbols.at(open.symbol).terms.quote == asset,
        });
        let mut ids = concerned.map(|open| open.symbol);
        ids.find_map(|symbol| self.first_order_in(account, symbol))
    }

    /// The position that is liquidated next: stays with one until it has no lots left.
    fn choose(&self, account: u32, bucket: Bucket, symbol: SymbolId) -> Option<u32> {
        let equity = self.health(account, bucket).equity;
        let present = self.positions_of(account, bucket).find(|&slot| self.positions.get(slot).symbol == symbol);
        present.or_else(|| {
            self.positions_of(account, bucket).min_by_key(|&slot| {
                let position = self.positions.get(slot);
                let (contract, k) = (self.contract(position.symbol), self.symbols.at(position.symbol).terms.k);
                let rank = match equity > 0 {
                    true => -contract.terms.maintenance(value_of(position, contract.mark, k)),
                    false => unrealized(position, contract.mark, k),
                };
                (rank, position.symbol)
            })
        })
    }

    /// Bankruptcy price of a position: closing all of it there leaves nothing of its bucket (DOMAIN §6.5).
    pub(crate) fn bankruptcy_price(&self, account: u32, bucket: Bucket, position: &Position) -> Price {
        let (contract, k) = (self.contract(position.symbol), self.symbols.at(position.symbol).terms.k);
        let own = unrealized(position, contract.mark, k);
        let others = self.health(account, bucket).equity - own;
        let (quantity, cost) = (i128::from(position.state.quantity), i128::from(position.state.cost.0));
        let lots = quantity.abs() * i128::from(k.0);
        let price = if quantity > 0 { div_ceil(cost - others, lots) } else { div_floor(-cost + others, lots) };
        Price(i64::try_from(price.max(1)).unwrap_or(i64::MAX))
    }

    /// LIQUIDATION, and the order of the stage.
    fn begin_stage(&mut self, account: u32, bucket: Bucket, symbol: SymbolId, out: &mut EventWriter<'_>) -> Progress {
        let Some(slot) = self.choose(account, bucket, symbol) else {
            self.end_liquidation(out);
            return Progress::Made;
        };
        let position = *self.positions.get(slot);
        let id = position.symbol;
        self.liquidation.as_mut().expect("it is being liquidated").symbol = id;
        let equity = self.health(account, bucket).equity;
        let bankruptcy = self.bankruptcy_price(account, bucket, &position);
        let trades = self.effective_status(id) == SymbolStatus::Trading;
        let (contract, symbol) = (self.contract(id), self.symbols.at(id));
        let (mark, k, band) = (contract.mark, symbol.terms.k, symbol.terms.band.0);
        let tier = contract.terms.tier_of(value_of(&position, mark, k));
        let target = match tier {
            0 => 0,
            tier => i128::from(contract.terms.tiers[tier - 1].cap.0) / (i128::from(mark.0) * i128::from(k.0)),
        };
        let lots = position.state.quantity.abs() - i64::try_from(target).unwrap_or(i64::MAX);
        let side = position.closing_side().expect("a position with lots");
        let one = i128::from(RATE_ONE);
        let edge = match (side, band) {
            (_, 0) => i128::from(bankruptcy.0),
            (Side::Sell, band) => div_ceil(i128::from(mark.0) * (one - i128::from(band)), one),
            (Side::Buy, band) => div_floor(i128::from(mark.0) * (one + i128::from(band)), one),
        };
        let edge = Price(i64::try_from(edge).unwrap_or(i64::MAX));
        let price = if side == Side::Sell { bankruptcy.max(edge) } else { bankruptcy.min(edge) };
        let order = if trades { OrderId(self.next_order) } else { OrderId(0) };
        out.push(&LiquidationEvent {
            header: LiquidationEvent::header(position.state.mode.code(), tier as u8 + 1, position.owner.0),
            symbol: id,
            reserved: 0,
            order,
            quantity: Qty(lots),
            position: Qty(position.state.quantity),
            price: if trades { price } else { Price::ZERO },
            bankruptcy,
            mark,
            equity: Amount(super::contract::fits(equity)),
        });
        if !trades {
            self.set_step(Step::Stage { value: 0, full: false });
            return Progress::Made;
        }
        self.next_order += 1;
        let (remaining, quantity) = (Qty(lots), Qty(lots));
        let stage = Order::of_engine(order, self.sequence);
        let stage = Order { account, symbol: id, side, price, remaining, quantity, ..stage };
        let slot = self.orders.add_reserved(stage);
        self.set_step(Step::Matching);
        if !self.execute(slot, true, out) {
            return Progress::Pending;
        }
        self.fire(id, false);
        Progress::Made
    }

    /// Fee of the stage, and what follows from its result.
    fn end_stage(
        &mut self,
        account: u32,
        bucket: Bucket,
        symbol: SymbolId,
        value: i128,
        full: bool,
        out: &mut EventWriter<'_>,
    ) {
        let rate = self.contract(symbol).terms.liquidation_fee.0;
        let equity = self.health(account, bucket).equity;
        let fee = share_ceil(value, rate).min(equity.max(0));
        if fee != 0 {
            self.take_from_bucket(account, bucket, fee);
            self.pay_fund(account, symbol, FundReason::Fee, fee, 0, out);
        }
        let position = self.accounts.position(account, symbol).expect("it was chosen");
        if let Bucket::Isolated(_) = bucket
            && self.positions.get(position).state.quantity == 0
        {
            self.return_margin(position);
        }
        let health = self.health(account, bucket);
        if !health.is_unhealthy() {
            return self.end_liquidation(out);
        }
        if full || self.positions.get(position).state.quantity == 0 {
            return; // Choose
        }
        self.take_over(account, bucket, position, out);
    }

    /// An isolated position without lots gives its margin back.
    fn return_margin(&mut self, slot: u32) {
        let Position { account, asset, state, .. } = *self.positions.get(slot);
        if state.margin.0 != 0 {
            self.accounts.change_futures(account, asset, state.margin.0);
            self.positions.change(slot).margin = Amount::ZERO;
            self.touch_wallet(account, asset);
        }
    }

    /// Takes money out of a bucket.
    pub(crate) fn take_from_bucket(&mut self, account: u32, bucket: Bucket, amount: i128) {
        let amount = super::contract::fits(amount);
        match bucket {
            Bucket::Cross(asset) => self.accounts.change_futures(account, asset, -amount),
            Bucket::Isolated(symbol) => {
                let slot = self.accounts.position(account, symbol).expect("an isolated bucket is a position's");
                let margin = &mut self.positions.change(slot).margin;
                *margin = crate::money::sub(*margin, Amount(amount));
            }
        }
    }

    /// The bucket is healthy or has no position left.
    pub(crate) fn end_liquidation(&mut self, out: &mut EventWriter<'_>) {
        let Some(Liquidation { account, bucket, symbol, .. }) = self.liquidation.take() else { return };
        if symbol.0 != 0 {
            self.cover_deficit(account, symbol, out);
        }
        // Whatever is left of it is watched again.
        for slot in 0..self.accounts.get(account).symbols.len() {
            let slot = self.accounts.get(account).symbols[slot].position;
            if slot == NIL {
                continue;
            }
            let position = self.positions.get(slot);
            let belongs = match bucket {
                Bucket::Isolated(symbol) => position.symbol == symbol,
                Bucket::Cross(asset) => position.asset == asset && !position.is_isolated(),
            };
            if belongs {
                self.touch_position(slot);
            }
        }
    }
}
