//! Copies of the file and its log at one moment, and what a loss of power may make of them.
//!
//! Copied while the writing process is stopped, and with nobody else at work, the two belong together: neither is older than the
//! other, as it would be where a checkpoint comes in between.
//!
//! Of what was written until then a loss of power keeps what was synchronised, and of the rest any part:
//!
//! - The log is synchronised by each commit before it is acknowledged. What was appended to it after the last commit of an earlier
//!   moment may be there in part: [`torn`], with what was acknowledged at the earlier moment.
//! - Pages that a checkpoint has brought into the file may be there or not, for they are in the log, too, until it is begun anew:
//!   [`without_pages`].
//!
//! That the log is synchronised at all cannot be seen from outside; that it is asked for, the tests of the crate see. If a disk loses what it has said to have, no program on it can mend that.

use std::{fs, path::Path};

const PAGE: usize = 4096;
/// What a disk writes as a whole.
const SECTOR: usize = 512;
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The bytes of the file and of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    file: Vec<u8>,
    log: Vec<u8>,
}

impl Image {
    /// Nobody writes meanwhile.
    pub(crate) fn of(path: &Path) -> Self {
        let read = |end: &str| {
            let path = path.with_extension(end);
            // There is no log before the first write.
            if path.exists() { fs::read(path).expect("it can be read") } else { Vec::new() }
        };
        Self { file: read("db"), log: read("db-wal") }
    }

    /// As if the machine had gone down: without the memory that processes share.
    pub(crate) fn write(&self, path: &Path) {
        fs::write(path.with_extension("db"), &self.file).expect("there is room");
        fs::write(path.with_extension("db-wal"), &self.log).expect("there is room");
    }

    /// What tells this log from one that was begun earlier or later in the same place.
    fn salt(&self) -> Option<&[u8]> {
        self.log.get(16..24)
    }

    /// Where the log's last whole transaction ends.
    fn end(&self) -> usize {
        let (mut at, mut end) = (LOG_HEADER, 0);
        while let Some(header) = self.log.get(at..at + FRAME_HEADER) {
            if Some(&header[8..16]) != self.salt() {
                break;
            }
            at += FRAME_HEADER + PAGE;
            let is_commit = header[4..8] != [0; 4];
            if is_commit && at <= self.log.len() {
                end = at;
            }
        }
        end
    }
}

/// The log as it was `before`, and of what was appended until `after` only some: the file as it was `before`. `None` where nothing
/// was appended, or the log was begun anew in between.
pub(crate) fn torn(before: &Image, after: &Image, random: &mut fastrand::Rng) -> Option<Image> {
    let end = before.end();
    if before.salt() != after.salt() || after.end() <= end {
        return None;
    }
    let mut log = after.log.clone();
    match random.u8(0..3) {
        0 => log.truncate(random.usize(end..log.len())),
        kind => {
            // A sector that was not written holds what was there before: nothing, or something old.
            let first = end.div_ceil(SECTOR);
            for sector in log[first * SECTOR..].chunks_mut(SECTOR) {
                if random.u8(0..4) == 0 {
                    if kind == 1 { sector.fill(0) } else { random.fill(sector) }
                }
            }
        }
    }
    Some(Image { file: before.file.clone(), log })
}

/// The log as it is, and of the pages that a checkpoint has brought into the file since `before` only some. `None` where there are
/// none, or the log was begun anew in between.
pub(crate) fn without_pages(before: &Image, after: &Image, random: &mut fastrand::Rng) -> Option<Image> {
    if before.salt() != after.salt() || before.file == after.file {
        return None;
    }
    let mut file = after.file.clone();
    for (n, page) in file.chunks_mut(PAGE).enumerate() {
        if random.bool() {
            match before.file.get(n * PAGE..(n + 1) * PAGE) {
                Some(old) => page.copy_from_slice(old),
                None => page.fill(0),
            }
        }
    }
    Some(Image { file, log: after.log.clone() })
}
