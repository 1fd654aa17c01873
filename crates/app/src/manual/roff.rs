//! A man page, as `man` reads it.

use super::Entry;
use crate::text::Text;

/// The page of one command, with the names of its neighbours.
pub(super) fn page(entry: &Entry, all: &[&Entry], text: Text) -> String {
    let name = entry.words.replace(' ', "-");
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH {} 1 \"\" \"ternmq {version}\"\n", name.to_uppercase());
    let section = |page: &mut String, en: &str, zh: &str| {
        *page += &format!(".SH {}\n", text.pick(en, zh));
    };
    section(&mut page, "NAME", "名称");
    page += &format!("{} \\- {}\n", plain(&name), line(&entry.about));
    section(&mut page, "SYNOPSIS", "用法");
    page += &format!(".B {}\n{}\n", plain(&entry.words), line(&entry.usage));
    if !entry.below.is_empty() {
        section(&mut page, "COMMANDS", "命令");
        for below in &entry.below {
            page += &format!(".TP\n.B {}\n{}\n", plain(&below.words), line(&below.about));
        }
    }
    section(&mut page, "OPTIONS", "选项");
    for choice in &entry.choices {
        let names: Vec<String> = choice
            .names
            .iter()
            .map(|n| format!("\\fB{}\\fR", plain(n)))
            .collect();
        let value = choice
            .value
            .as_ref()
            .map(|value| format!(" \\fI{}\\fR", plain(value)));
        page += &format!(".TP\n{}{}\n", names.join(", "), value.unwrap_or_default());
        page += &format!("{}\n", line(&choice.help));
    }
    if !entry.note.is_empty() {
        section(&mut page, "NOTES", "说明");
        for paragraph in entry.note.split("\n\n") {
            page += &format!("{}\n.PP\n", line(&paragraph.replace('\n', " ")));
        }
    }
    section(&mut page, "SEE ALSO", "另请参阅");
    let near = all
        .iter()
        .filter(|other| other.words != entry.words && is_near(entry, other));
    let names: Vec<String> = near
        .map(|other| format!("\\fB{}\\fR(1)", plain(&other.words.replace(' ', "-"))))
        .collect();
    page + &names.join(",\n") + "\n"
}

/// Commands of the same parent, what is below, and the parent.
fn is_near(entry: &Entry, other: &Entry) -> bool {
    let parent = |words: &str| words.rsplit_once(' ').map(|(parent, _)| parent.to_owned());
    parent(&other.words) == parent(&entry.words)
        || parent(&other.words).as_deref() == Some(&entry.words)
        || parent(&entry.words).as_deref() == Some(&other.words)
}

/// Dashes and backslashes are letters of the text.
fn plain(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A line that is no request to the formatter.
fn line(text: &str) -> String {
    let text = plain(text.trim());
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::program;
    use super::*;

    #[test]
    fn pages_name_every_option() {
        for locale in ["C", "zh_CN.UTF-8"] {
            let (program, text) = program(locale);
            let all = program.walk();
            for entry in &all {
                let page = page(entry, &all, text);
                assert!(page.starts_with(".TH TERNMQ"), "{page}");
                for choice in &entry.choices {
                    let name = plain(choice.names.last().unwrap());
                    assert!(
                        page.contains(&format!("\\fB{name}\\fR")),
                        "{}: {name}",
                        entry.words
                    );
                    assert!(!choice.help.is_empty(), "{}: {name}", entry.words);
                }
                for text in page.lines().filter(|line| line.starts_with(['.', '\''])) {
                    let known = [".TH ", ".SH ", ".B ", ".TP", ".PP"];
                    assert!(
                        known.iter().any(|request| text.starts_with(request)),
                        "{text}"
                    );
                }
            }
        }
        assert_eq!(line(".x -y \\z"), "\\&.x \\-y \\ez");
    }
}
