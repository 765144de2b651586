//! The file of a sentinel: what it is told, and what it learns.

use std::{fs, io, path::Path};

use crate::kind::Place;

/// What a sentinel is told by its file.
pub(crate) fn configuration(lines: &str, place: &Place<'_>) -> String {
    let Place { address, port, folder } = place;
    format!("bind {address}\nport {port}\ndir {folder}\nprotected-mode no\n{lines}")
}

/// The arguments of the program as a sentinel, which reads its configuration from a file, and keeps what it learns there.
pub(crate) fn arguments(lines: &str, place: &Place<'_>) -> io::Result<Vec<String>> {
    let file = Path::new(place.folder).join("sentinel.conf");
    let where_it_listens = format!("port {}\n", place.port);
    if !fs::read_to_string(&file).is_ok_and(|text| text.contains(&where_it_listens)) {
        fs::write(&file, configuration(lines, place))?;
    }
    Ok(vec![file.to_string_lossy().into_owned(), "--sentinel".to_owned()])
}
