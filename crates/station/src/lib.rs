//! The role on the production line: scan, write, prove, report.
