//! Settings as the control plane sees them: each key with its value, where that comes from and what
//! may be written; changing and resetting them. What is changed here is kept.

use std::path::Path;
use std::sync::Arc;

use super::Admin;
use crate::StartError;
use crate::config::{Key, Layers};
use crate::control::configuration::{Changes, Effective};

pub use crate::config::{Config, Lang, Origin, Profile, Raw, When};
pub use crate::{Applied, ChangeError};

/// A setting, and all that is known of it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Full name, such as `mqtt.max_inflight`.
    pub name: String,
    /// In TOML notation, as everywhere here.
    pub value: String,
    pub default: String,
    pub origin: Origin,
    /// The profile makes the default another than at home, and the default counts.
    pub by_profile: bool,
    /// What was saved at run time, whether it is in effect or overruled.
    pub saved: Option<String>,
    /// Where in the file which value stands, if something overrules it.
    pub overruled: Option<(Origin, String)>,
    /// What may be written: English, Chinese.
    pub allowed: [String; 2],
    /// English, Chinese.
    pub doc: [&'static str; 2],
    pub when: When,
    /// It was changed, and the broker goes on as before until it is started again.
    pub waits: bool,
    pub locked: Option<Locked>,
}

/// Why a setting cannot be changed at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// This environment variable or flag wins over whatever is saved.
    Overruled(Origin),
    /// The store, where it would be saved, is opened with it.
    Early,
}

/// A file setting that something saved at run time overrules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overridden {
    pub name: String,
    /// The line of the file.
    pub at: Origin,
    /// What it says there, and what is in effect.
    pub file: String,
    pub saved: String,
}

/// Why a setting was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    #[error("there is no setting {0}")]
    Unknown(String),
    #[error("{name} cannot be changed here: {}", told(.locked))]
    Locked { name: String, locked: Locked },
    #[error("{}", said(.0))]
    Change(#[from] ChangeError),
}

fn told(locked: &Locked) -> String {
    match locked {
        Locked::Overruled(Origin::Env(name)) => {
            format!("the environment variable {name} sets it; remove that and restart")
        }
        Locked::Overruled(_) => {
            "a flag of the command line sets it; start without that flag".to_owned()
        }
        Locked::Early => "it is needed before the saved settings can be read; set it in the file, \
                          the environment or with --set"
            .to_owned(),
    }
}

fn said(error: &ChangeError) -> String {
    match error {
        // It came from the one who reads this, so where it comes from is no news.
        ChangeError::Config(error) => error.what(Lang::En),
        ChangeError::Listen(StartError::Listen {
            listener,
            address,
            source,
            ..
        }) => format!(
            "cannot listen on {address} for {listener}: {source}; free the port, or choose another \
             address"
        ),
        other => other.to_string(),
    }
}

/// Keys and values of a text in the notation of the file, in its order.
///
/// # Errors
/// If it is none.
pub fn parse(text: &str) -> Result<Vec<(String, Raw)>, SettingError> {
    let parsed = crate::config::parse(text, &Origin::Saved).map_err(ChangeError::from)?;
    Ok(parsed)
}

impl Admin {
    fn effective(&self) -> Arc<Effective> {
        self.0.configuration.now()
    }

    /// The settings in effect.
    #[must_use]
    pub fn config(&self) -> Config {
        self.effective().loaded.config.clone()
    }

    /// Looks at the settings in effect, without a copy of them.
    pub fn look<T>(&self, at: impl FnOnce(&Config) -> T) -> T {
        at(&self.effective().loaded.config)
    }

    /// All settings, in the order of the documentation.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let effective = self.effective();
        let waiting = self.0.configuration.waiting(&effective.loaded.config);
        let entries = effective.loaded.config.entries().into_iter();
        entries
            .map(|entry| {
                let waits = waiting.contains(&entry.name);
                describe(&effective, entry.name, entry.value, entry.key, waits)
            })
            .collect()
    }

    /// One setting; `None` if there is none of this name.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<Setting> {
        self.settings().into_iter().find(|s| s.name == name)
    }

    /// The lines of the file that do not count, because something else was saved at run time.
    #[must_use]
    pub fn overridden_settings(&self) -> Vec<Overridden> {
        let effective = self.effective();
        let loaded = &effective.loaded;
        let overruled = loaded.overruled.iter();
        let by_saved = overruled.filter(|(name, (_, file))| {
            loaded.origins.get(*name) == Some(&Origin::Saved)
                && effective.layers.saved().get(*name) != Some(file)
        });
        by_saved
            .map(|(name, (at, file))| Overridden {
                name: name.clone(),
                at: at.clone(),
                file: file.clone(),
                saved: effective
                    .layers
                    .saved()
                    .get(name)
                    .cloned()
                    .unwrap_or_default(),
            })
            .collect()
    }

    /// Changes settings and keeps them: all of them or none. `None` takes a saved value back, so that
    /// the file or the default counts again.
    ///
    /// # Errors
    /// If a key is unknown or locked, a value is not allowed, an address cannot be listened on, or the
    /// store does not take it.
    pub async fn change_settings(
        &self,
        wanted: Vec<(String, Option<Raw>)>,
    ) -> Result<Applied, SettingError> {
        let effective = self.effective();
        let mut changes = Changes::new();
        for (name, value) in wanted {
            let change = match &value {
                Some(raw) => {
                    let text = Layers::savable(&name, raw).map_err(ChangeError::from)?;
                    let origin = effective.loaded.origins.get(&name);
                    if let Some(origin @ (Origin::Env(_) | Origin::Flag)) = origin {
                        let locked = Locked::Overruled(origin.clone());
                        return Err(SettingError::Locked { name, locked });
                    }
                    Some(text)
                }
                None if effective.layers.saved().contains_key(&name) => None,
                None if self.setting(&name).is_some() => continue,
                None => return Err(SettingError::Unknown(name)),
            };
            changes.insert(name, change);
        }
        if changes.is_empty() {
            return Ok(Applied::default());
        }
        Ok(self.0.configuration.change(changes).await?)
    }

    /// Takes back everything saved below a section, such as `mqtt`; a key stands for itself.
    ///
    /// # Errors
    /// See [`Self::change_settings`].
    pub async fn reset_settings(&self, section: &str) -> Result<Applied, SettingError> {
        let effective = self.effective();
        let inside = |name: &&String| {
            let rest = name.strip_prefix(section);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let saved = effective.layers.saved().keys().filter(inside);
        let changes: Changes = saved.map(|name| (name.clone(), None)).collect();
        if changes.is_empty() {
            return Ok(Applied::default());
        }
        Ok(self.0.configuration.change(changes).await?)
    }

    /// Where everything is kept.
    #[must_use]
    pub fn data_dir(&self) -> std::path::PathBuf {
        let dir = &self.effective().loaded.config.node.data_dir;
        std::path::absolute(dir).unwrap_or_else(|_| Path::new(dir).to_owned())
    }
}

fn describe(
    effective: &Effective,
    name: String,
    value: String,
    key: &'static Key,
    waits: bool,
) -> Setting {
    let loaded = &effective.loaded;
    let origin = loaded.origins.get(&name).unwrap_or(&Origin::Default);
    let locked = match origin {
        Origin::Env(_) | Origin::Flag => Some(Locked::Overruled(origin.clone())),
        _ if key.when == When::Early => Some(Locked::Early),
        _ => None,
    };
    let default = key.default(&name, loaded.config.node.profile);
    Setting {
        by_profile: *origin == Origin::Default && default != key.default(&name, Profile::Home),
        default,
        value,
        origin: origin.clone(),
        saved: effective.layers.saved().get(&name).cloned(),
        overruled: loaded.overruled.get(&name).cloned(),
        allowed: [Lang::En, Lang::Zh].map(key.allowed),
        doc: key.doc,
        when: key.when,
        waits,
        locked,
        name,
    }
}
