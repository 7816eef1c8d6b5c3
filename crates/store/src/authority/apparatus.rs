//! Symmetric credentials: where each stands, its pass phrase, sealed, and the device that it belongs to
//! (source B tables 702, 704, 706 and 708).
//!
//! [`apply`] is the only function that changes the state of one.

use identity::profile::{Sealing, SymmetricForm};
use identity::{
    ApparatusId, CredentialState, DeviceNumber, HardwareUid, KeyIdentifier, MemberName, ProductCode,
    Transition,
};
use serde::Serialize;

use super::change::{self, ApplyError, Change, Step};
use crate::audit::Cause;
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A symmetric credential as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Apparatus {
    /// Its name.
    pub id: ApparatusId,
    /// The product that it is for.
    pub product: ProductCode,
    /// The factory it was issued for.
    pub factory: MemberName,
    /// Where it stands.
    pub state: CredentialState,
    /// Its pass phrase, sealed by the vault; none once it is void.
    pub sealed_pass_phrase: Option<Vec<u8>>,
    /// How its device keeps the pass phrase.
    pub form: SymmetricForm,
    /// How it was sealed on its way.
    pub sealing: Sealing,
    /// The pre-write key that opens the ciphertext; none where a chip's own key does.
    pub key_identifier: Option<KeyIdentifier>,
    /// Apparatus ID and pass phrase, as only its device can read them.
    pub ciphertext: Vec<u8>,
    /// The challenge of its batch, which the device's word to the authority covers.
    pub challenge: [u8; 32],
    /// Its device, from the moment that it belongs to one.
    pub device: Option<Holder>,
}

/// The device that a symmetric credential belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its number.
    pub number: DeviceNumber,
    /// Its chip.
    pub hardware_uid: HardwareUid,
}

/// Stores new credentials of one order, or of none where they are made for one device, as issued,
/// with an audit entry that lists them and has `detail` beside.
///
/// # Errors
/// One of them, or the order, is stored already, or the store fails.
pub async fn issue(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    order: Option<&str>,
    issued: &[Apparatus],
    detail: &(impl Serialize + Sync),
) -> Result<(), ApplyError> {
    let changes: Vec<Change<ApparatusId>> = issued
        .iter()
        .map(|new| Change {
            id: new.id,
            from: CredentialState::Intended,
            transitions: vec![Transition::Issue],
        })
        .collect();
    let steps = Step::all(&changes)?;
    let rows: Vec<NewRow> = (1..)
        .zip(issued.iter().zip(&steps))
        .map(|(place, (new, step))| NewRow { new, state: step.to, place: order.map(|_| place) })
        .collect();
    let inserted = execute_all!(
        transaction,
        "INSERT INTO apparatus (apparatus_id, product, factory, order_id, place, issued, state, \
         sealed_pass_phrase, form, sealing, key_identifier, ciphertext, challenge, number, hardware_uid) ",
        rows,
        |row| (
            row.new.id.to_string(),
            row.new.product.to_string(),
            row.new.factory.to_string(),
            order.map(str::to_owned),
            row.place,
            cause.time,
            row.state.as_str(),
            row.new.sealed_pass_phrase.clone(),
            row.new.form.as_str(),
            row.new.sealing.as_str(),
            row.new.key_identifier.as_ref().map(ToString::to_string),
            row.new.ciphertext.clone(),
            row.new.challenge.to_vec(),
            row.new.device.as_ref().map(|device| device.number.to_string()),
            row.new.device.as_ref().map(|device| device.hardware_uid.to_string()),
        ),
        ""
    )?;
    change::close(transaction, cause, &steps, inserted, detail).await?;
    Ok(())
}

struct NewRow<'a> {
    new: &'a Apparatus,
    state: CredentialState,
    place: Option<i64>,
}

/// Takes each credential its steps further, and appends one audit entry that lists them all, with
/// `detail` beside. The states they are in afterwards, in order.
///
/// # Errors
/// A step is not in the life cycle, or a credential stands elsewhere; then the unit of work must fail.
pub async fn apply(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    changes: &[Change<ApparatusId>],
    detail: &(impl Serialize + Sync),
) -> Result<Vec<CredentialState>, ApplyError> {
    let steps = Step::all(changes)?;
    let changed = execute_all!(
        transaction,
        "UPDATE apparatus SET state = new.column3 FROM (",
        steps,
        |step| (step.id.to_string(), step.from.as_str(), step.to.as_str()),
        ") AS new WHERE apparatus.apparatus_id = new.column1 AND apparatus.state = new.column2"
    )?;
    change::close(transaction, cause, &steps, changed, detail).await
}

/// Binds credentials to their devices, in place of whatever they were bound to before.
///
/// # Errors
/// The store fails.
pub async fn bind(
    transaction: &mut Transaction,
    bindings: &[(ApparatusId, Holder)],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "UPDATE apparatus SET number = new.column2, hardware_uid = new.column3 FROM (",
        bindings,
        |binding| (binding.0.to_string(), binding.1.number.to_string(), binding.1.hardware_uid.to_string()),
        ") AS new WHERE apparatus.apparatus_id = new.column1"
    )?;
    Ok(())
}

/// Erases the pass phrases of these credentials.
///
/// # Errors
/// The store fails.
pub async fn erase_pass_phrases(
    transaction: &mut Transaction,
    ids: &[ApparatusId],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "UPDATE apparatus SET sealed_pass_phrase = NULL WHERE apparatus_id IN (",
        ids,
        |id| (id.to_string()),
        ")"
    )?;
    Ok(())
}

/// The credentials of these names, those that there are.
///
/// # Errors
/// The store fails.
pub async fn find_all(snapshot: &mut Snapshot, ids: &[ApparatusId]) -> Result<Vec<Apparatus>, StoreError> {
    let rows: Vec<Row> = fetch_all_of!(
        snapshot,
        "SELECT apparatus_id, product, factory, state, sealed_pass_phrase, form, sealing, key_identifier, \
         ciphertext, challenge, number, hardware_uid FROM apparatus WHERE apparatus_id IN (",
        ids,
        |id| id.to_string(),
        ")"
    )?;
    rows.into_iter().map(Apparatus::try_from).collect()
}

/// The credentials of one order, as they were asked for; none where there was no such order.
///
/// # Errors
/// The store fails.
pub async fn of_order(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    order: &str,
) -> Result<Vec<Apparatus>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT apparatus_id, product, factory, state, sealed_pass_phrase, form, sealing, key_identifier, \
         ciphertext, challenge, number, hardware_uid FROM apparatus \
         WHERE factory = $1 AND order_id = $2 ORDER BY place",
        factory.as_str(),
        order,
    )?;
    rows.into_iter().map(Apparatus::try_from).collect()
}

/// The credential that the device of this number holds or was made for, unless it is void.
///
/// # Errors
/// The store fails.
pub async fn of_device(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<Option<Apparatus>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT apparatus_id, product, factory, state, sealed_pass_phrase, form, sealing, key_identifier, \
         ciphertext, challenge, number, hardware_uid FROM apparatus \
         WHERE number = $1 AND state <> 'voided' ORDER BY issued DESC, apparatus_id LIMIT 1",
        number.to_string(),
    )?;
    row.map(Apparatus::try_from).transpose()
}

/// The credentials that devices of these numbers have proved, one a device, or none.
///
/// # Errors
/// The store fails.
pub async fn held_by(
    snapshot: &mut Snapshot,
    numbers: &[DeviceNumber],
) -> Result<Vec<(ApparatusId, Holder)>, StoreError> {
    let rows: Vec<HolderRow> = fetch_all_of!(
        snapshot,
        "SELECT apparatus_id, number, hardware_uid FROM apparatus \
         WHERE state = 'verified' AND number IN (",
        numbers,
        |number| number.to_string(),
        ")"
    )?;
    rows.into_iter().map(holder_from).collect()
}

/// The credentials that devices with these chips have proved, one a chip, or none.
///
/// # Errors
/// The store fails.
pub async fn in_use_on(
    snapshot: &mut Snapshot,
    chips: &[HardwareUid],
) -> Result<Vec<(ApparatusId, Holder)>, StoreError> {
    let rows: Vec<HolderRow> = fetch_all_of!(
        snapshot,
        "SELECT apparatus_id, number, hardware_uid FROM apparatus \
         WHERE state = 'verified' AND hardware_uid IN (",
        chips,
        |chip| chip.to_string(),
        ")"
    )?;
    rows.into_iter().map(holder_from).collect()
}

/// Whether devices keep pass phrases as ciphertext under this key.
///
/// # Errors
/// The store fails.
pub async fn is_kept_under(snapshot: &mut Snapshot, key: &KeyIdentifier) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT issued FROM apparatus WHERE key_identifier = $1 AND form = 'sealed' AND state <> 'voided' LIMIT 1",
        key.as_str(),
    )?;
    Ok(row.is_some())
}

/// How many credentials are in each state, by factory and product.
///
/// # Errors
/// The store fails.
pub async fn counts(
    snapshot: &mut Snapshot,
) -> Result<Vec<(MemberName, ProductCode, CredentialState, u64)>, StoreError> {
    let rows: Vec<(String, String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT factory, product, state, count(*) FROM apparatus GROUP BY factory, product, state \
         ORDER BY factory, product, state"
    )?;
    rows.into_iter()
        .map(|(factory, product, state, number)| {
            Ok((
                parsed("apparatus.factory", &factory)?,
                parsed("apparatus.product", &product)?,
                parsed("apparatus.state", &state)?,
                count("apparatus", number)?,
            ))
        })
        .collect()
}

type HolderRow = (String, String, String);

fn holder_from((id, number, hardware_uid): HolderRow) -> Result<(ApparatusId, Holder), StoreError> {
    let id = parsed("apparatus.apparatus_id", &id)?;
    Ok((id, Holder::parse(&number, &hardware_uid)?))
}

impl Holder {
    fn parse(number: &str, hardware_uid: &str) -> Result<Self, StoreError> {
        Ok(Self {
            number: parsed("apparatus.number", number)?,
            hardware_uid: parsed("apparatus.hardware_uid", hardware_uid)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    apparatus_id: String,
    product: String,
    factory: String,
    state: String,
    sealed_pass_phrase: Option<Vec<u8>>,
    form: String,
    sealing: String,
    key_identifier: Option<String>,
    ciphertext: Vec<u8>,
    challenge: Vec<u8>,
    number: Option<String>,
    hardware_uid: Option<String>,
}

impl TryFrom<Row> for Apparatus {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let challenge = row.challenge.try_into();
        let key_identifier = row.key_identifier.as_deref();
        let device = row.number.zip(row.hardware_uid);
        let device = device.map(|(number, hardware_uid)| Holder::parse(&number, &hardware_uid));
        Ok(Self {
            id: parsed("apparatus.apparatus_id", &row.apparatus_id)?,
            product: parsed("apparatus.product", &row.product)?,
            factory: parsed("apparatus.factory", &row.factory)?,
            state: parsed("apparatus.state", &row.state)?,
            sealed_pass_phrase: row.sealed_pass_phrase,
            form: parsed("apparatus.form", &row.form)?,
            sealing: parsed("apparatus.sealing", &row.sealing)?,
            key_identifier: key_identifier
                .map(|identifier| parsed("apparatus.key_identifier", identifier))
                .transpose()?,
            ciphertext: row.ciphertext,
            challenge: challenge.map_err(|_| StoreError::Corrupt { what: "apparatus.challenge" })?,
            device: device.transpose()?,
        })
    }
}
