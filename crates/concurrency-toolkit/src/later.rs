//! Backends that this build does not contain: whoever names one hears so, and which feature it needs or will need.

use serde::{Deserialize, Deserializer};

use crate::{CONNECTORS, Error};

/// Feature (and name in a configuration) and the schemes of its URLs.
pub(crate) const LATER: [(&str, &[&str]); 6] = [
    ("sqlite", &["sqlite"]),
    (
        "redis",
        &[
            "redis",
            "rediss",
            "redis+sentinel",
            "rediss+sentinel",
            "valkey",
            "valkeys",
            "valkey+sentinel",
            "valkeys+sentinel",
        ],
    ),
    ("memcached", &["memcached", "memcache"]),
    ("postgres", &["postgres", "postgresql"]),
    ("mysql", &["mysql", "mariadb"]),
    ("mongodb", &["mongodb", "mongodb+srv"]),
];

/// Those that this version has.
const WRITTEN: [&str; 2] = ["redis", "sqlite"];

/// Why no backend can be had for a URL. The URL itself may hold a password and is not quoted, nor is a scheme we do not know.
pub(crate) fn refusal(url: &str) -> Error {
    let Some((scheme, _)) = url.split_once(':') else {
        return Error::invalid("URL", "it has no scheme; a URL looks like memory:?option=value");
    };
    match LATER.iter().find(|(_, schemes)| schemes.contains(&scheme)) {
        Some((feature, _)) => Error::invalid("URL", missing(feature)),
        None => Error::invalid("URL", unknown()),
    }
}

fn missing(feature: &str) -> String {
    let why = if WRITTEN.contains(&feature) {
        "this build was made without it"
    } else {
        "this version has no such backend yet"
    };
    format!("it needs the feature `{feature}` of concurrency-toolkit, and {why}")
}

/// Whether this build contains it.
pub(crate) fn is_here(feature: &str) -> bool {
    cfg!(feature = "redis") && feature == "redis" || cfg!(feature = "sqlite") && feature == "sqlite"
}

fn unknown() -> String {
    let known: Vec<_> = CONNECTORS.iter().flat_map(|connector| connector.schemes).map(|s| format!("{s}:")).collect();
    let later = LATER.iter().filter(|(feature, _)| !is_here(feature));
    let later: Vec<_> = later.map(|(feature, _)| format!("`{feature}`")).collect();
    format!(
        "no backend has its scheme; this build knows {}, and others need the features {}, as far as they exist",
        known.join(", "),
        later.join(", ")
    )
}

/// The options of `LATER[N]`, which never can be read.
pub(crate) struct Later<const N: usize>;

impl<'de, const N: usize> Deserialize<'de> for Later<N> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(format_args!("backend `{0}`: {1}", LATER[N].0, missing(LATER[N].0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_scheme_names_its_feature() {
        for (feature, schemes) in LATER.into_iter().filter(|(feature, _)| !is_here(feature)) {
            for scheme in schemes {
                let text = refusal(&format!("{scheme}://user:secret@host")).to_string();
                assert!(text.contains(&format!("feature `{feature}`")), "{text}");
                let why = if WRITTEN.contains(&feature) { "without it" } else { "no such backend yet" };
                assert!(text.contains(why), "{text}");
                assert!(!text.contains("secret"), "{text}");
            }
        }
    }

    #[test]
    fn an_unknown_scheme_names_what_is_there() {
        for url in ["nonsense://user:secret@host", "localhost", ""] {
            let text = refusal(url).to_string();
            assert!(text.contains("memory:"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
