//! What the configurations of all backends share: one option, one name, in a file and in a URL.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::{Error, Result};

/// The options of a URL without an address, `scheme:` or `scheme:?option=value&..`.
///
/// # Errors
/// `InvalidArgument` for another scheme and for an address.
pub fn options_of<'u>(url: &'u str, scheme: &str) -> Result<&'u str> {
    let rest = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':'));
    let rest = rest.ok_or_else(|| Error::invalid("URL", format!("it does not begin with {scheme}:")))?;
    match rest.strip_prefix('?') {
        Some(options) => Ok(options),
        None if rest.is_empty() => Ok(""),
        None => Err(Error::invalid("URL", format!("{scheme}: takes no address"))),
    }
}

/// A configuration from the parameters of a URL. Option names appear in errors; their values never do.
///
/// # Errors
/// `InvalidArgument` for an unknown option and for a value that cannot be read.
pub fn from_options<C: DeserializeOwned>(options: &str) -> Result<C> {
    serde_urlencoded::from_str(options).map_err(|error| {
        // Serde quotes an unknown field's name, which helps, and an invalid value, which may be a secret.
        let text = error.to_string();
        let unknown = text.starts_with("unknown field") || text.starts_with("duplicate field");
        Error::invalid("URL", if unknown { text } else { "an option's value cannot be read".to_owned() })
    })
}

/// `Option<Duration>` as text like `90s`, `5m` or `24h`.
pub mod optional_duration {
    use std::time::Duration;

    use super::{Deserialize, Deserializer};

    /// For `#[serde(with = ..)]`.
    ///
    /// # Errors
    /// For text that is not a duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Duration>, D::Error> {
        let Some(text) = <Option<String>>::deserialize(deserializer)? else { return Ok(None) };
        humantime::parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
    }
}
