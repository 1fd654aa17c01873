//! What grows old unseen: this program, and the last backup.

use super::{Fact, Id, Point, judge::warning_unless};

/// The day of this release, or of the last change of its version: written here and not asked of anything, so that
/// the same source gives the same program, with and without its history. `CONTRIBUTING.md` says when it changes.
pub const RELEASED: &str = "2026-11-26";
/// A release that is older has missed what was mended since.
const RELEASE_DAYS: i64 = 365;
/// So long may there be data without a backup: whoever only tries is not disturbed.
const DATA_DAYS: i64 = 7;
/// So old may the last backup be.
const BACKUP_DAYS: i64 = 30;
const DAY_MILLIS: u64 = 86_400_000;

/// What is known of backups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backups {
    /// For how many days there has been what a backup would keep; `None` if there is nothing.
    pub data_days: Option<i64>,
    /// Since the last one, if any was made.
    pub last_days: Option<i64>,
}

/// Looks for a newer release nowhere: the broker tells nobody that it is there. A clock that is wrong and stands
/// before the release says nothing of its age.
pub(super) fn release(today: i64) -> Point {
    let released = day(RELEASED).expect("the constant is a date");
    let days = (today - released).max(0);
    Point {
        id: Id::OldVersion,
        severity: warning_unless(days <= RELEASE_DAYS),
        facts: vec![
            ("version", Fact::Text(env!("CARGO_PKG_VERSION").to_owned())),
            ("released", Fact::Text(RELEASED.to_owned())),
            ("days", Fact::Number(days)),
        ],
        aside: None,
    }
}

impl Backups {
    pub(super) fn point(self) -> Point {
        let is_due = self.data_days.is_some_and(|days| days > DATA_DAYS);
        let is_fresh = self.last_days.is_some_and(|days| days <= BACKUP_DAYS);
        Point {
            id: Id::BackupAge,
            severity: warning_unless(is_fresh || !is_due),
            facts: vec![
                ("has_data", Fact::Flag(self.data_days.is_some())),
                ("made", Fact::Flag(self.last_days.is_some())),
                ("days", Fact::Number(self.last_days.unwrap_or(0))),
            ],
            aside: None,
        }
    }
}

/// Whole days from one time to another; none if the clock was set back in between.
pub(crate) fn days_between(from_millis: u64, to_millis: u64) -> i64 {
    let days = to_millis.saturating_sub(from_millis) / DAY_MILLIS;
    i64::try_from(days).unwrap_or(i64::MAX)
}

/// Of the system's clock, since 1970.
pub(crate) fn today() -> i64 {
    days_between(0, crate::marks::now_millis())
}

/// The days from 1970 to a date such as `2026-01-31`.
fn day(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Years begin in March, so that a leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(365 * year + leaps + (153 * from_march + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::Severity::{Fine, Warning};

    #[test]
    fn dates_are_days() {
        for (date, due) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2026-11-26", 20_783),
        ] {
            assert_eq!(day(date), Some(due), "{date}");
        }
        assert_eq!(day("soon"), None);
    }

    #[test]
    fn a_release_is_old_after_a_year_and_never_before_its_day() {
        let released = day(RELEASED).unwrap();
        for (since, due) in [
            (-20_000, Fine),
            (-1, Fine),
            (0, Fine),
            (365, Fine),
            (366, Warning),
        ] {
            assert_eq!(release(released + since).severity, due, "{since}");
        }
    }

    /// Where the changelog has the day of this version, it is the day that is compiled in.
    #[test]
    fn the_day_is_that_of_the_changelog() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../CHANGELOG.md");
        let text = std::fs::read_to_string(file).unwrap();
        let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
        let line = text.lines().find(|line| line.starts_with(&heading));
        assert!(line.is_none_or(|line| line.contains(RELEASED)), "{line:?}");
    }

    #[test]
    fn data_of_a_week_wants_a_backup_of_this_month() {
        for (data_days, last_days, due) in [
            (None, None, Fine),
            (None, Some(400), Fine),
            (Some(0), None, Fine),
            (Some(7), None, Fine),
            (Some(8), None, Warning),
            (Some(8), Some(0), Fine),
            (Some(90), Some(30), Fine),
            (Some(90), Some(31), Warning),
        ] {
            let backups = Backups {
                data_days,
                last_days,
            };
            assert_eq!(backups.point().severity, due, "{backups:?}");
        }
        assert_eq!(days_between(5, 3), 0);
    }
}
