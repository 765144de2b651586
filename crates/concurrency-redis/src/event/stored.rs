//! What events look like on the server.
//!
//! Everything begins with `C1` and the version of the format, 1, as the values of a state store do. Numbers are big-endian, times
//! milliseconds of the server's clock since 1970. The scripts write and read the same: `script/event.lua`.
//!
//! An event, a member of the log: position (8 bytes), version (8), time (8), id (16), how long its type (2), its stream's name (2)
//! and its metadata (4) are, then these three and the data.
//!
//! The tag of a log is its first position. The counters, a string: tag (8), last position (8), highest truncated position (8), bytes
//! of the largest event (8).
//!
//! A stream, a string: tag (8), the version before its first record (8), the first version whose record is needed (8),
//! the first that is left (8), fencing mark (8), when that is forgotten (8); then a record for each version: position (8), append
//! id (16).
//!
//! An append, under its id in a hash: first version (8), how many events (4), their content (16).
//!
//! A snapshot, a string: version (8), id of its last event (16), schema (4), the state.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use concurrency_core::{Bytes, EventId, NewEvent, Position, Recorded, Result, Snapshot};

use crate::stored::{FORMAT, MARK, check_format, foreign};

/// Bytes of an event before its type; the first 26 are the server's.
const HEADER: usize = 50;
const BY_SERVER: usize = 26;
/// Bytes of a snapshot before its state.
const SNAPSHOT_HEADER: usize = 30;

/// What the client knows of an event: all but the first bytes. The lengths were checked.
pub(super) fn event(stream: &str, event: &NewEvent) -> Vec<u8> {
    let NewEvent { id, event_type, data, metadata } = event;
    let names = event_type.len() + stream.len();
    let mut bytes = Vec::with_capacity(HEADER - BY_SERVER + names + event.size());
    bytes.extend_from_slice(&id.to_bytes());
    bytes.extend_from_slice(&u16::try_from(event_type.len()).expect("at most 256").to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(stream.len()).expect("at most 1,024").to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(metadata.len()).expect("at most 256 MiB").to_be_bytes());
    for part in [event_type.as_bytes(), stream.as_bytes(), metadata, data] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// So many bytes the server puts before one.
pub(super) const fn size_with_header(event: &[u8]) -> usize {
    BY_SERVER + event.len()
}

/// Reads events, and keeps each name once.
#[derive(Debug, Default)]
pub(super) struct Reader {
    names: HashSet<Arc<str>>,
}

impl Reader {
    /// # Errors
    /// `Decode` for what is not ours, `Incompatible` for a newer format.
    pub(super) fn event(&mut self, stored: Vec<u8>) -> Result<Recorded> {
        check_format(&stored)?;
        let Some((header, names)) = stored.split_first_chunk::<HEADER>() else { return Err(foreign()) };
        let [position, version, milliseconds] = [2, 10, 18].map(|at| number(header, at));
        let id = EventId::from_bytes(header[26..42].try_into().expect("16 bytes"));
        let [event_type, stream] = [42, 44].map(|at| usize::from(u16::from_be_bytes([header[at], header[at + 1]])));
        let metadata = u32::from_be_bytes(header[46..].try_into().expect("4 bytes")) as usize;
        let (event_type, rest) = names.split_at_checked(event_type).ok_or_else(foreign)?;
        let (stream, rest) = rest.split_at_checked(stream).ok_or_else(foreign)?;
        let (event_type, stream) = (self.name(event_type)?, self.name(stream)?);
        if rest.len() < metadata {
            return Err(foreign());
        }
        let begin = stored.len() - rest.len();
        let stored = Bytes::from(stored);
        Ok(Recorded {
            stream,
            version,
            position: Position::from_u128(position.into()),
            id,
            event_type,
            metadata: stored.slice(begin..begin + metadata),
            data: stored.slice(begin + metadata..),
            recorded_at: SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds),
        })
    }

    fn name(&mut self, bytes: &[u8]) -> Result<Arc<str>> {
        let name = std::str::from_utf8(bytes).map_err(|_| foreign())?;
        if let Some(known) = self.names.get(name) {
            return Ok(Arc::clone(known));
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        Ok(name)
    }
}

/// The last position that was ever given, from the counters of the log.
///
/// # Errors
/// As [`Reader::event`].
pub(super) fn last_position(counters: &[u8]) -> Result<u64> {
    check_format(counters)?;
    let counters: &[u8; 34] = counters.first_chunk().ok_or_else(foreign)?;
    Ok(number(counters, 10))
}

/// The whole of it.
pub(super) fn snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let Snapshot { version, event, schema, data } = snapshot;
    let parts = [&[MARK, FORMAT][..], &version.to_be_bytes(), &event.to_bytes(), &schema.to_be_bytes(), data];
    parts.concat()
}

/// # Errors
/// As [`Reader::event`].
pub(super) fn read_snapshot(stored: Vec<u8>) -> Result<Snapshot> {
    check_format(&stored)?;
    let header: &[u8; SNAPSHOT_HEADER] = stored.first_chunk().ok_or_else(foreign)?;
    Ok(Snapshot {
        version: number(header, 2),
        event: EventId::from_bytes(header[10..26].try_into().expect("16 bytes")),
        schema: u32::from_be_bytes(header[26..].try_into().expect("4 bytes")),
        data: Bytes::from(stored).slice(SNAPSHOT_HEADER..),
    })
}

fn number<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

#[cfg(test)]
mod tests {
    use concurrency_core::Error;

    use super::*;

    fn stored(stream: &str, new: &NewEvent) -> Vec<u8> {
        let mut bytes = vec![MARK, FORMAT];
        for number in [1_795_191_223_729_508_u64, 7, 1_795_191_223_729] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&event(stream, new));
        bytes
    }

    #[test]
    fn what_was_stored_is_read() {
        let new = NewEvent::new("placed", "data").with_metadata("more");
        let bytes = stored("order", &new);
        assert_eq!(size_with_header(&event("order", &new)), bytes.len());
        let mut reader = Reader::default();
        let read = reader.event(bytes.clone()).unwrap();
        assert_eq!((&*read.stream, read.version, read.id, &*read.event_type), ("order", 7, new.id, "placed"));
        assert_eq!((read.data.clone(), read.metadata.clone()), (new.data, new.metadata));
        assert_eq!(read.position.to_u128(), 1_795_191_223_729_508);
        assert_eq!(read.recorded_at, SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_191_223_729));
        let again = reader.event(bytes).unwrap();
        assert!(Arc::ptr_eq(&read.stream, &again.stream));

        let given = Snapshot { version: u64::MAX, event: EventId::mint(), schema: 3, data: "state".into() };
        assert_eq!(read_snapshot(snapshot(&given)).unwrap(), given);
    }

    #[test]
    fn what_is_not_ours_is_told_from_what_is_newer() {
        let bytes = stored("order", &NewEvent::new("placed", "data").with_metadata("more"));
        let length = HEADER + "placed".len() + "order".len() + "more".len();
        for cut in 0..length {
            let read = Reader::default().event(bytes[..cut].to_vec());
            assert!(matches!(read, Err(Error::Decode { .. })), "{cut} bytes: {read:?}");
        }
        assert_eq!(Reader::default().event(bytes[..length].to_vec()).unwrap().data, "");
        let newer = [&[MARK, FORMAT + 1][..], &bytes[2..]].concat();
        assert!(matches!(Reader::default().event(newer.clone()), Err(Error::Incompatible { .. })));
        assert!(matches!(read_snapshot(newer.clone()), Err(Error::Incompatible { .. })));
        assert!(matches!(last_position(&newer), Err(Error::Incompatible { .. })));
        for short in [&b""[..], b"text", &bytes[..20]] {
            assert!(matches!(read_snapshot(short.to_vec()), Err(Error::Decode { .. })));
            assert!(matches!(last_position(short), Err(Error::Decode { .. })));
        }
    }
}
