//! Terms of Erlang, as far as `acl.conf` has them: atoms, texts, numbers, tuples and lists.

/// Tuples in tuples.
const DEPTH_MAX: usize = 16;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Term {
    Atom(String),
    Text(String),
    Number(u8),
    Tuple(Vec<Self>),
    List(Vec<Self>),
}

impl Term {
    pub(super) fn atom(&self) -> Option<&str> {
        match self {
            Self::Atom(name) => Some(name),
            _ => None,
        }
    }

    /// An atom will do.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Atom(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Terms that end with a dot each, with the number of the line on which each begins.
pub(super) fn read(text: &str) -> Result<Vec<(usize, Term)>, String> {
    let mut reader = Reader { text, at: 0 };
    let mut terms = Vec::new();
    loop {
        reader.skip();
        if reader.rest().is_empty() {
            return Ok(terms);
        }
        let line = reader.line();
        let term = reader.term(0).and_then(|term| {
            reader.expect('.')?;
            Ok(term)
        });
        let term = term.map_err(|what| format!("line {}: {what}", reader.line()))?;
        terms.push((line, term));
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn line(&self) -> usize {
        1 + self.text[..self.at].matches('\n').count()
    }

    /// Passes blanks and comments.
    fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            if !self.rest().starts_with('%') {
                return;
            }
            let rest = self.rest();
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign.encode_utf8(&mut [0; 4])) {
            return Ok(());
        }
        let found = self.rest().chars().next();
        let found = found.map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
        Err(format!("{sign:?} is due here, not {found}"))
    }

    fn term(&mut self, depth: usize) -> Result<Term, String> {
        if depth > DEPTH_MAX {
            return Err("too many tuples in tuples".to_owned());
        }
        self.skip();
        if self.take("{") {
            return Ok(Term::Tuple(self.terms('}', depth)?));
        }
        if self.take("[") {
            return Ok(Term::List(self.terms(']', depth)?));
        }
        if self.take("<<") {
            let text = self.term(depth + 1)?;
            self.expect('>')?;
            self.expect('>')?;
            return Ok(text);
        }
        if self.take("\"") {
            return Ok(Term::Text(self.quoted('"')?));
        }
        if self.take("'") {
            return Ok(Term::Atom(self.quoted('\'')?));
        }
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@';
        let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = &rest[..len];
        if word.is_empty() {
            return Err("a term is due here".to_owned());
        }
        self.at += len;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let number = word.parse();
            return number
                .map(Term::Number)
                .map_err(|_| format!("{word} is no number from 0 to 255"));
        }
        if word.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Ok(Term::Atom(word.to_owned()));
        }
        Err(format!("{word} is no term that may stand here"))
    }

    fn terms(&mut self, end: char, depth: usize) -> Result<Vec<Term>, String> {
        let mut terms = Vec::new();
        let sign = end.to_string();
        if self.take(&sign) {
            return Ok(terms);
        }
        loop {
            terms.push(self.term(depth + 1)?);
            if self.take(&sign) {
                return Ok(terms);
            }
            self.expect(',')?;
        }
    }

    /// The text up to a quote, which is behind this place.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + quote.len_utf8();
                return Ok(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, other)) if !other.is_ascii_alphanumeric() => text.push(other),
                _ => return Err("a \\ with what has no meaning here".to_owned()),
            }
        }
        Err(format!("a text without its second {quote}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms() {
        let text = "%% comment\n{allow, {'and', [\"a\\\\b\", <<\"c\">>]}, 1}.\n\n[].";
        let read = read(text).unwrap();
        let list = Term::List(vec![Term::Text("a\\b".into()), Term::Text("c".into())]);
        let tuple = Term::Tuple(vec![Term::Atom("and".into()), list]);
        let whole = Term::Tuple(vec![Term::Atom("allow".into()), tuple, Term::Number(1)]);
        assert_eq!(read, [(2, whole), (4, Term::List(Vec::new()))]);
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        let deep = "{".repeat(40);
        for text in [
            "{allow",
            "{allow}",
            "{allow,}.",
            "X.",
            "300.",
            "\"a",
            "\"\\q\".",
            "<<\"a\">.",
            &deep,
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("line 1: "), "{text}: {error}");
        }
    }
}
