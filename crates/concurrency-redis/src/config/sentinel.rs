//! Where sentinels are, and who asks them.

use concurrency_core::{Error, Result, config};

use super::RedisConfig;

/// The port of sentinels that do not say which.
const PORT: u16 = 26379;

/// Where somebody listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The options of sentinels, checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SentinelConfig {
    /// At least one.
    pub(crate) places: Vec<Place>,
    /// What they call the primary.
    pub(crate) primary: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl RedisConfig {
    /// The defaults, on the server that these sentinels call so: each is `host` or `host:port`.
    #[must_use]
    pub fn with_sentinels(sentinels: impl IntoIterator<Item = impl Into<String>>, primary: impl Into<String>) -> Self {
        Self::default().sentinels(sentinels).primary(primary)
    }

    /// Sentinels, each as `host` or `host:port`.
    #[must_use]
    pub fn sentinels(mut self, sentinels: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.sentinels = Some(sentinels.into_iter().map(Into::into).collect());
        self
    }

    /// What the sentinels call the primary.
    #[must_use]
    pub fn primary(mut self, name: impl Into<String>) -> Self {
        self.primary = Some(name.into());
        self
    }

    /// The user at the sentinels.
    #[must_use]
    pub fn sentinel_user(mut self, user: impl Into<String>) -> Self {
        self.sentinel_user = Some(user.into());
        self
    }

    /// The password at the sentinels.
    #[must_use]
    pub fn sentinel_password(mut self, password: impl Into<String>) -> Self {
        self.sentinel_password = Some(password.into());
        self
    }

    /// `//user:password@host:port,host:port/primary/db`.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no such address. No part of it appears in that.
    pub(super) fn take_address_of_sentinels(&mut self, address: &str) -> Result<()> {
        let invalid = || Error::invalid("URL", "redis+sentinel://user:password@host:port,host:port/primary/db");
        let rest = address.strip_prefix("//").ok_or_else(invalid)?;
        let (authority, path) = rest.split_once('/').ok_or_else(invalid)?;
        let (login, places) = authority.rsplit_once('@').map_or((None, authority), |(login, at)| (Some(login), at));
        if let Some(login) = login {
            let config::Address { user, password, .. } = config::Address::parse(&format!("//{login}@host"))?;
            self.user = Some(user).filter(|user| !user.is_empty());
            self.password = password;
        }
        self.sentinels = Some(places.split(',').map(str::to_owned).collect());
        let (primary, db) = path.split_once('/').unwrap_or((path, ""));
        let primary = String::from_utf8(config::percent_decoded(primary)?).map_err(|_| invalid())?;
        self.primary = Some(primary);
        self.take_db(db)
    }

    /// # Errors
    /// `InvalidArgument` for what is no place, for one of two options that belong together, and for two that do not.
    pub(super) fn check_sentinels(&self) -> Result<()> {
        if self.sentinels.is_none() {
            return match self.has_sentinel_options() {
                true => Err(Error::invalid("sentinels", "the options of sentinels need some")),
                false => Ok(()),
            };
        }
        if self.host.is_some() || self.port.is_some() {
            return Err(Error::invalid("sentinels", "they take the place of host and port"));
        }
        if self.primary.as_ref().is_none_or(|name| name.is_empty() || name.chars().any(char::is_control)) {
            return Err(Error::invalid("primary", "what the sentinels call the primary"));
        }
        if self.sentinel_user.is_some() && self.sentinel_password.is_none() {
            return Err(Error::invalid("sentinel_user", "a user needs a password"));
        }
        self.sentinel_places().map(drop)
    }

    /// Whether one of them is set.
    pub(super) fn has_sentinel_options(&self) -> bool {
        let Self { sentinels, primary, sentinel_user, sentinel_password, .. } = self;
        sentinels.is_some() || primary.is_some() || sentinel_user.is_some() || sentinel_password.is_some()
    }

    fn sentinel_places(&self) -> Result<Vec<Place>> {
        let invalid = || Error::invalid("sentinels", "one or more of HOST or HOST:PORT");
        let place = |text: &String| match config::Address::parse(&format!("//{text}")) {
            Ok(config::Address { user, password: None, host, port, path })
                if user.is_empty() && !host.is_empty() && path.is_empty() && !text.contains(['@', '/']) =>
            {
                Ok(Place { host, port: port.unwrap_or(PORT) })
            }
            _ => Err(invalid()),
        };
        let places: Vec<_> = self.sentinels.iter().flatten().map(place).collect::<Result<_>>()?;
        if places.is_empty() { Err(invalid()) } else { Ok(places) }
    }

    /// The sentinels to ask, if any. The configuration was checked.
    pub(crate) fn sentinel(&self) -> Option<SentinelConfig> {
        let primary = self.primary.clone()?;
        let places = self.sentinel_places().ok()?;
        Some(SentinelConfig {
            places,
            primary,
            user: self.sentinel_user.clone(),
            password: self.sentinel_password.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_sentinels_carries_the_same_options() {
        let url = "rediss+sentinel://me:p%40ss@[::1]:7000,h,i:1/the%20main/3?sentinel_user=it&sentinel_password=s%26";
        let wanted = RedisConfig::with_sentinels(["[::1]:7000", "h", "i:1"], "the main")
            .user("me")
            .password("p@ss")
            .db(3)
            .tls(true)
            .sentinel_user("it")
            .sentinel_password("s&");
        let config = RedisConfig::from_url(url).unwrap();
        assert_eq!(config, wanted);
        let place = |host: &str, port| Place { host: host.into(), port };
        let sentinel = config.sentinel().unwrap();
        assert_eq!(sentinel.places, [place("::1", 7000), place("h", 26379), place("i", 1)]);
        let json = r#"{"sentinels": ["[::1]:7000", "h", "i:1"], "primary": "the main", "user": "me", "password": "p@ss",
            "db": 3, "tls": true, "sentinel_user": "it", "sentinel_password": "s&"}"#;
        assert_eq!(serde_json::from_str::<RedisConfig>(json).unwrap(), wanted);
        for url in ["redis+sentinel://h/m", "valkey+sentinel://h/m/"] {
            assert_eq!(RedisConfig::from_url(url).unwrap(), RedisConfig::with_sentinels(["h"], "m"), "{url}");
        }
        let other = RedisConfig::from_url("valkeys+sentinel://:x@h/m").unwrap();
        assert_eq!(other, RedisConfig::with_sentinels(["h"], "m").tls(true).password("x"));
        assert_eq!(RedisConfig::new("h").sentinel().map(|_| ()), None);
    }

    #[test]
    fn options_that_do_not_belong_together_are_refused_without_a_secret() {
        let good = || RedisConfig::with_sentinels(["h"], "m").sentinel_password("secret");
        good().check().unwrap();
        assert!(!format!("{:?}", good()).contains("secret"));
        for bad in [
            good().sentinels([""; 0]),
            good().sentinels(["", "h"]),
            good().sentinels(["secret@h"]),
            good().sentinels(["u:secret@h"]),
            good().sentinels(["h/secret"]),
            good().sentinels(["h:secret"]),
            good().primary(""),
            good().primary("a\nb"),
            good().port(1),
            RedisConfig { host: Some("h".into()), ..good() },
            RedisConfig { primary: None, ..good() },
            RedisConfig { sentinels: None, ..good() },
            RedisConfig { sentinel_password: None, ..good().sentinel_user("secret") },
            RedisConfig::new("h").primary("secret"),
            good().namespace("n", RedisConfig::for_namespace().primary("secret")),
        ] {
            let error = bad.check().unwrap_err();
            assert!(matches!(error, Error::InvalidArgument { .. }), "{bad:?}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
