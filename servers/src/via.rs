//! Where servers come from.

use std::{env, fmt, str::FromStr};

use crate::{Engine, Unavailable};

/// Names the way for tests, which have no command line: `containers`, `local` or `url`.
pub const VIA: &str = "CONCURRENCY_VIA";

/// Where servers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// Images named in `docker-compose.yml`, started through the Docker engine of this machine.
    Containers,
    /// Server programs of this machine, started for the purpose.
    Local,
    /// Servers that already run, at `CONCURRENCY_<NAME>_URL`.
    Url,
}

impl Via {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Containers, Self::Local, Self::Url];

    /// As a command line says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::Local => "local",
            Self::Url => "url",
        }
    }

    /// The ways to try, in order: the one that is wanted, else the one that the environment names in [`VIA`], else
    /// containers where an engine answers, and local programs.
    ///
    /// # Errors
    /// If the environment names a way that does not exist.
    pub(crate) fn ways(wanted: Option<Self>) -> Result<Vec<Self>, Unavailable> {
        let named = env::var(VIA).ok().filter(|name| !name.is_empty());
        match (wanted, named) {
            (Some(via), _) => Ok(vec![via]),
            (None, Some(name)) => {
                name.parse().map(|via| vec![via]).map_err(|why| Unavailable::new(format!("{VIA}: {why}")))
            }
            (None, None) => Ok(Self::default_ways(|| cfg!(feature = "containers") && Engine::answers())),
        }
    }

    fn default_ways(engine_answers: impl FnOnce() -> bool) -> Vec<Self> {
        if engine_answers() { vec![Self::Containers, Self::Local] } else { vec![Self::Local] }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Via {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|via| via.name() == name);
        known.copied().ok_or_else(|| format!("no way {name:?} to a server: containers, local or url"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_named() {
        for via in Via::ALL {
            assert_eq!(via.name().parse(), Ok(*via));
        }
        assert!("telepathy".parse::<Via>().unwrap_err().contains("containers, local or url"));
    }

    #[test]
    fn containers_come_first_where_an_engine_answers() {
        assert_eq!(Via::default_ways(|| true), [Via::Containers, Via::Local]);
        assert_eq!(Via::default_ways(|| false), [Via::Local]);
        assert_eq!(Via::ways(Some(Via::Url)), Ok(vec![Via::Url]));
    }
}
