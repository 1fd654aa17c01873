//! The layers of settings: flags over environment over what was saved at run time over the file. What
//! was saved is in the store, which is opened with the settings of the others, so it comes later.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::Problem;
use super::schema::find;
use super::{
    Config, ConfigError, ENV_PREFIX, ListenerId, Loaded, Loader, Origin, Profile, Raw, Sources,
    When,
};
use super::{listener_id, split};

/// The value under a listener's section that says: this listener was deleted.
const DELETED: &str = "\"deleted\"";

/// What is said in each layer, read once.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    file: Option<(PathBuf, String)>,
    /// Name, path, value; in the order of the names, because errors should have one.
    env: Vec<(String, Vec<String>, String)>,
    sets: Vec<String>,
    /// By full name, in TOML notation.
    saved: BTreeMap<String, String>,
}

impl Layers {
    /// Reads the file, if there is one. Nothing is saved yet.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let file = match &sources.file {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|e| ConfigError::unreadable(path, &e))?;
                Some((path.clone(), text))
            }
            None => None,
        };
        let of_ours = |(name, value): &(String, String)| {
            let path = name.strip_prefix(ENV_PREFIX)?.split("__");
            let path = path.map(str::to_ascii_lowercase).collect();
            Some((name.clone(), path, value.clone()))
        };
        let mut env: Vec<_> = sources.env.iter().filter_map(of_ours).collect();
        env.sort();
        Ok(Self {
            file,
            env,
            sets: sources.sets.clone(),
            saved: BTreeMap::new(),
        })
    }

    /// The same with other saved values.
    #[must_use]
    pub fn with_saved(self, saved: BTreeMap<String, String>) -> Self {
        Self { saved, ..self }
    }

    /// What was saved, by full name, in TOML notation.
    #[must_use]
    pub fn saved(&self) -> &BTreeMap<String, String> {
        &self.saved
    }

    /// What all of it together says. The first unknown key or bad value of the file, the environment
    /// and the flags is the error; what was saved and does not fit any more is left out and named.
    ///
    /// # Errors
    /// See there.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let loaded = self.load_as(Profile::Home)?;
        // Which defaults count is said among the rest.
        match loaded.config.node.profile {
            Profile::Home => Ok(loaded),
            profile => self.load_as(profile),
        }
    }

    fn load_as(&self, profile: Profile) -> Result<Loaded, ConfigError> {
        let mut loader = Loader::new(profile);
        if let Some((path, text)) = &self.file {
            loader.file(path.clone(), text)?;
        }
        for (name, value) in &self.saved {
            if let Err(error) = self.load_saved(&mut loader, name, value) {
                loader.unusable.insert(name.clone(), error);
            }
        }
        for (name, path, value) in &self.env {
            loader.bare(path, value, Origin::Env(name.clone()))?;
        }
        for set in &self.sets {
            let (path, value) = assignment(set)?;
            loader.bare(&path, value, Origin::Flag)?;
        }
        loader.finish()
    }

    fn load_saved(&self, loader: &mut Loader, name: &str, value: &str) -> Result<(), ConfigError> {
        let path = split(name);
        match deleted(&path, value) {
            Some(id) if self.is_fixed(&id) => {
                let problem = Problem::StillThere;
                Err(ConfigError::new(&Origin::Saved, name, problem))
            }
            Some(id) => {
                loader.forget(&id);
                Ok(())
            }
            None => loader.set(&path, &Raw::bare(value), Origin::Saved),
        }
    }

    /// Whether the environment or a flag says anything of a listener.
    #[must_use]
    pub fn is_fixed(&self, id: &ListenerId) -> bool {
        let env = self.env.iter().map(|(_, path, _)| listener_id(path));
        let sets = self.sets.iter();
        let sets = sets.map(|set| listener_id(&assignment(set).ok()?.0));
        env.chain(sets).any(|named| named.as_ref() == Some(id))
    }

    /// The text with which a value is saved, if the key is one that can be saved and the value is
    /// allowed. What came as text may be written without quotes.
    ///
    /// # Errors
    /// If it is not.
    pub fn savable(name: &str, raw: &Raw) -> Result<String, ConfigError> {
        let path = split(name);
        if let Some(key) = find(&path)
            && key.when == When::Early
        {
            return Err(ConfigError::new(&Origin::Saved, name, Problem::Early));
        }
        let mut loader = Loader::new(Profile::Home);
        match raw {
            Raw::Text(text) => {
                let taken = loader.set(&path, raw, Origin::Saved);
                taken.or_else(|error| {
                    let bare = loader.set(&path, &Raw::bare(text), Origin::Saved);
                    bare.map_err(|_| error)
                })?;
            }
            raw => loader.set(&path, raw, Origin::Saved)?,
        }
        let shown = find(&path).and_then(|key| (key.show)(&loader.config, &path));
        shown.ok_or_else(|| ConfigError::new(&Origin::Saved, name, Problem::Unknown(None)))
    }

    /// The same for what was saved once and comes from a backup.
    ///
    /// # Errors
    /// As above.
    pub fn saved_again(name: &str, value: &str) -> Result<String, ConfigError> {
        if deleted(&split(name), value).is_some() {
            return Ok(value.to_owned());
        }
        Self::savable(name, &Raw::bare(value))
    }

    /// What is saved under which name to delete a listener that other layers name.
    #[must_use]
    pub fn deletion(id: &ListenerId) -> (String, String) {
        (id.section(), DELETED.to_owned())
    }
}

/// The listener that a saved entry deletes.
fn deleted(path: &[String], value: &str) -> Option<ListenerId> {
    (path.len() == 3 && value == DELETED).then(|| listener_id(path))?
}

fn assignment(set: &str) -> Result<(Vec<String>, &str), ConfigError> {
    let Some((key, value)) = set.split_once('=') else {
        let problem = Problem::NotAnAssignment;
        return Err(ConfigError::new(&Origin::Flag, set, problem));
    };
    Ok((split(key.trim()), value.trim()))
}

impl Config {
    /// Reads all sources, without what was saved. The first unknown key or bad value, in the order of
    /// [`Sources`], is the error.
    ///
    /// # Errors
    /// See there.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        Layers::read(sources)?.load()
    }
}
