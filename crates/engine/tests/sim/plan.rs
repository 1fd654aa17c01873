//! How rough a run is: drawn from its seed, so that some runs are calm and some have one trouble only.

use engine::{Settings, Strategy};

use crate::{log::Manners, rng::Rng};

/// Chances are percentages per step unless they say otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) shards: usize,
    pub(crate) clients: usize,
    pub(crate) cut_bytes: usize,
    pub(crate) late_mail: usize,
    pub(crate) log: Manners,
    pub(crate) socket_bytes: usize,
    pub(crate) stop_shard: usize,
    pub(crate) kick: usize,
    pub(crate) shut_down: usize,
    /// In thousandths.
    pub(crate) crash: usize,
    pub(crate) close: usize,
    pub(crate) leap: usize,
    pub(crate) cut: usize,
    pub(crate) takeover: usize,
    pub(crate) deaf: usize,
    pub(crate) lazy: usize,
    pub(crate) mute: usize,
    pub(crate) pipeline: usize,
    pub(crate) expiry: usize,
    pub(crate) small_packets: usize,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> (Self, Settings) {
        let mut some = |p: usize, low: usize, high: usize| {
            if rng.percent(p) {
                rng.range(low, high)
            } else {
                0
            }
        };
        let plan = Self {
            shards: 1 + some(80, 1, 3),
            clients: 4 + some(60, 1, 4),
            cut_bytes: some(50, 10, 80),
            late_mail: some(60, 10, 80),
            log: Manners {
                late: some(60, 10, 90),
                failing: some(25, 2, 20),
                refusing: some(10, 2, 20),
            },
            socket_bytes: match some(40, 1, 2) {
                0 => 1 << 20,
                1 => 300,
                _ => 60,
            },
            stop_shard: some(30, 1, 5),
            kick: some(30, 1, 4),
            shut_down: some(10, 1, 1),
            crash: some(70, 3, 45),
            close: some(20, 3, 10),
            leap: some(40, 1, 6),
            cut: some(70, 1, 8),
            takeover: some(50, 1, 5),
            deaf: some(40, 1, 8),
            lazy: some(60, 5, 30),
            mute: some(30, 1, 4),
            pipeline: some(50, 10, 90),
            expiry: some(40, 5, 40),
            small_packets: some(15, 10, 60),
        };
        let slow = plan.socket_bytes < 1000;
        let settings = Settings {
            inflight_max: u16::try_from(2 + some(100, 0, 18)).expect("small"),
            out_bytes_max: if slow { some(100, 100, 600) } else { 1 << 20 },
            queue_max: if some(15, 1, 1) == 1 {
                some(100, 1, 6)
            } else {
                100_000
            },
            slow_grace_millis: if some(50, 1, 1) == 1 { 100 } else { 0 },
            topic_alias_max: u16::try_from(some(50, 1, 4)).expect("small"),
            session_expiry_secs: 600,
            session_expiry_secs_max: 3600,
            // Forgetting ids that were never released is a promise of its own, made after this time.
            await_rel_millis: u64::MAX,
            shared_strategy: match some(100, 0, 5) {
                0 => Strategy::RoundRobin,
                1 => Strategy::Random,
                2 => Strategy::Sticky,
                3 => Strategy::Local,
                4 => Strategy::HashClientId,
                _ => Strategy::HashTopic,
            },
            ..Settings::default()
        };
        (plan, settings)
    }

    /// No more trouble: what is owed must come now.
    pub(crate) fn calm(&mut self) {
        self.cut_bytes = 0;
        self.late_mail = 0;
        self.log = Manners::default();
        self.socket_bytes = 1 << 20;
    }
}
