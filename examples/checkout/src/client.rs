//! A small HTTP client: one connection to one address, one request at a time.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, client::conn::http1::SendRequest, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::{http::IDEMPOTENCY_KEY, model::NewOrder};

/// How long an answer may take unless told.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection, opened when it is needed, and again when it broke.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    patience: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Nobody knows what became of the request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoAnswer {
    /// The connection could not be had, or broke.
    #[error("no connection: {0}")]
    Broken(String),
    /// Nothing came in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Client {
    /// For this address. Nothing is sent yet.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, patience: PATIENCE, connection: None }
    }

    /// Waits so long for an answer, and not 10 s.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// `GET` of a path.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn get(&mut self, path: &str) -> Result<Answer, NoAnswer> {
        self.send(Request::get(path), Bytes::new()).await
    }

    /// `POST /orders`.
    ///
    /// # Errors
    /// Where no answer came: the order may have been accepted.
    pub async fn order(&mut self, key: &str, wanted: &NewOrder) -> Result<Answer, NoAnswer> {
        let body = serde_json::to_vec(wanted).expect("an order is JSON");
        let request = Request::builder()
            .method(Method::POST)
            .uri("/orders")
            .header(header::CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, key);
        self.send(request, body.into()).await
    }

    /// Any request.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn send(&mut self, request: hyper::http::request::Builder, body: Bytes) -> Result<Answer, NoAnswer> {
        let request = request.header(header::HOST, self.address.to_string()).body(Full::new(body)).map_err(broken)?;
        // Taken out, and put back only after a whole answer: what was dropped or broken half way is not used again.
        let connection = self.connection.take();
        let exchange = async {
            let mut connection = match connection {
                Some(open) if open.is_ready() => open,
                _ => self.connect().await?,
            };
            let answer = connection.send_request(request).await.map_err(broken)?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(broken)?.to_bytes();
            // Ready again once its task has seen the end of the answer.
            connection.ready().await.map_err(broken).ok();
            Ok((Answer { status, body }, connection))
        };
        let (answer, connection) =
            timeout(self.patience, exchange).await.map_err(|_| NoAnswer::Late(self.patience))??;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        let stream = TcpStream::connect(self.address).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let (connection, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the connection, at the latest when the sender is dropped; its error reaches whoever waits for an answer.
        tokio::spawn(async move { drop(driver.await) });
        Ok(connection)
    }
}

fn broken(error: impl std::fmt::Display) -> NoAnswer {
    NoAnswer::Broken(error.to_string())
}
