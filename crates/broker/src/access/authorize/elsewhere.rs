//! Sources of rules that are asked whether somebody may do something: a service over HTTP, as EMQX asks
//! it, or databases. Where one does not answer, or says what nobody understands, it is denied.

use std::{net::IpAddr, sync::Arc};

use engine::acl::{Heard, Inquiry, Word};
use serde_json::Value;
use tokio::runtime::Handle;

use super::table::{Asked, RuleTable, Table};
use crate::access::remote::{
    Deed, Errands, Facts, Failure, Scope,
    http::{Ask, Reply},
    service::{Answered, HttpService, Service, fields},
};

/// Who is asked, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Http(HttpService),
    Table(RuleTable),
}

enum Asker {
    Http(Service<Word>),
    Table(Table),
}

/// A question, ready to be put.
enum Question {
    Http(Ask),
    Table(Vec<String>),
}

pub(crate) struct Elsewhere {
    ways: Vec<Way>,
    /// In their order.
    askers: Vec<Asker>,
    handle: Handle,
}

impl Asker {
    fn new(way: &Way) -> Result<Self, String> {
        Ok(match way {
            Way::Http(setup) => Self::Http(service(setup)?),
            Way::Table(table) => Self::Table(Table::new(table)?),
        })
    }

    /// `None` if what the client says cannot be asked.
    fn question(&self, facts: &Facts<'_>) -> Option<Question> {
        Some(match self {
            Self::Http(service) => Question::Http(service.about(facts)?),
            Self::Table(table) => Question::Table(table.values(facts)?),
        })
    }

    async fn say(&self, question: &Question, asked: &Asked) -> Result<Word, Failure> {
        match (self, question) {
            (Self::Http(service), Question::Http(ask)) => {
                service.say_of(&asked.client_id, ask).await
            }
            (Self::Table(table), Question::Table(values)) => table.say(values, asked).await,
            _ => Err(Failure::Odd("a question for another".to_owned())),
        }
    }

    fn forget(&self) {
        match self {
            Self::Http(service) => service.forget(),
            Self::Table(table) => table.forget(),
        }
    }

    fn forget_of(&self, client_id: &str) {
        match self {
            Self::Http(service) => service.forget_of(client_id),
            Self::Table(table) => table.forget_of(client_id),
        }
    }

    fn trouble(&self) -> Option<String> {
        match self {
            Self::Http(service) => service.trouble(),
            Self::Table(table) => table.trouble(),
        }
    }
}

impl Elsewhere {
    /// # Errors
    /// If something of the setup cannot be used, or the system refuses a thread.
    pub(crate) fn new(ways: Vec<Way>, errands: &Errands) -> Result<Self, String> {
        let handle = errands.handle();
        Ok(Self {
            askers: ways.iter().map(Asker::new).collect::<Result<_, _>>()?,
            ways,
            handle: handle.map_err(|error| format!("the system refused a thread: {error}"))?,
        })
    }

    pub(crate) fn is(&self, ways: &[Way]) -> bool {
        self.ways == ways
    }

    /// Asks one after the other, as many as come before the rule that would decide, and gives the answer when it
    /// is there. Never waits.
    pub(crate) fn ask(
        self: &Arc<Self>,
        inquiry: &Inquiry<'_>,
        address: IpAddr,
        reply: impl FnOnce(Heard) + Send + 'static,
    ) {
        let facts = Facts {
            client_id: inquiry.client_id,
            user_name: inquiry.who.user(),
            password: None,
            address,
            common_name: inquiry.who.common_name(),
            subject: None,
            deed: Some(Deed {
                publishes: inquiry.publishes,
                topic: inquiry.topic,
                qos: inquiry.qos.bits(),
                retain: inquiry.retain,
            }),
        };
        let askers = self.askers.iter().take(inquiry.sources);
        let questions = askers.map(|asker| asker.question(&facts));
        let Some(questions) = questions.collect::<Option<Vec<_>>>() else {
            return reply(Heard::Failed);
        };
        let (elsewhere, asked) = (self.clone(), Asked::new(inquiry));
        self.handle.spawn(async move {
            let mut heard = Heard::Word(Word::Pass, 0);
            for (by, (asker, question)) in (0..).zip(elsewhere.askers.iter().zip(&questions)) {
                let said = asker.say(question, &asked).await;
                heard = said.map_or(Heard::Failed, |word| Heard::Word(word, by));
                if !matches!(heard, Heard::Word(Word::Pass, _)) {
                    break;
                }
            }
            reply(heard);
        });
    }

    /// Forgets what was said, of whomever.
    pub(crate) fn forget(&self) {
        for asker in &self.askers {
            asker.forget();
        }
    }

    /// The same of one client.
    pub(crate) fn forget_of(&self, client_id: &str) {
        for asker in &self.askers {
            asker.forget_of(client_id);
        }
    }

    /// What is wrong with the one that is set up so.
    pub(crate) fn trouble(&self, way: &Way) -> Option<String> {
        let at = self.ways.iter().position(|other| other == way)?;
        self.askers.get(at)?.trouble()
    }
}

/// # Errors
/// If something of the setup cannot be used.
pub(super) fn check(way: &Way) -> Result<(), String> {
    Asker::new(way).map(|_| ())
}

fn service(setup: &HttpService) -> Result<Service<Word>, String> {
    Service::new(setup, "the HTTP source of rules", Scope::Deed, read)
}

fn read(reply: &Reply) -> Result<Word, Failure> {
    let fields = match fields(reply)? {
        Answered::Nothing => return Ok(Word::Allow),
        // A service that is not there any more at this path must not open what it closed.
        Answered::Unknown => return Ok(Word::Deny),
        Answered::Fields(fields) => fields,
    };
    match fields.get("result").map(Value::as_str) {
        Some(Some("allow")) => Ok(Word::Allow),
        Some(Some("deny")) => Ok(Word::Deny),
        None | Some(Some("ignore")) => Ok(Word::Pass),
        Some(_) => Err(Failure::Odd(
            "its answer: result is allow, deny or ignore".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let word = |status, body: &str| {
            let reply = Reply {
                status,
                content_type: "application/json".to_owned(),
                body: body.as_bytes().to_vec(),
            };
            read(&reply).ok()
        };
        for (status, body, due) in [
            (204, "", Some(Word::Allow)),
            (200, r#"{"result": "allow"}"#, Some(Word::Allow)),
            (200, r#"{"result": "deny"}"#, Some(Word::Deny)),
            (200, r#"{"result": "ignore"}"#, Some(Word::Pass)),
            (200, "{}", Some(Word::Pass)),
            (404, "", Some(Word::Deny)),
            (401, r#"{"result": "allow"}"#, Some(Word::Deny)),
            (200, r#"{"result": "perhaps"}"#, None),
            (200, r#"{"result": 1}"#, None),
            (200, "", None),
            (500, r#"{"result": "allow"}"#, None),
            (302, "", None),
        ] {
            assert_eq!(word(status, body), due, "{status} {body}");
        }
    }
}
