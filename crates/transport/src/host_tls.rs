//! A host's TLS configuration, replaceable while it serves.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cert::tls::{Credential, TlsError, server_config};
use cert::{Refusal, Trust};
use identity::Clock;
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;

use crate::peer::Peer;

/// Whom a host trusts and what it shows of itself. New connections use what was set last.
pub struct HostTls {
    clock: Arc<dyn Clock>,
    current: ArcSwap<Current>,
}

struct Current {
    trust: Trust,
    config: Arc<ServerConfig>,
}

impl HostTls {
    /// The configuration of a host that shows `credential` and lets in whom `trust` covers.
    pub fn new(trust: Trust, credential: &Credential, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let current = Current::new(trust, credential, &clock)?;
        Ok(Self { current: ArcSwap::from_pointee(current), clock })
    }

    /// Trusts and shows something else from now on; open connections stay as they are.
    pub fn replace(&self, trust: Trust, credential: &Credential) -> Result<(), TlsError> {
        self.current.store(Arc::new(Current::new(trust, credential, &self.clock)?));
        Ok(())
    }

    /// The configuration for one new connection.
    pub(crate) fn for_connection(&self) -> ConnectionTls {
        ConnectionTls { clock: Arc::clone(&self.clock), current: self.current.load_full() }
    }
}

impl Current {
    fn new(trust: Trust, credential: &Credential, clock: &Arc<dyn Clock>) -> Result<Self, TlsError> {
        let config = Arc::new(server_config(trust.clone(), credential, Arc::clone(clock))?);
        Ok(Self { trust, config })
    }
}

/// What one connection is accepted with.
pub(crate) struct ConnectionTls {
    clock: Arc<dyn Clock>,
    current: Arc<Current>,
}

impl ConnectionTls {
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.config)
    }

    /// Who the peer is that the handshake let in with these certificates.
    pub(crate) fn peer(&self, certificates: Option<&[CertificateDer<'_>]>) -> Result<Peer, Refusal> {
        match certificates.and_then(<[_]>::first) {
            Some(certificate) => {
                self.current.trust.verify_peer(certificate, self.clock.epoch_seconds()).map(Peer::from)
            }
            None => Ok(Peer::Nobody),
        }
    }
}
