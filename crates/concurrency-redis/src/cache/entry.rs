//! What an entry looks like.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | `C1`: what begins otherwise is not ours |
//! | 1 | version of the format, 1 |
//! | 1 | `v` for a value, `r` for a reservation |
//! | 16 | the generation it belongs to; nothing where the cache has no generations |
//! | any | the value; or the ticket, 16 bytes, and the inboxes of those who wait, 32 each |
//!
//! A reservation stands where the value will: so whatever sets or removes the value ends it, and its lifetime is the hold. The
//! generation itself is the first two bytes and 16 random ones. The scripts read and write the same: `script/entry.lua`.

use bytes::Buf as _;
use concurrency_core::{Bytes, Result};

use crate::stored::{self, FORMAT, MARK};

/// So many bytes come before the generation.
const KIND: usize = 3;
/// And so many before the value, where there are generations.
const GENERATION: usize = 16;

/// The live value in what stands under an entry's name; `None` for a reservation, and for an older generation.
///
/// `generation` is what stands under the name of that, where the cache has generations.
///
/// # Errors
/// `Decode` for what is not ours, `Incompatible` for a newer format.
pub(super) fn value(entry: Vec<u8>, generation: Option<Option<&[u8]>>) -> Result<Option<Bytes>> {
    check(&entry)?;
    let Some(kind) = entry.get(2) else { return Err(stored::foreign()) };
    let is_value = *kind == b'v';
    let begins = match generation {
        None => KIND,
        Some(None) => return Ok(None),
        Some(Some(generation)) => {
            check(generation)?;
            if entry.get(KIND..KIND + GENERATION) != Some(&generation[2..]) {
                return Ok(None);
            }
            KIND + GENERATION
        }
    };
    let after_head = || {
        // Unlike `slice`, this needs no count of who shares the bytes.
        let mut bytes = Bytes::from(entry);
        bytes.advance(begins);
        bytes
    };
    Ok(is_value.then(after_head))
}

/// How many bytes tell whether there is a value.
pub(super) const fn head(has_generations: bool) -> usize {
    if has_generations { KIND + GENERATION } else { KIND }
}

fn check(bytes: &[u8]) -> Result<()> {
    match bytes {
        [MARK, FORMAT, ..] => Ok(()),
        [MARK, newer, ..] if *newer > FORMAT => Err(stored::newer_format(*newer)),
        _ => Err(stored::foreign()),
    }
}

#[cfg(test)]
mod tests {
    use concurrency_core::Error;

    use super::*;

    /// A generation, as it is stored.
    fn generation(random: [u8; 16]) -> Vec<u8> {
        [&[MARK, FORMAT], &random[..]].concat()
    }

    #[test]
    fn values_are_told_from_reservations() {
        let read = |entry: &[u8]| value(entry.to_vec(), None).unwrap();
        assert_eq!(read(b"\xC1\x01vabc").unwrap(), &b"abc"[..]);
        assert_eq!(read(b"\xC1\x01v").unwrap(), &b""[..]);
        assert_eq!(read(b"\xC1\x01r0123456789abcdef"), None);
        for (strange, newer) in [(&b"text"[..], false), (b"\xC1", false), (b"\xC1\x01", false), (b"\xC1\x02v", true)] {
            let refused = value(strange.to_vec(), None).unwrap_err();
            assert_eq!(matches!(refused, Error::Incompatible { .. }), newer, "{refused:?}");
            assert!(newer || matches!(refused, Error::Decode { .. }), "{refused:?}");
        }
    }

    #[test]
    fn only_the_present_generation_counts() {
        let (one, other) = (generation([1; 16]), generation([2; 16]));
        let entry = [&b"\xC1\x01v"[..], &[1; 16], b"abc"].concat();
        assert_eq!(value(entry.clone(), Some(Some(&one))).unwrap().unwrap(), &b"abc"[..]);
        assert_eq!(value(entry.clone(), Some(Some(&other))).unwrap(), None);
        assert_eq!(value(entry.clone(), Some(None)).unwrap(), None);
        // Written where the cache had no generations: not of this one.
        assert_eq!(value(b"\xC1\x01vabc".to_vec(), Some(Some(&one))).unwrap(), None);
        assert!(value(entry, Some(Some(b"text"))).is_err());
    }
}
