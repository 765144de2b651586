//! Looking through the names of the database.

use concurrency_core::Result;
use redis::{Value, cmd};

use crate::{
    connection::{Client, Deadline},
    error,
};

/// So many names the server looks through for one answer.
pub(crate) const STRIDE: usize = 1000;

/// Where a look through all names begins, and where it has ended.
pub(crate) const START: &[u8] = b"0";

/// Where to go on, and some names that match. Every name that stands from the first answer to the last is among them, and may be
/// more than once.
///
/// # Errors
/// Those of reading.
///
/// # Cancel safety
/// Dropping the future has no effect.
pub(crate) async fn some(
    client: &Client,
    pattern: &str,
    cursor: &[u8],
    deadline: Deadline,
) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut scan = cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STRIDE);
    let Value::Array(found) = client.read(&scan, deadline).await? else { return Err(error::not_understood()) };
    let Ok([Value::BulkString(next), Value::Array(names)]) = <[Value; 2]>::try_from(found) else {
        return Err(error::not_understood());
    };
    let name = |name| match name {
        Value::BulkString(name) => Ok(name),
        _ => Err(error::not_understood()),
    };
    Ok((next, names.into_iter().map(name).collect::<Result<_>>()?))
}

/// All names that match, each once: for those who look for leaks.
///
/// # Errors
/// Those of reading.
///
/// # Cancel safety
/// Dropping the future has no effect.
pub(crate) async fn all(client: &Client, pattern: &str, deadline: Deadline) -> Result<Vec<Vec<u8>>> {
    let (mut cursor, mut all) = (START.to_vec(), std::collections::BTreeSet::new());
    loop {
        let (next, names) = some(client, pattern, &cursor, deadline).await?;
        all.extend(names);
        if next == START {
            return Ok(all.into_iter().collect());
        }
        cursor = next;
    }
}
