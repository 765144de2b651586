//! One sentence broken: shared by the build scripts, which apply it, and the libraries, which name it.

/// One sentence broken: a replacement in the source of a backend.
#[derive(Debug, Clone, Copy)]
pub struct Patch {
    /// What the mutant does wrong, as a Rust identifier.
    pub name: &'static str,
    /// The sentences of `docs/contract.md` that it breaks; a case that names one of them must catch it.
    pub sentences: &'static [&'static str],
    /// The file below the folder that is copied, such as `state.rs` or `lock/table.rs`.
    pub file: &'static str,
    /// What stands there, exactly once.
    pub find: &'static str,
    /// What stands there instead.
    pub replace: &'static str,
}

impl Patch {
    /// The source of its file with the text replaced.
    ///
    /// # Panics
    /// If the text does not stand there exactly once: a mutant cannot rot unseen.
    #[must_use]
    pub fn applied(&self, source: &str) -> String {
        let Self { name, sentences: _, file, find, replace } = self;
        let times = source.matches(find).count();
        assert!(times == 1, "mutant {name}: its text stands {times} times in {file}, wanted once:\n{find}");
        source.replace(find, replace)
    }
}
