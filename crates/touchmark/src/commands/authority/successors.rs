//! `touchmark authority successors`: the certificates that followed the first ones of devices.

use cert::Certificate;
use identity::{CredentialState, DeviceNumber, HardwareUid};
use serde::Serialize;
use store::authority::successor::{SuccessionCause, Successor};

use super::open_desk;
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::output::moment;

/// Arguments of `touchmark authority successors`.
#[derive(clap::Args)]
pub struct SuccessorsArguments {
    /// Only those of this device
    #[arg(long, value_name = "NUMBER")]
    device: Option<DeviceNumber>,
    /// How many at most, the last ones first
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    role: RoleArguments,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    device_number: DeviceNumber,
    generation: u64,
    cause: SuccessionCause,
    state: CredentialState,
    certificate_serial: String,
    hardware_uid: Option<HardwareUid>,
    requested: i64,
    not_after: Option<i64>,
}

/// Runs the command.
pub async fn run(arguments: SuccessorsArguments, edge: &Edge) -> anyhow::Result<()> {
    let desk = open_desk(&arguments.role.authority()?, edge).await?;
    let found = desk.successors(arguments.device.as_ref(), arguments.limit).await?;
    let rows: Vec<Row> = found.into_iter().map(row).collect();
    let headings = ["device", "certificate", "cause", "state", "serial", "requested", "valid until"];
    edge.output.rows(&headings, &rows, |row| {
        vec![
            row.device_number.to_string(),
            row.generation.to_string(),
            row.cause.to_string(),
            row.state.to_string(),
            row.certificate_serial.clone(),
            moment(row.requested),
            row.not_after.map_or("not signed".to_owned(), moment),
        ]
    });
    Ok(())
}

fn row(successor: Successor) -> Row {
    let certificate = successor.certificate.and_then(|der| Certificate::parse(&der).ok());
    Row {
        device_number: successor.id.number,
        generation: successor.id.generation,
        cause: successor.cause,
        state: successor.state,
        certificate_serial: hex::encode(successor.certificate_serial),
        hardware_uid: successor.hardware_uid,
        requested: successor.intended,
        not_after: certificate.map(|certificate| certificate.not_after()),
    }
}
