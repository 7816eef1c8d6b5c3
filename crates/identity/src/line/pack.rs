//! What a device is given: a [`Pack`], and its CBOR.

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

use super::Version;
use crate::profile::SymmetricForm;
use crate::{ApparatusId, DeviceNumber};

/// The longest certificate in a pack.
pub const CERTIFICATE_BYTES_MAX: usize = 1_536;
/// The longest secret key in a pack. A P-256 key in PKCS#8 takes 138 bytes, a P-384 key 185.
pub const SECRET_KEY_BYTES_MAX: usize = 256;
/// The longest sealed secret key in a pack.
pub const SEALED_KEY_BYTES_MAX: usize = 352;
/// The longest sealed pass phrase in a pack.
pub const SEALED_PASS_PHRASE_BYTES_MAX: usize = 160;

/// A credential pack: what a device is given under its number.
///
/// Without a certificate and without a symmetric credential it gives the device its number alone, while
/// the certificate for the key that the device made is owed to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pack<'a> {
    /// The device's number from now on, which the client certificate names.
    pub device_number: DeviceNumber,
    /// The certificates and their key.
    pub certificate: Option<CertificatePart<'a>>,
    /// The symmetric credential.
    pub symmetric: Option<SymmetricPart<'a>>,
}

/// The certificates in a pack, and where their key is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CertificatePart<'a> {
    /// The root certificate, X.509 DER.
    pub root: &'a [u8],
    /// The certificate of the CA that signed the client certificate, X.509 DER.
    pub issuing: &'a [u8],
    /// The device's own certificate, X.509 DER; not empty.
    pub client: &'a [u8],
    /// The key of the client certificate.
    pub key: Key<'a>,
}

/// The secret key of a client certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// It travels in clear: PKCS#8 DER, not empty.
    Plain(&'a [u8]),
    /// It travels sealed: COSE_Encrypt0 of the PKCS#8 DER, not empty.
    Sealed(&'a [u8]),
    /// It never travels: the device made it, and has it.
    Own,
}

/// A symmetric credential on its way.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SymmetricPart<'a> {
    /// The name that the device authenticates under.
    #[n(0)]
    pub apparatus_id: ApparatusId,
    /// COSE_Encrypt0 of apparatus ID and pass phrase.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub sealed: &'a [u8],
    /// How the device keeps it.
    #[n(2)]
    pub form: SymmetricForm,
    /// The challenge of the authority's batch, which the device's answer to the authority covers.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub challenge: [u8; 32],
}

impl<'a> Pack<'a> {
    /// The most bytes that a pack takes in CBOR.
    pub const BYTES_MAX: usize = 3 * CERTIFICATE_BYTES_MAX + SEALED_KEY_BYTES_MAX + SYMMETRIC_BYTES_MAX + 64;

    /// Whether every part is within its limit.
    pub fn is_within_limits(&self) -> bool {
        self.certificate.is_none_or(|part| part.is_within_limits())
            && self.symmetric.is_none_or(|part| part.sealed.len() <= SEALED_PASS_PHRASE_BYTES_MAX)
    }

    /// The oldest version of the protocol that this pack can travel in.
    pub fn oldest_version(&self) -> Version {
        match (&self.certificate, &self.symmetric) {
            (Some(CertificatePart { key: Key::Plain(_), .. }), None) => Version::MIN,
            _ => Version::SECOND,
        }
    }
}

impl CertificatePart<'_> {
    fn is_within_limits(&self) -> bool {
        let certificates = [self.root, self.issuing, self.client];
        certificates.iter().all(|certificate| certificate.len() <= CERTIFICATE_BYTES_MAX)
            && match self.key {
                Key::Plain(key) => key.len() <= SECRET_KEY_BYTES_MAX,
                Key::Sealed(sealed) => sealed.len() <= SEALED_KEY_BYTES_MAX,
                Key::Own => true,
            }
    }
}

/// The most bytes of a [`SymmetricPart`] in CBOR.
const SYMMETRIC_BYTES_MAX: usize = SEALED_PASS_PHRASE_BYTES_MAX + ApparatusId::BYTES + 32 + 16;

/// A pack as it is written. The first five fields are those of version 1, so that a pack of
/// certificates with a plain key has the bytes that it always had.
#[derive(Encode, Decode)]
struct Written<'a> {
    #[n(0)]
    device_number: DeviceNumber,
    #[cbor(b(1), with = "minicbor::bytes")]
    root: &'a [u8],
    #[cbor(b(2), with = "minicbor::bytes")]
    issuing: &'a [u8],
    /// Empty where there is no certificate.
    #[cbor(b(3), with = "minicbor::bytes")]
    client: &'a [u8],
    /// Empty where no key travels in clear.
    #[cbor(b(4), with = "minicbor::bytes")]
    secret_key: &'a [u8],
    #[cbor(b(5), with = "minicbor::bytes")]
    sealed_key: Option<&'a [u8]>,
    #[b(6)]
    symmetric: Option<SymmetricPart<'a>>,
}

impl<C> Encode<C> for Pack<'_> {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        let (root, issuing, client, key) = match &self.certificate {
            None => (&[][..], &[][..], &[][..], Key::Own),
            Some(CertificatePart { client: [], .. } | CertificatePart { key: Key::Plain([]), .. }) => {
                return Err(encode::Error::message("an empty certificate or key would be read as none"));
            }
            Some(part) => (part.root, part.issuing, part.client, part.key),
        };
        let (secret_key, sealed_key) = match key {
            Key::Plain(key) => (key, None),
            Key::Sealed(sealed) => (&[][..], Some(sealed)),
            Key::Own => (&[][..], None),
        };
        let device_number = self.device_number.clone();
        let symmetric = self.symmetric;
        Written { device_number, root, issuing, client, secret_key, sealed_key, symmetric }
            .encode(to, context)
    }
}

impl<'b, C> Decode<'b, C> for Pack<'b> {
    fn decode(from: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let written = Written::decode(from, context)?;
        let (root, issuing, client) = (written.root, written.issuing, written.client);
        let key = match (written.secret_key, written.sealed_key) {
            ([], None) => Key::Own,
            (key, None) => Key::Plain(key),
            ([], Some(sealed)) => Key::Sealed(sealed),
            _ => return Err(decode::Error::message("one key, plain and sealed")),
        };
        let certificate = match (root, issuing, client, key) {
            ([], [], [], Key::Own) => None,
            (_, _, [], _) => return Err(decode::Error::message("a key or an issuer without a certificate")),
            _ => Some(CertificatePart { root, issuing, client, key }),
        };
        Ok(Self { device_number: written.device_number, certificate, symmetric: written.symmetric })
    }
}
