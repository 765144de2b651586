//! Names of keys, streams and locks: made when they are needed, so that a million of them cost no memory.

/// So many names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// What they begin with.
    pub(crate) prefix: &'static str,
    pub(crate) count: usize,
}

impl Names {
    /// Of what there usually is.
    pub(crate) const fn users(count: usize) -> Self {
        Self { prefix: "user:", count }
    }

    /// The bare numbers.
    pub(crate) const fn numbers(count: usize) -> Self {
        Self { prefix: "", count }
    }

    pub(crate) fn at(self, index: usize) -> String {
        format!("{}{index:07}", self.prefix)
    }

    pub(crate) fn all(self) -> impl Iterator<Item = String> {
        (0..self.count).map(move |index| self.at(index))
    }
}
