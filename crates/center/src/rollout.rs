//! Roll-outs: a package goes to a share of a product's devices, as they call; more than so many failures
//! halt it; and what it brought can be taken back.

use identity::{DeviceNumber, FirmwareVersion, Member, ProductCode};
use message::call::{Command, Outcome, RequestResult};
use serde::Serialize;
use store::audit::{self, Actor};
use store::center::firmware::{self, Firmware};
use store::center::rollout::{self, Counts, Rollout, State, Step, StepOutcome};
use store::center::{device, request};
use store::{StoreError, Transaction};

use crate::desk::{Asked, Desk};
use crate::error::CenterError;
use crate::firmware::unknown_firmware;

/// How a roll-out begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RolloutPlan {
    /// The package, by name.
    pub firmware: String,
    /// The product that it is for.
    pub product: ProductCode,
    /// The share of the product's devices that get it at first, in percent.
    pub share: u8,
    /// It halts by itself where more than so many percent of the results are no success.
    pub halt_above: u8,
    /// How many results there must be before it does.
    pub minimum: u64,
}

impl Desk {
    /// All roll-outs, the last first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn rollouts(&self) -> Result<Vec<Rollout>, StoreError> {
        rollout::list(&mut self.store.read().await?).await
    }

    /// Begins a roll-out. The one that the product had ends.
    ///
    /// # Errors
    /// There is no such package of the product, or the store fails.
    pub async fn start_rollout(&self, plan: RolloutPlan, actor: &Actor) -> Result<Rollout, CenterError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let found = firmware::find(transaction, &plan.firmware).await?;
                    let found = found.ok_or_else(|| unknown_firmware(&plan.firmware))?;
                    if found.product != plan.product {
                        let detail = format!("the package {} is for {}", found.name, found.product);
                        return Err(CenterError::Conflict(detail));
                    }
                    let mut rollout = new_rollout(plan, found, now);
                    rollout.id = rollout::begin(transaction, &rollout).await?;
                    record(transaction, &rollout, &actor, "rollout.start", now).await?;
                    Ok(rollout)
                })
            })
            .await
    }

    /// Gives the package to a larger share; who got it before is part of it.
    ///
    /// # Errors
    /// There is no such roll-out, it takes no more devices, the share is not larger, or the store fails.
    pub async fn widen_rollout(&self, id: u64, share: u8, actor: &Actor) -> Result<Rollout, CenterError> {
        self.change(id, actor, "rollout.widen", move |rollout, _| {
            if !matches!(rollout.state, State::Running | State::Halted) {
                return Err(format!("it is {}", rollout.state));
            }
            if share <= rollout.share || share > 100 {
                return Err(format!("its share is {} percent, and {share} is no more", rollout.share));
            }
            rollout.share = share;
            Ok(())
        })
        .await
    }

    /// Asks no more devices, and gives the package to none, until it is resumed.
    ///
    /// # Errors
    /// There is no such roll-out, it does not run, or the store fails.
    pub async fn halt_rollout(&self, id: u64, actor: &Actor) -> Result<Rollout, CenterError> {
        let by = actor.as_str().to_owned();
        self.change(id, actor, "rollout.halt", move |rollout, _| match rollout.state {
            State::Running => {
                (rollout.state, rollout.reason) = (State::Halted, format!("halted by {by}"));
                Ok(())
            }
            state => Err(format!("it is {state}")),
        })
        .await
    }

    /// Lets a halted roll-out go on. What has failed so far no longer counts against it.
    ///
    /// # Errors
    /// There is no such roll-out, it is not halted, or the store fails.
    pub async fn resume_rollout(&self, id: u64, actor: &Actor) -> Result<Rollout, CenterError> {
        self.change(id, actor, "rollout.resume", |rollout, _| match rollout.state {
            State::Halted => {
                let Counts { done, refused, failed, .. } = rollout.counts;
                rollout.before = (done + refused + failed, refused + failed);
                (rollout.state, rollout.reason) = (State::Running, String::new());
                Ok(())
            }
            state => Err(format!("it is {state}")),
        })
        .await
    }

    /// Asks the devices that run what the roll-out brought to go back, as they call: to this package, or
    /// without a name to the last version before.
    ///
    /// # Errors
    /// There is no such roll-out or no package to go back to, the maker lets no device go back to it, or the
    /// store fails.
    pub async fn roll_back(
        &self,
        id: u64,
        to: Option<String>,
        actor: &Actor,
    ) -> Result<Rollout, CenterError> {
        self.change(id, actor, "rollout.roll-back", move |rollout, packages| {
            if !matches!(rollout.state, State::Running | State::Halted) {
                return Err(format!("it is {}", rollout.state));
            }
            let of_product = || packages.iter().filter(|package| package.product == rollout.product);
            let current = of_product().find(|package| package.name == rollout.firmware);
            let security = current.map_or(0, |package| package.security);
            // The list begins with the last version.
            let previous = of_product()
                .filter(|package| package.version < rollout.version)
                .find(|package| to.as_ref().is_none_or(|name| *name == package.name))
                .ok_or("there is no such package of an earlier version")?;
            if previous.security < security {
                return Err(format!(
                    "the maker lets no device go back: the security number of {} is {}, and this one's {security}",
                    previous.version, previous.security,
                ));
            }
            rollout.previous = Some((previous.name.clone(), previous.version));
            (rollout.state, rollout.reason) = (State::RollingBack, format!("back to {}", previous.version));
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        id: u64,
        actor: &Actor,
        verb: &'static str,
        change: impl FnOnce(&mut Rollout, &[Firmware]) -> Result<(), String> + Send + 'static,
    ) -> Result<Rollout, CenterError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let found = rollout::find(transaction, id).await?;
                    let mut rollout =
                        found.ok_or_else(|| CenterError::Unknown(format!("there is no roll-out {id}")))?;
                    let packages = firmware::list(transaction).await?;
                    change(&mut rollout, &packages)
                        .map_err(|why| CenterError::Conflict(format!("roll-out {id}: {why}")))?;
                    rollout::change(transaction, &rollout, now).await?;
                    record(transaction, &rollout, &actor, verb, now).await?;
                    Ok(rollout)
                })
            })
            .await
    }
}

/// Whether a device is in the share of a roll-out: always the same devices of a roll-out, and those of a
/// smaller share are in every larger one.
pub fn is_in_share(rollout: u64, device: &DeviceNumber, share: u8) -> bool {
    let digest = cert::Fingerprint::of(format!("touchmark roll-out {rollout} {device}").as_bytes());
    let (start, _) = digest.as_bytes().split_first_chunk().expect("a hash is longer");
    u64::from_be_bytes(*start) % 100 < u64::from(share)
}

/// What the product's roll-out asks of a device that calls, as the request of this number, if anything.
/// What the journal is to say of it.
pub(crate) async fn ask(
    transaction: &mut Transaction,
    id: u64,
    device: &DeviceNumber,
    runs: Option<FirmwareVersion>,
    request: u64,
    now: i64,
) -> Result<Option<Asked>, StoreError> {
    let found = rollout::find(transaction, id).await?;
    let rollout = found.ok_or(StoreError::Corrupt { what: "rollout.id" })?;
    let (step, package) = match (rollout.state, &rollout.previous) {
        (State::Running, _)
            if runs.is_none_or(|version| version < rollout.version)
                && is_in_share(id, device, rollout.share) =>
        {
            (Step::Fetch, &rollout.firmware)
        }
        (State::RollingBack, Some((previous, _))) if runs == Some(rollout.version) => {
            (Step::RollBack, previous)
        }
        _ => return Ok(None),
    };
    let steps = rollout::steps(transaction, id, device).await?;
    // Only who got the package by this roll-out goes back.
    if steps.contains(&step) || (step == Step::RollBack && !steps.contains(&Step::Fetch)) {
        return Ok(None);
    }
    let package = package.parse().map_err(|_| StoreError::Corrupt { what: "rollout.firmware" })?;
    let command = match step {
        Step::Fetch => Command::FetchFirmware { package },
        Step::RollBack => Command::RollBackFirmware { package },
    };
    let text = serde_json::to_string(&command).expect("a command is plain data");
    request::queue(transaction, request, device, &text, now).await?;
    rollout::ask(transaction, id, device, step, request).await?;
    Ok(Some(Asked { command, actor: format!("roll-out {id}") }))
}

/// Counts what came of a request where it was part of a roll-out, and halts the roll-out where too much
/// failed. A device that says that it has done it, and runs something else, has failed.
pub(crate) async fn settle(
    transaction: &mut Transaction,
    result: &RequestResult,
    runs: Option<FirmwareVersion>,
    center: &Member,
    now: i64,
) -> Result<(), StoreError> {
    let Some((mut rollout, step)) = rollout::of_request(transaction, result.request).await? else {
        return Ok(());
    };
    let target = match step {
        Step::Fetch => Some(rollout.version),
        Step::RollBack => rollout.previous.as_ref().map(|(_, version)| *version),
    };
    let outcome = match &result.outcome {
        Outcome::Done if runs.is_none() || runs == target => StepOutcome::Done,
        Outcome::Done | Outcome::Failed { .. } => StepOutcome::Failed,
        Outcome::Refused { .. } => StepOutcome::Refused,
    };
    rollout.counts = rollout::finish(transaction, result.request, (&rollout, step), outcome).await?;
    let (finished, unsuccessful) = rollout.recent();
    let is_too_much =
        finished >= rollout.minimum && unsuccessful * 100 > finished * u64::from(rollout.halt_above);
    if rollout.state == State::Running && step == Step::Fetch && is_too_much {
        rollout.state = State::Halted;
        rollout.reason = format!("{unsuccessful} of {finished} devices do not run it");
        tracing::warn!(rollout = rollout.id, reason = rollout.reason, "a roll-out is halted");
        rollout::change(transaction, &rollout, now).await?;
        record(transaction, &rollout, &Actor::member(center), "rollout.halt", now).await?;
    }
    Ok(())
}

/// Stores what a device says that it runs.
pub(crate) async fn note_firmware(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    said: Option<FirmwareVersion>,
    known: Option<FirmwareVersion>,
) -> Result<Option<FirmwareVersion>, StoreError> {
    match said {
        Some(version) if known != said => device::set_firmware(transaction, device, version).await?,
        _ => {}
    }
    Ok(said.or(known))
}

fn new_rollout(plan: RolloutPlan, firmware: Firmware, now: i64) -> Rollout {
    Rollout {
        id: 0,
        product: firmware.product,
        firmware: firmware.name,
        version: firmware.version,
        previous: None,
        share: plan.share,
        halt_above: plan.halt_above,
        minimum: plan.minimum,
        state: State::Running,
        reason: String::new(),
        started: now,
        changed: now,
        counts: Counts::default(),
        before: (0, 0),
    }
}

/// What the audit log says of a roll-out.
#[derive(Serialize)]
struct Audited<'a> {
    rollout: u64,
    firmware: &'a str,
    version: FirmwareVersion,
    share: u8,
    state: &'static str,
    reason: &'a str,
}

async fn record(
    transaction: &mut Transaction,
    rollout: &Rollout,
    actor: &Actor,
    verb: &'static str,
    now: i64,
) -> Result<(), StoreError> {
    let body = Audited {
        rollout: rollout.id,
        firmware: &rollout.firmware,
        version: rollout.version,
        share: rollout.share,
        state: rollout.state.as_str(),
        reason: &rollout.reason,
    };
    audit::append(transaction, now, actor.as_str(), verb, &body).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_share_has_all_of_a_smaller_one() {
        let numbers: Vec<DeviceNumber> =
            (0..2_000).map(|n| format!("3012-{n:06}").parse().unwrap()).collect();
        let mut before = 0;
        for share in 1..=100 {
            let inside = numbers.iter().filter(|number| is_in_share(7, number, share));
            let count = inside.inspect(|number| assert!(is_in_share(7, number, 100))).count();
            let lost = numbers.iter().filter(|n| is_in_share(7, n, share - 1) && !is_in_share(7, n, share));
            assert_eq!(lost.count(), 0);
            assert!(count >= before && count.abs_diff(usize::from(share) * 20) < 120, "{share}: {count}");
            before = count;
        }
        assert_eq!(before, numbers.len());
    }
}
