//! What `ternmq check` says, in English and Chinese side by side.

use std::fmt::Display;

use crate::text::Text;

impl Text {
    pub(crate) fn help_check(self) -> &'static str {
        self.pick(
            "Say who comes in by which listener, what strangers could do to the broker, and what to do about it; without a running broker, by the settings and files alone",
            "列出各监听器允许谁连接，检查安全薄弱点并给出补救办法；服务器未运行时只看配置与文件",
        )
    }
    pub(crate) fn help_check_all(self) -> &'static str {
        self.pick("Tell of what is fine, too", "正常的项目也列出")
    }
    pub(crate) fn help_check_codes(self) -> &'static str {
        self.pick(
            "Exit code: 0 nothing is dangerous, 1 something is, 2 not looked",
            "退出码：0 没有危险，1 有危险，2 未检查",
        )
    }
    pub(super) fn not_checked(self, cause: &dyn Display) -> String {
        self.pick(
            format!("the broker could not be asked: {cause}"),
            format!("无法询问服务器：{cause}"),
        )
    }
    /// Why a start in production is refused; `more` others are dangerous, too.
    pub(super) fn not_safe(self, what: &str, remedy: &str, id: &str, more: usize) -> String {
        let others = match more {
            0 => String::new(),
            more => self.pick(
                format!(" ({more} more: ternmq check)"),
                format!("（另有 {more} 项：ternmq check）"),
            ),
        };
        self.pick(
            format!("profile = \"production\" does not start like this: {what} {remedy} To start all the same: accepted_risks = [\"{id}\"]{others}"),
            format!("profile = \"production\" 拒绝启动：{what}{remedy}如仍要启动：accepted_risks = [\"{id}\"]{others}"),
        )
    }
    pub(super) fn by_settings_alone(self, dir: &str) -> String {
        self.pick(
            format!("No broker runs on {dir}: judged by the file, the environment and the options alone.\n"),
            format!("没有服务器正在使用 {dir}：仅依据配置文件、环境变量与命令行选项检查。\n"),
        )
    }
    /// Who comes in by which listener.
    pub(super) fn doors(self, doors: &[String]) -> String {
        let title = self.pick("Who comes in:", "谁可以连接：");
        let mut lines = format!("{title}\n");
        for door in doors {
            lines += &format!("  {door}\n");
        }
        lines
    }
    /// Of its `severity` and its name.
    pub(super) fn point(self, severity: &str, id: &str, what: &str) -> String {
        let word = match severity {
            "danger" => self.pick("danger ", "危险   "),
            "warning" => self.pick("warning", "注意   "),
            _ => self.pick("fine   ", "正常   "),
        };
        format!("{word}  {id}: {what}\n")
    }
    /// One that somebody has put aside.
    pub(super) fn point_aside(self, id: &str, what: &str) -> String {
        let word = self.pick("aside  ", "已搁置 ");
        format!("{word}  {id}: {what}\n")
    }
    pub(super) fn remedy(self, remedy: &str) -> String {
        format!("         {remedy}\n")
    }
    pub(super) fn checked_points(self, all: usize, fine: usize, aside: usize) -> String {
        let (en, zh) = match aside {
            0 => (String::new(), String::new()),
            n => (format!(", {n} put aside"), format!("，{n} 项已搁置")),
        };
        self.pick(
            format!("{all} points looked at, {fine} of them fine{en}\n"),
            format!("共检查 {all} 项，其中 {fine} 项正常{zh}\n"),
        )
    }
}
