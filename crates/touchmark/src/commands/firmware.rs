//! `touchmark firmware ...`: what the maker of firmware does, away from every server: keys, signing, verifying.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::Context;
use identity::profile::KeyAlgorithm;
use identity::{FirmwareVersion, ProductCode};
use package::{HEAD_BYTES_MAX, Head, ImageDigest, MakerKey, Manifest, PackageError};
use pki::{SigningKey, decrypt_key, encrypt_key};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Edge;
use super::authority::passphrase;
use crate::durable::{Privacy, replace_file, replace_file_from};
use crate::failure::Failure;
use crate::pem_files::{self, PUBLIC_KEY};

/// What the maker of firmware does.
#[derive(clap::Subcommand)]
pub enum Command {
    /// The maker's key
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make a signed package of an image
    Sign(SignArguments),
    /// Check a package with the maker's public key, and show what it holds
    Verify {
        /// The package
        package: PathBuf,
        /// The maker's public key, PEM
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

/// What is done with the maker's key.
#[derive(clap::Subcommand)]
pub enum KeyCommand {
    /// Make a key that signs firmware
    Make {
        /// Where to write the private key, encrypted; it stays with the maker
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Where to write the public key, for devices and centers
        #[arg(long, value_name = "FILE")]
        public: PathBuf,
        /// The file with the passphrase for the private key
        #[arg(long, value_name = "FILE")]
        passphrase_file: PathBuf,
    },
}

/// Arguments of `touchmark firmware sign`.
#[derive(clap::Args)]
pub struct SignArguments {
    /// The image
    image: PathBuf,
    /// The product that it is for
    #[arg(long, value_name = "CODE")]
    product: ProductCode,
    /// Its version, three numbers such as 2.14.0
    #[arg(long, value_name = "VERSION")]
    version: FirmwareVersion,
    /// Its security number: a device goes back to no package with a lower one than it has run
    #[arg(long, value_name = "N", default_value_t = 0)]
    security: u32,
    /// The maker's private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file with the passphrase for the private key
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// Where to write the package
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Key(KeyCommand::Make { out, public, passphrase_file }) => {
            make_key(&out, &public, &passphrase_file, edge)
        }
        Command::Sign(arguments) => sign(&arguments, edge),
        Command::Verify { package, key } => verify(&package, &key, edge),
    }
}

/// A maker's public key in a PEM file.
pub fn read_maker_key(path: &Path) -> anyhow::Result<MakerKey> {
    let der = pem_files::read_one(path, PUBLIC_KEY)?;
    MakerKey::from_public_key_info(&der).map_err(|error| {
        Failure::new(format!("{} holds no key of a maker", path.display()))
            .because(error)
            .advise("give the public key that `firmware key make` wrote")
            .into()
    })
}

/// What `key make` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeKey<'a> {
    key_name: String,
    private: &'a Path,
    public: &'a Path,
}

fn make_key(out: &Path, public: &Path, passphrase_file: &Path, edge: &Edge) -> anyhow::Result<()> {
    if out.exists() {
        let what = format!("{} is there already", out.display());
        return Err(Failure::new(what).advise("a maker's key is never written over; name another").into());
    }
    let passphrase = passphrase(passphrase_file)?;
    let key = SigningKey::generate(KeyAlgorithm::P256)?;
    let pem = encrypt_key(&key, passphrase.expose(), edge.random.as_ref())?;
    replace_file(out, Privacy::Owner, pem.as_bytes())
        .with_context(|| format!("cannot write {}", out.display()))?;
    pem_files::write(public, &[(PUBLIC_KEY, &key.public_key_der()?)], Privacy::Public)?;
    let key_name = MakerKey::from_point(key.public_point())?.name().to_string();
    let text = format!(
        "the maker's key {key_name} is in {}; its public half, for devices and centers, is in {}",
        out.display(),
        public.display(),
    );
    edge.output.object(&MadeKey { key_name, private: out, public }, text);
    Ok(())
}

fn sign(arguments: &SignArguments, edge: &Edge) -> anyhow::Result<()> {
    let (image, out) = (&arguments.image, &arguments.out);
    let pem = fs::read_to_string(&arguments.key).map(Zeroizing::new);
    let pem = pem.with_context(|| format!("cannot read {}", arguments.key.display()))?;
    let passphrase = passphrase(&arguments.passphrase_file)?;
    let key = decrypt_key(&pem, passphrase.expose(), KeyAlgorithm::P256)
        .with_context(|| format!("cannot open {}", arguments.key.display()))?;

    let mut file = File::open(image).with_context(|| format!("cannot read {}", image.display()))?;
    let (length, sha256) = digest(&mut file).with_context(|| format!("cannot read {}", image.display()))?;
    if length == 0 {
        return Err(Failure::usage(format!("{} is empty", image.display())).into());
    }
    let manifest = Manifest {
        product: arguments.product.clone(),
        version: arguments.version,
        security: arguments.security,
        length,
        sha256,
    };
    let name = MakerKey::from_point(key.public_point())?.name();
    let head = manifest.head(name, &key.sign(&manifest.to_be_signed(name))?)?;
    file.rewind().with_context(|| format!("cannot read {}", image.display()))?;
    replace_file_from(out, Privacy::Public, &mut Cursor::new(head).chain(file))
        .with_context(|| format!("cannot write {}", out.display()))?;
    let text = format!("{} is version {} for {}", out.display(), manifest.version, manifest.product);
    edge.output.object(&Shown::of(&manifest, name.to_string()), text);
    Ok(())
}

fn verify(path: &Path, key: &Path, edge: &Edge) -> anyhow::Result<()> {
    let maker_key = read_maker_key(key)?;
    let cannot_read = || format!("cannot read {}", path.display());
    let mut file = BufReader::new(File::open(path).with_context(cannot_read)?);
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(HEAD_BYTES_MAX as u64).read_to_end(&mut start).with_context(cannot_read)?;
    let not_good = |error: PackageError| {
        Failure::new(format!("{} is not to be trusted", path.display()))
            .because(error)
            .advise("get the package from its maker again, or check with the key of the right maker")
    };
    let head = Head::read(&start).map_err(not_good)?;
    file.seek(io::SeekFrom::Start(head.bytes() as u64)).with_context(cannot_read)?;
    let manifest = head.verify(&maker_key).map_err(not_good)?;
    let (length, sha256) = digest(&mut file).with_context(cannot_read)?;
    if (length, sha256) != (manifest.length, manifest.sha256) {
        return Err(not_good(PackageError::OtherImage).into());
    }
    let text = format!(
        "version {} for {}, security number {}, {length} bytes, signed with the key {}",
        manifest.version,
        manifest.product,
        manifest.security,
        maker_key.name(),
    );
    edge.output.object(&Shown::of(&manifest, maker_key.name().to_string()), text);
    Ok(())
}

/// How many bytes there are to read, and their SHA-256.
fn digest(from: &mut impl Read) -> io::Result<(u64, [u8; 32])> {
    let (mut digest, mut length) = (ImageDigest::new(), 0);
    let mut buffer = vec![0; 64 * 1_024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok((length, digest.finish())),
            count => {
                digest.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
}

/// What a package holds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    product: ProductCode,
    version: FirmwareVersion,
    security: u32,
    length: u64,
    sha256: String,
    key_name: String,
}

impl Shown {
    fn of(manifest: &Manifest, key_name: String) -> Self {
        Self {
            product: manifest.product.clone(),
            version: manifest.version,
            security: manifest.security,
            length: manifest.length,
            sha256: hex::encode(manifest.sha256),
            key_name,
        }
    }
}
