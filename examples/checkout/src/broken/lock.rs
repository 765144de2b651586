//! A lock that excludes nobody.

use std::sync::Arc;

use async_trait::async_trait;
use concurrency_core::{Claim, FencingToken, Held, Lease, Lock, LockCapabilities, Released, Result};

/// The token of all.
const TOKEN: FencingToken = FencingToken(1);

/// Grants every claim at once, under the same token.
#[derive(Debug)]
pub(super) struct Generous {
    there: Arc<dyn Lock>,
}

impl Generous {
    pub(super) fn new(there: Arc<dyn Lock>) -> Self {
        Self { there }
    }
}

#[async_trait]
impl Lock for Generous {
    fn capabilities(&self) -> LockCapabilities {
        self.there.capabilities()
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        claim.check_alive()?;
        Ok(claim.attempt().granted(TOKEN))
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        lease.claim().check_alive()?;
        lease.renewal().confirmed()
    }

    async fn release(&self, claim: &Claim, _: Option<FencingToken>) -> Result<Released> {
        claim.die();
        Ok(Released::Ours)
    }

    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        self.there.holder(name).await
    }
}
