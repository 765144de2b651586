//! A ledger over HTTP.
//!
//! `GET /accounts/{order}` reads and `POST /accounts/{order}` with `{"amount": 900}` charges, both under the token of the
//! header `Fencing-Token`; 409 and `{"seen": 42}` where that was overtaken. `GET /summary` tells what was done so far.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use concurrency_core::FencingToken;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Charge, LedgerError, LedgerFile};

/// The header with the token of a call.
pub(super) const FENCING_TOKEN: HeaderName = HeaderName::from_static("fencing-token");
/// The header with the number of the instance that calls, for whoever watches.
pub(super) const INSTANCE: HeaderName = HeaderName::from_static("instance");

/// Something that whoever watches a ledger wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Notice {
    /// An order was charged.
    Charged {
        /// Which.
        order: String,
        /// Under which token.
        token: FencingToken,
        /// By which instance.
        by: u32,
    },
    /// A call was refused, because its token had been overtaken.
    Refused {
        /// Which order.
        order: String,
        /// Its token.
        token: FencingToken,
        /// The order's mark.
        seen: FencingToken,
        /// Whether it wanted to charge.
        charge: bool,
        /// By which instance.
        by: u32,
    },
    /// Somebody has taken an order over.
    Raised {
        /// Which.
        order: String,
        /// The mark before.
        from: FencingToken,
        /// The mark now.
        to: FencingToken,
        /// By which instance.
        by: u32,
    },
}

#[derive(Debug, Clone)]
struct Shared {
    ledger: Arc<LedgerFile>,
    notices: mpsc::UnboundedSender<Notice>,
}

/// What a charge is told to be.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Amount {
    pub(super) amount: u64,
}

/// What was charged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Statement {
    pub(super) charges: Vec<Charge>,
}

/// The order's mark, for a call that came too late.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) seen: FencingToken,
}

/// The routes of a ledger. What happens is told to `notices`, after it is on the disk.
pub fn router(ledger: Arc<LedgerFile>, notices: mpsc::UnboundedSender<Notice>) -> Router {
    Router::new()
        .route("/accounts/{order}", get(read).post(charge))
        .route("/summary", get(summary))
        .with_state(Shared { ledger, notices })
}

async fn read(State(shared): State<Shared>, Path(order): Path<String>, headers: HeaderMap) -> Response {
    shared.call(order, &headers, None).await
}

async fn charge(
    State(shared): State<Shared>,
    Path(order): Path<String>,
    headers: HeaderMap,
    Json(Amount { amount }): Json<Amount>,
) -> Response {
    shared.call(order, &headers, Some(amount)).await
}

async fn summary(State(shared): State<Shared>) -> Response {
    Json(shared.ledger.summary()).into_response()
}

impl Shared {
    async fn call(&self, order: String, headers: &HeaderMap, amount: Option<u64>) -> Response {
        let Some(token) = number(headers, &FENCING_TOKEN).and_then(|token| FencingToken(token).checked().ok()) else {
            let error = "the header Fencing-Token must be a number below 2^53";
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
        };
        let by = number(headers, &INSTANCE).and_then(|by| u32::try_from(by).ok()).unwrap_or_default();
        match self.ledger.call(&order, token, amount).await {
            Ok(taken) => {
                if let Some(raised) = taken.raised {
                    self.tell(Notice::Raised { order: order.clone(), from: raised.from, to: raised.to, by });
                }
                if amount.is_none() {
                    return Json(Statement { charges: taken.before }).into_response();
                }
                self.tell(Notice::Charged { order, token, by });
                StatusCode::CREATED.into_response()
            }
            Err(LedgerError::Stale { seen, given }) => {
                self.tell(Notice::Refused { order, token: given, seen, charge: amount.is_some(), by });
                (StatusCode::CONFLICT, Json(Seen { seen })).into_response()
            }
            Err(LedgerError::Unavailable) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }

    fn tell(&self, notice: Notice) {
        // Where nobody listens, nothing is lost: the records say it all.
        self.notices.send(notice).ok();
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
