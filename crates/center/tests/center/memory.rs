//! A device's memory of its calls, which can be copied and put back.

use message::call::{Call, Nonce};
use message::problem::ProblemCode;

use crate::plant::{Device, Plant, counter};

/// What a device remembers of its calls.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    pub boot: u32,
    pub sequence: u32,
    pub total: u64,
    pub previous: Nonce,
    pub unanswered: Option<String>,
}

impl Memory {
    /// Switches the device on.
    pub fn boot(&mut self) {
        (self.boot, self.sequence) = (self.boot + 1, 0);
    }

    /// Writes down a call of what the counter stands at.
    pub fn make(&mut self, device: &Device, units: u64) {
        (self.sequence, self.total) = (self.sequence + 1, self.total + units);
        let call = Call {
            previous: Some(self.previous),
            ..device.call(self.boot, self.sequence, counter("total", self.total))
        };
        self.unanswered = Some(serde_json::to_string(&call).unwrap());
    }

    /// Sends what has no answer; the answer may be lost. Whether the center took it.
    pub async fn send(&mut self, plant: &Plant, device: &Device, is_answer_lost: bool) -> bool {
        let Some(raw) = &self.unanswered else { return true };
        match plant.post(device, raw).await {
            Ok(answer) if !is_answer_lost => {
                (self.previous, self.unanswered) = (answer.nonce.unwrap(), None);
                true
            }
            Ok(_) => true,
            Err(problem) => {
                assert_eq!(problem.code, ProblemCode::Quarantined, "{problem}");
                false
            }
        }
    }

    /// Counts and calls; whether the center took it.
    pub async fn count(&mut self, plant: &Plant, device: &Device, units: u64) -> bool {
        self.boot();
        self.make(device, units);
        self.send(plant, device, false).await
    }
}
