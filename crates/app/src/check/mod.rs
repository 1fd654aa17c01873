//! `ternmq check`: who comes in by which listener of the broker that runs on a data directory, and its weak
//! points; where none runs, those of its settings and files. Ends with 0 if nothing is dangerous, 1 if something
//! is, 2 if it was not looked.

mod text;

use std::io::{self, Write as _};
use std::process::ExitCode;

use api::control::{self, CallError, Checked, Findings};
use broker::config::{Config, Profile};
use broker::security::{Point, Severity, before_start, doors, judge};

use crate::cli::Options;
use crate::log;
use crate::text::Text;

/// Exit code where something is dangerous.
const DANGEROUS: u8 = 1;
const DANGER: &str = "danger";
const FINE: &str = "fine";

/// Looks and tells. `all` tells of what is fine, too. An error is one line for people.
pub(crate) fn run(all: bool, options: &Options, text: Text) -> Result<ExitCode, String> {
    let (_, loaded) = crate::load(options).map_err(|error| error.line(text.lang()))?;
    let _log =
        log::to_standard_error(&loaded.config.log).map_err(|error| text.no_log(None, &error))?;
    let config = &loaded.config;
    let dir = &config.node.data_dir;
    let (asked, Findings { doors, points }) = match control::check(dir, text.lang()) {
        Ok(found) => (true, found),
        Err(CallError::NotRunning) => (false, by_settings(config, text)),
        Err(error) => return Err(text.not_checked(&error)),
    };
    let mut lines = String::new();
    if !asked {
        let shown = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
        lines += &text.by_settings_alone(&shown.display().to_string());
    }
    lines += &told(&points, all, text);
    lines += &text.doors(&doors);
    let _ = io::stdout().write_all(lines.as_bytes());
    // What is dangerous cannot be put aside, and what is put aside fails nothing.
    let fails = |point: &Checked| point.severity == DANGER && !point.aside;
    Ok(if points.iter().any(fails) {
        DANGEROUS.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// In the profile `production` a broker does not start where something is dangerous, unless somebody has
/// accepted that.
///
/// # Errors
/// One line on what is dangerous, and what to do.
pub(crate) fn must_be_safe(config: &Config, points: &[Point], text: Text) -> Result<(), String> {
    if config.node.profile != Profile::Production {
        return Ok(());
    }
    let accepted = &config.node.accepted_risks;
    let mut dangers = points
        .iter()
        .filter(|point| point.severity == Severity::Danger && !accepted.contains(&point.id));
    let Some(first) = dangers.next() else {
        return Ok(());
    };
    let words = first.words(text.lang());
    Err(text.not_safe(&words.what, &words.remedy, first.id.name(), dangers.count()))
}

fn by_settings(config: &Config, text: Text) -> Findings {
    let points = judge(config, &before_start(config));
    let told = points.iter().map(|point| {
        let words = point.words(text.lang());
        Checked {
            severity: point.severity.name().to_owned(),
            id: point.id.name().to_owned(),
            what: words.what,
            remedy: words.remedy,
            aside: false,
        }
    });
    Findings {
        doors: doors(config, None, text.lang()),
        points: told.collect(),
    }
}

/// The worst first; what was put aside in one line each, before what is fine.
fn told(points: &[Checked], all: bool, text: Text) -> String {
    let mut lines = String::new();
    let mut fine = 0;
    let aside: Vec<_> = points.iter().filter(|point| point.aside).collect();
    for severity in [DANGER, "warning", FINE] {
        if severity == FINE {
            for point in &aside {
                lines += &text.point_aside(&point.id, &point.what);
            }
        }
        let counted = points.iter().filter(|point| !point.aside);
        for point in counted.filter(|point| point.severity == severity) {
            if severity == FINE {
                fine += 1;
                if !all {
                    continue;
                }
            }
            lines += &text.point(severity, &point.id, &point.what);
            if !point.remedy.is_empty() {
                lines += &text.remedy(&point.remedy);
            }
        }
    }
    lines + &text.checked_points(points.len(), fine, aside.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_starts_only_where_nothing_is_dangerous() {
        use broker::config::Sources;
        use broker::security::Id;

        let point = |id, severity| Point {
            id,
            severity,
            facts: vec![],
            aside: None,
        };
        let points = [
            point(Id::Rules, Severity::Warning),
            point(Id::DefaultPassword, Severity::Danger),
            point(Id::Dashboard, Severity::Danger),
        ];
        let text = Text::from_env(|_| None);
        let starts = |sets: &[&str]| {
            let sources = Sources {
                sets: sets.iter().map(|set| (*set).to_owned()).collect(),
                ..Sources::default()
            };
            let config = Config::load(&sources).unwrap().config;
            must_be_safe(&config, &points, text)
        };
        assert!(starts(&[]).is_ok());
        let line = starts(&["profile=production"]).unwrap_err();
        assert!(
            line.contains("reset-password") && line.contains("1 more"),
            "{line}"
        );
        assert!(!line.contains('\n'), "{line}");
        let one = "accepted_risks=default_password";
        let line = starts(&["profile=production", one]).unwrap_err();
        assert!(line.contains("accepted_risks = [\"dashboard\"]"), "{line}");
        let both = "accepted_risks=[\"default_password\", \"dashboard\"]";
        assert!(starts(&["profile=production", both]).is_ok());
    }

    #[test]
    fn the_worst_first_and_the_fine_counted() {
        let point = |severity: &str, id: &str, remedy: &str| Checked {
            severity: severity.to_owned(),
            id: id.to_owned(),
            what: format!("What {id} is."),
            remedy: remedy.to_owned(),
            aside: false,
        };
        let points = [
            point(FINE, "durability", ""),
            point("warning", "rules", "Write some."),
            point(DANGER, "anonymous", "End it."),
        ];
        let text = Text::from_env(|_| None);
        let lines = told(&points, false, text);
        let expected = "danger   anonymous: What anonymous is.\n         End it.\n\
                        warning  rules: What rules is.\n         Write some.\n\
                        3 points looked at, 1 of them fine\n";
        assert_eq!(lines, expected);
        let lines = told(&points, true, text);
        assert!(lines.contains("fine     durability: What"), "{lines}");
        let aside = points.clone().map(|point| Checked {
            aside: point.id == "rules",
            ..point
        });
        let lines = told(&aside, false, text);
        assert!(
            lines.ends_with(
                "aside    rules: What rules is.\n3 points looked at, 1 of them fine, 1 put aside\n"
            ),
            "{lines}"
        );
        let zh = told(&points, true, Text::from_env(|_| Some("zh_CN".to_owned())));
        assert!(
            zh.contains("危险     anonymous") && zh.contains("其中 1 项正常"),
            "{zh}"
        );
    }
}
