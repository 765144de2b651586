//! How typed values become bytes.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// How typed values become bytes. A value, not a type parameter, so that the type in a user's struct stays
/// `TypedState<Order>`.
///
/// Encryption, compression and other formats are layers over the traits, which move bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Codec {
    /// JSON (`serde_json`).
    #[default]
    Json,
    /// MessagePack with field names (`rmp-serde`), behind the feature `messagepack`.
    #[cfg(feature = "messagepack")]
    MessagePack,
    /// Postcard: the smallest, without field names, so a changed struct does not read old bytes. Behind the feature
    /// `postcard`.
    #[cfg(feature = "postcard")]
    Postcard,
}

impl Codec {
    /// The bytes of a value.
    ///
    /// # Errors
    /// `Encode` where the format cannot hold it.
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Bytes> {
        let bytes = match self {
            Self::Json => serde_json::to_vec(value).map_err(|e| json_place(&e)),
            #[cfg(feature = "messagepack")]
            Self::MessagePack => rmp_serde::to_vec_named(value).map_err(|_| "not representable in MessagePack".into()),
            #[cfg(feature = "postcard")]
            Self::Postcard => postcard::to_stdvec(value).map_err(|_| "not representable in Postcard".into()),
        };
        bytes.map(Bytes::from).map_err(|why| Error::Encode { what: std::any::type_name::<T>(), why })
    }

    /// The value in these bytes.
    ///
    /// # Errors
    /// `Decode` where they are not a `T`. The message says where, never what stood there.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|e| json_place(&e)),
            #[cfg(feature = "messagepack")]
            Self::MessagePack => rmp_serde::from_slice(bytes).map_err(|_| "not MessagePack of this type".into()),
            #[cfg(feature = "postcard")]
            Self::Postcard => postcard::from_bytes(bytes).map_err(|_| "not Postcard of this type".into()),
        }
        .map_err(|why| Error::Decode { what: std::any::type_name::<T>(), why })
    }
}

/// Where, not what: `serde_json`'s own message quotes the value (`invalid type: string "hunter2"`).
fn json_place(e: &serde_json::Error) -> Box<str> {
    format!("{:?} error at line {}, column {}", e.classify(), e.line(), e.column()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // T-5
    #[test]
    fn a_decoding_error_does_not_quote() {
        let error = Codec::Json.decode::<u32>(br#""hunter2""#).unwrap_err();
        assert!(matches!(error, Error::Decode { .. }));
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    // T-2
    #[test]
    fn what_is_encoded_is_decoded() {
        let codecs = [
            Codec::Json,
            #[cfg(feature = "messagepack")]
            Codec::MessagePack,
            #[cfg(feature = "postcard")]
            Codec::Postcard,
        ];
        for codec in codecs {
            let bytes = codec.encode(&("é", Some(7_u64))).unwrap();
            assert_eq!(codec.decode::<(String, Option<u64>)>(&bytes).unwrap(), ("é".to_owned(), Some(7)), "{codec:?}");
            assert!(codec.decode::<(String, Option<u64>)>(&bytes[..1]).is_err(), "{codec:?}");
        }
    }

    // T-4
    #[test]
    fn what_cannot_be_written_is_refused() {
        let keys_are_not_text = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert!(matches!(Codec::Json.encode(&keys_are_not_text), Err(Error::Encode { .. })));
    }
}
