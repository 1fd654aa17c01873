//! Shared subscriptions (4.8.2): `$share/<group>/<filter>` and EMQX's `$queue/<filter>`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::wire::{
    BOTH, Broker, Conn, Connect, Kind, Outcome, Publish, V5, V311, ack, prop, reply, subscribe,
    subscribe_with,
};

const EMPTY_WAIT: Duration = Duration::from_millis(50);

/// Reads what is there for each of the members, answers it, and counts by member; over when
/// `total` messages have come and all exchanges of QoS 2 are finished.
#[track_caller]
fn share_out(members: &mut [Conn], total: usize) -> (Vec<usize>, HashMap<String, usize>) {
    let mut counts = vec![0; members.len()];
    let mut texts = HashMap::new();
    let mut unreleased = 0;
    let deadline = Instant::now() + Duration::from_secs(8);
    while counts.iter().sum::<usize>() < total || unreleased > 0 {
        assert!(Instant::now() < deadline, "only {counts:?} of {total}");
        for (n, member) in members.iter_mut().enumerate() {
            while let Outcome::Packet(packet) = member.read_by(Instant::now() + EMPTY_WAIT) {
                if packet.kind == Kind::PubRel {
                    member.send(&ack(0x70, packet.id));
                    unreleased -= 1;
                    continue;
                }
                let got = packet.publish.expect("only messages come");
                match got.qos {
                    1 => member.send(&ack(0x40, got.id)),
                    2 => {
                        member.send(&ack(0x50, got.id));
                        unreleased += 1;
                    }
                    _ => {}
                }
                counts[n] += 1;
                *texts.entry(got.text().to_owned()).or_insert(0) += 1;
            }
        }
    }
    (counts, texts)
}

fn members(broker: &Broker, filter: &str, count: usize) -> Vec<Conn> {
    (0..count)
        .map(|n| {
            let version = if n % 2 == 0 { V5 } else { V311 };
            let mut conn = broker.client(version, &format!("member-{n}"));
            conn.subscribe(filter, 1);
            conn
        })
        .collect()
}

/// Three workers share a stream: each message goes to exactly one of them, everybody gets a
/// share, and an ordinary listener still hears all. (4.8.2)
#[test]
fn each_message_to_one_member() {
    let broker = Broker::start();
    for filter in ["$share/g/task/+", "$queue/task/+"] {
        let mut workers = members(&broker, filter, 3);
        let mut all = broker.v5("all");
        all.subscribe("task/#", 1);
        let mut speaker = broker.v5("speaker");
        for n in 0..60 {
            speaker.publish(&Publish::new("task/x", n.to_string()).qos1(1));
        }
        for n in 0..60 {
            all.receive_this("task/x", &n.to_string());
        }
        let (counts, texts) = share_out(&mut workers, 60);
        assert!(
            texts.len() == 60 && texts.values().all(|n| *n == 1),
            "{texts:?}"
        );
        assert!(counts.iter().all(|n| *n > 0), "{filter}: {counts:?}");
        for worker in &mut workers {
            worker.nothing_from(&mut speaker, 1);
        }
    }
}

/// Two groups on one filter each get everything. (4.8.2)
#[test]
fn groups_are_independent() {
    let broker = Broker::start();
    let mut one = broker.v5("one");
    one.subscribe("$share/one/x", 0);
    let mut two = broker.v5("two");
    two.subscribe("$share/two/x", 0);
    let mut speaker = broker.v5("speaker");
    for n in 0..10 {
        speaker.publish(&Publish::new("x", n.to_string()));
        one.receive_this("x", &n.to_string());
        two.receive_this("x", &n.to_string());
    }
}

/// Round robin, asked for by name, deals evenly. (4.8.2, non-normative)
#[test]
fn round_robin() {
    let broker = Broker::with(&["mqtt.shared_strategy=round_robin"]);
    let mut workers = members(&broker, "$share/g/rr", 3);
    let mut speaker = broker.v5("speaker");
    for n in 0..30 {
        speaker.publish(&Publish::new("rr", n.to_string()).qos1(1));
    }
    assert_eq!(share_out(&mut workers, 30).0, [10, 10, 10]);
}

/// Sticky keeps to one member while it is there. (4.8.2, non-normative)
#[test]
fn sticky() {
    let broker = Broker::with(&["mqtt.shared_strategy=sticky"]);
    let mut workers = members(&broker, "$share/g/sticky", 3);
    let mut speaker = broker.v5("speaker");
    for n in 0..30 {
        speaker.publish(&Publish::new("sticky", n.to_string()).qos1(1));
    }
    let mut counts = share_out(&mut workers, 30).0;
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 30]);
}

/// By the publisher's client id: one publisher, one member. (4.8.2, non-normative)
#[test]
fn by_client_id() {
    let broker = Broker::with(&["mqtt.shared_strategy=hash_clientid"]);
    let mut workers = members(&broker, "$share/g/hash", 3);
    for name in ["p1", "p2", "p3", "p4"] {
        let mut speaker = broker.v5(name);
        for n in 0..10 {
            speaker.publish(&Publish::new("hash", n.to_string()).qos1(1));
        }
        let mut counts = share_out(&mut workers, 10).0;
        counts.sort_unstable();
        assert_eq!(counts, [0, 0, 10], "{name}");
    }
}

/// By the topic: what is said of one thing goes to one member, and things are shared out.
/// (4.8.2, non-normative)
#[test]
fn by_topic() {
    let broker = Broker::with(&["mqtt.shared_strategy=hash_topic"]);
    let mut workers = members(&broker, "$share/g/thing/+", 3);
    let mut speakers = ["p1", "p2"].map(|name| broker.v5(name));
    let mut busy = [false; 3];
    for thing in 0..20 {
        for speaker in &mut speakers {
            for n in 0..3 {
                let topic = format!("thing/{thing}");
                speaker.publish(&Publish::new(&topic, format!("{thing}/{n}")).qos1(1));
            }
        }
        let counts = share_out(&mut workers, 6).0;
        let at = counts.iter().position(|n| *n == 6);
        busy[at.unwrap_or_else(|| panic!("{thing}: {counts:?}"))] = true;
    }
    assert!(busy.iter().filter(|busy| **busy).count() > 1, "{busy:?}");
}

/// By chance, and by nearness where there is somebody near: each message to one member, nobody is
/// left out by chance, and nobody near is no reason to lose it. (4.8.2, non-normative)
#[test]
fn by_chance_and_by_nearness() {
    for strategy in ["random", "local"] {
        let broker = Broker::with(&[&format!("mqtt.shared_strategy={strategy}"), "shards=2"]);
        let mut workers = members(&broker, "$share/g/any", 3);
        for name in ["p1", "p2", "p3", "p4"] {
            let mut speaker = broker.v5(name);
            for n in 0..20 {
                speaker.publish(&Publish::new("any", n.to_string()).qos1(1));
            }
        }
        let counts = share_out(&mut workers, 80).0;
        if strategy == "random" {
            assert!(counts.iter().all(|n| *n > 5), "{counts:?}");
        }
    }
}

/// A group's name may hold no wildcard and no nothing, and a filter must follow; such a
/// subscription is answered with a failure of its own. [MQTT-4.8.2-1] [MQTT-4.8.2-2]
#[test]
fn malformed_share() {
    let broker = Broker::start();
    let bad = [
        "$share/g",
        "$share/g/",
        "$share//x",
        "$share/",
        "$share/+/x",
        "$share/#/x",
        "$share/a+b/x",
        "$queue/",
    ];
    for version in BOTH {
        let mut conn = broker.client(version, "malformed");
        let filters: Vec<(&str, u8)> = bad.iter().map(|f| (*f, 0)).collect();
        conn.send(&subscribe(version, 1, &filters));
        let failure = if version == V5 { 0x8F } else { 0x80 };
        assert_eq!(conn.read_kind(Kind::SubAck).codes, [failure; 8]);
    }
}

/// No Local has no meaning in a group; asking for it is a protocol error. [MQTT-3.8.3-4]
#[test]
fn no_local_with_share() {
    let broker = Broker::start();
    let mut conn = broker.v5("nolocal");
    conn.send(&subscribe(V5, 1, &[("$share/g/x", 0x04)]));
    conn.expect_closed_for(0x82);
}

/// A shared subscription is told nothing that is retained. (4.8.2) [MQTT-3.3.1-9]
#[test]
fn nothing_retained_for_a_group() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("kept", "x").qos1(1).retained());
    let mut worker = broker.v5("worker");
    worker.subscribe("$share/g/kept", 1);
    worker.nothing_from(&mut speaker, 1);
}

/// Each member gets the message at the QoS it was granted, with its own identifier.
/// [MQTT-4.8.2-3] [MQTT-3.3.4-3]
#[test]
fn granted_qos_and_identifier() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    for qos in 0..=2u8 {
        let mut worker = broker.v5("worker");
        let id = prop::variable(prop::SUBSCRIPTION_ID, 40 + u32::from(qos));
        worker.send(&subscribe_with(V5, 1, &[id], &[("$share/g/granted", qos)]));
        worker.read_kind(Kind::SubAck);
        speaker.publish(&Publish::new("granted", "x").qos2(1));
        let got = worker.receive_this("granted", "x");
        assert_eq!(got.qos, qos);
        assert_eq!(got.props.subscription_ids(), [40 + u32::from(qos)]);
        worker.bye();
    }
}

/// A worker is gone for good: what it had not answered goes to another, QoS 1 at least; what is
/// sent from then on goes to those who are left. (4.8.2) [MQTT-4.8.2-5]
#[test]
fn member_gone() {
    let broker = Broker::start();
    let mut gone = broker.v5("gone");
    gone.subscribe("$share/g/gone", 1);
    let mut speaker = broker.v5("speaker");
    for n in 0..5 {
        speaker.publish(&Publish::new("gone", n.to_string()).qos1(1));
        gone.read_publish();
    }
    let mut heir = broker.v5("heir");
    heir.subscribe("$share/g/gone", 1);
    gone.cut();
    for n in 0..5 {
        heir.receive_this("gone", &n.to_string());
    }
    for n in 5..10 {
        speaker.publish(&Publish::new("gone", n.to_string()).qos1(1));
        heir.receive_this("gone", &n.to_string());
    }
}

/// A worker left the group by UNSUBSCRIBE; the rest carry on without it.
/// [MQTT-3.10.4-2]
#[test]
fn member_leaves() {
    let broker = Broker::start();
    let mut workers = members(&broker, "$share/g/leave", 2);
    workers[0].unsubscribe("$share/g/leave");
    let mut speaker = broker.v5("speaker");
    for n in 0..10 {
        speaker.publish(&Publish::new("leave", n.to_string()).qos1(1));
    }
    assert_eq!(share_out(&mut workers, 10).0, [0, 10]);
}

/// A worker takes one message at a time and sleeps on it: the others get the rest (X19 in
/// short). (4.8.2, non-normative)
#[test]
fn stalled_member_is_passed_over() {
    let broker = Broker::start();
    let narrow = Connect::new(V5, "stalled").prop(prop::two(prop::RECEIVE_MAXIMUM, 1));
    let mut stalled = broker.connect(&narrow);
    stalled.subscribe("$share/g/stall", 1);
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("stall", "first").qos1(1));
    stalled.read_publish();
    let mut awake = vec![broker.v5("awake")];
    awake[0].subscribe("$share/g/stall", 1);
    for n in 0..20 {
        speaker.publish(&Publish::new("stall", n.to_string()).qos1(1));
    }
    assert_eq!(share_out(&mut awake, 20).0, [20]);
    stalled.nothing_from(&mut speaker, 0);
}

/// A worker says no to a message: it is dropped, not handed to the next. [MQTT-4.8.2-6]
#[test]
fn refused_by_a_member() {
    let broker = Broker::start();
    let mut refuser = broker.v5("refuser");
    refuser.subscribe("$share/g/no", 2);
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("no", "x").qos1(1));
    speaker.publish(&Publish::new("no", "y").qos2(2));
    let (one, two) = (refuser.read_publish(), refuser.read_publish());
    let mut other = broker.v5("other");
    other.subscribe("$share/g/no", 2);
    refuser.send(&reply(0x40, one.id, 0x83));
    refuser.send(&reply(0x50, two.id, 0x83));
    refuser.ping();
    other.nothing_from(&mut speaker, 2);
    refuser.cut();
    other.nothing_from(&mut speaker, 2);
}

/// QoS 2 messages begun with a worker whose session is kept are finished with that worker, when it
/// comes back, and with nobody else, whether it had answered or not. [MQTT-4.8.2-4]
/// [MQTT-4.8.2-5]
#[test]
fn qos_2_stays_with_its_member() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "keeper").persistent(60);
    let mut keeper = broker.connect(&connect);
    keeper.subscribe("$share/g/two", 2);
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("two", "x").qos2(1));
    speaker.publish(&Publish::new("two", "y").qos2(1));
    let (got, unanswered) = (keeper.read_publish(), keeper.read_publish());
    keeper.send(&ack(0x50, got.id));
    keeper.read_kind(Kind::PubRel);
    let mut other = broker.v5("other");
    other.subscribe("$share/g/two", 2);
    keeper.cut();
    other.nothing_from(&mut speaker, 2);
    let mut keeper = broker.connect(&connect);
    assert_eq!(keeper.read_kind(Kind::PubRel).id, got.id);
    keeper.send(&ack(0x70, got.id));
    let again = keeper.receive_this("two", "y");
    assert_eq!((again.id, again.dup), (unanswered.id, true));
    keeper.ping();
}

/// A member whose session lasts, with few messages in flight.
fn lasting(client_id: &str) -> Connect {
    Connect::new(V5, client_id)
        .persistent(60)
        .prop(prop::two(prop::RECEIVE_MAXIMUM, 5))
}

/// Members with lasting sessions join a group and go.
#[track_caller]
fn sleepers(broker: &Broker, filter: &str, count: usize) {
    for n in 0..count {
        sleeper(broker, filter, &format!("member-{n}"));
    }
}

#[track_caller]
fn sleeper(broker: &Broker, filter: &str, client_id: &str) {
    let mut conn = broker.connect(&lasting(client_id));
    conn.subscribe(filter, 2);
    conn.cut();
}

/// They come back.
#[track_caller]
fn wake(broker: &Broker, count: usize) -> Vec<Conn> {
    let back = |n| broker.connect_told(&lasting(&format!("member-{n}")));
    (0..count)
        .map(back)
        .map(|(conn, connack)| {
            assert!(connack.session_present, "the session is gone");
            conn
        })
        .collect()
}

/// Publishes these numbers with QoS 1 and 2 in turn; all are acknowledged.
#[track_caller]
fn publish_all(speaker: &mut Conn, topic: &str, numbers: std::ops::Range<u16>) {
    for n in numbers {
        let qos = 1 + (n % 2) as u8;
        speaker.publish(&Publish::new(topic, n.to_string()).qos(qos, n + 1));
    }
}

/// Nobody got anything twice, and somebody got everything.
#[track_caller]
fn each_once(texts: &HashMap<String, usize>, total: usize) {
    assert_eq!(texts.len(), total);
    assert!(texts.values().all(|n| *n == 1), "{texts:?}");
}

/// What was acknowledged while all members of a group slept is there after the broker was killed,
/// more than one read of the log of it, and goes to exactly one of those who come back; all of
/// them take part. [MQTT-4.5.0-1] [MQTT-3.1.2-23]
#[test]
fn sleeping_group_survives_a_kill() {
    let mut broker = Broker::start();
    sleepers(&broker, "$share/g/sleep/+", 3);
    publish_all(&mut broker.v5("speaker"), "sleep/x", 0..600);
    broker.kill_and_restart();
    let mut speaker = broker.v5("speaker");
    publish_all(&mut speaker, "sleep/y", 600..620);
    let mut workers = wake(&broker, 3);
    let (counts, texts) = share_out(&mut workers, 620);
    each_once(&texts, 620);
    assert!(counts.iter().all(|n| *n > 0), "{counts:?}");
    for worker in &mut workers {
        worker.nothing_from(&mut speaker, 2);
    }
    // Nor do they get it again after another kill, once the group's place is stored: QoS 2 never.
    broker.kill_and_restart();
    let mut speaker = broker.v5("speaker");
    for mut worker in wake(&broker, 3) {
        worker.send(&[0xC0, 0]);
        while let Outcome::Packet(packet) = worker.read_by(Instant::now() + EMPTY_WAIT) {
            assert_ne!(packet.publish.map(|p| p.qos), Some(2), "QoS 2 twice");
        }
    }
    speaker.ping();
}

/// The broker is killed while a member has messages: of QoS 1 any member gets it again; of QoS 2
/// this member only, where it stopped, and what was finished nobody. [MQTT-4.8.2-4]
/// [MQTT-4.8.2-5]
#[test]
fn member_has_messages_at_a_kill() {
    let mut broker = Broker::start();
    sleepers(&broker, "$share/g/have", 2);
    let mut holder = broker.connect(&lasting("member-0"));
    let mut speaker = broker.v5("speaker");
    let say = |speaker: &mut Conn, text: &str, qos| {
        speaker.publish(&Publish::new("have", text).qos(qos, 7));
    };
    say(&mut speaker, "finished", 2);
    holder.receive_this("have", "finished");
    say(&mut speaker, "received", 2);
    let received = holder.read_publish();
    holder.send(&ack(0x50, received.id));
    holder.read_kind(Kind::PubRel);
    say(&mut speaker, "begun", 2);
    let begun = holder.read_publish();
    say(&mut speaker, "once at least", 1);
    holder.read_publish();
    broker.kill_and_restart();
    let mut speaker = broker.v5("speaker");
    let mut other = broker.connect(&lasting("member-1"));
    other.receive_this("have", "once at least");
    other.nothing_from(&mut speaker, 2);
    let mut holder = broker.connect(&lasting("member-0"));
    let mut left = vec![Kind::PubRel, Kind::Publish];
    while !left.is_empty() {
        match holder.read_by(Instant::now() + Duration::from_secs(8)) {
            Outcome::Packet(packet) if packet.kind == Kind::PubRel => {
                // Also for what was finished just before: the message does not come again.
                holder.send(&ack(0x70, packet.id));
                left.retain(|kind| *kind != Kind::PubRel || packet.id != received.id);
            }
            Outcome::Packet(packet) => {
                let again = packet.publish.expect("the message that was begun");
                assert_eq!(
                    (again.id, again.dup, again.text()),
                    (begun.id, true, "begun")
                );
                holder.send(&ack(0x50, again.id));
                assert_eq!(holder.read_kind(Kind::PubRel).id, again.id);
                holder.send(&ack(0x70, again.id));
                left.retain(|kind| *kind != Kind::Publish);
            }
            other => panic!("{other:?} while {left:?} are due"),
        }
    }
    holder.nothing_from(&mut speaker, 2);
    say(&mut speaker, "next", 2);
    let (_, texts) = share_out(&mut [holder, other], 1);
    assert_eq!(texts.keys().collect::<Vec<_>>(), ["next"]);
}

/// A member says good-bye to the group while messages wait: the others get them. When the last has
/// gone, by UNSUBSCRIBE or with a clean start, what waited is nobody's, also after a kill.
/// [MQTT-3.10.4-2] [MQTT-3.1.2-4]
#[test]
fn lasting_members_leave() {
    let mut broker = Broker::start();
    sleepers(&broker, "$share/g/part", 2);
    let mut speaker = broker.v5("speaker");
    for n in 0..10 {
        speaker.publish(&Publish::new("part", n.to_string()).qos1(1));
    }
    broker.kill_and_restart();
    let mut leaver = wake(&broker, 1).remove(0);
    leaver.read_publish();
    leaver.unsubscribe("$share/g/part");
    let mut heir = broker.connect(&lasting("member-1"));
    // What it was given is its own as long as it is there, but it does not answer.
    leaver.cut();
    let (_, texts) = share_out(std::slice::from_mut(&mut heir), 10);
    each_once(&texts, 10);
    heir.cut();
    let mut last_of_all = "member-1";
    for clean in [false, true] {
        let mut speaker = broker.v5("speaker");
        publish_all(&mut speaker, "part", 10..20);
        if clean {
            broker.v5(last_of_all).bye();
        } else {
            let mut last = broker.connect(&lasting(last_of_all));
            share_out(std::slice::from_mut(&mut last), 10);
            last.unsubscribe("$share/g/part");
            last.cut();
        }
        // Other shards hear of it a moment later.
        let deadline = Instant::now() + Duration::from_secs(20);
        while speaker.publish(&Publish::new("part", "lost").qos1(3)) != 0x10 {
            assert!(Instant::now() < deadline, "somebody is left");
        }
        broker.kill_and_restart();
        let mut late = broker.v5("late");
        late.subscribe("$share/g/part", 2);
        late.nothing_from(&mut broker.v5("speaker"), 2);
        late.bye();
        last_of_all = "member-2";
        sleeper(&broker, "$share/g/part", last_of_all);
    }
}

/// The session of the only member expires: the group ends with it, and what waited for it.
/// (3.1.2.11.2) [MQTT-4.1.0-2]
#[test]
fn lasting_member_expires() {
    let mut broker = Broker::start();
    let mut brief = broker.connect(&Connect::new(V5, "brief").persistent(1));
    brief.subscribe("$share/g/brief", 2);
    broker.kill_and_restart();
    let mut speaker = broker.v5("speaker");
    let deadline = Instant::now() + Duration::from_secs(20);
    while speaker.publish(&Publish::new("brief", "old").qos1(1)) != 0x10 {
        assert!(Instant::now() < deadline, "the group does not end");
        std::thread::sleep(EMPTY_WAIT); // The broker tells nobody of it.
    }
    let mut late = broker.connect(&lasting("late"));
    late.subscribe("$share/g/brief", 2);
    late.nothing_from(&mut speaker, 2);
    speaker.publish(&Publish::new("brief", "new").qos2(2));
    late.receive_this("brief", "new");
}

/// A worker that lasts and one that does not: what both leave behind waits for the one, over a kill.
/// (4.8.2) [MQTT-4.5.0-1]
#[test]
fn lasting_member_among_others() {
    let mut broker = Broker::start();
    let mut brief = broker.v5("brief");
    brief.subscribe("$share/g/mixed", 1);
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("mixed", "before").qos1(1));
    brief.receive_this("mixed", "before");
    sleepers(&broker, "$share/g/mixed", 1);
    publish_all(&mut speaker, "mixed", 0..10);
    let (_, texts) = share_out(std::slice::from_mut(&mut brief), 10);
    each_once(&texts, 10);
    speaker.publish(&Publish::new("mixed", "unanswered").qos1(1));
    brief.read_publish();
    brief.cut();
    publish_all(&mut speaker, "mixed", 10..20);
    broker.kill_and_restart();
    let mut worker = wake(&broker, 1).remove(0);
    let mut left: Vec<String> = (10..20).map(|n: u16| n.to_string()).collect();
    left.push("unanswered".to_owned());
    while !left.is_empty() {
        // What was finished just before the kill may come again with QoS 1.
        let got = worker.receive();
        left.retain(|text| text != got.text());
    }
}
