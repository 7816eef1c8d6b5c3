//! What is in each kind of certificate, as the certificate builder takes it.

use aws_lc_rs::digest::{SHA256, digest};
use cert::common::{RECOVERY_PURPOSE, batch_urn};
use const_oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use der::asn1::{Ia5String, OctetString};
use identity::{CommonBatch, Member};
use spki::SubjectPublicKeyInfoRef;
use x509_cert::builder::Result;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::certificate::TbsCertificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;

/// The octets of a key identifier.
pub(crate) const KEY_IDENTIFIER_OCTETS: usize = 20;

/// The leftmost 160 bits of the SHA-256 of the public key's bits (RFC 7093 clause 2, method 1).
pub(crate) fn key_identifier(point: &[u8]) -> [u8; KEY_IDENTIFIER_OCTETS] {
    let mut identifier = [0; KEY_IDENTIFIER_OCTETS];
    identifier.copy_from_slice(&digest(&SHA256, point).as_ref()[..KEY_IDENTIFIER_OCTETS]);
    identifier
}

/// One certificate's names and extensions.
pub(crate) struct Profile {
    pub(crate) issuer: Name,
    pub(crate) subject: Name,
    pub(crate) extensions: Extensions,
}

/// The extensions of each kind of certificate.
pub(crate) enum Extensions {
    /// A CA with so many CAs allowed below it; the root has no CA above.
    Ca { below: u8, is_root: bool },
    /// A member and its name.
    Member(Member),
    /// A device; its name is its subject (IEEE 802.1AR clause 8.6).
    Device,
    /// What the devices of a batch have in common.
    Common(CommonBatch),
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        fields: &TbsCertificate,
    ) -> Result<Vec<Extension>> {
        let mut extensions = Vec::new();
        let mut add = |extension: &dyn Fn(&[Extension]) -> der::Result<Extension>| -> Result<()> {
            let extension = extension(&extensions)?;
            extensions.push(extension);
            Ok(())
        };
        let subject = fields.subject();
        let constraints = self.constraints();
        add(&|others| constraints.to_extension(subject, others))?;
        let usage = KeyUsage(self.usage());
        add(&|others| usage.to_extension(subject, others))?;
        if let Some(purposes) = self.purposes() {
            add(&|others| purposes.to_extension(subject, others))?;
        }
        if let Some(uri) = self.uri() {
            let uri = Ia5String::new(&uri)?;
            let names = SubjectAltName(vec![GeneralName::UniformResourceIdentifier(uri)]);
            add(&|others| names.to_extension(subject, others))?;
        }
        let identifier = SubjectKeyIdentifier(identifier_of(&key)?);
        add(&|others| identifier.to_extension(subject, others))?;
        if !matches!(self.extensions, Extensions::Ca { is_root: true, .. }) {
            let identifier = AuthorityKeyIdentifier {
                key_identifier: Some(identifier_of(&issuer_key)?),
                ..Default::default()
            };
            add(&|others| identifier.to_extension(subject, others))?;
        }
        Ok(extensions)
    }
}

impl Profile {
    fn constraints(&self) -> BasicConstraints {
        match self.extensions {
            Extensions::Ca { below, .. } => BasicConstraints { ca: true, path_len_constraint: Some(below) },
            Extensions::Member(_) | Extensions::Device | Extensions::Common(_) => {
                BasicConstraints { ca: false, path_len_constraint: None }
            }
        }
    }

    fn usage(&self) -> der::flagset::FlagSet<KeyUsages> {
        match self.extensions {
            Extensions::Ca { .. } => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            Extensions::Member(_) | Extensions::Device | Extensions::Common(_) => {
                KeyUsages::DigitalSignature.into()
            }
        }
    }

    fn purposes(&self) -> Option<ExtendedKeyUsage> {
        match self.extensions {
            Extensions::Ca { .. } => None,
            Extensions::Member(_) => Some(ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH, ID_KP_CLIENT_AUTH])),
            Extensions::Device => Some(ExtendedKeyUsage(vec![ID_KP_CLIENT_AUTH])),
            Extensions::Common(_) => Some(ExtendedKeyUsage(vec![RECOVERY_PURPOSE])),
        }
    }

    /// What the subject alternative name states, where there is one.
    fn uri(&self) -> Option<String> {
        match &self.extensions {
            Extensions::Ca { .. } | Extensions::Device => None,
            Extensions::Member(member) => Some(member.to_string()),
            Extensions::Common(batch) => Some(batch_urn(batch)),
        }
    }
}

fn identifier_of(key: &SubjectPublicKeyInfoRef<'_>) -> der::Result<OctetString> {
    OctetString::new(key_identifier(key.subject_public_key.raw_bytes()))
}
