//! Where the function's process lives, and what is wrong there.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::api::{Api, LONG};
use super::provider::AUTHORITY;
use crate::support::Ask;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Surroundings {
    Well,
    /// The provider is spoken to in TLS.
    Https,
    /// A question was answered before, and the connections are kept.
    Warm,
    /// The same, and the instance was frozen until everybody had closed the connections.
    FrozenBetween,
    /// Frozen while the provider is asked, until the time for the answer is over.
    FrozenDuring,
    /// The least that a question needs: three for the standard streams, two connections, and one more.
    FewDescriptors,
    /// 64 MB of addresses.
    LittleMemory,
    /// Nowhere to write, and where the binary needs nothing else, nothing else in the root; no variable of the platform's.
    NoDisk,
    /// Nobody reads the log.
    NoLog,
}

impl Surroundings {
    pub(super) const ALL: [Self; 9] = [
        Self::Well,
        Self::Https,
        Self::Warm,
        Self::FrozenBetween,
        Self::FrozenDuring,
        Self::FewDescriptors,
        Self::LittleMemory,
        Self::NoDisk,
        Self::NoLog,
    ];

    /// Whether a question was answered before.
    pub(super) fn is_warm(self) -> bool {
        matches!(self, Self::Warm | Self::FrozenBetween)
    }

    /// For the shell. Descriptors that the tests' own process has inherited do not count.
    fn limits(self) -> &'static str {
        match self {
            Self::FewDescriptors => "exec 3>&- 4>&- 5>&- && ulimit -n 6",
            Self::LittleMemory => "ulimit -v 65536",
            Self::NoDisk => "ulimit -f 0",
            _ => ":",
        }
    }
}

/// What the platform sets beside the address of the runtime API.
const VARIABLES: [(&str, &str); 5] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("HOME", "/home/qcloud"),
    ("LANG", "en_US.UTF8"),
    ("TZ", "UTC"),
    ("TENCENTCLOUD_RUNENV", "SCF"),
];

/// A root that holds the binary and one certificate. Only a static binary runs there, and only root may lead it there.
static EMPTY_ROOT: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let packaged = PathBuf::from(std::env::var_os("ASK_PACKAGE")?).join("ask");
    (fs::metadata("/proc/self").ok()?.uid() == 0).then_some(())?;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty-root");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).ok()?;
    // Not written here: a process that another test starts meanwhile would have the file open for a moment, too, and the
    // system runs no file that somebody may still write.
    Command::new("cp")
        .arg(packaged)
        .arg(root.join("ask"))
        .status()
        .ok()
        .filter(ExitStatus::success)?;
    fs::copy(AUTHORITY.1.path(), root.join("root.pem")).ok()?;
    Some(root)
});

/// The function's process, which ends with this value.
pub(super) struct Process {
    child: Mutex<Child>,
    pid: u32,
    said: Arc<(Mutex<Vec<String>>, Condvar)>,
    is_frozen: AtomicBool,
}

/// What a process has of the system's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Holdings {
    pub(super) threads: usize,
    pub(super) files: usize,
    pub(super) sockets: usize,
}

impl Process {
    pub(super) fn start(surroundings: Surroundings, ask: Ask, api: &Api) -> Self {
        let (host, port) = api.host_and_port();
        let is_bare = surroundings == Surroundings::NoDisk;
        let root = if is_bare { EMPTY_ROOT.as_deref() } else { None };
        let ask =
            ask.set("SSL_CERT_FILE", root.map_or(AUTHORITY.1.path(), |_| "/root.pem")).command();
        let mut command = Command::new("/bin/sh");
        match root {
            Some(root) => {
                let chroot = format!("{} && exec chroot \"$0\" /ask", surroundings.limits());
                command.args(["-c", &chroot]).arg(root);
            }
            None => {
                let exec = format!("{} && exec \"$0\"", surroundings.limits());
                command.args(["-c", &exec]).arg(ask.get_program());
            }
        }
        command.env_clear().current_dir("/");
        command.envs(ask.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SCF_RUNTIME_API", host).env("SCF_RUNTIME_API_PORT", port);
        if !is_bare {
            command.envs(VARIABLES);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::<(Mutex<Vec<String>>, Condvar)>::default();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        if surroundings != Surroundings::NoLog {
            listen_to(stdout, said.clone());
        }
        listen_to(stderr, said.clone());
        let pid = child.id();
        Self { child: Mutex::new(child), pid, said, is_frozen: AtomicBool::new(false) }
    }

    /// Waits until it has said this, in one line.
    pub(super) fn says(&self, words: &[&str]) -> Result<()> {
        self.says_within(LONG, words)
    }

    /// The same for what takes longer.
    pub(super) fn says_within(&self, limit: Duration, words: &[&str]) -> Result<()> {
        let is_said = |said: &Vec<String>| {
            said.iter().any(|line| words.iter().all(|word| line.contains(word)))
        };
        let said = self.said.0.lock().unwrap();
        let (said, _) = self.said.1.wait_timeout_while(said, limit, |said| !is_said(said)).unwrap();
        ensure!(is_said(&said), "{words:?} is not said: {said:?}");
        Ok(())
    }

    pub(super) fn said(&self) -> Vec<String> {
        self.said.0.lock().unwrap().clone()
    }

    pub(super) fn is_alive(&self) -> bool {
        self.child.lock().unwrap().try_wait().is_ok_and(|status| status.is_none())
    }

    /// Waits until it ends, and gives its status.
    pub(super) fn ended(&self) -> Option<i32> {
        self.child.lock().unwrap().wait().ok()?.code()
    }

    /// Stops it, where it is not stopped already, and waits until it is.
    pub(super) fn freeze(&self) {
        if self.is_frozen.swap(true, Ordering::AcqRel) {
            return;
        }
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.pid);
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") T ")) {
            thread::yield_now();
        }
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let _ =
            Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", self.pid)]).status();
    }

    pub(super) fn holdings(&self) -> Result<Holdings> {
        let of = format!("/proc/{}", self.pid);
        let links = fs::read_dir(format!("{of}/fd"))?.map(|fd| fs::read_link(fd?.path()));
        // One that was closed meanwhile is none.
        let links: Vec<_> = links.flatten().collect();
        let sockets =
            links.iter().filter(|link| link.to_string_lossy().starts_with("socket:")).count();
        let threads = fs::read_dir(format!("{of}/task"))?.count();
        Ok(Holdings { threads, files: links.len() - sockets, sockets })
    }

    /// Waits until it has this and no more.
    pub(super) fn holds(&self, expected: Holdings) -> Result<()> {
        let began = Instant::now();
        loop {
            let holdings = self.holdings().context("look at the process")?;
            if holdings == expected {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(20) {
                bail!("it has {holdings:?} instead of {expected:?}");
            }
            // Nothing tells of a change.
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn listen_to(stream: impl Read + Send + 'static, said: Arc<(Mutex<Vec<String>>, Condvar)>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            said.0.lock().unwrap().push(line);
            said.1.notify_all();
        }
    });
}
