//! Why a configuration was refused, told in one line: where, which key, what is allowed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::schema::Key;

/// A language that texts are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    #[default]
    En,
    Zh,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line, counted from 1, of the file.
    File { path: PathBuf, line: usize },
    /// This environment variable.
    Env(String),
    /// Changed at run time, by the dashboard or the API, and kept in the store.
    Saved,
    /// `--set`, or another option of the command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Saved => f.write_str("saved"),
            Self::Flag => f.write_str("--set"),
        }
    }
}

/// A configuration that cannot be used. Its text ([`Display`](fmt::Display) in English) is one line.
#[derive(Clone, Debug)]
pub struct ConfigError(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    origin: Origin,
    key: String,
    problem: Problem,
}

#[derive(Clone, Debug)]
pub(super) enum Problem {
    /// No key of this name; the nearest, if one is near.
    Unknown(Option<String>),
    /// A section where a value was given, or a value where a section was.
    Shape,
    Value {
        given: String,
        key: &'static Key,
    },
    Syntax(String),
    Unreadable(String),
    NotAnAssignment,
    ListenerName,
    ListenerWithoutBind,
    /// The store is opened with it, so it cannot be saved there.
    Early,
    /// A listener that was deleted is named by the environment or a flag.
    StillThere,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(Lang::En))
    }
}

impl ConfigError {
    pub(super) fn new(origin: &Origin, key: &str, problem: Problem) -> Self {
        // Keys are shown as they were written: a line break in one must not break the line.
        let key = key.escape_debug().to_string();
        Self(Box::new(Parts {
            origin: origin.clone(),
            key: short(key),
            problem,
        }))
    }

    pub(super) fn unreadable(path: &Path, cause: &std::io::Error) -> Self {
        let problem = Problem::Unreadable(cause.to_string());
        Self::new(&Origin::Flag, &path.display().to_string(), problem)
    }

    /// The whole text in a language, without a line break.
    pub fn line(&self, lang: Lang) -> String {
        if let Problem::Unreadable(_) = self.0.problem {
            return self.what(lang);
        }
        format!("{}: {}", self.0.origin, self.what(lang))
    }

    /// The key that it is about, as it was written.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The same without where the value comes from.
    #[must_use]
    pub fn what(&self, lang: Lang) -> String {
        let Parts { key, problem, .. } = &*self.0;
        let zh = lang == Lang::Zh;
        match problem {
            Problem::Unknown(Some(nearest)) if zh => {
                format!("没有 {key} 这个配置项；是否应为 {nearest}？")
            }
            Problem::Unknown(Some(nearest)) => {
                format!("unknown key {key}; did you mean {nearest}?")
            }
            Problem::Unknown(None) if zh => {
                format!("没有 {key} 这个配置项；全部配置项见 ternmq.toml 样例")
            }
            Problem::Unknown(None) => {
                format!("unknown key {key}; the sample ternmq.toml lists all keys")
            }
            Problem::Shape if zh => format!("{key} 是一个小节，不能直接赋值"),
            Problem::Shape => format!("{key} is a section, not a value"),
            Problem::Value { given, key: known } => {
                let (given, allowed) = (short(given.clone()), (known.allowed)(lang));
                if zh {
                    format!("{key} = {given} 无效；允许：{allowed}")
                } else {
                    format!("{key} = {given} is not allowed; use {allowed}")
                }
            }
            Problem::Syntax(cause) if zh => format!("不是有效的 TOML：{cause}"),
            Problem::Syntax(cause) => format!("not valid TOML: {cause}"),
            Problem::Unreadable(cause) if zh => {
                format!("{key}：无法读取（{cause}）；请检查 --config 给出的路径和权限")
            }
            Problem::Unreadable(cause) => {
                format!("{key}: cannot be read ({cause}); check the path and its permissions")
            }
            Problem::NotAnAssignment if zh => format!("{key} 无效；写法是 --set 小节.键=值"),
            Problem::NotAnAssignment => {
                format!("{key} is not allowed; use --set section.key=value")
            }
            Problem::ListenerName if zh => {
                format!("{key}：监听器名称只能包含字母、数字、_ 和 -，最多 64 个字符")
            }
            Problem::ListenerName => {
                format!("{key}: use letters, digits, _ and - for a listener's name, at most 64")
            }
            Problem::ListenerWithoutBind if zh => format!("缺少 {key}；例如 {key} = 1884"),
            Problem::ListenerWithoutBind => format!("{key} is missing; for example {key} = 1884"),
            Problem::Early if zh => {
                format!(
                    "{key} 在打开数据之前就要用到，不能在运行时保存；请写在配置文件、环境变量或 --set 中"
                )
            }
            Problem::Early => format!(
                "{key} is needed before the saved settings can be read; set it in the file, the \
                 environment or with --set"
            ),
            Problem::StillThere if zh => {
                format!("{key} 已被删除，但环境变量或 --set 又提到了它，因此保留")
            }
            Problem::StillThere => {
                format!("{key} was deleted, but the environment or --set names it, so it stays")
            }
        }
    }
}

/// Cuts what would make a line unreadable.
fn short(text: String) -> String {
    if text.chars().count() <= 80 {
        return text;
    }
    text.chars().take(77).chain("...".chars()).collect()
}
