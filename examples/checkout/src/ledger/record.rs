//! What a ledger records, and what follows from its records: whichever way they are kept, the rules stand here once.

use std::collections::HashMap;

use concurrency_core::FencingToken;
use serde::{Deserialize, Serialize};

use super::{Charge, LedgerError};

/// One call, as it was decided. The records of a ledger, in their order, are all that it knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whose account.
    pub order: String,
    /// The token of the call.
    pub token: FencingToken,
    /// What was to be charged, in cents; `None` for a call that only read.
    pub amount: Option<u64>,
    /// False where it was refused.
    pub taken: bool,
}

/// An accepted call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What was charged for the order before.
    pub before: Vec<Charge>,
    /// Whether it raised the order's mark, which says that somebody has taken over.
    pub raised: Option<Raised>,
}

/// An order's mark that went up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// Where it stood.
    pub from: FencingToken,
    /// Where it stands.
    pub to: FencingToken,
}

/// What a ledger has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Charges made.
    pub charges: u64,
    /// Those of them that were not the first of their order.
    pub beyond: u64,
    /// Calls refused because their token had been overtaken.
    pub refused: u64,
}

/// Accounts by order.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_order: HashMap<String, Account>,
    pub(super) summary: Summary,
}

#[derive(Debug)]
struct Account {
    mark: FencingToken,
    charges: Vec<Charge>,
}

impl Accounts {
    /// Decides a call, and takes it in. With `any_token` the mark refuses nobody and is raised all the same.
    pub(super) fn decide(
        &mut self,
        order: &str,
        token: FencingToken,
        amount: Option<u64>,
        any_token: bool,
    ) -> (Record, Result<Taken, LedgerError>) {
        let seen = self.by_order.get(order).map(|account| account.mark);
        let stale = seen.filter(|seen| token < *seen && !any_token);
        let record = Record { order: order.to_owned(), token, amount, taken: stale.is_none() };
        let before = self.by_order.get(order).map(|account| account.charges.clone()).unwrap_or_default();
        self.take_in(&record);
        let decided = match (stale, seen) {
            (Some(seen), _) => Err(LedgerError::Stale { seen, given: token }),
            (None, Some(from)) if from < token => Ok(Taken { before, raised: Some(Raised { from, to: token }) }),
            (None, _) => Ok(Taken { before, raised: None }),
        };
        (record, decided)
    }

    /// What follows from a record that was decided before.
    pub(super) fn take_in(&mut self, record: &Record) {
        if !record.taken {
            self.summary.refused += 1;
            return;
        }
        let account = self
            .by_order
            .entry(record.order.clone())
            .or_insert_with(|| Account { mark: record.token, charges: Vec::new() });
        account.mark = account.mark.max(record.token);
        if let Some(amount) = record.amount {
            self.summary.charges += 1;
            self.summary.beyond += u64::from(!account.charges.is_empty());
            account.charges.push(Charge { token: record.token, amount });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn token(number: u64) -> FencingToken {
        FencingToken(number)
    }

    #[test]
    fn reading_raises_the_mark_and_a_lower_token_is_refused() {
        let mut accounts = Accounts::default();
        let first = accounts.decide("7", token(2), None, false).1.unwrap();
        assert_eq!(first, Taken { before: Vec::new(), raised: None });
        let (record, stale) = accounts.decide("7", token(1), Some(900), false);
        assert!(matches!(stale, Err(LedgerError::Stale { seen: FencingToken(2), given: FencingToken(1) })));
        assert!(!record.taken);
        assert!(accounts.decide("7", token(1), None, false).1.is_err(), "nor may it believe what it reads");
        assert_eq!(accounts.summary, Summary { charges: 0, beyond: 0, refused: 2 });
        assert!(accounts.decide("8", token(1), Some(900), false).1.is_ok(), "another order has a mark of its own");
        let over = accounts.decide("7", token(3), None, false).1.unwrap();
        assert_eq!(over.raised, Some(Raised { from: token(2), to: token(3) }));
    }

    #[test]
    fn it_charges_as_often_as_it_is_told_to() {
        let mut accounts = Accounts::default();
        accounts.decide("7", token(1), Some(900), false).1.unwrap();
        let second = accounts.decide("7", token(1), Some(900), false).1.unwrap();
        assert_eq!(second.before, [Charge { token: token(1), amount: 900 }]);
        assert_eq!(accounts.summary, Summary { charges: 2, beyond: 1, refused: 0 });
    }

    #[test]
    fn one_that_ignores_tokens_refuses_nobody_and_its_records_show_it() {
        let mut accounts = Accounts::default();
        accounts.decide("7", token(2), None, true).1.unwrap();
        let (record, taken) = accounts.decide("7", token(1), Some(900), true);
        assert!(taken.is_ok() && record.taken);
    }

    #[test]
    fn records_taken_in_again_give_the_same_accounts() {
        let (mut accounts, mut again) = (Accounts::default(), Accounts::default());
        for (number, amount) in [(2, None), (2, Some(5)), (1, Some(5)), (3, None), (2, Some(5))] {
            let (record, _) = accounts.decide("7", token(number), amount, false);
            let text = serde_json::to_string(&record).unwrap();
            again.take_in(&serde_json::from_str(&text).unwrap());
        }
        assert_eq!(accounts.summary, again.summary);
        assert!(again.decide("7", token(2), None, false).1.is_err(), "the mark was raised to 3");
    }
}
