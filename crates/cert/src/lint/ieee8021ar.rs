//! IEEE Std 802.1AR-2018: Secure Device Identity, clause 8.

use const_oid::db::rfc4519::SERIAL_NUMBER;
use x509_cert::ext::pkix::KeyUsages;

use super::{Kind, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        clause: "IEEE 802.1AR clause 8.6",
        sentence: "the subject has one serialNumber attribute, which names the device",
        kinds: &[Kind::Device],
        holds: |case| case.attributes(SERIAL_NUMBER).count() == 1,
    },
    Rule {
        clause: "IEEE 802.1AR clause 8.10.1",
        sentence: "there is an authority key identifier",
        kinds: &[Kind::Device],
        holds: |case| case.authority_key.value().is_some(),
    },
    Rule {
        clause: "IEEE 802.1AR clause 8.10.3",
        sentence: "the key usage has digitalSignature",
        kinds: &[Kind::Device],
        holds: |case| {
            case.key_usage.value().is_some_and(|usage| usage.0.contains(KeyUsages::DigitalSignature))
        },
    },
];
