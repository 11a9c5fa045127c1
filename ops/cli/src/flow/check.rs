//! Compares what the exchange reported for each command with what the flow expects.
//!
//! A command's answer is the group of all reports of its sequence. Fills are put together from both sides by trade
//! number: the maker's report names the resting order, the taker's must agree in price and quantity, and the order of
//! the list is the order of the trades.
//!
//! Invariants: what counts is `(maker's tag, quantity, price)`, exactly and in order; the fees of every order follow
//! the carry of DOMAIN §3.3 exactly; every difference is counted and the first few are explained.

use super::market::{MAKER_RATE, TAKER_RATE};
use super::ops::{Fill, Kind, Levels, Op};
use ringbook_client::Report;
use ringbook_wire::{Liquidity, RATE_ONE, RejectCode, TradeId, div_ceil};
use std::collections::HashMap;

/// Differences that are explained on standard error.
const EXPLAINED: u64 = 10;

/// Which message of an operation an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The only one, or the order that a replacement enters.
    Main,
    /// The cancel of a replacement, or of a forced order that is entered anew.
    Clear,
}

/// An open order as its reports describe it.
#[derive(Clone, Copy, Debug)]
struct Open {
    tag: u64,
    remaining: i64,
    carry: i128,
    fees: i64,
}

/// What one command did.
#[derive(Clone, Debug, Default)]
struct Outcome {
    accepted: bool,
    rejected: Option<u16>,
    fills: Vec<Fill>,
    canceled: Option<i64>,
    /// Lots taken away by an amendment, and whether the order kept its place.
    reduced: Option<(i64, bool)>,
    /// What rests of the order that was entered.
    rests: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Checker {
    open: HashMap<u64, Open>,
    /// Engine's number of the last order entered under each tag.
    by_tag: HashMap<u64, u64>,
    /// Expected fills that came as expected.
    pub fills_equal: u64,
    /// Trades that were reported, whether expected or not.
    pub trades: u64,
    /// Books compared.
    pub books_compared: u64,
    /// Of these equal.
    pub books_equal: u64,
    /// Everything that differed.
    pub mismatches: u64,
    /// Units of fees that both sides paid.
    pub fees: i128,
}

impl Checker {
    /// What is left of the order last entered under a tag.
    pub fn remaining(&self, tag: u64) -> i64 {
        self.by_tag.get(&tag).and_then(|order| self.open.get(order)).map_or(0, |open| open.remaining)
    }

    /// Counts a difference and explains the first few.
    pub fn mismatch(&mut self, op: &Op, what: &str) {
        self.mismatches += 1;
        if self.mismatches <= EXPLAINED {
            eprintln!("mismatch at line {} ({} {}): {what}", op.line, op.kind.name(), op.tag);
        } else if self.mismatches == EXPLAINED + 1 {
            eprintln!("… further mismatches are only counted");
        }
    }

    /// Takes the answer to one message of an operation.
    pub fn answer(&mut self, op: &Op, part: Part, group: &[Report]) {
        let outcome = match self.apply(op, group) {
            Ok(outcome) => outcome,
            Err(problem) => return self.mismatch(op, &problem),
        };
        if let Some(problem) = self.judge(op, part, &outcome) {
            self.mismatch(op, &problem);
        }
    }

    /// Takes a book as the server has it.
    pub fn book(&mut self, op: &Op, sequence: u64, got: Result<Levels, String>) {
        self.books_compared += 1;
        let Some(expected) = &op.book else { return };
        match got {
            Ok(got) if got.bids == expected.bids && got.asks == expected.asks => self.books_equal += 1,
            Ok(got) => {
                let what = format!(
                    "after sequence {sequence} expected bids {:?} asks {:?}, got bids {:?} asks {:?}",
                    expected.bids, expected.asks, got.bids, got.asks
                );
                self.mismatch(op, &what);
            }
            Err(problem) => self.mismatch(op, &problem),
        }
    }

    /// Applies the reports to the open orders.
    fn apply(&mut self, op: &Op, group: &[Report]) -> Result<Outcome, String> {
        let mut outcome = Outcome::default();
        let mut entered = 0;
        let mut takers: Vec<(TradeId, i64, i64)> = Vec::new();
        let mut makers: Vec<(TradeId, i64, i64)> = Vec::new();
        for report in group {
            match report {
                Report::Accepted(accepted) => {
                    entered = accepted.order.0;
                    outcome.accepted = true;
                    let open = Open { tag: op.tag, remaining: accepted.quantity.0, carry: 0, fees: 0 };
                    self.open.insert(entered, open);
                    self.by_tag.insert(op.tag, entered);
                }
                Report::Rejected(rejected) => outcome.rejected = Some(rejected.code),
                Report::Replayed(replayed) => {
                    return Err(format!("the command found its order ended (state {})", replayed.state));
                }
                Report::Trade(trade) => {
                    let entry = (trade.trade, trade.quantity.0, trade.price.0);
                    let taker = trade.liquidity == Liquidity::Taker.code();
                    let open = self
                        .open
                        .get_mut(&trade.order.0)
                        .ok_or_else(|| format!("order {} traded but is not of this flow", trade.order))?;
                    open.remaining = trade.remaining.0;
                    let rate = if taker { TAKER_RATE } else { MAKER_RATE };
                    let due = i128::from(trade.price.0) * i128::from(trade.quantity.0) * i128::from(rate) - open.carry;
                    let fee = div_ceil(due, i128::from(RATE_ONE));
                    open.carry = fee * i128::from(RATE_ONE) - due;
                    open.fees += trade.fee.0;
                    self.fees += i128::from(trade.fee.0);
                    if i128::from(trade.fee.0) != fee {
                        return Err(format!("trade {}: the fee is {} units, must be {fee}", trade.trade, trade.fee));
                    }
                    if taker {
                        takers.push(entry);
                    } else {
                        outcome.fills.push(Fill { tag: open.tag, quantity: entry.1, price: entry.2 });
                        makers.push(entry);
                    }
                }
                Report::Amended(amended) => {
                    if let Some(open) = self.open.get_mut(&amended.order.0) {
                        outcome.reduced = Some((open.remaining - amended.remaining.0, amended.kept_priority == 1));
                        open.remaining = amended.remaining.0;
                    }
                }
                Report::Canceled(canceled) => outcome.canceled = Some(canceled.remaining.0),
                Report::Done(done) => {
                    if let Some(open) = self.open.remove(&done.order.0)
                        && open.fees != done.fee.0
                    {
                        return Err(format!(
                            "order {}: fees add up to {}, DONE says {}",
                            done.order, open.fees, done.fee
                        ));
                    }
                }
                _ => {}
            }
        }
        self.trades += makers.len() as u64;
        outcome.rests = self.open.get(&entered).map_or(0, |open| open.remaining);
        if takers != makers {
            return Err(format!("the two sides of its trades differ: takers {takers:?}, makers {makers:?}"));
        }
        Ok(outcome)
    }

    /// What is wrong with an outcome, if anything.
    fn judge(&mut self, op: &Op, part: Part, outcome: &Outcome) -> Option<String> {
        let reject = |code: u16| match RejectCode::from_code(code) {
            Some(name) => format!("refused with {name} ({code})"),
            None => format!("refused with code {code}"),
        };
        if op.kind == Kind::PostOnly {
            return match outcome.rejected {
                Some(code) if code == RejectCode::PostOnlyCross.code() => None,
                Some(code) => Some(format!("{}, expected POST_ONLY_CROSS (400)", reject(code))),
                None => Some("accepted, expected POST_ONLY_CROSS (400)".into()),
            };
        }
        if let Some(code) = outcome.rejected {
            return Some(reject(code));
        }
        match (op.kind, part) {
            (_, Part::Clear) => outcome.canceled.is_none().then(|| "its old order was not cancelled".into()),
            (Kind::Cancel, _) => (outcome.canceled != Some(op.quantity))
                .then(|| format!("expected {} left, got {:?}", op.quantity, outcome.canceled)),
            (Kind::Reduce, _) => (outcome.reduced != Some((op.quantity, true)))
                .then(|| format!("expected {} fewer lots in the same place, got {:?}", op.quantity, outcome.reduced)),
            (Kind::Unverified | Kind::Set, _) => None,
            _ => self.judge_entry(op, outcome),
        }
    }

    /// An order that was entered: its fills and what rests.
    fn judge_entry(&mut self, op: &Op, outcome: &Outcome) -> Option<String> {
        if !outcome.accepted {
            return Some("not accepted".into());
        }
        self.fills_equal += op.fills.iter().zip(&outcome.fills).take_while(|(a, b)| a == b).count() as u64;
        if op.fills != outcome.fills {
            return Some(format!("expected fills {}, got {}", show(&op.fills), show(&outcome.fills)));
        }
        let rests_at_all = matches!(op.kind, Kind::Add | Kind::Replace | Kind::Aggress);
        let left = op.quantity - op.fills.iter().map(|fill| fill.quantity).sum::<i64>();
        let expected = if rests_at_all { left } else { 0 };
        (outcome.rests != expected).then(|| format!("expected {expected} to rest, got {}", outcome.rests))
    }
}

fn show(fills: &[Fill]) -> String {
    if fills.is_empty() {
        return "none".into();
    }
    let mut text: Vec<String> =
        fills.iter().take(6).map(|fill| format!("{}:{}:{}", fill.tag, fill.quantity, fill.price)).collect();
    if fills.len() > 6 {
        text.push(format!("… ({} in all)", fills.len()));
    }
    text.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_wire::message::Message;
    use ringbook_wire::report::{Accepted, Canceled, Done, Rejected, Trade};
    use ringbook_wire::{Amount, OrderId, Price, Qty};

    fn op(kind: Kind, tag: u64, quantity: i64, fills: &[(u64, i64, i64)]) -> Op {
        let fills = fills.iter().map(|&(tag, quantity, price)| Fill { tag, quantity, price }).collect();
        Op { line: 1, kind, tag, buy: true, price: 100, quantity, fills, book: None }
    }

    fn accepted(order: u64, quantity: i64) -> Report {
        Accepted { order: OrderId(order), quantity: Qty(quantity), ..Accepted::new(0) }.into()
    }

    fn trade(order: u64, trade: u64, price: i64, quantity: i64, remaining: i64, fee: i64, taker: bool) -> Report {
        Trade {
            order: OrderId(order),
            trade: TradeId(trade),
            price: Price(price),
            quantity: Qty(quantity),
            remaining: Qty(remaining),
            fee: Amount(fee),
            liquidity: if taker { 1 } else { 2 },
            ..Trade::new(0)
        }
        .into()
    }

    fn done(order: u64, fee: i64) -> Report {
        Done { order: OrderId(order), fee: Amount(fee), ..Done::new(0) }.into()
    }

    /// Two sells of 5 at 100 rest as tags 1 and 2; then the operation is answered.
    fn check(op: &Op, group: &[Report]) -> u64 {
        let mut checker = Checker::default();
        for (tag, order) in [(1, 11), (2, 12)] {
            checker.answer(&self::op(Kind::Add, tag, 5, &[]), Part::Main, &[accepted(order, 5)]);
        }
        assert_eq!(checker.mismatches, 0);
        checker.answer(op, Part::Main, group);
        checker.mismatches
    }

    #[test]
    fn fills_must_be_equal_and_in_order_on_both_sides() {
        // 5 lots at 100: value 500, taker 0.5 units, maker 0.1 units, both rounded up; the carry makes the second fill free.
        let both = |first: u64, second: u64| {
            vec![
                accepted(13, 7),
                trade(13, 1, 100, 5, 2, 1, true),
                trade(first, 1, 100, 5, 0, 1, false),
                done(first, 1),
                trade(13, 2, 100, 2, 0, 0, true),
                trade(second, 2, 100, 2, 3, 1, false),
                done(13, 1),
            ]
        };
        let right = op(Kind::Execute, 3, 7, &[(1, 5, 100), (2, 2, 100)]);
        assert_eq!(check(&right, &both(11, 12)), 0);
        assert_eq!(check(&right, &both(12, 11)), 1, "the newer order came first");
        assert_eq!(check(&right, &both(11, 12)[..4]), 1, "a fill is missing");
        assert_eq!(check(&op(Kind::Add, 3, 7, &[]), &both(11, 12)), 1, "it must not trade");
        let mut fee = both(11, 12);
        fee[1] = trade(13, 1, 100, 5, 2, 2, true);
        assert_eq!(check(&right, &fee), 1, "a fee too high");
        let mut one_sided = both(11, 12);
        one_sided.remove(1);
        assert_eq!(check(&right, &one_sided), 1, "the taker's report is missing");
    }

    #[test]
    fn what_rests_and_what_is_refused_counts() {
        assert_eq!(check(&op(Kind::Immediate, 3, 7, &[]), &[accepted(13, 7), done(13, 0)]), 0);
        assert_eq!(check(&op(Kind::Immediate, 3, 7, &[]), &[accepted(13, 7)]), 1, "it rests");
        assert_eq!(check(&op(Kind::Add, 3, 7, &[]), &[accepted(13, 7), done(13, 0)]), 1, "it does not rest");
        let rejected = |code| vec![Rejected { code, ..Rejected::new(0) }.into()];
        assert_eq!(check(&op(Kind::PostOnly, 3, 7, &[]), &rejected(400)), 0);
        assert_eq!(check(&op(Kind::PostOnly, 3, 7, &[]), &rejected(300)), 1);
        assert_eq!(check(&op(Kind::PostOnly, 3, 7, &[]), &[accepted(13, 7)]), 1);
        assert_eq!(check(&op(Kind::Add, 3, 7, &[]), &rejected(300)), 1);
        let canceled = |left| vec![Canceled { remaining: Qty(left), ..Canceled::new(0) }.into()];
        assert_eq!(check(&op(Kind::Cancel, 1, 5, &[]), &canceled(5)), 0);
        assert_eq!(check(&op(Kind::Cancel, 1, 5, &[]), &canceled(4)), 1);
    }
}
