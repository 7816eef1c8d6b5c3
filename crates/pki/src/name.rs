//! Names in certificates.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519::{COMMON_NAME, ORGANIZATION_NAME, SERIAL_NUMBER};
use der::asn1::{Any, PrintableStringRef, Utf8StringRef};
use der::{Decode, Encode};
use identity::DeviceNumber;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// One attribute of a name: 1 to 64 characters (the upper bound of RFC 5280 appendix A), no control
/// characters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NameText(String);

impl NameText {
    /// The most characters.
    pub const LENGTH_MAX: usize = 64;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text does not fit a certificate's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a name in a certificate has 1 to 64 characters and no control characters")]
pub struct ParseNameTextError;

impl FromStr for NameText {
    type Err = ParseNameTextError;

    fn from_str(text: &str) -> Result<Self, ParseNameTextError> {
        let length = text.chars().count();
        let fits = (1..=Self::LENGTH_MAX).contains(&length) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(ParseNameTextError) }
    }
}

impl fmt::Display for NameText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of a CA or a member: organizationName where there is one, then commonName.
pub(crate) fn common_name(organization: Option<&NameText>, common_name: &str) -> der::Result<Name> {
    let organization = organization.map(organization_name).transpose()?;
    let common_name = attribute(COMMON_NAME, Utf8StringRef::new(common_name)?)?;
    name(organization.into_iter().chain([common_name]))
}

/// The name of a device: organizationName of its maker where there is one, then serialNumber, which
/// is the device number (IEEE 802.1AR clause 8.6).
pub(crate) fn device_name(organization: Option<&NameText>, number: &DeviceNumber) -> der::Result<Name> {
    let organization = organization.map(organization_name).transpose()?;
    let serial_number = attribute(SERIAL_NUMBER, PrintableStringRef::new(&number.text())?)?;
    name(organization.into_iter().chain([serial_number]))
}

fn organization_name(text: &NameText) -> der::Result<AttributeTypeAndValue> {
    attribute(ORGANIZATION_NAME, Utf8StringRef::new(&text.0)?)
}

fn attribute<'a, T>(kind: ObjectIdentifier, value: T) -> der::Result<AttributeTypeAndValue>
where
    T: der::Tagged + der::EncodeValue + 'a,
{
    Ok(AttributeTypeAndValue { oid: kind, value: Any::encode_from(&value)? })
}

fn name(attributes: impl Iterator<Item = AttributeTypeAndValue>) -> der::Result<Name> {
    let relative_names: Vec<_> = attributes
        .map(|attribute| RelativeDistinguishedName::try_from(vec![attribute]))
        .collect::<der::Result<_>>()?;
    Name::from_der(&RdnSequence::from(relative_names).to_der()?)
}
