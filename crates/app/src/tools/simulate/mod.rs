//! `ternmq simulate`: devices that do not exist publish what such devices would. What they are and what
//! they send is a scenario, one that is always there or a file.

mod device;
mod scenario;
mod signal;

use std::time::{Duration, Instant, SystemTime};

use client::{Crowd, resolve};

use super::progress::Progress;
use super::settings::Settings;
use super::stop::Stop;
use super::{code, output};
use crate::text::Text;
use device::Fleet;
pub(super) use device::Told;
use scenario::{BUILT_IN, Scenario};

/// What the options say.
#[derive(Clone, Debug)]
pub(super) struct Play {
    /// A name, or a file.
    pub(super) scenario: String,
    /// Of each device so many times as many.
    pub(super) times: u32,
    pub(super) seed: Option<u64>,
    pub(super) duration: Option<Duration>,
    pub(super) is_list: bool,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            scenario: BUILT_IN[0].0.to_owned(),
            times: 1,
            seed: None,
            duration: None,
            is_list: false,
        }
    }
}

/// How long an event is waited for at most.
const TICK: Duration = Duration::from_millis(100);
/// How long the end of the connections may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Files that are not connections.
const FILES: u64 = 64;

pub(super) fn run(settings: &Settings, text: Text) -> u8 {
    if settings.play.is_list {
        return list(text);
    }
    match play(settings, text) {
        Ok(is_clean) if is_clean => code::DONE,
        Ok(_) => code::DAMAGED,
        Err(line) => {
            settings.complain(&line);
            code::FAILED
        }
    }
}

fn list(text: Text) -> u8 {
    for (name, body) in BUILT_IN {
        let scenario = Scenario::read(body).expect("those that are always there are sound");
        let about = text.pick(&scenario.about, &scenario.about_zh);
        // A reader that is gone is no error.
        let _ = output::print(format!("{name:<10} {about}\n").as_bytes());
    }
    code::DONE
}

/// Whether all that was to be published was.
fn play(settings: &Settings, text: Text) -> Result<bool, String> {
    let scenario = read(&settings.play.scenario, text)?;
    let address = settings.address();
    let client::Place::Host { name, port } = &address.place else {
        unreachable!("simulate has no option for a socket in the file system");
    };
    let found = resolve(name, *port).map_err(|error| text.client_error(&error))?;
    let seed = settings.play.seed.unwrap_or_else(super::random);
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut fleet = Fleet::new(&scenario, settings, seed, began.unwrap_or_default());
    if let Some(files) = crate::files::raise_for(FILES).filter(|files| *files < fleet.len() as u64)
    {
        return Err(text.too_few_files(fleet.len(), files));
    }
    let mut crowd = Crowd::new().map_err(|error| text.no_event_loop(&error))?;
    let waker = crowd.waker();
    let stop = Stop::listen(move || waker.wake()).map_err(|error| text.no_signals(&error))?;
    let mut progress = Progress::new(settings.quiet);
    let begun = Instant::now();
    let over = settings.play.duration.map(|duration| begun + duration);
    while !stop.is_asked() && over.is_none_or(|over| Instant::now() < over) {
        let next = fleet.turn(
            &mut crowd,
            found[0],
            address.tls.as_ref().map(|tls| (tls, &**name)),
        );
        if let Some(fault) = fleet.hopeless() {
            return Err(text.no_device(fault));
        }
        let until = [Some(next), over, Some(Instant::now() + TICK)];
        let until = until.into_iter().flatten().min().expect("there is a tick");
        crowd
            .wait(until, &mut |at, heard, out| fleet.hear(at, heard, out))
            .map_err(|error| text.no_event_loop(&error))?;
        if progress.is_due() {
            progress.show(&text.simulated(&fleet.told()));
        }
    }
    let told = fleet.told();
    fleet.leave(&mut crowd);
    // Who closes with something unread would take back what it said last.
    let patience = Instant::now() + GOODBYE;
    while !fleet.is_gone() && Instant::now() < patience {
        crowd
            .wait(patience, &mut |at, heard, out| fleet.hear(at, heard, out))
            .map_err(|error| text.no_event_loop(&error))?;
    }
    drop(progress);
    let _ = output::print((text.simulated(&told) + "\n").as_bytes());
    Ok(told.skipped + told.refused + told.lost_connections == 0)
}

/// One that is always there, or a file.
fn read(name: &str, text: Text) -> Result<Scenario, String> {
    if let Some((_, body)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return Ok(Scenario::read(body).expect("those that are always there are sound"));
    }
    let body = std::fs::read_to_string(name).map_err(|error| text.no_scenario(name, &error))?;
    Scenario::read(&body).map_err(|fault| text.bad_scenario(name, &fault))
}
