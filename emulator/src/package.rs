//! The code of a function: a file, a folder or a zip file.

use std::{
    fs, io,
    path::{self, Path, PathBuf},
};

/// File name of an event function's program.
const BOOTSTRAP: &str = "bootstrap";
/// File name of a Web function's program.
const SCF_BOOTSTRAP: &str = "scf_bootstrap";

/// The code of a function, ready to start.
pub(crate) struct Package {
    /// Absolute path of the program.
    pub(crate) program: PathBuf,
    /// Folder of the program.
    pub(crate) dir: PathBuf,
    /// The folder to remove after the instance has ended.
    _unpacked: Option<Unpacked>,
}

/// A folder that is removed on drop.
struct Unpacked(PathBuf);

impl Drop for Unpacked {
    fn drop(&mut self) {
        // The function may have made a folder that cannot be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns whether the code is that of a Web function: a file named `scf_bootstrap`, or a folder or
/// zip that holds one and no `bootstrap`.
pub(crate) fn is_web_function(path: &Path) -> bool {
    if path.is_dir() {
        return !path.join(BOOTSTRAP).is_file() && path.join(SCF_BOOTSTRAP).is_file();
    }
    if is_zip(path) {
        // An unreadable file is an error later.
        let names = zip_names(path).unwrap_or_default();
        let holds = |name| names.iter().any(|found| found == name);
        return !holds(BOOTSTRAP) && holds(SCF_BOOTSTRAP);
    }
    path.file_name().is_some_and(|name| name == SCF_BOOTSTRAP)
}

/// Prepares the code. A zip file is unpacked into the folder `unpacked`, which must not exist.
///
/// # Errors
/// The reason why there is no program.
pub(crate) fn open(path: &Path, is_web: bool, unpacked: PathBuf) -> Result<Package, String> {
    let name = if is_web { SCF_BOOTSTRAP } else { BOOTSTRAP };
    if is_zip(path) {
        let zip = path.display();
        let folder = Unpacked(unpacked);
        unzip(path, &folder.0).map_err(|error| format!("{zip} cannot be unpacked: {error}"))?;
        let program = folder.0.join(name);
        if !program.is_file() {
            let suffix = format!("/{name}");
            let names = zip_names(path).unwrap_or_default();
            return Err(match names.iter().find(|found| found.ends_with(&suffix)) {
                Some(found) => format!("{zip} holds {found}: zip the files, not their folder"),
                None => format!("{zip} holds no file {name}"),
            });
        }
        return Ok(Package { program, dir: folder.0.clone(), _unpacked: Some(folder) });
    }
    let path = if path.is_dir() { path.join(name) } else { path.to_owned() };
    let is_file = path.is_file();
    // The folder is that of a symbolic link, not of its target.
    let program = if is_file { absolute(&path) } else { path.clone() };
    let dir = program.parent().filter(|dir| is_file && dir.is_dir());
    let dir = dir.map_or_else(|| absolute(Path::new(".")), Path::to_owned);
    Ok(Package { program, dir, _unpacked: None })
}

fn absolute(path: &Path) -> PathBuf {
    // Without the folder's symbolic links, as the shell's `pwd -P` prints it.
    let absolute = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(dir), Some(name)) => match fs::canonicalize(dir) {
            Ok(dir) => dir.join(name),
            Err(_) => absolute,
        },
        _ => absolute,
    }
}

fn is_zip(path: &Path) -> bool {
    cfg!(feature = "zip")
        && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
        && path.is_file()
}

#[cfg(feature = "zip")]
fn zip_names(path: &Path) -> io::Result<Vec<String>> {
    let archive = zip::ZipArchive::new(fs::File::open(path)?).map_err(io::Error::other)?;
    Ok(archive.file_names().flatten().map(|name| name.into_owned()).collect())
}

#[cfg(feature = "zip")]
fn unzip(path: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    let mut archive = zip::ZipArchive::new(fs::File::open(path)?).map_err(io::Error::other)?;
    archive.extract(folder).map_err(io::Error::other)
}

#[cfg(not(feature = "zip"))]
fn zip_names(_: &Path) -> io::Result<Vec<String>> {
    Ok(Vec::new())
}

#[cfg(not(feature = "zip"))]
fn unzip(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Machine of an ELF file for x86-64 (`EM_X86_64`).
const X86_64: u16 = 62;

/// Returns the error message for a program that failed to start.
pub(crate) fn start_error(program: &Path, error: &io::Error) -> String {
    let path = program.display();
    let Ok(content) = fs::read(program) else {
        return format!("bootstrap file {path} does not exist or is unreadable: {error}");
    };
    let first_line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_elf = content.starts_with(b"\x7fELF");
    match (error.kind(), elf_machine(&content)) {
        (io::ErrorKind::PermissionDenied, _) => {
            format!("bootstrap file {path} is not executable: run chmod 755 before zipping it")
        }
        (io::ErrorKind::NotFound, _) if first_line.ends_with(b"\r") => {
            format!("first line of {path} ends with CR LF: save the file with LF")
        }
        (io::ErrorKind::NotFound, _) if is_elf => format!(
            "{path} needs a dynamic loader that does not exist: build a static binary (musl)"
        ),
        (io::ErrorKind::NotFound, _) => format!("interpreter of {path} does not exist"),
        (_, Some(machine)) if machine != X86_64 => format!(
            "{path} is a binary for another machine (ELF machine {machine}): build it for x86-64, \
             as the platform needs it"
        ),
        _ if content.starts_with(b"MZ") || content.starts_with(b"\xcf\xfa\xed\xfe") => {
            format!("{path} is a binary for another system: build it for x86-64 Linux")
        }
        _ if !content.starts_with(b"#!") && !is_elf => {
            format!("{path} is not a binary for this machine and does not start with #!: {error}")
        }
        _ => format!("{path} cannot be started: {error}"),
    }
}

/// Returns the machine in the header of an ELF file of the usual byte order.
fn elf_machine(content: &[u8]) -> Option<u16> {
    let bytes = content.strip_prefix(b"\x7fELF").and_then(|rest| rest.get(14..16))?;
    Some(u16::from_le_bytes([bytes[0], bytes[1]]))
}
