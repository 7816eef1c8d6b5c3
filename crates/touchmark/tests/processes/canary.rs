//! Secrets that the factory cannot read: neither on the disks of gateway and station nor in their
//! memory, at any moment, not even while the pack is on its way to the device.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use auth::SymmetricCredential;
use identity::line::{Key, Pack, Request, decode};
use identity::profile::Sealing;
use identity::{CredentialId, HardwareUid, ProductCode};
use p256::SecretKey;
use p256::pkcs8::DecodePrivateKey;
use seal::{Binding, ChipKey, OpenError, Opened, PreWriteKey, SECRET_BYTES_MAX};
use serde_json::Value;
use touchmark::pem_files;
use touchmark::pre_write_key_file::PreWriteKeyFile;

use crate::relay::Relay;
use crate::search::{Place, Search, Secret, files_below, memory_of};
use crate::site::{Device, Process, Site, today};

#[test]
fn a_factory_never_holds_a_secret_of_sealed_packs() {
    let mut factory = Factory::with(&SEALED_PRODUCTS);
    let mut secrets = Vec::new();
    let mut opened_devices = Vec::new();
    for (index, product) in SEALED_PRODUCTS.iter().enumerate() {
        let chip = format!("0000000{index}");
        let device = factory.device(product, &chip);
        factory.scan(product);

        // The pack is in the station and on the wire: what the station holds is ciphertext.
        let carried = factory.hold_pack(product, &chip);
        secrets.extend(carried.secrets);
        let places = factory.places();
        assert_eq!(Search::new(&secrets).found_in(&places), BTreeSet::new(), "{}", product.code);
        let ciphertexts = Search::new(&carried.ciphertexts).found_in(&places);
        assert!(ciphertexts.iter().any(|what| what.contains("memory")), "the search looks elsewhere");
        factory.relay.release_pack();
        factory.expect_green(product);
        if product.is_kept_opened {
            opened_devices.push(device);
        }
    }

    // When all is written and reported. The authority's vault seals what it keeps; the devices have it.
    let site = &factory.site;
    site.wait_until("the results to be reported", || site.json(&["gateway", "status"])["outbox"] == 0);
    let search = Search::new(&secrets);
    assert_eq!(search.found_in(&factory.places()), BTreeSet::new());
    assert_eq!(search.found_in(&files_below(&site.path("authority"))), BTreeSet::new());
    let held = search.found_in(&files_below(&site.path("devices")));
    for device in opened_devices {
        assert!(held.iter().any(|what| what.ends_with(device.flash())), "{}: {held:?}", device.flash());
    }
}

#[test]
fn the_search_finds_the_key_of_a_plain_pack_on_its_way() {
    let mut factory = Factory::with(&[PLAIN_PRODUCT]);
    let chip = "00000001";
    let _device = factory.device(&PLAIN_PRODUCT, chip);
    factory.scan(&PLAIN_PRODUCT);
    let carried = factory.hold_pack(&PLAIN_PRODUCT, chip);
    let search = Search::new(&carried.secrets);
    let found = search.found_in(&memory_of(&factory.station.0));
    assert!(!found.is_empty(), "the station has the key in clear, and it was not found");
    // On the disks it is encrypted, here too.
    assert_eq!(search.found_in(&factory.files()), BTreeSet::new());
    factory.relay.release_pack();
    factory.expect_green(&PLAIN_PRODUCT);
}

/// A product, and what the test needs to know of its profile.
struct Product {
    code: &'static str,
    profile: &'static [&'static str],
    sealing: Sealing,
    /// Whether what its devices keep can be read in their memory.
    is_kept_opened: bool,
}

const SEALED_PRODUCTS: [Product; 3] = [
    Product {
        code: "A123",
        profile: &["--certificate", "--symmetric", "opened"],
        sealing: Sealing::PreWriteKey,
        is_kept_opened: true,
    },
    Product {
        code: "B200",
        profile: &["--symmetric", "sealed"],
        sealing: Sealing::DeviceKey,
        is_kept_opened: false,
    },
    Product { code: "C300", profile: &["--certificate"], sealing: Sealing::ChipKey, is_kept_opened: true },
];

const PLAIN_PRODUCT: Product =
    Product { code: "D400", profile: &["--certificate"], sealing: Sealing::Plain, is_kept_opened: true };

/// The file with the key pair of a chip that has one.
const CHIP_KEY_FILE: &str = "chip-key.pem";
const UNITS: u64 = 3;

impl Product {
    fn plate(&self) -> String {
        format!("{}-123456", self.code)
    }

    fn has_pre_write_key(&self) -> bool {
        matches!(self.sealing, Sealing::PreWriteKey | Sealing::DeviceKey)
    }

    fn key_file(&self) -> String {
        format!("{}.json", self.code)
    }
}

/// A site whose gateway and station log all that they can, and a wire between station and device.
struct Factory {
    site: Site,
    relay: Relay,
    _authority: Process,
    gateway: Process,
    station: Process,
    scanner: ChildStdin,
    verdicts: Lines<BufReader<ChildStdout>>,
}

/// What a pack brings.
struct Carried {
    secrets: Vec<Secret>,
    ciphertexts: Vec<Secret>,
}

impl Factory {
    fn with(products: &[Product]) -> Self {
        let site = Site::new();
        let authority = site.set_up_authority();
        products.iter().for_each(|product| set_up(&site, product));
        fs::write(
            site.path("station.toml"),
            format!("data = \"{}\"\ndevice_seconds = 120\n", site.file("station")),
        )
        .unwrap();
        drop(site.set_up_gateway());
        let gateway = start(&site, "gateway", &["gateway", "serve"]);
        site.set_up_station("line-1");
        plan(&site, products);

        let relay = Relay::start();
        let mut station = start(&site, "station", &["station", "serve", "--device", &relay.address]);
        let scanner = station.0.stdin.take().unwrap();
        let verdicts = BufReader::new(station.0.stdout.take().unwrap()).lines();
        Self { site, relay, _authority: authority, gateway, station, scanner, verdicts }
    }

    /// A blank device of this product, on the wire.
    fn device(&self, product: &Product, chip: &str) -> Device {
        let mut keys = Vec::new();
        let (key_file, chip_key) = (self.site.file(&product.key_file()), self.site.file(CHIP_KEY_FILE));
        if product.has_pre_write_key() {
            keys.extend(["--pre-write-key", &key_file]);
        }
        if product.sealing == Sealing::DeviceKey {
            keys.push("--derive-for-chip");
        }
        if product.sealing == Sealing::ChipKey {
            keys.extend(["--chip-key", &chip_key]);
        }
        let device = self.site.device_with(product.code, chip, "tcp:127.0.0.1:0", &keys);
        self.relay.connect_to(&device.address);
        device
    }

    fn scan(&mut self, product: &Product) {
        writeln!(self.scanner, "{}", product.plate()).unwrap();
    }

    fn expect_green(&mut self, product: &Product) {
        let verdict: Value = serde_json::from_str(&self.verdicts.next().unwrap().unwrap()).unwrap();
        assert_eq!(
            (&verdict["verdict"], &verdict["deviceNumber"]),
            (&"green".into(), &product.plate().into())
        );
    }

    /// Waits for the pack on the wire, and opens it as only the device can.
    fn hold_pack(&self, product: &Product, chip: &str) -> Carried {
        let mut frame = self.relay.hold_pack();
        let Ok((_, Request::Transmission(transmission))) = decode(&mut frame) else {
            panic!("the relay holds transmissions only")
        };
        let keys = Keys::of(&self.site, product, chip);
        let mut carried = Carried { secrets: keys.secrets(), ciphertexts: Vec::new() };
        carried.take(&transmission.pack, &keys);
        carried
    }

    /// All that gateway and station have, in their memories and on their disks.
    fn places(&self) -> Vec<Place> {
        let memories = [&self.gateway, &self.station].into_iter().flat_map(|process| memory_of(&process.0));
        memories.chain(self.files()).collect()
    }

    fn files(&self) -> Vec<Place> {
        ["gateway", "station", "logs"]
            .into_iter()
            .flat_map(|name| files_below(&self.site.path(name)))
            .collect()
    }
}

/// Sets up a product at the authority, with its key where it has one, and allots it.
fn set_up(site: &Site, product: &Product) {
    let sealing = ["--sealing", product.sealing.as_str()];
    site.json(&[&["authority", "product", "set", product.code], product.profile, &sealing].concat());
    if product.has_pre_write_key() {
        let made = site.json(&["authority", "pre-write-key", "make", product.code]);
        let identifier = made["keyIdentifier"].as_str().unwrap();
        let file = site.file(&product.key_file());
        site.json(&["authority", "pre-write-key", "export", identifier, "--json-file", &file]);
    }
    if product.sealing == Sealing::ChipKey {
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"])
            .arg(site.path(CHIP_KEY_FILE))
            .status();
        assert!(made.unwrap().success());
    }
    let range = ["--quota", "100", "--first", "123456", "--last", "123999"];
    site.json(&[&["authority", "allot", "osaka", product.code], &range[..]].concat());
}

/// Plans some devices of each product for today, and waits until there is stock of those that are stocked.
fn plan(site: &Site, products: &[Product]) {
    let list: String =
        products.iter().enumerate().map(|(i, product)| format!("{i},{},YES,\n", product.code)).collect();
    let units: String = products.iter().map(|product| format!("{},{UNITS}\n", product.code)).collect();
    for (file, content) in [
        ("products.csv", format!("No,DEVICE CODE,CERTIFICATE,REMARKS\n{list}")),
        ("plan.csv", format!("DEVICE CODE,{}\n{units}", today())),
    ] {
        fs::write(site.path(file), content).unwrap();
        let imported = site.run(&["plan", "import", &site.file(file)]);
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stdout));
    }
    site.json(&["gateway", "replenish"]);
    site.wait_until("stock", || {
        let status = site.json(&["gateway", "status"]);
        products.iter().filter(|product| !product.sealing.needs_chip()).all(|product| {
            let rows = status["products"].as_array().unwrap();
            let mut rows = rows.iter().filter(|row| row["product"] == product.code).peekable();
            rows.peek().is_some() && rows.all(|row| row["stocked"] == UNITS)
        })
    });
}

/// Starts a role that logs all that it can into a file of its own.
fn start(site: &Site, role: &str, arguments: &[&str]) -> Process {
    fs::create_dir_all(site.path("logs")).unwrap();
    let log = File::create(site.path("logs").join(role)).unwrap();
    let mut command: Command = site.command(arguments);
    command.env("TOUCHMARK_LOG", "trace").stderr(log).stdin(Stdio::piped()).stdout(Stdio::piped());
    Process(command.spawn().unwrap())
}

/// What the device has that opens its packs.
struct Keys {
    product: ProductCode,
    pre_write_key: Option<PreWriteKey>,
    /// The scalar.
    chip_key: Option<[u8; ChipKey::BYTES]>,
}

impl Keys {
    fn of(site: &Site, product: &Product, chip: &str) -> Self {
        let pre_write_key = product.has_pre_write_key().then(|| {
            let key =
                PreWriteKeyFile::read(&site.path(&product.key_file())).unwrap().pre_write_key().unwrap();
            let chip: HardwareUid = chip.parse().unwrap();
            if product.sealing == Sealing::DeviceKey { key.for_chip(&chip) } else { key }
        });
        let chip_key = (product.sealing == Sealing::ChipKey).then(|| {
            let keys = pem_files::read(&site.path(CHIP_KEY_FILE), pem_files::PRIVATE_KEY).unwrap();
            SecretKey::from_pkcs8_der(&keys[0]).unwrap().to_bytes().into()
        });
        Self { product: product.code.parse().unwrap(), pre_write_key, chip_key }
    }

    fn secrets(&self) -> Vec<Secret> {
        let pre_write_key = self.pre_write_key.as_ref().map(|key| key.expose().to_vec());
        let chip_key = self.chip_key.map(|key| key.to_vec());
        [("pre-write key", pre_write_key), ("key of a chip", chip_key)]
            .into_iter()
            .filter_map(|(name, secret)| Some((format!("{name}, {}", self.product), secret?)))
            .collect()
    }

    fn open<'o>(
        &self,
        credential: &CredentialId,
        sealed: &[u8],
        out: &'o mut [u8],
    ) -> Result<Opened<'o>, OpenError> {
        let binding = Binding { product: &self.product, credential };
        match (&self.pre_write_key, &self.chip_key) {
            (Some(key), _) => key.open(&binding, sealed, out),
            (None, Some(key)) => ChipKey::new(key).unwrap().open(&binding, sealed, out),
            (None, None) => panic!("a device of {} opens nothing", self.product),
        }
    }
}

impl Carried {
    fn take(&mut self, pack: &Pack<'_>, keys: &Keys) {
        let mut room = [0; SECRET_BYTES_MAX];
        let number = &pack.device_number;
        match pack.certificate.map(|part| part.key) {
            Some(Key::Plain(key)) => self.take_certificate_key(number.to_string(), key),
            Some(Key::Sealed(sealed)) => {
                let key = keys.open(&number.clone().into(), sealed, &mut room).unwrap();
                self.take_certificate_key(number.to_string(), &key);
                self.take_ciphertext(sealed);
            }
            Some(Key::Own) | None => {}
        }
        if let Some(part) = pack.symmetric {
            let credential = keys.open(&part.apparatus_id.into(), part.sealed, &mut room).unwrap();
            let credential = SymmetricCredential::from_bytes(&credential).unwrap();
            let name = format!("pass phrase of {}", credential.apparatus_id);
            self.secrets.push((name, credential.pass_phrase.expose().to_vec()));
            self.take_ciphertext(part.sealed);
        }
    }

    /// What is secret of a key in PKCS#8 is its scalar.
    fn take_certificate_key(&mut self, number: String, key: &[u8]) {
        let scalar = SecretKey::from_pkcs8_der(key).unwrap().to_bytes().to_vec();
        self.secrets.push((format!("certificate key of {number}"), scalar));
    }

    fn take_ciphertext(&mut self, sealed: &[u8]) {
        self.ciphertexts.push(("ciphertext".to_owned(), sealed[sealed.len() - 32..].to_vec()));
    }
}
