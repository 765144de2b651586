//! What an append says, in sixteen bytes: to tell a repeat from other content under the same id.

use sha2::{Digest, Sha256};

use crate::NewEvent;

/// For backends: what an append says, to be stored beside its id. Two appends say the same where these are equal.
///
/// The first half of a SHA-256 of types and data in their order. Event ids and metadata do not count. What it is computed from
/// never changes, because it is stored.
#[must_use]
pub fn append_content(events: &[NewEvent]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for event in events {
        // Lengths first, so that nothing can be joined in another way.
        for part in [event.event_type.as_bytes(), &event.data] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    let hash: [u8; 32] = hash.finalize().into();
    *hash.first_chunk().expect("32 bytes have a first half")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(events: &[(&'static str, &'static str)]) -> [u8; 16] {
        let events: Vec<_> = events.iter().map(|(event_type, data)| NewEvent::new(*event_type, *data)).collect();
        append_content(&events)
    }

    #[test]
    fn equal_content_is_equal_and_nothing_else() {
        let pair = [("a", "1"), ("b", "2")];
        assert_eq!(of(&pair), of(&pair), "though the events have ids of their own");
        let others: [&[_]; 6] = [
            &[("a", "1"), ("b", "3")],
            &[("b", "2"), ("a", "1")],
            &[("a", "1")],
            &[("a1", ""), ("b", "2")],
            &[("a", "1b"), ("", "2")],
            &[("a", "1"), ("b", "2"), ("", "")],
        ];
        for other in others {
            assert_ne!(of(&pair), of(other), "{other:?}");
        }
    }

    #[test]
    fn what_was_stored_by_an_older_version_is_known() {
        // SHA-256 of 00 00 00 00 00 00 00 01 "e" 00 00 00 00 00 00 00 02 "{}".
        let hex: String = of(&[("e", "{}")]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "97d3ad0170c18c1b641fe80966de7582");
    }
}
