//! Bans: who is shut out, why, by whom and until when. One record each, so that ten thousand of them do
//! not have to be written for one more.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use backbone::Blob;
use engine::{
    Time,
    policy::{self, Bans, Pattern, Policy, Target},
};
use serde::{Deserialize, Serialize};

use super::{
    Admin, Bucket, DecideError,
    policy::{decode, encode},
};

/// What a ban looks at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum BanKind {
    ClientId,
    UserName,
    PeerHost,
    ClientIdRe,
    UserNameRe,
    PeerHostNet,
}

impl BanKind {
    pub const ALL: [Self; 6] = [
        Self::ClientId,
        Self::UserName,
        Self::PeerHost,
        Self::ClientIdRe,
        Self::UserNameRe,
        Self::PeerHostNet,
    ];

    /// As tools and the store know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientId => "clientid",
            Self::UserName => "username",
            Self::PeerHost => "peerhost",
            Self::ClientIdRe => "clientid_re",
            Self::UserNameRe => "username_re",
            Self::PeerHostNet => "peerhost_net",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it looks for, from words. The words of an address come back in their usual form.
    fn target(self, who: &str) -> Result<Target, String> {
        if who.is_empty() || who.contains('\0') {
            return Err("who is empty, or has U+0000 in it".to_owned());
        }
        if who.len() > usize::from(u16::MAX) {
            return Err("who is longer than any name".to_owned());
        }
        let pattern = || Pattern::new(who).map_err(|error| format!("who: {error}"));
        let address = |text: &str| {
            let address: Result<IpAddr, _> = text.parse();
            address
                .map(|address| address.to_canonical())
                .map_err(|_| format!("who is no address: {text}"))
        };
        Ok(match self {
            Self::ClientId => Target::ClientId(who.into()),
            Self::UserName => Target::UserName(who.into()),
            Self::PeerHost => Target::Host(address(who)?),
            Self::ClientIdRe => Target::ClientIdPattern(pattern()?),
            Self::UserNameRe => Target::UserNamePattern(pattern()?),
            Self::PeerHostNet => {
                let (net, length) = match who.split_once('/') {
                    Some((net, length)) => (address(net)?, Some(length)),
                    None => (address(who)?, None),
                };
                let whole = if net.is_ipv4() { 32 } else { 128 };
                let length = length.map_or(Some(whole), |text| text.parse().ok());
                match length.filter(|length| *length <= whole) {
                    Some(length) => Target::Net(net, length),
                    None => return Err(format!("who is no network such as 192.0.2.0/24: {who}")),
                }
            }
        })
    }
}

/// A ban.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ban {
    pub kind: BanKind,
    pub who: String,
    pub by: String,
    pub reason: String,
    /// Milliseconds since 1970.
    pub at: u64,
    /// As much; `None` for ever.
    pub until: Option<u64>,
}

impl Ban {
    fn has_ended(&self, now: u64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    fn for_engine(&self, target: Target) -> policy::Ban {
        policy::Ban {
            target,
            from: Time(self.at),
            until: self.until.map(Time),
        }
    }
}

/// A ban without what its key says.
#[derive(Serialize, Deserialize)]
struct Record {
    by: String,
    reason: String,
    at: u64,
    until: Option<u64>,
}

/// Why somebody was not banned.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BanError {
    #[error("there is such a ban")]
    Exists(Box<Ban>),
    #[error(transparent)]
    Decide(#[from] DecideError),
}

/// Which bans a list is of.
#[derive(Clone, Debug, Default)]
pub struct BanQuery {
    pub client_id: Option<String>,
    pub user_name: Option<String>,
    pub peer_host: Option<String>,
    /// Parts of these.
    pub like_client_id: Option<String>,
    pub like_user_name: Option<String>,
    pub like_peer_host: Option<String>,
    pub like_peer_host_net: Option<String>,
}

impl BanQuery {
    fn wants(&self, ban: &Ban) -> bool {
        use BanKind::{ClientId, ClientIdRe, PeerHost, PeerHostNet, UserName, UserNameRe};
        let is = |wanted: &Option<String>, kinds: &[BanKind]| {
            let is = |text: &String| kinds.contains(&ban.kind) && *text == ban.who;
            wanted.as_ref().is_none_or(is)
        };
        let like = |wanted: &Option<String>, kinds: &[BanKind]| {
            let like = |text: &String| kinds.contains(&ban.kind) && ban.who.contains(&**text);
            wanted.as_ref().is_none_or(like)
        };
        is(&self.client_id, &[ClientId])
            && is(&self.user_name, &[UserName])
            && is(&self.peer_host, &[PeerHost])
            && like(&self.like_client_id, &[ClientId, ClientIdRe])
            && like(&self.like_user_name, &[UserName, UserNameRe])
            && like(&self.like_peer_host, &[PeerHost])
            && like(&self.like_peer_host_net, &[PeerHostNet])
    }
}

/// All bans, in their order.
#[derive(Debug, Default)]
pub(super) struct BanList {
    bans: BTreeMap<(BanKind, String), Ban>,
}

fn key_of(kind: BanKind, who: &str) -> Vec<u8> {
    [kind.name(), "\0", who].concat().into_bytes()
}

impl BanList {
    /// From their records; ended ones are sorted out with the first change.
    pub(super) fn restore(&mut self, records: &[(Blob, Blob)], policy: &mut Policy) -> Vec<String> {
        let mut bans = Bans::default();
        let mut faults = Vec::new();
        for (key, value) in records {
            let name = String::from_utf8_lossy(key);
            let restored = name
                .split_once('\0')
                .and_then(|(kind, who)| Some((BanKind::parse(kind)?, who)))
                .ok_or_else(|| "its key is of no known form".to_owned())
                .and_then(|(kind, who)| {
                    let record: Record = decode(value)?;
                    let target = kind.target(who)?;
                    let ban = Ban {
                        kind,
                        who: who.to_owned(),
                        by: record.by,
                        reason: record.reason,
                        at: record.at,
                        until: record.until,
                    };
                    if !bans.add(&ban.for_engine(target)) {
                        return Err("there are too many".to_owned());
                    }
                    self.bans.insert((kind, who.to_owned()), ban);
                    Ok(())
                });
            if let Err(error) = restored {
                faults.push(format!("a ban cannot be used ({name:?}): {error}"));
            }
        }
        policy.bans = Arc::new(bans);
        faults
    }
}

impl Admin {
    /// Bans in force or to come, in the order of kinds and names: how many there are that the query
    /// wants, and a window of them.
    #[must_use]
    pub fn bans(&self, query: &BanQuery, offset: usize, limit: usize) -> (usize, Vec<Ban>) {
        let now = self.now_millis();
        let decided = self.decided();
        let wanted = decided.bans.bans.values();
        let wanted = wanted.filter(|ban| !ban.has_ended(now) && query.wants(ban));
        let page = wanted.clone().skip(offset).take(limit).cloned().collect();
        (wanted.count(), page)
    }

    /// How many are in force or to come.
    #[must_use]
    pub fn ban_count(&self) -> usize {
        self.bans(&BanQuery::default(), 0, 0).0
    }

    /// Shuts somebody out, and off. Gives the ban as it is kept.
    ///
    /// # Errors
    /// If it is there already, means nothing, is one too many, or cannot be kept.
    pub async fn ban(&self, mut ban: Ban) -> Result<Ban, BanError> {
        let _turn = self.turn().await;
        let target = ban.kind.target(&ban.who).map_err(DecideError::Invalid)?;
        ban.who = target.to_string();
        let now = self.now_millis();
        let mut bans = Bans::clone(&self.decided().policy.bans);
        if let Some(old) = self.decided().bans.bans.get(&(ban.kind, ban.who.clone()))
            && !old.has_ended(now)
        {
            return Err(BanError::Exists(Box::new(old.clone())));
        }
        let mut changes = self.ended(now, &mut bans);
        if !bans.add(&ban.for_engine(target)) {
            let text = "no more bans of this kind fit; lift some, or use a network or a pattern";
            return Err(DecideError::TooMany(text.to_owned()).into());
        }
        let record = Record {
            by: ban.by.clone(),
            reason: ban.reason.clone(),
            at: ban.at,
            until: ban.until,
        };
        changes.push((key_of(ban.kind, &ban.who), Some(encode(&record))));
        let keep = self.keep();
        keep.put(Bucket::Ban, changes)
            .await
            .map_err(DecideError::from)?;
        {
            let mut decided = self.decided();
            decided.policy.bans = Arc::new(bans);
            decided.bans.bans.retain(|_, ban| !ban.has_ended(now));
            let key = (ban.kind, ban.who.clone());
            decided.bans.bans.insert(key, ban.clone());
        }
        self.tell().await.map_err(DecideError::from)?;
        Ok(ban)
    }

    /// Takes bans that have ended out, and gives what the store has to forget.
    fn ended(&self, now: u64, bans: &mut Bans) -> Vec<super::Change> {
        let decided = self.decided();
        let ended = decided.bans.bans.values().filter(|ban| ban.has_ended(now));
        ended
            .map(|ban| {
                if let Ok(target) = ban.kind.target(&ban.who) {
                    bans.remove(&target);
                }
                (key_of(ban.kind, &ban.who), None)
            })
            .collect()
    }

    /// Lifts a ban. False if there is none.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn lift_ban(&self, kind: BanKind, who: &str) -> Result<bool, DecideError> {
        let _turn = self.turn().await;
        let Ok(target) = kind.target(who) else {
            return Ok(false);
        };
        let key = (kind, target.to_string());
        let now = self.now_millis();
        let found = self.decided().bans.bans.get(&key).cloned();
        let Some(found) = found else {
            return Ok(false);
        };
        let mut bans = Bans::clone(&self.decided().policy.bans);
        bans.remove(&target);
        let change = (key_of(kind, &key.1), None);
        self.keep().put(Bucket::Ban, vec![change]).await?;
        {
            let mut decided = self.decided();
            decided.policy.bans = Arc::new(bans);
            decided.bans.bans.remove(&key);
        }
        self.tell().await?;
        Ok(!found.has_ended(now))
    }

    /// Lifts all bans.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn lift_all_bans(&self) -> Result<(), DecideError> {
        let _turn = self.turn().await;
        let keys: Vec<_> = self.decided().bans.bans.keys().cloned().collect();
        let changes = keys.iter().map(|(kind, who)| (key_of(*kind, who), None));
        self.keep().put(Bucket::Ban, changes.collect()).await?;
        {
            let mut decided = self.decided();
            decided.policy.bans = Arc::default();
            decided.bans = BanList::default();
        }
        Ok(self.tell().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses and networks have one form, however they are written; what means nothing is refused.
    #[test]
    fn whom_bans_are_for() {
        for (kind, who, form) in [
            (BanKind::ClientId, "a/b 中#", Some("a/b 中#")),
            (BanKind::PeerHost, "192.0.2.7", Some("192.0.2.7")),
            (BanKind::PeerHost, "::ffff:192.0.2.7", Some("192.0.2.7")),
            (BanKind::PeerHost, "2001:DB8::0:1", Some("2001:db8::1")),
            (BanKind::PeerHostNet, "10.1.2.3/8", Some("10.0.0.0/8")),
            (BanKind::PeerHostNet, "10.1.2.3", Some("10.1.2.3/32")),
            (
                BanKind::PeerHostNet,
                "2001:db8::1/32",
                Some("2001:db8::/32"),
            ),
            (BanKind::ClientIdRe, "^a$", Some("^a$")),
            (BanKind::ClientId, "", None),
            (BanKind::UserName, "a\0b", None),
            (BanKind::PeerHost, "localhost", None),
            (BanKind::PeerHostNet, "10.0.0.0/33", None),
            (BanKind::PeerHostNet, "10.0.0.0/x", None),
            (BanKind::UserNameRe, "[", None),
        ] {
            let target = kind.target(who).ok().map(|target| target.to_string());
            assert_eq!(target.as_deref(), form, "{kind:?} {who}");
        }
    }

    /// A record has everything back, whatever people write, and a bad one spoils no other.
    #[test]
    fn records_come_back() {
        let record = Record {
            by: "me \"and\" \\ you".to_owned(),
            reason: "line\nline\0 '''中".to_owned(),
            at: 1_700_000_000_000,
            until: None,
        };
        let good = (key_of(BanKind::ClientId, "c/1"), encode(&record));
        let bad = (key_of(BanKind::PeerHost, "nowhere"), encode(&record));
        let worse = (b"odd".to_vec(), b"odd".to_vec());
        let records = [bad, worse, good].map(|(key, value)| (Blob::from(key), Blob::from(value)));
        let (mut list, mut policy) = (BanList::default(), Policy::default());
        list.restore(&records, &mut policy);
        assert_eq!((list.bans.len(), policy.bans.len()), (1, 1));
        let ban = list.bans.values().next().expect("one");
        assert_eq!((&*ban.by, &*ban.reason), (&*record.by, &*record.reason));
        assert_eq!((ban.at, ban.until), (record.at, None));
    }
}
