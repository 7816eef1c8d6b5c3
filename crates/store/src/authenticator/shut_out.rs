//! Services that the authority has shut out, as it said last.

use std::collections::BTreeSet;

use identity::MemberName;

use crate::{Snapshot, StoreError, Transaction};

/// Who is shut out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ShutOut {
    /// The services of which no certificate counts.
    pub services: BTreeSet<MemberName>,
    /// The serial numbers, hexadecimal, of the services' certificates that were revoked.
    pub certificate_serials: BTreeSet<String>,
}

/// Whether a service is shut out.
///
/// # Errors
/// The store fails.
pub async fn holds_service(snapshot: &mut Snapshot, name: &MemberName) -> Result<bool, StoreError> {
    let row: Option<(String,)> =
        fetch_optional!(snapshot, "SELECT name FROM shut_out_service WHERE name = $1", name.as_str())?;
    Ok(row.is_some())
}

/// Whether a certificate was revoked.
///
/// # Errors
/// The store fails.
pub async fn holds_certificate(snapshot: &mut Snapshot, serial: &str) -> Result<bool, StoreError> {
    let row: Option<(String,)> =
        fetch_optional!(snapshot, "SELECT serial FROM shut_out_certificate WHERE serial = $1", serial)?;
    Ok(row.is_some())
}

/// Who is shut out.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot) -> Result<ShutOut, StoreError> {
    let services: Vec<(String,)> = fetch_all!(snapshot, "SELECT name FROM shut_out_service")?;
    let serials: Vec<(String,)> = fetch_all!(snapshot, "SELECT serial FROM shut_out_certificate")?;
    let parsed = |(name,): (String,)| crate::statement::parsed("shut_out_service.name", &name);
    Ok(ShutOut {
        services: services.into_iter().map(parsed).collect::<Result<_, _>>()?,
        certificate_serials: serials.into_iter().map(|(serial,)| serial).collect(),
    })
}

/// Puts what the authority says now in place of what it said before.
///
/// # Errors
/// The store fails.
pub async fn replace(transaction: &mut Transaction, shut_out: &ShutOut) -> Result<(), StoreError> {
    let services: Vec<_> = shut_out.services.iter().collect();
    let serials: Vec<_> = shut_out.certificate_serials.iter().collect();
    execute!(transaction, "DELETE FROM shut_out_service")?;
    execute!(transaction, "DELETE FROM shut_out_certificate")?;
    execute_all!(transaction, "INSERT INTO shut_out_service (name) ", services, |name| (name.as_str()), "")?;
    execute_all!(
        transaction,
        "INSERT INTO shut_out_certificate (serial) ",
        serials,
        |serial| (serial.as_str()),
        ""
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Schema, Store};

    #[tokio::test]
    async fn what_the_authority_says_last_counts() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            let say = async |services: &[&str], serials: &[&str]| {
                let shut_out = ShutOut {
                    services: services.iter().map(|name| name.parse().unwrap()).collect(),
                    certificate_serials: serials.iter().map(ToString::to_string).collect(),
                };
                let said = shut_out.clone();
                let done: Result<(), StoreError> = store
                    .write(move |transaction| Box::pin(async move { replace(transaction, &said).await }))
                    .await;
                done.unwrap();
                assert_eq!(find(&mut store.read().await.unwrap()).await.unwrap(), shut_out);
            };
            let is_out = async |name: &str, serial: &str| {
                let mut snapshot = store.read().await.unwrap();
                let service = holds_service(&mut snapshot, &name.parse().unwrap()).await.unwrap();
                (service, holds_certificate(&mut snapshot, serial).await.unwrap())
            };
            assert_eq!(is_out("supplies", "01").await, (false, false));
            say(&["repairs", "supplies"], &["01", "02"]).await;
            assert_eq!(is_out("supplies", "01").await, (true, true));
            assert_eq!(is_out("billing", "03").await, (false, false));
            // It has joined again: it counts, its old certificate does not.
            say(&["repairs"], &["01", "02"]).await;
            assert_eq!(is_out("supplies", "01").await, (false, true));
        })
        .await;
    }
}
