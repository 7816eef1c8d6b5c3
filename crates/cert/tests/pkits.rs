//! The NIST Public Key Interoperability Test Suite (PKITS): no path that it calls invalid makes a device.
//!
//! Its keys are RSA and DSA, so as they are we refuse all of its certificates for that one reason, which proves
//! little. They are therefore carried over to our kind of key: each RSA key becomes one on P-256, and whatever the
//! old key had signed is signed by the new one, with all else as it was; a signature that did not hold
//! does not hold afterwards. End entities also get what a device's certificate says, where the suite is silent
//! about it. Then every path that the suite's certificates can form is tried, so that nothing is refused only
//! because a verifier would have taken another path: with the rules of the path ([`cert::issuer`]) at any depth,
//! and as a device under each CA that a plant could have ([`Trust`]). What comes out otherwise than the suite says is
//! listed by kind, and the lists are exact.
//!
//! The same again where the suite's revocation lists must speak for every certificate, as they do for whoever cannot
//! ask the register ([`cert::crl`]): then no path holds that the suite calls invalid, without any exception.

#![allow(clippy::unwrap_used)]

mod pkits_suite;
mod plant;

use std::collections::{BTreeMap, BTreeSet};

use cert::crl::{RevocationDepth, RevocationList, check_revocation};
use cert::issuer::{Issuer, Purpose};
use cert::{Certificate, PeerIdentity, Trust};
use pkits_suite::Suite;
use plant::NOW;

/// Expected failures that we accept where nobody looks at revocation lists, by what is in their names, and how many there are: the suite's verdict
/// follows from its revocation lists, and here revocation is looked up in the register, with every request. That
/// nothing else is wrong with them is shown by openssl, which accepts them as they are when it is not told to look at lists.
const REVOKED: [(&str, usize); 19] = [
    ("BadCRL", 2),
    ("BasicSelfIssued", 3),
    ("IDPwithindirectCRL", 2),
    ("InvalidLongSerialNumberTest18", 1),
    ("MissingCRL", 1),
    ("OldCRLnextUpdate", 1),
    ("RevokedCA", 1),
    ("RevokedEE", 1),
    ("SeparateCertificateandCRLKeys", 2),
    ("UnknownCRL", 3),
    ("WrongCRL", 1),
    ("cRLIssuer", 5),
    ("deltaCRL", 6),
    ("distributionPoint", 5),
    ("cRLSignFalse", 2),
    ("onlyContainsAttributeCerts", 1),
    ("InvalidonlyContainsCACerts", 1),
    ("onlySomeReasons", 5),
    ("pre2000CRLnextUpdate", 1),
];

/// Expected successes that we refuse, by what is in their names, how many there are, and why: our profile is narrower.
const NARROWER: [(&str, usize, &str); 19] = [
    ("nameConstraints", 16, "a plant's CAs have no name constraints"),
    ("PolicyMapping", 12, "a plant's CAs have no rules for policies"),
    ("requireExplicitPolicy", 4, "a plant's CAs have no rules for policies"),
    ("inhibitAnyPolicy", 4, "a plant's CAs have no rules for policies"),
    ("AllCertificates", 3, "a plant's CAs have no rules for policies"),
    ("AnyPolicyTest14", 1, "a plant's CAs have no rules for policies"),
    ("OverlappingPolicies", 1, "a plant's CAs have no rules for policies"),
    ("UserNoticeQualifierTest18", 1, "a plant's CAs have no rules for policies"),
    ("DSA", 2, "keys are on P-256 or P-384"),
    ("NameChaining", 3, "names are compared byte for byte"),
    ("CaseInsensitiveMatch", 1, "names are compared byte for byte"),
    ("RolloverfromPrintableString", 1, "names are compared byte for byte"),
    ("NameUIDs", 1, "unique identifiers are not to be used (RFC 5280 clause 4.1.2.8)"),
    ("SelfIssuedpathLenConstraint", 2, "a CA that signs itself anew is a CA more on the path"),
    ("basicConstraintsNotCritical", 1, "basic constraints are critical (RFC 5280 clause 4.2.1.9)"),
    ("onlyContainsCACertsTest13", 1, "a CA is no device"),
    ("ValidpathLenConstraint", 2, "a CA is no device"),
    ("GeneralizedTimenotBefore", 1, "times up to 2049 are written as UTCTime (RFC 5280 clause 4.1.2.5)"),
    ("pre2000UTCnotBefore", 1, "times are from 1970 on"),
];

/// Expected successes that we refuse only where revocation lists must speak for them: which lists we cannot judge.
const LISTS_NOT_JUDGED: [(&str, usize, &str); 6] = [
    ("BasicSelfIssued", 3, "a list counts that the key has signed which signed the certificate"),
    (
        "SeparateCertificateandCRLKeys",
        1,
        "a list counts that the key has signed which signed the certificate",
    ),
    ("IDPwithindirectCRL", 3, "a list speaks for the CA that signed it, and for no other"),
    ("cRLIssuer", 4, "a list speaks for the CA that signed it, and for no other"),
    ("distributionPoint", 3, "a distribution point has a name that is whole"),
    ("onlySomeReasons", 2, "a list is about all reasons"),
];

/// Cases whose names do not say what they are; these must fail where a verifier asks for no policy, as we do.
const FAILS_WITHOUT_POLICY: [&str; 6] = [
    "DifferentPoliciesTest12EE",
    "DifferentPoliciesTest4EE",
    "DifferentPoliciesTest5EE",
    "DifferentPoliciesTest7EE",
    "DifferentPoliciesTest8EE",
    "DifferentPoliciesTest9EE",
];

#[test]
fn none_of_the_suite_is_taken_with_its_own_keys() {
    let suite = Suite::read();
    let authorities: Vec<&[u8]> = suite.authorities().map(|(_, der)| der).collect();
    assert_eq!((authorities.len(), suite.end_entities().count()), (182, 223));
    assert!(authorities.iter().all(|der| Issuer::root(der).is_err()));
}

#[test]
fn no_path_that_is_invalid_holds_and_none_makes_a_device() {
    let published = Suite::read();
    let suite = published.carried_over();
    let paths = Paths::below_root(&suite);
    let holds: BTreeSet<&str> = names_of(&suite, |der| paths.hold(der));
    let devices: BTreeSet<&str> = names_of(&suite, |der| paths.make_device(der));
    assert!(devices.is_subset(&holds), "{devices:?}");

    let accepted_wrongly: Vec<&str> = holds.iter().copied().filter(|name| !is_expected(name)).collect();
    assert_eq!(count_by(&accepted_wrongly, REVOKED.map(|(kind, _)| kind)), BTreeMap::from(REVOKED));
    let openssl = published.accepted_by_openssl();
    let broken: Vec<&&str> = accepted_wrongly.iter().filter(|name| !openssl.contains(**name)).collect();
    assert!(broken.is_empty(), "not only revoked: {broken:?}");

    let refused: Vec<&str> = suite
        .end_entities()
        .map(|(name, _)| name)
        .filter(|name| is_expected(name) && !holds.contains(name))
        .collect();
    let narrower = NARROWER.map(|(kind, count, _)| (kind, count));
    assert_eq!(count_by(&refused, NARROWER.map(|(kind, ..)| kind)), BTreeMap::from(narrower));
    // Half of these are as they should be; those that are no devices are deeper than a plant, or directly below the root.
    assert_eq!((holds.len(), devices.len()), (88, 79));
}

#[test]
fn where_revocation_lists_must_speak_no_path_that_is_invalid_holds() {
    let suite = Suite::read().carried_over();
    let lists: Vec<RevocationList> =
        suite.lists().filter_map(|(_, der)| RevocationList::parse(der).ok()).collect();
    let paths = Paths::below_root(&suite);
    let holds: BTreeSet<&str> = names_of(&suite, |der| paths.hold(der));
    let speaks: BTreeSet<&str> = names_of(&suite, |der| paths.hold_with(&lists, der));
    assert!(speaks.is_subset(&holds), "{speaks:?}");
    let accepted_wrongly: Vec<&&str> = speaks.iter().filter(|name| !is_expected(name)).collect();
    assert!(accepted_wrongly.is_empty(), "{accepted_wrongly:?}");

    let refused: Vec<&str> = holds.difference(&speaks).copied().filter(|name| is_expected(name)).collect();
    let not_judged = LISTS_NOT_JUDGED.map(|(kind, count, _)| (kind, count));
    assert_eq!(count_by(&refused, LISTS_NOT_JUDGED.map(|(kind, ..)| kind)), BTreeMap::from(not_judged));
    assert_eq!(speaks.len(), 28);
}

/// Whether the suite expects the certificate's path to hold.
fn is_expected(name: &str) -> bool {
    !name.starts_with("Invalid") && !FAILS_WITHOUT_POLICY.contains(&name)
}

fn names_of(suite: &Suite, is_so: impl Fn(&[u8]) -> bool) -> BTreeSet<&str> {
    suite.end_entities().filter(|(_, der)| is_so(der)).map(|(name, _)| name).collect()
}

/// How many names contain each kind; a name of no kind counts under itself.
fn count_by<'a, const N: usize>(names: &[&'a str], kinds: [&'a str; N]) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        let kind = kinds.iter().find(|kind| name.contains(**kind)).unwrap_or(name);
        *counts.entry(*kind).or_default() += 1;
    }
    counts
}

/// All paths from the suite's root to CAs.
struct Paths {
    issuers: Vec<Issuer>,
    /// Plants of that root: every CA directly below it signs devices in one of them.
    plants: Vec<Trust>,
}

impl Paths {
    /// The longest path of the suite has this many CAs below its root.
    const DEPTH_MAX: usize = 5;

    fn below_root(suite: &Suite) -> Self {
        let root = Issuer::root(suite.root()).unwrap();
        let below = |issuer: &Issuer| -> Vec<Issuer> {
            suite.authorities().filter_map(|(_, der)| issuer.subordinate(der).ok()).collect()
        };
        let direct = below(&root);
        let mut issuers = vec![root];
        let mut deepest = direct.clone();
        for _ in 0..Self::DEPTH_MAX {
            issuers.extend(deepest.iter().cloned());
            deepest = deepest.iter().flat_map(below).collect();
        }
        let key = |issuer: &Issuer| issuer.certificate().spki_fingerprint();
        let plant = |plant: &Issuer| {
            let issuing: Vec<&[u8]> =
                direct.iter().filter(|ca| key(ca) != key(plant)).map(|ca| ca.certificate().der()).collect();
            Trust::new(suite.root(), plant.certificate().der(), &issuing).unwrap()
        };
        Self { issuers, plants: direct[..2].iter().map(plant).collect() }
    }

    /// Whether any path to this certificate holds.
    fn hold(&self, der: &[u8]) -> bool {
        let Ok(certificate) = Certificate::parse(der) else { return false };
        self.issuers.iter().any(|issuer| issuer.verify(&certificate, Purpose::Client, NOW).is_ok())
    }

    /// Whether any path to this certificate holds where the lists must speak for all that is on it.
    fn hold_with(&self, lists: &[RevocationList], der: &[u8]) -> bool {
        let Ok(certificate) = Certificate::parse(der) else { return false };
        let holds = |issuer: &Issuer| {
            issuer.verify(&certificate, Purpose::Client, NOW).is_ok()
                && check_revocation(issuer, &certificate, NOW, lists, RevocationDepth::Path).is_ok()
        };
        self.issuers.iter().any(holds)
    }

    /// Whether it is a device's in any plant.
    fn make_device(&self, der: &[u8]) -> bool {
        let is_device = |plant: &Trust| matches!(plant.verify_peer(der, NOW), Ok(PeerIdentity::Device(_)));
        self.plants.iter().any(is_device)
    }
}
