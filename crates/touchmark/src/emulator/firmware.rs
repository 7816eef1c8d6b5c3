//! The firmware that an emulated device runs, and how it gets another.
//!
//! The maker's public key lies in the fixed parameters of the flash, with the version that the device was
//! built with. Its program area is a file beside the flash file, since images are larger than the flash:
//! `FLASH.program` is the package that runs, `FLASH.program.new` what has come of the next. A package is
//! fetched range by range, each made to last before the next is asked for, so that a break costs one range;
//! it is put in place of what runs only once it is whole and its hash is the signed one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use device::Board;
use device::calling::Outcome;
use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use identity::FirmwareVersion;
use minicbor::{Decode, Encode};
use package::{HEAD_BYTES_MAX, Head, ImageDigest, Judgement, MakerKey, Manifest, PackageError, Running};
use transport::{CallError, Client, FilePart};

use super::{EmulatedDevice, Silence};

/// How much of a package is asked for at a time.
pub const RANGE_BYTES: u64 = 64 * 1_024;

/// Why the fixed parameters cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FixedParametersError {
    /// The flash fails.
    #[error("the flash fails: {0:?}")]
    Flash(NorFlashErrorKind),
    /// They were programmed before, with something else.
    #[error("the device was built with another maker's key or firmware")]
    Other,
    /// They are not what this program writes.
    #[error("the fixed parameters in the flash are not what this device writes")]
    Unknown,
    /// The device gives no answer.
    #[error(transparent)]
    Silence(#[from] Silence),
}

/// Why the device cannot say what it runs.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The fixed parameters cannot be used.
    #[error(transparent)]
    FixedParameters(#[from] FixedParametersError),
    /// The program area cannot be read or written.
    #[error("the program area in {} fails", path.display())]
    Area {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What lies in the program area is not to be trusted.
    #[error("the program area holds nothing to run")]
    NotAuthentic(#[source] PackageError),
}

/// Why a package was not fetched to its end. What has come is kept, and goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The center cannot be reached, or does not give the package now.
    #[error("the center does not give it now")]
    Broken(#[source] CallError),
    /// The device cannot store it, or cannot say what it runs.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// The fixed parameters, which the maker programs into the flash when the device is built.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
struct FixedParameters<'a> {
    /// The maker's public key, a point (SEC 1).
    #[cbor(b(0), with = "minicbor::bytes")]
    maker_key: &'a [u8],
    /// The version of the firmware that the device was built with.
    #[n(1)]
    version: [u32; 3],
}

impl EmulatedDevice {
    /// Programs the maker's key and the firmware's version into a device that was built without, or finds
    /// that it was built with them.
    ///
    /// # Errors
    /// It was built with others, or the flash fails.
    pub fn set_fixed_parameters(
        &mut self,
        maker_key: &MakerKey,
        version: FirmwareVersion,
    ) -> Result<(), FixedParametersError> {
        if let Some(found) = self.fixed_parameters()? {
            let same = found == (maker_key.clone(), version);
            return if same { Ok(()) } else { Err(FixedParametersError::Other) };
        }
        let parameters = FixedParameters { maker_key: &maker_key.point(), version: version.parts() };
        let mut bytes = minicbor::to_vec(&parameters).expect("they are plain data");
        self.with_power(|module| {
            let area = module.board().flash_areas().fixed_parameters;
            let mut flash = module.board().flash();
            pad(&mut bytes, &flash);
            flash.write(area.start, &bytes).map_err(|error| FixedParametersError::Flash(error.kind()))
        })?
    }

    /// What the device runs, if it was built with a maker's key: the package in its program area, or what it
    /// was built with.
    ///
    /// # Errors
    /// Flash or program area fail, or hold what is not to be trusted.
    pub fn running(&mut self) -> Result<Option<Running>, ProgramError> {
        let Some((maker_key, built_with)) = self.fixed_parameters()? else { return Ok(None) };
        let product = self.product();
        let built = Running { product: product.clone(), version: built_with, security: 0 };
        let Some(area) = self.program_area() else { return Ok(Some(built)) };
        let head = match start_of(&area) {
            Ok(start) => Head::read(&start),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(built)),
            Err(source) => return Err(ProgramError::Area { path: area, source }),
        };
        let manifest = head.and_then(|head| head.verify(&maker_key)).map_err(ProgramError::NotAuthentic)?;
        Ok(Some(Running { product, version: manifest.version, security: manifest.security }))
    }

    /// Fetches a package and puts it in place of what runs, unless that is as new; or, where the device is to
    /// roll back, whatever it is. What came of it.
    ///
    /// # Errors
    /// The center cannot be reached, or the device's memories fail: it is to be tried again.
    pub async fn fetch_firmware(
        &mut self,
        center: &Client,
        package: &str,
        is_roll_back: bool,
    ) -> Result<Outcome, FetchError> {
        let Some((running, area)) = self.running()?.zip(self.program_area()) else {
            return Ok(Outcome::refused("this device cannot do that"));
        };
        let (maker_key, _) = self.fixed_parameters().map_err(ProgramError::from)?.expect("it runs firmware");
        let path = format!("/v1/files/{package}");
        let first = match center.get_range(&path, 0..=HEAD_BYTES_MAX as u64 - 1, None).await {
            Ok(first) => first,
            Err(error) => return told(error),
        };
        let judged = Head::read(&first.bytes).and_then(|head| Ok((head.bytes(), head.verify(&maker_key)?)));
        let (head_bytes, manifest) = match judged {
            Ok((bytes, manifest)) => (bytes as u64, manifest),
            Err(error) => return Ok(Outcome::refused(&error.to_string())),
        };
        match running.judge(&manifest, is_roll_back) {
            Ok(Judgement::Runs) => return Ok(Outcome::Done),
            Ok(Judgement::Replaces) if first.total == head_bytes + manifest.length => {}
            Ok(Judgement::Replaces) => return Ok(Outcome::refused(&PackageError::OtherImage.to_string())),
            Err(rejection) => return Ok(Outcome::refused(&rejection.to_string())),
        }
        let failed = |source| ProgramError::Area { path: area.clone(), source };
        let mut new = NewProgram::begin(&area, &first.bytes).map_err(failed)?;
        loop {
            let was_begun_before = new.length > 0;
            while new.length < first.total {
                let end = (new.length + RANGE_BYTES).min(first.total) - 1;
                match center.get_range(&path, new.length..=end, Some(&first.tag)).await {
                    Ok(FilePart { bytes, .. }) => new.append(&bytes).map_err(failed)?,
                    Err(error) => return told(error),
                }
            }
            if new.holds(head_bytes, &manifest).map_err(failed)? {
                new.install(&area).map_err(failed)?;
                return Ok(Outcome::Done);
            }
            new.truncate().map_err(failed)?;
            // A power cut may have spoiled what was there when this began; what came now has no such excuse.
            if !was_begun_before {
                return Ok(Outcome::failed(&PackageError::OtherImage.to_string()));
            }
        }
    }

    fn fixed_parameters(&mut self) -> Result<Option<(MakerKey, FirmwareVersion)>, FixedParametersError> {
        let board = self.module.board();
        let area = board.flash_areas().fixed_parameters;
        let mut bytes = vec![0; (area.end - area.start) as usize];
        let read = board.flash().read(area.start, &mut bytes);
        read.map_err(|error| FixedParametersError::Flash(error.kind()))?;
        if bytes.iter().all(|byte| *byte == 0xff) {
            return Ok(None);
        }
        let parameters: FixedParameters<'_> =
            minicbor::decode(&bytes).map_err(|_| FixedParametersError::Unknown)?;
        let key = MakerKey::from_point(parameters.maker_key).map_err(|_| FixedParametersError::Unknown)?;
        Ok(Some((key, FirmwareVersion::new(parameters.version))))
    }

    /// The file that is the program area; a device that lives as long as the process has none.
    fn program_area(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|(flash, _)| beside(flash, ".program"))
    }
}

/// What has come of a package.
struct NewProgram {
    path: PathBuf,
    file: File,
    length: u64,
}

impl NewProgram {
    /// Goes on with what has come before, where that is of the package which begins so; else begins anew.
    fn begin(area: &Path, start: &[u8]) -> io::Result<Self> {
        let path = beside(area, ".new");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let mut found = Vec::new();
        Read::by_ref(&mut file).take(start.len() as u64).read_to_end(&mut found)?;
        let mut new = Self { length: file.metadata()?.len(), path, file };
        if found != start {
            new.truncate()?;
        }
        Ok(new)
    }

    /// Adds what comes next. When this returns, it lasts.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn truncate(&mut self) -> io::Result<()> {
        self.length = 0;
        self.file.set_len(0)
    }

    /// Whether what follows the head is the image of the manifest.
    fn holds(&mut self, head_bytes: u64, manifest: &Manifest) -> io::Result<bool> {
        self.file.seek(SeekFrom::Start(head_bytes))?;
        let (mut digest, mut buffer) = (ImageDigest::new(), vec![0; RANGE_BYTES as usize]);
        loop {
            match self.file.read(&mut buffer)? {
                0 => break,
                count => digest.update(&buffer[..count]),
            }
        }
        Ok(self.length == head_bytes + manifest.length && digest.finish() == manifest.sha256)
    }

    /// Puts the package in place of what runs. When this returns, it lasts.
    fn install(self, area: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, area)?;
        let directory = area.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// What the center's answer means where it gives no range: a result, or that it is to be asked again.
fn told(error: CallError) -> Result<Outcome, FetchError> {
    match error {
        CallError::Refused(problem) if !problem.code.is_passing() => Ok(Outcome::refused(&problem.detail)),
        error => Err(FetchError::Broken(error)),
    }
}

/// How the program in the file begins.
fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(HEAD_BYTES_MAX as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Fills up to whole words.
fn pad<F: NorFlash>(bytes: &mut Vec<u8>, _: &F) {
    bytes.resize(bytes.len().next_multiple_of(F::WRITE_SIZE), 0xff);
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
