//! The text of one topic level. Most are short and stand in the node itself: a walk then touches one
//! place of memory for each level instead of two, and a node needs no block of its own.

const SHORT_MAX: usize = 14;

#[derive(Debug)]
pub(crate) enum Level {
    Short {
        len: u8,
        bytes: [u8; SHORT_MAX],
    },
    /// Boxed twice, so that the rare long one costs the others nothing.
    Long(Box<Box<str>>),
}

impl Level {
    pub(crate) fn new(text: &str) -> Self {
        match u8::try_from(text.len()) {
            Ok(len) if text.len() <= SHORT_MAX => {
                let mut bytes = [0; SHORT_MAX];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(Box::new(text.into())),
        }
    }

    #[inline]
    pub(crate) fn is(&self, text: &str) -> bool {
        self.bytes() == text.as_bytes()
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes()).expect("made of a str")
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(text) => text.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long() {
        assert_eq!(size_of::<Level>(), 16);
        for text in [
            "",
            "+",
            "fourteen-bytes",
            "fifteen-bytes-x",
            &"ä".repeat(200),
        ] {
            let level = Level::new(text);
            assert!(level.is(text) && !level.is("other"));
            assert_eq!(level.as_str(), text);
        }
    }
}
