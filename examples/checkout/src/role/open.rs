//! Whoever opens the shop.

use concurrency::Capabilities;
use serde_json::json;

use super::{Arguments, connect, say::say};
use crate::shelves;

/// Fills the shelves in a backend that holds no shop yet; says what the shop needs that the backend does not have.
pub(super) async fn play(arguments: Arguments) -> Result<(), String> {
    let backend = connect(&arguments).await?;
    say(&json!({ "say": "connected" }));
    let Capabilities { state, cache, lock, events } = backend.capabilities();
    let needed = [
        ("states", state.is_some()),
        ("caches", cache.is_some()),
        ("locks", lock.is_some()),
        ("events", events.is_some()),
    ];
    let lacks: Vec<&str> = needed.iter().filter(|(_, has)| !has).map(|(what, _)| *what).collect();
    if !lacks.is_empty() {
        say(&json!({ "say": "lacks", "what": lacks.join(" and ") }));
        backend.close().await;
        return Ok(());
    }
    let filled = shelves::fill(&*backend, arguments.value("orders")?).await;
    backend.close().await;
    filled?;
    say(&json!({ "say": "open" }));
    Ok(())
}
