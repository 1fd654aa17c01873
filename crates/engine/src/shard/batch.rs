//! Messages for receivers on another shard, packed into one letter per pass: nothing is allocated for
//! a message, and a topic that repeats is routed once over there.

use protocol::{QoS, Topic, Version};

use super::{Mail, Shard, Sink, deliver::Shot, run::Packets};
use crate::{SessionRef, Time, message::View, router::Route};

/// A batch this large is closed.
const BYTES_MAX: usize = 256 * 1024;
/// Larger payloads travel by reference instead.
pub(super) const PACKED_MAX: usize = 4096;
/// Emptied batches kept for the next passes, and the largest that is.
const SPARE_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// Messages one behind the other, in the order in which they were published.
#[derive(Debug, Default)]
pub struct Batch {
    /// When it was begun: in the pass in which all of it came.
    at: Time,
    topics: String,
    bytes: Vec<u8>,
    items: Vec<Item>,
    hands: Vec<Hand>,
}

#[derive(Debug)]
struct Item {
    publisher: SessionRef,
    /// Where its topic stands in `topics`; where its bytes end.
    topic: (u32, u32),
    end: u32,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// QoS 0 packets with one topic, byte for byte.
    Run {
        version: Version,
        count: u32,
        longest: u32,
    },
    /// One message, for all who are subscribed there.
    Message(Head),
    /// One message for one member of a shared group: which, see `hands`.
    Hand(Head, u32),
}

/// A message but for its bytes, which are properties to be forwarded, then the payload.
#[derive(Clone, Copy, Debug)]
struct Head {
    qos: QoS,
    retain: bool,
    expires: Option<Time>,
    forwarded: u32,
}

/// Whom a shared group, at home where the batch comes from, has picked, and what it gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hand {
    pub(super) group: u32,
    pub(super) member: SessionRef,
    pub(super) label: u64,
    pub(super) qos: QoS,
    pub(super) as_published: bool,
    /// Subscription Identifier, 0 for none.
    pub(super) id: u32,
    /// Where the message stands in the log, 0 if the group has it from elsewhere.
    pub(super) position: u64,
}

impl Batch {
    /// What it weighs in a mailbox.
    pub(super) fn bytes(&self) -> usize {
        self.topics.len() + self.bytes.len() + self.items.len() * size_of::<Item>()
    }

    fn has_room(&self) -> bool {
        self.bytes.len() < BYTES_MAX && self.topics.len() < BYTES_MAX
    }

    fn message(&mut self, view: &View<'_>) {
        let (topic, head) = self.put(view);
        self.close(view.publisher, topic, Form::Message(head));
    }

    fn hand(&mut self, view: &View<'_>, hand: Hand) {
        let (topic, head) = self.put(view);
        let at = short(self.hands.len());
        self.hands.push(hand);
        self.close(view.publisher, topic, Form::Hand(head, at));
    }

    fn put(&mut self, view: &View<'_>) -> ((u32, u32), Head) {
        let topic = self.topic(view.topic);
        self.bytes.extend_from_slice(view.forwarded);
        self.bytes.extend_from_slice(view.payload);
        let head = Head {
            qos: view.qos,
            retain: view.retain,
            expires: view.expires,
            forwarded: short(view.forwarded.len()),
        };
        (topic, head)
    }

    fn run(&mut self, run: &Packets<'_>) {
        let topic = self.topic(run.topic);
        self.bytes.extend_from_slice(run.bytes);
        let form = Form::Run {
            version: run.version,
            count: run.count,
            longest: short(run.longest),
        };
        self.close(run.publisher, topic, form);
    }

    fn close(&mut self, publisher: SessionRef, topic: (u32, u32), form: Form) {
        self.items.push(Item {
            publisher,
            topic,
            end: short(self.bytes.len()),
            form,
        });
    }

    /// Adds the topic, unless it is the one before.
    fn topic(&mut self, topic: Topic<'_>) -> (u32, u32) {
        if let Some(last) = self.items.last()
            && self.topic_at(last.topic) == topic.as_str()
        {
            return last.topic;
        }
        let from = short(self.topics.len());
        self.topics.push_str(topic.as_str());
        (from, short(self.topics.len()))
    }

    fn topic_at(&self, (from, to): (u32, u32)) -> &str {
        &self.topics[from as usize..to as usize]
    }

    fn clear(&mut self) {
        self.topics.clear();
        self.bytes.clear();
        self.items.clear();
        self.hands.clear();
    }
}

impl Shard {
    /// A message for the live receivers of another shard.
    pub(super) fn mail_message(&mut self, to: u16, shot: &mut Shot<'_>) {
        if shot.is_owned() || shot.view.payload.len() > PACKED_MAX {
            self.mail(to, Mail::Publish(shot.arc()));
        } else {
            self.batch(to).message(&shot.view);
        }
    }

    pub(super) fn mail_run(&mut self, to: u16, run: &Packets<'_>) {
        self.batch(to).run(run);
    }

    /// A message for a member of a group that is at home here.
    pub(super) fn mail_hand(&mut self, view: &View<'_>, hand: Hand) {
        self.batch(hand.member.shard).hand(view, hand);
    }

    /// The batch that the next message for this shard goes to.
    fn batch(&mut self, to: u16) -> &mut Batch {
        let letters = &mut self.outbox[usize::from(to)];
        if !matches!(letters.last(), Some(Mail::Batch(b)) if b.has_room()) {
            let mut batch = self.spare.pop().unwrap_or_default();
            batch.at = self.now;
            letters.push(Mail::Batch(batch));
        }
        match letters.last_mut() {
            Some(Mail::Batch(batch)) => batch,
            _ => unreachable!("it was pushed if it was not there"),
        }
    }

    pub(super) fn on_batch(&mut self, from: u16, mut batch: Box<Batch>, sink: &mut impl Sink) {
        let mut start = 0;
        let mut taken: Option<((u32, u32), u32, Box<Route>)> = None;
        for item in &batch.items {
            let topic = Topic::trusted(batch.topic_at(item.topic));
            let bytes = &batch.bytes[start..item.end as usize];
            start = item.end as usize;
            if let Form::Hand(head, at) = item.form {
                let mut shot = Shot::new(head.view(item.publisher, topic, bytes), batch.at);
                self.on_hand(from, &mut shot, batch.hands[at as usize], sink);
                continue;
            }
            let (at, route) = match taken.take() {
                Some((of, at, mut route)) if of == item.topic => {
                    // A delivery may have ended a session, and with it its subscriptions.
                    self.router.refresh(topic, &mut route);
                    (at, route)
                }
                other => {
                    if let Some((_, at, route)) = other {
                        self.routes.put(at, route);
                    }
                    self.routes.take(&mut self.router, topic)
                }
            };
            self.deliver_item((from, batch.at), item, topic, bytes, &route, sink);
            taken = Some((item.topic, at, route));
        }
        if let Some((_, at, route)) = taken {
            self.routes.put(at, route);
        }
        batch.clear();
        if self.spare.len() < SPARE_MAX && batch.bytes.capacity() <= SPARE_BYTES_MAX {
            self.spare.push(batch);
        }
    }

    #[inline]
    fn deliver_item(
        &mut self,
        (from, came): (u16, Time),
        item: &Item,
        topic: Topic<'_>,
        bytes: &[u8],
        route: &Route,
        sink: &mut impl Sink,
    ) {
        let publisher = item.publisher;
        match item.form {
            Form::Run {
                version,
                count,
                longest,
            } => {
                let run = Packets {
                    publisher,
                    version,
                    topic,
                    bytes,
                    count,
                    longest: longest as usize,
                };
                self.deliver_run(&run, route, sink);
            }
            Form::Message(head) | Form::Hand(head, _) => {
                let mut shot = Shot::new(head.view(publisher, topic, bytes), came);
                shot.from = Some(from);
                self.deliver_shot(&mut shot, route, sink);
            }
        }
    }
}

impl Head {
    fn view<'a>(self, publisher: SessionRef, topic: Topic<'a>, bytes: &'a [u8]) -> View<'a> {
        let (forwarded, payload) = bytes.split_at(self.forwarded as usize);
        View {
            publisher,
            topic,
            qos: self.qos,
            retain: self.retain,
            expires: self.expires,
            forwarded,
            payload,
        }
    }
}

fn short(n: usize) -> u32 {
    u32::try_from(n).expect("a batch is closed long before 4 GiB")
}
