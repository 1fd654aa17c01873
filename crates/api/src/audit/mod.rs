//! The audit log: who changed what, who published, and who signed in or tried to, from where, with which
//! result. The last of each kind are kept apart, so that neither guessing passwords nor publishing pushes
//! a change out of it. Secrets never get into it.

mod revoked;
mod sent;

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::{Method, StatusCode},
    response::Response,
};
use broker::admin::{Admin, Bucket, Change, Keep};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{door::Kind, error::Said};
pub(crate) use revoked::Call;
pub(crate) use sent::Sent;

/// Changes that are kept.
const CHANGES_MAX: usize = 10_000;
/// Sign-ins that are kept, good ones and others.
const SIGN_INS_MAX: usize = 2_000;
/// Entries on messages that are kept: of one program that never stops, three days.
const SENDINGS_MAX: usize = 5_000;
/// Entries on revoked subscriptions that are kept: clients that come and go with other rights make some.
const REVOKED_MAX: usize = 1_000;
/// Calls with messages of one actor that end alike are one entry for so long.
const SENDING: Duration = Duration::from_mins(1);
/// Of a user's name as somebody gave it who is not signed in.
const NAME_MAX: usize = 64;
/// Of a request's body, as text.
const BODY_MAX: usize = 1_024;
/// Of a path.
const PATH_MAX: usize = 512;
/// Of what a refusal says.
const FAILURE_MAX: usize = 512;
/// Instead of a secret.
const MASK: &str = "******";

/// Where a change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum From {
    Dashboard,
    RestApi,
    Cli,
    /// Nobody called: the broker itself did it.
    Event,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) from: From,
    /// User or key.
    pub(crate) source: String,
    pub(crate) source_ip: IpAddr,
    /// The path's template.
    pub(crate) operation_id: String,
    pub(crate) http_method: String,
    pub(crate) http_status_code: u16,
    pub(crate) duration_ms: u64,
    /// The path as it was asked for.
    pub(crate) path: String,
    /// Without secrets; cut if it is long.
    pub(crate) body: Option<Value>,
    /// Why it was refused.
    #[serde(default)]
    pub(crate) failure: String,
    /// Messages, instead of a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<Box<Sent>>,
}

/// What is kept apart from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shelf {
    Change,
    SignIn,
    Sending,
    Revoked,
}

impl Record {
    fn shelf(&self) -> Shelf {
        match self.sent {
            None if self.operation_id == revoked::REVOKED => Shelf::Revoked,
            Some(_) => Shelf::Sending,
            None if self.operation_id == SIGN_IN => Shelf::SignIn,
            None => Shelf::Change,
        }
    }

    /// Whether messages of this call are told with those of an earlier one.
    fn goes_on(&self, earlier: &Self) -> bool {
        self.source == earlier.source
            && self.source_ip == earlier.source_ip
            && self.from == earlier.from
            && self.operation_id == earlier.operation_id
            && self.http_status_code == earlier.http_status_code
    }
}

pub(crate) struct Audit {
    keep: Keep,
    log: Mutex<Log>,
    revocations: revoked::Revocations,
}

/// All kinds are numbered as one, in the order in which they ended: times may be equal, and clocks go back.
#[derive(Default)]
struct Log {
    next: u64,
    changes: VecDeque<Numbered>,
    sign_ins: VecDeque<Numbered>,
    sendings: VecDeque<Numbered>,
    revoked: VecDeque<Numbered>,
}

type Numbered = (u64, Record);

/// What has to be done for a record in the store.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// Under its number, a new one; and without those that went for it.
    New(u64, Vec<u64>),
    /// An entry that goes on has news.
    Again(u64),
    Nothing,
}

impl Log {
    /// Of what was kept, in any order.
    fn new(mut kept: Vec<Numbered>) -> Self {
        kept.sort_by_key(|(number, _)| *number);
        // Numbers may be missing in between, for damage; the next one must be new all the same.
        let mut log = Self {
            next: kept.last().map_or(0, |(last, _)| last + 1),
            ..Self::default()
        };
        for (number, record) in kept {
            let (ring, _) = log.ring(record.shelf());
            ring.push_back((number, record));
        }
        log
    }

    /// Where those of a kind are, and how many may be.
    fn ring(&mut self, shelf: Shelf) -> (&mut VecDeque<Numbered>, usize) {
        match shelf {
            Shelf::Change => (&mut self.changes, CHANGES_MAX),
            Shelf::SignIn => (&mut self.sign_ins, SIGN_INS_MAX),
            Shelf::Sending => (&mut self.sendings, SENDINGS_MAX),
            Shelf::Revoked => (&mut self.revoked, REVOKED_MAX),
        }
    }

    /// Adds one, messages to those that it goes on with.
    fn push(&mut self, mut record: Record) -> Due {
        if let Some(sent) = record.sent.take() {
            let recent = self.sendings.iter_mut().rev();
            let mut recent = recent.take_while(|(_, earlier)| is_within(earlier, record.at));
            let earlier = recent.find(|(_, earlier)| record.goes_on(earlier));
            if let Some((number, earlier)) = earlier
                && let Some(told) = &mut earlier.sent
            {
                return match told.add(*sent) {
                    true => Due::Again(*number),
                    false => Due::Nothing,
                };
            }
            record.sent = Some(sent);
        }
        let number = self.next;
        self.next += 1;
        let (ring, max) = self.ring(record.shelf());
        ring.push_back((number, record));
        let surplus = ring.len().saturating_sub(max);
        let gone = ring.drain(..surplus).map(|(gone, _)| gone);
        Due::New(number, gone.collect())
    }

    /// Entries on messages that may still go on at this time.
    fn growing(&self, at: u64) -> impl Iterator<Item = u64> {
        let recent = self.sendings.iter().rev();
        let growing = recent.take_while(move |(_, record)| is_within(record, at));
        growing.map(|(number, _)| *number)
    }

    /// Those with these numbers as the store has them.
    fn written(&mut self, shelf: Shelf, numbers: &[u64]) -> Vec<Change> {
        let (ring, _) = self.ring(shelf);
        let written = numbers.iter().filter_map(|number| {
            let at = ring.binary_search_by_key(number, |(number, _)| *number);
            let (_, record) = ring.get(at.ok()?)?;
            let value = serde_json::to_vec(record).expect("texts and numbers become JSON");
            Some((key(*number, shelf), Some(value)))
        });
        written.collect()
    }
}

/// Whether an entry on messages is young enough to go on.
fn is_within(earlier: &Record, at: u64) -> bool {
    u128::from(at.abs_diff(earlier.at)) < SENDING.as_millis()
}

/// The key of a record: its number, and behind it a byte for what is no change.
fn key(number: u64, shelf: Shelf) -> Vec<u8> {
    let mut key = number.to_be_bytes().to_vec();
    key.extend(match shelf {
        Shelf::Change => None,
        Shelf::SignIn => Some(0),
        Shelf::Sending => Some(1),
        Shelf::Revoked => Some(2),
    });
    key
}

impl Audit {
    /// What the store has of it. Blocks.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn load(keep: Keep) -> std::io::Result<Self> {
        let kept = keep.load(Bucket::Audit).map_err(std::io::Error::other)?;
        let records = kept.iter().filter_map(|(key, value)| {
            let (number, _) = key.split_first_chunk()?;
            Some((
                u64::from_be_bytes(*number),
                serde_json::from_slice(value).ok()?,
            ))
        });
        let log = Log::new(records.collect());
        Ok(Self {
            keep,
            log: Mutex::new(log),
            revocations: revoked::Revocations::default(),
        })
    }

    /// Tells what is revoked without a call, from now on.
    pub(crate) fn watch(self: &Arc<Self>, admin: Admin) -> impl Future<Output = ()> + use<> {
        revoked::watch(Arc::downgrade(self), admin)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, which is in the store when this returns; of messages, that there were some, and later
    /// how many.
    pub(crate) async fn add(self: &Arc<Self>, record: Record) {
        let shelf = record.shelf();
        let due = self.log().push(record);
        match due {
            Due::New(number, gone) => {
                self.put(shelf, &[number], &gone).await;
                if shelf == Shelf::Sending {
                    let audit = self.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(SENDING).await;
                        audit.put(shelf, &[number], &[]).await;
                    });
                }
            }
            Due::Again(number) => self.put(shelf, &[number], &[]).await,
            Due::Nothing => {}
        }
    }

    /// Puts the last numbers of what was still growing in the store.
    pub(crate) async fn close(&self, at: u64) {
        let growing: Vec<u64> = self.log().growing(at).collect();
        self.put(Shelf::Sending, &growing, &[]).await;
    }

    /// Puts some in the store as they are now, and takes others out.
    async fn put(&self, shelf: Shelf, numbers: &[u64], gone: &[u64]) {
        let mut changes = self.log().written(shelf, numbers);
        changes.extend(gone.iter().map(|gone| (key(*gone, shelf), None)));
        if changes.is_empty() {
            return;
        }
        if let Err(error) = self.keep.put(Bucket::Audit, changes).await {
            tracing::warn!("an entry of the audit log is not kept: {error}");
        }
    }

    /// Those that fit, newest first, without the first `skip`; and how many there are in all.
    pub(crate) fn find(
        &self,
        fits: impl Fn(&Record) -> bool,
        (skip, limit): (usize, usize),
    ) -> (Vec<Record>, usize) {
        let log = self.log();
        let all = log.changes.iter().chain(&log.sign_ins);
        let all = all.chain(&log.sendings).chain(&log.revoked);
        let mut found: Vec<_> = all.filter(|(_, record)| fits(record)).collect();
        found.sort_unstable_by_key(|(number, _)| *number);
        let page = found.iter().rev().skip(skip).take(limit);
        let page = page.map(|(_, record)| record.clone());
        (page.collect(), found.len())
    }
}

/// Signing in, by its path below the API's.
const SIGN_IN: &str = "/login";

/// Publishing, by what paths begin with below the API's.
const PUBLISH: &str = "/publish";

/// Who wanted to sign in, if a password was looked at: neither what could not be read nor what had to wait
/// is told, or the log would be anybody's to fill.
pub(crate) fn attempted(body: &[u8], status: StatusCode) -> Option<String> {
    if !matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED) {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let name = body.get("username")?.as_str()?;
    Some(name[..name.floor_char_boundary(NAME_MAX)].to_owned())
}

/// A call whose end is not known yet.
pub(crate) struct Entry {
    began: Instant,
    method: Method,
    operation_id: String,
    path: String,
    is_browser: bool,
}

impl Entry {
    pub(crate) fn begin(request: &Request, template: Option<&str>) -> Self {
        let path = request.uri().path();
        let short = |text: &str| text[..text.floor_char_boundary(PATH_MAX)].to_owned();
        let template = template.unwrap_or(path);
        let id = template
            .strip_prefix(crate::route::BASE)
            .unwrap_or(template);
        Self {
            began: Instant::now(),
            method: request.method().clone(),
            operation_id: short(id),
            path: short(path),
            // Without HTTPS a browser tells less of itself; the page does, then.
            is_browser: ["sec-fetch-mode", "x-requested-with"]
                .iter()
                .any(|name| request.headers().contains_key(*name)),
        }
    }

    pub(crate) fn end(self, who: &Actor, at: u64, body: Option<&[u8]>, answer: &Answer) -> Record {
        let from = match who.kind {
            Kind::Owner => From::Cli,
            Kind::User if self.is_browser => From::Dashboard,
            Kind::User | Kind::Key => From::RestApi,
        };
        // What could not be read has no messages, and is counted all the same.
        let is_sending = self.operation_id.starts_with(PUBLISH);
        let sent =
            is_sending.then(|| Box::new(answer.sent.clone().unwrap_or_else(|| Sent::of([]))));
        Record {
            at,
            from,
            source: who.name.clone(),
            source_ip: who.address,
            operation_id: self.operation_id,
            http_method: self.method.as_str().to_ascii_lowercase(),
            http_status_code: answer.status.as_u16(),
            duration_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            path: self.path,
            body: match sent {
                Some(_) => None,
                None => body.and_then(shown),
            },
            failure: answer.failure.clone(),
            sent,
        }
    }
}

/// What became of a call.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    failure: String,
    sent: Option<Sent>,
}

impl Answer {
    pub(crate) fn of(response: &Response) -> Self {
        let said = response.extensions().get::<Said>();
        let said = said.map_or("", |said| said.0.as_str());
        Self {
            status: response.status(),
            failure: said[..said.floor_char_boundary(FAILURE_MAX)].to_owned(),
            sent: response.extensions().get().cloned(),
        }
    }
}

/// Who did it.
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) address: IpAddr,
}

/// A body without its secrets. What is no JSON may be anything, and is not told.
fn shown(body: &[u8]) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    mask(&mut value);
    let text = value.to_string();
    if text.len() <= BODY_MAX {
        return Some(value);
    }
    let head = &text[..text.floor_char_boundary(BODY_MAX)];
    Some(Value::String(format!("{head}... ({} bytes)", body.len())))
}

/// Hides what stands under a name of secrets. The depth was bounded by the door.
fn mask(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => mask_fields(fields),
        _ => {}
    }
}

fn mask_fields(fields: &mut Map<String, Value>) {
    const SECRET: [&str; 10] = [
        "authorization",
        "cookie",
        "keyfile",
        "passphrase",
        "password",
        "passwd",
        "private",
        "pwd",
        "secret",
        "token",
    ];
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        if SECRET.iter().any(|word| name.contains(word)) {
            *value = Value::String(MASK.to_owned());
        } else {
            mask(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use broker::admin::Publish;

    use super::*;

    fn record(operation_id: &str) -> Record {
        Record {
            at: 1,
            from: From::RestApi,
            source: "a".to_owned(),
            source_ip: [127, 0, 0, 1].into(),
            operation_id: operation_id.to_owned(),
            http_method: "post".to_owned(),
            http_status_code: 401,
            duration_ms: 1,
            path: "/api/v5/login".to_owned(),
            body: None,
            failure: String::new(),
            sent: None,
        }
    }

    #[test]
    fn the_oldest_of_a_kind_go() {
        let mut log = Log::new(vec![
            (8, record(SIGN_IN)),
            (3, record("/users")),
            (7, record(SIGN_IN)),
        ]);
        for number in 9..7 + SIGN_INS_MAX as u64 {
            assert_eq!(log.push(record(SIGN_IN)), Due::New(number, vec![]));
        }
        let number = log.next;
        assert_eq!(log.push(record(SIGN_IN)), Due::New(number, vec![7]));
        assert_eq!(log.push(record(SIGN_IN)), Due::New(number + 1, vec![8]));
        assert_eq!(log.push(record("/users")), Due::New(number + 2, vec![]));
        assert_eq!(log.changes.len(), 2);
        let keys = [Shelf::Change, Shelf::SignIn, Shelf::Sending].map(|shelf| key(9, shelf));
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[2] != keys[0]);
    }

    /// Two programs publish a thousand times a second each; somebody else's message, one that is refused
    /// and one of the next minute are entries of their own, and what the store has of them is what is shown.
    #[test]
    fn messages_of_a_minute_are_one_entry_and_push_nothing_out() {
        let message = Publish {
            topic: "a/1".to_owned(),
            payload: b"22.5".to_vec(),
            ..Publish::default()
        };
        let sending = |at: u64, source: &str, status: u16| Record {
            at,
            source: source.to_owned(),
            http_status_code: status,
            sent: Some(Box::new(Sent::of([&message]))),
            ..record("/publish")
        };
        let mut log = Log::new(vec![(1, record("/users"))]);
        let mut puts = 0;
        for at in 0..59_000 {
            for source in ["line 1", "line 2"] {
                puts += u32::from(log.push(sending(at, source, 200)) != Due::Nothing);
            }
        }
        // At the first, and whenever they have doubled.
        assert_eq!((log.sendings.len(), puts), (2, 2 * 16));
        assert_eq!(
            log.push(sending(59_000, "line 1", 400)),
            Due::New(4, vec![])
        );
        assert_eq!(log.push(sending(59_001, "anna", 200)), Due::New(5, vec![]));
        assert_eq!(log.growing(59_500).collect::<Vec<_>>(), [5, 4, 3, 2]);
        assert_eq!(
            log.push(sending(60_000, "line 1", 200)),
            Due::New(6, vec![])
        );
        assert_eq!(log.push(sending(60_001, "line 1", 400)), Due::Again(4));
        assert_eq!(log.changes.len(), 1);
        let kept = log.written(Shelf::Sending, &[2, 3, 4, 5, 6]);
        let kept = kept.iter().zip(2..).map(|((_, value), number)| {
            let value = value.as_deref().expect("it is put, not deleted");
            (number, serde_json::from_slice(value).unwrap())
        });
        let again = Log::new(kept.collect());
        assert_eq!(again.sendings, log.sendings);
        let text = serde_json::to_string(&again.sendings[0].1).unwrap();
        assert!(
            text.contains(r#""messages":59000,"payload_bytes":236000"#),
            "{text}"
        );
        assert!(!text.contains("22.5"), "{text}");
    }

    #[test]
    fn both_kinds_are_in_the_order_in_which_they_ended() {
        let mut log = Log::default();
        for id in [SIGN_IN, "/users", SIGN_IN, "/logout", SIGN_IN] {
            log.push(record(id));
        }
        let numbers = |ring: &VecDeque<Numbered>| ring.iter().map(|(n, _)| *n).collect::<Vec<_>>();
        assert_eq!(numbers(&log.sign_ins), [0, 2, 4]);
        assert_eq!(numbers(&log.changes), [1, 3]);
    }

    #[test]
    fn only_attempts_are_told() {
        let body = br#"{"username":"anna","password":"x"}"#;
        let told = |status| attempted(body, status);
        assert_eq!(told(StatusCode::UNAUTHORIZED).as_deref(), Some("anna"));
        assert_eq!(told(StatusCode::OK).as_deref(), Some("anna"));
        for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::FORBIDDEN] {
            assert_eq!(told(status), None);
        }
        let long = format!(r#"{{"username":"{}"}}"#, "好".repeat(100));
        let name = attempted(long.as_bytes(), StatusCode::OK).unwrap();
        assert_eq!(name, "好".repeat(21));
    }

    #[test]
    fn secrets_are_hidden_at_any_depth() {
        let body = br#"{"a":[{"Old_PWD":"x1","new_pwd":{"b":"x2"}}],"api_secret":"x3","n":1}"#;
        let shown = shown(body).unwrap().to_string();
        assert_eq!(
            shown,
            r#"{"a":[{"Old_PWD":"******","new_pwd":"******"}],"api_secret":"******","n":1}"#
        );
    }

    #[test]
    fn long_bodies_are_cut_and_others_not_told() {
        let long = format!("{{\"a\":\"{}\"}}", "好".repeat(1000));
        let Some(Value::String(text)) = shown(long.as_bytes()) else {
            panic!("not cut")
        };
        assert!(
            text.len() < BODY_MAX + 32 && text.ends_with("(3008 bytes)"),
            "{text}"
        );
        assert_eq!(shown(b"secret = 1"), None);
        assert_eq!(shown(b""), None);
    }
}
