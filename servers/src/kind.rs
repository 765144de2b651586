//! The servers that there are, a row each.

use std::fmt;

use crate::{Setup, local, probe, resp};

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Redis, standalone.
    Redis,
    /// Valkey, standalone.
    Valkey,
}

/// All that this package has to know of a kind of server.
#[derive(Debug)]
pub(crate) struct Row {
    /// What `--backend` calls it, and `docker-compose.yml`.
    pub(crate) name: &'static str,
    /// What our URLs of it begin with.
    pub(crate) scheme: &'static str,
    /// What everybody's may begin with.
    pub(crate) schemes: &'static [&'static str],
    /// The feature of `concurrency-toolkit` that speaks to it.
    pub(crate) feature: &'static str,
    /// The server program.
    pub(crate) program: &'static str,
    /// The package of Debian 12 that has the program.
    pub(crate) package: Option<&'static str>,
    /// The folder below `servers/images` whose Dockerfile builds an image of it.
    pub(crate) recipe: &'static str,
    /// The port that it listens on in its container.
    #[cfg(feature = "containers")]
    pub(crate) port: u16,
    /// The folder that it keeps its data in, in its container.
    #[cfg(feature = "containers")]
    pub(crate) data: &'static str,
    /// The arguments of the program.
    pub(crate) arguments: fn(&Setup, &Place<'_>) -> Vec<String>,
    /// Asks whether it answers.
    pub(crate) probe: fn(&str) -> probe::Probe,
}

/// Where a server is to listen, and to keep its data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) address: &'a str,
    pub(crate) port: u16,
    pub(crate) folder: &'a str,
}

const REDIS: Row = Row {
    name: "redis",
    scheme: "redis",
    schemes: resp::SCHEMES,
    feature: "redis",
    program: "redis-server",
    package: Some("redis-server"),
    recipe: "redis",
    #[cfg(feature = "containers")]
    port: 6379,
    #[cfg(feature = "containers")]
    data: "/data",
    arguments: redis_arguments,
    probe: probe::redis,
};

const VALKEY: Row = Row { name: "valkey", program: "valkey-server", package: None, ..REDIS };

impl Kind {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Redis, Self::Valkey];

    pub(crate) const fn row(self) -> &'static Row {
        match self {
            Self::Redis => &REDIS,
            Self::Valkey => &VALKEY,
        }
    }

    /// What `--backend` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The one of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The first whose servers have such a URL, as `rediss://user@host`.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let scheme = url.split_once("://")?.0;
        Self::ALL.iter().copied().find(|kind| kind.row().schemes.contains(&scheme))
    }

    /// The feature of `concurrency-toolkit` that speaks to it.
    #[must_use]
    pub const fn feature(self) -> &'static str {
        self.row().feature
    }

    /// The package of Debian 12 that has the server program, if one has.
    #[must_use]
    pub const fn debian_package(self) -> Option<&'static str> {
        self.row().package
    }

    /// The environment variable that names a server of this kind for `--via url`.
    #[must_use]
    pub fn url_variable(self) -> String {
        format!("CONCURRENCY_{}_URL", self.name().to_ascii_uppercase())
    }

    /// The image that `cargo xtask images` builds for it.
    #[must_use]
    pub fn built_image(self) -> String {
        format!("concurrency-{}:debian", self.name())
    }

    /// The folder of this repository whose Dockerfile builds that image, told the name of this kind as `SERVER`.
    #[must_use]
    pub fn image_folder(self) -> String {
        format!("servers/images/{}", self.row().recipe)
    }

    /// The environment variable that names another image than the one in `docker-compose.yml`.
    #[must_use]
    pub fn image_variable(self) -> String {
        format!("CONCURRENCY_{}_IMAGE", self.name().to_ascii_uppercase())
    }

    /// Whether this machine has the server program.
    #[must_use]
    pub fn is_installed(self) -> bool {
        local::find(self.row().program).is_some()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn redis_arguments(setup: &Setup, place: &Place<'_>) -> Vec<String> {
    let port = place.port.to_string();
    let mut options = vec![
        vec!["bind", place.address],
        vec!["port", &port],
        vec!["dir", place.folder],
        // Without a password it would otherwise refuse whoever comes from outside of its container.
        vec!["protected-mode", "no"],
        vec!["daemonize", "no"],
        vec!["save", ""],
    ];
    if setup.is_durable() {
        options.push(vec!["appendonly", "yes"]);
        options.push(vec!["appendfsync", "always"]);
    }
    let theirs = setup.options().iter().map(|words| words.iter().map(String::as_str).collect());
    let mut arguments = Vec::new();
    for words in options.into_iter().chain(theirs) {
        let [name, values @ ..] = &words[..] else { continue };
        arguments.push(format!("--{name}"));
        arguments.extend(values.iter().map(|value| (*value).to_owned()));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::find(kind.name()), Some(*kind));
        }
        assert_eq!(Kind::find("sqlite"), None);
        assert_eq!(Kind::Redis.url_variable(), "CONCURRENCY_REDIS_URL");
        assert_eq!(Kind::of_url("valkeys://u:p@h:1").map(Kind::feature), Some("redis"));
        assert_eq!((Kind::of_url("sqlite:redis"), Kind::of_url("http://redis")), (None, None));
    }

    #[test]
    fn what_the_caller_wants_comes_last() {
        let place = Place { address: "127.0.0.1", port: 7000, folder: "/tmp/x" };
        let setup = Setup::new().option("maxmemory", ["20mb"]).option("rename-command", ["EVAL", ""]);
        let arguments = redis_arguments(&setup, &place).join("|");
        assert!(arguments.starts_with("--bind|127.0.0.1|--port|7000|--dir|/tmp/x|"), "{arguments}");
        assert!(arguments.ends_with("|--save||--maxmemory|20mb|--rename-command|EVAL|"), "{arguments}");
        let durable = redis_arguments(&Setup::new().durable(), &place).join(" ");
        assert!(durable.ends_with("--appendonly yes --appendfsync always"), "{durable}");
    }
}
