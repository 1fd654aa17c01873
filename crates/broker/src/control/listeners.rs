//! Listeners: which there are, and how they come and go while the broker runs. Sockets are opened here,
//! all of a change or none, and handed to shard 0 by letter; who came through a listener that stops is
//! told so and goes.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use engine::Cause;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::sync::oneshot;

use crate::{
    StartError,
    config::{Config, ListenerId, Transport},
    shard::{LISTENING_MAX, Letter, Post, VISIT_MAX, Visit},
    tls::{Context, Looked, Terms, own_files},
    transport::http::Ports,
};

/// Connections that the system keeps until they are accepted: a storm of clients fits.
const BACKLOG: i32 = 4096;

/// When the system asks a silent peer whether it lives, and how often again. MQTT's own Keep Alive may
/// be off or eighteen hours; a peer that died without a word is noticed within three minutes.
const ASK_AFTER: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(10);
#[cfg(not(any(windows, target_os = "openbsd")))]
const ASK_TIMES: u32 = 6;

/// Connections that a shard ends at once when their listener stops: each may publish a will.
const EXPELLED_MAX: usize = 50;

/// A listening socket on its way to the shard that accepts from it.
pub(crate) struct Bound {
    /// Names this socket among all that there ever were.
    pub(crate) key: u64,
    /// Its listener's number, which connections carry.
    pub(crate) number: u8,
    pub(crate) id: ListenerId,
    pub(crate) socket: std::net::TcpListener,
    /// If it speaks TLS: on which terms.
    pub(crate) tls: Option<Arc<Context>>,
}

/// The dashboard's name among the listeners, as EMQX has it.
pub(crate) const DASHBOARD: &str = "http:dashboard";

/// What MQTT over WebSocket on the dashboard's port is called, and the number of such connections.
pub(crate) const DASHBOARD_WEB: &str = "ws:dashboard";
pub(crate) const DASHBOARD_NUMBER: u8 = u8::MAX;

/// A socket that listens, and where it really does.
pub(crate) type Socketed = (SocketAddr, std::net::TcpListener);

/// All listeners of a running broker.
pub(crate) struct Listeners {
    post: Arc<Post>,
    /// Where the dashboard really listens.
    dashboard: Vec<SocketAddr>,
    /// Where the broker's own certificate is.
    data_dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: BTreeMap<ListenerId, Open>,
    /// Who has or had each number. One is given again when none of its connections is left.
    names: Vec<ListenerId>,
    next_key: u64,
}

/// A listener that is there.
#[derive(Clone)]
struct Open {
    number: u8,
    sockets: Vec<Place>,
    tls: Option<Arc<Context>>,
}

/// One socket of a listener.
#[derive(Clone, Copy)]
struct Place {
    key: u64,
    /// Where it was asked to listen, and where it does.
    asked: SocketAddr,
    address: SocketAddr,
}

/// A change that is prepared: what is to be opened is.
pub(crate) struct Change {
    next: BTreeMap<ListenerId, Open>,
    /// Of those that speak TLS.
    terms: BTreeMap<ListenerId, Arc<Terms>>,
    fresh: Vec<Bound>,
    /// Sockets that are to be closed, as far as they are not yet.
    going: Vec<u64>,
    /// Listeners whose connections end.
    ending: Vec<u8>,
}

impl Listeners {
    pub(crate) fn new(post: Arc<Post>, dashboard: &[Socketed], data_dir: &Path) -> Self {
        Self {
            post,
            dashboard: dashboard.iter().map(|(address, _)| *address).collect(),
            data_dir: data_dir.to_owned(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where each listener listens; the dashboard's sockets come last.
    pub(crate) fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let state = self.state();
        let open = state.open.iter();
        let open = open.flat_map(|(id, o)| o.sockets.iter().map(|s| (id.to_string(), s.address)));
        let dashboard = self.dashboard.iter();
        open.chain(dashboard.map(|at| (DASHBOARD.to_owned(), *at)))
            .collect()
    }

    /// Where a listener listens; nothing if it does not.
    pub(crate) fn addresses_of(&self, id: &ListenerId) -> Vec<SocketAddr> {
        let state = self.state();
        let open = state.open.get(id);
        open.map_or_else(Vec::new, |o| o.sockets.iter().map(|s| s.address).collect())
    }

    /// Connections that came through a listener.
    pub(crate) fn connections(&self, id: &ListenerId) -> u32 {
        let number = self.state().open.get(id).map(|o| o.number);
        number.map_or(0, |number| self.post.open(number))
    }

    /// Under which number connections know a listener that runs.
    pub(crate) fn number_of(&self, id: &ListenerId) -> Option<u8> {
        self.state().open.get(id).map(|open| open.number)
    }

    /// The id of the listener with this number, such as `tcp:default`.
    pub(crate) fn name(&self, number: u8) -> String {
        if number == DASHBOARD_NUMBER {
            return DASHBOARD_WEB.to_owned();
        }
        let state = self.state();
        let id = state.names.get(usize::from(number));
        id.map_or_else(String::new, ListenerId::to_string)
    }

    /// What a lost browser is told.
    pub(crate) fn ports(&self) -> Ports {
        let state = self.state();
        let port = |transport| {
            let mut open = state.open.iter();
            let found = open.find(|(id, _)| id.transport == transport);
            found.and_then(|(_, o)| o.sockets.first().map(|s| s.address.port()))
        };
        Ports {
            mqtt: port(Transport::Tcp),
            websocket: port(Transport::WebSocket),
            dashboard: self.dashboard.first().map(SocketAddr::port),
        }
    }

    /// Reads certificates, and opens what a configuration has and is not there yet. Where an address is free only once
    /// another of ours is, that one closes at once.
    ///
    /// # Errors
    /// If a certificate cannot be used or an address not be listened on; then everything is as it was.
    pub(crate) async fn prepare(&self, config: &Config) -> Result<Change, StartError> {
        let terms = self.terms(config)?;
        let mut change = self.plan(config, terms);
        let wanted = self.missing(config, &change);
        let mut refused = Vec::new();
        for (id, asked) in wanted {
            if let Err(error) = self.open(&mut change, &id, asked) {
                if change.going.is_empty() || error.in_use().is_none() {
                    return Err(error);
                }
                refused.push((id, asked));
            }
        }
        if refused.is_empty() {
            return Ok(change);
        }
        let going = std::mem::take(&mut change.going);
        self.hush(going.clone()).await;
        for (id, asked) in refused {
            if let Err(error) = self.open(&mut change, &id, asked) {
                drop(change);
                self.reopen_or_tell(&going);
                return Err(error);
            }
        }
        Ok(change)
    }

    /// What the listeners that speak TLS do it with.
    fn terms(&self, config: &Config) -> Result<BTreeMap<ListenerId, Arc<Terms>>, StartError> {
        let enabled = config.listeners.iter().filter(|(_, l)| l.enabled);
        let secure = enabled.filter(|(id, _)| id.transport.is_tls());
        let loaded = secure.map(|(id, listener)| {
            let terms = Terms::load(&listener.ssl_options, &self.data_dir);
            let terms = terms.map_err(|source| StartError::Tls {
                listener: id.section(),
                source,
            })?;
            Ok((id.clone(), Arc::new(terms)))
        });
        loaded.collect()
    }

    /// What stays, what goes, and nothing opened yet.
    fn plan(&self, config: &Config, terms: BTreeMap<ListenerId, Arc<Terms>>) -> Change {
        let state = self.state();
        let mut change = Change {
            next: BTreeMap::new(),
            terms,
            fresh: Vec::new(),
            going: Vec::new(),
            ending: Vec::new(),
        };
        for (id, open) in &state.open {
            let wanted = config.listeners.get(id).filter(|l| l.enabled);
            let Some(wanted) = wanted else {
                change.going.extend(open.sockets.iter().map(|s| s.key));
                change.ending.push(open.number);
                continue;
            };
            let (stay, go): (Vec<_>, Vec<_>) = open
                .sockets
                .iter()
                .partition(|s| wanted.bind.contains(&s.asked));
            change.going.extend(go.iter().map(|s: &Place| s.key));
            let open = Open {
                number: open.number,
                sockets: stay,
                tls: open.tls.clone(),
            };
            change.next.insert(id.clone(), open);
        }
        change
    }

    /// What has still to be opened.
    fn missing(&self, config: &Config, change: &Change) -> Vec<(ListenerId, SocketAddr)> {
        let enabled = config.listeners.iter().filter(|(_, l)| l.enabled);
        let mut missing = Vec::new();
        for (id, listener) in enabled {
            let open = change.next.get(id);
            let is_there = |asked: &SocketAddr| {
                open.is_some_and(|o| o.sockets.iter().any(|s| s.asked == *asked))
            };
            let wanted = listener.bind.iter().filter(|asked| !is_there(asked));
            missing.extend(wanted.map(|asked| (id.clone(), *asked)));
        }
        missing
    }

    fn open(
        &self,
        change: &mut Change,
        id: &ListenerId,
        asked: SocketAddr,
    ) -> Result<(), StartError> {
        let socket = match listen(asked) {
            Ok(socket) => socket,
            // A machine without IPv6 is fine, as long as something is listened on.
            Err(source) if is_missing_family(asked, &source) => return Ok(()),
            Err(source) => {
                return Err(StartError::Listen {
                    listener: id.to_string(),
                    key: id.section() + ".bind",
                    address: asked,
                    source,
                });
            }
        };
        let sockets: usize = change.next.values().map(|o| o.sockets.len()).sum();
        if sockets >= LISTENING_MAX {
            return Err(StartError::TooManyListeners);
        }
        let address = socket.local_addr().unwrap_or(asked);
        let (number, key) = self.number(change, id)?;
        let terms = change.terms.get(id);
        let fallback = || Open {
            number,
            sockets: Vec::new(),
            tls: terms.map(|terms| Arc::new(Context::new(terms.clone()))),
        };
        let open = change.next.entry(id.clone()).or_insert_with(fallback);
        open.sockets.push(Place {
            key,
            asked,
            address,
        });
        change.fresh.push(Bound {
            key,
            number: open.number,
            id: id.clone(),
            socket,
            tls: open.tls.clone(),
        });
        Ok(())
    }

    /// The listener's number, and a new socket's key.
    fn number(&self, change: &Change, id: &ListenerId) -> Result<(u8, u64), StartError> {
        let mut state = self.state();
        state.next_key += 1;
        let key = state.next_key;
        if let Some(open) = change.next.get(id) {
            return Ok((open.number, key));
        }
        let taken = |number: u8| {
            let mut open = state.open.values().chain(change.next.values());
            open.any(|o| o.number == number) || self.post.open(number) > 0
        };
        // What is shown of a connection that has ended keeps its name as long as there are others.
        let same = state.names.iter().position(|name| name == id);
        let same = same.and_then(|at| u8::try_from(at).ok());
        let unused = u8::try_from(state.names.len()).ok();
        let free = same
            .filter(|n| !taken(*n))
            .or_else(|| unused.filter(|n| *n < DASHBOARD_NUMBER))
            .or_else(|| (0..DASHBOARD_NUMBER).find(|n| !taken(*n)));
        let number = free.ok_or(StartError::TooManyListeners)?;
        match state.names.get_mut(usize::from(number)) {
            Some(name) => *name = id.clone(),
            None => state.names.push(id.clone()),
        }
        Ok((number, key))
    }

    /// Hands new sockets over, closes old ones, and ends the connections of listeners that stop.
    pub(crate) async fn commit(&self, change: Change) {
        self.install(&change.next, &change.terms, change.fresh);
        self.hush(change.going).await;
        for number in change.ending {
            self.expel(number).await;
        }
    }

    /// For the start, when nothing can be in the way.
    pub(crate) fn begin(&self, change: Change) {
        self.install(&change.next, &change.terms, change.fresh);
    }

    /// Lets go of what was prepared.
    pub(crate) fn abort(&self, change: Change) {
        let gone: Vec<u64> = {
            let state = self.state();
            let places = state.open.values().flat_map(|o| &o.sockets);
            let kept = |key: &u64| {
                change.going.contains(key)
                    || change
                        .next
                        .values()
                        .any(|o| o.sockets.iter().any(|s| s.key == *key))
            };
            places.map(|s| s.key).filter(|key| !kept(key)).collect()
        };
        drop(change);
        self.reopen_or_tell(&gone);
    }

    fn install(
        &self,
        next: &BTreeMap<ListenerId, Open>,
        terms: &BTreeMap<ListenerId, Arc<Terms>>,
        fresh: Vec<Bound>,
    ) {
        for (id, open) in next {
            if let Some((context, terms)) = open.tls.as_ref().zip(terms.get(id)) {
                context.set(terms.clone());
            }
        }
        self.state().open.clone_from(next);
        if !fresh.is_empty() {
            self.post.send(0, Letter::Listen(fresh));
        }
    }

    /// Closes sockets; their ports are free when this has returned.
    async fn hush(&self, keys: Vec<u64>) {
        if keys.is_empty() {
            return;
        }
        let (done, hushed) = oneshot::channel();
        self.post.send(0, Letter::Hush(keys, done));
        // A shard that is gone listens no more.
        let _ = hushed.await;
    }

    /// After a change that failed.
    fn reopen_or_tell(&self, keys: &[u64]) {
        if let Err(error) = self.reopen(keys) {
            tracing::error!("{error}");
        }
    }

    /// Listens again where one of these sockets was.
    fn reopen(&self, keys: &[u64]) -> Result<(), StartError> {
        let mut state = self.state();
        let State { open, next_key, .. } = &mut *state;
        let mut fresh = Vec::new();
        let mut result = Ok(());
        for (id, open) in open {
            let (number, tls) = (open.number, open.tls.clone());
            open.sockets.retain_mut(|place| {
                if !keys.contains(&place.key) {
                    return true;
                }
                *next_key += 1;
                place.key = *next_key;
                // At the port that it had, should the system have chosen it.
                match listen(place.address) {
                    Ok(socket) => fresh.push(Bound {
                        key: place.key,
                        number,
                        id: id.clone(),
                        socket,
                        tls: tls.clone(),
                    }),
                    Err(source) => {
                        result = Err(StartError::Listen {
                            listener: id.to_string(),
                            key: id.section() + ".bind",
                            address: place.address,
                            source,
                        });
                        return false;
                    }
                }
                true
            });
        }
        drop(state);
        if !fresh.is_empty() {
            self.post.send(0, Letter::Listen(fresh));
        }
        result
    }

    /// Ends all connections that came through a listener. Shard 0, which hands them to the others,
    /// comes first, so that none is on its way behind us.
    async fn expel(&self, number: u8) {
        for shard in 0..self.post.count() {
            let mut from = Some(0);
            while let Some(slot) = from {
                let (answer, answered) = oneshot::channel();
                let question = move |visit: &mut Visit<'_>| {
                    let _ = answer.send(expel(visit, number, slot));
                };
                self.post.send(shard, Letter::Visit(Box::new(question)));
                from = answered.await.unwrap_or_default();
            }
        }
    }

    /// Reads certificates again whose files have changed. Nobody's connection ends.
    pub(crate) fn look_at_certificates(&self) {
        for (id, context) in self.contexts() {
            match context.look() {
                Looked::Same => {}
                Looked::Renewed(terms) => {
                    let subject = &terms.facts.subject;
                    tracing::info!("{id}: the certificate was read again ({subject})");
                }
                Looked::Broken(error) => {
                    let section = id.section();
                    tracing::error!(
                        "{section}.{error}; the files that were read before stay in use"
                    );
                }
            }
        }
    }

    /// The listeners that speak TLS, and on which terms.
    pub(crate) fn contexts(&self) -> Vec<(ListenerId, Arc<Context>)> {
        let state = self.state();
        let open = state.open.iter();
        open.filter_map(|(id, open)| Some((id.clone(), open.tls.clone()?)))
            .collect()
    }

    /// What clients are given so that they trust the broker's own certificate.
    pub(crate) fn own_authority(&self) -> PathBuf {
        own_files(&self.data_dir).authority
    }

    /// Closes everything, and opens it again: the connections of a listener end.
    ///
    /// # Errors
    /// If it cannot listen again.
    pub(crate) async fn restart(&self, id: &ListenerId) -> Result<(), StartError> {
        let Some(old) = self.state().open.get(id).cloned() else {
            return Ok(());
        };
        let keys: Vec<u64> = old.sockets.iter().map(|s| s.key).collect();
        self.hush(keys.clone()).await;
        self.expel(old.number).await;
        self.reopen(&keys)
    }
}

/// A slice of [`Listeners::expel`]: from which slot to go on, if there are more.
fn expel(visit: &mut Visit<'_>, number: u8, from: u32) -> Option<u32> {
    let close = Cause::ListenerStopped.close();
    let (found, next) = visit
        .conns
        .of_listener(number, from, (VISIT_MAX, EXPELLED_MAX));
    for (conn, session) in found {
        match session {
            Some(session) => visit.engine.kick(visit.now, session, close, visit.conns),
            None => engine::Sink::close(visit.conns, conn, engine::Ending::Expelled(close)),
        }
    }
    next
}

/// The sockets of the dashboard; none if it is off.
pub(crate) fn open_dashboard(config: &Config) -> Result<Vec<Socketed>, StartError> {
    let mut all = Vec::new();
    let wanted = config.dashboard.bind.iter();
    for address in wanted.filter(|_| config.dashboard.enabled) {
        match listen(*address) {
            Ok(socket) => all.push((socket.local_addr().unwrap_or(*address), socket)),
            Err(source) if is_missing_family(*address, &source) => {}
            Err(source) => {
                return Err(StartError::Listen {
                    listener: DASHBOARD.to_owned(),
                    key: "dashboard.bind".to_owned(),
                    address: *address,
                    source,
                });
            }
        }
    }
    Ok(all)
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own: whether this one would take it differs between systems.
        socket.set_only_v6(true)?;
    }
    // A restart need not wait for old connections in TIME_WAIT. On Windows it would allow two owners.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?; // TCP: ordered and without loss [MQTT-4.2.0-1].
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it, at no cost for each.
    let ask = TcpKeepalive::new()
        .with_time(ASK_AFTER)
        .with_interval(ASK_EVERY);
    // Windows asks ten times; that it can be told otherwise is younger than some Windows 10.
    #[cfg(not(any(windows, target_os = "openbsd")))]
    let ask = ask.with_retries(ASK_TIMES);
    socket.set_tcp_keepalive(&ask)?;
    Ok(socket.into())
}

/// Whether "everywhere" fails for IPv6 because this machine has none of it.
fn is_missing_family(asked: SocketAddr, error: &io::Error) -> bool {
    let unsupported = matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable
    );
    // EAFNOSUPPORT has no kind of its own: 97 on Linux, 47 on macOS, 10047 on Windows.
    let unsupported = unsupported || matches!(error.raw_os_error(), Some(97 | 47 | 10047));
    asked.is_ipv6() && asked.ip().is_unspecified() && unsupported
}
