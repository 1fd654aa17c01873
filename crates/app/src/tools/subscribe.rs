//! `ternmq sub`: subscribes and prints what comes, until there was enough of it. A connection that is
//! lost is made again.

use std::time::{Duration, Instant};

use client::{Client, Error, Event, Message, Outgoing};
use protocol::{Filter, Options, PacketId, QoS, Reason, Request, RetainHandling, Topic};

use super::code;
use super::output::{Output, Trouble};
use super::settings::Settings;
use super::stop::Stop;
use crate::text::Text;

/// Between two tries to connect again.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run(settings: &Settings, text: Text) -> u8 {
    let output = match Output::open(settings, text) {
        Ok(output) => output,
        Err(line) => {
            super::complain(&line);
            return code::FAILED;
        }
    };
    let mut client = match settings.connect(text) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let waker = client.waker();
    let stop = match Stop::listen(move || waker.wake()) {
        Ok(stop) => stop,
        Err(error) => {
            super::complain(&text.no_signals(&error));
            return code::FAILED;
        }
    };
    let mut reader = Reader {
        settings,
        text,
        output,
        deadline: settings.timeout.map(|time| Instant::now() + time),
        taken: 0,
        enough: false,
        removals: 0,
    };
    loop {
        let end = match reader.serve(&mut client, &stop) {
            Ok(end) => end,
            Err(error) if error.may_pass() => {
                settings.complain(&text.trying_again(&error));
                match reader.again(&mut client, &stop) {
                    Ok(None) => continue,
                    Ok(Some(code)) => return code,
                    Err(error) => return settings.failed(&error, text),
                }
            }
            Err(error) => return settings.failed(&error, text),
        };
        return finish(client, end, settings, text);
    }
}

/// Says good-bye, which no longer matters to anybody if it fails, and gives the exit code.
fn finish(client: Client, end: End, settings: &Settings, text: Text) -> u8 {
    let reason = match end {
        End::Enough | End::Output(_) => Reason::SUCCESS,
        End::Asked | End::TimedOut => Reason::DISCONNECT_WITH_WILL,
    };
    let _ = client.disconnect(reason, &settings.disconnect);
    match end {
        End::Enough | End::Asked | End::Output(Trouble::NobodyReads) => code::DONE,
        End::TimedOut => {
            settings.complain(text.timed_out());
            code::TIMED_OUT
        }
        End::Output(Trouble::Failed(error)) => {
            super::complain(&text.no_output(&error));
            code::FAILED
        }
    }
}

/// Why it is over.
enum End {
    Enough,
    Asked,
    TimedOut,
    Output(Trouble),
}

struct Reader<'a> {
    settings: &'a Settings,
    text: Text,
    output: Output<'a>,
    deadline: Option<Instant>,
    /// Messages that counted.
    taken: u32,
    /// No more messages are taken; only what removes retained ones is waited for.
    enough: bool,
    /// Messages that remove a retained one and are not acknowledged.
    removals: usize,
}

impl Reader<'_> {
    /// Subscribes and takes what comes.
    fn serve(&mut self, client: &mut Client, stop: &Stop) -> Result<End, Error> {
        let asked = subscribe(client, self.settings)?;
        for filter in &self.settings.unsubscribe_from {
            client.unsubscribe(filter, &self.settings.unsubscribe)?;
        }
        loop {
            if stop.is_asked() {
                return Ok(End::Asked);
            }
            match client.next(self.deadline)? {
                Event::Message(message) => {
                    if let Some(end) = self.take(client, &message)? {
                        return Ok(end);
                    }
                }
                Event::Subscribed { id, codes, words } if id == asked => {
                    if let Some(end) = self.subscribed(id, &codes, &words) {
                        return Ok(end);
                    }
                    if self.settings.exit_when_subscribed {
                        return Ok(End::Enough);
                    }
                }
                Event::Acknowledged { .. } => {
                    self.removals = self.removals.saturating_sub(1);
                    if self.enough && self.removals == 0 {
                        return Ok(End::Enough);
                    }
                }
                Event::TimedOut => return Ok(End::TimedOut),
                _ => {}
            }
        }
    }

    /// What is left of `-W`.
    fn left(&self) -> Option<Duration> {
        let at = self.deadline?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Connects again, as often as it takes. An exit code if that is no longer wanted.
    fn again(&self, client: &mut Client, stop: &Stop) -> Result<Option<u8>, Error> {
        loop {
            stop.wait(self.left().map_or(PAUSE, |left| left.min(PAUSE)));
            if stop.is_asked() {
                return Ok(Some(code::DONE));
            }
            let left = self.left();
            if left.is_some_and(|left| left.is_zero()) {
                self.settings.complain(self.text.timed_out());
                return Ok(Some(code::TIMED_OUT));
            }
            let mut address = self.settings.address();
            if let Some(left) = left {
                address.patience = address.patience.min(left);
            }
            match client.reopen(&address) {
                Ok(()) => return Ok(None),
                Err(error) if error.may_pass() => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn subscribed(&self, id: PacketId, codes: &[Reason], words: &str) -> Option<End> {
        if self.settings.debug && !self.settings.quiet {
            let codes: Vec<String> = codes.iter().map(|c| c.code().to_string()).collect();
            let line = format!("Subscribed (mid: {}): {}\n", id.get(), codes.join(", "));
            if let Err(trouble) = super::output::print(line.as_bytes()) {
                return Some(End::Output(trouble));
            }
        }
        if codes.iter().all(|code| code.is_error()) {
            self.settings
                .complain(&self.text.all_denied(codes[0], words));
            return Some(End::Enough);
        }
        None
    }

    /// The order of the checks is what `-R`, `-T`, `-C` and the others mean together.
    fn take(&mut self, client: &mut Client, message: &Message) -> Result<Option<End>, Error> {
        let settings = self.settings;
        if self.enough {
            return Ok(None);
        }
        if settings.retained_only && !message.is_retained() {
            return Ok(self.had_enough());
        }
        if self.is_filtered_out(message.topic()) {
            return Ok(None);
        }
        if settings.remove_retained && message.is_retained() {
            let removal = Outgoing {
                topic: message.topic(),
                payload: &[],
                qos: QoS::AtLeastOnce,
                retain: true,
                properties: &[],
            };
            client.publish(&removal)?;
            self.removals += 1;
        }
        if settings.no_retained && message.is_retained() {
            return Ok(None);
        }
        if (settings.permille == 1000 || super::random() % 1000 < u64::from(settings.permille))
            && let Err(trouble) = self.output.message(message)
        {
            return Ok(Some(End::Output(trouble)));
        }
        self.taken += 1;
        if settings.count == Some(self.taken) {
            return Ok(self.had_enough());
        }
        Ok(None)
    }

    fn had_enough(&mut self) -> Option<End> {
        self.enough = true;
        (self.removals == 0).then_some(End::Enough)
    }

    fn is_filtered_out(&self, topic: &str) -> bool {
        let mut filters = self.settings.filters_out.iter();
        filters.any(|filter| Filter::trusted(filter).matches(Topic::trusted(topic)))
    }
}

/// Subscribes to all filters at once.
fn subscribe(client: &mut Client, settings: &Settings) -> Result<PacketId, Error> {
    let options = Options {
        qos: settings.qos,
        no_local: settings.no_local,
        retain_as_published: settings.retain_as_published,
        retain_handling: match settings.retain_handling {
            Some(1) => RetainHandling::SendIfNew,
            Some(2) => RetainHandling::DoNotSend,
            // Nobody would see them.
            None if settings.no_retained => RetainHandling::DoNotSend,
            _ => RetainHandling::SendAlways,
        },
    };
    let filters = settings.filters.iter();
    let requests: Vec<Request<'_>> = filters.map(|filter| Request { filter, options }).collect();
    client.subscribe(&requests, &settings.subscribe)
}
