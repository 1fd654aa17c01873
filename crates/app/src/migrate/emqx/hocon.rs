//! HOCON, as EMQX's configuration is written: objects that merge, paths as keys, values without quotes,
//! includes, and references to what stands before them or in the environment. Every value knows its line.

use std::{collections::BTreeMap, fs, path::Path, rc::Rc};

use serde_json::Value;

/// Objects in objects, and files in files.
const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) file: Rc<str>,
    /// From 1.
    pub(super) line: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Object(BTreeMap<String, Node>),
    Array(Vec<Node>),
    /// In quotes.
    Text(String),
    /// Without: a number, a switch, or a word.
    Bare(String),
}

/// Reads a file and what it includes.
///
/// # Errors
/// What is wrong, with file and line.
pub(super) fn read(path: &Path) -> Result<Node, String> {
    let mut root = BTreeMap::new();
    let file: Rc<str> = path.display().to_string().into();
    read_into(&mut root, path, 0)?;
    Ok(Node {
        kind: Kind::Object(root),
        file,
        line: 1,
    })
}

fn read_into(root: &mut BTreeMap<String, Node>, path: &Path, depth: usize) -> Result<(), String> {
    let named = |what: String| format!("{}: {what}", path.display());
    let bytes = fs::read(path).map_err(|error| named(error.to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut reader = Reader {
        chars: text.trim_start_matches('\u{feff}').chars().collect(),
        at: 0,
        line: 1,
        file: path.display().to_string().into(),
        folder: path.parent().unwrap_or_else(|| Path::new("")),
        known: BTreeMap::new(),
    };
    reader.known.clone_from(root);
    let is_braced = reader.skip_blank() == Some('{');
    if is_braced {
        reader.next();
    }
    reader.fields(root, if is_braced { Some('}') } else { None }, depth)?;
    reader.skip_blank();
    if reader.at < reader.chars.len() {
        return Err(reader.wrong("something follows the end"));
    }
    Ok(())
}

struct Reader<'a> {
    chars: Vec<char>,
    at: usize,
    line: usize,
    file: Rc<str>,
    folder: &'a Path,
    /// What stands before, for references.
    known: BTreeMap<String, Node>,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> String {
        format!("{}:{}: {what}", self.file, self.line)
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn starts(&self, text: &str) -> bool {
        let ahead = self.chars[self.at..].iter().copied();
        text.chars().eq(ahead.take(text.chars().count()))
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    /// Over spaces, ends of lines and comments; what comes then.
    fn skip_blank(&mut self) -> Option<char> {
        loop {
            match self.peek()? {
                '#' => self.skip_line(),
                '/' if self.starts("//") => self.skip_line(),
                c if c.is_whitespace() => _ = self.next(),
                c => return Some(c),
            }
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.at += 1;
        }
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|c| c != '\n' && c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn node(&self, kind: Kind, line: usize) -> Node {
        Node {
            kind,
            file: self.file.clone(),
            line,
        }
    }

    /// Fields up to the end, or what closes them.
    fn fields(
        &mut self,
        into: &mut BTreeMap<String, Node>,
        end: Option<char>,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("too deep"));
        }
        loop {
            let next = self.skip_blank();
            match next {
                None if end.is_none() => return Ok(()),
                None => return Err(self.wrong("a } is missing")),
                Some(',') => {
                    self.next();
                    continue;
                }
                _ if next == end => {
                    self.next();
                    return Ok(());
                }
                Some(_) => {}
            }
            let line = self.line;
            let path = self.key()?;
            if let [only] = &path[..]
                && only == "include"
                && !matches!(self.peek(), Some('=' | ':'))
            {
                self.include(into, depth)?;
                continue;
            }
            let adds = self.starts("+=");
            match self.peek() {
                Some('=' | ':') => _ = self.next(),
                Some('+') if adds => self.at += 2,
                Some('{') => {}
                _ => return Err(self.wrong("after a key comes =, : or {")),
            }
            let value = self.value(depth)?;
            let value = if adds {
                self.added(into, &path, value)
            } else {
                value
            };
            self.put(into, &path, value, line);
            if depth == 0 {
                self.known.clone_from(into);
            }
        }
    }

    /// `a.b."c.d"`, up to what follows it.
    fn key(&mut self) -> Result<Vec<String>, String> {
        let mut path = vec![String::new()];
        loop {
            match self.peek() {
                Some('"') => {
                    let text = self.quoted()?;
                    path.last_mut().expect("it has a part").push_str(&text);
                }
                Some('.') => {
                    self.next();
                    path.push(String::new());
                }
                Some(c) if c.is_whitespace() || "=:{+".contains(c) => break,
                Some(c) if c.is_alphanumeric() || "_-$@/*".contains(c) => {
                    self.next();
                    path.last_mut().expect("it has a part").push(c);
                }
                _ => return Err(self.wrong("this is no key")),
            }
        }
        self.skip_spaces();
        if path.iter().any(String::is_empty) {
            return Err(self.wrong("a part of a key is empty"));
        }
        Ok(path)
    }

    /// `include "file"`, also within file(...) and required(...).
    fn include(&mut self, into: &mut BTreeMap<String, Node>, depth: usize) -> Result<(), String> {
        while self
            .peek()
            .is_some_and(|c| c.is_alphabetic() || c == '(' || c == ' ')
        {
            self.next();
        }
        if self.peek() != Some('"') {
            return Err(self.wrong("include needs the name of a file in quotes"));
        }
        let name = self.quoted()?;
        while self.peek() == Some(')') {
            self.next();
        }
        if depth >= DEPTH_MAX {
            return Err(self.wrong("too deep"));
        }
        read_into(into, &self.folder.join(name), depth + 1)
    }

    /// A list with one more; a value that was none becomes the list's first.
    fn added(&self, into: &BTreeMap<String, Node>, path: &[String], value: Node) -> Node {
        let line = value.line;
        let mut items = match find(into, path).map(|node| node.kind) {
            Some(Kind::Array(items)) => items,
            _ => Vec::new(),
        };
        items.push(value);
        self.node(Kind::Array(items), line)
    }

    /// Puts a value where its path says; objects merge.
    fn put(&self, into: &mut BTreeMap<String, Node>, path: &[String], value: Node, line: usize) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        if rest.is_empty() {
            match (into.get_mut(first).map(|old| &mut old.kind), value) {
                (
                    Some(Kind::Object(old)),
                    Node {
                        kind: Kind::Object(new),
                        ..
                    },
                ) => merge(old, new),
                (_, value) => _ = into.insert(first.clone(), value),
            }
            return;
        }
        let empty = || self.node(Kind::Object(BTreeMap::new()), line);
        let node = into.entry(first.clone()).or_insert_with(empty);
        if !matches!(node.kind, Kind::Object(_)) {
            *node = empty();
        }
        if let Kind::Object(fields) = &mut node.kind {
            self.put(fields, rest, value, line);
        }
    }

    /// A value: parts side by side are one.
    fn value(&mut self, depth: usize) -> Result<Node, String> {
        self.skip_blank();
        let line = self.line;
        let mut parts: Vec<Node> = Vec::new();
        let mut is_free = false;
        loop {
            let spaces = self.at;
            self.skip_spaces();
            let gap = self.at > spaces && !parts.is_empty();
            let Some(c) = self.peek() else { break };
            let part = match c {
                '\n' | ',' | '}' | ']' | '#' => break,
                '/' if self.starts("//") => break,
                '{' => {
                    self.next();
                    let mut fields = BTreeMap::new();
                    self.fields(&mut fields, Some('}'), depth + 1)?;
                    self.node(Kind::Object(fields), line)
                }
                '[' => {
                    self.next();
                    let items = self.items(depth + 1)?;
                    self.node(Kind::Array(items), line)
                }
                '"' => {
                    let text = self.quoted()?;
                    self.node(Kind::Text(text), line)
                }
                '$' if self.starts("${") => match self.reference()? {
                    Some(node) => Node { line, ..node },
                    None => {
                        is_free = true;
                        continue;
                    }
                },
                _ => {
                    let word = self.word();
                    self.node(Kind::Bare(word), line)
                }
            };
            match parts.last_mut() {
                Some(last) => last.join(part, gap),
                None => parts.push(part),
            }
        }
        match parts.pop() {
            Some(whole) => Ok(whole),
            None if is_free => Ok(self.node(Kind::Bare("null".to_owned()), line)),
            None => Err(self.wrong("a value is missing")),
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, String> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("too deep"));
        }
        let mut items = Vec::new();
        loop {
            match self.skip_blank() {
                None => return Err(self.wrong("a ] is missing")),
                Some(']') => {
                    self.next();
                    return Ok(items);
                }
                Some(',') => _ = self.next(),
                Some(_) => items.push(self.value(depth)?),
            }
        }
    }

    /// Up to a space or what ends a value.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || ",}]#{[\"".contains(c) || self.starts("//") || self.starts("${")
            {
                break;
            }
            word.push(c);
            self.at += 1;
        }
        // What cannot begin anything is a part of the word: a value has to end.
        if word.is_empty()
            && let Some(c) = self.next()
        {
            word.push(c);
        }
        word
    }

    fn quoted(&mut self) -> Result<String, String> {
        if self.starts("\"\"\"") {
            self.at += 3;
            let mut text = String::new();
            while !self.starts("\"\"\"") {
                text.push(self.next().ok_or_else(|| self.wrong("\"\"\" is missing"))?);
            }
            self.at += 3;
            return Ok(text);
        }
        self.next();
        let mut text = String::new();
        loop {
            let next = self.next();
            match next.ok_or_else(|| self.wrong("a quote is missing"))? {
                '"' => return Ok(text),
                '\\' => {
                    let escaped = self.next().unwrap_or('\\');
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'u' => {
                            let digits: String = self.chars[self.at..].iter().take(4).collect();
                            self.at = (self.at + 4).min(self.chars.len());
                            let code = u32::from_str_radix(&digits, 16).ok();
                            code.and_then(char::from_u32).unwrap_or('\u{fffd}')
                        }
                        other => other,
                    });
                }
                c => text.push(c),
            }
        }
    }

    /// `${a.b}` or `${?a.b}`; nothing for the latter where there is none.
    fn reference(&mut self) -> Result<Option<Node>, String> {
        let line = self.line;
        let mut name = String::new();
        self.at += 2;
        loop {
            match self.next() {
                Some('}') => break,
                Some(c) if c != '\n' => name.push(c),
                _ => return Err(self.wrong("a } is missing")),
            }
        }
        let (is_free, path) = match name.strip_prefix('?') {
            Some(rest) => (true, rest),
            None => (false, &*name),
        };
        let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
        if let Some(node) = find(&self.known, &parts) {
            return Ok(Some(node));
        }
        if let Ok(value) = std::env::var(path) {
            return Ok(Some(self.node(Kind::Bare(value), line)));
        }
        // Kept as it stands: templates have them, too.
        Ok((!is_free).then(|| self.node(Kind::Bare(format!("${{{name}}}")), line)))
    }
}

impl Node {
    /// Puts another part behind this one.
    fn join(&mut self, other: Self, gap: bool) {
        match (&mut self.kind, other.kind) {
            (Kind::Object(old), Kind::Object(new)) => merge(old, new),
            (Kind::Array(old), Kind::Array(new)) => old.extend(new),
            (Kind::Text(old) | Kind::Bare(old), Kind::Text(new) | Kind::Bare(new)) => {
                if gap {
                    old.push(' ');
                }
                old.push_str(&new);
            }
            (_, kind) => self.kind = kind,
        }
    }

    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, node)| (name.clone(), node.value()));
                Value::Object(fields.collect())
            }
            Kind::Array(items) => Value::Array(items.iter().map(Self::value).collect()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::Bare(word) => match &**word {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => word
                    .parse::<i64>()
                    .map_or_else(|_| Value::String(word.clone()), Value::from),
            },
        }
    }

    pub(super) fn get(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| match &node.kind {
            Kind::Object(fields) => fields.get(*name),
            _ => None,
        })
    }
}

fn merge(old: &mut BTreeMap<String, Node>, new: BTreeMap<String, Node>) {
    for (name, node) in new {
        match (old.get_mut(&name).map(|old| &mut old.kind), node) {
            (
                Some(Kind::Object(old)),
                Node {
                    kind: Kind::Object(new),
                    ..
                },
            ) => merge(old, new),
            (_, node) => _ = old.insert(name, node),
        }
    }
}

fn find(fields: &BTreeMap<String, Node>, path: &[String]) -> Option<Node> {
    let (first, rest) = path.split_first()?;
    let node = fields.get(first)?;
    match (&node.kind, rest) {
        (_, []) => Some(node.clone()),
        (Kind::Object(fields), rest) => find(fields, rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder =
            std::env::temp_dir().join(format!("ternmq-hocon-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn read_text(name: &str, text: &str) -> Result<Node, String> {
        let folder = folder(name);
        let file = folder.join("a.conf");
        fs::write(&file, text).unwrap();
        fs::write(folder.join("more.conf"), "inner { x = 1 }\n").unwrap();
        let read = read(&file);
        fs::remove_dir_all(&folder).unwrap();
        read
    }

    #[test]
    fn as_emqx_writes_it() {
        let cases = [
            (
                "a = 1\nb: two // x\n# y\nc { d.e = \"f\" }",
                json!({"a": 1, "b": "two", "c": {"d": {"e": "f"}}}),
            ),
            (
                "{a = true, b = [1, two, \"3\"\n4,]}",
                json!({"a": true, "b": [1, "two", "3", 4]}),
            ),
            (
                "a {b = 1}\na {c = 2}\na.b = 3",
                json!({"a": {"b": 3, "c": 2}}),
            ),
            (
                "a = 15s\nb = 80%\nc = 0.0.0.0:1883\nd = 1 MB",
                json!({"a": "15s", "b": "80%", "c": "0.0.0.0:1883", "d": "1 MB"}),
            ),
            ("a = [{b = 1}, {b = 2}]", json!({"a": [{"b": 1}, {"b": 2}]})),
            ("a = \"\"\"x \"y\"\nz\"\"\"", json!({"a": "x \"y\"\nz"})),
            ("a = \"\\u4e2d\\n\"", json!({"a": "中\n"})),
            (
                "base {x = 1}\na = ${base} {y = 2}\nb = ${base.x}\nc = ${?no.such}7",
                json!({"base": {"x": 1}, "a": {"x": 1, "y": 2}, "b": 1, "c": 7}),
            ),
            ("a = [1]\na += 2", json!({"a": [1, 2]})),
            (
                "a { include \"more.conf\" }",
                json!({"a": {"inner": {"x": 1}}}),
            ),
            (
                "\"a.b\".c = \"${username}\"",
                json!({"a.b": {"c": "${username}"}}),
            ),
            ("", json!({})),
        ];
        for (text, due) in cases {
            let read = read_text("good", text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read.value(), due, "{text}");
        }
    }

    #[test]
    fn lines_are_told() {
        let node = read_text("lines", "\na {\n  b = 1\n  # x\n  c = [\n 2]\n}\n").unwrap();
        let line = |path: &[&str]| node.get(path).unwrap().line;
        assert_eq!((line(&["a", "b"]), line(&["a", "c"])), (3, 5));
    }

    /// What is no HOCON is told with its line, and ends.
    #[test]
    fn what_is_none() {
        for text in [
            "a", "a = {", "a = [1", "a = \"x", "a =\n", "= 1", "a..b = 1", "}", "a = ${x",
        ] {
            let error = read_text("bad", text).unwrap_err();
            assert!(error.contains("a.conf:"), "{text}: {error}");
        }
        let deep = "a {".repeat(100);
        assert!(read_text("deep", &deep).unwrap_err().contains("deep"));
        // A file that includes itself ends, too.
        assert!(
            read_text("self", "include \"a.conf\"")
                .unwrap_err()
                .contains("deep")
        );
    }
}
