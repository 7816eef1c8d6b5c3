//! Which credentials a product's devices take, and how they travel.

use core::fmt;
use core::str::FromStr;

use crate::text::serde_as_text;

/// Declares an enum whose variants are words: text form, parser and serde form.
macro_rules! words {
    ($(#[$about:meta])* $name:ident, $expecting:literal { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as stored and shown.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or(UnknownWord { expected: $expecting })
            }
        }

        serde_as_text!($name, $expecting);
    };
}

words! {
    /// The kinds of credential.
    CredentialKind, "certificate or symmetric" {
        /// A certificate and its key.
        Certificate = "certificate",
        /// An apparatus ID and its pass phrase.
        Symmetric = "symmetric",
    }
}

words! {
    /// The key of a device certificate (the elliptic curves of IEEE 802.1AR-2018).
    KeyAlgorithm, "p-256 or p-384" {
        /// ECDSA on P-256 with SHA-256.
        P256 = "p-256",
        /// ECDSA on P-384 with SHA-384.
        P384 = "p-384",
    }
}

words! {
    /// Where the key pair of a device certificate is made.
    KeyOrigin, "authority or device" {
        /// At the authority; the secret key travels in the pack.
        Authority = "authority",
        /// In the device; the secret key never leaves it.
        Device = "device",
    }
}

words! {
    /// Who can read the secrets of a pack on its way.
    Sealing, "plain, pre-write-key, device-key or chip-key" {
        /// Gateway and station.
        Plain = "plain",
        /// All devices whose firmware was built with the product's pre-write key.
        PreWriteKey = "pre-write-key",
        /// One device: the key is derived from the pre-write key and the chip's UID.
        DeviceKey = "device-key",
        /// One device: the key pair is its chip's own (HPKE, RFC 9180).
        ChipKey = "chip-key",
    }
}

impl Sealing {
    /// Whether a pack can only be sealed once the chip is known that it goes to.
    pub fn needs_chip(self) -> bool {
        matches!(self, Self::DeviceKey | Self::ChipKey)
    }

    /// Whether the product's pre-write key is needed to seal.
    pub fn needs_pre_write_key(self) -> bool {
        matches!(self, Self::PreWriteKey | Self::DeviceKey)
    }
}

words! {
    /// How a device keeps its pass phrase (source B tables 704 and 706).
    SymmetricForm, "opened or sealed" {
        /// As the pass phrase.
        Opened = "opened",
        /// As the ciphertext that it came in, opened only to authenticate. The server does the same.
        Sealed = "sealed",
    }
}

/// The text is none of the words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownWord {
    expected: &'static str,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}", self.expected)
    }
}

impl core::error::Error for UnknownWord {}

/// How a product's certificates are made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CertificateProfile {
    /// The key.
    pub algorithm: KeyAlgorithm,
    /// Where the key pair is made.
    pub origin: KeyOrigin,
}

/// Which credentials a product's devices take, and how they travel. Only combinations that make sense
/// can be built.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CredentialProfile {
    certificate: Option<CertificateProfile>,
    symmetric: Option<SymmetricForm>,
    sealing: Sealing,
}

impl CredentialProfile {
    /// The profile of a product whose devices take nothing.
    pub const NONE: Self = Self { certificate: None, symmetric: None, sealing: Sealing::Plain };
    /// The profile of a product whose devices take a certificate on P-256 that comes with its key, in clear.
    pub const PLAIN_CERTIFICATE: Self = Self {
        certificate: Some(CertificateProfile { algorithm: KeyAlgorithm::P256, origin: KeyOrigin::Authority }),
        symmetric: None,
        sealing: Sealing::Plain,
    };

    /// The profile of a product whose devices take these credentials.
    ///
    /// # Errors
    /// A combination that cannot work: a pass phrase that travels in clear, a pass phrase that the
    /// authenticator cannot open as the device does, or sealing where nothing secret travels.
    pub fn new(
        certificate: Option<CertificateProfile>,
        symmetric: Option<SymmetricForm>,
        sealing: Sealing,
    ) -> Result<Self, ProfileError> {
        let key_travels = certificate.is_some_and(|certificate| certificate.origin == KeyOrigin::Authority);
        match (symmetric, sealing) {
            (Some(_), Sealing::Plain) => Err(ProfileError::PlainPassPhrase),
            (Some(SymmetricForm::Sealed), Sealing::ChipKey) => Err(ProfileError::UnsharedKey),
            (None, sealing) if sealing != Sealing::Plain && !key_travels => Err(ProfileError::NothingToSeal),
            _ => Ok(Self { certificate, symmetric, sealing }),
        }
    }

    /// How certificates are made, where the product takes them.
    pub fn certificate(&self) -> Option<CertificateProfile> {
        self.certificate
    }

    /// How pass phrases are kept, where the product takes symmetric credentials.
    pub fn symmetric(&self) -> Option<SymmetricForm> {
        self.symmetric
    }

    /// Who can read the secrets on their way.
    pub fn sealing(&self) -> Sealing {
        self.sealing
    }

    /// Whether the product's devices take any credential.
    pub fn takes_any(&self) -> bool {
        self.certificate.is_some() || self.symmetric.is_some()
    }

    /// Whether certificates are made only once the device stands before the station, since they depend
    /// on its key or its chip. All other packs are stocked ahead.
    pub fn certificate_needs_device(&self) -> bool {
        self.certificate
            .is_some_and(|certificate| certificate.origin == KeyOrigin::Device || self.sealing.needs_chip())
    }

    /// Whether symmetric credentials are sealed only once the device stands before the station.
    pub fn symmetric_needs_device(&self) -> bool {
        self.symmetric.is_some() && self.sealing.needs_chip()
    }
}

/// Credentials that cannot be had together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProfileError {
    /// A symmetric credential is never plain.
    PlainPassPhrase,
    /// A pass phrase kept as ciphertext needs a key that the authenticator has too.
    UnsharedKey,
    /// There is no secret to be sealed.
    NothingToSeal,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainPassPhrase => "a symmetric credential is always sealed: choose how",
            Self::UnsharedKey => "what is sealed to a chip's own key cannot be opened by the authenticator",
            Self::NothingToSeal => "no secret travels that could be sealed",
        })
    }
}

impl core::error::Error for ProfileError {}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: CertificateProfile =
        CertificateProfile { algorithm: KeyAlgorithm::P256, origin: KeyOrigin::Authority };
    const BORN: CertificateProfile = CertificateProfile { origin: KeyOrigin::Device, ..CERTIFICATE };

    #[test]
    fn words_read_back() {
        for sealing in Sealing::ALL {
            assert_eq!(sealing.as_str().parse(), Ok(*sealing));
        }
        assert!("rot-13".parse::<Sealing>().is_err());
    }

    #[test]
    fn a_pass_phrase_never_travels_in_clear() {
        let error = CredentialProfile::new(None, Some(SymmetricForm::Opened), Sealing::Plain);
        assert_eq!(error, Err(ProfileError::PlainPassPhrase));
    }

    #[test]
    fn the_authenticator_can_open_what_the_device_keeps_sealed() {
        let error = CredentialProfile::new(None, Some(SymmetricForm::Sealed), Sealing::ChipKey);
        assert_eq!(error, Err(ProfileError::UnsharedKey));
    }

    #[test]
    fn sealing_needs_a_secret() {
        for certificate in [None, Some(BORN)] {
            let error = CredentialProfile::new(certificate, None, Sealing::PreWriteKey);
            assert_eq!(error, Err(ProfileError::NothingToSeal));
        }
    }

    #[test]
    fn what_depends_on_the_device_waits_for_it() {
        let profile = |certificate, symmetric, sealing| {
            let profile = CredentialProfile::new(certificate, symmetric, sealing).unwrap();
            (profile.certificate_needs_device(), profile.symmetric_needs_device())
        };
        let opened = Some(SymmetricForm::Opened);
        assert_eq!(profile(Some(CERTIFICATE), opened, Sealing::PreWriteKey), (false, false));
        assert_eq!(profile(Some(CERTIFICATE), opened, Sealing::DeviceKey), (true, true));
        assert_eq!(profile(Some(BORN), opened, Sealing::PreWriteKey), (true, false));
    }
}
