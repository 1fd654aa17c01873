//! A set of keys that a service tells over HTTP. Fetched anew now and then, and when a token is signed by
//! nobody we know; while that fails, the keys stay as they were.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::{Method, body::Bytes};

use super::key::{Named, of_jwks};
use crate::access::{
    authenticate::method::KeysAt,
    remote::{
        Errands, Failure, Guard,
        http::{Ask, Pool, Reply, Url},
    },
};

/// Bytes of a set at most.
const SET_BYTES_MAX: usize = 1 << 20;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two fetches that were not due: because of tokens that nobody we know has signed, which anybody
/// can make, or after one that failed.
const RETRY_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Fetched {
    pool: Pool,
    ask: Ask,
    guard: Guard,
    refresh_every: Duration,
    state: Mutex<State>,
    /// Held by who fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    good: Option<Arc<Vec<Named>>>,
    /// When they came, and when they were asked for last.
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

/// What there is of the keys.
pub(super) enum Keys {
    Good(Arc<Vec<Named>>),
    /// Good, and older than they should be.
    Old(Arc<Vec<Named>>),
    None,
}

impl Fetched {
    pub(super) fn new(at: &KeysAt) -> Result<Self, String> {
        let url = Url::parse(&at.url)?;
        let target = match url.target.as_str() {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        let size = (1, FETCH_TIMEOUT);
        let pool = Pool::new(url, Some(&at.tls), &at.headers, size, SET_BYTES_MAX)?;
        Ok(Self {
            pool,
            ask: Ask {
                method: Method::GET,
                target,
                body: Bytes::new(),
            },
            guard: Guard::new(format!("the set of keys at {}", at.url), FETCH_TIMEOUT),
            refresh_every: Duration::from_secs(at.refresh_secs),
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keys(&self) -> Keys {
        let state = self.state();
        let within = |at: Option<Instant>, time| at.is_some_and(|at| at.elapsed() < time);
        let is_fresh =
            within(state.fetched, self.refresh_every) || within(state.tried, RETRY_EVERY);
        match &state.good {
            None => Keys::None,
            Some(keys) if is_fresh => Keys::Good(keys.clone()),
            Some(keys) => Keys::Old(keys.clone()),
        }
    }

    /// Whether keys may be fetched because nobody we know has signed a token.
    pub(super) fn may_be_new(&self) -> bool {
        let tried = self.state().tried;
        tried.is_none_or(|at| at.elapsed() >= RETRY_EVERY)
    }

    /// Fetches them in the background.
    pub(super) fn begin(self: &Arc<Self>, errands: &Errands) -> io::Result<()> {
        let fetched = self.clone();
        errands.handle()?.spawn(async move {
            fetched.fetch().await;
        });
        Ok(())
    }

    /// Fetches them, or waits for who does. Gives those that are good then.
    pub(super) async fn fetch(&self) -> Option<Arc<Vec<Named>>> {
        let wanted = Instant::now();
        let _turn = self.fetching.lock().await;
        if self.state().tried.is_some_and(|at| at >= wanted) {
            return self.state().good.clone();
        }
        let read = async { read(&self.pool.send(&self.ask).await?) };
        let read = self.guard.ask(read).await;
        let mut state = self.state();
        state.tried = Some(Instant::now());
        if let Ok(keys) = read {
            state.good = Some(Arc::new(keys));
            state.fetched = state.tried;
        }
        state.good.clone()
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.guard.trouble()
    }
}

fn read(reply: &Reply) -> Result<Vec<Named>, Failure> {
    if reply.status != 200 {
        return Err(Failure::Down(format!("status {}", reply.status)));
    }
    let text = std::str::from_utf8(&reply.body);
    let text = text.map_err(|_| Failure::Odd("it is no text".to_owned()))?;
    of_jwks(text).map_err(Failure::Odd)
}
