//! `touchmark authority product ...`: which credentials a product's devices take.

use std::collections::HashMap;

use authority::Desk;
use clap::ValueEnum;
use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use identity::scan::CheckDigit;
use identity::{KeyIdentifier, ProductCode};
use pki::NameText;
use serde::Serialize;
use store::authority::pre_write_key::Stage;
use store::authority::product::Product;
use store::authority::renewal_policy::RenewalPolicy;

use super::{open_desk, person};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::config::AuthorityConfig;
use crate::failure::Failure;

/// What is done with products.
#[derive(clap::Subcommand)]
pub enum ProductCommand {
    /// Set a product and its profile, in place of what was said of it before
    Set(ProductArguments),
    /// List the products
    List {
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Arguments of `touchmark authority product set`.
#[derive(clap::Args)]
pub struct ProductArguments {
    /// The product code, such as 3012
    code: ProductCode,
    /// Its devices take an X.509 certificate; so they do unless --symmetric or --credential none is given
    #[arg(long)]
    certificate: bool,
    /// Its devices take an apparatus ID and a pass phrase, and keep the latter opened or sealed
    #[arg(long, value_name = "opened|sealed")]
    symmetric: Option<SymmetricForm>,
    /// Whether its devices take a credential at all
    #[arg(long, value_enum, default_value_t = CredentialKind::Certificate)]
    credential: CredentialKind,
    /// Who can read the secrets on their way; by default everyone where there is a certificate only,
    /// else the devices that have the product's pre-write key
    #[arg(long, value_name = "plain|pre-write-key|device-key|chip-key")]
    sealing: Option<Sealing>,
    /// The key of its certificates
    #[arg(long, value_name = "p-256|p-384", default_value_t = KeyAlgorithm::P256)]
    key_algorithm: KeyAlgorithm,
    /// Where the key of its certificates is made
    #[arg(long, value_name = "authority|device", default_value_t = KeyOrigin::Authority)]
    key_origin: KeyOrigin,
    /// The maker that stands in the certificates
    #[arg(long, value_name = "TEXT")]
    organization: Option<NameText>,
    /// For how many days a certificate is valid; by default it does not expire
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    validity_days: Option<u32>,
    /// For how many days after its end a certificate may still be renewed; by default it may not
    #[arg(long, value_name = "DAYS", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(..=36_500))]
    renew_expired_days: u32,
    /// How many days before the end of their certificates centers ask devices to renew; by default never
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    renew_before_days: Option<u32>,
    /// The check character after the serial on its rating plates
    #[arg(long, value_enum, default_value_t = CheckDigitKind::None)]
    check_digit: CheckDigitKind,
    #[command(flatten)]
    role: RoleArguments,
}

/// Whether a product's devices take a credential at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum CredentialKind {
    /// None.
    None,
    /// An X.509 certificate, unless --symmetric is given.
    Certificate,
}

/// Which check character a product's rating plates carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum CheckDigitKind {
    /// None.
    None,
    /// ISO/IEC 7064 MOD 37-2.
    #[value(name = "mod-37-2")]
    Mod37_2,
}

impl From<CheckDigitKind> for CheckDigit {
    fn from(kind: CheckDigitKind) -> Self {
        match kind {
            CheckDigitKind::None => Self::None,
            CheckDigitKind::Mod37_2 => Self::Mod37_2,
        }
    }
}

/// Runs one command.
pub async fn run(command: ProductCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        ProductCommand::Set(arguments) => set(arguments, edge).await,
        ProductCommand::List { role } => list(&role.authority()?, edge).await,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    code: ProductCode,
    takes_certificate: bool,
    key_algorithm: Option<KeyAlgorithm>,
    key_origin: Option<KeyOrigin>,
    symmetric: Option<SymmetricForm>,
    sealing: Sealing,
    key_identifier: Option<KeyIdentifier>,
    organization: Option<String>,
    validity_days: Option<u32>,
    renew_expired_days: u32,
    renew_before_days: Option<u32>,
    check_digit: &'static str,
}

async fn set(arguments: ProductArguments, edge: &Edge) -> anyhow::Result<()> {
    let product = Product {
        profile: profile(&arguments)?,
        code: arguments.code,
        organization: arguments.organization.map(|text| text.as_str().to_owned()),
        validity_days: arguments.validity_days,
        check_digit: arguments.check_digit.into(),
    };
    let desk = open_desk(&arguments.role.authority()?, edge).await?;
    desk.set_product(product.clone(), &person()).await?;
    let policy = RenewalPolicy {
        expired_days: arguments.renew_expired_days,
        before_days: arguments.renew_before_days,
    };
    desk.set_renewal_policy(&product.code, policy, &person()).await?;
    let key_identifier = current_keys(&desk).await?.remove(&product.code);
    let row = row(product, key_identifier, policy);
    if row.sealing.needs_pre_write_key() && row.key_identifier.is_none() {
        edge.output.note(format!(
            "nothing can be sealed for {0} yet: make its key with `touchmark authority pre-write-key make {0}`",
            row.code
        ));
    }
    let [code, credentials, sealing, organization, validity, check_digit] = cells(&row);
    let text = format!(
        "{code} is set: {credentials}, {sealing}, {organization}, {validity}, check character {check_digit}"
    );
    edge.output.object(&row, text);
    Ok(())
}

fn profile(arguments: &ProductArguments) -> anyhow::Result<CredentialProfile> {
    let ProductArguments { certificate, symmetric, credential, sealing, .. } = arguments;
    if *credential == CredentialKind::None {
        if *certificate || symmetric.is_some() || sealing.is_some() {
            return Err(Failure::usage("a product without credential takes no certificate, no pass phrase")
                .advise("leave --credential none out, or --certificate, --symmetric and --sealing")
                .into());
        }
        return Ok(CredentialProfile::NONE);
    }
    let certificate = (*certificate || symmetric.is_none())
        .then_some(CertificateProfile { algorithm: arguments.key_algorithm, origin: arguments.key_origin });
    let usual = if symmetric.is_some() { Sealing::PreWriteKey } else { Sealing::Plain };
    CredentialProfile::new(certificate, *symmetric, sealing.unwrap_or(usual)).map_err(|error| {
        Failure::usage("these credentials cannot be had together")
            .because(error)
            .advise("`touchmark authority product set --help` says what each option means")
            .into()
    })
}

async fn list(config: &AuthorityConfig, edge: &Edge) -> anyhow::Result<()> {
    let desk = open_desk(config, edge).await?;
    let mut keys = current_keys(&desk).await?;
    let mut policies: HashMap<ProductCode, RenewalPolicy> =
        desk.renewal_policies().await?.into_iter().collect();
    let products = desk.products().await?;
    let rows: Vec<Row> = products
        .into_iter()
        .map(|product| {
            let key_identifier = keys.remove(&product.code);
            let policy = policies.remove(&product.code).unwrap_or_default();
            row(product, key_identifier, policy)
        })
        .collect();
    let headings = ["product", "credentials", "secrets", "maker", "validity", "check character"];
    edge.output.rows(&headings, &rows, |row| cells(row).to_vec());
    Ok(())
}

async fn current_keys(desk: &Desk) -> anyhow::Result<HashMap<ProductCode, KeyIdentifier>> {
    let keys = desk.pre_write_keys().await?.into_iter();
    Ok(keys.filter(|key| key.stage() == Stage::Current).map(|key| (key.product, key.identifier)).collect())
}

fn row(product: Product, key_identifier: Option<KeyIdentifier>, policy: RenewalPolicy) -> Row {
    let certificate = product.profile.certificate();
    Row {
        code: product.code,
        takes_certificate: certificate.is_some(),
        key_algorithm: certificate.map(|certificate| certificate.algorithm),
        key_origin: certificate.map(|certificate| certificate.origin),
        symmetric: product.profile.symmetric(),
        sealing: product.profile.sealing(),
        key_identifier,
        organization: product.organization,
        validity_days: product.validity_days,
        renew_expired_days: policy.expired_days,
        renew_before_days: policy.before_days,
        check_digit: match product.check_digit {
            CheckDigit::None => "none",
            CheckDigit::Mod37_2 => "mod-37-2",
        },
    }
}

fn cells(row: &Row) -> [String; 6] {
    let certificate = row.key_algorithm.zip(row.key_origin).map(|(algorithm, origin)| match origin {
        KeyOrigin::Authority => format!("certificate {algorithm}"),
        KeyOrigin::Device => format!("certificate {algorithm} for the device's own key"),
    });
    let symmetric = row.symmetric.map(|form| format!("pass phrase {form}"));
    let credentials: Vec<String> = certificate.into_iter().chain(symmetric).collect();
    let key = row.key_identifier.as_ref().map_or("no key yet".to_owned(), ToString::to_string);
    [
        row.code.to_string(),
        if credentials.is_empty() { "no credential".to_owned() } else { credentials.join(" and ") },
        match row.sealing {
            Sealing::Plain => "plain".to_owned(),
            Sealing::ChipKey => "sealed to the chip".to_owned(),
            Sealing::PreWriteKey => format!("sealed under {key}"),
            Sealing::DeviceKey => format!("sealed under a device's own key of {key}"),
        },
        row.organization.clone().unwrap_or_else(|| "no maker named".to_owned()),
        row.validity_days.map_or("does not expire".to_owned(), |days| format!("{days} days")),
        row.check_digit.to_owned(),
    ]
}
