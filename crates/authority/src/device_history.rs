//! What a center is told of one device number, for the page that shows its whole life.

use cert::Certificate;
use identity::DeviceNumber;
use message::history::{
    BoardSwapHistory, CertificateHistory, DeviceHistory, Made, RecoveryHistory, Revoked, Signed, Told,
};
use message::problem::ProblemCode;
use pki::NO_EXPIRY;
use store::StoreError;
use store::authority::board_swap::{self, BoardSwap};
use store::authority::recovery::{self, Recovery};
use store::authority::{device, history};

use crate::desk::Desk;
use crate::error::AuthorityError;

impl Desk {
    /// All that is known of a number.
    ///
    /// # Errors
    /// It was never ordered, or the store fails.
    pub async fn device_history(&self, number: DeviceNumber) -> Result<DeviceHistory, AuthorityError> {
        let snapshot = &mut self.store.read().await?;
        let ordered = history::ordered(snapshot, &number).await?.ok_or_else(|| {
            AuthorityError::refused(ProblemCode::NotFound, format!("{number} was never ordered"))
        })?;
        let certificates = history::certificates(snapshot, &number).await?;
        let made = device::find_all(snapshot, std::slice::from_ref(&number)).await?.pop();
        Ok(DeviceHistory {
            factory: ordered.factory,
            ordered: ordered.time,
            reason: ordered.reason,
            made: made.map(|device| Made {
                station: device.station,
                proved: device.verified,
                hardware_uid: device.hardware_uid,
            }),
            certificates: certificates.into_iter().map(certificate).collect::<Result<_, StoreError>>()?,
            board_swaps: board_swap::of_number(snapshot, &number).await?.into_iter().map(board).collect(),
            recoveries: recovery::of_number(snapshot, &number).await?.into_iter().map(request).collect(),
            device_number: number,
        })
    }
}

fn certificate(stored: history::Certificate) -> Result<CertificateHistory, StoreError> {
    let signed = stored.signed.map(|(time, der)| signed(time, &der)).transpose()?;
    Ok(CertificateHistory {
        generation: stored.generation,
        cause: stored.cause,
        state: stored.state,
        serial: hex::encode(stored.serial),
        ordered: stored.ordered,
        signed,
        hardware_uid: stored.hardware_uid,
        told: stored.told.into_iter().map(|(time, state)| Told { time, state }).collect(),
        revoked: stored.revoked.map(|(time, reason)| Revoked { time, reason: reason.to_string() }),
    })
}

fn signed(time: i64, der: &[u8]) -> Result<Signed, StoreError> {
    let certificate = Certificate::parse(der).map_err(|_| StoreError::Corrupt { what: "certificate" })?;
    Ok(Signed {
        time,
        issuer: certificate.issuer(),
        not_before: certificate.not_before(),
        not_after: Some(certificate.not_after()).filter(|end| *end != NO_EXPIRY),
    })
}

fn board(swap: BoardSwap) -> BoardSwapHistory {
    BoardSwapHistory {
        opened: swap.opened,
        reason: swap.reason,
        former_hardware_uid: swap.former_hardware_uid,
        is_done: swap.recovery.is_some(),
    }
}

fn request(recovery: Recovery) -> RecoveryHistory {
    RecoveryHistory {
        asked: recovery.asked,
        state: recovery.state.to_string(),
        ground: recovery.ground.map(|ground| ground.to_string()),
        hardware_uid: recovery.hardware_uid,
    }
}
