//! The command in a home of its own, beside a stand-in of the cloud.

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::cloud::{Cloud, Function, SECRET_ID, SECRET_KEY};

/// A value of a variable that must never be printed.
pub(crate) const SECRET: &str = "sk-never-printed-0123456789";

/// The address that the stand-in gives a Function URL.
pub(crate) const ADDRESS: &str = "https://1250000000-abcdefghij.ap-singapore.tencentscf.com";

/// A folder that is removed in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("scf-deploy-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Writes a file for its owner alone.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        set_mode(&path, 0o600);
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Packs an event function (`bootstrap`) or a Web function (`scf_bootstrap`).
pub(crate) fn zip(entry: &str, content: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o755);
    zip.start_file(entry, options).unwrap();
    zip.write_all(content.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// The command's result.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        assert_eq!(self.status, Some(1), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Expects the exit status for a function that does not exist.
    #[track_caller]
    pub(crate) fn no_function(self) -> Self {
        assert_eq!(self.status, Some(3), "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in:\n{}", self.stderr);
        }
        self
    }
}

/// The command, a home for it, and a cloud.
pub(crate) struct Setup {
    pub(crate) cloud: Cloud,
    pub(crate) folder: Folder,
    /// Variables of the command's environment.
    pub(crate) env: Vec<(&'static str, String)>,
}

impl Setup {
    /// Starts a cloud; there are zips `hello.zip` (event) and `site.zip` (Web).
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        folder.write("hello.zip", zip("bootstrap", "one"));
        folder.write("site.zip", zip("scf_bootstrap", "one"));
        let env = vec![
            ("TENCENTCLOUD_SECRET_ID", SECRET_ID.to_owned()),
            ("TENCENTCLOUD_SECRET_KEY", SECRET_KEY.to_owned()),
        ];
        Self { cloud: Cloud::start(), folder, env }
    }

    /// Prepares the command with arguments, in the folder, at the stand-in.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scf-deploy"));
        command
            .args(["--endpoint", &self.cloud.endpoint(), "--poll", "0.002"])
            .args(args)
            .current_dir(&self.folder.0)
            .env_clear()
            .env("HOME", &self.folder.0)
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs the command. Checks that it shows no secret and no address without TLS.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().unwrap();
        let output = Output {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        let all = format!("{}{}", output.stdout, output.stderr);
        for secret in [SECRET, SECRET_ID, SECRET_KEY, "http://"] {
            assert!(!all.contains(secret), "{secret} is in:\n{all}");
        }
        output
    }

    /// The function as it is on the cloud.
    #[track_caller]
    pub(crate) fn function(&self, name: &str) -> Function {
        self.cloud.state().functions[name].clone()
    }

    /// The actions that changed something since the last time.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.cloud.take_changes().into_iter().map(|call| call.action).collect()
    }
}
