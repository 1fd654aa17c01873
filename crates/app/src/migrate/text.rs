//! What `ternmq migrate` says, in English and Chinese side by side.

use std::fmt::Display;

use crate::text::Text;

impl Text {
    pub(crate) fn help_migrate(self) -> &'static str {
        self.pick(
            "Make a ternmq.toml of mosquitto's or EMQX's configuration, with a report of what became of each setting",
            "把 mosquitto 或 EMQX 的配置转换为 ternmq.toml，并报告每个配置项的去向",
        )
    }
    pub(crate) fn help_migrate_file(self) -> &'static str {
        self.pick("mosquitto.conf or emqx.conf", "mosquitto.conf 或 emqx.conf")
    }
    pub(crate) fn help_migrate_to(self) -> &'static str {
        self.pick(
            "The folder that gets ternmq.toml, the reports and copies of password and rule files [default: ternmq-migrated]",
            "存放 ternmq.toml、报告以及密码与规则文件副本的目录 [默认：ternmq-migrated]",
        )
    }
    pub(crate) fn help_migrate_from(self) -> &'static str {
        self.pick(
            "Whose configuration it is, where that does not show",
            "配置属于哪个服务器（无法自动识别时）",
        )
    }
    pub(crate) fn help_migrate_json(self) -> &'static str {
        self.pick("Print the report as JSON", "以 JSON 输出报告")
    }

    pub(super) fn no_migration(self, file: &dyn Display, cause: &dyn Display) -> String {
        self.pick(
            format!("{file} cannot be migrated: {cause}"),
            format!("无法转换 {file}：{cause}"),
        )
    }
    pub(super) fn migrated_before(self, file: &dyn Display) -> String {
        self.pick(
            format!("{file} is there already; name another folder with --to, or remove it"),
            format!("{file} 已存在；请用 --to 指定其他目录，或将其删除"),
        )
    }
    pub(super) fn not_written(self, folder: &dyn Display, cause: &dyn Display) -> String {
        self.pick(
            format!("{folder} cannot be written to: {cause}"),
            format!("无法写入 {folder}：{cause}"),
        )
    }

    pub(super) fn settings_head(self, from: &str) -> String {
        self.pick(
            format!("# Made of {from}'s configuration by ternmq migrate; report.md says what became of each setting.\n"),
            format!("# 由 ternmq migrate 根据 {from} 的配置生成；每个配置项的去向见 report.zh.md。\n"),
        )
    }
    pub(super) fn report_head(self, from: &str, file: &dyn Display) -> String {
        self.pick(
            format!("# From {from} to TernMQ\n\n`{file}`: "),
            format!("# 从 {from} 迁移到 TernMQ\n\n`{file}`："),
        )
    }
    pub(super) fn report_counts(self, translated: usize, needless: usize, left: usize) -> String {
        self.pick(
            format!("{translated} settings are translated, {needless} not needed, {left} have no counterpart.\n"),
            format!("已转换 {translated} 项，不需要 {needless} 项，没有对应 {left} 项。\n"),
        )
    }
    /// What is left, translated and needless: title and last column.
    pub(super) fn report_sections(self) -> [[&'static str; 2]; 3] {
        self.pick(
            [
                ["No counterpart", "What to do"],
                ["Translated", "TernMQ"],
                ["Not needed", "Why"],
            ],
            [
                ["没有对应", "怎么办"],
                ["已转换", "TernMQ"],
                ["不需要", "原因"],
            ],
        )
    }
    pub(super) fn report_columns(self) -> [&'static str; 2] {
        self.pick(["Place", "Setting"], ["位置", "配置项"])
    }
    pub(super) fn report_end(self, settings: &dyn Display) -> String {
        self.pick(
            format!("\nStart it with `ternmq --config {settings}`. Defaults that nobody set may differ; packaging/ternmq.toml lists every setting with its default.\n"),
            format!("\n启动：`ternmq --config {settings}`。未设置的默认值可能不同；packaging/ternmq.toml 列出全部配置项及默认值。\n"),
        )
    }
    pub(super) fn report_files(self, settings: &dyn Display, report: &dyn Display) -> String {
        self.pick(
            format!("Report: {report}\nStart it with: ternmq --config {settings}\n"),
            format!("报告：{report}\n启动：ternmq --config {settings}\n"),
        )
    }
}
