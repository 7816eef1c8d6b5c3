//! Scrapped devices, so that the same request gets the same answer.

use identity::{DeviceNumber, HardwareUid, MemberName};

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A device that two operators have scrapped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scrap {
    /// The station's random name for it.
    pub id: String,
    /// The number on its plate.
    pub number: DeviceNumber,
    /// Its chip.
    pub hardware_uid: HardwareUid,
    /// Who scrapped it: the operator at the station, and someone else.
    pub operators: [MemberName; 2],
}

/// The scrapping of this name.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, id: &str) -> Result<Option<Scrap>, StoreError> {
    let row: Option<(String, String, String, String)> = fetch_optional!(
        snapshot,
        "SELECT number, hardware_uid, first_operator, second_operator FROM scrap WHERE id = $1",
        id,
    )?;
    row.map(|(number, hardware_uid, first, second)| {
        Ok(Scrap {
            id: id.to_owned(),
            number: parsed("scrap.number", &number)?,
            hardware_uid: parsed("scrap.hardware_uid", &hardware_uid)?,
            operators: [parsed("scrap.first_operator", &first)?, parsed("scrap.second_operator", &second)?],
        })
    })
    .transpose()
}

/// Notes a scrapping.
///
/// # Errors
/// There is one of this name already, or the store fails.
pub async fn insert(transaction: &mut Transaction, now: i64, scrap: &Scrap) -> Result<(), StoreError> {
    let [first, second] = &scrap.operators;
    execute!(
        transaction,
        "INSERT INTO scrap (id, number, hardware_uid, first_operator, second_operator, time) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        &scrap.id,
        scrap.number.to_string(),
        scrap.hardware_uid.to_string(),
        first.as_str(),
        second.as_str(),
        now,
    )?;
    Ok(())
}
