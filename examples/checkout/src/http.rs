//! The service over HTTP.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State, rejection::JsonRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use concurrency_core::Error;
use serde_json::json;

use crate::{
    error::CheckoutError,
    ledger::LedgerError,
    model::{NewOrder, Status},
    service::Checkout,
};

/// The header that makes a repeated `POST /orders` harmless.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says `true` where the answer is one that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How long a request waits for somebody who is at its order.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest order, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// The routes of an instance.
pub fn router(checkout: Arc<Checkout>) -> Router {
    Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(order))
        .route("/products/{sku}", get(product))
        .route("/healthz", get(health))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(checkout)
}

/// 201 where the order is accepted and charged; 202 where it is accepted, and will be charged without the client's doing.
/// The body is the same, now and for every repeat.
async fn place(
    State(checkout): State<Arc<Checkout>>,
    headers: HeaderMap,
    wanted: Result<Json<NewOrder>, JsonRejection>,
) -> Result<Response, CheckoutError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) => key.to_str().map_err(|_| CheckoutError::BadKey)?,
        _ => return Err(CheckoutError::BadKey),
    };
    let wanted =
        wanted.map_err(|_| CheckoutError::BadOrder(r#"the body must be {"sku": "..", "quantity": 1}, as JSON"#))?;
    let accepted = checkout.place(key, &wanted).await?;
    let status = match checkout.advance(&accepted.receipt.order, Status::Charged, PATIENCE).await {
        Ok(_) => StatusCode::CREATED,
        Err(_) => StatusCode::ACCEPTED,
    };
    let mut response = (status, Json(accepted.receipt)).into_response();
    if accepted.repeated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The order as it stands. Looking at an order that is not charged yet brings it on, if it can be.
async fn order(State(checkout): State<Arc<Checkout>>, Path(id): Path<String>) -> Result<Response, CheckoutError> {
    let order = match checkout.advance(&id, Status::Charged, Duration::ZERO).await {
        Err(error) if !matches!(error, CheckoutError::NoSuchOrder) => checkout.order(&id).await?,
        advanced => advanced?,
    };
    Ok(Json(json!({
        "order": order.receipt.order,
        "sku": order.receipt.sku,
        "quantity": order.receipt.quantity,
        "unit_price": order.receipt.unit_price,
        "amount": order.receipt.amount,
        "status": order.status,
    }))
    .into_response())
}

async fn product(State(checkout): State<Arc<Checkout>>, Path(sku): Path<String>) -> Result<Response, CheckoutError> {
    let product = checkout.product(&sku).await?;
    Ok(Json(&*product).into_response())
}

async fn health(State(checkout): State<Arc<Checkout>>) -> Result<Response, CheckoutError> {
    checkout.health().await?;
    Ok(Json(json!({ "ok": true })).into_response())
}

impl CheckoutError {
    /// Its HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadKey | Self::BadOrder(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchProduct | Self::NoSuchOrder => StatusCode::NOT_FOUND,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::OutOfStock => StatusCode::CONFLICT,
            Self::Store(Error::Closed) | Self::Busy | Self::Ledger(LedgerError::Unavailable) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Store(error) if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Ledger(LedgerError::Stale { .. }) | Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for CheckoutError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(json!({ "error": self.to_string() }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
