//! What the doctor looks at.

use std::error::Error;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cert::Certificate;
use cert::tls::server_config;
use identity::{Clock, Role};
use pki::NO_EXPIRY;
use store::authority::issuing_ca::{self, IssuingCaState};
use store::{Schema, Store, Vault};
use tokio::net::TcpListener;
use transport::CallError;

use super::{Finding, Patient, Verdict};
use crate::commands::Edge;
use crate::member_files::{self, MEMBER, MemberFiles, load_host};

/// All examinations of a role, in the order in which one failing explains the next.
pub async fn examine(patient: &Patient, edge: &Edge) -> Vec<Finding> {
    let mut findings = vec![data_directory(&patient.data), secret_files(&patient.data)];
    if let Some(unlock_file) = &patient.unlock_file {
        findings.push(unlock_file_kept_apart(unlock_file, &patient.data));
    }
    if let Some((schema, url)) = &patient.store {
        findings.push(store_opens(*schema, url, patient.unlock_file.as_deref()).await);
        if *schema == Schema::Center && findings.last().is_some_and(|store| store.verdict != Verdict::Wrong) {
            findings.push(journal(url).await);
        }
    }
    let clock = &edge.clock;
    match member_files::load(&patient.data) {
        Ok(files) => {
            findings.push(certificate(patient.role, &files, clock));
            findings.push(device_cas(patient, &files, clock.epoch_seconds()).await);
            findings.push(clock_is_sane(&patient.data, &files, clock.epoch_seconds()));
            if let Some(path) = patient.host_path {
                findings.push(host(patient, path, &files, clock).await);
            }
        }
        Err(error) => {
            findings.push(Finding::wrong("certificate", chain(error.as_ref()), patient.made_by));
        }
    }
    if let Some(address) = patient.listen {
        findings.push(listening(address).await);
    }
    findings
}

fn data_directory(data: &Path) -> Finding {
    const CHECK: &str = "data directory";
    match fs::metadata(data) {
        Ok(metadata) if !metadata.is_dir() => {
            Finding::wrong(CHECK, format!("{} is no directory", data.display()), "name another with `data`")
        }
        Ok(metadata) if is_open_to_others(&metadata) => Finding::doubtful(
            CHECK,
            format!("others may look into {}", data.display()),
            format!("chmod 700 {}", data.display()),
        ),
        Ok(_) => Finding::fine(CHECK, data.display().to_string()),
        Err(error) => {
            Finding::wrong(CHECK, format!("{}: {error}", data.display()), "make it by `init` or `join`")
        }
    }
}

/// Files that hold a secret, or the books; whichever a role has.
const SECRET_FILES: [&str; 5] = [MEMBER, "root-key.pem", "keys", "store.sqlite", "store.sqlite-wal"];

fn secret_files(data: &Path) -> Finding {
    const CHECK: &str = "file modes";
    let is_open = |name: &&str| fs::metadata(data.join(name)).is_ok_and(|file| is_open_to_others(&file));
    let open: Vec<String> = SECRET_FILES
        .iter()
        .filter(|name| is_open(name))
        .map(|name| data.join(name).display().to_string())
        .collect();
    if open.is_empty() {
        Finding::fine(CHECK, "secrets are their owner's only")
    } else {
        Finding::wrong(
            CHECK,
            format!("others may read {}", open.join(" ")),
            format!("chmod 600 {}", open.join(" ")),
        )
    }
}

fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

fn unlock_file_kept_apart(unlock_file: &Path, data: &Path) -> Finding {
    const CHECK: &str = "unlock file";
    let shown = unlock_file.display();
    if let Err(error) = store::read_unlock_file(unlock_file) {
        return Finding::wrong(CHECK, chain(&error), "name the right one with `unlock_file`");
    }
    match (fs::metadata(unlock_file), fs::metadata(data)) {
        (Ok(file), _) if is_open_to_others(&file) => {
            Finding::wrong(CHECK, format!("others may read {shown}"), format!("chmod 600 {shown}"))
        }
        (Ok(file), Ok(data)) if file.dev() == data.dev() => Finding::doubtful(
            CHECK,
            format!("{shown} is on the disk that it protects"),
            "keep it on a removable medium or in memory, so that a stolen disk opens nothing",
        ),
        _ => Finding::fine(CHECK, shown.to_string()),
    }
}

async fn store_opens(schema: Schema, url: &str, unlock_file: Option<&Path>) -> Finding {
    const CHECK: &str = "store";
    // Opening makes a SQLite file that is missing, and the doctor makes nothing.
    if let Some(path) = url.strip_prefix("sqlite:")
        && !Path::new(path).exists()
    {
        return Finding::wrong(CHECK, format!("there is no {path}"), "make it by `init` or `join`");
    }
    let store = match Store::open(url, schema).await {
        Ok(store) => store,
        Err(error) => {
            return Finding::wrong(
                CHECK,
                chain(&error),
                "see that the database runs and that `store` names it",
            );
        }
    };
    if schema == Schema::Center {
        return Finding::fine(CHECK, "it opens; a center has no vault");
    }
    let Some(Ok(passphrase)) = unlock_file.map(store::read_unlock_file) else {
        return Finding::doubtful(CHECK, "it opens; its vault was not tried", "mend the unlock file first");
    };
    match Vault::unlock(&store, passphrase).await {
        Ok(_) => Finding::fine(CHECK, "it opens, and the unlock file opens its vault"),
        Err(error) => {
            Finding::wrong(CHECK, chain(&error), "use the unlock file that the store was made with")
        }
    }
}

/// Whether a center's journal is whole, and its books say what follows from it; and what waits for a person.
async fn journal(url: &str) -> Finding {
    const CHECK: &str = "journal";
    const MEND: &str = "send no invoice; keep the store as it is, and compare it with a backup";
    let store = match Store::open(url, Schema::Center).await {
        Ok(store) => store,
        Err(error) => return Finding::wrong(CHECK, chain(&error), MEND),
    };
    let entries = match center::invoice::recount(&store).await {
        Ok(entries) => entries,
        Err(error) => return Finding::wrong(CHECK, chain(&error), MEND),
    };
    let quarantined = async { store::center::quarantine::count_open(&mut store.read().await?).await };
    match quarantined.await {
        Ok(0) => Finding::fine(CHECK, format!("{entries} entries; the books say the same")),
        Ok(count) => Finding::doubtful(
            CHECK,
            format!("{entries} entries; {count} device numbers wait in quarantine"),
            "decide with `touchmark center quarantine`",
        ),
        Err(error) => Finding::wrong(CHECK, chain(&error), MEND),
    }
}

/// How long before its end a certificate should be renewed, in days.
const RENEWAL_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// What lasts longer than this is not counted in days.
const LONG_DAYS: i64 = 36_500;

fn certificate(role: Role, files: &MemberFiles, clock: &Arc<dyn Clock>) -> Finding {
    const CHECK: &str = "certificate";
    const JOIN_AGAIN: &str = "move the data directory's .pem files away and join again with a new token";
    let now = clock.epoch_seconds();
    if files.member.role() != role {
        let found = format!("it is that of {}, not of a {role}", files.member);
        return Finding::wrong(CHECK, found, "name another data directory with `data`");
    }
    if let Err(refusal) = files.trust.verify_member(files.certificate.der(), now) {
        return Finding::wrong(CHECK, refusal.to_string(), JOIN_AGAIN);
    }
    if let Err(error) = server_config(files.trust.clone(), &files.credential, Arc::clone(clock)) {
        return Finding::wrong(CHECK, chain(&error), JOIN_AGAIN);
    }
    let days = (files.certificate.not_after() - now) / DAY_SECONDS;
    let found = format!("{}, valid for {days} more days", files.member);
    if days < RENEWAL_DAYS {
        Finding::doubtful(CHECK, found, JOIN_AGAIN)
    } else {
        Finding::fine(CHECK, found)
    }
}

/// Whether the CAs of devices are valid: an authority's by its store, others' by what they were told last.
async fn device_cas(patient: &Patient, files: &MemberFiles, now: i64) -> Finding {
    const CHECK: &str = "device CAs";
    const MEND: &str = "look at `touchmark authority ca list`, and make a further CA at the authority";
    let stored = async |url: &str| {
        let mut snapshot = Store::open(url, Schema::Authority).await?.read().await?;
        issuing_ca::all(&mut snapshot).await
    };
    let cas = match &patient.store {
        Some((Schema::Authority, url)) => match stored(url).await {
            Ok(all) => {
                let trusted = all.into_iter().filter(|ca| ca.state != IssuingCaState::Retired);
                trusted.filter_map(|ca| Certificate::parse(&ca.ca.certificate).ok()).collect()
            }
            Err(error) => return Finding::wrong(CHECK, chain(&error), "mend the store first"),
        },
        _ => files.trust.issuing(),
    };
    let shown = |ca: &Certificate| match (ca.not_after() - now) / DAY_SECONDS {
        days if ca.not_after() == NO_EXPIRY || days > LONG_DAYS => format!("{} for long", ca.subject()),
        days => format!("{} for {days} days", ca.subject()),
    };
    let found = format!("{} trusted: {}", cas.len(), cas.iter().map(shown).collect::<Vec<_>>().join("; "));
    let left = |days: i64| cas.iter().any(|ca| ca.not_after() < now + days * DAY_SECONDS);
    if cas.is_empty() || left(0) {
        Finding::wrong(CHECK, found, MEND)
    } else if left(RENEWAL_DAYS) {
        Finding::doubtful(CHECK, found, MEND)
    } else {
        Finding::fine(CHECK, found)
    }
}

/// How far a file may seem to be changed in the future: clocks of file servers differ a little.
const CLOCK_TOLERANCE_SECONDS: i64 = 300;

fn clock_is_sane(data: &Path, files: &MemberFiles, now: i64) -> Finding {
    const CHECK: &str = "clock";
    let newest = fs::read_dir(data)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|file| file.mtime())
        .max()
        .unwrap_or(now);
    let latest_known = newest.max(files.certificate.not_before());
    if now + CLOCK_TOLERANCE_SECONDS < latest_known {
        let found = format!("it is {} seconds behind what this role has seen", latest_known - now);
        Finding::wrong(CHECK, found, "set the machine's clock, and let it follow a time server")
    } else {
        Finding::fine(CHECK, "not behind anything that this role has seen")
    }
}

/// How long the host may take to answer the doctor.
const HOST_TIMEOUT: Duration = Duration::from_secs(10);

async fn host(patient: &Patient, path: &str, files: &MemberFiles, clock: &Arc<dyn Clock>) -> Finding {
    const CHECK: &str = "host";
    let (host, client) = match load_host(&patient.data)
        .and_then(|host| files.client(&host, &patient.proxy, Arc::clone(clock)).map(|client| (host, client)))
    {
        Ok(found) => found,
        Err(error) => {
            return Finding::wrong(
                CHECK,
                chain(error.as_ref()),
                "mend `proxy`, or join again with a new token",
            );
        }
    };
    let client = client.with_timeout(HOST_TIMEOUT);
    match client.get_json::<serde_json::Value>(path).await {
        Ok(_) => Finding::fine(CHECK, format!("{} answers at {}", host.member, host.url)),
        Err(CallError::Refused(problem)) => {
            let mend = "ask the people of the host whether this member was revoked";
            Finding::wrong(CHECK, format!("{} answers: {problem}", host.member), mend)
        }
        Err(error) => {
            let mend = format!(
                "see that {} serves at {}, and that the network lets it be reached",
                host.member, host.url
            );
            Finding::wrong(CHECK, chain(&error), mend)
        }
    }
}

async fn listening(address: std::net::SocketAddr) -> Finding {
    const CHECK: &str = "listen";
    match TcpListener::bind(address).await {
        Ok(_) => Finding::fine(CHECK, format!("{address} is free; the role does not serve now")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Finding::fine(CHECK, format!("{address} is served, by this role or another program"))
        }
        Err(error) => Finding::wrong(
            CHECK,
            format!("{address}: {error}"),
            "name an address of this machine with `listen`",
        ),
    }
}

/// An error and all that caused it, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
