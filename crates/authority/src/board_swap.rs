//! Board swap: a device gets a new board in repair, and keeps its number.
//!
//! The old identity is void first, whatever the new board does (invariant I2). Then one new board may ask
//! under its common certificate ([`recovery`](crate::Authority::recover)), and the number is its.

use identity::{DeviceNumber, HardwareUid};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{self, Actor};
use store::authority::board_swap::{self, BoardSwap};
use store::authority::{apparatus, device};

use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::history::History;
use crate::voiding::{Selected, void_all};

/// How long a new board may take to ask.
const OPEN_SECONDS: i64 = 7 * 86_400;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Opened<'a> {
    device_number: &'a DeviceNumber,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    former_hardware_uid: Option<&'a HardwareUid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_hardware_uid: Option<&'a HardwareUid>,
}

impl Desk {
    /// Voids all that the old board of a number holds, and lets one new board have the number: any, or the
    /// one with the expected chip. It has a week to ask.
    ///
    /// # Errors
    /// The number was never issued, the expected chip is the old one, or the store fails.
    pub async fn swap_board(
        &self,
        number: &DeviceNumber,
        expected: Option<HardwareUid>,
        reason: &str,
        actor: &Actor,
    ) -> Result<BoardSwap, AuthorityError> {
        let (now, number, reason, actor) = (self.now(), number.clone(), reason.to_owned(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let former = device::find_all(transaction, std::slice::from_ref(&number)).await?.pop();
                    let former_hardware_uid = former.map(|device| device.hardware_uid);
                    if expected.is_some() && expected == former_hardware_uid {
                        let detail = format!("{number} has the board with this chip: a swap brings another");
                        return Err(AuthorityError::refused(ProblemCode::SecondDevice, detail));
                    }
                    let history = History::read(transaction, &number, ProblemCode::NotFound).await?;
                    let held = apparatus::of_device(transaction, &number).await?;
                    let old = Selected {
                        certificates: vec![(number.clone(), history.first.state)],
                        apparatuses: held.into_iter().map(|held| (held.id, held.state)).collect(),
                    };
                    void_all(transaction, now, &actor, old, &reason).await?;
                    let swap = BoardSwap {
                        number,
                        opened: now,
                        reason,
                        expires: now.saturating_add(OPEN_SECONDS),
                        former_hardware_uid,
                        expected_hardware_uid: expected,
                        recovery: None,
                    };
                    board_swap::open(transaction, &swap).await?;
                    let entry = Opened {
                        device_number: &swap.number,
                        reason: &swap.reason,
                        former_hardware_uid: swap.former_hardware_uid.as_ref(),
                        expected_hardware_uid: swap.expected_hardware_uid.as_ref(),
                    };
                    audit::append(transaction, now, actor.as_str(), "board-swap.open", &entry).await?;
                    Ok(swap)
                })
            })
            .await
    }
}
