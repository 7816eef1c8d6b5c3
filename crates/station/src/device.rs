//! The device on the port, over whatever the port speaks.
//!
//! Every step may be repeated: a device takes the pack that it holds without writing it again.

mod line;
mod soap;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use identity::line::{Refusal, Session};
use identity::{DeviceNumber, HardwareUid, KeyIdentifier, ProductCode};
use message::bytes::Bytes;
use message::pack::CredentialPack;
use message::result::Proof;

use line::{Line, LineDevice};
use soap::SoapDevice;

/// Where a device is: `tcp:HOST:PORT` and `serial:PATH` for the framed line protocol,
/// `http://HOST:PORT/soap` for SOAP.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DeviceAddress {
    /// Frames over TCP.
    Tcp(String),
    /// Frames over a serial port.
    Serial(String),
    /// SOAP over HTTP; the device calls back.
    Http(String),
}

/// The text is not the address of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a device's address is tcp:HOST:PORT, serial:PATH or http://HOST:PORT/soap")]
pub struct ParseAddressError;

/// What a device says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceIdentity {
    /// The session that it has just opened.
    pub session: Session,
    /// The product that it is.
    pub product: ProductCode,
    /// Its chip.
    pub hardware_uid: HardwareUid,
    /// The number of the pack it holds.
    pub holding: Option<DeviceNumber>,
    /// Whether that pack is confirmed, so that it takes no other.
    pub confirmed: bool,
    /// The pre-write key that its firmware was built with, if any.
    pub key_identifier: Option<KeyIdentifier>,
    /// The public key of its chip, if it has one: an uncompressed point on P-256.
    pub chip_key: Option<Bytes>,
}

/// Why a step with a device did not succeed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeviceError {
    /// It was not reached, or did not answer in time; whether it acted is unknown.
    #[error("the device does not answer: {0}")]
    NoAnswer(String),
    /// Its answer cannot be understood; whether it acted is unknown.
    #[error("the device's answer cannot be understood: {0}")]
    Garbled(String),
    /// It speaks no version of the line protocol that is spoken here.
    #[error("the device speaks another version of the line protocol")]
    Version,
    /// It answered N.G.
    #[error("the device answered N.G.: {0}")]
    Refused(Refusal),
}

/// Why a device has not stored a pack and proved it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WriteError {
    /// It refused the pack.
    NotTaken(Refusal),
    /// Anything else; it may hold the pack or not.
    Unknown(DeviceError),
}

/// A device in conversation.
pub enum Device {
    /// It speaks the line protocol.
    Line(Box<LineDevice>),
    /// It speaks SOAP.
    Soap(SoapDevice),
}

impl Device {
    /// The device at this address, which may take so long for each step; nothing is said to it yet.
    pub fn at(address: &DeviceAddress, step_limit: Duration) -> Self {
        let on_line = |line| Self::Line(Box::new(LineDevice::new(line, step_limit)));
        match address {
            DeviceAddress::Tcp(address) => on_line(Line::Tcp(address.clone())),
            DeviceAddress::Serial(path) => on_line(Line::Serial(path.clone())),
            DeviceAddress::Http(url) => Self::Soap(SoapDevice::new(url.clone(), step_limit)),
        }
    }

    /// Opens a session.
    pub async fn identify(&mut self) -> Result<DeviceIdentity, DeviceError> {
        match self {
            Self::Line(device) => device.identify().await,
            Self::Soap(device) => device.identify().await,
        }
    }

    /// Has the device make its key for this number, or say again which one it made: its signing request.
    pub async fn make_key(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
    ) -> Result<Bytes, DeviceError> {
        match self {
            Self::Line(device) => device.make_key(identity, number).await,
            Self::Soap(device) => device.make_key(identity, number).await,
        }
    }

    /// Has the device store a pack and prove that it holds it. The proof is not verified here.
    pub async fn write(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
        pack: &CredentialPack,
        challenge: [u8; 32],
    ) -> Result<Proof, WriteError> {
        match self {
            Self::Line(device) => device.write(identity, number, pack, challenge).await,
            Self::Soap(device) => device.write(identity, number, pack, challenge).await,
        }
    }

    /// Has the device prove the pack that it already holds, that of this number. The proof is not
    /// verified here.
    pub async fn prove(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
        challenge: [u8; 32],
    ) -> Result<Proof, DeviceError> {
        match self {
            Self::Line(device) => device.prove(identity, challenge).await,
            Self::Soap(device) => device.prove(identity, number, challenge).await,
        }
    }

    /// Tells the device that the result it has just delivered is filed.
    pub async fn confirm(&mut self, session: Session) -> Result<(), DeviceError> {
        match self {
            Self::Line(device) => device.confirm(session).await,
            Self::Soap(device) => device.confirm().await,
        }
    }
}

impl FromStr for DeviceAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let has_port = |address: &str| {
            address
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if let Some(address) = text.strip_prefix("tcp:").filter(|address| has_port(address)) {
            return Ok(Self::Tcp(address.into()));
        }
        if let Some(path) = text.strip_prefix("serial:").filter(|path| !path.is_empty()) {
            return Ok(Self::Serial(path.into()));
        }
        match text.strip_prefix("http://") {
            Some(rest) if !rest.is_empty() => Ok(Self::Http(text.into())),
            _ => Err(ParseAddressError),
        }
    }
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Serial(path) => write!(f, "serial:{path}"),
            Self::Http(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in
            ["tcp:127.0.0.1:9001", "tcp:[::1]:9001", "serial:/dev/ttyUSB0", "http://192.0.2.7:80/soap"]
        {
            assert_eq!(text.parse::<DeviceAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "tcp:",
            "tcp:host",
            "tcp::1",
            "tcp:host:99999",
            "serial:",
            "http://",
            "https://host/",
            "udp:h:1",
        ] {
            assert_eq!(text.parse::<DeviceAddress>(), Err(ParseAddressError), "{text}");
        }
    }
}
