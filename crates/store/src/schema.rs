//! Which tables a store has: a role's own and those that every store has.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Whose store it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Schema {
    /// The authority's: products, factories, certificates, CA keys.
    Authority,
    /// A gateway's: plan, stock, leases, outbox.
    Gateway,
    /// An authenticator's: apparatus register, nonces, signing keys.
    Authenticator,
    /// A center's: device register, journal of calls, counters, requests.
    Center,
}

/// A name and its SQL. The place in the list is the version, so lists only ever grow at their end.
type Step = (&'static str, &'static str);

const AUDIT_AND_VAULT: Step = ("audit and vault", include_str!("../migrations/core/audit_and_vault.sql"));

const AUTHORITY: &[Step] = &[
    AUDIT_AND_VAULT,
    ("authority", include_str!("../migrations/authority/authority.sql")),
    ("profile", include_str!("../migrations/authority/profile.sql")),
    ("apparatus", include_str!("../migrations/authority/apparatus.sql")),
    ("pack key", include_str!("../migrations/authority/pack_key.sql")),
    ("registration", include_str!("../migrations/authority/registration.sql")),
    ("pre-write key", include_str!("../migrations/authority/pre_write_key.sql")),
    ("device registration", include_str!("../migrations/authority/device_registration.sql")),
];

const GATEWAY: &[Step] = &[
    AUDIT_AND_VAULT,
    ("gateway", include_str!("../migrations/gateway/gateway.sql")),
    ("symmetric", include_str!("../migrations/gateway/symmetric.sql")),
];

const AUTHENTICATOR: &[Step] = &[
    AUDIT_AND_VAULT,
    ("authenticator", include_str!("../migrations/authenticator/authenticator.sql")),
    ("second form", include_str!("../migrations/authenticator/second_form.sql")),
];

const CENTER: &[Step] = &[AUDIT_AND_VAULT, ("center", include_str!("../migrations/center/center.sql"))];

impl Schema {
    pub(crate) fn migrator(self) -> Migrator {
        let steps = match self {
            Self::Authority => AUTHORITY,
            Self::Gateway => GATEWAY,
            Self::Authenticator => AUTHENTICATOR,
            Self::Center => CENTER,
        };
        let migrations = (1..).zip(steps).map(|(version, (name, sql))| {
            Migration::new(version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        Migrator::with_migrations(migrations.collect())
    }
}
