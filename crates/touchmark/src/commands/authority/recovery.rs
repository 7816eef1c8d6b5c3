//! `touchmark authority recoveries`, `recovery ...`, `board-swap` and `history`: devices that have lost what
//! they were, and the boards that take their places.

use std::fmt::Write;

use authority::{Chronicle, PendingRecovery};
use identity::{CommonBatch, CredentialState, DeviceNumber, HardwareUid};
use serde::Serialize;
use store::authority::recovery::{Recovery, RecoveryGround, RecoveryState};

use super::{open_desk, person};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::output::moment;

/// Arguments of `touchmark authority recoveries`.
#[derive(clap::Args)]
pub struct RecoveriesArguments {
    /// All requests, not only those that wait for a decision
    #[arg(long)]
    all: bool,
    /// How many at most, the last ones first
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    role: RoleArguments,
}

/// What is decided about a request.
#[derive(clap::Subcommand)]
pub enum RecoveryCommand {
    /// Let the device have its certificate: it is the one that it says it is
    Approve {
        /// What the request goes by; `recoveries` lists them
        #[arg(value_name = "ID")]
        recovery: u64,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Refuse the request for good
    Refuse {
        /// What the request goes by; `recoveries` lists them
        #[arg(value_name = "ID")]
        recovery: u64,
        /// Why, for whoever reads it later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Arguments of `touchmark authority board-swap`.
#[derive(clap::Args)]
pub struct BoardSwapArguments {
    /// The device number, which goes from the old board to a new one
    number: DeviceNumber,
    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The chip of the new board, where that is known: no other may ask then
    #[arg(long, value_name = "HEX")]
    hardware_uid: Option<HardwareUid>,
    #[command(flatten)]
    role: RoleArguments,
}

/// Arguments of `touchmark authority history`.
#[derive(clap::Args)]
pub struct HistoryArguments {
    /// The device number
    number: DeviceNumber,
    #[command(flatten)]
    role: RoleArguments,
}

/// Lists requests.
pub async fn list(arguments: RecoveriesArguments, edge: &Edge) -> anyhow::Result<()> {
    let desk = open_desk(&arguments.role.authority()?, edge).await?;
    let state = (!arguments.all).then_some(RecoveryState::Pending);
    let found = desk.recoveries(state, arguments.limit).await?;
    let rows: Vec<RequestRow> = found.into_iter().map(listed).collect();
    let headings =
        ["id", "device", "chip", "the number's chip", "batch", "key SHA-256", "asked", "state", "ground"];
    edge.output.rows(&headings, &rows, |row| {
        vec![
            row.recovery.to_string(),
            row.device_number.to_string(),
            row.hardware_uid.to_string(),
            row.known_hardware_uid.as_ref().map_or("unknown".to_owned(), HardwareUid::to_string),
            row.batch.to_string(),
            row.key_sha256.clone(),
            moment(row.asked),
            row.state.to_string(),
            row.ground.map(|ground| ground.to_string()).unwrap_or_default(),
        ]
    });
    Ok(())
}

/// Decides a request.
pub async fn decide(command: RecoveryCommand, edge: &Edge) -> anyhow::Result<()> {
    let decided = match command {
        RecoveryCommand::Approve { recovery, role } => {
            open_desk(&role.authority()?, edge).await?.approve_recovery(recovery, &person()).await?
        }
        RecoveryCommand::Refuse { recovery, reason, role } => {
            open_desk(&role.authority()?, edge).await?.refuse_recovery(recovery, &reason, &person()).await?
        }
    };
    let text = format!("request {} for {} is {}", decided.recovery, decided.number, decided.state);
    edge.output.object(&row(decided, None), text);
    Ok(())
}

/// Lets a new board take a number.
pub async fn swap_board(arguments: BoardSwapArguments, edge: &Edge) -> anyhow::Result<()> {
    let BoardSwapArguments { number, reason, hardware_uid, role } = arguments;
    let desk = open_desk(&role.authority()?, edge).await?;
    let swap = desk.swap_board(&number, hardware_uid, &reason, &person()).await?;
    let text = format!(
        "all that the old board of {number} holds is void; a new one may ask until {}",
        moment(swap.expires)
    );
    let swap = SwapRow {
        opened: swap.opened,
        reason: swap.reason,
        expires: swap.expires,
        former_hardware_uid: swap.former_hardware_uid,
        recovery: swap.recovery,
    };
    edge.output.object(&Swapped { device_number: number, swap }, text);
    Ok(())
}

/// Shows what became of a number.
pub async fn history(arguments: HistoryArguments, edge: &Edge) -> anyhow::Result<()> {
    let desk = open_desk(&arguments.role.authority()?, edge).await?;
    let shown = shown(desk.chronicle(&arguments.number).await?);
    edge.output.object(&shown, shown.for_people());
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestRow {
    recovery: u64,
    device_number: DeviceNumber,
    hardware_uid: HardwareUid,
    known_hardware_uid: Option<HardwareUid>,
    batch: CommonBatch,
    key_sha256: String,
    asked: i64,
    state: RecoveryState,
    ground: Option<RecoveryGround>,
    decided: Option<i64>,
    decided_by: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateRow {
    generation: u64,
    /// What it came of: made in a factory, or why there is one after the first.
    cause: &'static str,
    state: CredentialState,
    certificate_serial: String,
    hardware_uid: Option<HardwareUid>,
    requested: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SwapRow {
    opened: i64,
    reason: String,
    expires: i64,
    former_hardware_uid: Option<HardwareUid>,
    recovery: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Swapped {
    device_number: DeviceNumber,
    #[serde(flatten)]
    swap: SwapRow,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    device_number: DeviceNumber,
    factory: String,
    hardware_uid: Option<HardwareUid>,
    certificates: Vec<CertificateRow>,
    board_swaps: Vec<SwapRow>,
    recoveries: Vec<RequestRow>,
}

impl Shown {
    fn for_people(&self) -> String {
        let mut text = format!("{}, made in {}", self.device_number, self.factory);
        if let Some(chip) = &self.hardware_uid {
            let _ = write!(text, ", chip {chip}");
        }
        for row in &self.certificates {
            let requested = row.requested.map(moment).unwrap_or_default();
            let CertificateRow { generation, cause, state, certificate_serial, .. } = row;
            let _ = write!(
                text,
                "\ncertificate {generation}  {cause:<11} {state:<9} {certificate_serial}  {requested}"
            );
        }
        for row in &self.board_swaps {
            let former =
                row.former_hardware_uid.as_ref().map_or("unknown".to_owned(), HardwareUid::to_string);
            let _ =
                write!(text, "\nboard swap     {} from chip {former}: {}", moment(row.opened), row.reason);
        }
        for row in &self.recoveries {
            let ground = row.ground.map_or(String::new(), |ground| format!(" by {ground}"));
            let RequestRow { recovery, state, hardware_uid, asked, .. } = row;
            let _ = write!(
                text,
                "\nrequest {recovery:<6} {state}{ground}, chip {hardware_uid}, {}",
                moment(*asked)
            );
        }
        text
    }
}

fn shown(chronicle: Chronicle) -> Shown {
    let Chronicle { first, successors, device, board_swaps, recoveries } = chronicle;
    let made = CertificateRow {
        generation: 1,
        cause: "factory",
        state: first.state,
        certificate_serial: hex::encode(&first.certificate_serial),
        hardware_uid: None,
        requested: None,
    };
    let followed = successors.into_iter().map(|successor| CertificateRow {
        generation: successor.id.generation,
        cause: successor.cause.as_str(),
        state: successor.state,
        certificate_serial: hex::encode(&successor.certificate_serial),
        hardware_uid: successor.hardware_uid,
        requested: Some(successor.intended),
    });
    Shown {
        device_number: first.number,
        factory: first.factory.to_string(),
        hardware_uid: device.map(|device| device.hardware_uid),
        certificates: [made].into_iter().chain(followed).collect(),
        board_swaps: board_swaps
            .into_iter()
            .map(|swap| SwapRow {
                opened: swap.opened,
                reason: swap.reason,
                expires: swap.expires,
                former_hardware_uid: swap.former_hardware_uid,
                recovery: swap.recovery,
            })
            .collect(),
        recoveries: recoveries.into_iter().map(|recovery| row(recovery, None)).collect(),
    }
}

fn listed(PendingRecovery { recovery, known_hardware_uid }: PendingRecovery) -> RequestRow {
    row(recovery, known_hardware_uid)
}

fn row(recovery: Recovery, known_hardware_uid: Option<HardwareUid>) -> RequestRow {
    let (decided, decided_by) = recovery.decided.unzip();
    RequestRow {
        recovery: recovery.recovery,
        device_number: recovery.number,
        hardware_uid: recovery.hardware_uid,
        known_hardware_uid,
        batch: recovery.batch,
        key_sha256: hex::encode(&recovery.public_key_sha256),
        asked: recovery.asked,
        state: recovery.state,
        ground: recovery.ground,
        decided,
        decided_by,
    }
}
