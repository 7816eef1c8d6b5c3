//! What this crate signs, looked at from outside: by the lint, by openssl, by those who ask for it.

#![cfg(test)]

mod lint;
mod openssl;
mod plant;
mod requests;
mod revocation;
