//! Frames of the line protocol between a station and a device.
