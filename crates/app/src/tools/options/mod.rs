//! The options of all tools, one row each: names, value, what it does, and its help. Reading the
//! arguments, and the help, are made from these rows. Names are mosquitto's and MQTTX's.

mod bench;
mod connection;
mod message;
mod profile;
mod read;
mod simulate;
mod tls;
mod top;

pub(super) use read::{Asked, read};

use super::Tool;
use super::bench::Kind;
use super::said::Said;
use super::settings::{Settings, Value};
use crate::manual::Choice;
use crate::text::Text;

/// Tools that have an option.
const PUB: u16 = 1;
const SUB: u16 = 2;
const RR: u16 = 4;
const CONN: u16 = 8;
const BENCH_PUB: u16 = 16;
const BENCH_SUB: u16 = 32;
const BENCH_CONN: u16 = 64;
const LATENCY: u16 = 128;
const SIMULATE: u16 = 256;
const TOP: u16 = 512;
const BENCH: u16 = BENCH_PUB | BENCH_SUB | BENCH_CONN | LATENCY;
const ALL: u16 = PUB | SUB | RR | CONN;
/// Those with connections by the hundred.
const MANY: u16 = BENCH | SIMULATE;

struct Row {
    /// The short one first.
    names: &'static [&'static str],
    tools: u16,
    take: Take,
    en: &'static str,
    zh: &'static str,
}

impl Row {
    /// An option that these tools have, too.
    const fn also(mut self, tools: u16) -> Self {
        self.tools |= tools;
        self
    }
}

#[derive(Clone, Copy)]
enum Take {
    Flag(fn(&mut Settings)),
    /// What the value is called, and what becomes of it.
    Value(
        &'static str,
        fn(&mut Settings, Value<'_>) -> Result<(), Said>,
    ),
    /// A property: packet, name and value.
    Property,
    /// Known elsewhere, and not to be had here.
    Refused(fn() -> Said),
    Help,
    Version,
}

fn rows(tool: Tool) -> impl Iterator<Item = &'static Row> {
    let bit = match tool {
        Tool::Publish => PUB,
        Tool::Subscribe => SUB,
        Tool::Request => RR,
        Tool::Doctor => CONN,
        Tool::Bench(Kind::Publish) => BENCH_PUB,
        Tool::Bench(Kind::Subscribe) => BENCH_SUB,
        Tool::Bench(Kind::Connect) => BENCH_CONN,
        Tool::Bench(Kind::Latency) => LATENCY,
        Tool::Simulate => SIMULATE,
        Tool::Top => TOP,
    };
    let rooms = [
        message::ROWS,
        bench::ROWS,
        simulate::ROWS,
        top::ROWS,
        connection::ROWS,
        tls::ROWS,
    ];
    let all = rooms.into_iter().flatten();
    all.filter(move |row| row.tools & bit != 0)
}

/// The page that `--help` prints.
pub(super) fn help(tool: Tool, text: Text) -> String {
    let mut page = format!(
        "{}\n\n{}: ternmq {} {}\n\n",
        tool.about(text),
        text.pick("Usage", "用法"),
        tool.name(),
        tool.usage(text)
    );
    for choice in choices(tool, text) {
        let names = choice.names.join(", ");
        let value = choice.value.unwrap_or_default();
        page += format!("  {names} {value}").trim_end();
        page += &format!("\n        {}\n", choice.help);
    }
    page + "\n" + &note(tool, text) + "\n"
}

/// The options that a tool has.
pub(crate) fn choices(tool: Tool, text: Text) -> Vec<Choice> {
    let offered = rows(tool).filter(|row| !matches!(row.take, Take::Refused(_)));
    let choice = |row: &Row| Choice {
        names: row.names.iter().map(ToString::to_string).collect(),
        value: match row.take {
            Take::Value("", _) => None,
            Take::Value(name, _) => Some(name.to_owned()),
            Take::Property => Some("PACKET NAME VALUE".to_owned()),
            _ => None,
        },
        help: text.pick(row.en, row.zh).to_owned(),
    };
    offered.map(choice).collect()
}

/// What else there is to know of a tool.
pub(crate) fn note(tool: Tool, text: Text) -> String {
    let codes = match tool {
        Tool::Bench(_) => text.pick(
            "Exit code: 0 all went well, 1 it could not run, 2 it ran and something was lost, doubled, out of\n\
             order, refused or cut off.\n\n",
            "退出码：0 一切正常，1 无法运行，2 已运行但有丢失、重复、乱序、被拒绝或连接中断。\n\n",
        ),
        Tool::Simulate => text.pick(
            "Exit code: 0 all went well, 1 it could not run, 2 messages were skipped or refused, or connections\n\
             lost.\n\n",
            "退出码：0 一切正常，1 无法运行，2 有消息被跳过或拒绝，或连接中断。\n\n",
        ),
        _ => "",
    };
    let defaults = text.pick(
        "Defaults: options, one a line, in ternmq/pub (sub, rr, conn, bench-pub ...) or else mosquitto_pub\n\
         (_sub, _rr) below $XDG_CONFIG_HOME or ~/.config. Profiles: the same below [NAME] in ternmq/profiles,\n\
         for --profile NAME of any tool. Passwords: --password-file, --ask-password, or\n\
         TERNMQ_PASSWORD or TERNMQ_PASSWORD_FILE in the environment; on the command line every user of the\n\
         machine reads them.",
        "默认选项：$XDG_CONFIG_HOME 或 ~/.config 下的 ternmq/pub（sub、rr、conn、bench-pub 等），不存在时读取\n\
         mosquitto_pub（_sub、_rr），每行一个选项。配置组：同目录 ternmq/profiles 中 [名称] 之下的选项，所有工具\n\
         都可用 --profile 名称 选用。密码：--password-file、--ask-password，或环境变量\n\
         TERNMQ_PASSWORD、TERNMQ_PASSWORD_FILE；写在命令行上的密码本机所有用户都能看到。",
    );
    codes.to_owned() + defaults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_things() {
        for tool in Tool::ALL {
            let names: Vec<&str> = rows(tool)
                .flat_map(|row| row.names.iter().copied())
                .collect();
            for (at, name) in names.iter().enumerate() {
                assert!(!names[at + 1..].contains(name), "{tool:?}: {name}");
            }
        }
    }

    #[test]
    fn help_has_every_option_in_both_languages() {
        for locale in ["C", "zh_CN.UTF-8"] {
            let text = Text::from_env(|_| Some(locale.to_owned()));
            for tool in Tool::ALL {
                let page = help(tool, text);
                for row in rows(tool).filter(|row| !matches!(row.take, Take::Refused(_))) {
                    assert!(page.contains(&row.names.join(", ")), "{:?}", row.names);
                    assert!(!row.en.is_empty() && !row.zh.is_empty(), "{:?}", row.names);
                }
            }
        }
    }
}
