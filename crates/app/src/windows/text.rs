//! What the service's commands and the window say, in English and Chinese side by side.

use std::fmt::Display;

use crate::text::Text;

impl Text {
    pub(crate) fn help_service(self) -> &'static str {
        self.pick("The broker as a Windows service", "以 Windows 服务运行")
    }
    pub(crate) fn help_service_install(self) -> &'static str {
        self.pick(
            "Install it (as administrator); it starts with Windows",
            "安装服务（需要管理员权限），随 Windows 启动",
        )
    }
    pub(crate) fn help_service_uninstall(self) -> &'static str {
        self.pick(
            "Stop and remove it; its data stays",
            "停止并移除服务，保留数据",
        )
    }
    pub(crate) fn help_service_start(self) -> &'static str {
        self.pick("Start it", "启动服务")
    }
    pub(crate) fn help_service_stop(self) -> &'static str {
        self.pick("Stop it", "停止服务")
    }

    pub(super) fn press_enter(self) -> &'static str {
        self.pick("Press Enter to close this window.", "按回车键关闭窗口。")
    }
    pub(super) fn service_refused(self, cause: &dyn Display) -> String {
        self.pick(
            format!("Windows refused it: {cause}; is this an administrator's console (right click, Run as administrator)?"),
            format!("Windows 拒绝了操作：{cause}；请确认使用管理员控制台（右键，以管理员身份运行）"),
        )
    }
    pub(super) fn service_in_profile(self, program: &str) -> String {
        self.pick(
            format!("{program} is in your own folders, which the service's account may not read; move the program's folder to C:\\TernMQ, for example, and install it from there"),
            format!("{program} 位于个人文件夹中，服务账户无权读取；请将程序文件夹移到例如 C:\\TernMQ，再从那里安装"),
        )
    }
    pub(super) fn no_rights(self, folder: &str) -> String {
        self.pick(
            format!("the rights of {folder} cannot be set"),
            format!("无法设置 {folder} 的权限"),
        )
    }
    pub(super) fn no_service(self, cause: &dyn Display) -> String {
        self.pick(
            format!("there is no service to be had: {cause}; ternmq service install makes it"),
            format!("无法使用服务：{cause}；ternmq service install 可安装服务"),
        )
    }
    pub(super) fn no_dispatcher(self, cause: &dyn Display) -> String {
        self.pick(
            format!("only Windows says service run ({cause}); ternmq service start starts the service, ternmq console the broker in this window"),
            format!("service run 只由 Windows 调用（{cause}）；ternmq service start 启动服务，ternmq console 在本窗口运行"),
        )
    }
    pub(super) fn service_installed(self, home: &str) -> String {
        self.pick(
            format!("The service TernMQ is installed and starts with Windows; now: ternmq service start\nData and log: {home}\n"),
            format!("已安装服务 TernMQ，随 Windows 启动；现在启动：ternmq service start\n数据与日志：{home}\n"),
        )
    }
    pub(super) fn service_started(self) -> &'static str {
        self.pick(
            "TernMQ runs. Dashboard: http://127.0.0.1:18083, sign in as admin with the password public\n",
            "TernMQ 已启动。控制台：http://127.0.0.1:18083，用户名 admin，密码 public\n",
        )
    }
    pub(super) fn service_stopped(self) -> &'static str {
        self.pick("TernMQ is stopped.\n", "TernMQ 已停止。\n")
    }
    pub(super) fn service_gone(self, home: &str) -> String {
        self.pick(
            format!("The service is removed. Its data stays in {home}.\n"),
            format!("服务已移除，数据保留在 {home}。\n"),
        )
    }
    pub(super) fn service_fell(self, log: &str) -> String {
        self.pick(
            format!("the service did not get there; the last line of {log} says why"),
            format!("服务未能完成操作；原因见 {log} 的最后一行"),
        )
    }
    pub(super) fn ask_firewall(self) -> &'static str {
        self.pick(
            "Let other machines connect through the Windows firewall? [y/N] ",
            "是否允许其他机器通过 Windows 防火墙连接？[y/N] ",
        )
    }
    pub(super) fn firewall_open(self) -> &'static str {
        self.pick(
            "The firewall lets other machines connect (rule TernMQ).\n",
            "防火墙已允许其他机器连接（规则 TernMQ）。\n",
        )
    }
    pub(super) fn firewall_later(self, rules: &str) -> String {
        self.pick(
            format!("Other machines connect after:\n{rules}\n"),
            format!("执行以下命令后其他机器可以连接：\n{rules}\n"),
        )
    }
}
