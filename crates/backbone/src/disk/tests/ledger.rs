//! What a run of random calls was promised, and whether a store that was opened after it keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, mpsc};

use super::super::files::sim::Random;
use super::super::lock;
use super::{Store, Text, contents};
use crate::{Blob, Dedup, Error, Pos, Record, wait};

#[derive(Default)]
pub(super) struct Ledger {
    next: u64,
    /// Acknowledged messages by place.
    messages: BTreeMap<Pos, String>,
    /// All ever attempted, in the order of their shard.
    attempts: [BTreeMap<String, u64>; 2],
    /// Below these positions of each shard messages may be gone.
    trimmed: [u64; 2],
    /// What each key was to become, in order, and how many of these were acknowledged in a row.
    keys: BTreeMap<String, (Vec<Option<String>>, usize)>,
    /// Identities: open if acknowledged, gone if released; neither while it is not known.
    identities: BTreeMap<String, State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open(Pos),
    Gone,
    Unknown,
}

pub(super) type Shared = Arc<Mutex<Ledger>>;

/// Makes random calls until `count` are made or one fails; waits for all answers.
pub(super) fn run(store: &Store<Text>, ledger: &Shared, random: &mut Random, count: usize) {
    let backend = store.backend();
    let (answered, answers) = mpsc::channel();
    let mut asked = 0;
    for _ in 0..count {
        let answered = answered.clone();
        let ledger = Arc::clone(ledger);
        match random.below(10) {
            0..6 => append(&*backend.log, &ledger, random, answered),
            6 if random.one_in(3) => trim(&*backend.log, &ledger, random, answered),
            6 => release(&*backend.log, &ledger, random, answered),
            _ => put(&*backend.kv, &ledger, random, answered),
        }
        asked += 1;
        if random.one_in(3) {
            let mut ok = true;
            while asked > 0 {
                ok &= answers.recv().unwrap();
                asked -= 1;
            }
            if !ok {
                return;
            }
        }
    }
    for _ in 0..asked {
        answers.recv().unwrap();
    }
}

fn append(
    log: &dyn crate::Log<Text>,
    ledger: &Shared,
    random: &mut Random,
    answered: mpsc::Sender<bool>,
) {
    let shard = u16::from(random.one_in(2));
    let mut batch = Vec::new();
    let mut names = Vec::new();
    let mut books = lock(ledger);
    for _ in 0..1 + random.below(5) {
        books.next += 1;
        let pad = if random.one_in(8) {
            random.below(900)
        } else {
            random.below(40)
        };
        let body = format!("{} {}", books.next, "x".repeat(pad));
        let number = books.next;
        books.attempts[usize::from(shard)].insert(body.clone(), number);
        let id = random.one_in(4).then(|| format!("id {}", books.next));
        if let Some(id) = &id {
            books.identities.insert(id.clone(), State::Unknown);
        }
        let topic = format!("t/{}", random.below(6));
        batch.push(Record {
            msg: Arc::new(Text(topic, body.clone())),
            dedup: id.clone().map(|id| Dedup::from(id.into_bytes())),
        });
        names.push((body, id));
    }
    drop(books);
    let ledger = Arc::clone(ledger);
    let done = move |result: Result<Vec<Pos>, Error>| {
        if let Ok(positions) = &result {
            let mut books = lock(&ledger);
            for (pos, (body, id)) in positions.iter().zip(names) {
                books.messages.insert(*pos, body);
                if let Some(id) = id {
                    books.identities.insert(id, State::Open(*pos));
                }
            }
        }
        answered.send(result.is_ok()).unwrap();
    };
    log.append(shard, batch, Box::new(done));
}

fn trim(
    log: &dyn crate::Log<Text>,
    ledger: &Shared,
    random: &mut Random,
    answered: mpsc::Sender<bool>,
) {
    let mut books = lock(ledger);
    let there: Vec<_> = books.messages.keys().copied().collect();
    let Some(pos) = there.get(random.below(there.len().max(1))) else {
        answered.send(true).unwrap();
        return;
    };
    let trimmed = &mut books.trimmed[usize::from(pos.shard)];
    *trimmed = pos.seq.max(*trimmed);
    drop(books);
    let done = move |result: Result<(), Error>| answered.send(result.is_ok()).unwrap();
    log.trim(pos.shard, pos.seq, Box::new(done));
}

fn release(
    log: &dyn crate::Log<Text>,
    ledger: &Shared,
    random: &mut Random,
    answered: mpsc::Sender<bool>,
) {
    let mut books = lock(ledger);
    let open: Vec<_> = books
        .identities
        .iter()
        .filter_map(|(id, state)| match state {
            State::Open(pos) => Some((id.clone(), pos.shard)),
            _ => None,
        })
        .collect();
    let Some((id, shard)) = open.get(random.below(open.len().max(1))).cloned() else {
        answered.send(true).unwrap();
        return;
    };
    books.identities.insert(id.clone(), State::Unknown);
    drop(books);
    let ledger = Arc::clone(ledger);
    let name = Dedup::from(id.clone().into_bytes());
    let done = move |result: Result<(), Error>| {
        if result.is_ok() {
            lock(&ledger).identities.insert(id, State::Gone);
        }
        answered.send(result.is_ok()).unwrap();
    };
    log.release(shard, vec![name], Box::new(done));
}

fn put(kv: &dyn crate::Kv, ledger: &Shared, random: &mut Random, answered: mpsc::Sender<bool>) {
    let mut books = lock(ledger);
    let mut batch = Vec::new();
    let mut names = Vec::new();
    for _ in 0..1 + random.below(3) {
        books.next += 1;
        let key = format!("key {}", random.below(12));
        let pad = "y".repeat(random.below(200));
        let value = (!random.one_in(4)).then(|| format!("{} {pad}", books.next));
        let (tries, _) = books.keys.entry(key.clone()).or_default();
        tries.push(value.clone());
        names.push((key.clone(), tries.len()));
        let blob = |text: String| Blob::from(text.into_bytes());
        batch.push((blob(key), value.map(blob)));
    }
    drop(books);
    let ledger = Arc::clone(ledger);
    let done = move |result: Result<Vec<u64>, Error>| {
        if result.is_ok() {
            let mut books = lock(&ledger);
            for (key, upto) in names {
                let (_, safe) = books.keys.get_mut(&key).unwrap();
                *safe = upto.max(*safe);
            }
        }
        answered.send(result.is_ok()).unwrap();
    };
    kv.put("b", batch, Box::new(done));
}

impl Ledger {
    /// Holds a store against the promises, and from then on takes what is there for promised: who
    /// has seen it may rely on it.
    pub(super) fn check(&mut self, store: &Store<Text>) -> Result<(), String> {
        for shard in 0..2 {
            self.check_log(store, shard)?;
        }
        self.check_keys(store)
    }

    fn check_log(&mut self, store: &Store<Text>, shard: u16) -> Result<(), String> {
        let found = contents(store, shard);
        let mut seen = BTreeSet::new();
        let mut newest = 0;
        for (seq, body) in &found {
            let number = self.attempts[usize::from(shard)].get(body);
            let number = *number.ok_or_else(|| format!("{body:?} was never appended"))?;
            if !seen.insert(body.clone()) {
                return Err(format!("{body:?} is there twice"));
            }
            if number < newest {
                return Err(format!("{seq} {body:?} is out of order"));
            }
            newest = number;
        }
        let there: BTreeMap<_, _> = found.into_iter().collect();
        let promised: Vec<_> = self
            .messages
            .iter()
            .filter(|(pos, _)| pos.shard == shard)
            .collect();
        for (pos, body) in promised {
            let may_be_gone = pos.seq < self.trimmed[usize::from(shard)];
            let found = there.get(&pos.seq);
            if found != Some(body) && !(may_be_gone && found.is_none()) {
                return Err(format!(
                    "{pos:?} {body:?} is lost: {:?}",
                    there.get(&pos.seq)
                ));
            }
        }
        for (seq, body) in there {
            self.messages.insert(Pos { shard, seq }, body);
        }
        self.check_identities(store, shard)
    }

    fn check_identities(&mut self, store: &Store<Text>, shard: u16) -> Result<(), String> {
        let log = store.backend().log;
        let open: BTreeMap<_, _> = wait(|done| log.identities(shard, done))
            .unwrap()
            .into_iter()
            .map(|(id, pos)| (String::from_utf8(id.to_vec()).unwrap(), pos))
            .collect();
        for (id, state) in &mut self.identities {
            match (*state, open.get(id)) {
                (State::Open(pos), found) if pos.shard == shard && found != Some(&pos) => {
                    return Err(format!("identity {id:?} is lost: {pos:?} {found:?}"));
                }
                (State::Gone, Some(_)) => return Err(format!("identity {id:?} is back")),
                (State::Unknown, Some(&pos)) => *state = State::Open(pos),
                _ => {}
            }
        }
        Ok(())
    }

    fn check_keys(&mut self, store: &Store<Text>) -> Result<(), String> {
        let kv = store.backend().kv;
        for (key, (tries, safe)) in &mut self.keys {
            let found = wait(|done| kv.get("b", key.as_bytes(), done)).unwrap();
            let found = found.map(|value| String::from_utf8(value.bytes.to_vec()).unwrap());
            // The last promised, or one that came after it.
            let from = safe.saturating_sub(1);
            let possible = if *safe == 0 { found.is_none() } else { false };
            let at = tries[from..].iter().rposition(|value| *value == found);
            match at {
                Some(at) => *safe = from + at + 1,
                None if possible => {}
                None => {
                    return Err(format!(
                        "{key:?} is {found:?}, of {tries:?} {safe} are safe"
                    ));
                }
            }
        }
        Ok(())
    }
}
