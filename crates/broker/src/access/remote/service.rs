//! A service that is asked over HTTP: how it is set up, and all that stands between a question and what
//! its answer means.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Facts, Failure, Guard, Mark, Masked, Memory, Place, Scope, TlsSetup, dial,
    http::{Ask, Pool, Reply, Url},
    request::{Form, Writing},
};

/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How a service is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HttpService {
    pub method: HttpMethod,
    /// With places for what a client says, as the body.
    pub url: String,
    pub headers: Vec<(String, Masked)>,
    /// An object in JSON.
    pub body: String,
    pub connect_timeout_millis: u64,
    pub request_timeout_millis: u64,
    pub pool_size: usize,
    /// How long an answer is remembered.
    pub cache_millis: u64,
    pub tls: TlsSetup,
}

impl HttpService {
    /// Where it is, if that is asked over the network and without TLS.
    pub(crate) fn open_way(&self) -> Option<String> {
        let url = Url::parse(&self.url).ok()?;
        let is_open = !url.is_secure && !dial::is_here(&url.host);
        is_open.then(|| format!("{}:{}", url.host, url.port))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpMethod {
    Get,
    Post,
}

/// Ready to be asked; its answers are made into `T`.
pub(crate) struct Service<T> {
    form: Form,
    pool: Pool,
    guard: Guard,
    memory: Memory<T>,
    read: fn(&Reply) -> Result<T, Failure>,
}

impl<T: Clone> Service<T> {
    /// `name` is as the log calls it.
    ///
    /// # Errors
    /// If something of the setup cannot be used.
    pub(crate) fn new(
        setup: &HttpService,
        name: &str,
        scope: Scope,
        read: fn(&Reply) -> Result<T, Failure>,
    ) -> Result<Self, String> {
        let url = Url::parse(&setup.url)?;
        let body: Value =
            serde_json::from_str(&setup.body).map_err(|error| format!("body: {error}"))?;
        let mut headers = setup.headers.clone();
        let writing = match setup.method {
            HttpMethod::Get => None,
            HttpMethod::Post => Some(writing(&mut headers)?),
        };
        let is_typed = headers.iter().any(|(name, _)| is_content_type(name));
        if writing.is_none() && is_typed {
            return Err("headers: a GET request has no content-type".to_owned());
        }
        let timeout = Duration::from_millis(setup.request_timeout_millis);
        let connect_timeout = Duration::from_millis(setup.connect_timeout_millis);
        let form = Form::parse(&url.target, &body, writing, scope)?;
        let size = (setup.pool_size, connect_timeout);
        let pool = Pool::new(url, Some(&setup.tls), &headers, size, ANSWER_BYTES_MAX)?;
        let memory = Memory::new(Duration::from_millis(setup.cache_millis));
        Ok(Self {
            form,
            pool,
            guard: Guard::new(name.to_owned(), timeout),
            memory: memory.map_err(|error| error.to_string())?,
            read,
        })
    }

    /// Whether it is told this of a client.
    pub(crate) fn is_told(&self, place: Place) -> bool {
        self.form.tells(place)
    }

    /// The request about a client; `None` if what it says cannot be asked.
    pub(crate) fn about(&self, facts: &Facts<'_>) -> Option<Ask> {
        self.form.about(facts)
    }

    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn say(&self, ask: &Ask) -> Result<T, Failure> {
        let mark = self.memory.mark(&parts(ask));
        self.answer(mark, ask).await
    }

    /// The same about a client, of which it can be forgotten.
    ///
    /// # Errors
    /// As above.
    pub(crate) async fn say_of(&self, client_id: &str, ask: &Ask) -> Result<T, Failure> {
        let mark = self.memory.mark_of(client_id, &parts(ask));
        self.answer(mark, ask).await
    }

    async fn answer(&self, mark: Option<Mark>, ask: &Ask) -> Result<T, Failure> {
        if let Some(said) = self.memory.recall(mark) {
            return Ok(said);
        }
        let said = async { (self.read)(&self.pool.send(ask).await?) };
        let said = self.guard.ask(said).await?;
        self.memory.remember(mark, &said);
        Ok(said)
    }

    pub(crate) fn forget(&self) {
        self.memory.forget();
    }

    pub(crate) fn forget_of(&self, client_id: &str) {
        self.memory.forget_of(client_id);
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.guard.trouble()
    }
}

/// What makes a question another.
fn parts(ask: &Ask) -> [&[u8]; 2] {
    [ask.target.as_bytes(), &ask.body]
}

fn is_content_type(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-type")
}

/// How the body is written, as its header says; JSON if there is none.
fn writing(headers: &mut Vec<(String, Masked)>) -> Result<Writing, String> {
    const JSON: &str = "application/json";
    let Some((_, value)) = headers.iter().find(|(name, _)| is_content_type(name)) else {
        headers.push(("content-type".to_owned(), Masked(JSON.to_owned())));
        return Ok(Writing::Json);
    };
    match value.0.split(';').next().unwrap_or_default().trim() {
        JSON => Ok(Writing::Json),
        "application/x-www-form-urlencoded" => Ok(Writing::Form),
        _ => {
            let text = "headers: content-type is application/json or \
                        application/x-www-form-urlencoded";
            Err(text.to_owned())
        }
    }
}

/// What a service answered.
pub(crate) enum Answered {
    /// It allows, and says no more.
    Nothing,
    /// It knows nothing of the client: 4xx.
    Unknown,
    Fields(Map<String, Value>),
}

/// What an answer has in it.
///
/// # Errors
/// If the service is not well, or what it says is nothing that is known here.
pub(crate) fn fields(reply: &Reply) -> Result<Answered, Failure> {
    match reply.status {
        200 => {}
        204 => return Ok(Answered::Nothing),
        status @ (408 | 429 | 500..) => return Err(Failure::Down(format!("status {status}"))),
        400..500 => return Ok(Answered::Unknown),
        status => return Err(Failure::Odd(format!("status {status}"))),
    }
    let odd = |what: &str| Failure::Odd(format!("its answer: {what}"));
    Ok(Answered::Fields(match reply.content_type.as_str() {
        "application/json" => serde_json::from_slice(&reply.body).map_err(|_| odd("no object"))?,
        "application/x-www-form-urlencoded" => form_fields(&reply.body),
        _ => return Err(odd("content-type is neither JSON nor a form")),
    }))
}

/// Of a form: only the texts that EMQX takes from one.
fn form_fields(body: &[u8]) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let fields = text.trim().split('&').filter_map(|field| {
        let (key, value) = field.split_once('=')?;
        let known = ["result", "is_superuser"].contains(&key);
        known.then(|| (key.to_owned(), Value::String(value.to_owned())))
    });
    fields.collect()
}
