//! What the configurations of all backends share: one option, one name, in a file and in a URL.

use std::fmt;

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

/// Where a server is and who asks, as a URL says it: `[user[:password]@]host[:port][/path]`. Each part is decoded: `%` and two
/// hexadecimal digits stand for a byte.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The user; empty where there is none.
    pub user: String,
    /// The password.
    pub password: Option<String>,
    /// A name or an address; that of IPv6 without its brackets.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
    /// What follows the slash; empty where there is none.
    pub path: String,
}

impl Address {
    /// From what stands between the scheme and the options of a URL, `//` included. No part of it appears in an error.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no such address.
    pub fn parse(address: &str) -> Result<Self> {
        let invalid = || Error::invalid("URL", "it looks like scheme://user:password@host:port/path?option=value");
        let rest = address.strip_prefix("//").ok_or_else(invalid)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(text(password)?)),
            None => (login, None),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, behind) = bracketed.split_once(']').ok_or_else(invalid)?;
                (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':').ok_or_else(invalid)?) })
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(|port| port.parse().map_err(|_| invalid())).transpose()?;
        Ok(Self { user: text(user)?, password, host: text(host)?, port, path: text(path)? })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, password, host, port, path } = self;
        let password = password.as_ref().map(|_| "***");
        let mut debug = f.debug_struct("Address");
        debug.field("user", user).field("password", &password).field("host", host).field("port", port);
        debug.field("path", path).finish()
    }
}

fn text(encoded: &str) -> Result<String> {
    String::from_utf8(percent_decoded(encoded)?).map_err(|_| Error::invalid("URL", "a part of it is not UTF-8"))
}

/// What a part of a URL stands for: `%` and two hexadecimal digits are one byte.
///
/// # Errors
/// `InvalidArgument` for a `%` with anything else behind it.
pub fn percent_decoded(encoded: &str) -> Result<Vec<u8>> {
    let invalid = || Error::invalid("URL", "`%` is followed by two hexadecimal digits");
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        (rest, _) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digit = |c: u8| char::from(c).to_digit(16).ok_or_else(invalid);
                let byte = digit(*high)? * 16 + digit(*low)?;
                (tail, bytes.push(u8::try_from(byte).expect("two hexadecimal digits are a byte")))
            }
            (b'%', _) => return Err(invalid()),
            _ => (tail, bytes.push(*first)),
        };
    }
    Ok(bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let address = Address::parse("//us%40er:p%3Aa%2Fss@host.example:7/a%20b").unwrap();
        assert_eq!((&*address.user, address.password.as_deref()), ("us@er", Some("p:a/ss")));
        assert_eq!((&*address.host, address.port, &*address.path), ("host.example", Some(7), "a b"));
        let address = Address::parse("//:secret@[::1]:6379").unwrap();
        assert_eq!((&*address.user, address.password.as_deref()), ("", Some("secret")));
        assert_eq!((&*address.host, address.port), ("::1", Some(6379)));
        assert_eq!(Address::parse("//[::1]").unwrap().port, None);
        assert_eq!(Address::parse("//h").unwrap(), Address { host: "h".to_owned(), ..Address::default() });
    }

    #[test]
    fn no_part_of_a_bad_address_shows() {
        for bad in [
            "secret",
            "//secret:x",
            "//u:secret%2@h",
            "//secret:99999",
            "//[secret",
            "//[::1]secret",
            "//u:%ffsecret@h",
        ] {
            let error = Address::parse(bad).unwrap_err();
            assert!(
                matches!(error, Error::InvalidArgument { .. }) && !format!("{error:?}").contains("secret"),
                "{bad}"
            );
        }
        let address = Address::parse("//user:secret@host").unwrap();
        assert!(!format!("{address:?}").contains("secret"));
    }
}
