//! The REST API, the live feed and the dashboard, over HTTP. The only crate that knows JSON of the
//! outside; of the broker it sees `broker::admin` and `broker::lan` alone.
//!
//! A crate because it is another weight of dependencies, and must be unable to reach into shards.

#![allow(unused_qualifications, reason = "utoipa's macros write them")]
#![allow(dead_code, reason = "the routes that use it are being built")]

mod account;
mod audit;
pub mod control;
mod door;
mod duration;
mod error;
mod lang;
mod page;
mod query;
mod route;
mod serve;
mod time;
mod web;
mod zip;

use std::{io, net::TcpListener, sync::Arc, thread::JoinHandle};

use account::First;
use broker::admin::{Admin, security::Point, settings::Profile};
use tokio::sync::watch;

pub use account::{Secret, Weak, pass_phrase};

/// What every handler may use. Clones are one.
#[derive(Clone)]
pub(crate) struct App(Arc<State>);

pub(crate) struct State {
    pub(crate) admin: Admin,
    pub(crate) accounts: account::Accounts,
    pub(crate) audit: Arc<audit::Audit>,
    pub(crate) door: door::Door,
    pub(crate) feeds: route::live::Feeds,
    /// True from the end's beginning on: what goes on and on ends then.
    pub(crate) stopped: watch::Receiver<bool>,
}

impl std::ops::Deref for App {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

/// A running API.
pub struct Handle {
    app: App,
    _control: Option<control::ControlFile>,
    ignored_password: bool,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Serves on these sockets, from a thread of its own: what is slow here slows no MQTT client.
/// `password` becomes that of `admin` if none was set yet; it may be one.
///
/// # Errors
/// If the store cannot be read, or the system refuses a thread or an event queue.
pub fn start(
    listeners: Vec<TcpListener>,
    admin: Admin,
    password: Option<Secret>,
) -> io::Result<Handle> {
    let first = first_password(&listeners, &admin)?;
    let accounts = account::Accounts::load(admin.keep(), first)?;
    let audit = audit::Audit::load(admin.keep())?;
    let owner = Secret::random();
    let control = match listeners.first() {
        Some(listener) => {
            let bound = listener.local_addr()?;
            Some(control::ControlFile::write(
                &admin.data_dir(),
                bound,
                &owner,
            )?)
        }
        None => None,
    };
    let door = door::Door::new(owner);
    let (stop, stopped) = watch::channel(false);
    let app = App(Arc::new(State {
        admin,
        accounts,
        audit: Arc::new(audit),
        door,
        feeds: route::live::Feeds::default(),
        stopped: stopped.clone(),
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("api-blocking")
        .max_blocking_threads(2)
        .build()?;
    let ignored_password = match password {
        Some(password) => {
            let adopted = runtime.block_on(app.accounts.adopt(password));
            !adopted.map_err(io::Error::other)?
        }
        None => false,
    };
    let thread = std::thread::Builder::new().name("api".to_owned());
    let theirs = app.clone();
    let thread = thread.spawn(move || {
        runtime.block_on(async {
            tokio::spawn(theirs.audit.watch(theirs.admin.clone()));
            serve::serve(listeners, theirs.clone(), stopped).await;
            theirs.audit.close(theirs.admin.now_millis()).await;
        });
        // What blocks there is waited for by nobody any more.
        runtime.shutdown_background();
    })?;
    Ok(Handle {
        app,
        _control: control,
        ignored_password,
        stop,
        thread,
    })
}

/// In the profile `production` nobody knows it, unless somebody has accepted that. Elsewhere everybody does, and
/// from public addresses it is refused: where the dashboard listens at one, whoever reads the log sets another.
fn first_password(listeners: &[TcpListener], admin: &Admin) -> io::Result<First> {
    let is_closed = admin.look(|config| {
        let mut accepted = config.node.accepted_risks.iter();
        config.node.profile == Profile::Production
            && !accepted.any(|risk| risk.name() == "default_password")
    });
    if is_closed {
        return Ok(First::drawn());
    }
    for listener in listeners {
        if broker::security::is_public(listener.local_addr()?) {
            return Ok(First::known_and_drawn());
        }
    }
    Ok(First::known())
}

impl Handle {
    /// Whether `admin` signs in with the default password, from near addresses.
    #[must_use]
    pub fn has_default_password(&self) -> bool {
        self.app.accounts.is_password_known()
    }

    /// With what `admin` signs in to set a password, for an hour, where none was set and the default is none, or is
    /// refused from public addresses at which the dashboard listens.
    #[must_use]
    pub fn set_up(&self) -> Option<Secret> {
        self.app.accounts.set_up().cloned()
    }

    /// What strangers could do now, whether they can or not. Looks at files.
    #[must_use]
    pub fn security(&self) -> Vec<Point> {
        // Nobody reads anything yet.
        self.app.admin.security(self.has_default_password(), None)
    }

    /// Whether the start was given a password and another one is set.
    #[must_use]
    pub fn ignored_password(&self) -> bool {
        self.ignored_password
    }

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
    let mut api = route::document();
    door::document(&mut api);
    api.to_pretty_json()
        .expect("a document of strings and numbers becomes JSON")
}
