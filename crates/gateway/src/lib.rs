//! The factory's buffer: reads the plan, keeps packs encrypted, leases each once, reports upstream.
