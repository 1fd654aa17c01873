//! Back ends elsewhere: what authenticators ask over the network. One thread of the control plane waits
//! for all of them; each has a pool of connections, a time within which it has to answer, a bound of
//! questions under way, and rest while it does not answer at all.

mod breaker;
pub(crate) mod database;
mod dial;
mod guard;
pub(crate) mod http;
pub(crate) mod ldap;
mod memory;
mod reach;
mod request;
pub(crate) mod service;
mod template;

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::{runtime, sync::oneshot};

pub use dial::TlsSetup;
pub(crate) use guard::Guard;
pub(crate) use memory::{Mark, Memory};
pub(crate) use reach::Reach;
pub(crate) use template::{Deed, Facts, Place, Scope, Template};

/// A text that nobody is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Masked(pub String);

impl std::fmt::Debug for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("******")
    }
}

/// Why a back end has not said what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("as many questions are under way as may be")]
    Busy,
    #[error("it did not answer lately and is asked again in a few seconds")]
    Rests,
    #[error("no answer in time")]
    Slow,
    /// It is not there, or says itself that it cannot answer.
    #[error("{0}")]
    Down(String),
    /// It answered, and nobody knows what that means.
    #[error("{0}")]
    Odd(String),
}

struct Running {
    handle: runtime::Handle,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

/// The thread that waits. It begins with the first back end.
#[derive(Default)]
pub(crate) struct Errands {
    running: Mutex<Option<Running>>,
    reach: Reach,
}

impl Errands {
    /// To these places only.
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            running: Mutex::default(),
            reach,
        }
    }

    /// Where to put what has to wait.
    ///
    /// # Errors
    /// If the system refuses a thread or an event queue.
    pub(crate) fn handle(&self) -> io::Result<runtime::Handle> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            return Ok(running.handle.clone());
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("back-ends".to_owned());
        let reach = self.reach.clone();
        thread.spawn(move || {
            reach.begin();
            // An error is the end, too: nobody is left who might ask.
            let _ = runtime.block_on(ended);
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        *running = Some(Running {
            handle: handle.clone(),
            _end: end,
        });
        Ok(handle)
    }
}
