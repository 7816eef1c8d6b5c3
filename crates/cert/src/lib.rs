//! The public half of PKI: parse, lint, verify. Cannot issue.
