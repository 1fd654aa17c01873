//! The audit log: who changed what, and who signed in or tried to, from where, with which result. The
//! last ones are kept, changes and sign-ins apart, so that guessing passwords pushes no change out of it.
//! Secrets never get into it.

use std::{
    collections::VecDeque,
    net::IpAddr,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    extract::Request,
    http::{Method, StatusCode},
    response::Response,
};
use broker::admin::{Bucket, Keep};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{door::Kind, error::Said};

/// Changes that are kept.
const CHANGES_MAX: usize = 10_000;
/// Sign-ins that are kept, good ones and others.
const SIGN_INS_MAX: usize = 2_000;
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
}

pub(crate) struct Audit {
    keep: Keep,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    changes: Ring,
    sign_ins: Ring,
}

/// Entries of one kind, oldest first.
#[derive(Default)]
struct Ring {
    entries: VecDeque<Record>,
    /// Number of the first of them.
    first: u64,
}

impl Ring {
    fn new(mut entries: Vec<(u64, Record)>) -> Self {
        entries.sort_unstable_by_key(|(number, _)| *number);
        let mut ring = Self::default();
        if let Some((last, _)) = entries.last() {
            // Numbers may be missing in between, for damage; the next one must be new all the same.
            ring.first =
                (last + 1).saturating_sub(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        }
        ring.entries = entries.into_iter().map(|(_, record)| record).collect();
        ring
    }

    /// Adds one. Gives its number, and those of the ones that went for it.
    fn push(&mut self, record: Record, max: usize) -> (u64, Range<u64>) {
        let number = self.first + u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        self.entries.push_back(record);
        let before = self.first;
        while self.entries.len() > max {
            self.entries.pop_front();
            self.first += 1;
        }
        (number, before..self.first)
    }
}

/// The key of a record: its number, and behind it a byte for a sign-in.
fn key(number: u64, is_sign_in: bool) -> Vec<u8> {
    let mut key = number.to_be_bytes().to_vec();
    key.extend(is_sign_in.then_some(0));
    key
}

impl Audit {
    /// What the store has of it. Blocks.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn load(keep: Keep) -> std::io::Result<Self> {
        let kept = keep.load(Bucket::Audit).map_err(std::io::Error::other)?;
        let (mut changes, mut sign_ins) = (Vec::new(), Vec::new());
        for (key, value) in &kept {
            let Some((number, kind)) = key.split_first_chunk() else {
                continue;
            };
            if let Ok(record) = serde_json::from_slice(value) {
                let all = if kind.is_empty() {
                    &mut changes
                } else {
                    &mut sign_ins
                };
                all.push((u64::from_be_bytes(*number), record));
            }
        }
        let log = Log {
            changes: Ring::new(changes),
            sign_ins: Ring::new(sign_ins),
        };
        Ok(Self {
            keep,
            log: Mutex::new(log),
        })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, which is in the store when this returns.
    pub(crate) async fn add(&self, record: Record) {
        let value = serde_json::to_vec(&record).expect("texts and numbers become JSON");
        let is_sign_in = record.operation_id == SIGN_IN;
        let (number, gone) = {
            let mut log = self.log();
            if is_sign_in {
                log.sign_ins.push(record, SIGN_INS_MAX)
            } else {
                log.changes.push(record, CHANGES_MAX)
            }
        };
        let mut put = vec![(key(number, is_sign_in), Some(value))];
        put.extend(gone.map(|number| (key(number, is_sign_in), None)));
        if let Err(error) = self.keep.put(Bucket::Audit, put).await {
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
        let all = log.changes.entries.iter().chain(&log.sign_ins.entries);
        let mut found: Vec<_> = all.filter(|record| fits(record)).collect();
        // Those of one millisecond stay in their order.
        found.sort_by_key(|record| record.at);
        let page = found.iter().rev().skip(skip).take(limit);
        (page.copied().cloned().collect(), found.len())
    }
}

/// Signing in, by its path below the API's.
const SIGN_IN: &str = "/login";

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
            body: body.and_then(shown),
            failure: answer.failure.clone(),
        }
    }
}

/// What became of a call.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    failure: String,
}

impl Answer {
    pub(crate) fn of(response: &Response) -> Self {
        let said = response.extensions().get::<Said>();
        let said = said.map_or("", |said| said.0.as_str());
        Self {
            status: response.status(),
            failure: said[..said.floor_char_boundary(FAILURE_MAX)].to_owned(),
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
    use super::*;

    #[test]
    fn the_oldest_go() {
        let record = |at| Record {
            at,
            from: From::RestApi,
            source: "a".to_owned(),
            source_ip: [127, 0, 0, 1].into(),
            operation_id: SIGN_IN.to_owned(),
            http_method: "post".to_owned(),
            http_status_code: 401,
            duration_ms: 1,
            path: "/api/v5/login".to_owned(),
            body: None,
            failure: String::new(),
        };
        let mut ring = Ring::new(vec![(8, record(8)), (7, record(7))]);
        assert_eq!(ring.push(record(9), 2), (9, 7..8));
        assert_eq!(ring.push(record(10), 2), (10, 8..9));
        assert_eq!(
            ring.entries.iter().map(|r| r.at).collect::<Vec<_>>(),
            [9, 10]
        );
        assert_ne!(key(9, true), key(9, false));
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
