//! What a connection of the load sends: orders of its accounts, or the market of a perpetual (marks and funding).
//!
//! Invariants: feed times rise; the marks wander within a fifth of where they began; each funding has the next number, and
//! after a refusal no more are sent.

use super::generator::Generator;
use crate::flow::generate::Random;
use ringbook_client::Report;
use ringbook_wire::message::{Funding, Mark, Message, MessageType};
use ringbook_wire::{AccountId, Price, RATE_ONE, Rate, SymbolId, TimestampNs, codec};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// One mark in so many leaps.
const LEAPS: u64 = 20;
/// How far a mark leaps, and how far it steps else, in 1/100,000,000.
const LEAP: (i64, i64) = (1_000_000, 3_000_000);
const STEP: (i64, i64) = (1, 30_000);
/// Largest funding rate.
const FUNDING: i64 = 50_000;

/// What happened in the perpetual, as the connections heard it.
#[derive(Clone, Debug, Default)]
pub struct Happened {
    /// Marks that were accepted.
    pub marks: u64,
    /// Fundings that were accepted.
    pub fundings: u64,
    /// Stages of liquidations.
    pub liquidations: u64,
    /// Positions that were taken over.
    pub takeovers: u64,
    /// Positions that were closed by auto-deleveraging.
    pub adl: u64,
    /// Funding payments.
    pub payments: u64,
    /// Money between accounts and the insurance fund.
    pub fund: u64,
    /// Times that an account got new money.
    pub refills: u64,
    /// Marks and fundings that were refused, by code.
    pub refused: BTreeMap<u16, u64>,
}

impl Happened {
    /// Counts what a mark or a funding was answered with.
    pub fn answered(&mut self, report: &Report, request: &[u8]) {
        if let Report::Rejected(rejected) = report {
            *self.refused.entry(rejected.code).or_default() += 1;
        } else if codec::header(request).kind == MessageType::Mark as u8 {
            self.marks += 1;
        } else {
            self.fundings += 1;
        }
    }

    /// For the summary.
    pub fn json(&self) -> serde_json::Value {
        let refused: BTreeMap<String, u64> =
            self.refused.iter().map(|(code, count)| (code.to_string(), *count)).collect();
        serde_json::json!({
            "marks": self.marks,
            "fundings": self.fundings,
            "liquidations": self.liquidations,
            "takeovers": self.takeovers,
            "adl": self.adl,
            "funding_payments": self.payments,
            "fund_movements": self.fund,
            "refills": self.refills,
            "refused": refused,
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        format!(
            "perpetual: {} marks, {} fundings with {} payments, {} stages of liquidation, {} takeovers, {} closed by \
             auto-deleveraging, {} movements of the insurance fund, {} refills",
            self.marks,
            self.fundings,
            self.payments,
            self.liquidations,
            self.takeovers,
            self.adl,
            self.fund,
            self.refills
        )
    }
}

/// Marks that wander and leap, and funding when it is due.
#[derive(Debug)]
pub struct Market {
    symbol: u32,
    /// The newest mark, around which orders are entered.
    price: Rc<Cell<i64>>,
    began: i64,
    random: Random,
    feed_time: u64,
    /// Number of the last funding, when the next is due, time between them.
    funding: (u64, u64, u64),
}

impl Market {
    /// Of a perpetual whose mark is `price`; `funding`: number of the last one, when the next is due, time between them.
    pub fn new(symbol: u32, price: Rc<Cell<i64>>, seed: u64, funding: (u64, u64, u64)) -> Self {
        let began = price.get();
        Self { symbol, price, began, random: Random::new(seed), feed_time: 0, funding }
    }

    fn next(&mut self, request: u32, now: TimestampNs, out: &mut Vec<u8>) {
        let (last, due, interval) = self.funding;
        if due <= now.0 && self.feed_time > 0 {
            self.funding = (last + 1, due.saturating_add(interval), interval);
            let mut message = Funding::new(request);
            message.symbol = SymbolId(self.symbol);
            message.index = last + 1;
            message.rate = Rate(self.random.range(-FUNDING, FUNDING));
            return codec::write(out, &message);
        }
        let (low, high) = if self.random.below(LEAPS) == 0 { LEAP } else { STEP };
        let mark = self.price.get();
        let way = i128::from(mark) * i128::from(self.random.range(low, high)) / i128::from(RATE_ONE);
        // Beyond a fifth it only comes back.
        let up = match (mark - self.began) * 5 {
            away if away > self.began => false,
            away if away < -self.began => true,
            _ => self.random.below(2) == 0,
        };
        let way = (way as i64).max(1);
        self.price.set((mark + if up { way } else { -way }).max(1));
        self.feed_time = now.0.max(self.feed_time + 1);
        let mut message = Mark::new(request);
        message.symbol = SymbolId(self.symbol);
        message.price = Price(self.price.get());
        message.feed_time = TimestampNs(self.feed_time);
        codec::write(out, &message);
    }

    fn heard(&mut self, report: &Report) {
        if let Report::Rejected(rejected) = report
            && rejected.kind == MessageType::Funding as u8
        {
            self.funding.1 = u64::MAX;
        }
    }
}

/// See the module.
#[derive(Debug)]
pub enum Source {
    /// Orders of accounts.
    Orders(Box<Generator>),
    /// Marks and funding.
    Market(Market),
}

impl Source {
    /// Whether it sends marks and funding, which are not counted as requests of the load.
    pub fn is_market(&self) -> bool {
        matches!(self, Self::Market(_))
    }

    /// Whether its orders are in a perpetual.
    pub fn in_perpetual(&self) -> bool {
        match self {
            Self::Orders(generator) => generator.in_perpetual(),
            Self::Market(_) => true,
        }
    }

    /// Appends the next message to `out`.
    pub fn next(&mut self, request: u32, now: TimestampNs, out: &mut Vec<u8>) {
        match self {
            Self::Orders(generator) => generator.next(request, now, out),
            Self::Market(market) => market.next(request, now, out),
        }
    }

    /// A message was not executed.
    pub fn not_executed(&mut self, message: &[u8]) {
        if let Self::Orders(generator) = self {
            generator.not_executed(message);
        }
    }

    /// Learns from a report, and counts what happened to the accounts of this connection.
    pub fn heard(&mut self, report: &Report, happened: &mut Happened) {
        let generator = match self {
            Self::Orders(generator) => generator,
            Self::Market(market) => return market.heard(report),
        };
        generator.heard(report);
        let count = |account: AccountId, counter: &mut u64| *counter += u64::from(generator.owns(account));
        match report {
            Report::Liquidation(liquidation) => count(liquidation.account, &mut happened.liquidations),
            Report::Takeover(takeover) => count(takeover.account, &mut happened.takeovers),
            Report::Adl(adl) => count(adl.account, &mut happened.adl),
            Report::Funding(funding) => count(funding.account, &mut happened.payments),
            Report::Fund(fund) => count(fund.account, &mut happened.fund),
            Report::Transfer(transfer) if transfer.code == 0 => count(transfer.account, &mut happened.refills),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_wander_within_bounds_and_funding_is_numbered() {
        let price = Rc::new(Cell::new(600_000));
        let mut market = Market::new(7, Rc::clone(&price), 5, (3, 1_000, 100));
        let (mut out, mut fundings, mut last) = (Vec::new(), 3, 0);
        for now in 1..20_000_u64 {
            out.clear();
            market.next(now as u32, TimestampNs(now), &mut out);
            if let Some(funding) = Funding::read(&out) {
                fundings += 1;
                assert_eq!((funding.index, funding.symbol.0), (fundings, 7));
                continue;
            }
            let mark = Mark::read(&out).unwrap();
            assert!((450_000..750_000).contains(&mark.price.0) && mark.price.0 == price.get());
            assert!(mark.feed_time.0 > last);
            last = mark.feed_time.0;
        }
        assert_eq!(fundings, 3 + (19_999 - 1_000) / 100 + 1);
    }
}
