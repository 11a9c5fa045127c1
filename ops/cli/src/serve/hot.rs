//! The hot threads: `fused` (one) or `split` (engine and gateway apart), and how they end.

use super::thread;
use ringbook_gateway::Worker;
use ringbook_pipeline::{Agent, EngineAgent, EngineClock, Layout, WaitMode, Wake, pin_to, run_agents};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

type Engine = EngineAgent<EngineClock>;

/// Gateway and engine in turn on one thread.
struct Fused {
    gateway: Gateway,
    engine: Engine,
}

impl Agent for Fused {
    fn poll(&mut self) -> usize {
        let read = self.gateway.worker.poll_in();
        read + self.engine.poll() + self.gateway.send()
    }
}

/// A worker, and its part in draining.
struct Gateway {
    worker: Worker,
    drained: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl Gateway {
    fn send(&mut self) -> usize {
        let sent = self.worker.poll_out();
        if sent == 0 && self.draining.load(Ordering::Relaxed) && self.worker.is_drained() {
            self.drained.store(true, Ordering::Release);
        }
        sent
    }
}

impl Agent for Gateway {
    fn poll(&mut self) -> usize {
        self.worker.poll_in() + self.send()
    }
}

/// Running hot threads.
pub struct Hot {
    threads: Vec<JoinHandle<Option<Gateway>>>,
    wakes: Vec<Wake>,
    stop: Arc<AtomicBool>,
    drained: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

/// Starts them; `hot_wake` is where the sync thread's hook looks.
pub fn start(
    worker: Worker,
    engine: Engine,
    layout: Layout,
    wait: WaitMode,
    pin: Option<usize>,
    hot_wake: &OnceLock<Wake>,
) -> Result<Hot, String> {
    let stop = Arc::new(AtomicBool::new(false));
    let drained = Arc::new(AtomicBool::new(false));
    let draining = worker.draining();
    let (wake, waiter) = (worker.wake(), worker.waiter());
    // The only setter; a second start would be a mistake of the caller.
    let _ = hot_wake.set(wake.clone());
    let gateway = Gateway { worker, drained: drained.clone(), draining: draining.clone() };
    let mut threads = Vec::new();
    let mut wakes = vec![wake.clone()];
    let pin_here = move || {
        if let Some(core) = pin
            && !pin_to(core)
        {
            tracing::warn!(core, "the engine's thread could not be pinned; check the setting pin");
        }
    };
    match layout {
        Layout::Fused => {
            let stop = stop.clone();
            let mut fused = Fused { gateway, engine };
            threads.push(thread("engine", move || {
                pin_here();
                let rounds = AtomicU32::new(0);
                run_agents(&mut [&mut fused], wait, &wake, &stop, &rounds, |time| waiter.wait(time));
                Some(fused.gateway)
            })?);
        }
        Layout::Split => {
            let (engine_stop, gateway_stop) = (stop.clone(), stop.clone());
            let (sender, parked) = std::sync::mpsc::channel();
            let gateway_wake = wake.clone();
            let mut engine = engine.with_written(gateway_wake);
            let engine_thread = thread("engine", move || {
                pin_here();
                let this = std::thread::current();
                let wake = Wake::new(move || this.unpark());
                // The other end is waiting for exactly this.
                let _ = sender.send(wake.clone());
                let rounds = AtomicU32::new(0);
                run_agents(&mut [&mut engine], wait, &wake, &engine_stop, &rounds, std::thread::park_timeout);
                None
            })?;
            let engine_wake = parked.recv().map_err(|_| "the engine's thread did not start".to_owned())?;
            wakes.push(engine_wake.clone());
            let mut gateway = gateway;
            gateway.worker.set_published(engine_wake);
            threads.push(engine_thread);
            threads.push(thread("gateway", move || {
                let rounds = AtomicU32::new(0);
                run_agents(&mut [&mut gateway], wait, &wake, &gateway_stop, &rounds, |time| waiter.wait(time));
                Some(gateway)
            })?);
        }
    }
    Ok(Hot { threads, wakes, stop, drained, draining })
}

impl Hot {
    /// Whether a hot thread has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Takes no more commands, lets what was taken be answered, says goodbye, ends the threads.
    pub fn drain(self, longest: Duration) {
        self.draining.store(true, Ordering::Release);
        let deadline = Instant::now() + longest;
        while !self.drained.load(Ordering::Acquire) && Instant::now() < deadline && !self.has_ended() {
            self.wakes.iter().for_each(Wake::notify);
            std::thread::sleep(Duration::from_millis(1));
        }
        if !self.drained.load(Ordering::Acquire) {
            tracing::warn!("not everything could be answered in time; clients find the rest when they resume");
        }
        self.stop.store(true, Ordering::Release);
        self.wakes.iter().for_each(Wake::notify);
        for thread in self.threads {
            if let Ok(Some(mut gateway)) = thread.join() {
                gateway.worker.close_all();
            }
        }
    }
}
