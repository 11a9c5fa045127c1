//! The generator's MARK and FUNDING.

use super::super::Generator;
use super::world::{FEED, PERCENT};
use ringbook_event::Origin;
use ringbook_wire::message::{Funding, Mark, Message};
use ringbook_wire::{Price, RATE_ONE, Rate, SymbolId, SymbolStatus, TimestampNs};

const SECOND: u64 = 1_000_000_000;
/// Marks stay between these, so that lots stay small numbers.
const LOWEST: i64 = 3;
const HIGHEST: i64 = 500;

impl Generator {
    /// A mark: a small step, a step on the way to a far target, a forced one; old, stale, early or absurd ones.
    pub(super) fn mark_command(&mut self) -> (Origin, Vec<u8>) {
        let stopped = self.stopped_perpetual().filter(|_| self.random.chance(1, 4));
        let symbol = stopped.unwrap_or_else(|| self.perpetual());
        let (price, forced) = self.next_price(symbol);
        let newest = self.perpetuals.feed_times.get(&symbol).copied().unwrap_or(0);
        let age = self.perpetuals.terms(symbol).mark_max_age;
        let feed_time = match self.random.below(100) {
            0..3 => newest - newest.min(self.random.below(2)),
            3 => newest - newest.min(SECOND),
            // Stale if the last offer is old enough: holders wait, triggers wait.
            4..14 => (self.now - age - 1).max(newest + 1),
            14..20 => self.now + self.random.below(SECOND),
            20 => self.now + SECOND + self.random.below(3),
            _ => self.now,
        };
        if self.now + SECOND >= feed_time && feed_time > newest {
            self.perpetuals.feed_times.insert(symbol, feed_time);
        }
        let mut mark = Mark {
            symbol: SymbolId(symbol),
            force: u8::from(forced),
            price: Price(price),
            feed_time: TimestampNs(feed_time),
            ..Mark::new(0)
        };
        if self.absurdly() {
            match self.random.below(6) {
                0 => mark.force = 2,
                1 => mark.reserved[1] = 1,
                2 => mark.price = Price(self.random.absurd()),
                3 => mark.feed_time = TimestampNs(self.random.pick(&[0, u64::MAX, 1])),
                4 => mark.price = Price(self.random.pick(&[1_001, 301, 2, 1])),
                _ => mark.force = 1,
            }
            return self.sent(FEED, &mark);
        }
        if forced {
            return Self::internal(&mark);
        }
        self.sent(FEED, &mark)
    }

    /// The next offer and whether the operator forces it.
    fn next_price(&mut self, symbol: u32) -> (i64, bool) {
        let mark = self.perpetuals.mark(symbol);
        let stops = self.status.get(&symbol).is_some_and(|&status| status != SymbolStatus::Trading);
        if let Some(&target) = self.perpetuals.targets.get(&symbol) {
            let distance = (mark - target).abs() * 100;
            let arrived = distance <= target * 2;
            if arrived || self.random.chance(1, 6) {
                self.perpetuals.targets.remove(&symbol);
            }
            if !arrived {
                return ((target + self.random.between(-1, 1)).max(1), self.random.chance(1, 12));
            }
        }
        let wildness = if stops { 40 } else { self.perpetuals.wildness };
        if self.random.chance(wildness, 100) {
            let far = match mark {
                ..20 => self.random.pick(&[130, 200, 400, 800]),
                20..50 => self.random.pick(&[70, 120, 150, 200, 300]),
                200.. => self.random.pick(&[20, 40, 60, 80, 115]),
                _ => self.random.pick(&[10, 40, 60, 75, 85, 120, 140, 180, 250]),
            };
            let target = (mark * far / 100).clamp(LOWEST, HIGHEST);
            self.perpetuals.targets.insert(symbol, target);
            return (target, self.random.chance(1, 4));
        }
        let step = (mark * self.random.between(0, 4) / 100).max(1);
        let up = if mark < 60 { self.random.chance(2, 3) } else { self.random.chance(1, 2) };
        let price = if up { mark + step } else { mark - step };
        (price.clamp(LOWEST, HIGHEST), self.random.chance(1, 60))
    }

    /// A funding: mostly the next, whether it is due or not.
    pub(super) fn funding_command(&mut self) -> (Origin, Vec<u8>) {
        let symbol = self.perpetual();
        let last = self.perpetuals.funded.get(&symbol).copied().unwrap_or(0);
        let index = match self.random.below(20) {
            0 => last,
            1 => last + 2,
            2 => self.random.next_u64(),
            _ => last + 1,
        };
        let percent = self.random.pick(&[0, 1, 2, 5, 40, -1, -2, -3, -40]);
        let rate = match self.random.below(6) {
            0 => self.random.between(-30_000, 30_000),
            1 => self.random.pick(&[1, -1, 7, 12_300]),
            _ => percent * PERCENT,
        };
        let mut funding = Funding { symbol: SymbolId(symbol), rate: Rate(rate), index, ..Funding::new(0) };
        if self.absurdly() {
            match self.random.below(2) {
                0 => funding.reserved = 1,
                _ => funding.rate = Rate(self.random.pick(&[RATE_ONE, -RATE_ONE, i64::MIN, i64::MAX])),
            }
        }
        self.sent(FEED, &funding)
    }

    /// A message from the admin, or from Ringbook itself.
    pub(super) fn by_operator<M: Message>(&mut self, message: &M) -> (Origin, Vec<u8>) {
        self.sent(super::super::world::ADMIN, message)
    }
}
