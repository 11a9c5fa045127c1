//! Time for the engine: wall time that never falls and never jumps.
//!
//! Invariants (DESIGN §1): `t` follows the monotonic clock; the wall clock only trims it. A wall clock that jumps by more
//! than a second against the monotonic one raises an alarm and is followed slowly: engine time then runs a tenth faster or
//! slower until it agrees, so that a machine that slept finds back by itself and no order sees a leap.

use std::time::{SystemTime, UNIX_EPOCH};

/// A jump beyond this is not followed.
const MAX_JUMP_NS: i64 = 1_000_000_000;
/// After a jump: how far one look at the wall clock moves engine time, a tenth of [`TRIM_EVERY_NS`].
const SLEW_NS: i64 = 10_000_000;
/// How often the wall clock is looked at.
const TRIM_EVERY_NS: u64 = 100_000_000;

/// Nanoseconds of the monotonic clock; comparable between threads and processes of one boot.
#[inline]
pub fn mono_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Where engine time comes from.
pub trait Clock: Send {
    /// Nanoseconds since 1970, for a moment of the monotonic clock that is now.
    fn time_ns(&mut self, mono_ns: u64) -> u64;
}

/// The machine's clocks; see the module.
#[derive(Debug)]
pub struct EngineClock {
    offset: i64,
    trimmed_at: u64,
    jumps: u64,
}

fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

impl Default for EngineClock {
    fn default() -> Self {
        Self::new()
    }
}

impl EngineClock {
    /// A clock that agrees with the wall clock now.
    pub fn new() -> Self {
        let mono = mono_ns();
        Self { offset: wall_ns() as i64 - mono as i64, trimmed_at: mono, jumps: 0 }
    }

    /// How often the wall clock was found too far off to be followed at once.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    fn trim(&mut self, mono: u64, wall: u64) {
        self.trimmed_at = mono;
        let offset = wall as i64 - mono as i64;
        if (offset - self.offset).abs() <= MAX_JUMP_NS {
            self.offset = offset;
            return;
        }
        self.jumps += 1;
        if self.jumps.is_power_of_two() {
            let seconds = (offset - self.offset) / 1_000_000_000;
            tracing::error!(seconds, "the wall clock jumped; engine time follows slowly");
        }
        self.offset += SLEW_NS * (offset - self.offset).signum();
    }
}

impl Clock for EngineClock {
    #[inline]
    fn time_ns(&mut self, mono: u64) -> u64 {
        if mono.saturating_sub(self.trimmed_at) >= TRIM_EVERY_NS {
            self.trim(mono, wall_ns());
        }
        (mono as i64 + self.offset) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_wall_clock_is_followed_slowly() {
        let mut clock = EngineClock { offset: 1_000, trimmed_at: 0, jumps: 0 };
        clock.trim(10, 10 + 5_000);
        assert_eq!((clock.time_ns(20), clock.jumps()), (5_020, 0));
        clock.trim(30, 30 + 5_000 + 2_000_000_000);
        assert_eq!((clock.time_ns(40), clock.jumps()), (5_040 + SLEW_NS as u64, 1));
    }
}
