//! Who publishes what and who is to get it, worked out before the first connection: what was owed is
//! known when something is missing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use client::{Options, Tls, resolve};
use protocol::{QoS, Request, RetainHandling, SharedFilter, Topic, Version, subscribe};

use super::Kind;
use super::message::HEAD_BYTES;
use super::pace::Schedule;
use crate::text::Text;
use crate::tools::said::{Said, said};
use crate::tools::settings::Settings;

/// Pairs of a publisher and a receiver whose messages can be told apart.
const PAIRS_MAX: usize = 20_000_000;
/// Connections from one address of this machine: it has some 28,000 ports for these.
const FROM_ONE_ADDRESS: usize = 20_000;
/// Deliveries of all publishers together that are under way at once, and messages of one of them.
const UNDER_WAY: u64 = 10_000;
const WINDOW_MAX: u64 = 1000;
const TOPIC: &str = "ternmq/bench/%r/%i";

/// What the options say.
#[derive(Clone, Debug)]
pub(in crate::tools) struct Load {
    pub(in crate::tools) clients: Option<usize>,
    pub(in crate::tools) publishers: Option<usize>,
    pub(in crate::tools) subscribers: Option<usize>,
    pub(in crate::tools) filter: Option<String>,
    pub(in crate::tools) payload_bytes: usize,
    /// Messages a second of all publishers together, by the clock.
    pub(in crate::tools) rate: Option<f64>,
    pub(in crate::tools) ramp: Duration,
    /// Messages of a publisher that are under way at once.
    pub(in crate::tools) window: Option<u64>,
    pub(in crate::tools) duration: Duration,
    pub(in crate::tools) connect_rate: Option<f64>,
    pub(in crate::tools) threads: usize,
    pub(in crate::tools) json: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            clients: None,
            publishers: None,
            subscribers: None,
            filter: None,
            payload_bytes: 64,
            rate: None,
            ramp: Duration::ZERO,
            window: None,
            duration: Duration::from_secs(10),
            connect_rate: None,
            threads: 1,
            json: false,
        }
    }
}

/// Whose messages a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// All of these publishers', ascending.
    Whole(Vec<u32>),
    /// Its part of what this group gets.
    Group(usize),
}

pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    local: Option<IpAddr>,
    tls: Option<(Tls, String)>,
    options: Options,
    prefix: String,
    pub(super) version: Version,
    pub(super) qos: QoS,
    pub(super) run: u32,
    pub(super) publishers: usize,
    pub(super) subscribers: usize,
    /// Connections that do nothing.
    pub(super) idle: usize,
    pub(super) topics: Vec<String>,
    filters: Vec<String>,
    subscribe: Vec<u8>,
    pub(super) shares: Vec<Share>,
    /// The publishers that each shared group hears.
    pub(super) groups: Vec<Vec<u32>>,
    /// How many deliveries a message of each publisher makes.
    pub(super) fans: Vec<u64>,
    pub(super) payload_bytes: usize,
    pub(super) schedule: Option<Schedule>,
    window: Option<u64>,
    pub(super) inflight_max: u16,
    pub(super) duration: Duration,
    pub(super) connect_rate: Option<f64>,
    pub(super) threads: usize,
}

impl Plan {
    pub(super) fn new(kind: Kind, settings: &Settings, text: Text) -> Result<Self, String> {
        let load = &settings.load;
        let told = |fault: Said| fault.show(text).to_owned();
        let address = settings.address();
        let client::Place::Host { name, port } = &address.place else {
            unreachable!("bench has no option for a socket in the file system");
        };
        let find = |name: &str, port| {
            let found = resolve(name, port).map_err(|error| text.client_error(&error))?;
            Ok::<_, String>(found[0])
        };
        let tls = address.tls.clone().map(|tls| (tls, name.clone()));
        let address = find(name, *port)?;
        let local = match &settings.local {
            None => None,
            Some(local) => Some(find(local, 0)?.ip()),
        };
        let run = u32::try_from(crate::tools::random() >> 32).expect("32 bits are left");
        let prefix = match &settings.id_prefix {
            Some(prefix) => prefix.clone(),
            None => format!("bench-{run:08x}-"),
        };
        let (publishers, subscribers, idle) = crowd(kind, load);
        let mut plan = Self {
            kind,
            address,
            local,
            tls,
            options: settings.options(),
            prefix,
            version: settings.version,
            qos: settings.qos,
            run,
            publishers,
            subscribers,
            idle,
            topics: Vec::new(),
            filters: Vec::new(),
            subscribe: settings.subscribe.clone(),
            shares: Vec::new(),
            groups: Vec::new(),
            fans: Vec::new(),
            payload_bytes: load.payload_bytes,
            schedule: schedule(kind, load).map_err(told)?,
            window: load.window,
            inflight_max: settings.inflight_max,
            duration: load.duration,
            connect_rate: load.connect_rate,
            threads: load.threads.min(publishers.max(subscribers).max(idle)),
        };
        plan.name(settings).map_err(told)?;
        plan.match_up().map_err(told)?;
        Ok(plan)
    }

    /// Topics and filters, their placeholders filled in.
    fn name(&mut self, settings: &Settings) -> Result<(), Said> {
        let pattern = settings.topic.as_deref().unwrap_or(TOPIC);
        for publisher in 0..self.publishers {
            let topic = self.fill(pattern, publisher, 'p');
            check_topic(&topic)?;
            self.topics.push(topic);
        }
        let filter = settings.load.filter.as_deref();
        for subscriber in 0..self.subscribers {
            let filter = match filter {
                Some(filter) => self.fill(filter, subscriber, 's'),
                None if self.publishers == 0 => self.fill(pattern, subscriber, 's'),
                // Each has a publisher.
                None => self.fill(pattern, subscriber % self.publishers, 's'),
            };
            check_filter(&filter)?;
            self.filters.push(filter);
        }
        Ok(())
    }

    fn fill(&self, pattern: &str, number: usize, kind: char) -> String {
        let mut filled = String::with_capacity(pattern.len() + 16);
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                filled.push(c);
                continue;
            }
            match chars.next() {
                Some('i') => filled += &number.to_string(),
                Some('r') => filled += &format!("{:08x}", self.run),
                Some('c') => filled += &self.client_id(number, kind),
                Some('u') => filled += self.options.user_name.as_deref().unwrap_or_default(),
                Some('%') => filled.push('%'),
                // No placeholder: as it stands.
                Some(other) => filled.extend(['%', other]),
                None => filled.push('%'),
            }
        }
        filled
    }

    fn match_up(&mut self) -> Result<(), Said> {
        let mut by_topic: HashMap<&str, Vec<u32>> = HashMap::new();
        for (publisher, topic) in (0_u32..).zip(&self.topics) {
            by_topic.entry(topic).or_default().push(publisher);
        }
        // The same filter is looked up once; a group has a number.
        let mut known: HashMap<&str, Vec<u32>> = HashMap::new();
        let mut group_of: HashMap<&str, usize> = HashMap::new();
        let mut pairs = 0;
        self.fans = vec![0; self.publishers];
        for filter in &self.filters {
            let parsed = SharedFilter::parse(filter, u16::MAX).expect("it was checked");
            let matched = known.entry(filter).or_insert_with(|| {
                if !parsed.filter.is_wildcard() {
                    return by_topic
                        .get(parsed.filter.as_str())
                        .cloned()
                        .unwrap_or_default();
                }
                let all = (0_u32..).zip(&self.topics);
                let fits = |topic: &str| parsed.filter.matches(Topic::trusted(topic));
                all.filter(|(_, topic)| fits(topic))
                    .map(|(p, _)| p)
                    .collect()
            });
            if parsed.group.is_some()
                && let Some(group) = group_of.get(&**filter)
            {
                self.shares.push(Share::Group(*group));
                continue;
            }
            pairs += matched.len();
            if pairs > PAIRS_MAX {
                return Err(too_many_pairs());
            }
            for publisher in matched.iter() {
                self.fans[*publisher as usize] += 1;
            }
            if parsed.group.is_some() {
                group_of.insert(filter, self.groups.len());
                self.shares.push(Share::Group(self.groups.len()));
                self.groups.push(matched.clone());
            } else {
                self.shares.push(Share::Whole(matched.clone()));
            }
        }
        Ok(())
    }

    /// How many messages of a publisher may be under way at once. Unless told otherwise, brokers need
    /// not queue more than they usually do for one subscriber.
    pub(super) fn window(&self, publisher: usize) -> u64 {
        let share = UNDER_WAY / self.publishers as u64 / self.fans[publisher].max(1);
        self.window.unwrap_or_else(|| share.clamp(1, WINDOW_MAX))
    }

    pub(super) fn connections(&self) -> usize {
        self.publishers + self.subscribers + self.idle
    }

    fn client_id(&self, number: usize, kind: char) -> String {
        format!("{}{kind}{number}", self.prefix)
    }

    /// The CONNECT of a publisher (`p`), a subscriber (`s`) or a connection that does nothing (`c`).
    pub(super) fn hello(&self, number: usize, kind: char) -> Vec<u8> {
        let mut options = self.options.clone();
        options.client_id = self.client_id(number, kind);
        options.connect().expect("the properties were checked")
    }

    /// TLS, and the name that the broker's certificate has to have.
    pub(super) fn tls(&self) -> Option<(&Tls, &str)> {
        let (tls, name) = self.tls.as_ref()?;
        Some((tls, name))
    }

    pub(super) fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.options.keep_alive_secs.into())
    }

    pub(super) fn subscription(&self, subscriber: usize, out: &mut Vec<u8>) {
        let options = protocol::Options {
            qos: self.qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::DoNotSend,
        };
        let filter = &self.filters[subscriber];
        let id = protocol::PacketId::new(1).expect("not 0");
        let request = [Request { filter, options }];
        subscribe::encode(out, self.version, id, &self.subscribe, &request);
    }

    /// Where connection `number` of all comes from: a machine runs out of ports for one pair of
    /// addresses, but a loopback has many addresses.
    pub(super) fn source(&self, number: usize) -> Option<IpAddr> {
        let block = u8::try_from(number / FROM_ONE_ADDRESS).unwrap_or(u8::MAX);
        match self.address.ip() {
            IpAddr::V4(ip) if ip.is_loopback() && self.local.is_none() && block > 0 => {
                Some(Ipv4Addr::new(127, 1, 0, block).into())
            }
            _ => self.local,
        }
    }
}

/// Publishers, subscribers, and connections that do nothing.
fn crowd(kind: Kind, load: &Load) -> (usize, usize, usize) {
    let clients = load.clients;
    let publishers = load.publishers.or(clients);
    let subscribers = load.subscribers.or(clients);
    match kind {
        Kind::Publish => (publishers.unwrap_or(10), load.subscribers.unwrap_or(0), 0),
        Kind::Subscribe => (load.publishers.unwrap_or(0), subscribers.unwrap_or(10), 0),
        Kind::Latency => (publishers.unwrap_or(10), subscribers.unwrap_or(10), 0),
        Kind::Connect => (0, 0, clients.unwrap_or(100)),
    }
}

fn schedule(kind: Kind, load: &Load) -> Result<Option<Schedule>, Said> {
    let rate = load
        .rate
        .or_else(|| (kind == Kind::Latency).then_some(1000.0));
    match rate {
        Some(rate) => Ok(Some(Schedule::new(rate, load.ramp))),
        None if !load.ramp.is_zero() => Err(said(
            "--ramp needs a rate to grow to: --rate MESSAGES",
            "--ramp 须与 --rate 一起使用",
        )),
        None => Ok(None),
    }
}

fn check_topic(topic: &str) -> Result<(), Said> {
    Topic::parse(topic, u16::MAX).map_err(|error| unusable(topic, error.cause()))?;
    Ok(())
}

fn check_filter(filter: &str) -> Result<(), Said> {
    SharedFilter::parse(filter, u16::MAX).map_err(|error| unusable(filter, error.cause()))?;
    Ok(())
}

fn unusable(topic: &str, cause: &str) -> Said {
    said(
        format!("the topic '{topic}' cannot be used: {cause}"),
        format!("主题“{topic}”不可用：{cause}"),
    )
}

fn too_many_pairs() -> Said {
    said(
        format!(
            "more than {PAIRS_MAX} pairs of a publisher and a subscriber: give fewer of one of them"
        ),
        format!("发布者与订阅者的组合超过 {PAIRS_MAX} 个：请减少其中一方的数量"),
    )
}

impl Load {
    /// What the options of `bench` must not say together.
    pub(in crate::tools) fn check(&self, kind: Kind, topic: Option<&str>) -> Result<(), Said> {
        let hears_nobody = self.publishers.unwrap_or(0) == 0;
        if kind == Kind::Subscribe && hears_nobody && topic.is_none() && self.filter.is_none() {
            return Err(said(
                "a topic is missing: -t TOPIC of those who publish, or --publishers COUNT",
                "缺少主题：请用 -t 指定他人发布的主题，或用 --publishers 指定发布者数量",
            ));
        }
        if self.payload_bytes < HEAD_BYTES {
            return Err(said(
                format!("--size: a message has {HEAD_BYTES} bytes at least, which number it"),
                format!("--size：消息至少 {HEAD_BYTES} 字节，用于编号"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Tool;

    fn plan(kind: Kind, change: impl FnOnce(&mut Settings)) -> Result<Plan, String> {
        let mut settings = Settings::new(Tool::Bench(kind));
        settings.host = Some("127.0.0.1".to_owned());
        change(&mut settings);
        Plan::new(kind, &settings, Text::from_env(|_| None))
    }

    #[test]
    fn pairs_by_default() {
        let plan = plan(Kind::Latency, |s| s.load.clients = Some(3)).unwrap();
        let whole = |p: u32| Share::Whole(vec![p]);
        assert_eq!(plan.shares, [whole(0), whole(1), whole(2)]);
        assert_eq!(plan.fans, [1, 1, 1]);
        assert_eq!(plan.window(0), 1000);
        assert_eq!(plan.topics[2], format!("ternmq/bench/{:08x}/2", plan.run));
    }

    #[test]
    fn one_to_many_and_many_to_one() {
        let many = plan(Kind::Publish, |s| {
            s.load.publishers = Some(2);
            s.load.subscribers = Some(50);
        });
        let many = many.unwrap();
        assert_eq!(many.fans, [25, 25]);
        assert_eq!(many.window(1), 200);
        let one = plan(Kind::Publish, |s| {
            s.load.publishers = Some(3);
            s.load.subscribers = Some(1);
            s.topic = Some("a/%i/b%%/%x".to_owned());
            s.load.filter = Some("a/+/#".to_owned());
        });
        let one = one.unwrap();
        assert_eq!(one.topics[1], "a/1/b%/%x");
        assert_eq!(one.shares, [Share::Whole(vec![0, 1, 2])]);
    }

    #[test]
    fn a_group_gets_each_message_once() {
        let plan = plan(Kind::Publish, |s| {
            s.load.publishers = Some(2);
            s.load.subscribers = Some(4);
            s.topic = Some("a/%i".to_owned());
            s.load.filter = Some("$share/g/a/+".to_owned());
        });
        let plan = plan.unwrap();
        assert_eq!(plan.fans, [1, 1]);
        assert_eq!(plan.groups, [[0, 1]]);
        assert!(plan.shares.iter().all(|share| *share == Share::Group(0)));
    }

    #[test]
    fn what_cannot_be_is_told() {
        let told = |change: fn(&mut Settings)| plan(Kind::Publish, change).err().unwrap();
        assert!(told(|s| s.topic = Some("a/#".to_owned())).contains("'a/#' cannot be used"));
        assert!(told(|s| s.load.ramp = Duration::from_secs(1)).contains("--rate"));
        let load = Load::default();
        let topicless = load.check(Kind::Subscribe, None);
        assert!(topicless.is_err() && load.check(Kind::Subscribe, Some("a")).is_ok());
    }

    #[test]
    fn many_come_from_several_addresses() {
        let plan = plan(Kind::Connect, |s| s.load.clients = Some(50_000)).unwrap();
        assert_eq!(plan.source(0), None);
        assert_eq!(plan.source(19_999), None);
        assert_eq!(plan.source(45_000).unwrap().to_string(), "127.1.0.2");
    }
}
