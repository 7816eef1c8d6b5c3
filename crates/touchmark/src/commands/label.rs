//! `touchmark label ...`: rating plates and cards to be printed.

use std::collections::HashMap;
use std::fs;
use std::io::read_to_string;
use std::path::{Path, PathBuf};

use anyhow::Context;
use console::Language;
use identity::scan::CheckDigit;
use identity::{DeviceNumber, ProductCode};
use serde::Serialize;
use station::page::Act;

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
    /// Draw the cards that do at a station what its buttons do, for hands in gloves
    Cards {
        /// The format: an SVG file a card, or one PDF with a page a card
        #[arg(long, value_name = "FORMAT", default_value = "svg")]
        format: Format,
        /// Where they are written: for svg a directory, for pdf a file
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
    },
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
pub enum Format {
    /// A file a label
    Svg,
    /// One file with a page a label
    Pdf,
}

/// Runs one command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Make(arguments) => make(arguments, edge).await,
        Command::Cards { format, out } => cards(format, &out, edge),
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
        labels.push((number.to_string(), Label::rating_plate(&number, check_digit)?));
        let file = file_of(arguments.format, &arguments.out, &number.to_string());
        made.push(Made { text: plate_text(&number, check_digit), device_number: number, file });
    }
    write(arguments.format, &arguments.out, labels)?;
    edge.output.rows(&["device", "on the plate", "file"], &made, |made| {
        vec![made.device_number.to_string(), made.text.clone(), made.file.display().to_string()]
    });
    Ok(())
}

/// A card that was made.
#[derive(Serialize)]
struct MadeCard {
    text: &'static str,
    file: PathBuf,
}

fn cards(format: Format, out: &Path, edge: &Edge) -> anyhow::Result<()> {
    let cards = Act::ALL.map(|act| (act.name().to(Language::English), act.card()));
    let labels = cards.iter().map(|(name, code)| Ok((code.to_string(), Label::card(name, code)?)));
    write(format, out, labels.collect::<anyhow::Result<_>>()?)?;
    let made = cards.map(|(_, text)| MadeCard { text, file: file_of(format, out, text) });
    edge.output.rows(&["on the card", "file"], &made, |made| {
        vec![made.text.to_owned(), made.file.display().to_string()]
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

/// The file that holds the label of this name.
fn file_of(format: Format, out: &Path, name: &str) -> PathBuf {
    match format {
        Format::Svg => out.join(format!("{name}.svg")),
        Format::Pdf => out.to_owned(),
    }
}

/// Writes the labels, each with its name.
fn write(format: Format, out: &Path, labels: Vec<(String, Label)>) -> anyhow::Result<()> {
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    match format {
        Format::Pdf => {
            let labels: Vec<Label> = labels.into_iter().map(|(_, label)| label).collect();
            write(out, &label::pdf(&labels))
        }
        Format::Svg => {
            fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
            labels.iter().try_for_each(|(name, label)| {
                write(&file_of(format, out, name), label::svg(label).as_bytes())
            })
        }
    }
}
