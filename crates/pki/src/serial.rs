//! Serial numbers of certificates.

use std::fmt;

use identity::Random;

/// A certificate's serial number: 159 random bits in 20 octets (RFC 5280 clause 4.1.2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateSerial([u8; CertificateSerial::OCTETS]);

impl CertificateSerial {
    /// How many octets a serial has.
    pub const OCTETS: usize = 20;

    /// A new random serial.
    ///
    /// The highest bit is clear, which keeps the number positive. A draw that would be shorter than 20 octets in DER (one in
    /// 512) is drawn again, so that every serial has the same length; that costs 0.003 bits.
    pub fn random(random: &dyn Random) -> Self {
        let mut octets = [0; Self::OCTETS];
        loop {
            random.fill(&mut octets);
            octets[0] &= 0x7f;
            if octets[0] != 0 || octets[1] >= 0x80 {
                return Self(octets);
            }
        }
    }

    /// The serial's content octets in DER.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for CertificateSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for CertificateSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateSerial({self})")
    }
}
