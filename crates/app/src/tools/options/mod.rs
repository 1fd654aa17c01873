//! The options of all tools, one row each: names, value, what it does, and its help. Reading the
//! arguments, and the help, are made from these rows. Names are mosquitto's and MQTTX's.

mod connection;
mod message;
mod read;

pub(super) use read::{Asked, read};

use super::Tool;
use super::said::{Said, said};
use super::settings::{Settings, Value};
use crate::text::Text;

/// Tools that have an option.
const PUB: u8 = 1;
const SUB: u8 = 2;
const RR: u8 = 4;
const CONN: u8 = 8;
const ALL: u8 = PUB | SUB | RR | CONN;

struct Row {
    /// The short one first.
    names: &'static [&'static str],
    tools: u8,
    take: Take,
    en: &'static str,
    zh: &'static str,
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
    };
    let all = message::ROWS.iter().chain(connection::ROWS);
    all.filter(move |row| row.tools & bit != 0)
}

pub(super) fn no_tls() -> Said {
    said(
        "TLS is not there yet: use a listener without it, or a tunnel such as ssh -L",
        "暂不支持 TLS：请使用非 TLS 端口，或借助 ssh -L 等隧道",
    )
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
    for row in rows(tool).filter(|row| !matches!(row.take, Take::Refused(_))) {
        let value = match row.take {
            Take::Value(name, _) => name,
            Take::Property => "PACKET NAME VALUE",
            _ => "",
        };
        let names = row.names.join(", ");
        let what = text.pick(row.en, row.zh);
        page += &format!("  {names} {value}").trim_end().replace('\n', " ");
        page += &format!("\n        {what}\n");
    }
    page += text.pick(
        "\nDefaults: options, one a line, in ternmq/pub (sub, rr, conn) or else mosquitto_pub (_sub, _rr)\n\
         below $XDG_CONFIG_HOME or ~/.config. Passwords: --password-file, --ask-password, or TERNMQ_PASSWORD\n\
         or TERNMQ_PASSWORD_FILE in the environment; on the command line every user of the machine reads them.\n",
        "\n默认选项：$XDG_CONFIG_HOME 或 ~/.config 下的 ternmq/pub（sub、rr、conn），不存在时读取 mosquitto_pub\n\
         （_sub、_rr），每行一个选项。密码：--password-file、--ask-password，或环境变量 TERNMQ_PASSWORD、\n\
         TERNMQ_PASSWORD_FILE；写在命令行上的密码本机所有用户都能看到。\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_things() {
        for tool in [Tool::Publish, Tool::Subscribe, Tool::Request, Tool::Doctor] {
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
            for tool in [Tool::Publish, Tool::Subscribe, Tool::Request, Tool::Doctor] {
                let page = help(tool, text);
                for row in rows(tool).filter(|row| !matches!(row.take, Take::Refused(_))) {
                    assert!(page.contains(&row.names.join(", ")), "{:?}", row.names);
                    assert!(!row.en.is_empty() && !row.zh.is_empty(), "{:?}", row.names);
                }
            }
        }
    }
}
