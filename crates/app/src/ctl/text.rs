//! What `ternmq ctl` says, in English and Chinese side by side.

use crate::text::Text;

impl Text {
    pub(super) fn help_ctl_json(self) -> &'static str {
        self.pick("Print the API's answer as JSON", "以 JSON 输出 API 的应答")
    }
    pub(super) fn help_ctl_limit(self) -> &'static str {
        self.pick(
            "At most so many rows, up to 10000 [default: 1000]",
            "最多显示的行数，不超过 10000 [默认：1000]",
        )
    }
    pub(super) fn help_ctl_page(self) -> &'static str {
        self.pick("Which page of them, from 1", "第几页，从 1 开始")
    }
    pub(super) fn help_ctl_status(self) -> &'static str {
        self.pick("How the broker is doing", "服务器状态")
    }
    pub(super) fn help_ctl_list(self) -> &'static str {
        self.pick("List them", "列出")
    }
    pub(super) fn help_ctl_show(self) -> &'static str {
        self.pick("Show all that is known of one", "显示详细信息")
    }
    pub(super) fn help_ctl_kick(self) -> &'static str {
        self.pick(
            "Disconnect clients and end their sessions",
            "断开客户端并结束其会话",
        )
    }
    pub(super) fn help_ctl_subscriptions(self) -> &'static str {
        self.pick("Subscriptions", "订阅")
    }
    pub(super) fn help_ctl_topics(self) -> &'static str {
        self.pick(
            "Topics and filters that are subscribed to",
            "有订阅的主题与过滤器",
        )
    }
    pub(super) fn help_ctl_retained(self) -> &'static str {
        self.pick("Retained messages", "保留消息")
    }
    pub(super) fn help_ctl_retained_purge(self) -> &'static str {
        self.pick(
            "Delete those that are sent to nobody, because their publishers may not publish them any more",
            "删除不再发送给任何人的保留消息（发布者已无权发布）",
        )
    }
    pub(super) fn help_ctl_users(self) -> &'static str {
        self.pick(
            "MQTT users that the broker keeps itself",
            "服务器自身保存的 MQTT 用户",
        )
    }
    pub(super) fn help_ctl_add(self) -> &'static str {
        self.pick(
            "Add a user; the password is asked for, or read from standard input or --admin-password-file. With the first one, clients without a name are refused from their next connect on",
            "添加用户；密码由提示输入，或从标准输入、--admin-password-file 读取。有了第一个用户后，匿名客户端下次连接即被拒绝",
        )
    }
    pub(super) fn help_ctl_superuser(self) -> &'static str {
        self.pick(
            "No rule of access holds for this user",
            "访问规则对该用户不生效",
        )
    }
    pub(super) fn help_ctl_password(self) -> &'static str {
        self.pick(
            "Set a user's password, which is read as by add",
            "设置用户的密码，读取方式同 add",
        )
    }
    pub(super) fn help_ctl_delete(self) -> &'static str {
        self.pick("Delete", "删除")
    }
    pub(super) fn help_ctl_listeners(self) -> &'static str {
        self.pick("Listeners", "监听器")
    }
    pub(super) fn help_ctl_listener(self, what: &str) -> &'static str {
        match what {
            "start" => self.pick("Listen, from now on", "开始监听，并保存"),
            "stop" => self.pick(
                "Stop listening and close its connections, from now on",
                "停止监听并断开其连接，并保存",
            ),
            _ => self.pick("Stop and start again", "停止后重新开始"),
        }
    }
    pub(super) fn help_ctl_config(self) -> &'static str {
        self.pick("Settings", "配置")
    }
    pub(super) fn help_ctl_config_show(self) -> &'static str {
        self.pick(
            "Show settings with values and where these come from",
            "显示配置项、取值及其来源",
        )
    }
    pub(super) fn help_ctl_config_set(self) -> &'static str {
        self.pick(
            "Change settings, now and for later starts: all of them or none",
            "修改配置并保存：全部成功或全部不改",
        )
    }
    pub(super) fn help_ctl_config_reset(self) -> &'static str {
        self.pick(
            "Let the file or the default count again",
            "恢复为文件中的值或默认值",
        )
    }
    pub(super) fn help_ctl_trace(self) -> &'static str {
        self.pick(
            "Traces of a client, a topic or an address, packet by packet",
            "按客户端、主题或地址逐个报文追踪",
        )
    }
    pub(super) fn help_ctl_trace_start(self) -> &'static str {
        self.pick(
            "Begin one; it ends by itself after ten minutes",
            "开始追踪；十分钟后自动结束",
        )
    }
    pub(super) fn help_ctl_trace_show(self) -> &'static str {
        self.pick("Print what it has recorded", "输出已记录的内容")
    }
    pub(super) fn help_ctl_trace_stop(self) -> &'static str {
        self.pick("End it; what it has recorded stays", "结束追踪，保留记录")
    }
    pub(super) fn help_ctl_of(self, what: &str) -> &'static str {
        match what {
            "client" => self.pick("Of this client id", "客户端 ID"),
            "user" => self.pick("Of this user", "用户名"),
            "like" => self.pick("With this in the client id", "客户端 ID 中包含的文字"),
            "connected" => self.pick("Only those that are connected", "仅在线的"),
            "away" => self.pick("Only sessions whose client is away", "仅离线的会话"),
            "topic" => self.pick("A topic or a filter", "主题或过滤器"),
            _ => self.pick("An address", "地址"),
        }
    }

    pub(super) fn ask_mqtt_password(self) -> &'static str {
        self.pick("Password of the MQTT user: ", "MQTT 用户的密码：")
    }
    pub(super) fn more_rows(self, shown: u64, count: Option<u64>) -> String {
        match count {
            Some(count) => self.pick(
                format!("{shown} of {count}; --limit and --page show others\n"),
                format!("共 {count} 项，显示 {shown} 项；用 --limit 与 --page 查看其余\n"),
            ),
            None => self.pick(
                format!("{shown}, and there are more; --limit and --page show others\n"),
                format!("显示 {shown} 项，还有更多；用 --limit 与 --page 查看其余\n"),
            ),
        }
    }
    pub(super) fn done(self, what: &str) -> String {
        self.pick(format!("{what}: done\n"), format!("{what}：完成\n"))
    }
    pub(super) fn changed(self, waiting: &str) -> String {
        if waiting.is_empty() {
            return self.pick("changed\n", "已修改\n").to_owned();
        }
        self.pick(
            format!("changed; these wait for a restart: {waiting}\n"),
            format!("已修改；重启后生效：{waiting}\n"),
        )
    }
}
