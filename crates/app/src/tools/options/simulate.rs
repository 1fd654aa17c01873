//! Options of `simulate`: which devices, how many, for how long.

use std::time::Duration;

use super::{Row, SIMULATE, Take};
use crate::tools::said::Said;
use crate::tools::settings::{Settings, Value};

const fn value(
    names: &'static [&'static str],
    name: &'static str,
    take: fn(&mut Settings, Value<'_>) -> Result<(), Said>,
    en: &'static str,
    zh: &'static str,
) -> Row {
    let take = Take::Value(name, take);
    Row {
        names,
        tools: SIMULATE,
        take,
        en,
        zh,
    }
}

pub(super) const ROWS: &[Row] = &[
    value(
        &["-sc", "--scenario", "--file"],
        "NAME|FILE",
        |s, v| {
            v.text()?.clone_into(&mut s.play.scenario);
            Ok(())
        },
        "A scenario by its name, or a file with one [default: sensors]",
        "场景名称或场景文件 [默认：sensors]",
    ),
    Row {
        names: &["--list"],
        tools: SIMULATE,
        take: Take::Flag(|s| s.play.is_list = true),
        en: "List the scenarios that are always there",
        zh: "列出内置场景",
    },
    value(
        &["--times", "--count"],
        "NUMBER",
        |s, v| {
            s.play.times = v.number(1, 10_000)?;
            Ok(())
        },
        "So many times as many of each device [default: 1]",
        "每种设备数量的倍数 [默认：1]",
    ),
    value(
        &["--seed"],
        "NUMBER",
        |s, v| {
            s.play.seed = Some(v.number(0, u64::MAX)?);
            Ok(())
        },
        "The same seed gives the same values [default: by chance]",
        "相同种子产生相同数值 [默认：随机]",
    ),
    value(
        &["--duration"],
        "SECONDS",
        |s, v| {
            s.play.duration = Some(Duration::from_secs_f64(v.number(0.1, 1e9)?));
            Ok(())
        },
        "How long [default: until Ctrl-C]",
        "运行多久 [默认：直到 Ctrl-C]",
    ),
];
