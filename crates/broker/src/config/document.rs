//! Writes the documented `ternmq.toml`: each key with its default, commented out.

use super::schema::{Key, TABLE, When};
use super::{Config, Lang};

const HEAD: &str = "\
# TernMQ configuration. Every key is optional; what is commented out is the default.
# TernMQ 配置文件。所有配置项都可省略；注释掉的值就是默认值。
#
# The same key can be set, in order of precedence / 同一配置项的优先级从高到低：
#   1. ternmq --set mqtt.max_inflight=100
#   2. TERNMQ__MQTT__MAX_INFLIGHT=100 ternmq
#   3. what was changed in the dashboard or through the API / 在控制台或通过 API 修改的值
#   4. this file / 本文件：ternmq --config ternmq.toml (./ternmq.toml, else /etc/ternmq/ternmq.toml, is read if it exists / 默认读取 ./ternmq.toml，其次 /etc/ternmq/ternmq.toml)
# SIGHUP reloads this file; keys marked [restart] wait for the next start.
# SIGHUP 重新加载本文件；标有 [restart] 的配置项重启后生效。
";

/// The whole file, made from the table: equal to `packaging/ternmq.toml` in the repository.
pub fn document() -> String {
    let config = Config::default();
    let mut text = HEAD.to_owned();
    for keys in TABLE {
        for section in keys.first().map_or(&[][..], |key| key.sections) {
            let keys = keys.iter().filter(|key| key.sections.contains(section));
            let section = section.replace('*', "default");
            text.push('\n');
            if !section.is_empty() {
                text.push_str(&format!("[{section}]\n"));
            }
            for key in keys {
                describe(&config, &section, key, &mut text);
            }
        }
    }
    text
}

fn describe(config: &Config, section: &str, key: &Key, text: &mut String) {
    let mut path: Vec<String> = section
        .split('.')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    path.push(key.name.to_owned());
    let value = (key.show)(config, &path).unwrap_or_default();
    let restart = if key.when != When::Reload {
        " [restart]"
    } else {
        ""
    };
    for (doc, lang) in key.doc.iter().zip([Lang::En, Lang::Zh]) {
        let allowed = (key.allowed)(lang);
        let mark = if lang == Lang::En { restart } else { "" };
        let line = if lang == Lang::En {
            format!("# {doc} ({allowed}){mark}\n")
        } else {
            format!("# {doc}（{allowed}）\n")
        };
        text.push_str(&line);
    }
    text.push_str(&format!("#{} = {value}\n", key.name));
}
