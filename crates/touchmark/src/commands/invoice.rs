//! `touchmark invoice`: a period's billing lines, each explained by its calls.

use anyhow::Context;
use identity::DeviceNumber;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Edge;
use super::center::open_desk;
use super::role_arguments::CenterArguments;

/// Arguments of `touchmark invoice`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The first day that is billed, such as 2026-01-01, in UTC
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// The first day that is not billed any more, such as 2026-02-01, in UTC
    #[arg(long, value_name = "DATE")]
    to: Date,
    /// What this device counted; without it, all
    #[arg(long, value_name = "NUMBER")]
    device: Option<DeviceNumber>,
    #[command(flatten)]
    role: CenterArguments,
}

/// Replays the center's journal, and prints what follows from it.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<()> {
    let Arguments { from, to, device, role } = arguments;
    let (from, to) = (midnight(*from)?, midnight(*to)?);
    let desk = open_desk(&role.center()?, edge).await?;
    let invoice = desk.invoice(from, to, device.as_ref()).await.context("there is no invoice")?;
    let mut text = String::new();
    for line in &invoice.lines {
        text.push_str(&format!("{}  {}  {} units\n", line.device_number, line.counter, line.units));
        for part in &line.calls {
            let released = part.released_by.map(|by| format!(", released by entry {by}")).unwrap_or_default();
            text.push_str(&format!(
                "    call {}: {} to {}{released}  {}\n",
                part.call, part.from, part.to, part.hash
            ));
        }
        for center::invoice::CorrectedPart { entry, call, units } in &line.corrections {
            let what = if *units < 0 { "held, in doubt" } else { "no longer in doubt" };
            text.push_str(&format!("    call {call}: {units} units, {what} by entry {entry}\n"));
        }
    }
    let state = if invoice.is_final { "the period is over" } else { "the period is not over yet" };
    text.push_str(&format!("{state}; journal: {} entries, hash {}", invoice.entries, invoice.hash));
    edge.output.object(&invoice, text);
    Ok(())
}

fn midnight(day: Date) -> anyhow::Result<i64> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp().as_second())
}
