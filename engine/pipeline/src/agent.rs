//! Agents, the ways to wait, and the threads they run on.
//!
//! ```text
//!  fused   one pinned thread: gateway in → engine → gateway out, round and round
//!  split   a pinned engine thread, and a thread for each gateway worker
//! ```
//!
//! Invariant: an agent's `poll` never blocks. When all agents of a thread have nothing to do, the thread waits as its
//! [`WaitMode`] says; what could give it work wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::time::Duration;

/// A stage of the hot path.
pub trait Agent: Send {
    /// Does what there is to do now; how many items that were. Never blocks.
    fn poll(&mut self) -> usize;
}

/// How threads share the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Gateway and engine on one thread: for machines with few cores.
    Fused,
    /// The engine on a thread of its own.
    Split,
}

impl Layout {
    /// `split` where cores abound, else `fused`.
    pub fn for_cores(cores: usize) -> Self {
        if cores >= 4 { Self::Split } else { Self::Fused }
    }
}

/// What a thread does when there is no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitMode {
    /// Asks again at once: lowest latency, a whole core.
    Spin,
    /// Lets others run, then asks again.
    Yield,
    /// Spins, then yields, then sleeps until it is woken: leaves an idle machine alone.
    Adaptive,
}

/// Rounds of [`WaitMode::Adaptive`] before it yields, and before it sleeps.
const SPIN_ROUNDS: u32 = 200;
const YIELD_ROUNDS: u32 = 50;

/// What an idle thread should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Ask again.
    Again,
    /// Sleep until woken.
    Sleep,
}

/// Wakes a sleeping thread; costs a system call only if it sleeps.
///
/// Protocol: the sleeper announces itself, looks once more for work, then blocks; whoever makes work looks for the
/// announcement afterwards. The fences order the two, so one of them sees the other.
#[derive(Clone)]
pub struct Wake {
    asleep: Arc<AtomicBool>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Wake {
    /// `wake` must end the sleeper's block, also if it comes just before it.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { asleep: Arc::new(AtomicBool::new(false)), wake: Arc::new(wake) }
    }

    /// There is work.
    #[inline]
    pub fn notify(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// The sleeper announces itself; it must look for work once more before it blocks.
    #[inline]
    pub fn announce(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The sleeper is awake.
    #[inline]
    pub fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// Counts idle rounds and says how to wait.
#[derive(Debug)]
pub struct Waiting {
    mode: WaitMode,
    rounds: u32,
}

impl Waiting {
    /// For a mode.
    pub fn new(mode: WaitMode) -> Self {
        Self { mode, rounds: 0 }
    }

    /// There was work.
    #[inline]
    pub fn reset(&mut self) {
        self.rounds = 0;
    }

    /// There was none.
    #[inline]
    pub fn idle(&mut self) -> Idle {
        self.rounds = self.rounds.saturating_add(1);
        match self.mode {
            WaitMode::Spin => std::hint::spin_loop(),
            WaitMode::Yield => std::thread::yield_now(),
            WaitMode::Adaptive if self.rounds <= SPIN_ROUNDS => std::hint::spin_loop(),
            WaitMode::Adaptive if self.rounds <= SPIN_ROUNDS + YIELD_ROUNDS => std::thread::yield_now(),
            WaitMode::Adaptive => return Idle::Sleep,
        }
        Idle::Again
    }
}

/// Longest sleep: bounds what a lost wake-up could cost.
const LONGEST_SLEEP: Duration = Duration::from_millis(10);

/// Runs agents in turn until `stop`. `sleep` blocks the thread for at most the given time or until `wake` is notified.
pub fn run_agents(
    agents: &mut [&mut dyn Agent],
    mode: WaitMode,
    wake: &Wake,
    stop: &AtomicBool,
    busy_rounds: &AtomicU32,
    mut sleep: impl FnMut(Duration),
) {
    let mut waiting = Waiting::new(mode);
    while !stop.load(Ordering::Acquire) {
        let work: usize = agents.iter_mut().map(|agent| agent.poll()).sum();
        if work > 0 {
            waiting.reset();
            busy_rounds.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if waiting.idle() == Idle::Sleep {
            wake.announce();
            let work: usize = agents.iter_mut().map(|agent| agent.poll()).sum();
            if work == 0 {
                sleep(LONGEST_SLEEP);
            } else {
                waiting.reset();
            }
            wake.awake();
        }
    }
}

/// Pins this thread to a core, if the machine lets it.
pub fn pin_to(core: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: core })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_goes_from_spinning_to_sleeping_and_back() {
        let mut waiting = Waiting::new(WaitMode::Adaptive);
        let rounds = (0..1_000).take_while(|_| waiting.idle() == Idle::Again).count();
        assert_eq!(rounds as u32, SPIN_ROUNDS + YIELD_ROUNDS);
        waiting.reset();
        assert_eq!(waiting.idle(), Idle::Again);
        assert!((0..10_000).all(|_| Waiting::new(WaitMode::Spin).idle() == Idle::Again));
    }

    #[test]
    fn only_an_announced_sleeper_is_woken_and_only_once() {
        let count = Arc::new(AtomicU32::new(0));
        let seen = count.clone();
        let wake = Wake::new(move || {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        wake.notify();
        wake.announce();
        wake.notify();
        wake.notify();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
