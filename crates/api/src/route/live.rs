//! The live feed: one stream of events for all that a page shows. A page changes what it has open
//! without losing the stream. What did not change is not sent again.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response, Sse, sse::Event},
};
use broker::admin::{
    Gone,
    observe::{self, Lang},
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{attention, connection_log, losses, monitor, picture, topic_tree};
use crate::{
    App,
    account::{Role, Secret},
    door::{Caller, Kind, Seat},
    error::{ErrorBody, Refusal},
    lang,
};

/// Between two looks: all figures are of whole seconds.
const TICK: Duration = Duration::from_secs(1);
/// Branches that a page may have open.
const OPEN_MAX: usize = 20;
/// New entries of the connection log, and of losses, in one event.
const NEWS_MAX: usize = 20;
/// Without an event for so long, a comment keeps proxies from closing the stream.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(feed))
        .routes(routes!(change))
}

/// What pages have open, by the number of their stream.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<HashMap<String, Arc<Mutex<View>>>>);

/// What a page shows.
#[derive(Clone, Default, PartialEq)]
struct View {
    kinds: Kinds,
    /// What it has begun to want since the last second: a page may give up a feed and want it again within one.
    begun: Kinds,
    open: Vec<Option<String>>,
    topic: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Separated by commas: `figures`, `picture`, `flow`, `topics`, `clients`, `attention`, `connections`,
    /// `losses`. All but `picture`, `flow` and `topics` without it.
    feeds: Option<String>,
    /// Seconds of the past that come with the first `figures`; 600 without it.
    #[param(value_type = Option<u64>, maximum = 600)]
    last: Option<String>,
    /// Branches of the topic tree that are open besides the root, separated by commas.
    open: Option<String>,
    /// A topic whose last messages are wanted.
    topic: Option<String>,
    /// `en` or `zh`; without it the browser's language.
    lang: Option<String>,
}

/// What is sent to one page.
#[derive(Clone, Copy, Default, PartialEq)]
struct Kinds {
    figures: bool,
    picture: bool,
    flow: bool,
    topics: bool,
    clients: bool,
    attention: bool,
    connections: bool,
    losses: bool,
}

/// What a wall display shows: names and figures, and nothing that clients say.
fn must_be_shown(caller: &Caller, view: &View) -> Result<(), Refusal> {
    let says = view.kinds.topics || view.kinds.flow || view.topic.is_some();
    if caller.role != Role::Wall || !says {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "UNAUTHORIZED_ROLE",
        "a wall display is not shown topics and their messages",
    ))
}

impl Kinds {
    /// Kind by kind.
    fn with(self, other: Self, join: fn(bool, bool) -> bool) -> Self {
        Self {
            figures: join(self.figures, other.figures),
            picture: join(self.picture, other.picture),
            flow: join(self.flow, other.flow),
            topics: join(self.topics, other.topics),
            clients: join(self.clients, other.clients),
            attention: join(self.attention, other.attention),
            connections: join(self.connections, other.connections),
            losses: join(self.losses, other.losses),
        }
    }

    fn parse(text: Option<&str>) -> Result<Self, Refusal> {
        let mut kinds = Self::default();
        let text = text.unwrap_or("figures,clients,attention,connections,losses");
        for word in text.split(',') {
            let kind = match word.trim() {
                "figures" => &mut kinds.figures,
                "picture" => &mut kinds.picture,
                "flow" => &mut kinds.flow,
                "topics" => &mut kinds.topics,
                "clients" => &mut kinds.clients,
                "attention" => &mut kinds.attention,
                "connections" => &mut kinds.connections,
                "losses" => &mut kinds.losses,
                _ => return Err(Refusal::bad_request(format!("there is no feed {word:?}"))),
            };
            *kind = true;
        }
        Ok(kinds)
    }
}

/// The stream's side of the page.
struct Stream {
    events: mpsc::Receiver<Event>,
    _seat: Seat,
    app: App,
    id: String,
}

impl Drop for Stream {
    fn drop(&mut self) {
        lock(&self.app.feeds.0).remove(&self.id);
    }
}

impl futures_core::Stream for Stream {
    type Item = Result<Event, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx).map(|event| event.map(Ok))
    }
}

/// What makes the events.
struct Writer {
    app: App,
    /// As of the last second.
    kinds: Kinds,
    lang: Lang,
    /// Seconds of the past that come first.
    last: usize,
    view: Arc<Mutex<View>>,
    events: mpsc::Sender<Event>,
    /// The last event of each name: what is equal is not sent again.
    sent: HashMap<&'static str, String>,
    picture: picture::Told,
    second: u64,
    /// Numbers of the newest that were sent.
    entry: Option<u64>,
    loss: Option<u64>,
    /// The API key that it was opened with: the stream ends with it.
    key: Option<String>,
}

#[derive(Serialize)]
struct Clients {
    connected: u64,
    sessions: u64,
}

/// The last messages of the topic that a page looks at.
#[derive(Serialize)]
struct Messages {
    topic: String,
    messages: Vec<topic_tree::Row>,
}

impl Writer {
    async fn run(mut self, id: String) {
        let hello = Event::default().event("feed").data(id);
        let mut going = self.events.send(hello).await.is_ok();
        let mut tick = tokio::time::interval(TICK);
        // A page that was slow gets no burst of what it missed.
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stopped = self.app.stopped.clone();
        while going {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.events.closed() => return,
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
            going = self.is_open() && self.write().await.unwrap_or(false);
        }
    }

    /// A key that was taken back or has expired opens nothing any more.
    fn is_open(&self) -> bool {
        let Some(name) = &self.key else {
            return true;
        };
        let key = self.app.accounts.key(name);
        key.is_some_and(|key| key.enable && !key.is_expired(self.app.admin.now_millis()))
    }

    /// False once the page has gone.
    async fn write(&mut self) -> Result<bool, Gone> {
        let admin = self.app.admin.clone();
        let mut going = true;
        self.turn();
        if self.kinds.figures {
            let mut seconds = admin.seconds(self.second);
            if self.second == 0 {
                let old = seconds.len().saturating_sub(self.last);
                seconds.drain(..old);
            }
            if self.second == 0 || !seconds.is_empty() {
                self.second = seconds.last().map_or(self.second, |s| s.at);
                let ticks: Vec<monitor::Tick> = seconds.into_iter().map(Into::into).collect();
                going &= self.send("figures", &ticks).await;
                let now = monitor::now(&self.app);
                going &= self.send_changed("current", &now).await;
            }
        }
        if self.kinds.clients {
            let current = admin.current().sample;
            let clients = Clients {
                connected: current.live_connections,
                sessions: current.connections,
            };
            going &= self.send_changed("clients", &clients).await;
        }
        if self.kinds.attention {
            let items = attention::items(&self.app, self.lang);
            going &= self.send_changed("attention", &items).await;
        }
        if self.kinds.connections {
            going &= self.write_connections().await;
        }
        if self.kinds.losses {
            let after = self.loss;
            let is_new = |number| after.is_none_or(|after| number > after);
            let found = admin.losses(|lost| is_new(lost.number), 0, NEWS_MAX);
            if let Some(newest) = found.losses.first() {
                self.loss = Some(newest.number);
                let rows = found.losses.into_iter();
                let rows: Vec<_> = rows.map(|l| losses::Row::new(l, self.lang)).collect();
                going &= self.send("losses", &rows).await;
            }
        }
        if self.kinds.picture {
            let picture = admin.picture().await?;
            if let Some(change) = self.picture.change(picture) {
                going &= self.send("picture", &change).await;
            }
        }
        if self.kinds.flow {
            let flow = topic_tree::Flow::from(admin.flow().await?);
            going &= self.send_changed("flow", &flow).await;
        }
        if self.kinds.topics {
            going &= self.write_topics().await?;
        }
        Ok(going)
    }

    /// Takes over which feeds the page wants now. What it begins to want it gets whole.
    fn turn(&mut self) {
        let begun = {
            let mut view = lock(&self.view);
            self.kinds = view.kinds;
            std::mem::take(&mut view.begun)
        };
        if begun == Kinds::default() {
            return;
        }
        self.sent.clear();
        if begun.figures {
            self.second = 0;
        }
        if begun.picture {
            self.picture = picture::Told::default();
        }
        if begun.connections {
            self.entry = None;
        }
        if begun.losses {
            self.loss = None;
        }
    }

    async fn write_connections(&mut self) -> bool {
        let query = observe::Query {
            after: self.entry,
            ..observe::Query::default()
        };
        let admin = &self.app.admin;
        let found = admin.connection_log(&query, 0, NEWS_MAX, self.lang);
        let Some(newest) = found.records.first() else {
            return true;
        };
        self.entry = Some(newest.number);
        let rows = found.records.into_iter();
        let rows: Vec<_> = rows
            .map(|r| connection_log::Row::new(r, &self.app))
            .collect();
        self.send("connections", &rows).await
    }

    async fn write_topics(&mut self) -> Result<bool, Gone> {
        let view = lock(&self.view).clone();
        let mut branches = Vec::new();
        for branch in view.open {
            let opened = self.app.admin.branch(branch.as_deref()).await?;
            branches.push(topic_tree::Branch::new(branch, opened));
        }
        let mut going = self.send_changed("topics", &branches).await;
        if let Some(topic) = view.topic {
            let messages = self.app.admin.last_messages(&topic).await?;
            let messages = messages.into_iter().map(topic_tree::Row::from).collect();
            let told = Messages { topic, messages };
            going &= self.send_changed("messages", &told).await;
        }
        Ok(going)
    }

    async fn send_changed(&mut self, name: &'static str, what: &impl Serialize) -> bool {
        let text = json(what);
        if self.sent.get(name) == Some(&text) {
            return true;
        }
        let event = Event::default().event(name).data(&text);
        self.sent.insert(name, text);
        self.events.send(event).await.is_ok()
    }

    async fn send(&self, name: &'static str, what: &impl Serialize) -> bool {
        let event = Event::default().event(name).data(json(what));
        self.events.send(event).await.is_ok()
    }
}

fn json(what: &impl Serialize) -> String {
    serde_json::to_string(what).expect("records of texts and numbers become JSON")
}

/// A stream of what changes, once a second
///
/// The first event, `feed`, gives the number with which a page changes what it has open.
#[utoipa::path(
    get,
    path = "/live",
    tag = "Live feed",
    params(Wanted),
    responses(
        (status = 200, description = "Events named `feed`, `figures`, `current`, `clients`, `attention`, `connections`, `losses`, `picture`, `flow`, `topics` and `messages`, each with JSON. `picture` is the flow with few nodes, and tells only what changed: each node has a number, a line is the numbers of its ends and the messages of the last second, or null when it is gone. `messages` names the topic that they are of.", content_type = "text/event-stream", body = String),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 403, description = "`UNAUTHORIZED_ROLE`: a wall display is not shown `topics` and `flow`.", body = ErrorBody),
        (status = 429, description = "`TOO_MANY_STREAMS`", body = ErrorBody),
    )
)]
async fn feed(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let kinds = Kinds::parse(wanted.feeds.as_deref())?;
    let last = wanted.last.as_deref().unwrap_or("600").parse::<usize>();
    let last = last.map_err(|_| Refusal::bad_request("last is a number of seconds"))?;
    let seat = app.door.seat(&caller)?;
    let open = wanted.open.as_deref().unwrap_or_default();
    let open = open.split(',').filter(|b| !b.is_empty());
    let view = View {
        kinds,
        begun: Kinds::default(),
        open: opened(open.map(str::to_owned).collect())?,
        topic: wanted.topic.filter(|topic| !topic.is_empty()),
    };
    must_be_shown(&caller, &view)?;
    let view = Arc::new(Mutex::new(view));
    let id = Secret::random().reveal().to_owned();
    lock(&app.feeds.0).insert(id.clone(), view.clone());
    let (events, receiver) = mpsc::channel(16);
    let writer = Writer {
        app: app.clone(),
        kinds,
        lang: lang::of(wanted.lang.as_deref(), &headers),
        last,
        view,
        events,
        sent: HashMap::new(),
        picture: picture::Told::default(),
        second: 0,
        entry: None,
        loss: None,
        key: (caller.kind == Kind::Key).then_some(caller.name),
    };
    tokio::spawn(writer.run(id.clone()));
    let stream = Stream {
        events: receiver,
        _seat: seat,
        app,
        id,
    };
    let alive = axum::response::sse::KeepAlive::new().interval(ALIVE);
    Ok(Sse::new(stream).keep_alive(alive).into_response())
}

/// The root and these branches.
fn opened(branches: Vec<String>) -> Result<Vec<Option<String>>, Refusal> {
    if branches.len() > OPEN_MAX {
        let told = format!("at most {OPEN_MAX} branches can be open");
        return Err(Refusal::bad_request(told));
    }
    let branches = branches.into_iter().map(Some);
    Ok(std::iter::once(None).chain(branches).collect())
}

/// What a page has open from now on.
#[derive(Deserialize, ToSchema)]
#[schema(as = LiveView)]
struct Change {
    /// Feeds, separated by commas; as before without it.
    feeds: Option<String>,
    /// Branches of the topic tree besides the root.
    open: Vec<String>,
    /// A topic whose last messages are wanted.
    topic: Option<String>,
}

/// Change what a live feed's page has open
#[utoipa::path(
    post,
    path = "/live/{id}",
    tag = "Live feed",
    params(("id" = String, Path, description = "As the stream's first event gave it.")),
    request_body = Change,
    responses(
        (status = 204, description = "From the next event on."),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Result<StatusCode, Refusal> {
    let kinds = change
        .feeds
        .as_deref()
        .map(|feeds| Kinds::parse(Some(feeds)));
    let kinds = kinds.transpose()?;
    let open = opened(change.open)?;
    let found = lock(&app.feeds.0).get(&id).cloned();
    let Some(found) = found else {
        // At the broker's end it is no fault of the page that its feed is over.
        if *app.stopped.borrow() {
            return Ok(StatusCode::NO_CONTENT);
        }
        return Err(Refusal::not_found(
            "NOT_FOUND",
            "this feed has ended; open a new one",
        ));
    };
    let mut view = lock(&found);
    let kinds = kinds.unwrap_or(view.kinds);
    let begun = kinds.with(view.kinds, |now, before| now && !before);
    let wanted = View {
        kinds,
        begun: begun.with(view.begun, |now, before| now || before),
        open,
        topic: change.topic,
    };
    must_be_shown(&caller, &wanted)?;
    *view = wanted;
    Ok(StatusCode::NO_CONTENT)
}
