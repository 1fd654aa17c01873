//! The authenticator that asks a service over HTTP. What it answers is EMQX's: `result`, `is_superuser`,
//! `acl`, `expire_at`. A service that does not answer, or says what nobody understands, lets nobody in.

use std::sync::Arc;

use engine::{Cause, Time, acl::Rules};
use serde_json::{Map, Value};

use super::{
    Desk,
    chain::{Answer, Authenticator, Granted, Question},
};
use crate::{
    access::{
        authorize::claim,
        remote::{
            Errands, Failure, Scope,
            http::Reply,
            service::{Answered, HttpService, Service as Asked, fields},
        },
    },
    shard::Clock,
};

pub(super) struct Service {
    /// Or why it cannot be asked.
    asked: Result<Asked<Said>, String>,
    clock: Clock,
    errands: Arc<Errands>,
    desk: Arc<Desk>,
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

impl Service {
    pub(super) fn new(
        setup: &HttpService,
        clock: Clock,
        errands: Arc<Errands>,
        desk: Arc<Desk>,
    ) -> Self {
        Self {
            asked: Asked::new(setup, "the HTTP authenticator", Scope::Guest, read),
            clock,
            errands,
            desk,
        }
    }

    /// `name` is the guest's, if it may come in.
    fn answer(&self, said: Result<Said, Failure>, name: &str) -> Answer {
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
                let granted = Granted::with_rules(name, superuser, rules);
                Answer::Allow(granted.until(until))
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
        let Some(ask) = asked.about(&question.credentials.facts()) else {
            return question.answer(Answer::Deny(Cause::WrongPassword));
        };
        // Refused a thread, the guest is refused with it.
        let Ok(handle) = self.errands.handle() else {
            return;
        };
        handle.spawn(async move {
            let Ok(asked) = &self.asked else { return };
            let said = asked.say(&ask).await;
            let name = question.credentials.name_by(|place| asked.is_told(place));
            let answer = self.answer(said, name);
            self.desk.go_on(move || question.answer(answer));
        });
    }

    fn trouble(&self) -> Option<String> {
        match &self.asked {
            Ok(asked) => asked.trouble(),
            Err(trouble) => Some(trouble.clone()),
        }
    }
}

fn read(reply: &Reply) -> Result<Said, Failure> {
    match fields(reply)? {
        Answered::Nothing => Ok(Said::Allow {
            superuser: false,
            rules: None,
            until: None,
        }),
        Answered::Unknown => Ok(Said::Ignore),
        Answered::Fields(fields) => {
            said(&fields).map_err(|what| Failure::Odd(format!("its answer: {what}")))
        }
    }
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
