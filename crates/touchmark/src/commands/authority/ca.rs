//! `touchmark authority ca ...`: the CAs that sign devices, one after another.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use authority::{Activated, FurtherCa, Impact, MemberStanding};
use cert::Certificate;
use identity::ProductCode;
use pki::{NO_EXPIRY, NameText};
use serde::Serialize;
use store::authority::ca::IssuingCaName;
use store::authority::issuing_ca::{IssuingCa, IssuingCaState};

use super::{open_desk, passphrase, person, root_key};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::failure::Failure;
use crate::output::moment;

/// What is done with the CAs that sign devices.
#[derive(clap::Subcommand)]
pub enum CaCommand {
    /// Make a further CA; members learn it by themselves, and it signs nothing before it is activated
    Make(MakeArguments),
    /// List them: where each stands, how long it is valid, how many of its certificates count
    List {
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Say what hangs on a CA before it stops signing or is retired: certificates, stock, members, duties
    Impact {
        /// The CA, such as issuing-2; by default the one that signs
        ca: Option<IssuingCaName>,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Let a CA sign from now on; what the one before has signed still counts
    Activate {
        /// The CA, such as issuing-2
        ca: IssuingCaName,
        /// Also where a member that can be reached does not know it yet, and will refuse its devices until then
        #[arg(long)]
        accept_members_without_it: bool,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Take the trust from a CA for good: nothing that it has signed counts any more
    Retire {
        /// The CA, such as issuing
        ca: IssuingCaName,
        /// Also where certificates that it has signed still count, which then lock their devices out
        #[arg(long)]
        accept_living_certificates: bool,
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Arguments of `touchmark authority ca make`.
#[derive(clap::Args)]
pub struct MakeArguments {
    /// The root's key, encrypted; by default root-key.pem in the data directory
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// The file with the passphrase for the root's key
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: PathBuf,
    /// The organization in the CA's name
    #[arg(long, value_name = "TEXT")]
    organization: Option<NameText>,
    /// For how many days the CA is valid; without end by default, since devices keep their certificates for life
    #[arg(long, value_name = "N")]
    valid_days: Option<u32>,
    #[command(flatten)]
    role: RoleArguments,
}

/// Runs one command.
pub async fn run(command: CaCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        CaCommand::Make(arguments) => make(arguments, edge).await,
        CaCommand::List { role } => list(&role, edge).await,
        CaCommand::Impact { ca, role } => {
            let impact = open_desk(&role.authority()?, edge).await?.impact(ca).await?;
            edge.output.object(&impact, for_people(&impact));
            Ok(())
        }
        CaCommand::Activate { ca, accept_members_without_it, role } => {
            let desk = open_desk(&role.authority()?, edge).await?;
            let done = desk.activate_issuing_ca(ca, accept_members_without_it, &person()).await;
            let done = done.map_err(|error| {
                let advice = format!(
                    "see `touchmark authority ca impact`; members take a new CA within seconds where they can be \
                     reached; --accept-members-without-it activates {ca} all the same"
                );
                Failure::new(format!("{ca} does not sign yet")).because(error).advise(advice)
            })?;
            edge.output.object(&done, activated_for_people(&done));
            Ok(())
        }
        CaCommand::Retire { ca, accept_living_certificates, role } => {
            let desk = open_desk(&role.authority()?, edge).await?;
            let done = desk.retire_issuing_ca(ca, accept_living_certificates, &person()).await;
            let done = done.map_err(|error| {
                let advice = format!(
                    "see `touchmark authority ca impact {ca}`; renew the devices first, or revoke them with \
                     `touchmark authority revoke --issuing-ca {ca}`, or lock them out with \
                     --accept-living-certificates"
                );
                Failure::new(format!("{ca} is not retired")).because(error).advise(advice)
            })?;
            let text = format!("{ca} is retired: {} certificates count no more", done.living);
            edge.output.object(&done, text);
            Ok(())
        }
    }
}

async fn make(arguments: MakeArguments, edge: &Edge) -> anyhow::Result<()> {
    let MakeArguments { root_key: file, root_passphrase_file, organization, valid_days, role } = arguments;
    let config = role.authority()?;
    let root_key = root_key(&config, file.as_deref(), &root_passphrase_file)?;
    let desk = open_desk(&config, edge).await?;
    let further = FurtherCa { organization, valid_days };
    let made = desk.make_issuing_ca(further, root_key, passphrase(&config.unlock_file)?, &person()).await?;
    let text = format!(
        "{name} is made; members learn it now. `touchmark authority ca impact` says who knows it, \
         `touchmark authority ca activate {name}` lets it sign",
        name = made.ca
    );
    edge.output.object(&made, text);
    Ok(())
}

/// One line of `list`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    ca: IssuingCaName,
    state: IssuingCaState,
    sha256: String,
    begins: i64,
    ends: Option<i64>,
    activated: Option<i64>,
    retired: Option<i64>,
    certificates: BTreeMap<ProductCode, u64>,
}

async fn list(role: &RoleArguments, edge: &Edge) -> anyhow::Result<()> {
    let desk = open_desk(&role.authority()?, edge).await?;
    let mut living = desk.living_by_ca().await?;
    let found = desk.issuing_cas().await?;
    let rows: Vec<Row> = found
        .into_iter()
        .map(|ca| {
            let certificates = living.remove(&ca.name).unwrap_or_default();
            row(&ca, certificates)
        })
        .collect::<anyhow::Result<_>>()?;
    let headings =
        ["ca", "state", "valid from", "until", "signs since", "retired", "certificates that count"];
    edge.output.rows(&headings, &rows, |row| {
        let optional = |seconds: Option<i64>| seconds.map(moment).unwrap_or_default();
        let of = |(product, count): (&ProductCode, &u64)| format!("{product}: {count}");
        let certificates: Vec<String> = row.certificates.iter().map(of).collect();
        vec![
            row.ca.to_string(),
            row.state.to_string(),
            moment(row.begins),
            row.ends.map_or("for good".to_owned(), moment),
            optional(row.activated),
            optional(row.retired),
            certificates.join(", "),
        ]
    });
    Ok(())
}

fn row(ca: &IssuingCa, certificates: BTreeMap<ProductCode, u64>) -> anyhow::Result<Row> {
    let certificate = Certificate::parse(&ca.ca.certificate)?;
    Ok(Row {
        ca: ca.name,
        state: ca.state,
        sha256: certificate.fingerprint().to_string(),
        begins: certificate.not_before(),
        ends: Some(certificate.not_after()).filter(|ends| *ends != NO_EXPIRY),
        activated: ca.activated,
        retired: ca.retired,
        certificates,
    })
}

fn activated_for_people(done: &Activated) -> String {
    let Activated { ca, superseded, lacking } = done;
    let mut text = format!("{ca} signs from now on; what {superseded} has signed still counts");
    for member in lacking {
        let _ = write!(text, "\n{member} does not know {ca} yet, and refuses its devices until it does");
    }
    text
}

fn for_people(impact: &Impact) -> String {
    let Impact { ca, state, living, expired, not_renewed, outlive, duties, .. } = impact;
    let end =
        |ends: Option<i64>| ends.map_or("for good".to_owned(), |ends| format!("until {}", moment(ends)));
    let mut text = format!("{ca} is {state}; it is valid {}\n\n", end(impact.ends));
    let _ = write!(text, "{living} certificates that it signed count, and {expired} have expired");
    for product in &impact.products {
        let states: Vec<String> =
            product.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let _ = write!(
            text,
            "\n  {}: {}; {} devices not renewed",
            product.product,
            states.join(", "),
            product.not_renewed
        );
    }
    for (factory, packs) in &impact.stock {
        let _ = write!(text, "\n  {packs} packs wait for devices at {factory}");
    }
    let _ = write!(text, "\n{not_renewed} devices have no certificate of another CA");
    if *outlive > 0 {
        let _ =
            write!(text, "\n{outlive} certificates state a later end than {ca} itself, with which they end");
    }
    text.push_str("\n\nmembers, and what each said last");
    for member in &impact.members {
        let _ = write!(text, "\n  {}", member_for_people(member));
    }
    let crls = if duties.crls { "CRLs and OCSP answers" } else { "OCSP answers" };
    let _ = write!(text, "\n\n{crls} go on {}; {} are revoked", end(duties.until), duties.revoked);
    text
}

fn member_for_people(standing: &MemberStanding) -> String {
    let names = |cas: &[IssuingCaName]| cas.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let heard = match (standing.heard, standing.is_reachable) {
        (None, _) => "never heard".to_owned(),
        (Some(heard), true) => format!("reachable, heard {}", moment(heard)),
        (Some(heard), false) => format!("not reachable, last heard {}", moment(heard)),
    };
    let mut text = format!("{}: {heard}", standing.member);
    if !standing.lacks.is_empty() {
        let _ = write!(text, "; has not taken {}", names(&standing.lacks));
    }
    if !standing.still_trusts.is_empty() {
        let _ = write!(text, "; still trusts {}", names(&standing.still_trusts));
    }
    text
}
