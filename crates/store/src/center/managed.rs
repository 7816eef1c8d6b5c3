//! Intermediate devices, and the devices that they speak for.

use std::fmt;
use std::str::FromStr;

use identity::{DeviceNumber, ProductCode};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// Who approves what the intermediate devices of a product manage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Approval {
    /// A person, each device.
    Person,
    /// Nobody: what such a device registers is approved, where no other intermediate device has it.
    Automatic,
}

/// How a relation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The intermediate device has asked for it.
    Requested,
    /// The intermediate device speaks for the device.
    Approved,
    /// It does so no more.
    Ended,
}

/// A device and one that speaks for it, or would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relation {
    /// The managed device.
    pub device: DeviceNumber,
    /// The intermediate device.
    pub intermediate: DeviceNumber,
    /// How the relation stands.
    pub state: State,
    /// When that came about, in seconds since 1970.
    pub changed: i64,
}

/// Lets the devices of a product manage others, approved like this.
///
/// # Errors
/// The store fails.
pub async fn mark(
    transaction: &mut Transaction,
    product: &ProductCode,
    approval: Approval,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO intermediate_product (product, approval) VALUES ($1, $2) \
         ON CONFLICT (product) DO UPDATE SET approval = excluded.approval",
        product.to_string(),
        approval.as_str(),
    )?;
    Ok(())
}

/// Lets the devices of a product register no more devices. What was approved stays so.
///
/// # Errors
/// The store fails.
pub async fn unmark(transaction: &mut Transaction, product: &ProductCode) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM intermediate_product WHERE product = $1", product.to_string())?;
    Ok(())
}

/// Who approves what devices of this product manage; none where they may not.
///
/// # Errors
/// The store fails.
pub async fn approval(
    snapshot: &mut Snapshot,
    product: &ProductCode,
) -> Result<Option<Approval>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        snapshot,
        "SELECT approval FROM intermediate_product WHERE product = $1",
        product.to_string(),
    )?;
    row.map(|(approval,)| parsed("intermediate_product.approval", &approval)).transpose()
}

/// The products whose devices may manage others.
///
/// # Errors
/// The store fails.
pub async fn products(snapshot: &mut Snapshot) -> Result<Vec<(ProductCode, Approval)>, StoreError> {
    let rows: Vec<(String, String)> =
        fetch_all!(snapshot, "SELECT product, approval FROM intermediate_product ORDER BY product")?;
    rows.into_iter()
        .map(|(product, approval)| {
            let product = parsed("intermediate_product.product", &product)?;
            Ok((product, parsed("intermediate_product.approval", &approval)?))
        })
        .collect()
}

/// Sets how a relation stands. Approval ends whatever other intermediate device spoke for the device.
///
/// # Errors
/// The store fails.
pub async fn set(transaction: &mut Transaction, relation: &Relation) -> Result<(), StoreError> {
    if relation.state == State::Approved {
        execute!(
            transaction,
            "UPDATE managed SET state = 'ended', changed = $1 WHERE device = $2 AND state = 'approved'",
            relation.changed,
            relation.device.to_string(),
        )?;
    }
    execute!(
        transaction,
        "INSERT INTO managed (device, intermediate, state, changed) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (device, intermediate) DO UPDATE SET state = excluded.state, changed = excluded.changed",
        relation.device.to_string(),
        relation.intermediate.to_string(),
        relation.state.as_str(),
        relation.changed,
    )?;
    Ok(())
}

/// The intermediate device that speaks for this device, if one does.
///
/// # Errors
/// The store fails.
pub async fn speaker(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
) -> Result<Option<DeviceNumber>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        snapshot,
        "SELECT intermediate FROM managed WHERE device = $1 AND state = 'approved'",
        device.to_string(),
    )?;
    row.map(|(intermediate,)| parsed("managed.intermediate", &intermediate)).transpose()
}

/// How the relation of two devices stands, if there is one.
///
/// # Errors
/// The store fails.
pub async fn state(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    intermediate: &DeviceNumber,
) -> Result<Option<State>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        snapshot,
        "SELECT state FROM managed WHERE device = $1 AND intermediate = $2",
        device.to_string(),
        intermediate.to_string(),
    )?;
    row.map(|(state,)| parsed("managed.state", &state)).transpose()
}

/// How many relations an intermediate device has, whatever their state.
///
/// # Errors
/// The store fails.
pub async fn count_of(snapshot: &mut Snapshot, intermediate: &DeviceNumber) -> Result<u64, StoreError> {
    let (number,): (i64,) = fetch_one!(
        snapshot,
        "SELECT count(*) FROM managed WHERE intermediate = $1",
        intermediate.to_string(),
    )?;
    count("managed", number)
}

/// Relations, the last that changed first; those of one device where it is named, be it managed or intermediate.
///
/// # Errors
/// The store fails.
pub async fn list(
    snapshot: &mut Snapshot,
    device: Option<&DeviceNumber>,
    limit: u32,
) -> Result<Vec<Relation>, StoreError> {
    let rows: Vec<(String, String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT device, intermediate, state, changed FROM managed \
         WHERE $1 = '' OR device = $1 OR intermediate = $1 ORDER BY changed DESC, device, intermediate LIMIT $2",
        device.map_or_else(String::new, DeviceNumber::to_string),
        i64::from(limit),
    )?;
    rows.into_iter()
        .map(|(device, intermediate, state, changed)| {
            Ok(Relation {
                device: parsed("managed.device", &device)?,
                intermediate: parsed("managed.intermediate", &intermediate)?,
                state: parsed("managed.state", &state)?,
                changed,
            })
        })
        .collect()
}

/// A word of a fixed few.
macro_rules! word {
    ($name:ident, $($variant:ident => $text:literal),+) => {
        impl $name {
            /// The word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = NoSuchWord;

            fn from_str(text: &str) -> Result<Self, NoSuchWord> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(NoSuchWord),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

word!(Approval, Person => "person", Automatic => "automatic");
word!(State, Requested => "requested", Approved => "approved", Ended => "ended");

/// The word is none of the few.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no such word")]
pub struct NoSuchWord;
