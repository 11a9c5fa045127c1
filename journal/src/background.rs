//! Threads: loops over the agents, nothing more. Tests poll the agents themselves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::index::Indexer;
use crate::page::WriterState;
use crate::preparer::Preparer;
use crate::sealer::Sealer;
use crate::shared::{Poll, Shared};
use crate::syncer::Syncer;

/// Longest sleep of an idle agent: bounds how late it notices a stop.
const NAP: Duration = Duration::from_millis(20);

/// The three agents beside the appender. Poll them in any order, from one thread or several.
#[derive(Debug)]
pub struct Agents {
    /// Makes frames durable.
    pub syncer: Syncer,
    /// Prepares segments.
    pub preparer: Preparer,
    /// Indexes and seals.
    pub sealer: Sealer,
    shared: Arc<Shared>,
}

impl Agents {
    pub(crate) fn new(shared: Arc<Shared>, syncer: Syncer, indexer: Arc<dyn Indexer>) -> Agents {
        let preparer = Preparer::new(Arc::clone(&shared));
        let sealer = Sealer::new(Arc::clone(&shared), indexer);
        Agents { syncer, preparer, sealer, shared }
    }

    /// Polls all three until none has anything to do now.
    pub fn poll_all(&mut self) {
        loop {
            let polls = [self.syncer.poll(), self.preparer.poll(), self.sealer.poll()];
            if !polls.contains(&Poll::Worked) {
                return;
            }
        }
    }

    /// Makes everything written durable and marks the journal as stopped, durably: the next opening keeps the term.
    /// The appender refuses from then on.
    pub fn finish(&mut self) {
        while self.syncer.poll() == Poll::Worked {}
        settle(&mut self.syncer, &self.shared);
    }

    /// Runs the agents on three threads.
    pub fn spawn(self) -> Background {
        let Agents { mut syncer, mut preparer, mut sealer, shared } = self;
        let spin = Duration::from_micros(shared.options.sync_spin_us);
        let sync = spawn("journal-sync", Arc::clone(&shared), move |shared| {
            sync_loop(&mut syncer, shared, spin);
        });
        let prepare = spawn("journal-prepare", Arc::clone(&shared), move |shared| {
            step_back();
            while !shared.stop.load(Ordering::Acquire) {
                match preparer.poll() {
                    Poll::Worked => {}
                    Poll::Later(pause) => std::thread::sleep(pause.min(NAP)),
                    Poll::Idle => shared.prepare_wake.sleep_unless(|| preparer.has_work(), NAP),
                }
            }
        });
        let seal = spawn("journal-seal", Arc::clone(&shared), move |shared| {
            step_back();
            let mut idle = Duration::from_millis(1);
            while !shared.stop.load(Ordering::Acquire) {
                match sealer.poll() {
                    Poll::Worked => idle = Duration::from_millis(1),
                    Poll::Later(pause) => {
                        // A stop is not kept waiting.
                        let until = Instant::now() + pause;
                        while Instant::now() < until && !shared.stop.load(Ordering::Acquire) {
                            std::thread::sleep(NAP);
                        }
                    }
                    Poll::Idle => {
                        std::thread::sleep(idle);
                        idle = (idle * 2).min(NAP);
                    }
                }
            }
        });
        Background { shared, threads: vec![sync, prepare, seal] }
    }
}

fn sync_loop(syncer: &mut Syncer, shared: &Shared, spin: Duration) {
    let mut stopping = false;
    loop {
        if syncer.poll() == Poll::Worked {
            continue;
        }
        if stopping {
            // Everything written before the stop was announced has been looked at.
            return settle(syncer, shared);
        }
        stopping = shared.stop.load(Ordering::Acquire);
        let idle_since = Instant::now();
        while !stopping && !syncer.has_work() && idle_since.elapsed() < spin {
            std::hint::spin_loop();
        }
        if !stopping && !syncer.has_work() {
            let ready = || syncer.has_work() || shared.stop.load(Ordering::Acquire);
            shared.sync_wake.sleep_unless(ready, NAP);
        }
    }
}

/// The clean stop: from here on the appender refuses, and what it did until now is durable.
fn settle(syncer: &mut Syncer, shared: &Shared) {
    if shared.page.durable() != shared.page.written() {
        return;
    }
    shared.page.set_state(WriterState::Stopped);
    // A frame that came between the two lines above.
    while syncer.poll() == Poll::Worked {}
    if shared.page.durable() == shared.page.written() && !shared.has_failed() {
        shared.stopped();
    }
}

/// Lets this thread step back where cores are few: its work is long and nobody waits for it, while the engine and the
/// sync thread are waited for by every client. A system that refuses changes nothing but the latency.
pub fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(None, BACKGROUND_NICE) {
        tracing::debug!(%error, "a background thread keeps its priority");
    }
}

/// Niceness of threads that nobody waits for: about a tenth of an ordinary thread's share of a busy core.
const BACKGROUND_NICE: i32 = 10;

fn spawn(name: &str, shared: Arc<Shared>, body: impl FnOnce(&Shared) + Send + 'static) -> JoinHandle<()> {
    let thread = std::thread::Builder::new().name(name.to_string()).spawn(move || body(&shared));
    match thread {
        Ok(thread) => thread,
        Err(error) => panic!("could not start the thread {name}: {error}"),
    }
}

/// The running threads. Stops them when dropped; stop the appender's owner first, or what it appends afterwards stays
/// written and not durable.
#[derive(Debug)]
pub struct Background {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Background {
    /// Makes everything written durable, ends the threads, marks the journal as stopped, durably: the next opening,
    /// even after a power cut, keeps the term. The appender refuses from then on.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.sync_wake.notify();
        self.shared.prepare_wake.notify();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal has panicked");
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.join();
    }
}
