//! The role that answers devices in the field.
