//! Liquidation of one bucket in stages (DOMAIN §6.5, §6.6 steps 1–4; PERPETUAL "liquidation of a bucket").
//!
//! Invariants: the bucket has no orders of its own from the beginning on; it ends healthy or without a position.

use super::state::Position;
use super::work::Bucket;
use crate::Oracle;
use crate::money::{R, band_limit, narrow, value};
use crate::state::Order;
use ringbook_event::{Liquidation, Record};
use ringbook_wire::{
    Amount, EndReason, FundReason, OrderId, OrderState, OrderType, Price, Qty, Side, StpMode, SymbolId, SymbolStatus,
    TimeInForce, TriggerSource, div_ceil, div_floor,
};

/// How a stage's order ended.
struct Stage {
    /// All its lots were filled.
    is_filled: bool,
    /// Value of its fills.
    cost: i128,
}

impl Oracle {
    /// Liquidates a bucket until it is healthy or flat.
    pub(crate) fn liquidate(&mut self, bucket: Bucket) {
        self.liquidating = Some(bucket.account);
        self.end_orders_of(bucket);
        let mut last = 0;
        while self.is_unhealthy(bucket) {
            last = self.choose_position(bucket);
            self.liquidate_position(bucket, last);
        }
        self.liquidating = None;
        self.cover_deficit(bucket.account, last);
    }

    /// Step 1: by (symbol, order id), waiting ones included.
    fn end_orders_of(&mut self, bucket: Bucket) {
        let is_of = |order: &&Order| {
            order.account == bucket.account
                && match bucket.asset {
                    Some(asset) => self.perpetuals_in(asset).contains(&order.symbol),
                    None => order.symbol == bucket.symbol,
                }
        };
        let mut ids: Vec<(u32, u64)> =
            self.orders.values().filter(is_of).map(|order| (order.symbol, order.id)).collect();
        ids.sort_unstable();
        for (_, id) in ids {
            self.expire(id, EndReason::Liquidation);
        }
    }

    /// Step 2: with E > 0 the largest MM, else the lowest UPNL; ties the lower symbol.
    fn choose_position(&self, bucket: Bucket) -> u32 {
        let positions = self.bucket_positions(bucket);
        let has_equity = self.bucket_equity(bucket) > 0;
        let rank = |(symbol, position): &(u32, Position)| {
            let weight = if has_equity {
                -self.maintenance_margin(*symbol, position)
            } else {
                self.unrealized(*symbol, position)
            };
            (weight, *symbol)
        };
        positions.iter().min_by_key(|position| rank(position)).expect("an unhealthy bucket has a position").0
    }

    /// Stages of one position, until it is flat or taken over or the bucket is healthy.
    fn liquidate_position(&mut self, bucket: Bucket, symbol: u32) {
        loop {
            let stage = self.run_stage(bucket, symbol);
            self.take_fee(bucket, symbol, stage.cost);
            self.release_flat_margin(bucket);
            let is_flat = self.position(bucket.account, symbol).quantity == 0;
            if is_flat || !self.is_unhealthy(bucket) {
                return;
            }
            if !stage.is_filled {
                self.take_over(bucket, symbol);
                return;
            }
        }
    }

    /// The price at which closing the position leaves nothing of the bucket.
    pub(crate) fn bankruptcy_price(&self, bucket: Bucket, id: u32) -> i128 {
        let position = self.position(bucket.account, id);
        // W + ΣUPNL of the others, or M.
        let backing = self.bucket_equity(bucket) - self.unrealized(id, &position);
        let lot = position.quantity.abs() * self.symbols[&id].quote_per_tick_lot;
        let price = if position.quantity > 0 {
            div_ceil(position.cost - backing, lot)
        } else {
            div_floor(position.cost.abs() + backing, lot)
        };
        price.max(1)
    }

    /// LIQUIDATION, and its order where the symbol trades.
    fn run_stage(&mut self, bucket: Bucket, id: u32) -> Stage {
        let position = self.position(bucket.account, id);
        let mark = self.mark_of(id);
        let terms = self.terms_of(id);
        let (tier, _) = terms.tier(self.notional(id, &position));
        let target = match tier {
            0 => 0,
            _ => div_floor(terms.tiers[tier - 1].cap, value(&self.symbols[&id], mark, 1)),
        };
        let lots = position.quantity.abs() - target;
        let bankruptcy = self.bankruptcy_price(bucket, id);
        let side = if position.quantity > 0 { Side::Sell } else { Side::Buy };
        let trades = self.effective_status(id) == SymbolStatus::Trading;
        let limit = match (band_limit(&self.symbols[&id], side), side) {
            (None, _) => bankruptcy,
            (Some(band), Side::Sell) => bankruptcy.max(band),
            (Some(band), Side::Buy) => bankruptcy.min(band),
        };
        let order = if trades { self.liquidation_order(bucket.account, id, side, limit, lots) } else { 0 };
        self.events.push(
            Liquidation {
                header: Liquidation::header(position.mode.code(), tier as u8 + 1, bucket.account),
                symbol: SymbolId(id),
                reserved: 0,
                order: OrderId(order),
                quantity: Qty(narrow(lots)),
                position: Qty(narrow(position.quantity)),
                price: Price(if trades { narrow(limit) } else { 0 }),
                bankruptcy: Price(narrow(bankruptcy)),
                mark: Price(narrow(mark)),
                equity: Amount(narrow(self.bucket_equity(bucket))),
            }
            .into(),
        );
        if !trades {
            return Stage { is_filled: false, cost: 0 };
        }
        self.match_taker(order);
        let Order { remaining, cost, .. } = self.orders[&order];
        if remaining == 0 {
            self.end_order(order, OrderState::Filled, None);
        } else {
            self.expire(order, EndReason::Liquidation);
        }
        self.append_triggered(id, TriggerSource::Last);
        Stage { is_filled: remaining == 0, cost }
    }

    /// An IOC order of the exchange for the account: no fee, no STP, no client id.
    fn liquidation_order(&mut self, account: u32, symbol: u32, side: Side, price: i128, lots: i128) -> u64 {
        self.last_order += 1;
        let id = self.last_order;
        let order = Order {
            id,
            sequence: self.sequence,
            account,
            symbol,
            client_id: 0,
            payload: Vec::new(),
            send_time: 0,
            session: 0,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
            expire_at: 0,
            trigger: None,
            by_budget: false,
            stp: StpMode::None,
            post_only: false,
            cancel_on_disconnect: false,
            reduce_only: false,
            close_position: false,
            display: 0,
            price,
            taker: 0,
            maker: 0,
            orig: lots,
            filled: 0,
            prevented: 0,
            cut: 0,
            remaining: lots,
            shown: 0,
            cost: 0,
            fee: 0,
            carry: 0,
            hold: 0,
            margin_price: 0,
            loss_per_lot: 0,
            queue: None,
        };
        self.orders.insert(id, order);
        id
    }

    /// Step 3.
    fn take_fee(&mut self, bucket: Bucket, symbol: u32, cost: i128) {
        let full = div_ceil(cost * self.terms_of(symbol).liquidation_fee, R);
        let fee = full.min(self.bucket_equity(bucket).max(0));
        if fee == 0 {
            return;
        }
        self.pay_bucket(bucket, -fee);
        self.pay_fund(FundReason::Fee, bucket.account, symbol, fee);
    }

    /// W or M of a bucket.
    fn pay_bucket(&mut self, bucket: Bucket, amount: i128) {
        match bucket.asset {
            Some(asset) => self.pay_futures(bucket.account, asset, amount),
            None => {
                let mut position = self.position(bucket.account, bucket.symbol);
                position.margin += amount;
                self.positions.insert((bucket.account, bucket.symbol), position);
            }
        }
    }

    /// What is left of a flat isolated position goes back to the futures wallet.
    fn release_flat_margin(&mut self, bucket: Bucket) {
        if bucket.asset.is_some() {
            return;
        }
        let position = self.position(bucket.account, bucket.symbol);
        if position.quantity == 0 && position.margin != 0 {
            self.pay_bucket(bucket, -position.margin);
            self.pay_futures(bucket.account, self.symbols[&bucket.symbol].quote, position.margin);
            self.touched.insert(Bucket::cross(bucket.account, self.symbols[&bucket.symbol].quote));
        }
    }

    /// What is left of a bucket without positions goes to the fund, or is paid by it: FUND(RESIDUAL).
    pub(crate) fn take_residual(&mut self, bucket: Bucket, symbol: u32) {
        let residual = match bucket.asset {
            Some(asset) => self.futures_wallet(bucket.account, asset),
            None => self.position(bucket.account, bucket.symbol).margin,
        };
        if residual != 0 {
            self.pay_bucket(bucket, -residual);
            self.pay_fund(FundReason::Residual, bucket.account, symbol, residual);
        }
    }
}
