//! Certificates that follow a number's first one: the same invariants across both.

use std::collections::{BTreeMap, BTreeSet};

use identity::{CredentialState, DeviceNumber};
use store::authority::successor::{SuccessionCause, Successor};

use super::{AuthorityBooks, Books};

/// I2: a device has shown one of a number's certificates that counts at most, was handed one that it has
/// not shown at most, and another board got one only once those before were void.
pub(super) fn one_live_certificate(books: &Books) -> Vec<String> {
    use CredentialState::{Suspect, Verified, Voided};
    let (mut broken, first) = (Vec::new(), first_states(books));
    for (number, followers) in by_number(books) {
        let first = first.get(number).filter(|state| **state != Voided);
        let is_shown = |successor: &&&Successor| matches!(successor.state, Verified | Suspect);
        let shown = followers.iter().filter(is_shown).count() + usize::from(first.is_some());
        if shown > 1 {
            broken.push(format!("{number} has {shown} live certificates"));
        }
        let pending = followers.iter().filter(|successor| is_live(successor) && !is_shown(successor)).count();
        if pending > 1 {
            broken.push(format!("{number} has {pending} certificates that no device has shown"));
        }
        let mut is_before_live = first.is_some();
        for successor in followers {
            let is_swap = successor.cause == SuccessionCause::BoardSwap;
            if is_swap && is_live(successor) && is_before_live {
                broken.push(format!("{number} went to another board before its certificate was void"));
            }
            is_before_live |= is_live(successor);
        }
    }
    broken
}

/// I3: every successor that there ever was is in one state, and follows a certificate that was issued.
pub(super) fn accounted_for(books: &Books) -> Vec<String> {
    let (mut broken, first) = (Vec::new(), first_states(books));
    for (number, followers) in by_number(books) {
        if !first.contains_key(number) {
            broken.push(format!("{number} has successors, and was never issued"));
        }
        for (generation, successor) in (2..).zip(&followers) {
            if successor.id.generation != generation {
                broken.push(format!("certificate {generation} of {number} is lost"));
                break;
            }
        }
    }
    broken
}

/// I11: no serial and no key of a successor is another's, nor a first certificate's.
pub(super) fn uniqueness(authority: &AuthorityBooks) -> Vec<String> {
    let mut serials: BTreeSet<&[u8]> =
        authority.certificates.iter().map(|line| line.certificate_serial.as_slice()).collect();
    let mut keys: BTreeSet<&[u8]> =
        authority.certificates.iter().map(|line| line.public_key_sha256.as_slice()).collect();
    let mut broken = Vec::new();
    for successor in &authority.successors {
        let name = || format!("certificate {} of {}", successor.id.generation, successor.id.number);
        if !serials.insert(&successor.certificate_serial) {
            broken.push(format!("{} has another's certificate serial", name()));
        }
        // One that was never signed gives its key back.
        if successor.state != CredentialState::Abandoned && !keys.insert(&successor.public_key_sha256) {
            broken.push(format!("{} has another's key", name()));
        }
    }
    broken
}

/// I12: what a device may hold was signed and is on record.
pub(super) fn unsigned(authority: &AuthorityBooks) -> Vec<String> {
    use CredentialState::{Abandoned, Intended};
    let unsigned = authority.successors.iter().filter(|successor| {
        successor.certificate.is_none() && !matches!(successor.state, Intended | Abandoned)
    });
    unsigned
        .map(|successor| {
            let (number, generation) = (&successor.id.number, successor.id.generation);
            format!("certificate {generation} of {number} is {} and has no certificate", successor.state)
        })
        .collect()
}

/// The numbers that a device with another chip has taken over, or is about to.
pub(super) fn moved(books: &Books) -> BTreeSet<&DeviceNumber> {
    let successors = books.authority.iter().flat_map(|authority| &authority.successors);
    let swaps = successors.filter(|successor| successor.cause == SuccessionCause::BoardSwap);
    swaps.map(|successor| &successor.id.number).collect()
}

/// The successors of each number, in the order of their generations.
fn by_number(books: &Books) -> BTreeMap<&DeviceNumber, Vec<&Successor>> {
    let mut numbers: BTreeMap<&DeviceNumber, Vec<&Successor>> = BTreeMap::new();
    for successor in books.authority.iter().flat_map(|authority| &authority.successors) {
        numbers.entry(&successor.id.number).or_default().push(successor);
    }
    for followers in numbers.values_mut() {
        followers.sort_by_key(|successor| successor.id.generation);
    }
    numbers
}

/// Where the first certificate of each number stands.
fn first_states(books: &Books) -> BTreeMap<&DeviceNumber, CredentialState> {
    let certificates = books.authority.iter().flat_map(|authority| &authority.certificates);
    certificates.map(|line| (&line.number, line.state)).collect()
}

fn is_live(successor: &Successor) -> bool {
    !matches!(successor.state, CredentialState::Voided | CredentialState::Abandoned)
}
