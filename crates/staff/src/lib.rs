//! People who sign in at a console: passwords, second factor, sessions, permissions, two-person approval.
//!
//! [`Staff`] guards a role's pages ([`Staff::wrap`]): nobody sees one without having signed in. A handler takes
//! [`SignedIn`] and asks it for the [`Permission`] that its act needs; the person goes into the audit log as
//! [`SignedIn::actor`], in the act's own unit of work. What two must agree on is proposed and approved with
//! `store::staff::approval`; [`EXPIRES_AFTER`] says for how long it waits.
//!
//! ```text
//! async fn void(visit: Visit, signed: SignedIn, State(desk): State<Desk>, Form(asked): Form<Void>) -> Answer {
//!     signed.require(Permission::Void)?;
//!     desk.void(&asked.credential, &asked.reason, &signed.actor()).await?;
//!     Ok(Redirect::to("/parked").into_response())
//! }
//! ```

mod audit_log;
mod gate;
mod password;
mod people;
mod permission;
mod second_factor;
mod sign_in;
#[cfg(feature = "testing")]
pub mod testing;

pub use gate::{Forbidden, SignedIn};
pub use password::{PASSWORD_BYTES_MIN, UnsuitablePassword};
pub use people::{Staff, StaffError};
pub use permission::{Permission, role_name};
pub use second_factor::SecondFactor;
pub use sign_in::Refused;
pub use store::staff::approval;
pub use store::staff::{StaffName, StaffNameError, StaffRole, StaffRoleError};

/// For how many seconds a proposal waits for a second person.
pub const EXPIRES_AFTER: i64 = 24 * 60 * 60;
