//! Reads what a CA signs into its fields, borrowed and strict: DER only, nothing left over.
//!
//! The lint looks at these fields, and `pki` patches them: each value points into the bytes that
//! will be signed.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef, IntRef, OctetStringRef};
use der::{Decode, Reader, Sequence, SliceReader, Tag};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

/// A `TBSCertificate` (RFC 5280 clause 4.1), field by field.
#[derive(Clone, Debug)]
pub struct ToBeSigned<'a> {
    /// 0 for v1, 2 for v3.
    pub version: u8,
    /// The serial number's content octets, sign octet included.
    pub serial: &'a [u8],
    /// The algorithm of the signature to come.
    pub signature: AlgorithmIdentifierRef<'a>,
    /// The issuer's name: the content octets of its DER.
    pub issuer: &'a [u8],
    /// The first second of validity, UTCTime or GeneralizedTime.
    pub not_before: AnyRef<'a>,
    /// The last second of validity.
    pub not_after: AnyRef<'a>,
    /// The subject's name: the content octets of its DER.
    pub subject: &'a [u8],
    /// The subject's public key.
    pub public_key: SubjectPublicKeyInfoRef<'a>,
    /// Whether the obsolete unique identifiers are there.
    pub has_unique_identifiers: bool,
    /// The extensions in order.
    pub extensions: Vec<Extension<'a>>,
}

/// One attribute of a name.
#[derive(Clone, Copy, Debug, Sequence)]
pub struct Attribute<'a> {
    /// What it is.
    pub kind: ObjectIdentifier,
    /// What it says.
    pub value: AnyRef<'a>,
}

/// One extension.
#[derive(Clone, Copy, Debug, Sequence)]
pub struct Extension<'a> {
    /// What it is.
    pub kind: ObjectIdentifier,
    critical: Option<bool>,
    value: &'a OctetStringRef,
}

impl<'a> Extension<'a> {
    /// Whether whoever does not know it must refuse the certificate.
    pub fn is_critical(&self) -> bool {
        self.critical.unwrap_or_default()
    }

    /// Its value, DER.
    pub fn value(&self) -> &'a [u8] {
        self.value.as_bytes()
    }
}

/// A whole certificate: what was signed, and how.
#[derive(Clone, Debug, Sequence)]
pub struct Signed<'a> {
    /// The `TBSCertificate`, as an element.
    pub to_be_signed: AnyRef<'a>,
    /// The signature's algorithm, which the signed part must repeat.
    pub algorithm: AlgorithmIdentifierRef<'a>,
    /// The signature.
    pub signature: BitStringRef<'a>,
}

impl<'a> ToBeSigned<'a> {
    /// The fields of `to_be_signed`, a whole element.
    ///
    /// # Errors
    /// Where the bytes are not the DER of a `TBSCertificate`.
    pub fn read(to_be_signed: &'a [u8]) -> der::Result<Self> {
        let fields = Fields::from_der(to_be_signed)?;
        // The number is taken as octets, but it must be well-formed DER all the same.
        fields.serial.decode_as::<IntRef<'_>>()?;
        let extensions = fields.extensions.unwrap_or_default();
        if extensions.iter().any(|extension| extension.critical == Some(false)) {
            // A default value is not encoded (X.690 clause 11.5).
            return Err(Tag::Boolean.value_error().into());
        }
        Ok(Self {
            version: fields.version.unwrap_or_default(),
            serial: fields.serial.value(),
            signature: fields.signature,
            issuer: fields.issuer.value(),
            not_before: fields.validity.not_before,
            not_after: fields.validity.not_after,
            subject: fields.subject.value(),
            public_key: fields.public_key,
            has_unique_identifiers: fields.issuer_unique.is_some() || fields.subject_unique.is_some(),
            extensions,
        })
    }

    /// The extension of this kind, where there is one.
    pub fn extension(&self, kind: ObjectIdentifier) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.kind == kind)
    }

    /// The subject's attributes in order, relative names flattened.
    ///
    /// # Errors
    /// Where the name is not well-formed.
    pub fn subject_attributes(&self) -> der::Result<Vec<Attribute<'a>>> {
        let mut attributes = Vec::with_capacity(2);
        let mut names = SliceReader::new(self.subject)?;
        while !names.is_finished() {
            let relative_name: AnyRef<'a> = names.decode()?;
            if relative_name.header().tag() != Tag::Set || relative_name.value().is_empty() {
                return Err(Tag::Set.value_error().into());
            }
            let mut members = SliceReader::new(relative_name.value())?;
            while !members.is_finished() {
                attributes.push(members.decode()?);
            }
        }
        Ok(attributes)
    }
}

#[derive(Sequence)]
struct Fields<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    serial: AnyRef<'a>,
    signature: AlgorithmIdentifierRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity<'a>,
    subject: AnyRef<'a>,
    public_key: SubjectPublicKeyInfoRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_unique: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_unique: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
struct Validity<'a> {
    not_before: AnyRef<'a>,
    not_after: AnyRef<'a>,
}
