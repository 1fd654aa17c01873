//! `ternmq conn`: goes through what a connection needs, step by step, with the time of each; at the
//! first that fails it says why, and what to do. Nobody's topics are touched but one of its own.

use std::time::{Duration, Instant};

use client::{Client, Dialled, Error, Event, Outgoing, Place, Secured};
use protocol::{Options, Reason, Request, RetainHandling};

use super::settings::Settings;
use super::{code, debug};
use crate::text::Text;

/// How long the broker may take for each answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(settings: &Settings, text: Text) -> u8 {
    match (Walk { settings, text }).all() {
        Ok(()) => code::DONE,
        Err(code) => code,
    }
}

/// What a step is called.
#[derive(Clone, Copy)]
enum Step {
    Name,
    Tcp,
    Proxy,
    Tls,
    WebSocket,
    ConnAck,
    SubAck,
    Message,
}

impl Step {
    fn name(self, text: Text) -> &'static str {
        match self {
            Self::Name => text.pick("name", "主机名"),
            Self::Tcp => "TCP",
            Self::Proxy => text.pick("proxy", "代理"),
            Self::Tls => "TLS",
            Self::WebSocket => "WebSocket",
            Self::ConnAck => "CONNACK",
            Self::SubAck => "SUBACK",
            Self::Message => text.pick("message", "消息"),
        }
    }
}

struct Walk<'a> {
    settings: &'a Settings,
    text: Text,
}

impl Walk<'_> {
    fn all(&self) -> Result<(), u8> {
        let dialled = self.dial()?;
        let begun = Instant::now();
        let options = self.settings.options();
        let watch = self.settings.debug.then(|| debug::watch(&options));
        let mut client =
            Client::open(dialled, options, watch).map_err(|error| self.no_connack(&error))?;
        self.passed(Step::ConnAck, &self.accepted(&client), begun.elapsed());
        let topic = match &self.settings.topic {
            Some(topic) => topic.clone(),
            None => format!("ternmq/conn/{:016x}", super::random()),
        };
        self.subscribe(&mut client, &topic)?;
        self.exchange(&mut client, &topic)?;
        // All that was to be tried was tried.
        let _ = client.disconnect(Reason::SUCCESS, &self.settings.disconnect);
        Ok(())
    }

    fn dial(&self) -> Result<Dialled, u8> {
        let address = self.settings.address();
        if let (Place::Host { name, port }, None) = (&address.place, &address.proxy) {
            let begun = Instant::now();
            let found = client::resolve(name, *port);
            let found = found.map_err(|error| self.failed(Step::Name, &error))?;
            let list: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
            let list = list.join(", ");
            let told = self.text.pick(
                format!("{name} is {list}"),
                format!("{name} 的地址是 {list}"),
            );
            self.passed(Step::Name, &told, begun.elapsed());
        }
        let dialled = client::dial(&address).map_err(|error| {
            let step = match error {
                Error::Name { .. } => Step::Name,
                Error::Proxy(_) => Step::Proxy,
                Error::Tls(_) => Step::Tls,
                Error::WebSocket(_) => Step::WebSocket,
                _ => Step::Tcp,
            };
            self.failed(step, &error)
        })?;
        let steps = dialled.steps;
        let peer = match (dialled.peer, &address.place) {
            (Some(peer), _) => peer.to_string(),
            (None, Place::Unix(path)) => path.display().to_string(),
            (None, Place::Host { .. }) => self.text.pick("the proxy", "代理").to_owned(),
        };
        let told = self
            .text
            .pick(format!("connected to {peer}"), format!("已连接 {peer}"));
        self.passed(Step::Tcp, &told, steps.connect);
        if let (Some(_), Place::Host { name, port }) = (&address.proxy, &address.place) {
            let told = self.text.pick(
                format!("leads to {name}:{port}"),
                format!("已通往 {name}:{port}"),
            );
            self.passed(Step::Proxy, &told, steps.proxy);
        }
        if let Some(Secured { version, cipher }) = &dialled.secured {
            self.passed(Step::Tls, &format!("{version}, {cipher}"), steps.tls);
        }
        if self.settings.websocket {
            let told = self.text.pick("agreed on MQTT", "已协商 MQTT");
            self.passed(Step::WebSocket, told, steps.websocket);
        }
        Ok(dialled)
    }

    fn accepted(&self, client: &Client) -> String {
        let accepted = client.accepted();
        let mut told = self.text.pick("accepted", "连接被接受").to_owned();
        if let Some(id) = &accepted.assigned_id {
            told += &self
                .text
                .pick(format!(", client id {id}"), format!("，客户端 ID 为 {id}"));
        }
        if accepted.session_present {
            told += self
                .text
                .pick(", with the session of before", "，沿用之前的会话");
        }
        told
    }

    fn subscribe(&self, client: &mut Client, topic: &str) -> Result<(), u8> {
        let begun = Instant::now();
        let options = Options {
            qos: self.settings.qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::DoNotSend,
        };
        let filter = topic;
        let fail = |error| self.failed(Step::SubAck, &error);
        client
            .subscribe(&[Request { filter, options }], &self.settings.subscribe)
            .map_err(fail)?;
        let (codes, words) = loop {
            match client.next(Some(begun + PATIENCE)).map_err(fail)? {
                Event::Subscribed { codes, words, .. } => break (codes, words),
                Event::TimedOut => return Err(fail(Error::Silent)),
                _ => {}
            }
        };
        let granted = codes[0];
        if granted.is_error() {
            return Err(self.told(Step::SubAck, &self.text.all_denied(granted, &words)));
        }
        let qos = granted.code();
        let told = self.text.pick(
            format!("subscribed to {topic} with QoS {qos}"),
            format!("已订阅 {topic}，QoS {qos}"),
        );
        self.passed(Step::SubAck, &told, begun.elapsed());
        Ok(())
    }

    /// Publishes and waits for the same message.
    fn exchange(&self, client: &mut Client, topic: &str) -> Result<(), u8> {
        let begun = Instant::now();
        let payload = format!("{:016x}", super::random());
        let fail = |error| self.failed(Step::Message, &error);
        let message = Outgoing {
            topic,
            payload: payload.as_bytes(),
            qos: self.settings.qos,
            retain: false,
            properties: &self.settings.publish,
        };
        client.publish(&message).map_err(fail)?;
        loop {
            match client.next(Some(begun + PATIENCE)).map_err(fail)? {
                Event::Message(message) if message.payload() == payload.as_bytes() => break,
                Event::Acknowledged { reason, words, .. } if reason.is_error() => {
                    return Err(
                        self.told(Step::Message, &self.text.publish_refused(reason, &words))
                    );
                }
                Event::TimedOut => {
                    let told = self.text.pick(
                        "it did not come back; the access rules of this user may forbid publishing",
                        "没有收到自己发布的消息；该用户的访问规则可能禁止发布",
                    );
                    return Err(self.told(Step::Message, told));
                }
                _ => {}
            }
        }
        let told = self.text.pick("published and received", "已发布并收到");
        self.passed(Step::Message, told, begun.elapsed());
        Ok(())
    }

    /// What answers TCP need not be an MQTT broker.
    fn no_connack(&self, error: &Error) -> u8 {
        let not_mqtt = self.text.pick(
            "; is it MQTT without TLS that listens on this port? 1883 usually is, 8883 has TLS (--cafile), 8083 WebSocket (--ws), 18083 the dashboard",
            "；请确认该端口是不带 TLS 的 MQTT：通常 1883 是，8883 为 TLS（--cafile），8083 为 WebSocket（--ws），18083 为控制台",
        );
        let line = match error {
            Error::Lost | Error::Silent => {
                let told = self.text.pick(
                    ("closed without an answer", "no answer to CONNECT"),
                    ("对方未应答就断开了连接", "CONNECT 没有得到应答"),
                );
                let told = if matches!(error, Error::Lost) {
                    told.0
                } else {
                    told.1
                };
                format!("{told}{not_mqtt}")
            }
            Error::Decode(cause) => {
                let told = self.text.pick(
                    format!("the answer is not MQTT ({cause})"),
                    format!("应答不是 MQTT（{cause}）"),
                );
                format!("{told}{not_mqtt}")
            }
            other => self.text.client_error(other),
        };
        // With TLS 1.3 a broker says only now what it thinks of our certificate.
        let step = if let Error::Tls(_) = error {
            Step::Tls
        } else {
            Step::ConnAck
        };
        self.told(step, &line);
        match error {
            Error::Refused { reason, .. } if self.settings.version.is_v5() => reason.code(),
            Error::Refused { reason, .. } => reason.connack_v3(),
            _ => code::FAILED,
        }
    }

    fn passed(&self, step: Step, told: &str, took: Duration) {
        let millis = took.as_secs_f64() * 1000.0;
        self.line(step, &format!("{told}  ({millis:.2} ms)"));
    }

    fn failed(&self, step: Step, error: &Error) -> u8 {
        self.told(step, &self.text.client_error(error))
    }

    /// Says what is wrong, and gives the exit code.
    fn told(&self, step: Step, line: &str) -> u8 {
        let failed = self.text.pick("FAILED", "失败");
        self.line(step, &format!("{failed}: {line}"));
        code::FAILED
    }

    fn line(&self, step: Step, told: &str) {
        let name = step.name(self.text);
        // A Chinese character is as wide as two letters.
        let wide: usize = name.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
        let gap = " ".repeat(11_usize.saturating_sub(wide));
        let line = format!("{name}{gap}{told}\n");
        // Whoever does not read this does not miss it.
        let _ = super::output::print(line.as_bytes());
    }
}
