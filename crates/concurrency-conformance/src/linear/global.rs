//! The global order of events: not linearizability, since a reader may lag, but no event behind a position that was read.

use std::collections::BTreeMap;

use super::Rejected;

/// One answer of `read_all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalRead {
    /// The position asked for.
    pub after: u128,
    /// The position to go on from.
    pub next: u128,
    /// Stream, version and position of the events, in the order in which they came.
    pub events: Vec<(Box<str>, u64, u128)>,
}

/// Judges all reads of the global order together: whatever any of them ever showed has one place, and no read whose answer
/// reached beyond that place left it out. Cost: linear but for the sorting.
///
/// # Errors
/// [`Rejected`], with the event at fault.
pub fn check_global(reads: &[GlobalRead]) -> Result<(), Rejected> {
    let rejected =
        |key: &str, why: String| Err(Rejected { kind: "global order", key: key.into(), why, undecided: false });
    let mut places = BTreeMap::<u128, (&str, u64)>::new();
    for read in reads {
        let mut last = read.after;
        for (stream, version, position) in &read.events {
            if *position <= last {
                return rejected(stream, format!("version {version} came at {position}, not behind {last}"));
            }
            last = *position;
            if *places.entry(*position).or_insert((stream, *version)) != (&**stream, *version) {
                return rejected(stream, format!("version {version} stands at {position}, as another event does"));
            }
        }
        if read.next < last {
            return rejected("all", format!("a read up to {last} says to go on from {}", read.next));
        }
    }
    let mut versions = BTreeMap::<&str, u64>::new();
    for (position, (stream, version)) in &places {
        let before = versions.insert(stream, *version).unwrap_or(0);
        if *version <= before {
            return rejected(stream, format!("version {version} at {position} stands behind version {before}"));
        }
    }
    for read in reads.iter().filter(|read| read.next > read.after) {
        let shown = read.events.len();
        let stand = places.range(read.after + 1..=read.next);
        let mut events = read.events.iter();
        for (position, (stream, version)) in stand {
            if events.next().is_none_or(|event| event.2 != *position) {
                let why = format!(
                    "version {version} at {position} was left out by a read of {shown} events from {} to {}",
                    read.after, read.next
                );
                return rejected(stream, why);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(after: u128, next: u128, events: &[(&str, u64, u128)]) -> GlobalRead {
        let events = events.iter().map(|&(stream, version, position)| (stream.into(), version, position)).collect();
        GlobalRead { after, next, events }
    }

    fn why(reads: &[GlobalRead]) -> String {
        check_global(reads).expect_err("a corrupted order").why
    }

    #[test]
    fn a_gap_free_order_is_accepted() {
        let (a, b, c) = (("x", 1, 3), ("y", 1, 5), ("x", 2, 9));
        let reads = [read(0, 5, &[a, b]), read(5, 9, &[c]), read(0, 9, &[a, b, c]), read(9, 20, &[]), read(3, 3, &[])];
        check_global(&reads).unwrap();
    }

    #[test]
    fn every_way_to_break_it_is_rejected() {
        let (a, b, c) = (("x", 1, 3), ("y", 1, 5), ("x", 2, 9));
        assert!(why(&[read(0, 9, &[a, c]), read(0, 9, &[a, b, c])]).contains("left out"), "an event stepped over");
        assert!(why(&[read(0, 12, &[a, b]), read(5, 9, &[c])]).contains("left out"), "behind where to go on");
        assert!(why(&[read(0, 9, &[a, c, b])]).contains("not behind"), "out of order");
        assert!(why(&[read(3, 9, &[a])]).contains("not behind"), "at the position asked for");
        assert!(why(&[read(0, 9, &[a]), read(0, 9, &[("z", 1, 3)])]).contains("another event"), "two at one place");
        assert!(why(&[read(0, 9, &[("x", 2, 3), ("x", 1, 9)])]).contains("stands behind"), "against the stream");
        assert!(why(&[read(0, 4, &[a, b])]).contains("go on"), "back to before what was read");
    }
}
