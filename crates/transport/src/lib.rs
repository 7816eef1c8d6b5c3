//! Mutual TLS between roles: the accept loop with its limits, the client, problem details.
