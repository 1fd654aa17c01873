//! Who reads everything: sessions with a subscription that matches all topics but the system's. Shards are
//! asked for what their routing tables have at a few filters, in slices; nothing is kept for the question.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use engine::{
    SessionRef,
    acl::{Acl, Principal, Subject},
};
use protocol::{Filter, QoS};

use super::{Admin, Gone};
use crate::{
    security::{self, READERS_NAMED, Reader, Readers},
    shard::{VISIT_MAX, Visit},
};

/// Filters that match all topics, the last all but those of one level. More levels leave more out, and what
/// a client reads then is a choice.
const ALL: [&str; 3] = ["#", "+/#", "+/+/#"];

/// What was found so far.
#[derive(Default)]
struct Sight {
    all: u64,
    nameless_afar: u64,
    /// Without a name and on another host.
    strangers: Vec<Reader>,
    others: Vec<Reader>,
    /// Members of shared groups: their sessions may be on any shard.
    members: BTreeSet<SessionRef>,
}

impl Sight {
    fn see(&mut self, client: &engine::Client<'_>, visit: &Visit<'_>, here: &[IpAddr]) {
        self.all += 1;
        let peer = client.conn().and_then(|conn| visit.peer(conn));
        let is_afar = peer.is_some_and(|(at, _)| {
            let ip = at.ip().to_canonical();
            !ip.is_loopback() && !here.contains(&ip)
        });
        let user = client.user_name().filter(|_| !client.is_anonymous());
        let list = if client.is_anonymous() && is_afar {
            self.nameless_afar += 1;
            &mut self.strangers
        } else {
            &mut self.others
        };
        if list.len() < READERS_NAMED {
            list.push(Reader {
                client_id: client.id().to_owned(),
                user: user.map(str::to_owned),
            });
        }
    }
}

/// A place in a shard: one of the filters, and how many of its subscribers are done.
type Place = (usize, usize);

impl Admin {
    /// Who reads everything now.
    ///
    /// # Errors
    /// If the broker is shutting down.
    pub async fn readers(&self) -> Result<Readers, Gone> {
        let here: Arc<[IpAddr]> = security::own_addresses().into();
        let mut sight = Sight::default();
        for shard in 0..self.shards() {
            let mut from = Some((0, 0));
            while let Some(place) = from {
                let here = here.clone();
                let asked = self.ask(shard, move |visit| {
                    let next = look(visit, place, &mut sight, &here);
                    (sight, next)
                });
                (sight, from) = asked.await?;
            }
        }
        let members: Vec<_> = std::mem::take(&mut sight.members).into_iter().collect();
        // They stand in the order of their shards.
        for there in members.chunk_by(|a, b| a.shard == b.shard) {
            for some in there.chunks(VISIT_MAX) {
                let (some, here) = (some.to_vec(), here.clone());
                let asked = self.ask(some[0].shard, move |visit| {
                    look_at_members(visit, &some, &mut sight, &here);
                    sight
                });
                sight = asked.await?;
            }
        }
        sight.strangers.sort();
        sight.others.sort();
        Ok(Readers {
            nameless_may: self.may_nameless_read_all(),
            count: sight.all,
            nameless_afar: sight.nameless_afar,
            strangers: sight.strangers,
            others: sight.others,
        })
    }

    /// Whether a client without a name may subscribe to everything, as far as it is known here: nobody
    /// elsewhere is asked, as this is looked at every few seconds. Where they decide, it is not allowed.
    fn may_nameless_read_all(&self) -> bool {
        if !self.look(|config| config.mqtt.allow_anonymous) {
            return false;
        }
        let acl = Acl::new(self.decided().policy.access.clone());
        let who = Principal::Anonymous;
        let access = acl.access(&who, "", None);
        let subject = Subject {
            who: &who,
            client_id: "",
            access: access.as_deref(),
        };
        let (judged, _) = acl.judge_subscribe(subject, Filter::trusted(ALL[0]), QoS::AtMostOnce);
        judged.is_allowed
    }
}

/// Looks at as many as one visit may, and gives the place to go on from.
fn look(
    visit: &Visit<'_>,
    (mut at, mut done): Place,
    sight: &mut Sight,
    here: &[IpAddr],
) -> Option<Place> {
    let engine = &*visit.engine;
    let mut left = VISIT_MAX;
    while at < ALL.len() {
        let filter = Filter::trusted(ALL[at]);
        if done == 0 {
            sight.members.extend(engine.members(filter).take(VISIT_MAX));
        }
        for client in engine.subscribers(filter).skip(done) {
            if left == 0 {
                return Some((at, done));
            }
            left -= 1;
            done += 1;
            let is_told = ALL[..at]
                .iter()
                .any(|f| client.is_subscribed(Filter::trusted(f)));
            if !is_told {
                sight.see(&client, visit, here);
            }
        }
        (at, done) = (at + 1, 0);
    }
    None
}

fn look_at_members(visit: &Visit<'_>, some: &[SessionRef], sight: &mut Sight, here: &[IpAddr]) {
    for client in some.iter().filter_map(|one| visit.engine.client_of(*one)) {
        if !ALL.iter().any(|f| client.is_subscribed(Filter::trusted(f))) {
            sight.see(&client, visit, here);
        }
    }
}
