//! The component can be had.

use concurrency_core::Cache;

use crate::Context;

pub(super) async fn opens(cx: Context<dyn Cache>) {
    let component = cx.open().await;
    assert!(!format!("{component:?}").is_empty());
}
