//! The bus between two nodes. Void for backends that are one node.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use backbone::{Backend, Blob, Bus, Call, Error, Guard, Interest, NodeId, NodeInfo, wait};

use crate::topics::{FILTERS, TOPICS, matches};
use crate::{Fixture, Spec, Text, next, text};

/// Two nodes of a cluster, if the backend can be one.
fn two<F: Fixture>(fixture: &F) -> Option<[Backend<Text>; 2]> {
    (F::NODES >= 2).then(|| [fixture.node(), fixture.node()])
}

fn inbound(node: &Backend<Text>) -> (Guard, Receiver<Arc<Text>>) {
    let (sender, receiver) = mpsc::channel();
    let sink = move |batch: Arc<[Arc<Text>]>| {
        assert!(!batch.is_empty());
        batch
            .iter()
            .cloned()
            .for_each(|msg| _ = sender.send(msg).ok());
    };
    (node.bus.inbound(Box::new(sink)), receiver)
}

fn interest(node: &Backend<Text>, on: &[&str], off: &[&str]) {
    let on = on.iter().map(|filter| Interest::On(filter.to_string()));
    let off = off.iter().map(|filter| Interest::Off(filter.to_string()));
    wait(|done| node.bus.interest(on.chain(off).collect(), done)).unwrap();
}

/// Until the interest of `to` has reached `from`: other nodes learn of it a little later.
fn reached(from: &Backend<Text>, to: &Receiver<Arc<Text>>, topic: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        from.bus.route(vec![text(topic, "probe")]);
        if to.recv_timeout(Duration::from_millis(20)).is_ok() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the interest in {topic} is seen in time"
        );
    }
}

/// For each filter of the table: what matches arrives (more may, by the contract), and nothing
/// comes back to the sender.
pub(crate) fn routed_by_interest<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let Some([from, to]) = two(&fixture) else {
        return;
    };
    let (_echo, echo) = inbound(&from);
    let (_guard, arrived) = inbound(&to);
    interest(&from, &["#", "$SYS/#"], &[]);
    for filter in FILTERS {
        interest(&to, &[filter, "end"], &[]);
        reached(&from, &arrived, "end");
        let mut batch: Vec<_> = TOPICS.iter().map(|topic| text(topic, filter)).collect();
        batch.push(text("end", filter));
        from.bus.route(batch);
        let mut seen = BTreeSet::new();
        loop {
            let msg = next(&arrived);
            match &*msg.topic {
                "end" if msg.body == filter => break,
                topic => _ = seen.insert(topic.to_owned()),
            }
        }
        for topic in TOPICS.iter().filter(|topic| matches(filter, topic)) {
            assert!(seen.contains(*topic), "filter {filter:?} wants {topic:?}");
        }
        interest(&to, &[], &[filter, "end"]);
    }
    assert_eq!(echo.try_iter().count(), 0);
}

/// Messages of one caller and topic arrive in order, over many batches.
pub(crate) fn order_is_kept<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let Some([from, to]) = two(&fixture) else {
        return;
    };
    let (_guard, arrived) = inbound(&to);
    interest(&to, &["t/#"], &[]);
    reached(&from, &arrived, "t");
    for n in (0..500).step_by(5) {
        from.bus.route((n..n + 5).map(|n| text("t/x", n)).collect());
    }
    let seen = std::iter::repeat_with(|| next(&arrived)).filter(|msg| msg.body != "probe");
    assert!(
        seen.take(500)
            .map(|msg| msg.body.clone())
            .eq((0..500).map(|n| n.to_string()))
    );
}

/// On twice is on, off once is off.
pub(crate) fn interest_is_a_set<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let Some([from, to]) = two(&fixture) else {
        return;
    };
    let (_guard, arrived) = inbound(&to);
    interest(&to, &["t", "t", "end"], &[]);
    reached(&from, &arrived, "t");
    interest(&to, &[], &["t", "never"]);
    // No event tells that other nodes have forgotten: until a round goes by without.
    let deadline = Instant::now() + Duration::from_secs(20);
    for round in 0.. {
        from.bus.route(vec![text("t", round), text("end", round)]);
        let mut seen = BTreeSet::new();
        while !seen.contains(&("end".to_owned(), round.to_string())) {
            let msg = next(&arrived);
            seen.insert((msg.topic.clone(), msg.body.clone()));
        }
        if !seen.contains(&("t".to_owned(), round.to_string())) {
            break;
        }
        assert!(Instant::now() < deadline, "the interest ends in time");
    }
    let bad = vec![Interest::On("a/#/b".to_owned())];
    let refused = wait(|done| to.bus.interest(bad, done));
    assert!(matches!(refused, Err(Error::Fatal(_))), "{refused:?}");
}

/// A dropped guard ends one subscription and not the other.
pub(crate) fn guard_ends_inbound<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let Some([from, to]) = two(&fixture) else {
        return;
    };
    let (gone, silent) = inbound(&to);
    let (_guard, arrived) = inbound(&to);
    interest(&to, &["t"], &[]);
    reached(&from, &arrived, "t");
    drop(gone);
    while silent.try_recv().is_ok() {}
    from.bus.route(vec![text("t", "after")]);
    while next(&arrived).body != "after" {}
    assert!(silent.try_iter().all(|msg| msg.body != "after"));
}

/// Answered at once or later from another thread; absent and silent nodes are told apart.
pub(crate) fn calls_are_answered<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let Some([from, to]) = two(&fixture) else {
        return;
    };
    let id = id_of(&*to.bus, b"to");
    let ask = |to: NodeId, request: &[u8]| {
        let request: Blob = request.into();
        wait(|done| from.bus.call(to, request, Duration::from_secs(5), done))
    };
    assert_eq!(
        ask(id, b"x"),
        Err(Error::Absent("node")),
        "it does not serve yet"
    );
    assert_eq!(ask(NodeId(u64::MAX), b"x"), Err(Error::Absent("node")));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let guard = to
        .bus
        .serve(Box::new(move |call: Call| match &*call.request {
            b"drop" => drop(call),
            b"later" => keep.lock().unwrap().push(call),
            request => {
                let answer = [b"re: ", request].concat();
                call.reply.send(answer.into());
            }
        }));
    assert_eq!(ask(id, b"x").as_deref(), Ok(&b"re: x"[..]));
    assert!(matches!(ask(id, b"drop"), Err(Error::Unavailable(_))));
    let (sender, answer) = mpsc::channel();
    let done = Box::new(move |result| _ = sender.send(result).ok());
    from.bus
        .call(id, (*b"later").into(), Duration::from_secs(5), done);
    let deadline = Instant::now() + Duration::from_secs(5);
    let call = loop {
        if let Some(call) = kept.lock().unwrap().pop() {
            break call;
        }
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    };
    assert_eq!(call.from, id_of(&*from.bus, b"from"));
    call.reply.send((*b"at last").into());
    assert_eq!(next(&answer).as_deref(), Ok(&b"at last"[..]));
    drop(guard);
    assert_eq!(ask(id, b"x"), Err(Error::Absent("node")));
}

/// Each node sees both, with what they said last; one that has left is not there.
pub(crate) fn beats_are_seen<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let Some([one, two]) = two(&fixture) else {
        return;
    };
    two.bus.beat((*b"old").into());
    let ids = [id_of(&*one.bus, b"one"), id_of(&*two.bus, b"two")];
    assert_ne!(ids[0], ids[1]);
    for bus in [&one.bus, &two.bus] {
        eventually(|| {
            let seen = bus.nodes();
            let stats: Vec<_> = ids.iter().map(|&id| stats_of(&seen, id)).collect();
            seen.is_sorted_by_key(|node| node.id) && stats == [Some(&b"one"[..]), Some(&b"two"[..])]
        });
    }
    drop(two);
    eventually(|| one.bus.nodes().iter().all(|node| node.id != ids[1]));
}

fn stats_of(nodes: &[NodeInfo], id: NodeId) -> Option<&[u8]> {
    nodes
        .iter()
        .find(|node| node.id == id)
        .map(|node| &*node.stats)
}

/// The id under which a bus is known, found by what it says.
fn id_of(bus: &dyn Bus<Text>, stats: &[u8]) -> NodeId {
    bus.beat(stats.into());
    let mut id = None;
    eventually(|| {
        id = bus
            .nodes()
            .iter()
            .find(|node| *node.stats == *stats)
            .map(|node| node.id);
        id.is_some()
    });
    id.unwrap()
}

/// For what no event tells of.
fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it holds in time");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
