//! MQTT filters of a replay, a group or a node's interest, parsed once per call. The matching
//! itself is `protocol`'s.

use protocol::{Filter, Topic};

use crate::Error;

/// Sessions' filters were checked against the broker's own limit when they came in.
const LEVELS_MAX: u16 = u16::MAX;

pub(crate) struct Filters<'a>(Vec<Filter<'a>>);

impl<'a> Filters<'a> {
    /// `Fatal` for what is not a filter: it was checked at SUBSCRIBE, so the fault is ours.
    pub(crate) fn parse(filters: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let parse = |text| {
            Filter::parse(text, LEVELS_MAX)
                .map_err(|error| Error::Fatal(format!("filter {text:?}: {error}").into()))
        };
        filters
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether one of them matches. A text that is no topic name matches none.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        Topic::parse(topic, LEVELS_MAX)
            .is_ok_and(|topic| self.0.iter().any(|filter| filter.matches(topic)))
    }
}
