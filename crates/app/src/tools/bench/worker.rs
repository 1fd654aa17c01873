//! A thread with its part of the connections: it connects, sends what is due or what the window allows,
//! takes what comes, and counts. It never waits for one connection.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use client::{Crowd, Heard};
use protocol::{Reason, disconnect, pingreq};

use super::pace::nanos;
use super::shared::{Phase, Shared};
use super::state::{Outcome, State, measured};

/// By the clock, nothing is encoded for a connection that has this much unwritten.
const BACKLOG_BYTES: usize = 1 << 20;
/// Connections that each thread opens at once.
const OPENING_MAX: usize = 64;
/// How long an event is waited for at most, in nanoseconds.
const TICK: u64 = 5_000_000;
/// And while connections are opened at a rate.
const SOON: u64 = 1_000_000;
/// How often publishers are looked at that nothing happened to.
const LOOK_NANOS: u64 = 20_000_000;

pub(super) struct Worker<'a> {
    crowd: Crowd,
    state: State<'a>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(number: usize, shared: &'a Shared) -> io::Result<Self> {
        let crowd = Crowd::new()?;
        let _ = shared.wakers[number].set(crowd.waker());
        let state = State::new(number, shared);
        Ok(Self { crowd, state })
    }

    pub(super) fn run(mut self) -> io::Result<Outcome> {
        let shared = self.state.shared;
        let mut until = 0;
        loop {
            let phase = shared.phase();
            if phase == Phase::Exit {
                break;
            }
            let state = &mut self.state;
            let mut hear = |at, heard: Heard<'_>, out: &mut Vec<u8>| state.hear(at, heard, out);
            if shared.plan.schedule.is_some() && phase != Phase::Connect {
                self.crowd.wait(shared.instant(until), &mut hear)?;
            } else {
                let left = Duration::from_nanos(until.saturating_sub(shared.now()));
                self.crowd.wait_about(left, &mut hear)?;
            }
            self.state.share();
            until = self.turn(phase);
        }
        self.leave();
        Ok(self.state.outcome)
    }

    /// What is to be done after each wait; gives when there is more to do.
    fn turn(&mut self, phase: Phase) -> u64 {
        let now = self.state.shared.now();
        self.keep_alive(now);
        match (phase, self.state.shared.plan.schedule.is_some()) {
            (Phase::Connect, _) => self.open(now),
            (_, true) => self.by_the_clock(now),
            (Phase::Run, false) => self.by_the_window(now),
            _ => now + TICK,
        }
    }

    fn open(&mut self, now: u64) -> u64 {
        let state = &mut self.state;
        let plan = &state.shared.plan;
        let counts = state.counts();
        // Each thread has its part of the rate.
        let allowed = plan.connect_rate.map_or(f64::INFINITY, |rate| {
            Duration::from_nanos(now).as_secs_f64() * rate / plan.threads as f64
        });
        loop {
            let settled = counts.ready.now() + counts.failed.now();
            let under_way = state.opened as u64 - settled.min(state.opened as u64);
            let is_all = state.opened == state.connections.len();
            if is_all || under_way >= OPENING_MAX as u64 || state.opened as f64 >= allowed {
                return now + if allowed.is_finite() { SOON } else { TICK };
            }
            let at = state.opened;
            let of_all = state.number + at * plan.threads;
            let hello = state.hello(at);
            state.connections[at].begun = state.shared.now();
            state.opened += 1;
            let from = plan.source(of_all);
            if let Err(error) = self.crowd.open(plan.address, from, plan.tls(), hello) {
                state.over(at, &error.to_string());
            }
        }
    }

    /// Sends what is due, and says when more is.
    fn by_the_clock(&mut self, now: u64) -> u64 {
        let state = &mut self.state;
        let shared = state.shared;
        let plan = &shared.plan;
        let schedule = plan.schedule.as_ref().expect("there is a clock");
        let start = shared.start.load(Ordering::Relaxed);
        let end = shared.end.load(Ordering::Relaxed);
        let due = |number: u64, id: u32| {
            start + schedule.due(number * plan.publishers as u64 + u64::from(id))
        };
        let mut until = now + TICK;
        while !state.publishers.is_empty() {
            let (round, at) = state.next;
            let time = due(round, state.publishers[at].id);
            if time >= end {
                break;
            }
            if time > now {
                until = until.min(time);
                break;
            }
            state.publishers[at].due += 1;
            state.mark(at);
            state.next = if at + 1 == state.publishers.len() {
                (round + 1, 0)
            } else {
                (round, at + 1)
            };
        }
        let measured = measured(start, end);
        while let Some(at) = state.marked.pop() {
            let publisher = &mut state.publishers[at];
            publisher.is_marked = false;
            let Some(out) = self.crowd.out(publisher.at) else {
                continue;
            };
            let before = publisher.sent;
            while publisher.sent < publisher.due && out.len() < BACKLOG_BYTES {
                let Some(id) = publisher.take_id(plan.qos) else {
                    break;
                };
                let time = due(publisher.sent, publisher.id);
                publisher.put(out, id, plan.run, time);
                if measured.contains(&time) {
                    let late = now.saturating_sub(time) / 1000;
                    state.outcome.lateness.saturating_record(late);
                }
            }
            let more = publisher.sent - before;
            let connection = publisher.at;
            state.sent(at, more);
            self.crowd.flush(connection);
        }
        until
    }

    /// Sends what the windows allow, and rests if that is enough for a while.
    fn by_the_window(&mut self, now: u64) -> u64 {
        let state = &mut self.state;
        let shared = state.shared;
        // Before looking at what was delivered, so that no wake-up is missed.
        shared.hungry[state.number].store(true, Ordering::SeqCst);
        let is_look = now - state.looked_at > LOOK_NANOS;
        if is_look {
            state.looked_at = now;
            state.look_for_stalls(now);
        } else if shared.plan.threads > 1 {
            (0..state.publishers.len()).for_each(|at| state.mark(at));
        }
        let mut unfinished = Vec::new();
        while let Some(at) = state.marked.pop() {
            state.publishers[at].is_marked = false;
            if state.fill(at, &mut self.crowd, is_look) {
                unfinished.push(at);
            }
        }
        let is_busy = !unfinished.is_empty();
        unfinished.into_iter().for_each(|at| state.mark(at));
        let (under_way, done) = state.under_way();
        if let Some(pause) = state.rest.pause(now, under_way, done) {
            std::thread::sleep(pause);
        }
        if is_busy { now } else { now + TICK }
    }

    /// PINGREQ to one connection after the other, each twice in its keep alive.
    fn keep_alive(&mut self, now: u64) {
        let state = &mut self.state;
        let interval = nanos(state.shared.plan.keep_alive()) / 2;
        if interval == 0 || state.connections.is_empty() {
            return;
        }
        let count = state.connections.len() as u64;
        let due = (u128::from(now) * u128::from(count) / u128::from(interval)).try_into();
        let due = due.unwrap_or(u64::MAX);
        let mut ping = Vec::new();
        pingreq(&mut ping);
        // Who was busy does not make up for it.
        state.pings = state.pings.max(due.saturating_sub(count));
        while state.pings < due {
            let at = usize::try_from(state.pings % count).expect("less than a length");
            if state.connections[at].is_ready {
                self.crowd.say(at, &ping);
            }
            state.pings += 1;
        }
    }

    fn leave(&mut self) {
        let mut packet = Vec::new();
        let version = self.state.shared.plan.version;
        disconnect::encode(&mut packet, version, Reason::SUCCESS, &[]);
        for at in 0..self.state.opened {
            if self.state.connections[at].is_ready {
                self.crowd.say(at, &packet);
            }
            self.crowd.close(at);
        }
    }
}
