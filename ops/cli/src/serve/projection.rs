//! The projector inside the server.

use super::sources::Frames;
use crate::config::Config;
use ringbook_feed::ProjectionSource;
use ringbook_journal::Watermarks;
use ringbook_projector::{Options, Progress, RunError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A projector that runs.
pub struct Running {
    thread: JoinHandle<Result<(), RunError>>,
    stop: Arc<AtomicBool>,
    pub progress: Arc<Progress>,
}

/// Options of a projector of this data folder.
pub fn options(data: &std::path::Path, shard: u32) -> Options {
    Options { shard, dead_letter_file: Some(data.join("dead-letters").join("projection.jsonl")), ..Options::default() }
}

/// Starts it. A database that is away is waited for; one that refuses us is told at once.
pub fn start(url: &str, config: &Config, watermarks: &Watermarks, shard: u32) -> Result<Running, String> {
    let sink = ringbook_projector::open(url).map_err(|error| format!("projection: {error}"))?;
    std::fs::create_dir_all(config.data.join("dead-letters"))
        .map_err(|error| format!("dead-letters in {}: {error}", config.data.display()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let progress: Arc<Progress> = Arc::default();
    let source = Frames::new(watermarks);
    let options = options(&config.data, shard);
    let thread = ringbook_projector::spawn(source, sink, options, stop.clone(), progress.clone())
        .map_err(|error| format!("no thread for the projector: {error}"))?;
    Ok(Running { thread, stop, progress })
}

impl Running {
    /// For read-your-writes over HTTP.
    pub fn source(&self) -> Arc<dyn ProjectionSource> {
        Arc::new(Passed(self.progress.clone()))
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

struct Passed(Arc<Progress>);

impl ProjectionSource for Passed {
    fn passed(&self) -> u64 {
        self.0.sequence()
    }

    fn trouble(&self) -> Option<String> {
        self.0.report().last_error
    }
}
