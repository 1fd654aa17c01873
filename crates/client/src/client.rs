//! A client of one broker: connects, publishes, subscribes, and answers what the protocol wants
//! answered. What came is told by [`Client::next`], one event at a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::{
    Ack, AckKind, Connect, Frame, Packet, PacketId, Place, Properties, Property, Publish, QoS,
    Reason, Request, Version, ack, decode_from_server, disconnect, pingreq, subscribe, unsubscribe,
};

use crate::connection::{Connection, Next, Waker};
use crate::dial::{Address, Dialled, dial};
use crate::error::Error;
use crate::exchange::{Again, Exchange};
use crate::message::{LIMITS, Message};

/// How long the end of a connection may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// How a client introduces itself. Properties are their bytes, without length.
#[derive(Clone, Debug)]
pub struct Options {
    pub version: Version,
    pub clean_start: bool,
    /// 0: no keep alive.
    pub keep_alive_secs: u16,
    pub client_id: String,
    pub user_name: Option<String>,
    pub password: Option<Vec<u8>>,
    pub will: Option<Will>,
    pub properties: Vec<u8>,
    /// Messages of QoS 1 and 2 under way at once; the broker may allow fewer.
    pub inflight_max: u16,
    /// How long a CONNACK may take.
    pub patience: Duration,
}

impl Options {
    /// The CONNECT that says all this.
    ///
    /// # Errors
    /// `Decode` for properties that a CONNECT or a will may not have.
    pub fn connect(&self) -> Result<Vec<u8>, Error> {
        let will = match &self.will {
            None => None,
            Some(will) => Some(protocol::Will {
                qos: will.qos,
                retain: will.retain,
                topic: &will.topic,
                payload: &will.payload,
                properties: Properties::parse(&will.properties, Place::Will, &LIMITS)?,
            }),
        };
        let connect = Connect {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive_secs: self.keep_alive_secs,
            client_id: &self.client_id,
            properties: Properties::parse(&self.properties, Place::Connect, &LIMITS)?,
            will,
            user_name: self.user_name.as_deref(),
            password: self.password.as_deref(),
        };
        let mut packet = Vec::new();
        connect.encode(&mut packet);
        Ok(packet)
    }
}

/// The message that the broker publishes if this client is gone without a word.
#[derive(Clone, Debug)]
pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: QoS,
    pub retain: bool,
    pub properties: Vec<u8>,
}

/// A message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// May be empty if the properties have an alias that was used before.
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
    pub properties: &'a [u8],
}

/// What a CONNACK granted.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    pub session_present: bool,
    pub assigned_id: Option<String>,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    Message(Message),
    /// A message of QoS 1 or 2 is through, or refused; in 3.x always a success.
    Acknowledged {
        id: PacketId,
        reason: Reason,
        words: String,
    },
    /// An answer for each filter, in their order.
    Subscribed {
        id: PacketId,
        codes: Vec<Reason>,
        words: String,
    },
    Unsubscribed {
        id: PacketId,
    },
    Woken,
    TimedOut,
}

/// For whoever wants to see every packet.
#[derive(Debug)]
pub enum Trace<'a> {
    /// A whole packet, and the number of the message if it is a PUBLISH.
    Sent(&'a [u8], u16),
    Received(&'a Packet<'a>),
}

type Watch = Box<dyn FnMut(Trace<'_>)>;

pub struct Client {
    connection: Connection,
    options: Options,
    exchange: Exchange,
    accepted: Accepted,
    keep_alive: Option<Duration>,
    sent_at: Instant,
    pinged_at: Option<Instant>,
    packet_bytes_max: usize,
    aliases: HashMap<u16, Box<str>>,
    watch: Option<Watch>,
}

impl Client {
    /// Says CONNECT on an open connection, and waits for the answer.
    ///
    /// # Errors
    /// `Refused`, `Silent`, `Lost` and whatever else is no CONNACK.
    pub fn open(dialled: Dialled, options: Options, watch: Option<Watch>) -> Result<Self, Error> {
        let mut client = Self {
            connection: Connection::new(dialled)?,
            exchange: Exchange::new(options.inflight_max),
            options,
            accepted: Accepted::default(),
            keep_alive: None,
            sent_at: Instant::now(),
            pinged_at: None,
            packet_bytes_max: usize::MAX,
            aliases: HashMap::new(),
            watch,
        };
        client.greet()?;
        Ok(client)
    }

    /// Connects anew after the connection was lost; what was under way goes on. The address says how
    /// long the CONNACK may take, too.
    ///
    /// # Errors
    /// As [`dial`] and [`Client::open`].
    pub fn reopen(&mut self, address: &Address) -> Result<(), Error> {
        self.connection.renew(dial(address)?)?;
        self.options.patience = address.patience;
        self.aliases.clear();
        self.pinged_at = None;
        self.greet()?;
        for again in self.exchange.again() {
            match again {
                Again::Publish(packet) => self.send(&packet, 0)?,
                Again::Release(id) => self.acknowledge(AckKind::PubRel, id, Reason::SUCCESS)?,
            }
        }
        Ok(())
    }

    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// Interrupts [`Client::next`].
    pub fn waker(&self) -> Waker {
        self.connection.waker()
    }

    /// Whether a message of QoS 1 or 2 would go out at once.
    pub fn has_room(&self) -> bool {
        self.exchange.has_room()
    }

    /// Whether all that was published is acknowledged.
    pub fn is_settled(&self) -> bool {
        self.exchange.is_empty()
    }

    /// Sends a message and gives its number. One of QoS 1 or 2 may have to wait for others, and is
    /// told of by an event when it is through.
    ///
    /// # Errors
    /// `Full`, `TooLarge`, and `Decode` for properties that a PUBLISH may not have.
    pub fn publish(&mut self, message: &Outgoing<'_>) -> Result<u16, Error> {
        let id = self.exchange.next_id();
        let mut packet = Vec::new();
        let properties = Properties::parse(message.properties, Place::Publish, &LIMITS)?;
        let publish = Publish {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic: message.topic,
            id: (message.qos != QoS::AtMostOnce).then_some(id),
            properties,
            alias: None,
            expiry_secs: None,
            payload: message.payload,
        };
        publish.encode(self.options.version, &mut packet);
        if packet.len() > self.packet_bytes_max {
            return Err(Error::TooLarge {
                bytes: packet.len(),
                max: self.packet_bytes_max,
            });
        }
        if message.qos == QoS::AtMostOnce || self.exchange.add(id, packet.clone())? {
            self.send(&packet, id.get())?;
        }
        Ok(id.get())
    }

    /// Subscribes to all of these with one packet.
    ///
    /// # Errors
    /// `Decode` for properties that a SUBSCRIBE may not have.
    pub fn subscribe(
        &mut self,
        requests: &[Request<'_>],
        properties: &[u8],
    ) -> Result<PacketId, Error> {
        let id = self.exchange.next_id();
        let properties = Properties::parse(properties, Place::Subscribe, &LIMITS)?;
        let mut packet = Vec::new();
        let version = self.options.version;
        subscribe::encode(&mut packet, version, id, properties.bytes(), requests);
        self.send(&packet, 0)?;
        Ok(id)
    }

    /// Ends one subscription.
    ///
    /// # Errors
    /// `Decode` for properties that an UNSUBSCRIBE may not have.
    pub fn unsubscribe(&mut self, filter: &str, properties: &[u8]) -> Result<PacketId, Error> {
        let id = self.exchange.next_id();
        let properties = Properties::parse(properties, Place::Unsubscribe, &LIMITS)?;
        let mut packet = Vec::new();
        let version = self.options.version;
        unsubscribe::encode(&mut packet, version, id, properties.bytes(), &[filter]);
        self.send(&packet, 0)?;
        Ok(id)
    }

    /// Waits for the next event, until `deadline` at most. Keep alive is seen to meanwhile.
    ///
    /// # Errors
    /// `Lost`, `Ended`, `Silent`, or what a broker must not send.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Event, Error> {
        loop {
            // Looked at for each packet: there may be so many that nothing is ever waited for.
            let now = Instant::now();
            if deadline.is_some_and(|at| at <= now) {
                return Ok(Event::TimedOut);
            }
            if self.pinged_at.is_none() && self.is_due(now) {
                self.ping()?;
            }
            let due = self.keep_alive.map(|interval| {
                let since = self.pinged_at.unwrap_or(self.sent_at);
                since + interval
            });
            let until = [deadline, due].into_iter().flatten().min();
            match self.connection.next(until)? {
                Next::Packet(first, body) => {
                    if let Some(event) = self.take(first, &body)? {
                        return Ok(event);
                    }
                }
                Next::Woken => return Ok(Event::Woken),
                Next::TimedOut if self.pinged_at.is_some() && self.is_due(Instant::now()) => {
                    return Err(Error::Silent);
                }
                Next::TimedOut => {}
            }
        }
    }

    /// What happened already, without waiting: for whoever always has something to send.
    ///
    /// # Errors
    /// As [`Client::next`].
    pub fn poll(&mut self) -> Result<Option<Event>, Error> {
        loop {
            match self.connection.next(Some(Instant::now()))? {
                Next::Packet(first, body) => {
                    if let Some(event) = self.take(first, &body)? {
                        return Ok(Some(event));
                    }
                }
                Next::Woken => return Ok(Some(Event::Woken)),
                Next::TimedOut => return Ok(None),
            }
        }
    }

    /// Until all that was sent is with the system.
    ///
    /// # Errors
    /// `Lost`, or `Silent` if the broker takes nothing for as long as a CONNACK may take.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.connection.flush(self.options.patience)
    }

    /// Says DISCONNECT and closes.
    ///
    /// # Errors
    /// As [`Client::flush`]: something that was sent before may be lost.
    pub fn disconnect(mut self, reason: Reason, properties: &[u8]) -> Result<(), Error> {
        let mut packet = Vec::new();
        disconnect::encode(&mut packet, self.options.version, reason, properties);
        self.send(&packet, 0)?;
        self.flush()?;
        self.connection.end(Instant::now() + GOODBYE);
        Ok(())
    }

    /// Whether so much time went by since something was said, or a ping was sent.
    fn is_due(&self, now: Instant) -> bool {
        let since = self.pinged_at.unwrap_or(self.sent_at);
        self.keep_alive
            .is_some_and(|interval| since + interval <= now)
    }

    fn ping(&mut self) -> Result<(), Error> {
        let mut packet = Vec::new();
        pingreq(&mut packet);
        self.send(&packet, 0)?;
        self.pinged_at = Some(Instant::now());
        Ok(())
    }

    fn greet(&mut self) -> Result<(), Error> {
        let packet = self.options.connect()?;
        self.send(&packet, 0)?;
        let deadline = Instant::now() + self.options.patience;
        let (first, body) = loop {
            match self.connection.next(Some(deadline))? {
                Next::Packet(first, body) => break (first, body),
                Next::TimedOut => return Err(Error::Silent),
                // Nobody can have meant this wait.
                Next::Woken => {}
            }
        };
        self.welcome(first, &body)
    }

    fn welcome(&mut self, first: u8, body: &[u8]) -> Result<(), Error> {
        let packet = decode(first, body, self.options.version)?;
        self.show(Trace::Received(&packet));
        let connack = match packet {
            Packet::ConnAck(connack) => connack,
            Packet::Disconnect(p) => return Err(ended(p.reason, p.properties)),
            _ => return Err(Error::OutOfPlace),
        };
        if connack.reason.is_error() {
            return Err(Error::Refused {
                reason: connack.reason,
                words: words(connack.properties),
            });
        }
        let mut keep_alive = self.options.keep_alive_secs;
        self.packet_bytes_max = usize::MAX;
        let mut assigned_id = None;
        for property in connack.properties.iter() {
            match property {
                Property::AssignedClientId(id) => assigned_id = Some(id.to_owned()),
                Property::ServerKeepAlive(secs) => keep_alive = secs,
                Property::ReceiveMaximum(max) => self.exchange.allow(max),
                Property::MaximumPacketSize(max) => {
                    self.packet_bytes_max = usize::try_from(max).unwrap_or(usize::MAX);
                }
                _ => {}
            }
        }
        self.keep_alive = (keep_alive > 0).then(|| Duration::from_secs(keep_alive.into()));
        self.accepted = Accepted {
            session_present: connack.session_present,
            assigned_id,
        };
        Ok(())
    }

    /// What a packet means, after it was answered.
    fn take(&mut self, first: u8, body: &[u8]) -> Result<Option<Event>, Error> {
        let packet = decode(first, body, self.options.version)?;
        self.show(Trace::Received(&packet));
        Ok(match packet {
            Packet::Publish(publish) => self.receive(first, body, &publish)?,
            Packet::PubAck(ack) => self.done(&ack)?,
            Packet::PubRec(ack) if ack.reason.is_error() => self.done(&ack)?,
            Packet::PubRec(ack) => {
                let reason = if self.exchange.received(ack.id) {
                    Reason::SUCCESS
                } else {
                    Reason::PACKET_ID_NOT_FOUND
                };
                self.acknowledge(AckKind::PubRel, ack.id, reason)?;
                None
            }
            Packet::PubComp(ack) => self.done(&ack)?,
            Packet::PubRel(ack) => {
                let message = self.exchange.release(ack.id);
                let reason = match message {
                    Some(_) => Reason::SUCCESS,
                    None => Reason::PACKET_ID_NOT_FOUND,
                };
                self.acknowledge(AckKind::PubComp, ack.id, reason)?;
                message.map(Event::Message)
            }
            Packet::SubAck(suback) => Some(Event::Subscribed {
                id: suback.id,
                codes: suback.codes().collect(),
                words: words(suback.properties),
            }),
            Packet::UnsubAck(unsuback) => Some(Event::Unsubscribed { id: unsuback.id }),
            Packet::PingResp => {
                self.pinged_at = None;
                None
            }
            Packet::Disconnect(p) => return Err(ended(p.reason, p.properties)),
            _ => return Err(Error::OutOfPlace),
        })
    }

    fn receive(
        &mut self,
        first: u8,
        body: &[u8],
        publish: &Publish<'_>,
    ) -> Result<Option<Event>, Error> {
        let aliased = match publish.alias {
            Some(alias) if publish.topic.is_empty() => {
                // One that was never set [MQTT-3.3.2-8].
                Some(&**self.aliases.get(&alias).ok_or(Error::OutOfPlace)?)
            }
            Some(alias) => {
                self.aliases.insert(alias, publish.topic.into());
                None
            }
            None => None,
        };
        let message = Message::new(first, body, self.options.version, aliased);
        Ok(match (publish.qos, publish.id) {
            (QoS::AtLeastOnce, Some(id)) => {
                self.acknowledge(AckKind::PubAck, id, Reason::SUCCESS)?;
                Some(Event::Message(message))
            }
            (QoS::ExactlyOnce, Some(id)) => {
                self.exchange.hold(id, message);
                self.acknowledge(AckKind::PubRec, id, Reason::SUCCESS)?;
                None
            }
            _ => Some(Event::Message(message)),
        })
    }

    fn done(&mut self, ack: &Ack<'_>) -> Result<Option<Event>, Error> {
        let (is_ours, next) = self.exchange.done(ack.id);
        if let Some((id, packet)) = next {
            let packet = packet.to_vec();
            self.send(&packet, id.get())?;
        }
        Ok(is_ours.then(|| Event::Acknowledged {
            id: ack.id,
            reason: ack.reason,
            words: words(ack.properties),
        }))
    }

    fn acknowledge(&mut self, kind: AckKind, id: PacketId, reason: Reason) -> Result<(), Error> {
        let mut packet = Vec::new();
        ack::encode(&mut packet, self.options.version, kind, id, reason, &[]);
        self.send(&packet, id.get())
    }

    fn send(&mut self, packet: &[u8], id: u16) -> Result<(), Error> {
        self.show(Trace::Sent(packet, id));
        self.sent_at = Instant::now();
        self.connection.send(packet)
    }

    fn show(&mut self, trace: Trace<'_>) {
        if let Some(watch) = &mut self.watch {
            watch(trace);
        }
    }
}

fn decode(first: u8, body: &[u8], version: Version) -> Result<Packet<'_>, Error> {
    let len = body.len();
    let frame = Frame { first, body, len };
    Ok(decode_from_server(&frame, version, &LIMITS)?)
}

fn ended(reason: Reason, properties: Properties<'_>) -> Error {
    Error::Ended {
        reason,
        words: words(properties),
    }
}

/// The reason string, or nothing.
fn words(properties: Properties<'_>) -> String {
    let found = properties.iter().find_map(|property| match property {
        Property::ReasonString(words) => Some(words.to_owned()),
        _ => None,
    });
    found.unwrap_or_default()
}
