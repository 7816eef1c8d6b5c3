//! `touchmark label ...`: rating plates to be printed.

use std::collections::HashMap;
use std::fs;
use std::io::read_to_string;
use std::path::{Path, PathBuf};

use anyhow::Context;
use identity::scan::CheckDigit;
use identity::{DeviceNumber, ProductCode};
use serde::Serialize;

use super::Edge;
use super::authority::CheckDigitKind;
use super::gateway::open_desk;
use super::role_arguments::RoleArguments;
use crate::failure::Failure;
use crate::label::{self, Label, plate_text};

/// What is done with labels.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Draw rating plates with Code 128 and QR code, for numbers or for what the gateway's plan has reserved
    Make(MakeArguments),
}

/// Arguments of `touchmark label make`.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["numbers", "list", "plan"]))]
pub struct MakeArguments {
    /// Device numbers, such as 3012-123456
    #[arg(value_name = "NUMBER")]
    numbers: Vec<DeviceNumber>,
    /// Take the numbers from a file, one a line; - is stdin
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Take the numbers that the gateway has reserved for its plan and that no device has yet
    #[arg(long)]
    plan: bool,
    /// With --plan, only numbers of this product
    #[arg(long, value_name = "CODE", requires = "plan")]
    product: Option<ProductCode>,
    /// Which check character the plates carry. Without it the gateway is asked what each product's carry
    #[arg(long, value_enum)]
    check_digit: Option<CheckDigitKind>,
    /// The format: an SVG file a label, or one PDF with a page a label
    #[arg(long, value_name = "FORMAT", default_value = "svg")]
    format: Format,
    /// Where they are written: for svg a directory, for pdf a file
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    role: RoleArguments,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Svg,
    Pdf,
}

/// Runs one command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Make(arguments) => make(arguments, edge).await,
    }
}

/// A label that was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    device_number: DeviceNumber,
    text: String,
    file: PathBuf,
}

async fn make(arguments: MakeArguments, edge: &Edge) -> anyhow::Result<()> {
    let numbers = numbers(&arguments, edge).await?;
    let check_digits = match arguments.check_digit {
        Some(_) => HashMap::new(),
        None => check_digits(&arguments.role, edge).await?,
    };
    let mut labels = Vec::with_capacity(numbers.len());
    let mut made = Vec::with_capacity(numbers.len());
    for number in numbers {
        let check_digit = match arguments.check_digit {
            Some(check_digit) => check_digit.into(),
            None => check_digits.get(number.product()).copied().ok_or_else(|| unknown(number.product()))?,
        };
        labels.push(Label::rating_plate(&number, check_digit)?);
        let file = match arguments.format {
            Format::Svg => arguments.out.join(format!("{number}.svg")),
            Format::Pdf => arguments.out.clone(),
        };
        made.push(Made { text: plate_text(&number, check_digit), device_number: number, file });
    }
    match arguments.format {
        Format::Pdf => write(&arguments.out, &label::pdf(&labels))?,
        Format::Svg => {
            fs::create_dir_all(&arguments.out)
                .with_context(|| format!("cannot make {}", arguments.out.display()))?;
            for (label, made) in labels.iter().zip(&made) {
                write(&made.file, label::svg(label).as_bytes())?;
            }
        }
    }
    edge.output.rows(&["device", "on the plate", "file"], &made, |made| {
        vec![made.device_number.to_string(), made.text.clone(), made.file.display().to_string()]
    });
    Ok(())
}

async fn numbers(arguments: &MakeArguments, edge: &Edge) -> anyhow::Result<Vec<DeviceNumber>> {
    if arguments.plan {
        let desk = open_desk(&arguments.role.gateway()?, edge).await?;
        return Ok(desk.numbers_without_device(arguments.product.as_ref()).await?);
    }
    let Some(list) = &arguments.list else { return Ok(arguments.numbers.clone()) };
    let text =
        if list.as_os_str() == "-" { read_to_string(std::io::stdin()) } else { fs::read_to_string(list) };
    let text = text.with_context(|| format!("cannot read {}", list.display()))?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    let parsed = lines.map(|(place, line)| {
        line.parse().map_err(|error| {
            Failure::new(format!("line {place} of {} is \"{line}\", no device number", list.display()))
                .because(error)
                .advise("write a device number a line, such as 3012-123456")
                .into()
        })
    });
    parsed.collect()
}

/// Which check characters the plates of the factory's products carry.
async fn check_digits(role: &RoleArguments, edge: &Edge) -> anyhow::Result<HashMap<ProductCode, CheckDigit>> {
    let allotment = open_desk(&role.gateway()?, edge).await?.allotment().await?;
    Ok(allotment.products.into_iter().map(|product| (product.product, product.check_digit.into())).collect())
}

fn unknown(product: &ProductCode) -> Failure {
    Failure::new(format!("the gateway does not know which check character the plates of {product} carry"))
        .advise("have the authority allot the product to this factory, or say it with --check-digit")
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
