//! The texts on a store, in English and Chinese side by side. An error is one line: what, why, and
//! what to do.

use std::io::ErrorKind;
use std::path::Path;

use broker::config::Lang;
use broker::store::{Check, Damage, Harm, ImportError, OpenError, Progress, Recovery, StoreError};

use super::report::Kept;
use crate::text::Text;

impl Text {
    // What was found.

    pub(super) fn store_new(self, dir: &str) -> String {
        self.pick(
            format!("Store      {dir} (made anew)\n"),
            format!("存储       {dir}（新建）\n"),
        )
    }
    pub(super) fn store_found(self, found: &Recovery, kept: Option<Kept>) -> String {
        let (size, secs) = (self.size(found.bytes), found.took.as_secs_f64());
        let messages = self.messages(found.messages);
        let records = match kept {
            Some(Kept { sessions, retained }) => self.pick(
                format!(
                    "{}, {}",
                    count(sessions, "session", "sessions"),
                    count(retained, "retained message", "retained messages")
                ),
                format!("{sessions} 个会话、{retained} 条保留消息"),
            ),
            None => self.pick(
                format!(
                    "{} of sessions and the like",
                    count(found.keys, "record", "records")
                ),
                format!("{} 条会话等记录", found.keys),
            ),
        };
        self.pick(
            format!("Store      {messages}, {records}; {size}, opened in {secs:.1} s\n"),
            format!("存储       {messages}、{records}；{size}，打开用时 {secs:.1} 秒\n"),
        )
    }
    pub(super) fn store_cut_off(self, torn_bytes: u64) -> String {
        let size = self.size(torn_bytes);
        let dropped = if torn_bytes == 0 {
            self.pick(
                "nothing had to be dropped".to_owned(),
                "没有丢弃任何数据".to_owned(),
            )
        } else {
            self.pick(
                format!("{size} of an unfinished write, acknowledged to nobody, dropped"),
                format!("丢弃了 {size} 未写完、未向任何人确认的数据"),
            )
        };
        self.pick(
            format!("           not closed in order last time: {dropped}\n"),
            format!("           上次未正常关闭：{dropped}\n"),
        )
    }
    pub(super) fn store_damaged(self, places: usize, first: &str) -> String {
        self.pick(
            format!(
                "           {}, the first: {first}; all of them: ternmq store check\n",
                count(places as u64, "damaged place", "damaged places")
            ),
            format!("           {places} 处损坏，第一处：{first}；全部请看 ternmq store check\n"),
        )
    }
    pub(super) fn store_opening(self, at: Progress) -> String {
        let (files, size) = (at.files, self.size(at.bytes));
        self.pick(
            format!(
                "opening the store: {}, {size} read so far\n",
                count(files, "file", "files")
            ),
            format!("正在打开存储：{files} 个文件，已读取 {size}\n"),
        )
    }
    pub(super) fn damage(self, damage: &Damage) -> String {
        if self.lang() == Lang::En {
            return damage.to_string();
        }
        let (path, bytes, offset) = (damage.path.display(), damage.bytes, damage.offset);
        let what = match &damage.what {
            Harm::Record(Some(pos)) => {
                format!("记录 {pos}（偏移 {offset}，{bytes} 字节）已损坏，跳过")
            }
            Harm::Record(None) => format!("偏移 {offset} 处的 {bytes} 字节已损坏，跳过"),
            Harm::TornTail => {
                format!("最后一次写入不完整，丢弃偏移 {offset} 处的 {bytes} 字节")
            }
            Harm::Spare => format!("偏移 {offset} 处的备用副本已损坏，没有丢失数据"),
            Harm::Index => "索引已重建，没有丢失数据".to_owned(),
            Harm::Manifest => "已根据各段重建，没有丢失数据".to_owned(),
            Harm::File(to) => format!("不是本存储的文件（{bytes} 字节），移到 {}", to.display()),
            Harm::Missing { from, to } => format!("缺少位置 {from} 到 {to}"),
            _ => return damage.to_string(),
        };
        format!("{path}：{what}")
    }
    pub(super) fn more_places(self, more: usize) -> String {
        self.pick(
            format!("           and {more} more\n"),
            format!("           另有 {more} 处\n"),
        )
    }

    // What was done.

    pub(super) fn checked(self, dir: &str, check: &Check) -> String {
        let id = check
            .store
            .map_or_else(|| "?".to_owned(), |id| format!("{id:016x}"));
        let (messages, size) = (self.messages(check.messages), self.size(check.bytes));
        let (files, records) = (check.files, check.key_records);
        let left = if check.closed {
            self.pick("closed in order", "已正常关闭")
        } else {
            self.pick("not closed in order", "未正常关闭")
        };
        self.pick(
            format!(
                "Store      {dir} ({id})\nFound      {messages}, {} of keys in {}, {size}; {left}\n",
                count(records, "record", "records"),
                count(files, "file", "files")
            ),
            format!(
                "存储       {dir}（{id}）\n内容       {messages}、{records} 条键记录，{files} 个文件，{size}；{left}\n"
            ),
        )
    }
    pub(super) fn damaged(self, places: usize, bytes: u64) -> String {
        if places == 0 {
            return self.pick(
                "Damaged    nothing\n".to_owned(),
                "损坏       无\n".to_owned(),
            );
        }
        let size = self.size(bytes);
        self.pick(
            format!(
                "Damaged    {}, {size}\n",
                count(places as u64, "place", "places")
            ),
            format!("损坏       {places} 处，{size}\n"),
        )
    }
    pub(super) fn repair_next(self) -> &'static str {
        self.pick(
            "Next       ternmq store repair (moves what is damaged to quarantine)\n",
            "下一步     ternmq store repair（把损坏的数据移到 quarantine）\n",
        )
    }
    pub(super) fn repaired(self, places: usize) -> String {
        if places == 0 {
            return self.pick(
                "Repaired   nothing was damaged\n".to_owned(),
                "修复       没有损坏\n".to_owned(),
            );
        }
        self.pick(
            format!("Repaired   {}\n", count(places as u64, "place", "places")),
            format!("修复       {places} 处\n"),
        )
    }
    pub(super) fn rewritten(self, path: &str) -> String {
        self.pick(
            format!("Rewritten  {path}\n"),
            format!("重写       {path}\n"),
        )
    }
    pub(super) fn quarantined(self, path: &str) -> String {
        self.pick(
            format!("Set aside  {path}\n"),
            format!("隔离       {path}\n"),
        )
    }
    pub(super) fn exported(self, messages: u64, keys: u64, file: &str) -> String {
        let messages = self.messages(messages);
        self.pick(
            format!(
                "Exported   {messages} and {} to {file}\n",
                count(keys, "key", "keys")
            ),
            format!("导出       {messages}、{keys} 个键，到 {file}\n"),
        )
    }
    pub(super) fn imported(self, messages: u64, keys: u64, dir: &str) -> String {
        let messages = self.messages(messages);
        self.pick(
            format!(
                "Imported   {messages} and {} into {dir}\n",
                count(keys, "key", "keys")
            ),
            format!("导入       {messages}、{keys} 个键，到 {dir}\n"),
        )
    }
    pub(super) fn backed_up(self, messages: u64, records: u64, dir: &str) -> String {
        let messages = self.messages(messages);
        self.pick(
            format!(
                "Backed up  {messages} and {} of keys to {dir}, and read them again\n",
                count(records, "record", "records")
            ),
            format!("备份       {messages}、{records} 条键记录，到 {dir}，并已重新读取验证\n"),
        )
    }
    pub(super) fn start_next(self, data_dir: &str) -> String {
        self.pick(
            format!("Start it   ternmq --data-dir {data_dir}\n"),
            format!("启动       ternmq --data-dir {data_dir}\n"),
        )
    }

    // Errors.

    /// `other` is what was exported to, imported from or backed up to.
    pub(super) fn store_error(self, error: &StoreError, other: Option<&str>) -> String {
        let other = other.unwrap_or_default();
        match error {
            StoreError::Open(error) => self.open_error(error),
            StoreError::Absent(dir) => {
                let dir = dir.display();
                self.pick(
                    format!("there is no store in {dir}; name its data directory with --data-dir"),
                    format!("{dir} 里没有存储；请用 --data-dir 指定它的数据目录"),
                )
            }
            StoreError::Taken(dir) => {
                let dir = dir.display();
                self.pick(
                    format!("{dir} is there already, and nothing is overwritten; choose a directory without one"),
                    format!("{dir} 已存在，不会覆盖；请换一个没有存储的目录"),
                )
            }
            StoreError::Unfinished(dir) => {
                let dir = dir.display();
                self.pick(
                    format!("{dir} is there: another import or backup is under way, or was cut off; in that case remove it"),
                    format!("{dir} 已存在：另一个导入或备份正在进行或曾中断；如已中断，请删除它"),
                )
            }
            StoreError::Import(ImportError::Damaged(entries)) => self.pick(
                format!("{other} is damaged or not complete after {entries} entries; export it again"),
                format!("{other} 在第 {entries} 项之后损坏或不完整；请重新导出"),
            ),
            StoreError::Import(ImportError::Foreign) => self.pick(
                format!("{other} is no export that this release can read; make one with ternmq store export"),
                format!("{other} 不是本版本能读取的导出文件；请用 ternmq store export 生成"),
            ),
            StoreError::Copy(error) if is_full(error.kind()) => self.full(Path::new(other), error),
            StoreError::Copy(error) => self.pick(
                format!("copying to {other} failed ({error}); try another place, and look the store through with ternmq store check"),
                format!("写入 {other} 失败（{error}）；请换一个位置，并用 ternmq store check 检查存储"),
            ),
            _ => error.to_string(),
        }
    }
    /// Why a store was not opened.
    pub(crate) fn open_error(self, error: &OpenError) -> String {
        match error {
            OpenError::InUse { dir, pid } => {
                let dir = dir.display();
                let pid = pid.map(|pid| pid.to_string());
                self.pick(
                    format!(
                        "{dir} is in use by {}; stop it, or choose another data directory with --data-dir",
                        pid.as_ref().map_or_else(
                            || "another process".to_owned(),
                            |pid| format!("process {pid}")
                        )
                    ),
                    format!(
                        "{dir} 正被{}使用；请停止它，或用 --data-dir 指定另一个数据目录",
                        pid.as_ref()
                            .map_or_else(|| "其他进程".to_owned(), |pid| format!("进程 {pid} "))
                    ),
                )
            }
            OpenError::Newer { path, found, known } => {
                let path = path.display();
                self.pick(
                    format!("{path} has format {found}, and this release knows formats up to {known}; start the newer release that wrote it, or export it there and import it here (ternmq store export | import)"),
                    format!("{path} 的格式是 {found}，本版本最高支持 {known}；请启动写入它的新版本，或在那里导出后在此导入（ternmq store export | import）"),
                )
            }
            OpenError::Older { path, found, known } => {
                let path = path.display();
                self.pick(
                    format!("{path} has format {found}, and this release reads formats from {known} on; export it with the release that wrote it, and import it here (ternmq store export | import)"),
                    format!("{path} 的格式是 {found}，本版本最低支持 {known}；请用写入它的版本导出后在此导入（ternmq store export | import）"),
                )
            }
            OpenError::ReadOnly { path, source } => {
                let path = path.display();
                self.pick(
                    format!("{path} cannot be written ({source}); make it writable for this user, or choose another data directory with --data-dir; a copy of this one will do"),
                    format!("{path} 无法写入（{source}）；请给当前用户写权限，或用 --data-dir 指定另一个数据目录，也可以是它的副本"),
                )
            }
            OpenError::Full { path, source } => self.full(path, source),
            OpenError::Io { path, source } => {
                let path = path.display();
                match source.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => self.pick(
                        format!("{path}: {source}; choose another data directory with --data-dir"),
                        format!("{path}：{source}；请用 --data-dir 指定另一个数据目录"),
                    ),
                    _ => self.pick(
                        format!("{path}: {source}; look at that disk and at the system's log, then at the store with ternmq store check"),
                        format!("{path}：{source}；请检查该磁盘和系统日志，再用 ternmq store check 检查存储"),
                    ),
                }
            }
            _ => error.to_string(),
        }
    }
    fn full(self, path: &Path, source: &std::io::Error) -> String {
        let path = path.display();
        self.pick(
            format!("{path} cannot be written ({source}); make room on that disk"),
            format!("{path} 无法写入（{source}）；请在该磁盘上腾出空间"),
        )
    }
    pub(super) fn not_created(self, file: &str, error: &std::io::Error) -> String {
        if error.kind() == ErrorKind::AlreadyExists {
            return self.pick(
                format!("{file} is there already, and nothing is overwritten; choose another name"),
                format!("{file} 已存在，不会覆盖；请换一个文件名"),
            );
        }
        self.pick(
            format!("{file} cannot be made ({error}); choose another place"),
            format!("无法创建 {file}（{error}）；请换一个位置"),
        )
    }
    pub(super) fn not_opened(self, file: &str, error: &std::io::Error) -> String {
        self.pick(
            format!("{file} cannot be read ({error}); check the path and its permissions"),
            format!("{file} 无法读取（{error}）；请检查路径和权限"),
        )
    }

    // Words.

    fn messages(self, messages: u64) -> String {
        self.pick(
            count(messages, "message", "messages"),
            format!("{messages} 条消息"),
        )
    }
    fn size(self, bytes: u64) -> String {
        #[expect(clippy::cast_precision_loss, reason = "it is rounded to tenths")]
        let of = |unit: u64| bytes as f64 / unit as f64;
        match bytes {
            0..10_000 => self.pick(count(bytes, "byte", "bytes"), format!("{bytes} 字节")),
            10_000..1_000_000 => format!("{:.1} KB", of(1 << 10)),
            1_000_000..1_000_000_000 => format!("{:.1} MB", of(1 << 20)),
            _ => format!("{:.1} GB", of(1 << 30)),
        }
    }
}

fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each error is one line that names the place, the system's word and what to do.
    #[test]
    fn errors_of_opening() {
        let system = |kind: ErrorKind| std::io::Error::new(kind, "why");
        let path = || "/d/store/kv".into();
        let cases = [
            (
                OpenError::of("/d/store/kv", system(ErrorKind::PermissionDenied)),
                "/d/store/kv cannot be written (why); make it writable",
                "/d/store/kv 无法写入（why）；请给当前用户写权限",
            ),
            (
                OpenError::of("/d/store/kv", system(ErrorKind::ReadOnlyFilesystem)),
                "/d/store/kv cannot be written (why); make it writable",
                "/d/store/kv 无法写入（why）；请给当前用户写权限",
            ),
            (
                OpenError::of("/d/store/kv", system(ErrorKind::StorageFull)),
                "/d/store/kv cannot be written (why); make room",
                "/d/store/kv 无法写入（why）；请在该磁盘上腾出空间",
            ),
            (
                OpenError::of("/d/store/kv", system(ErrorKind::Other)),
                "/d/store/kv: why; look at that disk",
                "/d/store/kv：why；请检查该磁盘",
            ),
            (
                OpenError::of("/d/store/kv", system(ErrorKind::NotADirectory)),
                "/d/store/kv: why; choose another data directory",
                "/d/store/kv：why；请用 --data-dir",
            ),
            (
                OpenError::InUse {
                    dir: path(),
                    pid: None,
                },
                "/d/store/kv is in use by another process; stop it",
                "/d/store/kv 正被其他进程使用；请停止它",
            ),
            (
                OpenError::Newer {
                    path: path(),
                    found: 3,
                    known: 2,
                },
                "/d/store/kv has format 3, and this release knows formats up to 2; start the newer",
                "/d/store/kv 的格式是 3，本版本最高支持 2；请启动",
            ),
        ];
        for (error, en, zh) in cases {
            for (lang, start) in [("C", en), ("zh_CN", zh)] {
                let text = Text::from_env(|_| Some(lang.to_owned()));
                let line = text.open_error(&error);
                assert!(line.starts_with(start) && !line.contains('\n'), "{line}");
            }
        }
    }

    #[test]
    fn sizes_are_short() {
        let text = Text::from_env(|_| None);
        for (bytes, expected) in [
            (1, "1 byte"),
            (9_999, "9999 bytes"),
            (10_240, "10.0 KB"),
            (4 << 30, "4.0 GB"),
        ] {
            assert_eq!(text.size(bytes), expected);
        }
    }
}
