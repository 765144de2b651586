//! The places in the work on an order where a death or a pause does the most harm, and how the demo aims at them.
//!
//! Where nobody has armed a point, passing it costs one look at a mutex. Whoever comes to an armed one says so, and stays there
//! for [`HOLD`], so that a signal that is sent on hearing it finds the order there.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use concurrency_core::{
    FencingToken,
    clock::{self, BootInstant},
};
use serde::Serialize;
use tokio::sync::mpsc;

/// How long whoever reaches an armed point stays there. A signal takes well under a millisecond.
pub const HOLD: Duration = Duration::from_secs(1);

/// A place in the work on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Between reading the account and charging it.
    Charge,
    /// Between charging the order and saving that it is charged.
    Save,
}

impl FromStr for Point {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "charge" => Ok(Self::Charge),
            "save" => Ok(Self::Save),
            _ => Err(()),
        }
    }
}

/// What is told of an armed point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum PointNotice {
    /// Somebody is there now.
    Reached {
        /// Where.
        point: Point,
        /// With which order.
        order: String,
        /// Under which token.
        token: FencingToken,
    },
    /// Whoever was there has gone on.
    Passed {
        /// From where.
        point: Point,
        /// With which order.
        order: String,
    },
}

/// The points of one instance.
#[derive(Default)]
pub struct Points {
    armed: Mutex<Option<Point>>,
    notices: Option<mpsc::UnboundedSender<PointNotice>>,
}

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Points").field("armed", &self.armed).finish_non_exhaustive()
    }
}

impl Points {
    /// Points that tell who reaches them.
    #[must_use]
    pub fn telling(notices: mpsc::UnboundedSender<PointNotice>) -> Self {
        Self { armed: Mutex::default(), notices: Some(notices) }
    }

    /// Whoever comes to this point next is held there; with `None` nobody is.
    pub fn arm(&self, point: Option<Point>) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = point;
    }

    /// Called by the work: goes on at once, unless this point is armed.
    pub(crate) async fn pass(&self, point: Point, order: &str, token: FencingToken) {
        let Some(notices) = &self.notices else { return };
        if !self.disarm(point) {
            return;
        }
        // Where nobody listens, nobody aims.
        notices.send(PointNotice::Reached { point, order: order.to_owned(), token }).ok();
        clock::sleep_until(BootInstant::now().after(HOLD)).await;
        notices.send(PointNotice::Passed { point, order: order.to_owned() }).ok();
    }

    /// Whether this point was armed; it is not any more. So one order is held at a time, and the others go on.
    fn disarm(&self, point: Point) -> bool {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let here = *armed == Some(point);
        if here {
            *armed = None;
        }
        here
    }
}
