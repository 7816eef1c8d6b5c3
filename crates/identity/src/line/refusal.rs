//! Why a device says no: a word for people, a number on the wire.
//!
//! A new refusal gets the next number. It answers only what old stations do not ask.

use core::fmt;
use core::str::FromStr;

use minicbor::{Decode, Encode};

/// Why a device answers N.G.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// The request cannot be read.
    #[n(0)]
    Malformed,
    /// The request's version is not one that the device speaks.
    #[n(1)]
    UnsupportedVersion,
    /// The session is not the one that the device opened last.
    #[n(2)]
    Replayed,
    /// The pack is for another product.
    #[n(3)]
    WrongProduct,
    /// The device holds another pack, confirmed.
    #[n(4)]
    HoldsAnother,
    /// A part of the pack is longer than the device can store.
    #[n(5)]
    TooLong,
    /// The secret key is not one that the device can use, in PKCS#8.
    #[n(6)]
    UnusableKey,
    /// The memory could not be read, or did not keep what was written to it.
    #[n(7)]
    StorageFailed,
    /// A result was asked of a device that holds no pack.
    #[n(8)]
    NothingStored,
    /// The pack is sealed under a key that the device does not have.
    #[n(9)]
    WrongKey,
    /// The sealed pack does not open: it was damaged, or sealed for something else.
    #[n(10)]
    NotOpened,
    /// The device has made no key for this number.
    #[n(11)]
    NoKeyMade,
    /// The certificate is not for the key that the device made.
    #[n(12)]
    ForeignCertificate,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 13] = [
        Self::Malformed,
        Self::UnsupportedVersion,
        Self::Replayed,
        Self::WrongProduct,
        Self::HoldsAnother,
        Self::TooLong,
        Self::UnusableKey,
        Self::StorageFailed,
        Self::NothingStored,
        Self::WrongKey,
        Self::NotOpened,
        Self::NoKeyMade,
        Self::ForeignCertificate,
    ];

    /// The refusal as a word: `wrong-product`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedVersion => "unsupported-version",
            Self::Replayed => "replayed",
            Self::WrongProduct => "wrong-product",
            Self::HoldsAnother => "holds-another",
            Self::TooLong => "too-long",
            Self::UnusableKey => "unusable-key",
            Self::StorageFailed => "storage-failed",
            Self::NothingStored => "nothing-stored",
            Self::WrongKey => "wrong-key",
            Self::NotOpened => "not-opened",
            Self::NoKeyMade => "no-key-made",
            Self::ForeignCertificate => "foreign-certificate",
        }
    }

    /// Whether the device certainly stored nothing of the pack it was sent.
    pub fn is_untouched(self) -> bool {
        self != Self::StorageFailed
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl core::error::Error for Refusal {}

/// The text is not a refusal's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownRefusal;

impl fmt::Display for UnknownRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a reason that a device gives")
    }
}

impl core::error::Error for UnknownRefusal {}

impl FromStr for Refusal {
    type Err = UnknownRefusal;

    fn from_str(text: &str) -> Result<Self, UnknownRefusal> {
        Self::ALL.into_iter().find(|refusal| refusal.as_str() == text).ok_or(UnknownRefusal)
    }
}
