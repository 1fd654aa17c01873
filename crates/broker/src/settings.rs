//! From the configuration to what shards work with.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use backbone::disk;
use engine::Settings;
use protocol::QoS;

use crate::{
    config::{Config, Durability, FlappingDetect, LanGuard, ListenerId, NamedBy},
    lan::{self, AccessRule, Network},
    shard::{Rated, Rates},
    transport::http::Ports,
};

/// The store's place in the data directory.
pub(crate) const STORE_DIR: &str = "store";
/// The bound of the log is at least so many segments.
const SEGMENTS: u64 = 8;

/// What the event loops themselves need; what MQTT needs is in [`Settings`].
#[derive(Debug)]
pub(crate) struct Limits {
    /// From accept to a whole CONNECT.
    pub(crate) connect_timeout: Duration,
    /// From CONNECT until somebody has said who the client is.
    pub(crate) authentication_timeout: Duration,
    /// Sockets that have not yet sent their CONNECT, and as many whose client is not known yet.
    pub(crate) pending_max: usize,
    /// Of the former, those from one address; 0 if there is no such bound.
    pub(crate) pending_per_address_max: u32,
    /// Bytes of all of those together.
    pub(crate) pending_bytes_max: usize,
    /// Clients of one shard that have still to answer what they were asked.
    pub(crate) challenged_max: usize,
    /// Bytes of packets that have not arrived whole, of one shard's clients together.
    pub(crate) incomplete_bytes_max: usize,
    /// Per listener, where there is a bound.
    pub(crate) connections_max: BTreeMap<ListenerId, u32>,
    /// What goes no faster than at some rate; empty if nothing has one.
    pub(crate) rates: Rated,
    /// When somebody comes and goes too often, if that is looked for.
    pub(crate) flapping: Option<FlappingDetect>,
    /// Web pages that may connect to a WebSocket listener, besides those of its own host.
    pub(crate) origins: BTreeMap<ListenerId, Vec<String>>,
    /// Listeners that proxies connect to, and the networks besides the private ones that those are in.
    pub(crate) proxies: BTreeMap<ListenerId, Vec<Network>>,
    /// What a lost browser is told.
    pub(crate) ports: Ports,
    /// What of its certificate is a client's user name.
    pub(crate) named_by: NamedBy,
    /// And what is its client id.
    pub(crate) client_id_by: NamedBy,
    /// Whether the user name is it, otherwise.
    pub(crate) user_is_client_id: bool,
    /// Below which prefix a listener has its topics, if below one.
    pub(crate) mountpoints: BTreeMap<ListenerId, Arc<str>>,
    /// The authenticators that are asked, where those are not all.
    pub(crate) authenticators: BTreeMap<u8, Arc<[String]>>,
    /// WebSocket listeners where a proxy says in the request where it comes from, and the networks besides
    /// the private ones that such proxies are in.
    pub(crate) forwarders: BTreeMap<ListenerId, Vec<Network>>,
    /// Whom listeners take by address, where that is not everybody.
    access: BTreeMap<u8, Vec<AccessRule>>,
    /// Whether clients come in without credentials.
    pub(crate) allow_anonymous: bool,
    /// Networks besides the private ones from which they do.
    pub(crate) lan_guard: LanGuard,
}

impl Limits {
    /// `number` says under which number connections know a listener, if it runs.
    pub(crate) fn new(
        config: &Config,
        shards: u16,
        ports: Ports,
        number: impl Fn(&ListenerId) -> Option<u8>,
    ) -> Self {
        let mqtt = &config.mqtt;
        let flapping = &config.flapping_detect;
        let listeners = config.listeners.iter();
        let rates = listeners.filter_map(|(id, l)| Some((number(id)?, Rates::new(l)?)));
        let asked = config.listeners.iter();
        let asked = asked.filter_map(|(id, l)| {
            let ids = l.authenticators.as_ref()?;
            Some((number(id)?, ids.clone().into()))
        });
        let access = config.listeners.iter();
        let access = access.filter(|(_, l)| !l.access_rules.iter().all(AccessRule::allows_all));
        let access = access.filter_map(|(id, l)| Some((number(id)?, l.access_rules.clone())));
        Self {
            access: access.collect(),
            rates: rates.collect(),
            flapping: flapping.enable.then(|| flapping.clone()),
            connect_timeout: mqtt.connect_timeout,
            authentication_timeout: mqtt.authentication_timeout,
            pending_max: mqtt.max_pending,
            pending_per_address_max: mqtt.max_pending_per_address,
            pending_bytes_max: mqtt.max_pending_bytes,
            challenged_max: mqtt.max_pending.div_ceil(usize::from(shards)),
            incomplete_bytes_max: mqtt.max_incomplete_bytes.div_ceil(usize::from(shards)),
            connections_max: config
                .listeners
                .iter()
                .filter_map(|(id, l)| Some((id.clone(), l.max_connections?)))
                .collect(),
            origins: config
                .listeners
                .iter()
                .map(|(id, l)| (id.clone(), l.allowed_origins.clone()))
                .collect(),
            proxies: config
                .listeners
                .iter()
                .filter(|(_, l)| l.proxy_protocol)
                .map(|(id, l)| (id.clone(), l.proxy_networks.clone()))
                .collect(),
            ports,
            named_by: mqtt.peer_cert_as_username,
            client_id_by: mqtt.peer_cert_as_clientid,
            user_is_client_id: mqtt.use_username_as_clientid,
            mountpoints: config
                .listeners
                .iter()
                .filter_map(|(id, l)| Some((id.clone(), l.mountpoint.as_deref()?.into())))
                .collect(),
            authenticators: asked.collect(),
            forwarders: config
                .listeners
                .iter()
                .filter(|(_, l)| l.forwarded_for)
                .map(|(id, l)| (id.clone(), l.proxy_networks.clone()))
                .collect(),
            allow_anonymous: mqtt.allow_anonymous,
            lan_guard: config.lan_guard.clone(),
        }
    }
}

impl Limits {
    /// Whether a listener takes who comes from there.
    pub(crate) fn takes(&self, listener: u8, address: IpAddr) -> bool {
        let rules = self.access.get(&listener);
        rules.is_none_or(|rules| lan::is_taken(address, rules))
    }
}

/// The number of shards: as configured, or one per core.
pub(crate) fn shards(config: &Config) -> u16 {
    if config.node.shards > 0 {
        return config.node.shards.min(engine::limits::SHARDS_MAX);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(cores)
        .unwrap_or(u16::MAX)
        .min(engine::limits::SHARDS_MAX)
}

/// How the store is kept. Whoever opens it sets the hooks.
pub(crate) fn store(config: &Config) -> disk::Options {
    let store = &config.store;
    let options = disk::Options::new(config.node.data_dir.join(STORE_DIR));
    disk::Options {
        durability: match config.node.durability {
            Durability::Sync => disk::Durability::Sync,
            Durability::Interval => disk::Durability::Interval(store.sync_interval),
            Durability::Os => disk::Durability::Os,
        },
        // Sessions keep one cursor.
        shards: 1,
        log_shard_bytes_max: store.max_bytes,
        log_age_max: store.max_age,
        // Room is made in steps of a segment, and the newest stays: steps that are large beside the
        // bound would make it mean little.
        segment_bytes: options.segment_bytes.min(store.max_bytes / SEGMENTS),
        ..options
    }
}

/// `mqtt.*` as one of `shards` engines uses it: the bounds of sessions and of a user's topics are divided,
/// which hashing spreads evenly.
pub(crate) fn engine(config: &Config, shards: u16) -> Settings {
    let mqtt = &config.mqtt;
    let share = |n: usize| n.div_ceil(usize::from(shards));
    Settings {
        limits: protocol::Limits {
            packet_bytes_max: mqtt.max_packet_size,
            connect_bytes_max: mqtt.max_connect_size,
            topic_levels_max: mqtt.max_topic_levels,
            user_properties_max: mqtt.max_user_properties,
            user_properties_bytes_max: mqtt.max_user_property_bytes,
            ..protocol::Limits::default()
        },
        payload_bytes_max: mqtt.max_payload_size.unwrap_or(u32::MAX),
        client_id_bytes_max: usize::from(mqtt.max_clientid_len),
        topic_alias_max: mqtt.max_topic_alias,
        qos_max: QoS::from_bits(mqtt.max_qos_allowed).expect("the schema allows 0 to 2"),
        retain_available: mqtt.retain_available,
        wildcard_available: mqtt.wildcard_subscriptions,
        shared_available: mqtt.shared_subscriptions,
        inflight_max: mqtt.max_inflight,
        keep_alive_secs_max: mqtt.max_keepalive,
        server_keep_alive_secs: mqtt.server_keepalive,
        keep_alive_tenths: tenths(mqtt.keepalive_multiplier),
        subscriptions_max: mqtt.max_subscriptions,
        sessions_max: share(mqtt.max_sessions),
        queue_max: mqtt.max_queue,
        queue_bytes_max: mqtt.max_queue_bytes,
        queue_full: mqtt.queue_full,
        session_expiry_secs: secs(mqtt.session_expiry),
        session_expiry_secs_max: secs(mqtt.max_session_expiry),
        awaiting_rel_max: mqtt.max_awaiting_rel,
        await_rel_millis: millis(mqtt.await_rel_timeout),
        upgrade_qos: mqtt.upgrade_qos,
        slow_grace_millis: millis(mqtt.slow_grace),
        shared_strategy: mqtt.shared_strategy,
        retained_max: mqtt.max_retained,
        retained_bytes_max: mqtt.max_retained_bytes,
        retained_of_user_max: share(mqtt.max_retained_per_user),
        retained_payload_max: mqtt.max_retained_size.map_or(usize::MAX, |n| n as usize),
        delayed_available: mqtt.delayed_publish,
        delayed_max: u64::from(mqtt.max_delayed),
        out_bytes_max: mqtt.max_out_buffer,
        response_information: mqtt.response_information.clone().map(Into::into),
    }
}

fn secs(d: Duration) -> u32 {
    u32::try_from(d.as_secs()).unwrap_or(u32::MAX)
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the schema allows 1.0 to 10.0"
)]
fn tenths(ratio: f64) -> u32 {
    (ratio * 10.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(sets: &[&str]) -> disk::Options {
        let sources = crate::config::Sources {
            sets: sets.iter().map(|set| (*set).to_owned()).collect(),
            ..crate::config::Sources::default()
        };
        store(&Config::load(&sources).unwrap().config)
    }

    #[test]
    fn store_as_configured() {
        let options = with(&["data_dir=here"]);
        assert_eq!(options.dir, std::path::Path::new("here/store"));
        assert_eq!(options.durability, disk::Durability::Sync);
        assert_eq!((options.shards, options.log_age_max), (1, None));
        assert_eq!(options.log_shard_bytes_max, 4 << 30);
        assert_eq!(options.segment_bytes, 64 << 20);
        let options = with(&[
            "durability=interval",
            "store.sync_interval=250ms",
            "store.max_bytes=16MB",
            "store.max_age=12h",
        ]);
        let interval = Duration::from_millis(250);
        assert_eq!(options.durability, disk::Durability::Interval(interval));
        assert_eq!(options.log_age_max, Some(Duration::from_secs(12 * 3_600)));
        assert_eq!(options.log_shard_bytes_max, 16 << 20);
        assert_eq!(options.segment_bytes, 2 << 20);
        assert_eq!(with(&["durability=os"]).durability, disk::Durability::Os);
    }
}
