//! `touchmark center intermediate ...`: which devices speak for which.

use center::Approval;
use identity::{DeviceNumber, ProductCode};
use serde::Serialize;

use super::{CenterArguments, Edge, ListArguments, OfDeviceArguments, open_desk, person};
use crate::output::moment;

/// What people do about intermediate devices.
#[derive(clap::Subcommand)]
pub enum IntermediateCommand {
    /// Let the devices of a product manage others
    Product {
        /// The product
        product: ProductCode,
        /// Who approves what such a device registers: person, automatic; or none, to register no more
        #[arg(long, value_name = "WHO", default_value = "person")]
        approval: ProductApproval,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// List the products whose devices may manage others
    Products {
        #[command(flatten)]
        role: CenterArguments,
    },
    /// List who speaks for whom, or asks to, the last that changed first
    List(OfDeviceArguments),
    /// Let an intermediate device speak for a device, in place of any other
    Approve(RelationArguments),
    /// Let an intermediate device speak for a device no more
    End(RelationArguments),
}

/// Two devices.
#[derive(clap::Args)]
pub struct RelationArguments {
    /// The managed device
    device: DeviceNumber,
    /// The intermediate device
    intermediate: DeviceNumber,
    #[command(flatten)]
    role: CenterArguments,
}

/// Who approves.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum ProductApproval {
    /// A person, each device
    Person,
    /// Nobody; what no other intermediate device has is approved
    Automatic,
    /// No more devices are registered
    None,
}

/// Runs the command.
pub async fn run(command: IntermediateCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        IntermediateCommand::Product { product, approval, role } => {
            mark(product, approval, &role, edge).await
        }
        IntermediateCommand::Products { role } => products(&role, edge).await,
        IntermediateCommand::List(OfDeviceArguments { device, list }) => {
            relations(device.as_ref(), &list, edge).await
        }
        IntermediateCommand::Approve(arguments) => decide(arguments, true, edge).await,
        IntermediateCommand::End(arguments) => decide(arguments, false, edge).await,
    }
}

/// A product, and who approves.
#[derive(Serialize)]
struct ProductRow {
    product: ProductCode,
    approval: Option<&'static str>,
}

async fn mark(
    product: ProductCode,
    approval: ProductApproval,
    role: &CenterArguments,
    edge: &Edge,
) -> anyhow::Result<()> {
    let approval = match approval {
        ProductApproval::Person => Some(Approval::Person),
        ProductApproval::Automatic => Some(Approval::Automatic),
        ProductApproval::None => None,
    };
    open_desk(&role.center()?, edge).await?.mark_intermediate(product.clone(), approval, &person()).await?;
    let text = match approval {
        Some(Approval::Person) => format!("devices of {product} may manage others, each by approval"),
        Some(Approval::Automatic) => format!("devices of {product} may manage others that nobody else does"),
        None => format!("devices of {product} register no more devices"),
    };
    edge.output.object(&ProductRow { product, approval: approval.map(Approval::as_str) }, text);
    Ok(())
}

async fn products(role: &CenterArguments, edge: &Edge) -> anyhow::Result<()> {
    let found = open_desk(&role.center()?, edge).await?.intermediate_products().await?;
    let row = |(product, approval): (ProductCode, Approval)| ProductRow {
        product,
        approval: Some(approval.as_str()),
    };
    let rows: Vec<ProductRow> = found.into_iter().map(row).collect();
    edge.output.rows(&["product", "approval"], &rows, |row| {
        vec![row.product.to_string(), row.approval.unwrap_or_default().to_owned()]
    });
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RelationRow {
    device_number: DeviceNumber,
    intermediate: DeviceNumber,
    state: &'static str,
    changed: i64,
}

async fn relations(device: Option<&DeviceNumber>, list: &ListArguments, edge: &Edge) -> anyhow::Result<()> {
    let found = open_desk(&list.role.center()?, edge).await?.relations(device, list.limit).await?;
    let row = |relation: store::center::managed::Relation| RelationRow {
        device_number: relation.device,
        intermediate: relation.intermediate,
        state: relation.state.as_str(),
        changed: relation.changed,
    };
    let rows: Vec<RelationRow> = found.into_iter().map(row).collect();
    edge.output.rows(&["device", "intermediate device", "state", "since"], &rows, |row| {
        let (device, intermediate) = (row.device_number.to_string(), row.intermediate.to_string());
        vec![device, intermediate, row.state.to_owned(), moment(row.changed)]
    });
    Ok(())
}

/// What `approve` and `end` print.
#[derive(Serialize)]
struct Decided {
    entry: u64,
}

async fn decide(arguments: RelationArguments, speaks: bool, edge: &Edge) -> anyhow::Result<()> {
    let RelationArguments { device, intermediate, role } = arguments;
    let desk = open_desk(&role.center()?, edge).await?;
    let entry = desk.manage(device.clone(), intermediate.clone(), speaks, &person()).await?;
    let does = if speaks { "speaks" } else { "does not speak" };
    edge.output.object(&Decided { entry }, format!("{intermediate} {does} for {device} from now on"));
    Ok(())
}
