//! Renewals by policy: a device that calls with a certificate whose time has come is asked to renew it, so that
//! fleets stay alive without anybody's doing.
//!
//! When that is the authority says with each certificate, by the policy of its product. The request is one as any
//! other: it stays open until the device has said what came of it, and while one is open none is added.

use cert::DeviceIdentity;
use message::call::Command;
use store::center::device::{self, Standing};
use store::center::request;
use store::{StoreError, Transaction};

use crate::call::command_of;
use crate::desk::Asked;

/// Who asks by a policy.
const POLICY: &str = "renewal policy";
/// A device that was asked and shows the same certificate still is not asked again sooner.
const PAUSE_SECONDS: i64 = 86_400;

/// Whether it is time to ask a device to renew the certificate that it shows.
pub(crate) fn is_due(standing: &Standing, now: i64) -> bool {
    let has_rested = standing.renewal_asked.is_none_or(|asked| asked <= now - PAUSE_SECONDS);
    has_rested && standing.renew_from.is_some_and(|from| from <= now)
}

/// What a device that calls is asked as the request of this number, where its certificate is due. What the journal
/// is to say of it.
pub(crate) async fn ask(
    transaction: &mut Transaction,
    sender: &DeviceIdentity,
    standing: &Standing,
    number: u64,
    now: i64,
) -> Result<Option<Asked>, StoreError> {
    if !is_due(standing, now) {
        return Ok(None);
    }
    for command in request::commands(transaction, &sender.number).await? {
        if command_of(&command)? == Command::RenewCertificate {
            return Ok(None);
        }
    }
    let command = Command::RenewCertificate;
    let text = serde_json::to_string(&command).expect("a command is plain data");
    request::queue(transaction, number, &sender.number, &text, now).await?;
    device::note_renewal_asked(transaction, &sender.number, sender.spki_sha256.as_bytes(), now).await?;
    Ok(Some(Asked { command, actor: POLICY.to_owned() }))
}
