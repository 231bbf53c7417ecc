//! Ends the function if the emulator is killed.

use std::{
    io,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Waits for EOF, which comes when the emulator ends, in whatever way. Then it kills the processes
/// whose `HOSTNAME` starts with `$1`, and removes the folders of unpacked zip files, which start
/// with `$2`.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r _
for _ in 1 2 3 4 5; do
    files=$(grep -ls "HOSTNAME=$1" /proc/[0-9]*/environ) || break
    for file in $files; do
        pid=${file#/proc/}
        kill -KILL "${pid%/environ}"
    done
done
rm -rf "$2"*
"#;

/// A process that outlives the emulator by a moment.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Starts the process. It has no output and a process group of its own, so that the signals of
    /// a terminal do not reach it.
    pub(crate) fn start(mark: &str, unpacked: &Path) -> io::Result<Self> {
        use std::os::unix::process::CommandExt;
        Command::new("/bin/sh")
            .args(["-c", SCRIPT, "scf-emulator-watchdog", mark])
            .arg(unpacked)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Self)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Fails only if the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
