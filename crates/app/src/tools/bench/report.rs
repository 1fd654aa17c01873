//! What a bench found, for people and as one JSON object.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::counts::Snapshot;
use super::shared::Shared;
use super::state::{Outcome, Sees};
use super::{Kind, merged};
use crate::text::Text;

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

pub(super) struct Report {
    kind: Kind,
    publishers: usize,
    subscribers: usize,
    idle: usize,
    qos: u8,
    payload_bytes: usize,
    threads: usize,
    is_by_the_clock: bool,
    /// How long it took until all were connected.
    connected_in: Duration,
    connected: u64,
    not_connected: u64,
    fault: String,
    lost_connections: u64,
    /// Seconds between the snapshots that rates are from.
    measured: f64,
    sent_per_s: f64,
    received_per_s: f64,
    processor: Option<Duration>,
    sent: u64,
    acknowledged: u64,
    refused: u64,
    expected: u64,
    received: u64,
    lost: u64,
    doubled: u64,
    out_of_order: u64,
    foreign: u64,
    astray: u64,
    latency: Histogram<u64>,
    lateness: Histogram<u64>,
    connecting: Histogram<u64>,
}

impl Report {
    pub(super) fn new(
        shared: &Shared,
        outcomes: &[Outcome],
        before: Snapshot,
        after: Snapshot,
        connected_in: Duration,
    ) -> Self {
        let plan = &shared.plan;
        let measured = (after.at.saturating_sub(before.at) as f64 / 1e9).max(1e-9);
        let per_s = |after: u64, before: u64| (after - before) as f64 / measured;
        Self {
            kind: plan.kind,
            publishers: plan.publishers,
            subscribers: plan.subscribers,
            idle: plan.idle,
            qos: plan.qos.bits(),
            payload_bytes: plan.payload_bytes,
            threads: plan.threads,
            is_by_the_clock: plan.schedule.is_some(),
            connected_in,
            connected: shared.sum(|counts| &counts.ready),
            not_connected: shared.sum(|counts| &counts.failed),
            fault: shared.first_fault(),
            lost_connections: shared.sum(|counts| &counts.lost_connections),
            measured,
            sent_per_s: per_s(after.sent, before.sent),
            received_per_s: per_s(after.received, before.received),
            processor: after
                .processor
                .zip(before.processor)
                .map(|(after, before)| after.saturating_sub(before)),
            sent: shared.sum(|counts| &counts.sent),
            acknowledged: shared.sum(|counts| &counts.acknowledged),
            refused: shared.sum(|counts| &counts.refused),
            expected: shared.sum(|counts| &counts.owed),
            received: shared.sum(|counts| &counts.received),
            lost: missing(shared, outcomes),
            doubled: shared.sum(|counts| &counts.doubled),
            out_of_order: shared.sum(|counts| &counts.out_of_order),
            foreign: shared.sum(|counts| &counts.foreign),
            astray: shared.sum(|counts| &counts.astray),
            latency: merged(outcomes, |outcome| &outcome.latency),
            lateness: merged(outcomes, |outcome| &outcome.lateness),
            connecting: merged(outcomes, |outcome| &outcome.connecting),
        }
    }

    /// Whether nothing went wrong.
    pub(super) fn is_clean(&self) -> bool {
        let faults = [
            self.not_connected,
            self.lost_connections,
            self.refused,
            self.lost,
            self.doubled,
            self.out_of_order,
            self.astray,
        ];
        faults.iter().all(|count| *count == 0)
    }

    pub(super) fn json(&self) -> String {
        let kind = match self.kind {
            Kind::Publish => "pub",
            Kind::Subscribe => "sub",
            Kind::Connect => "conn",
            Kind::Latency => "latency",
        };
        let mut object = json!({
            "bench": kind,
            "publishers": self.publishers,
            "subscribers": self.subscribers,
            "idle": self.idle,
            "qos": self.qos,
            "payload_bytes": self.payload_bytes,
            "threads": self.threads,
            "connected": self.connected,
            "not_connected": self.not_connected,
            "connected_in_s": self.connected_in.as_secs_f64(),
            "lost_connections": self.lost_connections,
            "measured_s": self.measured,
            "sent_per_s": self.sent_per_s,
            "received_per_s": self.received_per_s,
            "processor_s": self.processor.map(|time| time.as_secs_f64()),
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "expected": self.expected,
            "received": self.received,
            "lost": self.lost,
            "doubled": self.doubled,
            "out_of_order": self.out_of_order,
            "foreign": self.foreign,
            "astray": self.astray,
        });
        let map = object.as_object_mut().expect("it was made as one");
        put_quantiles(map, "connect_us", &self.connecting);
        if self.is_by_the_clock {
            put_quantiles(map, "latency_us", &self.latency);
            put_quantiles(map, "late_us", &self.lateness);
        }
        if !self.fault.is_empty() {
            map.insert("fault".to_owned(), Value::from(&*self.fault));
        }
        format!("{object}\n")
    }

    pub(super) fn page(&self, text: Text) -> String {
        let mut page = String::new();
        let mut line = |name: &str, told: &str| {
            // A Chinese character is as wide as two letters.
            let wide: usize = name.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
            let gap = " ".repeat(14_usize.saturating_sub(wide));
            let _ = writeln!(page, "{name}{gap}{told}");
        };
        let (connected, all) = (self.connected, self.connected + self.not_connected);
        let secs = self.connected_in.as_secs_f64();
        let per_s = connected as f64 / secs.max(1e-9);
        line(
            text.pick("connected", "已连接"),
            &text.pick(
                format!("{connected} of {all} in {secs:.2} s ({per_s:.0}/s)"),
                format!("{connected}/{all}，用时 {secs:.2} 秒（{per_s:.0}/秒）"),
            ),
        );
        line(
            text.pick("each in", "单个用时"),
            &quantiles(&self.connecting),
        );
        if self.kind != Kind::Connect {
            self.flow(text, &mut line);
        }
        if self.is_by_the_clock && self.subscribers > 0 {
            line(text.pick("latency", "延迟"), &quantiles(&self.latency));
            line(
                text.pick("sent late by", "发送滞后"),
                &quantiles(&self.lateness),
            );
        }
        for (name, count) in self.faults(text) {
            if count > 0 {
                line(name, &count.to_string());
            }
        }
        if !self.fault.is_empty() {
            line(text.pick("first fault", "首个错误"), &self.fault);
        }
        page
    }

    fn flow(&self, text: Text, line: &mut impl FnMut(&str, &str)) {
        let mega = |per_s: f64| per_s * self.payload_bytes as f64 / 1e6;
        for (name, count, per_s) in [
            (text.pick("sent", "发送"), self.sent, self.sent_per_s),
            (
                text.pick("received", "接收"),
                self.received,
                self.received_per_s,
            ),
        ] {
            if count > 0 {
                let mb = mega(per_s);
                let told = text.pick(
                    format!("{count} ({per_s:.0}/s, {mb:.1} MB/s)"),
                    format!("{count}（{per_s:.0}/秒，{mb:.1} MB/秒）"),
                );
                line(name, &told);
            }
        }
        if let Some(time) = self.processor {
            let cores = time.as_secs_f64() / self.measured;
            let told = text.pick(
                format!("{cores:.2} cores used by this program"),
                format!("本程序占用 {cores:.2} 个核"),
            );
            line(text.pick("processor", "处理器"), &told);
        }
    }

    fn faults(&self, text: Text) -> [(&'static str, u64); 8] {
        [
            (text.pick("not connected", "未连接"), self.not_connected),
            (text.pick("cut off", "连接中断"), self.lost_connections),
            (text.pick("refused", "被拒绝"), self.refused),
            (text.pick("lost", "丢失"), self.lost),
            (text.pick("doubled", "重复"), self.doubled),
            (text.pick("out of order", "乱序"), self.out_of_order),
            (text.pick("of others", "他人消息"), self.foreign),
            (text.pick("out of place", "异常报文"), self.astray),
        ]
    }
}

/// Of the messages that were sent, how many did not come, by their numbers.
fn missing(shared: &Shared, outcomes: &[Outcome]) -> u64 {
    let sent = |publisher: u32| shared.sent[publisher as usize].load(Ordering::Relaxed);
    let mut lost = 0;
    for subscriber in outcomes.iter().flat_map(|outcome| &outcome.subscribers) {
        if let Sees::Whole(tracks, _) = &subscriber.sees {
            let each = tracks.iter().map(|(id, track)| track.missing(sent(*id)));
            lost += each.sum::<u64>();
        }
    }
    for (number, publishers) in shared.plan.groups.iter().enumerate() {
        let tracks = shared.group(number);
        let each = publishers
            .iter()
            .map(|id| tracks[*id as usize].missing(sent(*id)));
        lost += each.sum::<u64>();
    }
    lost
}

fn put_quantiles(map: &mut Map<String, Value>, name: &str, histogram: &Histogram<u64>) {
    for (quantile, at) in QUANTILES {
        map.insert(
            format!("{name}_{quantile}"),
            histogram.value_at_quantile(at).into(),
        );
    }
    map.insert(format!("{name}_max"), histogram.max().into());
    map.insert(format!("{name}_samples"), histogram.len().into());
}

fn quantiles(histogram: &Histogram<u64>) -> String {
    let mut told = String::new();
    for (quantile, at) in QUANTILES {
        let name = quantile.replace("p999", "p99.9");
        let _ = write!(told, "{name} {}  ", micros(histogram.value_at_quantile(at)));
    }
    told + &format!("max {}", micros(histogram.max()))
}

fn micros(time: u64) -> String {
    match time {
        0..10_000 => format!("{time} us"),
        10_000..10_000_000 => format!("{:.1} ms", time as f64 / 1e3),
        _ => format!("{:.1} s", time as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_to_read() {
        let shown = [950, 9_999, 12_345, 61_000_000].map(micros);
        assert_eq!(shown, ["950 us", "9999 us", "12.3 ms", "61.0 s"]);
        let mut histogram = crate::tools::bench::histogram();
        histogram.record_n(100, 99).unwrap();
        histogram.record(5_000).unwrap();
        let told = quantiles(&histogram);
        assert!(
            told.starts_with("p50 100 us  p90 100 us  p99 100 us"),
            "{told}"
        );
    }
}
