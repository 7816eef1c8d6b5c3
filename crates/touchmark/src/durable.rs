//! Files that are there whole or not at all, also after a power cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privacy {
    /// Its owner only (mode 0600).
    Owner,
    /// Everybody (mode 0644).
    Public,
}

/// Puts `content` at `path`, in place of what was there. When this returns, it lasts.
///
/// # Errors
/// What was there is still there, whole.
pub fn replace_file(path: &Path, privacy: Privacy, mut content: &[u8]) -> io::Result<()> {
    replace_file_from(path, privacy, &mut content)
}

/// Puts all that `content` reads at `path`, in place of what was there. When this returns, it lasts.
///
/// # Errors
/// What was there is still there, whole.
pub fn replace_file_from(path: &Path, privacy: Privacy, content: &mut impl Read) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let mode = match privacy {
        Privacy::Owner => 0o600,
        Privacy::Public => 0o644,
    };
    // A file left by a crash may have other rights; the mode counts only for a new one.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    io::copy(content, &mut file)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    make_name_last(path)
}

/// A file that only its owner may read, whose content is still to come. Dropped unfilled, it is gone.
pub struct NewFile {
    path: PathBuf,
    file: File,
    is_filled: bool,
}

impl NewFile {
    /// Makes the file, so that what can go wrong with its name goes wrong now.
    ///
    /// # Errors
    /// There is something at `path` already, or it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { path: path.to_owned(), file, is_filled: false })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the content. When this returns, it lasts.
    ///
    /// # Errors
    /// The file is gone.
    pub fn fill(mut self, content: &[u8]) -> io::Result<()> {
        self.file.write_all(content)?;
        self.file.sync_all()?;
        make_name_last(&self.path)?;
        self.is_filled = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_filled {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A new name lasts only once its directory does.
fn make_name_last(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}
