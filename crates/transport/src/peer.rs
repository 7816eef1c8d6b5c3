//! Who sent a request, as its connection's handshake proved it.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use cert::{CertificateSerial, CommonIdentity, DeviceIdentity, ExpiredDevice, MemberIdentity, PeerIdentity};
use identity::{Member, MemberName, Role};
use message::problem::{Problem, ProblemCode};

use crate::channel::ChannelBinding;
use crate::problem::Refused;

/// Who sent a request. An extension of every request that [`serve`](crate::serve) passes on, and an extractor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A member of the plant.
    Member(MemberIdentity),
    /// A device.
    Device(DeviceIdentity),
    /// Some device of a batch, which has nothing but its common certificate.
    Common(CommonIdentity),
    /// A device whose certificate has expired. It gets no further than [`Limits`](crate::Limits) say.
    ExpiredDevice(ExpiredDevice),
    /// Someone who showed no certificate.
    Nobody,
}

/// Where a request came from. An extension of every request, and an extractor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The peer's address.
    pub address: SocketAddr,
    /// The TLS connection that carried the request.
    pub channel_binding: ChannelBinding,
}

/// Extracts the gateway that sent the request, and refuses everyone else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gateway {
    /// The gateway's name, which is that of its factory.
    pub name: MemberName,
    /// The serial number of its certificate.
    pub certificate_serial: CertificateSerial,
}

/// Extracts the station that sent the request, and refuses everyone else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Station {
    /// The factory it stands in.
    pub factory: MemberName,
    /// Its name there.
    pub name: MemberName,
    /// The serial number of its certificate.
    pub certificate_serial: CertificateSerial,
}

/// Extracts the service that sent the request, and refuses everyone else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its name.
    pub name: MemberName,
    /// The serial number of its certificate.
    pub certificate_serial: CertificateSerial,
}

/// Extracts the authenticator that sent the request, and refuses everyone else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authenticator {
    /// Its name.
    pub name: MemberName,
    /// The serial number of its certificate.
    pub certificate_serial: CertificateSerial,
}

/// Extracts the center that sent the request, and refuses everyone else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Center {
    /// Its name.
    pub name: MemberName,
    /// The serial number of its certificate.
    pub certificate_serial: CertificateSerial,
}

/// Extracts the member that sent the request, whatever its role, and refuses everyone else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnyMember(pub MemberIdentity);

/// Extracts the device that sent the request, and refuses everyone else. The role still compares it
/// with its register ([`DeviceIdentity::check_registration`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device(pub DeviceIdentity);

/// Extracts the batch of the device that sent the request under its common certificate, and refuses
/// everyone else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Common(pub CommonIdentity);

/// Extracts the device that sent the request, also one whose certificate has expired, and refuses everyone
/// else. For requests that are open to both ([`Limits::open_to_expired`](crate::Limits::open_to_expired)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenewingDevice {
    /// The device.
    pub identity: DeviceIdentity,
    /// The last second of its certificate, where that is past.
    pub expired: Option<i64>,
}

impl From<PeerIdentity> for Peer {
    fn from(identity: PeerIdentity) -> Self {
        match identity {
            PeerIdentity::Member(member) => Self::Member(member),
            PeerIdentity::Device(device) => Self::Device(device),
            PeerIdentity::Common(common) => Self::Common(common),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self::Nobody))
    }
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let origin = parts.extensions.get().copied();
        origin.ok_or_else(|| Refused::new(ProblemCode::Internal, "the request came over no connection"))
    }
}

impl<S: Sync> FromRequestParts<S> for Gateway {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match peer(parts, state).await {
            Peer::Member(MemberIdentity { member, certificate_serial }) if member.role() == Role::Gateway => {
                Ok(Self { name: member.name().clone(), certificate_serial })
            }
            other => Err(not_allowed(&other, "a gateway")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Station {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let peer = peer(parts, state).await;
        match &peer {
            Peer::Member(MemberIdentity { member, certificate_serial }) => match station_of(member) {
                Some((factory, name)) => {
                    Ok(Self { factory, name, certificate_serial: certificate_serial.clone() })
                }
                None => Err(not_allowed(&peer, "a station")),
            },
            _ => Err(not_allowed(&peer, "a station")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Service {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match peer(parts, state).await {
            Peer::Member(MemberIdentity { member, certificate_serial }) if member.role() == Role::Service => {
                Ok(Self { name: member.name().clone(), certificate_serial })
            }
            other => Err(not_allowed(&other, "a service")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Authenticator {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match peer(parts, state).await {
            Peer::Member(MemberIdentity { member, certificate_serial })
                if member.role() == Role::Authenticator =>
            {
                Ok(Self { name: member.name().clone(), certificate_serial })
            }
            other => Err(not_allowed(&other, "an authenticator")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Center {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match peer(parts, state).await {
            Peer::Member(MemberIdentity { member, certificate_serial }) if member.role() == Role::Center => {
                Ok(Self { name: member.name().clone(), certificate_serial })
            }
            other => Err(not_allowed(&other, "a center")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for AnyMember {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match peer(parts, state).await {
            Peer::Member(member) => Ok(Self(member)),
            other => Err(not_allowed(&other, "a member")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Device {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match peer(parts, state).await {
            Peer::Device(device) => Ok(Self(device)),
            other => Err(not_allowed(&other, "a device")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Common {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match peer(parts, state).await {
            Peer::Common(common) => Ok(Self(common)),
            other => Err(not_allowed(&other, "a device with its common certificate")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RenewingDevice {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match peer(parts, state).await {
            Peer::Device(identity) => Ok(Self { identity, expired: None }),
            Peer::ExpiredDevice(ExpiredDevice { identity, expired }) => {
                Ok(Self { identity, expired: Some(expired) })
            }
            other => Err(not_allowed(&other, "a device")),
        }
    }
}

async fn peer<S: Sync>(parts: &mut Parts, state: &S) -> Peer {
    match Peer::from_request_parts(parts, state).await {
        Ok(peer) => peer,
        Err(never) => match never {},
    }
}

fn station_of(member: &Member) -> Option<(MemberName, MemberName)> {
    let factory = member.factory().filter(|_| member.role() == Role::Station)?;
    Some((factory.clone(), member.name().clone()))
}

fn not_allowed(peer: &Peer, wanted: &str) -> Refused {
    let (code, who) = match peer {
        Peer::Member(identity) => (ProblemCode::NotAllowed, identity.member.to_string()),
        Peer::Device(device) => (ProblemCode::NotAllowed, format!("device {}", device.number)),
        Peer::Common(common) => (ProblemCode::NotAllowed, format!("a device of batch {}", common.batch)),
        Peer::ExpiredDevice(device) => {
            let number = &device.identity.number;
            (ProblemCode::NotAuthenticated, format!("device {number}, whose certificate has expired,"))
        }
        Peer::Nobody => (ProblemCode::NotAuthenticated, "a peer without certificate".to_string()),
    };
    Refused(Problem::new(code, format!("this is for {wanted} only, and {who} asked")))
}
