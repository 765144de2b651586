//! Whoever opens the shop.

use super::{Arguments, say::say};
use crate::shelves;

/// Fills the shelves in a backend that holds no shop yet.
pub(super) async fn play(arguments: Arguments) -> Result<(), String> {
    let backend = concurrency::connect(arguments.text("url")?).await.map_err(|why| why.to_string())?;
    let filled = shelves::fill(&*backend, arguments.value("orders")?).await;
    backend.close().await;
    filled?;
    say(&serde_json::json!({ "say": "open" }));
    Ok(())
}
