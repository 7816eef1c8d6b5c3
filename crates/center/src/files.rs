//! The files: firmware packages in a directory beside the store.
//!
//! A package is written beside its place, made to last, and moved into its place; only then the books
//! name it. So what the books name is there, whole; a file that they do not name was left by a crash,
//! and is in nobody's way. Packages are never in memory as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cert::Fingerprint;
use package::{HEAD_BYTES_MAX, Head, ImageDigest, PackageError};

/// The most bytes of a package: 1 GiB.
pub const PACKAGE_BYTES_MAX: u64 = 1 << 30;

/// How much of a file is in memory at a time.
pub(crate) const BUFFER_BYTES: usize = 64 * 1_024;

/// The directory with a center's files. Centers that share a store share it too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    directory: PathBuf,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The directory of files does not take it.
    #[error("the directory of files fails")]
    Directory(#[source] io::Error),
    /// It is larger than any package.
    #[error("the file has more than {PACKAGE_BYTES_MAX} bytes")]
    TooLong,
    /// It is no package, or not one of a maker that is known here.
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// A package that lies in the directory, but not in its place yet. It holds the directory's lock, and is gone
/// where it is not kept.
pub(crate) struct Incoming {
    place: IncomingPlace,
    /// What the package says of itself.
    pub(crate) head: Head,
    /// The hash of its image.
    pub(crate) image_sha256: [u8; 32],
    /// How many bytes its image has.
    pub(crate) image_length: u64,
    /// How many bytes it has.
    pub(crate) length: u64,
    /// Its name.
    pub(crate) name: String,
}

/// Where a package lies until it is kept.
struct IncomingPlace {
    directory: PathBuf,
    path: PathBuf,
    _lock: File,
}

impl Files {
    /// The files in this directory, which is made when the first comes.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Copies a package into the directory.
    pub(crate) fn take_in(&self, source: &Path) -> Result<Incoming, FileError> {
        let place = self.make_place().map_err(FileError::Directory)?;
        let mut to = private_file(&place.path).map_err(FileError::Directory)?;
        let read = |error| FileError::Read { path: source.to_owned(), source: error };
        let mut from = File::open(source).map_err(read)?;

        let mut part = Vec::with_capacity(BUFFER_BYTES);
        Read::by_ref(&mut from).take(HEAD_BYTES_MAX as u64).read_to_end(&mut part).map_err(read)?;
        let head = Head::read(&part)?;
        let (mut whole, mut image) = (ImageDigest::new(), ImageDigest::new());
        let (mut length, mut image_at) = (0, head.bytes());
        while !part.is_empty() {
            length += part.len() as u64;
            if length > PACKAGE_BYTES_MAX {
                return Err(FileError::TooLong);
            }
            whole.update(&part);
            image.update(&part[image_at..]);
            to.write_all(&part).map_err(FileError::Directory)?;
            image_at = 0;
            part.clear();
            Read::by_ref(&mut from).take(BUFFER_BYTES as u64).read_to_end(&mut part).map_err(read)?;
        }
        to.sync_all().map_err(FileError::Directory)?;
        Ok(Incoming {
            place,
            image_length: length - head.bytes() as u64,
            head,
            image_sha256: image.finish(),
            length,
            name: Fingerprint::from_bytes(whole.finish()).to_string(),
        })
    }

    /// Opens the package of this name, which the books know.
    pub(crate) async fn open(&self, name: &str) -> io::Result<tokio::fs::File> {
        tokio::fs::File::open(place(&self.directory, name)).await
    }

    /// Removes the package of this name, which the books no longer know.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let _lock = self.lock()?;
        match fs::remove_file(place(&self.directory, name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn make_place(&self) -> io::Result<IncomingPlace> {
        let directory = self.directory.clone();
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let lock = self.lock()?;
        Ok(IncomingPlace { path: directory.join("incoming"), directory, _lock: lock })
    }

    /// One process at a time changes the directory.
    fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.directory.join("lock"))?;
        file.lock()?;
        Ok(file)
    }
}

impl Incoming {
    /// Puts the package into its place. When this returns, it lasts.
    pub(crate) fn keep(&self) -> Result<(), FileError> {
        let IncomingPlace { directory, path, .. } = &self.place;
        let kept = fs::rename(path, place(directory, &self.name));
        kept.and_then(|()| File::open(directory)?.sync_all()).map_err(FileError::Directory)
    }

    /// Removes the package again, which the books refuse.
    pub(crate) fn discard(&self) {
        // What is left is in nobody's way.
        let _ = fs::remove_file(place(&self.place.directory, &self.name));
    }
}

impl Drop for IncomingPlace {
    fn drop(&mut self) {
        // A package that was kept is here no more.
        let _ = fs::remove_file(&self.path);
    }
}

fn place(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.package"))
}

/// A new empty file in place of what a crash may have left there.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
