//! `ternmq rr`: subscribes to the response, publishes the request, prints the first answer.

use std::time::Instant;

use client::{Client, Error, Event, Outgoing};
use protocol::{Options, Property, Reason, Request, RetainHandling};

use super::output::{Output, Trouble};
use super::settings::{Payload, Settings};
use super::{code, publish};
use crate::text::Text;

pub(super) fn run(settings: &Settings, text: Text) -> u8 {
    debug_assert_ne!(settings.payload, Some(Payload::Lines), "-l is publishing's");
    let prepared = publish::load(settings, text)
        .and_then(|payload| Ok((payload, Output::open(settings, text)?)));
    let (payload, mut output) = match prepared {
        Ok(prepared) => prepared,
        Err(line) => {
            super::complain(&line);
            return code::FAILED;
        }
    };
    let mut client = match settings.connect(text) {
        Ok(client) => client,
        Err(code) => return code,
    };
    match ask(&mut client, settings, &payload, &mut output, text) {
        // The broker sees us leave without a word, as mosquitto_rr does: a will is published.
        Ok(End::Over) => code::DONE,
        Ok(End::TimedOut) => {
            // It failed already; that it cannot even say so is no news.
            let _ = client.disconnect(Reason::DISCONNECT_WITH_WILL, &settings.disconnect);
            settings.complain(text.timed_out());
            code::TIMED_OUT
        }
        Ok(End::Output(Trouble::NobodyReads)) => code::DONE,
        Ok(End::Output(Trouble::Failed(error))) => {
            super::complain(&text.no_output(&error));
            code::FAILED
        }
        Err(error) => settings.failed(&error, text),
    }
}

enum End {
    /// Answered, or refused.
    Over,
    TimedOut,
    Output(Trouble),
}

fn ask(
    client: &mut Client,
    settings: &Settings,
    payload: &[u8],
    output: &mut Output<'_>,
    text: Text,
) -> Result<End, Error> {
    let deadline = settings.timeout.map(|time| Instant::now() + time);
    let response = settings.response_topic.as_deref().unwrap_or_default();
    let options = Options {
        qos: settings.qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAlways,
    };
    let filter = response;
    client.subscribe(&[Request { filter, options }], &settings.subscribe)?;
    let mut properties = settings.publish.clone();
    if settings.version.is_v5() {
        Property::ResponseTopic(response).put(&mut properties);
    }
    loop {
        match client.next(deadline)? {
            Event::Subscribed { codes, words, .. } => {
                if codes[0].is_error() {
                    settings.complain(&text.all_denied(codes[0], &words));
                    return Ok(End::Over);
                }
                client.publish(&Outgoing {
                    topic: settings.topic.as_deref().unwrap_or_default(),
                    payload,
                    qos: settings.qos,
                    retain: false,
                    properties: &properties,
                })?;
            }
            Event::Message(message) if settings.no_retained && message.is_retained() => {}
            Event::Message(message) => {
                let printed = output.message(&message);
                client.flush()?;
                return Ok(match printed {
                    Ok(()) => End::Over,
                    Err(trouble) => End::Output(trouble),
                });
            }
            Event::TimedOut => return Ok(End::TimedOut),
            Event::Acknowledged { reason, words, .. } if reason.is_error() => {
                settings.complain(&text.publish_refused(reason, &words));
            }
            _ => {}
        }
    }
}
