//! When a message is due that is sent by the clock, and how long to wait with nothing else to do when
//! there is no clock.

use std::time::Duration;

/// Messages by the clock: the time of each is known beforehand, so one that is sent late counts as late.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    per_second: f64,
    /// Seconds in which the rate grows from nothing.
    ramp: f64,
}

impl Schedule {
    pub(super) fn new(per_second: f64, ramp: Duration) -> Self {
        let ramp = ramp.as_secs_f64();
        Self { per_second, ramp }
    }

    /// When message `number` of all is due, in nanoseconds after the first.
    pub(super) fn due(&self, number: u64) -> u64 {
        let number = number as f64;
        let in_ramp = self.per_second * self.ramp / 2.0;
        let secs = if number < in_ramp {
            (2.0 * number * self.ramp / self.per_second).sqrt()
        } else {
            self.ramp + (number - in_ramp) / self.per_second
        };
        nanos(Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX))
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The most that is waited.
const REST_MAX: f64 = 500_000.0;
/// Less is not worth asking the system for.
const REST_MIN: f64 = 5_000.0;
/// How long a rate is measured.
const MEASURE: u64 = 20_000_000;

/// While the broker has enough to do, a rest makes reads fewer and larger, so that this program leaves
/// it the processor. It never takes more than a quarter of the time in which the broker does it.
#[derive(Debug, Default)]
pub(super) struct Rest {
    at: u64,
    done: u64,
    per_nano: f64,
}

impl Rest {
    /// How long, with so many under way and so many done by now.
    pub(super) fn pause(&mut self, now: u64, under_way: u64, done: u64) -> Option<Duration> {
        let time = now.saturating_sub(self.at);
        if time > MEASURE {
            let rate = done.saturating_sub(self.done) as f64 / time as f64;
            self.per_nano = (self.per_nano + rate) / 2.0;
            (self.at, self.done) = (now, done);
        }
        if self.per_nano == 0.0 {
            return None;
        }
        let nanos = (under_way as f64 / self.per_nano / 4.0).min(REST_MAX);
        (nanos >= REST_MIN).then(|| Duration::from_secs_f64(nanos / 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_one_after_the_other() {
        let schedule = Schedule::new(1000.0, Duration::ZERO);
        assert_eq!(schedule.due(0), 0);
        assert_eq!(schedule.due(5), 5_000_000);
        // 1,000 a second after two seconds of growing are 1,000 by then.
        let ramp = Schedule::new(1000.0, Duration::from_secs(2));
        let close = |number, secs: f64| {
            let found = ramp.due(number) as f64 / 1e9;
            assert!((found - secs).abs() < 1e-6, "{number}: {found}");
        };
        close(0, 0.0);
        close(250, 1.0);
        close(1000, 2.0);
        close(3000, 4.0);
        for number in 0..2000 {
            assert!(ramp.due(number) < ramp.due(number + 1));
        }
    }

    #[test]
    fn a_rest_is_a_quarter_of_the_work_and_never_long() {
        let mut rest = Rest::default();
        assert_eq!(rest.pause(0, 1000, 0), None);
        // A message a microsecond, or half of that as the first estimate.
        let pause = rest.pause(100_000_000, 400, 100_000).unwrap();
        assert!((190..=210).contains(&pause.as_micros()), "{pause:?}");
        let longest = rest.pause(100_000_001, 1_000_000, 100_000).unwrap();
        assert_eq!(longest, Duration::from_micros(500));
        assert_eq!(rest.pause(100_000_002, 1, 100_000), None);
    }
}
