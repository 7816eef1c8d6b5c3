//! The chronicle of a number: all certificates that it has had, why, and on which boards.

use identity::DeviceNumber;
use message::problem::ProblemCode;
use store::authority::board_swap::{self, BoardSwap};
use store::authority::credential::Credential;
use store::authority::device::{self, Device};
use store::authority::recovery::{self, Recovery};
use store::authority::successor::Successor;

use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::history::History;

/// All that became of a number.
pub struct Chronicle {
    /// The certificate that it was made with.
    pub first: Credential,
    /// Those that followed, in order.
    pub successors: Vec<Successor>,
    /// The board that has proved itself last, where one has.
    pub device: Option<Device>,
    /// The swaps of its board, in order; each names the chip that was there before.
    pub board_swaps: Vec<BoardSwap>,
    /// What was asked for it under common certificates, in order.
    pub recoveries: Vec<Recovery>,
}

impl Desk {
    /// The chronicle of a number.
    ///
    /// # Errors
    /// It was never issued, or the store fails.
    pub async fn chronicle(&self, number: &DeviceNumber) -> Result<Chronicle, AuthorityError> {
        let snapshot = &mut self.store.read().await?;
        let history = History::read(snapshot, number, ProblemCode::NotFound).await?;
        Ok(Chronicle {
            first: history.first,
            successors: history.successors,
            device: device::find_all(snapshot, std::slice::from_ref(number)).await?.pop(),
            board_swaps: board_swap::of_number(snapshot, number).await?,
            recoveries: recovery::of_number(snapshot, number).await?,
        })
    }
}
