//! A scenario: which devices there are and what each of them publishes, as a file says it.

use serde::Deserialize;

/// All devices of a scenario, and all that they publish at once, have a bound.
const DEVICES_MAX: u32 = 100_000;
const VALUES_MAX: usize = 1024;
const ROWS_MAX: f64 = 100_000.0;

/// The scenarios that are always there.
pub(super) const BUILT_IN: [(&str, &str); 2] = [
    ("sensors", include_str!("sensors.toml")),
    ("home", include_str!("home.toml")),
];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    #[serde(default)]
    pub(super) about: String,
    #[serde(default)]
    pub(super) about_zh: String,
    pub(super) device: Vec<Device>,
}

/// Devices that are alike; `%i` in their texts is their number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Device {
    #[serde(default = "one")]
    pub(super) count: u32,
    pub(super) id: String,
    pub(super) will: Option<Will>,
    pub(super) message: Vec<Message>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Will {
    pub(super) topic: String,
    #[serde(default)]
    pub(super) payload: String,
    #[serde(default)]
    pub(super) qos: u8,
    #[serde(default)]
    pub(super) retain: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) topic: String,
    /// Seconds.
    pub(super) every: f64,
    #[serde(default)]
    pub(super) qos: u8,
    #[serde(default)]
    pub(super) retain: bool,
    #[serde(default)]
    pub(super) form: Form,
    #[serde(default)]
    pub(super) kind: Kind,
    /// Rows of samples a second.
    #[serde(default)]
    pub(super) rate: f64,
    pub(super) value: Vec<Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// An object with a field for each value, and the time.
    #[default]
    Json,
    /// The values with a space between.
    Text,
    /// A batch of rows, with a channel for each value.
    Samples,
}

/// How a number of samples is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Int16,
    Int32,
    #[default]
    Float32,
    Float64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) shape: Shape,
    #[serde(default)]
    pub(super) low: f64,
    #[serde(default = "whole")]
    pub(super) high: f64,
    /// Seconds, of shapes that repeat.
    #[serde(default = "whole")]
    pub(super) period: f64,
    /// The most that a walk goes at once.
    #[serde(default = "whole")]
    pub(super) step: f64,
    #[serde(default)]
    pub(super) noise: f64,
    /// After the point, in JSON and text.
    #[serde(default = "three")]
    pub(super) digits: u8,
    #[serde(default)]
    pub(super) of: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    Constant,
    Sine,
    Square,
    Ramp,
    Noise,
    Walk,
    Counter,
    Choice,
}

fn one() -> u32 {
    1
}

fn whole() -> f64 {
    1.0
}

fn three() -> u8 {
    3
}

impl Scenario {
    /// The file's text, checked.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        let devices: u64 = self.device.iter().map(|d| u64::from(d.count)).sum();
        if devices == 0 || devices > u64::from(DEVICES_MAX) {
            return Err(format!(
                "{devices} devices: 1 to {DEVICES_MAX} are possible"
            ));
        }
        for device in &self.device {
            if device.count > 1 && !device.id.contains("%i") {
                let id = &device.id;
                return Err(format!(
                    "device {id}: several need %i in their id, or they are one"
                ));
            }
            for message in &device.message {
                let fault = message.fault();
                if let Some(fault) = fault {
                    return Err(format!(
                        "device {}, topic {}: {fault}",
                        device.id, message.topic
                    ));
                }
            }
            let will = device.will.as_ref();
            if let Some(will) = will.filter(|will| will.qos > 2 || !is_topic(&will.topic)) {
                return Err(format!(
                    "device {}: will {}: no topic, or QoS above 2",
                    device.id, will.topic
                ));
            }
        }
        Ok(())
    }
}

impl Message {
    fn fault(&self) -> Option<String> {
        let is_fine = |number: f64| number.is_finite() && number > 0.0;
        Some(match self {
            _ if !is_topic(&self.topic) => "it is no topic".to_owned(),
            _ if !(0.001..=1e6).contains(&self.every) => {
                "every has to be 0.001 to 1000000 seconds".to_owned()
            }
            _ if self.qos > 2 => "qos is 0, 1 or 2".to_owned(),
            _ if self.value.is_empty() || self.value.len() > VALUES_MAX => {
                format!("1 to {VALUES_MAX} values")
            }
            _ if self.form == Form::Samples && !is_fine(self.rate) => {
                "samples need a rate, in rows a second".to_owned()
            }
            _ if self.form == Form::Samples && self.rate * self.every > ROWS_MAX => {
                format!("more than {ROWS_MAX} rows in a message")
            }
            _ => {
                let of_value = |value: &Value| value.fault(self.form);
                return self.value.iter().find_map(of_value);
            }
        })
    }
}

impl Value {
    fn fault(&self, form: Form) -> Option<String> {
        let name = &self.name;
        let numbers = [self.low, self.high, self.period, self.step, self.noise];
        if numbers.iter().any(|number| !number.is_finite()) || self.high < self.low {
            return Some(format!(
                "{name}: low must not be above high, and all be finite"
            ));
        }
        if self.period <= 0.0 {
            return Some(format!("{name}: a period is longer than 0"));
        }
        match self.shape {
            Shape::Choice if self.of.is_empty() => {
                Some(format!("{name}: of what? of = [\"a\", \"b\"]"))
            }
            Shape::Choice if form == Form::Samples => Some(format!("{name}: samples are numbers")),
            _ => None,
        }
    }
}

fn is_topic(topic: &str) -> bool {
    protocol::Topic::parse(topic, u16::MAX).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_always_there_are_sound() {
        for (name, text) in BUILT_IN {
            let scenario = Scenario::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(
                !scenario.about.is_empty() && !scenario.about_zh.is_empty(),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |body: &str| {
            let text = format!("[[device]]\nid = \"d\"\n[[device.message]]\n{body}");
            Scenario::read(&text).unwrap_err()
        };
        let sound = "topic = \"a\"\nevery = 1\nvalue = [{ name = \"x\", shape = \"sine\" }]\n";
        for (body, told) in [
            (sound.replace("\"a\"", "\"a/#\""), "no topic"),
            (sound.replace("every = 1", "every = 0"), "seconds"),
            (format!("{sound}qos = 3"), "qos"),
            (format!("{sound}form = \"samples\""), "rate"),
            (format!("{sound}colour = 1"), "colour"),
            (sound.replace("sine", "choice"), "of what"),
            (sound.replace("sine", "circle"), "circle"),
            (sound.replace("\"sine\"", "\"sine\", low = 2"), "low"),
        ] {
            let error = message(&body);
            assert!(error.contains(told), "{body}: {error}");
        }
        assert!(
            Scenario::read("device = []")
                .unwrap_err()
                .contains("0 devices")
        );
    }
}
