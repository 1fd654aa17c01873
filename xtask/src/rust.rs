//! A light reading of Rust source: which bytes are code, which are comments, where functions begin
//! and end. No parser: enough to say "this comment stands in that function", never to judge types.

/// One source file.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and literals blanked, byte for byte as long as the text.
    pub(crate) mask: String,
    /// Byte offset at which each line starts.
    starts: Vec<usize>,
    /// Byte offset at which each comment starts.
    comments: Vec<usize>,
    pub(crate) functions: Vec<Function>,
    /// Lines (first, last) of modules under `#[cfg(test)]`.
    test_modules: Vec<(usize, usize)>,
}

/// A function with a body; lines count from 0.
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where its comments and attributes begin.
    pub(crate) first: usize,
    /// The line of `fn`.
    pub(crate) signature: usize,
    /// The line of its closing brace.
    pub(crate) last: usize,
    /// Carries `#[test]`, and is not ignored: what never runs proves nothing.
    pub(crate) test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let (mask, comments) = mask(&text);
        let starts: Vec<usize> = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|(_, byte)| *byte == b'\n')
                    .map(|(at, _)| at + 1),
            )
            .collect();
        let mut source = Self {
            path: path.to_owned(),
            text,
            mask,
            starts,
            comments,
            functions: Vec::new(),
            test_modules: Vec::new(),
        };
        source.functions = source.find_functions();
        source.test_modules = source.find_test_modules();
        source
    }

    pub(crate) fn lines(&self) -> usize {
        self.starts.len()
    }

    /// Byte offset of a line's start; of the text's end for a line behind the last.
    pub(crate) fn start(&self, line: usize) -> usize {
        self.starts.get(line).copied().unwrap_or(self.text.len())
    }

    pub(crate) fn line_at(&self, offset: usize) -> usize {
        self.starts
            .partition_point(|start| *start <= offset)
            .saturating_sub(1)
    }

    /// A line's text without its line break.
    pub(crate) fn line(&self, line: usize) -> &str {
        self.text[self.start(line)..self.start(line + 1)].trim_end_matches(['\n', '\r'])
    }

    /// A line's code with comments and literals blanked.
    pub(crate) fn code(&self, line: usize) -> &str {
        self.mask[self.start(line)..self.start(line + 1)].trim_end()
    }

    /// The comment that starts on a line, with its slashes; empty if there is none.
    pub(crate) fn comment(&self, line: usize) -> &str {
        let (from, to) = (self.start(line), self.start(line + 1));
        self.comments
            .get(self.comments.partition_point(|start| *start < from))
            .filter(|start| **start < to)
            .map_or("", |start| self.text[*start..to].trim_end())
    }

    /// The innermost function whose body, comments or attributes include the line.
    pub(crate) fn function(&self, line: usize) -> Option<&Function> {
        self.functions
            .iter()
            .filter(|function| function.first <= line && line <= function.last)
            .max_by_key(|function| function.first)
    }

    /// Whether a line belongs to tests: by the file's place or by its module.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        is_test_path(&self.path)
            || self
                .test_modules
                .iter()
                .any(|(first, last)| *first <= line && line <= *last)
    }

    fn find_functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, _) in self.mask.match_indices("fn ") {
            if at > 0 && is_word(self.mask.as_bytes()[at - 1]) {
                continue;
            }
            let after = self.mask[at + 3..].trim_start();
            let name: String = after
                .bytes()
                .take_while(|b| is_word(*b))
                .map(char::from)
                .collect();
            let Some(open) = body(&self.mask, at + 3) else {
                continue;
            };
            let Some(close) = closing(&self.mask, open) else {
                continue;
            };
            if name.is_empty() {
                continue;
            }
            let signature = self.line_at(at);
            let first = self.header(signature);
            let carries =
                |start| (first..signature).any(|line| self.code(line).trim().starts_with(start));
            let test = carries("#[test]") && !carries("#[ignore");
            found.push(Function {
                name,
                first,
                signature,
                last: self.line_at(close),
                test,
            });
        }
        found
    }

    /// First line of the comments and attributes directly above a line.
    fn header(&self, line: usize) -> usize {
        let mut first = line;
        while first > 0 {
            let above = self.line(first - 1).trim();
            let belongs = above.starts_with("//") && !above.starts_with("//!")
                || above.starts_with("#[")
                || above.ends_with(")]");
            if !belongs {
                break;
            }
            first -= 1;
        }
        first
    }

    fn find_test_modules(&self) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (at, attribute) in self.mask.match_indices("#[cfg(test)]") {
            let after = at + attribute.len();
            if let Some(open) = body(&self.mask, after)
                && let Some(close) = closing(&self.mask, open)
            {
                found.push((self.line_at(at), self.line_at(close)));
            }
        }
        found
    }
}

/// Files that hold only tests, by convention of this repository.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.contains("/sim/")
        || path.contains("/benches/")
        || path.starts_with("fuzz/")
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Offset of the `{` that opens the body of what begins at `from`; `None` if a `;` comes first.
pub(crate) fn body(mask: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in mask.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' | b'}' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Offset of the bracket that closes the one at `open`.
pub(crate) fn closing(mask: &str, open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in mask.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Blanks comments and literals, line breaks excepted; also tells where comments start.
fn mask(text: &str) -> (String, Vec<usize>) {
    let bytes = text.as_bytes();
    let mut comments = Vec::new();
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at + text[at..].find('\n').unwrap_or(text.len() - at)
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment(bytes, at),
            b'"' => string(bytes, at),
            b'r' if at == 0 || !is_word(bytes[at - 1]) || bytes[at - 1] == b'b' => {
                raw_string(text, at).unwrap_or(at)
            }
            b'\'' => character(text, at),
            _ => at,
        };
        if end == at {
            out.push(if bytes[at].is_ascii() {
                char::from(bytes[at])
            } else {
                ' '
            });
            at += 1;
            continue;
        }
        if bytes[at] == b'/' {
            comments.push(at);
        }
        out.extend(
            bytes[at..end]
                .iter()
                .map(|byte| if *byte == b'\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    (out, comments)
}

fn block_comment(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string(text: &str, from: usize) -> Option<usize> {
    let hashes = text[from + 1..]
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    let open = from + 1 + hashes;
    if text.as_bytes().get(open) != Some(&b'"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    Some(
        text[open + 1..]
            .find(&end)
            .map_or(text.len(), |at| open + 1 + at + end.len()),
    )
}

/// End of a character literal; the place itself for a lifetime.
fn character(text: &str, from: usize) -> usize {
    let inner = &text[from + 1..];
    if inner.starts_with('\\') {
        return inner[2..]
            .find('\'')
            .map_or(from, |at| from + 1 + 2 + at + 1);
    }
    let first = inner.chars().next().map_or(0, char::len_utf8);
    if inner[first..].starts_with('\'') {
        from + 1 + first + 1
    } else {
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r##"//! Head.
/// Says {.
fn first<'a>(x: &'a str) -> char {
    let y = "} // no comment"; // why
    if x == y { '{' } else { '\'' }
}

#[cfg(test)]
mod tests {
    /// Proves it.
    #[test]
    fn second() {
        assert_eq!(r#"}"#, "}"); /* } */
    }
    #[test]
    #[ignore = "not yet"]
    fn third() {}
}
"##;

    #[test]
    fn finds_functions_comments_and_test_modules() {
        let source = Source::new("crates/a/src/lib.rs", SAMPLE.to_owned());
        assert_eq!(source.mask.len(), source.text.len());
        let found: Vec<_> = source
            .functions
            .iter()
            .map(|f| (&f.name[..], f.first, f.last, f.test))
            .collect();
        let due = [
            ("first", 1, 5, false),
            ("second", 9, 13, true),
            ("third", 14, 16, false),
        ];
        assert_eq!(found.len(), due.len());
        for ((name, first, last, test), due) in found.into_iter().zip(due) {
            assert_eq!((name, first, last, test), due);
        }
        assert_eq!(source.comment(3), "// why");
        assert_eq!(source.comment(4), "");
        assert!(!source.is_test(3) && source.is_test(12));
        assert_eq!(source.function(12).map(|f| &f.name[..]), Some("second"));
    }
}
