//! Locks at the other end of a line: repeats, late answers and dead claims, L-8, L-31 to L-34 and L-60.

use std::sync::Arc;

use async_trait::async_trait;
use concurrency_core::{
    Attempt, Claim, Error, FencingToken, Held, Lease, Lock, LockCapabilities, Namespace, Released, Renewal, Result,
    check_key,
};

use super::{
    line::{Answer, Deadline, Line, Repeat, not_understood},
    server::{Reply, Request},
};

/// Without a queue: who waits polls.
pub(super) fn capabilities(server: LockCapabilities) -> LockCapabilities {
    LockCapabilities { fair: false, notifies: false, ..server }
}

/// One client's view of a namespace.
#[derive(Debug)]
pub(super) struct LossyLock {
    line: Arc<Line>,
    namespace: String,
    capabilities: LockCapabilities,
}

impl LossyLock {
    pub(super) fn new(line: Arc<Line>, namespace: &str) -> Result<Self> {
        Namespace::new(namespace)?;
        let server = line.declared().lock.ok_or_else(|| Error::unsupported("lock"))?;
        Ok(Self { line, namespace: namespace.to_owned(), capabilities: capabilities(server) })
    }

    async fn let_go(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        claim.die();
        let (name, owner, ttl) = (claim.key().to_owned(), claim.owner(), claim.ttl());
        let request = Request::Release { name, owner, ttl, token };
        let said = self.line.call(&self.namespace, &request, Repeat::UntilAnswered, Deadline::start(), || {}).await?;
        match said.reply {
            Reply::Released(released) => released,
            _ => Err(not_understood()),
        }
    }
}

#[async_trait]
impl Lock for LossyLock {
    fn capabilities(&self) -> LockCapabilities {
        self.capabilities
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        claim.check_alive()?;
        let request = Request::Acquire { name: claim.key().to_owned(), owner: claim.owner(), ttl: claim.ttl() };
        let mut attempt: Option<Attempt<'_>> = None;
        let sending = || attempt = Some(claim.attempt());
        let Answer { reply, .. } =
            self.line.call(&self.namespace, &request, Repeat::UntilAnswered, Deadline::start(), sending).await?;
        let attempt = attempt.expect("a request that was answered was sent");
        let Reply::Acquired(token) = reply else { return Err(not_understood()) };
        let Some(token) = token? else { return Ok(None) };
        // A release of it was sent meanwhile: this answer is ignored.
        claim.check_alive()?;
        let lease = attempt.granted(token);
        if lease.is_none() {
            // What is not released lapses.
            drop(self.let_go(claim, Some(token)).await);
        }
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let claim = lease.claim();
        claim.check_alive()?;
        if !lease.is_valid() {
            return Err(Error::lease_lost(lease.key()));
        }
        let (name, owner, ttl, token) = (claim.key().to_owned(), claim.owner(), claim.ttl(), lease.fencing_token());
        let request = Request::Renew { name, owner, ttl, token };
        let mut renewal: Option<Renewal<'_>> = None;
        let sending = || renewal = Some(lease.renewal());
        let Answer { reply, .. } =
            self.line.call(&self.namespace, &request, Repeat::UntilAnswered, Deadline::start(), sending).await?;
        let renewal = renewal.expect("a request that was answered was sent");
        claim.check_alive()?;
        match reply {
            Reply::Renewed(Ok(true)) => renewal.confirmed(),
            Reply::Renewed(Ok(false)) => Err(Error::lease_lost(lease.key())),
            Reply::Renewed(Err(error)) => Err(error),
            _ => Err(not_understood()),
        }
    }

    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        self.let_go(claim, token).await
    }

    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        check_key(name)?;
        let request = Request::Holder { name: name.to_owned() };
        let said = self.line.call(&self.namespace, &request, Repeat::UntilAnswered, Deadline::start(), || {}).await?;
        match said.reply {
            Reply::Holder(held) => held,
            _ => Err(not_understood()),
        }
    }
}
