//! A value that changes with time, and the payload that values make. The same seed gives the same
//! numbers, so that a run can be repeated.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value as Json};

use super::scenario::{Form, Kind, Message, Shape, Value};

/// The beginning of a batch of samples, as the Python package and the dashboard know it.
const MAGIC: &[u8; 4] = b"\x89TMS";
const VERSION: u8 = 1;

/// SplitMix64: small, and good enough for what looks like a sensor.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From -1 to 1.
    fn swing(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// One value of one device.
#[derive(Clone, Debug)]
struct Signal {
    chance: Chance,
    /// Of a walk: where it is. Of a counter: what comes next.
    at: f64,
    /// So that devices do not move in step.
    phase: f64,
}

impl Signal {
    fn new(value: &Value, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let phase = (chance.swing() + 1.0) / 2.0;
        let at = if value.shape == Shape::Walk {
            value.low + (value.high - value.low) * phase
        } else {
            0.0
        };
        Self { chance, at, phase }
    }

    /// What it is `time` seconds after the beginning.
    fn number(&mut self, value: &Value, time: f64) -> f64 {
        let span = value.high - value.low;
        let turn = (time / value.period + self.phase).fract();
        let plain = match value.shape {
            Shape::Constant | Shape::Choice => value.low,
            Shape::Sine => value.low + span * ((turn * TAU).sin() + 1.0) / 2.0,
            Shape::Square if turn < 0.5 => value.high,
            Shape::Square => value.low,
            Shape::Ramp => value.low + span * turn,
            Shape::Noise => value.low + span * (self.chance.swing() + 1.0) / 2.0,
            Shape::Walk => {
                let next = self.at + self.chance.swing() * value.step;
                self.at = next.clamp(value.low, value.high);
                self.at
            }
            Shape::Counter => {
                self.at += 1.0;
                self.at - 1.0
            }
        };
        plain + self.chance.swing() * value.noise
    }

    fn word<'a>(&mut self, value: &'a Value) -> &'a str {
        let count = value.of.len() as u64;
        let at = usize::try_from(self.chance.next() % count).expect("less than a length");
        &value.of[at]
    }
}

/// The payloads of one message of one device.
#[derive(Clone, Debug)]
pub(super) struct Source {
    signals: Vec<Signal>,
    /// Rows of samples that went before.
    rows: u64,
}

impl Source {
    pub(super) fn new(message: &Message, chance: &mut Chance) -> Self {
        let signal = |value: &Value| Signal::new(value, chance.next());
        Self {
            signals: message.value.iter().map(signal).collect(),
            rows: 0,
        }
    }

    /// The payload of `time` seconds after the beginning, which was at `began` seconds after 1970.
    pub(super) fn payload(&mut self, message: &Message, time: f64, began: f64) -> Vec<u8> {
        match message.form {
            Form::Json => self.json(message, time, began),
            Form::Text => self.text(message, time),
            Form::Samples => self.samples(message, began),
        }
    }

    fn json(&mut self, message: &Message, time: f64, began: f64) -> Vec<u8> {
        let mut object = Map::new();
        let millis = rounded(began + time, 3);
        object.insert("time".to_owned(), number(millis));
        for (signal, value) in self.signals.iter_mut().zip(&message.value) {
            let told = if value.shape == Shape::Choice {
                Json::from(signal.word(value))
            } else {
                number(rounded(signal.number(value, time), value.digits))
            };
            object.insert(value.name.clone(), told);
        }
        Json::from(object).to_string().into_bytes()
    }

    fn text(&mut self, message: &Message, time: f64) -> Vec<u8> {
        let mut text = String::new();
        for (signal, value) in self.signals.iter_mut().zip(&message.value) {
            if !text.is_empty() {
                text.push(' ');
            }
            if value.shape == Shape::Choice {
                text += signal.word(value);
            } else {
                let digits = usize::from(value.digits);
                let _ = write!(text, "{:.digits$}", signal.number(value, time));
            }
        }
        text.into_bytes()
    }

    /// The rows since the last batch; none is left out, however late it is.
    fn samples(&mut self, message: &Message, began: f64) -> Vec<u8> {
        let channels = u16::try_from(message.value.len()).expect("the scenario was checked");
        let kind = match message.kind {
            Kind::Int16 => 2,
            Kind::Int32 => 4,
            Kind::Float32 => 8,
            Kind::Float64 => 9,
        };
        let start = self.rows as f64 / message.rate;
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, kind]);
        bytes.extend(channels.to_le_bytes());
        bytes.extend((began + start).to_le_bytes());
        bytes.extend(message.rate.to_le_bytes());
        bytes.extend(self.rows.to_le_bytes());
        for _ in 0..rows(message) {
            let time = self.rows as f64 / message.rate;
            for (signal, value) in self.signals.iter_mut().zip(&message.value) {
                put(&mut bytes, message.kind, signal.number(value, time));
            }
            self.rows += 1;
        }
        bytes
    }
}

/// Of one batch; the scenario was checked to have few enough.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from a float, a cast goes to the nearest value there is"
)]
fn rows(message: &Message) -> u32 {
    (message.rate * message.every).round().max(1.0) as u32
}

/// What does not fit is the nearest that does.
#[allow(
    clippy::cast_possible_truncation,
    reason = "from a float, a cast goes to the nearest value there is"
)]
fn put(bytes: &mut Vec<u8>, kind: Kind, number: f64) {
    match kind {
        Kind::Int16 => bytes.extend((number.round() as i16).to_le_bytes()),
        Kind::Int32 => bytes.extend((number.round() as i32).to_le_bytes()),
        Kind::Float32 => bytes.extend((number as f32).to_le_bytes()),
        Kind::Float64 => bytes.extend(number.to_le_bytes()),
    }
}

fn rounded(number: f64, digits: u8) -> f64 {
    let unit = 10_f64.powi(digits.into());
    (number * unit).round() / unit
}

/// Whole numbers have no point.
#[allow(
    clippy::cast_possible_truncation,
    reason = "it is whole, and smaller than what the type holds"
)]
fn number(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return Json::from(number as i64);
    }
    Number::from_f64(number).map_or(Json::Null, Json::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::simulate::scenario::Scenario;

    fn message(body: &str) -> Message {
        let text = format!("[[device]]\nid = \"d\"\n[[device.message]]\ntopic = \"a\"\n{body}");
        let mut scenario = Scenario::read(&text).unwrap();
        scenario.device.remove(0).message.remove(0)
    }

    #[test]
    fn every_shape_keeps_to_its_bounds() {
        for shape in ["constant", "sine", "square", "ramp", "noise", "walk"] {
            let body = format!(
                "every = 1\nvalue = [{{ name = \"x\", shape = \"{shape}\", low = -2, high = 3, period = 7 }}]"
            );
            let message = message(&body);
            let mut signal = Signal::new(&message.value[0], 5);
            let all: Vec<f64> = (0..1000)
                .map(|n| signal.number(&message.value[0], f64::from(n) / 10.0))
                .collect();
            assert!(all.iter().all(|n| (-2.0..=3.0).contains(n)), "{shape}");
            let moves = all.iter().any(|n| *n != all[0]);
            assert_eq!(moves, shape != "constant", "{shape}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_payloads() {
        let message = message(
            "every = 1\nvalue = [{ name = \"n\", shape = \"counter\" }, { name = \"w\", shape = \"choice\", of = [\"a\", \"b\"] }, { name = \"f\", shape = \"noise\", digits = 1 }]",
        );
        let run = |seed| {
            let mut source = Source::new(&message, &mut Chance::new(seed));
            (0..20)
                .map(|n| source.payload(&message, f64::from(n), 1000.0))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let second: Json = serde_json::from_slice(&run(1)[1]).unwrap();
        assert_eq!(
            (&second["time"], &second["n"]),
            (&Json::from(1001), &Json::from(1))
        );
        assert!(
            second["f"].is_number() && second["w"].is_string(),
            "{second}"
        );
    }

    /// The header's bytes as `clients/python/src/ternmq/samples.py` describes them.
    #[test]
    fn batches_of_samples_follow_each_other() {
        let message = message(
            "every = 0.1\nform = \"samples\"\nkind = \"int16\"\nrate = 50\nvalue = [{ name = \"x\", shape = \"constant\", low = 7 , high = 7}, { name = \"y\", shape = \"constant\", low = 99999, high = 99999 }]",
        );
        let mut source = Source::new(&message, &mut Chance::new(1));
        source.payload(&message, 0.0, 1000.0);
        let second = source.payload(&message, 0.1, 1000.0);
        assert_eq!(&second[..8], b"\x89TMS\x01\x02\x02\x00");
        assert_eq!(second[8..16], 1000.1_f64.to_le_bytes());
        assert_eq!(second[16..24], 50.0_f64.to_le_bytes());
        assert_eq!(second[24..32], 5_u64.to_le_bytes());
        let row = [7, 0, 0xFF, 0x7F];
        assert_eq!(second[32..], row.repeat(5));
    }
}
