//! What is in each kind of certificate, as the certificate builder takes it.

use aws_lc_rs::digest::{SHA256, digest};
use cert::common::{RECOVERY_PURPOSE, batch_urn};
use const_oid::db::rfc5280::{
    ID_AD_CA_ISSUERS, ID_AD_OCSP, ID_KP_CLIENT_AUTH, ID_KP_OCSP_SIGNING, ID_KP_SERVER_AUTH,
};
use const_oid::db::rfc6960::ID_PKIX_OCSP_NOCHECK;
use der::Encode;
use der::asn1::{Ia5String, Null, OctetString};
use identity::{CommonBatch, Member};
use spki::SubjectPublicKeyInfoRef;
use x509_cert::builder::Result;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::certificate::TbsCertificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage,
    KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;

use crate::crl::CrlPartition;
use crate::publication::{Publication, distribution_points, uri};

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
    /// What the devices of a batch have in common.
    Common(CommonBatch),
    /// A device; its name is its subject (IEEE 802.1AR clause 8.6). It says where its CA publishes, and
    /// which CRL would list it.
    Device(Option<(Publication, CrlPartition)>),
    /// A responder that speaks for the CA for a short time (RFC 6960 clause 4.2.2.2).
    OcspResponder,
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
        match &self.extensions {
            Extensions::Device(Some((publication, partition))) => {
                let points = distribution_points(&publication.crl(*partition))?;
                add(&|others| points.to_extension(subject, others))?;
                let access = information_access(publication)?;
                add(&|others| access.to_extension(subject, others))?;
            }
            Extensions::OcspResponder => {
                let extn_value = OctetString::new(Null.to_der()?)?;
                let mark = Extension { extn_id: ID_PKIX_OCSP_NOCHECK, critical: false, extn_value };
                add(&|_| Ok(mark.clone()))?;
            }
            Extensions::Ca { .. }
            | Extensions::Member(_)
            | Extensions::Common(_)
            | Extensions::Device(None) => {}
        }
        Ok(extensions)
    }
}

impl Profile {
    fn constraints(&self) -> BasicConstraints {
        match self.extensions {
            Extensions::Ca { below, .. } => BasicConstraints { ca: true, path_len_constraint: Some(below) },
            Extensions::Member(_)
            | Extensions::Device(_)
            | Extensions::Common(_)
            | Extensions::OcspResponder => BasicConstraints { ca: false, path_len_constraint: None },
        }
    }

    fn usage(&self) -> der::flagset::FlagSet<KeyUsages> {
        match self.extensions {
            Extensions::Ca { .. } => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            Extensions::Member(_)
            | Extensions::Device(_)
            | Extensions::Common(_)
            | Extensions::OcspResponder => KeyUsages::DigitalSignature.into(),
        }
    }

    fn purposes(&self) -> Option<ExtendedKeyUsage> {
        match self.extensions {
            Extensions::Ca { .. } => None,
            Extensions::Member(_) => Some(ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH, ID_KP_CLIENT_AUTH])),
            Extensions::Device(_) => Some(ExtendedKeyUsage(vec![ID_KP_CLIENT_AUTH])),
            Extensions::OcspResponder => Some(ExtendedKeyUsage(vec![ID_KP_OCSP_SIGNING])),
            Extensions::Common(_) => Some(ExtendedKeyUsage(vec![RECOVERY_PURPOSE])),
        }
    }

    /// What the subject alternative name states, where there is one.
    fn uri(&self) -> Option<String> {
        match &self.extensions {
            Extensions::Ca { .. } | Extensions::Device(_) | Extensions::OcspResponder => None,
            Extensions::Member(member) => Some(member.to_string()),
            Extensions::Common(batch) => Some(batch_urn(batch)),
        }
    }
}

/// Where to ask about the certificate, and where its CA's own is (RFC 5280 clause 4.2.2.1).
fn information_access(publication: &Publication) -> der::Result<AuthorityInfoAccessSyntax> {
    Ok(AuthorityInfoAccessSyntax(vec![
        AccessDescription { access_method: ID_AD_OCSP, access_location: uri(&publication.ocsp())? },
        AccessDescription {
            access_method: ID_AD_CA_ISSUERS,
            access_location: uri(&publication.certificate())?,
        },
    ]))
}

fn identifier_of(key: &SubjectPublicKeyInfoRef<'_>) -> der::Result<OctetString> {
    OctetString::new(key_identifier(key.subject_public_key.raw_bytes()))
}
