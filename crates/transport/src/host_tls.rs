//! A host's TLS configuration, replaceable while it serves, and the connections that are open under it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use cert::tls::{Credential, TlsError, server_config, server_config_with_tls12};
use cert::{DeviceVerifier, ExpiredDevice, Refusal, Trust};
use identity::{Clock, ProductCode};
use rustls::{ProtocolVersion, ServerConfig};
use rustls_pki_types::CertificateDer;

use crate::open_connections::{OpenConnection, OpenConnections};
use crate::peer::Peer;

/// Whom a host trusts and what it shows of itself. New connections use what was set last.
pub struct HostTls {
    clock: Arc<dyn Clock>,
    tls12_products: Arc<BTreeSet<ProductCode>>,
    current: ArcSwap<Current>,
    connections: Arc<OpenConnections>,
}

struct Current {
    trust: Trust,
    config: Arc<ServerConfig>,
}

impl HostTls {
    /// The configuration of a host that shows `credential` and lets in whom `trust` covers.
    pub fn new(trust: Trust, credential: &Credential, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        Self::with_tls12_for(BTreeSet::new(), trust, credential, clock)
    }

    /// As [`HostTls::new`]; devices of these products may come over TLS 1.2. Anyone else who does gets no
    /// other answer than that this is too old ([`ProblemCode::TlsTooOld`]).
    ///
    /// [`ProblemCode::TlsTooOld`]: message::problem::ProblemCode::TlsTooOld
    pub fn with_tls12_for(
        products: BTreeSet<ProductCode>,
        trust: Trust,
        credential: &Credential,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let current = Current::new(!products.is_empty(), trust, credential, &clock)?;
        Ok(Self {
            current: ArcSwap::from_pointee(current),
            tls12_products: Arc::new(products),
            connections: Arc::default(),
            clock,
        })
    }

    /// Trusts and shows something else from now on; open connections stay as they are.
    pub fn replace(&self, trust: Trust, credential: &Credential) -> Result<(), TlsError> {
        let with_tls12 = !self.tls12_products.is_empty();
        self.current.store(Arc::new(Current::new(with_tls12, trust, credential, &self.clock)?));
        Ok(())
    }

    /// Whom the host trusts.
    pub fn trust(&self) -> Trust {
        self.current.load().trust.clone()
    }

    /// Ends the open connections of these peers, also while a request is under way, which is still done
    /// and not answered. How many. Whether a peer may come again is for the role to say, at each request.
    pub fn end_connections(&self, is_of: impl Fn(&Peer) -> bool) -> usize {
        self.connections.end(is_of)
    }

    /// Ends the open connections of devices whose CA is trusted no more. How many. They cannot come again.
    pub fn end_untrusted(&self) -> usize {
        let current = self.current.load();
        self.end_connections(|peer| !covers(&current.trust, peer))
    }

    /// The configuration for one new connection.
    pub(crate) fn for_connection(&self) -> ConnectionTls {
        ConnectionTls {
            clock: Arc::clone(&self.clock),
            tls12_products: Arc::clone(&self.tls12_products),
            current: self.current.load_full(),
            connections: Arc::clone(&self.connections),
        }
    }
}

/// Whether the CA that signed for this peer is still trusted.
fn covers(trust: &Trust, peer: &Peer) -> bool {
    match peer {
        Peer::Device(device) | Peer::ExpiredDevice(ExpiredDevice { identity: device, .. }) => {
            trust.trusts_issuer(&device.issuer_sha256)
        }
        Peer::Member(_) | Peer::Common(_) | Peer::Nobody => true,
    }
}

impl Current {
    fn new(
        with_tls12: bool,
        trust: Trust,
        credential: &Credential,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let make = if with_tls12 { server_config_with_tls12 } else { server_config };
        let config = Arc::new(make(trust.clone(), credential, Arc::clone(clock))?);
        Ok(Self { trust, config })
    }
}

/// What one connection is accepted with.
pub(crate) struct ConnectionTls {
    clock: Arc<dyn Clock>,
    tls12_products: Arc<BTreeSet<ProductCode>>,
    current: Arc<Current>,
    connections: Arc<OpenConnections>,
}

impl ConnectionTls {
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.config)
    }

    /// Counts a connection of this peer among the open ones; none where its CA has lost trust since the
    /// handshake. It is looked at afterwards: whoever ends connections meanwhile either finds this one, or
    /// has changed the trust before.
    pub(crate) fn open(&self, peer: Peer) -> Option<OpenConnection> {
        let open = self.connections.open(peer.clone());
        covers(&self.current.trust, &peer).then_some(open)
    }

    /// Who the peer is that the handshake let in with these certificates.
    pub(crate) fn peer(&self, certificates: Option<&[CertificateDer<'_>]>) -> Result<Peer, Refusal> {
        match certificates.and_then(<[_]>::first) {
            Some(certificate) => {
                let (trust, now) = (&self.current.trust, self.clock.epoch_seconds());
                match trust.verify_peer(certificate, now) {
                    Err(Refusal::NotCurrent) => {
                        let verifier = DeviceVerifier::new(trust.clone());
                        verifier.verify_expired(certificate, now).map(Peer::ExpiredDevice)
                    }
                    verified => verified.map(Peer::from),
                }
            }
            None => Ok(Peer::Nobody),
        }
    }

    /// Whether this peer must come with a later version of TLS than it did.
    pub(crate) fn is_too_old(&self, version: Option<ProtocolVersion>, peer: &Peer) -> bool {
        let may_be_old = match peer {
            Peer::Device(device) | Peer::ExpiredDevice(ExpiredDevice { identity: device, .. }) => {
                self.tls12_products.contains(device.number.product())
            }
            Peer::Member(_) | Peer::Common(_) | Peer::Nobody => false,
        };
        version != Some(ProtocolVersion::TLSv1_3) && !may_be_old
    }
}
