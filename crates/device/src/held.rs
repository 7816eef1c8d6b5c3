//! What a device holds: the one record of its certificate area, with all credentials that it has.

use auth::PassPhrase;
use heapless::Vec;
use identity::line::{
    CERTIFICATE_BYTES_MAX, CertificatePart, Key, Pack, SEALED_PASS_PHRASE_BYTES_MAX, SECRET_KEY_BYTES_MAX,
    SymmetricPart, pack_digest,
};
use identity::profile::SymmetricForm;
use identity::{ApparatusId, DeviceNumber};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::key::SecretKey;
use crate::slots::{RecordKind, StoreError, UNIT_BYTES};

/// What a device holds. The first five fields are those of a pack with certificates and a plain key, so
/// that a device that holds nothing else keeps the record that it always kept.
#[derive(Clone, Encode, Decode)]
pub struct Held<'a> {
    /// The device's number.
    #[n(0)]
    pub device_number: DeviceNumber,
    /// The root certificate, X.509 DER. Empty, as the two that follow, where the device has no
    /// certificate or is still owed it.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub root_certificate: &'a [u8],
    /// The certificate of the CA that signed the device's own, X.509 DER.
    #[cbor(b(2), with = "minicbor::bytes")]
    pub issuing_certificate: &'a [u8],
    /// The device's own certificate, X.509 DER.
    #[cbor(b(3), with = "minicbor::bytes")]
    pub client_certificate: &'a [u8],
    /// Its key, PKCS#8 DER; empty where it has none.
    #[cbor(b(4), with = "minicbor::bytes")]
    pub secret_key: &'a [u8],
    /// The digest of the pack, where it does not follow from the fields above.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub(crate) received: Option<[u8; 32]>,
    /// Whether the device made the key itself.
    #[cbor(n(6), skip_if = "is_false")]
    pub(crate) key_is_own: bool,
    /// The symmetric credential.
    #[b(7)]
    pub symmetric: Option<HeldSymmetric<'a>>,
}

/// A symmetric credential that a device holds.
#[derive(Clone, Copy, Encode, Decode)]
pub struct HeldSymmetric<'a> {
    /// The name that the device authenticates under.
    #[n(0)]
    pub apparatus_id: ApparatusId,
    /// How the pass phrase is kept.
    #[n(1)]
    pub form: SymmetricForm,
    /// The pass phrase, or what opens to it.
    #[cbor(b(2), with = "minicbor::bytes")]
    pub(crate) secret: &'a [u8],
    /// The challenge of the authority's batch.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) challenge: [u8; 32],
}

// What is not inlined gives back what it needs of the stack, on which the whole record lies.
impl<'a> Held<'a> {
    /// The most bytes that the record takes in CBOR.
    pub const BYTES_MAX: usize =
        3 * CERTIFICATE_BYTES_MAX + SECRET_KEY_BYTES_MAX + SEALED_PASS_PHRASE_BYTES_MAX + 192;

    /// The kinds of records in which it lies.
    pub(crate) const KINDS: [RecordKind; 3] =
        [RecordKind::CertificatePack, RecordKind::Credentials, RecordKind::Candidate];

    /// What a device holds that takes this pack: its certificates with this key, empty for none, and
    /// this symmetric credential.
    pub(crate) fn of(pack: &Pack<'a>, secret_key: &'a [u8], symmetric: Option<HeldSymmetric<'a>>) -> Self {
        let (root, issuing, client, key) = match pack.certificate {
            Some(CertificatePart { root, issuing, client, key }) => (root, issuing, client, key),
            None => (&[][..], &[][..], &[][..], Key::Own),
        };
        let digest_follows = matches!(key, Key::Plain(_)) && symmetric.is_none();
        Self {
            device_number: pack.device_number.clone(),
            root_certificate: root,
            issuing_certificate: issuing,
            client_certificate: client,
            secret_key,
            received: (!digest_follows).then(|| pack_digest(pack)),
            key_is_own: key == Key::Own && !secret_key.is_empty(),
            symmetric,
        }
    }

    /// Reads the record.
    #[inline(never)]
    pub(crate) fn from_record(record: &'a [u8]) -> Result<Self, StoreError> {
        minicbor::decode(record).map_err(|_| StoreError::Unknown)
    }

    /// [`pack_digest`] of the pack that all this came in.
    #[inline(never)]
    pub fn digest(&self) -> [u8; 32] {
        self.received.unwrap_or_else(|| {
            pack_digest(&Pack {
                device_number: self.device_number.clone(),
                certificate: Some(CertificatePart {
                    root: self.root_certificate,
                    issuing: self.issuing_certificate,
                    client: self.client_certificate,
                    key: Key::Plain(self.secret_key),
                }),
                symmetric: None,
            })
        })
    }

    /// The kind of the record: programs that know only certificates with a plain key leave all else
    /// alone.
    pub(crate) fn kind(&self) -> RecordKind {
        if self.received.is_none() { RecordKind::CertificatePack } else { RecordKind::Credentials }
    }
}

impl<'a> HeldSymmetric<'a> {
    /// What a device keeps of a symmetric credential whose pass phrase it has opened.
    pub(crate) fn of(part: &SymmetricPart<'a>, opened: &'a PassPhrase) -> Self {
        let secret = match part.form {
            SymmetricForm::Opened => opened.expose(),
            SymmetricForm::Sealed => part.sealed,
        };
        Self { apparatus_id: part.apparatus_id, form: part.form, secret, challenge: part.challenge }
    }
}

/// Room for a record that was read from flash. It is wiped on drop.
pub struct HeldBuffer(pub(crate) Zeroizing<[u8; Held::BYTES_MAX.next_multiple_of(UNIT_BYTES)]>);

impl HeldBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self(Zeroizing::new([0; _]))
    }
}

impl Default for HeldBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// What a device holds, without the certificates: little enough to keep at hand while signing.
pub(crate) struct Holding {
    pub device_number: DeviceNumber,
    pub digest: [u8; 32],
    pub has_certificate: bool,
    /// Empty where the device has none.
    pub secret_key: SecretKey,
    pub key_is_own: bool,
    /// Without its secret, which follows.
    symmetric: Option<HeldSymmetric<'static>>,
    symmetric_secret: Zeroizing<Vec<u8, SEALED_PASS_PHRASE_BYTES_MAX>>,
}

impl Holding {
    /// A copy of what fits.
    ///
    /// # Errors
    /// A secret is longer than any that this program writes.
    #[inline(never)]
    pub fn of(held: &Held<'_>) -> Result<Self, heapless::CapacityError> {
        let mut holding = Self {
            device_number: held.device_number.clone(),
            digest: held.digest(),
            has_certificate: !held.client_certificate.is_empty(),
            secret_key: SecretKey::default(),
            key_is_own: held.key_is_own,
            symmetric: held.symmetric.map(|symmetric| HeldSymmetric { secret: &[], ..symmetric }),
            symmetric_secret: Zeroizing::default(),
        };
        holding.secret_key.extend_from_slice(held.secret_key)?;
        holding
            .symmetric_secret
            .extend_from_slice(held.symmetric.map_or(&[], |symmetric| symmetric.secret))?;
        Ok(holding)
    }

    /// The symmetric credential, if the device has one.
    pub fn symmetric(&self) -> Option<HeldSymmetric<'_>> {
        self.symmetric.map(|symmetric| HeldSymmetric { secret: &self.symmetric_secret, ..symmetric })
    }

    /// Whether the device has a key of its own and waits for its certificate.
    pub fn is_owed_certificate(&self) -> bool {
        self.key_is_own && !self.has_certificate
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
