//! Devices with a symmetric credential: an authenticator joins the plant, and lets them in.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use auth::{PassPhrase, SymmetricCredential};
use authenticator::caller::{CallerError, Session, authenticate};
use authenticator::{Authenticator, OPEN_TO_ALL, Settings};
use cert::tls::HostTrust;
use identity::{ApparatusId, DeviceNumber, Member};
use message::problem::ProblemCode;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use store::{Schema, Vault};
use transport::{CallError, Channel, HostTls, Limits, join};

use super::day::flash_file;
use super::{Plant, TOKEN_SECONDS, client, open_store, passphrase, url};
use crate::emulator::EmulatedDevice;

/// The service that the devices want a token for.
const SERVICE: &str = "supplies";

/// An authenticator that has joined the plant and knows all devices that were registered by then.
pub struct Gate {
    address: SocketAddr,
    member: Member,
}

impl Plant {
    /// Lets an authenticator join the authority, hear of all devices, and serve.
    pub async fn authenticator(&mut self) -> anyhow::Result<Gate> {
        let member = Member::authenticator("gate".parse()?);
        let (root, authority_url) = (self.trust().root_fingerprint(), url(self.authority_address));
        let desk = self.authority.desk();
        let token = desk.invite(&member, &authority_url, root, TOKEN_SECONDS, &self.actor).await?;
        let joined = join(&token, Arc::clone(&self.clock)).await?;
        let authority = client(&joined, &token.host, &authority_url, &self.clock)?;

        let store = open_store("", &self.directory.join("authenticator"), Schema::Authenticator).await?;
        let vault = Vault::create(&store, passphrase(&*self.random)).await?;
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        let here = Authenticator::open(member.clone(), store, vault, Settings::default(), clock, random);
        let here = Arc::new(here.await?);
        here.pull(&authority).await?;

        let tls = HostTls::new(joined.trust()?, &joined.credential()?, Arc::clone(&self.clock))?;
        let limits = Limits { open_to_all: OPEN_TO_ALL, ..Limits::default() };
        Ok(Gate { address: self.services.serve(tls, here.router(), limits).await?, member })
    }

    /// Lets some of the devices authenticate with what is in their flash. The apparatus IDs that were
    /// let in, each with a token.
    ///
    /// # Errors
    /// A device was not let in.
    pub async fn admit(
        &self,
        gate: &Gate,
        numbers: &[DeviceNumber],
        devices: &Path,
        count: usize,
        seed: u64,
    ) -> anyhow::Result<Vec<ApparatusId>> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut admitted = Vec::new();
        for number in numbers.sample(&mut random, count) {
            let mut device = EmulatedDevice::open(&flash_file(devices, number), random.next_u64())?;
            let credential = device.symmetric_credential().with_context(|| format!("{number} has none"))?;
            self.authenticate(gate, &credential).await.with_context(|| format!("{number} was not let in"))?;
            admitted.push(credential.apparatus_id);
        }
        Ok(admitted)
    }

    /// Has a clone knock: a device that knows of another one all that passes through a factory, which
    /// is its apparatus ID and no pass phrase.
    ///
    /// # Errors
    /// It was let in, or nobody answered.
    pub async fn refuse_clone(&self, gate: &Gate, apparatus_id: ApparatusId) -> anyhow::Result<()> {
        let pass_phrase = PassPhrase::random(&*self.random);
        let refused = self.authenticate(gate, &SymmetricCredential { apparatus_id, pass_phrase }).await;
        let is_refused = refused.is_err_and(|error| match error.downcast_ref() {
            Some(CallerError::Call(CallError::Refused(problem))) => {
                problem.code == ProblemCode::NotAuthenticated
            }
            _ => false,
        });
        ensure!(is_refused, "a clone of {apparatus_id} was not refused");
        Ok(())
    }

    async fn authenticate(&self, gate: &Gate, credential: &SymmetricCredential) -> anyhow::Result<Session> {
        let (trust, clock) = (HostTrust::Root(self.trust().root_fingerprint()), Arc::clone(&self.clock));
        let mut channel = Channel::connect(gate.address, trust, gate.member.clone(), clock).await?;
        let service = SERVICE.parse()?;
        Ok(authenticate(&mut channel, credential, &gate.member, service, &*self.random).await?)
    }
}
