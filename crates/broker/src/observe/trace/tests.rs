//! Traces without a broker: what is written, when, and what another process finds.

use super::*;

fn scratch() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("ternmq-trace-{}-{n}", std::process::id()))
}

fn order(name: &str, target: Target) -> Order {
    Order {
        name: name.to_owned(),
        target,
        payload: PayloadForm::Text,
        lines: LineForm::Text,
        start_at: 100,
        end_at: 200,
    }
}

fn event(client_id: &str, text: &str) -> Event {
    Event {
        at: 150,
        client_id: client_id.into(),
        peer: Some(([127, 0, 0, 2], 99).into()),
        text: text.to_owned(),
        payload: Some(Payload {
            begin: b"22\n"[..].into(),
            size: 3,
        }),
        only: None,
    }
}

fn text(traces: &Traces, name: &str) -> String {
    let bytes = traces.read(name, 0, u64::MAX).expect("it is there");
    String::from_utf8(bytes.expect("it can be read")).expect("it is text")
}

#[test]
fn a_trace_has_its_client_and_its_time_alone() {
    let dir = scratch();
    let traces = Traces::open(dir.clone());
    let client = || Target::Client("c\n%1".to_owned());
    traces.make(order("one", client()), 50).unwrap();
    let twice = traces.make(order("two", client()), 50);
    assert!(matches!(twice, Err(TraceError::Duplicate(name)) if name == "one"));
    let again = traces.make(order("ONE", Target::Topic("t".to_owned())), 50);
    assert!(matches!(again, Err(TraceError::Exists)));
    for now in [99, 100, 199, 200] {
        traces.write(&event("c\n%1", "IN PINGREQ"), now);
        traces.write(&event("c1", "IN PUBLISH"), now);
    }
    let lines = text(&traces, "one");
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.contains("[c%0A%251@127.0.0.2:99] IN PINGREQ payload(3)=22%0A\n"));
    assert!(!lines.contains("PUBLISH"));
    // What another process finds.
    let again = Traces::open(dir.clone());
    let found = again.all(150);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].order, order("one", client()));
    assert_eq!(found[0].state, State::Stopped);
    assert_eq!(text(&again, "one"), lines);
    assert_eq!(again.delete(None).unwrap(), 1);
    assert!(again.read("one", 0, 1).is_none());
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    std::fs::remove_dir(&dir).unwrap();
}

#[test]
fn what_is_looked_at_follows_the_time() {
    let dir = scratch();
    let traces = Traces::open(dir.clone());
    let filter = Target::Topic("t/#".to_owned());
    traces.make(order("t", filter), 50).unwrap();
    let ip = [127, 0, 0, 2].into();
    traces.make(order("a", Target::Address(ip)), 50).unwrap();
    assert_eq!(traces.targets(99), Targets::default());
    let during = traces.targets(100);
    assert!(during.mean("anybody", ip) && !during.mean("anybody", [127, 0, 0, 3].into()));
    assert_eq!(during.topics.len(), 1);
    assert!(traces.stop("a") && !traces.stop("none"));
    assert_eq!(traces.targets(100).addresses, [] as [IpAddr; 0]);
    assert_eq!(traces.targets(200), Targets::default());
    // What had no room is told.
    traces.tracer().miss(7);
    traces.targets(150);
    assert!(text(&traces, "t").contains("MISSED events=7"));
    traces.delete(None).unwrap();
    std::fs::remove_dir(&dir).unwrap();
}

#[test]
fn json_lines_stay_one_line_each() {
    let dir = scratch();
    let traces = Traces::open(dir.clone());
    let json = Order {
        lines: LineForm::Json,
        payload: PayloadForm::Hex,
        ..order("j", Target::Client("a\"b\n".to_owned()))
    };
    traces.make(json, 50).unwrap();
    traces.write(&event("a\"b\n", "IN X"), 150);
    let lines = text(&traces, "j");
    let line = lines.lines().nth(1).expect("an event");
    assert_eq!(
        line,
        "{\"at\":150,\"clientid\":\"a\\\"b\\u000a\",\"peer\":\"127.0.0.2:99\",\"event\":\"IN X\",\
         \"payload_size\":3,\"payload\":\"32320A\"}"
    );
    traces.delete(Some("j")).unwrap();
    std::fs::remove_dir(&dir).unwrap();
}
