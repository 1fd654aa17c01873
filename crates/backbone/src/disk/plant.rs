//! Faults that are put in to see that they are found: by tests, and by the torture of a binary that was
//! built with the feature `plant`, which nothing that is built for use has.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Planted {
    #[default]
    Nothing,
    /// Acknowledges before the sync.
    AckBeforeSync,
    /// Does not make the names of new segments safe.
    NoDirSync,
    /// Says that an identity is forgotten, and forgets it a batch later.
    #[cfg(feature = "plant")]
    AckBeforeRelease,
}

#[cfg(feature = "plant")]
static CHOSEN: std::sync::OnceLock<Planted> = std::sync::OnceLock::new();

/// Plants a fault in every store that this process opens from now on. False if there is none of this
/// name.
#[cfg(feature = "plant")]
#[must_use]
pub fn plant(name: &str) -> bool {
    let fault = match name {
        "ack-before-sync" => Planted::AckBeforeSync,
        "no-dir-sync" => Planted::NoDirSync,
        "pubcomp-before-forget" => Planted::AckBeforeRelease,
        _ => return false,
    };
    CHOSEN.set(fault).is_ok()
}

impl Planted {
    pub(super) fn chosen() -> Self {
        #[cfg(feature = "plant")]
        return CHOSEN.get().copied().unwrap_or_default();
        #[cfg(not(feature = "plant"))]
        Self::Nothing
    }
}
