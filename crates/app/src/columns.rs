//! Text in columns of a terminal: how wide it is, and what of it is fit to be shown.

/// Other people's words without what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() || is_invisible(c) {
            '?'
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

/// Marks that turn the direction of text, or take no room.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// As much of it as fits.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    let mut room = columns;
    let fits = |c: &char| {
        let width = columns_of(*c);
        let fits = width <= room;
        room -= width.min(room);
        fits
    };
    text.chars().take_while(fits).collect()
}

/// The columns that it takes.
pub(crate) fn wide(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Characters from Hangul and the East Asian blocks on take two columns.
fn columns_of(c: char) -> usize {
    match u32::from(c) {
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF => 2,
        0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF => 2,
        0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}
