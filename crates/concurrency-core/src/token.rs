//! 128-bit random tokens: versions, owners, and the ids of events and appends.

/// Declares a 128-bit token that is minted at random and compared for equality only.
macro_rules! token128 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A fresh random one.
            #[must_use]
            pub fn mint() -> Self {
                Self($crate::random::bytes())
            }

            /// From its stored form.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its stored form.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0
            }
        }
    };
}

/// Lets a token be shown, parsed and serialized as 32 hexadecimal digits.
macro_rules! token128_as_hex {
    ($name:ident, $what:literal) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(hex: &str) -> $crate::Result<Self> {
                // `from_str_radix` alone would take a sign.
                if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err($crate::Error::invalid($what, "32 hexadecimal digits"));
                }
                let number = u128::from_str_radix(hex, 16).expect("32 hexadecimal digits are 128 bits");
                Ok(Self(number.to_be_bytes()))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let hex = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                hex.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

token128! {
    /// A version of a state: opaque, equal or not, never ordered, never reused. Displays as 32 hexadecimal digits, which
    /// serve as an HTTP `ETag`.
    Version
}
token128_as_hex!(Version, "version");

token128! {
    /// Who asks for a lease. A secret towards other holders: it has no `Display`, and its `Debug` is redacted.
    Owner
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Owner(..)")
    }
}

token128! {
    /// The identity of one event, minted where it is made; what checkpoints and snapshots remember beside a position.
    EventId
}
token128_as_hex!(EventId, "event id");

token128! {
    /// The identity of one append to a stream: the same id again answers what the first append answered.
    AppendId
}
token128_as_hex!(AppendId, "append id");

impl AppendId {
    /// An id derived from a name, the same for the same name: for a step that has a name of its own, such as
    /// `"order 7: charged"`, so that whoever repeats the step repeats its id.
    ///
    /// The 128-bit FNV-1a hash (Fowler, Noll, Vo). It keeps names apart that nobody forged to collide; mint an id, or hash
    /// with a secret, where an adversary chooses the name.
    #[must_use]
    pub const fn named(name: &str) -> Self {
        const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let bytes = name.as_bytes();
        let (mut hash, mut i) = (OFFSET, 0);
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u128).wrapping_mul(PRIME);
            i += 1;
        }
        Self(hash.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_survives_its_text() {
        let version = Version::mint();
        assert_eq!(version.to_string().parse::<Version>().unwrap(), version);
        let json = serde_json::to_string(&version).unwrap();
        assert_eq!(serde_json::from_str::<Version>(&json).unwrap(), version);
        for bad in ["", "+0000000000000000000000000000000", "zz", &"0".repeat(33)] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_owner_never_shows() {
        assert_eq!(format!("{:?}", Owner::mint()), "Owner(..)");
    }

    #[test]
    fn a_named_append_id_is_the_published_hash() {
        // The published FNV-1a 128 of the empty string and of "a".
        assert_eq!(AppendId::named("").to_string(), "6c62272e07bb014262b821756295c58d");
        assert_eq!(AppendId::named("a").to_string(), "d228cb696f1a8caf78912b704e4a8964");
    }
}
