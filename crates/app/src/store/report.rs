//! What opening a store found, for whoever starts it: a line or three, and one each second while it
//! takes long.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use broker::store::{Damage, Harm, Progress, Recovery};

use crate::text::Text;

/// Damaged places that are told one by one.
const PLACES_MAX: usize = 20;
/// Who waits longer than this wants to know why.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the records of a store are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) sessions: u64,
    pub(crate) retained: u64,
}

/// One to three lines: what is there, how it was left, what is damaged. `kept` once it is known.
pub(crate) fn recovery(found: &Recovery, dir: &str, kept: Option<Kept>, text: Text) -> String {
    let mut lines = opened(found, dir, kept, text);
    let damaged: Vec<_> = found
        .damage
        .iter()
        .filter(|damage| damage.what != Harm::TornTail)
        .collect();
    if let Some(first) = damaged.first() {
        lines += &text.store_damaged(damaged.len(), &text.damage(first));
    }
    lines
}

/// The same for those who tell all the damage themselves.
pub(super) fn opened(found: &Recovery, dir: &str, kept: Option<Kept>, text: Text) -> String {
    if !found.existed {
        return text.store_new(dir);
    }
    let mut lines = text.store_found(found, kept);
    if !found.closed {
        lines += &text.store_cut_off(found.torn_bytes);
    }
    lines
}

/// A line for each damaged place, and how many there are beyond a screen of them.
pub(super) fn places(damage: &[Damage], text: Text) -> String {
    let shown = damage.iter().take(PLACES_MAX);
    let mut lines: String = shown
        .map(|damage| format!("           {}\n", text.damage(damage)))
        .collect();
    if damage.len() > PLACES_MAX {
        lines += &text.more_places(damage.len() - PLACES_MAX);
    }
    lines
}

/// Tells on standard error how far opening has come, each second from the first on.
pub(crate) fn progress(text: Text) -> impl Fn(Progress) + Send + Sync + 'static {
    progress_with(text, |_| {})
}

/// The same, and gives each line to `told`, too.
pub(crate) fn progress_with(
    text: Text,
    told: impl Fn(&str) + Send + Sync + 'static,
) -> impl Fn(Progress) + Send + Sync + 'static {
    let next = Mutex::new(Instant::now() + PATIENCE);
    move |at| {
        // Whoever finds it locked would say the same.
        let Ok(mut next) = next.try_lock() else {
            return;
        };
        let now = Instant::now();
        if now >= *next {
            *next = now + PATIENCE;
            let line = text.store_opening(at);
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
            told(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> [Text; 2] {
        [
            Text::from_env(|_| None),
            Text::from_env(|_| Some("zh_CN".to_owned())),
        ]
    }

    fn found() -> Recovery {
        Recovery {
            existed: true,
            closed: true,
            files: 3,
            bytes: 12_900_000,
            messages: 260,
            keys: 40,
            took: Duration::from_millis(120),
            ..Recovery::default()
        }
    }

    #[test]
    fn a_new_store_and_a_closed_one_are_one_line() {
        let [en, zh] = texts();
        let new = Recovery::default();
        let line = recovery(&new, "/d/store", None, en);
        assert_eq!(line, "Store      /d/store (made anew)\n");
        let line = recovery(&new, "/d/store", None, zh);
        assert_eq!(line, "存储       /d/store（新建）\n");
        let line = recovery(&found(), "/d/store", None, en);
        assert_eq!(
            line,
            "Store      260 messages, 40 records of sessions and the like; 12.3 MB, opened in 0.1 s\n"
        );
        let kept = Kept {
            sessions: 5,
            retained: 1,
        };
        let line = recovery(&found(), "/d/store", Some(kept), en);
        assert!(
            line.contains("260 messages, 5 sessions, 1 retained message;"),
            "{line}"
        );
        let line = recovery(&found(), "/d/store", Some(kept), zh);
        assert_eq!(
            line,
            "存储       260 条消息、5 个会话、1 条保留消息；12.3 MB，打开用时 0.1 秒\n"
        );
    }

    #[test]
    fn what_was_dropped_and_what_is_damaged_is_told() {
        let torn = Damage {
            path: "kv/1.seg".into(),
            offset: 10,
            bytes: 5,
            what: Harm::TornTail,
        };
        let bad = |offset| Damage {
            path: "log-000/1.seg".into(),
            offset,
            bytes: 246,
            what: Harm::Record(Some(7)),
        };
        let found = Recovery {
            closed: false,
            torn_bytes: 5,
            damage: vec![torn, bad(1), bad(500)],
            ..found()
        };
        for text in texts() {
            let lines = recovery(&found, "/d", None, text);
            assert_eq!(lines.lines().count(), 3, "{lines}");
            let [_, left, damaged] = *lines.lines().collect::<Vec<_>>() else {
                panic!("{lines}")
            };
            assert!(left.contains('5'), "{lines}");
            assert!(
                damaged.contains('2') && damaged.contains("log-000/1.seg"),
                "{lines}"
            );
            assert!(damaged.contains("ternmq store check"), "{lines}");
        }
    }

    #[test]
    fn many_places_are_counted() {
        let place = Damage {
            path: "x".into(),
            offset: 0,
            bytes: 0,
            what: Harm::Spare,
        };
        for text in texts() {
            let lines = places(&vec![place.clone(); 25], text);
            assert_eq!(lines.lines().count(), 21);
            assert!(lines.lines().last().unwrap().contains('5'));
        }
    }
}
