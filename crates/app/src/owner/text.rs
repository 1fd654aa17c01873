//! What the commands of the data directory's owner say, in English and Chinese side by side.

use std::fmt::Display;

use crate::text::Text;

impl Text {
    pub(crate) fn help_reset_password(self) -> &'static str {
        self.pick(
            "Set the dashboard's password of admin, whether the broker runs or not; it is asked for, or read from standard input or --admin-password-file",
            "设置控制台用户 admin 的密码，服务器运行与否均可；密码由提示输入，或从标准输入、--admin-password-file 读取",
        )
    }
    pub(crate) fn help_generate(self) -> &'static str {
        self.pick("Make a pass phrase and print it", "生成一个密码并显示")
    }
    pub(crate) fn help_ctl(self) -> &'static str {
        self.pick(
            "Look at and change the broker that runs on the data directory, without a password",
            "查看和修改正在使用该数据目录的服务器，无需密码",
        )
    }
    pub(crate) fn help_trust(self) -> &'static str {
        self.pick(
            "Let an address or a network count as local, at once and from now on",
            "将地址或网络视为局域网，立即生效并保存",
        )
    }
    pub(crate) fn help_networks(self) -> &'static str {
        self.pick(
            "An address, or a network such as 203.0.113.0/24",
            "地址，或网络，例如 203.0.113.0/24",
        )
    }

    pub(crate) fn help_clients(self) -> &'static str {
        self.pick("Clients and their sessions", "客户端及其会话")
    }
    pub(crate) fn help_release(self) -> &'static str {
        self.pick(
            "Make a client's session nobody's: it goes, with what is queued, to the next user who comes with its client id",
            "解除客户端会话的归属：会话及其排队消息归下一个使用该客户端 ID 的用户",
        )
    }
    pub(crate) fn help_client_id(self) -> &'static str {
        self.pick("The client id", "客户端 ID")
    }
    pub(super) fn released(self, client_id: &str) -> String {
        self.pick(
            format!("The session of {client_id} belongs to the next user who comes for it.\n"),
            format!("{client_id} 的会话归下一个使用它的用户。\n"),
        )
    }

    pub(super) fn ask_password(self) -> &'static str {
        self.pick(
            "New password of admin (leave it empty to have one made): ",
            "admin 的新密码（留空则自动生成）：",
        )
    }
    pub(crate) fn ask_again(self) -> &'static str {
        self.pick("Once more: ", "请再输入一次：")
    }
    pub(crate) fn not_the_same(self) -> &'static str {
        self.pick(
            "the two passwords differ: nothing was changed",
            "两次输入的密码不一致：未做任何修改",
        )
    }
    pub(super) fn what_was_typed(self) -> &'static str {
        self.pick("standard input", "标准输入")
    }
    pub(crate) fn no_password(self, cause: &dyn Display) -> String {
        self.pick(
            format!("no password could be read: {cause}"),
            format!("无法读取密码：{cause}"),
        )
    }
    pub(super) fn not_reset(self, cause: &dyn Display) -> String {
        self.pick(
            format!("the password was not changed: {cause}"),
            format!("密码未修改：{cause}"),
        )
    }
    pub(super) fn reset_done(self) -> &'static str {
        self.pick(
            "The password of admin is changed; whoever was signed in as admin is not any more.\n",
            "admin 的密码已修改；此前以 admin 登录者均已失效。\n",
        )
    }
    pub(super) fn made_password(self, password: &str) -> String {
        self.pick(
            format!("Password: {password}\n"),
            format!("密码：{password}\n"),
        )
    }
    pub(super) fn no_network(self, given: &str) -> String {
        self.pick(
            format!("{given} is no address and no network such as 203.0.113.0/24"),
            format!("{given} 不是地址，也不是 203.0.113.0/24 这样的网络"),
        )
    }
    pub(super) fn trusted(self, network: &str) -> String {
        self.pick(
            format!("{network} counts as local from now on.\n"),
            format!("{network} 从现在起视为局域网。\n"),
        )
    }
    pub(super) fn was_near(self) -> &'static str {
        self.pick(
            "That was so before: it is a local or private address.\n",
            "它本来就是本机或私有地址。\n",
        )
    }
    pub(super) fn not_running(self) -> &'static str {
        self.pick(
            "no broker runs on this data directory, or its dashboard is off (dashboard.enabled); name the directory with --data-dir, or set it in the configuration file",
            "没有服务器正在使用该数据目录，或其控制台已关闭（dashboard.enabled）；请用 --data-dir 指定目录，或在配置文件中设置",
        )
    }
    pub(super) fn refused(self, words: &str) -> String {
        self.pick(
            format!("the broker refused: {words}"),
            format!("服务器拒绝：{words}"),
        )
    }
    pub(super) fn not_told(self, cause: &dyn Display) -> String {
        self.pick(
            format!("the broker could not be told: {cause}"),
            format!("无法通知服务器：{cause}"),
        )
    }
}
