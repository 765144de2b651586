//! A shop's checkout, as a service of several instances over one backend, and the demo that runs it, loads it and audits
//! what it stored.
//!
//! `README.md` in this folder says what happens in a request. [`service`] places orders and, in `steps`, brings them on;
//! `settlement` and [`totals`] are the jobs; [`http`] and [`instance`] make it a service; [`audit`] judges what was
//! stored; [`demo`] is the program.

pub mod audit;
pub mod broken;
pub mod catalogue;
pub mod client;
pub mod counters;
pub mod demo;
pub mod distance;
pub mod error;
pub mod http;
pub mod instance;
pub mod ledger;
pub mod model;
pub mod points;
pub mod role;
pub mod service;
mod settlement;
mod shelves;
mod steps;
pub mod totals;
pub mod watched;
mod words;
