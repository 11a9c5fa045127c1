//! Perpetual futures: events 18 to 27 in rows.
//!
//! ```text
//! POSITION, BALANCE(futures), MARK, FUNDED, CONFIG ──► the newest row of each key
//! MARK, FUNDED, FUNDING, TAKEOVER, ADL, REALIZED   ──► one row each, appended
//! LIQUIDATION ──► a stage, and the row of its order;  FUND(FEE) ──► the fee of the last stage
//! FUND, and whatever moves INSURANCE's wallet ──► `insurance_fund` (`super::fund`)
//! ```
//!
//! Invariants:
//! 1. `(sequence, item)` is the event's place in the journal, whatever the batches are.
//! 2. One bucket is liquidated at a time and nothing comes between a stage and its fee (PERPETUAL "work loop"), so the last
//!    stage is all that must be known of the past.

use super::Projector;
use super::fund::Moved;
use crate::command::Command;
use crate::order_row::OrderRow;
use crate::perpetual_row::PerpetualRow;
use crate::rows::{Stamp, code};
use crate::schema::{
    ADL, FUNDING_PAYMENTS, FUNDING_ROUNDS, LIQUIDATIONS, MARK_PRICES, POSITION_LIMITS, REALIZED, TAKEOVERS, Table,
};
use crate::value::{Value, day};
use ringbook_event::{Event, Fund, Liquidation};
use ringbook_wire::message::{SetPerpetual, SetPositionLimit};
use ringbook_wire::{AccountId, FundReason, MarginMode};

/// Where an event stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) stamp: Stamp,
    pub(super) time_ns: u64,
    /// Its number in the frame, from 0.
    pub(super) item: i64,
}

impl Place {
    /// The key of a history row: sequence, day, item.
    pub(super) fn key(&self) -> [Value; 3] {
        [self.stamp.sequence.into(), day(self.time_ns).into(), self.item.into()]
    }
}

fn mode(code_of: u8) -> Value {
    code(MarginMode::from_code(code_of).map(MarginMode::name))
}

impl Projector {
    /// A row of a history table: its key, its own columns, the time.
    pub(super) fn append<const N: usize>(&mut self, table: &'static Table, at: Place, columns: [Value; N]) {
        let rows = self.batch.histories.entry(table.name).or_default();
        rows.extend(at.key().into_iter().take(table.key));
        rows.extend(columns);
        rows.push(at.stamp.time_ns.into());
        debug_assert_eq!(rows.len() % table.columns.len(), 0, "{}", table.name);
        self.batch.appended += 1;
    }

    pub(super) fn futures_event(&mut self, event: &Event, command: &Command, at: Place) {
        match event {
            Event::Position(e) => {
                let row = [
                    mode(e.header.a),
                    e.leverage.into(),
                    e.quantity.0.into(),
                    e.cost.0.into(),
                    e.margin.0.into(),
                    at.stamp.sequence.into(),
                    at.stamp.time_ns.into(),
                ];
                self.batch.positions.insert((e.header.subject, e.symbol.0), row);
            }
            Event::Mark(e) => {
                let accepted = ["WITHIN", "FORCED", "CONFIRMED"].get(usize::from(e.header.b)).copied();
                let feed = i64::try_from(e.feed_time.0).unwrap_or(i64::MAX);
                let row = [e.header.subject.into(), e.price.0.into(), code(accepted), feed.into()];
                self.append(&MARK_PRICES, at, row);
                self.change_perpetual(e.header.subject, |row| row.mark(e, at.stamp));
            }
            Event::Funded(e) => {
                let asked = if let Command::Funding(c) = command { Some(c.rate.0) } else { None };
                let row = [e.header.subject.into(), e.index.into(), e.rate.0.into(), asked.into(), e.mark.0.into()];
                self.append(&FUNDING_ROUNDS, at, row);
                self.change_perpetual(e.header.subject, |row| row.funded(e, at.stamp));
            }
            Event::Funding(e) => {
                let (account, symbol) = (e.header.subject, e.symbol.0);
                let index = self.perpetuals.get(&symbol).map_or(0, |row| row.index);
                let row = [
                    account.into(),
                    symbol.into(),
                    index.into(),
                    mode(e.header.a),
                    e.quantity.0.into(),
                    e.payment.0.into(),
                ];
                self.append(&FUNDING_PAYMENTS, at, row);
                self.fund_moved(account, symbol, Moved::Funding(e.payment.0), at);
            }
            Event::Liquidation(e) => self.liquidation(e, at),
            Event::Takeover(e) => {
                let row = [
                    e.header.subject.into(),
                    e.symbol.0.into(),
                    mode(e.header.a),
                    e.quantity.0.into(),
                    e.price.0.into(),
                    e.pnl.0.into(),
                    e.fund.0.into(),
                ];
                self.append(&TAKEOVERS, at, row);
            }
            Event::Adl(e) => {
                let row = [
                    e.header.subject.into(),
                    e.symbol.0.into(),
                    e.of.0.into(),
                    mode(e.header.a),
                    e.quantity.0.into(),
                    e.price.0.into(),
                    e.pnl.0.into(),
                ];
                self.append(&ADL, at, row);
            }
            Event::Fund(e) => self.fund(e, at),
            Event::Realized(e) => {
                let role = ["", "TAKER", "MAKER", "UNCROSS", "SETTLEMENT"].get(usize::from(e.header.a)).copied();
                let some = |id: u64| (id != 0).then_some(id);
                let (account, symbol) = (e.header.subject, e.symbol.0);
                let row = [
                    account.into(),
                    symbol.into(),
                    code(role),
                    some(e.trade.0).into(),
                    some(e.order.0).into(),
                    e.quantity.0.into(),
                    e.pnl.0.into(),
                ];
                self.append(&REALIZED, at, row);
                self.fund_moved(account, symbol, Moved::Realized(e.pnl.0), at);
            }
            Event::Settled(e) => self.change_perpetual(e.header.subject, |row| row.settled(e.price.0, at.stamp)),
            _ => {}
        }
    }

    /// Changes a perpetual's row, which there is since its SET_PERPETUAL.
    fn change_perpetual(&mut self, symbol: u32, change: impl FnOnce(&mut PerpetualRow)) {
        if let Some(row) = self.perpetuals.get_mut(&symbol) {
            change(row);
            self.batch.perpetuals.insert(symbol);
        }
    }

    pub(super) fn set_perpetual(&mut self, c: &SetPerpetual, stamp: Stamp) {
        let row = PerpetualRow::set(c, self.perpetuals.get(&c.symbol.0), stamp);
        self.perpetuals.insert(c.symbol.0, row);
        self.batch.perpetuals.insert(c.symbol.0);
    }

    /// The engine itself changed a perpetual: reduce-only mode is on.
    pub(super) fn only_reduces(&mut self, symbol: u32, stamp: Stamp) {
        self.change_perpetual(symbol, |row| row.only_reduces(stamp));
    }

    pub(super) fn set_position_limit(&mut self, c: &SetPositionLimit, stamp: Stamp) {
        let key = (c.account.0, c.symbol.0);
        let times = [stamp.sequence.into(), stamp.time_ns.into()];
        let mut row = vec![key.0.into(), key.1.into(), c.limit.0.into()];
        row.extend(times.clone());
        row.extend(times);
        if let Some(before) = self.batch.limits.get(&key) {
            super::keep_columns(&POSITION_LIMITS, before, &mut row);
        }
        self.batch.limits.insert(key, row);
    }

    fn liquidation(&mut self, e: &Liquidation, at: Place) {
        if e.order.0 != 0 {
            let order = e.order.0 as i64;
            self.orders.insert(order, OrderRow::of_liquidation(order, e, at.stamp));
            self.batch.orders.insert(order);
        }
        let mut row = at.key().to_vec();
        row.extend([
            e.header.subject.into(),
            e.symbol.0.into(),
            mode(e.header.a),
            u32::from(e.header.b).into(),
            (e.order.0 != 0).then_some(e.order.0).into(),
            e.quantity.0.into(),
            e.position.0.into(),
            (e.price.0 != 0).then_some(e.price.0).into(),
            e.bankruptcy.0.into(),
            e.mark.0.into(),
            e.equity.0.into(),
            0i64.into(),
            at.stamp.time_ns.into(),
            at.stamp.sequence.into(),
            at.stamp.time_ns.into(),
        ]);
        self.put_stage(row);
    }

    /// Keeps the last stage, and writes it.
    fn put_stage(&mut self, row: Vec<Value>) {
        let key = (row[0].as_i64().unwrap_or(0), row[2].as_i64().unwrap_or(0));
        self.batch.stages.insert(key, row.clone());
        self.stage = Some(row);
    }

    fn fund(&mut self, e: &Fund, at: Place) {
        let (account, symbol) = (e.header.subject, e.symbol.0);
        let reason = FundReason::from_code(e.header.a);
        if reason == Some(FundReason::Fee)
            && let Some(mut row) = self.stage.take()
        {
            let set = |row: &mut Vec<Value>, name: &str, value: i64| {
                if let Some(place) = LIQUIDATIONS.column(name) {
                    row[place] = value.into();
                }
            };
            set(&mut row, "fee", e.amount.0);
            set(&mut row, "sequence", at.stamp.sequence);
            set(&mut row, "updated_ns", at.stamp.time_ns);
            self.put_stage(row);
        }
        let whose = (AccountId(account) != AccountId::INSURANCE).then_some(account);
        let reason = reason.map_or("", FundReason::name);
        self.fund_row(e.asset.0, reason, whose, Some(symbol), e.amount.0, e.quantity.0, at);
    }
}
