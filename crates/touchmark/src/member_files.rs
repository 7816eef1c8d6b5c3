//! What a member keeps of its membership: PEM files in its data directory.
//!
//! ```text
//! root.pem       the root certificate
//! plant.pem      the CA that signs members
//! issuing.pem    the CAs that sign devices
//! member.pem     the own certificate
//! member-key.pem the own key, mode 0600
//! host.toml      the host that was joined: its address and who it is (an authority has none)
//! ```

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use cert::tls::{Credential, HostTrust};
use cert::{Certificate, Trust};
use der::pem::{self, LineEnding};
use identity::{Clock, Member};
use message::bytes::SecretBytes;
use message::join::{JoinToken, Membership};
use serde::{Deserialize, Serialize};
use transport::Client;
use zeroize::{Zeroize, Zeroizing};

use crate::durable::{Privacy, replace_file};
use crate::failure::Failure;

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
/// The file of the member's own certificate.
pub const MEMBER: &str = "member.pem";
/// The file of the member's own key.
pub const MEMBER_KEY: &str = "member-key.pem";
/// The file that names the host that was joined.
pub const HOST: &str = "host.toml";

/// Joins the token's host and writes the files. Refuses where the directory holds a membership already.
pub async fn join(directory: &Path, token: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Member> {
    if is_member(directory) {
        return Err(Failure::new(format!("{} holds a membership already", directory.display()))
            .advise("name another --data, or move the old directory away")
            .into());
    }
    let token: JoinToken =
        token.parse().map_err(|error| Failure::usage("this token cannot be read").because(error))?;
    let joined = transport::join(&token, clock).await.map_err(|error| {
        Failure::new(format!("{} did not become a member", token.member))
            .because(error)
            .advise("see that the host serves at that address, and ask there for a new token with `invite`")
    })?;
    make_private(directory)?;
    let host = Host { url: token.url, member: token.host };
    let text = toml::to_string(&host).context("cannot write down the host")?;
    write(&directory.join(HOST), Privacy::Public, text.as_bytes())?;
    save(directory, &joined.membership, &joined.key)?;
    Ok(token.member)
}

/// Writes a membership and its key. The member's own certificate comes last, so that a directory with
/// it is complete.
pub fn save(directory: &Path, membership: &Membership, key: &SecretBytes) -> anyhow::Result<()> {
    make_private(directory)?;
    let certificates =
        |name, list: &[&[u8]]| write_pem(&directory.join(name), CERTIFICATE, list, Privacy::Public);
    certificates(ROOT, &[&membership.root_certificate.0])?;
    certificates(PLANT, &[&membership.plant_certificate.0])?;
    let issuing: Vec<&[u8]> = membership.issuing_certificates.iter().map(|der| der.0.as_slice()).collect();
    certificates(ISSUING, &issuing)?;
    write_pem(&directory.join(MEMBER_KEY), PRIVATE_KEY, &[key.expose()], Privacy::Owner)?;
    certificates(MEMBER, &[&membership.member_certificate.0])
}

/// Reads a member's files. Whether the certificate is valid now is not looked at.
pub fn load(directory: &Path) -> anyhow::Result<MemberFiles> {
    if !is_member(directory) {
        return Err(Failure::new(format!("{} holds no membership", directory.display()))
            .advise("join first with the token that the host's `invite` printed, or name the right --data")
            .into());
    }
    let path = |name| directory.join(name);
    let one = |name| only(path(name), CERTIFICATE);
    let issuing = read(&path(ISSUING), CERTIFICATE)?;
    let trust = Trust::new(&one(ROOT)?, &one(PLANT)?, &issuing)
        .with_context(|| format!("the CA certificates in {} do not belong together", directory.display()))?;
    let certificate = Certificate::parse(&one(MEMBER)?).with_context(|| format!("cannot read {MEMBER}"))?;
    let member = certificate.member().with_context(|| format!("{MEMBER} states no member"))?;
    let key = Zeroizing::new(only(path(MEMBER_KEY), PRIVATE_KEY)?);
    let credential = Credential::member(&trust, certificate.der().to_vec(), key);
    Ok(MemberFiles { trust, credential, member, certificate })
}

/// Whether the directory holds a membership already.
pub fn is_member(directory: &Path) -> bool {
    directory.join(MEMBER).exists()
}

impl MemberFiles {
    /// A client of the host that the member joined.
    pub fn client(&self, host: &Host, clock: Arc<dyn Clock>) -> anyhow::Result<Client> {
        let trust = HostTrust::Plant(self.trust.clone());
        Ok(Client::new(trust, Some(&self.credential), host.member.clone(), &host.url, clock)?)
    }
}

/// Reads which host was joined.
pub fn load_host(directory: &Path) -> anyhow::Result<Host> {
    let path = directory.join(HOST);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} does not name a host", path.display()))
}

const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Makes the data directory where it is missing, for its owner only.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.with_context(|| format!("cannot make {}", directory.display()))
}

fn write_pem(path: &Path, label: &str, blocks: &[&[u8]], privacy: Privacy) -> anyhow::Result<()> {
    let mut text = Zeroizing::new(String::new());
    for block in blocks {
        let mut encoded = pem::encode_string(label, LineEnding::LF, block)
            .with_context(|| format!("cannot encode {}", path.display()))?;
        text.push_str(&encoded);
        encoded.zeroize();
    }
    write(path, privacy, text.as_bytes())
}

fn write(path: &Path, privacy: Privacy, content: &[u8]) -> anyhow::Result<()> {
    replace_file(path, privacy, content).with_context(|| format!("cannot write {}", path.display()))
}

fn read(path: &Path, label: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let end = format!("-----END {label}-----");
    text.split_inclusive(end.as_str())
        .map(str::trim)
        .filter(|block| !block.is_empty())
        .map(|block| match pem::decode_vec(block.as_bytes()) {
            Ok((found, der)) if found == label => Ok(der),
            _ => Err(Failure::new(format!("{} is not PEM of the kind {label}", path.display())).into()),
        })
        .collect()
}

fn only(path: PathBuf, label: &str) -> anyhow::Result<Vec<u8>> {
    let mut blocks = read(&path, label)?.into_iter();
    match (blocks.next(), blocks.next()) {
        (Some(block), None) => Ok(block),
        _ => Err(Failure::new(format!("{} does not hold exactly one {label}", path.display())).into()),
    }
}
