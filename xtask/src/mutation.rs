//! Ways to disable the line that a comment with a statement's id stands on, as changes of text.
//! Whether the result compiles is found out by trying: the caller takes the first that does.

use crate::rust::{Source, body, closing, is_word};

/// One change of a file.
#[derive(Debug)]
pub(crate) struct Mutation {
    /// What was done, for the report.
    pub(crate) what: String,
    pub(crate) text: String,
}

/// Ways to disable what the comment on `line` is about, the most fitting first.
pub(crate) fn mutations(source: &Source, line: usize) -> Vec<Mutation> {
    let mut found = Vec::new();
    let Some(line) = target(source, line) else {
        return found;
    };
    let editor = Editor { source, line };
    let from = source.start(line) + indent(source.code(line));
    let code = source.code(line).trim_start();
    let lead = code.len()
        - code
            .trim_start_matches(['}', ' '])
            .trim_start_matches("else ")
            .len();
    if code[lead..].starts_with("if ") || code[lead..].starts_with("while ") {
        editor.condition(
            from + lead + code[lead..].find(' ').unwrap_or(0),
            &mut found,
        );
    } else if code.starts_with("for ") {
        editor.no_rounds(from, &mut found);
    } else if is_signature(code) {
        editor.early_return(from, &mut found);
    } else if code.starts_with("&&") || code.starts_with("||") || code.starts_with('.') {
        editor.cut(from, editor.link_end(from), &mut found);
    } else if let Some(arrow) = arrow(code) {
        editor.arm(from, from + arrow, &mut found);
    } else {
        editor.statement(from, &mut found);
    }
    found
}

struct Editor<'a> {
    source: &'a Source,
    line: usize,
}

impl Editor<'_> {
    /// Replaces `from..to` and notes the change.
    fn put(&self, from: usize, to: usize, with: &str, what: &str, found: &mut Vec<Mutation>) {
        let text = &self.source.text;
        found.push(Mutation {
            what: format!("{}:{} {what}", self.source.path, self.line + 1),
            text: format!("{}{with}{}", &text[..from], &text[to..]),
        });
    }

    /// `if c {` becomes `if false && (c) {`; the same for `while`.
    fn condition(&self, from: usize, found: &mut Vec<Mutation>) {
        let mask = &self.source.mask;
        let Some(open) = body(mask, from) else { return };
        self.falsify(from, open, found);
    }

    fn falsify(&self, from: usize, to: usize, found: &mut Vec<Mutation>) {
        let condition = self.source.text[from..to].trim_end();
        // A chain with `let` takes no parentheses, and has no `||` outside of them.
        let with = if keyword(&self.source.mask[from..to], "let").is_some() {
            format!(" false && {} ", condition.trim_start())
        } else {
            format!(" false && ({}) ", condition.trim_start())
        };
        self.put(from, to, &with, "condition made false", found);
    }

    fn no_rounds(&self, from: usize, found: &mut Vec<Mutation>) {
        let mask = &self.source.mask;
        if let Some(open) = body(mask, from)
            && let Some(at) = mask[from..open].find(" in ")
        {
            let items = self.source.text[from + at + 4..open].trim();
            let with = format!("({items}).into_iter().take(0) ");
            self.put(from + at + 4, open, &with, "loop made empty", found);
        }
    }

    /// A function whose doc carries the id answers at once, with the least that its type allows.
    fn early_return(&self, from: usize, found: &mut Vec<Mutation>) {
        let mask = &self.source.mask;
        let Some(open) = body(mask, from) else { return };
        let answer = mask[from..open].split("->").nth(1).map_or("", str::trim);
        if answer.starts_with("Result<") && !answer.starts_with("Result<()") {
            self.checks_off(open, found);
            return;
        }
        let values: &[&str] = if answer.is_empty() {
            &["return"]
        } else if answer.starts_with("Result<()") {
            &["return Ok(())"]
        } else if answer == "bool" {
            &["return true", "return false"]
        } else if answer.starts_with("Option") {
            &["return None"]
        } else {
            &["return Default::default()"]
        };
        for value in values {
            // Behind a condition, so that nothing is unreachable for the compiler.
            let with = format!("{{ if true {{ {value}; }}");
            self.put(open, open + 1, &with, value, found);
        }
    }

    /// A function that refuses or gives a value refuses nothing any more: its guards never hold, and
    /// its calls that only check are gone.
    fn checks_off(&self, open: usize, found: &mut Vec<Mutation>) {
        let Source { text, mask, .. } = self.source;
        let Some(close) = closing(mask, open) else {
            return;
        };
        let mut edits: Vec<(usize, usize, &str)> = Vec::new();
        let last = self.source.line_at(close);
        for line in self.source.line_at(open) + 1..last {
            let code = self.source.code(line);
            let from = self.source.start(line) + indent(code);
            let code = code.trim_start();
            if code.starts_with("if ")
                && let Some(block) = body(mask, from)
                && let Some(end) = closing(mask, block)
                && mask[block..end].contains("Err(")
            {
                let chain = keyword(&mask[from..block], "let").is_some();
                edits.push((
                    from + 2,
                    from + 2,
                    if chain { " false &&" } else { " false && (" },
                ));
                edits.push((block, block, if chain { "" } else { ")" }));
            } else if code.ends_with(")?;") && is_word(code.as_bytes()[0]) {
                let lead = ["let ", "return ", "Ok("]
                    .iter()
                    .any(|word| code.starts_with(word));
                if !lead && assignment(code).is_none() {
                    edits.push((from, from + code.len(), ""));
                }
            }
        }
        if edits.is_empty() {
            return;
        }
        let mut changed = text.clone();
        for (from, to, with) in edits.into_iter().rev() {
            changed.replace_range(from..to, with);
        }
        let what = format!("{}:{} checks off", self.source.path, self.line + 1);
        found.push(Mutation {
            what,
            text: changed,
        });
    }

    /// `pattern => ...` becomes `pattern if false => ...`.
    fn arm(&self, from: usize, arrow: usize, found: &mut Vec<Mutation>) {
        let head = &self.source.mask[from..arrow];
        if let Some(guard) = keyword(head, "if") {
            self.falsify(from + guard, arrow, found);
        } else {
            self.put(arrow, arrow, "if false ", "arm made unreachable", found);
        }
        self.value(arrow + 2, found);
    }

    fn statement(&self, from: usize, found: &mut Vec<Mutation>) {
        let mask = &self.source.mask;
        let (end, stop) = self.expression_end(from);
        let code = &mask[from..end];
        if code.starts_with("let ") || code.starts_with("const ") || code.starts_with("static ") {
            if let Some(equals) = assignment(code) {
                self.value(from + equals + 1, found);
            }
            return;
        }
        if stop == Some(b';') {
            self.put(from, end + 1, "", "statement removed", found);
        }
        if let Some(colon) = field(code) {
            self.value(from + colon + 1, found);
        } else if stop != Some(b';') {
            if code.trim_end().ends_with('}') {
                self.cut(from, end, found);
            }
            self.value(from, found);
        }
        if let Some(equals) = assignment(code) {
            self.value(from + equals + 1, found);
        }
    }

    /// Turns a value around, or into the least of its type.
    fn value(&self, from: usize, found: &mut Vec<Mutation>) {
        let (end, _) = self.expression_end(from);
        let text = self.source.text[from..end].trim();
        if text.is_empty() {
            return;
        }
        // `!(return x)` compiles, and still returns x; so does a loop that only returns.
        if !text.starts_with("return") && !text.starts_with("loop") {
            self.put(from, end, &format!(" !({text})"), "value inverted", found);
        }
        if text.starts_with("Err(") || text.starts_with("return Err(") {
            self.put(from, end, " Ok(Default::default())", "error dropped", found);
        }
        if let Some(at) = last_call(&self.source.mask[from..end]) {
            self.put(from + at, end, "", "last call cut", found);
        }
        self.put(
            from,
            end,
            " Default::default()",
            "value made the default",
            found,
        );
    }

    fn cut(&self, from: usize, to: usize, found: &mut Vec<Mutation>) {
        self.put(from, to, "", "removed", found);
    }

    /// End of an expression or statement that starts at `from`, and the byte that ends it.
    fn expression_end(&self, from: usize) -> (usize, Option<u8>) {
        let mut depth = 0_i32;
        for (at, byte) in self.source.mask.bytes().enumerate().skip(from) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' if depth == 0 => return (at, Some(byte)),
                b')' | b']' | b'}' => depth -= 1,
                b';' | b',' if depth == 0 => return (at, Some(byte)),
                _ => {}
            }
        }
        (self.source.text.len(), None)
    }

    /// End of one link of a chain, `.call(..)` or `&& condition`.
    fn link_end(&self, from: usize) -> usize {
        let mask = &self.source.mask;
        let last = self.source.start(self.line + 1);
        let line_end = mask[from..last]
            .trim_end()
            .trim_end_matches(['{', ';', ','])
            .trim_end()
            .len();
        let mut end = from + line_end;
        // A call whose arguments go on in later lines.
        if let Some(open) = mask[from..end].rfind(['(', '{'])
            && let Some(close) = closing(mask, from + open)
            && close >= end
        {
            end = close + 1;
        }
        end
    }
}

/// The line of code that a comment is about: its own, or the next below; the condition of an `if`
/// whose block it opens; behind a closing bracket the line that opened it.
fn target(source: &Source, line: usize) -> Option<usize> {
    if let Some(condition) = condition_above(source, line) {
        return Some(condition);
    }
    let at = (line..source.lines()).find(|at| {
        let code = source.code(*at).trim();
        !code.is_empty() && !code.starts_with("#[")
    })?;
    if !source.code(at).trim_start().starts_with([')', ']']) {
        return Some(at);
    }
    let close = source.start(at) + indent(source.code(at));
    let mut open = Vec::new();
    for (place, byte) in source.mask.bytes().enumerate().take(close) {
        match byte {
            b'(' | b'[' | b'{' => open.push(place),
            b')' | b']' | b'}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.last().map(|place| source.line_at(*place))
}

/// The line of the `if` whose block begins with this comment, which then tells why it is entered.
fn condition_above(source: &Source, line: usize) -> Option<usize> {
    let before = source.mask[..source.start(line)].trim_end();
    if !source.code(line).trim().is_empty() || !before.ends_with('{') {
        return None;
    }
    let mut depth = 0_i32;
    let head = before[..before.len() - 1]
        .bytes()
        .rposition(|byte| {
            match byte {
                b')' | b']' => depth += 1,
                b'(' | b'[' => depth -= 1,
                b';' | b'{' | b'}' | b',' => return depth <= 0,
                _ => {}
            }
            depth < 0
        })
        .map_or(0, |at| at + 1);
    let from = head + indent(&before[head..]);
    let is_if = before[from..].starts_with("if ") || before[from..].starts_with("else if ");
    is_if.then(|| source.line_at(from))
}

fn indent(code: &str) -> usize {
    code.len() - code.trim_start().len()
}

fn is_signature(code: &str) -> bool {
    [
        "fn ",
        "pub fn ",
        "pub(crate) fn ",
        "pub(super) fn ",
        "const fn ",
        "pub const fn ",
    ]
    .iter()
    .any(|start| code.starts_with(start))
}

/// Offset behind a keyword that stands as a word of its own, outside of brackets.
fn keyword(code: &str, word: &str) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut depth = 0_i32;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ if depth <= 0
                && code[at..].starts_with(word)
                && (at == 0 || !is_word(bytes[at - 1]))
                && bytes
                    .get(at + word.len())
                    .is_none_or(|next| !is_word(*next)) =>
            {
                return Some(at + word.len());
            }
            _ => {}
        }
    }
    None
}

/// Offset of the last `.call(..)` of a chain that ends with it.
fn last_call(code: &str) -> Option<usize> {
    let code = code.trim_end();
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().rev() {
        match byte {
            b')' | b']' | b'}' => depth += 1,
            b'(' | b'[' | b'{' => depth -= 1,
            b'.' if depth == 0 => return Some(at),
            _ if depth == 0 && !is_word(byte) => return None,
            _ => {}
        }
    }
    None
}

/// Offset of `=>` on a line, outside of brackets.
fn arrow(code: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b'=' if depth == 0 && code[at..].starts_with("=>") => return Some(at),
            _ => {}
        }
    }
    None
}

/// Offset of a single `=`, outside of brackets; also the one of `+=` and its like.
fn assignment(code: &str) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut depth = 0_i32;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b'=' if depth == 0
                && bytes.get(at + 1) != Some(&b'=')
                && bytes.get(at + 1) != Some(&b'>')
                && (at == 0 || !b"=!<>".contains(&bytes[at - 1])) =>
            {
                return Some(at);
            }
            _ => {}
        }
    }
    None
}

/// Offset of the colon of `field: value`.
fn field(code: &str) -> Option<usize> {
    let name = code.bytes().take_while(|byte| is_word(*byte)).count();
    let rest = &code[name..];
    (name > 0 && rest.starts_with(": ")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first mutation of a snippet whose marked line carries `// HERE`.
    fn first(snippet: &str) -> String {
        let text = format!("fn f() {{\n{snippet}\n}}\n");
        let line = text
            .lines()
            .position(|line| line.contains("// HERE"))
            .unwrap();
        let source = Source::new("a.rs", text);
        let mutated = mutations(&source, line).into_iter().next().unwrap().text;
        mutated
            .trim_start_matches("fn f() {\n")
            .trim_end_matches("\n}\n")
            .to_owned()
    }

    #[test]
    fn disables_what_the_comment_stands_on() {
        let check = |snippet: &str, expected: &str| assert_eq!(first(snippet), expected);
        check(
            "// HERE\nif a || b { c(); }",
            "// HERE\nif false && (a || b) { c(); }",
        );
        check(
            "if let Some(x) = y && z { // HERE\n}",
            "if false && let Some(x) = y && z { // HERE\n}",
        );
        check(
            "} else if a { // HERE\n}",
            "} else if false && (a) { // HERE\n}",
        );
        check("a();\nself.x.push(\n  1,\n); // HERE", "a();\n // HERE");
        check(
            "if a\n  && b(c)\n{\n// HERE\nd();\n}",
            "if false && (a\n  && b(c)) {\n// HERE\nd();\n}",
        );
        check("x.y(|| {\n// HERE\nd();\n})", "x.y(|| {\n// HERE\n\n})");
    }

    #[test]
    fn removes_statements_and_links_and_closes_arms() {
        let check = |snippet: &str, expected: &str| assert_eq!(first(snippet), expected);
        check("// HERE\nself.x.push(\n  1,\n);\nb();", "// HERE\n\nb();");
        check("return Err(a); // HERE", " // HERE");
        check("// HERE\n// more\n&& c\n", "// HERE\n// more\n\n");
        check(
            "A | B if c => d, // HERE",
            "A | B if false && (c) => d, // HERE",
        );
        check("A => d, // HERE", "A if false => d, // HERE");
        check(
            "for x in y.iter() { // HERE\n}",
            "for x in (y.iter()).into_iter().take(0) { // HERE\n}",
        );
        check("let a = b && c; // HERE", "let a = !(b && c); // HERE");
        check("retain: a && b, // HERE", "retain: !(a && b), // HERE");
        check("return a; // HERE", " // HERE");
        check(
            "/// HERE\n// HERE\npub fn g(&self) -> bool {\n x\n}",
            "/// HERE\n// HERE\npub fn g(&self) -> bool { if true { return true; }\n x\n}",
        );
        check(
            "/// HERE\npub fn g() -> Result<A, B> {\nc()?;\nif d {\nreturn Err(e);\n}\nOk(a)\n}",
            "/// HERE\npub fn g() -> Result<A, B> {\n\nif false && ( d ){\nreturn Err(e);\n}\nOk(a)\n}",
        );
    }
}
