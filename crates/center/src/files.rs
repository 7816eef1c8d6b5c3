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

/// A package that lies in the directory, but not in its place yet. It holds the directory's lock.
pub(crate) struct Incoming {
    path: PathBuf,
    directory: PathBuf,
    _lock: File,
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

impl Files {
    /// The files in this directory, which is made when the first comes.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Copies a package into the directory.
    pub(crate) fn take_in(&self, source: &Path) -> Result<Incoming, FileError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(FileError::Directory)?;
        let lock = self.lock().map_err(FileError::Directory)?;
        let path = self.directory.join("incoming");
        let mut to = private_file(&path).map_err(FileError::Directory)?;
        let read = |error| FileError::Read { path: source.to_owned(), source: error };
        let mut from = File::open(source).map_err(read)?;

        let mut start = Vec::with_capacity(HEAD_BYTES_MAX);
        Read::by_ref(&mut from).take(HEAD_BYTES_MAX as u64).read_to_end(&mut start).map_err(read)?;
        let head = Head::read(&start)?;
        let (mut whole, mut image) = (ImageDigest::new(), ImageDigest::new());
        whole.update(&start);
        image.update(&start[head.bytes()..]);
        to.write_all(&start).map_err(FileError::Directory)?;
        let mut length = start.len() as u64;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = from.read(&mut buffer).map_err(read)?;
            if count == 0 {
                break;
            }
            length += count as u64;
            if length > PACKAGE_BYTES_MAX {
                return Err(FileError::TooLong);
            }
            whole.update(&buffer[..count]);
            image.update(&buffer[..count]);
            to.write_all(&buffer[..count]).map_err(FileError::Directory)?;
        }
        to.sync_all().map_err(FileError::Directory)?;
        let image_length = length - head.bytes() as u64;
        let name = Fingerprint::from_bytes(whole.finish()).to_string();
        Ok(Incoming {
            path,
            directory: self.directory.clone(),
            _lock: lock,
            head,
            image_sha256: image.finish(),
            image_length,
            length,
            name,
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
        let kept = fs::rename(&self.path, place(&self.directory, &self.name));
        kept.and_then(|()| File::open(&self.directory)?.sync_all()).map_err(FileError::Directory)
    }

    /// Removes the package again, which the books refuse.
    pub(crate) fn discard(&self) {
        // What is left is in nobody's way.
        let _ = fs::remove_file(place(&self.directory, &self.name));
    }
}

fn place(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.package"))
}

/// A new empty file in place of what a crash may have left there.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
