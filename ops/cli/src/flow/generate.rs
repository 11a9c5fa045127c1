//! A synthetic flow with its own expectations, from a tiny naive price-time engine and a seed.
//!
//! The engine here is slow and obvious on purpose: it shares nothing with the one it tests but the rules. The flow
//! holds what recorded flows rarely show: a reduction that keeps its place and is then hit, a replacement at the same
//! price that loses it, IOC remainders, post-only refusals, market orders over several levels.
//!
//! Invariant: the same length and seed give the same flow.

use super::ops::{Fill, Flow, Kind, Levels, Op};
use std::collections::VecDeque;

/// Middle of the prices used.
const MIDDLE: i64 = 10_000;
/// Prices lie within this of the middle, so that market orders' protection (just under twice the best) never binds.
const SPREAD: i64 = 24;
/// Resting orders above which the flow rather takes away.
const CROWD: usize = 400;

/// xorshift64*: enough for a test flow, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to `bound` − 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound.max(1))) >> 64) as u64
    }

    /// From `low` to `high`, both included.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).unsigned_abs()) as i64
    }
}

/// A resting order.
#[derive(Clone, Copy)]
struct Resting {
    tag: u64,
    price: i64,
    quantity: i64,
}

/// Both sides as plain lists in priority order.
#[derive(Default)]
struct Naive {
    sides: [VecDeque<Resting>; 2],
}

impl Naive {
    fn better(buy: bool, a: i64, b: i64) -> bool {
        if buy { a > b } else { a < b }
    }

    fn crosses(&self, buy: bool, price: i64) -> bool {
        let best = self.sides[usize::from(buy)].front();
        best.is_some_and(|best| if buy { best.price <= price } else { best.price >= price })
    }

    /// Matches, and lets the rest rest if asked to. A buy takes from the side at 1 (sells) and rests at 0.
    fn submit(&mut self, tag: u64, buy: bool, price: i64, mut quantity: i64, rest: bool) -> Vec<Fill> {
        let mut fills = Vec::new();
        while quantity > 0 && self.crosses(buy, price) {
            let makers = &mut self.sides[usize::from(buy)];
            let Some(maker) = makers.front_mut() else { break };
            let traded = quantity.min(maker.quantity);
            fills.push(Fill { tag: maker.tag, quantity: traded, price: maker.price });
            quantity -= traded;
            maker.quantity -= traded;
            if maker.quantity == 0 {
                makers.pop_front();
            }
        }
        if quantity > 0 && rest {
            let own = &mut self.sides[usize::from(!buy)];
            let place = own.iter().position(|other| Self::better(buy, price, other.price)).unwrap_or(own.len());
            own.insert(place, Resting { tag, price, quantity });
        }
        fills
    }

    fn pick(&self, random: &mut Random) -> Option<(bool, usize)> {
        let total = self.sides[0].len() + self.sides[1].len();
        let choice = random.below(total as u64) as usize;
        (total > 0).then(|| match choice.checked_sub(self.sides[0].len()) {
            None => (true, choice),
            Some(place) => (false, place),
        })
    }

    fn levels(&self, depth: usize) -> Levels {
        let side = |orders: &VecDeque<Resting>| {
            let mut levels: Vec<(i64, i64)> = Vec::new();
            for order in orders {
                let full = levels.len() == depth;
                match levels.last_mut() {
                    Some(last) if last.0 == order.price => last.1 += order.quantity,
                    _ if full => break,
                    _ => levels.push((order.price, order.quantity)),
                }
            }
            levels
        };
        Levels { depth, bids: side(&self.sides[0]), asks: side(&self.sides[1]) }
    }
}

/// A flow of `length` commands, with a book to compare after every few.
pub fn generate(length: usize, seed: u64) -> Flow {
    let mut random = Random::new(seed);
    let mut book = Naive::default();
    let mut flow = Flow::default();
    let mut next_tag = 1;
    let mut commands = 0;
    while commands < length {
        let op = step(&mut random, &mut book, &mut next_tag, flow.ops.len() + 1);
        flow.push(op);
        commands += 1;
        if random.below(4) == 0 || commands == length {
            let kind = if random.below(2) == 0 { Kind::Best } else { Kind::Book };
            let depth = if kind == Kind::Best { 1 } else { 1 + random.below(8) as usize };
            flow.push(Op {
                line: flow.ops.len() + 1,
                kind,
                tag: 0,
                buy: false,
                price: 0,
                quantity: depth as i64,
                fills: Vec::new(),
                book: Some(Box::new(book.levels(depth))),
            });
        }
    }
    // Room around the prices, as a symbol has it.
    flow.min_price = MIDDLE - SPREAD;
    flow.max_price = MIDDLE + SPREAD;
    flow
}

/// The next command, applied to the naive book.
fn step(random: &mut Random, book: &mut Naive, next_tag: &mut u64, line: usize) -> Op {
    let crowded = book.sides[0].len() + book.sides[1].len() > CROWD;
    let buy = random.below(2) == 0;
    let quantity = random.range(1, 40);
    let mut op = Op { line, kind: Kind::Add, tag: 0, buy, price: 0, quantity, fills: Vec::new(), book: None };
    let dice = random.below(100);
    if (if crowded { 25..85 } else { 60..85 }).contains(&dice)
        && let Some((buy, place)) = book.pick(random)
    {
        change(random, book, &mut op, buy, place);
        return op;
    }
    op.tag = *next_tag;
    *next_tag += 1;
    // An order that takes is large now and then, so that it walks over levels.
    let large = quantity * random.range(1, 6);
    match dice {
        85..90 => (op.kind, op.price, op.quantity) = (Kind::Execute, taking(random, buy), large),
        90..93 => (op.kind, op.quantity) = (Kind::Market, large),
        93..95 => (op.kind, op.price) = (Kind::PostOnly, taking(random, buy)),
        95..97 => (op.kind, op.price) = (Kind::Immediate, waiting(random, buy)),
        97.. => (op.kind, op.price) = (Kind::Aggress, taking(random, buy)),
        _ => op.price = waiting(random, buy),
    }
    if op.kind == Kind::PostOnly && !book.crosses(buy, op.price) {
        op.kind = Kind::Add;
    }
    let limit = match op.kind {
        Kind::Market if buy => i64::MAX,
        Kind::Market => 0,
        _ => op.price,
    };
    if op.kind != Kind::PostOnly {
        let rests = matches!(op.kind, Kind::Add | Kind::Aggress);
        op.fills = book.submit(op.tag, buy, limit, op.quantity, rests);
    }
    // What it turned out to be.
    op.kind = match (op.kind, op.fills.is_empty()) {
        (Kind::Add, false) => Kind::Aggress,
        (Kind::Aggress, true) => Kind::Add,
        (Kind::Immediate, false) => Kind::Execute,
        (kind, _) => kind,
    };
    op
}

/// Cancels, reduces or replaces a resting order.
fn change(random: &mut Random, book: &mut Naive, op: &mut Op, buy: bool, place: usize) {
    let side = &mut book.sides[usize::from(!buy)];
    let order = side[place];
    (op.buy, op.tag, op.price) = (buy, order.tag, order.price);
    match random.below(5) {
        0 | 1 if order.quantity > 1 => {
            op.kind = Kind::Reduce;
            op.quantity = random.range(1, order.quantity - 1);
            side[place].quantity -= op.quantity;
        }
        2 | 3 => {
            op.kind = Kind::Replace;
            side.remove(place);
            // Half of them at the same price: to the back of their level.
            if random.below(2) == 0 {
                op.price = waiting(random, buy);
            }
            op.fills = book.submit(order.tag, buy, op.price, op.quantity, true);
        }
        _ => {
            op.kind = Kind::Cancel;
            op.quantity = order.quantity;
            side.remove(place);
        }
    }
}

fn waiting(random: &mut Random, buy: bool) -> i64 {
    let distance = random.range(-1, SPREAD);
    if buy { MIDDLE - distance.max(-SPREAD) } else { MIDDLE + distance }
}

fn taking(random: &mut Random, buy: bool) -> i64 {
    let distance = random.range(0, SPREAD / 2);
    if buy { MIDDLE + distance } else { MIDDLE - distance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_naive_engine_keeps_price_and_time() {
        let mut book = Naive::default();
        for (tag, buy, price, quantity) in [(1, false, 11, 5), (2, false, 10, 5), (3, false, 10, 5), (4, true, 8, 1)] {
            assert!(book.submit(tag, buy, price, quantity, true).is_empty());
        }
        let fills = book.submit(9, true, 11, 12, true);
        let fill = |tag, quantity, price| Fill { tag, quantity, price };
        assert_eq!(fills, [fill(2, 5, 10), fill(3, 5, 10), fill(1, 2, 11)]);
        assert_eq!(book.levels(5), Levels { depth: 5, bids: vec![(8, 1)], asks: vec![(11, 3)] });
        assert!(book.crosses(true, 11) && !book.crosses(true, 10) && book.crosses(false, 8) && !book.crosses(false, 9));
    }

    #[test]
    fn every_kind_occurs_and_the_seed_decides() {
        let flow = generate(5_000, 7);
        for (kind, name) in Kind::ALL {
            let count = flow.ops.iter().filter(|op| op.kind == kind).count();
            let absent = matches!(kind, Kind::Row | Kind::Set | Kind::Unverified);
            assert!((count > 10) != absent, "{name}: {count}");
        }
        let same = generate(5_000, 7);
        assert!(flow.ops.iter().zip(&same.ops).all(|(a, b)| (a.kind, a.tag, &a.fills) == (b.kind, b.tag, &b.fills)));
        assert!(flow.ops.iter().any(|op| op.fills.len() > 3));
        assert!(
            flow.ops
                .iter()
                .any(|op| op.kind == Kind::Execute && op.quantity > op.fills.iter().map(|f| f.quantity).sum())
        );
    }
}
