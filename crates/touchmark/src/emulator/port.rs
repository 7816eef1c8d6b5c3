//! Where an emulated device answers, chosen by address.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio_serial::SerialStream;

use super::{EmulatedDevice, open_serial, serve_http, serve_serial, serve_tcp};

/// An address at which a device answers: `tcp:HOST:PORT`, `serial:PATH` or `http://HOST:PORT/soap`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortAddress {
    /// Frames of the line protocol over TCP, `HOST:PORT`.
    Tcp(String),
    /// SOAP over HTTP, `HOST:PORT`.
    Http(String),
    /// Frames of the line protocol over a serial line, the path of its device file.
    Serial(String),
}

/// A port that is open.
pub enum Port {
    /// Frames over TCP.
    Tcp(TcpListener),
    /// SOAP over HTTP.
    Http(TcpListener),
    /// Frames over a serial line, with its path.
    Serial(String, SerialStream),
}

impl Port {
    /// Opens the port; where the address has port number 0, a free one.
    ///
    /// # Errors
    /// The address is in use or cannot be had.
    pub async fn open(address: &PortAddress) -> io::Result<Self> {
        Ok(match address {
            PortAddress::Tcp(host_and_port) => Self::Tcp(TcpListener::bind(host_and_port).await?),
            PortAddress::Http(host_and_port) => Self::Http(TcpListener::bind(host_and_port).await?),
            PortAddress::Serial(path) => Self::Serial(path.clone(), open_serial(path)?),
        })
    }

    /// The address at which a station reaches the port.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> io::Result<PortAddress> {
        Ok(match self {
            Self::Tcp(listener) => PortAddress::Tcp(listener.local_addr()?.to_string()),
            Self::Http(listener) => PortAddress::Http(listener.local_addr()?.to_string()),
            Self::Serial(path, _) => PortAddress::Serial(path.clone()),
        })
    }

    /// Lets the device answer, for as long as the port works.
    ///
    /// # Errors
    /// The port fails.
    pub async fn serve(self, device: Arc<Mutex<EmulatedDevice>>) -> io::Result<Infallible> {
        match self {
            Self::Tcp(listener) => serve_tcp(device, listener).await,
            Self::Http(listener) => serve_http(device, listener).await,
            Self::Serial(_, line) => serve_serial(device, line).await,
        }
    }
}

/// The text is not an address at which a device answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an address is tcp:HOST:PORT, http://HOST:PORT/soap or serial:PATH")]
pub struct UnknownPort;

impl FromStr for PortAddress {
    type Err = UnknownPort;

    fn from_str(text: &str) -> Result<Self, UnknownPort> {
        let host_and_port = |text: &str| match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
            _ => Err(UnknownPort),
        };
        if let Some(rest) = text.strip_prefix("tcp:") {
            host_and_port(rest).map(Self::Tcp)
        } else if let Some(rest) = text.strip_prefix("http://") {
            let rest = rest.strip_suffix("/soap").or(rest.strip_suffix('/')).unwrap_or(rest);
            host_and_port(rest).map(Self::Http)
        } else {
            let path = text.strip_prefix("serial:").filter(|path| !path.is_empty());
            path.map(|path| Self::Serial(path.to_owned())).ok_or(UnknownPort)
        }
    }
}

impl fmt::Display for PortAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host_and_port) => write!(f, "tcp:{host_and_port}"),
            Self::Http(host_and_port) => write!(f, "http://{host_and_port}/soap"),
            Self::Serial(path) => write!(f, "serial:{path}"),
        }
    }
}
