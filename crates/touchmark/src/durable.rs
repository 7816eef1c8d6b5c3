//! Files that are there whole or not at all, also after a power cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
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
pub fn replace_file(path: &Path, privacy: Privacy, content: &[u8]) -> io::Result<()> {
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
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    // The new name lasts only once the directory does.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}
