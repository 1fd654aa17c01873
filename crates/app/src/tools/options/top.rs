//! Options of `top`.

use std::time::Duration;

use super::{Row, TOP, Take};

pub(super) const ROWS: &[Row] = &[
    Row {
        names: &["-p", "--port"],
        tools: TOP,
        take: Take::Value("PORT", |s, v| {
            s.port = Some(v.number(1, u16::MAX)?);
            Ok(())
        }),
        en: "Port of its dashboard [default: 18083]",
        zh: "控制台端口 [默认：18083]",
    },
    Row {
        names: &["-u", "--username"],
        tools: TOP,
        take: Take::Value("NAME", |s, v| {
            s.user_name = Some(v.owned()?);
            Ok(())
        }),
        en: "User of the dashboard [default: admin, with the password of a fresh broker]",
        zh: "控制台用户 [默认：admin 及初始密码]",
    },
    Row {
        names: &["--interval"],
        tools: TOP,
        take: Take::Value("SECONDS", |s, v| {
            s.watch.interval = Duration::from_secs_f64(v.number(0.2, 3600.0)?);
            Ok(())
        }),
        en: "Between two looks [default: 2]",
        zh: "刷新间隔 [默认：2]",
    },
    Row {
        names: &["--once"],
        tools: TOP,
        take: Take::Flag(|s| s.watch.is_once = true),
        en: "Print once and end, as it does without a terminal",
        zh: "只打印一次，如同没有终端时",
    },
];
