//! A row of `perpetuals`: the terms that SET_PERPETUAL gave, and what marks, fundings and the engine made of it.
//!
//! Invariant: the row is always whole; terms change by SET_PERPETUAL alone, everything else by events.

use crate::rows::Stamp;
use crate::schema::{PERPETUALS, Table};
use crate::value::Value;
use ringbook_event::{Funded, Mark};
use ringbook_wire::message::SetPerpetual;

/// A row of `perpetuals`.
#[derive(Clone, Debug)]
pub struct PerpetualRow {
    values: Vec<Value>,
    /// Time between two fundings.
    interval: i64,
    /// When the next one is due.
    due: i64,
    /// Number of the last one.
    pub(crate) index: u64,
}

impl PerpetualRow {
    /// The row after SET_PERPETUAL; what is no term stays as it was before.
    pub fn set(c: &SetPerpetual, before: Option<&Self>, stamp: Stamp) -> Self {
        let nanoseconds = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
        let interval = nanoseconds(c.funding_interval);
        let due = before.map_or_else(|| stamp.time_ns.saturating_add(interval), |row| row.due);
        let index = before.map_or(0, |row| row.index);
        let stays = |name: &str| before.and_then(|row| row.get(name).cloned()).unwrap_or(Value::Null);
        let created = |name: &str, now: i64| match stays(name) {
            Value::Null => now.into(),
            then => then,
        };
        let values = vec![
            c.symbol.0.into(),
            c.max_position.0.into(),
            c.max_leverage.into(),
            nanoseconds(c.mark_max_age).into(),
            c.mark_jump.0.into(),
            u32::from(c.mark_confirmations).into(),
            interval.into(),
            c.funding_cap.0.into(),
            c.liquidation_fee.0.into(),
            c.fund_multiple.0.into(),
            tiers(c).into(),
            (c.reduce_only != 0).into(),
            stays("mark"),
            stays("mark_feed_ns"),
            stays("mark_ns"),
            index.into(),
            stays("funding_rate"),
            due.into(),
            stays("settlement_price"),
            created("created_sequence", stamp.sequence),
            created("created_ns", stamp.time_ns),
            stamp.sequence.into(),
            stamp.time_ns.into(),
        ];
        Self { values, interval, due, index }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        PERPETUALS.column(name).and_then(|place| self.values.get(place))
    }

    fn put(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(place) = PERPETUALS.column(name) {
            self.values[place] = value.into();
        }
    }

    fn stamp(&mut self, stamp: Stamp) {
        self.put("sequence", stamp.sequence);
        self.put("updated_ns", stamp.time_ns);
    }

    /// A mark was accepted.
    pub fn mark(&mut self, event: &Mark, stamp: Stamp) {
        self.put("mark", event.price.0);
        self.put("mark_feed_ns", i64::try_from(event.feed_time.0).unwrap_or(i64::MAX));
        self.put("mark_ns", stamp.time_ns);
        self.stamp(stamp);
    }

    /// Funding began.
    pub fn funded(&mut self, event: &Funded, stamp: Stamp) {
        self.index = event.index;
        self.due = self.due.saturating_add(self.interval);
        self.put("funding_index", event.index);
        self.put("funding_rate", event.rate.0);
        self.put("funding_due_ns", self.due);
        self.stamp(stamp);
    }

    /// The engine turned reduce-only mode on.
    pub fn only_reduces(&mut self, stamp: Stamp) {
        self.put("reduce_only", true);
        self.stamp(stamp);
    }

    /// It was settled.
    pub fn settled(&mut self, price: i64, stamp: Stamp) {
        self.put("settlement_price", price);
        self.stamp(stamp);
    }

    /// Appends the columns.
    pub fn write(&self, out: &mut Vec<Value>) {
        out.extend(self.values.iter().cloned());
    }

    /// The row in column values; `None` if they are not those of a perpetual.
    pub fn read(row: &[Value]) -> Option<Self> {
        let table: &Table = &PERPETUALS;
        let number = |name: &str| row.get(table.column(name)?)?.as_u64();
        let signed = |name: &str| number(name).and_then(|v| i64::try_from(v).ok());
        Some(Self {
            interval: signed("funding_interval")?,
            due: signed("funding_due_ns")?,
            index: number("funding_index")?,
            values: row.to_vec(),
        })
    }
}

/// The tiers in use, as JSON.
fn tiers(c: &SetPerpetual) -> String {
    let tier = |i: usize| {
        let (cap, rate, amount) = (c.tier_cap[i].0, c.tier_rate[i].0, c.tier_amount[i].0);
        format!(r#"{{"cap":{cap},"rate":{rate},"amount":{amount},"leverage":{}}}"#, c.tier_leverage[i])
    };
    let used = usize::from(c.tiers).min(c.tier_cap.len());
    format!("[{}]", (0..used).map(tier).collect::<Vec<_>>().join(","))
}
