//! The suite on a lock with the four methods that must be written, which polls, knows no queue and shows no holder.

use std::sync::Arc;

use async_trait::async_trait;
use concurrency_conformance::Harness;
use concurrency_core::{Claim, FencingToken, Lease, Lock, LockCapabilities, Memory, Released, Result};

#[derive(Debug)]
struct Minimal(Arc<dyn Lock>);

#[async_trait]
impl Lock for Minimal {
    fn capabilities(&self) -> LockCapabilities {
        LockCapabilities::NONE
    }
    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        self.0.try_acquire(claim).await
    }
    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.0.renew(lease).await
    }
    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        self.0.release(claim, token).await
    }
}

fn harness() -> Harness<dyn Lock> {
    let memory = Memory::new();
    Harness::component(move |namespace| Ok(Arc::new(Minimal(memory.lock(namespace)?)) as Arc<dyn Lock>))
        .with_virtual_time()
}

concurrency_conformance::lock!(harness());
