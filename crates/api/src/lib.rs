//! The REST API, the live feed and the dashboard, over HTTP. The only crate that knows JSON of the
//! outside; of the broker it sees `broker::admin` alone.
//!
//! A crate because it is another weight of dependencies, and must be unable to reach into shards.

#![allow(unused_qualifications, reason = "utoipa's macros write them")]
#![allow(dead_code, reason = "the routes that use it are being built")]

mod error;
mod page;
mod route;
mod serve;
mod time;

use std::{io, net::TcpListener, sync::Arc, thread::JoinHandle};

use broker::admin::Admin;
use tokio::sync::watch;

/// What every handler may use. Clones are one.
#[derive(Clone)]
pub(crate) struct App(Arc<State>);

pub(crate) struct State {
    pub(crate) admin: Admin,
}

impl std::ops::Deref for App {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

/// A running API.
pub struct Handle {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Serves on these sockets, from a thread of its own: what is slow here slows no MQTT client.
///
/// # Errors
/// If the system refuses a thread or an event queue.
pub fn start(listeners: Vec<TcpListener>, admin: Admin) -> io::Result<Handle> {
    let app = App(Arc::new(State { admin }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("api-blocking")
        .max_blocking_threads(2)
        .build()?;
    let (stop, stopped) = watch::channel(false);
    let thread = std::thread::Builder::new().name("api".to_owned());
    let thread = thread.spawn(move || {
        runtime.block_on(serve::serve(listeners, app, stopped));
        // What blocks is a password's hash: nobody waits for it any more.
        runtime.shutdown_background();
    })?;
    Ok(Handle { stop, thread })
}

impl Handle {
    /// Takes no more requests, and lets those under way end.
    pub fn stop(self) {
        self.stop.send_replace(true);
        // If it panicked, that was reported.
        let _ = self.thread.join();
    }
}

/// The API as OpenAPI describes it, in JSON.
#[must_use]
pub fn document() -> String {
    let (_, api) = route::all().split_for_parts();
    api.to_pretty_json()
        .expect("a document of strings and numbers becomes JSON")
}
