//! How a server is to be set up.

/// How a server is to be set up. The default keeps nothing on disk and asks for no password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    durable: bool,
    options: Vec<Vec<String>>,
}

impl Setup {
    /// Nothing on disk, no password: the fastest there is.
    #[must_use]
    pub const fn new() -> Self {
        Self { durable: false, options: Vec::new() }
    }

    /// What the server has answered is on disk, so that a kill loses nothing.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// An option of the server's own, by the name that it has in its configuration file, with its values. Options come
    /// in this order, behind those that this package sets.
    ///
    /// ```
    /// # use servers::Setup;
    /// Setup::new().option("maxmemory", ["20mb"]).option("user", ["default", "off"]);
    /// ```
    #[must_use]
    pub fn option<W: Into<String>>(mut self, name: impl Into<String>, values: impl IntoIterator<Item = W>) -> Self {
        let mut words = vec![name.into()];
        words.extend(values.into_iter().map(Into::into));
        self.options.push(words);
        self
    }

    /// Whether a kill must lose nothing.
    pub(crate) const fn is_durable(&self) -> bool {
        self.durable
    }

    /// The options: each a name and its values.
    pub(crate) fn options(&self) -> &[Vec<String>] {
        &self.options
    }
}
