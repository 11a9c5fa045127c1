//! The projector inside the server.

use super::sources::Frames;
use crate::config::Config;
use ringbook_feed::{ProjectionSource, ProjectionStatus};
use ringbook_journal::Watermarks;
use ringbook_projector::{Options, Owner, Progress, ProgressReport, RunError};
use ringbook_replay::History;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A projector that runs.
pub struct Running {
    thread: JoinHandle<Result<(), RunError>>,
    stop: Arc<AtomicBool>,
    standing: Standing,
}

/// How the rows stand against the journal's end of this moment.
#[derive(Clone)]
pub struct Standing {
    progress: Arc<Progress>,
    watermarks: Watermarks,
}

/// Options of a projector of this data folder.
pub fn options(data: &std::path::Path, history: &History) -> Options {
    let owner = Owner { shard: history.shard, journal: history.uuid };
    Options { owner, dead_letter_file: Some(data.join("dead-letters").join("projection.jsonl")), ..Options::default() }
}

/// Starts it. A database that is away is waited for; one that refuses us is told at once.
pub fn start(url: &str, config: &Config, watermarks: &Watermarks, history: &History) -> Result<Running, String> {
    let mut sink = ringbook_projector::open(url).map_err(|error| format!("projection: {error}"))?;
    std::fs::create_dir_all(config.data.join("dead-letters"))
        .map_err(|error| format!("dead-letters in {}: {error}", config.data.display()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let progress: Arc<Progress> = Arc::default();
    let mut source = Frames::new(watermarks);
    let options = options(&config.data, history);
    let thread = {
        let (stop, progress) = (stop.clone(), progress.clone());
        super::thread("projector", move || {
            ringbook_journal::step_back();
            let result = ringbook_projector::run(&mut source, sink.as_mut(), &options, &stop, &progress);
            if let Err(error) = &result {
                tracing::error!(%error, "the projector has ended; orders go on, the rows stand still");
            }
            result
        })?
    };
    Ok(Running { thread, stop, standing: Standing { progress, watermarks: watermarks.clone() } })
}

impl Running {
    /// For HTTP and metrics.
    pub fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// Writes what is folded, if the database answers, and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the projector had stopped"),
            Err(_) => tracing::error!("the projector has panicked"),
        }
    }
}

impl Standing {
    /// All numbers; the lag is right also while the projector waits for its database.
    pub fn report(&self) -> ProgressReport {
        self.progress.head(self.watermarks.committed().0);
        self.progress.report()
    }
}

impl ProjectionSource for Standing {
    fn passed(&self) -> u64 {
        self.progress.sequence()
    }

    fn status(&self) -> ProjectionStatus {
        let report = self.report();
        let state = if report.ended { "ended" } else { report.breaker.name() };
        ProjectionStatus {
            sequence: report.sequence,
            lag_frames: report.lag_frames,
            lag_seconds: report.lag_ns as f64 / 1e9,
            state: state.into(),
            failures: report.failures,
            next_attempt_ms: report.next_attempt_ms,
            dead_letters: report.dead_letters,
            trouble: report.last_error.filter(|_| report.failures > 0 || report.ended),
        }
    }
}
