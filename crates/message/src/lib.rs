//! What the roles say to one another: data only.
//!
//! A file a conversation. Each message is one type that travels as JSON (its serde form, described
//! by OpenAPI) and, where a factory's older systems speak it, as SOAP 1.1 ([`soap`]). Nothing here
//! signs, opens a socket or stores anything.
//!
//! | conversation | between | file |
//! | --- | --- | --- |
//! | joining | newcomer and its host | [`join`] |
//! | allotment | gateway and authority | [`allotment`] |
//! | issuing | gateway and authority | [`issue`] |
//! | packs, in all of these | | [`pack`] |
//! | leasing | station and gateway | [`lease`] |
//! | writing | station and device | [`device`] |
//! | write results | station and gateway | [`result`] |
//! | operators and scrapping | station and gateway | [`operator`] |
//! | reports | gateway and authority | [`report`] |
//! | what was withdrawn | gateway and authority | [`withdrawal`] |
//! | which CAs sign devices | members and their hosts | [`trust`] |
//! | collecting an owed certificate | device and authority | [`collection`] |
//! | recovering with a common certificate | device and authority | [`recovery`] |
//! | standing | device and authority | [`standing`] |
//! | renewal | device and authority | [`renewal`] |
//! | renewal through an intermediate device | managed device, center and authority | [`carried`] |
//! | figures of a factory | people and gateway | [`status`] |
//! | registrations | authenticator and authority | [`registration`] |
//! | services that are shut out | authenticator and authority | [`shut_out`] |
//! | authentication | device, authenticator and service | [`authenticate`] |
//! | which devices were made | center and authority | [`fleet`] |
//! | calls | device and center | [`call`] |
//! | any of these where there is no network | | [`bundle`] |
//! | refusals | all | [`problem`] |

pub mod allotment;
pub mod authenticate;
pub mod bundle;
pub mod bytes;
pub mod call;
pub mod carried;
pub mod collection;
pub mod device;
pub mod fleet;
pub mod history;
pub mod issue;
pub mod join;
pub mod lease;
pub mod operator;
pub mod pack;
pub mod problem;
mod random_id;
pub mod recovery;
pub mod registration;
pub mod renewal;
pub mod report;
pub mod result;
pub mod shut_out;
pub mod soap;
pub mod standing;
pub mod status;
pub mod trust;
pub mod withdrawal;
