//! Who takes part in the chain besides devices: an authority, its gateways, their stations; for
//! authentication the authenticators and the services that trust them; and the centers that devices call.

use core::fmt;
use core::str::FromStr;

use heapless::String;

use crate::text::serde_as_text;

/// Which role a member has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Issues credentials.
    Authority,
    /// Buffers a factory's credentials.
    Gateway,
    /// Writes devices on the line.
    Station,
    /// Authenticates devices that hold a symmetric credential.
    Authenticator,
    /// Serves devices that an authenticator vouches for.
    Service,
    /// Answers the calls of devices in the field.
    Center,
}

impl Role {
    const ALL: [Self; 6] =
        [Self::Authority, Self::Gateway, Self::Station, Self::Authenticator, Self::Service, Self::Center];

    /// The role's name: `gateway`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Gateway => "gateway",
            Self::Station => "station",
            Self::Authenticator => "authenticator",
            Self::Service => "service",
            Self::Center => "center",
        }
    }
}

/// A member's name among its peers: 1 to 32 small letters, digits and inner hyphens, such as `osaka`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemberName(String<{ MemberName::LENGTH_MAX }>);

impl MemberName {
    /// The most characters a name has.
    pub const LENGTH_MAX: usize = 32;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A member in full, as its certificate states it in a URI: `urn:touchmark:gateway:osaka`,
/// `urn:touchmark:station:osaka:line-1`. A gateway has the name of its factory; a station is named
/// within it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Member {
    role: Role,
    factory: Option<MemberName>,
    name: MemberName,
}

impl Member {
    /// The most characters a member's URN has.
    pub const LENGTH_MAX: usize =
        URN_PREFIX.len() + ROLE_LENGTH_MAX + 1 + MemberName::LENGTH_MAX + 1 + MemberName::LENGTH_MAX;

    /// The authority of this name.
    pub fn authority(name: MemberName) -> Self {
        Self { role: Role::Authority, factory: None, name }
    }

    /// The gateway of the factory of this name.
    pub fn gateway(factory: MemberName) -> Self {
        Self { role: Role::Gateway, factory: None, name: factory }
    }

    /// The station of this name at a factory.
    pub fn station(factory: MemberName, name: MemberName) -> Self {
        Self { role: Role::Station, factory: Some(factory), name }
    }

    /// The authenticator of this name.
    pub fn authenticator(name: MemberName) -> Self {
        Self { role: Role::Authenticator, factory: None, name }
    }

    /// The service of this name.
    pub fn service(name: MemberName) -> Self {
        Self { role: Role::Service, factory: None, name }
    }

    /// The center of this name.
    pub fn center(name: MemberName) -> Self {
        Self { role: Role::Center, factory: None, name }
    }

    /// The member's role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The member's name; a gateway's is that of its factory.
    pub fn name(&self) -> &MemberName {
        &self.name
    }

    /// The factory the member belongs to; only gateways and stations belong to one.
    pub fn factory(&self) -> Option<&MemberName> {
        match self.role {
            Role::Gateway => Some(&self.name),
            Role::Station => self.factory.as_ref(),
            Role::Authority | Role::Authenticator | Role::Service | Role::Center => None,
        }
    }

    /// The URN, without allocating.
    pub fn text(&self) -> String<{ Member::LENGTH_MAX }> {
        let mut text = String::new();
        fmt::Write::write_fmt(&mut text, format_args!("{self}")).expect("the longest URN fits");
        text
    }
}

const URN_PREFIX: &str = "urn:touchmark:";
const ROLE_LENGTH_MAX: usize = "authenticator".len();

/// The text is not a member name or member URN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseMemberError;

impl fmt::Display for ParseMemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name is 1 to 32 small letters, digits and inner hyphens")
    }
}

impl core::error::Error for ParseMemberError {}

impl FromStr for Role {
    type Err = ParseMemberError;

    fn from_str(text: &str) -> Result<Self, ParseMemberError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(ParseMemberError)
    }
}

impl FromStr for MemberName {
    type Err = ParseMemberError;

    fn from_str(text: &str) -> Result<Self, ParseMemberError> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if text.is_empty() || text.starts_with('-') || text.ends_with('-') || !text.bytes().all(allowed) {
            return Err(ParseMemberError);
        }
        String::try_from(text).map(Self).map_err(|_| ParseMemberError)
    }
}

impl FromStr for Member {
    type Err = ParseMemberError;

    fn from_str(text: &str) -> Result<Self, ParseMemberError> {
        let mut parts = text.strip_prefix(URN_PREFIX).ok_or(ParseMemberError)?.split(':');
        let role: Role = parts.next().ok_or(ParseMemberError)?.parse()?;
        let first: MemberName = parts.next().ok_or(ParseMemberError)?.parse()?;
        let second: Option<MemberName> = parts.next().map(str::parse).transpose()?;
        match (role, second, parts.next()) {
            (Role::Authority, None, None) => Ok(Self::authority(first)),
            (Role::Gateway, None, None) => Ok(Self::gateway(first)),
            (Role::Station, Some(name), None) => Ok(Self::station(first, name)),
            (Role::Authenticator, None, None) => Ok(Self::authenticator(first)),
            (Role::Service, None, None) => Ok(Self::service(first)),
            (Role::Center, None, None) => Ok(Self::center(first)),
            _ => Err(ParseMemberError),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{URN_PREFIX}{}", self.role)?;
        if let Some(factory) = &self.factory {
            write!(f, ":{factory}")?;
        }
        write!(f, ":{}", self.name)
    }
}

serde_as_text!(Role, "authority, gateway, station, authenticator, service or center");
serde_as_text!(MemberName, "a name of 1 to 32 small letters, digits and inner hyphens");
serde_as_text!(Member, "a member such as urn:touchmark:gateway:osaka");

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn urns_read_back() {
        for urn in [
            "urn:touchmark:authority:head-office",
            "urn:touchmark:gateway:osaka",
            "urn:touchmark:station:osaka:line-1",
            "urn:touchmark:authenticator:europe",
            "urn:touchmark:service:supplies",
            "urn:touchmark:center:europe",
        ] {
            assert_eq!(urn.parse::<Member>().unwrap().to_string(), urn);
        }
    }

    #[test]
    fn the_longest_member_has_a_text() {
        let name: MemberName =
            core::str::from_utf8(&[b'a'; MemberName::LENGTH_MAX]).unwrap().parse().unwrap();
        let longest = Member::station(name.clone(), name.clone());
        assert_eq!(longest.text().parse(), Ok(longest));
        let authenticator = Member::authenticator(name);
        assert_eq!(authenticator.text().parse(), Ok(authenticator));
    }

    #[test]
    fn refuses_what_names_no_member() {
        for urn in [
            "",
            "gateway:osaka",
            "urn:touchmark:gateway:",
            "urn:touchmark:gateway:osaka:line-1",
            "urn:touchmark:station:osaka",
            "urn:touchmark:station:osaka:line-1:more",
            "urn:touchmark:device:osaka",
            "urn:touchmark:authenticator:europe:one",
            "urn:touchmark:service:supplies:one",
            "urn:touchmark:gateway:Osaka",
            "urn:touchmark:gateway:-osaka",
        ] {
            assert_eq!(urn.parse::<Member>(), Err(ParseMemberError), "{urn}");
        }
    }
}
