//! The listener and its thread.
//!
//! Invariants: the address is bound before [`start`] returns; stopping ends open connections after their current
//! answer, or after [`DRAIN`].

use crate::bounded::{Bounded, Peer};
use crate::error::FeedError;
use crate::metrics::{AllSources, ShadowSource, StatusMetrics};
use crate::routes::{App, router};
use crate::sources::Sources;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long answers that are under way may take at the end.
const DRAIN: Duration = Duration::from_millis(500);

/// Settings.
#[derive(Clone, Copy, Debug)]
pub struct FeedOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serves account data to every peer, not to this machine alone.
    pub private_http: bool,
    /// How long a question waits for its sequence.
    pub query_timeout: Duration,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            private_http: false,
            query_timeout: Duration::from_secs(5),
        }
    }
}

/// A running feed; dropping it stops it.
#[derive(Debug)]
pub struct Feed {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Binds and serves on a thread of its own.
///
/// # Errors
/// The address cannot be had, or there is no thread.
pub fn start(options: &FeedOptions, sources: Sources) -> Result<Feed, FeedError> {
    let bind = |source| FeedError::Bind { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).map_err(bind)?;
    listener.set_nonblocking(true).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = Arc::new(app(options, sources));
    let (stop, stopped) = oneshot::channel();
    let serve = move || {
        runtime.block_on(serve(listener, app, stopped));
        runtime.shutdown_timeout(DRAIN);
    };
    let thread = std::thread::Builder::new().name("feed".into()).spawn(serve)?;
    Ok(Feed { address, stop: Some(stop), thread: Some(thread) })
}

fn app(options: &FeedOptions, sources: Sources) -> App {
    let Sources { shadow, status, projection, mut metrics, mut registry } = sources;
    metrics.push(Arc::new(ShadowSource(shadow.clone())));
    metrics.push(Arc::new(StatusMetrics(Arc::clone(&status))));
    registry.register_collector(Box::new(AllSources { sources: metrics }));
    let FeedOptions { private_http, query_timeout, .. } = *options;
    App { shadow, status, projection, registry, private_http, query_timeout }
}

async fn serve(listener: TcpListener, app: Arc<App>, stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "HTTP has stopped: the listener cannot be used"),
    };
    let listener = Bounded::new(listener);
    let service = router(app).into_make_service_with_connect_info::<Peer>();
    let (ending, ended) = oneshot::channel::<()>();
    let signal = async move {
        // Either way the feed has to end.
        let _ = stopped.await;
        drop(ending);
    };
    let late = async move {
        let _ = ended.await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = axum::serve(listener, service).with_graceful_shutdown(signal) => {
            if let Err(error) = result {
                tracing::error!(%error, "HTTP has stopped");
            }
        }
        () = late => {}
    }
}

impl Feed {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops; answers that are under way are given.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A thread that has ended already hears nothing.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP thread has panicked");
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
    }
}
