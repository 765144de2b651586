//! Whoever opens the shop.

use concurrency::Capabilities;
use serde_json::json;

use super::{Arguments, say::say};
use crate::shelves;

/// Fills the shelves in a backend that holds no shop yet; says what the shop needs that the backend does not have.
pub(super) async fn play(arguments: Arguments) -> Result<(), String> {
    let backend = concurrency::connect(arguments.text("url")?).await.map_err(|why| why.to_string())?;
    let Capabilities { state, lock, events, .. } = backend.capabilities();
    let needed = [("states", state.is_some()), ("locks", lock.is_some()), ("events", events.is_some())];
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
