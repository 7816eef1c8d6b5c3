//! `touchmark authority revoke ...`: shutting out members, and devices by what they have in common.

use std::collections::BTreeMap;
use std::fmt::Write;

use authority::{Selected, VoidedCounts};
use identity::{CredentialId, CredentialState, DeviceNumber, Member, MemberName, RevocationReason};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use message::issue::OrderId;
use serde::Serialize;
use store::authority::selection::Selection;

use super::{open_desk, person};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::failure::Failure;

/// Arguments of `touchmark authority revoke`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub struct RevokeArguments {
    #[command(subcommand)]
    whom: Option<RevokeCommand>,
    #[command(flatten)]
    which: SelectionArguments,
    /// Why: key-compromise, ca-compromise, affiliation-changed, superseded, cessation-of-operation,
    /// privilege-withdrawn or unspecified
    #[arg(long, value_name = "REASON", required = true)]
    reason: Option<RevocationReason>,
    /// Say how many and which, and revoke nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    role: RoleArguments,
}

/// Who is shut out.
#[derive(clap::Subcommand)]
pub enum RevokeCommand {
    /// A member
    Member {
        /// The member, such as urn:touchmark:gateway:osaka; `status` lists them
        member: Member,
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// What the devices have in common. Several of these together mean those of which all are true.
#[derive(clap::Args)]
pub struct SelectionArguments {
    /// The device of this number
    #[arg(long, value_name = "NUMBER", conflicts_with = "numbers", group = "which")]
    device: Option<DeviceNumber>,
    /// Those of a batch of device numbers, such as 3012-123456..3012-124455
    #[arg(long, value_name = "FIRST..LAST", group = "which")]
    numbers: Option<NumberRange>,
    /// Those that hold, or were to hold, a symmetric credential of this order of their gateway
    #[arg(long, value_name = "ORDER", group = "which")]
    batch: Option<OrderId>,
    /// Those that this station wrote
    #[arg(long, value_name = "NAME", group = "which")]
    station: Option<MemberName>,
    /// Those of this factory, in its stock or made
    #[arg(long, value_name = "NAME", group = "which")]
    factory: Option<MemberName>,
    /// Those whose certificates this issuing CA signed
    #[arg(long, value_name = "NAME", group = "which")]
    issuing_ca: Option<String>,
    /// Of these, those that proved themselves at this time or later: 2026-01-31T14:00, local, or with an
    /// offset such as Z
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "which")]
    from: Option<Timestamp>,
    /// Of these, those that proved themselves before this time
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "which")]
    to: Option<Timestamp>,
}

/// Device numbers from one to another.
#[derive(Clone, Debug)]
pub struct NumberRange {
    first: DeviceNumber,
    last: DeviceNumber,
}

/// Runs the command.
pub async fn run(arguments: RevokeArguments, edge: &Edge) -> anyhow::Result<()> {
    if let Some(RevokeCommand::Member { member, role }) = arguments.whom {
        open_desk(&role.authority()?, edge).await?.revoke(&member, &person()).await?;
        edge.output.object(&Revoked { member: &member }, format!("{member} is shut out"));
        return Ok(());
    }
    let reason = arguments.reason.unwrap_or(RevocationReason::Unspecified);
    let desk = open_desk(&arguments.role.authority()?, edge).await?;
    let device = arguments.which.device.clone();
    let selection = arguments.which.selection();
    let found = desk.selected(&selection).await?;
    if let Some(device) = device.filter(|_| found.is_empty()) {
        return Err(Failure::new(format!("{device} holds nothing that could be revoked"))
            .advise("look whether the number is right, and whether it was revoked before")
            .into());
    }
    if arguments.dry_run {
        let preview = Preview::of(&found);
        edge.output.object(&preview, preview.for_people());
        return Ok(());
    }
    let all = found.counts();
    let mut progress = edge.output.progress("revoked", all.certificates + all.apparatuses);
    let done = desk
        .revoke_selected(&selection, reason, &person(), |done| {
            progress.advance(done.certificates + done.apparatuses);
        })
        .await?;
    let VoidedCounts { certificates, apparatuses } = done;
    let text = format!("{certificates} certificates and {apparatuses} symmetric credentials are revoked");
    edge.output.object(&Done { dry_run: false, certificates, apparatuses, reason }, text);
    Ok(())
}

impl SelectionArguments {
    fn selection(self) -> Selection {
        let numbers = self.numbers.map(|range| (range.first, range.last));
        let numbers = numbers.or_else(|| self.device.map(|device| (device.clone(), device)));
        let (first, last) = numbers.unzip();
        Selection {
            first,
            last,
            order: self.batch.map(|order| order.to_string()),
            factory: self.factory,
            station: self.station,
            from: self.from.map(Timestamp::as_second),
            until: self.to.map(Timestamp::as_second),
            issuing_ca: self.issuing_ca,
        }
    }
}

impl std::str::FromStr for NumberRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let what = "two device numbers with .. between them, the lower first, of one product and one length";
        let (first, last) = text.split_once("..").ok_or(what)?;
        let first: DeviceNumber = first.parse().map_err(|_| what)?;
        let last: DeviceNumber = last.parse().map_err(|_| what)?;
        let (low, high) = (first.text(), last.text());
        if first.product() != last.product() || low.len() != high.len() || low > high {
            return Err(what);
        }
        Ok(Self { first, last })
    }
}

/// How many credentials a preview names to people; a program is told all.
const NAMED_TO_PEOPLE: usize = 20;

#[derive(Serialize)]
struct Revoked<'a> {
    member: &'a Member,
}

/// What would be revoked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Preview {
    dry_run: bool,
    certificates: u64,
    apparatuses: u64,
    states: BTreeMap<CredentialState, u64>,
    credentials: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    credential: CredentialId,
    state: CredentialState,
}

/// What was revoked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    dry_run: bool,
    certificates: u64,
    apparatuses: u64,
    reason: RevocationReason,
}

impl Preview {
    fn of(found: &Selected) -> Self {
        let VoidedCounts { certificates, apparatuses } = found.counts();
        let numbers = found.certificates.iter().map(|(number, state)| (number.clone().into(), *state));
        let ids = found.apparatuses.iter().map(|(id, state)| (CredentialId::from(*id), *state));
        let credentials: Vec<Named> =
            numbers.chain(ids).map(|(credential, state)| Named { credential, state }).collect();
        let mut states = BTreeMap::new();
        for named in &credentials {
            *states.entry(named.state).or_default() += 1;
        }
        Self { dry_run: true, certificates, apparatuses, states, credentials }
    }

    fn for_people(&self) -> String {
        let mut text = format!(
            "this would revoke {} certificates and {} symmetric credentials, for good",
            self.certificates, self.apparatuses
        );
        for (state, count) in &self.states {
            let _ = write!(text, "\n{count:>9} {state}");
        }
        for named in self.credentials.iter().take(NAMED_TO_PEOPLE) {
            let _ = write!(text, "\n{} ({})", named.credential, named.state);
        }
        if let more @ 1.. = self.credentials.len().saturating_sub(NAMED_TO_PEOPLE) {
            let _ = write!(text, "\nand {more} more, which --json lists");
        }
        text
    }
}

/// A moment with an offset, or by the machine's local time.
fn moment(text: &str) -> Result<Timestamp, jiff::Error> {
    match text.parse() {
        Ok(moment) => Ok(moment),
        Err(_) => Ok(text.parse::<DateTime>()?.to_zoned(TimeZone::system())?.timestamp()),
    }
}
