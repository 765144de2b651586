//! The component can be had.

use concurrency_core::EventStore;

use crate::Context;

pub(super) async fn opens(cx: Context<dyn EventStore>) {
    let component = cx.open().await;
    assert!(!format!("{component:?}").is_empty());
}
