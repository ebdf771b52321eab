//! Files and directories that are whole and on the disk, or not there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::BackupError;
use super::manifest::ManifestFile;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

fn failed<'a>(path: &'a Path, during: &'static str) -> impl Fn(io::Error) -> BackupError + use<'a> {
    move |source| BackupError::File { path: path.to_path_buf(), during, source }
}

/// A directory that is filled under another name beside its own, and gets its name when it is
/// whole.
#[derive(Debug)]
pub(super) struct Unfinished {
    place: PathBuf,
    name: PathBuf,
    parent: PathBuf,
}

impl Unfinished {
    /// Makes it, for its owner only: it holds everything that the store does.
    pub(super) fn make(name: &Path) -> Result<Self, BackupError> {
        let unnamed = || BackupError::Unnamed(name.to_path_buf());
        let last = name.file_name().ok_or_else(unnamed)?;
        let parent = match name.parent().ok_or_else(unnamed)? {
            here if here.as_os_str().is_empty() => Path::new("."),
            parent => parent,
        };
        fs::create_dir_all(parent).map_err(failed(parent, "making the directory"))?;
        let mut unfinished = last.to_owned();
        // Never the name of another that was cut off.
        unfinished.push(format!(".unfinished-{}", Uuid::new_v4()));
        let place = parent.join(unfinished);
        let made = fs::DirBuilder::new().mode(0o700).create(&place);
        made.map_err(failed(&place, "making the directory"))?;
        Ok(Self { place, name: name.to_path_buf(), parent: parent.to_path_buf() })
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Waits for the disk and gives it its name, over an empty directory or none.
    pub(super) fn finish(self) -> Result<(), BackupError> {
        sync(&self.place)?;
        fs::rename(&self.place, &self.name).map_err(failed(&self.name, "giving it its name"))?;
        sync(&self.parent)
    }

    /// Takes it away. What can't be taken away is left: it has no name that anybody asked for.
    pub(super) fn discard(self) {
        drop(fs::remove_dir_all(&self.place));
    }
}

/// Waits until the disk has a file, or the names in a directory.
pub(super) fn sync(path: &Path) -> Result<(), BackupError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(failed(path, "waiting for the disk"))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, BackupError> {
    fs::read(path).map_err(failed(path, "reading it"))
}

pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(failed(path, "writing it"))
}

/// Whether there is nothing at a path, or an empty directory.
pub(super) fn is_empty(path: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(failed(path, "looking into it")(error)),
    }
}

/// A file of a directory, once the disk has it.
pub(super) fn described(directory: &Path, name: &str) -> Result<ManifestFile, BackupError> {
    let path = directory.join(name);
    sync(&path)?;
    let file = File::open(&path).map_err(failed(&path, "reading it"))?;
    let (bytes, sha256) = pass(file, &mut io::sink()).map_err(failed(&path, "reading it"))?;
    Ok(ManifestFile { name: name.to_owned(), bytes, sha256 })
}

/// Copies a file of a backup, and refuses it where it isn't what the manifest says.
pub(super) fn copy_checked(file: &ManifestFile, from: &Path, to: &Path) -> Result<(), BackupError> {
    let (source, target) = (from.join(&file.name), to.join(&file.name));
    let reader = match File::open(&source) {
        Ok(reader) => reader,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::Damaged(format!("{} is missing", file.name)));
        }
        Err(error) => return Err(failed(&source, "reading it")(error)),
    };
    let mut writer = File::create(&target).map_err(failed(&target, "writing it"))?;
    // What is compared is what was written, not what a second look would find.
    let (bytes, sha256) = pass(reader, &mut writer).map_err(failed(&target, "copying it"))?;
    if bytes != file.bytes {
        let problem = format!("{} has {bytes} bytes and should have {}", file.name, file.bytes);
        return Err(BackupError::Damaged(problem));
    }
    if sha256 != file.sha256 {
        let problem = format!("{} does not have its SHA-256", file.name);
        return Err(BackupError::Damaged(problem));
    }
    Ok(())
}

/// Moves all bytes; how many there were, and their SHA-256.
fn pass(mut from: impl Read, to: &mut impl Write) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        hasher.update(&chunk[..read]);
        to.write_all(&chunk[..read])?;
        bytes += read as u64;
    }
    Ok((bytes, coppice_core::Hash(hasher.finalize().into()).to_string()))
}
