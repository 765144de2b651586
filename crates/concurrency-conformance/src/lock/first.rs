//! The component can be had.

use concurrency_core::Lock;

use crate::Context;

pub(super) async fn opens(cx: Context<dyn Lock>) {
    let component = cx.open().await;
    assert!(!format!("{component:?}").is_empty());
}
