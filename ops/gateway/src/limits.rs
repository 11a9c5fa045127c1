//! Bounds of what a client may use, and the token bucket of a key.

/// Every bound has a name and a default.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Requests of a session that may be unanswered.
    pub outstanding: u32,
    /// Commands per second and key.
    pub rate_per_s: u32,
    /// Bytes that may wait for a client that reads slowly.
    pub output_bytes: usize,
    /// Milliseconds from connecting to LOGON.
    pub logon_ms: u64,
    /// Grace period of sessions after a restart, in milliseconds.
    pub restart_grace_ms: u64,
    /// History bytes per second for all resuming clients together.
    pub history_bytes_per_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            outstanding: 16_384,
            rate_per_s: 1_000_000,
            output_bytes: 16 << 20,
            logon_ms: 5_000,
            restart_grace_ms: 30_000,
            history_bytes_per_s: 200 << 20,
        }
    }
}

/// A token bucket: a second's worth at most, refilled by the clock.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    tokens: f64,
    filled_ns: u64,
}

impl Bucket {
    /// Full.
    pub fn new(rate_per_s: u32, now_ns: u64) -> Self {
        Self { tokens: f64::from(rate_per_s), filled_ns: now_ns }
    }

    /// Takes a token if there is one.
    #[inline]
    pub fn take(&mut self, rate_per_s: u32, now_ns: u64) -> bool {
        if self.tokens < 1.0 {
            let rate = f64::from(rate_per_s);
            let seconds = now_ns.saturating_sub(self.filled_ns) as f64 / 1e9;
            self.tokens = (self.tokens + seconds * rate).min(rate);
            self.filled_ns = now_ns;
        }
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let mut bucket = Bucket::new(100, 0);
        assert_eq!((0..200).filter(|_| bucket.take(100, 0)).count(), 100);
        assert_eq!((0..200).filter(|_| bucket.take(100, 500_000_000)).count(), 50);
        assert!(!bucket.take(100, 500_000_001));
    }
}
