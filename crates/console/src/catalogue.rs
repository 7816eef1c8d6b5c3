//! All that pages say, in English and Japanese. A file here for what every role says, and one for each role.

pub mod authority;
pub mod center;
pub mod common;
pub mod gateway;
pub mod staff;
pub mod state;
pub mod station;
