//! Topics and filters that cover the rules of 4.7, and a second, naive matcher to judge by.

/// Names with empty levels, `$`, characters that other systems give a meaning, and depth.
pub(crate) const TOPICS: [&str; 38] = [
    "a",
    "b",
    "/",
    "//",
    "/a",
    "a/",
    "a/b",
    "a//b",
    "/a/b",
    "a/b/",
    "a/b/c",
    "a/b/c/d",
    "a/c",
    "b/a",
    "A/b",
    "aa/b",
    "a.b",
    "a b",
    " ",
    "a/ /b",
    "a\u{a0}b",
    "a/=t",
    "=",
    "%2F",
    "*",
    ">",
    "a/*/b",
    "a/>",
    "é/ü",
    "温度/室",
    "🌡/a",
    "$",
    "$SYS",
    "$SYS/a",
    "$SYS/a/b",
    "a/$SYS",
    "$a/b",
    "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26",
];

pub(crate) const FILTERS: [&str; 42] = [
    "#",
    "+",
    "+/+",
    "+/#",
    "/+",
    "/#",
    "+/",
    "//",
    "/",
    "a",
    "a/#",
    "a/+",
    "a/+/#",
    "a/b",
    "a/b/#",
    "a/+/b",
    "a/+/+",
    "+/b",
    "+/b/#",
    "+/+/c",
    "a//b",
    "a/+/c",
    "a//#",
    "/a",
    "a/",
    "A/#",
    "a.b",
    "a b",
    "a/ /+",
    "*",
    ">",
    "a/*/#",
    "a/=t",
    "é/+",
    "温度/#",
    "🌡/a",
    "$SYS",
    "$SYS/#",
    "$SYS/+",
    "$SYS/+/b",
    "$a/+",
    "1/2/+/4/#",
];

/// Slow and by the letter of 4.7.1 and 4.7.2.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    fn levels(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            // Also the parent: `a/#` matches `a` (4.7.1.2).
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => levels(filter, topic),
            ([one, filter @ ..], [other, topic @ ..]) => one == other && levels(filter, topic),
            _ => false,
        }
    }
    // [MQTT-4.7.2-1]
    let hidden = topic.starts_with('$') && filter.starts_with(['#', '+']);
    !hidden
        && levels(
            &filter.split('/').collect::<Vec<_>>(),
            &topic.split('/').collect::<Vec<_>>(),
        )
}
