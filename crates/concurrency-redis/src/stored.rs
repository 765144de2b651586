//! What a stored value looks like.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | `C1`, which begins no text and no MessagePack: what begins otherwise is not ours |
//! | 1 | version of the format, 1 |
//! | 16 | version of the value |
//! | 8 | when it expires, in milliseconds of the server's clock since 1970, big-endian; 0 for never |
//! | any | the value |
//!
//! The scripts read and write the same: `script/value.lua`. A fencing mark is the first two bytes and the token in decimal.

use std::time::Duration;

use concurrency_core::{Bytes, Error, Result, State, Version};

/// The first byte of everything stored.
pub(crate) const MARK: u8 = 0xC1;
/// The version of the format.
pub(crate) const FORMAT: u8 = 1;
/// So many bytes come before the value.
pub(crate) const HEADER: usize = 26;

/// What a script puts before the deadline and the value: mark, format and version.
pub(crate) fn prefix(version: Version) -> [u8; 18] {
    let mut bytes = [0; 18];
    bytes[..2].copy_from_slice(&[MARK, FORMAT]);
    bytes[2..].copy_from_slice(&version.to_bytes());
    bytes
}

/// The first bytes of a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: Version,
    /// Milliseconds of the server's clock; `None` is permanent.
    expires: Option<u64>,
}

impl Header {
    /// # Errors
    /// `Decode` for what is not ours, `Incompatible` for a newer format.
    pub(crate) fn read(stored: &[u8]) -> Result<Self> {
        let Some((header, _)) = stored.split_first_chunk::<HEADER>() else { return Err(foreign()) };
        check_format(stored)?;
        let version = Version::from_bytes(header[2..18].try_into().expect("16 bytes"));
        let expires = u64::from_be_bytes(header[18..].try_into().expect("8 bytes"));
        Ok(Self { version, expires: Some(expires).filter(|at| *at > 0) })
    }

    /// Expired means now >= deadline.
    pub(crate) fn is_live(self, now: u64) -> bool {
        self.expires.is_none_or(|at| now < at)
    }
}

/// Whether bytes are ours, and of a format that we know.
///
/// # Errors
/// `Decode` for what is not ours, `Incompatible` for a newer format.
pub(crate) fn check_format(stored: &[u8]) -> Result<()> {
    match *stored {
        [MARK, FORMAT, ..] => Ok(()),
        [MARK, newer, ..] if newer > FORMAT => Err(newer_format(newer)),
        _ => Err(foreign()),
    }
}

/// The live value in stored bytes, at `now` in milliseconds of the server's clock.
///
/// # Errors
/// As [`Header::read`].
pub(crate) fn state(stored: Vec<u8>, now: u64) -> Result<Option<State>> {
    let header = Header::read(&stored)?;
    if !header.is_live(now) {
        return Ok(None);
    }
    let expires_in = header.expires.map(|at| Duration::from_millis(at - now));
    Ok(Some(State::new(Bytes::from(stored).slice(HEADER..), header.version, expires_in)))
}

/// Not written by this library.
pub(crate) fn foreign() -> Error {
    Error::Decode { what: "a stored value", why: "it has another format".into() }
}

/// Written by a newer version of this library.
pub(crate) fn newer_format(found: u8) -> Error {
    let (found, wanted) = (format!("version {found}").into(), format!("at most version {FORMAT}").into());
    Error::Incompatible { what: "stored format", found, wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(expires: u64, value: &[u8]) -> (Version, Vec<u8>) {
        let version = Version::mint();
        (version, [&prefix(version)[..], &expires.to_be_bytes(), value].concat())
    }

    #[test]
    fn what_was_stored_is_read() {
        let (version, permanent) = stored(0, b"value");
        let read = state(permanent, 7).unwrap().unwrap();
        assert_eq!((read.version, &read.value[..], read.expires_in), (version, &b"value"[..], None));
        let (_, passing) = stored(10, b"");
        let read = state(passing.clone(), 7).unwrap().unwrap();
        assert_eq!((read.value.len(), read.expires_in), (0, Some(Duration::from_millis(3))));
        assert!(state(passing, 10).unwrap().is_none());
    }

    #[test]
    fn what_is_not_ours_is_told_from_what_is_newer() {
        let (_, mut bytes) = stored(0, b"value");
        for foreign in [&b""[..], b"text", &bytes[..25], &[0; 40]] {
            assert!(matches!(Header::read(foreign), Err(Error::Decode { .. })), "{foreign:?}");
        }
        bytes[1] = 2;
        assert!(matches!(Header::read(&bytes), Err(Error::Incompatible { .. })));
        bytes[1] = 0;
        assert!(matches!(Header::read(&bytes), Err(Error::Decode { .. })));
    }
}
