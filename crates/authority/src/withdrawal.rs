//! What gateways are told: which credentials of their factory were withdrawn here.

use identity::MemberName;
use message::withdrawal::{WITHDRAWALS_MAX, Withdrawal, Withdrawals};
use store::authority::withdrawal;

use crate::desk::Desk;
use crate::error::AuthorityError;

impl Desk {
    /// A factory's records that come after the one of this number.
    ///
    /// # Errors
    /// The store fails.
    pub async fn withdrawals(&self, factory: &MemberName, after: u64) -> Result<Withdrawals, AuthorityError> {
        let mut snapshot = self.store.read().await?;
        let found = withdrawal::after(&mut snapshot, factory, after, WITHDRAWALS_MAX).await?;
        let records = found.into_iter().map(|withdrawal::Withdrawal { sequence, credential, reason }| {
            Withdrawal { sequence, credential, reason }
        });
        Ok(Withdrawals { records: records.collect() })
    }
}
