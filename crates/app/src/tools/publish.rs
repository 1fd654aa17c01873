//! `ternmq pub`: one message, the same one again and again, or one for each line of standard input.

use std::io::{BufRead as _, Read as _};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use client::{Client, Error, Event, Outgoing, Waker};
use protocol::{QoS, Reason};

use super::code;
use super::settings::{Payload, Settings};
use crate::text::Text;

/// The longest payload there can be, in a packet without a topic.
const BYTES_MAX: usize = 268_435_455;
/// Lines that were read and not sent yet.
const LINES_MAX: usize = 64;
/// Between two tries to connect again.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run(settings: &Settings, text: Text) -> u8 {
    if settings.payload == Some(Payload::Lines) {
        return lines(settings, text);
    }
    let payload = match load(settings, text) {
        Ok(payload) => payload,
        Err(line) => {
            super::complain(&line);
            return code::FAILED;
        }
    };
    let mut client = match settings.connect(text) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let done = repeat(&mut client, settings, &payload, text)
        .and_then(|()| client.disconnect(Reason::SUCCESS, &settings.disconnect));
    match done {
        Ok(()) => code::DONE,
        Err(error) => settings.failed(&error, text),
    }
}

/// The message, from wherever it is.
pub(super) fn load(settings: &Settings, text: Text) -> Result<Vec<u8>, String> {
    let payload = match settings.payload.as_ref() {
        Some(Payload::Given(bytes)) => bytes.clone(),
        Some(Payload::File(path)) => {
            let read = std::fs::read(path);
            read.map_err(|error| text.no_file(&path.display(), &error))?
        }
        _ => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| text.no_stdin(&error))?;
            if bytes.is_empty() {
                return Err(text.empty_stdin().to_owned());
            }
            bytes
        }
    };
    if payload.len() > BYTES_MAX {
        return Err(text.too_long(payload.len()));
    }
    Ok(payload)
}

fn repeat(
    client: &mut Client,
    settings: &Settings,
    payload: &[u8],
    text: Text,
) -> Result<(), Error> {
    let mut sender = Sender::new(settings);
    for n in 0..settings.repeat {
        if n > 0 && !settings.repeat_delay.is_zero() {
            let at = Instant::now() + settings.repeat_delay;
            while !matches!(client.next(Some(at))?, Event::TimedOut) {}
        }
        sender.send(client, payload)?;
        while !client.is_settled() {
            tell(settings, &client.next(None)?, text);
        }
    }
    Ok(())
}

/// A refused message is told of, and no more: others may go through.
fn tell(settings: &Settings, event: &Event, text: Text) {
    if let Event::Acknowledged { reason, words, .. } = event
        && reason.is_error()
    {
        settings.complain(&text.publish_refused(*reason, words));
    }
}

/// Publishes to the topic of the settings, which an alias stands for from the second time on.
struct Sender<'a> {
    settings: &'a Settings,
    topic: &'a str,
    has_alias: bool,
}

impl<'a> Sender<'a> {
    fn new(settings: &'a Settings) -> Self {
        let has_alias = has_alias(&settings.publish);
        let topic = settings.topic.as_deref().unwrap_or_default();
        Self {
            settings,
            topic,
            has_alias,
        }
    }

    fn send(&mut self, client: &mut Client, payload: &[u8]) -> Result<(), Error> {
        client.publish(&Outgoing {
            topic: self.topic,
            payload,
            qos: self.settings.qos,
            retain: self.settings.retain,
            properties: &self.settings.publish,
        })?;
        if self.has_alias {
            self.topic = "";
        }
        Ok(())
    }

    /// On a new connection an alias means nothing.
    fn forget_alias(&mut self) {
        self.topic = self.settings.topic.as_deref().unwrap_or_default();
    }
}

fn has_alias(properties: &[u8]) -> bool {
    let block = protocol::Properties::parse(
        properties,
        protocol::Place::Publish,
        &protocol::Limits::default(),
    );
    block.is_ok_and(|block| {
        let mut all = block.iter();
        all.any(|p| matches!(p, protocol::Property::TopicAlias(_)))
    })
}

/// What the thread that reads standard input tells.
enum Line {
    Read(Vec<u8>),
    Failed(std::io::Error),
}

fn lines(settings: &Settings, text: Text) -> u8 {
    let mut client = match settings.connect(text) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let input = read_lines(client.waker());
    let mut sender = Sender::new(settings);
    loop {
        let error = match pump(&mut client, &mut sender, &input, text) {
            Ok(()) => break,
            Err(Stopped::Input(error)) => {
                super::complain(&text.no_stdin(&error));
                return code::FAILED;
            }
            Err(Stopped::Connection(error)) => error,
        };
        if !error.may_pass() {
            return settings.failed(&error, text);
        }
        settings.complain(&text.trying_again(&error));
        sender.forget_alias();
        while let Err(error) = client.reopen(&settings.address()) {
            if !error.may_pass() {
                return settings.failed(&error, text);
            }
            thread::sleep(PAUSE);
        }
    }
    match client.disconnect(Reason::SUCCESS, &settings.disconnect) {
        Ok(()) => code::DONE,
        Err(error) => settings.failed(&error, text),
    }
}

enum Stopped {
    Input(std::io::Error),
    Connection(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Connection(error)
    }
}

/// Until there are no more lines and all of them are acknowledged.
fn pump(
    client: &mut Client,
    sender: &mut Sender<'_>,
    input: &Receiver<Line>,
    text: Text,
) -> Result<(), Stopped> {
    let mut ended = false;
    while !(ended && client.is_settled()) {
        // Before the lines are looked at, because it may be them that woke us.
        while let Some(event) = client.poll()? {
            tell(sender.settings, &event, text);
        }
        let mut read = 0;
        // No more at once: somebody who never runs dry has to hear the broker, too.
        while read < LINES_MAX
            && !ended
            && (sender.settings.qos == QoS::AtMostOnce || client.has_room())
        {
            match input.try_recv() {
                Ok(Line::Read(line)) => sender.send(client, &line)?,
                Ok(Line::Failed(error)) => return Err(Stopped::Input(error)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => ended = true,
            }
            read += 1;
        }
        if read < LINES_MAX && !(ended && client.is_settled()) {
            let event = client.next(None)?;
            tell(sender.settings, &event, text);
        }
    }
    Ok(())
}

/// Reads standard input in a thread of its own: it may be a person's, or that of a program that says
/// something once an hour.
fn read_lines(waker: Waker) -> Receiver<Line> {
    let (to, lines) = sync_channel(LINES_MAX);
    thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let told = match input.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    Line::Read(line)
                }
                Err(error) => Line::Failed(error),
            };
            let sent = to.send(told).is_ok();
            waker.wake();
            if !sent {
                return;
            }
        }
        drop(to);
        waker.wake();
    });
    lines
}
