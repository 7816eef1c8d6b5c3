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

const BUNDLE: Step = ("bundle", include_str!("../migrations/core/bundle.sql"));

const STAFF: Step = ("staff", include_str!("../migrations/core/staff.sql"));

const AUTHORITY: &[Step] = &[
    AUDIT_AND_VAULT,
    ("authority", include_str!("../migrations/authority/authority.sql")),
    ("profile", include_str!("../migrations/authority/profile.sql")),
    ("apparatus", include_str!("../migrations/authority/apparatus.sql")),
    ("pack key", include_str!("../migrations/authority/pack_key.sql")),
    ("registration", include_str!("../migrations/authority/registration.sql")),
    ("pre-write key", include_str!("../migrations/authority/pre_write_key.sql")),
    ("device registration", include_str!("../migrations/authority/device_registration.sql")),
    BUNDLE,
    ("successor", include_str!("../migrations/authority/successor.sql")),
    ("renewal policy", include_str!("../migrations/authority/renewal_policy.sql")),
    ("common certificate", include_str!("../migrations/authority/common_certificate.sql")),
    ("revocation", include_str!("../migrations/authority/revocation.sql")),
    ("crl", include_str!("../migrations/authority/crl.sql")),
    ("withdrawal", include_str!("../migrations/authority/withdrawal.sql")),
    ("recovery", include_str!("../migrations/authority/recovery.sql")),
    STAFF,
    ("abandoned key", include_str!("../migrations/authority/abandoned_key.sql")),
    ("history", include_str!("../migrations/authority/history.sql")),
    ("issuing ca", include_str!("../migrations/authority/issuing_ca.sql")),
];

const GATEWAY: &[Step] = &[
    AUDIT_AND_VAULT,
    ("gateway", include_str!("../migrations/gateway/gateway.sql")),
    ("symmetric", include_str!("../migrations/gateway/symmetric.sql")),
    BUNDLE,
    ("bundle key", include_str!("../migrations/gateway/bundle_key.sql")),
    ("feed", include_str!("../migrations/gateway/feed.sql")),
    ("operator", include_str!("../migrations/gateway/operator.sql")),
    STAFF,
    ("stock sample", include_str!("../migrations/gateway/stock_sample.sql")),
];

const AUTHENTICATOR: &[Step] = &[
    AUDIT_AND_VAULT,
    ("authenticator", include_str!("../migrations/authenticator/authenticator.sql")),
    ("second form", include_str!("../migrations/authenticator/second_form.sql")),
];

const CENTER: &[Step] = &[
    AUDIT_AND_VAULT,
    ("center", include_str!("../migrations/center/center.sql")),
    ("nonce", include_str!("../migrations/center/nonce.sql")),
    ("quarantine", include_str!("../migrations/center/quarantine.sql")),
    BUNDLE,
    ("device key", include_str!("../migrations/center/device_key.sql")),
    ("firmware", include_str!("../migrations/center/firmware.sql")),
    ("managed", include_str!("../migrations/center/managed.sql")),
    STAFF,
    ("chain", include_str!("../migrations/center/chain.sql")),
    ("renewal", include_str!("../migrations/center/renewal.sql")),
    ("console", include_str!("../migrations/center/console.sql")),
];

impl Schema {
    pub(crate) fn migrator(self) -> Migrator {
        let steps = match self {
            Self::Authority => AUTHORITY,
            Self::Gateway => GATEWAY,
            Self::Authenticator => AUTHENTICATOR,
            Self::Center => CENTER,
        };
        migrator_of(steps)
    }
}

fn migrator_of(steps: &[Step]) -> Migrator {
    let migrations = (1..).zip(steps).map(|(version, (name, sql))| {
        Migration::new(version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests {
    use identity::{CredentialState, DeviceNumber};
    use sqlx::{AssertSqlSafe, Executor, PgPool, SqlitePool};

    use super::*;
    use crate::Store;
    use crate::gateway::pack::{SealedSecret, Travel};
    use crate::gateway::{attempt, credential, outbox, pack};
    use crate::testing::on_both;

    /// A factory of before there were symmetric credentials, at work.
    const FACTORY: &str = "\
        INSERT INTO chain (id, root, issuing) VALUES ('chain', x'01', x'02'); \
        INSERT INTO credential (number, product, digits, serial, state, reserved, created, chain, certificate, \
            pack_digest, sealed, slot, hardware_uid, attempt, station, expires) \
        VALUES ('3012-123456', '3012', 6, 123456, 'leased', 1, 2, 'chain', x'03', x'04', x'05', 7, '00112233', 'a', \
            'line-1', 9); \
        INSERT INTO credential (number, product, digits, serial, state, reserved) \
        VALUES ('3012-123457', '3012', 6, 123457, 'intended', 1); \
        INSERT INTO attempt (id, number, station, hardware_uid, started) \
        VALUES ('a', '3012-123456', 'line-1', '00112233', 3); \
        INSERT INTO outbox (sequence, number, time, event, failures) VALUES (1, '3012-123456', 4, 'event', 0);";

    async fn fill_old_factory(url: &str) {
        let old = migrator_of(&GATEWAY[..2]);
        if url.starts_with("sqlite:") {
            let pool = SqlitePool::connect(&format!("{url}?mode=rwc")).await.unwrap();
            old.run(&pool).await.unwrap();
            pool.execute(FACTORY).await.unwrap();
            pool.close().await;
        } else {
            let pool = PgPool::connect(url).await.unwrap();
            old.run(&pool).await.unwrap();
            // PostgreSQL writes bytes another way.
            let factory = FACTORY.replace("x'", "'\\x");
            pool.execute(AssertSqlSafe(factory)).await.unwrap();
            pool.close().await;
        }
    }

    #[tokio::test]
    async fn a_factory_of_before_symmetric_credentials_goes_on_where_it_was() {
        on_both(async |database| {
            fill_old_factory(&database.url).await;
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            let mut snapshot = store.read().await.unwrap();
            let number: DeviceNumber = "3012-123456".parse().unwrap();
            let found = credential::find(&mut snapshot, &number.clone().into()).await.unwrap().unwrap();
            assert_eq!((found.state, found.device_number), (CredentialState::Leased, Some(number.clone())));
            assert_eq!(found.lease.unwrap().expires, 9);
            let found = pack::certificate(&mut snapshot, &number).await.unwrap().unwrap();
            assert_eq!((found.created, found.key), (2, Travel::Plain));
            assert_eq!(found.secret, Some(SealedSecret { slot: 7, sealed: vec![5] }));
            let reserved: DeviceNumber = "3012-123457".parse().unwrap();
            assert_eq!(pack::certificate(&mut snapshot, &reserved).await.unwrap(), None);
            let found = attempt::find(&mut snapshot, "a").await.unwrap().unwrap();
            assert_eq!((found.number, found.owed_request), (number.clone(), None));
            let waiting = outbox::waiting(&mut snapshot, 9).await.unwrap();
            assert_eq!((waiting.len(), &waiting[0].credential), (1, &number.into()));
        })
        .await;
    }
}
