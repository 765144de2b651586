//! The checkout, its jobs, its audit and its demo.

#![allow(clippy::unwrap_used, reason = "tests")]

mod audit;
mod broken;
mod demo;
mod http;
mod ledger;
mod orders;
mod points;
mod shop;
mod torn;
mod unfinished;
