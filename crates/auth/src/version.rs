//! Which version of the exchange the two sides speak.

/// A version of the exchange.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(u8);

impl Version {
    /// The version of this number, spoken or not.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The version's number.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// The versions that one side is willing to speak, from the oldest to the newest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Versions {
    oldest: Version,
    newest: Version,
}

impl Versions {
    /// What this library speaks.
    pub const SUPPORTED: Self = Self { oldest: Version(1), newest: Version(1) };

    /// The versions from `oldest` to `newest`, or `None` where there are none between them.
    pub fn new(oldest: Version, newest: Version) -> Option<Self> {
        (oldest <= newest).then_some(Self { oldest, newest })
    }

    /// The oldest.
    pub fn oldest(self) -> Version {
        self.oldest
    }

    /// The newest.
    pub fn newest(self) -> Version {
        self.newest
    }

    /// The newest version that both sides speak. Each side works it out by itself, so that nobody
    /// between them can talk them down to an older one.
    pub fn agreed_with(self, other: Self) -> Option<Version> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_agreed() {
        let range = |oldest, newest| Versions::new(Version(oldest), Version(newest)).unwrap();
        for (one, other, agreed) in [
            (range(1, 1), range(1, 1), Some(1)),
            (range(1, 3), range(1, 2), Some(2)),
            (range(1, 3), range(2, 5), Some(3)),
            (range(2, 3), range(1, 1), None),
            (range(4, 5), range(1, 3), None),
        ] {
            assert_eq!(one.agreed_with(other), agreed.map(Version));
            assert_eq!(other.agreed_with(one), agreed.map(Version));
        }
        assert_eq!(Versions::new(Version(2), Version(1)), None);
    }
}
