//! The checkout, its jobs, its audit and its demo.

#![allow(clippy::unwrap_used, reason = "tests")]

mod audit;
mod demo;
mod http;
mod ledger;
mod orders;
mod shop;
mod torn;
mod unfinished;
