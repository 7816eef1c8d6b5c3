//! The private half of PKI: keys, profiles, issuing.
