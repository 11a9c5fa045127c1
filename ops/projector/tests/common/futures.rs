//! The slow way for perpetuals: the tables' rows written down from docs/PROJECTION.md, event by event, without the fold's code.

use super::Dump;
use ringbook_event::{Event, events, split_command};
use ringbook_projector::{OwnedFrame, Value};
use ringbook_wire::message::{Funding, Message, SetPerpetual, SetPositionLimit};
use std::collections::{BTreeMap, HashMap};

fn v(x: impl Into<Value>) -> Value {
    x.into()
}

fn n(text: &'static str) -> Value {
    Value::name(text)
}

fn mode(code: u8) -> Value {
    n(["", "CROSS", "ISOLATED"][usize::from(code)])
}

fn some(id: u64) -> Value {
    if id == 0 { Value::Null } else { v(id) }
}

/// Days since 1970 as YYYYMMDD, by counting.
fn day(ns: u64) -> i64 {
    let (mut left, mut year) = ((ns / 86_400_000_000_000) as i64, 1970);
    let leap = |y: i64| i64::from(y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
    while left >= 365 + leap(year) {
        left -= 365 + leap(year);
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    year * 10_000 + month * 100 + left + 1
}

/// A perpetual as it goes.
#[derive(Clone, Default)]
struct Perpetual {
    terms: Vec<Value>,
    tail: Vec<Value>,
    asset: u32,
    interval: i64,
    due: i64,
    index: u64,
    rate: Option<i64>,
    mark: Option<(i64, u64, i64)>,
    reduce_only: bool,
    settled: Option<i64>,
    created: (i64, i64),
}

#[derive(Default)]
struct Slow {
    keyed: BTreeMap<(&'static str, i64, i64), Vec<Value>>,
    out: Dump,
    perpetuals: BTreeMap<u32, Perpetual>,
    fund: HashMap<u32, i64>,
}

/// What the tables of perpetuals hold after these frames.
pub fn dump(frames: &[OwnedFrame]) -> Dump {
    let mut slow = Slow::default();
    for frame in frames {
        slow.frame(frame);
    }
    let mut out = slow.out;
    for ((table, ..), row) in slow.keyed {
        out.entry(table).or_default().push(row);
    }
    for (symbol, p) in slow.perpetuals {
        let mark = |i: usize| p.mark.map_or(Value::Null, |m| [v(m.0), v(m.1), v(m.2)][i].clone());
        let mut row = vec![v(symbol)];
        row.extend(p.terms);
        row.extend([v(p.reduce_only), mark(0), mark(1), mark(2), v(p.index), v(p.rate), v(p.due), v(p.settled)]);
        row.extend([v(p.created.0), v(p.created.1)]);
        row.extend(p.tail);
        out.entry("perpetuals").or_default().push(row);
    }
    out
}

impl Slow {
    fn frame(&mut self, frame: &OwnedFrame) {
        let message = if frame.command.is_empty() { &[][..] } else { split_command(&frame.command).unwrap().2 };
        let (seq, ns) = (frame.sequence as i64, frame.time_ns as i64);
        let all: Vec<Event> = events(&frame.events).map(|event| event.unwrap()).collect();
        let mut told: BTreeMap<u32, i64> = BTreeMap::new();
        let mut total: BTreeMap<u32, i64> = BTreeMap::new();
        let mut rows: Vec<(usize, u32, Vec<Value>, i64, i64)> = Vec::new();
        for (item, event) in all.iter().enumerate() {
            let key = || vec![v(seq), v(day(frame.time_ns)), v(item as i64)];
            let two = || vec![v(seq), v(day(frame.time_ns))];
            let mut add = |table: &'static str, mut row: Vec<Value>, rest: Vec<Value>| {
                row.extend(rest);
                row.push(v(ns));
                self.out.entry(table).or_default().push(row);
            };
            let mut fund = |asset: u32, reason: &'static str, who: Value, symbol: Value, amount: i64, lots: i64| {
                rows.push((item, asset, vec![n(reason), who, symbol], amount, lots));
            };
            let of = |symbol: u32| self.perpetuals.get(&symbol).map_or(0, |p| p.asset);
            match event {
                Event::Balance(e) if e.header.a == 2 => {
                    let row = vec![v(e.header.subject), v(e.asset.0), v(e.available.0), v(seq), v(ns)];
                    self.keyed.insert(("margin_wallets", e.header.subject.into(), e.asset.0.into()), row);
                    if e.header.subject == 2 {
                        told.insert(e.asset.0, e.available.0);
                    }
                }
                Event::Position(e) => {
                    let mut row = vec![v(e.header.subject), v(e.symbol.0), mode(e.header.a), v(e.leverage)];
                    row.extend([v(e.quantity.0), v(e.cost.0), v(e.margin.0), v(seq), v(ns)]);
                    self.keyed.insert(("positions", e.header.subject.into(), e.symbol.0.into()), row);
                }
                Event::Mark(e) => {
                    let how = ["WITHIN", "FORCED", "CONFIRMED"][usize::from(e.header.b)];
                    add("mark_prices", two(), vec![v(e.header.subject), v(e.price.0), n(how), v(e.feed_time.0)]);
                    let p = self.perpetuals.get_mut(&e.header.subject).unwrap();
                    (p.mark, p.tail) = (Some((e.price.0, e.feed_time.0, ns)), vec![v(seq), v(ns)]);
                }
                Event::Funded(e) => {
                    let asked = Funding::read(message).map(|c| c.rate.0);
                    let row = vec![v(e.header.subject), v(e.index), v(e.rate.0), v(asked), v(e.mark.0)];
                    add("funding_rounds", two(), row);
                    let p = self.perpetuals.get_mut(&e.header.subject).unwrap();
                    p.due += p.interval;
                    (p.index, p.rate, p.tail) = (e.index, Some(e.rate.0), vec![v(seq), v(ns)]);
                }
                Event::Funding(e) => {
                    let index = self.perpetuals[&e.symbol.0].index;
                    let row = [v(index), mode(e.header.a), v(e.quantity.0), v(e.payment.0)];
                    add("funding_payments", key(), [vec![v(e.header.subject), v(e.symbol.0)], row.to_vec()].concat());
                    if e.header.subject == 2 {
                        fund(of(e.symbol.0), "FUNDING", Value::Null, v(e.symbol.0), -e.payment.0, 0);
                    }
                }
                Event::Liquidation(e) => {
                    let mut row = key();
                    row.extend([v(e.header.subject), v(e.symbol.0), mode(e.header.a), v(u32::from(e.header.b))]);
                    row.extend([some(e.order.0), v(e.quantity.0), v(e.position.0), some(e.price.0 as u64)]);
                    row.extend([v(e.bankruptcy.0), v(e.mark.0), v(e.equity.0), v(0i64), v(ns), v(seq), v(ns)]);
                    self.keyed.insert(("liquidations", seq, item as i64), row);
                }
                Event::Takeover(e) => {
                    let row = [mode(e.header.a), v(e.quantity.0), v(e.price.0), v(e.pnl.0), v(e.fund.0)];
                    add("takeovers", key(), [vec![v(e.header.subject), v(e.symbol.0)], row.to_vec()].concat());
                }
                Event::Adl(e) => {
                    let row = [v(e.of.0), mode(e.header.a), v(e.quantity.0), v(e.price.0), v(e.pnl.0)];
                    add("adl", key(), [vec![v(e.header.subject), v(e.symbol.0)], row.to_vec()].concat());
                }
                Event::Realized(e) => {
                    let role = ["", "TAKER", "MAKER", "UNCROSS", "SETTLEMENT"][usize::from(e.header.a)];
                    let row = [n(role), some(e.trade.0), some(e.order.0), v(e.quantity.0), v(e.pnl.0)];
                    add("realized", key(), [vec![v(e.header.subject), v(e.symbol.0)], row.to_vec()].concat());
                    if e.header.subject == 2 && e.pnl.0 != 0 {
                        fund(of(e.symbol.0), "REALIZED", Value::Null, v(e.symbol.0), e.pnl.0, 0);
                    }
                }
                Event::Fund(e) => {
                    let reason = ["", "FEE", "RESIDUAL", "DEFICIT", "UNCOVERED"][usize::from(e.header.a)];
                    let who = if e.header.subject == 2 { Value::Null } else { v(e.header.subject) };
                    fund(e.asset.0, reason, who, v(e.symbol.0), e.amount.0, e.quantity.0);
                    if reason == "FEE" {
                        // The stage that began last.
                        let last = self.keyed.iter_mut().rfind(|(key, _)| key.0 == "liquidations").unwrap().1;
                        assert_eq!(last[3], v(e.header.subject));
                        (last[14], last[16], last[17]) = (v(e.amount.0), v(seq), v(ns));
                    }
                }
                Event::Trade(e) if of(e.header.subject) != 0 => {
                    let fee = if e.taker_account.0 == 2 { e.taker_fee.0 } else { 0 }
                        + if e.maker_account.0 == 2 { e.maker_fee.0 } else { 0 };
                    if fee != 0 {
                        fund(of(e.header.subject), "TRADE_FEE", Value::Null, v(e.header.subject), -fee, 0);
                    }
                }
                Event::Transfer(e) if e.header.subject == 2 && e.header.b == 0 && matches!(e.header.a, 3 | 4) => {
                    let amount = if e.header.a == 3 { e.amount.0 } else { -e.amount.0 };
                    fund(e.asset.0, "TRANSFER", Value::Null, Value::Null, amount, 0);
                }
                Event::Settled(e) => {
                    let p = self.perpetuals.get_mut(&e.header.subject).unwrap();
                    (p.settled, p.tail) = (Some(e.price.0), vec![v(seq), v(ns)]);
                }
                Event::Config(e) if e.header.b == 1 => {
                    let p = self.perpetuals.get_mut(&e.header.subject).unwrap();
                    (p.reduce_only, p.tail) = (true, vec![v(seq), v(ns)]);
                }
                Event::Config(_) => self.config(message, seq, ns),
                _ => {}
            }
        }
        // Each row with the total after it; what is left to the balance comes last.
        let before = |fund: &HashMap<u32, i64>, asset: u32| fund.get(&asset).copied().unwrap_or(0);
        let mut end = all.len();
        for (_, asset, ..) in &rows {
            total.insert(
                *asset,
                before(&self.fund, *asset) + rows.iter().filter(|r| r.1 == *asset).map(|r| r.3).sum::<i64>(),
            );
        }
        for asset in total.keys().chain(told.keys()).copied().collect::<std::collections::BTreeSet<_>>() {
            let was = before(&self.fund, asset);
            let now = told.get(&asset).copied().unwrap_or(was);
            let sum = total.get(&asset).copied().unwrap_or(was);
            if now != sum {
                rows.push((end, asset, vec![n("POSITION"), Value::Null, Value::Null], now - sum, 0));
                end += 1;
            }
        }
        for (item, asset, middle, amount, lots) in rows {
            let total = self.fund.entry(asset).or_default();
            *total += amount;
            let mut row = vec![v(seq), v(day(frame.time_ns)), v(item as i64), v(asset)];
            row.extend(middle);
            row.extend([v(amount), v(lots), v(*total), v(ns)]);
            self.out.entry("insurance_fund").or_default().push(row);
        }
    }

    fn config(&mut self, message: &[u8], seq: i64, ns: i64) {
        if let Some(c) = SetPositionLimit::read(message) {
            let key = ("position_limits", c.account.0.into(), c.symbol.0.into());
            let created = self.keyed.get(&key).map_or([v(seq), v(ns)], |row| [row[3].clone(), row[4].clone()]);
            let mut row = vec![v(c.account.0), v(c.symbol.0), v(c.limit.0)];
            row.extend(created);
            row.extend([v(seq), v(ns)]);
            self.keyed.insert(key, row);
        } else if let Some(c) = SetPerpetual::read(message) {
            let interval = c.funding_interval as i64;
            let fresh = Perpetual { due: ns + interval, created: (seq, ns), ..Perpetual::default() };
            let p = self.perpetuals.entry(c.symbol.0).or_insert(fresh);
            let tiers = (0..usize::from(c.tiers)).map(|i| {
                let (cap, rate, amount) = (c.tier_cap[i].0, c.tier_rate[i].0, c.tier_amount[i].0);
                format!("{{\"cap\":{cap},\"rate\":{rate},\"amount\":{amount},\"leverage\":{}}}", c.tier_leverage[i])
            });
            let tiers = format!("[{}]", tiers.collect::<Vec<_>>().join(","));
            p.terms = vec![
                v(c.max_position.0),
                v(c.max_leverage),
                v(c.mark_max_age),
                v(c.mark_jump.0),
                v(u32::from(c.mark_confirmations)),
                v(interval),
                v(c.funding_cap.0),
                v(c.liquidation_fee.0),
                v(c.fund_multiple.0),
                v(tiers),
            ];
            (p.asset, p.interval, p.reduce_only, p.tail) =
                (c.quote.0, interval, c.reduce_only == 1, vec![v(seq), v(ns)]);
        }
    }
}
