//! The component can be had.

use concurrency_core::StateStore;

use crate::Context;

pub(super) async fn opens(cx: Context<dyn StateStore>) {
    let component = cx.open().await;
    assert!(!format!("{component:?}").is_empty());
}
