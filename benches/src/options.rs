//! The command line.

use crate::{
    figure::{Report, Wanted},
    memory, redis, sqlite,
};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
usage: cargo xtask bench [OPTION ..]

  --backend NAME      whose figures (memory, sqlite, redis); may be repeated; all unless given
  --only TEXT         only figures whose name contains this";

/// A backend that has figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backend {
    name: &'static str,
    /// Measures those that are wanted and reports each.
    pub(crate) figures: fn(wanted: &Wanted<'_>, report: &mut Report<'_>),
}

const BACKENDS: &[Backend] = &[
    Backend { name: "memory", figures: memory::figures },
    Backend { name: "sqlite", figures: sqlite::figures },
    Backend { name: "redis", figures: redis::figures },
];

/// The command line, parsed.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) help: bool,
    /// Empty is all.
    pub(crate) only: String,
    pub(crate) backends: Vec<Backend>,
}

impl Options {
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::{Long, Short, ValueExt};
        let mut options = Self { help: false, only: String::new(), backends: Vec::new() };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("help") | Short('h') => options.help = true,
                Long("only") => options.only = arguments.value()?.string()?,
                Long("backend") => options.backends.push(backend(&arguments.value()?.string()?)?),
                other => return Err(other.unexpected()),
            }
        }
        if options.backends.is_empty() {
            options.backends = BACKENDS.to_vec();
        }
        Ok(options)
    }
}

fn backend(name: &str) -> Result<Backend, lexopt::Error> {
    let known = BACKENDS.iter().find(|backend| backend.name == name);
    let names = || BACKENDS.iter().map(|backend| backend.name).collect::<Vec<_>>().join(", ");
    known.copied().ok_or_else(|| format!("no backend {name:?} has figures; these have: {}", names()).into())
}
