//! `touchmark demo --serve`: the factory in slow motion, with all consoles, until it is stopped.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::Random;
use jiff::civil::Date;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use staff::SecondFactor;
use tokio::time::interval;
use zeroize::Zeroizing;

use super::Arguments;
use crate::commands::Edge;
use crate::plant::Plant;
use crate::plant::figures::Figures;
use crate::plant::living::{Consoles, Pulse};
use crate::serving::told_to_stop;

/// How many units there are to be made where nobody says: more than an hour's worth.
const UNITS: u64 = 1_500;
/// The person who may sign in.
const NAME: &str = "demo";
/// Random bytes of the password: as many as nobody guesses, and somebody types.
const PASSWORD_BYTES: usize = 10;
/// How often the current code is shown: a code is good for about as long.
const CODE_EVERY: Duration = Duration::from_secs(30);

/// What is printed first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started<'a> {
    authority: String,
    gateway: String,
    center: String,
    name: &'static str,
    password: &'a str,
    /// The one-time code of this minute.
    code: &'a str,
    /// What an authenticator app takes, to make the codes that follow.
    second_factor: &'a str,
    data: &'a Path,
}

/// Runs until told to stop.
pub async fn run(
    arguments: &Arguments,
    data: &Path,
    devices: &Path,
    today: Date,
    edge: &Edge,
) -> anyhow::Result<()> {
    let told_to_stop = told_to_stop()?;
    let figures = Figures::read(Some(arguments.units.unwrap_or(UNITS)))?;
    let orders = figures.orders()?;
    edge.output.note("An authority, a gateway and a center are founded, and the gateway fetches its packs.");
    let blueprint = figures.blueprint(data, today)?;
    let mut plant = Plant::start(&blueprint, Arc::clone(&edge.clock), Arc::clone(&edge.random)).await?;
    plant.fill_stock().await?;
    let field = plant.field().await?;
    let consoles = plant.open_consoles(&field).await?;

    let password = password(&*edge.random);
    let mut seed = Zeroizing::new([0; 32]);
    edge.random.fill(&mut *seed);
    let same = || -> Arc<dyn Random> { Arc::new(Repeated(Mutex::new(StdRng::from_seed(*seed)))) };
    let factor = plant.add_person(&NAME.parse()?, password.as_bytes(), same, &field.store).await?;
    show(&consoles, &password, &factor, data, edge);

    let pulse = Pulse::default();
    let life = plant.live(&field, &orders, devices, arguments.seed, &pulse, told_to_stop);
    tokio::select! {
        lived = life => lived?,
        () = tell_codes(&factor, &pulse, edge) => {}
    }
    edge.output.note("Told to stop.");
    plant.stop().await;
    field.store.close().await;
    Ok(())
}

fn show(consoles: &Consoles, password: &str, factor: &SecondFactor, data: &Path, edge: &Edge) {
    let address = |address| format!("http://{address}");
    let code = factor.code(edge.clock.epoch_seconds());
    let started = Started {
        authority: address(consoles.authority),
        gateway: address(consoles.gateway),
        center: address(consoles.center),
        name: NAME,
        password,
        code: &code,
        second_factor: factor.uri(),
        data,
    };
    let mut text =
        Zeroizing::new(String::from("The factory is running. Open in a browser on this machine:\n\n"));
    for (role, address) in
        [("center", &started.center), ("gateway", &started.gateway), ("authority", &started.authority)]
    {
        let _ = writeln!(text, "  {role:<10} {address}");
    }
    let _ = write!(
        text,
        "\nSign in at each with\n\n  name       {NAME}\n  password   {password}\n  code       {}   good for a minute, \
         and once at each console; the next ones are shown below\n\nor let an authenticator app make the codes: {}\n\n\
         Ctrl-C stops it. All of it is in {}.",
        *code,
        factor.uri(),
        data.display()
    );
    edge.output.object(&started, &*text);
}

/// Says now and then how far things are, with the code of that moment.
async fn tell_codes(factor: &SecondFactor, pulse: &Pulse, edge: &Edge) {
    let mut ticks = interval(CODE_EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        edge.output.note(format!(
            "code {}   {} devices written, {} scans refused, {} calls taken",
            *factor.code(edge.clock.epoch_seconds()),
            pulse.written.load(Ordering::Relaxed),
            pulse.refused.load(Ordering::Relaxed),
            pulse.calls.load(Ordering::Relaxed),
        ));
    }
}

/// A password of this run.
fn password(random: &dyn Random) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; PASSWORD_BYTES]);
    random.fill(&mut *bytes);
    let words: Vec<String> = bytes.chunks(2).map(hex::encode).collect();
    Zeroizing::new(words.join("-"))
}

/// Random bytes that come again: whoever starts from the same seed gets the same.
struct Repeated(Mutex<StdRng>);

impl Random for Repeated {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}
