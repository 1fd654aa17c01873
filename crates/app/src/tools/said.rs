//! Words for people that are made where a fault is found, in both languages at once.

use crate::text::Text;

/// One text in English and Chinese.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    en: String,
    zh: String,
}

pub(crate) fn said(en: impl Into<String>, zh: impl Into<String>) -> Said {
    Said {
        en: en.into(),
        zh: zh.into(),
    }
}

impl Said {
    pub(crate) fn show(&self, text: Text) -> &str {
        text.pick(&self.en, &self.zh)
    }

    /// `name: ...`, as it is told of an option.
    pub(crate) fn of(&self, name: &str) -> Self {
        said(
            format!("{name}: {}", self.en),
            format!("{name}：{}", self.zh),
        )
    }
}
