//! A shard by hand, for what no configuration of the broker can bring about.

use std::collections::BTreeMap;

use protocol::{PacketId, QoS, packet::publish};

use super::*;
use crate::{
    acl::{Actions, Outside, Permission, Rule, Rules, Terms, Topics, User, Who, Word},
    limits::INQUIRIES_UNDER_WAY_MAX,
    policy::{AutoSubscribe, Template},
};

const CONN: ConnId = ConnId(1);

/// Keeps what a shard says.
#[derive(Default)]
struct Ear {
    said: BTreeMap<u32, Vec<u8>>,
    closed: Vec<(ConnId, Ending)>,
    /// What it says of guests; nobody in particular if nothing.
    verdict: Option<Result<Admission, Cause>>,
    /// Whose session somebody was refused for.
    owners: Vec<Option<String>>,
    /// What it was asked for subscriptions; it is nobody to ask if nothing is to be kept.
    asked: Option<Vec<QuestionId>>,
    /// What it says of packets.
    word: Option<Word>,
}

impl Sink for Ear {
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8> {
        self.said.entry(conn.0).or_default()
    }

    fn close(&mut self, conn: ConnId, why: Ending) {
        self.closed.push((conn, why));
    }

    fn admit(&mut self, _conn: ConnId, _guest: &Guest<'_>) -> Result<Admission, Cause> {
        self.verdict.clone().unwrap_or(Ok(Admission::Anonymous))
    }

    fn inquire(
        &mut self,
        id: QuestionId,
        _peer: Option<core::net::SocketAddr>,
        _inquiry: &Inquiry<'_>,
    ) -> bool {
        self.asked.as_mut().map(|asked| asked.push(id)).is_some()
    }

    fn outside(&mut self, _conn: ConnId, _inquiry: &Inquiry<'_>) -> Heard {
        self.word.map_or(Heard::Failed, |word| Heard::Word(word, 0))
    }

    fn note(&mut self, _conn: ConnId, _client_id: &str, what: Presence<'_>) {
        if let Presence::Refused { owner, .. } = what {
            self.owners.push(owner.map(str::to_owned));
        }
    }
}

impl Ear {
    fn take(&mut self, conn: ConnId) -> Vec<u8> {
        std::mem::take(self.out(conn))
    }
}

fn shard(settings: Settings) -> Shard {
    Shard::new(0, 1, Arc::new(settings), 7)
}

/// CONNECT by hand; `properties` only in version 5.
fn connect(level: u8, flags: u8, id: &str, properties: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', level, flags, 0, 0];
    if level == 5 {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend_from_slice(properties);
    }
    body.extend_from_slice(&[0, u8::try_from(id.len()).unwrap()]);
    body.extend_from_slice(id.as_bytes());
    [&[0x10, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

#[track_caller]
fn open(shard: &mut Shard, conn: ConnId, connect: &[u8], ear: &mut Ear) -> SessionId {
    match shard.open(Time(0), conn, connect, ear) {
        Opened::Session(session, _) => session,
        other => panic!("not let in: {other:?}"),
    }
}

/// A13: client ids whose hashes are equal are told apart, because names are compared whole.
#[test]
fn a13_equal_hashes() {
    let mut shard = shard(Settings::default());
    let mut ear = Ear::default();
    let [one, two] = ["one", "two"].map(|name| {
        let hello = connect(4, 2, name, &[]);
        open(
            &mut shard,
            ConnId(u32::from(name == "two")),
            &hello,
            &mut ear,
        )
        .slot()
    });
    let hasher = shard.hasher.clone();
    let hash = |name: &str| BuildHasher::hash_one(&hasher, name);
    let own = |slot: &u32| hash(if *slot == one { "one" } else { "two" });
    shard.names.reserve(8, own);
    // As if each had the other's hash, too.
    shard.names.insert_unique(hash("one"), two, own);
    shard.names.insert_unique(hash("two"), one, own);
    assert_eq!(shard.find("one"), Some(one));
    assert_eq!(shard.find("two"), Some(two));
}

/// Response Information goes to who asks for it, and to nobody else [MQTT-3.1.2-28].
#[test]
fn response_information_for_those_who_ask() {
    let settings = Settings {
        response_information: Some("answers/".into()),
        ..Settings::default()
    };
    let mut shard = shard(settings);
    for (properties, told) in [(&[][..], false), (&[0x19, 0], false), (&[0x19, 1], true)] {
        let mut ear = Ear::default();
        open(
            &mut shard,
            CONN,
            &connect(5, 2, "asks", properties),
            &mut ear,
        );
        let connack = ear.take(CONN);
        let found = connack.windows(8).any(|w| w == b"answers/");
        assert_eq!(found, told, "{properties:02x?}: {connack:02x?}");
    }
}

/// A PUBLISH of QoS 1, as this level writes it.
fn publish_to(topic: &str, level: u8, id: u16) -> Vec<u8> {
    let message = publish::Out {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic,
        id: PacketId::new(id),
        alias: None,
        expiry_secs: None,
        subscription_ids: &[],
        forwarded: &[],
        payload: b"x",
    };
    let version = if level == 5 {
        Version::V5
    } else {
        Version::V3_1_1
    };
    let mut bytes = Vec::new();
    message.encode(version, &mut bytes);
    bytes
}

/// The token of the append that is asked for.
fn appended(shard: &mut Shard) -> Option<u64> {
    let requests = shard.requests().drain(..);
    let mut tokens = requests.filter_map(|request| match request {
        Request::Append { token, .. } => Some(token),
        _ => None,
    });
    tokens.next()
}

/// The log cannot take a message: version 5 is told. 3.x has no word for that, so its message is tried
/// again, with what comes behind it, until there is room; who sends more than fit in the meantime is
/// closed without an answer. [3.1.1 MQTT-4.8.0-2]
#[test]
fn message_that_the_log_refuses() {
    for level in [4, 5] {
        let mut shard = shard(Settings {
            inflight_max: 2,
            ..Settings::default()
        });
        let mut ear = Ear::default();
        let keeper = connect(4, 0, "keeper", &[]);
        let session = open(&mut shard, ConnId(2), &keeper, &mut ear);
        let subscribe = [0x82, 6, 0, 1, 0, 1, b'a', 1];
        shard.receive(Time(0), session, &subscribe, &mut ear);
        let speaker = connect(level, 2, "speaker", &[]);
        let session = open(&mut shard, CONN, &speaker, &mut ear);
        ear.take(CONN);
        shard.receive(Time(0), session, &publish_to("a", level, 9), &mut ear);
        assert_eq!(ear.take(CONN), [], "not before the log has it");
        let token = appended(&mut shard).expect("somebody keeps it");
        shard.stored(Time(0), token, false, &mut ear);
        if level == 5 {
            assert_eq!(ear.take(CONN), [0x40, 3, 0, 9, 0x97]);
            continue;
        }
        // The next one does not overtake it.
        shard.receive(Time(0), session, &publish_to("a", 4, 10), &mut ear);
        assert_eq!(appended(&mut shard), None);
        shard.tick(Time(1000), &mut ear);
        assert_eq!(appended(&mut shard), Some(token));
        shard.stored(Time(1000), token, true, &mut ear);
        assert_eq!(ear.take(CONN), [0x40, 2, 0, 9]);
        assert!(ear.closed.is_empty());
        let second = token + 1;
        shard.stored(Time(1000), second, false, &mut ear);
        for id in 11..=12 {
            shard.receive(Time(1000), session, &publish_to("a", 4, id), &mut ear);
        }
        assert_eq!(ear.take(CONN), []);
        let [(CONN, Ending::Expelled(close))] = ear.closed[..] else {
            panic!("{:?}", ear.closed);
        };
        assert_eq!(close.reason, Reason::QUOTA_EXCEEDED);
    }
}

/// Of a guest whom nobody knows yet, the shard keeps and counts nothing, so it may wait anywhere for any
/// time. Once somebody knows, the same bytes bring it in, on this shard even if its id is for us to
/// choose, or turn it away with a CONNACK.
#[test]
fn a_guest_waits_without_a_trace() {
    let user = Arc::new(Principal::User(User::new("anna")));
    for id in ["c", ""] {
        // Of many shards: one that may choose an id for elsewhere.
        let mut shard = Shard::new(0, 8, Arc::new(Settings::default()), 7);
        let id = if id.is_empty() {
            id.to_owned()
        } else {
            own_id(&shard)
        };
        let bytes = connect(5, 2, &id, &[]);
        let mut ear = Ear {
            verdict: Some(Ok(Admission::Waits)),
            ..Ear::default()
        };
        // An id that we choose may be another shard's, until it waits.
        let waits = (0..200).any(|_| shard.open(Time(0), CONN, &bytes, &mut ear) == Opened::Waits);
        assert!(waits && ear.take(CONN).is_empty() && ear.closed.is_empty());
        assert_eq!(shard.metrics().gauges.sessions, 0);
        assert_eq!(shard.metrics().get(Counter::ConnectReceived), 0);

        ear.verdict = Some(Err(Cause::WrongPassword));
        let refused = shard.reopen(Time(0), CONN, &bytes, &mut ear);
        assert_eq!(refused, Opened::Refused);
        assert_eq!(ear.take(CONN), [0x20, 3, 0, 0x86, 0]);
        assert_eq!(ear.closed.len(), 1);

        ear.verdict = Some(Ok(Admission::As(user.clone())));
        let opened = shard.reopen(Time(0), CONN, &bytes, &mut ear);
        let Opened::Session(session, used) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(used, bytes.len());
        assert_eq!(shard.home(shard.client_id(session).unwrap()), 0);
        assert_eq!(*shard.session(session.slot()).owner, *user);
    }
}

/// A client id that lives on this shard.
fn own_id(shard: &Shard) -> String {
    let mut ids = (0..).map(|n| format!("c{n}"));
    ids.find(|id| shard.home(id) == 0).unwrap()
}

/// A session of nobody's passes to the first user who comes for it, and then to nobody else: neither back
/// to those without a name nor to another user, clean or not; they are told whose it is.
#[test]
fn a_session_passes_to_the_first_user() {
    let mut shard = shard(Settings::default());
    let mut ear = Ear::default();
    let resume = connect(4, 0, "device", &[]);
    open(&mut shard, CONN, &resume, &mut ear);
    let as_user = |name: &str| {
        Some(Ok(Admission::As(Arc::new(Principal::User(User::new(
            name,
        ))))))
    };
    ear.verdict = as_user("anna");
    let session = open(&mut shard, ConnId(2), &resume, &mut ear);
    assert_eq!(ear.take(ConnId(2)), [0x20, 2, 1, 0]);
    ear.closed.clear();
    for clean in [0, 2] {
        for verdict in [None, as_user("bert")] {
            ear.verdict = verdict;
            let bytes = connect(4, clean, "device", &[]);
            let refused = shard.open(Time(0), ConnId(3), &bytes, &mut ear);
            assert_eq!(refused, Opened::Refused);
            assert_eq!(ear.take(ConnId(3)), [0x20, 2, 0, 5]);
            assert_eq!(ear.owners.pop(), Some(Some("anna".to_owned())));
            let [(ConnId(3), _)] = ear.closed[..] else {
                panic!("the owner's connection stays: {:?}", ear.closed);
            };
            ear.closed.clear();
        }
    }
    assert_eq!(shard.session(session.slot()).owner.user(), Some("anna"));
    // Until somebody makes it nobody's again.
    assert!(shard.release_client(Time(0), "device", &mut ear));
    assert!(!shard.release_client(Time(0), "other", &mut ear));
    ear.verdict = as_user("bert");
    let session = open(&mut shard, ConnId(4), &resume, &mut ear);
    assert_eq!(ear.take(ConnId(4)), [0x20, 2, 1, 0]);
    assert_eq!(shard.session(session.slot()).owner.user(), Some("bert"));
}

/// One filter for everybody, where somebody elsewhere, of this name, decides everything.
fn asking(name: &'static str) -> Arc<Policy> {
    let terms = Terms {
        no_match: Permission::Deny,
        disconnects: false,
        outside: Some(Outside::new(0, name, 8, 1000)),
    };
    let rules = Rules::compile(Vec::new(), terms).unwrap();
    let everybody = AutoSubscribe {
        filter: Template::of_names("a"),
        options: protocol::Options {
            qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: protocol::RetainHandling::DoNotSend,
        },
    };
    Arc::new(Policy {
        access: Some(Arc::new(rules)),
        auto_subscribe: [everybody].into(),
        ..Policy::default()
    })
}

/// An answer is for the connection and under the rules that it was asked for, and for no other. The client's
/// packets wait for it. Where there is nobody to ask, it is no.
#[test]
fn answers_are_for_who_was_asked_about() {
    let mut shard = shard(Settings::default());
    let (allowed, passed) = (Heard::Word(Word::Allow, 0), Heard::Word(Word::Pass, 0));
    shard.set_policy(asking("one"));
    let mut ear = Ear::default();
    let ping = [0xc0, 0];
    let subscriptions = |shard: &Shard| shard.client("c").unwrap().subscriptions_len();
    let come = |shard: &mut Shard, conn: u32, ear: &mut Ear| {
        open(shard, ConnId(conn), &connect(5, 2, "c", &[]), ear)
    };
    let nobody = come(&mut shard, 1, &mut ear);
    let taken = shard.receive(Time(0), nobody, &ping, &mut ear);
    assert_eq!((taken, subscriptions(&shard)), (Received::Consumed(2), 0));

    ear.asked = Some(Vec::new());
    let session = come(&mut shard, 2, &mut ear);
    shard.gone(Time(0), session, ConnId(2), &mut ear);
    let session = come(&mut shard, 3, &mut ear);
    let [old, new] = ear.asked.take().unwrap().try_into().unwrap();
    assert_eq!(shard.heard(Time(0), old, allowed, &mut ear), []);
    let taken = shard.receive(Time(0), session, &ping, &mut ear);
    assert!(matches!(taken, Received::Hold(0, _)), "{taken:?}");
    assert_eq!(subscriptions(&shard), 0);
    let go_on = shard.heard(Time(0), new, allowed, &mut ear);
    assert_eq!((go_on, subscriptions(&shard)), (vec![ConnId(3)], 1));
    let taken = shard.receive(Time(0), session, &ping, &mut ear);
    assert_eq!(taken, Received::Consumed(2));

    // The same sources have said what they said; others are asked, and once for each change.
    ear.asked = Some(Vec::new());
    for (name, asked) in [("one", 0), ("two", 1), ("two", 2)] {
        shard.set_policy(asking(name));
        shard.tick(Time(0), &mut ear);
        shard.receive(Time(0), session, &ping, &mut ear);
        assert_eq!(ear.asked.as_ref().unwrap().len(), asked, "{name}");
    }
    let [old, new] = ear.asked.take().unwrap().try_into().unwrap();
    shard.heard(Time(0), old, Heard::Failed, &mut ear);
    assert_eq!(subscriptions(&shard), 1, "of rules that hold no longer");
    shard.heard(Time(0), new, passed, &mut ear);
    assert_eq!(subscriptions(&shard), 0);
}

/// A client whose question waited for its turn goes on when there is nobody to ask any more.
#[test]
fn a_question_that_waits_is_answered_without_anybody() {
    let mut shard = shard(Settings::default());
    shard.set_policy(asking("one"));
    let mut ear = Ear {
        asked: Some(Vec::new()),
        ..Ear::default()
    };
    let at_once = u32::try_from(INQUIRIES_UNDER_WAY_MAX).unwrap();
    for conn in 0..=at_once {
        let hello = connect(5, 2, &format!("c{conn}"), &[]);
        open(&mut shard, ConnId(conn), &hello, &mut ear);
    }
    let asked = ear.asked.take().unwrap();
    assert_eq!(asked.len(), INQUIRIES_UNDER_WAY_MAX);
    let go_on = shard.heard(Time(0), asked[0], Heard::Failed, &mut ear);
    assert_eq!(go_on, [ConnId(0), ConnId(at_once)]);
}

/// The one topic that anybody may publish to.
fn allowing(topic: &str) -> Arc<Policy> {
    let rule = Rule {
        permission: Permission::Allow,
        who: Who::Everybody,
        actions: Actions::PUBLISH,
        topics: vec![Topics::parse(topic).unwrap()],
        name: topic.into(),
    };
    let terms = Terms {
        no_match: Permission::Deny,
        disconnects: false,
        outside: None,
    };
    let rules = Rules::compile(vec![rule], terms).unwrap();
    Arc::new(Policy {
        access: Some(Arc::new(rules)),
        ..Policy::default()
    })
}

/// Publishes three times, because what is known is known from the second time on, and of the third.
#[track_caller]
fn may_publish(
    shard: &mut Shard,
    session: SessionId,
    topic: &str,
    now: u64,
    ear: &mut Ear,
) -> bool {
    let mut said = Vec::new();
    for id in 1..=3 {
        shard.receive(Time(now), session, &publish_to(topic, 5, id), ear);
        said.extend(ear.take(CONN).last());
    }
    match said[..] {
        [0x10, 0x10, 0x10] => true,
        [0x87, 0x87, 0x87] => false,
        _ => panic!("{said:02x?}"),
    }
}

/// Who may publish to a topic is not judged at each message, but always where anything is not as it was: the
/// rules, what the client may, or the topic, although its route stands where the other one stood.
#[test]
fn what_was_allowed_is_judged_when_something_else_is_true() {
    let mut shard = shard(Settings::default());
    let mut ear = Ear::default();
    let hello = connect(5, 2, "c", &[]);
    shard.set_policy(allowing("a"));
    let session = open(&mut shard, CONN, &hello, &mut ear);
    assert!(may_publish(&mut shard, session, "a", 0, &mut ear));

    let mut place = |topic: &str| {
        let (at, route) = shard.routes.take(&mut shard.router, Topic::trusted(topic));
        shard.routes.put(at, route);
        at
    };
    let at = place("a");
    let mut topics = (0..).map(|n| format!("b/{n}"));
    let neighbour = topics.find(|topic| place(topic) == at).unwrap();
    assert!(!may_publish(&mut shard, session, &neighbour, 0, &mut ear));

    assert!(may_publish(&mut shard, session, "a", 0, &mut ear));
    shard.set_policy(allowing("b"));
    assert!(!may_publish(&mut shard, session, "a", 0, &mut ear));

    let mut user = User::new("anna");
    for superuser in [true, false] {
        user.superuser = superuser;
        let user = Arc::new(Principal::User(user.clone()));
        ear.verdict = Some(Ok(Admission::As(user)));
        let session = open(&mut shard, CONN, &connect(5, 0, "c", &[]), &mut ear);
        ear.take(CONN);
        let may = may_publish(&mut shard, session, "a", 0, &mut ear);
        assert_eq!(may, superuser);
        shard.gone(Time(0), session, CONN, &mut ear);
    }

    shard.set_policy(asking("one"));
    let session = open(&mut shard, CONN, &hello, &mut ear);
    ear.take(CONN);
    for (now, word) in [(0, Word::Allow), (2000, Word::Deny)] {
        ear.word = Some(word);
        let may = may_publish(&mut shard, session, "a", now, &mut ear);
        assert_eq!(may, word == Word::Allow);
    }
}
