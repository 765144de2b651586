//! The protocols of `docs/contract.md` as models: small machines of which *every* order of events is tried.
//!
//! A test meets the orders that happen to come; a model meets all of them, as far as its scope goes: so many clients, so many
//! requests, so many ticks of the clock. Messages may be delivered in any order, or never: one that is lost is one that stays
//! under way.
//!
//! | module | protocol | mirrors |
//! |---|---|---|
//! | [`lock`] | leases, waiting and hand-over | `script/{lock,acquire,wait,queue,release,pass,leave,renew}.lua`, and of core `lock/lease.rs`, `lock/give_back.rs`, `lock/desk` |
//! | [`state`] | conditional writes whose answers get lost; fences | `script/{value,save,delete,commit,fence}.lua`, `state/answer.rs` |
//! | [`cache`] | tickets and generations | `script/{entry,reserve,fill,set,remove}.lua`, `cache/{tickets,clear}.rs` |
//! | [`log`] | the event log in documents, with elections | the rules of a backend for MongoDB; there is no code of it yet |
//! | [`wake`] | wake-ups, and what a cut connection does to them | `event/changed.rs`, `connection/pushes.rs` |
//! | [`bell`] | one bell for a line of waiters | of core `lock/desk` |
//!
//! Paths without a crate are those of `concurrency-redis/src`.
//!
//! Each model is written so that the code of a step also tells it ([`Tale`]): a counterexample is printed in words. Clauses of the
//! contract can be switched off one at a time ([`Clause`]), and then the checker must find the story of what goes wrong; that is
//! the proof that a clause is needed, and that the model can see what it is there for.
//!
//! `docs/models.md` has the figures, and what the models have found. States are told apart by hashes of 64 bits, as [`stateright`] does: that two of a million
//! states fall together has a chance of 1 in 37 million.

mod bag;
mod bell;
mod cache;
mod check;
mod clause;
mod family;
mod lock;
mod log;
mod program;
mod scope;
mod sights;
mod state;
mod tale;
mod wake;

use std::process::ExitCode;

use self::{
    bag::Bag,
    check::{Counterexample, Protocol, Report, check, counterexample},
    clause::{Clause, Clauses},
    scope::Scope,
    sights::Sights,
    tale::Tale,
};

fn main() -> ExitCode {
    match program::run(lexopt::Parser::from_env()) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("models: {problem}");
            ExitCode::from(2)
        }
    }
}

/// A test for each scope of a model, and for each clause that can be switched off.
#[cfg(test)]
macro_rules! tests {
    ($model:ty: holds $($scope:ident),+; needs $($clause:ident),+;) => {
        mod holds {
            use super::*;
            $(#[test] fn $scope() { super::holds::<$model>(stringify!($scope)); })+
        }

        #[allow(non_snake_case, reason = "named as the clauses are")]
        mod needs {
            use super::*;
            $(#[test] fn $clause() { super::needs::<$model>(super::$clause); })+
        }

        #[test]
        fn every_scope_and_every_clause_has_a_test() {
            use $crate::family::Family as _;
            assert_eq!(<$model>::SCOPES.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), [$(stringify!($scope)),+]);
            assert_eq!(<$model>::TRIALS.iter().map(|trial| trial.clause).collect::<Vec<_>>(), [$($clause),+]);
        }
    };
}

#[cfg(test)]
pub(crate) use tests;
