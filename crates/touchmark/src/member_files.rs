//! What a member keeps of its membership: PEM files in its data directory.
//!
//! ```text
//! root.pem       the root certificate
//! plant.pem      the CA that signs members
//! issuing.pem    the CAs that sign devices
//! common.pem     the CA that signs common certificates, where the member is to know it
//! member.pem     the own certificate and its key, mode 0600; in one file, so that both are replaced at once
//! host.toml      the host that was joined: its address and who it is (an authority has none)
//! ```

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use cert::tls::{Credential, HostTrust};
use cert::{Certificate, Trust};
use identity::{Clock, Member};
use message::bytes::SecretBytes;
use message::join::{JoinToken, Membership};
use serde::{Deserialize, Serialize};
use transport::{Client, TrustKeeper};

use crate::config::ProxyConfig;
use crate::durable::{Privacy, replace_file};
use crate::failure::Failure;
use crate::pem_files::{self, CERTIFICATE, PRIVATE_KEY};

/// A member's files, read and found to belong together.
pub struct MemberFiles {
    /// Whom the member trusts.
    pub trust: Trust,
    /// What it shows of itself.
    pub credential: Credential,
    /// Who it is.
    pub member: Member,
    /// Its certificate.
    pub certificate: Certificate,
}

/// The host that a member joined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its address, `https://HOST:PORT`.
    pub url: String,
    /// Who it is, which its certificate must state.
    pub member: Member,
}

/// The file of the root certificate.
pub const ROOT: &str = "root.pem";
/// The file of the plant CA's certificate.
pub const PLANT: &str = "plant.pem";
/// The file of the issuing CAs' certificates.
pub const ISSUING: &str = "issuing.pem";
/// The file of the certificate of the CA that signs common certificates.
pub const COMMON: &str = "common.pem";
/// The file of the member's own certificate and key.
pub const MEMBER: &str = "member.pem";
/// The file that names the host that was joined.
pub const HOST: &str = "host.toml";

/// Joins the token's host and writes the files. Refuses where the directory holds a membership already.
pub async fn join(
    directory: &Path,
    token: &str,
    proxy: &ProxyConfig,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Member> {
    if is_member(directory) {
        return Err(Failure::new(format!("{} holds a membership already", directory.display()))
            .advise("name another --data, or move the old directory away")
            .into());
    }
    let token: JoinToken =
        token.parse().map_err(|error| Failure::usage("this token cannot be read").because(error))?;
    // Before the token is used up.
    make_private(directory)?;
    let proxy = proxy.to(&token.url)?;
    let joined = transport::join_through(proxy.as_ref(), &token, clock).await.map_err(|error| {
        Failure::new(format!("{} did not become a member", token.member))
            .because(error)
            .advise("see that the host serves at that address, and ask there for a new token with `invite`")
    })?;
    let host = Host { url: token.url, member: token.host };
    let text = toml::to_string(&host).context("cannot write down the host")?;
    let path = directory.join(HOST);
    replace_file(&path, Privacy::Public, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    save(directory, &joined.membership, &joined.key)?;
    Ok(token.member)
}

/// Writes a membership and its key. The member's own file comes last, so that a directory with it is
/// complete.
pub fn save(directory: &Path, membership: &Membership, key: &SecretBytes) -> anyhow::Result<()> {
    make_private(directory)?;
    let certificates = |name: &str, list: &[&[u8]]| write_certificates(&directory.join(name), list);
    certificates(ROOT, &[&membership.root_certificate.0])?;
    certificates(PLANT, &[&membership.plant_certificate.0])?;
    let issuing: Vec<&[u8]> = membership.issuing_certificates.iter().map(|der| der.0.as_slice()).collect();
    certificates(ISSUING, &issuing)?;
    if let Some(common) = &membership.common_ca_certificate {
        certificates(COMMON, &[&common.0])?;
    }
    let own = [(CERTIFICATE, membership.member_certificate.0.as_slice()), (PRIVATE_KEY, key.expose())];
    pem_files::write(&directory.join(MEMBER), &own, Privacy::Owner)
}

/// Reads a member's files. Whether the certificate is valid now is not looked at.
pub fn load(directory: &Path) -> anyhow::Result<MemberFiles> {
    if !is_member(directory) {
        return Err(Failure::new(format!("{} holds no membership", directory.display()))
            .advise("join first with the token that the host's `invite` printed, or name the right --data")
            .into());
    }
    let path = |name| directory.join(name);
    let one = |name, label| pem_files::read_one(&path(name), label);
    let issuing = pem_files::read(&path(ISSUING), CERTIFICATE)?;
    let issuing: Vec<&[u8]> = issuing.iter().map(|der| der.as_slice()).collect();
    let mut trust = Trust::new(&one(ROOT, CERTIFICATE)?, &one(PLANT, CERTIFICATE)?, &issuing);
    if path(COMMON).exists() {
        let common = one(COMMON, CERTIFICATE)?;
        trust = trust.and_then(|trust| trust.with_common(&common));
    }
    let trust = trust
        .with_context(|| format!("the CA certificates in {} do not belong together", directory.display()))?;
    let certificate = Certificate::parse(&one(MEMBER, CERTIFICATE)?)
        .with_context(|| format!("cannot read the certificate in {MEMBER}"))?;
    let member = certificate.member().with_context(|| format!("{MEMBER} states no member"))?;
    let key = one(MEMBER, PRIVATE_KEY)?;
    let credential = Credential::member(&trust, certificate.der().to_vec(), key);
    Ok(MemberFiles { trust, credential, member, certificate })
}

/// Keeps the trust of the member whose files are in the directory, there and in all clones.
pub fn trust_keeper(directory: &Path, trust: Trust) -> TrustKeeper {
    let path = directory.join(ISSUING);
    TrustKeeper::new(trust).stored_by(move |issuing| Ok(write_certificates(&path, issuing)?))
}

fn write_certificates(path: &Path, list: &[&[u8]]) -> anyhow::Result<()> {
    let blocks: Vec<(&str, &[u8])> = list.iter().map(|der| (CERTIFICATE, *der)).collect();
    pem_files::write(path, &blocks, Privacy::Public)
}

/// Whether the directory holds a membership already.
pub fn is_member(directory: &Path) -> bool {
    directory.join(MEMBER).exists()
}

impl MemberFiles {
    /// A client of the host that the member joined.
    pub fn client(&self, host: &Host, proxy: &ProxyConfig, clock: Arc<dyn Clock>) -> anyhow::Result<Client> {
        let (trust, proxy) = (HostTrust::Plant(self.trust.clone()), proxy.to(&host.url)?);
        let credential = Some(&self.credential);
        Ok(Client::through(proxy.as_ref(), trust, credential, host.member.clone(), &host.url, clock)?)
    }
}

/// Reads which host was joined.
pub fn load_host(directory: &Path) -> anyhow::Result<Host> {
    let path = directory.join(HOST);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} does not name a host", path.display()))
}

/// Makes the data directory where it is missing, for its owner only.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.with_context(|| format!("cannot make {}", directory.display()))
}
