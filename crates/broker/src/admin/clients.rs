//! Clients: connected ones, and those whose sessions wait for them.

use std::net::{IpAddr, SocketAddr};

use engine::{Drop, Time};
use protocol::Version;

use super::{
    Admin, Extent, Gone, Rows,
    walk::{Gather, ROWS_MAX, Take, Window},
};
use crate::shard::{VISIT_MAX, Visit};

/// One client. Times are milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Client {
    pub client_id: String,
    pub user_name: Option<String>,
    /// It has not proven who it is.
    pub is_anonymous: bool,
    /// While it is connected.
    pub address: Option<SocketAddr>,
    /// The listener it came to, while it is connected.
    pub listener: Option<String>,
    /// The prefix of its topics, while it is connected; empty for none.
    pub mountpoint: String,
    /// Whether its listener asks any authenticator.
    pub is_asked: bool,
    pub connected_at: u64,
    /// If it is away.
    pub disconnected_at: Option<u64>,
    pub created_at: u64,
    /// `MQTT`, or what 3.1 called itself.
    pub protocol: &'static str,
    /// 3, 4 or 5.
    pub version: u8,
    pub keep_alive_secs: u16,
    pub is_clean_start: bool,
    pub expiry_secs: u32,
    /// The session outlives its connection.
    pub is_lasting: bool,
    pub subscriptions: u64,
    pub subscriptions_max: u64,
    pub in_flight: u64,
    pub in_flight_max: u64,
    /// Messages that wait in memory.
    pub queued: u64,
    pub queued_max: u64,
    pub awaiting_release: u64,
    pub awaiting_release_max: u64,
    pub traffic: Traffic,
}

/// What its connection sent and got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub received_bytes: u64,
    pub received_packets: u64,
    /// PUBLISH by QoS.
    pub received: [u64; 3],
    /// QoS 2 messages whose PUBREL never came.
    pub received_dropped: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
    /// PUBLISH by QoS.
    pub sent: [u64; 3],
    /// Messages for it that were dropped, and for these reasons.
    pub dropped: u64,
    pub dropped_expired: u64,
    pub dropped_queue_full: u64,
    pub dropped_too_large: u64,
}

/// Which clients are meant: all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct ClientFilter {
    /// One of these; any if there are none.
    pub client_ids: Vec<String>,
    pub user_names: Vec<String>,
    /// A part of it.
    pub like_client_id: Option<String>,
    pub like_user_name: Option<String>,
    pub ip: Option<IpAddr>,
    pub state: Option<Connected>,
    pub is_clean_start: Option<bool>,
    pub is_anonymous: Option<bool>,
    pub version: Option<u8>,
    pub created: Span,
    pub connected: Span,
}

/// Whether a client is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connected {
    Yes,
    No,
    /// Connected without having said CONNECT: these have no session, and are not listed.
    Idle,
}

/// From when to when, both included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub from: Option<u64>,
    pub to: Option<u64>,
}

impl Span {
    fn has(self, at: Time) -> bool {
        self.from.is_none_or(|from| at.0 >= from) && self.to.is_none_or(|to| at.0 <= to)
    }

    fn is_open(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

impl ClientFilter {
    /// Whether it says anything but which client ids.
    fn is_open(&self) -> bool {
        self.user_names.is_empty()
            && self.like_client_id.is_none()
            && self.like_user_name.is_none()
            && self.ip.is_none()
            && self.state.is_none()
            && self.is_clean_start.is_none()
            && self.is_anonymous.is_none()
            && self.version.is_none()
            && self.created.is_open()
            && self.connected.is_open()
    }

    fn is_fuzzy(&self) -> bool {
        self.like_client_id.is_some() || self.like_user_name.is_some()
    }

    fn takes(&self, client: &engine::Client<'_>, visit: &Visit<'_>) -> bool {
        let any = |list: &[String], text: Option<&str>| {
            list.is_empty() || text.is_some_and(|text| list.iter().any(|one| one == text))
        };
        let like = |part: &Option<String>, text: Option<&str>| {
            part.as_ref()
                .is_none_or(|part| text.is_some_and(|text| text.contains(&**part)))
        };
        let there = client.conn().is_some();
        let state = match self.state {
            None => true,
            Some(Connected::Yes) => there,
            Some(Connected::No) => !there,
            Some(Connected::Idle) => false,
        };
        let clean = self.is_clean_start;
        state
            && clean.is_none_or(|clean| clean == client.is_clean_start())
            && self
                .is_anonymous
                .is_none_or(|anonymous| anonymous == client.is_anonymous())
            && self.version.is_none_or(|v| v == client.version().level())
            && any(&self.client_ids, Some(client.id()))
            && any(&self.user_names, client.user_name())
            && like(&self.like_client_id, Some(client.id()))
            && like(&self.like_user_name, client.user_name())
            && (self.created.is_open() || self.created.has(client.created_at()))
            && (self.connected.is_open() || self.connected.has(client.connected_at()))
            && self.ip.is_none_or(|ip| {
                let peer = client.conn().and_then(|conn| visit.peer(conn));
                peer.is_some_and(|(at, _)| at.ip() == ip)
            })
    }
}

/// A client, and the listener it came to by its number.
type Found = (Client, Option<u8>);

/// Names their listeners.
struct Listed<'a>(&'a Admin, &'a Rows<Client>);

impl Take<Found> for Listed<'_> {
    async fn take(&mut self, found: Vec<Found>) -> Result<bool, Gone> {
        let rows = found.into_iter().map(|one| self.0.listen(one)).collect();
        Ok(self.1.send(rows).await.is_ok())
    }
}

impl Admin {
    /// A page of clients. They are counted unless a part of a name is looked for.
    ///
    /// # Errors
    /// If the broker is shutting down, as for everything here.
    pub async fn clients(
        &self,
        filter: ClientFilter,
        offset: u64,
        limit: u64,
        to: &Rows<Client>,
    ) -> Result<Extent, Gone> {
        let window = Window {
            offset,
            limit,
            is_counted: !filter.is_fuzzy(),
        };
        let to = Listed(self, to);
        if !filter.client_ids.is_empty() {
            self.named_clients(filter, window, to).await
        } else if filter.is_open() {
            self.all_clients(window, to).await
        } else {
            let slice = move |visit: &mut Visit<'_>, from, gather: &mut Gather<Found>| {
                go_through(visit, &filter, from, gather)
            };
            self.walk(self.everywhere(), window, slice, to).await
        }
    }

    /// Nobody is looked at who is not on the page: their number is known.
    async fn all_clients(&self, window: Window, to: impl Take<Found>) -> Result<Extent, Gone> {
        let lens = self
            .ask_all(|visit| visit.engine.clients_len() as u64)
            .await?;
        let count = lens.iter().sum();
        let mut before = window.offset;
        let mut places = Vec::new();
        for (shard, len) in (0..).zip(lens) {
            if before < len {
                let at = usize::try_from(before).unwrap_or(usize::MAX);
                places.push((shard, Place::Before(at)));
            }
            before = before.saturating_sub(len);
        }
        let window = Window {
            offset: 0,
            is_counted: false,
            ..window
        };
        let filter = ClientFilter::default();
        let slice = move |visit: &mut Visit<'_>, place: Place, gather: &mut Gather<Found>| {
            let from = match place {
                Place::Before(n) => visit.engine.seek_client(n)?,
                Place::From(from) => from,
            };
            go_through(visit, &filter, from, gather).map(Place::From)
        };
        let found = self.walk(places, window, slice, to).await?;
        Ok(Extent {
            count: Some(count),
            ..found
        })
    }

    /// Straight to where they live.
    async fn named_clients(
        &self,
        mut filter: ClientFilter,
        window: Window,
        to: impl Take<Found>,
    ) -> Result<Extent, Gone> {
        let mut names = std::mem::take(&mut filter.client_ids);
        names.sort_unstable();
        names.dedup();
        let mut by_home: Vec<Vec<String>> = vec![Vec::new(); usize::from(self.shards())];
        for name in names {
            by_home[usize::from(self.home(&name))].push(name);
        }
        let asked = (0..).zip(by_home).filter(|(_, names)| !names.is_empty());
        let places: Vec<_> = asked.collect();
        let slice = move |visit: &mut Visit<'_>, mut names: Vec<String>, gather: &mut Gather<_>| {
            let rest = names.split_off(names.len().min(ROWS_MAX));
            for name in &names {
                if let Some(client) = visit.engine.client(name)
                    && filter.takes(&client, visit)
                {
                    gather.take(|| record(&client, visit));
                }
            }
            (!rest.is_empty()).then_some(rest)
        };
        self.walk(places, window, slice, to).await
    }

    /// One client. What waits for it in the log is counted, too, up to the bound of a queue in memory.
    ///
    /// # Errors
    /// As above.
    pub async fn client(&self, client_id: &str) -> Result<Option<Client>, Gone> {
        let name = client_id.to_owned();
        let found = self
            .ask(self.home(client_id), move |visit| {
                let client = visit.engine.client(&name)?;
                Some((record(&client, visit), client.place()))
            })
            .await?;
        let Some((found, place)) = found else {
            return Ok(None);
        };
        let mut client = self.listen(found);
        let room = client.queued_max.saturating_sub(client.queued);
        if let Some(place) = place.filter(|_| room > 0) {
            let max = usize::try_from(room).unwrap_or(usize::MAX).min(VISIT_MAX);
            let (logged, _) = self.logged(&place, place.after, max).await?;
            client.queued += logged.len() as u64;
        }
        Ok(Some(client))
    }

    /// Whether there is such a session.
    ///
    /// # Errors
    /// As above.
    pub async fn has_client(&self, client_id: &str) -> Result<bool, Gone> {
        let name = client_id.to_owned();
        let home = self.home(client_id);
        self.ask(home, move |visit| visit.engine.client(&name).is_some())
            .await
    }

    /// Ends a client's connection and deletes its session. False if there was none. The connection log
    /// says by whom.
    ///
    /// # Errors
    /// As above.
    pub async fn kick(&self, client_id: &str, by: &str) -> Result<bool, Gone> {
        let (name, by) = (client_id.to_owned(), by.to_owned());
        self.ask(self.home(client_id), move |visit| {
            visit.conns.acts_for(Some(&by));
            let found = visit.engine.discard_client(visit.now, &name, visit.conns);
            visit.conns.acts_for(None);
            found
        })
        .await
    }

    /// Makes a client's session nobody's, so that it goes to the next user who comes for it, and ends its
    /// connection. False if there is none. The connection log says by whom.
    ///
    /// # Errors
    /// As above.
    pub async fn release(&self, client_id: &str, by: &str) -> Result<bool, Gone> {
        let (name, by) = (client_id.to_owned(), by.to_owned());
        self.ask(self.home(client_id), move |visit| {
            visit.conns.acts_for(Some(&by));
            let found = visit.engine.release_client(visit.now, &name, visit.conns);
            visit.conns.acts_for(None);
            found
        })
        .await
    }

    /// Changes the Keep Alive of a connected client; 0 = none. False if it is not there.
    ///
    /// # Errors
    /// As above.
    pub async fn set_keep_alive(&self, client_id: &str, secs: u16) -> Result<bool, Gone> {
        let name = client_id.to_owned();
        self.ask(self.home(client_id), move |visit| {
            visit.engine.set_keep_alive(visit.now, &name, secs)
        })
        .await
    }

    /// Sessions of clients that are connected, or went at this time or later.
    ///
    /// # Errors
    /// As above.
    pub async fn sessions_since(&self, millis: u64) -> Result<u64, Gone> {
        let window = Window {
            offset: 0,
            limit: 0,
            is_counted: true,
        };
        let slice = move |visit: &mut Visit<'_>, from, gather: &mut Gather<()>| {
            let mut next = None;
            for (place, client) in visit.engine.clients(from).take(VISIT_MAX) {
                next = Some(place);
                if client.disconnected_at().is_none_or(|at| at.0 >= millis) {
                    gather.take(|| ());
                }
            }
            next
        };
        let mut none = Vec::new();
        let found = self.walk(self.everywhere(), window, slice, &mut none);
        let found = found.await?;
        Ok(found.count.unwrap_or_default())
    }

    fn listen(&self, (mut client, listener): Found) -> Client {
        client.listener = listener.map(|number| self.listener_name(number));
        client
    }
}

/// Where a shard's clients are gone on with.
enum Place {
    /// So many are before.
    Before(usize),
    From(u32),
}

fn go_through(
    visit: &Visit<'_>,
    filter: &ClientFilter,
    from: u32,
    gather: &mut Gather<Found>,
) -> Option<u32> {
    let mut looked = 0;
    let mut next = None;
    for (place, client) in visit.engine.clients(from).take(VISIT_MAX) {
        looked += 1;
        next = Some(place);
        if filter.takes(&client, visit) {
            gather.take(|| record(&client, visit));
        }
        if gather.is_tired() {
            return next;
        }
    }
    next.filter(|_| looked == VISIT_MAX)
}

fn record(client: &engine::Client<'_>, visit: &Visit<'_>) -> Found {
    let settings = visit.engine.settings();
    let conn = client.conn();
    let peer = conn.and_then(|conn| visit.peer(conn));
    let version = client.version();
    let record = Client {
        client_id: client.id().to_owned(),
        user_name: client.user_name().map(str::to_owned),
        is_anonymous: client.is_anonymous(),
        address: peer.map(|(at, _)| at),
        listener: None,
        mountpoint: conn.map_or_else(String::new, |conn| visit.mountpoint(conn).to_owned()),
        is_asked: conn.is_none_or(|conn| visit.asks_who(conn)),
        connected_at: client.connected_at().0,
        disconnected_at: client.disconnected_at().map(|at| at.0),
        created_at: client.created_at().0,
        protocol: match version {
            Version::V3_1 => "MQIsdp",
            Version::V3_1_1 | Version::V5 => "MQTT",
        },
        version: version.level(),
        keep_alive_secs: client.keep_alive_secs(),
        is_clean_start: client.is_clean_start(),
        expiry_secs: client.expiry_secs(),
        is_lasting: client.is_lasting(),
        subscriptions: client.subscriptions_len() as u64,
        subscriptions_max: settings.subscriptions_max as u64,
        in_flight: client.in_flight_len() as u64,
        in_flight_max: u64::from(client.in_flight_max()),
        queued: client.queued_len() as u64,
        queued_max: settings.queue_max as u64,
        awaiting_release: client.awaiting_release() as u64,
        awaiting_release_max: u64::from(settings.awaiting_rel_max),
        traffic: traffic(&client.traffic()),
    };
    (record, peer.map(|(_, listener)| listener))
}

fn traffic(t: &engine::Traffic) -> Traffic {
    let dropped = |why: Drop| t.dropped[why as usize];
    Traffic {
        received_bytes: t.received_bytes,
        received_packets: t.received_packets,
        received: t.received,
        received_dropped: t.received_dropped,
        sent_bytes: t.sent_bytes,
        sent_packets: t.sent_packets,
        sent: t.sent,
        dropped: t.dropped.iter().sum(),
        dropped_expired: dropped(Drop::Expired),
        dropped_queue_full: dropped(Drop::QueueFull),
        dropped_too_large: dropped(Drop::TooLarge),
    }
}
