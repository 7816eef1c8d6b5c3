//! Serial numbers of certificates.

use std::fmt;

use identity::Random;

/// A certificate's serial number: 20 octets, with at least 96 random bits (RFC 5280 clause 4.1.2.2).
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

    /// A new serial for one of very many certificates: when it becomes valid in seconds since 1970, how many
    /// were made before it, 96 random bits.
    ///
    /// A store keeps serials in order, and those that are made together are then filed together, however
    /// many there are. The time stands in the certificate anyway.
    pub(crate) fn in_order(not_before: u64, made_before: u32, random: &dyn Random) -> Self {
        let mut octets = [0; Self::OCTETS];
        // The one bit in front keeps the number positive and its length the same.
        let place = 1 << 62 | not_before << 24 | u64::from(made_before) & 0x00ff_ffff;
        octets[..8].copy_from_slice(&place.to_be_bytes());
        random.fill(&mut octets[8..]);
        Self(octets)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NO_EXPIRY;

    struct Silent;

    impl Random for Silent {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn serials_stand_in_the_order_in_which_they_were_made() {
        let moments =
            [(0, 0), (0, 1), (1_800_000_000, 7), (1_800_000_000, 0x00ff_ffff), (NO_EXPIRY as u64, 0)];
        let serials = moments.map(|(time, before)| CertificateSerial::in_order(time, before, &Silent));
        assert!(serials.is_sorted_by(|one, other| one < other), "{serials:?}");
        for serial in serials {
            assert!((1..0x80).contains(&serial.as_bytes()[0]), "{serial} is positive and has 20 octets");
        }
    }
}
