//! A ledger in another process.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use concurrency_core::FencingToken;
use hyper::{Method, Request, StatusCode, header, http::request::Builder};

use super::{
    Charge, Ledger, LedgerError, Summary,
    server::{Amount, FENCING_TOKEN, INSTANCE, Seen, Statement},
};
use crate::client::{Answer, Client, NoAnswer};

/// How long an answer may take. Longer than a lease, so that only a broken ledger is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reaches a ledger over HTTP, with as many connections as there are calls at once.
#[derive(Debug)]
pub struct RemoteLedger {
    address: SocketAddr,
    instance: u32,
    idle: Mutex<Vec<Client>>,
}

impl RemoteLedger {
    /// The ledger at this address, called by the instance of this number. Nothing is sent yet.
    #[must_use]
    pub const fn new(address: SocketAddr, instance: u32) -> Self {
        Self { address, instance, idle: Mutex::new(Vec::new()) }
    }

    /// What it has done so far.
    ///
    /// # Errors
    /// `Unavailable` where no answer came.
    pub async fn summary(&self) -> Result<Summary, LedgerError> {
        let answer = self.send(Request::get("/summary"), Bytes::new()).await;
        let answer = answer.map_err(|_| LedgerError::Unavailable)?;
        serde_json::from_slice(&answer.body).map_err(|_| LedgerError::Unavailable)
    }

    async fn call(&self, order: &str, token: FencingToken, amount: Option<u64>) -> Result<Answer, LedgerError> {
        let (method, body) = match amount {
            None => (Method::GET, Bytes::new()),
            Some(amount) => (Method::POST, serde_json::to_vec(&Amount { amount }).expect("a number is JSON").into()),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/accounts/{order}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(INSTANCE, self.instance)
            .header(FENCING_TOKEN, token.0);
        let answer = self.send(request, body).await.map_err(|_| LedgerError::Unavailable)?;
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => Ok(answer),
            StatusCode::CONFLICT => match serde_json::from_slice(&answer.body) {
                Ok(Seen { seen }) => Err(LedgerError::Stale { seen, given: token }),
                Err(_) => Err(LedgerError::Unavailable),
            },
            _ => Err(LedgerError::Unavailable),
        }
    }

    async fn send(&self, request: Builder, body: Bytes) -> Result<Answer, NoAnswer> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut client = idle.unwrap_or_else(|| Client::new(self.address).with_patience(PATIENCE));
        let answer = client.send(request, body).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        Ok(answer)
    }
}

#[async_trait]
impl Ledger for RemoteLedger {
    async fn read(&self, order: &str, token: FencingToken) -> Result<Vec<Charge>, LedgerError> {
        let answer = self.call(order, token, None).await?;
        let Statement { charges } = serde_json::from_slice(&answer.body).map_err(|_| LedgerError::Unavailable)?;
        Ok(charges)
    }

    async fn charge(&self, order: &str, token: FencingToken, amount: u64) -> Result<(), LedgerError> {
        self.call(order, token, Some(amount)).await.map(drop)
    }
}
