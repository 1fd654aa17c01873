//! Clients that come and go too often. Each is counted where its session lives; who comes and goes too often
//! is named to the control plane, which bans it.

use std::collections::HashMap;

use engine::{Cause, Close, Ending, Time};

use crate::config::FlappingDetect;

/// Clients that are counted at one time.
const COUNTED_MAX: usize = 20_000;

/// How often each has gone, and since when that is counted.
#[derive(Debug, Default)]
pub(super) struct Flapping {
    gone: HashMap<Box<str>, (u32, Time)>,
}

impl Flapping {
    /// A client has gone. Whether that was once too often; then it is counted anew.
    pub(super) fn count(
        &mut self,
        client_id: &str,
        ending: Ending,
        now: Time,
        terms: &FlappingDetect,
    ) -> bool {
        if is_our_doing(ending) {
            return false;
        }
        let window = super::millis(terms.window_time);
        if let Some((count, since)) = self.gone.get_mut(client_id) {
            if now.since(*since) > window {
                (*count, *since) = (0, now);
            }
            *count += 1;
            if *count < terms.max_count {
                return false;
            }
            self.gone.remove(client_id);
            return true;
        }
        if self.gone.len() >= COUNTED_MAX {
            self.gone
                .retain(|_, (_, since)| now.since(*since) <= window);
        }
        if self.gone.len() >= COUNTED_MAX {
            // Names that somebody makes up go before those that come again.
            self.gone.retain(|_, (count, _)| *count > 1);
        }
        if self.gone.len() < COUNTED_MAX {
            self.gone.insert(client_id.into(), (1, now));
        }
        false
    }

    /// It is not looked for any more.
    pub(super) fn forget(&mut self) {
        self.gone = HashMap::new();
    }
}

/// Whether we, and not the client or its network, ended it.
fn is_our_doing(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::Expelled(Close {
            cause: Cause::Banned | Cause::Kicked | Cause::ListenerStopped | Cause::ShuttingDown,
            ..
        })
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn terms() -> FlappingDetect {
        FlappingDetect {
            max_count: 3,
            ..Config::default().flapping_detect
        }
    }

    #[test]
    fn so_often_in_the_window() {
        let mut flapping = Flapping::default();
        let mut goes = |id: &str, at| flapping.count(id, Ending::Lost, Time(at), &terms());
        assert_eq!([goes("a", 0), goes("a", 1), goes("b", 1)], [false; 3]);
        assert!(goes("a", 60_000), "three times in a minute");
        assert_eq!([goes("a", 60_001), goes("a", 60_002)], [false; 2]);
        assert_eq!(
            [goes("b", 61_001), goes("b", 62_001), goes("b", 121_002)],
            [false; 3]
        );
    }

    #[test]
    fn what_we_do_is_not_its_fault() {
        let mut flapping = Flapping::default();
        let kicked = Ending::Expelled(Cause::Kicked.close());
        let taken = Ending::Expelled(Cause::TakenOver.close());
        let mut counts = |ending| {
            let mut each = (0..4).map(|at| flapping.count("a", ending, Time(at), &terms()));
            each.any(|banned| banned)
        };
        assert!(!counts(kicked));
        assert!(counts(taken));
    }

    /// Names that are made up do not crowd out one that comes again and again.
    #[test]
    fn made_up_names_do_not_hide_others() {
        let mut flapping = Flapping::default();
        let mut found = false;
        for n in 0..3 * COUNTED_MAX {
            let now = Time(n as u64 / 10_000);
            flapping.count(&format!("made-up-{n}"), Ending::Lost, now, &terms());
            if n % (COUNTED_MAX / 2) == 1 {
                found |= flapping.count("a", Ending::Lost, now, &terms());
            }
            assert!(flapping.gone.len() <= COUNTED_MAX);
        }
        assert!(found);
    }
}
