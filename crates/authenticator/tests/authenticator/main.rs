//! An authenticator over real TLS, on both databases, as devices, services and the authority see it.
#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

mod authentication;
mod example;
mod plant;
mod second_form;
mod services;
mod shut_out;
