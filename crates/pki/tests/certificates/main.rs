//! What this crate signs, looked at from outside: by the lint, by openssl, by those who ask for it.

mod lint;
mod openssl;
mod plant;
mod requests;
