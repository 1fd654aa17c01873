//! The authenticator that asks a service over HTTP. What it answers is EMQX's: `result`, `is_superuser`,
//! `acl`, `expire_at`. A service that does not answer, or says what nobody understands, lets nobody in.

use std::{sync::Arc, time::Duration};

use engine::{Cause, Time, acl::Rules};
use serde_json::{Map, Value};

use super::{
    Desk,
    chain::{Answer, Authenticator, Credentials, Granted, Question},
    method::{HttpMethod, HttpService},
};
use crate::{
    access::{
        authorize::claim,
        remote::{
            Errands, Failure, Guard, Masked, Memory,
            http::{Ask, Pool, Reply, Url},
            request::{Form, Writing},
        },
    },
    shard::Clock,
};

/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Service {
    /// Or why it cannot be asked.
    asked: Result<Asked, String>,
    clock: Clock,
    errands: Arc<Errands>,
    desk: Arc<Desk>,
}

struct Asked {
    form: Form,
    pool: Pool,
    guard: Guard,
    memory: Memory<Said>,
}

/// What it said of somebody.
#[derive(Clone, Debug)]
enum Said {
    Allow {
        superuser: bool,
        rules: Option<Arc<Rules>>,
        until: Option<Time>,
    },
    Deny,
    Ignore,
}

impl Asked {
    fn new(setup: &HttpService) -> Result<Self, String> {
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
        let form = Form::parse(&url.target, &body, writing)?;
        let size = (setup.pool_size, connect_timeout);
        let pool = Pool::new(url, Some(&setup.tls), &headers, size, ANSWER_BYTES_MAX)?;
        let memory = Memory::new(Duration::from_millis(setup.cache_millis));
        Ok(Self {
            form,
            pool,
            guard: Guard::new("the HTTP authenticator".to_owned(), timeout),
            memory: memory.map_err(|error| error.to_string())?,
        })
    }

    async fn say(&self, ask: &Ask) -> Result<Said, Failure> {
        let mark = self.memory.mark(&[ask.target.as_bytes(), &ask.body]);
        if let Some(said) = self.memory.recall(mark) {
            return Ok(said);
        }
        let said = async { read(&self.pool.send(ask).await?) };
        let said = self.guard.ask(said).await?;
        self.memory.remember(mark, &said);
        Ok(said)
    }
}

fn is_content_type(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-type")
}

/// How the body is written, as its header says; JSON if there is none.
fn writing(headers: &mut Vec<(String, Masked)>) -> Result<Writing, String> {
    const JSON: &str = "application/json";
    let Some((_, value)) = headers.iter().find(|(name, _)| is_content_type(name)) else {
        let json = Masked(JSON.to_owned());
        headers.push(("content-type".to_owned(), json));
        return Ok(Writing::Json);
    };
    match value.0.split(';').next().unwrap_or_default().trim() {
        JSON => Ok(Writing::Json),
        "application/x-www-form-urlencoded" => Ok(Writing::Form),
        _ => Err("headers: content-type is application/json or \
                  application/x-www-form-urlencoded"
            .to_owned()),
    }
}

impl Service {
    pub(super) fn new(
        setup: &HttpService,
        clock: Clock,
        errands: Arc<Errands>,
        desk: Arc<Desk>,
    ) -> Self {
        Self {
            asked: Asked::new(setup),
            clock,
            errands,
            desk,
        }
    }

    fn answer(&self, said: Result<Said, Failure>, guest: &Credentials) -> Answer {
        match said {
            Ok(Said::Ignore) => Answer::Ignore,
            Ok(Said::Deny) => Answer::Deny(Cause::AuthenticationDenied),
            Ok(Said::Allow { until, .. }) if until.is_some_and(|at| at <= self.clock.now()) => {
                Answer::Deny(Cause::TokenExpired)
            }
            Ok(Said::Allow {
                superuser,
                rules,
                until,
            }) => {
                let mut granted = Granted::with_rules(guest.name(), superuser, rules);
                granted.until = until;
                Answer::Allow(granted)
            }
            Err(_) => Answer::Deny(Cause::AuthenticatorFailed),
        }
    }
}

impl Authenticator for Service {
    fn ask(self: Arc<Self>, question: Question) {
        let Ok(asked) = &self.asked else {
            return question.answer(Answer::Deny(Cause::AuthenticatorFailed));
        };
        let Some(ask) = asked.form.about(&question.credentials.facts()) else {
            return question.answer(Answer::Deny(Cause::WrongPassword));
        };
        // Refused a thread, the guest is refused with it.
        let Ok(handle) = self.errands.handle() else {
            return;
        };
        handle.spawn(async move {
            let Ok(asked) = &self.asked else { return };
            let said = asked.say(&ask).await;
            let answer = self.answer(said, &question.credentials);
            self.desk.go_on(move || question.answer(answer));
        });
    }

    fn trouble(&self) -> Option<String> {
        match &self.asked {
            Ok(asked) => asked.guard.trouble(),
            Err(trouble) => Some(trouble.clone()),
        }
    }
}

/// What an answer means. That the service knows nothing of the client, which EMQX takes 4xx for, is for
/// the next authenticator; that it is not well is not.
fn read(reply: &Reply) -> Result<Said, Failure> {
    match reply.status {
        200 => {}
        204 => {
            return Ok(Said::Allow {
                superuser: false,
                rules: None,
                until: None,
            });
        }
        status @ (408 | 429 | 500..) => return Err(Failure::Down(format!("status {status}"))),
        400..500 => return Ok(Said::Ignore),
        status => return Err(Failure::Odd(format!("status {status}"))),
    }
    let odd = |what: &str| Failure::Odd(format!("its answer: {what}"));
    let fields = match reply.content_type.as_str() {
        "application/json" => serde_json::from_slice(&reply.body).map_err(|_| odd("no object"))?,
        "application/x-www-form-urlencoded" => form_fields(&reply.body),
        _ => return Err(odd("content-type is neither JSON nor a form")),
    };
    said(&fields).map_err(|what| odd(&what))
}

fn said(fields: &Map<String, Value>) -> Result<Said, String> {
    match fields.get("result").map(Value::as_str) {
        None | Some(Some("ignore")) => return Ok(Said::Ignore),
        Some(Some("deny")) => return Ok(Said::Deny),
        Some(Some("allow")) => {}
        Some(_) => return Err("result is allow, deny or ignore".to_owned()),
    }
    let superuser = match fields.get("is_superuser") {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true" || text == "1",
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        _ => false,
    };
    let until = match fields.get("expire_at") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let secs = value.as_u64().filter(|secs| *secs < 1 << 32);
            Some(secs.ok_or("expire_at is no time in seconds since 1970")?)
        }
    };
    let rules = match fields.get("acl") {
        None | Some(Value::Null) => None,
        Some(acl) => Some(Arc::new(claim::rules(acl, "http")?)),
    };
    Ok(Said::Allow {
        superuser,
        rules,
        until: until.map(|secs| Time(secs * 1000)),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, content_type: &str, body: &str) -> Reply {
        Reply {
            status,
            content_type: content_type.to_owned(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// What each answer means; nothing that is not understood lets anybody in.
    #[test]
    fn answers() {
        let kind = |reply: &Reply| match read(reply) {
            Ok(Said::Allow {
                superuser,
                rules,
                until,
            }) => format!(
                "allow{}{}{}",
                if superuser { " super" } else { "" },
                if rules.is_some() { " acl" } else { "" },
                until.map_or_else(String::new, |at| format!(" {}", at.0)),
            ),
            Ok(Said::Deny) => "deny".to_owned(),
            Ok(Said::Ignore) => "ignore".to_owned(),
            Err(Failure::Down(_)) => "down".to_owned(),
            Err(_) => "odd".to_owned(),
        };
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        let table = [
            (204, "", "", "allow"),
            (200, json, r#"{"result": "allow"}"#, "allow"),
            (
                200,
                json,
                r#"{"result": "allow", "is_superuser": true}"#,
                "allow super",
            ),
            (
                200,
                json,
                r#"{"result": "allow", "is_superuser": "false"}"#,
                "allow",
            ),
            (
                200,
                json,
                r#"{"result": "allow", "expire_at": 2, "acl": {"pub": ["a"]}}"#,
                "allow acl 2000",
            ),
            (
                200,
                json,
                r#"{"result": "deny", "is_superuser": true}"#,
                "deny",
            ),
            (200, json, r#"{"result": "ignore"}"#, "ignore"),
            (200, json, "{}", "ignore"),
            (200, json, r#"{"result": "yes"}"#, "odd"),
            (200, json, r#"{"result": true}"#, "odd"),
            (200, json, r#"{"result": "allow", "acl": ["a"]}"#, "odd"),
            (
                200,
                json,
                r#"{"result": "allow", "expire_at": "soon"}"#,
                "odd",
            ),
            (
                200,
                json,
                r#"{"result": "allow", "expire_at": 1700000000000}"#,
                "odd",
            ),
            (200, json, "[]", "odd"),
            (200, json, "", "odd"),
            (200, "text/html", "allow", "odd"),
            (200, form, "result=allow&is_superuser=true", "allow super"),
            (200, form, "result=deny", "deny"),
            (200, form, "acl=x", "ignore"),
            (400, "", "", "ignore"),
            (401, json, r#"{"result": "allow"}"#, "ignore"),
            (404, "", "", "ignore"),
            (429, "", "", "down"),
            (500, json, r#"{"result": "allow"}"#, "down"),
            (503, "", "", "down"),
            (302, "", "", "odd"),
            (201, json, r#"{"result": "allow"}"#, "odd"),
        ];
        for (status, content_type, body, due) in table {
            let reply = reply(status, content_type, body);
            assert_eq!(kind(&reply), due, "{status} {content_type} {body}");
        }
    }
}
