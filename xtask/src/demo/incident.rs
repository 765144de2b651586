//! What stands on the time line.

use std::time::Duration;

use serde_json::{Value, json};

/// Something worth a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Incident {
    pub(super) at: Duration,
    pub(super) kind: Kind,
    /// Whom it happened to, or who did it; `None` is the server of the run's own.
    pub(super) instance: Option<u32>,
    pub(super) text: String,
}

/// Of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Killed,
    Frozen,
    Thawed,
    Started,
    TookOver,
    Refused,
    /// What must never happen.
    Wrong,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Frozen => "frozen",
            Self::Thawed => "thawed",
            Self::Started => "started",
            Self::TookOver => "took-over",
            Self::Refused => "refused",
            Self::Wrong => "wrong",
        }
    }
}

impl Incident {
    pub(super) fn json(&self) -> Value {
        json!({
            "at": self.at.as_secs_f64(),
            "kind": self.kind.name(),
            "instance": self.instance,
            "text": self.text,
        })
    }
}

/// An order's number, as people can compare it.
pub(super) fn short(order: &str) -> &str {
    order.get(..6).unwrap_or(order)
}

/// From one token to the next: those that come from a clock are long, and only their ends differ.
pub(super) fn from_to(from: u64, to: u64) -> String {
    format!("token {} to {}", token(from), token(to))
}

/// A token, as people can compare it.
pub(super) fn token(token: u64) -> String {
    let digits = token.to_string();
    match digits.len() {
        0..=9 => digits,
        length => format!("..{}", &digits[length - 7..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_where_it_does_not_differ() {
        assert_eq!(short("0f3ab21c"), "0f3ab2");
        assert_eq!(short("7"), "7");
        assert_eq!(from_to(41, 42), "token 41 to 42");
        assert_eq!(token(1_795_191_223_729_508), "..3729508");
    }
}
