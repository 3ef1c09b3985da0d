//! The versions of the protocol that nodes speak (`spec/60-transport.md` §4.1).

use std::fmt;

/// The newest version of the protocol. A node speaks this one and the one before, of which there is
/// none yet.
pub const VERSION: u32 = 1;

/// The newest version that this process speaks.
pub(super) fn newest() -> u32 {
    #[cfg(feature = "simulation")]
    if let Some(version) = crate::simulation::version() {
        return version;
    }
    VERSION
}

/// The versions that a node speaks, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Versions(Vec<u32>);

impl Versions {
    /// Those of a node whose newest version is `newest`.
    pub(super) fn up_to(newest: u32) -> Self {
        Self((newest.saturating_sub(1).max(1)..=newest).collect())
    }

    /// Those that somebody says he speaks.
    pub(super) fn of(spoken: &[u32]) -> Self {
        Self(spoken.to_vec())
    }

    pub(super) fn as_slice(&self) -> &[u32] {
        &self.0
    }

    /// The version in which two speak to each other: the newest that both do.
    pub(super) fn common(&self, other: &Self) -> Option<u32> {
        let mut own = self.0.iter().rev();
        own.find(|version| other.0.contains(version)).copied()
    }
}

/// As in a sentence: `1`, `1 and 2`.
impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, version) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" and ")?;
            }
            version.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_have_a_version_in_common() {
        let of = Versions::up_to;
        assert_eq!(of(1).as_slice(), [1]);
        assert_eq!(of(3).as_slice(), [2, 3]);
        assert_eq!(of(2).common(&of(1)), Some(1));
        assert_eq!(of(2).common(&of(2)), Some(2));
        assert_eq!(of(2).common(&of(3)), Some(2));
        assert_eq!(of(3).common(&of(1)), None);
        assert_eq!(of(3).to_string(), "2 and 3");
    }
}
