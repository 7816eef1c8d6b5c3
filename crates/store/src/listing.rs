//! Lists too long to be read whole: which page of them, in which direction.

/// A page of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// From last to first.
    pub is_descending: bool,
    /// How many rows at most.
    pub limit: u64,
    /// How many rows come before.
    pub offset: u64,
}

impl Page {
    pub(crate) fn direction(self) -> &'static str {
        if self.is_descending { " DESC" } else { " ASC" }
    }

    pub(crate) fn bounds(self) -> (i64, i64) {
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        (bound(self.limit), bound(self.offset))
    }
}

/// The first text after all that begin with `prefix`, in the order of bytes. For texts of ASCII.
pub(crate) fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}\u{7f}")
}
