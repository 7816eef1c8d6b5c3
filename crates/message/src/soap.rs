//! The messages as SOAP 1.1 envelopes.
