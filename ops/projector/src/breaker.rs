//! The circuit breaker: how often a database that is away is asked again. Pure: time is an argument.
//!
//! ```text
//!            failure × threshold                      next attempt is due
//!  CLOSED ───────────────────────► OPEN ─────────────────────────────────► HALF OPEN
//!    ▲                              ▲                 failure (wait doubles)   │
//!    │                              └──────────────────────────────────────────┤
//!    └─────────────────────────────────── success ─────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

/// Where the breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BreakerState {
    /// The database answers, or has failed too few times in a row.
    Closed = 0,
    /// The database is away; nothing is tried before the next attempt.
    Open = 1,
    /// One attempt is under way.
    HalfOpen = 2,
}

impl BreakerState {
    /// Its name for people and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }

    /// The state with this number.
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Open,
            2 => Self::HalfOpen,
            _ => Self::Closed,
        }
    }
}

/// Counts failures in a row and spaces attempts.
#[derive(Clone, Debug)]
pub struct Breaker {
    threshold: u32,
    wait_min: Duration,
    wait_max: Duration,
    failures: u32,
    next: Option<Instant>,
}

impl Breaker {
    /// Opens after `threshold` failures in a row; waits from `wait_min`, doubling, to `wait_max` between attempts.
    pub fn new(threshold: u32, wait_min: Duration, wait_max: Duration) -> Self {
        Self { threshold: threshold.max(1), wait_min, wait_max: wait_max.max(wait_min), failures: 0, next: None }
    }

    /// State at `now`.
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.next {
            _ if self.failures < self.threshold => BreakerState::Closed,
            Some(next) if now < next => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt failed; when the next one is due.
    pub fn failure(&mut self, now: Instant) -> Instant {
        let wait = self.wait_min.saturating_mul(1 << self.failures.min(16)).min(self.wait_max);
        self.failures = self.failures.saturating_add(1);
        *self.next.insert(now + wait)
    }

    /// An attempt succeeded.
    pub fn success(&mut self) {
        self.failures = 0;
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_waits_longer_and_closes() {
        let ms = Duration::from_millis;
        let mut now = Instant::now();
        let mut breaker = Breaker::new(2, ms(100), ms(500));
        assert_eq!(breaker.state(now), BreakerState::Closed);
        for (wait, state) in [
            (100, BreakerState::Closed),
            (200, BreakerState::Open),
            (400, BreakerState::Open),
            (500, BreakerState::Open),
            (500, BreakerState::Open),
        ] {
            let next = breaker.failure(now);
            assert_eq!((next - now, breaker.state(now)), (ms(wait), state));
            now = next;
            if state == BreakerState::Open {
                assert_eq!(breaker.state(now), BreakerState::HalfOpen);
            }
        }
        breaker.success();
        assert_eq!((breaker.state(now), breaker.failures()), (BreakerState::Closed, 0));
    }
}
