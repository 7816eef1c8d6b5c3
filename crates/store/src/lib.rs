//! Durable storage: a repository per noun, one transaction per request, SQLite and PostgreSQL behind it.
