//! The words of touchmark, shared by chip and host.
//!
//! Whatever a microcontroller and a server must agree on to the byte lives here: how a device
//! number is written ([`DeviceNumber`]), what a scanner may deliver ([`scan`]), which states a
//! credential passes through ([`CredentialState`]), and the frames that a station and a device
//! exchange over a serial line ([`mod@line`]). Nothing here allocates, reads a clock or needs `std`.
//!
//! A new word gets a file of its own, a type with private fields, and a parser that says where
//! the text went wrong.

#![no_std]

mod apparatus_id;
mod common_batch;
mod credential_id;
mod credential_state;
mod device_number;
mod firmware_version;
mod hardware_uid;
mod key_identifier;
pub mod line;
mod member;
pub mod profile;
mod revocation_reason;
pub mod scan;
mod surroundings;
mod text;

pub use apparatus_id::{ApparatusId, ParseApparatusIdError};
pub use common_batch::{CommonBatch, ParseCommonBatchError};
pub use credential_id::{CredentialId, ParseCredentialIdError};
pub use credential_state::{CredentialState, IllegalTransition, Transition, UnknownState};
pub use device_number::{DeviceNumber, ParseNumberError, ProductCode, Serial};
pub use firmware_version::{FirmwareVersion, ParseFirmwareVersionError};
pub use hardware_uid::{HardwareUid, ParseHardwareUidError};
pub use key_identifier::{KeyIdentifier, ParseKeyIdentifierError};
pub use member::{Member, MemberName, ParseMemberError, Role};
pub use revocation_reason::{RevocationReason, UnknownReason};
pub use surroundings::{Clock, Random};
