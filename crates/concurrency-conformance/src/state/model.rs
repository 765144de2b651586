//! Random sequences of operations, on the store under test and on the in-memory model: every outcome must be the same.

mod operation;
mod side;

use std::time::Duration;

use concurrency_core::{Memory, StateCapabilities, StateStore};
use proptest::{collection::vec, strategy::Strategy};

use self::{
    operation::{Operation, operations},
    side::{Agreement, Side},
};
use super::fixture::{Cx, HOUR};
use crate::property;

/// Without waiting: what lives by real time meets no deadline here.
pub(super) async fn random_operations_agree_with_memory(cx: Cx) {
    let declared = cx.open().await.capabilities();
    let lifetimes = if declared.max_ttl.is_some() { vec![HOUR, HOUR * 100] } else { Vec::new() };
    let agreement = Agreement { lifetimes: Duration::from_secs(60) };
    run(&cx, 40, operations(&declared, lifetimes, Vec::new()), agreement).await;
}

/// With lifetimes that end, to the very instant, between and at the operations.
pub(super) async fn random_lifetimes_agree_with_memory(cx: Cx) {
    let declared = cx.open().await.capabilities();
    let times: Vec<Duration> = [1, 2, 50, 100].map(Duration::from_millis).into();
    run(&cx, 40, operations(&declared, times.clone(), times), Agreement { lifetimes: Duration::ZERO }).await;
}

/// Many keys in few batches, and listings of them in pages.
pub(super) async fn random_batches_agree_with_memory(cx: Cx) {
    let declared: StateCapabilities = cx.open().await.capabilities();
    let batches = operations(&declared, Vec::new(), Vec::new()).prop_filter("bulk calls only", Operation::is_bulk);
    run(&cx, 20, batches, Agreement { lifetimes: Duration::ZERO }).await;
}

async fn run(cx: &Cx, rounds: usize, operation: impl Strategy<Value = Operation>, agreement: Agreement) {
    let mut runs = 0;
    property::check(cx.seed(), rounds, &vec(operation, 1..60), async |sequence: Vec<Operation>| {
        runs += 1;
        let store = cx.other_namespace(&format!("{runs}")).await;
        let model = Memory::new().state_store("model").expect("the model opens");
        let (mut tested, mut model) = (Side::new(&*store), Side::new(&*model as &dyn StateStore));
        for (i, operation) in sequence.iter().enumerate() {
            if let Operation::Wait(duration) = operation {
                cx.sleep(*duration).await;
                continue;
            }
            let (found, wanted) = (tested.apply(operation).await, model.apply(operation).await);
            if !agreement.holds(&found, &wanted) {
                return Err(format!("operation {i}, {operation:?}: {found:?}, the model says {wanted:?}"));
            }
        }
        Ok(())
    })
    .await;
}
