//! A step in words, told by the code that takes it.

use std::fmt::{Arguments, Write as _};

/// Hears what happens in a step. While states are counted nobody listens, and nothing is written.
#[derive(Debug, Default)]
pub(crate) struct Tale(Option<String>);

impl Tale {
    /// Nobody listens.
    #[must_use]
    pub(crate) const fn untold() -> Self {
        Self(None)
    }

    /// To be read afterwards.
    #[must_use]
    pub(crate) const fn told() -> Self {
        Self(Some(String::new()))
    }

    /// Another part of the sentence.
    pub(crate) fn say(&mut self, words: Arguments<'_>) {
        let Some(told) = &mut self.0 else { return };
        if !told.is_empty() {
            told.push_str("; ");
        }
        told.write_fmt(words).expect("a string takes everything");
    }

    /// The sentence.
    #[must_use]
    pub(crate) fn words(self) -> String {
        self.0.unwrap_or_default()
    }
}
