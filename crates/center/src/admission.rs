//! Who may call, and for whom: what the TLS session says, held against the register and the relations.

use cert::device::Registration;
use cert::{DeviceIdentity, Refusal};
use identity::{CredentialState, DeviceNumber};
use message::call::Call;
use store::center::device::{self, ShownKey, Standing};
use store::center::managed;
use store::{Snapshot, StoreError};

use crate::incident::{Incident, IncidentKind};

/// A call that may be made.
pub(crate) struct Admitted {
    /// How the device stands that made and numbered it.
    pub(crate) caller: Standing,
    /// The managed device that it is about, and how that stands; none where it is about the caller.
    pub(crate) about: Option<(DeviceNumber, Standing)>,
    /// The intermediate device that passed it on.
    pub(crate) through: Option<DeviceNumber>,
}

/// Whether the sender may make this call: for itself, about a device that it manages, or passing on a call of such a
/// device.
pub(crate) async fn admit(
    snapshot: &mut Snapshot,
    sender: &DeviceIdentity,
    call: &Call,
) -> Result<Result<Admitted, Incident>, StoreError> {
    let number = &sender.number;
    let own = match recognize(snapshot, sender).await? {
        Ok(own) => own,
        Err(incident) => return Ok(Err(incident)),
    };
    let (caller, through) = if call.device_number == *number {
        (own, None)
    } else {
        if !speaks_for(snapshot, number, &call.device_number).await? {
            let detail = format!("{number} made a call as {}", call.device_number);
            return Ok(Err(Incident::new(IncidentKind::ForeignNumber, detail)));
        }
        if own.is_quarantined {
            return Ok(Err(quarantined(number)));
        }
        match managed_standing(snapshot, &call.device_number).await? {
            Ok(caller) => (caller, Some(number.clone())),
            Err(incident) => return Ok(Err(incident)),
        }
    };
    let Some(other) = call.on_behalf_of.as_ref().filter(|other| **other != call.device_number) else {
        return Ok(Ok(Admitted { caller, about: None, through }));
    };
    // A device that is spoken for speaks for nobody itself.
    if through.is_some() || !speaks_for(snapshot, number, other).await? {
        let detail = format!("{} spoke for {other}", call.device_number);
        return Ok(Err(Incident::new(IncidentKind::NotManaged, detail)));
    }
    Ok(match managed_standing(snapshot, other).await? {
        Ok(standing) if standing.is_quarantined => Err(quarantined(other)),
        Ok(standing) => Ok(Admitted { caller, about: Some((other.clone(), standing)), through }),
        Err(incident) => Err(incident),
    })
}

/// Whether the sender may carry requests of this device: one that it manages.
pub(crate) async fn admit_carrier(
    snapshot: &mut Snapshot,
    sender: &DeviceIdentity,
    device: &DeviceNumber,
) -> Result<Result<(), Incident>, StoreError> {
    let number = &sender.number;
    match recognize(snapshot, sender).await? {
        Ok(own) if own.is_quarantined => return Ok(Err(quarantined(number))),
        Ok(_) => {}
        Err(incident) => return Ok(Err(incident)),
    }
    if !speaks_for(snapshot, number, device).await? {
        let detail = format!("{number} carried a request of {device}");
        return Ok(Err(Incident::new(IncidentKind::NotManaged, detail)));
    }
    Ok(match managed_standing(snapshot, device).await? {
        Ok(standing) if standing.is_quarantined => Err(quarantined(device)),
        Ok(_) => Ok(()),
        Err(incident) => Err(incident),
    })
}

/// How the device of a session stands, where that is who it says.
pub(crate) async fn recognize(
    snapshot: &mut Snapshot,
    sender: &DeviceIdentity,
) -> Result<Result<Standing, Incident>, StoreError> {
    let standing = device::standing(snapshot, &sender.number, Some(&shown_key(sender))).await?;
    Ok(check_session(sender, &standing).map(|()| standing))
}

/// The key that a session shows.
pub(crate) fn shown_key(sender: &DeviceIdentity) -> ShownKey {
    ShownKey {
        public_key_sha256: *sender.spki_sha256.as_bytes(),
        issuer_sha256: *sender.issuer_sha256.as_bytes(),
    }
}

/// That this device is in quarantine.
pub(crate) fn quarantined(number: &DeviceNumber) -> Incident {
    Incident::new(IncidentKind::Quarantined, format!("{number} is in quarantine"))
}

/// Whether the session is that of the device that the authority named: a key of its number, its issuer, and a
/// certificate in use.
pub(crate) fn check_session(sender: &DeviceIdentity, standing: &Standing) -> Result<(), Incident> {
    let number = &sender.number;
    if standing.registered.is_none() {
        let detail = format!("{number} is not registered here, or not yet");
        return Err(Incident::new(IncidentKind::Unregistered, detail));
    }
    if !standing.is_issuer_known {
        let detail = format!("the certificate of {number} is not from the CA that issued for it");
        return Err(Incident::new(IncidentKind::OtherIssuer, detail));
    }
    let Some(state) = standing.state else {
        let refusal = Refusal::OtherKey(number.clone());
        return Err(Incident::new(IncidentKind::OtherKey, refusal.to_string()));
    };
    // Of certificates that are leased the authority tells only where they follow others.
    let registration = Registration { spki_sha256: sender.spki_sha256, state, is_successor: true };
    sender
        .check_registration(&registration)
        .map_err(|refusal| Incident::new(IncidentKind::NotInUse, refusal.to_string()))
}

async fn speaks_for(
    snapshot: &mut Snapshot,
    intermediate: &DeviceNumber,
    device: &DeviceNumber,
) -> Result<bool, StoreError> {
    Ok(managed::speaker(snapshot, device).await?.is_some_and(|speaker| speaker == *intermediate))
}

/// How a managed device stands. It needs no credential; one that was withdrawn silences it all the same.
async fn managed_standing(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<Result<Standing, Incident>, StoreError> {
    let standing = device::standing(snapshot, number, None).await?;
    Ok(match standing.registered {
        Some(state @ (CredentialState::Suspect | CredentialState::Voided)) => {
            Err(Incident::new(IncidentKind::NotInUse, format!("the credential of {number} is {state}")))
        }
        _ => Ok(standing),
    })
}
