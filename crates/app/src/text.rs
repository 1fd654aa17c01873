//! Every text that people read from this program, in English and Chinese side by side. Log lines
//! are English only, except where they answer a person's act.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

use broker::config::Lang;

use crate::holder::Holder;

/// The texts in one language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text(Lang);

impl Text {
    /// The language that the environment asks for, by POSIX's order of names.
    pub(crate) fn from_env(var: impl Fn(&str) -> Option<String>) -> Self {
        let value = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| var(name).filter(|value| !value.is_empty()))
            .unwrap_or_default();
        Self(if value.starts_with("zh") {
            Lang::Zh
        } else {
            Lang::En
        })
    }

    /// In each language.
    pub(crate) fn both() -> [Self; 2] {
        [Self(Lang::En), Self(Lang::Zh)]
    }

    pub(crate) fn lang(self) -> Lang {
        self.0
    }

    pub(crate) fn pick<T>(self, en: T, zh: T) -> T {
        match self.0 {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }

    /// A span of time, as exactly as people say it.
    pub(crate) fn span(self, secs: u64) -> String {
        let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => self.pick(format!("{secs} s"), format!("{secs} 秒")),
            (0, 0, _) => self.pick(format!("{minutes} min"), format!("{minutes} 分")),
            (0, ..) => self.pick(
                format!("{hours} h {minutes} min"),
                format!("{hours} 小时 {minutes} 分"),
            ),
            _ => self.pick(
                format!("{days} d {hours} h"),
                format!("{days} 天 {hours} 小时"),
            ),
        }
    }

    // Help.

    pub(crate) fn about(self) -> &'static str {
        self.pick("An MQTT broker", "MQTT 服务器")
    }
    pub(crate) fn help_start(self) -> &'static str {
        self.pick("Start the broker (the default)", "启动服务器（默认）")
    }
    pub(crate) fn help_console(self) -> &'static str {
        self.pick("The same as start", "与 start 相同")
    }
    pub(crate) fn help_completions(self) -> &'static str {
        self.pick(
            "Print the script that makes a shell complete commands and options",
            "输出 shell 自动补全脚本",
        )
    }
    pub(crate) fn help_shell(self) -> &'static str {
        self.pick("Which shell", "shell 名称")
    }
    pub(crate) fn help_man(self) -> &'static str {
        self.pick(
            "Print a man page: ternmq man bench pub | man -l -",
            "输出手册页：ternmq man bench pub | man -l -",
        )
    }
    pub(crate) fn help_man_words(self) -> &'static str {
        self.pick(
            "The command that it is about [default: ternmq itself]",
            "要查看的命令 [默认：ternmq 本身]",
        )
    }
    pub(crate) fn help_man_dir(self) -> &'static str {
        self.pick(
            "Write all pages into this directory instead",
            "把所有手册页写入该目录",
        )
    }
    pub(crate) fn man_written(self, count: usize, dir: &dyn Display) -> String {
        self.pick(
            format!("{count} man pages written to {dir}\n"),
            format!("已将 {count} 个手册页写入 {dir}\n"),
        )
    }
    pub(crate) fn no_man_written(self, dir: &dyn Display, cause: &dyn Display) -> String {
        self.pick(
            format!("the man pages cannot be written to {dir}: {cause}"),
            format!("无法将手册页写入 {dir}：{cause}"),
        )
    }
    pub(crate) fn no_such_command(self, words: &str) -> String {
        self.pick(
            format!("there is no command {words}; see ternmq --help"),
            format!("没有命令 {words}；请看 ternmq --help"),
        )
    }
    pub(crate) fn help_store(self) -> &'static str {
        self.pick(
            "Check, repair, export, import or back up what is kept, while no broker runs on it",
            "在服务器停止时检查、修复、导出、导入或备份所保存的数据",
        )
    }
    pub(crate) fn help_store_codes(self) -> &'static str {
        self.pick(
            "Exit code: 0 all is well, 1 done but something is damaged, 2 not done",
            "退出码：0 正常，1 已完成但有损坏，2 未完成",
        )
    }
    pub(crate) fn help_store_check(self) -> &'static str {
        self.pick(
            "Read everything, change nothing, say what is damaged",
            "读取全部数据，不做修改，报告损坏之处",
        )
    }
    pub(crate) fn help_store_repair(self) -> &'static str {
        self.pick(
            "Move what is damaged to quarantine",
            "把损坏的数据移到 quarantine",
        )
    }
    pub(crate) fn help_store_export(self) -> &'static str {
        self.pick(
            "Write everything to a file that any release can import",
            "把全部数据写入可供任何版本导入的文件",
        )
    }
    pub(crate) fn help_store_import(self) -> &'static str {
        self.pick(
            "Read such a file into a data directory that has no store",
            "把这样的文件导入没有存储的数据目录",
        )
    }
    pub(crate) fn help_store_backup(self) -> &'static str {
        self.pick(
            "Copy to another directory, which is a data directory then",
            "复制到另一个目录，该目录可直接作为数据目录",
        )
    }
    pub(crate) fn help_store_out(self) -> &'static str {
        self.pick("A new file; - is standard output", "新文件；- 表示标准输出")
    }
    pub(crate) fn help_store_in(self) -> &'static str {
        self.pick("The file; - is standard input", "文件；- 表示标准输入")
    }
    pub(crate) fn help_store_to(self) -> &'static str {
        self.pick("A directory without a store", "没有存储的目录")
    }
    pub(crate) fn help_config(self) -> &'static str {
        self.pick(
            "Configuration file [default: ./ternmq.toml, else /etc/ternmq/ternmq.toml, if it exists]",
            "配置文件 [默认：./ternmq.toml，其次 /etc/ternmq/ternmq.toml，如果存在]",
        )
    }
    pub(crate) fn help_data_dir(self) -> &'static str {
        self.pick(
            "Data directory [default: ./ternmq-data]",
            "数据目录 [默认：./ternmq-data]",
        )
    }
    pub(crate) fn help_set(self) -> &'static str {
        self.pick(
            "One setting, such as mqtt.max_inflight=100; may be repeated",
            "单个配置项，例如 mqtt.max_inflight=100；可重复使用",
        )
    }
    pub(crate) fn help_log_level(self) -> &'static str {
        self.pick(
            "error | warn | info | debug | trace [default: info]",
            "error | warn | info | debug | trace [默认：info]",
        )
    }
    pub(crate) fn help_admin_password_file(self) -> &'static str {
        self.pick(
            "File with the dashboard's password for admin, used if none was set yet; TERNMQ_ADMIN_PASSWORD_FILE and TERNMQ_ADMIN_PASSWORD in the environment do the same",
            "存有控制台 admin 密码的文件，仅在尚未设置密码时使用；环境变量 TERNMQ_ADMIN_PASSWORD_FILE 与 TERNMQ_ADMIN_PASSWORD 作用相同",
        )
    }
    pub(crate) fn help_help(self) -> &'static str {
        self.pick("Print help", "显示帮助")
    }
    pub(crate) fn help_version(self) -> &'static str {
        self.pick("Print version", "显示版本")
    }
    pub(crate) fn bad_arguments(self, cause: &str) -> String {
        self.pick(
            format!("{cause}; see ternmq --help"),
            format!("{cause}；请看 ternmq --help"),
        )
    }

    // Start.

    pub(crate) fn title(self, version: &str) -> String {
        self.pick(
            format!("TernMQ {version} is running"),
            format!("TernMQ {version} 已启动"),
        )
    }
    pub(crate) fn data(self, path: &str, found: &str) -> String {
        self.pick(
            format!("Data       {path} ({found})"),
            format!("数据目录   {path}（{found}）"),
        )
    }
    pub(crate) fn data_missing(self) -> String {
        self.pick("new".to_owned(), "新目录".to_owned())
    }
    pub(crate) fn data_empty(self) -> String {
        self.pick("empty".to_owned(), "空目录".to_owned())
    }
    pub(crate) fn data_found(self, entries: usize) -> String {
        self.pick(
            format!(
                "{entries} {} found",
                if entries == 1 { "entry" } else { "entries" }
            ),
            format!("已有 {entries} 项"),
        )
    }
    pub(crate) fn data_elsewhere(self, path: &str) -> String {
        self.pick(
            format!("NOTE       this directory has no data yet, but {path} has some of an earlier start; to go on with that, stop this broker and start it with --data-dir {path}"),
            format!("注意       此目录还没有数据，而 {path} 中有以前的数据；如需沿用，请停止本服务器，并以 --data-dir {path} 启动"),
        )
    }
    pub(crate) fn data_unreadable(self, cause: &dyn Display) -> String {
        self.pick(
            format!("cannot be read: {cause}"),
            format!("无法读取：{cause}"),
        )
    }
    pub(crate) fn mqtt(self, url: &str) -> String {
        self.pick(format!("MQTT       {url}"), format!("MQTT       {url}"))
    }
    pub(crate) fn websocket(self, url: &str) -> String {
        self.pick(format!("WebSocket  {url}"), format!("WebSocket  {url}"))
    }
    pub(crate) fn secure(self, url: &str) -> String {
        format!("TLS        {url}")
    }
    /// `path` is the certificate that clients are given.
    pub(crate) fn authority(self, path: &str) -> String {
        self.pick(
            format!("TLS clients trust {path}"),
            format!("TLS 客户端的 CA 文件：{path}"),
        )
    }
    pub(crate) fn dashboard(self, url: &str) -> String {
        self.pick(format!("Dashboard  {url}"), format!("控制台     {url}"))
    }
    pub(crate) fn sign_in(self) -> &'static str {
        self.pick(
            "Sign in    admin / public, from local and private addresses; to change anything, set a password first",
            "登录       admin / public（仅限本机与局域网；修改任何内容前须先设置密码）",
        )
    }
    pub(crate) fn set_up(self, link: &str) -> String {
        self.pick(
            format!(
                "Set up     {link} (sets the password of admin; good once, for an hour from now on)"
            ),
            format!("初始设置   {link} （设置 admin 的密码；一小时内有效，只能使用一次）"),
        )
    }
    pub(crate) fn no_private_address(self, address: &str, network: &str) -> String {
        self.pick(
            format!("Note       {address} is no private address, so its neighbours count as strangers; to let them in as on a local network: ternmq ctl trust {network}"),
            format!("注意       {address} 不是私有地址，因此同一网络的其他机器视为外部来源；如需视为局域网：ternmq ctl trust {network}"),
        )
    }
    pub(crate) fn gateway(self, addresses: &str) -> String {
        self.pick(
            format!("Note       in this container anybody may seem to come from {addresses}, so nobody is let in from there without a password that is one's own; to trust it: lan_guard.gateway = \"trust\" (TERNMQ__LAN_GUARD__GATEWAY=trust)"),
            format!("注意       在本容器中，任何来源都可能显示为 {addresses}，因此来自该地址的访问须有自设的密码；如需信任：lan_guard.gateway = \"trust\"（TERNMQ__LAN_GUARD__GATEWAY=trust）"),
        )
    }
    pub(crate) fn connections(self, limit: u64) -> String {
        self.pick(
            format!("Limit      {limit} connections (open files of this process)"),
            format!("连接上限   {limit}（由进程可打开的文件数决定）"),
        )
    }
    pub(crate) fn few_connections(self) -> &'static str {
        self.pick(
            "; raise it with: ulimit -Hn 1048576",
            "；可用 ulimit -Hn 1048576 提高",
        )
    }
    /// Commands that let others through the firewall, a line each. Windows asks by itself, but only once,
    /// and makes rules of a No that are stronger than any that allows: these go first.
    pub(crate) fn firewall_rules(self, program: &str) -> String {
        format!(
            "netsh advfirewall firewall delete rule name=all dir=in program=\"{program}\"\n\
             netsh advfirewall firewall add rule name=TernMQ dir=in action=allow program=\"{program}\""
        )
    }
    pub(crate) fn firewall(self, program: &str) -> String {
        let rules = self.firewall_rules(program);
        self.pick(
            format!("Firewall   if others cannot connect, as administrator:\n{rules}"),
            format!("防火墙     如果其他机器无法连接，请以管理员身份运行：\n{rules}"),
        )
    }
    pub(crate) fn try_it(self, command: &str) -> String {
        self.pick(
            format!("Try        {command}"),
            format!("试一试     {command}"),
        )
    }

    // Errors.

    /// `key` says where to listen, such as `listeners.tcp.default.bind`.
    pub(crate) fn port_in_use(
        self,
        address: SocketAddr,
        holder: Option<&Holder>,
        key: &str,
    ) -> String {
        let port = address.port();
        let holder = self.holder(holder, port);
        let elsewhere = self.listen_elsewhere(port, key);
        self.pick(
            format!("port {port} is used by {holder}; stop it, or {elsewhere}"),
            format!("端口 {port} 已被 {holder} 占用；请停止它，或{elsewhere}"),
        )
    }
    fn holder(self, holder: Option<&Holder>, port: u16) -> String {
        match holder {
            Some(Holder::Process {
                pid,
                name,
                unit: Some(unit),
            }) => format!("{pid} {name} (sudo systemctl stop {unit})"),
            Some(Holder::Process { pid, name, .. }) => {
                format!("{pid} {name}").trim_end().to_owned()
            }
            Some(Holder::User(name)) => self.pick(
                format!("a process of the user {name} (sudo ss -ltnp sport = :{port})"),
                format!("用户 {name} 的进程（sudo ss -ltnp sport = :{port}）"),
            ),
            None if cfg!(windows) => self.pick(
                format!("another process (netstat -ano | findstr :{port})"),
                format!("其他进程（netstat -ano | findstr :{port}）"),
            ),
            None => self.pick("another process", "其他进程").to_owned(),
        }
    }
    fn listen_elsewhere(self, port: u16, key: &str) -> String {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let other = other_port(port);
        self.pick(
            format!("listen elsewhere, for example --set {key}={other}, in the configuration file [{section}] {name} = {other}"),
            format!("换一个端口，例如 --set {key}={other}，或在配置文件中写 [{section}] {name} = {other}"),
        )
    }
    /// The system lets us not listen there, although nobody else does.
    pub(crate) fn port_refused(self, address: SocketAddr, key: &str) -> String {
        let port = address.port();
        let elsewhere = self.listen_elsewhere(port, key);
        if cfg!(windows) {
            return self.pick(
                format!("port {port} is reserved by Windows (netsh interface ipv4 show excludedportrange protocol=tcp) or held by another program for itself; {elsewhere}"),
                format!("端口 {port} 已被 Windows 保留（netsh interface ipv4 show excludedportrange protocol=tcp），或被其他程序独占；请{elsewhere}"),
            );
        }
        self.pick(
            format!("this user may not listen on port {port} (below 1024: setcap cap_net_bind_service=+ep on the program lets it); {elsewhere}"),
            format!("当前用户不能监听端口 {port}（小于 1024 的端口需要对程序执行 setcap cap_net_bind_service=+ep）；请{elsewhere}"),
        )
    }
    pub(crate) fn no_dashboard(self, cause: &dyn Display) -> String {
        self.pick(
            format!("the system refused what the dashboard needs: {cause}"),
            format!("系统拒绝了控制台所需的资源：{cause}"),
        )
    }
    pub(crate) fn no_password_file(self, path: &str, cause: &dyn Display) -> String {
        self.pick(
            format!("the password file {path} cannot be read: {cause}"),
            format!("无法读取密码文件 {path}：{cause}"),
        )
    }
    pub(crate) fn weak_password(self, weak: api::Weak, from: &str) -> String {
        let zh = match weak {
            api::Weak::Form => {
                "密码须为 8 到 64 个 ASCII 字符，至少包含字母、数字、其他字符中的两类"
            }
            api::Weak::Common => "该密码过于常见，请换一个",
        };
        self.pick(
            format!("the password of {from} cannot be used: {weak}"),
            format!("{from} 给出的密码不可用：{zh}"),
        )
    }
    pub(crate) fn password_ignored(self, from: &str) -> String {
        self.pick(
            format!("the password of {from} is ignored: admin has another one already; to change it, run: ternmq reset-password"),
            format!("忽略 {from} 给出的密码：admin 已有其他密码；如需修改，请运行 ternmq reset-password"),
        )
    }
    /// `path` is the log's file, if it has one.
    pub(crate) fn no_log(self, path: Option<&Path>, cause: &dyn Display) -> String {
        let Some(path) = path else {
            return self.no_thread(cause);
        };
        let path = path.display();
        self.pick(
            format!("the log file {path} cannot be written: {cause}; choose another with --set log.file=..."),
            format!("无法写入日志文件 {path}：{cause}；可用 --set log.file=... 另选一个"),
        )
    }
    pub(crate) fn no_thread(self, cause: &dyn Display) -> String {
        self.pick(
            format!("the system refuses a thread: {cause}"),
            format!("系统拒绝创建线程：{cause}"),
        )
    }
    pub(crate) fn no_signals(self, cause: &dyn Display) -> String {
        self.pick(
            format!("the system lets us receive no signals: {cause}"),
            format!("无法接收系统信号：{cause}"),
        )
    }

    // Reload.

    pub(crate) fn reloaded(self) -> &'static str {
        self.pick("configuration reloaded", "配置已重新加载")
    }
    pub(crate) fn reload_refused(self, line: &str) -> String {
        self.pick(
            format!("configuration not reloaded, the old one stays: {line}"),
            format!("配置未重新加载，继续使用旧配置：{line}"),
        )
    }
    pub(crate) fn restart_needed(self, keys: &str) -> String {
        self.pick(
            format!("these take effect with the next start: {keys}"),
            format!("这些配置项重启后生效：{keys}"),
        )
    }
}

fn other_port(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(1884)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_of_the_environment() {
        let cases: [(&[(&str, &str)], Lang); 6] = [
            (&[], Lang::En),
            (&[("LANG", "zh_CN.UTF-8")], Lang::Zh),
            (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")], Lang::En),
            (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "")], Lang::Zh),
            (
                &[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "zh_TW")],
                Lang::Zh,
            ),
            (&[("LANG", "de_DE.UTF-8")], Lang::En),
        ];
        for (vars, lang) in cases {
            let var = |name: &str| {
                vars.iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Text::from_env(var).lang(), lang, "{vars:?}");
        }
    }

    #[test]
    fn port_in_use_names_the_holder_in_one_line() {
        let address = SocketAddr::from(([0, 0, 0, 0], 1883));
        let mut holder = Holder::Process {
            pid: 812,
            name: "mosquitto".to_owned(),
            unit: None,
        };
        let key = "listeners.tcp.default.bind";
        let en = Text(Lang::En).port_in_use(address, Some(&holder), key);
        assert!(
            en.starts_with("port 1883 is used by 812 mosquitto; stop it, or listen elsewhere"),
            "{en}"
        );
        assert!(!en.contains('\n') && en.contains("--set listeners.tcp.default.bind=1884"));
        assert!(en.ends_with("[listeners.tcp.default] bind = 1884"), "{en}");
        if let Holder::Process { unit, .. } = &mut holder {
            *unit = Some("mosquitto.service".to_owned());
        }
        let en = Text(Lang::En).port_in_use(address, Some(&holder), key);
        assert!(en.contains("systemctl stop mosquitto.service"), "{en}");
        let user = Holder::User("root".to_owned());
        let zh = Text(Lang::Zh).port_in_use(address, Some(&user), key);
        assert!(zh.starts_with("端口 1883 已被 用户 root 的进程"), "{zh}");
        let zh = Text(Lang::Zh).port_in_use(address, None, key);
        assert!(zh.starts_with("端口 1883 已被 其他进程"), "{zh}");
    }

    #[test]
    fn a_refused_port_is_no_taken_one() {
        let address = SocketAddr::from(([0, 0, 0, 0], 80));
        let en = Text(Lang::En).port_refused(address, "listeners.ws.web.bind");
        assert!(
            !en.contains('\n') && en.contains("--set listeners.ws.web.bind=81"),
            "{en}"
        );
        assert!(en.contains("netsh") == cfg!(windows), "{en}");
    }
}
