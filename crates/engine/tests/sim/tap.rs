//! Every packet that the broker takes or gives, in the order in which it does, held against the
//! ledger. Checks at the moment of the call: what a client reads much later proves no order.

use std::collections::BTreeSet;

use protocol::{
    Limits, Packet, QoS, Reason, SharedFilter, Version, decode, decode_from_server, frame,
    packet::{publish, subscribe},
};

use crate::{
    client::number,
    faults::{Counts, Kind},
    ledger::{Announced, Debts, Ledger, Sub, WillState},
    trace::Trace,
};

/// One connection as the tap sees it.
pub(crate) struct Side<'a> {
    pub(crate) client: usize,
    pub(crate) version: Version,
    pub(crate) debts: &'a mut Debts,
    pub(crate) announced: &'a Announced,
    /// Accepted before this event means surely delivered by now.
    pub(crate) horizon: u64,
}

/// The broker took these bytes: whole packets.
pub(crate) fn taken(ledger: &mut Ledger, side: &mut Side<'_>, bytes: &[u8]) {
    let limits = Limits::default();
    let mut at = 0;
    while at < bytes.len() {
        let Ok(Some(f)) = frame(&bytes[at..], limits.packet_bytes_max) else {
            return;
        };
        at += f.len;
        let Ok(packet) = decode(&f, side.version, &limits) else {
            return ledger.fault("a client sent an illegal packet".to_owned());
        };
        match &packet {
            Packet::Publish(p) => take_publish(ledger, side, p),
            Packet::PubRel(p) => {
                let id = p.id.get();
                let s = &mut ledger.sessions[side.client];
                s.earlier.remove(&id);
                if let Some(msg) = s.known.remove(&id) {
                    s.released.insert(id, msg);
                }
                side.debts.comps.push_back(id);
            }
            Packet::Subscribe(p) => take_subscribe(ledger, side, p),
            Packet::Unsubscribe(p) => {
                let texts = p.filters().map(str::to_owned).collect();
                side.debts.unsubs.push_back((p.id.get(), texts));
                let event = ledger.event;
                let mut left = Vec::new();
                for text in p.filters() {
                    let (group, filter) = names(text);
                    for sub in &mut ledger.sessions[side.client].subs {
                        if sub.until.is_none() && sub.filter == filter && sub.group == group {
                            sub.until = Some(event);
                            left.extend(group.clone());
                        }
                    }
                }
                for group in left {
                    ledger.count_members(&group);
                }
            }
            Packet::PingReq => side.debts.pings += 1,
            Packet::Disconnect(p) => {
                if let Some(secs) = p.session_expiry_secs {
                    ledger.sessions[side.client].expiry_secs = secs;
                }
                return;
            }
            _ => {}
        }
    }
}

/// Group (with its filter) and filter of a subscription's text.
pub(crate) fn names(text: &str) -> (Option<String>, String) {
    let shared = SharedFilter::parse(text, 128).expect("clients use legal filters");
    let filter = shared.filter.as_str().to_owned();
    (
        shared.group.map(|group| format!("{group}/{filter}")),
        filter,
    )
}

fn take_publish(ledger: &mut Ledger, side: &mut Side<'_>, p: &publish::Publish<'_>) {
    let event = ledger.event;
    let now = ledger.now;
    let shaky = ledger.sessions[side.client].shaky;
    let id = p.id.map(|id| id.get());
    let msg = match number(p.payload) {
        Some(msg) => msg,
        // A cleared retained message has no payload to tell its number: it is the one sent next.
        None => match ledger.msgs.iter().position(|m| {
            m.empty && m.topic == p.topic && m.publisher == side.client && m.taken_at.is_none()
        }) {
            Some(msg) => msg,
            None => return ledger.fault("an empty PUBLISH that nobody sent".to_owned()),
        },
    };
    ledger.msgs[msg].shaky |= shaky;
    if let Some(id) = id {
        side.debts
            .acks
            .push_back((p.qos == QoS::ExactlyOnce, id, msg));
    }
    let s = &mut ledger.sessions[side.client];
    if let Some(id) = id {
        s.released.remove(&id);
    }
    if p.qos == QoS::ExactlyOnce
        && let Some(id) = id
        && s.known.insert(id, msg).is_some()
    {
        // Known and not released: not routed again.
        let m = &mut ledger.msgs[msg];
        if s.earlier.remove(&id) && m.retain {
            // What the log has of it keeps its expiry.
            m.routed += 1;
            (m.taken_at, m.routed_at) = (Some(now), event);
            let topic = m.topic.clone();
            ledger.last_retained.entry(topic).or_default().push(msg);
        }
        return;
    }
    let m = &mut ledger.msgs[msg];
    m.v5 = side.version.is_v5();
    m.routed += 1;
    m.taken_at = Some(now);
    m.routed_at = event;
    if p.qos == QoS::AtMostOnce {
        m.accepted = Some(event);
    }
    if m.retain {
        let topic = m.topic.clone();
        ledger.last_retained.entry(topic).or_default().push(msg);
    }
}

fn take_subscribe(ledger: &mut Ledger, side: &mut Side<'_>, p: &subscribe::Subscribe<'_>) {
    let mut texts = Vec::new();
    let event = ledger.event;
    let horizon = side.horizon.min(event);
    for request in p.requests() {
        let (group, filter) = names(request.filter);
        texts.push(request.filter.to_owned());
        let qos = request.options.qos.bits();
        let same =
            |sub: &&mut Sub| sub.until.is_none() && sub.filter == filter && sub.group == group;
        let mut held = ledger.sessions[side.client].subs.iter_mut().filter(same);
        let first = held.next();
        // After a crash that of an earlier session may be known, too: it is replaced with the other.
        for sub in held {
            (sub.until, sub.gone) = (Some(event), true);
        }
        if let Some(sub) = first {
            if qos == 0 && sub.qos_min > 0 {
                sub.lowered = Some(event);
            }
            sub.qos = qos;
            sub.asked = event;
            sub.no_local &= request.options.no_local;
            sub.no_local_once |= request.options.no_local;
            sub.as_published |= request.options.retain_as_published;
            sub.qos_min = sub.qos_min.min(qos);
            sub.qos_max = sub.qos_max.max(qos);
            sub.ids.extend(p.subscription_id);
        } else {
            ledger.sessions[side.client].subs.push(Sub {
                filter,
                group,
                qos,
                qos_min: qos,
                qos_max: qos,
                lowered: None,
                no_local: request.options.no_local,
                no_local_once: request.options.no_local,
                as_published: request.options.retain_as_published,
                ids: p.subscription_id.into_iter().collect(),
                horizon,
                asked: event,
                visible: None,
                until: None,
                gone: false,
            });
        }
    }
    side.debts.subs.push_back((p.id.get(), texts));
}

/// The broker gave these bytes to a connection.
pub(crate) fn given(
    ledger: &mut Ledger,
    side: &mut Side<'_>,
    bytes: &[u8],
    faults: &mut Counts,
    trace: &mut Trace,
) {
    let limits = Limits::default();
    let mut at = 0;
    while at < bytes.len() {
        let f = match frame(&bytes[at..], limits.packet_bytes_max) {
            Ok(Some(f)) => f,
            other => return ledger.fault(format!("half a packet was sent: {other:?}")),
        };
        at += f.len;
        if f.len > side.announced.packet_max {
            ledger.fault(format!(
                "client {}: a packet of {} bytes",
                side.client, f.len
            ));
        }
        match decode_from_server(&f, side.version, &limits) {
            Ok(packet) => {
                trace.line(|| {
                    format!(
                        "{:>6}   to c{}: {}",
                        ledger.event,
                        side.client,
                        short(&packet)
                    )
                });
                give(ledger, side, &packet, faults);
            }
            Err(e) => ledger.fault(format!("an illegal packet was sent: {e}")),
        }
    }
}

fn give(ledger: &mut Ledger, side: &mut Side<'_>, packet: &Packet<'_>, faults: &mut Counts) {
    let c = side.client;
    if side.debts.disconnected {
        ledger.fault(format!("client {c}: a packet after DISCONNECT"));
    }
    if !side.debts.connack && !matches!(packet, Packet::ConnAck(_)) {
        ledger.fault(format!("client {c}: {} before CONNACK", short(packet)));
    }
    match packet {
        Packet::ConnAck(p) => {
            if side.debts.connack {
                ledger.fault(format!("client {c}: a second CONNACK"));
            }
            side.debts.connack = true;
            if p.reason == Reason::SUCCESS {
                let cancelled = ledger.sessions[c].will.is_some_and(|w| w.due.is_some());
                if cancelled && p.session_present {
                    faults.fired(Kind::WillCancelled);
                }
                ledger.connected(c, side.announced, p.session_present);
            }
        }
        Packet::Publish(p) => give_publish(ledger, side, p, faults),
        Packet::PubAck(p) => give_ack(ledger, side, false, p.id.get(), p.reason),
        Packet::PubRec(p) => give_ack(ledger, side, true, p.id.get(), p.reason),
        Packet::PubComp(p) => {
            ledger.sessions[c].released.remove(&p.id.get());
            if side.debts.comps.pop_front() != Some(p.id.get()) {
                ledger.fault(format!("client {c}: PUBCOMP {} is not due", p.id.get()));
            }
        }
        Packet::PubRel(_) => {}
        Packet::SubAck(p) => {
            let due = side.debts.subs.pop_front();
            match due {
                Some((id, texts)) if id == p.id.get() => {
                    let event = ledger.event;
                    for text in texts {
                        let (group, filter) = names(&text);
                        for sub in &mut ledger.sessions[c].subs {
                            if sub.until.is_none() && sub.filter == filter && sub.group == group {
                                sub.visible.get_or_insert(event);
                            }
                        }
                        if let Some(group) = group {
                            ledger.count_members(&group);
                        }
                    }
                }
                _ => ledger.fault(format!("client {c}: SUBACK {} is not due", p.id.get())),
            }
        }
        Packet::UnsubAck(p) => match side.debts.unsubs.pop_front() {
            Some((id, texts)) if id == p.id.get() => {
                for text in texts {
                    let (group, filter) = names(&text);
                    for sub in &mut ledger.sessions[c].subs {
                        sub.gone |=
                            sub.until.is_some() && sub.filter == filter && sub.group == group;
                    }
                }
            }
            _ => ledger.fault(format!("client {c}: UNSUBACK {} is not due", p.id.get())),
        },
        Packet::PingResp => {
            if side.debts.pings == 0 {
                ledger.fault(format!("client {c}: PINGRESP for nothing"));
            }
            side.debts.pings = side.debts.pings.saturating_sub(1);
        }
        Packet::Disconnect(_) => {
            if !side.version.is_v5() {
                ledger.fault(format!("client {c}: DISCONNECT to a 3.x client"));
            }
            side.debts.disconnected = true;
        }
        _ => ledger.fault(format!("client {c}: {} from a server", short(packet))),
    }
}

fn give_ack(ledger: &mut Ledger, side: &mut Side<'_>, rec: bool, id: u16, reason: Reason) {
    let c = side.client;
    let Some((due_rec, due_id, msg)) = side.debts.acks.pop_front() else {
        return ledger.fault(format!(
            "client {c}: an acknowledgement of {id} for nothing"
        ));
    };
    if (due_rec, due_id) != (rec, id) {
        return ledger.fault(format!(
            "client {c}: acknowledged {id} although {due_id} comes first"
        ));
    }
    let event = ledger.event;
    if reason.is_error() {
        if rec {
            ledger.sessions[c].known.remove(&id);
        }
        return;
    }
    let m = &mut ledger.msgs[msg];
    m.accepted.get_or_insert(event);
    m.acknowledged = event;
    let asked = m.append_at > 0 && m.append_at == m.routed_at;
    let bare = asked && m.appends_kept == 0;
    if bare {
        ledger.fault(format!(
            "client {c}: message {msg} is acknowledged, but the log does not have it"
        ));
    }
}

fn give_publish(
    ledger: &mut Ledger,
    side: &mut Side<'_>,
    p: &publish::Publish<'_>,
    faults: &mut Counts,
) {
    let c = side.client;
    let alias_max = side.announced.alias_max;
    let topic = match p.alias {
        Some(alias) if alias > alias_max => {
            return ledger.fault(format!("client {c}: topic alias {alias} of {alias_max}"));
        }
        Some(alias) if p.topic.is_empty() => match side.debts.aliases.get(&alias) {
            Some(topic) => topic.clone(),
            None => return ledger.fault(format!("client {c}: unknown alias {alias}")),
        },
        Some(alias) => {
            side.debts.aliases.insert(alias, p.topic.to_owned());
            p.topic.to_owned()
        }
        None => p.topic.to_owned(),
    };
    if p.dup {
        faults.fired(Kind::Redelivered);
    }
    let msg = number(p.payload);
    if let Some(id) = p.id.map(|id| id.get()) {
        window(ledger, side, id, msg, p.dup);
    }
    let Some(msg) = msg else {
        // A cleared retained message, sent on to those who listen.
        return;
    };
    if let Some(m) = ledger.msgs.get(msg)
        && m.will == WillState::Kept
    {
        let publisher = m.publisher;
        ledger.fire_wills(1, |client| client == publisher);
    }
    let Some(m) = ledger.msgs.get(msg) else {
        return ledger.fault(format!("client {c}: a message that nobody published"));
    };
    let mut wrong = Vec::new();
    if m.topic != topic {
        wrong.push(format!("on {topic} instead of {}", m.topic));
    }
    if p.qos.bits() > m.qos {
        wrong.push("with a higher QoS than published".to_owned());
    }
    if m.will == WillState::Kept || m.will == WillState::Forgotten {
        wrong.push("a will that must not be published".to_owned());
    }
    let subs: Vec<&Sub> = ledger
        .matching(c, &topic)
        .filter(|sub| sub.until.is_none_or(|until| m.sent <= until))
        .collect();
    let shared = subs.iter().any(|sub| sub.group.is_some());
    if subs.is_empty() && !p.dup {
        wrong.push("without a subscription".to_owned());
    }
    let own = m.publisher == c && m.era == ledger.sessions[c].era && m.will == WillState::NotAWill;
    if own && !shared && !p.retain && !subs.is_empty() && subs.iter().all(|sub| sub.no_local) {
        wrong.push("back to its publisher in spite of No Local".to_owned());
    }
    let again = m.will != WillState::NotAWill && m.routed > 1;
    let fresh = !p.dup && !shared && !again && m.appends_failed == 0;
    // What the log refused was tried again later, and belongs where it was taken at last.
    let old = m
        .accepted
        .map_or(u64::MAX, |_| m.routed_at.max(m.append_at));
    if fresh && !p.retain && !subs.is_empty() && subs.iter().all(|sub| old < sub.horizon) {
        wrong.push("from before its subscription".to_owned());
    }
    let ids: BTreeSet<u32> = ledger
        .matching(c, &topic)
        .flat_map(|sub| sub.ids.iter().copied())
        .collect();
    for property in p.properties.iter() {
        if let protocol::Property::SubscriptionId(id) = property
            && !ids.contains(&id)
        {
            wrong.push(format!("with the subscription identifier {id} of another"));
        }
    }
    if let (Some(secs), Some(at)) = (m.expiry_secs, m.taken_at) {
        let expires = at + u64::from(secs) * 1000;
        let left = expires.saturating_sub(ledger.now).div_ceil(1000);
        if expires <= ledger.now && !p.dup && m.appends_failed == 0 {
            wrong.push("after it expired".to_owned());
        } else if side.version.is_v5()
            && p.expiry_secs.map(u64::from) != Some(left)
            && m.routed < 2
            && m.appends_failed == 0
        {
            wrong.push(format!("with expiry {:?} instead of {left}", p.expiry_secs));
        }
    }
    let scanned = p.retain && !p.dup && m.retain && !subs.iter().any(|sub| sub.as_published);
    // Mail to the shard that stores it may be slower than mail to a reader: what came before the
    // SUBSCRIBE proves nothing.
    let asked = subs.iter().map(|sub| sub.asked).max().unwrap_or(0);
    if scanned
        && let Some((newest, at)) = ledger.sessions[c].newest.get(&topic)
        && *newest > msg
        && *at > asked
        && m.routed == 1
        && (ledger.restarts == 0 || ledger.msgs[*newest].acknowledged > 0)
    {
        wrong.push(format!(
            "retained, although {newest} is newer and came first"
        ));
    }
    // A subscription above QoS 0 that joins one with QoS 0, while a message is under way, may bring it
    // both ways (3.3.4, non-normative).
    let mixed = subs.iter().any(|sub| sub.qos_min == 0) && subs.iter().any(|sub| sub.qos_max > 0);
    let era = ledger.sessions[c].era;
    let groups: BTreeSet<String> = subs.iter().filter_map(|sub| sub.group.clone()).collect();
    if m.retain {
        let event = ledger.event;
        let newest = &mut ledger.sessions[c].newest;
        let newest = newest.entry(topic).or_insert((msg, event));
        *newest = (msg, event).max(*newest);
    }
    for group in groups.into_iter().filter(|_| !p.dup) {
        if p.qos == QoS::AtMostOnce {
            ledger.msgs[msg].settled.insert(group.clone());
        }
        *ledger.handed.entry((group, msg)).or_default() += 1;
    }
    let m = &mut ledger.msgs[msg];
    let routed = m.routed;
    let failed = m.appends_failed > 0 || m.shaky;
    let got = m.got.entry((c, era)).or_default();
    if (!p.retain || shared) && !p.dup {
        got.plain += 1;
        if got.plain > routed && !shared && !failed && !mixed {
            wrong.push(format!("{} times, routed {routed} times", got.plain));
        }
    }
    for what in wrong {
        ledger.fault(format!("client {c} was sent message {msg} {what}"));
    }
}

/// Packet ids in flight, and the client's Receive Maximum.
fn window(ledger: &mut Ledger, side: &mut Side<'_>, id: u16, msg: Option<usize>, dup: bool) {
    let c = side.client;
    let flight = &mut ledger.sessions[c].flight;
    let number = msg.unwrap_or(usize::MAX);
    if let Some(old) = flight.insert(id, number)
        && !(dup && old == number)
        // What has become too large for it counts as sent and done.
        && side.announced.packet_max > 1000
    {
        ledger.fault(format!("client {c}: packet id {id} is still in use"));
    }
    side.debts.window.insert(id);
    let max = usize::from(side.announced.receive_max);
    if side.announced.v5 && side.debts.window.len() > max {
        ledger.fault(format!(
            "client {c}: {} messages in flight, Receive Maximum {max}",
            side.debts.window.len()
        ));
    }
}

/// A packet in a few words.
pub(crate) fn short(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Publish(p) => format!(
            "PUBLISH{} {} qos {} id {} {}{}",
            if p.dup { " DUP" } else { "" },
            p.topic,
            p.qos.bits(),
            p.id.map_or(0, |id| id.get()),
            number(p.payload).map_or_else(|| "empty".to_owned(), |n| format!("m{n}")),
            if p.retain { " RETAIN" } else { "" },
        ),
        Packet::ConnAck(p) => format!("CONNACK {} present {}", p.reason, p.session_present),
        Packet::Connect(p) => {
            let expiry = p.properties.iter().find_map(|p| match p {
                protocol::Property::SessionExpiry(secs) => Some(secs),
                _ => None,
            });
            format!("CONNECT {} clean {} {expiry:?}", p.client_id, p.clean_start)
        }
        Packet::PubAck(p) => format!("PUBACK {} {}", p.id.get(), p.reason),
        Packet::PubRec(p) => format!("PUBREC {} {}", p.id.get(), p.reason),
        Packet::PubRel(p) => format!("PUBREL {} {}", p.id.get(), p.reason),
        Packet::PubComp(p) => format!("PUBCOMP {} {}", p.id.get(), p.reason),
        Packet::Subscribe(p) => {
            let filters: Vec<String> = p
                .requests()
                .map(|r| format!("{} qos {}", r.filter, r.options.qos.bits()))
                .collect();
            format!("SUBSCRIBE {} {}", p.id.get(), filters.join(", "))
        }
        Packet::SubAck(p) => format!("SUBACK {}", p.id.get()),
        Packet::Unsubscribe(p) => {
            let filters: Vec<&str> = p.filters().collect();
            format!("UNSUBSCRIBE {} {}", p.id.get(), filters.join(", "))
        }
        Packet::UnsubAck(p) => format!("UNSUBACK {}", p.id.get()),
        Packet::Disconnect(p) => format!("DISCONNECT {}", p.reason),
        Packet::PingReq => "PINGREQ".to_owned(),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Auth(_) => "AUTH".to_owned(),
    }
}
